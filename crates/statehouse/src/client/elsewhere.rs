//! Requests to servers that are not ours: an S3 store, a server that speaks the TFE API.
//!
//! They are HTTPS over TLS 1.3; in clear only to this machine itself. Connections are kept, one for each server. What goes out
//! is what the caller hands over and nothing else: no token of a Statehouse server is known here. An answer is whole and of
//! bounded size, or it is a failure; no redirect is followed. Whether an answer is good is the caller's to say.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{HOST, HeaderMap, USER_AGENT};
use hyper::{Request, Uri};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::line::{ANSWER_MAX, Line};
use crate::failure::{Exit, Failure, Result};

/// The longest state that our server takes; a page of a list is far shorter.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The servers that were asked until now.
pub(crate) struct Elsewhere {
    runtime: Runtime,
    tls: Arc<ClientConfig>,
    lines: RefCell<HashMap<String, Rc<Line>>>,
}

/// A request.
pub(crate) struct Question<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The whole address.
    pub(crate) url: &'a Uri,
    /// Headers, beside those that every request has.
    pub(crate) headers: Vec<(&'static str, SecretString)>,
    /// What is sent.
    pub(crate) body: Vec<u8>,
}

/// A whole answer.
pub(crate) struct Answered {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// Whether what was asked was done.
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header that is a text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Elsewhere {
    /// Trusting whom `tls` trusts.
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Result<Self> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            tls,
            lines: RefCell::new(HashMap::new()),
        })
    }

    /// Asks, and reads the whole answer.
    pub(crate) fn ask(&self, question: Question<'_>) -> Result<Answered> {
        let line = self.line(question.url)?;
        let request = request(question)?;
        self.runtime.block_on(async {
            let response = line.send(request).await?;
            let (head, body) = response.into_parts();
            let reading = Limited::new(body, BODY_BYTES_MAX).collect();
            let body = timeout(ANSWER_MAX, reading).await;
            let body = body
                .map_err(|_| Failure::new(Exit::Unavailable, "the answer did not end in time"))?;
            let body = body.map_err(|error| {
                let words = format!("the answer was cut off, or is longer than 256 MiB: {error}");
                Failure::failed(words)
            })?;
            Ok(Answered {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes().into(),
            })
        })
    }

    fn line(&self, url: &Uri) -> Result<Rc<Line>> {
        let origin = origin(url)?;
        if let Some(line) = self.lines.borrow().get(&origin) {
            return Ok(line.clone());
        }
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let line = if url.scheme_str() == Some("https") {
            Line::secure(&origin, host, url.port_u16().unwrap_or(443), &self.tls)?
        } else {
            Line::clear(&origin, host, url.port_u16().unwrap_or(80))
        };
        let line = Rc::new(line);
        self.lines.borrow_mut().insert(origin, line.clone());
        Ok(line)
    }
}

/// Scheme, host and port of an address. Refused unless it is `https`, or `http` to this very machine.
pub(crate) fn origin(url: &Uri) -> Result<String> {
    // The rest of an address may be a signature.
    let authority = url.authority().map(hyper::http::uri::Authority::as_str);
    let named = authority
        .filter(|it| !it.contains('@'))
        .unwrap_or("an address");
    let refused = |why: &str| Failure::usage(format!("{named} cannot be asked: {why}"));
    let authority = url
        .authority()
        .filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| refused("it names no server"))?;
    if authority.as_str().contains('@') {
        let words = "an address has a user in it, and cannot be asked";
        return Err(Failure::usage(words));
    }
    let host = authority.host().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(format!("https://{authority}")),
        Some("http") if here => Ok(format!("http://{authority}")),
        Some("http") => Err(refused(
            "it is http, and states are not sent in clear over a network",
        )),
        _ => Err(refused("it is no address of the form https://…")),
    }
}

fn request(question: Question<'_>) -> Result<Request<Full<Bytes>>> {
    let Question {
        method,
        url,
        headers,
        body,
    } = question;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut head = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority)
        .header(
            USER_AGENT,
            concat!("statehouse/", env!("CARGO_PKG_VERSION")),
        );
    for (name, value) in headers {
        head = head.header(name, value.expose_secret());
    }
    // A value that is unfit may be a secret, and must not be repeated.
    head.body(Full::new(body.into())).map_err(|_| {
        Failure::usage("a token, a key or an address holds characters that no request can carry")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn states_travel_in_clear_on_this_machine_only() {
        let check = |url: &str, expected: Option<&str>| {
            let found = url.parse().ok().and_then(|url| origin(&url).ok());
            assert_eq!(found.as_deref(), expected, "{url}");
        };
        check("https://s3.example.com/a?b", Some("https://s3.example.com"));
        check("http://127.0.0.1:5000/a", Some("http://127.0.0.1:5000"));
        check("http://[::1]:5000/a", Some("http://[::1]:5000"));
        check("http://localhost:5000/a", Some("http://localhost:5000"));
        check("http://s3.example.com/a", None);
        check("http://127.0.0.1.example.com/a", None);
        check("https://key:secret@s3.example.com/a", None);
        check("/a", None);
        check("ftp://127.0.0.1/a", None);
    }
}
