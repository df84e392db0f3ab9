//! What the two proofs about crashes share: the real binary, clients that remember what they were answered, and the check that
//! everything they were answered is still so.
//!
//! - [`server`]: the binary as a child process, on SQLite or PostgreSQL, with or without the recording shim.
//! - [`client`]: one kept connection over TLS 1.3.
//! - [`history`]: every request that changes something, when it was sent and when it was answered; and what must hold as of an
//!   instant.
//! - [`load`]: threads that push, lock, unlock, rotate keys, back up, make and revoke tokens until nobody answers any more.
//! - [`check`]: a server is asked whether it is what the history says.
//!
//! Deliberately absent: a look into the product's own files. What is checked is what a client can see, and what the product's
//! own verification says of it.

pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod history;
pub(crate) mod load;
pub(crate) mod server;

use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use statehouse_e2e::random::Random;
use statehouse_e2e::states;

use check::{Depth, check};
use client::{Answer, Client, Unanswered};
use history::History;
use server::Server;

/// The organization that everything happens in.
pub(crate) const ORGANIZATION: &str = "main";
/// Workspaces: few, so that threads meet.
const DESKS: usize = 5;

/// A variable that tells a test where something is; a missing one is a failed test that says what to do.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where things are"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Nanoseconds of the clock that all processes of a machine share, the shim included.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

/// A workspace that clients compete for.
pub(crate) struct Desk {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) lineage: String,
    /// When the answer came that it was made.
    pub(crate) made_at: u64,
    /// The serial of its next state. Whoever holds the lock counts it up.
    pub(crate) next_serial: Mutex<u64>,
}

/// An organization, its workspaces, and what clients were told about them.
pub(crate) struct World {
    pub(crate) token: String,
    pub(crate) desks: Vec<Desk>,
    pub(crate) history: History,
    /// Locks that a session left behind on purpose, for another to go on with: the desk and the id.
    pub(crate) parked: Mutex<Vec<(usize, String)>>,
}

impl World {
    /// Makes the organization and its workspaces on a new server.
    pub(crate) fn create(server: &Server, token: &str, random: &mut Random) -> Self {
        let mut client = Client::new(&server.target, token);
        made(client.document(
            "POST",
            "/api/v2/organizations",
            &json!({ "name": ORGANIZATION }),
        ));
        let desk = |number| {
            let name = format!("desk-{number}");
            let path = format!("/api/v2/organizations/{ORGANIZATION}/workspaces");
            let made = made(client.document("POST", &path, &json!({ "name": name })));
            let id = made["data"]["id"].as_str().expect("an id").to_owned();
            Desk {
                name,
                id,
                lineage: states::lineage(random),
                made_at: now_ns(),
                next_serial: Mutex::new(1),
            }
        };
        let desks: Vec<Desk> = (0..DESKS).map(desk).collect();
        let history = History::new(desks.len());
        Self {
            token: token.to_owned(),
            desks,
            history,
            parked: Mutex::default(),
        }
    }
}

impl World {
    /// Waits until so many more changes were answered: a measure that a slow machine does not change. At most as long as that.
    pub(crate) fn await_answers(&self, count: usize, at_most: Duration) {
        let (before, begun) = (self.history.answered(), Instant::now());
        while self.history.answered() < before + count && begun.elapsed() < at_most {
            sleep(Duration::from_millis(1));
        }
    }

    /// Checks a restarted server, and takes up what became of the requests that were open.
    pub(crate) fn go_on(&self, server: &Server, depth: Depth, random: &mut Random) {
        let seen = check(
            server,
            self,
            &self.history.expected(u64::MAX),
            depth,
            random,
        );
        for (desk, head) in self.desks.iter().zip(&seen.heads) {
            *desk.next_serial.lock().unwrap() = head.as_ref().map_or(1, |(serial, _)| serial + 1);
        }
        let holders = seen.holders.iter().enumerate();
        let held = holders.filter_map(|(desk, id)| id.clone().map(|id| (desk, id)));
        *self.parked.lock().unwrap() = held.collect();
        self.history.settle(&seen);
    }
}

fn made(answer: Result<Answer, Unanswered>) -> Value {
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}
