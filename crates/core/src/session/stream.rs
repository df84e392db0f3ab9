//! Streams: answers that go on for minutes, of which a person has a bounded number at once.
//!
//! Each holds a connection, and looks into an organization whenever something may have changed. A page has one; more than a
//! browser full of pages is nobody's need. What is counted is in memory, and of this process alone.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use statehouse_model::{Actor, SessionId, UserId};

use super::{Visitor, over};
use crate::error::{Error, Kind, Result};

/// Streams of one session at once.
pub const OF_SESSION_MAX: usize = 16;
/// And of all sessions of one person.
pub const OF_PERSON_MAX: usize = 48;
/// When to try again who has too many: some end by themselves within minutes.
const AFTER_S: u32 = 30;

/// The streams of everybody.
#[derive(Default)]
pub(crate) struct Streams(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    of_sessions: HashMap<SessionId, usize>,
    of_people: HashMap<UserId, usize>,
}

/// One stream, as long as this is kept.
pub struct Stream {
    open: Arc<Mutex<Open>>,
    session: SessionId,
    user: UserId,
}

impl Streams {
    /// Counts one more of a visitor's, if there is room.
    pub(crate) fn begin(&self, visitor: &Visitor) -> Result<Stream> {
        let Actor::Session { user, session } = visitor.site().actor() else {
            return Err(over());
        };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_session = open.of_sessions.get(session).copied().unwrap_or(0);
        let of_person = open.of_people.get(user).copied().unwrap_or(0);
        if of_session >= OF_SESSION_MAX {
            return Err(too_many(OF_SESSION_MAX, "this session"));
        }
        if of_person >= OF_PERSON_MAX {
            return Err(too_many(OF_PERSON_MAX, "this account"));
        }
        open.of_sessions.insert(session.clone(), of_session + 1);
        open.of_people.insert(user.clone(), of_person + 1);
        Ok(Stream {
            open: self.0.clone(),
            session: session.clone(),
            user: user.clone(),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        one_less(&mut open.of_sessions, &self.session);
        one_less(&mut open.of_people, &self.user);
    }
}

/// Who has none left is not remembered.
fn one_less<Id: Eq + Hash>(open: &mut HashMap<Id, usize>, id: &Id) {
    if let Some(count) = open.get_mut(id) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            open.remove(id);
        }
    }
}

fn too_many(limit: usize, whose: &str) -> Error {
    let words = format!("{whose} follows {limit} logs at once, and no more are opened");
    let hint = format!("close a page that follows one, and try again after {AFTER_S} s");
    Error::new(Kind::TooMany { after_s: AFTER_S }, words).hint(hint)
}
