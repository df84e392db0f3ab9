//! What must hold before a server opens a house: it seals, its memory stays private, and it is the only one.

use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err as fs;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use statehouse_seal::make_directory;

use crate::config::Config;
use crate::failure::{Exit, Failure, Result};

/// `sun_path` has 108 bytes with its end (unix(7)); the socket is made under a name that is up to 20 bytes longer.
pub(super) const SOCKET_PATH_BYTES_MAX: usize = 87;

/// Refuses to keep states with a build that seals nothing. Such a build exists for one test.
pub(crate) fn refuse_unsealed() -> Result {
    if statehouse_seal::SEALING {
        return Ok(());
    }
    Err(Failure::failed(
        "this build leaves what it stores readable, for a test of the tests; it never serves",
    ))
}

/// No core dump, and no look into the memory by other processes of the same user: keys are in it.
pub(crate) fn keep_memory_private() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
    {
        tracing::warn!(%error, "core dumps cannot be switched off here; keys may be in one");
    }
}

/// The data directory, for one process at a time. The system releases it when the process ends, however it ends.
pub(crate) struct DirectoryLock {
    _file: fs::File,
}

impl DirectoryLock {
    /// Takes the directory, making it (mode 0700) where it is not there.
    pub(crate) fn take(data: &Path) -> Result<Self> {
        make_directory(data).map_err(|error| {
            Failure::failed(format!("the data directory cannot be used: {error}"))
        })?;
        Self::of(data)
    }

    /// Takes a directory that is there.
    pub(crate) fn of(data: &Path) -> Result<Self> {
        // The directory itself is locked, so that an empty one stays empty.
        let file = fs::File::open(data)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let words = format!("another process serves {}", data.display());
                Err(Failure::new(Exit::Conflict, words)
                    .hint("stop it first, or use another directory"))
            }
            Err(TryLockError::Error(error)) => Err(Failure::failed(format!(
                "{} cannot be locked: {error}",
                data.display()
            ))),
        }
    }
}

/// Says aloud when whoever takes the data takes the keys as well.
pub(crate) fn warn_of_neighbours(config: &Config) {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let data = device(&config.data.dir);
    for (what, path) in [
        ("keys.dir", &config.keys.dir),
        ("data.anchors", &config.data.anchors),
    ] {
        if data.is_some() && device(path) == data {
            tracing::warn!(
                setting = what,
                path = %path.display(),
                "it is on the same volume as data.dir: whoever takes that volume has both; move it to another one, then set it"
            );
        }
    }
}
