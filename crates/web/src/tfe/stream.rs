//! Files on their way out: what is too large for memory is written to a file first, and sent from it.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use statehouse_core::Core;
use tempfile::TempDir;
use tokio::io::{AsyncRead, ReadBuf};

use crate::problem::Problem;

/// What is read at a time: one TLS buffer.
const CHUNK_BYTES: usize = 64 * 1024;

/// A file that is written now and gone when it is sent.
pub(super) struct Spool {
    /// Where to write it; nothing is there yet.
    pub(super) path: PathBuf,
    _nest: TempDir,
}

impl Spool {
    /// A place in the data directory, because that is where room is and where only the server reads.
    pub(super) fn new(core: &Core) -> Result<Self, Problem> {
        let place = core.options().data.join("tmp");
        let nest = fs_err::create_dir_all(&place);
        let nest = nest.and_then(|()| tempfile::Builder::new().prefix("spool-").tempdir_in(&place));
        let nest = nest.map_err(|error| failed(&error))?;
        Ok(Self {
            path: nest.path().join("file"),
            _nest: nest,
        })
    }

    /// The written file as an answer named `name`. It has no name on disk any more when this returns.
    pub(super) async fn send(self, name: &str) -> Result<Response, Problem> {
        let file = tokio::fs::File::open(&self.path)
            .await
            .map_err(|error| failed(&error))?;
        let left = file.metadata().await.map_err(|error| failed(&error))?.len();
        let headers = [
            (CONTENT_TYPE, "application/x-tar".to_owned()),
            (CONTENT_LENGTH, left.to_string()),
            (
                CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}\""),
            ),
        ];
        Ok((headers, Body::new(FileBody { file, left })).into_response())
    }
}

fn failed(error: &io::Error) -> Problem {
    Problem::unavailable(format!(
        "the file could not be written or read in the data directory: {error}"
    ))
}

/// A file as the body of an answer.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let wanted = usize::try_from(self.left)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        let mut chunk = vec![0; wanted];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        }
        chunk.truncate(read);
        self.left = self.left.saturating_sub(read as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
