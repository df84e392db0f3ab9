//! Which variables a run is given: of all that are said for it under one name, the strongest.
//!
//! The order is HCP Terraform's, from the weakest: global sets, sets attached to the
//! project, sets attached to the workspace, the workspace's own variables, those of
//! the run alone, and above them sets with priority, of which the wider ones are the
//! stronger: a run, and who may start it, cannot say otherwise. Of two sets alike,
//! the one whose name comes first by its code points counts; how old they are, or
//! who changed one last, does not. Variables of terraform and of the environment
//! are apart: one does not go over the other here.
//!
//! Only what a run is given is opened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use statehouse_model::VariableOwner;
use zeroize::Zeroizing;

use super::sql::{self, Variable, VariableSet};
use super::{Category, open};
use crate::error::{Error, Result};
use crate::house::House;
use crate::record::Rows;
use crate::workspace::sql::Workspace;

/// A variable with its value, for a run.
#[derive(Clone)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Zeroizing<String>,
    /// What it is one of.
    pub category: Category,
    /// Whether the value is a literal of HCL.
    pub hcl: bool,
    /// Whether nobody may see the value.
    pub sensitive: bool,
}

/// How strongly a variable is said; of two of one name, the greater counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Global,
    Project,
    Workspace,
    /// The workspace's own.
    Own,
    /// That of one run.
    Run,
    PriorityWorkspace,
    PriorityProject,
    PriorityGlobal,
}

impl Rank {
    /// How strongly a set speaks to a workspace, if it reaches it: in the way in
    /// which it is the strongest, where there is more than one.
    pub(super) fn of(set: &VariableSet, workspace: &Workspace) -> Option<Self> {
        let reach = set.reach();
        let ways = [
            (reach.global, Self::Global, Self::PriorityGlobal),
            (
                reach.scopes.contains(workspace.project.as_str()),
                Self::Project,
                Self::PriorityProject,
            ),
            (
                reach.scopes.contains(workspace.id.as_str()),
                Self::Workspace,
                Self::PriorityWorkspace,
            ),
        ];
        let reaching = ways.into_iter().filter(|(reaches, ..)| *reaches);
        reaching
            .map(|(_, plain, priority)| if set.priority { priority } else { plain })
            .max()
    }
}

/// Whoever has variables for a workspace, the weakest first.
pub(super) fn owners(sets: Vec<VariableSet>, workspace: &Workspace) -> Vec<(Rank, VariableOwner)> {
    let reaching = sets.into_iter().filter_map(|set| {
        let rank = Rank::of(&set, workspace)?;
        Some(((rank, Reverse(set.name)), VariableOwner::Set(set.id)))
    });
    let mut all: Vec<_> = reaching.collect();
    let own = VariableOwner::Workspace(workspace.id.clone());
    all.push(((Rank::Own, Reverse(String::new())), own));
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all.into_iter()
        .map(|((rank, _), owner)| (rank, owner))
        .collect()
}

/// Longest values of one run together, in bytes: each part of a run opens them all at once.
const GIVEN_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A category and a name.
type Called = (String, String);

/// What remains of these variables where several have one name; `owners` stand in
/// their order.
pub(super) fn strongest(
    owners: &[(Rank, VariableOwner)],
    variables: Vec<Variable>,
) -> BTreeMap<Called, (Rank, Variable)> {
    let places: HashMap<&VariableOwner, usize> = owners
        .iter()
        .enumerate()
        .map(|(place, (_, owner))| (owner, place))
        .collect();
    let mut placed: Vec<(usize, Variable)> = variables
        .into_iter()
        .filter_map(|variable| Some((*places.get(&variable.owner)?, variable)))
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut remain = BTreeMap::new();
    for (place, variable) in placed {
        if let Some((rank, _)) = owners.get(place) {
            let called = (variable.category.clone(), variable.name.clone());
            remain.insert(called, (*rank, variable));
        }
    }
    remain
}

/// What a run of a workspace is given, by category and name; `of_run` is what was
/// said for it alone, literals of HCL by the names of terraform's variables.
pub(crate) async fn given(
    rows: &mut Rows,
    house: &House,
    workspace: &Workspace,
    of_run: &BTreeMap<String, String>,
) -> Result<Vec<Given>> {
    let owners = owners(sql::sets(rows).await?, workspace);
    let ids: Vec<VariableOwner> = owners.iter().map(|(_, owner)| owner.clone()).collect();
    let stored = strongest(&owners, sql::of_owners(rows, &ids).await?);
    let bytes = stored.values().map(|(_, row)| row.size);
    let bytes = bytes.fold(0, u64::saturating_add);
    if bytes > GIVEN_BYTES_MAX {
        let words = format!(
            "the variables of a run have {bytes} bytes in all, and at most {GIVEN_BYTES_MAX} may be given to one"
        );
        return Err(Error::invalid(words).hint("shorten them, or attach fewer sets"));
    }
    let terraform = Category::Terraform;
    let mut all: BTreeMap<Called, Given> = BTreeMap::new();
    for (name, value) in of_run {
        let given = Given {
            name: name.clone(),
            value: Zeroizing::new(value.clone()),
            category: terraform,
            hcl: true,
            sensitive: false,
        };
        all.insert((terraform.as_str().to_owned(), name.clone()), given);
    }
    for (called, (rank, row)) in stored {
        if rank < Rank::Run && all.contains_key(&called) {
            continue;
        }
        let given = Given {
            value: open(rows, house, &row).await?,
            category: row.category.parse()?,
            name: row.name,
            hcl: row.hcl,
            sensitive: row.sensitive,
        };
        all.insert(called, given);
    }
    Ok(all.into_values().collect())
}
