//! Finding resources in the current states of all workspaces.
//!
//! A search is one pass over what is kept in memory of every current state
//! (see [`index`]), of those workspaces whose states the caller may read; of
//! others nothing is found, named or counted. It is in the ledger before its
//! answer leaves, repeats within a minute by their number. The answer is that
//! of a moment after the question: no state that was current before is in it.
//!
//! Deliberately absent: an index in the database. States are sealed, and what
//! could be searched beside them would say what is in them.

mod index;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use statehouse_model::{HouseCode, Name, ProjectId, VersionId, WorkspaceId};
pub use statehouse_terraform::search::Wanted;
use statehouse_terraform::search::{Entry, Query};
use tokio::sync::Semaphore;

use crate::access::Reach;
use crate::ctx::Ctx;
use crate::door::{self, actions};
use crate::error::{Error, Result};
use crate::project::{self, Project};
use crate::record::Rows;
pub(crate) use index::Index;
use index::{Snapshot, State};

/// Resources that are counted, and so how far pages can be turned.
pub const COUNTED_MAX: u64 = 10_000;
/// Resources on one page.
pub const PAGE_MAX: usize = 100;
/// Searches that run at once in a process: each holds a processor for some
/// hundredths of a second.
static SCANS: Semaphore = Semaphore::const_new(4);
/// Workspaces that are named because their states could not be searched.
const UNSEARCHED_MAX: usize = 100;

actions! {
    /// Find resources in states.
    SearchResources = "state.search" needs StateRead;
}

/// What is looked for, and where.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// What.
    pub wanted: Wanted,
    /// In this project.
    pub project: Option<Project>,
    /// In the workspace of this name.
    pub workspace: Option<Name>,
    /// Which page, from 1; 0 counts as 1.
    pub page: u64,
    /// How many on a page, at most [`PAGE_MAX`].
    pub size: usize,
}

/// A resource that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The workspace in whose state it is.
    pub workspace: WorkspaceId,
    /// What that is called.
    pub name: Name,
    /// The workspace's project.
    pub project: ProjectId,
    /// The version of the state.
    pub version: VersionId,
    /// What it is.
    pub entry: Entry,
}

/// A workspace whose state could not be searched.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Unsearched {
    /// Its id.
    pub workspace: String,
    /// What it is called.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A page of what was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// By the names of workspaces, then by address.
    pub hits: Vec<Hit>,
    /// How many there are on all pages, at most [`COUNTED_MAX`].
    pub total: u64,
    /// Whether there are more than were counted.
    pub more: bool,
    /// States that were searched.
    pub states: u64,
    /// Resources in them that are too large to be found.
    pub left_out: u64,
    /// Workspaces whose states could not be searched; the first hundred.
    pub unsearched: Vec<Unsearched>,
    /// How many those are.
    pub unsearched_count: u64,
}

/// Where is looked.
struct Where {
    reach: Reach,
    project: Option<ProjectId>,
    workspace: Option<Name>,
}

impl Where {
    fn covers(&self, state: &State) -> bool {
        let is = |wanted: &Option<ProjectId>| wanted.as_ref().is_none_or(|id| *id == state.project);
        self.reach.covers(&state.project, &state.workspace)
            && is(&self.project)
            && (self.workspace.as_ref()).is_none_or(|name| *name == state.name)
    }
}

/// Finds resources. Recorded before it returns.
pub async fn search(ctx: &Ctx, search: Search) -> Result<Found> {
    let size = search.size.clamp(1, PAGE_MAX);
    let before = search.page.saturating_sub(1).saturating_mul(size as u64);
    if before >= COUNTED_MAX {
        let words = format!("only the first {COUNTED_MAX} resources that are found can be listed");
        return Err(Error::invalid(words).hint("narrow the search: by type, tag or workspace"));
    }
    let query = Query::new(search.wanted);
    let query = query.map_err(|error| Error::invalid(error.to_string()))?;
    // Whoever may nowhere makes no index. What counts is decided after that.
    door::read_within(ctx, SearchResources, |_, _| Box::pin(async { Ok(()) })).await?;
    let snapshot = index::fresh(ctx.house()).await?;
    let (project, workspace) = (search.project, search.workspace);
    let place = door::read_within(ctx, SearchResources, move |rows, reach| {
        Box::pin(async move {
            let project = project_of(rows, &reach, project).await?;
            Ok(Where {
                reach,
                project,
                workspace,
            })
        })
    })
    .await?;
    let (object, within) = (ctx.house().code(), place.reach.anywhere());
    ctx.house()
        .reads()
        .record(ctx, SearchResources, &within, object.as_str())
        .await?;
    let _turn = SCANS.acquire().await;
    let scan = move || scan(&snapshot, &place, &query, before, size);
    let scanned = tokio::task::spawn_blocking(scan).await;
    scanned.map_err(|error| Error::internal(format!("searching states: {error}")))
}

/// The project that is meant. Whoever may not see all of them is not told
/// whether one of a name is there: nothing is found in it either way.
async fn project_of(
    rows: &mut Rows,
    reach: &Reach,
    project: Option<Project>,
) -> Result<Option<ProjectId>> {
    let name = match project {
        None => return Ok(None),
        Some(Project::Id(id)) => return Ok(Some(id)),
        Some(Project::Name(name)) => name,
    };
    match project::sql::by_name(rows, &name).await? {
        Some(found) => Ok(Some(found.id)),
        None if *reach == Reach::Everywhere => Err(Error::not_found("project")),
        None => Ok(Some(ProjectId::from_entropy(HouseCode::SITE, 0))),
    }
}

fn scan(snapshot: &Snapshot, place: &Where, query: &Query, before: u64, size: usize) -> Found {
    let mut found = Found::default();
    let within: Vec<&Arc<State>> = snapshot
        .ordered()
        .filter(|state| place.covers(state))
        .collect();
    for state in &within {
        match state.listing() {
            Ok(listing) => {
                found.states += 1;
                found.left_out += listing.left_out();
            }
            Err(reason) => {
                found.unsearched_count += 1;
                if found.unsearched.len() < UNSEARCHED_MAX {
                    found.unsearched.push(Unsearched {
                        workspace: state.workspace.to_string(),
                        name: state.name.to_string(),
                        reason: reason.to_owned(),
                    });
                }
            }
        }
    }
    let hits = within.iter().filter_map(|state| {
        let listing = state.listing().ok()?;
        Some(listing.find(query).map(move |at| (*state, listing, at)))
    });
    for (state, listing, at) in hits.flatten() {
        if found.total == COUNTED_MAX {
            found.more = true;
            break;
        }
        found.total += 1;
        let wanted = found.total > before && found.hits.len() < size;
        if let Some(entry) = wanted.then(|| listing.entry(at)).flatten() {
            found.hits.push(Hit {
                workspace: state.workspace.clone(),
                name: state.name.clone(),
                project: state.project.clone(),
                version: state.version.clone(),
                entry,
            });
        }
    }
    found
}
