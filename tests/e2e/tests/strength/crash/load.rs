//! The load: threads that do what terraform, operators and pipelines do, all at once, until nobody answers or they are told to
//! stop.
//!
//! Every answer must be the one that the product promises for what was asked. An answer that does not come is no failure where
//! the server was killed, and one where it was not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use statehouse_e2e::random::Random;

use super::client::{Answer, Client, Target, Unanswered};
use super::history::What;
use super::{ORGANIZATION, World};

/// Threads that lock and push, beside the one that keeps house.
const WRITERS: usize = 4;
/// One state in so many is large enough for a file of its own.
const LARGE_EVERY: usize = 40;
/// Letters in such a state: they compress to three quarters.
const LARGE_LETTERS: usize = 480 * 1024;

/// Why a thread ended.
enum Halt {
    /// Nobody answered.
    Unanswered(String),
    /// An answer was not the one that is promised.
    Wrong(String),
}

impl From<Unanswered> for Halt {
    fn from(Unanswered(words): Unanswered) -> Self {
        Self::Unanswered(words)
    }
}

/// Puts load on a server while `meanwhile` runs, which says at the end whether it killed the server.
///
/// # Errors
///
/// The first answer that is not what is promised, and the first that does not come while the server runs.
pub(crate) fn run(
    world: &World,
    target: &Target,
    random: &mut Random,
    meanwhile: impl FnOnce(&AtomicBool),
) -> Result<(), String> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..=WRITERS {
            let client = Client::new(target, &world.token);
            let mut worker = Worker {
                world,
                client,
                random: Random::new(random.next()),
            };
            let over = &over;
            threads.push(scope.spawn(move || worker.work(number == 0, over)));
        }
        meanwhile(&over);
        over.store(true, Ordering::SeqCst);
        let ended: Vec<Result<(), String>> = threads
            .into_iter()
            .map(|thread| thread.join().expect("a thread"))
            .collect();
        ended.into_iter().collect()
    })
}

struct Worker<'a> {
    world: &'a World,
    client: Client,
    random: Random,
}

fn expect(answer: Answer, status: u16, what: &str) -> Result<Answer, Halt> {
    if answer.status == status {
        return Ok(answer);
    }
    Err(Halt::Wrong(format!(
        "{what} was answered {} and not {status}: {}",
        answer.status,
        answer.text()
    )))
}

/// What terraform sends with a lock.
pub(crate) fn lock_info(id: &str) -> Vec<u8> {
    let info = json!({
        "ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "ada@example.org", "Version": "1.11.4",
        "Created": "2026-01-01T00:00:00Z", "Path": "",
    });
    info.to_string().into_bytes()
}

/// Where terraform finds a state.
pub(crate) fn state_path(name: &str) -> String {
    format!("/state/{ORGANIZATION}/{name}")
}

impl Worker<'_> {
    /// Goes on until the load is over. Whoever kills the server ends the load before.
    fn work(&mut self, keeps_house: bool, over: &AtomicBool) -> Result<(), String> {
        while !over.load(Ordering::SeqCst) {
            let done = if keeps_house {
                self.keep_house()
            } else {
                self.session()
            };
            match done {
                Ok(()) => {}
                Err(Halt::Unanswered(_)) if over.load(Ordering::SeqCst) => return Ok(()),
                Err(Halt::Unanswered(words)) => {
                    return Err(format!("no answer while the server runs: {words}"));
                }
                Err(Halt::Wrong(words)) => return Err(words),
            }
        }
        Ok(())
    }

    /// Lock, push a few times, unlock; sometimes the lock is left for another session.
    fn session(&mut self) -> Result<(), Halt> {
        let parked = self.world.parked.lock().unwrap().pop();
        let (desk, id) = match parked {
            Some(parked) => parked,
            None => match self.lock()? {
                Some(taken) => taken,
                None => return Ok(()),
            },
        };
        for _ in 0..=self.random.below(3) {
            self.push(desk, &id)?;
        }
        if self.random.below(8) == 0 {
            self.world.parked.lock().unwrap().push((desk, id));
            return Ok(());
        }
        self.unlock(desk, id)
    }

    fn lock(&mut self) -> Result<Option<(usize, String)>, Halt> {
        let desk = self.random.below(self.world.desks.len());
        let id = self.random.hex(16);
        let event = self.world.history.sending(What::Lock {
            desk,
            id: id.clone(),
        });
        let answer = self.client.request(
            "LOCK",
            &state_path(&self.world.desks[desk].name),
            &lock_info(&id),
        )?;
        if answer.status == 423 {
            self.world.history.refused(event);
            let holder = answer.json()["ID"].as_str().unwrap_or_default().to_owned();
            let named = !holder.is_empty() && holder != id;
            return if named {
                Ok(None)
            } else {
                Err(Halt::Wrong(format!(
                    "refused, and the holder is `{holder}`"
                )))
            };
        }
        expect(answer, 200, "LOCK")?;
        self.world
            .history
            .done(event, |_| {})
            .map_err(Halt::Wrong)?;
        Ok(Some((desk, id)))
    }

    fn unlock(&mut self, desk: usize, id: String) -> Result<(), Halt> {
        let event = self.world.history.sending(What::Unlock {
            desk,
            id: id.clone(),
        });
        let answer = self.client.request(
            "UNLOCK",
            &state_path(&self.world.desks[desk].name),
            &lock_info(&id),
        )?;
        expect(answer, 200, "UNLOCK")?;
        self.world.history.done(event, |_| {}).map_err(Halt::Wrong)
    }

    /// A new state under the lock; sometimes it is sent again, as a client does that lost the answer.
    fn push(&mut self, desk: usize, id: &str) -> Result<(), Halt> {
        let at = &self.world.desks[desk];
        let serial = *at.next_serial.lock().unwrap();
        let letters = if self.random.below(LARGE_EVERY) == 0 {
            LARGE_LETTERS
        } else {
            200 + self.random.below(12_000)
        };
        let bytes = state(&at.lineage, serial, &self.random.word(letters));
        let path = format!("{}?ID={id}", state_path(&at.name));
        let digest = Sha256::digest(&bytes).into();
        let event = self.world.history.sending(What::Push {
            desk,
            serial,
            digest,
            version: String::new(),
        });
        let version = self.post(&path, &bytes)?;
        let told = version.clone();
        let tell = |what: &mut What| {
            if let What::Push { version, .. } = what {
                *version = told;
            }
        };
        self.world.history.done(event, tell).map_err(Halt::Wrong)?;
        *at.next_serial.lock().unwrap() += 1;
        if self.random.below(8) == 0 {
            let again = self.post(&path, &bytes)?;
            if again != version {
                return Err(Halt::Wrong(format!(
                    "{version} was sent again and is also {again}"
                )));
            }
        }
        Ok(())
    }

    fn post(&mut self, path: &str, bytes: &[u8]) -> Result<String, Halt> {
        let answer = expect(self.client.request("POST", path, bytes)?, 200, "POST")?;
        answer
            .version
            .ok_or_else(|| Halt::Wrong("no version is named".to_owned()))
    }

    /// Tokens come and go, keys are rotated and renewed, backups are made.
    fn keep_house(&mut self) -> Result<(), Halt> {
        let keys = format!("/api/v2/organizations/{ORGANIZATION}/keys/actions");
        match self.random.below(20) {
            0..14 => self.token(),
            14 => self.rotate(&keys, false),
            15 => self.rotate("/api/v2/site/keys/actions", true),
            16 | 17 => self.rewrap(&keys),
            _ => {
                let answer = self.client.request("POST", "/api/v2/site/backups", &[])?;
                expect(answer, 200, "a backup").map(drop)
            }
        }
    }

    /// A new token, which works; half of them are revoked at once, and do not work any more.
    fn token(&mut self) -> Result<(), Halt> {
        let event = self.world.history.sending(What::MakeToken {
            id: String::new(),
            secret: String::new(),
        });
        let answer = self
            .client
            .document("POST", "/api/v2/tokens", &json!({ "label": "load" }))?;
        let made = expect(answer, 201, "a new token")?.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let (token, word) = (
            text(&made["data"]["id"]),
            text(&made["data"]["attributes"]["token"]),
        );
        let (told_id, told_secret) = (token.clone(), word.clone());
        let tell = |what: &mut What| {
            *what = What::MakeToken {
                id: told_id,
                secret: told_secret,
            }
        };
        self.world.history.done(event, tell).map_err(Halt::Wrong)?;
        if self.random.below(16) == 0 {
            return Ok(());
        }
        expect(self.client.status_of_token(&word)?, 200, "a live token")?;
        let revoke = What::RevokeToken { id: token.clone() };
        let event = self.world.history.sending(revoke);
        let path = format!("/api/v2/tokens/{token}");
        expect(
            self.client.request("DELETE", &path, &[])?,
            200,
            "a revocation",
        )?;
        self.world
            .history
            .done(event, |_| {})
            .map_err(Halt::Wrong)?;
        expect(self.client.status_of_token(&word)?, 401, "a revoked token").map(drop)
    }

    fn rotate(&mut self, keys: &str, site: bool) -> Result<(), Halt> {
        let event = self.world.history.sending(What::Rotate { site });
        let answer = self
            .client
            .document("POST", &format!("{keys}/rotate"), &json!({}))?;
        expect(answer, 201, "a rotation")?;
        self.world
            .history
            .done(event, |_| {})
            .map_err(Halt::Wrong)?;
        self.rewrap(keys)
    }

    fn rewrap(&mut self, keys: &str) -> Result<(), Halt> {
        let answer = self
            .client
            .document("POST", &format!("{keys}/rewrap"), &json!({}))?;
        expect(answer, 200, "a renewal").map(drop)
    }
}

/// A state with one resource and one long output: real enough for every rule, and as large as its text.
fn state(lineage: &str, serial: u64, text: &str) -> Vec<u8> {
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": { "text": { "value": text, "type": "string" } },
        "resources": [{
            "mode": "managed", "type": "terraform_data", "name": "one", "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{ "schema_version": 0, "attributes": { "id": format!("id-{serial}") }, "sensitive_attributes": [] }],
        }],
        "check_results": null,
    });
    state.to_string().into_bytes()
}
