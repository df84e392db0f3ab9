//! Every statement on `run` and what belongs to it.

use std::collections::BTreeMap;

use statehouse_model::{
    ActorId, AgentPoolId, ApprovalId, ConfigurationId, FileId, ProjectId, RunId, VersionId,
    WorkspaceId,
};

use super::machine::{Act, Status};
use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::record::{Ask, Rows, column, record};

record! {
    /// A run.
    pub(crate) struct Run in "run" key 1 {
        id: RunId,
        workspace: WorkspaceId,
        configuration: ConfigurationId,
        /// Its place among the runs of its workspace, from 1.
        sequence: u64,
        /// A word of [`super::machine::Kind`].
        kind: String,
        /// A word of [`super::machine::Status`].
        status: String,
        /// Why it ended so, or was asked to end by the server, a word; empty where nothing is to say.
        reason: String,
        /// Who started it.
        actor: ActorId,
        /// From here to `holds_lock`: [`super::machine::Stored`].
        auto_apply: bool,
        attempt: u64,
        losses: u64,
        capsule: Option<Vec<u8>>,
        under_policies: bool,
        approvals_suffice: bool,
        confirmed: bool,
        cancel_requested: bool,
        holds_lock: bool,
        /// Whether its plan changes anything; unknown until it is planned.
        changes: Option<bool>,
        /// The fence of the workspace's lock that it holds.
        fence: Option<u64>,
        /// The version of the state that it planned on.
        base: Option<VersionId>,
        /// When it began to apply.
        began_at: Option<i64>,
        created_at: i64,
        changed_at: i64,
    }
}

record! {
    /// Something that happened to a run.
    pub(crate) struct RunEvent in "run_event" key 2 {
        run: RunId,
        /// From 1.
        number: u64,
        /// A word of [`super::machine::Event`], or of what happened beside.
        event: String,
        /// What it was about, where the word does not say that.
        about: String,
        /// The status after it.
        status: String,
        actor: String,
        created_at: i64,
    }
}

record! {
    /// Something that a run made or was given.
    pub(crate) struct RunFile in "run_file" key 1 {
        id: FileId,
        run: RunId,
        /// A word of [`super::files::Kind`].
        kind: String,
        /// Where it begins in what its kind makes together; 0 where it is all.
        part: u64,
        /// Bytes.
        size: u64,
        /// SHA-256 of the bytes, for what a capsule binds; of the rest a MAC of that,
        /// which tells a repeated upload from another one.
        digest: Vec<u8>,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        created_at: i64,
    }
}

record! {
    /// What was planned and judged; good for one apply.
    pub(crate) struct CapsuleRow in "capsule" key 1 {
        run: RunId,
        digest: Vec<u8>,
        /// `open` or `used`.
        status: String,
        created_at: i64,
        expires_at: i64,
    }
}

record! {
    /// Somebody's word about a capsule.
    pub(crate) struct ApprovalRow in "approval" key 1 {
        id: ApprovalId,
        run: RunId,
        capsule: Vec<u8>,
        /// `approve` or `reject`.
        decision: String,
        actor: ActorId,
        /// As what it was said.
        capacity: String,
        /// Whether they stood behind the run then: as whoever started it or uploaded
        /// what it plans, or as a member of the team whose token did.
        is_authors: bool,
        created_at: i64,
        expires_at: i64,
        withdrawn_at: Option<i64>,
    }
}

pub(crate) async fn capsule(rows: &mut Rows, run: &RunId) -> Result<Option<CapsuleRow>> {
    rows.by_key(vec![run.as_str().into()]).await
}

/// Every word about a run, the oldest first.
pub(crate) async fn approvals(rows: &mut Rows, run: &RunId) -> Result<Vec<ApprovalRow>> {
    let clause = "WHERE run = $1 ORDER BY created_at, id";
    rows.find(clause, &[run.as_str().into()]).await
}

pub(crate) async fn by_id(rows: &mut Rows, id: &RunId) -> Result<Option<Run>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What [`by_id`] will ask.
pub(crate) fn ask_id(id: &RunId) -> Ask {
    Ask::rows::<Run>("WHERE id = $1", vec![id.as_str().into()])
}

/// Runs of a workspace, the newest first.
pub(crate) async fn page(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    offset: i64,
    limit: i64,
) -> Result<Vec<Run>> {
    let values = [
        workspace.as_str().into(),
        Value::Int(offset),
        Value::Int(limit),
    ];
    let clause = "WHERE workspace = $1 ORDER BY sequence DESC LIMIT $3 OFFSET $2";
    rows.find(clause, &values).await
}

/// Runs that were made at a time or later, the oldest first, and after one that is given.
pub(crate) async fn since(
    rows: &mut Rows,
    since: i64,
    after: Option<&RunId>,
    limit: i64,
) -> Result<Vec<Run>> {
    let mut values = vec![Value::Int(since), Value::Int(limit)];
    let further = match after {
        None => "",
        Some(after) => {
            values.push(after.as_str().into());
            "AND (created_at, id) > (SELECT created_at, id FROM run WHERE id = $3)"
        }
    };
    let clause = format!("WHERE created_at >= $1 {further} ORDER BY created_at, id LIMIT $2");
    rows.find(&clause, &values).await
}

/// The last copy that runs of a workspace before this one kept of a state elsewhere.
pub(crate) async fn last_copy(rows: &mut Rows, of: &Run) -> Result<Option<RunFile>> {
    let clause = "WHERE kind IN ('state-before', 'state-after') AND run IN (
            SELECT id FROM run WHERE workspace = $1 AND sequence < $2)
        ORDER BY created_at DESC, kind LIMIT 1";
    let sequence = i64::try_from(of.sequence).unwrap_or(i64::MAX);
    let values = [of.workspace.as_str().into(), Value::Int(sequence)];
    Ok(rows.find(clause, &values).await?.pop())
}

/// The newest run of a workspace.
pub(crate) async fn newest(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Run>> {
    Ok(page(rows, workspace, 0, 1).await?.pop())
}

/// The newest run of a workspace that looked for drift.
pub(crate) async fn last_look(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Run>> {
    let clause = "WHERE workspace = $1 AND kind = 'drift' ORDER BY sequence DESC LIMIT 1";
    rows.one(clause, &[workspace.as_str().into()]).await
}

/// The newest run that applied what a configuration says.
pub(crate) async fn last_applied(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Run>> {
    let clause = "WHERE workspace = $1 AND status = 'applied' AND kind <> 'refresh_only'
        ORDER BY sequence DESC LIMIT 1";
    rows.one(clause, &[workspace.as_str().into()]).await
}

/// Whether a run of a workspace applies now.
pub(crate) async fn applies_in(rows: &mut Rows, workspace: &WorkspaceId) -> Result<bool> {
    let sql = "SELECT 1 FROM run WHERE workspace = $1 AND status = 'applying' LIMIT 1";
    let found = rows
        .transaction
        .query(sql, &[workspace.as_str().into()])
        .await?;
    Ok(!found.is_empty())
}

/// The run of a workspace that applies now.
pub(crate) async fn applying_in(rows: &mut Rows, workspace: &WorkspaceId) -> Result<Option<Run>> {
    let clause = "WHERE workspace = $1 AND status = 'applying' LIMIT 1";
    rows.one(clause, &[workspace.as_str().into()]).await
}

/// How many runs of its workspace come before one that waits for its turn under the lock: [`waiting`] gives it to the one that waits longest.
pub(crate) async fn pending_before(rows: &mut Rows, run: &Run) -> Result<u64> {
    let sql =
        "SELECT count(*) FROM run WHERE workspace = $1 AND sequence < $2 AND status = 'pending'
            AND kind NOT IN ('plan_only', 'drift', 'saved_plan')";
    let sequence = i64::try_from(run.sequence).unwrap_or(i64::MAX);
    let values = [run.workspace.as_str().into(), Value::Int(sequence)];
    let found = rows.transaction.query(sql, &values).await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// Runs that have not ended and that one actor started.
pub(crate) async fn open_by(rows: &mut Rows, actor: &str, limit: i64) -> Result<Vec<RunId>> {
    let sql = format!(
        "SELECT id FROM run WHERE status IN ({}) AND actor = $1 ORDER BY created_at, id LIMIT $2",
        words(&open_ones())
    );
    let values = [actor.into(), Value::Int(limit)];
    ids(&rows.transaction.query(&sql, &values).await?)
}

/// Whether a run of a workspace kept a copy of a state elsewhere.
pub(crate) async fn has_copy(rows: &mut Rows, workspace: &WorkspaceId) -> Result<bool> {
    let sql = "SELECT 1 FROM run_file WHERE kind = 'state-after' AND run IN (
            SELECT id FROM run WHERE workspace = $1) LIMIT 1";
    let found = rows
        .transaction
        .query(sql, &[workspace.as_str().into()])
        .await?;
    Ok(!found.is_empty())
}

/// The newest runs of some workspaces.
pub(crate) async fn newest_of(rows: &mut Rows, workspaces: &[WorkspaceId]) -> Result<Vec<Run>> {
    rows.newest_of(workspaces).await
}

/// The words of some statuses, as a list in a statement.
fn words(statuses: &[Status]) -> String {
    let each: Vec<String> = statuses
        .iter()
        .map(|status| format!("'{}'", status.as_str()))
        .collect();
    each.join(", ")
}

/// The statuses in which a run has not ended.
fn open_ones() -> Vec<Status> {
    let all = Status::ALL.into_iter();
    all.filter(|status| !status.is_final()).collect()
}

/// Ids of runs. One that is none was altered, and keeps none of the others waiting.
fn ids(found: &[Row]) -> Result<Vec<RunId>> {
    let mut ids = Vec::new();
    for row in found {
        let text = row.text(0)?;
        if let Ok(id) = text.parse() {
            ids.push(id);
        } else {
            tracing::warn!(row = text, "a run is passed over: its id was altered");
        }
    }
    Ok(ids)
}

/// The statuses that runs are in which have not ended.
pub(crate) async fn open_statuses(rows: &mut Rows) -> Result<Vec<Status>> {
    let sql = format!(
        "SELECT DISTINCT status FROM run WHERE status IN ({})",
        words(&open_ones())
    );
    let found = rows.transaction.query(&sql, &[]).await?;
    let mut there = Vec::new();
    for row in &found {
        there.extend(Status::from_word(row.text(0)?));
    }
    Ok(there)
}

/// A run that a pool planned, and that has not ended, or ended and left the lock in its workspace.
pub(crate) async fn planned_with(rows: &mut Rows, pool: &AgentPoolId) -> Result<Option<RunId>> {
    let sql = format!(
        "SELECT r.id FROM run r JOIN job j ON j.run = r.id JOIN workspace w ON w.id = r.workspace
            WHERE j.pool = $1 AND (r.status IN ({}) OR w.lock_id = r.id) ORDER BY r.created_at LIMIT 1",
        words(&open_ones())
    );
    let found = rows
        .transaction
        .query(&sql, &[pool.as_str().into()])
        .await?;
    Ok(ids(&found)?.pop())
}

/// Where a run is, by columns that are not checked yet.
pub(crate) struct Found {
    pub(crate) run: RunId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) project: ProjectId,
}

/// Runs in some statuses, the oldest of each workspace first, then the next of each: many of one workspace stand before none of another.
pub(crate) async fn in_turn(
    rows: &mut Rows,
    statuses: &[Status],
    limit: i64,
) -> Result<Vec<Found>> {
    let sql = format!(
        "SELECT id, workspace, project FROM (
            SELECT r.id, r.workspace, w.project, r.created_at,
                row_number() OVER (PARTITION BY r.workspace ORDER BY r.created_at, r.id) AS place
            FROM run r JOIN workspace w ON w.id = r.workspace WHERE r.status IN ({})
        ) waiting ORDER BY place, created_at, id LIMIT $1",
        words(statuses)
    );
    let found = rows.transaction.query(&sql, &[Value::Int(limit)]).await?;
    let of = |mut row: Row| {
        Ok(Found {
            run: column(&mut row, 0, "run")?,
            workspace: column(&mut row, 1, "run")?,
            project: column(&mut row, 2, "workspace")?,
        })
    };
    found.into_iter().map(of).collect()
}

/// Runs in some statuses, the oldest first. Only their ids: a row that does not
/// read keeps none of the others from being found.
pub(crate) async fn in_status(
    rows: &mut Rows,
    statuses: &[Status],
    limit: i64,
) -> Result<Vec<RunId>> {
    let sql = format!(
        "SELECT id FROM run WHERE status IN ({}) ORDER BY created_at, id LIMIT $1",
        words(statuses)
    );
    ids(&rows.transaction.query(&sql, &[Value::Int(limit)]).await?)
}

/// The open runs of a workspace, the oldest first.
pub(crate) async fn open_in(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    limit: usize,
) -> Result<Vec<RunId>> {
    let ended: Vec<Status> = Status::ALL
        .into_iter()
        .filter(|status| status.is_final())
        .collect();
    let sql = format!(
        "SELECT id FROM run WHERE workspace = $1 AND status NOT IN ({}) ORDER BY sequence LIMIT $2",
        words(&ended)
    );
    let values = [workspace.as_str().into(), (limit as u64).into()];
    ids(&rows.transaction.query(&sql, &values).await?)
}

/// Runs that have not ended, those first that are nearest to an apply.
pub(crate) async fn open(rows: &mut Rows, limit: i64) -> Result<Vec<RunId>> {
    let ended: Vec<Status> = Status::ALL
        .into_iter()
        .filter(|status| status.is_final())
        .collect();
    let sql = format!(
        "SELECT id FROM run WHERE status NOT IN ({})
        ORDER BY CASE WHEN capsule IS NULL THEN 1 ELSE 0 END, created_at, id LIMIT $1",
        words(&ended)
    );
    ids(&rows.transaction.query(&sql, &[Value::Int(limit)]).await?)
}

/// Runs whose lock is not theirs any more, and those whose capsule is over.
///
/// Those that policies hold up have no capsule: they are over so long after they were held up.
pub(crate) async fn over(rows: &mut Rows, now: i64, limit: i64) -> Result<Vec<RunId>> {
    let sql = "SELECT r.id FROM run r
            JOIN workspace w ON w.id = r.workspace
            LEFT JOIN capsule c ON c.run = r.id
        WHERE r.status IN ('fetching', 'planning', 'planned', 'assessing', 'policy_failed',
                'awaiting_approval', 'planned_and_saved', 'approved', 'verifying', 'applying')
            AND ((r.holds_lock = 1
                    AND (w.lock_id IS NULL OR w.lock_id <> r.id OR r.fence IS NULL OR w.fence <> r.fence))
                OR (c.expires_at <= $1
                    AND r.status IN ('awaiting_approval', 'planned_and_saved', 'approved'))
                OR (r.changed_at <= $3 AND r.status = 'policy_failed'))
        ORDER BY r.created_at, r.id LIMIT $2";
    let held_up = now.saturating_sub(super::capsule::LIFE_US);
    let values = [Value::Int(now), Value::Int(limit), Value::Int(held_up)];
    ids(&rows.transaction.query(sql, &values).await?)
}

/// Runs whose turn it is, of those that wait: of each workspace first the one
/// that waits longest, and before those of busy workspaces those of idle ones. What
/// one actor started comes after everybody else's. A run that is planned under the
/// lock is named only where the lock is free, and one that looks for drift only
/// where nobody applies.
pub(crate) async fn waiting(rows: &mut Rows, last: &str, limit: i64) -> Result<Vec<RunId>> {
    let sql = "SELECT id FROM (
            SELECT r.id, r.created_at, r.locks, r.class, COALESCE(b.jobs, 0) AS jobs,
                row_number() OVER (PARTITION BY r.workspace, r.locks ORDER BY r.sequence) AS place
            FROM (
                SELECT id, workspace, sequence, created_at, kind,
                    CASE WHEN actor = $2 THEN 1 ELSE 0 END AS class,
                    CASE WHEN kind IN ('plan_only', 'drift', 'saved_plan') THEN 0 ELSE 1 END AS locks
                FROM run WHERE status = 'pending'
            ) r
            JOIN workspace w ON w.id = r.workspace
            LEFT JOIN (
                SELECT workspace, count(*) AS jobs FROM run
                WHERE status IN ('fetching', 'planning', 'verifying', 'applying')
                GROUP BY workspace
            ) b ON b.workspace = r.workspace
            WHERE (r.locks = 0 AND (r.kind <> 'drift' OR NOT EXISTS (
                    SELECT 1 FROM run a WHERE a.workspace = r.workspace AND a.status = 'applying')))
                OR (r.locks = 1 AND w.lock_id IS NULL
                    AND NOT EXISTS (SELECT 1 FROM workspace_freeze f WHERE f.workspace = r.workspace))
        ) waiting
        WHERE locks = 0 OR place = 1
        ORDER BY class, place + jobs, created_at, id LIMIT $1";
    let values = [Value::Int(limit), last.into()];
    ids(&rows.transaction.query(sql, &values).await?)
}

pub(crate) async fn file_by_id(rows: &mut Rows, id: &FileId) -> Result<Option<RunFile>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The newest file of a kind that a run has.
pub(crate) async fn file(rows: &mut Rows, run: &RunId, kind: &str) -> Result<Option<RunFile>> {
    let clause = "WHERE run = $1 AND kind = $2 ORDER BY part DESC LIMIT 1";
    rows.one(clause, &[run.as_str().into(), kind.into()]).await
}

/// What happened to a run, the oldest first.
pub(crate) async fn events(rows: &mut Rows, run: &RunId) -> Result<Vec<RunEvent>> {
    let clause = "WHERE run = $1 ORDER BY number";
    rows.find(clause, &[run.as_str().into()]).await
}

/// What stands in the ledger beside something that a person did.
pub(crate) struct Beside {
    /// Where in the ledger.
    pub(crate) leaf: u64,
    /// The leaf, where it is there.
    pub(crate) body: Option<String>,
    /// The sealed words.
    pub(crate) sealed: Option<Vec<u8>>,
}

/// What stands in the ledger beside what people did with a run, by the number of what happened. Nothing of it is checked.
pub(crate) async fn beside_acts(rows: &mut Rows, run: &RunId) -> Result<BTreeMap<u64, Beside>> {
    let acts = Act::WORDS.map(|word| format!("'{word}'")).join(", ");
    let sql = format!(
        "SELECT e.number, e.leaf, l.body, l.detail FROM run_event e LEFT JOIN ledger_leaf l ON l.seq = e.leaf
        WHERE e.run = $1 AND e.event IN ({acts}) ORDER BY e.number"
    );
    let found = rows.transaction.query(&sql, &[run.as_str().into()]).await?;
    let beside = |mut row: Row| {
        let number: u64 = column(&mut row, 0, "run_event")?;
        let beside = Beside {
            leaf: column(&mut row, 1, "run_event")?,
            body: column(&mut row, 2, "ledger_leaf")?,
            sealed: column(&mut row, 3, "ledger_leaf")?,
        };
        Ok((number, beside))
    };
    found.into_iter().map(beside).collect()
}

/// The last time that something happened to a run.
pub(crate) async fn last_of_kind(
    rows: &mut Rows,
    run: &RunId,
    event: &str,
) -> Result<Option<RunEvent>> {
    let clause = "WHERE run = $1 AND event = $2 ORDER BY number DESC LIMIT 1";
    rows.one(clause, &[run.as_str().into(), event.into()]).await
}

/// How often something happened to a run.
pub(crate) async fn times(rows: &mut Rows, run: &RunId, event: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM run_event WHERE run = $1 AND event = $2";
    let values = [run.as_str().into(), event.into()];
    let found = rows.transaction.query(sql, &values).await?;
    found.first().map_or(Ok(0), |row| Ok(row.int(0)?))
}

/// One thing that happened to a run.
pub(crate) async fn event(rows: &mut Rows, run: &RunId, number: u64) -> Result<Option<RunEvent>> {
    rows.by_key(vec![run.as_str().into(), number.into()]).await
}

/// Where in the ledger something happened to a run, or to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) leaf: u64,
    /// The run, or the workspace.
    pub(crate) of: String,
    /// Of what happened to the run; 0 of a workspace.
    pub(crate) number: u64,
}

/// What happened to runs of the organization after a place, in the order of the
/// ledger. Only where it stands: the row of each is checked when it is read, and
/// its MAC covers the leaf.
pub(crate) async fn events_after(rows: &mut Rows, after: &Place, limit: i64) -> Result<Vec<Place>> {
    let sql = "SELECT leaf, run, number FROM run_event
        WHERE (leaf, run, number) > ($1, $2, $3)
        ORDER BY leaf, run, number LIMIT $4";
    let values = [
        after.leaf.into(),
        after.of.as_str().into(),
        after.number.into(),
        Value::Int(limit),
    ];
    let found = rows.transaction.query(sql, &values).await?;
    found.iter().map(place).collect()
}

/// Where something happened to a run of the organization last, before a leaf. The same holds of
/// it as of [`events_after`].
pub(crate) async fn last_event(rows: &mut Rows, before_leaf: u64) -> Result<Option<Place>> {
    let sql = "SELECT leaf, run, number FROM run_event WHERE leaf < $1
        ORDER BY leaf DESC, run DESC, number DESC LIMIT 1";
    let found = rows.transaction.query(sql, &[before_leaf.into()]).await?;
    found.first().map(place).transpose()
}

/// A row of a query for places.
pub(crate) fn place(row: &Row) -> Result<Place> {
    let whole = |at| Ok::<_, Error>(u64::try_from(row.int(at)?).unwrap_or(0));
    Ok(Place {
        leaf: whole(0)?,
        of: row.text(1)?.to_owned(),
        number: whole(2)?,
    })
}

/// The number of the next thing that happens to a run.
pub(crate) async fn next_number(rows: &mut Rows, run: &RunId) -> Result<u64> {
    let clause = "WHERE run = $1 ORDER BY number DESC LIMIT 1";
    let last: Option<RunEvent> = rows.one(clause, &[run.as_str().into()]).await?;
    Ok(last.map_or(1, |last| last.number + 1))
}

/// The parts of a kind that reach into a stretch of bytes, in order.
pub(crate) async fn parts(
    rows: &mut Rows,
    run: &RunId,
    kind: &str,
    from: u64,
    limit: i64,
) -> Result<Vec<RunFile>> {
    let clause = "WHERE run = $1 AND kind = $2 AND part + size > $3 ORDER BY part LIMIT $4";
    let values = [
        run.as_str().into(),
        kind.into(),
        from.into(),
        Value::Int(limit),
    ];
    rows.find(clause, &values).await
}

/// The part of a kind that begins here.
pub(crate) async fn part(
    rows: &mut Rows,
    run: &RunId,
    kind: &str,
    part: u64,
) -> Result<Option<RunFile>> {
    let clause = "WHERE run = $1 AND kind = $2 AND part = $3";
    let values = [run.as_str().into(), kind.into(), part.into()];
    rows.one(clause, &values).await
}
