//! Removing what looks for drift left behind: the bytes of their plans and logs go, the rows and the leaves stay.
//!
//! A look that is started every hour keeps a plan each time, and nobody ever decides about it. What it found out is a
//! row of its own, which stays with the digests of everything; so does how it was asked to be made, and what its runner
//! found. A policy of retention says after how long the rest goes ([`crate::retention`]). Of any other run nothing is
//! removed: what it planned was, or could be, agreed on.

pub(crate) mod sql;

use statehouse_model::WorkspaceId;

use super::machine::Kind;
use super::needed;
use super::sql::RunFile;
use crate::blob;
use crate::door::{Action, Tx};
use crate::drift;
use crate::error::{Error, Kind as Trouble, Result};
use crate::record::Rows;
use sql::Removal;

/// What of a workspace's looks is over that ended before a leaf, each row held against its MAC.
pub(crate) async fn over(
    rows: &mut Rows,
    workspace: &WorkspaceId,
    cut: u64,
    limit: i64,
) -> Result<Vec<RunFile>> {
    let found = sql::over(rows, workspace, cut, limit).await?;
    for file in &found {
        let run = needed(rows, &file.run).await?;
        let (state, check) = (run.state()?, drift::sql::of_run(rows, &run.id).await?);
        let ended = state.kind() == Kind::Drift && state.status().is_final();
        if !ended || run.workspace != *workspace || check.is_none() {
            let words = format!("run {} is no look for drift that ended", run.id);
            return Err(Error::tampered(words));
        }
    }
    Ok(found)
}

/// Removes the bytes of a file in the database, and names the object whose file is to go after the commit.
pub(crate) async fn remove<A: Action>(
    tx: &mut Tx<A>,
    file: &RunFile,
    (by, since): (&str, &str),
) -> Result<String> {
    blob::sql::remove(tx, file.id.as_str()).await?;
    let removal = Removal {
        file: file.id.clone(),
        run: file.run.clone(),
        removed_by: by.to_owned(),
        since: since.to_owned(),
        removed_at: tx.now(),
    };
    tx.put(&removal).await?;
    Ok(file.id.to_string())
}

/// Why a file has no bytes: they were removed, or they are missing.
pub(crate) async fn why_gone(rows: &mut Rows, file: &RunFile, missing: Error) -> Error {
    if *missing.kind() != Trouble::Tampered {
        return missing;
    }
    match sql::of(rows, &file.id).await {
        Ok(Some(removal)) => told(file, &removal),
        Ok(None) => missing,
        Err(error) => error,
    }
}

fn told(file: &RunFile, removal: &Removal) -> Error {
    let words = format!(
        "the {} of run {} was removed by retention on {}",
        file.kind, file.run, removal.since
    );
    let hint = "what the run found out stays recorded, and so do the digests; the bytes may be in a backup made before";
    Error::new(Trouble::Conflict, words).hint(hint)
}
