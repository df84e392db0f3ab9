//! Variables of a workspace: what its runs are given, of terraform and of their environment.
//!
//! A value is sealed, and a sensitive one is written and never read again by
//! anybody but a run: what is shown of it is that it is there. It stays
//! sensitive for as long as the variable is there. A run takes the values that
//! there are when it is planned, and its capsule binds them: a value that
//! changed before the apply makes the plan stale.
//!
//! A value becomes data of terraform, never text of a configuration; and a
//! sensitive one that could not be kept out of a log is refused when it is saved.

pub(crate) mod sql;

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use statehouse_model::{ValueId, VariableId};
use statehouse_terraform::{literal, weak};
use zeroize::Zeroizing;

use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::object::Object;
use crate::record::Rows;
use crate::workspace::sql::Workspace as WorkspaceRow;
use crate::workspace::{self, Workspace};
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
const VARIABLES_MAX: usize = 1000;
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
    /// Its workspace.
    pub workspace: String,
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
            workspace: row.workspace.to_string(),
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
            "settings of terraform itself, of the loader and of the way out are the runner's",
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
    let terraform = upper.starts_with("TF_") && !upper.starts_with("TF_VAR_") && upper != "TF_LOG";
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
    terraform || proxy || upper.starts_with("LD_") || place.contains(&upper.as_str())
}

fn target(workspace: &Workspace) -> Target {
    Target::Workspace(workspace.clone())
}

/// Makes a variable of a workspace.
pub async fn create(ctx: &Ctx, workspace: &Workspace, wish: Wish) -> Result<VariableView> {
    let found = workspace::id_of(ctx, SetVariable, workspace).await?;
    let name = wish
        .name
        .ok_or_else(|| Error::invalid("a variable needs a name"))?;
    let now = ctx.house().now();
    let row = Variable {
        id: VariableId::from_entropy(ctx.house().code(), crate::entropy()),
        workspace: found,
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
    set(ctx, row, value, None).await
}

/// Changes a variable. A sensitive one stays so, and its value is not shown for it.
pub async fn update(
    ctx: &Ctx,
    workspace: &Workspace,
    id: &VariableId,
    wish: Wish,
) -> Result<VariableView> {
    let (old, value) = read(ctx, workspace, id).await?;
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
    set(ctx, row, value, Some(old.value)).await
}

/// Stores a variable with its value, in place of what it was.
async fn set(
    ctx: &Ctx,
    mut row: Variable,
    value: Zeroizing<String>,
    replaces: Option<ValueId>,
) -> Result<VariableView> {
    check(&row, &value)?;
    row.size = u64::try_from(value.len()).unwrap_or(u64::MAX);
    let bytes = Bytes::from_owner(Zeroizing::new(value.as_bytes().to_vec()));
    let stored = Object::from(&row).seal(ctx, bytes).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    let shown = (!row.sensitive).then(|| value.to_string());
    let wanted = Workspace::Id(row.workspace.clone());
    let given = Arc::new((row.clone(), stored, replaces));
    door::change(ctx, SetVariable, target(&wanted), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (row, stored, replaces) = &*given;
            let all = sql::of_workspace(tx, &row.workspace).await?;
            let same = |other: &&Variable| {
                other.id != row.id && other.name == row.name && other.category == row.category
            };
            if all.iter().any(|other| same(&other)) {
                let words = format!("the workspace has a variable `{}` already", row.name);
                return Err(Error::new(Trouble::Conflict, words));
            }
            if replaces.is_none() && all.len() >= VARIABLES_MAX {
                let words = format!("a workspace has at most {VARIABLES_MAX} variables");
                return Err(Error::invalid(words));
            }
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
                .fact("workspace", row.workspace.as_str())
                .fact("category", row.category.as_str())
                .fact("sensitive", row.sensitive)
                .fact("commitment", hex::encode(&row.commitment));
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    Ok(VariableView::of(row, shown))
}

async fn found(rows: &mut Rows, workspace: &Workspace, id: &VariableId) -> Result<Variable> {
    let workspace = workspace::sql::needed(rows, workspace).await?;
    let found = sql::by_id(rows, id).await?;
    let own = found.filter(|found| found.workspace == workspace.id);
    own.ok_or_else(|| Error::not_found("variable"))
}

/// A variable and its value, for whoever is about to change it.
async fn read(
    ctx: &Ctx,
    workspace: &Workspace,
    id: &VariableId,
) -> Result<(Variable, Zeroizing<String>)> {
    let (wanted, id, house) = (workspace.clone(), id.clone(), ctx.house().clone());
    door::read(ctx, SetVariable, &target(workspace), move |rows| {
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
pub async fn remove(ctx: &Ctx, workspace: &Workspace, id: &VariableId) -> Result<()> {
    let given = Arc::new((workspace.clone(), id.clone()));
    door::change(ctx, RemoveVariable, target(workspace), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (workspace, id) = &*given;
            let row = found(tx, workspace, id).await?;
            tx.remove::<Variable>(&[row.id.as_str().into()]).await?;
            blob::sql::remove(tx, row.value.as_str()).await?;
            let entry = Entry::new(&row.id).fact("workspace", row.workspace.as_str());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// The variables of a workspace; sensitive ones without their values.
pub async fn list(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<VariableView>> {
    let (wanted, house) = (workspace.clone(), ctx.house().clone());
    door::read(ctx, ListVariables, &target(workspace), move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let mut views = Vec::new();
            for row in sql::of_workspace(rows, &workspace.id).await? {
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

/// One variable of a workspace.
pub async fn show(ctx: &Ctx, workspace: &Workspace, id: &VariableId) -> Result<VariableView> {
    let all = list(ctx, workspace).await?;
    let found = all.into_iter().find(|each| each.id == id.as_str());
    found.ok_or_else(|| Error::not_found("variable"))
}

/// What a run of a workspace is given.
pub(crate) async fn given(
    rows: &mut Rows,
    house: &House,
    workspace: &WorkspaceRow,
) -> Result<Vec<Given>> {
    let mut all = Vec::new();
    for row in sql::of_workspace(rows, &workspace.id).await? {
        all.push(Given {
            value: open(rows, house, &row).await?,
            category: row.category.parse()?,
            name: row.name,
            hcl: row.hcl,
            sensitive: row.sensitive,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_structure_needs_a_part_that_can_be_found() {
        let row = |hcl, sensitive| {
            let entropy = crate::entropy;
            let house = statehouse_model::HouseCode::from_entropy(entropy());
            Variable {
                id: VariableId::from_entropy(house, entropy()),
                workspace: statehouse_model::WorkspaceId::from_entropy(house, entropy()),
                category: Category::Terraform.as_str().to_owned(),
                name: "keys".to_owned(),
                description: String::new(),
                hcl,
                sensitive,
                value: ValueId::from_entropy(house, entropy()),
                size: 0,
                body_digest: Vec::new(),
                commitment: Vec::new(),
                created_at: 0,
                updated_at: 0,
            }
        };
        let weak = "{ name = \"admin\", pin = 1234, on = true }";
        let fine = "{ name = \"admin\", key = \"correct-horse\" }";
        for (value, hcl, sensitive, allowed) in [
            (weak, true, true, false),
            (weak, true, false, true),
            (fine, true, true, true),
            ("\"secret\"", true, true, false),
            ("true", true, true, false),
            ("secret", false, true, false),
            ("correct-horse", false, true, true),
        ] {
            let answer = check(&row(hcl, sensitive), value);
            assert_eq!(answer.is_ok(), allowed, "{value} {hcl} {sensitive}");
        }
    }
}
