//! Locks: who may write a state now.
//!
//! A lock is taken under an id that the client chose, by an actor; only that
//! actor, showing that id, writes or releases. Repeating the answered request
//! is answered the same again, because clients retry. Breaking somebody else's
//! lock is a permission of its own and leaves a reason.
//!
//! The holder's own words (who, operation, info) are stored sealed: people put
//! anything there.

use statehouse_model::{Actor, ActorId, RunId, instant};
use statehouse_seal::Context;
use statehouse_terraform::lock::LockInfo;

use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::workspace::sql::{self, Workspace as Row};
use crate::workspace::{Workspace, WorkspaceView, freeze};

actions! {
    /// Take the lock of a workspace.
    TakeLock = "lock.take" needs StateLock;
    /// Release it.
    ReleaseLock = "lock.release" needs StateLock;
    /// Break it.
    BreakLock = "lock.break" needs StateForceUnlock;
    /// See who holds it.
    ShowLock = "lock.show" needs WorkspaceRead;
}

/// The operation of a lock that a `cloud` block took.
pub const CLOUD: &str = "cloud";

/// The operation of a lock that a run holds.
pub(crate) const RUN: &str = "run";

/// The operation of a lock that is held while a history is moved in.
pub const IMPORT: &str = "import";

/// Takes the lock. The same id by the same actor again is answered alike.
pub async fn take(ctx: &Ctx, workspace: &Workspace, info: LockInfo) -> Result<WorkspaceView> {
    let wanted = workspace.clone();
    let actor = ctx.actor().clone();
    door::change(
        ctx,
        TakeLock,
        Target::Workspace(workspace.clone()),
        move |tx| {
            let (wanted, info, actor) = (wanted.clone(), info.clone(), actor.clone());
            Box::pin(async move {
                let mut workspace = sql::needed(tx, &wanted).await?;
                freeze::require_thawed(tx, &workspace).await?;
                if workspace.lock_id.is_some() {
                    let own = workspace.lock_id.as_deref() == Some(&*info.id)
                        && holder(&workspace) == actor.id();
                    if own {
                        return Ok(Outcome::Unchanged(workspace.into()));
                    }
                    return Err(locked(tx, &workspace).await?);
                }
                if released(&workspace, &info.id, actor.id()) {
                    // A request that was delayed on its way: the client that
                    // sent it has released this lock, and will not again.
                    return Err(Error::new(
                        Kind::Conflict,
                        format!("the lock {} was taken and released already", info.id),
                    )
                    .hint("take the lock under a new id"));
                }
                workspace.fence += 1;
                workspace.lock_id = Some(info.id.clone());
                workspace.lock_holder = Some(ActorId::from(&actor));
                workspace.locked_at = Some(tx.now());
                tx.put(&workspace).await?;
                let sealed = seal(tx, &workspace, &info)?;
                sql::put_lock_info(tx, &workspace.id, Some(sealed)).await?;
                let entry = Entry::new(&workspace.id).fact("fence", workspace.fence);
                Ok(Outcome::Recorded(workspace.into(), entry))
            })
        },
    )
    .await
}

/// Releases the lock held under `id`. Repeating the release is answered alike.
pub async fn release(ctx: &Ctx, workspace: &Workspace, id: String) -> Result<WorkspaceView> {
    let wanted = workspace.clone();
    let actor = ctx.actor().id().to_owned();
    door::change(
        ctx,
        ReleaseLock,
        Target::Workspace(workspace.clone()),
        move |tx| {
            let (wanted, id, actor) = (wanted.clone(), id.clone(), actor.clone());
            Box::pin(async move {
                let mut workspace = sql::needed(tx, &wanted).await?;
                if workspace.lock_id.as_ref() != Some(&id) && released(&workspace, &id, &actor) {
                    return Ok(Outcome::Unchanged(workspace.into()));
                }
                let Some(held) = &workspace.lock_id else {
                    return Err(not_locked(&workspace));
                };
                if *held != id || holder(&workspace) != actor {
                    return Err(locked(tx, &workspace).await?);
                }
                clear(tx, &mut workspace).await?;
                let entry = Entry::new(&workspace.id).fact("fence", workspace.fence);
                Ok(Outcome::Recorded(workspace.into(), entry))
            })
        },
    )
    .await
}

/// Releases the caller's lock for a client that shows no id: one that was taken
/// under an id of the server. A lock that another protocol of the same person
/// holds stays.
pub async fn release_own(ctx: &Ctx, workspace: &Workspace) -> Result<WorkspaceView> {
    let wanted = workspace.clone();
    let actor = ctx.actor().id().to_owned();
    let target = Target::Workspace(workspace.clone());
    door::change(ctx, ReleaseLock, target, move |tx| {
        let (wanted, actor) = (wanted.clone(), actor.clone());
        Box::pin(async move {
            let mut workspace = sql::needed(tx, &wanted).await?;
            let last = workspace.unlocked_id.clone().unwrap_or_default();
            let repeated = of_server(&last) && released(&workspace, &last, &actor);
            if workspace.lock_id.is_none() && repeated {
                return Ok(Outcome::Unchanged(workspace.into()));
            }
            if workspace.lock_id.is_none() {
                return Err(not_locked(&workspace));
            }
            if !require_api(tx, &workspace, &actor).await? {
                return Err(locked(tx, &workspace).await?);
            }
            clear(tx, &mut workspace).await?;
            let entry = Entry::new(&workspace.id).fact("fence", workspace.fence);
            Ok(Outcome::Recorded(workspace.into(), entry))
        })
    })
    .await
}

/// Breaks the lock, whoever holds it. With `id`, only if it is held under that id.
pub async fn force(
    ctx: &Ctx,
    workspace: &Workspace,
    id: Option<String>,
    reason: Option<String>,
) -> Result<WorkspaceView> {
    let wanted = workspace.clone();
    door::change(
        ctx,
        BreakLock,
        Target::Workspace(workspace.clone()),
        move |tx| {
            let (wanted, id, reason) = (wanted.clone(), id.clone(), reason.clone());
            Box::pin(async move {
                let mut workspace = sql::needed(tx, &wanted).await?;
                let Some(held) = workspace.lock_id.clone() else {
                    return Err(not_locked(&workspace));
                };
                if id.is_some_and(|id| id != held) {
                    return Err(locked(tx, &workspace).await?);
                }
                let broken = holder(&workspace).to_owned();
                clear(tx, &mut workspace).await?;
                let entry = Entry::new(&workspace.id)
                    .fact("fence", workspace.fence)
                    .fact("holder", broken.as_str())
                    .detail(reason.as_deref());
                Ok(Outcome::Recorded(workspace.into(), entry))
            })
        },
    )
    .await
}

/// Takes the lock for a run, inside the change by which it begins.
pub(crate) async fn take_for_run<A: door::Action>(
    tx: &mut Tx<A>,
    workspace: &mut Row,
    run: &RunId,
) -> Result<()> {
    if workspace.lock_id.is_some() {
        return Err(locked(tx, workspace).await?);
    }
    freeze::require_thawed(tx, workspace).await?;
    let info = LockInfo {
        id: run.to_string(),
        operation: RUN.to_owned(),
        info: "a run of this workspace holds it until it ends".to_owned(),
        who: run.to_string(),
        // terraform reads no lock whose instant is none.
        created: instant::format(tx.now()).unwrap_or_default(),
        path: workspace.name.to_string(),
        ..LockInfo::default()
    };
    workspace.fence += 1;
    workspace.lock_id = Some(info.id.clone());
    workspace.lock_holder = Some(ActorId::from(&Actor::Run(run.clone())));
    workspace.locked_at = Some(tx.now());
    tx.put(workspace).await?;
    let sealed = seal(tx, workspace, &info)?;
    sql::put_lock_info(tx, &workspace.id, Some(sealed)).await
}

/// Releases the lock of a run, inside the change by which it ends.
pub(crate) async fn release_of_run<A: door::Action>(
    tx: &mut Tx<A>,
    workspace: &mut Row,
) -> Result<()> {
    clear(tx, workspace).await
}

/// Who holds the lock, in terraform's form; `None` when nobody does.
pub async fn show(ctx: &Ctx, workspace: &Workspace) -> Result<Option<LockInfo>> {
    let wanted = workspace.clone();
    door::read(
        ctx,
        ShowLock,
        &Target::Workspace(workspace.clone()),
        move |rows| {
            Box::pin(async move {
                let found = sql::needed(rows, &wanted).await?;
                if found.lock_id.is_none() {
                    Ok(None)
                } else {
                    info(rows, &found).await.map(Some)
                }
            })
        },
    )
    .await
}

/// What the lock must say for a write to pass: whether the caller holds it, or
/// nobody does and the caller shows no id.
pub(super) async fn require(
    rows: &mut Rows,
    workspace: &Row,
    id: Option<&str>,
    actor: &str,
) -> Result<bool> {
    match (&workspace.lock_id, id) {
        (None, None) => Ok(false),
        (None, Some(_)) => Err(Error::new(
            Kind::Conflict,
            format!(
                "workspace `{}` is not locked, so the lock id that the upload shows is not current",
                workspace.name
            ),
        )
        .hint(
            "the lock was broken or released meanwhile; nothing was stored, run the command again",
        )),
        (Some(held), Some(shown)) if held == shown && holder(workspace) == actor => Ok(true),
        _ => Err(locked(rows, workspace).await?),
    }
}

/// What the lock was taken for, in terraform's words.
pub(super) async fn operation(rows: &mut Rows, workspace: &Row) -> Result<String> {
    Ok(info(rows, workspace).await?.operation)
}

/// Whether the lock was taken to move a history in. Its id begins with the
/// word, so that no other write pays for the question.
pub(super) async fn imports(rows: &mut Rows, workspace: &Row) -> Result<bool> {
    let said = |id: &str| {
        id.strip_prefix(IMPORT)
            .is_some_and(|rest| rest.starts_with('-'))
    };
    let says = workspace.lock_id.as_deref().is_some_and(said);
    Ok(says && operation(rows, workspace).await? == IMPORT)
}

/// Whether an id is one that the server gave a lock, because its client chose none.
fn of_server(id: &str) -> bool {
    id.parse::<statehouse_model::RequestId>().is_ok()
}

/// What the lock must say for a client that shows no id: whether the caller
/// holds it, or nobody does.
pub(super) async fn require_api(rows: &mut Rows, workspace: &Row, actor: &str) -> Result<bool> {
    match &workspace.lock_id {
        None => Ok(false),
        Some(held) if of_server(held) && holder(workspace) == actor => Ok(true),
        Some(_) => Err(locked(rows, workspace).await?),
    }
}

/// For a repeated upload: the lock may be gone, but not another's.
pub(super) async fn require_not_of_another(
    rows: &mut Rows,
    workspace: &Row,
    id: Option<&str>,
    actor: &str,
) -> Result<()> {
    match (&workspace.lock_id, id) {
        (None, _) => Ok(()),
        (Some(held), Some(shown)) if held == shown && holder(workspace) == actor => Ok(()),
        _ => Err(locked(rows, workspace).await?),
    }
}

/// For a decision by a person: nobody is writing.
pub(crate) async fn require_free(rows: &mut Rows, workspace: &Row) -> Result<()> {
    if workspace.lock_id.is_none() {
        Ok(())
    } else {
        Err(locked(rows, workspace).await?)
    }
}

/// Whether the lock that was released last is this one, by this actor.
fn released(workspace: &Row, id: &str, actor: &str) -> bool {
    let by = workspace.unlocked_by.as_ref().map(ActorId::as_str);
    workspace.unlocked_id.as_deref() == Some(id) && by == Some(actor)
}

fn not_locked(workspace: &Row) -> Error {
    Error::new(
        Kind::Conflict,
        format!("workspace `{}` is not locked", workspace.name),
    )
}

fn holder(workspace: &Row) -> &str {
    workspace
        .lock_holder
        .as_ref()
        .map(ActorId::as_str)
        .unwrap_or_default()
}

async fn clear<A: door::Action>(tx: &mut Tx<A>, workspace: &mut Row) -> Result<()> {
    workspace.unlocked_id = workspace.lock_id.take();
    workspace.unlocked_by = workspace.lock_holder.take();
    workspace.locked_at = None;
    tx.put(workspace).await?;
    sql::put_lock_info(tx, &workspace.id, None).await
}

/// The refusal that names the holder.
async fn locked(rows: &mut Rows, workspace: &Row) -> Result<Error> {
    let held = info(rows, workspace).await?;
    let words = format!(
        "workspace `{}` is locked by {} ({}) under the id {}",
        workspace.name,
        if held.who.is_empty() {
            holder(workspace)
        } else {
            &held.who
        },
        if held.operation.is_empty() {
            "no operation named"
        } else {
            &held.operation
        },
        held.id,
    );
    let hint = if held.operation == RUN {
        // What a run began to apply when it was lost it keeps locked: then a person looks first.
        format!(
            "wait for the run to end, or end it: `statehouse run cancel {}`; if it has ended and kept the lock, look at what it left, then `statehouse state unlock {} --force --reason …`",
            held.id, workspace.name
        )
    } else {
        format!("wait for it, or break it: {}", way_out(workspace, &held))
    };
    Ok(Error::new(Kind::Locked(Box::new(held)), words).hint(hint))
}

/// How a lock is broken, by the client that took it or by hand. A `cloud` block
/// says in the path of its lock which organization it works in.
fn way_out(workspace: &Row, held: &LockInfo) -> String {
    let name = &workspace.name;
    let by_hand = format!("`statehouse state unlock {name} --force --reason …`");
    match held.path.split_once('/') {
        Some((organization, _)) if held.operation == CLOUD => {
            format!(
                "`terraform force-unlock {organization}/{name}` where the `cloud` block is, or {by_hand}"
            )
        }
        _ => format!("`terraform force-unlock {}`, or {by_hand}", held.id),
    }
}

pub(crate) fn binding<'a>(workspace: &'a Row, id: &'a str) -> Context<'a> {
    Context {
        kind: "lock",
        object: workspace.id.as_str(),
        version: id,
        lineage: "",
        serial: Some(workspace.fence),
    }
}

fn seal<A>(tx: &Tx<A>, workspace: &Row, info: &LockInfo) -> Result<Vec<u8>> {
    let words = serde_json::to_vec(info).map_err(|error| Error::internal(error.to_string()))?;
    crate::seal_small(&tx.keyring, &binding(workspace, &info.id), &words)
}

/// The holder's words. A lock whose words do not open is still a lock.
async fn info(rows: &mut Rows, workspace: &Row) -> Result<LockInfo> {
    let id = workspace.lock_id.clone().unwrap_or_default();
    let sealed = sql::lock_info(rows, &workspace.id).await?;
    let sealed = sealed.ok_or_else(|| {
        Error::tampered(format!(
            "the words of the lock of `{}` are missing",
            workspace.name
        ))
    })?;
    let words = crate::open_small(&rows.keyring, &binding(workspace, &id), &sealed)?;
    serde_json::from_slice(&words)
        .map_err(|error| Error::internal(format!("stored lock info: {error}")))
}
