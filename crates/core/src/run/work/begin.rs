//! The moment at which an apply begins, or does not.
//!
//! The capsule is verified inside the door against what the runner found and what
//! the server finds there and then; the same change uses it up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use statehouse_capsule::{Consequence, Verified};

use super::{BeginApply, Line, ReadJob};
use crate::door::{self, Outcome, Tx};
use crate::error::{Error, Kind as Trouble, Result};
use crate::job;
use crate::policy::judge::{self, Stage, Verdicts};
use crate::run::capsule::{self, OfRunner, Refusal};
use crate::run::explained::UNJUDGED;
use crate::run::files::{self, Kind};
use crate::run::machine::{Event, Report};
use crate::run::older::Written;
use crate::run::sql::{self, Run};
use crate::run::{arrow, counted, happened_about, needed};
use crate::workspace;

/// How often a lease is renewed while policies are asked: some times in its length.
const KEPT_EVERY: Duration = Duration::from_secs(20);
/// How often policies are asked before one apply, where somebody agrees or takes that back meanwhile.
const ASKED_MAX: usize = 3;
/// How long after its job was taken nobody who comes to judge it ends the run, in microseconds: until then its runner asks again, and its workspace is locked.
const GIVEN_UP_US: i64 = 30 * 60 * 1_000_000;

/// What the server says to a wish to apply.
#[derive(Debug, Clone)]
pub enum Begun {
    /// Go: in these words it was verified.
    Verified(Vec<String>),
    /// It must not be applied.
    Refused {
        /// What becomes of the run: its status.
        what: String,
        /// What differs, one sentence each.
        why: Vec<String>,
    },
}

impl Line {
    /// Asks whether the apply may begin: the capsule is verified against what
    /// the runner found and what the server finds, and used up. What does not
    /// open was altered: that ends the run like anything else that differs.
    pub async fn begin(&self, found: impl Into<OfRunner>) -> Result<Begun> {
        let judged = Box::pin(self.judged(found.into())).await?;
        match judged {
            Ok(words) => Ok(Begun::Verified(words)),
            Err(refusal) => self.refuse(refusal).await,
        }
    }

    /// Verifies, and where that succeeds uses the capsule up and begins.
    async fn judged(&self, found: OfRunner) -> Result<std::result::Result<Vec<String>, Refusal>> {
        let before = match self.unreadable().await? {
            Some((kind, why)) => Err((kind.as_str(), why)),
            None => self.written().await?.map_err(|why| ("unreadable", why)),
        };
        // What policies say now of what is stored: asked before the change, which may not take as long.
        for _ in 0..ASKED_MAX {
            let verdicts = match &before {
                Ok(_) => match self.verdicts().await? {
                    Ok(verdicts) => verdicts,
                    Err(refusal) => return Ok(Err(refusal)),
                },
                Err(_) => None,
            };
            let tried = self.verified((found.clone(), verdicts), before.clone());
            if let Some(judged) = tried.await? {
                return Ok(judged);
            }
        }
        let words = "who agrees changed each time that policies were asked; nothing was applied";
        Err(Error::new(Trouble::Conflict, words).hint("start the run again when it is settled"))
    }

    /// Verifies with what policies said, unless they were told of other approvals than there are by then.
    async fn verified(
        &self,
        asked: (OfRunner, Option<Verdicts>),
        before: std::result::Result<Written, (&'static str, String)>,
    ) -> Result<Option<std::result::Result<Vec<String>, Refusal>>> {
        let house = self.ctx.house().clone();
        let given = Arc::new((self.clone(), asked, house, before));
        door::change(&self.ctx, BeginApply, self.target(), move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, (found, verdicts), house, before) = &*given;
                job::held(tx, &line.job).await?;
                let run = needed(tx, &line.run).await?;
                let workspace = workspace::sql::needed(tx, &line.workspace()).await?;
                workspace::freeze::require_thawed(tx, &workspace).await?;
                let now = tx.now();
                if let Some(verdicts) = verdicts
                    && !judge::is_told_who_agreed(tx, (&run, &workspace), verdicts, now).await?
                {
                    return Ok(Outcome::Unchanged(None));
                }
                let verified = match before {
                    Err((name, why)) => Err(Refusal::unreadable(name, why.clone())),
                    Ok(written) => {
                        let known = (written.clone(), now);
                        let found = (found, verdicts.as_ref());
                        capsule::verified(tx, house, &run, found, known).await?
                    }
                };
                match verified {
                    Ok(verified) => line.applies(tx, run, (verified, found.derived)).await,
                    Err(refusal) => Ok(Outcome::Unchanged(Some(Err(refusal)))),
                }
            })
        })
        .await
    }

    /// What policies say now. Its runner waits for the answer and cannot say meanwhile that it is there: so it is said for it.
    /// Where nobody comes to say it, it may ask again for a while.
    async fn verdicts(&self) -> Result<std::result::Result<Option<Verdicts>, Refusal>> {
        let mut judging = Box::pin(judge::judge(&self.ctx, &self.run, Stage::Apply));
        let said = loop {
            match tokio::time::timeout(KEPT_EVERY, &mut judging).await {
                Ok(said) => break said,
                Err(_) => drop(self.beat().await?),
            }
        };
        let why = match said {
            Ok(Ok(verdicts)) => return Ok(Ok(verdicts)),
            Ok(Err(why)) => why,
            Err(error) if *error.kind() == Trouble::Unavailable => error.message().to_owned(),
            Err(error) => return Err(error),
        };
        let words = format!("policies could not be asked before the apply: {why}");
        if self.begun_at().await?.saturating_add(GIVEN_UP_US) > self.ctx.house().now() {
            return Err(Error::unavailable(words).hint("nothing was applied"));
        }
        Ok(Err(Refusal {
            consequence: Consequence::Other,
            names: UNJUDGED.to_owned(),
            why: vec![words],
        }))
    }

    /// When its job was taken.
    async fn begun_at(&self) -> Result<i64> {
        let line = self.clone();
        door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                let job = job::held(rows, &line.job).await?;
                job::sql::begun_at(rows, &job).await
            })
        })
        .await
    }

    /// What was planned, shown and approved, as far as it does not open any more: in words.
    async fn unreadable(&self) -> Result<Option<(Kind, String)>> {
        for kind in [
            Kind::Plan,
            Kind::PlanJson,
            Kind::PlanShown,
            Kind::Found,
            Kind::Estimate,
            Kind::Capsule,
        ] {
            let line = self.clone();
            let found = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
                Box::pin(async move {
                    job::held(rows, &line.job).await?;
                    files::find(rows, &line.run, kind).await
                })
            })
            .await;
            let opened = match found {
                Ok(Some((object, stored))) => object.document(&self.ctx, stored).await.map(drop),
                // That one is missing which must be there, the capsule says.
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match opened {
                Ok(()) => {}
                Err(error) if *error.kind() == Trouble::Tampered => {
                    let words = format!("the {}: {}", kind.as_str(), error.message());
                    return Ok(Some((kind, words)));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What leaves wrote since the run began: read before the change, which may not take as long. Where a leaf does not read, why.
    async fn written(&self) -> Result<std::result::Result<Written, String>> {
        let line = self.clone();
        let mut read = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                let run = needed(rows, &line.run).await?;
                let workspace = workspace::sql::needed(rows, &line.workspace()).await?;
                let written = Written::since(rows, &run, &workspace).await?;
                Ok((written, true))
            })
        })
        .await;
        while let Ok((mut written, true)) = read {
            read = door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
                Box::pin(async move {
                    let more = written.read_on(rows).await?;
                    Ok((written, more))
                })
            })
            .await;
        }
        match read {
            Ok((written, _)) => Ok(Ok(written)),
            Err(error) if *error.kind() == Trouble::Tampered => Ok(Err(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }

    async fn applies(
        &self,
        tx: &mut Tx<BeginApply>,
        mut run: Run,
        (verified, derived): (Verified, bool),
    ) -> Result<Outcome<Option<std::result::Result<Vec<String>, Refusal>>>> {
        let words = verified.sentences().to_vec();
        let about = counted::about(&verified);
        let row = sql::capsule(tx, &run.id).await?;
        let row = row.ok_or_else(|| Error::tampered("the capsule is missing"))?;
        tx.put(&sql::CapsuleRow {
            status: capsule::USED.to_owned(),
            ..row
        })
        .await?;
        run.began_at = Some(tx.now());
        let (attempt, digest) = (self.attempt, hex::encode(verified.capsule()));
        let report = Report::Verified(verified);
        let entry = arrow(tx, &mut run, Event::Runner { attempt, report }).await?;
        if let Some(about) = about {
            happened_about(tx, &run, (counted::COUNTED, about)).await?;
        }
        let entry = entry.fact("capsule", digest).fact("derived-again", derived);
        Ok(Outcome::Recorded(Some(Ok(words)), entry))
    }

    /// Ends the run before anything is applied. Its log says why, and ends with that.
    async fn refuse(&self, refusal: Refusal) -> Result<Begun> {
        let differs = refusal.why.join("\ndiffers: ");
        let words = format!("differs: {differs}\n\nError: nothing was applied\n");
        let end = self.log_end().await?;
        self.store(Kind::log_of(self.step), end, Bytes::from(words))
            .await?;
        let given = Arc::new((self.clone(), refusal));
        door::change(&self.ctx, BeginApply, self.target(), move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, refusal) = &*given;
                job::held(tx, &line.job).await?;
                let mut run = needed(tx, &line.run).await?;
                run.reason.clone_from(&refusal.names);
                let (attempt, report) = (line.attempt, Report::Refused(refusal.consequence));
                let entry = arrow(tx, &mut run, Event::Runner { attempt, report }).await?;
                let entry = entry.detail(Some(&refusal.why.join("\n")));
                let why = refusal.why.clone();
                let what = run.status;
                Ok(Outcome::Recorded(Begun::Refused { what, why }, entry))
            })
        })
        .await
    }

    async fn log_end(&self) -> Result<u64> {
        let line = self.clone();
        door::read(&self.ctx, ReadJob, &self.target(), move |rows| {
            Box::pin(async move { files::log_end(rows, &line.run, line.step).await })
        })
        .await
    }
}
