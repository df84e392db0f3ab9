//! A phase: one command, and all that it gets. What is not listed here it does not have.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::settings::Level;

/// Something of the machine that a phase sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the machine.
    pub source: PathBuf,
    /// Where the phase finds it: absolute, in a place of its own at the top (`/tools`, `/mirror`, `/ca/bundle.pem`).
    pub target: PathBuf,
}

impl Bind {
    /// Where a phase finds it at a level: without namespaces there is no other place than where it is.
    pub fn place(&self, level: Level) -> &Path {
        match level {
            Level::Strict => &self.target,
            Level::Process => &self.source,
        }
    }
}

/// What a phase may use. Each number is a limit that the kernel keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all processes together, the temporary directory included.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Processor time of each process.
    pub cpu_seconds: u64,
    /// Time on the clock.
    pub wall: Duration,
    /// Open files of each process.
    pub files: u64,
    /// The size of any one file.
    pub file_bytes: u64,
    /// The temporary directory, which is in memory.
    pub temporary_bytes: u64,
}

impl Default for Limits {
    /// Terraform with the AWS provider takes about 1 GB and 60 threads; the rest is room for large configurations.
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            processes: 1024,
            cpu_seconds: 4 * 3600,
            wall: Duration::from_hours(4),
            files: 16384,
            file_bytes: 4 << 30,
            temporary_bytes: 1 << 30,
        }
    }
}

/// A name that a phase can resolve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// A loopback address.
    pub address: IpAddr,
    /// The name.
    pub name: String,
}

/// An address on the sandbox's loopback that leads somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Where the relay listens.
    pub address: SocketAddr,
    /// What the relay asks for at the socket.
    pub target: String,
}

/// The way out: a socket to the runner, and relays on loopback that carry connections to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// The runner's socket. Its directory is shown to the phase, and should hold nothing else. Inside, this is where the phase
    /// finds it.
    pub socket: PathBuf,
    /// What the relays listen on. The command may connect to these ports and to no others.
    pub listen: Vec<Listen>,
    /// Names beside `localhost`.
    pub hosts: Vec<Host>,
}

/// What of a network a phase has. It is never the machine's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Loopback, with nothing on it.
    None,
    /// Loopback, with relays.
    Egress(Egress),
}

/// One command in a fresh sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The program, by the path at which the phase finds it.
    pub program: PathBuf,
    /// Its arguments. They can be seen in the list of processes: no secrets.
    pub arguments: Vec<String>,
    /// Its whole environment; nothing is inherited. Secrets go here.
    pub environment: Vec<(String, String)>,
    /// The work directory, on the machine; found at [`super::WORK`].
    pub work: PathBuf,
    /// Whether it may be written to.
    pub work_writable: bool,
    /// Where below the work directory the command starts.
    pub directory: PathBuf,
    /// What else can be read: tools, a provider mirror, certificates.
    pub read: Vec<Bind>,
    /// What else can be read and written: a plugin cache.
    pub write: Vec<Bind>,
    /// The network.
    pub network: Network,
    /// Limits.
    pub limits: Limits,
    /// What the command reads from standard input; then the end of the file.
    pub input: Vec<u8>,
    /// Whether [`super::Running::interrupt`] reaches it.
    pub interruptible: bool,
}

impl Phase {
    /// A command with nothing: no environment, no network, a work directory that it may write to.
    pub fn new(program: impl Into<PathBuf>, work: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            work: work.into(),
            work_writable: true,
            directory: PathBuf::new(),
            read: Vec::new(),
            write: Vec::new(),
            network: Network::None,
            limits: Limits::default(),
            input: Vec::new(),
            interruptible: true,
        }
    }

    /// The work directory as a bind.
    pub fn work_bind(&self) -> Bind {
        Bind {
            source: self.work.clone(),
            target: PathBuf::from(super::WORK),
        }
    }
}
