//! What has gone in and come out so far, and where that is too much.
//!
//! Two readers share one meter: [`Source`] counts below the decompressor, [`Unpacked`] above it. Either stops the reading with an error as
//! soon as a limit is passed; which limit it was stays in the meter, because an `io::Error` has no room for it.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;

use super::{Limits, Refused, SlugError};

/// Below this the ratio says nothing: a small file of blanks is no bomb.
const RATIO_FROM_BYTES: u64 = 16 << 20;

/// The counts, and why the reading stopped.
pub(super) struct Meter {
    limits: Limits,
    compressed: Cell<u64>,
    unpacked: Cell<u64>,
    stopped: RefCell<Option<SlugError>>,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Rc<Meter> {
        Rc::new(Meter {
            limits: limits.clone(),
            compressed: Cell::new(0),
            unpacked: Cell::new(0),
            stopped: RefCell::new(None),
        })
    }

    /// What an error of the readers means: the reason that was kept, or an archive that is none.
    pub(super) fn explain(&self, error: &io::Error) -> SlugError {
        let kept = self.stopped.borrow_mut().take();
        kept.unwrap_or_else(|| Refused::NotAnArchive(error.to_string()).into())
    }

    fn stop(&self, why: impl Into<SlugError>) -> io::Error {
        *self.stopped.borrow_mut() = Some(why.into());
        io::Error::other("stopped")
    }

    fn count_compressed(&self, bytes: u64) -> io::Result<()> {
        let max = self.limits.compressed_bytes_max;
        self.compressed.set(self.compressed.get() + bytes);
        if self.compressed.get() > max {
            return Err(self.stop(Refused::Compressed(max)));
        }
        Ok(())
    }

    fn count_unpacked(&self, bytes: u64) -> io::Result<()> {
        let unpacked = self.unpacked.get() + bytes;
        self.unpacked.set(unpacked);
        if unpacked > self.limits.unpacked_bytes_max {
            return Err(self.stop(Refused::Unpacked(self.limits.unpacked_bytes_max)));
        }
        let ratio_max = self.limits.ratio_max;
        let plausible = self.compressed.get().saturating_mul(ratio_max);
        if unpacked > RATIO_FROM_BYTES && unpacked > plausible {
            return Err(self.stop(Refused::Ratio(ratio_max)));
        }
        Ok(())
    }
}

/// The archive as it comes.
pub(super) struct Source<R> {
    pub(super) inner: R,
    pub(super) meter: Rc<Meter>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.meter.stop(error)),
        };
        self.meter.count_compressed(count as u64)?;
        Ok(count)
    }
}

/// What the decompressor makes of it.
pub(super) struct Unpacked<R> {
    pub(super) inner: R,
    pub(super) meter: Rc<Meter>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.count_unpacked(count as u64)?;
        Ok(count)
    }
}
