//! The worker: one evaluation in a process of its own, which then ends.
//!
//! A policy is a stranger's program. There are policies that end the process which evaluates them, that take all memory there is, and
//! that do not come back; no engine can be asked to survive them. So the server never evaluates: it starts its own binary again
//! under a hidden subcommand, hands documents and policies over, and makes a verdict of the values that come back.
//!
//! Promises: a worker is confined as [`statehouse_confined`] says: neither files nor network nor environment, and limits from outside; its
//! time on the wall is limited, too. Whatever becomes of it, [`Workers::assess`] comes back in bounded time with a verdict
//! for every set; policies without an answer are errors in it, and the one that took the worker with it is named. What a policy does is told
//! apart from what becomes of a process where there is too much to do ([`Assessed::unanswered`]): its processor time and its address space are
//! its own, time on the wall and the memory of the machine are shared. Nothing of a worker
//! outlives its evaluation, and a server that goes away takes its workers with it.
//!
//! Deliberately absent: reuse. What one evaluation did to a process can then be of no use in the next.

mod inside;
mod workers;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use statehouse_confined::Program;

pub use crate::assess::check::Described;
pub use crate::assess::task::Usage;
pub use inside::main;
pub use workers::{Assessed, Canceled, Unchecked, Workers};

use crate::assess::check::Checked;
use crate::assess::task::Event;

/// How workers are started and what they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our own binary.
    pub program: PathBuf,
    /// What makes it a worker.
    pub arguments: Vec<OsString>,
    /// Whether a kernel without Landlock or seccomp is no place for a policy.
    pub strict: bool,
    /// What one evaluation may take.
    pub limits: Limits,
    /// Evaluations at once. Each may take [`Limits::memory_bytes`].
    pub parallel_max: usize,
}

impl Settings {
    /// A worker of this binary, with everything else as it is by default.
    pub fn new(
        program: PathBuf,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Settings {
        Settings {
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            strict: true,
            limits: Limits::default(),
            parallel_max: 2,
        }
    }
}

impl Settings {
    fn program(&self) -> Program {
        Program {
            path: self.program.clone(),
            arguments: self.arguments.clone(),
            strict: self.strict,
        }
    }
}

/// What one evaluation may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All of it, from when it has a place. Much longer than it takes where there is a processor for it: what is not done by then says how much there is
    /// to do, and nothing of the policies.
    pub wall: Duration,
    /// Waiting for a place, in turn: as long as some organizations take that each have one evaluation before it.
    pub turn: Duration,
    /// A question to the policies of one set, kept by the engine itself, so that the others still get their time. What it had of the processor counts.
    pub set_wall: Duration,
    /// Processor time of the processes of one evaluation together: what counts against policies.
    pub cpu: Duration,
    /// Address space without documents: the binary, the engine, a stack for each thread.
    pub memory_bytes: u64,
    /// Address space for each byte of a document. Measured: five and a half at the peak.
    pub memory_per_byte: u64,
    /// All documents together.
    pub input_bytes_max: u64,
    /// All that a worker may say.
    pub output_bytes_max: usize,
    /// Sets that are evaluated at once in one worker.
    pub threads: usize,
}

impl Limits {
    /// What its process may take.
    fn of_process(&self) -> statehouse_confined::Limits {
        statehouse_confined::Limits {
            cpu: self.cpu,
            memory_bytes: self.memory_bytes,
            memory_per_byte: self.memory_per_byte,
            output_bytes_max: self.output_bytes_max,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            wall: Duration::from_mins(10),
            turn: Duration::from_hours(1),
            set_wall: Duration::from_secs(20),
            cpu: Duration::from_mins(2),
            memory_bytes: 768 << 20,
            memory_per_byte: 10,
            input_bytes_max: 512 << 20,
            output_bytes_max: 128 << 20,
            threads: 2,
        }
    }
}

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
enum Order<T, S> {
    /// Evaluate. The documents follow, one after the other, as they are.
    Evaluate(T),
    /// Load a set, and say what is wrong with it.
    Check(S),
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Event(Event),
    Checked(Checked),
}
