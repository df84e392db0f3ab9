//! Every statement on `configuration` and `configuration_policies`.

use statehouse_model::{ConfigurationId, WorkspaceId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A configuration, wished or uploaded.
    pub(crate) struct Configuration in "configuration" key 1 {
        id: ConfigurationId,
        workspace: WorkspaceId,
        /// `pending` or `uploaded`.
        status: String,
        /// Only for plans.
        speculative: bool,
        /// For a plan that is saved.
        provisional: bool,
        actor: String,
        created_at: i64,
        /// Bytes of the archive as it came.
        size: u64,
        /// Of what is in it, however it was packed.
        digest: Vec<u8>,
        /// A MAC of the archive: tells a repeated upload from another one.
        fingerprint: Vec<u8>,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
    }
}

record! {
    /// That a configuration brings policies of its own.
    pub(crate) struct Brought in "configuration_policies" key 1 {
        configuration: ConfigurationId,
        /// How many files there are.
        files: u64,
        /// Over their paths and what is in them.
        digest: Vec<u8>,
    }
}

/// The policies that a configuration brings; nothing where it brings none.
pub(crate) async fn brought(rows: &mut Rows, id: &ConfigurationId) -> Result<Option<Brought>> {
    rows.by_key(vec![id.as_str().into()]).await
}

pub(crate) async fn by_id(rows: &mut Rows, id: &ConfigurationId) -> Result<Option<Configuration>> {
    rows.by_key(vec![id.as_str().into()]).await
}
