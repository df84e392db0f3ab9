//! Sets of variables: given to the runs of many workspaces.
//!
//! A set reaches every workspace of the organization, or those that it is attached
//! to and those of the projects that it is attached to; never both, so that what a
//! set reaches is said in one place. With priority, nothing that is said for less of
//! the organization goes over it ([`super::given`]).
//!
//! Who changes a set puts values, those of environments too, into runs of workspaces
//! all over the organization. So everything here, and the variables of a set, needs
//! `variable.write` over the organization itself: whoever holds that may write the
//! variables of each workspace one by one, and a set is no more than that. Attaching
//! a set to a workspace is a change of the set: who may write that workspace alone
//! may not.
//!
//! Absent on purpose: sets that belong to a project.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use statehouse_model::{
    HouseCode, Permission, ProjectId, VariableOwner, VariableSetId, WorkspaceId,
};

use super::sql::{self, VariableSet};
use super::{DESCRIPTION_BYTES_MAX, erase};
use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::project::{self, Project};
use crate::reach::{self, To};
use crate::record::Rows;
use crate::workspace::{self, Workspace};

actions! {
    /// Make a set.
    CreateSet = "variable-set.create" needs VariableWrite;
    /// Change its name, what it is for, how far it reaches.
    ChangeSet = "variable-set.change" needs VariableWrite;
    /// Attach it to projects and workspaces.
    AttachSet = "variable-set.attach" needs VariableWrite;
    /// Take it from them.
    DetachSet = "variable-set.detach" needs VariableWrite;
    /// Remove it with its variables.
    RemoveSet = "variable-set.remove" needs VariableWrite;
    /// See sets, and which variables they have.
    ListSets = "variable-set.list" needs VariableRead;
}

/// Sets of one organization: each is looked at before each run.
const SETS_MAX: usize = 200;
/// Longest name, in characters, as HCP Terraform has it.
const NAME_CHARS_MAX: usize = 90;

/// What it is called in words.
const WHAT: &str = "a set of variables";

/// What a set shall be; what is `None` stays as it is, or is as it is by itself.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name, unique in the organization.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How far it reaches.
    pub reach: reach::Wish,
    /// Whether nothing that is said for less of the organization goes over it.
    pub priority: Option<bool>,
}

impl Wish {
    fn checked(&self) -> Result<()> {
        if let Some(name) = &self.name {
            let chars = name.chars().count();
            let plain = !name.chars().any(char::is_control) && name.trim() == name;
            if !plain || !(1..=NAME_CHARS_MAX).contains(&chars) {
                return Err(Error::invalid(format!(
                    "a set of variables has a name of 1 to {NAME_CHARS_MAX} characters, blanks only within"
                )));
            }
        }
        let long = |text: &String| text.len() > DESCRIPTION_BYTES_MAX;
        if self.description.as_ref().is_some_and(long) {
            let words = format!("the description is longer than {DESCRIPTION_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        self.reach.checked(WHAT)
    }

    /// Makes a set what is wished.
    async fn over(&self, rows: &mut Rows, set: &mut VariableSet) -> Result<()> {
        if let Some(name) = &self.name {
            set.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            set.description.clone_from(description);
        }
        set.priority = self.priority.unwrap_or(set.priority);
        let reach = self.reach.over(rows, WHAT, &set.reach()).await?;
        set.set_reach(&reach);
        Ok(())
    }
}

/// A set, for people and programs to read.
#[derive(Debug, Clone)]
pub struct SetView {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it reaches every workspace.
    pub global: bool,
    /// Whether nothing that is said for less of the organization goes over it.
    pub priority: bool,
    /// The ids of the projects that it is attached to.
    pub projects: Vec<String>,
    /// The ids of the workspaces that it is attached to.
    pub workspaces: Vec<String>,
    /// The ids of its variables, by category and name.
    pub variables: Vec<String>,
    /// Whether the caller may change it.
    pub manageable: bool,
    /// When it was changed last, in microseconds since 1970; its variables aside.
    pub updated_at: i64,
}

/// Sets as they are shown, by name. A deleted workspace keeps its sets until it
/// comes back, and is not shown with them.
async fn views(rows: &mut Rows, ctx: &Ctx, mut sets: Vec<VariableSet>) -> Result<Vec<SetView>> {
    sets.sort_by(|one, other| one.name.cmp(&other.name));
    let owner = |set: &VariableSet| VariableOwner::Set(set.id.clone());
    let owners: Vec<VariableOwner> = sets.iter().map(owner).collect();
    let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sql::of_owners(rows, &owners).await? {
        let of = variables.entry(row.owner.to_string()).or_default();
        of.push(row.id.to_string());
    }
    let attached: BTreeSet<WorkspaceId> = sets
        .iter()
        .flat_map(|set| set.reach().split().1)
        .filter_map(|scope| scope.parse().ok())
        .collect();
    let attached: Vec<WorkspaceId> = attached.into_iter().collect();
    let deleted = workspace::sql::deleted_of(rows, &attached).await?;
    let now = ctx.house().now();
    let manageable =
        access::holds(rows, ctx, Permission::VariableWrite, &Target::House, now).await?;
    let view = |set: VariableSet| {
        let (projects, workspaces) = set.reach().split();
        let shown = workspaces
            .into_iter()
            .filter(|each| !deleted.contains(each));
        SetView {
            workspaces: shown.collect(),
            variables: variables.remove(set.id.as_str()).unwrap_or_default(),
            id: set.id.to_string(),
            name: set.name,
            description: set.description,
            global: set.global,
            priority: set.priority,
            projects,
            manageable,
            updated_at: set.updated_at,
        }
    };
    Ok(sets.into_iter().map(view).collect())
}

async fn view(rows: &mut Rows, ctx: &Ctx, set: VariableSet) -> Result<SetView> {
    let shown = views(rows, ctx, vec![set]).await?.pop();
    shown.ok_or_else(|| Error::not_found("variable set"))
}

/// What a leaf says of a set: how far it reaches, and what it is attached to.
fn told(set: &VariableSet) -> Entry {
    let entry = Entry::new(&set.id)
        .fact("global", set.global)
        .fact("priority", set.priority);
    reach::named(entry, set.reach().scopes())
}

async fn require_free(rows: &mut Rows, set: &VariableSet) -> Result<()> {
    let mut all = sql::sets(rows).await?;
    all.retain(|other| other.id != set.id);
    if all.iter().any(|other| other.name == set.name) {
        let words = format!("a set of variables named `{}` exists", set.name);
        return Err(Error::new(Kind::Conflict, words));
    }
    if all.len() >= SETS_MAX {
        let words = format!("there are {SETS_MAX} sets of variables already");
        return Err(Error::new(Kind::Conflict, words).hint("remove some"));
    }
    Ok(())
}

fn new(house: HouseCode, now: i64) -> VariableSet {
    VariableSet {
        id: VariableSetId::from_entropy(house, crate::entropy()),
        name: String::new(),
        description: String::new(),
        global: false,
        priority: false,
        scopes: String::new(),
        created_at: now,
        updated_at: now,
    }
}

/// Makes a set; its name must be free.
pub async fn create(ctx: &Ctx, wish: Wish) -> Result<SetView> {
    wish.checked()?;
    if wish.name.is_none() {
        return Err(Error::invalid("a set of variables needs a name"));
    }
    let set = new(ctx.house().code(), ctx.house().now());
    let given = Arc::new((set, wish, ctx.clone()));
    door::change(ctx, CreateSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (set, wish, asked) = &*given;
            let mut set = set.clone();
            wish.over(tx, &mut set).await?;
            require_free(tx, &set).await?;
            tx.put(&set).await?;
            let entry = told(&set);
            Ok(Outcome::Recorded(view(tx, asked, set).await?, entry))
        })
    })
    .await
}

/// Changes a set.
pub async fn update(ctx: &Ctx, id: &VariableSetId, wish: Wish) -> Result<SetView> {
    wish.checked()?;
    let given = Arc::new((id.clone(), wish, ctx.clone()));
    door::change(ctx, ChangeSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, wish, asked) = &*given;
            let old = sql::needed_set(tx, id).await?;
            let mut set = old.clone();
            wish.over(tx, &mut set).await?;
            let said = |set: &VariableSet| {
                let words = [&set.name, &set.description, &set.scopes].map(String::clone);
                (words, set.global, set.priority)
            };
            if said(&set) == said(&old) {
                return Ok(Outcome::Unchanged(view(tx, asked, set).await?));
            }
            require_free(tx, &set).await?;
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = told(&set);
            Ok(Outcome::Recorded(view(tx, asked, set).await?, entry))
        })
    })
    .await
}

/// Attaches a set to projects and workspaces, beside those that it is attached to.
pub async fn attach(ctx: &Ctx, id: &VariableSetId, to: Vec<To>) -> Result<()> {
    reach::bounded(WHAT, to.len())?;
    let given = Arc::new((id.clone(), to));
    door::change(ctx, AttachSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, to) = &*given;
            let mut set = sql::needed_set(tx, id).await?;
            let mut reach = set.reach();
            let new = reach.attach(tx, WHAT, to).await?;
            if new.is_empty() {
                return Ok(Outcome::Unchanged(()));
            }
            set.set_reach(&reach);
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = reach::named(Entry::new(&set.id), new.iter().map(String::as_str));
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Takes a set from projects and workspaces. One that it is not attached to is passed over.
pub async fn detach(ctx: &Ctx, id: &VariableSetId, from: Vec<To>) -> Result<()> {
    reach::bounded(WHAT, from.len())?;
    let given = Arc::new((id.clone(), from));
    door::change(ctx, DetachSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, from) = &*given;
            let set = sql::needed_set(tx, id).await?;
            let from: Vec<&str> = from.iter().map(To::as_str).collect();
            match leave(tx, set, &from).await? {
                Some(entry) => Ok(Outcome::Recorded((), entry)),
                None => Ok(Outcome::Unchanged(())),
            }
        })
    })
    .await
}

/// Takes a set from what it is attached to of these, and says what a leaf is to say;
/// `None` where that is none of them.
async fn leave<A: Action>(
    tx: &mut Tx<A>,
    mut set: VariableSet,
    from: &[&str],
) -> Result<Option<Entry>> {
    let mut reach = set.reach();
    let gone = reach.detach(from);
    if gone.is_empty() {
        return Ok(None);
    }
    set.set_reach(&reach);
    set.updated_at = tx.now();
    tx.put(&set).await?;
    let entry = reach::named(Entry::new(&set.id), gone.iter().map(String::as_str));
    Ok(Some(entry))
}

/// Takes every set from a project that is removed.
pub(crate) async fn leave_project<A: Action>(tx: &mut Tx<A>, project: &ProjectId) -> Result<()> {
    for set in sql::sets(tx).await? {
        leave(tx, set, &[project.as_str()]).await?;
    }
    Ok(())
}

/// Removes a set with its variables: runs are not given them any more.
pub async fn remove(ctx: &Ctx, id: &VariableSetId) -> Result<()> {
    let id = id.clone();
    door::change(ctx, RemoveSet, Target::House, move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let set = sql::needed_set(tx, &id).await?;
            let variables = sql::of_owner(tx, &VariableOwner::Set(set.id.clone())).await?;
            for row in &variables {
                erase(tx, row).await?;
            }
            tx.remove::<VariableSet>(&[set.id.as_str().into()]).await?;
            let entry = told(&set).fact("variables", variables.len());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Every set, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<SetView>> {
    let asked = ctx.clone();
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            let sets = sql::sets(rows).await?;
            views(rows, &asked, sets).await
        })
    })
    .await
}

/// One set.
pub async fn show(ctx: &Ctx, id: &VariableSetId) -> Result<SetView> {
    let (asked, id) = (ctx.clone(), id.clone());
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            let set = sql::needed_set(rows, &id).await?;
            view(rows, &asked, set).await
        })
    })
    .await
}

/// The sets that reach a workspace, by name. Whoever may see the workspace's variables
/// sees them; where else they reach, and what they hold, is the organization's.
pub async fn of_workspace(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<SetView>> {
    let (asked, wanted) = (ctx.clone(), workspace.clone());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ListSets, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let scopes = [workspace.project.as_str(), workspace.id.as_str()];
            reaching(rows, &asked, &scopes).await
        })
    })
    .await
}

/// The sets that reach all workspaces of a project, by name; seen like those of a workspace.
pub async fn of_project(ctx: &Ctx, project: &Project) -> Result<Vec<SetView>> {
    let (asked, wanted) = (ctx.clone(), project.clone());
    door::read(ctx, ListSets, &project.target(), move |rows| {
        Box::pin(async move {
            let project = project::sql::needed(rows, &wanted).await?;
            reaching(rows, &asked, &[project.id.as_str()]).await
        })
    })
    .await
}

/// The sets that reach one of these, with nothing of what else they reach.
async fn reaching(rows: &mut Rows, ctx: &Ctx, scopes: &[&str]) -> Result<Vec<SetView>> {
    let mut reaching = Vec::new();
    for mut set in sql::sets(rows).await? {
        let mut reach = set.reach();
        reach
            .scopes
            .retain(|scope| scopes.contains(&scope.as_str()));
        if reach.global || !reach.scopes.is_empty() {
            set.set_reach(&reach);
            reaching.push(set);
        }
    }
    views(rows, ctx, reaching).await
}
