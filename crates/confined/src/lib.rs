//! One order, carried out by a process of our own binary that has nothing else left.
//!
//! Whatever strangers wrote and somebody has to work through (policies, plans that are to be priced) is worked through elsewhere than in the server:
//! it starts its own binary again under a hidden subcommand, hands an order and documents over, and hears what is said.
//!
//! Promises: such a process has an empty environment, no open file but three pipes, and, before it reads a byte, neither files nor network
//! (Landlock without any path, and a short list of system calls that are left to it). Its address space and its processor time are limited
//! from outside, and whoever waits for it says until when. What it is to read is opened piece by piece while it does ([`poured`]). A process that goes away, or does not keep to the protocol, is a [`Failure`], and a server
//! that goes away takes its processes with it.
//!
//! Deliberately absent: what an order means, how often it is tried again, and reuse. What one order did to a process can then be of no use in the next.

mod confine;
mod frame;
mod inside;
mod poured;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use inside::{begin, document, order, say, watch};
pub use poured::{Pour, poured};
pub use process::{Death, Failure, Patience, Piece, Process};

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Our own binary.
    pub path: PathBuf,
    /// What makes it such a process.
    pub arguments: Vec<OsString>,
    /// Whether a kernel without Landlock or seccomp is no place for it.
    pub strict: bool,
}

/// What one process may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time.
    pub cpu: Duration,
    /// Address space without documents.
    pub memory_bytes: u64,
    /// Address space for each byte of a document.
    pub memory_per_byte: u64,
    /// All that it may say.
    pub output_bytes_max: usize,
}

/// The first thing that a process says: what keeps it, or why not.
#[derive(Debug, Serialize, Deserialize)]
struct Ready {
    /// The version of Landlock.
    landlock: Result<i32, String>,
    seccomp: Result<(), String>,
}
