//! A connection whose first bytes were already read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// A connection from inside the sandbox, read as if nobody had looked at it.
#[derive(Debug)]
pub struct Carried {
    /// Read, and not taken yet.
    pub(super) ahead: Vec<u8>,
    pub(super) stream: UnixStream,
}

impl Carried {
    pub(super) fn new(stream: UnixStream) -> Carried {
        Carried {
            ahead: Vec::new(),
            stream,
        }
    }

    /// Reads some more ahead, up to a length of all that is ahead; 0 at the end, and when that length is reached.
    pub(super) async fn look_on(&mut self, length_max: usize) -> io::Result<usize> {
        let room = length_max.saturating_sub(self.ahead.len()) as u64;
        let mut some = (&mut self.stream).take(room);
        some.read_buf(&mut self.ahead).await
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = buffer.remaining().min(self.ahead.len());
        let taken: Vec<u8> = self.ahead.drain(..count).collect();
        buffer.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carried {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
