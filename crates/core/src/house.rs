//! One organization's database, keys, ledger and blobs, opened together.
//!
//! A house opens read-only, and says why, when its database is not an
//! extension of what is remembered outside it (the anchor, the site's log) or
//! when its head is not the signed root over its leaves. The site is a house
//! too, under the code `site`.
//!
//! Deliberately absent: a way to another house's rows. An operation gets the
//! house with its [`crate::Ctx`] and there is no other in reach.

#[cfg(test)]
mod tests;

mod follow;
mod open;
mod refusals;
mod schema;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_model::{HouseCode, Name, RunId};
use statehouse_seal::{KeyName, Keyring, RootKeys};
use tokio::sync::{Semaphore, SemaphorePermit, broadcast, mpsc, watch};

use crate::Clock;
use crate::blob::Blobs;
use crate::cost::Estimator;
use crate::db::{Database, Placement};
use crate::door::{Reads, Work, Writer};
use crate::error::{Error, Kind, Result};
use crate::fault::Faults;
use crate::job::{Bell, Longest};
use crate::ledger::{self, Anchors, Followed, Head, Signed};
use crate::memo::{Memo, Sight};
use crate::permit::Permits;
use crate::policy::Judge;
use crate::state;
use crate::token;
use follow::{follow, spawn_writer, sweep};
use open::{judged, look, open_keyring};
pub(crate) use refusals::Refusals;
pub(crate) use schema::{migrations, tables};

/// Logs that grew, which a listener may be behind before it is told so.
const GROWN_MAX: usize = 256;
/// Changes that may wait for the writer before callers are held back.
const QUEUE: usize = 1024;

/// Opened states kept for a second, per house, in bytes.
const OPENED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bearers of the house's own tokens kept for a second.
const BEARERS_MAX: usize = 1024;

/// What the writer and the operations of a house share.
pub(crate) struct Base {
    pub(crate) site: String,
    pub(crate) code: HouseCode,
    pub(crate) database: Database,
    pub(crate) signed: Signed,
    pub(crate) followed: Followed,
    pub(crate) faults: Faults,
    pub(crate) refusals: Refusals,
    pub(crate) batch_jobs_max: usize,
    pub(crate) roots: Arc<dyn RootKeys>,
    keyring: RwLock<Arc<Keyring>>,
    head: watch::Sender<Option<Head>>,
    clock: Clock,
}

impl Base {
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        self.keyring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_keyring(&self, keyring: Arc<Keyring>) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    pub(crate) fn announce(&self, head: Head) {
        self.head.send_replace(Some(head));
    }
}

/// Everything that opening a house needs.
pub(crate) struct Opening {
    pub(crate) site: String,
    pub(crate) code: HouseCode,
    pub(crate) placement: Placement,
    pub(crate) roots: Arc<dyn RootKeys>,
    pub(crate) anchors: Anchors,
    pub(crate) blobs: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) batch_jobs_max: usize,
    /// The newest checkpoint of the house that the site's log holds.
    pub(crate) witnessed: Option<(u64, Hash, String)>,
    /// Where heads are told, for the site's log.
    pub(crate) witness: Option<mpsc::UnboundedSender<(HouseCode, Head)>>,
    /// Who is woken when a run of the house may go on.
    pub(crate) work: Arc<Bell>,
    /// How long jobs may take.
    pub(crate) longest: Longest,
    /// What judges by policies.
    pub(crate) judge: Option<Arc<dyn Judge>>,
    /// What estimates costs.
    pub(crate) estimator: Option<Arc<dyn Estimator>>,
    /// What the organization is called, where the site knows it already.
    pub(crate) called: Option<Name>,
}

/// An open house.
pub struct House {
    base: Arc<Base>,
    queue: mpsc::Sender<Box<dyn Work>>,
    reads: Reads,
    blobs: Blobs,
    anchors: Anchors,
    opened: Memo<state::Question, state::Opened>,
    sight: Sight,
    permits: Permits,
    index: state::search::Index,
    bearers: Memo<[u8; 32], token::Bearer>,
    read_only: RwLock<Option<Arc<ReadOnly>>>,
    first_keys: Option<Vec<u8>>,
    used_at: AtomicI64,
    follower: tokio::task::AbortHandle,
    work: Arc<Bell>,
    longest: Longest,
    judge: Option<Arc<dyn Judge>>,
    estimator: Option<Arc<dyn Estimator>>,
    called: OnceLock<Name>,
    judging: Mutex<HashSet<RunId>>,
    turn_to_estimate: tokio::sync::Mutex<()>,
    turn_to_judge: tokio::sync::Mutex<()>,
    turn_to_replay: tokio::sync::Mutex<()>,
    turn_to_save: tokio::sync::Mutex<()>,
    grown: broadcast::Sender<RunId>,
}

/// Plans that are replayed at once in this process: one takes one of the places to evaluate or to estimate in, and leaves the others to runs.
static REPLAYING: Semaphore = Semaphore::const_new(1);

/// A turn to replay a plan; over when it is dropped.
pub(crate) struct Replaying<'a> {
    _of_house: tokio::sync::MutexGuard<'a, ()>,
    _of_all: Option<SemaphorePermit<'static>>,
}

/// Why a house takes no changes.
pub(crate) struct ReadOnly {
    pub(crate) reason: String,
    /// What is remembered outside, when the database is an older copy of it:
    /// the only case that a declared restore can end.
    pub(crate) remembered: Option<Checkpoint>,
}

/// The name that root key providers know a house by.
pub(crate) fn key_name(code: HouseCode) -> Result<KeyName> {
    KeyName::parse(code.as_str()).map_err(|error| Error::internal(error.to_string()))
}

impl House {
    /// Opens a house whose database may be new and empty.
    pub(crate) async fn open(opening: Opening) -> Result<Arc<Self>> {
        let code = opening.code;
        let now = (opening.clock)();
        let database = Database::open(&opening.placement, &migrations(code), now).await?;
        let mut transaction = database.begin_read().await?;
        let name = key_name(code)?;
        let (keyring, first_keys) = open_keyring(&mut transaction, &opening, &name).await?;
        let head = ledger::sql::head_seen(&mut transaction).await?;
        let looked = look(&mut transaction, &opening, head.as_ref(), &keyring).await;
        let (read_only, chain) = judged(looked, ledger::origin(&opening.site, code, 1))?;
        transaction.rollback().await;
        if let Some(read_only) = &read_only {
            tracing::error!(house = %code, reason = read_only.reason, "the house opens read-only");
        }
        let base = Arc::new(Base {
            site: opening.site,
            code,
            database,
            signed: Signed::of(head.as_ref()),
            followed: Followed::default(),
            faults: opening.faults,
            refusals: Refusals::default(),
            batch_jobs_max: opening.batch_jobs_max,
            roots: opening.roots,
            keyring: RwLock::new(Arc::new(keyring)),
            head: watch::Sender::new(head),
            clock: opening.clock,
        });
        let (queue, waiting) = mpsc::channel(QUEUE);
        let shared = base.database.is_shared();
        spawn_writer(Writer::new(base.clone(), chain, waiting), code, shared)?;
        let follower = tokio::spawn(follow(
            base.clone(),
            opening.anchors.clone(),
            opening.witness,
        ))
        .abort_handle();
        let blobs = Blobs::open(&opening.blobs)?;
        if read_only.is_none() && !code.is_site() {
            tokio::spawn(sweep(base.clone(), blobs.clone()));
        }
        Ok(Arc::new(Self {
            blobs,
            base,
            queue,
            reads: Reads::default(),
            anchors: opening.anchors,
            opened: Memo::new(OPENED_BYTES_MAX),
            sight: Sight::default(),
            permits: Permits::default(),
            index: state::search::Index::default(),
            bearers: Memo::new(BEARERS_MAX),
            read_only: RwLock::new(read_only.map(Arc::new)),
            first_keys,
            used_at: AtomicI64::new(now),
            follower,
            work: opening.work,
            longest: opening.longest,
            judge: opening.judge,
            estimator: opening.estimator,
            called: opening.called.map_or_else(OnceLock::new, OnceLock::from),
            judging: Mutex::default(),
            turn_to_estimate: tokio::sync::Mutex::default(),
            turn_to_judge: tokio::sync::Mutex::default(),
            turn_to_replay: tokio::sync::Mutex::default(),
            turn_to_save: tokio::sync::Mutex::default(),
            grown: broadcast::Sender::new(GROWN_MAX),
        }))
    }

    /// The code in every id of the house.
    pub fn code(&self) -> HouseCode {
        self.base.code
    }

    /// What the organization is called, which never changes. A new one has no name before the site knows it.
    pub(crate) fn called(&self) -> Option<&Name> {
        self.called.get()
    }

    /// Says what a new organization is called.
    pub(crate) fn call(&self, name: Name) {
        // Who comes second says the same.
        self.called.set(name).ok();
    }

    /// Why the house takes no changes, if it does not.
    pub fn read_only(&self) -> Option<String> {
        self.why_read_only().map(|why| why.reason.clone())
    }

    /// How long jobs may take.
    pub(crate) fn longest(&self) -> Longest {
        self.longest
    }

    /// What judges by policies.
    pub(crate) fn judge(&self) -> Option<&Arc<dyn Judge>> {
        self.judge.as_ref()
    }

    /// What estimates costs.
    pub(crate) fn estimator(&self) -> Option<&Arc<dyn Estimator>> {
        self.estimator.as_ref()
    }

    /// Waits until no other run of the house is being estimated.
    pub(crate) async fn turn_to_estimate(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn_to_estimate.lock().await
    }

    /// Waits until no other run of the house is being judged.
    pub(crate) async fn turn_to_judge(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn_to_judge.lock().await
    }

    /// Waits until nothing else is replayed, here or in another house; houses come in turn, each with one plan. Runs wait for none of it.
    pub(crate) async fn turn_to_replay(&self) -> Replaying<'_> {
        Replaying {
            _of_house: self.turn_to_replay.lock().await,
            // Never closed.
            _of_all: REPLAYING.acquire().await.ok(),
        }
    }

    /// Waits until no other workspace of the house is being judged that is saved.
    pub(crate) async fn turn_to_save(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn_to_save.lock().await
    }

    /// The runs that this process judges at this moment.
    pub(crate) fn judging(&self) -> MutexGuard<'_, HashSet<RunId>> {
        // Nothing is half done while it is held.
        self.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn why_read_only(&self) -> Option<Arc<ReadOnly>> {
        self.read_only
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes changes again, after a restore was accepted in the ledger.
    pub(crate) fn open_for_writing(&self) {
        *self
            .read_only
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The newest checkpoint that this process knows of.
    pub fn head(&self) -> Option<Head> {
        self.base.head.borrow().clone()
    }

    pub(crate) fn writable(&self) -> Result<()> {
        let Some(why) = self.why_read_only() else {
            return Ok(());
        };
        Err(Error::new(Kind::Unavailable, format!("the organization is read-only: {}", why.reason)).hint(
            "after a legitimate restore an operator runs `statehouse restore accept --reason …`; otherwise treat it as tampering",
        ))
    }

    pub(crate) async fn submit(&self, work: Box<dyn Work>) -> Result<()> {
        self.queue.send(work).await.map_err(|_| {
            Error::unavailable("the writer of this organization has stopped")
                .hint("nothing was changed; try again")
        })
    }

    /// Whether the writer still runs; a house without one is opened anew.
    pub(crate) fn alive(&self) -> bool {
        !self.queue.is_closed()
    }

    pub(crate) fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    pub(crate) fn database(&self) -> &Database {
        &self.base.database
    }

    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        self.base.keyring()
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The size of the ledger at some moment after the call: what is kept in
    /// memory is good under it. `None` when the database does not say.
    pub(crate) async fn seen(&self) -> Option<u64> {
        if self.database().is_shared() {
            self.sight.size(self.database()).await.ok()
        } else {
            Some(self.head().map_or(0, |head| head.size))
        }
    }

    /// Who was allowed to do what a moment ago.
    pub(crate) fn permits(&self) -> &Permits {
        &self.permits
    }

    /// What the resources of current states are found by.
    pub(crate) fn index(&self) -> &state::search::Index {
        &self.index
    }

    /// States that were opened under the present head.
    pub(crate) fn opened(&self) -> &Memo<state::Question, state::Opened> {
        &self.opened
    }

    /// Who the house's own tokens stood for under the present head.
    pub(crate) fn bearers(&self) -> &Memo<[u8; 32], token::Bearer> {
        &self.bearers
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(crate) fn roots(&self) -> &dyn RootKeys {
        &*self.base.roots
    }

    /// The clock's time, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        self.base.now()
    }

    /// The wrapped keys of a house that has no leaf yet.
    pub(crate) fn first_keys(&self) -> Option<&[u8]> {
        self.first_keys.as_deref()
    }

    /// Says that a run of the house may go on.
    pub(crate) fn work_is_there(&self) {
        self.work.ring();
    }

    /// Says that a log of a run has grown, or is over.
    pub(crate) fn log_grew(&self, run: &RunId) {
        // Where nobody listens, nobody needs to know.
        self.grown.send(run.clone()).ok();
    }

    /// Hears of logs that grow from now on.
    pub(crate) fn growth(&self) -> broadcast::Receiver<RunId> {
        self.grown.subscribe()
    }

    pub(crate) fn touch(&self) {
        self.used_at.store(self.now(), Ordering::Relaxed);
    }

    pub(crate) fn used_at(&self) -> i64 {
        self.used_at.load(Ordering::Relaxed)
    }

    /// Brings the anchor up to the head. Called when the house closes.
    pub(crate) fn settle(&self) -> Result<()> {
        self.follower.abort();
        match (self.why_read_only(), self.head()) {
            (None, Some(head)) => {
                self.base.followed.keep(&self.base, &self.anchors, &head);
                self.anchors.write(self.code(), &head)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.follower.abort();
    }
}
