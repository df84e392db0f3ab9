//! The state backend of a run that has none of its own: terraform's `http`
//! protocol on a loopback address of the sandbox, served by the runner.
//!
//! No credential of the server is in the sandbox: whoever knows the address is
//! the run. A part of it is a secret of the run, because where there are no
//! namespaces everybody on the machine reaches the port.
//!
//! A plan cannot write, nor can an apply before the server verified it. A state
//! that an apply writes is on disk here, sealed and synced, before terraform is
//! answered; then it goes to the server, again and again until it is taken or
//! refused. Terraform is not told of a refusal: it would write the whole state
//! into its log. The job fails with it at its end instead.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::spool::{STATE_BYTES_MAX, Spool};
use crate::control::{Ask, Control, ControlError};

/// Where the backend is, inside every sandbox of every runner: terraform copies
/// the address into the plan file.
pub(crate) const ADDRESS: &str = "127.0.0.1:7070";

/// The backend of one job.
pub(crate) struct Backend {
    control: Arc<dyn Control>,
    /// Where it answers, and nowhere else.
    path: String,
    /// Where states are kept until the server has them; none for a plan.
    spool: Option<Mutex<Kept>>,
    /// Whether the apply was verified, and may write.
    open: AtomicBool,
    /// What is read: the state that the server gave when the job began, and then what the job wrote. Nobody else writes while the run
    /// has the lock, and it is read here too while the server cannot be reached.
    state: Mutex<Option<Bytes>>,
}

/// What is kept of the states of an apply.
struct Kept {
    spool: Spool,
    /// Why the server does not take what waits. Taking a newer one settles it.
    refusal: Option<ControlError>,
}

impl Backend {
    /// The backend of a plan: it only reads.
    pub(crate) fn of_plan(
        control: Arc<dyn Control>,
        spool_key: &str,
        state: Option<Bytes>,
    ) -> Self {
        Self {
            control,
            path: path(spool_key),
            spool: None,
            open: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The backend of an apply. It only reads until [`Backend::open`].
    pub(crate) fn of_apply(
        control: Arc<dyn Control>,
        spool_key: &str,
        state: Option<Bytes>,
        spool: Spool,
    ) -> Self {
        let kept = Kept {
            spool,
            refusal: None,
        };
        Self {
            spool: Some(Mutex::new(kept)),
            ..Self::of_plan(control, spool_key, state)
        }
    }

    /// Gives this state to who reads, from now on.
    pub(crate) async fn gives(&self, state: Bytes) {
        *self.state.lock().await = (!state.is_empty()).then_some(state);
    }

    /// From now on states are taken.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    /// The override that makes a configuration use it.
    pub(crate) fn block(spool_key: &str) -> serde_json::Value {
        let address = format!("http://{ADDRESS}{}", path(spool_key));
        serde_json::json!({
            "terraform": { "backend": { "http": { "address": address } } },
        })
    }

    /// Serves one connection.
    pub(crate) async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) {
        let answer = service_fn(move |request| {
            let backend = self.clone();
            async move { Ok::<_, Infallible>(backend.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the tool broke");
        }
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.uri().path() != self.path {
            let words = "the state of this run is not here".to_owned();
            return said(StatusCode::NOT_FOUND, words);
        }
        let longest = usize::try_from(STATE_BYTES_MAX).unwrap_or(usize::MAX);
        match *request.method() {
            Method::GET => self.read().await,
            Method::POST => {
                let body = Limited::new(request.into_body(), longest).collect().await;
                match body {
                    Ok(body) => self.write(body.to_bytes()).await,
                    Err(error) => said(StatusCode::BAD_REQUEST, error.to_string()),
                }
            }
            _ => said(
                StatusCode::METHOD_NOT_ALLOWED,
                "the state of a run is read and written, nothing else".to_owned(),
            ),
        }
    }

    async fn read(&self) -> Response<Full<Bytes>> {
        match self.state.lock().await.clone() {
            Some(state) => Response::new(Full::new(state)),
            None => said(StatusCode::NOT_FOUND, String::new()),
        }
    }

    async fn write(&self, state: Bytes) -> Response<Full<Bytes>> {
        let Some(kept) = &self.spool else {
            let words = "a plan writes no state".to_owned();
            return said(StatusCode::FORBIDDEN, words);
        };
        if !self.open.load(Ordering::SeqCst) {
            let words = "nothing was verified yet, and until then no state is written".to_owned();
            return said(StatusCode::FORBIDDEN, words);
        }
        let mut kept = kept.lock().await;
        if let Err(error) = kept.spool.keep(&state) {
            // It still waits in memory, and may go to the server all the same.
            tracing::error!(%error, "a state cannot be kept here before it is sent");
        }
        *self.state.lock().await = Some(state.clone());
        match self.control.ask(Ask::PutState, state).await {
            Ok(_) => kept.taken(),
            // It goes there when that can be reached again.
            Err(error) if passes(&error) => {}
            Err(error) => kept.refusal = Some(error),
        }
        said(StatusCode::OK, String::new())
    }

    /// Sends what the server has not taken yet. An error is its last word, or says that it is gone; then the state stays here, for whoever
    /// comes after it.
    pub(crate) async fn deliver(&self) -> Result<(), ControlError> {
        let Some(kept) = &self.spool else {
            return Ok(());
        };
        let mut kept = kept.lock().await;
        if let Some(refusal) = kept.refusal.take() {
            return Err(refusal);
        }
        while let Some(state) = kept.spool.waiting() {
            match self.control.ask(Ask::PutState, state).await {
                Ok(_) => kept.taken(),
                Err(error) if passes(&error) && !self.control.is_over() => {
                    kept.spool.wait().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Kept {
    fn taken(&mut self) {
        self.spool.taken();
        self.refusal = None;
    }
}

/// A path that only the run knows. Its plan and its apply know the same, because terraform copies it into the plan file.
fn path(spool_key: &str) -> String {
    let words = ["statehouse backend\0", spool_key].concat();
    format!("/{}/state", hex::encode(Sha256::digest(words)))
}

fn passes(error: &ControlError) -> bool {
    error.may_pass() || matches!(error, ControlError::Lost(_))
}

fn said(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(words.into()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::pin::Pin;

    use super::super::spool::{self, KEY_BYTES};
    use super::*;
    use crate::control::{Answer, Told};

    const KEY: &str = "07";

    /// A server that takes states, or refuses them.
    struct Server {
        refuses: AtomicBool,
    }

    impl Control for Server {
        fn ask(
            &self,
            _: Ask,
            _: Bytes,
        ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>> {
            let refuses = self.refuses.load(Ordering::SeqCst);
            Box::pin(async move {
                if refuses {
                    return Err(ControlError::Refused {
                        what: "conflict".to_owned(),
                        why: "it is of another lineage".to_owned(),
                        again: false,
                    });
                }
                Ok(Told::Well.into())
            })
        }
    }

    fn backend(folder: &std::path::Path, refuses: bool) -> (Arc<Server>, Backend) {
        let refuses = AtomicBool::new(refuses);
        let server = Arc::new(Server { refuses });
        let spool = Spool::new(folder, &[7; KEY_BYTES], "run-1").unwrap();
        let backend = Backend::of_apply(server.clone(), KEY, None, spool);
        (server, backend)
    }

    async fn asked(backend: &Backend, method: Method, path: &str) -> StatusCode {
        let body = Full::new(Bytes::from_static(b"{}"));
        let request = Request::builder().method(method).uri(path).body(body);
        backend.answer(request.unwrap()).await.status()
    }

    #[tokio::test]
    async fn a_refused_state_is_not_told_to_terraform_and_fails_the_job() {
        let seat = tempfile::tempdir().unwrap();
        let folder = seat.path().join(spool::FOLDER);
        fs_err::create_dir(&folder).unwrap();
        let (server, backend) = backend(&folder, true);
        backend.open();
        let put = async || asked(&backend, Method::POST, &path(KEY)).await;
        assert_eq!(put().await, StatusCode::OK);
        let why = backend.deliver().await.unwrap_err().to_string();
        assert!(why.contains("it is of another lineage"), "{why}");
        assert!(spool::waits(seat.path()).unwrap(), "it stays");
        server.refuses.store(false, Ordering::SeqCst);
        assert_eq!(put().await, StatusCode::OK);
        backend.deliver().await.unwrap();
        assert!(!spool::waits(seat.path()).unwrap());
    }

    #[tokio::test]
    async fn a_state_that_no_disk_takes_goes_to_the_server() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("spool");
        fs_err::create_dir(&folder).unwrap();
        let (_, backend) = backend(&folder, false);
        backend.open();
        fs_err::remove_dir_all(&folder).unwrap();
        let put = asked(&backend, Method::POST, &path(KEY)).await;
        assert_eq!(put, StatusCode::OK);
        backend.deliver().await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_written_before_the_apply_is_verified() {
        let folder = tempfile::tempdir().unwrap();
        let (_, backend) = backend(folder.path(), false);
        let put = async || asked(&backend, Method::POST, &path(KEY)).await;
        assert_eq!(put().await, StatusCode::FORBIDDEN);
        backend.open();
        assert_eq!(put().await, StatusCode::OK);
    }

    #[tokio::test]
    async fn who_does_not_know_the_path_finds_nothing() {
        let server = Arc::new(Server {
            refuses: AtomicBool::new(false),
        });
        let state = Some(Bytes::from_static(b"{}"));
        let backend = Backend::of_plan(server, KEY, state);
        let got = async |path: &str| asked(&backend, Method::GET, path).await;
        assert_eq!(got(&path(KEY)).await, StatusCode::OK);
        for other in ["/state", "/", &path("08"), &format!("{}/", path(KEY))] {
            assert_eq!(got(other).await, StatusCode::NOT_FOUND, "{other}");
        }
        let block = Backend::block(KEY).to_string();
        assert!(block.contains(&path(KEY)), "{block}");
    }
}
