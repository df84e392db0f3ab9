//! What the tests of this crate stand on: a whole core on either engine, faults
//! at every point of a batch, and evidence that is compared with the answers.
//!
//! A [`World`] is a core with one organization over a folder of its own and, on
//! PostgreSQL, a cluster of its own. Nothing is shared between tests, and
//! nothing outlives one, also when it panics.
//!
//! Deliberately absent: a way to pass without PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

pub(crate) mod estimator;
pub(crate) mod evidence;
pub(crate) mod faults;
pub(crate) mod judge;
pub(crate) mod post;
pub(crate) mod postgres;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use statehouse_model::{Actor, HouseCode, Name, Role, TokenId, UserId};
use statehouse_seal::KeyDirectory;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::access::{self, GrantView, Scope};
use crate::cost::Estimator;
use crate::ctx::Ctx;
use crate::door::{self, BoxFuture, Outcome, Target, actions};
use crate::error::Result;
use crate::fault::{Faults, Point};
use crate::house::House;
use crate::state::{Put, Upload};
use crate::workspace::{self, Workspace};
use crate::{Core, Options};
pub(crate) use faults::Script;
use post::Post;
use postgres::Cluster;

actions! {
    /// Keeps the writer busy while a test queues jobs behind it.
    Plug = "test.plug" needs WorkspaceRead;
}

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which database is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Runs a test on SQLite, then on PostgreSQL, each in a world of its own.
pub(crate) async fn for_each_engine<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        // Shown with a failure only: it says which engine it was.
        println!("on {engine:?}");
        test(World::new(engine).await).await;
    }
}

/// A core, one organization in it, and whoever owns that.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) script: Arc<Script>,
    pub(crate) core: Arc<Core>,
    pub(crate) house: Arc<House>,
    pub(crate) owner: UserId,
    pub(crate) options: Options,
    pub(crate) post: Arc<Post>,
    time: Arc<AtomicI64>,
    // Last, in this order: what runs goes before what it runs on.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) folder: TempDir,
}

/// A world without its processes: the folder and the stopped server.
pub(crate) struct Ashes {
    engine: Engine,
    code: HouseCode,
    owner: UserId,
    pub(crate) options: Options,
    pub(crate) post: Arc<Post>,
    time: Arc<AtomicI64>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) folder: TempDir,
}

/// Answers that tests hold back: how many wait to be let go, and how many may go.
static WAITING: Semaphore = Semaphore::const_new(0);
static LET_GO: Semaphore = Semaphore::const_new(0);

/// Waits until a test lets one answer go.
async fn held() {
    WAITING.add_permits(1);
    LET_GO.acquire().await.unwrap().forget();
}

/// Waits until an answer is held back.
pub(crate) async fn until_held() {
    WAITING.acquire().await.unwrap().forget();
}

/// Lets one go.
pub(crate) fn let_go() {
    LET_GO.add_permits(1);
}

/// The same with something that estimates costs.
pub(crate) async fn for_each_engine_estimating<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        println!("on {engine:?}");
        let estimator = Some(Arc::new(estimator::Bench::default()) as Arc<dyn Estimator>);
        test(World::with(engine, estimator).await).await;
    }
}

impl World {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self::with(engine, None).await
    }

    async fn with(engine: Engine, estimator: Option<Arc<dyn Estimator>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Cluster::start().await),
        };
        let time = Arc::new(AtomicI64::new(1_800_000_000_000_000));
        let post = Arc::new(Post::default());
        let options = Options {
            data: folder.path().join("data"),
            anchors: folder.path().join("anchors"),
            postgres: cluster
                .as_ref()
                .map(|cluster| (cluster.url(), postgres::tls())),
            roots: Arc::new(KeyDirectory::open(&folder.path().join("keys")).unwrap()),
            clock: clock(time.clone()),
            batch_jobs_max: 64,
            jobs_max: 10,
            places_max: 0,
            longest: crate::job::Longest::default(),
            deliver: Some(post.clone()),
            judge: Some(Arc::new(judge::Bench)),
            estimator,
        };
        let script = Script::quiet();
        let core = Core::open_with(options.clone(), Faults::new(script.clone()))
            .await
            .unwrap();
        let owner = UserId::from_entropy(crate::entropy());
        let made = core
            .create_organization(&core.machine(), name("acme"), owner.clone())
            .await
            .unwrap();
        let house = core.house(made.code.parse().unwrap()).await.unwrap();
        Self {
            engine,
            script,
            core,
            house,
            owner,
            options,
            post,
            time,
            cluster,
            folder,
        }
    }

    /// Ends every task and connection of the world, as the end of a process
    /// does: without settling anything.
    pub(crate) async fn stop(self) -> Ashes {
        let Self {
            engine,
            core,
            house,
            owner,
            options,
            post,
            time,
            cluster,
            folder,
            ..
        } = self;
        let code = house.code();
        let bases = [
            Arc::downgrade(house.base()),
            Arc::downgrade(core.machine().house().base()),
        ];
        drop((core, house));
        until("every house is closed", || {
            bases.iter().all(|base| base.strong_count() == 0)
        })
        .await;
        until("every file is closed", || !open_files(&options.data)).await;
        Ashes {
            engine,
            code,
            owner,
            options,
            post,
            time,
            cluster,
            folder,
        }
    }

    /// The same after an orderly end: anchors and the site's log are current.
    pub(crate) async fn close(self) -> Ashes {
        self.core.close().await.unwrap();
        self.stop().await
    }

    /// A request of `user`'s, with an id of its own.
    pub(crate) fn by(&self, user: &UserId) -> Ctx {
        self.by_token(user, &TokenId::from_entropy(crate::entropy()))
    }

    pub(crate) fn by_token(&self, user: &UserId, token: &TokenId) -> Ctx {
        Ctx::new(
            self.house.clone(),
            Actor::User {
                user: user.clone(),
                token: token.clone(),
            },
            None,
            None,
        )
    }

    /// Days go by.
    pub(crate) fn pass_days(&self, days: i64) {
        self.pass_seconds(days * 24 * 3600);
    }

    /// Seconds go by.
    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.time.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    /// Minutes go by, or the clock is set back by so many.
    pub(crate) fn pass_minutes(&self, minutes: i64) {
        self.time
            .fetch_add(minutes * 60 * 1_000_000, Ordering::Relaxed);
    }

    /// A request of the owner's.
    pub(crate) fn ask(&self) -> Ctx {
        self.by(&self.owner)
    }

    /// Somebody new with a role over the whole organization.
    pub(crate) async fn member(&self, role: Role) -> (UserId, GrantView) {
        let user = UserId::from_entropy(crate::entropy());
        let grant = access::give(&self.ask(), user.clone(), role, Scope::Organization, None)
            .await
            .unwrap();
        (user, grant)
    }

    /// A new workspace.
    pub(crate) async fn workspace(&self, text: &str) -> Workspace {
        let made = workspace::create(&self.ask(), name(text), None)
            .await
            .unwrap();
        Workspace::Id(made.id.parse().unwrap())
    }

    /// Queues `jobs` so that one batch takes them all, in this order, and lets
    /// the writer go.
    pub(crate) async fn queue<T: Send + 'static>(
        &self,
        jobs: Vec<BoxFuture<'static, T>>,
    ) -> Vec<JoinHandle<T>> {
        let gate = self.script.hold(Point::Begin);
        let ctx = self.ask();
        let plug = tokio::spawn(async move {
            door::change(&ctx, Plug, Target::House, |_| {
                Box::pin(async { Ok(Outcome::Unchanged(())) })
            })
            .await
        });
        let release = gate.reached().await;
        let mut answers = Vec::new();
        for (index, job) in jobs.into_iter().enumerate() {
            answers.push(tokio::spawn(job));
            until("the job is queued", || self.house.waiting() == index + 1).await;
        }
        release.send(()).unwrap();
        plug.await.unwrap().unwrap();
        answers
    }

    /// The same, and waits for the answers.
    pub(crate) async fn together<T: Send + 'static>(
        &self,
        jobs: Vec<BoxFuture<'static, T>>,
    ) -> Vec<T> {
        let mut answers = Vec::new();
        for answer in self.queue(jobs).await {
            answers.push(answer.await.unwrap());
        }
        answers
    }

    /// Runs SQL as somebody who has the database, past the door.
    pub(crate) async fn tamper(&self, sql: &str) {
        match &self.cluster {
            None => {
                rusqlite::Connection::open(self.house_file())
                    .unwrap()
                    .execute_batch(sql)
                    .unwrap();
            }
            Some(cluster) => {
                let script = format!("SET search_path = \"{}\"; {sql}", self.schema());
                cluster.admin().await.batch_execute(&script).await.unwrap();
            }
        }
    }

    /// The file of the organization's database on SQLite.
    pub(crate) fn house_file(&self) -> PathBuf {
        house_file(&self.options, self.house.code())
    }

    /// Its schema on PostgreSQL.
    pub(crate) fn schema(&self) -> String {
        format!("statehouse_{}", self.house.code())
    }
}

impl Ashes {
    /// Starts again over what was left.
    pub(crate) async fn start(self, script: Arc<Script>) -> World {
        let Self {
            engine,
            code,
            owner,
            options,
            post,
            time,
            cluster,
            folder,
        } = self;
        let core = Core::open_with(options.clone(), Faults::new(script.clone()))
            .await
            .unwrap();
        let house = core.house(code).await.unwrap();
        World {
            engine,
            script,
            core,
            house,
            owner,
            options,
            post,
            time,
            cluster,
            folder,
        }
    }

    /// The file of the organization's database on SQLite.
    pub(crate) fn house_file(&self) -> PathBuf {
        house_file(&self.options, self.code)
    }

    /// The anchor of the organization.
    pub(crate) fn anchor(&self) -> PathBuf {
        self.options
            .anchors
            .join(format!("{}.checkpoint", self.code))
    }

    /// Where all rows lie: the data folder, or the cluster's.
    pub(crate) fn database(&self) -> PathBuf {
        self.cluster
            .as_ref()
            .map_or_else(|| self.options.data.clone(), Cluster::data)
    }

    /// Copies the whole database aside; the server must be down.
    pub(crate) fn copy(&self) -> PathBuf {
        let copy = self.folder.path().join("older");
        postgres::copy(&self.database(), &copy);
        copy
    }

    /// Puts a copy back in place of the database.
    pub(crate) fn put_back(&self, copy: &std::path::Path) {
        fs_err::remove_dir_all(self.database()).unwrap();
        postgres::copy(copy, &self.database());
    }
}

/// Whether SQLite still has a database under `folder` open: the last connection
/// removes the write-ahead log.
fn open_files(folder: &std::path::Path) -> bool {
    let inside = |folder: PathBuf| {
        fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let mut files = inside(folder.to_owned()).chain(inside(folder.join("houses")));
    files.any(|file| file.extension().is_some_and(|kind| kind == "db-wal"))
}

fn house_file(options: &Options, code: HouseCode) -> PathBuf {
    options.data.join("houses").join(format!("{code}.db"))
}

/// Waits until `holds`, and fails when it never does.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

/// A clock that goes on by a millisecond each time it is read.
fn clock(now: Arc<AtomicI64>) -> crate::Clock {
    Arc::new(move || now.fetch_add(1000, Ordering::Relaxed))
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A state as terraform writes it, with `resources` instances and a note that
/// makes its bytes others'.
pub(crate) fn state(lineage: &str, serial: u64, resources: usize, note: &str) -> Bytes {
    let instances = vec![serde_json::json!({ "attributes": {} }); resources];
    let resource = serde_json::json!({
        "mode": "managed", "type": "terraform_data", "name": "each",
        "provider": "provider[\"terraform.io/builtin/terraform\"]", "instances": instances,
    });
    let state = serde_json::json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": { "note": { "value": note, "type": "string" } }, "resources": [resource],
    });
    serde_json::to_vec(&state).unwrap().into()
}

/// Hexadecimal digits that do not compress below half their length.
pub(crate) fn noise(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        text += &hex::encode(crate::random::<32>());
    }
    text
}

/// What a lock says that is taken under `id`.
pub(crate) fn lock_info(id: &str) -> statehouse_terraform::lock::LockInfo {
    statehouse_terraform::lock::LockInfo {
        id: id.to_owned(),
        ..Default::default()
    }
}

/// Uploads a state without a lock.
pub(crate) async fn put(ctx: &Ctx, workspace: &Workspace, bytes: Bytes) -> Result<Put> {
    crate::state::put(
        ctx,
        workspace,
        Upload {
            bytes,
            lock_id: None,
        },
    )
    .await
}
