//! The real binary as a child process, killed and never asked to stop.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};

use super::client::{Client, Target, Unanswered};
use super::{ORGANIZATION, variable};

/// A server that does not listen after this long has failed.
const START_MAX: Duration = Duration::from_mins(1);

/// Where a server keeps what it keeps.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    /// The address of a PostgreSQL server instead of files.
    pub(crate) postgres: Option<String>,
    /// What it says; beside the folder, because nothing of it has to be kept.
    pub(crate) log: PathBuf,
}

impl Place {
    /// Data, keys and anchors below `folder`, which is there.
    pub(crate) fn new(folder: &Path, postgres: Option<String>) -> Self {
        Self {
            folder: folder.to_owned(),
            postgres,
            log: folder.with_extension("log"),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("house")
    }

    /// The end of what the server said.
    fn said(&self) -> String {
        let text = fs_err::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// How the syncs of a program are recorded.
pub(crate) struct Recording {
    pub(crate) journal: PathBuf,
    pub(crate) root: PathBuf,
}

impl Recording {
    /// Puts the recording shim into a program and its children.
    pub(crate) fn of(&self, command: &mut Command, shim: &Path) {
        command.env("LD_PRELOAD", shim);
        command
            .env("STATEHOUSE_SHIM_RECORD", &self.journal)
            .env("STATEHOUSE_SHIM_ROOT", &self.root);
    }
}

/// The library that records syncs.
pub(crate) fn shim() -> PathBuf {
    variable("STATEHOUSE_TEST_SHIM")
        .expect("STATEHOUSE_TEST_SHIM is not set: run ./dev test, which builds the shim")
        .into()
}

/// The binary that is tested: the one that is named, or the one that was built beside this test.
fn binary() -> PathBuf {
    let beside = || {
        std::env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .with_file_name("statehouse")
    };
    let binary = variable("STATEHOUSE_TEST_BINARY").map_or_else(beside, PathBuf::from);
    assert!(
        binary.exists(),
        "{} is missing: run ./dev test, or `cargo build --package statehouse`",
        binary.display()
    );
    binary
}

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    process: Process,
    pub(crate) target: Target,
    ca: PathBuf,
    /// Where its changes are recorded, if they are.
    journal: Option<PathBuf>,
}

impl Server {
    /// Starts the server on a place that has an operator, and waits until it answers.
    pub(crate) fn start(place: &Place, recording: Option<&Recording>) -> Self {
        let port = free_port();
        let process = Process::spawn(&mut command(place, port, recording));
        Self::await_answer(process, place, port, recording)
    }

    /// Starts it on a new place; the second is the token of the operator that it made.
    pub(crate) fn first(place: &Place, recording: Option<&Recording>) -> (Self, String) {
        let port = free_port();
        let token = place.folder.with_extension("token");
        let mut command = command(place, port, recording);
        command.arg("--first-token").arg(&token);
        let server = Self::await_answer(Process::spawn(&mut command), place, port, recording);
        let token = fs_err::read_to_string(&token).expect("a first token");
        (server, token.trim().to_owned())
    }

    /// Starts it and kills it before anybody could know how far it came.
    pub(crate) fn start_and_kill(place: &Place, after: Duration) {
        let mut process = Process::spawn(&mut command(place, free_port(), None));
        sleep(after);
        let ended = process.ended();
        assert_eq!(ended, None, "the server ended by itself\n{}", place.said());
        process.kill();
    }

    /// It listens before it opens, and answers when it is open.
    fn await_answer(
        mut process: Process,
        place: &Place,
        port: u16,
        recording: Option<&Recording>,
    ) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let ca = place.data().join("ca.pem");
        let begun = Instant::now();
        while !ca.exists() || TcpStream::connect(address).is_err() {
            let ended = process.ended();
            let waits = ended.is_none() && begun.elapsed() < START_MAX;
            assert!(
                waits,
                "the server does not listen: {ended:?}\n{}",
                place.said()
            );
            sleep(Duration::from_millis(3));
        }
        let target = Target::new(address, &ca);
        let answer = Client::new(&target, "none").request("GET", "/api/v2/permissions", &[]);
        if let Err(Unanswered(words)) = answer {
            panic!("the server does not open: {words}\n{}", place.said());
        }
        Self {
            process,
            target,
            ca,
            journal: recording.map(|recording| recording.journal.clone()),
        }
    }

    /// Ends it as an operator in a hurry does.
    pub(crate) fn kill(&mut self) {
        let ended = self.process.ended();
        assert_eq!(ended, None, "the server ended by itself");
        let held = self.journal.as_deref().map(hold);
        self.process.kill();
        drop(held);
    }

    /// Runs the command line against it; it must exit with 0.
    pub(crate) fn run(&self, token: &str, arguments: &[&str]) {
        let mut command = Command::new(binary());
        command.env_clear().args(arguments).env(
            "STATEHOUSE_ADDRESS",
            format!("https://{}", self.target.address),
        );
        command
            .env("STATEHOUSE_CA", &self.ca)
            .env("STATEHOUSE_TOKEN", token)
            .env("STATEHOUSE_ORGANIZATION", ORGANIZATION);
        let ran = command.output().expect("the binary");
        let texts = [&ran.stdout, &ran.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(
            ran.status.success(),
            "{arguments:?}: {}\n{}{}",
            ran.status,
            texts[0],
            texts[1]
        );
    }
}

/// Holds the lock that orders the journal, until the file is dropped: the shim makes and notes each change under it, so nobody who
/// is killed meanwhile leaves a change that was made and not noted.
fn hold(journal: &Path) -> fs_err::File {
    let file = fs_err::File::options().write(true).open(journal).unwrap();
    fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
    file
}

/// A child that is killed when nobody needs it any more.
struct Process(Child);

impl Process {
    fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the binary"))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the child")
    }

    /// SIGKILL; a process that has ended is left alone.
    fn kill(&mut self) {
        self.0.kill().ok();
        self.0.wait().expect("the child");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn command(place: &Place, port: u16, recording: Option<&Recording>) -> Command {
    let log = fs_err::File::options()
        .create(true)
        .append(true)
        .open(&place.log)
        .unwrap();
    let mut command = Command::new(binary());
    command.env_clear().arg("serve");
    command.env("STATEHOUSE_SERVER_DATA_DIR", place.data());
    command.env(
        "STATEHOUSE_SERVER_DATA_ANCHORS",
        place.folder.join("house.anchor"),
    );
    command.env(
        "STATEHOUSE_SERVER_KEYS_DIR",
        place.folder.join("house.keys"),
    );
    command.env("STATEHOUSE_SERVER_LISTEN_PORT", port.to_string());
    if let Some(url) = &place.postgres {
        command.env("STATEHOUSE_SERVER_DATABASE_URL", url);
    }
    if let Some(recording) = recording {
        recording.of(&mut command, &shim());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.into_file());
    command
}
