//! Every statement on `job`.

use statehouse_model::{AgentPoolId, HouseTokenId, JobId, RunId};

use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::ledger;
use crate::record::{Rows, record};

record! {
    /// Work for a runner.
    pub(crate) struct Job in "job" key 1 {
        id: JobId,
        run: RunId,
        /// A word of [`super::Step`].
        step: String,
        /// `queued`, `leased`, `done` or `lost`.
        status: String,
        /// The attempt of the run that it is.
        attempt: u64,
        /// Where its log begins: after those of the runners that were lost.
        log_start: u64,
        /// The pool whose agents may take it; without one, this server's own places.
        pool: Option<AgentPoolId>,
        /// Who has it.
        holder: Option<String>,
        /// The token that it was given to, where an agent has it.
        token: Option<HouseTokenId>,
        /// The level of the sandbox that it is done in.
        sandbox: Option<String>,
        lease_until: Option<i64>,
        created_at: i64,
    }
}

record! {
    /// That somebody said why a job is not done in the strict sandbox. Never changed: beside
    /// its leaf lie the words.
    pub(crate) struct JobReason in "job_reason" key 1 {
        job: JobId,
        run: RunId,
        taken_at: i64,
    }
}

record! {
    /// When a job was taken.
    pub(crate) struct Term in "job_term" key 1 {
        job: JobId,
        taken_at: i64,
    }
}

/// Since when a job is worked on. One that was taken before that was written down
/// counts from when it was queued: who takes its term away gains no time.
pub(crate) async fn begun_at(rows: &mut Rows, job: &Job) -> Result<i64> {
    let term: Option<Term> = rows.by_key(vec![job.id.as_str().into()]).await?;
    Ok(term.map_or(job.created_at, |term| term.taken_at))
}

pub(crate) async fn by_id(rows: &mut Rows, id: &JobId) -> Result<Option<Job>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// How a place is told in a question: a pool, or none for this server's own.
fn place(pool: Option<&AgentPoolId>) -> Value {
    pool.map_or("", AgentPoolId::as_str).into()
}

/// Jobs of a place that wait for a runner, the oldest first. Only their ids: one that
/// does not read keeps none of the others waiting.
pub(crate) async fn queued(
    rows: &mut Rows,
    pool: Option<&AgentPoolId>,
    limit: i64,
) -> Result<Vec<JobId>> {
    let sql = "SELECT id FROM job
        WHERE status = 'queued' AND coalesce(pool, '') = $1 ORDER BY created_at, id LIMIT $2";
    let values = [place(pool), Value::Int(limit)];
    let found = rows.transaction.query(sql, &values).await?;
    ids(&found)
}

/// Runs with a job whose lease ended before `now`.
pub(crate) async fn lapsed(rows: &mut Rows, now: i64, limit: i64) -> Result<Vec<RunId>> {
    let sql = "SELECT run FROM job
        WHERE status = 'leased' AND lease_until < $1 ORDER BY lease_until, id LIMIT $2";
    let values = [Value::Int(now), Value::Int(limit)];
    let found = rows.transaction.query(sql, &values).await?;
    ids(&found)
}

/// Ids. One that is none was altered, and keeps none of the others waiting.
fn ids<T: std::str::FromStr>(found: &[Row]) -> Result<Vec<T>> {
    let mut ids = Vec::new();
    for row in found {
        let text = row.text(0)?;
        if let Ok(id) = text.parse() {
            ids.push(id);
        } else {
            tracing::warn!(row = text, "a job is passed over: an id was altered");
        }
    }
    Ok(ids)
}

/// The job of a run that is not over.
pub(crate) async fn open_of(rows: &mut Rows, run: &RunId) -> Result<Option<Job>> {
    let clause = "WHERE run = $1 AND status IN ('queued', 'leased')";
    rows.one(clause, &[run.as_str().into()]).await
}

/// The newest job of a run that is a step of it.
pub(crate) async fn last_of(rows: &mut Rows, run: &RunId, step: &str) -> Result<Option<Job>> {
    let clause = "WHERE run = $1 AND step = $2 ORDER BY created_at DESC, attempt DESC LIMIT 1";
    rows.one(clause, &[run.as_str().into(), step.into()]).await
}

/// The jobs of a run that somebody took, the oldest first.
pub(crate) async fn taken_of(rows: &mut Rows, run: &RunId) -> Result<Vec<Job>> {
    let clause = "WHERE run = $1 AND holder IS NOT NULL ORDER BY created_at, attempt";
    rows.find(clause, &[run.as_str().into()]).await
}

/// Why a job is not done in the strict sandbox: the sealed text of the leaf by which it was taken.
pub(crate) async fn reason(rows: &mut Rows, job: &JobId) -> Result<Option<String>> {
    let key = vec![job.as_str().into()];
    if rows.by_key::<JobReason>(key).await?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT l.seq, l.detail FROM job_reason r JOIN ledger_leaf l ON l.seq = r.leaf WHERE r.job = $1";
    let found = ledger::sql::detail(rows, sql, job.as_str()).await?;
    let gone = || {
        Error::tampered(format!(
            "why `{job}` is not in the strict sandbox is missing"
        ))
    };
    found.ok_or_else(gone).map(Some)
}

/// How many jobs of a place are not over.
pub(crate) async fn open_count(rows: &mut Rows, pool: Option<&AgentPoolId>) -> Result<u64> {
    let sql = "SELECT count(*) FROM job
        WHERE status IN ('queued', 'leased') AND coalesce(pool, '') = $1";
    let found = rows.transaction.query(sql, &[place(pool)]).await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}
