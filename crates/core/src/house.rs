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

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_model::HouseCode;
use statehouse_seal::{EpochKeys, KeyName, Keyring, RootKeys};
use tokio::sync::{mpsc, watch};

use crate::Clock;
use crate::blob::Blobs;
use crate::ctx::Ctx;
use crate::db::{Database, Migration, Placement, Transaction};
use crate::door::{Reads, Target, Work, Writer};
use crate::error::{Error, Kind, Result};
use crate::fault::{Fault, Faults, Point};
use crate::key::{self, sql::EpochRow};
use crate::ledger::{self, Anchors, Chain, Head, Signed};
use crate::memo::Memo;
use crate::record::{Rows, Table};
use crate::{access, org, project, state, token, user, workspace};

/// Changes that may wait for the writer before callers are held back.
const QUEUE: usize = 1024;
/// The anchor and the site log hear of a house at most this often.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Uploads take minutes at most; a body without a row is left over after a day.
const DAY_US: u64 = 24 * 3600 * 1_000_000;
/// The same refusal of the same caller is one leaf per minute.
const REFUSAL_EVERY_US: i64 = 60_000_000;
/// Distinct refusals remembered; beyond it the oldest minute is forgotten.
const REFUSALS_MAX: usize = 4096;

/// Opened states kept for a second, per house, in bytes.
const OPENED_BYTES_MAX: usize = 8 * 1024 * 1024;

const COMMON: &str = include_str!("../migrations/common/0001_ledger.sql");
const SITE: &str = include_str!("../migrations/site/0001_site.sql");
const HOUSE: &str = include_str!("../migrations/house/0001_state.sql");

/// The evidential tables that the site and every organization have.
const SHARED_TABLES: [Table; 2] = [
    Table::of::<key::sql::Epoch>(),
    Table::of::<ledger::sql::Setting>(),
];

/// The evidential tables of the site.
static SITE_TABLES: [Table; 7] = [
    SHARED_TABLES[0],
    SHARED_TABLES[1],
    Table::of::<org::sql::Organization>(),
    Table::of::<org::sql::Witness>(),
    Table::of::<user::sql::Account>(),
    Table::of::<user::sql::Password>(),
    Table::of::<token::sql::ApiToken>(),
];

/// The evidential tables of an organization.
static HOUSE_TABLES: [Table; 6] = [
    SHARED_TABLES[0],
    SHARED_TABLES[1],
    Table::of::<access::sql::Grant>(),
    Table::of::<project::sql::Project>(),
    Table::of::<workspace::sql::Workspace>(),
    Table::of::<state::sql::Version>(),
];

/// Every evidential table of a house, in the order they are verified in.
pub(crate) fn tables(site: bool) -> &'static [Table] {
    if site { &SITE_TABLES } else { &HOUSE_TABLES }
}

pub(crate) fn migrations(code: HouseCode) -> [Migration; 2] {
    let own = if code.is_site() {
        ("site", SITE)
    } else {
        ("state", HOUSE)
    };
    [
        Migration {
            number: 1,
            name: "ledger",
            sql: COMMON,
        },
        Migration {
            number: 2,
            name: own.0,
            sql: own.1,
        },
    ]
}

/// What the writer and the operations of a house share.
pub(crate) struct Base {
    pub(crate) site: String,
    pub(crate) code: HouseCode,
    pub(crate) database: Database,
    pub(crate) signed: Signed,
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

/// Which refusals were recorded lately.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Refusal, i64>>);

/// Who was refused what, on which target.
type Refusal = (String, &'static str, String);

impl Refusals {
    /// Whether this refusal should be recorded now.
    pub(crate) fn due(&self, ctx: &Ctx, action: &'static str, target: &Target, now: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REFUSALS_MAX {
            seen.retain(|_, at| now.saturating_sub(*at) < REFUSAL_EVERY_US);
        }
        let full = seen.len() >= REFUSALS_MAX;
        let slot = seen.entry(refusal(ctx, action, target)).or_insert(i64::MIN);
        let due = !full && now.saturating_sub(*slot) >= REFUSAL_EVERY_US;
        if due {
            *slot = now;
        }
        due
    }

    /// The leaf of a refusal was not committed: the next one is due.
    pub(crate) fn forget(&self, ctx: &Ctx, action: &'static str, target: &Target) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&refusal(ctx, action, target));
    }
}

/// A refusal as its leaf tells it: names that somebody invents are one object.
fn refusal(ctx: &Ctx, action: &'static str, target: &Target) -> Refusal {
    (
        ctx.actor().id().to_owned(),
        action,
        crate::door::object_of(ctx, target),
    )
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
}

/// An open house.
pub struct House {
    base: Arc<Base>,
    queue: mpsc::Sender<Box<dyn Work>>,
    reads: Reads,
    blobs: Blobs,
    anchors: Anchors,
    opened: Memo<state::Question, state::Opened>,
    read_only: RwLock<Option<Arc<ReadOnly>>>,
    first_keys: Option<Vec<u8>>,
    used_at: AtomicI64,
    follower: tokio::task::AbortHandle,
}

/// Why a house takes no changes.
pub(crate) struct ReadOnly {
    pub(crate) reason: String,
    /// What is remembered outside, when the database is an older copy of it:
    /// the only case that a declared restore can end.
    pub(crate) remembered: Option<Checkpoint>,
}

/// What a look at the database found.
enum Look {
    /// It is what it was, or new.
    Fine(Option<Chain>),
    /// It is sound in itself, and not an extension of what is remembered.
    Behind(Chain, ReadOnly),
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
        let origin = ledger::origin(&opening.site, code, 1);
        let looked = look(&mut transaction, &opening, head.as_ref(), &keyring).await;
        let (read_only, chain) = match looked {
            Ok(Look::Fine(chain)) => (None, chain.unwrap_or_else(|| Chain::empty(origin))),
            Ok(Look::Behind(chain, behind)) => (Some(behind), chain),
            Err(error) if *error.kind() == Kind::Tampered => {
                let reason = error.message().to_owned();
                (
                    Some(ReadOnly {
                        reason,
                        remembered: None,
                    }),
                    Chain::empty(origin),
                )
            }
            Err(error) => return Err(error),
        };
        transaction.rollback().await;
        if let Some(read_only) = &read_only {
            tracing::error!(house = %code, reason = read_only.reason, "the house opens read-only");
        }
        let base = Arc::new(Base {
            site: opening.site,
            code,
            database,
            signed: Signed::of(head.as_ref()),
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
            let sweeping = sweep(base.clone(), blobs.clone());
            tokio::spawn(async move {
                if let Err(error) = sweeping.await {
                    tracing::warn!(house = %code, %error, "left-over bodies were not removed");
                }
            });
        }
        Ok(Arc::new(Self {
            blobs,
            base,
            queue,
            reads: Reads::default(),
            anchors: opening.anchors,
            opened: Memo::new(OPENED_BYTES_MAX),
            read_only: RwLock::new(read_only.map(Arc::new)),
            first_keys,
            used_at: AtomicI64::new(now),
            follower,
        }))
    }

    /// The code in every id of the house.
    pub fn code(&self) -> HouseCode {
        self.base.code
    }

    /// Why the house takes no changes, if it does not.
    pub fn read_only(&self) -> Option<String> {
        self.why_read_only().map(|why| why.reason.clone())
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

    /// States that were opened under the present head.
    pub(crate) fn opened(&self) -> &Memo<state::Question, state::Opened> {
        &self.opened
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(crate) fn roots(&self) -> &dyn RootKeys {
        &*self.base.roots
    }

    pub(crate) fn now(&self) -> i64 {
        self.base.now()
    }

    /// The wrapped keys of a house that has no leaf yet.
    pub(crate) fn first_keys(&self) -> Option<&[u8]> {
        self.first_keys.as_deref()
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
            (None, Some(head)) => self.anchors.write(self.code(), &head),
            _ => Ok(()),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// The keys of the house; for a new one also their wrapped form, which its
/// first leaf will store.
async fn open_keyring(
    transaction: &mut Transaction,
    opening: &Opening,
    name: &KeyName,
) -> Result<(Keyring, Option<Vec<u8>>)> {
    let stored = crate::key::sql::epochs(transaction).await?;
    let mut epochs = Vec::new();
    for EpochRow { epoch, wrapped, .. } in stored.iter().filter(|row| row.retired_at.is_none()) {
        let keys = EpochKeys::unwrap(&*opening.roots, &opening.site, name, *epoch, wrapped);
        epochs.push(keys.map_err(|error| crate::key::root_error(&error))?);
    }
    let mut first = None;
    if epochs.is_empty() {
        let roots = &opening.roots;
        if !roots
            .present(name)
            .map_err(|error| crate::key::root_error(&error))?
        {
            roots
                .create(name)
                .map_err(|error| crate::key::root_error(&error))?;
        }
        let keys = EpochKeys::generate(1).map_err(|error| Error::internal(error.to_string()))?;
        first = Some(
            keys.wrap(&**roots, &opening.site, name)
                .map_err(|error| crate::key::root_error(&error))?,
        );
        epochs.push(keys);
    }
    let keyring = Keyring::new(&opening.site, name, epochs)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok((keyring, first))
}

/// Looks whether the database is what it was: the head is the signed root over
/// the leaves, and extends what is remembered outside.
async fn look(
    transaction: &mut Transaction,
    opening: &Opening,
    head: Option<&Head>,
    keyring: &Keyring,
) -> Result<Look> {
    let note = opening.anchors.read(opening.code)?;
    let Some(head) = head else {
        return match (note, &opening.witnessed) {
            (None, None) => Ok(Look::Fine(None)),
            _ => Err(Error::tampered(
                "the database is empty, but a checkpoint of it is remembered outside",
            )),
        };
    };
    let name = ledger::key_name(&opening.site, opening.code);
    let checkpoint = ledger::verified(&head.note, &name, keyring)?;
    let chain = Chain::load(transaction, head.size, head.origin.clone()).await?;
    let stated = Checkpoint {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root,
    };
    if checkpoint != stated || chain.root() != head.root {
        return Err(Error::tampered(
            "the head of the ledger is not the signed root over its leaves",
        ));
    }
    if ledger::sql::leaves_beyond(transaction, head.size).await? != 0 {
        return Err(Error::tampered(
            "the ledger holds leaves beyond its signed head",
        ));
    }
    let mut remembered = Vec::new();
    if let Some(note) = &note {
        let (anchor, known) = ledger::remembered(note, &name, keyring)?;
        // An ancestor is an ancestor, whoever signed it: after a retirement
        // the anchor may lag behind with a key that is gone.
        if !known
            && behind(transaction, head, &anchor, "anchor")
                .await?
                .is_some()
        {
            let reason = "the anchor is signed with a key that the database does not know: the database is \
                older than the last key rotation, or the anchor is another house's";
            let (reason, remembered) = (reason.to_owned(), Some(anchor));
            return Ok(Look::Behind(chain, ReadOnly { reason, remembered }));
        }
        remembered.push((anchor, "anchor"));
    }
    if let Some((size, root, origin)) = opening.witnessed.clone() {
        remembered.push((Checkpoint { origin, size, root }, "site's log"));
    }
    for (checkpoint, whose) in remembered {
        if let Some(reason) = behind(transaction, head, &checkpoint, whose).await? {
            return Ok(Look::Behind(
                chain,
                ReadOnly {
                    reason,
                    remembered: Some(checkpoint),
                },
            ));
        }
    }
    Ok(Look::Fine(Some(chain)))
}

/// In which way the database is not an extension of what is remembered.
async fn behind(
    transaction: &mut Transaction,
    head: &Head,
    known: &Checkpoint,
    whose: &str,
) -> Result<Option<String>> {
    if known.origin != head.origin {
        // Between a declared restore and the anchor that follows it, the
        // anchor still names the history that the restore gave up.
        if ledger::gave_up(transaction, head, known).await? {
            return Ok(None);
        }
        return Ok(Some(format!(
            "the database belongs to {} and the {whose} remembers {}",
            head.origin, known.origin
        )));
    }
    if known.size > head.size {
        return Ok(Some(format!(
            "the database is an older copy: it has {} ledger entries and the {whose} remembers {}",
            head.size, known.size
        )));
    }
    if Chain::load(transaction, known.size, head.origin.clone())
        .await?
        .root()
        != known.root
    {
        return Ok(Some(format!(
            "the database holds another history: its first {} ledger entries are not those the {whose} remembers",
            known.size
        )));
    }
    Ok(None)
}

/// Removes bodies that a stop left without a row, a day after: by then no
/// upload of any process is still on its way to its row.
async fn sweep(base: Arc<Base>, blobs: Blobs) -> Result<()> {
    let transaction = base.database.begin_read().await?;
    let mut rows = Rows {
        transaction,
        keyring: base.keyring(),
    };
    let named = crate::blob::sql::in_files(&mut rows).await;
    rows.transaction.rollback().await;
    let (code, named) = (base.code, named?);
    let now = u64::try_from(base.now()).unwrap_or(0);
    let before = std::time::UNIX_EPOCH + Duration::from_micros(now.saturating_sub(DAY_US));
    let swept = tokio::task::spawn_blocking(move || blobs.sweep(&named, before)).await;
    let removed = swept.map_err(|error| Error::internal(error.to_string()))??;
    if removed > 0 {
        tracing::info!(house = %code, removed, "removed bodies that no version has");
    }
    Ok(())
}

/// SQLite's calls block, and their latency is the disk's: its writer has a
/// thread of its own. PostgreSQL's are awaited, like any other.
fn spawn_writer(writer: Writer, code: HouseCode, shared: bool) -> Result<()> {
    let runtime = tokio::runtime::Handle::current();
    if shared {
        runtime.spawn(writer.run());
        return Ok(());
    }
    let run = move || runtime.block_on(writer.run());
    let thread = std::thread::Builder::new()
        .name(format!("writer-{code}"))
        .stack_size(1 << 20);
    thread
        .spawn(run)
        .map(drop)
        .map_err(|error| Error::unavailable(format!("no thread for the writer: {error}")))
}

/// Follows the commits: anchor first, then the site's log.
async fn follow(
    base: Arc<Base>,
    anchors: Anchors,
    witness: Option<mpsc::UnboundedSender<(HouseCode, Head)>>,
) {
    let mut heads = base.head.subscribe();
    while heads.changed().await.is_ok() {
        let Some(head) = heads.borrow_and_update().clone() else {
            continue;
        };
        let (code, anchors, anchored) = (base.code, anchors.clone(), head.clone());
        let wrote = tokio::task::spawn_blocking(move || anchors.write(code, &anchored)).await;
        match wrote {
            Ok(Err(error)) => tracing::error!(house = %code, %error, "the anchor was not written"),
            Ok(Ok(())) if base.faults.at(Point::Anchored).await == Fault::Stop => return,
            _ => {}
        }
        if let Some(witness) = &witness {
            witness.send((code, head)).ok();
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}
