//! Documents on their way to a process: opened on a thread beside, piece by piece, so that none of them is here as a whole.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Patience, Piece};

/// What goes through the pipe at once, and as much of it lies ready.
const PIECE_BYTES: usize = 1 << 20;
const PIECES_AHEAD: usize = 2;

/// How often it is looked whether somebody still waits for the next one.
const LOOK: Duration = Duration::from_millis(100);

/// A document that whoever has it opens piece by piece.
pub trait Pour: Send + Sync {
    /// How long it is.
    fn bytes(&self) -> u64;

    /// Writes it into a sink, piece by piece. Blocks.
    ///
    /// # Errors
    ///
    /// Where the sink takes no more, or it is no longer what it was. What was written then is to be discarded.
    fn pour(&self, sink: &mut dyn Write) -> io::Result<()>;
}

/// A piece of a document that was opened, or why there is none.
type Taken = Result<Zeroizing<Vec<u8>>, String>;

/// Has documents opened on a thread beside, piece by piece, as far as somebody takes them. A disk that does not answer is waited for as long as there is
/// patience, and then left behind with its thread.
pub fn poured<T>(
    documents: &[impl Pour + Clone + 'static],
    patience: Patience<'_>,
    take: &mut dyn FnMut(&mut dyn Iterator<Item = Piece<'_>>) -> T,
) -> T {
    let (sender, receiver) = sync_channel(PIECES_AHEAD);
    let documents = documents.to_vec();
    let failed = sender.clone();
    let opened = thread::Builder::new().spawn(move || {
        for document in documents {
            let mut pieces = Pieces::to(&sender);
            let poured = document.pour(&mut pieces).and_then(|()| pieces.flush());
            if let Err(error) = poured {
                // Nobody hears it where nobody takes them any more.
                sender.send(Err(error.to_string())).ok();
                return;
            }
        }
    });
    if let Err(error) = opened {
        failed.send(Err(error.to_string())).ok();
    }
    drop(failed);
    take(&mut std::iter::from_fn(|| next(&receiver, patience)))
}

/// The next piece, or why there is none in time; nothing where that was the last.
fn next(receiver: &Receiver<Taken>, patience: Patience<'_>) -> Option<Piece<'static>> {
    loop {
        let left = patience.until.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left.min(LOOK)) {
            Ok(taken) => {
                return Some(taken.map(|piece| Box::new(piece) as Box<dyn AsRef<[u8]>>));
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) if left.is_zero() || (patience.canceled)() => {
                return Some(Err("its documents were not opened in time".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Sends what is written on in pieces.
struct Pieces<'a> {
    sender: &'a SyncSender<Taken>,
    piece: Zeroizing<Vec<u8>>,
}

impl<'a> Pieces<'a> {
    fn to(sender: &'a SyncSender<Taken>) -> Self {
        Self {
            sender,
            piece: Zeroizing::new(Vec::with_capacity(PIECE_BYTES)),
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.piece.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut *self.piece);
        self.piece.reserve_exact(PIECE_BYTES);
        let sent = self.sender.send(Ok(Zeroizing::new(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// So many letters, and perhaps an error after them.
    #[derive(Clone)]
    struct Letters(usize, Option<&'static str>);

    impl Pour for Letters {
        fn bytes(&self) -> u64 {
            self.0 as u64
        }

        fn pour(&self, sink: &mut dyn Write) -> io::Result<()> {
            for _ in 0..self.0 {
                sink.write_all(b"x")?;
            }
            self.1.map_or(Ok(()), |why| Err(io::Error::other(why)))
        }
    }

    /// How long all pieces were that were taken, at most so many, and why there was no next one.
    fn taken(documents: &[Letters], most: usize) -> (usize, Option<String>) {
        let patience = Patience {
            until: Instant::now() + Duration::from_secs(20),
            canceled: &|| false,
        };
        poured(documents, patience, &mut |pieces| {
            let (mut length, mut why) = (0, None);
            for piece in pieces.take(most) {
                match piece {
                    Ok(piece) => {
                        let bytes = (*piece).as_ref();
                        assert!(bytes.len() <= PIECE_BYTES);
                        length += bytes.len();
                    }
                    Err(error) => why = Some(error),
                }
            }
            (length, why)
        })
    }

    #[test]
    fn documents_come_in_pieces_in_their_order_and_an_error_in_its_place() {
        let all = [0, 1, PIECE_BYTES, PIECE_BYTES + 1];
        let sum: usize = all.iter().sum();
        let documents = all.map(|length| Letters(length, None));
        assert_eq!(taken(&documents, usize::MAX), (sum, None));
        let broken = [
            Letters(PIECE_BYTES, Some("it was altered")),
            Letters(PIECE_BYTES, None),
        ];
        let (length, why) = taken(&broken, usize::MAX);
        assert_eq!(length, PIECE_BYTES, "nothing comes after the error");
        assert_eq!(why.as_deref(), Some("it was altered"));
    }

    #[test]
    fn who_takes_no_more_waits_for_nobody() {
        let documents = [Letters(20 * PIECE_BYTES, None)];
        assert_eq!(taken(&documents, 1), (PIECE_BYTES, None));
        assert_eq!(taken(&documents, 0), (0, None));
    }

    /// A disk that does not answer.
    #[derive(Clone)]
    struct Hanging;

    impl Pour for Hanging {
        fn bytes(&self) -> u64 {
            1
        }

        fn pour(&self, _: &mut dyn Write) -> io::Result<()> {
            loop {
                thread::park();
            }
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_is_not_waited_for_longer_than_there_is_patience() {
        let began = Instant::now();
        for (left, is_canceled) in [
            (Duration::from_millis(50), false),
            (Duration::from_mins(5), true),
        ] {
            let patience = Patience {
                until: Instant::now() + left,
                canceled: &|| is_canceled,
            };
            let first = poured(&[Hanging], patience, &mut |pieces| {
                pieces.next().map(|piece| piece.map(drop))
            });
            let why = first.unwrap().unwrap_err();
            assert!(why.contains("in time"), "{why}");
        }
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
