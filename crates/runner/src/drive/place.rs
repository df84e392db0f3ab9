//! Where a runner works: what its operator decided and what its starter prepared.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox::{self, Bind};

/// Where a sandbox finds the mirror of providers.
const MIRROR: &str = "/mirror";

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
}
