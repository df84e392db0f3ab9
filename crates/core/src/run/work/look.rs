//! What a run found that looked for drift: read off the JSON of its plan, by the server.

use bytes::Bytes;
use statehouse_capsule::Consequence;
use statehouse_terraform::drift::{Unread, count};

use super::{Line, ReadJob, ReportRun};
use crate::door::{self, Entry, Tx};
use crate::drift;
use crate::error::{Error, Kind as Trouble, Result};
use crate::job;
use crate::run::capsule::Found;
use crate::run::files;
use crate::run::machine::{Kind, Report, Status};
use crate::run::needed;
use crate::run::sql::Run;

/// Longest JSON that is gone through where it is asked for: that takes a millisecond.
const READ_IN_PLACE_MAX: usize = 256 * 1024;

/// What a plan says about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing: it was not looked for.
    Otherwise,
    /// So many resources drifted.
    Drifted(u64),
    /// The JSON is not one of a plan, so nobody knows.
    Unread,
}

impl Look {
    /// Of the plan that a runner reports.
    pub(super) async fn of(line: &Line, found: &Found) -> Result<Self> {
        let asked = line.clone();
        let json = door::read(&line.ctx, ReadJob, &line.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, &asked.job).await?;
                let run = needed(rows, &asked.run).await?;
                if run.state()?.kind() != Kind::Drift {
                    return Ok(None);
                }
                let stored = files::find(rows, &run.id, files::Kind::PlanJson).await?;
                let missing = || Error::invalid("a plan without its JSON was reported");
                stored.ok_or_else(missing).map(Some)
            })
        })
        .await?;
        let Some((object, stored)) = json else {
            return Ok(Self::Otherwise);
        };
        let json = object.open(&line.ctx, stored).await?;
        if hex::encode(statehouse_ledger::sha256(&json)) != found.plan_json {
            let words = "the stored plan-json is not what was planned";
            return Err(Error::new(Trouble::Invalid, words));
        }
        Ok(match counted(json).await? {
            Ok(drifted) => Self::Drifted(drifted),
            Err(error) => {
                tracing::warn!(run = %line.run, %error, "what drifted cannot be read");
                Self::Unread
            }
        })
    }

    /// What the report means for the run.
    pub(super) async fn report(
        self,
        tx: &mut Tx<ReportRun>,
        run: &mut Run,
        changes: bool,
    ) -> Result<Report> {
        let drifted = match self {
            Self::Otherwise => {
                run.changes = Some(changes);
                return Ok(Report::Planned { changes });
            }
            Self::Drifted(drifted) => drifted,
            Self::Unread => {
                "plan-unreadable".clone_into(&mut run.reason);
                return Ok(Report::Failed);
            }
        };
        if drift::moved(tx, run).await? {
            "state-changed".clone_into(&mut run.reason);
            return Ok(Report::Refused(Consequence::Stale));
        }
        let changes = drifted > 0;
        run.changes = Some(changes);
        Ok(Report::Planned { changes })
    }

    /// Writes down what was found, where the run came to its end.
    pub(super) async fn conclude(
        self,
        tx: &mut Tx<ReportRun>,
        run: &Run,
        entry: Entry,
    ) -> Result<Entry> {
        match self {
            Self::Drifted(drifted) if run.state()?.status() == Status::PlannedAndFinished => {
                drift::conclude(tx, run, Some(drifted)).await?;
                Ok(entry.fact("drifted", drifted))
            }
            _ => Ok(entry),
        }
    }
}

/// How many resources drifted, of a long plan on a thread that may block.
async fn counted(json: Bytes) -> Result<Result<u64, Unread>> {
    if json.len() <= READ_IN_PLACE_MAX {
        return Ok(count(&json));
    }
    let counted = tokio::task::spawn_blocking(move || count(&json)).await;
    counted.map_err(|error| Error::internal(format!("reading a plan: {error}")))
}
