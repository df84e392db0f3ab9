//! Power loss: what an acknowledgement is worth when only synced bytes are left.
//!
//! A server (and its PostgreSQL) runs under the shim that journals every write and sync, with clients that note when each answer
//! came. Then its folders are rebuilt from synced bytes only, as of many of these instants. On each rebuilt folder the real
//! server must open, hold everything that was answered by then, and prove its database against its ledger.
//!
//! For our own files the strict rule counts: a name is there when its directory was synced. PostgreSQL's are granted the names
//! of new files, which it relies on; see the README of the shim.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use statehouse_e2e::random::Random;
use statehouse_e2e::scale;
use tempfile::TempDir;

use crate::crash::check::{Depth, check};
use crate::crash::cluster::Cluster;
use crate::crash::server::{Place, Recording, Server};
use crate::crash::{World, load, variable};

/// How many changes each of the two servers answers; the soak takes more points of longer lives.
const ANSWERS: usize = 150;
/// The longest that they live.
const LIFE_MAX: Duration = Duration::from_mins(1);
const REPLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shim/replay.py");

/// A folder that is recorded, and what rebuilds it.
struct Recorded {
    recording: Recording,
    base: Option<PathBuf>,
}

/// `replay.py` at work on one journal.
struct Replay {
    child: Child,
    points: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Recorded {
    /// The folder `name` below `root`, with its journal beside it.
    fn new(root: &Path, name: &str) -> Self {
        let folder = root.join(name);
        fs_err::create_dir_all(&folder).unwrap();
        let journals = root.join(format!("{name}.journal"));
        fs_err::create_dir(&journals).unwrap();
        Self {
            recording: Recording {
                journal: journals.join("journal"),
                root: folder,
            },
            base: None,
        }
    }

    fn command(&self) -> Command {
        let python = variable("STATEHOUSE_TEST_PYTHON").unwrap_or_else(|| "python3".to_owned());
        let mut command = Command::new(python);
        command.arg(REPLAY).arg(&self.recording.journal);
        if let Some(base) = &self.base {
            command.arg("--base").arg(base).args(["--names", "created"]);
        }
        command
    }

    /// Every change of the folder went through the journal: rebuilt with unsynced bytes as well, it is what it is.
    fn is_complete(&self) {
        let compared = self
            .command()
            .arg("--compare")
            .arg(&self.recording.root)
            .output()
            .expect("python3");
        let [found, errors] = [&compared.stdout, &compared.stderr]
            .map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(
            compared.status.success(),
            "these went past the journal: {found} {errors}"
        );
    }

    fn replay(&self) -> Replay {
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let answers = BufReader::new(child.stdout.take().unwrap());
        Replay {
            points: child.stdin.take(),
            answers,
            child,
        }
    }
}

impl Replay {
    /// Fills a new folder with what was synced at `at`; a later one than the last.
    fn rebuild(&mut self, at: u64, folder: &Path) {
        writeln!(self.points.as_mut().unwrap(), "{at} {}", folder.display()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(
            answer.contains(folder.to_str().unwrap()),
            "replay.py did not rebuild {at}: {answer:?}"
        );
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        drop(self.points.take());
        self.child.wait().ok();
    }
}

/// What the recorded run left: its clients' memory, and the instants to look at.
struct Run {
    world: World,
    points: Vec<u64>,
}

/// A first start, an organization, load on it, a kill, a restart and load again, all recorded.
fn record(place: &Place, own: &Recorded, count: usize, random: &mut Random) -> Run {
    let recording = Some(&own.recording);
    let (mut server, token) = Server::first(place, recording);
    let world = World::create(&server, &token, random);
    let answers = ANSWERS * scale().min(5);
    for again in [true, false] {
        let target = server.target.clone();
        let loaded = load::run(&world, &target, random, |over| {
            world.await_answers(answers, LIFE_MAX);
            over.store(true, Ordering::SeqCst);
            server.kill();
        });
        loaded.unwrap_or_else(|words| panic!("{words}"));
        if again {
            server = Server::start(place, recording);
            world.go_on(&server, Depth::Usual, random);
        }
    }
    // The first is an organization without a state, the last is everything.
    let answers = world.history.answers();
    let mut points = vec![
        world.desks.last().unwrap().made_at,
        *answers.last().unwrap(),
    ];
    while points.len() < count {
        points.push(*random.pick(&answers));
    }
    points.sort_unstable();
    points.dedup();
    Run { world, points }
}

/// Opens a rebuilt place with the real server, and asks it for everything that was answered.
fn holds(run: &Run, place: &Place, at: u64, random: &mut Random) {
    let server = Server::start(place, None);
    check(
        &server,
        &run.world,
        &run.world.history.expected(at),
        Depth::Live,
        random,
    );
}

/// How many points: 200 for each engine in the soak, and what fits into a test otherwise.
fn points(usual: usize) -> usize {
    if scale() == 1 { usual } else { 20 * scale() }
}

fn report(engine: &str, run: &Run, begun: Instant) {
    let (points, spent) = (run.points.len(), begun.elapsed().as_secs_f64());
    println!(
        "{engine}: {points} points in {spent:.0} s, {}",
        run.world.history.told()
    );
}

fn folder() -> TempDir {
    // PostgreSQL's user has to pass through it.
    tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap()
}

#[test]
fn an_answer_outlives_a_power_loss_on_sqlite() {
    let (begun, root, seed) = (Instant::now(), folder(), 0x5EED_0003);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let own = Recorded::new(root.path(), "own");
    let run = record(
        &Place::new(&own.recording.root, None),
        &own,
        points(40),
        &mut random,
    );
    own.is_complete();
    let mut replay = own.replay();
    for at in run.points.iter().copied() {
        println!("as of {at}");
        let rebuilt = root.path().join("rebuilt");
        replay.rebuild(at, &rebuilt);
        holds(&run, &Place::new(&rebuilt, None), at, &mut random);
        fs_err::remove_dir_all(&rebuilt).unwrap();
    }
    report("SQLite", &run, begun);
}

#[test]
fn an_answer_outlives_a_power_loss_on_postgresql() {
    let (begun, root, seed) = (Instant::now(), folder(), 0x5EED_0004);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let own = Recorded::new(root.path(), "own");
    let mut theirs = Recorded::new(root.path(), "theirs");
    let base = root.path().join("base");
    drop(Cluster::create(&theirs.recording.root));
    copy(&theirs.recording.root, &base);
    theirs.base = Some(base);
    let mut cluster = Cluster::over(&theirs.recording.root)
        .start(Some(&theirs.recording))
        .with_login();
    let place = Place::new(&own.recording.root, Some(cluster.url()));
    let run = record(&place, &own, points(12), &mut random);
    cluster.stop("immediate");
    own.is_complete();
    let (mut replay, mut replay_theirs) = (own.replay(), theirs.replay());
    for at in run.points.iter().copied() {
        println!("as of {at}");
        let (rebuilt, files) = (root.path().join("rebuilt"), root.path().join("files"));
        replay.rebuild(at, &rebuilt);
        replay_theirs.rebuild(at, &files);
        let recovered = Cluster::over(&files).start(None);
        holds(
            &run,
            &Place::new(&rebuilt, Some(recovered.url())),
            at,
            &mut random,
        );
        drop(recovered);
        fs_err::remove_dir_all(&rebuilt).unwrap();
        fs_err::remove_dir_all(&files).unwrap();
    }
    report("PostgreSQL", &run, begun);
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .expect("cp");
    assert!(copied.success(), "{} is not copied", from.display());
}
