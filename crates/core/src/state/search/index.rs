//! What is kept in memory of every current state of a house.
//!
//! The index is made when somebody searches for the first time, and brought up
//! to date when somebody searches and the ledger has grown: the rows that its
//! new leaves wrote say which states are to be looked into again. It goes with
//! the house, when that closes. Making it takes about half a millisecond for
//! each state of a hundred resources.
//!
//! What is sensitive is known from the marks of the state and from the JSON
//! form that came with it; a state whose form cannot be read is not searched.
//! A form that comes later than its state makes the listing anew.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use statehouse_model::{Actor, Name, ProjectId, VersionId, WorkspaceId};
use statehouse_terraform::search::Listing;

use crate::access;
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::ledger;
use crate::record::Rows;
use crate::state::json;
use crate::state::look::{self, Sealed};
use crate::state::sql;
use crate::workspace;

/// Memory that the listings of all houses of a process may take, in bytes:
/// seven million resources.
const BYTES_MAX: usize = 1024 * 1024 * 1024;
/// States that are read at once: their bodies in rows have 8 MiB at most.
const CHUNK: usize = 32;

/// How much of it is taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

actions! {
    /// Look into states so that their resources are found.
    IndexStates = "state.index" needs StateRead;
}

/// The index of a house.
#[derive(Default)]
pub(crate) struct Index {
    newest: RwLock<Arc<Snapshot>>,
    making: tokio::sync::Mutex<()>,
}

/// The index as it was when the ledger had a size.
#[derive(Default)]
pub(super) struct Snapshot {
    size: u64,
    states: BTreeMap<WorkspaceId, Arc<State>>,
    /// The same, by the names of workspaces.
    ordered: Vec<Arc<State>>,
}

/// A current state.
pub(super) struct State {
    pub(super) workspace: WorkspaceId,
    pub(super) name: Name,
    pub(super) project: ProjectId,
    pub(super) version: VersionId,
    listed: Arc<Result<Kept, String>>,
}

/// A listing and the memory that it takes.
struct Kept(Listing);

impl Drop for Kept {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0.bytes(), Ordering::Relaxed);
    }
}

impl Kept {
    fn of(listing: Listing) -> Result<Self, String> {
        let bytes = listing.bytes();
        if TAKEN.fetch_add(bytes, Ordering::Relaxed) + bytes > BYTES_MAX {
            TAKEN.fetch_sub(bytes, Ordering::Relaxed);
            return Err("there is no room in the server's memory for its resources".to_owned());
        }
        Ok(Self(listing))
    }
}

impl Snapshot {
    pub(super) fn ordered(&self) -> impl Iterator<Item = &Arc<State>> {
        self.ordered.iter()
    }
}

impl State {
    /// The resources in it, or why they are not known.
    pub(super) fn listing(&self) -> Result<&Listing, &str> {
        match &*self.listed {
            Ok(kept) => Ok(&kept.0),
            Err(reason) => Err(reason),
        }
    }
}

impl Index {
    fn newest(&self) -> Arc<Snapshot> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.clone()
    }
}

/// The index as of some moment after the call.
pub(super) async fn fresh(house: &Arc<House>) -> Result<Arc<Snapshot>> {
    let seen = house.seen().await;
    let good = move |snapshot: &Snapshot| seen.is_some_and(|size| snapshot.size >= size);
    let newest = house.index().newest();
    if good(&newest) {
        return Ok(newest);
    }
    // A task of its own: whoever asked first may go away before it is done.
    let house = house.clone();
    let made = tokio::spawn(async move {
        let _making = house.index().making.lock().await;
        let newest = house.index().newest();
        if good(&newest) {
            return Ok(newest);
        }
        let snapshot = Arc::new(renewed(&house, &newest).await?);
        let mut newest = (house.index().newest.write()).unwrap_or_else(PoisonError::into_inner);
        *newest = snapshot.clone();
        Ok(snapshot)
    });
    made.await
        .map_err(|error| Error::internal(format!("indexing states: {error}")))?
}

/// What the leaves since a snapshot changed.
struct Changes {
    size: u64,
    workspaces: Vec<workspace::sql::Workspace>,
    /// Versions whose JSON form came.
    formed: HashSet<VersionId>,
}

async fn changes(task: &Ctx, since: u64) -> Result<Changes> {
    door::read(task, IndexStates, &Target::House, move |rows| {
        Box::pin(async move {
            Ok(Changes {
                size: ledger::sql::size_seen(&mut rows.transaction).await?,
                workspaces: workspace::sql::written_since(rows, since).await?,
                formed: match since {
                    0 => HashSet::new(),
                    since => json::sql::versions_since(rows, since).await?,
                },
            })
        })
    })
    .await
}

async fn renewed(house: &Arc<House>, before: &Snapshot) -> Result<Snapshot> {
    let task = Ctx::new(house.clone(), Actor::Task(access::SEARCH), None, None);
    let changes = changes(&task, before.size).await?;
    let mut states = before.states.clone();
    let mut wanted = Vec::new();
    for workspace in changes.workspaces {
        let known = states.remove(&workspace.id);
        let Some(head) = workspace.head.clone().filter(|_| !workspace.is_deleted()) else {
            continue;
        };
        match known.filter(|known| known.version == head && !changes.formed.contains(&head)) {
            Some(known) => {
                let listed = known.listed.clone();
                keep(&mut states, workspace, head, listed);
            }
            None => wanted.push((workspace, head)),
        }
    }
    while !wanted.is_empty() {
        let chunk = wanted.split_off(wanted.len().saturating_sub(CHUNK));
        for ((workspace, head), listed) in list(&task, chunk).await? {
            keep(&mut states, workspace, head, Arc::new(listed));
        }
    }
    let mut ordered: Vec<_> = states.values().cloned().collect();
    ordered.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    Ok(Snapshot {
        size: changes.size,
        states,
        ordered,
    })
}

fn keep(
    states: &mut BTreeMap<WorkspaceId, Arc<State>>,
    workspace: workspace::sql::Workspace,
    version: VersionId,
    listed: Arc<Result<Kept, String>>,
) {
    let id = workspace.id.clone();
    let state = State {
        workspace: workspace.id,
        name: workspace.name,
        project: workspace.project,
        version,
        listed,
    };
    states.insert(id, Arc::new(state));
}

type Head = (workspace::sql::Workspace, VersionId);

/// Looks into states. One that cannot be looked into says why; a database that
/// does not answer ends it.
async fn list(task: &Ctx, heads: Vec<Head>) -> Result<Vec<(Head, Result<Kept, String>)>> {
    let read = door::read(task, IndexStates, &Target::House, move |rows| {
        Box::pin(async move {
            let mut read = Vec::with_capacity(heads.len());
            for head in heads {
                let sealed = sealed(rows, &head.1).await;
                read.push((head, sealed));
            }
            Ok(read)
        })
    });
    let mut listed = Vec::new();
    for (head, sealed) in read.await? {
        let looked = match sealed {
            Ok(sealed) => {
                let _room = look::room(sealed.bytes()).await?;
                let look = move |house: &House| sealed.open(house)?.look(Listing::of);
                look::aside(task.house(), look).await
            }
            Err(error) => Err(error),
        };
        let kept = match looked {
            Ok(listing) => Kept::of(listing),
            Err(error) if *error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                let (workspace, version) = (&head.0.id, &head.1);
                if *error.kind() == Kind::Tampered {
                    tracing::error!(%workspace, %version, %error, "a state cannot be searched");
                }
                Err(error.message().to_owned())
            }
        };
        listed.push((head, kept));
    }
    Ok(listed)
}

async fn sealed(rows: &mut Rows, head: &VersionId) -> Result<Sealed> {
    let version = sql::by_id(rows, head).await?;
    let missing = || {
        Error::tampered(format!(
            "version `{head}`, the head of its workspace, is missing"
        ))
    };
    Sealed::with(rows, version.ok_or_else(missing)?).await
}
