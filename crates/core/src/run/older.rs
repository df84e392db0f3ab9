//! Whether what decides about an apply is what was written last, and no older row that was put back.
//!
//! Who can write the database can put back a row with the MAC that it had: an approval that was withdrawn, a right that was
//! taken, a requirement that was lower. Since the run began, the leaves say what was written last of all that. What was put
//! back before that is for `verify --live` to find.

use super::sql::{ApprovalRow, CapsuleRow, Run, RunEvent, RunFile};
use crate::access::{ORGANIZATION, sql::Grant};
use crate::configuration::sql::Configuration;
use crate::error::{Error, Result};
use crate::execution::sql::Execution;
use crate::ledger;
use crate::record::{Rows, Table};
use crate::team::sql::{Team, TeamMember};
use crate::workspace::sql::Workspace;

/// Rows that decide whether somebody's word counts: all of them.
const OF_ALL: [Table; 3] = [
    Table::of::<Grant>(),
    Table::of::<Team>(),
    Table::of::<TeamMember>(),
];

/// Rows that are about a run, its workspace, or what an apply there needs.
const OF_THIS: [Table; 7] = [
    Table::of::<Run>(),
    Table::of::<CapsuleRow>(),
    Table::of::<ApprovalRow>(),
    Table::of::<RunFile>(),
    Table::of::<Configuration>(),
    Table::of::<Workspace>(),
    Table::of::<Execution>(),
];

/// What was put back, a sentence each.
pub(crate) async fn rows(rows: &mut Rows, run: &Run, workspace: &Workspace) -> Result<Vec<String>> {
    let first = ledger::leaf_of::<RunEvent>(rows, &[run.id.as_str().into(), 1_i64.into()]).await?;
    let gone = || Error::tampered(format!("the first event of {} is missing", run.id));
    let first = first.ok_or_else(gone)?;
    let around = [
        run.configuration.as_str(),
        workspace.id.as_str(),
        workspace.project.as_str(),
        ORGANIZATION,
    ];
    let tables = [&OF_ALL[..], &OF_THIS[..]].concat();
    let concern = |about: &str, table: &Table, key: &str| {
        OF_ALL.contains(table) || about == run.id.as_str() || around.contains(&key)
    };
    ledger::put_back(rows, first, &tables, concern).await
}
