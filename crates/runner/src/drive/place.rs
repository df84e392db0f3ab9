//! Where a runner works: what its operator decided and what its starter prepared.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox::{self, Bind};

/// Where a sandbox finds the mirror of providers, and the plugin cache.
const MIRROR: &str = "/mirror";
const CACHE: &str = "/cache";

/// Where on a seat the configuration is.
pub(crate) const TREE: &str = "tree";

/// Where the configuration of the job on a seat is.
pub fn tree(seat: &sandbox::Seat) -> PathBuf {
    seat.directory.join(TREE)
}

/// Everything about the place of a runner. It holds no secret: it is handed over as an argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// How sandboxes are made here.
    pub sandbox: sandbox::Settings,
    /// The seat that was prepared for this job.
    pub seat: sandbox::Seat,
    /// A filesystem mirror of providers.
    pub provider_mirror: Option<PathBuf>,
    /// The plugin cache of the job's house. There is none beside a mirror, which is as near.
    pub provider_cache: Option<PathBuf>,
    /// Where sandboxes may connect to, one rule each.
    pub egress: Vec<String>,
}

impl Place {
    /// The mirror of providers, and where a phase finds it.
    pub(crate) fn mirror(&self) -> Option<Bind> {
        self.provider_mirror.clone().map(|source| Bind {
            source,
            target: PathBuf::from(MIRROR),
        })
    }

    /// The plugin cache, and where a phase finds it.
    pub(crate) fn cache(&self) -> Option<Bind> {
        self.provider_cache.clone().map(|source| Bind {
            source,
            target: PathBuf::from(CACHE),
        })
    }

    /// Where packages of providers are that no phase can write.
    pub(crate) fn packages(&self) -> Option<Bind> {
        self.mirror().or_else(|| self.cache())
    }
}
