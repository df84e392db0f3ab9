//! A client of a Statehouse server: where it is and who asks ([`connection`]), requests ([`wire`]) over a connection that is
//! kept ([`line`]), and what comes back ([`resource`]). Beside it, for whoever moves in, a client of other people's servers
//! ([`elsewhere`]).
//!
//! It speaks HTTPS over TLS 1.3 with the server's own crates, and nothing else: an address that is not `https` is refused. A
//! stored token goes only to the address it was stored for.

mod connection;
mod elsewhere;
mod line;
mod resource;
mod wire;

use std::fmt::Write;

use serde_json::{Value, json};

pub(crate) use connection::{Connection, Remembered, ServerArgs};
pub(crate) use elsewhere::{Answered, Elsewhere, Question, origin as elsewhere_origin};
pub(crate) use resource::Resource;
pub(crate) use wire::{Answer, Body, Download, Way};

use crate::failure::{Failure, Result};
use wire::Wire;

/// Pages of a list that are followed; beyond it a server repeats itself.
const PAGES_MAX: usize = 100_000;

/// Requests to one server, one after another.
pub(crate) struct Api {
    wire: Wire,
}

impl Api {
    /// Requests over `connection`.
    pub(crate) fn new(connection: &Connection) -> Result<Self> {
        Ok(Self {
            wire: Wire::new(connection)?,
        })
    }

    /// One thing.
    pub(crate) fn get(&self, path: &str) -> Result<Resource> {
        one(&self.wire.send("GET", path, Body::None)?)
    }

    /// One thing, where there may be none.
    pub(crate) fn get_or_none(&self, path: &str) -> Result<Option<Resource>> {
        let answer = self.wire.send("GET", path, Body::None)?;
        if answer.document()?.get("data") == Some(&Value::Null) {
            return Ok(None);
        }
        one(&answer).map(Some)
    }

    /// All things of a list, page by page.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Resource>> {
        let mut all = Vec::new();
        self.walk(path, |page| {
            all.extend(page);
            false
        })?;
        Ok(all)
    }

    /// The thing of a list that has an id.
    pub(crate) fn find(&self, path: &str, id: &str) -> Result<Option<Resource>> {
        self.find_by(path, |each| each.text("id") == id)
    }

    /// The first thing of a list that is looked for.
    pub(crate) fn find_by(
        &self,
        path: &str,
        is: impl Fn(&Resource) -> bool,
    ) -> Result<Option<Resource>> {
        let mut found = None;
        self.walk(path, |page| {
            found = page.into_iter().find(&is);
            found.is_some()
        })?;
        Ok(found)
    }

    /// The first things of a list.
    pub(crate) fn first(&self, path: &str, count: usize) -> Result<Vec<Resource>> {
        Ok(self.first_told(path, count)?.0)
    }

    /// The same, and what the last page that was read tells of the list.
    pub(crate) fn first_told(&self, path: &str, count: usize) -> Result<(Vec<Resource>, Value)> {
        let mut all = Vec::new();
        let told = self.walk(path, |page| {
            all.extend(page);
            all.len() >= count
        })?;
        all.truncate(count);
        Ok((all, told))
    }

    /// Goes through a list page by page, until `enough` or its end. What the last page tells of the list is returned.
    fn walk(&self, path: &str, mut enough: impl FnMut(Vec<Resource>) -> bool) -> Result<Value> {
        let mut path = path.to_owned();
        for _ in 0..PAGES_MAX {
            let mut answer = self.wire.send("GET", &path, Body::None)?.document()?;
            let page = answer
                .get("data")
                .and_then(Value::as_array)
                .ok_or_else(|| unexpected("a list"))?;
            let done = enough(page.iter().filter_map(Resource::of).collect());
            match answer.pointer("/links/next").and_then(Value::as_str) {
                Some(link) if !done => path = self.wire.path_of(link),
                _ => {
                    let told = answer.get_mut("meta").map(Value::take);
                    return Ok(told.unwrap_or_default());
                }
            }
        }
        Err(unexpected("an end of the list"))
    }

    /// Does something with these attributes.
    pub(crate) fn post(&self, path: &str, attributes: &Value) -> Result<Resource> {
        let document = json!({ "data": { "attributes": attributes } });
        one(&self
            .wire
            .send("POST", path, Body::Document(document.to_string().into()))?)
    }

    /// Does something with a whole document.
    pub(crate) fn send(&self, method: &str, path: &str, document: &Value) -> Result<Resource> {
        let body = Body::Document(document.to_string().into());
        one(&self.wire.send(method, path, body)?)
    }

    /// Ends something.
    pub(crate) fn delete(&self, path: &str) -> Result {
        self.wire.send("DELETE", path, Body::None).map(drop)
    }

    /// Sends a state.
    pub(crate) fn upload(&self, path: &str, state: Vec<u8>) -> Result<Resource> {
        one(&self.wire.send("POST", path, Body::State(state.into()))?)
    }

    /// Sends bytes in the place of those that are there.
    pub(crate) fn replace(&self, path: &str, bytes: Vec<u8>) -> Result<Resource> {
        one(&self.wire.send("PUT", path, Body::State(bytes.into()))?)
    }

    /// Sends bytes to an address that the server gave.
    pub(crate) fn put(&self, link: &str, bytes: Vec<u8>) -> Result {
        let path = self.wire.path_of(link);
        self.wire
            .send("PUT", &path, Body::State(bytes.into()))
            .map(drop)
    }

    /// Receives some bytes from an address that the server gave.
    pub(crate) fn bytes(&self, link: &str) -> Result<Vec<u8>> {
        let path = self.wire.path_of(link);
        Ok(self.wire.send("GET", &path, Body::None)?.bytes())
    }

    /// Receives bytes of any length.
    pub(crate) fn download(&self, method: &str, path: &str) -> Result<Download<'_>> {
        self.wire.download(method, path)
    }

    /// Receives a short text.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        self.wire.send("GET", path, Body::None)?.text()
    }
}

/// The one thing of an answer; one without content is an empty thing.
fn one(answer: &Answer) -> Result<Resource> {
    if answer.is_empty() {
        return Ok(Resource::default());
    }
    answer
        .document()?
        .get("data")
        .and_then(Resource::of)
        .ok_or_else(|| unexpected("a resource"))
}

fn unexpected(what: &str) -> Failure {
    Failure::failed(format!(
        "the server answered without {what}; is it a Statehouse server of this version?"
    ))
}

/// A text as one segment or value of an address: everything but unreserved characters is escaped. (RFC 3986 §2.3)
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    #[test]
    fn no_text_leaves_its_segment() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("prod-network_2.eu", "prod-network_2.eu");
        check("../users", "..%2Fusers");
        check("a b?c#d&e=f", "a%20b%3Fc%23d%26e%3Df");
        check("é", "%C3%A9");
    }
}
