//! What can go wrong around a sandbox, in words that say what to do next.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// One of the things that keep a phase apart from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The program that makes the namespaces.
    Bubblewrap,
    /// Users of its own.
    UserNamespace,
    /// A file system of its own.
    MountNamespace,
    /// Processes of its own.
    PidNamespace,
    /// A network of its own, with nothing but loopback.
    NetworkNamespace,
    /// Queues and shared memory of its own.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// Rules about files, kept by the kernel.
    Landlock,
    /// A filter of system calls.
    Seccomp,
    /// Limits of memory and processes.
    ControlGroups,
    /// A user that is not the server's.
    User,
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bubblewrap => "bubblewrap",
            Self::UserNamespace => "user namespaces",
            Self::MountNamespace => "mount namespaces",
            Self::PidNamespace => "pid namespaces",
            Self::NetworkNamespace => "network namespaces",
            Self::IpcNamespace => "IPC namespaces",
            Self::UtsNamespace => "UTS namespaces",
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
            Self::ControlGroups => "control groups",
            Self::User => "a separate user",
        })
    }
}

/// A layer that is not there, why, and what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox lacks {layer}: {why}; {what_next}")]
pub struct Missing {
    /// Which layer.
    pub layer: Layer,
    /// What was found instead.
    pub why: String,
    /// What brings it.
    pub what_next: String,
}

impl Missing {
    pub(crate) fn new(layer: Layer, why: impl Into<String>, what_next: impl Into<String>) -> Self {
        Self {
            layer,
            why: why.into(),
            what_next: what_next.into(),
        }
    }
}

/// Why there is no sandbox, or no phase in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// A phase asks for something that no phase gets.
    #[error("refused for the sandbox: {0}")]
    Refused(String),
    /// The command did not begin; with what was said on standard error.
    #[error("the sandbox did not start: {0}")]
    NotStarted(String),
    /// Processes of a sandbox are still there after they were killed.
    #[error("processes in {0} do not end although they were killed")]
    Survivors(String),
    /// A file or a process; the error names it.
    #[error(transparent)]
    Io(#[from] io::Error),
}
