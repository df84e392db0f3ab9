//! Every statement on `job`.

use statehouse_model::{JobId, RunId};

use crate::db::{Row, Value};
use crate::error::{Error, Result};
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
        /// Who has it.
        holder: Option<String>,
        lease_until: Option<i64>,
        created_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &JobId) -> Result<Option<Job>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// Jobs that wait for a runner, the oldest first. Only their ids: one that does
/// not read keeps none of the others waiting.
pub(crate) async fn queued(rows: &mut Rows, limit: i64) -> Result<Vec<JobId>> {
    let sql = "SELECT id FROM job WHERE status = 'queued' ORDER BY created_at, id LIMIT $1";
    let found = rows.transaction.query(sql, &[Value::Int(limit)]).await?;
    found.iter().map(id).collect()
}

/// Runs with a job whose lease ended before `now`.
pub(crate) async fn lapsed(rows: &mut Rows, now: i64, limit: i64) -> Result<Vec<RunId>> {
    let sql = "SELECT run FROM job
        WHERE status = 'leased' AND lease_until < $1 ORDER BY lease_until, id LIMIT $2";
    let values = [Value::Int(now), Value::Int(limit)];
    let found = rows.transaction.query(sql, &values).await?;
    found.iter().map(id).collect()
}

fn id<T: std::str::FromStr>(row: &Row) -> Result<T> {
    let text = row.text(0)?;
    text.parse()
        .map_err(|_| Error::tampered(format!("`{text}` is no id")))
}

/// The job of a run that is not over.
pub(crate) async fn open_of(rows: &mut Rows, run: &RunId) -> Result<Option<Job>> {
    let clause = "WHERE run = $1 AND status IN ('queued', 'leased')";
    rows.one(clause, &[run.as_str().into()]).await
}

/// How many jobs are not over.
pub(crate) async fn open_count(rows: &mut Rows) -> Result<u64> {
    let sql = "SELECT count(*) FROM job WHERE status IN ('queued', 'leased')";
    let found = rows.transaction.query(sql, &[]).await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}
