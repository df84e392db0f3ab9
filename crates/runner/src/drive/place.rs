//! Where a runner works: what its operator decided and what its starter prepared.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sandbox;

/// Everything about the place of a runner. It holds no secret: it is handed over as an argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Place {
    /// How sandboxes are made here.
    pub sandbox: sandbox::Settings,
    /// The seat that was prepared for this job.
    pub seat: sandbox::Seat,
    /// Where versions of terraform and tofu are, each in a folder `terraform_VERSION`; and the search path of the
    /// starter, for the version that is simply there.
    pub tools: Option<PathBuf>,
    /// The search path of the starter.
    pub path: String,
    /// A filesystem mirror of providers.
    pub provider_mirror: Option<PathBuf>,
    /// Where sandboxes may connect to, one rule each.
    pub egress: Vec<String>,
}
