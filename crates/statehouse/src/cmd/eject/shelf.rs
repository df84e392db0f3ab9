//! What states are taken out of: a list of workspaces, the versions of each, and their bytes.

use crate::failure::Result;

/// A workspace.
#[derive(Clone, Debug)]
pub(super) struct Workspace {
    /// Its id.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// The name of its project.
    pub(super) project: String,
    /// The id of its current version.
    pub(super) head: Option<String>,
}

/// A version, as far as a list tells.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// Its id.
    pub(super) id: String,
    /// Its place among those that were current, from 1.
    pub(super) sequence: Option<u64>,
    /// `finished`, `conflict`, `quarantined` or `discarded`.
    pub(super) status: String,
    /// Its lineage, empty where an encrypted state does not say.
    pub(super) lineage: String,
    /// Its serial, absent where an encrypted state does not say.
    pub(super) serial: Option<u64>,
    /// Its length.
    pub(super) size: u64,
    /// The index of its leaf in the ledger.
    pub(super) leaf: Option<u64>,
    /// Whether its bytes were removed on purpose.
    pub(super) removed: bool,
}

/// One organization, wherever it is.
pub(super) trait Shelf {
    /// The code in the ids of everything it holds; its ledger is named by it.
    fn code(&self) -> &str;

    /// Its workspaces.
    fn workspaces(&mut self) -> Result<Vec<Workspace>>;

    /// The versions of one, in any order.
    fn versions(&mut self, workspace: &Workspace) -> Result<Vec<Version>>;

    /// The bytes of a version.
    fn bytes(&mut self, workspace: &Workspace, version: &Version) -> Result<Vec<u8>>;
}
