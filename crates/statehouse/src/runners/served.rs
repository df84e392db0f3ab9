//! Jobs of a server elsewhere, over HTTPS, for an agent of one of its pools.
//!
//! What a runner asks is sent as it words it, and answered as the server answers. A server that cannot be reached is asked again for
//! as long as the lease of a job lasts; a state waits with its runner. The one thing that is never asked twice is whether an apply
//! may begin: the first question may have been heard.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use statehouse_control::{self as control, Answer, Ask, Beside, Step, Told};
use statehouse_core::agent::WAIT_MAX;
use statehouse_core::job::{LEASE_US, Sandbox};
use statehouse_model::RunId;
use tokio::time::Instant;

use super::source::{Job, NotTaken, Source};
use crate::client::{self, Body, Connection, Way};
use crate::failure::{Failure, Result};

/// How long a server that cannot be reached is asked again: then its job is another's.
const LEASE: Duration = Duration::from_micros(LEASE_US.unsigned_abs());
/// How often a job is kept while something is asked that takes long.
const KEPT_EVERY: Duration = Duration::from_secs(30);
/// Between two questions to it.
const PAUSE: Duration = Duration::from_secs(1);
/// The same between two questions for a job.
const PAUSE_IDLE: Duration = Duration::from_secs(5);
/// How long a question for a job may take: the wait, and what lies between.
const WAITED_MAX: Duration = WAIT_MAX.saturating_add(Duration::from_secs(30));
/// For an ask without anything beside it that is asked every second.
const BEAT_MAX: Duration = Duration::from_secs(20);
/// For any other: a state of the longest at 4 Mbit/s.
const ASK_MAX: Duration = Duration::from_mins(10);
/// A document, in bytes: a job is named by two ids.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is far below what any machine addresses"
)]
const ANSWER_BYTES_MAX: usize = control::ANSWER_BYTES_MAX as usize;

/// A server elsewhere, and who asks it.
#[derive(Clone)]
pub(crate) struct Served {
    way: Arc<Way>,
    name: String,
    sandbox: Sandbox,
}

/// A job of it.
pub(crate) struct Given {
    served: Served,
    run: RunId,
    /// Where it is asked about.
    path: String,
    holder: String,
    /// Whether it is an apply: what it has begun is ended in order, whatever became of the job.
    applies: AtomicBool,
}

/// Why an ask has no answer of the server's.
enum Hindrance {
    /// The job is not in our hands any more, or never was.
    NotOurs(String),
    /// The token is not good any more.
    Unknown(String),
    /// The ask itself is refused.
    Refused(String),
    /// The server cannot be asked now.
    Away(String),
}

/// Who would take a job, as the server is told. A server that is older than this agent knows no reason, and is told none where there is none.
fn wish(holder: &str, sandbox: &Sandbox) -> Value {
    let mut attributes = json!({ "holder": holder, "sandbox": sandbox.level() });
    if let (Some(reason), Some(members)) = (sandbox.reason(), attributes.as_object_mut()) {
        members.insert("sandbox-reason".to_owned(), reason.into());
    }
    json!({ "data": { "type": "agent-jobs", "attributes": attributes } })
}

/// What an answer means that is no yes. Only the server's own words count: what stands between may answer anything.
fn met(answer: &client::Answer) -> Hindrance {
    let why = answer.refusal().message;
    if !answer.is_refusal() {
        return Hindrance::Away(format!("something else than the server answers: {why}"));
    }
    match answer.status() {
        401 => Hindrance::Unknown(why),
        403 | 404 | 409 => Hindrance::NotOurs(why),
        408 | 429 | 500.. => Hindrance::Away(why),
        _ => Hindrance::Refused(why),
    }
}

impl Served {
    /// The server of a connection, for an agent of that name.
    pub(crate) fn new(connection: &Connection, name: String, sandbox: Sandbox) -> Result<Self> {
        Ok(Self {
            way: Arc::new(Way::new(connection)?),
            name,
            sandbox,
        })
    }

    async fn post(
        &self,
        path: &str,
        body: Body,
        (bytes_max, wait): (usize, Duration),
    ) -> std::result::Result<client::Answer, Hindrance> {
        let asked = tokio::time::timeout(wait, self.way.send("POST", path, body, bytes_max)).await;
        let silent = |_| Failure::failed(format!("no answer in {} s", wait.as_secs()));
        let answer = asked.map_err(silent).flatten();
        let answer = answer.map_err(|failure| Hindrance::Away(failure.message))?;
        if (200..300).contains(&answer.status()) {
            Ok(answer)
        } else {
            Err(met(&answer))
        }
    }

    /// Asks for a job once; the server waits for one for a while.
    async fn look(&self, slot: u32) -> std::result::Result<Option<Given>, Hindrance> {
        let holder = format!("{}/{slot}", self.name);
        let body = Body::Document(wish(&holder, &self.sandbox).to_string().into());
        let limits = (DOCUMENT_BYTES_MAX, WAITED_MAX);
        let answer = self.post("/api/v2/agent/jobs", body, limits).await?;
        let odd = |failure: Failure| Hindrance::Refused(failure.message);
        let told = answer.document().map_err(odd)?;
        let text = |pointer: &str| told.pointer(pointer).and_then(serde_json::Value::as_str);
        let (Some(id), Some(run)) = (text("/data/id"), text("/data/attributes/run")) else {
            return Ok(None);
        };
        let run = run
            .parse()
            .map_err(|_| Hindrance::Refused("the server gave a job of no run".to_owned()))?;
        Ok(Some(Given {
            served: self.clone(),
            run,
            path: format!("/api/v2/agent/jobs/{}", client::escape(id)),
            holder: client::escape(&holder),
            applies: AtomicBool::new(false),
        }))
    }
}

impl Source for Served {
    type Job = Given;

    async fn begin(&self, _: u32) {}

    async fn rests(&self, _: u32) {}

    async fn next(&self, slot: u32) -> Given {
        loop {
            let why = match self.look(slot).await {
                Ok(Some(given)) => return given,
                Ok(None) => continue,
                Err(Hindrance::Away(why)) => why,
                Err(
                    Hindrance::NotOurs(why) | Hindrance::Unknown(why) | Hindrance::Refused(why),
                ) => format!("the server refuses: {why}"),
            };
            tracing::warn!(slot, why, "no job can be asked for");
            tokio::time::sleep(PAUSE_IDLE).await;
        }
    }

    async fn left(&self, run: &RunId, sealed: Bytes) -> std::result::Result<(), NotTaken> {
        let path = format!("/api/v2/agent/runs/{run}/state");
        let limits = (DOCUMENT_BYTES_MAX, ASK_MAX);
        let handed = self.post(&path, Body::Bytes(sealed), limits).await;
        handed.map(drop).map_err(|hindrance| match hindrance {
            // Somebody may start this agent again with a token that is good.
            Hindrance::Away(why) | Hindrance::Unknown(why) => NotTaken::Later(why),
            Hindrance::NotOurs(why) | Hindrance::Refused(why) => NotTaken::Refused(why),
        })
    }
}

impl Given {
    /// Asks once.
    async fn ask(&self, ask: &Ask, framed: Bytes) -> std::result::Result<Answer, Hindrance> {
        let wait = if *ask == Ask::Beat { BEAT_MAX } else { ASK_MAX };
        let path = format!("{}?holder={}", self.path, self.holder);
        let limits = (ANSWER_BYTES_MAX, wait);
        let answer = self.served.post(&path, Body::Bytes(framed), limits).await?;
        let read = control::unframed::<Told>(answer.body()).await;
        let odd = |error: std::io::Error| Hindrance::Away(format!("no answer: {error}"));
        let (told, bytes) = read.map_err(odd)?;
        Ok(Answer { told, bytes })
    }

    /// Keeps the job while something else is asked that takes long.
    async fn keep(&self) -> Infallible {
        let framed = control::framed(&Ask::Beat, b"").await.unwrap_or_default();
        loop {
            tokio::time::sleep(KEPT_EVERY).await;
            // What came of it the runner's own next beat tells.
            drop(self.ask(&Ask::Beat, framed.clone()).await);
        }
    }

    /// Asks until there is an answer, or nobody is to ask any more.
    async fn insist(&self, ask: &Ask, framed: Bytes) -> Answer {
        let begun = Instant::now();
        loop {
            match self.ask(ask, framed.clone()).await {
                Ok(answer) => return answer,
                Err(Hindrance::Away(_)) if !is_asked_once(ask) && begun.elapsed() < LEASE => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(hindrance) => {
                    let applies = self.applies.load(Ordering::Relaxed);
                    return in_its_place(ask, hindrance, applies);
                }
            }
        }
    }
}

/// Whether somebody else asks again, or nobody may.
fn is_asked_once(ask: &Ask) -> bool {
    matches!(ask, Ask::Beat | Ask::PutState | Ask::Begin { .. })
}

/// What a runner is told where the server did not answer.
fn in_its_place(ask: &Ask, hindrance: Hindrance, applies: bool) -> Answer {
    let (what, why, again) = match hindrance {
        // Nobody else applies it: what it makes now would be lost to the state.
        Hindrance::NotOurs(_) if *ask == Ask::Beat && applies => return Told::stop().into(),
        Hindrance::NotOurs(_) if *ask == Ask::Beat => return Told::StopNow.into(),
        Hindrance::Refused(why) if *ask == Ask::Beat => ("unavailable", why, true),
        // What was begun is ended in order, and its state waits.
        Hindrance::Unknown(_) if *ask == Ask::Beat => return Told::stop().into(),
        Hindrance::NotOurs(why) => ("job", why, false),
        Hindrance::Unknown(why) => ("token", why, false),
        Hindrance::Refused(why) => ("ask", why, false),
        Hindrance::Away(why) => ("unavailable", why, !matches!(ask, Ask::Begin { .. })),
    };
    Answer::refused(what, why, again)
}

impl Job for Given {
    fn run(&self) -> &RunId {
        &self.run
    }

    async fn answer(&self, ask: Ask, beside: Beside) -> Answer {
        let framed = async {
            let bytes = beside.whole().await?;
            control::framed(&ask, &bytes).await
        };
        let framed = match framed.await {
            Ok(framed) => framed,
            Err(error) => return Answer::refused("ask", error, false),
        };
        let answer = tokio::select! {
            answer = self.insist(&ask, framed) => answer,
            never = self.keep() => match never {},
        };
        if let Told::Work { work } = &answer.told {
            self.applies
                .store(work.step == Step::Apply, Ordering::Relaxed);
        }
        answer
    }

    async fn lost(&self) {
        let path = format!("{}/actions/lose?holder={}", self.path, self.holder);
        let limits = (DOCUMENT_BYTES_MAX, BEAT_MAX);
        // Where it is not told, the lease ends by itself.
        if let Err(hindrance) = self.served.post(&path, Body::None, limits).await {
            let (Hindrance::NotOurs(why)
            | Hindrance::Unknown(why)
            | Hindrance::Refused(why)
            | Hindrance::Away(why)) = hindrance;
            tracing::warn!(run = %self.run, why, "a lost runner could not be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_its_job_stops_at_once_and_who_lost_its_token_in_order() {
        let check = |ask: Ask, hindrance: Hindrance, told: &Told| {
            assert_eq!(in_its_place(&ask, hindrance, false).told, *told);
        };
        let why = || "why".to_owned();
        let refused = |what: &str, again| Told::Refused {
            what: what.to_owned(),
            why: why(),
            again,
        };
        check(Ask::Beat, Hindrance::NotOurs(why()), &Told::StopNow);
        check(Ask::Beat, Hindrance::Unknown(why()), &Told::stop());
        check(
            Ask::Beat,
            Hindrance::Refused(why()),
            &refused("unavailable", true),
        );
        let applying = in_its_place(&Ask::Beat, Hindrance::NotOurs(why()), true);
        assert_eq!(applying.told, Told::stop());
        check(
            Ask::Beat,
            Hindrance::Away(why()),
            &refused("unavailable", true),
        );
        check(
            Ask::PutState,
            Hindrance::Away(why()),
            &refused("unavailable", true),
        );
        check(
            Ask::PutState,
            Hindrance::NotOurs(why()),
            &refused("job", false),
        );
        check(
            Ask::Work,
            Hindrance::Unknown(why()),
            &refused("token", false),
        );
    }

    #[test]
    fn a_server_is_told_the_level_and_why_it_is_not_strict() {
        let check = |level: &str, wanted: Value| {
            let sandbox = Sandbox::told(level, Some("no namespaces here")).unwrap();
            assert_eq!(wish("far/0", &sandbox)["data"]["attributes"], wanted);
        };
        check("strict", json!({ "holder": "far/0", "sandbox": "strict" }));
        let reason = "no namespaces here";
        check(
            "process",
            json!({ "holder": "far/0", "sandbox": "process", "sandbox-reason": reason }),
        );
    }

    #[test]
    fn whether_an_apply_may_begin_is_asked_once() {
        let planned = control::Planned {
            plan: String::new(),
            plan_json: String::new(),
            plan_shown: String::new(),
            lock_file: None,
            tool: control::Tool {
                name: String::new(),
                version: String::new(),
                digest: String::new(),
            },
            providers: std::collections::BTreeMap::new(),
            backend: None,
            changes: true,
        };
        let begin = Ask::Begin {
            found: Box::new(planned),
            derived: false,
        };
        assert!(is_asked_once(&begin) && !is_asked_once(&Ask::Log { from: 0 }));
        let told = in_its_place(&begin, Hindrance::Away("lost".to_owned()), true).told;
        assert!(matches!(told, Told::Refused { again: false, .. }));
    }
}
