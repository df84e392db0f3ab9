//! Documents on their way to a process: opened on a thread beside, piece by piece, so that none of them is here as a whole.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use statehouse_confined::Piece;
use statehouse_core::document::Document;
use zeroize::Zeroizing;

/// What goes through the pipe at once, and as much of it lies ready.
const PIECE_BYTES: usize = 1 << 20;
const PIECES_AHEAD: usize = 2;

/// A piece of a document that was opened, or why there is none.
type Taken = Result<Zeroizing<Vec<u8>>, String>;

/// Has documents opened on a thread beside, piece by piece, as far as somebody takes them.
pub(super) fn poured<T>(
    documents: &[Document],
    take: &mut dyn FnMut(&mut dyn Iterator<Item = Piece<'_>>) -> T,
) -> T {
    let (sender, receiver) = sync_channel(PIECES_AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
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
        let pieces = receiver.iter().map(|taken| {
            let taken: Piece<'static> = taken.map(|piece| Box::new(piece) as Box<dyn AsRef<[u8]>>);
            taken
        });
        let taken = take(&mut { pieces });
        drop(receiver);
        taken
    })
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
