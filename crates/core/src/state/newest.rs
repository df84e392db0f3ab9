//! Whether the current version that the rows name is the newest by the ledger, before anybody is given its bytes.
//!
//! A row that was taken from an older copy of the database is genuine. To a plan an older state is worse than none: it makes again what is
//! there, or forgets it. What the ledger says is followed by the house ([`crate::ledger`]).
//!
//! What is found altered freezes its workspace, and is a leaf; the words of the error say which leaf says what, and what was found instead.

use statehouse_ledger::follow::Newest;
use statehouse_model::{ActorId, VersionId, WorkspaceId};

use super::sql::Version;
use super::{Which, load};
use crate::access::STATES;
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::ledger;
use crate::record::Rows;
use crate::workspace::{self, Workspace, freeze};

/// Reads of a state that moves on while it is read.
pub(super) const TRIES: usize = 8;

actions! {
    /// Freeze a workspace whose current state is not what was stored.
    FindAltered = "state.find-altered" needs WorkspaceFreeze;
}

/// What the rows name as the current version of a workspace.
pub(super) struct Claim {
    workspace: WorkspaceId,
    head: Option<VersionId>,
    commitment: Option<Vec<u8>>,
    /// Leaves of the ledger when the rows were read.
    leaves: u64,
}

impl Claim {
    pub(super) async fn of(
        rows: &mut Rows,
        workspace: &workspace::sql::Workspace,
        head: Option<&Version>,
    ) -> Result<Self> {
        Ok(Self {
            workspace: workspace.id.clone(),
            head: head.map(|head| head.id.clone()),
            commitment: head.map(|head| head.commitment.clone()),
            leaves: ledger::sql::size_seen(&mut rows.transaction).await?,
        })
    }

    /// Whether it is so by the ledger; `false` where the workspace has moved on since, and is to be read again. Where it is not, the workspace is
    /// frozen.
    pub(super) async fn holds(&self, ctx: &Ctx, workspace: &Workspace) -> Result<bool> {
        told(ctx, (workspace, &Which::Current), self.stands(ctx).await).await
    }

    /// The newest version by the ledger, as far as it reached when the rows were read.
    async fn known(&self, ctx: &Ctx) -> Result<Option<Newest>> {
        let house = ctx.house();
        let followed = &house.base().followed;
        followed.of(house, &self.workspace, self.leaves).await
    }

    /// Whether it is the one that the rows name.
    fn is(&self, newest: Option<&Newest>) -> bool {
        let named = self.head.as_ref().map(VersionId::as_str);
        let committed = newest.map(|newest| newest.commitment.as_slice());
        newest.map(|newest| newest.version.as_str()) == named
            && committed == self.commitment.as_deref()
    }

    async fn stands(&self, ctx: &Ctx) -> Result<bool> {
        let house = ctx.house();
        // A house that is behind what is remembered of it says so of itself.
        if house.read_only().is_some() {
            return Ok(true);
        }
        let mut newest = self.known(ctx).await?;
        for is_read_again in [false, true] {
            if self.is(newest.as_ref()) {
                return Ok(true);
            }
            let leaf = newest.as_ref().map(|newest| newest.leaf);
            if leaf.is_some_and(|leaf| leaf >= self.leaves) {
                return Ok(false);
            }
            if !is_read_again {
                // Nobody is told so before the ledger was read again.
                house.base().followed.forget().await;
                newest = self.known(ctx).await?;
            }
        }
        let expected = newest.map_or("none, for no leaf made one".to_owned(), |newest| {
            format!("`{}`, which leaf {} made", newest.version, newest.leaf)
        });
        let named = self.head.as_ref();
        let found = named.map_or("none".to_owned(), |named| format!("`{named}`"));
        Err(Error::tampered(format!(
            "the current version of workspace `{}` is not the newest of the ledger: expected {expected}, and found {found} in the database",
            self.workspace
        )))
    }
}

/// The current version of a workspace and its sealed bytes, held against the ledger; or a version by its id.
pub(super) async fn loaded<A: Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<(Version, Stored)>> {
    let target = Target::Workspace(workspace.clone());
    for _ in 0..TRIES {
        let (wanted, which) = (workspace.clone(), which.clone());
        let read = door::read(ctx, action, &target, move |rows| {
            Box::pin(async move {
                let is_current = which == Which::Current;
                let found = load(rows, &wanted, which).await?;
                if !is_current {
                    return Ok((found, None));
                }
                let row = workspace::sql::needed(rows, &wanted).await?;
                let version = found.as_ref().map(|(version, _)| version);
                let claim = Claim::of(rows, &row, version).await?;
                Ok((found, Some(claim)))
            })
        });
        let (found, claim) = read.await?;
        match claim {
            Some(claim) if !claim.holds(ctx, workspace).await? => {}
            _ => return Ok(found),
        }
    }
    Err(moves(ctx).await)
}

/// A state that is written more often than it can be read; or another process accepted a restore, and what is known here is of no ledger any more.
pub(super) async fn moves(ctx: &Ctx) -> Error {
    ctx.house().base().followed.forget().await;
    Error::unavailable("the state of the workspace changes faster than it can be read")
        .hint("try again")
}

/// Hands on what was found of a state. Where the current one is altered, its workspace is frozen; not where something else is, as a grant of
/// who asks.
pub(super) async fn told<T>(
    ctx: &Ctx,
    (workspace, which): (&Workspace, &Which),
    found: Result<T>,
) -> Result<T> {
    if let Err(error) = &found
        && *which == Which::Current
        && *error.kind() == Kind::Tampered
        && let Err(other) = freeze_for(ctx, workspace, error).await
    {
        tracing::error!(%error, %other, "a state was found altered, and its workspace is not frozen");
    }
    found
}

async fn freeze_for(ctx: &Ctx, workspace: &Workspace, why: &Error) -> Result<()> {
    let (wanted, words) = (workspace.clone(), why.to_string());
    let (reader, task) = (ctx.actor().id().to_owned(), ctx.as_task(STATES));
    let target = Target::Workspace(workspace.clone());
    door::change(&task, FindAltered, target, move |tx| {
        let (wanted, words, reader) = (wanted.clone(), words.clone(), reader.clone());
        Box::pin(async move {
            let workspace = workspace::sql::needed(tx, &wanted).await?;
            let holder = workspace.lock_holder.as_ref().map(ActorId::as_str);
            // Somebody else is at work: what they made must be stored.
            let is_others = holder.is_some_and(|holder| holder != reader);
            if is_others || !freeze::beside_read(tx, &workspace).await? {
                return Ok(Outcome::Unchanged(()));
            }
            let entry = Entry::new(&workspace.id).fact("reader", reader.as_str());
            Ok(Outcome::Recorded((), entry.detail(Some(&words))))
        })
    })
    .await
}
