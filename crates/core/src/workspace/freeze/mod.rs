//! Freezing: nobody changes a state until somebody thaws it.
//!
//! A lock says that somebody is at work, and a client takes and gives it back;
//! a freeze says that nobody is to be, and a person decides it, with a reason
//! that everybody reads who is kept out; it is sealed, like every reason. While a workspace is frozen its lock
//! cannot be taken, and no version is announced, stored, accepted or gone back
//! to; reading goes on, and so does deciding against an upload that waits.
//!
//! A workspace that is locked is not frozen: whoever is at work could not store
//! what they made any more. A run that finds something altered ends, and freezes
//! its workspace with that: people decide what becomes of it.

pub(crate) mod sql;
#[cfg(test)]
mod tests;

use statehouse_model::{RunId, instant};
use statehouse_terraform::lock::{LockInfo, TEXT_BYTES_MAX};

use super::sql::{Workspace as Row, needed};
use super::{Workspace, WorkspaceView};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::state;
use sql::Freeze;

actions! {
    /// Let nobody change the state of a workspace.
    FreezeWorkspace = "workspace.freeze" needs WorkspaceFreeze;
    /// Let it be changed again.
    ThawWorkspace = "workspace.thaw" needs WorkspaceFreeze;
}

/// The operation under which clients are told of a freeze, where they expect a lock.
pub const OPERATION: &str = "freeze";

/// A freeze to declare.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Why; everybody who is kept out reads it.
    pub reason: String,
    /// What the person is called.
    pub who: String,
    /// Now, as clients read it.
    pub since: String,
}

/// A freeze, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FreezeView {
    /// Why; `None` in lists.
    pub reason: Option<String>,
    /// Who froze it, by their id.
    pub frozen_by: String,
    /// What they were called then.
    pub who: String,
    /// When, in microseconds since 1970.
    pub frozen_at: i64,
}

impl From<Freeze> for FreezeView {
    fn from(freeze: Freeze) -> Self {
        Self {
            reason: None,
            frozen_by: freeze.frozen_by,
            who: freeze.who,
            frozen_at: freeze.frozen_at,
        }
    }
}

/// Freezes a workspace that nobody holds the lock of. To say it again, with
/// another reason, replaces what was said; not what a read found altered, which is to be told and looked at.
pub async fn freeze(ctx: &Ctx, workspace: &Workspace, wish: Wish) -> Result<WorkspaceView> {
    reason(&wish.reason)?;
    let (wanted, actor) = (workspace.clone(), ctx.actor().id().to_owned());
    let target = Target::Workspace(workspace.clone());
    door::change(ctx, FreezeWorkspace, target, move |tx| {
        let (wanted, actor, wish) = (wanted.clone(), actor.clone(), wish.clone());
        Box::pin(async move {
            let workspace = needed(tx, &wanted).await?;
            state::lock::require_free(tx, &workspace).await?;
            let found = sql::of(tx, &workspace.id).await?;
            if found.is_some_and(|freeze| freeze.is_of_a_read()) {
                let words = format!(
                    "workspace `{}` is frozen, because its state was found altered",
                    workspace.name
                );
                return Err(Error::new(Kind::Conflict, words).hint(way_out(&workspace)));
            }
            let freeze = Freeze {
                workspace: workspace.id.clone(),
                frozen_by: actor,
                who: wish.who,
                since: wish.since,
                frozen_at: tx.now(),
            };
            tx.put(&freeze).await?;
            let entry = Entry::new(&workspace.id).detail(Some(&wish.reason));
            Ok(Outcome::Recorded(workspace.into(), entry))
        })
    })
    .await
}

/// Lets the state of a workspace be changed again.
pub async fn thaw(ctx: &Ctx, workspace: &Workspace, why: String) -> Result<WorkspaceView> {
    reason(&why)?;
    let wanted = workspace.clone();
    let target = Target::Workspace(workspace.clone());
    door::change(ctx, ThawWorkspace, target, move |tx| {
        let (wanted, why) = (wanted.clone(), why.clone());
        Box::pin(async move {
            let workspace = needed(tx, &wanted).await?;
            let Some(freeze) = sql::of(tx, &workspace.id).await? else {
                let words = format!("workspace `{}` is not frozen", workspace.name);
                return Err(Error::new(Kind::Conflict, words));
            };
            tx.remove::<Freeze>(&[workspace.id.as_str().into()]).await?;
            let entry = Entry::new(&workspace.id)
                .fact("frozen-by", freeze.frozen_by.as_str())
                .detail(Some(&why));
            Ok(Outcome::Recorded(workspace.into(), entry))
        })
    })
    .await
}

/// Freezes a workspace beside the end of a run that found something altered; the leaf of that
/// change says why. A freeze that is there stays.
pub(crate) async fn beside_run<A: Action>(
    tx: &mut Tx<A>,
    workspace: &Row,
    run: &RunId,
) -> Result<()> {
    let who = format!("the run {run}");
    beside(tx, workspace, run.to_string(), who).await.map(drop)
}

/// Freezes a workspace beside the leaf that says what a read of its state found. Whether it was not frozen.
pub(crate) async fn beside_read<A: Action>(tx: &mut Tx<A>, workspace: &Row) -> Result<bool> {
    let by = tx.actor().to_owned();
    beside(tx, workspace, by, "this server".to_owned()).await
}

async fn beside<A: Action>(
    tx: &mut Tx<A>,
    workspace: &Row,
    frozen_by: String,
    who: String,
) -> Result<bool> {
    if sql::of(tx, &workspace.id).await?.is_some() {
        return Ok(false);
    }
    let freeze = Freeze {
        workspace: workspace.id.clone(),
        frozen_by,
        who,
        since: instant::format(tx.now()).unwrap_or_default(),
        frozen_at: tx.now(),
    };
    tx.put(&freeze).await?;
    Ok(true)
}

fn reason(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(
            Error::invalid("a reason is needed").hint("say why with `--reason`; it is recorded")
        );
    }
    if text.len() > TEXT_BYTES_MAX {
        let words = format!("the reason is longer than the {TEXT_BYTES_MAX} bytes it may have");
        return Err(Error::invalid(words));
    }
    Ok(())
}

/// The state of the workspace may be changed: nobody froze it. Clients are told
/// in the form of a lock, which they know how to show.
pub(crate) async fn require_thawed(rows: &mut Rows, workspace: &Row) -> Result<()> {
    let Some(freeze) = sql::of(rows, &workspace.id).await? else {
        return Ok(());
    };
    let reason = sql::reason(rows, &workspace.id).await?;
    let (name, way_out) = (&workspace.name, way_out(workspace));
    let words = format!(
        "workspace `{name}` is frozen since {} by {}: {}",
        freeze.since, freeze.who, reason
    );
    let told = LockInfo {
        id: format!("frozen-{}", workspace.id),
        operation: OPERATION.to_owned(),
        info: format!("frozen: {reason}; {way_out}"),
        who: freeze.who,
        created: freeze.since,
        path: name.to_string(),
        ..LockInfo::default()
    };
    Err(Error::new(Kind::Locked(Box::new(told)), words).hint(way_out))
}

fn way_out(workspace: &Row) -> String {
    format!(
        "somebody who may (`workspace.freeze`) thaws it: `statehouse workspace thaw {} --reason …`",
        workspace.name
    )
}
