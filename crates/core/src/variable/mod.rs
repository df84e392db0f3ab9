//! Variables of workspaces and of sets: what runs are given, of terraform and of their environment.
//!
//! A value is sealed, and a sensitive one is written and never read again by
//! anybody but a run: what is shown of it is that it is there. It stays
//! sensitive for as long as the variable is there. A run takes the values that
//! there are when it is planned, and its capsule binds them: a value that
//! changed before the apply makes the plan stale, wherever it came from.
//!
//! A value becomes data of terraform, never text of a configuration; and a
//! sensitive one that could not be kept out of a log is refused when it is saved.
//! A variable of a set ([`set`]) is checked and kept like one of a workspace;
//! which of several of one name a run is given, [`mod@given`] says.

mod given;
pub mod set;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use statehouse_model::{ValueId, VariableId, VariableOwner, VariableSetId};
use statehouse_terraform::{literal, weak};
use zeroize::Zeroizing;

use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::object::Object;
use crate::record::Rows;
use crate::workspace::{self, Workspace};
pub use given::Given;
pub(crate) use given::given;
use sql::Variable;

actions! {
    /// Set a variable.
    SetVariable = "variable.set" needs VariableWrite;
    /// Remove one.
    RemoveVariable = "variable.remove" needs VariableWrite;
    /// See those that there are; values of sensitive ones are shown to nobody.
    ListVariables = "variable.list" needs VariableRead;
}

/// Variables that one workspace can have.
const OF_WORKSPACE_MAX: usize = 1000;
/// Variables that one set can have: they go with it in one change, whose leaf has
/// 64 KiB, of which each takes 150 bytes.
const OF_SET_MAX: usize = 250;
/// Longest name and description, in bytes.
const NAME_BYTES_MAX: usize = 256;
const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Longest value, in bytes: of an environment, Linux takes 128 KiB.
const VALUE_BYTES_MAX: usize = 256 * 1024;
const ENVIRONMENT_BYTES_MAX: usize = 100 * 1024;

/// What a variable is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Of the configuration's inputs.
    Terraform,
    /// Of the environment of terraform and its providers.
    Environment,
}

impl Category {
    /// The word on the wire, and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Environment => "env",
        }
    }
}

impl FromStr for Category {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "terraform" => Ok(Self::Terraform),
            "env" => Ok(Self::Environment),
            _ => {
                let words = format!("`{text}` is no category; known are `terraform` and `env`");
                Err(Error::invalid(words))
            }
        }
    }
}

/// How a caller says whose variables are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// Those of a workspace.
    Workspace(Workspace),
    /// Those of a set.
    Set(VariableSetId),
}

impl From<&Workspace> for Of {
    fn from(workspace: &Workspace) -> Self {
        Self::Workspace(workspace.clone())
    }
}

impl From<&VariableSetId> for Of {
    fn from(set: &VariableSetId) -> Self {
        Self::Set(set.clone())
    }
}

impl From<&VariableOwner> for Of {
    fn from(owner: &VariableOwner) -> Self {
        match owner {
            VariableOwner::Workspace(id) => Self::Workspace(Workspace::Id(id.clone())),
            VariableOwner::Set(id) => Self::Set(id.clone()),
        }
    }
}

impl Of {
    /// Where it is asked whether the caller may: what a set holds can reach every
    /// workspace, so it is the organization's.
    fn target(&self) -> Target {
        match self {
            Self::Workspace(workspace) => Target::Workspace(workspace.clone()),
            Self::Set(_) => Target::House,
        }
    }

    /// Whose they are, which must be there.
    async fn owner(&self, rows: &mut Rows) -> Result<VariableOwner> {
        Ok(match self {
            Self::Workspace(workspace) => {
                VariableOwner::Workspace(workspace::sql::needed(rows, workspace).await?.id)
            }
            Self::Set(id) => VariableOwner::Set(sql::needed_set(rows, id).await?.id),
        })
    }
}

/// What to set; what is `None` stays as it is, or is as it is by itself.
#[derive(Clone, Default)]
pub struct Wish {
    /// Its name.
    pub name: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// What it is one of.
    pub category: Option<Category>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether its value is a literal of HCL.
    pub hcl: Option<bool>,
    /// Whether nobody may see its value.
    pub sensitive: Option<bool>,
}

/// A variable, for people and programs to read.
#[derive(Debug, Clone)]
pub struct VariableView {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: VariableOwner,
    /// Its name.
    pub name: String,
    /// Its value; `None` where it is sensitive.
    pub value: Option<String>,
    /// What it is one of.
    pub category: String,
    /// What it is for.
    pub description: String,
    /// Whether its value is a literal of HCL.
    pub hcl: bool,
    /// Whether nobody may see its value.
    pub sensitive: bool,
    /// The id of its value: another one after each change.
    pub version: String,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
}

impl VariableView {
    fn of(row: Variable, value: Option<String>) -> Self {
        Self {
            id: row.id.to_string(),
            owner: row.owner,
            name: row.name,
            value,
            category: row.category,
            description: row.description,
            hcl: row.hcl,
            sensitive: row.sensitive,
            version: row.value.to_string(),
            created_at: row.created_at,
        }
    }
}

/// Whether a variable may be so.
fn check(row: &Variable, value: &str) -> Result<()> {
    let category: Category = row.category.parse()?;
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let first = row.name.chars().next();
    let hyphens = category == Category::Terraform;
    let named = first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && row.name.len() <= NAME_BYTES_MAX
        && row
            .name
            .chars()
            .all(|each| letter(each) || (hyphens && each == '-'));
    if !named {
        let words = format!(
            "`{}` cannot be the name of such a variable",
            row.name.chars().take(64).collect::<String>()
        );
        return Err(Error::invalid(words).hint("letters, digits and _, not a digit first"));
    }
    if row.description.len() > DESCRIPTION_BYTES_MAX {
        let words = format!("the description is longer than {DESCRIPTION_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    let max = match category {
        Category::Terraform => VALUE_BYTES_MAX,
        Category::Environment => ENVIRONMENT_BYTES_MAX,
    };
    if value.len() > max || value.contains('\0') {
        let words = format!("a value has at most {max} bytes, none of them zero");
        return Err(Error::invalid(words));
    }
    if category == Category::Environment && (row.hcl || is_ours(&row.name)) {
        let words = format!("`{}` cannot be set in the environment of a run", row.name);
        return Err(Error::invalid(words).hint(
            "settings of the tool itself, of the loader and of the way out are the runner's",
        ));
    }
    if row.hcl {
        literal::to_json(value)
            .map_err(|error| Error::invalid(format!("the value is no literal of HCL: {error}")))?;
    }
    if row.sensitive {
        let weak = |why: &str| {
            Error::invalid(format!("the value cannot be kept out of logs: {why}"))
                .hint("take a longer one, or do not call it sensitive")
        };
        if !row.hcl {
            weak::check(value).map_err(|why| weak(&why.to_string()))?;
        } else if weak::parts(value, true).is_empty() {
            return Err(weak("no string and no number in it could be found there"));
        }
    }
    Ok(())
}

/// Variables of an environment by which a run would be another than it is said to be.
fn is_ours(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    // Of its `http` backend's settings, those by which a run says who it is there.
    let allowed = [
        "TF_LOG",
        "TF_HTTP_USERNAME",
        "TF_HTTP_PASSWORD",
        "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM",
        "TF_HTTP_CLIENT_CERTIFICATE_PEM",
        "TF_HTTP_CLIENT_PRIVATE_KEY_PEM",
    ];
    let terraform = upper.starts_with("TF_")
        && !upper.starts_with("TF_VAR_")
        && !allowed.contains(&upper.as_str());
    let tofu = upper.starts_with("TOFU_");
    let proxy = upper.ends_with("_PROXY");
    let place = [
        "PATH",
        "HOME",
        "IFS",
        "ENV",
        "BASH_ENV",
        "TMPDIR",
        "CHECKPOINT_DISABLE",
    ];
    terraform || tofu || proxy || upper.starts_with("LD_") || place.contains(&upper.as_str())
}

/// Makes a variable of a workspace or of a set.
pub async fn create(ctx: &Ctx, of: impl Into<Of>, wish: Wish) -> Result<VariableView> {
    let of = of.into();
    let (wanted, target) = (of.clone(), of.target());
    let owner = door::read(ctx, SetVariable, &target, move |rows| {
        Box::pin(async move { wanted.owner(rows).await })
    })
    .await?;
    let name = wish
        .name
        .ok_or_else(|| Error::invalid("a variable needs a name"))?;
    let now = ctx.house().now();
    let row = Variable {
        id: VariableId::from_entropy(ctx.house().code(), crate::entropy()),
        owner,
        category: wish
            .category
            .unwrap_or(Category::Terraform)
            .as_str()
            .to_owned(),
        name,
        description: wish.description.unwrap_or_default(),
        hcl: wish.hcl.unwrap_or(false),
        sensitive: wish.sensitive.unwrap_or(false),
        value: ValueId::from_entropy(ctx.house().code(), crate::entropy()),
        size: 0,
        body_digest: Vec::new(),
        commitment: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let value = Zeroizing::new(wish.value.unwrap_or_default());
    store(ctx, row, value, None).await
}

/// Changes a variable. A sensitive one stays so, and its value is not shown for it.
pub async fn update(
    ctx: &Ctx,
    of: impl Into<Of>,
    id: &VariableId,
    wish: Wish,
) -> Result<VariableView> {
    let (old, value) = read(ctx, &of.into(), id).await?;
    if old.sensitive && wish.sensitive == Some(false) {
        let words = format!("`{}` is sensitive, and stays so", old.name);
        return Err(Error::invalid(words).hint("remove it, and make it anew with its value"));
    }
    let row = Variable {
        category: wish
            .category
            .map_or(old.category.clone(), |each| each.as_str().to_owned()),
        name: wish.name.unwrap_or_else(|| old.name.clone()),
        description: wish.description.unwrap_or_else(|| old.description.clone()),
        hcl: wish.hcl.unwrap_or(old.hcl),
        sensitive: wish.sensitive.unwrap_or(old.sensitive),
        value: ValueId::from_entropy(ctx.house().code(), crate::entropy()),
        updated_at: ctx.house().now(),
        ..old.clone()
    };
    let value = wish.value.map_or(value, Zeroizing::new);
    store(ctx, row, value, Some(old.value)).await
}

/// Stores a variable with its value, in place of what it was.
async fn store(
    ctx: &Ctx,
    mut row: Variable,
    value: Zeroizing<String>,
    replaces: Option<ValueId>,
) -> Result<VariableView> {
    check(&row, &value)?;
    row.size = u64::try_from(value.len()).unwrap_or(u64::MAX);
    let bytes = Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec()));
    let (stored, _) = Object::from(&row).seal(ctx, bytes).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    let shown = (!row.sensitive).then(|| value.to_string());
    let of = Of::from(&row.owner);
    let target = of.target();
    let given = Arc::new((row.clone(), stored, replaces, of));
    door::change(ctx, SetVariable, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (row, stored, replaces, of) = &*given;
            of.owner(tx).await?;
            let all = sql::of_owner(tx, &row.owner).await?;
            fits(row, &all)?;
            if let Some(old) = replaces {
                let there = all
                    .iter()
                    .any(|each| each.id == row.id && each.value == *old);
                if !there {
                    let words = "the variable was changed by somebody else at this moment";
                    return Err(Error::new(Trouble::Conflict, words).hint("look at it again"));
                }
                blob::sql::remove(tx, old.as_str()).await?;
            }
            tx.put(row).await?;
            blob::sql::insert_object(tx, row.value.as_str(), stored).await?;
            let entry = Entry::new(&row.id)
                .fact(row.owner.kind(), row.owner.as_str())
                .fact("category", row.category.as_str())
                .fact("sensitive", row.sensitive)
                .fact("commitment", hex::encode(&row.commitment));
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    Ok(VariableView::of(row, shown))
}

/// Whether a variable has a place among those that there are.
fn fits(row: &Variable, all: &[Variable]) -> Result<()> {
    let (whose, max) = match row.owner {
        VariableOwner::Workspace(_) => ("workspace", OF_WORKSPACE_MAX),
        VariableOwner::Set(_) => ("set", OF_SET_MAX),
    };
    let same = |other: &&Variable| {
        other.id != row.id && other.name == row.name && other.category == row.category
    };
    if all.iter().any(|other| same(&other)) {
        let words = format!("the {whose} has a variable `{}` already", row.name);
        return Err(Error::new(Trouble::Conflict, words));
    }
    let new = all.iter().all(|other| other.id != row.id);
    if new && all.len() >= max {
        return Err(Error::invalid(format!(
            "a {whose} has at most {max} variables"
        )));
    }
    Ok(())
}

async fn found(rows: &mut Rows, of: &Of, id: &VariableId) -> Result<Variable> {
    let owner = of.owner(rows).await?;
    let found = sql::by_id(rows, id).await?;
    let own = found.filter(|found| found.owner == owner);
    own.ok_or_else(|| Error::not_found("variable"))
}

/// A variable and its value, for whoever is about to change it.
async fn read(ctx: &Ctx, of: &Of, id: &VariableId) -> Result<(Variable, Zeroizing<String>)> {
    let (wanted, id, house) = (of.clone(), id.clone(), ctx.house().clone());
    door::read(ctx, SetVariable, &of.target(), move |rows| {
        Box::pin(async move {
            let row = found(rows, &wanted, &id).await?;
            let value = open(rows, &house, &row).await?;
            Ok((row, value))
        })
    })
    .await
}

/// Opens a value where it is.
async fn open(rows: &mut Rows, house: &House, row: &Variable) -> Result<Zeroizing<String>> {
    let object = Object::from(row);
    let stored: Stored = object.stored(rows).await?;
    let bytes = house
        .blobs()
        .load(&rows.keyring, &object.context(), &stored, row.size)?;
    let text = String::from_utf8(bytes);
    text.map(Zeroizing::new)
        .map_err(|_| Error::tampered(format!("the value of variable {} is no text", row.id)))
}

/// Removes a variable, and its value with it.
pub async fn remove(ctx: &Ctx, of: impl Into<Of>, id: &VariableId) -> Result<()> {
    let of = of.into();
    let target = of.target();
    let given = Arc::new((of, id.clone()));
    door::change(ctx, RemoveVariable, target, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (of, id) = &*given;
            let row = found(tx, of, id).await?;
            erase(tx, &row).await?;
            let entry = Entry::new(&row.id).fact(row.owner.kind(), row.owner.as_str());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Takes the row of a variable away, and its value.
async fn erase<A: Action>(tx: &mut Tx<A>, row: &Variable) -> Result<()> {
    tx.remove::<Variable>(&[row.id.as_str().into()]).await?;
    blob::sql::remove(tx, row.value.as_str()).await
}

/// The variables of a workspace or of a set; sensitive ones without their values.
pub async fn list(ctx: &Ctx, of: impl Into<Of>) -> Result<Vec<VariableView>> {
    let (of, house) = (of.into(), ctx.house().clone());
    let target = of.target();
    door::read(ctx, ListVariables, &target, move |rows| {
        Box::pin(async move {
            let owner = of.owner(rows).await?;
            let mut views = Vec::new();
            for row in sql::of_owner(rows, &owner).await? {
                let value = if row.sensitive {
                    None
                } else {
                    Some(open(rows, &house, &row).await?.to_string())
                };
                views.push(VariableView::of(row, value));
            }
            Ok(views)
        })
    })
    .await
}

/// One variable of a workspace or of a set.
pub async fn show(ctx: &Ctx, of: impl Into<Of>, id: &VariableId) -> Result<VariableView> {
    let all = list(ctx, of).await?;
    let found = all.into_iter().find(|each| each.id == id.as_str());
    found.ok_or_else(|| Error::not_found("variable"))
}
