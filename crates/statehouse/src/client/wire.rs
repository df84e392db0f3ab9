//! Requests to one Statehouse server: over a [`Way`], side by side, for an agent; over a [`Wire`], one after another, for commands.
//!
//! Deliberately absent: proxies, redirects (a token would follow them) and retries (the server's words say when to try again).

use std::io::Write;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::Connection;
use super::line::{ANSWER_MAX, Line};
use crate::failure::{Exit, Failure, Result};

/// For the next piece of a body.
const PIECE_MAX: Duration = Duration::from_mins(1);
/// A document or text: the longest page of a list is far smaller.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Of an answer that is no JSON:API this much is shown.
const WORDS_MAX: usize = 500;

const JSON_API: &str = "application/vnd.api+json";

/// What is sent with a request.
pub(crate) enum Body {
    /// Nothing.
    None,
    /// A JSON:API document.
    Document(Bytes),
    /// A state.
    State(Bytes),
    /// What is neither.
    Bytes(Bytes),
}

/// The way to one server.
pub(crate) struct Way {
    line: Line,
    address: String,
    authorization: Option<secrecy::SecretString>,
}

/// The same, for commands, which wait for each answer.
pub(super) struct Wire {
    runtime: Runtime,
    way: Way,
}

/// A whole answer.
pub(crate) struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// An answer whose body is still coming.
pub(crate) struct Download<'a> {
    runtime: &'a Runtime,
    response: Response<Incoming>,
}

impl Way {
    pub(crate) fn new(connection: &Connection) -> Result<Self> {
        let Connection {
            address,
            host,
            port,
            tls,
            ..
        } = connection;
        let authorization = connection
            .token
            .as_ref()
            .map(|token| format!("Bearer {}", token.expose_secret()).into());
        Ok(Self {
            line: Line::secure(address, host, *port, tls)?,
            address: address.clone(),
            authorization,
        })
    }

    /// Sends a request and reads the whole answer, of so many bytes at most. A refusal is an answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Body,
        bytes_max: usize,
    ) -> Result<Answer> {
        read(self.request(method, path, body).await?, bytes_max).await
    }

    async fn request(&self, method: &str, path: &str, body: Body) -> Result<Response<Incoming>> {
        self.line.send(self.head(method, path, body)?).await
    }

    fn head(&self, method: &str, path: &str, body: Body) -> Result<Request<Full<Bytes>>> {
        let authority = self.address.trim_start_matches("https://");
        let mut head = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority);
        head = head
            .header(
                USER_AGENT,
                concat!("statehouse/", env!("CARGO_PKG_VERSION")),
            )
            .header(ACCEPT, "*/*");
        if let Some(authorization) = &self.authorization {
            head = head.header(AUTHORIZATION, authorization.expose_secret());
        }
        let (kind, bytes) = match body {
            Body::None => (None, Bytes::new()),
            Body::Document(bytes) => (Some(JSON_API), bytes),
            Body::State(bytes) => (Some("application/json"), bytes),
            Body::Bytes(bytes) => (Some("application/octet-stream"), bytes),
        };
        if let Some(kind) = kind {
            head = head.header(CONTENT_TYPE, kind);
        }
        // Of what goes in here only a token can be unfit for a header, and it must not be repeated.
        head.body(Full::new(bytes)).map_err(|_| {
            Failure::usage("the token or the address holds characters that no request can carry")
        })
    }
}

impl Wire {
    pub(super) fn new(connection: &Connection) -> Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            way: Way::new(connection)?,
        })
    }

    /// Path and query of a link that the server gave.
    pub(super) fn path_of(&self, link: &str) -> String {
        link.strip_prefix(&self.way.address)
            .unwrap_or(link)
            .to_owned()
    }

    /// Sends a request and reads the whole answer; one that is a refusal becomes a failure.
    pub(super) fn send(&self, method: &str, path: &str, body: Body) -> Result<Answer> {
        self.runtime.block_on(async {
            let answer = self
                .way
                .send(method, path, body, DOCUMENT_BYTES_MAX)
                .await?;
            if answer.status.is_success() {
                Ok(answer)
            } else {
                Err(answer.refusal())
            }
        })
    }

    /// Sends a request and leaves the body of the answer to be read.
    pub(super) fn download(&self, method: &str, path: &str) -> Result<Download<'_>> {
        self.runtime.block_on(async {
            let response = self.way.request(method, path, Body::None).await?;
            if response.status().is_success() {
                return Ok(Download {
                    runtime: &self.runtime,
                    response,
                });
            }
            Err(read(response, DOCUMENT_BYTES_MAX).await?.refusal())
        })
    }
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Result<Answer> {
    let status = response.status();
    let reading = Limited::new(response.into_body(), bytes_max).collect();
    let body = timeout(ANSWER_MAX, reading)
        .await
        .map_err(|_| Failure::new(Exit::Unavailable, "the answer did not end in time"))?;
    let body = body.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            format!("the answer was cut off: {error}"),
        )
    })?;
    Ok(Answer {
        status,
        body: body.to_bytes(),
    })
}

impl Answer {
    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// What came of the request, as HTTP says it.
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body.
    pub(crate) fn body(&self) -> &Bytes {
        &self.body
    }

    /// The JSON document of the answer.
    pub(crate) fn document(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|_| super::unexpected("a JSON document"))
    }

    /// The answer as bytes.
    pub(super) fn bytes(self) -> Vec<u8> {
        self.body.to_vec()
    }

    /// The answer as a text.
    pub(super) fn text(self) -> Result<String> {
        String::from_utf8(self.body.to_vec()).map_err(|_| super::unexpected("a text"))
    }

    /// Whether it is a refusal in the server's own form (JSON:API), and not what something in between answered.
    pub(crate) fn is_refusal(&self) -> bool {
        let document: Option<Value> = serde_json::from_slice(&self.body).ok();
        document.is_some_and(|document| document.pointer("/errors/0/status").is_some())
    }

    /// The failure that a refusal means.
    pub(crate) fn refusal(&self) -> Failure {
        let exit = match self.status.as_u16() {
            401 | 403 | 404 => Exit::Refused,
            409 | 423 => Exit::Conflict,
            408 | 429 | 502 | 503 | 504 => Exit::Unavailable,
            _ => Exit::Failed,
        };
        let document: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |pointer: &str| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let plain = || {
            String::from_utf8_lossy(&self.body)
                .trim()
                .chars()
                .take(WORDS_MAX)
                .collect::<String>()
        };
        let words = text("/errors/0/detail")
            .or_else(|| text("/errors/0/title"))
            .unwrap_or_else(plain);
        let message = if words.is_empty() {
            format!("the server answered {}", self.status)
        } else {
            words
        };
        Failure {
            exit,
            message,
            hint: text("/errors/0/meta/hint"),
            request: text("/errors/0/meta/request-id"),
        }
    }
}

impl Download<'_> {
    /// Whether there is nothing to receive (RFC 9110 §15.3.5).
    pub(crate) fn is_nothing(&self) -> bool {
        self.response.status() == StatusCode::NO_CONTENT
    }

    /// Writes the body to `target` as it comes, and says how many bytes it had.
    pub(crate) fn copy_to(mut self, target: &mut impl Write) -> Result<u64> {
        let mut copied = 0;
        loop {
            let piece = self
                .runtime
                .block_on(async { timeout(PIECE_MAX, self.response.body_mut().frame()).await });
            let piece =
                piece.map_err(|_| Failure::new(Exit::Unavailable, "the server stopped sending"))?;
            let Some(piece) = piece else {
                return Ok(copied);
            };
            let piece = piece.map_err(|error| {
                Failure::new(
                    Exit::Unavailable,
                    format!("the answer was cut off: {error}"),
                )
            })?;
            if let Some(bytes) = piece.data_ref() {
                target.write_all(bytes)?;
                copied += bytes.len() as u64;
            }
        }
    }
}
