//! Every statement on `workspace`, its settings, its tags and its deletion.
//!
//! The row of a deleted workspace carries its own id as its name, so that no
//! look for a workspace needs a second table to pass it over.

use std::collections::HashSet;
use std::fmt::Write;

use statehouse_model::{ActorId, Name, ProjectId, TagId, VersionId, WorkspaceId};

use crate::access::{ORGANIZATION, Reach};
use crate::db::Value;
use crate::door::{Action, Tx};
use crate::error::{Error, Result};
use crate::record::{Ask, Record, Rows, column, record};
use crate::workspace::Workspace as Ref;

record! {
    /// A workspace with its head and its lock.
    pub(crate) struct Workspace in "workspace" key 1 {
        id: WorkspaceId,
        project: ProjectId,
        name: Name,
        created_at: i64,
        /// The version that a download gives.
        head: Option<VersionId>,
        /// How many finished versions there are.
        sequence: u64,
        /// How often the lock was taken.
        fence: u64,
        /// The id under which the lock is held.
        lock_id: Option<String>,
        lock_holder: Option<ActorId>,
        locked_at: Option<i64>,
        /// The lock that was released last, so that a repeated release is one.
        unlocked_id: Option<String>,
        unlocked_by: Option<ActorId>,
    }
}

record! {
    /// What was set of a workspace; without a row, nothing was.
    pub(crate) struct Setting in "workspace_setting" key 1 {
        workspace: WorkspaceId,
        description: String,
        /// The version of the tool, empty where nobody said one.
        terraform_version: String,
        working_directory: String,
        auto_apply: bool,
        structured_run_output: bool,
        updated_at: i64,
    }
}

record! {
    /// A tag: a key, and a value that may be empty.
    pub(crate) struct Tag in "workspace_tag" key 1 {
        id: TagId,
        workspace: WorkspaceId,
        tag: String,
        value: String,
        created_at: i64,
    }
}

record! {
    /// What a deleted workspace was called.
    pub(crate) struct Deletion in "workspace_deletion" key 1 {
        workspace: WorkspaceId,
        name: Name,
        deleted_by: String,
        deleted_at: i64,
    }
}

const NAMED: &str = "WHERE name = $1";
/// Workspaces in one question: each is a value of its own, of which `SQLite` takes some ten thousand.
const ASKED_MAX: usize = 1000;

impl Workspace {
    /// Whether it is the row of a workspace that was deleted: its name is its id.
    pub(crate) fn is_deleted(&self) -> bool {
        self.name.as_str() == self.id.as_str()
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Workspace>> {
    let found: Option<Workspace> = rows.by_key(vec![id.as_str().into()]).await?;
    Ok(found.filter(|found| !found.is_deleted()))
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Workspace>> {
    let mut found: Vec<Workspace> = rows.answer(NAMED, vec![name.as_str().into()]).await?;
    Ok(found.pop().filter(|found| !found.is_deleted()))
}

/// What [`by_ref`] will ask.
pub(crate) fn asks(workspace: &Ref) -> Vec<Ask> {
    match workspace {
        Ref::Id(id) | Ref::Deleted(id) => vec![Ask::rows::<Workspace>(
            "WHERE id = $1",
            vec![id.as_str().into()],
        )],
        Ref::Name(name) => vec![Ask::answer::<Workspace>(NAMED, vec![name.as_str().into()])],
        Ref::OfRun(_) | Ref::OfConfiguration(_) | Ref::OfNotification(_) => Vec::new(),
        Ref::Of(version) => vec![
            crate::state::sql::ask_id(version),
            Ask::rows::<Workspace>(
                "WHERE id = (SELECT workspace FROM version WHERE id = $1)",
                vec![version.as_str().into()],
            ),
        ],
    }
}

/// A workspace that was deleted.
pub(crate) async fn deleted(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Workspace>> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    Ok(found.filter(Workspace::is_deleted))
}

/// Workspaces, deleted ones too, whose rows or JSON forms were written by a
/// leaf or a later one.
pub(crate) async fn written_since(rows: &mut Rows, leaf: u64) -> Result<Vec<Workspace>> {
    let clause = "WHERE leaf >= $1 OR id IN (SELECT workspace FROM version_json WHERE leaf >= $1)";
    rows.find(clause, &[leaf.into()]).await
}

/// The workspace that a reference means.
pub(crate) async fn by_ref(rows: &mut Rows, workspace: &Ref) -> Result<Option<Workspace>> {
    match workspace {
        Ref::Id(id) => by_id(rows, id).await,
        Ref::Name(name) => by_name(rows, name).await,
        Ref::Deleted(id) => deleted(rows, id).await,
        Ref::OfRun(run) => match crate::run::sql::by_id(rows, run).await? {
            Some(run) => by_id(rows, &run.workspace).await,
            None => Ok(None),
        },
        Ref::OfConfiguration(id) => match crate::configuration::sql::by_id(rows, id).await? {
            Some(configuration) => by_id(rows, &configuration.workspace).await,
            None => Ok(None),
        },
        Ref::OfNotification(id) => match crate::notification::sql::by_id(rows, id).await? {
            Some(notification) => by_id(rows, &notification.workspace).await,
            None => Ok(None),
        },
        Ref::Of(version) => {
            let stored = crate::state::sql::by_id(rows, version).await?;
            let id = match stored.map(|stored| stored.workspace) {
                Some(id) => Some(id),
                None => crate::state::announce::workspace_of(rows, version).await?,
            };
            match id {
                Some(id) => by_id(rows, &id).await,
                None => Ok(None),
            }
        }
    }
}

/// The workspace that a reference means, which must be there.
pub(crate) async fn needed(rows: &mut Rows, workspace: &Ref) -> Result<Workspace> {
    let found = by_ref(rows, workspace).await?;
    found.ok_or_else(|| Error::not_found("workspace"))
}

/// What a list of workspaces is narrowed to: conditions, and their values.
pub(crate) struct Clause {
    words: String,
    values: Vec<Value>,
}

impl Clause {
    /// Every workspace that is not deleted.
    pub(crate) fn all() -> Self {
        Self {
            words: "WHERE name <> id".to_owned(),
            values: Vec::new(),
        }
    }

    /// Takes a value in, and says its place.
    fn place(&mut self, value: impl Into<Value>) -> usize {
        self.values.push(value.into());
        self.values.len()
    }

    pub(crate) fn after(&mut self, name: &str) {
        let at = self.place(name);
        // Writing into a String cannot fail, here and below.
        let _ = write!(self.words, " AND name > ${at}");
    }

    pub(crate) fn of_project(&mut self, project: &ProjectId) {
        let at = self.place(project.as_str());
        let _ = write!(self.words, " AND project = ${at}");
    }

    /// Those within reach.
    pub(crate) fn within(&mut self, reach: &Reach) {
        let Reach::Within {
            projects,
            workspaces,
        } = reach
        else {
            return;
        };
        let start = self.values.len();
        self.values
            .extend(projects.iter().map(|id| Value::from(id.as_str())));
        let middle = self.values.len();
        self.values
            .extend(workspaces.iter().map(|id| Value::from(id.as_str())));
        let places = |from: usize, to: usize| {
            // One that nothing is called keeps the list from being empty.
            let places = (from + 1..=to).map(|at| format!("${at}"));
            let places: Vec<_> = std::iter::once("''".to_owned()).chain(places).collect();
            places.join(", ")
        };
        let _ = write!(
            self.words,
            " AND (project IN ({}) OR id IN ({}))",
            places(start, middle),
            places(middle, self.values.len())
        );
    }

    /// The name is like `pattern`, in which `%` stands for anything and `!`
    /// takes the meaning from what follows it.
    pub(crate) fn like(&mut self, pattern: &str) {
        let at = self.place(pattern);
        let _ = write!(self.words, " AND lower(name) LIKE ${at} ESCAPE '!'");
    }

    pub(crate) fn tagged(&mut self, tag: &str, value: Option<&str>) {
        let at = self.place(tag);
        let _ = write!(
            self.words,
            " AND id IN (SELECT workspace FROM workspace_tag WHERE tag = ${at}"
        );
        if let Some(value) = value {
            let at = self.place(value);
            let _ = write!(self.words, " AND value = ${at}");
        }
        self.words.push(')');
    }

    pub(crate) fn not_tagged(&mut self, tag: &str) {
        let at = self.place(tag);
        let _ = write!(
            self.words,
            " AND id NOT IN (SELECT workspace FROM workspace_tag WHERE tag = ${at})"
        );
    }
}

/// How many workspaces a clause finds.
pub(crate) async fn count(rows: &mut Rows, clause: &Clause) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM workspace {}", clause.words);
    let found = rows.transaction.query(&sql, &clause.values).await?;
    let count = found.first().map(|row| row.int(0)).transpose()?;
    Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// A page of the workspaces that a clause finds, in `order`.
pub(crate) async fn page(
    rows: &mut Rows,
    mut clause: Clause,
    order: &'static str,
    offset: i64,
    limit: i64,
) -> Result<Vec<Workspace>> {
    let (limit, offset) = (
        clause.place(Value::Int(limit)),
        clause.place(Value::Int(offset)),
    );
    let _ = write!(
        clause.words,
        " ORDER BY {order} LIMIT ${limit} OFFSET ${offset}"
    );
    rows.find(&clause.words, &clause.values).await
}

/// `$1, $2, …` for `count` values.
pub(super) fn places(count: usize) -> String {
    let places: Vec<String> = (1..=count).map(|at| format!("${at}")).collect();
    places.join(", ")
}

pub(super) fn ids(workspaces: &[Workspace]) -> Vec<Value> {
    let id = |workspace: &Workspace| workspace.id.as_str().into();
    workspaces.iter().map(id).collect()
}

/// The workspaces of these ids, of those that are there.
pub(crate) async fn by_ids(rows: &mut Rows, some: &[WorkspaceId]) -> Result<Vec<Workspace>> {
    if some.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<Value> = some.iter().map(|id| id.as_str().into()).collect();
    let clause = format!("WHERE id IN ({})", places(some.len()));
    rows.find(&clause, &values).await
}

/// The settings of these workspaces, of those that have any.
pub(crate) async fn settings(rows: &mut Rows, of: &[Workspace]) -> Result<Vec<Setting>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let clause = format!("WHERE workspace IN ({})", places(of.len()));
    rows.find(&clause, &ids(of)).await
}

/// The tags of these workspaces, in the order of their keys.
pub(crate) async fn tags(rows: &mut Rows, of: &[Workspace]) -> Result<Vec<Tag>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let clause = format!("WHERE workspace IN ({}) ORDER BY tag", places(of.len()));
    rows.find(&clause, &ids(of)).await
}

/// The ids of the workspaces with a tag, deleted ones too: `key`, or `key=value`.
pub(crate) async fn tagged(rows: &mut Rows, tag: &str) -> Result<Vec<String>> {
    let mut found: Vec<Tag> = rows.find("WHERE tag = $1", &[tag.into()]).await?;
    if let Some((key, value)) = tag.split_once('=') {
        let clause = "WHERE tag = $1 AND value = $2";
        found.extend(
            rows.find::<Tag>(clause, &[key.into(), value.into()])
                .await?,
        );
    }
    let ids = found.into_iter().map(|each| each.workspace.to_string());
    Ok(ids.collect())
}

pub(crate) async fn setting(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Setting>> {
    rows.one("WHERE workspace = $1", &[id.as_str().into()])
        .await
}

/// The keys of all tags of workspaces that are not deleted, and how many
/// workspaces have each.
pub(crate) async fn tag_counts(rows: &mut Rows) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT tag, count(*) FROM workspace_tag
        JOIN workspace ON workspace.id = workspace_tag.workspace
        WHERE workspace.name <> workspace.id
        GROUP BY tag
        ORDER BY tag";
    let found = rows.transaction.query(sql, &[]).await?;
    found
        .iter()
        .map(|row| {
            Ok((
                row.text(0)?.to_owned(),
                u64::try_from(row.int(1)?).unwrap_or(0),
            ))
        })
        .collect()
}

/// How many workspaces a project has, deleted ones aside.
pub(crate) async fn of_project(rows: &mut Rows, project: &ProjectId) -> Result<u64> {
    let mut clause = Clause::all();
    clause.of_project(project);
    count(rows, &clause).await
}

pub(crate) async fn deletion(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Deletion>> {
    rows.one("WHERE workspace = $1", &[id.as_str().into()])
        .await
}

/// The ids of those of some workspaces that are deleted.
pub(crate) async fn deleted_of(rows: &mut Rows, of: &[WorkspaceId]) -> Result<HashSet<String>> {
    let mut deleted = HashSet::new();
    for some in of.chunks(ASKED_MAX) {
        let clause = format!("WHERE workspace IN ({})", places(some.len()));
        let ids: Vec<Value> = some.iter().map(|id| id.as_str().into()).collect();
        let found: Vec<Deletion> = rows.find(&clause, &ids).await?;
        deleted.extend(found.into_iter().map(|each| each.workspace.to_string()));
    }
    Ok(deleted)
}

/// Deleted workspaces, the newest deletion first.
pub(crate) async fn deletions(rows: &mut Rows, limit: i64) -> Result<Vec<Deletion>> {
    rows.find(
        "ORDER BY deleted_at DESC, workspace LIMIT $1",
        &[Value::Int(limit)],
    )
    .await
}

/// The sealed lock info of the current lock.
pub(crate) async fn lock_info(rows: &mut Rows, id: &WorkspaceId) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT lock_info FROM workspace WHERE id = $1";
    let mut found = rows.transaction.query(sql, &[id.as_str().into()]).await?;
    found
        .pop()
        .map_or(Ok(None), |mut row| column(&mut row, 0, "workspace"))
}

pub(crate) async fn put_lock_info<A: Action>(
    tx: &mut Tx<A>,
    id: &WorkspaceId,
    info: Option<Vec<u8>>,
) -> Result<()> {
    let info = info.map_or(Value::Null, Value::Bytes);
    let sql = "UPDATE workspace SET lock_info = $2 WHERE id = $1";
    tx.put_one_outside(sql, vec![id.as_str().into(), info], "workspace")
        .await
}

/// The rows of a table keyed by scope that are said of workspaces, of their projects and of the organization.
pub(crate) async fn said_around<R: Record>(
    rows: &mut Rows,
    workspaces: &[Workspace],
) -> Result<Vec<R>> {
    let mut scopes: Vec<&str> = workspaces
        .iter()
        .flat_map(|each| [each.id.as_str(), each.project.as_str()])
        .chain([ORGANIZATION])
        .collect();
    scopes.sort_unstable();
    scopes.dedup();
    let places: Vec<String> = (1..=scopes.len()).map(|at| format!("${at}")).collect();
    let values: Vec<Value> = scopes.into_iter().map(Value::from).collect();
    let clause = format!("WHERE scope IN ({})", places.join(", "));
    rows.find(&clause, &values).await
}
