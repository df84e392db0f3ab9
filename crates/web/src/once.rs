//! Creations that are asked for twice and done once.
//!
//! A creation that carries an `Idempotency-Key` is remembered for 24 hours. The same request with the same key and the same token
//! is answered as before, and nothing is done; another request with it is refused. Once begun, it is finished and remembered even
//! if its caller is gone: that is when callers ask again. What failed is forgotten, because nothing was done.
//!
//! A secret is answered once: where the first answer held a token, a repeated one holds null. What is remembered is in memory, so
//! that no secret and no name of it is stored; after a restart, and in another process, a key is new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};
use statehouse_core::{Error, Kind};

use crate::problem::Problem;
use crate::tfe::document::Said;

/// The header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest key: four times a UUID, and more than anybody makes up.
const KEY_LEN_MAX: usize = 255;
/// How long an answer is remembered.
const LIFE_US: i64 = 24 * 3600 * 1_000_000;
/// Answers that are remembered, of everybody and of one account with all its tokens.
const KEYS_MAX: usize = 20_000;
const KEYS_EACH_MAX: usize = 1_000;
/// Bytes of all remembered answers. A workspace has some 2 KiB.
const BYTES_MAX: usize = 64 * 1024 * 1024;

type Digested = [u8; 32];

/// A key of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Id {
    caller: Digested,
    key: Digested,
}

struct Kept {
    account: Digested,
    request: Digested,
    since: i64,
    answer: Answer,
}

/// What became of a request.
enum Answer {
    /// It is being answered.
    Begun,
    /// It was answered so.
    Given(StatusCode, Arc<Value>, usize),
    /// It was done, and there was no room for the answer.
    Done,
}

#[derive(Default)]
struct Memory {
    kept: HashMap<Id, Kept>,
    bytes: usize,
}

/// What is remembered.
#[derive(Clone, Default)]
pub(crate) struct Once(Arc<Mutex<Memory>>);

/// A request that begins. Dropped before it is answered, it is forgotten.
pub(crate) struct Begun {
    once: Once,
    id: Id,
    open: bool,
}

/// What to do with a request.
pub(crate) enum Turn {
    /// It is new.
    New(Begun),
    /// It was answered before.
    Again(Response),
}

/// The key of a request.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(KEY).iter();
    let Some(value) = all.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        visible && !text.is_empty() && text.len() <= KEY_LEN_MAX
    });
    match text.filter(|_| all.next().is_none()) {
        Some(text) => Ok(Some(text)),
        None => Err(Problem::invalid(format!(
            "`Idempotency-Key` is one text of 1 to {KEY_LEN_MAX} visible ASCII characters, such as a UUID"
        ))),
    }
}

fn digest(parts: &[&[u8]]) -> Digested {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

impl Once {
    /// Begins the request that these `parts` are of, or says what came of it before.
    pub(crate) fn begin(
        &self,
        (account, token): (&str, &str),
        key: &str,
        parts: &[&[u8]],
        now: i64,
    ) -> Result<Turn, Problem> {
        let (caller, request) = (digest(&[token.as_bytes()]), digest(parts));
        let account = digest(&[account.as_bytes()]);
        let key = digest(&[key.as_bytes()]);
        let id = Id { caller, key };
        let mut memory = self.lock();
        memory.forget(now);
        if let Some(kept) = memory.kept.get(&id) {
            return kept.again(&request);
        }
        memory.has_room(&account)?;
        let answer = Answer::Begun;
        memory.kept.insert(
            id,
            Kept {
                account,
                request,
                since: now,
                answer,
            },
        );
        Ok(Turn::New(Begun {
            once: self.clone(),
            id,
            open: true,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn again(&self, request: &Digested) -> Result<Turn, Problem> {
        if self.request != *request {
            let words = "the `Idempotency-Key` was sent with another request before; use a key for one request only";
            return Err(Problem::unprocessable(words));
        }
        match &self.answer {
            Answer::Begun => Err(Problem::conflict(
                "a request with this `Idempotency-Key` is being answered",
                "ask again when it is done",
            )),
            Answer::Done => Err(Problem::conflict(
                "what this `Idempotency-Key` asked for was done, and the answer was too long to remember",
                "look at what was made",
            )),
            Answer::Given(status, document, _) => {
                let mut response = status.into_response();
                response.extensions_mut().insert(Said(document.clone()));
                let yes = HeaderValue::from_static("true");
                response.headers_mut().insert(REPLAYED, yes);
                Ok(Turn::Again(response))
            }
        }
    }
}

impl Memory {
    fn forget(&mut self, now: i64) {
        if self.kept.len() < KEYS_MAX / 2
            && self.kept.values().all(|kept| now - kept.since < LIFE_US)
        {
            return;
        }
        self.kept.retain(|_, kept| now - kept.since < LIFE_US);
        self.bytes = self.kept.values().map(Kept::bytes).sum();
    }

    fn has_room(&self, account: &Digested) -> Result<(), Problem> {
        let of_account = |kept: &&Kept| kept.account == *account;
        let own = self.kept.values().filter(of_account).count();
        if own < KEYS_EACH_MAX && self.kept.len() < KEYS_MAX {
            return Ok(());
        }
        // Another answer would have to be forgotten, which was promised for a day.
        let words = "no more keys are remembered now; nothing was done";
        let hint = "send the request without `Idempotency-Key`, or later";
        Err(Error::new(Kind::TooMany { after_s: 3600 }, words)
            .hint(hint)
            .into())
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        match self.answer {
            Answer::Given(_, _, bytes) => bytes,
            Answer::Begun | Answer::Done => 0,
        }
    }
}

impl Begun {
    /// Remembers what was answered; what failed is forgotten.
    pub(crate) fn end(mut self, response: &Response) {
        let said = response.extensions().get::<Said>();
        let Some(Said(document)) = said.filter(|_| response.status().is_success()) else {
            return;
        };
        let mut document = Value::clone(document);
        if let Some(token) = document.pointer_mut("/data/attributes/token") {
            *token = Value::Null;
        }
        let bytes = document.to_string().len();
        let mut memory = self.once.lock();
        let room = memory.bytes.saturating_add(bytes) <= BYTES_MAX;
        if room {
            memory.bytes += bytes;
        }
        if let Some(kept) = memory.kept.get_mut(&self.id) {
            kept.answer = if room {
                Answer::Given(response.status(), Arc::new(document), bytes)
            } else {
                Answer::Done
            };
        }
        drop(memory);
        self.open = false;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.open {
            self.once.lock().kept.remove(&self.id);
        }
    }
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
    use crate::tfe::document::Document;

    fn status(turn: Result<Turn, Problem>) -> u16 {
        match turn {
            Ok(Turn::New(begun)) => {
                begun.end(&Document::made(Value::Null).into_response());
                0
            }
            Ok(Turn::Again(response)) => response.status().as_u16(),
            Err(problem) => problem.into_response().status().as_u16(),
        }
    }

    #[test]
    fn a_key_is_of_one_caller_one_request_and_one_day() {
        let once = Once::default();
        let begin = |token, key, body: &str, now| {
            status(once.begin((token, token), key, &[b"POST", body.as_bytes()], now))
        };
        assert_eq!(begin("ada", "k", "x", 0), 0);
        assert_eq!(begin("ada", "k", "x", 1), 201);
        assert_eq!(begin("ada", "k", "y", 1), 422);
        assert_eq!(begin("ada", "l", "x", 1), 0);
        assert_eq!(begin("bob", "k", "y", 1), 0);
        assert_eq!(begin("ada", "k", "x", LIFE_US - 1), 201);
        assert_eq!(begin("ada", "k", "y", LIFE_US), 0);
    }

    #[test]
    fn what_is_being_answered_waits_and_what_failed_is_forgotten() {
        let once = Once::default();
        let begin = || once.begin(("ada", "ada"), "k", &[b"x"], 0);
        let Ok(Turn::New(first)) = begin() else {
            panic!("a new key is not new")
        };
        assert_eq!(status(begin()), 409);
        first.end(&StatusCode::FORBIDDEN.into_response());
        let Ok(Turn::New(second)) = begin() else {
            panic!("a failure was remembered")
        };
        drop(second);
        assert_eq!(status(begin()), 0);
    }

    #[test]
    fn one_caller_does_not_fill_the_memory_of_all() {
        let once = Once::default();
        for number in 0..KEYS_EACH_MAX {
            assert_eq!(
                status(once.begin(("ada", "ada"), &number.to_string(), &[b"x"], 0)),
                0
            );
        }
        assert_eq!(
            status(once.begin(("ada", "ada"), "one more", &[b"x"], 0)),
            429
        );
        assert_eq!(
            status(once.begin(("ada", "other"), "another", &[b"x"], 0)),
            429
        );
        assert_eq!(status(once.begin(("ada", "ada"), "1", &[b"x"], 0)), 201);
        assert_eq!(status(once.begin(("bob", "bob"), "1", &[b"x"], 0)), 0);
        assert_eq!(
            status(once.begin(("ada", "ada"), "one more", &[b"x"], LIFE_US)),
            0
        );
    }

    #[test]
    fn a_key_is_one_visible_text() {
        let check = |values: &[&[u8]], expected: Result<bool, ()>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(KEY, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(
                key(&headers).map(|key| key.is_some()).map_err(|_| ()),
                expected,
                "{values:?}"
            );
        };
        check(&[], Ok(false));
        check(&[b"7d444840-9dc0-11d1-b245-5ffdce74fad2"], Ok(true));
        check(&[b""], Err(()));
        check(&[b"a b"], Err(()));
        check(&[b"\xff"], Err(()));
        check(&[b"a", b"a"], Err(()));
        check(&[&[b'a'; KEY_LEN_MAX]], Ok(true));
        check(&[&[b'a'; KEY_LEN_MAX + 1]], Err(()));
    }
}
