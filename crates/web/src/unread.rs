//! Bodies that were refused before they were read.
//!
//! What is left of such a body stands in the way of the next request on the same connection of HTTP/1.1, so the connection ends
//! after the answer. The answer says so: a client that is not told sends its next request into the void and takes the server for
//! broken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

/// Whether a body was read to its end.
pub(crate) struct Watch(Option<Arc<AtomicBool>>);

/// A body that says when it was.
struct Watched {
    body: Body,
    read: Arc<AtomicBool>,
}

/// Watches the body of a request, if it has one and something hangs on it.
pub(crate) fn watch(request: Request) -> (Request, Watch) {
    if request.version() >= Version::HTTP_2 || request.body().is_end_stream() {
        return (request, Watch(None));
    }
    let read = Arc::new(AtomicBool::new(false));
    let watch = Watch(Some(read.clone()));
    (request.map(|body| Body::new(Watched { body, read })), watch)
}

impl Watch {
    /// Says that the connection ends, if it must.
    pub(crate) fn tell(self, response: &mut Response) {
        if self.0.is_some_and(|read| !read.load(Relaxed)) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.store(true, Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
