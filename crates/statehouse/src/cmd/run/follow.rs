//! Following a run: its logs as they grow, until it has ended or waits for somebody.

use std::thread::sleep;
use std::time::{Duration, Instant};

use statehouse_core::run::explained::{POLICIES, explained};
use statehouse_core::run::machine::Status;
use statehouse_model::{ApplyId, PlanId, RunId};
use statehouse_terraform::said::said;

use super::super::session::{Client, Session};
use super::{WITH_PEOPLE, path, verdicts, waits};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::out::plain;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// Bytes of a log in one answer.
const PIECE: usize = 64 * 1024;
/// What begins and ends the text of a log.
const MARKS: [u8; 2] = [2, 3];

/// One log, and how far it was read.
struct Log {
    link: String,
    offset: usize,
    over: bool,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

impl Log {
    fn of(client: &Client, run: &RunId, apply: bool) -> Result<Self> {
        let of = if apply {
            format!("/api/v2/applies/{}", ApplyId::from(run))
        } else {
            format!("/api/v2/plans/{}", PlanId::from(run))
        };
        let step = client.api.get(&of)?;
        let link = step.text("log-read-url").to_owned();
        if link.is_empty() {
            return Err(Failure::failed("you may not read the logs of this run"));
        }
        Ok(Self {
            link,
            offset: 0,
            over: false,
            begun: Vec::new(),
        })
    }

    /// Prints what came since.
    fn print(&mut self, client: &Client, session: &Session) -> Result {
        while !self.over {
            let link = format!("{}?offset={}&limit={PIECE}", self.link, self.offset);
            let bytes = client.api.bytes(&link)?;
            if bytes.is_empty() {
                break;
            }
            self.offset += bytes.len();
            self.over = bytes.last() == Some(&MARKS[1]);
            self.begun
                .extend(bytes.into_iter().filter(|byte| !MARKS.contains(byte)));
            let whole = match self.begun.iter().rposition(|byte| *byte == b'\n') {
                _ if self.over => self.begun.len(),
                Some(last) => last + 1,
                None => 0,
            };
            let lines: Vec<u8> = self.begun.drain(..whole).collect();
            for line in String::from_utf8_lossy(&lines).lines() {
                session.out.text(&format!("{}\n", plain(&said(line))))?;
            }
        }
        Ok(())
    }
}

/// Prints a log, as far as it is there.
pub(super) fn log(client: &Client, session: &Session, run: &RunId, apply: bool) -> Result {
    Log::of(client, run, apply)?.print(client, session)
}

/// Whether a run goes on by itself.
fn is_moving(stage: &str) -> bool {
    matches!(
        stage,
        "pending"
            | "fetching"
            | "planning"
            | "planned"
            | "assessing"
            | "approved"
            | "verifying"
            | "applying"
    )
}

/// Waits until a run has ended or waits for somebody.
pub(in crate::cmd) fn wait(client: &Client, run: &RunId) -> Result {
    while is_moving(client.api.get(&path(run, ""))?.text("stage")) {
        sleep(EVERY);
    }
    Ok(())
}

/// Follows a run. The failure of a run is the failure of this command. A program is given the run, as it is in the end, and no logs.
pub(in crate::cmd) fn watch(client: &Client, session: &Session, run: &RunId) -> Result {
    if session.out.is_json() {
        wait(client, run)?;
        let now = client.api.get(&path(run, WITH_PEOPLE))?;
        session.out.one(&now)?;
        return told(session, run, &now);
    }
    let mut plan = Log::of(client, run, false)?;
    let mut apply = Log::of(client, run, true)?;
    let (mut is_told, mut waiting) = (false, waits::Waiting::default());
    loop {
        let begun = Instant::now();
        let now = client.api.get(&path(run, ""))?;
        if is_moving(now.text("stage")) && waiting.is_to_be_told(&now) {
            waits::say(session, &now);
        }
        plan.print(client, session)?;
        if plan.over && !is_told && verdicts::is_judged(&now) {
            verdicts::print(session, &verdicts::of(client, run, &now)?)?;
            is_told = true;
        }
        if plan.over {
            apply.print(client, session)?;
        }
        let stage = now.text("stage");
        if !is_moving(stage) {
            plan.print(client, session)?;
            if !is_told {
                verdicts::print(session, &verdicts::of(client, run, &now)?)?;
            }
            if matches!(
                stage,
                "applied" | "errored" | "canceled" | "stale" | "state_tampered"
            ) {
                apply.print(client, session)?;
            }
            let named = client.api.get(&path(run, WITH_PEOPLE))?;
            let is_same = named.text("stage") == stage;
            return told(session, run, if is_same { &named } else { &now });
        }
        // The server may have waited for a log to grow.
        sleep(EVERY.saturating_sub(begun.elapsed()));
    }
}

/// Says where a run came to rest, and what can be done.
fn told(session: &Session, run: &RunId, now: &Resource) -> Result {
    let stage = now.text("stage");
    let reason = now.text("reason");
    let why = Status::from_word(stage).and_then(|status| explained(status, reason));
    let words = match (reason, why) {
        ("", _) => format!("{run} is {stage}"),
        (reason, None) => format!("{run} is {stage}: {reason}"),
        (reason, Some((what, _))) => format!("{run} is {stage}: {reason} ({what})"),
    };
    match stage {
        "applied" | "planned_and_finished" => session.out.say(&words),
        "policy_failed" => return Err(verdicts::held_up(run, now)),
        "errored" if reason == POLICIES => return Err(verdicts::held_up(run, now)),
        "awaiting_approval" | "planned_and_saved" => {
            session.out.say(&words);
            waits::say(session, now);
            session.out.say(&format!(
                "`statehouse run plan {run}` shows what it changes; `run confirm`, `run approve` or `run discard` it"
            ));
        }
        _ => {
            let failure = Failure::failed(words);
            return Err(match why {
                Some((_, next)) => failure.hint(next),
                None => failure,
            });
        }
    }
    Ok(())
}
