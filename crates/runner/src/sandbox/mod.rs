//! A place in which one command runs and can do no harm.
//!
//! Three things are kept apart. A *seat* is prepared by whoever starts a runner, with the privileges that this takes: a user of
//! its own, a private directory, a control group with limits. A *phase* is one command in a fresh sandbox on that seat, started
//! without any privilege. *Inside* is what our own binary does in the sandbox before the command begins: it restricts itself and
//! then becomes the command.
//!
//! Under [`Level::Strict`] every layer is there or the phase is refused, and the missing layer says its name: bubblewrap with
//! user, mount, pid, network, IPC and UTS namespaces, Landlock, seccomp, and limits of memory and processes by control groups of
//! either version. Under [`Level::Process`] there are no namespaces: a process group, a clean environment, limits, and an end of
//! everything that was started.
//!
//! Absent on purpose: what is run, secrets (they arrive in the environment of a phase and are written nowhere), and the way out
//! to the network, which is a relay given to [`inside::main`].

pub mod arguments;
pub mod cgroup;
pub mod error;
pub mod inside;
pub mod layers;
pub mod phase;
mod reach;
pub mod root;
pub mod run;
pub mod seat;
pub mod settings;
mod wipe;
pub mod within;

pub use error::{Error, Layer, Missing};
pub use layers::{Layers, probe};
pub use phase::{Bind, Egress, Host, Limits, Listen, Network, Phase};
pub use run::{Exit, Running, run};
pub use seat::{Seat, folder, left, prepare};
pub use settings::{Inside, Level, Settings, Users, separate};

/// Where a phase finds its work directory: the same on every runner, because terraform writes paths into what it makes.
pub const WORK: &str = "/workspace";

/// Where a phase finds our own binary.
pub const SELF: &str = "/statehouse";

/// Where a phase finds the directory of the socket that leads to the network.
pub const EGRESS: &str = "/egress";

/// The user and group that a command is, as it sees itself.
pub const ID_INSIDE: u32 = 1000;
