//! Copies of states that a backend elsewhere keeps: before each plan and after each apply, sealed with the run that found them.
//!
//! They are evidence and a way back, not versions: the state is where the configuration says, and nothing but terraform writes there.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_model::RunId;

use super::files::{self, Kind};
use super::sql;
use super::work::{Line, ReadJob, ReportRun};
use super::{happened, needed};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::Result;
use crate::job::{self, Step};
use crate::state::fingerprint;
use crate::workspace::Workspace;

actions! {
    /// Read a copy of a state that is kept elsewhere.
    ReadCopy = "run.state-copy" needs StateRead;
}

/// The word of the event.
const CHANGED: &str = "changed-outside";

impl Line {
    /// Keeps a copy of a state, found before the plan or after the apply. Where it is
    /// not the one that an earlier run left behind, says which run that was.
    pub async fn copy(&self, before: bool, bytes: Bytes) -> Result<Option<RunId>> {
        let kind = match self.step() {
            Step::Plan if before => Kind::StateBefore,
            Step::Apply if !before => Kind::StateAfter,
            _ => {
                return Err(crate::Error::invalid(
                    "a copy is kept before a plan and after an apply",
                ));
            }
        };
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let since = if before {
            self.left_otherwise(digest).await?
        } else {
            None
        };
        self.store(kind, u64::from(self.attempt()), bytes).await?;
        if let Some(since) = &since {
            self.changed_outside(since).await?;
        }
        Ok(since)
    }

    /// The earlier run that left another state behind.
    async fn left_otherwise(&self, digest: [u8; 32]) -> Result<Option<RunId>> {
        let line = self.clone();
        door::read(self.ctx(), ReadJob, &self.target(), move |rows| {
            Box::pin(async move {
                job::held(rows, line.job()).await?;
                let run = needed(rows, line.run()).await?;
                let last = sql::last_copy(rows, &run).await?;
                let differs = last.filter(|last| {
                    let found = fingerprint(&digest);
                    !rows.keyring.row_mac_verify(&found, &last.digest)
                });
                Ok(differs.map(|last| last.run))
            })
        })
        .await
    }

    async fn changed_outside(&self, since: &RunId) -> Result<()> {
        let given = Arc::new((self.clone(), since.clone()));
        door::change(self.ctx(), ReportRun, self.target(), move |tx| {
            let given = given.clone();
            Box::pin(async move {
                let (line, since) = &*given;
                job::held(tx, line.job()).await?;
                let run = needed(tx, line.run()).await?;
                happened(tx, &run, CHANGED).await?;
                let entry = Entry::new(&run.id)
                    .fact("event", CHANGED)
                    .fact("since", since.as_str());
                Ok(Outcome::Recorded((), entry))
            })
        })
        .await
    }
}

/// The newest copy that a run kept; `None` where its state is kept here, or none was
/// found. The read is in the ledger before this returns.
pub async fn read(ctx: &Ctx, id: &RunId) -> Result<Option<Bytes>> {
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let found = door::read(ctx, ReadCopy, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            match files::find(rows, &run.id, Kind::StateAfter).await? {
                Some(after) => Ok(Some(after)),
                None => files::find(rows, &run.id, Kind::StateBefore).await,
            }
        })
    })
    .await?;
    let Some((object, stored)) = found else {
        return Ok(None);
    };
    let reads = ctx.house().reads();
    reads.record(ctx, ReadCopy, &target, &object.id).await?;
    object.open(ctx, stored).await.map(Some)
}
