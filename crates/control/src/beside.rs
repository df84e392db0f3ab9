//! Bytes beside an ask, as they come: a plan of 200 MB is never in memory as a whole.

use std::io::{Error, ErrorKind, Read, Result};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

/// Longest piece that is read at once, in bytes.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// Pieces that wait for who takes them.
const PIECES_MAX: usize = 4;

/// Bytes beside an ask: here already, or still to come. Read them on a thread that may block, or all at once with [`Beside::whole`].
#[derive(Debug)]
pub struct Beside {
    length: u64,
    here: Bytes,
    /// How many come after those that are here.
    missing: u64,
    coming: Option<mpsc::Receiver<Bytes>>,
}

/// Where [`Beside`] has its bytes from.
#[derive(Debug)]
pub struct Feed {
    length: u64,
    pieces: mpsc::Sender<Bytes>,
}

/// So many bytes that are still to come, and what feeds them.
pub fn beside(length: u64) -> (Feed, Beside) {
    let (pieces, coming) = mpsc::channel(PIECES_MAX);
    let beside = Beside {
        length,
        here: Bytes::new(),
        missing: length,
        coming: Some(coming),
    };
    (Feed { length, pieces }, beside)
}

impl Feed {
    /// Feeds what comes from a stream, exactly as much as was announced. Bytes that nobody takes are read all the same: behind them
    /// comes the next ask.
    ///
    /// # Errors
    ///
    /// The stream breaks, or ends before.
    pub async fn from(self, stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
        let mut missing = self.length;
        while missing > 0 {
            let room = usize::try_from(missing)
                .unwrap_or(usize::MAX)
                .min(PIECE_BYTES_MAX);
            let mut piece = vec![0; room];
            let read = stream.read(&mut piece).await?;
            if read == 0 {
                return Err(cut());
            }
            piece.truncate(read);
            missing = missing.saturating_sub(read as u64);
            // Who does not want them has let go of them.
            self.pieces.send(piece.into()).await.ok();
        }
        Ok(())
    }
}

fn cut() -> Error {
    Error::new(
        ErrorKind::UnexpectedEof,
        "the bytes beside an ask were cut short",
    )
}

impl From<Bytes> for Beside {
    fn from(here: Bytes) -> Self {
        Self {
            length: here.len() as u64,
            here,
            missing: 0,
            coming: None,
        }
    }
}

impl Beside {
    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of them, in memory.
    ///
    /// # Errors
    ///
    /// They are cut short.
    pub async fn whole(mut self) -> Result<Bytes> {
        if self.missing == 0 {
            return Ok(self.here);
        }
        let mut whole = self.here.to_vec();
        while self.missing > 0 {
            let piece = match &mut self.coming {
                Some(coming) => coming.recv().await,
                None => None,
            };
            let piece = piece.ok_or_else(cut)?;
            self.missing = self.missing.saturating_sub(piece.len() as u64);
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }
}

/// On a thread that may block only.
impl Read for Beside {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.here.is_empty() && self.missing > 0 {
            let coming = self.coming.as_mut().and_then(mpsc::Receiver::blocking_recv);
            self.here = coming.ok_or_else(cut)?;
            self.missing = self.missing.saturating_sub(self.here.len() as u64);
        }
        let length = into.len().min(self.here.len());
        self.here
            .copy_to_slice(into.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        (0..length)
            .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
            .collect()
    }

    #[tokio::test]
    async fn what_comes_is_what_was_sent_and_what_follows_it_stays() {
        for length in [0, 1, PIECE_BYTES_MAX, 3 * PIECE_BYTES_MAX + 7] {
            let sent = text(length);
            let stream = [&*sent, b"next"].concat();
            let (mut rest, (feed, beside)) = (stream.as_slice(), beside(length as u64));
            let (fed, whole) = tokio::join!(feed.from(&mut rest), beside.whole());
            fed.unwrap();
            assert_eq!((&*whole.unwrap(), rest), (&*sent, &b"next"[..]));
        }
    }

    #[tokio::test]
    async fn it_is_read_on_a_thread_as_it_comes() {
        let length = 9 * PIECE_BYTES_MAX;
        let (mut stream, (feed, mut beside)) = (&*text(length), beside(length as u64));
        let reading = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            beside.read_to_end(&mut read).map(|_| read)
        });
        feed.from(&mut stream).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), text(length));
    }

    #[tokio::test]
    async fn what_is_cut_short_is_no_end() {
        let (feed, mut beside) = beside(10);
        assert!(feed.from(&mut &b"123"[..]).await.is_err());
        let read = tokio::task::spawn_blocking(move || beside.read_to_end(&mut Vec::new()));
        assert_eq!(
            read.await.unwrap().unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    }

    #[tokio::test]
    async fn what_nobody_takes_is_passed_over() {
        let length = 9 * PIECE_BYTES_MAX;
        let stream = [&*text(length), b"next"].concat();
        let (mut rest, (feed, beside)) = (stream.as_slice(), beside(length as u64));
        drop(beside);
        feed.from(&mut rest).await.unwrap();
        assert_eq!(rest, b"next");
    }
}
