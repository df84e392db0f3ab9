//! Finding workspaces, with all that clients want to know of one at once:
//! settings, tags, the current version and what the caller may do.

use std::collections::{BTreeSet, HashMap};

use statehouse_model::{Name, Permission, ProjectId, RunId};

use super::freeze::{self, FreezeView};
use super::sql::{self, Clause};
use super::{
    ListWorkspaces, PAGE_MAX, ShowWorkspace, TagView, WishedTag, Workspace, WorkspaceView, change,
};
use crate::access::Rights;
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::drift::{self, CheckView};
use crate::error::Result;
use crate::execution::{self, InForce};
use crate::record::Rows;
use crate::run::{self, written::WrittenView};
use crate::state::{self, VersionView};

/// What a caller looks for; everything unless said.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A part of the name, whatever its case.
    pub name: Option<String>,
    /// The whole name, in which `*` stands for anything.
    pub wildcard: Option<String>,
    /// Tags that it has, all of them, whatever their values.
    pub tags: Vec<String>,
    /// Tags that it has with these very values.
    pub bindings: Vec<WishedTag>,
    /// Tags that it has not.
    pub without: Vec<String>,
    /// The project that it belongs to.
    pub project: Option<ProjectId>,
    /// How the list is ordered.
    pub order: Order,
    /// Only those with a later name.
    pub after: Option<Name>,
    /// Which page, from 1; 0 counts as 1.
    pub page: u64,
    /// How many on a page, at most [`PAGE_MAX`].
    pub size: usize,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// By name, from the end.
    NameDescending,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedDescending,
}

impl Order {
    fn clause(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::NameDescending => "name DESC",
            Self::Created => "created_at, id",
            Self::CreatedDescending => "created_at DESC, id DESC",
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
}

/// A workspace and everything around it.
#[derive(Debug, Clone)]
pub struct Full {
    /// Itself.
    pub workspace: WorkspaceView,
    /// What it is for.
    pub description: String,
    /// The version of the tool; empty for none in particular.
    pub terraform_version: String,
    /// Where in its repository it lies.
    pub working_directory: String,
    /// Whether its runs are applied unasked.
    pub auto_apply: bool,
    /// Whether its runs log in a form that programs read.
    pub structured_run_output: bool,
    /// When it was changed last, in microseconds since 1970.
    pub updated_at: i64,
    /// Its tags, by key.
    pub tags: Vec<TagView>,
    /// Why nobody may change its state, if that is so.
    pub frozen: Option<FreezeView>,
    /// The current version of its state.
    pub head: Option<VersionView>,
    /// Where its runs happen, and who must agree.
    pub execution: InForce,
    /// Its newest run.
    pub run: Option<RunId>,
    /// What was found last about its drift.
    pub drift: Option<CheckView>,
    /// What policies say of the state that its last apply left, where any judge states.
    pub written: Option<WrittenView>,
    /// How often drift is looked for.
    pub looks: drift::InForce,
    /// What the caller may do with it.
    pub may: BTreeSet<Permission>,
}

/// Permissions that [`Full::may`] speaks of.
const TOLD: &[Permission] = &[
    Permission::WorkspaceUpdate,
    Permission::WorkspaceDelete,
    Permission::WorkspaceFreeze,
    Permission::StateRead,
    Permission::StateWrite,
    Permission::StateLock,
    Permission::StateForceUnlock,
    Permission::OutputRead,
    Permission::RunRead,
    Permission::RunPlan,
    Permission::RunApply,
    Permission::RunConfigure,
    Permission::VariableRead,
    Permission::VariableWrite,
];

/// One workspace, with everything around it.
pub async fn full(ctx: &Ctx, workspace: &Workspace) -> Result<Full> {
    let (wanted, asked) = (workspace.clone(), ctx.clone());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, ShowWorkspace, &target, move |rows| {
        Box::pin(async move {
            let found = sql::needed(rows, &wanted).await?;
            let id = found.id.clone();
            let mut full = around(rows, &asked, vec![found]).await?.pop();
            if let Some(freeze) = full.as_mut().and_then(|full| full.frozen.as_mut()) {
                freeze.reason = Some(freeze::sql::reason(rows, &id).await?);
            }
            full.ok_or_else(|| crate::Error::internal("a workspace was lost"))
        })
    })
    .await
}

/// A page of the workspaces that are looked for, among those that the caller
/// may see.
pub async fn search(ctx: &Ctx, search: Search) -> Result<Page<Full>> {
    let asked = ctx.clone();
    door::read_within(ctx, ListWorkspaces, move |rows, reach| {
        Box::pin(async move {
            let mut clause = clause(&search);
            clause.within(&reach);
            let total = sql::count(rows, &clause).await?;
            let size = search.size.min(PAGE_MAX) as u64;
            let offset = search.page.saturating_sub(1).saturating_mul(size);
            let [size, offset] = [size, offset].map(|each| i64::try_from(each).unwrap_or(i64::MAX));
            let found = sql::page(rows, clause, search.order.clause(), offset, size).await?;
            let items = around(rows, &asked, found).await?;
            Ok(Page { items, total })
        })
    })
    .await
}

fn clause(search: &Search) -> Clause {
    let mut clause = Clause::all();
    if let Some(after) = &search.after {
        clause.after(after.as_str());
    }
    if let Some(project) = &search.project {
        clause.of_project(project);
    }
    if let Some(name) = search.name.as_ref().filter(|name| !name.is_empty()) {
        clause.like(&format!("%{}%", literal(name)));
    }
    if let Some(wildcard) = &search.wildcard {
        clause.like(&literal(wildcard).replace('*', "%"));
    }
    for tag in &search.tags {
        clause.tagged(tag, None);
    }
    for WishedTag { key, value } in &search.bindings {
        clause.tagged(key, Some(value));
    }
    for tag in &search.without {
        clause.not_tagged(tag);
    }
    clause
}

/// A text as a pattern that is like itself alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern
}

/// What is around workspaces, in a few statements however many they are.
async fn around(rows: &mut Rows, ctx: &Ctx, found: Vec<sql::Workspace>) -> Result<Vec<Full>> {
    let now = ctx.house().now();
    let rights = Rights::of(rows, ctx, now).await?;
    let reaches = rights.reaches(TOLD)?;
    let mut settings: HashMap<_, _> = sql::settings(rows, &found)
        .await?
        .into_iter()
        .map(|setting| (setting.workspace.clone(), setting))
        .collect();
    let mut tags: HashMap<_, Vec<TagView>> = HashMap::new();
    for tag in sql::tags(rows, &found).await? {
        tags.entry(tag.workspace.clone())
            .or_default()
            .push(tag.into());
    }
    let mut frozen: HashMap<_, FreezeView> = HashMap::new();
    for freeze in freeze::sql::all_of(rows, &found).await? {
        frozen.insert(freeze.workspace.clone(), freeze.into());
    }
    let said = execution::sql::around(rows, &found).await?;
    let ids: Vec<_> = found.iter().map(|each| each.id.clone()).collect();
    let mut runs: HashMap<_, _> = run::sql::newest_of(rows, &ids)
        .await?
        .into_iter()
        .map(|run| (run.workspace, run.id))
        .collect();
    let schedules = drift::sql::around(rows, &found).await?;
    let mut checks: HashMap<_, CheckView> = drift::sql::newest_of(rows, &ids)
        .await?
        .into_iter()
        .map(|check| (check.workspace.clone(), check.into()))
        .collect();
    let mut written: HashMap<_, WrittenView> = run::written::of_all(rows, &ids).await?;
    let heads: Vec<_> = found.iter().filter_map(|each| each.head.clone()).collect();
    let mut heads: HashMap<_, _> = state::sql::by_ids(rows, &heads)
        .await?
        .into_iter()
        .map(|version| (version.id.clone(), version))
        .collect();
    let mut all = Vec::with_capacity(found.len());
    for workspace in found {
        let id = &workspace.id;
        let may = reaches.that(|reach| reach.covers(&workspace.project, id));
        let setting = settings
            .remove(id)
            .unwrap_or_else(|| change::unset(id.clone()));
        let head = workspace.head.as_ref().and_then(|head| heads.remove(head));
        let changed_at = head.as_ref().map_or(0, |head| head.created_at);
        all.push(Full {
            description: setting.description,
            terraform_version: setting.terraform_version,
            working_directory: setting.working_directory,
            auto_apply: setting.auto_apply,
            structured_run_output: setting.structured_run_output,
            updated_at: setting.updated_at.max(changed_at).max(workspace.created_at),
            tags: tags.remove(id).unwrap_or_default(),
            frozen: frozen.remove(id),
            head: head.map(VersionView::from),
            execution: execution::among(&said, &workspace),
            run: runs.remove(id),
            drift: checks.remove(id),
            written: written.remove(id),
            looks: drift::among(&schedules, &workspace),
            may,
            workspace: workspace.into(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_name_is_a_pattern_like_itself_alone() {
        assert_eq!(literal("Prod_1%"), "prod!_1!%");
        assert_eq!(literal("a!b"), "a!!b");
    }
}
