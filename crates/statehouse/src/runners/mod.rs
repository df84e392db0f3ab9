//! The runners that this process starts, a server's or an agent's: for each job a child process of its own, on a seat of its own.
//!
//! A runner is our own binary (`statehouse runner`), without any privilege and with nothing but a line to this process: standard input
//! is one end of a pair of sockets. It never shares an address space with the server, nor with the next job. When it ends, everything
//! that it started is ended and its seat is wiped; a state that it kept and could not send is handed over first.
//!
//! Where jobs come from a [`Source`] says: the core of this process ([`own`]), or a server elsewhere ([`served`]). Absent on purpose:
//! what a job is, which the core says, and what is done with it, which the runner knows.

mod kept;
mod line;
mod memory;
mod outside;
mod own;
mod packages;
mod schemas;
mod served;
mod source;

use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fs_err as fs;
use statehouse_control::{Ask, Ended, Told};
use statehouse_model::{HouseId, RunId};
use statehouse_runner::drive::place::Place;
use statehouse_runner::drive::spool;
use statehouse_runner::drive::stock::Stock;
use statehouse_runner::sandbox::{self, Inside, Level, Seat, Users};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use crate::config::{RunLevel, Runs};
use crate::environment::Environment;
use crate::failure::Result;
use crate::files;
use memory::Memory;
pub(crate) use outside::Outside;
pub(crate) use own::Own;
use packages::Packages;
use schemas::Schemas;
pub(crate) use served::Served;
pub(crate) use source::Source;
use source::{Job, NotTaken};

/// The hidden subcommand of a runner.
pub(crate) const RUNNER: &str = "runner";
/// The hidden subcommand of what runs in a sandbox.
pub(crate) const INSIDE: &str = "inside";
/// How long a runner may take to end after its line was closed.
const END_MAX: Duration = Duration::from_secs(10);
/// Before a place that cannot be prepared is tried again.
const PAUSE: Duration = Duration::from_secs(5);
/// Before a state is handed over again to a server that could not be asked.
const LATER: Duration = Duration::from_secs(5);
/// How long runners of a process that is gone may take to end, and how often they are looked for. An apply ends what it has begun.
const SETTLED_MAX: Duration = Duration::from_mins(30);
const LOOK: Duration = Duration::from_millis(500);

/// Why a job was not run as it should be.
enum Trouble {
    /// The next one may be.
    Job(String),
    /// The seat holds the only copy of a state: nothing is run on it, and nothing of it is wiped.
    Seat(String),
}

/// What every runner of this process is given.
#[derive(Clone)]
pub(crate) struct Plant<S> {
    source: S,
    slots: u32,
    program: Program,
    sandbox: sandbox::Settings,
    kept: Arc<Kept>,
    egress: Vec<String>,
}

/// What is kept here for runners, and outlives them.
struct Kept {
    memory: Memory,
    schemas: Schemas,
    stock: Arc<Stock>,
    packages: Packages,
    /// Who asks a tool what it is. No runner is that user, so that none can answer in its place.
    asker: std::result::Result<User, String>,
    outside: Outside,
}

/// The user and group that somebody is, where it is another than this process.
type User = Option<(u32, u32)>;

impl Kept {
    /// Looks into the stock, which may take seconds.
    async fn stock<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Stock) -> std::result::Result<T, String> + Send + 'static,
    ) -> std::result::Result<T, String> {
        let stock = self.stock.clone();
        let looked = tokio::task::spawn_blocking(move || look(&stock)).await;
        looked.map_err(|error| error.to_string())?
    }
}

/// Our own binary, where those who are to start it get to it. Where the server is root, runners are other users, to whom a
/// binary in a home of root's is closed: they get a copy, before the first of them starts.
#[derive(Clone)]
struct Program {
    own: PathBuf,
    copy: Option<PathBuf>,
    copied: Arc<OnceCell<()>>,
}

impl Program {
    fn of(runs: &Runs) -> Result<Self> {
        let own = std::env::current_exe()?;
        let closed = rustix::process::geteuid().is_root() && !files::is_open_to_all(&own);
        Ok(Self {
            own,
            copy: closed.then(|| runs.dir.join("program").join("statehouse")),
            copied: Arc::default(),
        })
    }

    fn path(&self) -> &Path {
        self.copy.as_deref().unwrap_or(&self.own)
    }

    /// Puts the copy where it is to be, once.
    async fn ready(&self, runs: &Path) -> std::io::Result<()> {
        let Some(copy) = &self.copy else {
            return Ok(());
        };
        let (own, copy, runs) = (self.own.clone(), copy.clone(), runs.to_owned());
        let put = async || {
            let putting = tokio::task::spawn_blocking(move || {
                sandbox::folder(&runs)?;
                sandbox::folder(&runs.join("program"))?;
                let new = copy.with_extension("new");
                fs::copy(&own, &new)?;
                fs::set_permissions(&new, Permissions::from_mode(0o755))?;
                fs::rename(&new, &copy)
            });
            putting.await.map_err(std::io::Error::other)?
        };
        self.copied.get_or_try_init(put).await.map(drop)
    }
}

fn settings(runs: &Runs, forbidden: Vec<PathBuf>, program: &Path, path: &str) -> sandbox::Settings {
    let on_path = || {
        let mut folders = path
            .split(':')
            .map(|folder| PathBuf::from(folder).join("bwrap"));
        folders.find(|path| path.is_file())
    };
    let bubblewrap = runs.bubblewrap.clone().or_else(on_path);
    sandbox::Settings {
        level: match runs.level {
            RunLevel::Strict => Level::Strict,
            RunLevel::Process => Level::Process,
        },
        bubblewrap: bubblewrap.unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap")),
        inside: Inside {
            program: program.to_owned(),
            arguments: vec![INSIDE.to_owned()],
        },
        seats: runs.dir.clone(),
        users: Some(Users {
            uid_first: runs.uid_first,
            gid_first: runs.gid_first,
        }),
        cgroup: Some(PathBuf::from(&runs.cgroup)).filter(|path| !path.as_os_str().is_empty()),
        memory_bytes_max: runs.memory_mib_max.saturating_mul(1024 * 1024),
        processes_max: runs.processes_max,
        forbidden,
    }
}

/// Says once, at the start, that jobs are kept apart from little, and why.
fn tell_level(runs: &Runs) -> Result<()> {
    let sandbox = runs.sandbox()?;
    if let Some(reason) = sandbox.reason()
        && runs.slots > 0
    {
        tracing::warn!(
            reason,
            "runs.level is process: jobs are kept from little of this machine and have its network"
        );
    }
    Ok(())
}

impl<S: Source> Plant<S> {
    /// Runners for the jobs of `source`, which get `outside` and see nothing of what is `forbidden`.
    pub(crate) fn of(
        source: S,
        runs: &Runs,
        outside: Outside,
        mut forbidden: Vec<PathBuf>,
        environment: &Environment,
    ) -> Result<Self> {
        forbidden.extend(runs.proxy_file.clone());
        tell_level(runs)?;
        let program = Program::of(runs)?;
        let path = environment
            .get("PATH")
            .unwrap_or("/usr/bin:/bin")
            .to_owned();
        let sandbox = settings(runs, forbidden, program.path(), &path);
        // The first place that there is not.
        let asker = sandbox::left(&sandbox, runs.slots);
        Ok(Self {
            sandbox,
            kept: Arc::new(Kept {
                memory: Memory::of(&runs.dir),
                schemas: Schemas::of(&runs.dir),
                stock: Arc::new(Stock::new(runs.tools.clone(), path)),
                packages: Packages::of(runs),
                asker: asker
                    .map(|seat| user(&seat))
                    .map_err(|error| format!("the user that asks tools what they are: {error}")),
                outside,
            }),
            source,
            slots: runs.slots,
            program,
            egress: runs.egress.clone(),
        })
    }

    /// Runs jobs until `stopping`.
    pub(crate) async fn serve(self, mut stopping: watch::Receiver<bool>) {
        let mut seats = JoinSet::new();
        for slot in 0..self.slots {
            seats.spawn(self.clone().work(slot, stopping.clone()));
        }
        tokio::select! {
            () = self.source.begin(self.slots) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        while seats.join_next().await.is_some() {}
    }

    /// One place: a job after the other.
    async fn work(self, slot: u32, mut stopping: watch::Receiver<bool>) {
        let settled = tokio::select! {
            settled = self.settle(slot, stopping.clone()) => settled,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        if let Err(why) = settled {
            self.source.rests(slot).await;
            return out_of_service(slot, &why, stopping).await;
        }
        loop {
            let job = tokio::select! {
                job = self.source.next(slot) => job,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            let run = job.run().clone();
            match self.job(slot, &job, stopping.clone()).await {
                Ok(()) => {}
                Err(Trouble::Job(error)) => {
                    tracing::error!(%run, error, "a job could not be run");
                    failed(&job, &error).await;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Trouble::Seat(why)) => {
                    failed(&job, &why).await;
                    self.source.rests(slot).await;
                    return out_of_service(slot, &why, stopping).await;
                }
            }
        }
    }

    /// Waits for what an earlier process started at a place and did not see end: without its line it ends by itself, in order. The state that
    /// it kept is handed over before the place is used again.
    async fn settle(
        &self,
        slot: u32,
        stopping: watch::Receiver<bool>,
    ) -> std::result::Result<(), String> {
        // What is wrong with a place is told when a job is to run there.
        let Ok(seat) = sandbox::left(&self.sandbox, slot) else {
            return Ok(());
        };
        let begun = tokio::time::Instant::now();
        while seat.is_occupied().unwrap_or(false) && begun.elapsed() < SETTLED_MAX {
            tokio::time::sleep(LOOK).await;
        }
        self.rescue(&seat, &stopping).await
    }

    /// Hands over what an earlier runner kept at a place, and wipes the place. After an error it must not be wiped.
    async fn rescue(
        &self,
        seat: &Seat,
        stopping: &watch::Receiver<bool>,
    ) -> std::result::Result<(), String> {
        let no_owner = |why: &str| format!("a state that a runner kept has no owner: {why}");
        let run = spool::run_of(&seat.directory).map_err(|error| no_owner(&error.to_string()))?;
        let Some(run) = run else {
            return Ok(());
        };
        let run = run.parse().map_err(|_| no_owner("it names no run"))?;
        self.hand_over(&run, seat, stopping).await?;
        if let Err(error) = clear(seat.clone()).await {
            // What is prepared next says so again, and starts nothing.
            tracing::warn!(%run, error, "a place of an earlier runner is not wiped yet");
        }
        Ok(())
    }

    /// Hands over a state that a runner kept and did not send. What is not taken is put aside: no state is wiped.
    async fn hand_over(
        &self,
        run: &RunId,
        seat: &Seat,
        stopping: &watch::Receiver<bool>,
    ) -> std::result::Result<(), String> {
        let words = |error: std::io::Error| format!("a state that a runner kept: {error}");
        if !spool::waits(&seat.directory).map_err(words)? {
            return Ok(());
        }
        let sealed = Bytes::from(spool::sealed(&seat.directory).map_err(words)?);
        let refused = loop {
            match self.source.left(run, sealed.clone()).await {
                Ok(()) => {
                    tracing::info!(%run, "a state that a lost runner kept was handed over");
                    return Ok(());
                }
                Err(NotTaken::Refused(why)) => break why,
                Err(NotTaken::Later(why)) => {
                    tracing::warn!(%run, why, "a state that a lost runner kept cannot be handed over yet");
                    pause(LATER, stopping.clone()).await.map_err(|()| {
                        "a state that a runner kept waits for the next start".to_owned()
                    })?;
                }
            }
        };
        tracing::error!(%run, refused, "a state that a lost runner kept is not taken");
        let put = kept::put_aside(&self.sandbox.seats, run.as_str(), &sealed);
        let file = put.map_err(|error| format!("putting a state aside: {error}"))?;
        tracing::error!(%run, file = %file.display(), "it was put aside");
        Ok(())
    }

    /// One job, from its seat to the end of everything on it.
    async fn job(
        &self,
        slot: u32,
        job: &S::Job,
        stopping: watch::Receiver<bool>,
    ) -> std::result::Result<(), Trouble> {
        let placed = self.program.ready(&self.sandbox.seats).await;
        placed.map_err(|error| Trouble::Job(format!("the runner's program: {error}")))?;
        let earlier = sandbox::left(&self.sandbox, slot);
        let earlier = earlier.map_err(|error| Trouble::Job(error.to_string()))?;
        // To prepare a seat wipes it.
        let rescued = self.rescue(&earlier, &stopping).await;
        rescued.map_err(Trouble::Seat)?;
        let settings = self.sandbox.clone();
        let prepared = tokio::task::spawn_blocking(move || sandbox::prepare(&settings, slot)).await;
        let seat = prepared
            .map_err(|error| Trouble::Job(error.to_string()))?
            .map_err(|error| Trouble::Job(error.to_string()))?;
        let place = Place {
            sandbox: self.sandbox.clone(),
            seat: seat.clone(),
            provider_mirror: self.kept.packages.mirror(),
            provider_cache: self.kept.packages.cache_of(&job.run().house().to_string()),
            egress: self.egress.clone(),
        };
        let (mut ours, mut child) = self.start(&place).map_err(Trouble::Job)?;
        let over = line::serve(&mut ours, job, (&self.kept, &seat), stopping.clone()).await;
        drop(ours);
        end(&mut child).await;
        if !over {
            job.lost().await;
        }
        let handed = self.hand_over(job.run(), &seat, &stopping).await;
        handed.map_err(Trouble::Seat)?;
        clear(seat).await.map_err(Trouble::Job)
    }

    /// Starts the runner of a job.
    fn start(&self, place: &Place) -> std::result::Result<(UnixStream, Child), String> {
        let words = |error: std::io::Error| format!("starting a runner: {error}");
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(words)?;
        ours.set_nonblocking(true).map_err(words)?;
        let told = serde_json::to_string(place).map_err(|error| error.to_string())?;
        let mut command = Command::new(self.program.path());
        command
            .args([RUNNER, told.as_str()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .kill_on_drop(true);
        if let Some((uid, gid)) = user(&place.seat) {
            command.uid(uid).gid(gid);
        }
        let child = command.spawn().map_err(words)?;
        if let Some(process) = child.id() {
            place.seat.admit(process).map_err(words)?;
        }
        let ours = UnixStream::from_std(ours).map_err(words)?;
        Ok((ours, child))
    }
}

/// Who a runner on a seat is, where it is another than this process.
fn user(seat: &Seat) -> User {
    let is_root = rustix::process::geteuid().is_root();
    is_root.then_some((seat.uid, seat.gid))
}

/// Waits, unless it is to stop.
async fn pause(
    length: Duration,
    mut stopping: watch::Receiver<bool>,
) -> std::result::Result<(), ()> {
    let stop = stopping.wait_for(|stop| *stop);
    match tokio::time::timeout(length, stop).await {
        Ok(_) => Err(()),
        Err(_) => Ok(()),
    }
}

async fn clear(seat: Seat) -> std::result::Result<(), String> {
    match tokio::task::spawn_blocking(move || seat.clear()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// A place that must not be used rests until the process ends, so that a person can look.
async fn out_of_service(slot: u32, why: &str, mut stopping: watch::Receiver<bool>) {
    tracing::error!(
        slot,
        why,
        "a place for jobs is out of service: it holds a state that could not be put aside; put it right and start again"
    );
    stopping.wait_for(|stop| *stop).await.ok();
}

/// Waits for a runner to end; its line is closed, so that it has no reason to stay.
async fn end(child: &mut Child) {
    if tokio::time::timeout(END_MAX, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "a runner does not end");
    }
}

/// A job that has no place to run ends, and its log says why.
async fn failed(job: &impl Job, why: &str) {
    let words = format!("Error: no runner could be started for this run: {why}\n");
    let at = "sandbox".to_owned();
    let done = Ask::Done {
        how: Ended::Failed { at },
    };
    for (ask, bytes) in [
        (Ask::Log { from: 0 }, Bytes::from(words)),
        (done, Bytes::new()),
    ] {
        if let Told::Refused { why, .. } = job.answer(ask, bytes.into()).await.told {
            tracing::warn!(run = %job.run(), why, "a job that could not begin");
        }
    }
}
