//! Every statement on `variable` and `variable_set`.

use statehouse_model::{ValueId, VariableId, VariableOwner, VariableSetId};

use crate::db::Value;
use crate::error::{Error, Result};
use crate::reach::Reach;
use crate::record::{Rows, record};

record! {
    /// A variable of a workspace or of a set.
    pub(crate) struct Variable in "variable" key 1 {
        id: VariableId,
        owner: VariableOwner,
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

record! {
    /// A set of variables, and where it reaches.
    pub(crate) struct VariableSet in "variable_set" key 1 {
        id: VariableSetId,
        name: String,
        description: String,
        /// Whether it reaches every workspace.
        global: bool,
        /// Whether nothing narrower goes over it.
        priority: bool,
        /// The ids of the projects and workspaces that it reaches, separated by spaces.
        scopes: String,
        created_at: i64,
        updated_at: i64,
    }
}

impl VariableSet {
    /// How far it reaches.
    pub(crate) fn reach(&self) -> Reach {
        Reach::of(self.global, &self.scopes)
    }

    /// Has it reach so far, and no further.
    pub(crate) fn set_reach(&mut self, reach: &Reach) {
        self.global = reach.global;
        self.scopes = reach.text();
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &VariableId) -> Result<Option<Variable>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The variable that has a value.
pub(crate) async fn by_value(rows: &mut Rows, id: &ValueId) -> Result<Option<Variable>> {
    rows.one("WHERE value = $1", &[id.as_str().into()]).await
}

/// The variables of a workspace or of a set, by category and name.
pub(crate) async fn of_owner(rows: &mut Rows, owner: &VariableOwner) -> Result<Vec<Variable>> {
    let clause = "WHERE owner = $1 ORDER BY category, name";
    rows.find(clause, &[owner.as_str().into()]).await
}

/// The variables of several, by category and name.
pub(crate) async fn of_owners(rows: &mut Rows, owners: &[VariableOwner]) -> Result<Vec<Variable>> {
    if owners.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=owners.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = owners.iter().map(|owner| owner.as_str().into()).collect();
    let clause = format!(
        "WHERE owner IN ({}) ORDER BY category, name",
        places.join(", ")
    );
    rows.find(&clause, &values).await
}

/// Every set.
pub(crate) async fn sets(rows: &mut Rows) -> Result<Vec<VariableSet>> {
    rows.find("ORDER BY id", &[]).await
}

/// The set of that id, which must be there.
pub(crate) async fn needed_set(rows: &mut Rows, id: &VariableSetId) -> Result<VariableSet> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    found.ok_or_else(|| Error::not_found("variable set"))
}
