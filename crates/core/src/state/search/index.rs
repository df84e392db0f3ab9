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
use crate::state::head_at;
use crate::state::json;
use crate::state::look::{self, Sealed};
use crate::workspace;

/// Memory that the listings of all houses of a process may take, in bytes:
/// seven million resources.
const BYTES_MAX: usize = 1024 * 1024 * 1024;
/// And those of one house.
const HOUSE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// States that are read at once: their bodies in rows and those of their JSON
/// forms have 16 MiB at most.
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
    listed: Arc<Result<Kept, Why>>,
}

/// Why a state is not searched.
struct Why {
    reason: String,
    /// Whether it is tried again: what is wrong is not in the state.
    passing: bool,
}

/// A listing and the memory that it takes.
struct Kept(Listing);

impl Drop for Kept {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0.bytes(), Ordering::Relaxed);
    }
}

impl Kept {
    fn of(listing: Listing) -> Self {
        TAKEN.fetch_add(listing.bytes(), Ordering::Relaxed);
        Self(listing)
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
            Err(why) => Err(&why.reason),
        }
    }

    fn bytes(&self) -> usize {
        self.listing().map_or(0, Listing::bytes)
    }

    /// The same with what was found out.
    fn as_listed(&self, listed: Result<Kept, Why>) -> Self {
        Self {
            workspace: self.workspace.clone(),
            name: self.name.clone(),
            project: self.project.clone(),
            version: self.version.clone(),
            listed: Arc::new(listed),
        }
    }
}

impl Why {
    fn passing(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            passing: true,
        }
    }

    /// What the caller may know of an error, the log all of it.
    fn of(state: &State, error: &Error) -> Self {
        let (workspace, version) = (&state.workspace, &state.version);
        match error.kind() {
            Kind::Conflict => Self {
                reason: error.message().to_owned(),
                passing: false,
            },
            Kind::Tampered => {
                tracing::error!(%workspace, %version, %error, "a state cannot be searched");
                Self::passing(error.message())
            }
            _ => {
                tracing::error!(%workspace, %version, %error, "a state cannot be searched");
                Self::passing("the server could not look into it; its log says why")
            }
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
        let (snapshot, whole) = renewed(&house, &newest).await?;
        let snapshot = Arc::new(snapshot);
        let mut newest = (house.index().newest.write()).unwrap_or_else(PoisonError::into_inner);
        *newest = snapshot.clone();
        // What was listed before a failure need not be listed again.
        whole.map(|()| snapshot)
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

/// The index after the leaves since a snapshot, and whether it is all of it.
async fn renewed(house: &Arc<House>, before: &Snapshot) -> Result<(Snapshot, Result<()>)> {
    let task = Ctx::new(house.clone(), Actor::Task(access::SEARCH), None, None);
    let changes = changes(&task, before.size).await?;
    let mut states = before.states.clone();
    for workspace in changes.workspaces {
        let known = states.remove(&workspace.id);
        if workspace.is_deleted() {
            continue;
        }
        let Some(version) = workspace.head else {
            continue;
        };
        let same =
            |known: &Arc<State>| known.version == version && !changes.formed.contains(&version);
        let listed = known.filter(same).map(|known| known.listed.clone());
        let unknown = || Arc::new(Err(Why::passing("it was not looked into yet")));
        let state = State {
            workspace: workspace.id.clone(),
            name: workspace.name,
            project: workspace.project,
            version,
            listed: listed.unwrap_or_else(unknown),
        };
        states.insert(workspace.id, Arc::new(state));
    }
    let passing = |state: &&Arc<State>| matches!(&*state.listed, Err(why) if why.passing);
    let mut wanted: Vec<_> = states.values().filter(passing).cloned().collect();
    let mut whole = Ok(());
    let mut bytes: usize = states.values().map(|state| state.bytes()).sum();
    while !wanted.is_empty() {
        let chunk = wanted.split_off(wanted.len().saturating_sub(CHUNK));
        match list(&task, chunk, &mut bytes).await {
            Ok(listed) => {
                let listed = listed.into_iter();
                states.extend(listed.map(|state| (state.workspace.clone(), Arc::new(state))));
            }
            Err(error) => {
                whole = Err(error);
                break;
            }
        }
    }
    let mut ordered: Vec<_> = states.values().cloned().collect();
    ordered.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    let snapshot = Snapshot {
        size: if whole.is_ok() {
            changes.size
        } else {
            before.size
        },
        states,
        ordered,
    };
    Ok((snapshot, whole))
}

/// Looks into states. One that cannot be looked into says why; a database that
/// does not answer ends it. `bytes` are those that the house's listings take.
async fn list(task: &Ctx, states: Vec<Arc<State>>, bytes: &mut usize) -> Result<Vec<State>> {
    let read = door::read(task, IndexStates, &Target::House, move |rows| {
        Box::pin(async move {
            let mut read = Vec::with_capacity(states.len());
            for state in states {
                let sealed = sealed(rows, &state).await;
                read.push((state, sealed));
            }
            Ok(read)
        })
    });
    let mut listed = Vec::new();
    for (state, sealed) in read.await? {
        let full = *bytes >= HOUSE_BYTES_MAX || TAKEN.load(Ordering::Relaxed) >= BYTES_MAX;
        let looked = match sealed {
            Ok(_) if full => {
                let words = "the server has no memory left for what is in it";
                listed.push(state.as_listed(Err(Why::passing(words))));
                continue;
            }
            Ok(sealed) => look(task, sealed).await,
            Err(error) => Err(error),
        };
        let kept = match looked {
            Ok(listing) => {
                *bytes += listing.bytes();
                Ok(Kept::of(listing))
            }
            Err(error) if *error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => Err(Why::of(&state, &error)),
        };
        listed.push(state.as_listed(kept));
    }
    Ok(listed)
}

async fn look(task: &Ctx, sealed: Sealed) -> Result<Listing> {
    let _room = look::room(sealed.bytes()).await?;
    let look = move |house: &House| sealed.open(house)?.look(Listing::of);
    look::aside(task.house(), look).await
}

async fn sealed(rows: &mut Rows, state: &State) -> Result<Sealed> {
    let version = head_at(rows, &state.workspace, &state.version).await?;
    Sealed::with(rows, version).await
}
