//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Extensions, Request};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tower::ServiceExt;

use super::Limits;

/// Longest head of an HTTP/1.1 request, and how much of a body is held between the socket and the handler.
const HTTP1_BUFFER_BYTES: usize = 64 * 1024;

/// How much a client may send on one HTTP/2 stream, and on all of a connection, before the handler reads: a megabyte is what
/// a gigabit line carries in 8 ms, so that an upload does not wait for the round trip.
const HTTP2_STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Requests at the same time on one HTTP/2 connection. A browser opens tens, terraform few.
const HTTP2_STREAMS_MAX: u32 = 128;

/// Longest list of headers on HTTP/2.
const HTTP2_HEADERS_BYTES_MAX: u32 = 32 * 1024;

/// How often a peer on HTTP/2 is asked whether it is still there, and how long it has to answer.
const HTTP2_PING: Duration = Duration::from_secs(20);

/// How a connection ended.
pub(super) enum End {
    /// By itself, or by the peer.
    Finished,
    /// With a request unfinished, after the shutdown.
    Cut,
}

/// One version of HTTP, configured.
pub(super) struct Http(Builder<TokioExecutor>);

impl Http {
    pub(super) fn version_1(limits: &Limits) -> Http {
        let mut http = Builder::new(TokioExecutor::new()).http1_only();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_max)
            .max_buf_size(HTTP1_BUFFER_BYTES);
        Http(http)
    }

    pub(super) fn version_2() -> Http {
        let mut http = Builder::new(TokioExecutor::new()).http2_only();
        http.http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .max_header_list_size(HTTP2_HEADERS_BYTES_MAX)
            .keep_alive_interval(HTTP2_PING)
            .keep_alive_timeout(HTTP2_PING);
        Http(http)
    }
}

/// Answers the requests of one connection with `router`, each with `facts` in its extensions. The connection is closed when it
/// had no request for [`Limits::idle_max`] or when `closing` says so; it then has [`Limits::drain_max`] to finish.
pub(super) async fn drive<I>(
    stream: I,
    http: &Http,
    router: Router,
    facts: Extensions,
    limits: &Limits,
    mut closing: watch::Receiver<bool>,
) -> End
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let uses = Uses::new();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().extend(facts.clone());
        let (router, using) = (router.clone(), Using::begin(&uses));
        async move {
            let response = router.oneshot(request).await?;
            Ok::<_, Infallible>(response.map(|body| Held {
                body,
                _using: using,
            }))
        }
    });
    let mut connection = pin!(http.0.serve_connection(TokioIo::new(stream), service));
    // Four questions in the time make it at most a quarter too long.
    let mut questions = interval((limits.idle_max / 4).max(Duration::from_millis(1)));
    questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return End::Finished;
            }
            _ = closing.wait_for(|closing| *closing) => break,
            _ = questions.tick() => if uses.idle() >= limits.idle_max { break },
        }
    }
    connection.as_mut().graceful_shutdown();
    if timeout(limits.drain_max, connection).await.is_err() && uses.open() > 0 {
        return End::Cut;
    }
    End::Finished
}

/// Which requests a connection has open: from the end of their head to the end of their answer.
struct Uses(Mutex<Open>);

struct Open {
    requests: usize,
    /// When the last of them was finished, or the connection opened.
    since: Instant,
}

impl Uses {
    fn new() -> Arc<Uses> {
        Arc::new(Uses(Mutex::new(Open {
            requests: 0,
            since: Instant::now(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> usize {
        self.lock().requests
    }

    /// For how long there has been no request.
    fn idle(&self) -> Duration {
        let open = self.lock();
        if open.requests > 0 {
            Duration::ZERO
        } else {
            open.since.elapsed()
        }
    }
}

/// One open request.
struct Using(Arc<Uses>);

impl Using {
    fn begin(uses: &Arc<Uses>) -> Using {
        uses.lock().requests += 1;
        Using(Arc::clone(uses))
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        let mut open = self.0.lock();
        open.requests = open.requests.saturating_sub(1);
        open.since = Instant::now();
    }
}

/// The body of an answer, which keeps its request open until it is sent or dropped.
struct Held {
    body: Body,
    _using: Using,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
