//! The process's own side: it gives up everything, says so, reads one order, and says what comes of it.

use std::io::{self, Read};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{confine, frame};

/// The watch only waits.
const WATCH_STACK_BYTES: usize = 128 << 10;

/// Gives up everything, and says so. The binary calls this before it has opened or started anything.
///
/// # Errors
///
/// When something cannot be given up, or nobody hears it.
pub fn begin() -> Result<(), String> {
    let ready = confine::confine()?;
    let said = frame::write(&mut io::stdout().lock(), &ready);
    said.map_err(|error| format!("saying that it is ready: {error}"))
}

/// Reads what is to be done.
///
/// # Errors
///
/// When it is cut off, or no such order.
pub fn order<O: DeserializeOwned>() -> Result<O, String> {
    let order = frame::read(&mut io::stdin().lock());
    order.map_err(|error| format!("reading what to do: {error}"))
}

/// Reads the next document of the order, of so many bytes.
///
/// # Errors
///
/// When it is cut off.
pub fn document(bytes: u64) -> io::Result<Vec<u8>> {
    let mut document = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
    io::stdin().lock().read_exact(&mut document)?;
    Ok(document)
}

/// Says something.
///
/// # Errors
///
/// When nobody hears it, or it is longer than a frame may be.
pub fn say(word: &impl Serialize) -> Result<(), String> {
    let said = frame::write(&mut io::stdout().lock(), word);
    said.map_err(|error| format!("saying what was found: {error}"))
}

/// Ends this process when nobody is there any more to hear what it says. For when all documents were read: nothing comes after them but the end.
///
/// # Errors
///
/// When the watch cannot be started.
pub fn watch() -> Result<(), String> {
    let wait = || {
        let mut byte = [0];
        let _ = io::stdin().lock().read(&mut byte);
        std::process::abort();
    };
    let watching = thread::Builder::new()
        .stack_size(WATCH_STACK_BYTES)
        .spawn(wait);
    watching
        .map(|_| ())
        .map_err(|error| format!("starting the watch: {error}"))
}
