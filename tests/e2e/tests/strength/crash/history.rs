//! What clients asked and were answered, and what must hold because of it.
//!
//! Each request that changes something is one [`Event`] with the instants at which it was sent and answered. As of an instant,
//! what was answered must be so; what was on its way may be so, wholly, or not at all; nothing else may be so. [`Expected`]
//! says that in terms of what can be looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::now_ns;

/// A digest of a state's bytes.
pub(crate) type Digest = [u8; 32];

/// A change that was asked for.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Push {
        desk: usize,
        serial: u64,
        digest: Digest,
        version: String,
    },
    Lock {
        desk: usize,
        id: String,
    },
    Unlock {
        desk: usize,
        id: String,
    },
    MakeToken {
        id: String,
        secret: String,
    },
    RevokeToken {
        id: String,
    },
    Rotate {
        site: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody knows, or not yet.
    Open,
    /// It was done, and that was said at this instant.
    Done(u64),
    /// It was not done: it was refused, or a check found so.
    NotDone,
}

#[derive(Clone, Debug)]
struct Event {
    what: What,
    sent: u64,
    fate: Fate,
}

/// A state that a workspace has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) serial: u64,
    pub(crate) digest: Digest,
    /// Empty while nobody was told.
    pub(crate) version: String,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// This id, and nobody else.
    Certain(String),
    /// Nobody, or one of these ids.
    FreeOr(BTreeSet<String>),
}

/// What must hold of one workspace.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedDesk {
    /// In order of their serials.
    pub(crate) stored: Vec<Stored>,
    /// A state that may be there as well.
    pub(crate) perhaps: Option<Stored>,
    pub(crate) holder: Holder,
}

/// What must hold as of an instant.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) desks: Vec<ExpectedDesk>,
    /// Secrets of tokens that must be taken, the oldest first.
    pub(crate) valid_tokens: Vec<String>,
    /// Secrets of tokens that must be refused.
    pub(crate) revoked_tokens: Vec<String>,
    /// The number of the newest key epoch of the organization and of the site: at least, at most.
    pub(crate) epochs: [(u64, u64); 2],
}

struct Inner {
    events: Vec<Event>,
    /// How many of them were answered by the server.
    answered: usize,
    /// By kind: how many unanswered requests a check settled, and how many of them had been done.
    settled: BTreeMap<&'static str, (usize, usize)>,
    /// Who was told that they hold the lock of a workspace, and did not ask to give it back.
    holders: Vec<Option<String>>,
}

/// Everything that was asked, by all threads.
pub(crate) struct History(Mutex<Inner>);

impl History {
    pub(crate) fn new(desks: usize) -> Self {
        Self(Mutex::new(Inner {
            events: Vec::new(),
            answered: 0,
            settled: BTreeMap::new(),
            holders: vec![None; desks],
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change is about to be asked for.
    pub(crate) fn sending(&self, what: What) -> usize {
        let mut inner = self.inner();
        if let What::Unlock { desk, .. } = &what {
            inner.holders[*desk] = None;
        }
        inner.events.push(Event {
            what,
            sent: now_ns(),
            fate: Fate::Open,
        });
        inner.events.len() - 1
    }

    /// It was answered that it is done; what only the answer tells is filled in. An error when two hold one lock.
    pub(crate) fn done(&self, event: usize, tell: impl FnOnce(&mut What)) -> Result<(), String> {
        let at = now_ns();
        let mut inner = self.inner();
        inner.answered += 1;
        let event = &mut inner.events[event];
        event.fate = Fate::Done(at);
        tell(&mut event.what);
        if let What::Lock { desk, id } = event.what.clone() {
            let before = inner.holders[desk].replace(id.clone());
            if let Some(before) = before.filter(|before| *before != id) {
                return Err(format!(
                    "desk {desk} was given to {id} while {before} holds it"
                ));
            }
        }
        Ok(())
    }

    /// It was refused.
    pub(crate) fn refused(&self, event: usize) {
        self.inner().events[event].fate = Fate::NotDone;
    }

    /// Instants at which something was answered that a crash may not undo, in order.
    pub(crate) fn answers(&self) -> Vec<u64> {
        let inner = self.inner();
        let done = |event: &Event| match event.fate {
            Fate::Done(at) => Some(at),
            Fate::Open | Fate::NotDone => None,
        };
        let mut instants: Vec<u64> = inner.events.iter().filter_map(done).collect();
        instants.sort_unstable();
        instants
    }

    /// How many changes were answered by the server so far.
    pub(crate) fn answered(&self) -> usize {
        self.inner().answered
    }

    /// How many changes were asked for, and what became of those that were not answered.
    pub(crate) fn told(&self) -> String {
        let inner = self.inner();
        let mut words = format!("{} changes", inner.events.len());
        for (kind, (all, done)) in &inner.settled {
            let _ = write!(words, ", {kind}: {done} of {all} unanswered ones were done");
        }
        words
    }

    /// A check saw what became of the requests that were open: it looked at who holds each lock, at the newest state of each
    /// workspace and at the newest epochs.
    pub(crate) fn settle(&self, seen: &Seen) {
        let at = now_ns();
        let mut inner = self.inner();
        let Inner {
            events, settled, ..
        } = &mut *inner;
        for event in events.iter_mut().filter(|event| event.fate == Fate::Open) {
            let (kind, done) = match &mut event.what {
                What::Push {
                    desk,
                    serial,
                    version,
                    ..
                } => {
                    let newest = seen.heads[*desk]
                        .as_ref()
                        .filter(|(newest, _)| newest == serial);
                    if let Some((_, id)) = newest {
                        version.clone_from(id);
                    }
                    ("push", newest.is_some())
                }
                What::Lock { desk, id } => ("lock", seen.holders[*desk].as_ref() == Some(id)),
                What::Unlock { desk, id } => ("unlock", seen.holders[*desk].as_ref() != Some(id)),
                // Epochs are counted below.
                What::Rotate { .. } => ("rotation", false),
                // Stay open: the secret of a token is told once, and nothing is expected of one that is being revoked.
                What::MakeToken { .. } | What::RevokeToken { .. } => continue,
            };
            event.fate = if done { Fate::Done(at) } else { Fate::NotDone };
            let count = settled.entry(kind).or_default();
            *count = (count.0 + 1, count.1 + usize::from(done));
        }
        for (site, newest) in [false, true].into_iter().zip(seen.epochs) {
            let is = |event: &&Event| {
                matches!(event.what, What::Rotate { site: of } if of == site)
                    && event.fate != Fate::NotDone
            };
            let known = inner.events.iter().filter(is).count() as u64 + 1;
            for _ in known..newest {
                inner.settled.entry("rotation").or_default().1 += 1;
                inner.events.push(Event {
                    what: What::Rotate { site },
                    sent: at,
                    fate: Fate::Done(at),
                });
            }
        }
        inner.holders.clone_from(&seen.holders);
    }

    /// What must hold as of an instant of this machine's monotonic clock.
    pub(crate) fn expected(&self, at: u64) -> Expected {
        let inner = self.inner();
        let sent: Vec<(&What, bool)> = inner
            .events
            .iter()
            .filter(|event| event.sent <= at && event.fate != Fate::NotDone)
            .map(|event| {
                (
                    &event.what,
                    matches!(event.fate, Fate::Done(done) if done <= at),
                )
            })
            .collect();
        let desks = (0..inner.holders.len())
            .map(|desk| expected_desk(desk, &sent))
            .collect();
        let mut expected = Expected {
            desks,
            valid_tokens: Vec::new(),
            revoked_tokens: Vec::new(),
            epochs: [(1, 1); 2],
        };
        let revoked = |wanted: &str| {
            let of = |(what, done): &&(&What, bool)| {
                matches!(what, What::RevokeToken { id } if id == wanted).then_some(*done)
            };
            sent.iter().find_map(|event| of(&event))
        };
        for (what, done) in &sent {
            match what {
                What::MakeToken { id, secret } if *done => match revoked(id) {
                    None => expected.valid_tokens.push(secret.clone()),
                    Some(true) => expected.revoked_tokens.push(secret.clone()),
                    Some(false) => {}
                },
                What::Rotate { site } => {
                    let epochs = &mut expected.epochs[usize::from(*site)];
                    epochs.0 += u64::from(*done);
                    epochs.1 += 1;
                }
                _ => {}
            }
        }
        expected
    }
}

/// What a check found where more than one thing may be so.
pub(crate) struct Seen {
    /// Serial and version of the newest state of each workspace.
    pub(crate) heads: Vec<Option<(u64, String)>>,
    /// Who holds the lock of each workspace.
    pub(crate) holders: Vec<Option<String>>,
    /// The newest epoch of the organization and of the site.
    pub(crate) epochs: [u64; 2],
}

fn expected_desk(of: usize, sent: &[(&What, bool)]) -> ExpectedDesk {
    let (mut stored, mut perhaps) = (Vec::new(), None);
    let (mut locked, mut unlocking, mut open) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (what, done) in sent {
        match what {
            What::Push {
                desk,
                serial,
                digest,
                version,
            } if *desk == of => {
                let state = Stored {
                    serial: *serial,
                    digest: *digest,
                    version: version.clone(),
                };
                if *done {
                    stored.push(state);
                } else {
                    let before = perhaps.replace(state);
                    assert_eq!(before, None, "two states of desk {of} are on their way");
                }
            }
            What::Lock { desk, id } if *desk == of && *done => locked.push(id),
            What::Lock { desk, id } if *desk == of => drop(open.insert(id.clone())),
            What::Unlock { desk, id } if *desk == of => {
                unlocking.insert(id);
                if !done {
                    open.insert(id.clone());
                }
            }
            _ => {}
        }
    }
    let mut certain = locked.into_iter().filter(|id| !unlocking.contains(id));
    let holder = certain
        .next()
        .map_or(Holder::FreeOr(open), |id| Holder::Certain(id.clone()));
    assert_eq!(certain.next(), None, "two hold desk {of}");
    stored.sort_by_key(|state: &Stored| state.serial);
    ExpectedDesk {
        stored,
        perhaps,
        holder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = [7; 32];

    fn push(serial: u64) -> What {
        let version = format!("sv-{serial}");
        What::Push {
            desk: 0,
            serial,
            digest: DIGEST,
            version,
        }
    }

    fn lock(id: &str) -> What {
        let (desk, id) = (0, id.to_owned());
        What::Lock { desk, id }
    }

    fn unlock(id: &str) -> What {
        let (desk, id) = (0, id.to_owned());
        What::Unlock { desk, id }
    }

    fn token(id: &str) -> What {
        let (id, secret) = (id.to_owned(), format!("secret of {id}"));
        What::MakeToken { id, secret }
    }

    fn revoke(id: &str) -> What {
        What::RevokeToken { id: id.to_owned() }
    }

    /// `expected` in words, after these requests, of which the second were not answered.
    fn check(answered: Vec<What>, open: Vec<What>, expected: &str) {
        let history = History::new(1);
        for what in answered {
            let event = history.sending(what);
            history.done(event, |_| {}).unwrap();
        }
        for what in open {
            history.sending(what);
        }
        let found = history.expected(u64::MAX);
        let desk = &found.desks[0];
        let stored: Vec<u64> = desk.stored.iter().map(|state| state.serial).collect();
        let perhaps = desk.perhaps.as_ref().map(|state| state.serial);
        let holder = match &desk.holder {
            Holder::Certain(id) => id.clone(),
            Holder::FreeOr(ids) => format!("free or {ids:?}"),
        };
        let tokens = (&found.valid_tokens, &found.revoked_tokens);
        let words = format!(
            "{stored:?} {perhaps:?}, {holder}, {tokens:?} {:?}",
            found.epochs
        );
        assert_eq!(words, expected);
        assert_eq!(history.expected(0).desks[0].stored, []);
    }

    #[test]
    fn what_was_answered_is_certain_and_what_was_not_is_open() {
        let plain = "([], []) [(1, 1), (1, 1)]";
        let locked = || vec![lock("a"), push(1), push(2)];
        check(vec![], vec![], &format!("[] None, free or {{}}, {plain}"));
        check(
            vec![],
            vec![lock("a"), lock("b")],
            &format!("[] None, free or {{\"a\", \"b\"}}, {plain}"),
        );
        check(
            locked(),
            vec![push(3), lock("b")],
            &format!("[1, 2] Some(3), a, {plain}"),
        );
        check(
            locked(),
            vec![unlock("a"), lock("b")],
            &format!("[1, 2] None, free or {{\"a\", \"b\"}}, {plain}"),
        );
        let relocked = vec![lock("a"), unlock("a"), lock("b")];
        check(relocked, vec![], &format!("[] None, b, {plain}"));
        check(
            vec![lock("a"), unlock("a")],
            vec![],
            &format!("[] None, free or {{}}, {plain}"),
        );
        let rotations = vec![What::Rotate { site: false }, What::Rotate { site: true }];
        let rotated = "[] None, free or {}, ([], []) [(2, 3), (2, 2)]";
        check(rotations, vec![What::Rotate { site: false }], rotated);
        let made = || vec![token("t"), token("u")];
        let valid = "[\"secret of t\"], [\"secret of u\"]";
        let revoked = [made(), vec![revoke("u")]].concat();
        check(
            revoked,
            vec![],
            &format!("[] None, free or {{}}, ({valid}) [(1, 1), (1, 1)]"),
        );
        let open = "[] None, free or {}, ([\"secret of t\"], []) [(1, 1), (1, 1)]";
        check(made(), vec![revoke("u")], open);
    }

    #[test]
    fn a_lock_given_to_two_is_noticed() {
        let history = History::new(1);
        let (first, second) = (history.sending(lock("a")), history.sending(lock("b")));
        assert_eq!(history.done(first, |_| {}), Ok(()));
        assert!(history.done(second, |_| {}).is_err());
    }
}
