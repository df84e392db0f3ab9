//! Policy sets: what the plans of many workspaces are judged by.
//!
//! A set has a bundle of policies, which is never changed: to publish another puts that in force, and the one before stays for history. It reaches every
//! workspace of the organization, or those that are named, those of projects that are named and those with a tag; and none that it is told to leave out.
//! What it says of a plan is judged after each plan and again before each apply ([`judge`]), in a process apart ([`Judge`]); no run can leave it out.
//!
//! Who may change a set decides what may be applied all over the organization, so everything here needs `policy.write` over the organization itself.
//! What a set is against at `soft-mandatory`, somebody with `policy.override` may let pass for one plan, with a reason ([`overrule`]).
//!
//! Absent on purpose: the evaluation of policies, which is the crate `policy`; and sets that belong to a project.

mod documents;
pub mod exclude;
mod facts;
pub(crate) mod force;
mod gate;
pub mod judge;
pub mod overrule;
pub mod publish;
pub mod replay;
pub mod repository;
pub(crate) mod saved;
pub mod seen;
pub(crate) mod sql;
#[cfg(test)]
mod tests;
mod transition;
pub mod upload;
pub mod workers;

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use statehouse_model::{HouseCode, Permission, PolicySetId, ProjectId, WorkspaceId};

use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::reach::{self, To};
use crate::record::{Record, Rows};
use crate::workspace::{self, Workspace};
pub use judge::Judge;
use sql::PolicySet;

actions! {
    /// Make a set.
    CreateSet = "policy-set.create" needs PolicyWrite;
    /// Change its name, its settings, how far it reaches.
    ChangeSet = "policy-set.change" needs PolicyWrite;
    /// Attach it to projects and workspaces.
    AttachSet = "policy-set.attach" needs PolicyWrite;
    /// Take it from them.
    DetachSet = "policy-set.detach" needs PolicyWrite;
    /// Remove it; what it said of runs stays.
    RemoveSet = "policy-set.remove" needs PolicyWrite;
    /// See sets.
    ListSets = "policy-set.list" needs PolicyRead;
}

/// Sets of one organization: each is looked at before each run.
const SETS_MAX: usize = 100;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 90;
/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Tags, and excluded workspaces, of one set.
const TAGS_MAX: usize = 100;
/// Longest parameters and exceptions, in bytes of JSON: a leaf has their digest, a row all of them.
const DATA_BYTES_MAX: usize = 64 * 1024;
/// What it is called in words.
const WHAT: &str = "a policy set";

/// The strictest level that policies of a set have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// What they are against is advice.
    Advisory,
    /// What they are against may be let pass.
    SoftMandatory,
    /// Each has the level of its own.
    #[default]
    HardMandatory,
}

impl Enforcement {
    /// The word on the wire, and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::SoftMandatory => "soft-mandatory",
            Self::HardMandatory => "hard-mandatory",
        }
    }
}

impl FromStr for Enforcement {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let all = [Self::Advisory, Self::SoftMandatory, Self::HardMandatory];
        let found = all.into_iter().find(|each| each.as_str() == word);
        found.ok_or_else(|| {
            let word: String = word.chars().take(64).collect();
            Error::invalid(format!(
                "`{word}` is no level of enforcement; known are `advisory`, `soft-mandatory` and `hard-mandatory`"
            ))
        })
    }
}

/// Something that a set does not hold against somebody, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exception {
    /// Of which policy.
    pub policy: String,
    /// For which resources, by address; `*` stands for any letters.
    pub address: String,
    /// Until when, in microseconds since 1970.
    pub until: i64,
    /// Why.
    pub reason: String,
}

/// What a set shall be; what is `None` stays as it is, or is as it is by itself.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name, unique in the organization.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How far it reaches.
    pub reach: reach::Wish,
    /// The tags of workspaces that it reaches, and no others: `key`, or `key=value`.
    pub tags: Option<Vec<String>>,
    /// The workspaces that it does not reach all the same, and no others.
    pub excluded: Option<Vec<WorkspaceId>>,
    /// The strictest level that its policies have.
    pub enforcement: Option<Enforcement>,
    /// Values of its parameters, all of them.
    pub parameters: Option<Map<String, Value>>,
    /// Its exceptions, all of them.
    pub exceptions: Option<Vec<Exception>>,
    /// How many hours of past plans a bundle must have been replayed over before it is in force; 0 for none.
    pub replay_hours: Option<u64>,
}

impl Wish {
    fn checked(&self) -> Result<()> {
        if let Some(name) = &self.name {
            let chars = name.chars().count();
            let plain = !name.chars().any(char::is_control) && name.trim() == name;
            if !plain || !(1..=NAME_CHARS_MAX).contains(&chars) {
                return Err(Error::invalid(format!(
                    "a policy set has a name of 1 to {NAME_CHARS_MAX} characters, blanks only within"
                )));
            }
        }
        let long = |text: &String| text.len() > DESCRIPTION_BYTES_MAX;
        if self.description.as_ref().is_some_and(long) {
            let words = format!("the description is longer than {DESCRIPTION_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        let tags = self.tags.iter().flatten();
        if let Some(tag) = tags
            .clone()
            .find(|tag| tag.is_empty() || tag.contains(char::is_control))
        {
            return Err(Error::invalid(format!(
                "`{}` is no tag",
                tag.escape_debug()
            )));
        }
        if tags.count().max(self.excluded.iter().flatten().count()) > TAGS_MAX {
            let words = format!("a policy set has at most {TAGS_MAX} tags, and as many exclusions");
            return Err(Error::invalid(words));
        }
        for exception in self.exceptions.iter().flatten() {
            if exception.reason.trim().is_empty()
                || exception.policy.is_empty()
                || exception.address.is_empty()
            {
                return Err(Error::invalid(
                    "an exception names a policy, an address (`*` for all) and a reason",
                ));
            }
        }
        if self
            .replay_hours
            .is_some_and(|hours| hours > gate::HOURS_MAX)
        {
            let words = format!("a replay goes back at most {} hours", gate::HOURS_MAX);
            return Err(Error::invalid(words));
        }
        self.reach.checked(WHAT)
    }

    /// Makes a set what is wished.
    async fn over(&self, rows: &mut Rows, set: &mut PolicySet) -> Result<()> {
        if let Some(name) = &self.name {
            set.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            set.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            set.tags = lines(tags);
        }
        if let Some(excluded) = &self.excluded {
            for each in excluded {
                To::Workspace(each.clone()).require(rows).await?;
            }
            let ids: BTreeSet<&str> = excluded.iter().map(WorkspaceId::as_str).collect();
            set.excluded = ids.into_iter().collect::<Vec<_>>().join(" ");
        }
        if let Some(enforcement) = self.enforcement {
            enforcement.as_str().clone_into(&mut set.enforcement);
        }
        if let Some(parameters) = &self.parameters {
            set.parameters = data("the parameters", parameters)?;
        }
        if let Some(exceptions) = &self.exceptions {
            set.exceptions = data("the exceptions", exceptions)?;
        }
        let reach = self.reach.over(rows, WHAT, &set.reach()).await?;
        set.set_reach(&reach);
        Ok(())
    }
}

/// Texts as a row holds them: each once, in order, a line each.
fn lines(texts: &[String]) -> String {
    let texts: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    texts.into_iter().collect::<Vec<_>>().join("\n")
}

/// JSON as a row holds it.
fn data(what: &str, value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("{what} of a policy set: {error}")))?;
    if text.len() > DATA_BYTES_MAX {
        let words = format!(
            "{what} of a policy set have {} bytes, and may have {DATA_BYTES_MAX}",
            text.len()
        );
        return Err(
            Error::invalid(words).hint("put large tables into a data document of the bundle")
        );
    }
    Ok(text)
}

/// Reads what a row holds as JSON.
fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::internal(format!("a row of a policy set: {error}")))
}

/// A policy of a bundle, for people and programs to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// What it judges: `plan`, and so on.
    pub entity: String,
    /// How strictly, by itself.
    pub level: String,
}

/// The bundle of a set, for people and programs to read.
#[derive(Debug, Clone)]
pub struct BundleView {
    /// Its id.
    pub id: String,
    /// SHA-256 over what is in it, in hex.
    pub digest: String,
    /// Its policies.
    pub policies: Vec<PolicyView>,
    /// Bytes of the archive.
    pub size: u64,
    /// Who published it.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub created_at: i64,
}

impl TryFrom<sql::PolicyBundle> for BundleView {
    type Error = Error;

    fn try_from(row: sql::PolicyBundle) -> Result<Self> {
        Ok(Self {
            id: row.id.to_string(),
            digest: hex::encode(&row.digest),
            policies: read(&row.policies)?,
            size: row.size,
            actor: row.actor.to_string(),
            created_at: row.created_at,
        })
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
    /// The ids of the projects that it is attached to.
    pub projects: Vec<String>,
    /// The ids of the workspaces that it is attached to.
    pub workspaces: Vec<String>,
    /// The tags of workspaces that it reaches.
    pub tags: Vec<String>,
    /// The ids of the workspaces that it does not reach.
    pub excluded: Vec<String>,
    /// The strictest level that its policies have.
    pub enforcement: String,
    /// Values of its parameters.
    pub parameters: Map<String, Value>,
    /// Its exceptions.
    pub exceptions: Vec<Exception>,
    /// The bundle that is in force; a set without one judges nothing.
    pub bundle: Option<BundleView>,
    /// How many hours of past plans a bundle must have been replayed over before it is in force; 0 for none.
    pub replay_hours: u64,
    /// Whether the caller may change it.
    pub manageable: bool,
    /// When it was changed last, in microseconds since 1970.
    pub updated_at: i64,
}

impl SetView {
    /// What whoever may look into one workspace alone sees of it: nothing of what else it reaches, and of others' exceptions.
    fn seen_from_one_workspace(self) -> Self {
        Self {
            projects: Vec::new(),
            workspaces: Vec::new(),
            tags: Vec::new(),
            excluded: Vec::new(),
            parameters: Map::new(),
            exceptions: Vec::new(),
            ..self
        }
    }
}

async fn view(rows: &mut Rows, ctx: &Ctx, set: PolicySet) -> Result<SetView> {
    let now = ctx.house().now();
    let manageable = access::holds(rows, ctx, Permission::PolicyWrite, &Target::House, now).await?;
    let bundle = force::bundle_of(rows, &set).await?;
    let (projects, workspaces) = set.reach().split();
    Ok(SetView {
        id: set.id.to_string(),
        global: set.global,
        projects,
        workspaces,
        tags: set.tags.lines().map(str::to_owned).collect(),
        excluded: set.excluded.split_whitespace().map(str::to_owned).collect(),
        parameters: read(&set.parameters)?,
        exceptions: read(&set.exceptions)?,
        bundle: bundle.map(BundleView::try_from).transpose()?,
        replay_hours: gate::hours(rows, &set.id).await?,
        name: set.name,
        description: set.description,
        enforcement: set.enforcement,
        manageable,
        updated_at: set.updated_at,
    })
}

/// What a leaf says of a set: how far it reaches, how strict it is.
fn told(set: &PolicySet) -> Entry {
    let digest = |text: &str| hex::encode(statehouse_ledger::sha256(text.as_bytes()));
    let entry = Entry::new(&set.id)
        .fact("global", set.global)
        .fact("enforcement", set.enforcement.as_str())
        .fact("parameters", digest(&set.parameters))
        .fact("exceptions", digest(&set.exceptions));
    let entry = match &set.bundle {
        Some(bundle) => entry.fact("bundle", bundle.as_str()),
        None => entry,
    };
    reach::named(entry, set.reach().scopes())
}

async fn require_free(rows: &mut Rows, set: &PolicySet) -> Result<()> {
    let mut all = sql::sets(rows).await?;
    all.retain(|other| other.id != set.id);
    if all.iter().any(|other| other.name == set.name) {
        let words = format!("a policy set named `{}` exists", set.name);
        return Err(Error::new(Kind::Conflict, words));
    }
    if all.len() >= SETS_MAX {
        let words = format!("there are {SETS_MAX} policy sets already");
        return Err(Error::new(Kind::Conflict, words).hint("remove some"));
    }
    Ok(())
}

fn new(house: HouseCode, now: i64) -> PolicySet {
    PolicySet {
        id: PolicySetId::from_entropy(house, crate::entropy()),
        name: String::new(),
        description: String::new(),
        global: false,
        scopes: String::new(),
        tags: String::new(),
        excluded: String::new(),
        enforcement: Enforcement::default().as_str().to_owned(),
        parameters: "{}".to_owned(),
        exceptions: "[]".to_owned(),
        bundle: None,
        created_at: now,
        updated_at: now,
    }
}

/// Makes a set; its name must be free.
pub async fn create(ctx: &Ctx, wish: Wish) -> Result<SetView> {
    wish.checked()?;
    if wish.name.is_none() {
        return Err(Error::invalid("a policy set needs a name"));
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
            gate::ask_for(tx, asked, (&set.id, wish.replay_hours)).await?;
            let entry = with_gate(told(&set), wish);
            Ok(Outcome::Recorded(view(tx, asked, set).await?, entry))
        })
    })
    .await
}

/// Says beside a change what replays are asked for from now on.
fn with_gate(entry: Entry, wish: &Wish) -> Entry {
    match wish.replay_hours {
        Some(hours) => entry.fact("replay-hours", hours),
        None => entry,
    }
}

/// Changes a set.
pub async fn update(ctx: &Ctx, id: &PolicySetId, wish: Wish) -> Result<SetView> {
    wish.checked()?;
    let given = Arc::new((id.clone(), wish, ctx.clone()));
    door::change(ctx, ChangeSet, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, wish, asked) = &*given;
            let old = sql::needed_set(tx, id).await?;
            let mut set = old.clone();
            wish.over(tx, &mut set).await?;
            let hours = gate::hours(tx, id).await?;
            let asks = gate::ask_for(tx, asked, (&set.id, wish.replay_hours)).await?;
            if set.values() == old.values() && !asks {
                return Ok(Outcome::Unchanged(view(tx, asked, set).await?));
            }
            require_free(tx, &set).await?;
            // To ask no more, and to reach further or judge otherwise, are two changes.
            let hours = hours.max(wish.replay_hours.unwrap_or(0));
            let entry = gate::require_change(tx, (&old, &set), hours, told(&set)).await?;
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = with_gate(entry, wish);
            Ok(Outcome::Recorded(view(tx, asked, set).await?, entry))
        })
    })
    .await
}

/// Attaches a set to projects and workspaces, beside those that it is attached to.
pub async fn attach(ctx: &Ctx, id: &PolicySetId, to: Vec<To>) -> Result<()> {
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
            let old = set.clone();
            set.set_reach(&reach);
            let hours = gate::hours(tx, id).await?;
            let entry = gate::require_change(tx, (&old, &set), hours, Entry::new(&set.id)).await?;
            set.updated_at = tx.now();
            tx.put(&set).await?;
            let entry = reach::named(entry, new.iter().map(String::as_str));
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Takes a set from projects and workspaces. One that it is not attached to is passed over.
pub async fn detach(ctx: &Ctx, id: &PolicySetId, from: Vec<To>) -> Result<()> {
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
    mut set: PolicySet,
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

/// Removes a set: runs are not judged by it any more. Its bundles stay, for what it said of runs.
pub async fn remove(ctx: &Ctx, id: &PolicySetId) -> Result<()> {
    let id = id.clone();
    door::change(ctx, RemoveSet, Target::House, move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let set = sql::needed_set(tx, &id).await?;
            tx.remove::<PolicySet>(&[set.id.as_str().into()]).await?;
            gate::remove(tx, &id).await?;
            Ok(Outcome::Recorded((), told(&set)))
        })
    })
    .await
}

/// Every set, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<SetView>> {
    let asked = ctx.clone();
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            let mut shown = Vec::new();
            for set in sql::sets(rows).await? {
                shown.push(view(rows, &asked, set).await?);
            }
            Ok(shown)
        })
    })
    .await
}

/// One set.
pub async fn show(ctx: &Ctx, id: &PolicySetId) -> Result<SetView> {
    let (asked, id) = (ctx.clone(), id.clone());
    door::read(ctx, ListSets, &Target::House, move |rows| {
        Box::pin(async move {
            let set = sql::needed_set(rows, &id).await?;
            view(rows, &asked, set).await
        })
    })
    .await
}

/// The sets that reach a workspace, by name.
pub async fn of_workspace(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<SetView>> {
    let (asked, wanted) = (ctx.clone(), workspace.clone());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ListSets, &target, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let now = asked.house().now();
            let all = Permission::PolicyRead;
            let sees_all = access::holds(rows, &asked, all, &Target::House, now).await?;
            let mut shown = Vec::new();
            for set in force::reaching(rows, &workspace).await? {
                let set = view(rows, &asked, set).await?;
                shown.push(if sees_all {
                    set
                } else {
                    set.seen_from_one_workspace()
                });
            }
            Ok(shown)
        })
    })
    .await
}
