//! A failure, in the words of whoever asked.
//!
//! [`Problem`] is made from a [`statehouse_core::Error`] by the one `match kind` of this crate, or by the few refusals that
//! HTTP itself needs. It is written down only at the very edge, by [`crate::answer`], which knows the request's id and which
//! [`Form`] its client reads: JSON:API for `/api/v2`, plain text for terraform's `http` backend, except that a lock conflict
//! there is the holder's lock information and nothing else, because terraform decodes it; a page for browsers, never where programs ask.
//!
//! "Not found" has one sentence, whatever was not found or not allowed: what does not exist, what belongs to somebody else and
//! what the caller may not see must read the same. What is said of a defect is its request id; the cause goes to the log.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use statehouse_core::state::Kept;
use statehouse_core::terraform::lock::LockInfo;
use statehouse_core::workspace::freeze;
use statehouse_core::{Error, Kind};

use crate::ui;

/// The media type of JSON:API.
pub(crate) const JSON_API: HeaderValue = HeaderValue::from_static("application/vnd.api+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Longest words, in characters: what a caller sent is repeated as far as helps, and no further.
const WORDS_MAX: usize = 1000;
/// The code of a refusal because of a freeze.
const FROZEN: &str = "frozen";
/// What a client without credentials is asked for. terraform's `http` backend knows only Basic.
const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"statehouse\", charset=\"UTF-8\"");

/// How a client reads failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// terraform's `http` backend, and tools that read plain text.
    Text,
    /// JSON:API errors.
    Json,
    /// A client of OAuth (RFC 6749 §5.2).
    Oauth,
    /// A person with a browser.
    Page,
}

/// Addresses for programs alone, whatever they say they accept.
const PROGRAMS: [&str; 3] = ["/state/", "/ledger/", "/.well-known/"];

impl Form {
    /// The form of an address, for a client that accepts this.
    pub(crate) fn of(path: &str, accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|accept| accept.to_str().ok());
        if path.starts_with("/api/") {
            Self::Json
        } else if path == "/oauth/token" {
            Self::Oauth
        } else if PROGRAMS.iter().any(|program| path.starts_with(program)) {
            Self::Text
        } else if accept.is_some_and(|accept| accept.contains("text/html")) {
            Self::Page
        } else {
            Self::Text
        }
    }
}

/// Why a request was refused. Boxed, because most requests are not.
#[derive(Debug)]
pub(crate) struct Problem(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    /// `None` for the one sentence of everything that is not found.
    words: Option<String>,
    hint: Option<String>,
    /// What programs may want to read of it.
    meta: Map<String, Value>,
    holder: Option<LockInfo>,
    allow: Option<HeaderValue>,
    /// When it may be tried again.
    after_s: u32,
    /// Whether the connection must end, because the rest of the request is not read.
    closes: bool,
    /// For the log alone.
    cause: Option<Error>,
}

/// A problem on its way to the edge; in an answer's extensions.
#[derive(Clone)]
pub(crate) struct Raised(pub(crate) Arc<Problem>);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let (status, code, title) = match error.kind() {
            Kind::NotFound => return Self::not_found().because(error),
            Kind::Denied => (StatusCode::FORBIDDEN, "denied", "Not allowed"),
            Kind::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "No valid credentials",
            ),
            Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid", "Wrong request"),
            Kind::Conflict => (StatusCode::CONFLICT, "conflict", "Conflict"),
            Kind::Locked(holder) => {
                // A freeze is told where a lock is expected, and is none: it is not broken, and stays what it is for all clients.
                let (code, title) = if holder.operation == freeze::OPERATION {
                    (FROZEN, "Workspace frozen")
                } else {
                    ("locked", "Locked")
                };
                let mut problem = Self::new(StatusCode::LOCKED, code, title, error.message());
                problem.0.holder = Some(LockInfo::clone(holder));
                return problem.hint(error.next_step()).because(error);
            }
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Kind::TooMany { after_s } => {
                let mut problem = Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too-many",
                    "Too many requests",
                    error.message(),
                );
                problem.0.after_s = *after_s;
                return problem.hint(error.next_step()).because(error);
            }
            Kind::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Not available now",
            ),
            Kind::Tampered => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "tampered",
                "Stored data was altered",
            ),
            Kind::Internal => {
                let words = "the server failed; its log has the cause under the id of this request";
                let problem = Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "Defect",
                    words,
                );
                return problem.because(error);
            }
        };
        Self::new(status, code, title, error.message())
            .hint(error.next_step())
            .because(error)
    }
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        words: impl Into<String>,
    ) -> Self {
        let mut words = words.into();
        if let Some((end, _)) = words.char_indices().nth(WORDS_MAX) {
            words.truncate(end);
            words.push('…');
        }
        let words = Some(words);
        let meta = Map::new();
        let (hint, holder, allow, closes, cause) = (None, None, None, false, None);
        Self(Box::new(Refusal {
            status,
            code,
            title,
            words,
            hint,
            meta,
            holder,
            allow,
            after_s: 1,
            closes,
            cause,
        }))
    }

    fn hint(mut self, hint: Option<&str>) -> Self {
        self.0.hint = hint.map(str::to_owned);
        self
    }

    /// The same under another title: clients tell some refusals apart by it.
    pub(crate) fn titled(mut self, title: &'static str) -> Self {
        self.0.title = title;
        self
    }

    fn because(mut self, cause: Error) -> Self {
        self.0.cause = Some(cause);
        self
    }

    fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// Nothing is there, or nothing that this caller may see.
    pub(crate) fn not_found() -> Self {
        let mut problem = Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "");
        problem.0.words = None;
        problem.hint(Some("check the name or id, and whose token it is"))
    }

    /// The request itself is wrong, and `words` say how.
    pub(crate) fn invalid(words: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid",
            "Wrong request",
            format!("{words}"),
        )
    }

    /// The request can be read, and what it wants cannot be.
    pub(crate) fn unprocessable(words: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unprocessable",
            "Invalid attribute",
            format!("{words}"),
        )
    }

    /// The same where the clients of `/api/v2` know no other conflict than 409. They tell their users who holds a lock only if
    /// the words are theirs: "is locked by User".
    pub(crate) fn into_conflict(mut self) -> Self {
        if self.0.status == StatusCode::LOCKED && self.0.code != FROZEN {
            self.0.status = StatusCode::CONFLICT;
            self.0.title = "Workspace locked";
            if let Some(words) = &mut self.0.words {
                *words = words.replace(" is locked by ", " is locked by User ");
            }
        }
        self
    }

    /// The same with everything that helps in its detail: `go-tfe` shows its users nothing else.
    /// What is not found keeps its one sentence.
    pub(crate) fn in_detail(mut self, also: Option<&str>) -> Self {
        if let Some(words) = &mut self.0.words {
            let hint = self.0.hint.take();
            for more in [hint.as_deref(), also].into_iter().flatten() {
                words.push_str("; ");
                words.push_str(more);
            }
        }
        self
    }

    /// Whether this is the one sentence of everything that is not found.
    pub(crate) fn is_not_found(&self) -> bool {
        self.0.words.is_none()
    }

    /// It contradicts what is stored, and `hint` says what to do.
    pub(crate) fn conflict(words: &str, hint: &str) -> Self {
        Self::from(Error::new(Kind::Conflict, words).hint(hint))
    }

    /// The request carries no token.
    pub(crate) fn unauthenticated(words: &str) -> Self {
        let hint = "send a token as `Authorization: Bearer …`, or as the password of Basic authentication with any user name";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "No valid credentials",
            words,
        )
        .hint(Some(hint))
    }

    /// Somebody was signed in, and is not any more.
    pub(crate) fn signed_out() -> Self {
        let words = "you are not signed in any more, so nothing was changed";
        Self::new(StatusCode::FORBIDDEN, "signed-out", "Signed out", words)
            .hint(Some("sign in again, and then repeat it"))
    }

    /// A form that does not come from a page of ours, or from one that is too old.
    pub(crate) fn foreign_form() -> Self {
        let words = "the form does not come from a page of this server, or from one that is too old; nothing was changed";
        Self::new(StatusCode::FORBIDDEN, "foreign-form", "Not taken", words)
            .hint(Some("open the page again and send it from there"))
    }

    /// The address does not take this method. (RFC 9110 §15.5.6)
    pub(crate) fn method(method: &Method, allowed: &str) -> Self {
        let words = match *method {
            Method::DELETE => format!("nothing is deleted here; this address takes {allowed}"),
            _ => format!("this address does not take {method}; it takes {allowed}"),
        };
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "Method not taken",
            words,
        );
        problem.0.allow = HeaderValue::from_str(allowed).ok();
        problem
    }

    /// The body is longer than `bytes_max`. The rest of it is not read.
    pub(crate) fn too_large(what: &str, bytes_max: usize) -> Self {
        let words = format!(
            "{what} has more than the {bytes_max} bytes that are taken; nothing was stored"
        );
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "Too large",
            words,
        )
        .closing()
    }

    /// The body did not come in time.
    pub(crate) fn too_slow(words: String) -> Self {
        let problem = Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", words);
        problem
            .hint(Some("nothing was stored; send it again"))
            .closing()
    }

    /// The body ended before its announced length, or the connection failed.
    pub(crate) fn cut() -> Self {
        Self::invalid("the body was cut off before its end; nothing was stored").closing()
    }

    /// It cannot be done now, and `words` say why.
    pub(crate) fn unavailable(words: String) -> Self {
        Self::from(Error::new(Kind::Unavailable, words))
    }

    /// A defect of the server; `words` are for the log.
    pub(crate) fn defect(words: &str) -> Self {
        Self::from(Error::new(Kind::Internal, words))
    }

    /// The server holds as many large bodies as it may.
    pub(crate) fn busy() -> Self {
        let words = "too many large uploads at once; nothing of this one was read";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available now",
            words,
        )
        .closing()
    }

    /// An upload was kept aside and waits for a person.
    pub(crate) fn kept(kept: &Kept) -> Self {
        let id = &kept.version.id;
        let unusual = kept.unusual.join("; ");
        let words =
            format!("the upload is stored as {id} but is not the current state, because {unusual}");
        let hint = format!(
            "compare it with the current state, then make it current: `statehouse state accept {id} --reason …`, \
             or drop it: `statehouse state discard {id} --reason …`"
        );
        let mut problem =
            Self::new(StatusCode::CONFLICT, "kept", "Kept aside", words).hint(Some(&hint));
        problem
            .0
            .meta
            .insert("version".to_owned(), id.as_str().into());
        problem
            .0
            .meta
            .insert("status".to_owned(), kept.version.status.as_str().into());
        problem
            .0
            .meta
            .insert("unusual".to_owned(), kept.unusual.clone().into());
        problem
    }

    /// The cause, for the log.
    pub(crate) fn cause(&self) -> Option<&Error> {
        self.0.cause.as_ref()
    }

    fn detail(&self, path: &str) -> String {
        self.0
            .words
            .clone()
            .unwrap_or_else(|| format!("there is nothing at `{path}`, or you may not see it"))
    }

    /// Writes it down for the client of request `id` to `path`.
    pub(crate) fn answer(&self, form: Form, path: &str, id: &str, version: Version) -> Response {
        let mut response = match (form, &self.0.holder) {
            (Form::Page, _) => self.page(path, id),
            (Form::Json, _) => written(JSON_API, self.json(path, id)),
            (Form::Oauth, _) => written(JSON, self.oauth(path)),
            (Form::Text, Some(holder)) => written(JSON, json!(holder).to_string()),
            (Form::Text, None) => written(TEXT, self.text(path, id)),
        };
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        match self.0.status {
            // A browser would ask for a name and a password in a window of its own.
            StatusCode::UNAUTHORIZED if form != Form::Page => {
                drop(headers.insert(WWW_AUTHENTICATE, CHALLENGE));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                drop(headers.insert(RETRY_AFTER, HeaderValue::from(self.0.after_s)));
            }
            _ => {}
        }
        if let Some(allow) = &self.0.allow {
            headers.insert(ALLOW, allow.clone());
        }
        // HTTP/2 has no such header; there the stream alone ends. (RFC 9113 §8.2.2)
        if self.0.closes && version < Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn page(&self, path: &str, id: &str) -> Response {
        let words = self.detail(path);
        let hint = self.0.hint.as_deref().filter(|_| self.0.words.is_some());
        ui::failure::page(self.0.status, self.0.title, &words, hint, id)
    }

    fn oauth(&self, path: &str) -> String {
        let error = match self.0.status {
            status if status == StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request",
        };
        json!({ "error": error, "error_description": self.detail(path) }).to_string()
    }

    fn text(&self, path: &str, id: &str) -> String {
        let mut text = format!("{}\n", self.detail(path));
        if let Some(hint) = &self.0.hint {
            text.push_str(hint);
            text.push('\n');
        }
        text.push_str(id);
        text.push('\n');
        text
    }

    fn json(&self, path: &str, id: &str) -> String {
        let mut meta = self.0.meta.clone();
        meta.insert("request-id".to_owned(), id.into());
        if let Some(hint) = &self.0.hint {
            meta.insert("hint".to_owned(), hint.as_str().into());
        }
        if let Some(holder) = &self.0.holder {
            meta.insert("lock".to_owned(), json!(holder));
        }
        let error = json!({
            "status": self.0.status.as_str(),
            "code": self.0.code,
            "title": self.0.title,
            "detail": self.detail(path),
            "meta": meta,
        });
        json!({ "errors": [error] }).to_string()
    }
}

fn written(kind: HeaderValue, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

impl IntoResponse for Problem {
    /// Not the answer yet: [`crate::answer`] writes that.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(Raised(Arc::new(self)));
        response
    }
}
