//! The estimate of a run, for people and programs to see.
//!
//! Whoever sees a run sees what it comes to; what it consists of is for who may see its plan. Where what was kept was altered or is gone, the run itself
//! must still be seen, and so it is told that nothing can be told.

use std::collections::BTreeMap;

use bytes::Bytes;
use statehouse_model::RunId;
use tokio::sync::Semaphore;

use super::estimate::{Estimate, Micro};
use super::{make, sql};
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::record::Rows;
use crate::run::machine::{Kind, Status};
use crate::run::needed;
use crate::run::sql::Run;
use crate::workspace::Workspace;

actions! {
    /// See what the plan of a run costs.
    ShowEstimate = "cost.show-estimate" needs RunRead;
}

/// What is known of what a run costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Its plan is not estimated, or what was kept does not read any more.
    #[default]
    Untold,
    /// It will be.
    Awaited,
    /// It comes to this.
    Made(Short),
}

/// What an estimate comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// SHA-256 over all of it, in hex.
    pub digest: String,
    /// Whether it was made, in one currency.
    pub complete: bool,
    /// By currency.
    pub totals: BTreeMap<String, Micro>,
    /// How many resources there are.
    pub resources: u64,
    /// How many of them have a cost that is known whole, or are free.
    pub estimated: u64,
    /// When the run was made, in microseconds since 1970.
    pub created_at: i64,
}

impl Short {
    pub(super) fn of(row: &sql::CostEstimate) -> Result<Self> {
        Ok(Self {
            digest: hex::encode(&row.digest),
            complete: row.complete,
            totals: make::totals(row)?,
            resources: row.resources,
            estimated: row.estimated,
            created_at: row.created_at,
        })
    }
}

/// The estimate of a run.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it comes to.
    pub short: Short,
    /// All of it.
    pub estimate: Estimate,
    /// As it is kept: its SHA-256 is the digest.
    pub text: Bytes,
}

/// What is known of what a run costs.
pub(crate) async fn standing(rows: &mut Rows, house: &House, run: &Run) -> Result<Standing> {
    let state = run.state()?;
    let told = match make::found(rows, &run.id).await {
        Ok(Some((row, _))) => Short::of(&row).map(Standing::Made),
        Ok(None) => {
            let is_ahead = matches!(
                state.status(),
                Status::Pending
                    | Status::Fetching
                    | Status::Planning
                    | Status::Planned
                    | Status::Assessing
            );
            let may_be = is_ahead && state.kind() != Kind::Drift && house.estimator().is_some();
            Ok(if may_be && make::is_due(rows, run).await? {
                Standing::Awaited
            } else {
                Standing::Untold
            })
        }
        Err(error) => Err(error),
    };
    match told {
        Err(error) if *error.kind() == Trouble::Tampered => Ok(Standing::Untold),
        told => told,
    }
}

/// Estimates that are opened at once, in this process: one of a plan of a hundred thousand resources takes hundreds of megabytes.
static READING: Semaphore = Semaphore::const_new(2);

/// The estimate of a run; `None` where it will be made.
pub async fn of_run(ctx: &Ctx, id: &RunId) -> Result<Option<Seen>> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let found = door::read(ctx, ShowEstimate, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let none = || Error::not_found("estimate");
            let Some((row, _)) = make::found(rows, &run.id).await? else {
                let is_ahead = standing(rows, &house, &run).await? == Standing::Awaited;
                return if is_ahead { Ok(None) } else { Err(none()) };
            };
            let sealed = make::sealed(rows, &run.id).await?.ok_or_else(none)?;
            Ok(Some((Short::of(&row)?, sealed)))
        })
    })
    .await?;
    let Some((short, sealed)) = found else {
        return Ok(None);
    };
    // Never closed.
    let _turn = READING.acquire().await.ok();
    let (text, estimate) = make::read(ctx, sealed).await?;
    Ok(Some(Seen {
        short,
        estimate,
        text,
    }))
}
