//! What a run is given and what it leaves behind, each sealed and write-once.
//!
//! A file of a run is never changed: a plan that is made again after its runner
//! was lost is another part. Logs come in pieces as they are written; what was
//! written of one stays, and each piece is in the ledger before it can be read.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use statehouse_control::Beside;
use statehouse_model::{FileId, JobId, RunId, WorkspaceId};

use super::removal;
use super::sql::{self, RunFile};
use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Plan, Target, Tx};
use crate::error::{Error, Kind as Trouble, Result};
use crate::job::{self, Step};
use crate::object::Object;
use crate::record::Rows;
use crate::state::fingerprint;
use crate::workspace::Workspace;

/// What a file of a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How it was asked to be made.
    Options,
    /// The plan file that terraform wrote.
    Plan,
    /// Its JSON, as `terraform show -json` gives it.
    PlanJson,
    /// The same for the screen, without sensitive values.
    PlanShown,
    /// What the runner found that planned.
    Found,
    /// What was planned and judged, signed.
    Capsule,
    /// What it costs.
    Estimate,
    /// What policies said of it.
    Verdicts,
    /// What policies said of the state that it left.
    StateVerdicts,
    /// A copy of the state that a backend elsewhere had before the plan.
    StateBefore,
    /// A copy of the one that it had after the apply.
    StateAfter,
    /// The log of the plan.
    PlanLog,
    /// The log of the apply.
    ApplyLog,
}

impl Kind {
    /// The word that rows hold.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Plan => "plan",
            Self::PlanJson => "plan-json",
            Self::PlanShown => "plan-shown",
            Self::Found => "found",
            Self::Capsule => "capsule",
            Self::Estimate => "estimate",
            Self::Verdicts => "verdicts",
            Self::StateVerdicts => "state-verdicts",
            Self::StateBefore => "state-before",
            Self::StateAfter => "state-after",
            Self::PlanLog => "plan-log",
            Self::ApplyLog => "apply-log",
        }
    }

    /// The log of a step.
    pub(crate) fn log_of(step: Step) -> Self {
        match step {
            Step::Plan => Self::PlanLog,
            Step::Apply => Self::ApplyLog,
        }
    }

    /// Longest file of the kind, in bytes.
    fn bytes_max(self) -> u64 {
        match self {
            Self::Options | Self::Found | Self::Capsule => 1024 * 1024,
            // Sealed and hashed as a whole: a plan of ten thousand resources has some
            // thirty, its JSON not twice as many.
            Self::StateBefore
            | Self::StateAfter
            | Self::Plan
            | Self::PlanJson
            | Self::PlanShown
            | Self::Estimate => 256 * 1024 * 1024,
            Self::Verdicts | Self::StateVerdicts | Self::PlanLog | Self::ApplyLog => {
                4 * 1024 * 1024
            }
        }
    }
}

/// Pieces of a log that one answer is made of.
const PARTS_MAX: i64 = 64;

/// A file that is sealed and not stored yet.
pub(crate) struct Prepared {
    pub(crate) row: RunFile,
    stored: Stored,
    /// Of its bytes.
    sha256: [u8; 32],
}

impl Prepared {
    pub(crate) fn weight(&self) -> usize {
        self.stored.body.as_ref().map_or(0, Vec::len)
    }
}

/// Seals bytes as a file of a run. Whether a digest is kept in the clear beside
/// them, the kind says: of a plan it is in the capsule anyway. Of the rest a MAC is.
pub(crate) async fn prepare(
    ctx: &Ctx,
    run: &RunId,
    kind: Kind,
    part: u64,
    bytes: impl Into<Beside>,
) -> Result<Prepared> {
    let bytes = bytes.into();
    if bytes.length() > kind.bytes_max() {
        let words = format!(
            "the {} of a run is at most {} bytes long, not {}",
            kind.as_str(),
            kind.bytes_max(),
            bytes.length()
        );
        return Err(Error::invalid(words));
    }
    let mut row = RunFile {
        id: FileId::from_entropy(ctx.house().code(), crate::entropy()),
        run: run.clone(),
        kind: kind.as_str().to_owned(),
        part,
        size: bytes.length(),
        digest: Vec::new(),
        body_digest: Vec::new(),
        commitment: Vec::new(),
        created_at: ctx.house().now(),
    };
    let (stored, sha256) = Object::from(&row).seal(ctx, bytes).await?;
    row.digest = match kind {
        Kind::Plan | Kind::PlanJson | Kind::PlanShown | Kind::Estimate => sha256.to_vec(),
        _ => {
            let keyring = ctx.house().keyring();
            keyring.row_mac(&fingerprint(&sha256)).to_vec()
        }
    };
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    Ok(Prepared {
        row,
        stored,
        sha256,
    })
}

/// Stores a sealed file beside a change.
pub(crate) async fn store<A: Action>(tx: &mut Tx<A>, file: &Prepared) -> Result<()> {
    tx.put(&file.row).await?;
    blob::sql::insert_object(tx, file.row.id.as_str(), &file.stored).await
}

/// What a leaf says of a stored file.
pub(crate) fn told(entry: Entry, row: &RunFile) -> Entry {
    entry
        .fact("file", row.id.as_str())
        .fact("kind", row.kind.as_str())
        .fact("part", row.part)
        .fact("size", row.size)
        .fact("body", hex::encode(&row.body_digest))
        .fact("commitment", hex::encode(&row.commitment))
}

/// Stores a file as a change of its own, for who holds a job. The same part with
/// the same bytes again is answered alike, because runners retry; another is refused.
pub(crate) async fn put<A: Action>(
    ctx: &Ctx,
    action: A,
    (workspace, job): (&WorkspaceId, &JobId),
    file: Prepared,
) -> Result<()> {
    let plan = Plan {
        weight: file.weight(),
        asks: Vec::new(),
    };
    let (id, in_file) = (file.row.id.clone(), file.stored.body.is_none());
    let (given, target) = (
        Arc::new((file, job.clone())),
        Target::Workspace(Workspace::Id(workspace.clone())),
    );
    let result = door::planned(ctx, action, target, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (file, job) = &*given;
            job::held(tx, job).await?;
            if repeats(tx, &file.row, &file.sha256).await? {
                return Ok(Outcome::Unchanged(false));
            }
            follows(tx, &file.row).await?;
            store(tx, file).await?;
            let entry = told(Entry::new(&file.row.run), &file.row);
            Ok(Outcome::Recorded(true, entry))
        })
    })
    .await;
    let named = match &result {
        Ok(stored) => *stored,
        // Whether an unanswered change was made is not known: the file stays.
        Err(error) => *error.kind() == Trouble::Unavailable,
    };
    if in_file && !named {
        ctx.house().blobs().forget(id.as_str());
    }
    result.map(drop)
}

/// Removes the body of a file that was not stored beside its change. Whether an
/// unanswered change was made is not known: then the body stays.
pub(crate) fn forget_refused<T>(ctx: &Ctx, id: &FileId, result: &Result<T>) {
    if result
        .as_ref()
        .is_err_and(|error| *error.kind() != Trouble::Unavailable)
    {
        ctx.house().blobs().forget(id.as_str());
    }
}

/// The same of a change that may find, without being refused, that the file is not needed: then it says `false`.
pub(crate) fn forget_unless(ctx: &Ctx, id: &FileId, stored: &Result<bool>) {
    match stored {
        Ok(true) => {}
        Ok(false) => ctx.house().blobs().forget(id.as_str()),
        Err(_) => forget_refused(ctx, id, stored),
    }
}

/// Whether a part is there already, with these bytes.
async fn repeats(rows: &mut Rows, row: &RunFile, digest: &[u8; 32]) -> Result<bool> {
    let there = sql::part(rows, &row.run, &row.kind, row.part).await?;
    Ok(there.is_some_and(|there| {
        let same = there.digest == digest
            || rows
                .keyring
                .row_mac_verify(&fingerprint(digest), &there.digest);
        there.size == row.size && same
    }))
}

/// Where the log of a step ends so far.
pub(crate) async fn log_end(rows: &mut Rows, run: &RunId, step: Step) -> Result<u64> {
    let last = sql::file(rows, run, Kind::log_of(step).as_str()).await?;
    Ok(last.map_or(0, |last| last.part + last.size))
}

/// A piece of a log begins where the last one ended; every other file is there once
/// for each attempt.
async fn follows(rows: &mut Rows, row: &RunFile) -> Result<()> {
    let last = sql::file(rows, &row.run, &row.kind).await?;
    let log = [Kind::PlanLog, Kind::ApplyLog].map(Kind::as_str);
    let next = match last {
        None => 0,
        Some(last) if log.contains(&&*row.kind) => last.part + last.size,
        Some(last) => last.part + 1,
    };
    if row.part < next {
        let words = format!(
            "the run has part {} of its {} already, with other bytes",
            row.part, row.kind
        );
        return Err(
            Error::new(Trouble::Conflict, words).hint("what a run left behind is not changed")
        );
    }
    if log.contains(&&*row.kind) && row.part > next {
        let words = format!("the log goes on at byte {next}, not at {}", row.part);
        return Err(Error::invalid(words).hint("send the piece that is missing first"));
    }
    Ok(())
}

/// A file of a run as it is stored.
pub(crate) async fn find(
    rows: &mut Rows,
    run: &RunId,
    kind: Kind,
) -> Result<Option<(Object, Stored)>> {
    let Some(row) = sql::file(rows, run, kind.as_str()).await? else {
        return Ok(None);
    };
    let (object, stored) = stored(rows, &row).await?;
    Ok(Some((object, stored)))
}

/// The sealed bytes of a file, if they are still kept.
async fn stored(rows: &mut Rows, row: &RunFile) -> Result<(Object, Stored)> {
    let object = Object::from(row);
    match object.stored(rows).await {
        Ok(stored) => Ok((object, stored)),
        Err(missing) => Err(removal::why_gone(rows, row, missing).await),
    }
}

/// Some of a log, from a place on; empty where nothing is there yet.
pub(crate) async fn log(
    rows: &mut Rows,
    run: &RunId,
    kind: Kind,
    from: u64,
) -> Result<Vec<(u64, Object, Stored)>> {
    let mut found = Vec::new();
    for row in sql::parts(rows, run, kind.as_str(), from, PARTS_MAX).await? {
        let (object, stored) = stored(rows, &row).await?;
        found.push((row.part, object, stored));
    }
    Ok(found)
}

/// Opens pieces of a log, and gives at most `limit` bytes from a place on.
pub(crate) async fn opened(
    ctx: &Ctx,
    pieces: Vec<(u64, Object, Stored)>,
    from: u64,
    limit: usize,
) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    for (part, object, stored) in pieces {
        let piece = object.open(ctx, stored).await?;
        let skip = usize::try_from(from.saturating_sub(part)).unwrap_or(usize::MAX);
        bytes.extend_from_slice(piece.get(skip..).unwrap_or_default());
        if bytes.len() >= limit {
            bytes.truncate(limit);
            break;
        }
    }
    Ok(bytes.freeze())
}
