//! Whether a server is what its clients were told.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use statehouse_e2e::random::Random;

use super::client::{Answer, Client};
use super::history::{Expected, ExpectedDesk, Holder, Seen, Stored};
use super::load::{lock_info, state_path};
use super::server::Server;
use super::{Desk, ORGANIZATION, World};

/// Versions per page of a list.
const PAGE: usize = 100;
/// Tokens tried of each kind: the newest, and as many others.
const TOKENS: usize = 4;
/// A workspace of the check's own, to write to.
const BARRIER: &str = "barrier";

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The newest hundred versions of each workspace, its state, its lock; some tokens; the epochs.
    Usual,
    /// And the database against its ledger.
    Live,
    /// And every version, and a bundle of the ledger, proven without the server.
    Whole,
}

/// Asks a server that nobody else asks. Panics with what does not hold; tells what was open.
pub(crate) fn check(
    server: &Server,
    world: &World,
    expected: &Expected,
    depth: Depth,
    random: &mut Random,
) -> Seen {
    let mut check = Check {
        client: Client::new(&server.target, &world.token),
        random,
        depth,
    };
    let desks: Vec<_> = world.desks.iter().zip(&expected.desks).collect();
    check.barrier();
    let heads = desks
        .iter()
        .map(|(desk, expected)| check.versions(desk, expected))
        .collect();
    let holders = desks
        .iter()
        .map(|(desk, expected)| check.lock(desk, &expected.holder))
        .collect();
    check.tokens(&expected.valid_tokens, 200);
    check.tokens(&expected.revoked_tokens, 401);
    let organization = format!("/api/v2/organizations/{ORGANIZATION}");
    let epochs = [
        check.epochs(&format!("{organization}/keys"), expected.epochs[0]),
        check.epochs("/api/v2/site/keys", expected.epochs[1]),
    ];
    if depth == Depth::Live {
        check.live(&format!("{organization}/ledger/actions/verify-live"));
        check.live("/api/v2/site/ledger/actions/verify-live");
    }
    if depth == Depth::Whole {
        prove(server, &world.token);
    }
    Seen {
        heads,
        holders,
        epochs,
    }
}

/// The command line proves an export without the server, and the database with it.
fn prove(server: &Server, token: &str) {
    let folder = tempfile::tempdir().unwrap();
    for site in [None, Some("--site")] {
        let bundle = folder
            .path()
            .join(if site.is_some() {
                "site.tar"
            } else {
                "main.tar"
            })
            .display()
            .to_string();
        let with = |arguments: &[&str]| server.run(token, &[arguments, site.as_slice()].concat());
        with(&["ledger", "export", "--out", &bundle]);
        server.run(token, &["verify", &bundle]);
        with(&["verify", "--live"]);
    }
}

struct Check<'a> {
    client: Client,
    random: &'a mut Random,
    depth: Depth,
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Check<'_> {
    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.client.request(method, path, body).expect("an answer")
    }

    fn get(&mut self, path: &str) -> Value {
        let answer = self.ask("GET", path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Writes to both ledgers: the server opened writable. What a database server was still doing for a process that was
    /// killed has ended when a write after it is answered.
    fn barrier(&mut self) {
        let id = self.random.hex(16);
        for method in ["LOCK", "UNLOCK"] {
            let answer = self.ask(method, &state_path(BARRIER), &lock_info(&id));
            assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        }
        let made = self
            .client
            .document("POST", "/api/v2/tokens", &json!({ "label": BARRIER }))
            .expect("an answer");
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["data"]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let revoked = self.ask("DELETE", &format!("/api/v2/tokens/{id}"), &[]);
        assert_eq!(revoked.status, 200, "{}", revoked.text());
    }

    /// Every state that was answered is there once, with its bytes; one that was not is there wholly or not at all; no other
    /// is. The newest one is the current one, and is told.
    fn versions(&mut self, desk: &Desk, expected: &ExpectedDesk) -> Option<(u64, String)> {
        let listed = self.list(desk);
        let mut by_serial = BTreeMap::new();
        for (serial, version) in &listed {
            let twice = by_serial.insert(*serial, version.as_str());
            assert_eq!(twice, None, "{}: serial {serial} is there twice", desk.name);
        }
        let perhaps = expected
            .perhaps
            .iter()
            .filter(|state| by_serial.contains_key(&state.serial));
        let all: Vec<&Stored> = expected.stored.iter().chain(perhaps).collect();
        let visible = if self.depth == Depth::Whole {
            all.as_slice()
        } else {
            &all[all.len().saturating_sub(PAGE)..]
        };
        let wanted: Vec<u64> = visible.iter().map(|state| state.serial).collect();
        let found: Vec<u64> = by_serial.keys().copied().collect();
        assert_eq!(
            found, wanted,
            "{}: the serials that are there, and those that must be",
            desk.name
        );
        for state in visible.iter().filter(|state| !state.version.is_empty()) {
            assert_eq!(
                by_serial[&state.serial], state.version,
                "{}: serial {}",
                desk.name, state.serial
            );
        }
        self.current(desk, all.last().copied(), &by_serial);
        if !all.is_empty() {
            let older = *self.random.pick(visible);
            let path = format!(
                "/api/v2/workspaces/{}/state?version={}",
                desk.id, by_serial[&older.serial]
            );
            let answer = self.ask("GET", &path, &[]);
            assert_eq!(
                (answer.status, digest(&answer.body)),
                (200, older.digest),
                "{}: serial {}",
                desk.name,
                older.serial
            );
        }
        all.last()
            .map(|newest| (newest.serial, by_serial[&newest.serial].to_owned()))
    }

    fn current(&mut self, desk: &Desk, newest: Option<&Stored>, by_serial: &BTreeMap<u64, &str>) {
        let answer = self.ask("GET", &state_path(&desk.name), &[]);
        let Some(newest) = newest else {
            assert_eq!(answer.status, 204, "{}: {}", desk.name, answer.text());
            return;
        };
        assert_eq!(answer.status, 200, "{}: {}", desk.name, answer.text());
        assert_eq!(
            answer.version.as_deref(),
            Some(by_serial[&newest.serial]),
            "{}: serial {}",
            desk.name,
            newest.serial
        );
        assert_eq!(
            digest(&answer.body),
            newest.digest,
            "{}: the bytes of serial {}",
            desk.name,
            newest.serial
        );
    }

    /// Serials and ids, the newest first: a page of them, or all.
    fn list(&mut self, desk: &Desk) -> Vec<(u64, String)> {
        let mut next = format!(
            "/api/v2/workspaces/{}/state-versions?page%5Bsize%5D={PAGE}",
            desk.id
        );
        let mut listed = Vec::new();
        loop {
            let page = self.get(&next);
            for version in page["data"].as_array().expect("a list") {
                assert_eq!(
                    version["attributes"]["status"], "finalized",
                    "{}: {version}",
                    desk.name
                );
                let serial = version["attributes"]["serial"].as_u64().expect("a serial");
                listed.push((serial, version["id"].as_str().expect("an id").to_owned()));
            }
            match page["links"]["next"]
                .as_str()
                .filter(|_| self.depth == Depth::Whole)
            {
                Some(path) => path.clone_into(&mut next),
                None => return listed,
            }
        }
    }

    /// The lock is held by whom it must be, whose repeated request is answered alike, and by nobody else.
    fn lock(&mut self, desk: &Desk, expected: &Holder) -> Option<String> {
        let shown = self.get(&format!("/api/v2/workspaces/{}/lock", desk.id));
        let holder = shown["data"]["id"].as_str().map(str::to_owned);
        match (expected, &holder) {
            (Holder::Certain(id), holder) => assert_eq!(
                holder.as_ref(),
                Some(id),
                "{}: who holds the lock",
                desk.name
            ),
            (Holder::FreeOr(_), None) => {}
            (Holder::FreeOr(ids), Some(id)) => assert!(
                ids.contains(id),
                "{}: {id} holds it, and not one of {ids:?}",
                desk.name
            ),
        }
        if let Some(id) = &holder {
            let stranger = self.ask("LOCK", &state_path(&desk.name), &lock_info("a stranger"));
            assert_eq!(
                (stranger.status, stranger.json()["ID"].as_str()),
                (423, Some(id.as_str())),
                "{}",
                desk.name
            );
            let again = self.ask("LOCK", &state_path(&desk.name), &lock_info(id));
            assert_eq!(again.status, 200, "{}: {}", desk.name, again.text());
        }
        holder
    }

    fn tokens(&mut self, secrets: &[String], status: u16) {
        let (others, newest) = secrets.split_at(secrets.len().saturating_sub(TOKENS));
        let others = (0..TOKENS.min(others.len()))
            .map(|_| self.random.pick(others))
            .collect::<Vec<_>>();
        for secret in newest.iter().chain(others) {
            let answer = self.client.status_of_token(secret).expect("an answer");
            assert_eq!(answer.status, status, "a token: {}", answer.text());
        }
    }

    /// Every epoch that was answered is there, from the first, each once.
    fn epochs(&mut self, path: &str, (least, most): (u64, u64)) -> u64 {
        let listed = self.get(path);
        let numbers = listed["data"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|epoch| epoch["attributes"]["epoch"].as_u64());
        let mut numbers: Vec<u64> = numbers.collect::<Option<_>>().expect("numbers");
        numbers.sort_unstable();
        let newest = *numbers.last().expect("an epoch");
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>(), "{path}");
        assert!(
            (least..=most).contains(&newest),
            "{path}: epoch {newest} is the newest, and {least} to {most} may be"
        );
        newest
    }

    /// No difference between a database and its ledger.
    fn live(&mut self, path: &str) {
        let answer = self
            .client
            .document("POST", path, &json!({}))
            .expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let report = answer.json();
        assert_eq!(report["data"]["attributes"]["count"], 0, "{path}: {report}");
    }
}
