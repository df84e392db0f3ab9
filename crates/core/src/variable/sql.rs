//! Every statement on `variable`.

use statehouse_model::{ValueId, VariableId, WorkspaceId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A variable of a workspace.
    pub(crate) struct Variable in "variable" key 1 {
        id: VariableId,
        workspace: WorkspaceId,
        /// A word of [`super::Category`].
        category: String,
        name: String,
        description: String,
        /// Whether its value is a literal of HCL.
        hcl: bool,
        /// Whether nobody may see its value.
        sensitive: bool,
        /// Under which its value is kept.
        value: ValueId,
        /// Bytes of the value.
        size: u64,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        created_at: i64,
        updated_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &VariableId) -> Result<Option<Variable>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The variable that has a value.
pub(crate) async fn by_value(rows: &mut Rows, id: &ValueId) -> Result<Option<Variable>> {
    rows.one("WHERE value = $1", &[id.as_str().into()]).await
}

/// The variables of a workspace, by category and name.
pub(crate) async fn of_workspace(rows: &mut Rows, id: &WorkspaceId) -> Result<Vec<Variable>> {
    let clause = "WHERE workspace = $1 ORDER BY category, name";
    rows.find(clause, &[id.as_str().into()]).await
}
