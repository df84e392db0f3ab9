//! Whether what decides about an apply is what was written last, and no older row that was put back.
//!
//! Who can write the database can put back a row with the MAC that it had: an approval that was withdrawn, a right that was
//! taken, a requirement that was lower, a workspace that was not frozen yet. Since the run began, the leaves say what was written last of all that. What was put
//! back before that is for `verify --live` to find.

use super::sql::{ApprovalRow, CapsuleRow, Run, RunEvent, RunFile};
use crate::access::{ORGANIZATION, sql::Grant};
use crate::configuration::sql::{Brought, Configuration};
use crate::cost::sql::CostEstimate;
use crate::error::{Error, Result};
use crate::execution::sql::{Execution, ExecutionTool};
use crate::house::Base;
use crate::ledger::{self, Concern, Since};
use crate::policy::sql::{PolicyBundle, PolicyOverride, PolicySet};
use crate::record::{Rows, Table};
use crate::team::sql::{Team, TeamMember};
use crate::workspace::freeze::sql::Freeze;
use crate::workspace::sql::Workspace;

/// Rows that decide whether somebody's word counts, and by what is judged: all of them.
const OF_ALL: [Table; 5] = [
    Table::of::<Grant>(),
    Table::of::<Team>(),
    Table::of::<TeamMember>(),
    Table::of::<PolicySet>(),
    Table::of::<PolicyBundle>(),
];

/// Rows that are about a run, its workspace, or what an apply there needs.
const OF_THIS: [Table; 12] = [
    Table::of::<Run>(),
    Table::of::<CapsuleRow>(),
    Table::of::<ApprovalRow>(),
    Table::of::<PolicyOverride>(),
    Table::of::<RunFile>(),
    Table::of::<CostEstimate>(),
    Table::of::<Configuration>(),
    Table::of::<Brought>(),
    Table::of::<Workspace>(),
    Table::of::<Freeze>(),
    Table::of::<Execution>(),
    Table::of::<ExecutionTool>(),
];

/// What the leaves since a run began wrote of all these rows.
#[derive(Clone)]
pub(crate) struct Written {
    since: Since,
    around: Around,
}

/// Of which rows it is asked: those of a run, and of what is around it.
#[derive(Clone, PartialEq, Eq)]
struct Around {
    run: String,
    keys: [String; 4],
    tables: Vec<Table>,
}

impl Around {
    fn of(run: &Run, workspace: &Workspace) -> Self {
        Self {
            run: run.id.to_string(),
            keys: [
                run.configuration.to_string(),
                workspace.id.to_string(),
                workspace.project.to_string(),
                ORGANIZATION.to_owned(),
            ],
            tables: [&OF_ALL[..], &OF_THIS[..]].concat(),
        }
    }
}

impl Concern for Around {
    fn tables(&self) -> &[Table] {
        &self.tables
    }

    fn is_of(&self, about: &str, table: &Table, key: &str) -> bool {
        OF_ALL.contains(table) || about == self.run || self.keys.iter().any(|each| each == key)
    }
}

impl Written {
    /// Begins to read, at the leaf by which the run began.
    pub(crate) async fn since(rows: &mut Rows, run: &Run, workspace: &Workspace) -> Result<Self> {
        let key = [run.id.as_str().into(), 1_i64.into()];
        let first = ledger::leaf_of::<RunEvent>(rows, &key).await?;
        let gone = || Error::tampered(format!("the first event of {} is missing", run.id));
        Ok(Self {
            since: Since::leaf(rows, first.ok_or_else(gone)?).await?,
            around: Around::of(run, workspace),
        })
    }

    /// Reads on for a while. Says whether there may be more.
    pub(crate) async fn read_on(&mut self, rows: &mut Rows) -> Result<bool> {
        let end = ledger::sql::size_seen(&mut rows.transaction).await?;
        self.since.read_on(rows, end, &self.around).await
    }

    /// What was put back, a sentence each.
    pub(crate) async fn put_back(
        self,
        rows: &mut Rows,
        base: &Base,
        (run, workspace): (&Run, &Workspace),
    ) -> Result<Vec<String>> {
        let is_around = self.around == Around::of(run, workspace);
        // Something around it is another meanwhile: what was read was asked about less.
        let written = if is_around {
            self
        } else {
            Self::since(rows, run, workspace).await?
        };
        written.since.put_back(rows, base, &written.around).await
    }
}
