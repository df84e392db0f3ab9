//! What the runner tells the steps inside.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::phase::Egress;

/// The first line on the standard input of `outer`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// What makes the binary take the next step.
    pub(crate) again: Vec<String>,
    /// What is to become of it.
    pub(crate) command: Command,
    /// What the command reads.
    pub(crate) input: Vec<u8>,
    /// The way out, as it is seen inside.
    pub(crate) egress: Option<Egress>,
}

/// What comes before all else on the standard input of `exec`, with its length in eight bytes before it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Command {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment. No step of ours has it for its own: `LD_PRELOAD` would be obeyed before there are restrictions.
    pub(crate) environment: Vec<(String, String)>,
    /// Processor time, in seconds.
    pub(crate) cpu_seconds: u64,
    /// Open files.
    pub(crate) files: u64,
    /// The size of a file.
    pub(crate) file_bytes: u64,
    /// Memory of each process, where no control group counts that of all.
    pub(crate) data_bytes: Option<u64>,
    /// Landlock and seccomp; absent where there are no namespaces either.
    pub(crate) confine: Option<Confine>,
}

/// What Landlock allows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Confine {
    /// Where the command may write.
    pub(crate) writable: Vec<PathBuf>,
    /// Where it may connect to.
    pub(crate) ports: Vec<u16>,
}
