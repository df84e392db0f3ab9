//! Every statement on `version_json`.

use std::collections::HashSet;

use statehouse_model::{JsonStateId, VersionId, WorkspaceId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// The JSON form of a version.
    pub(crate) struct VersionJson in "version_json" key 1 {
        version: VersionId,
        /// Under which its bytes are kept.
        id: JsonStateId,
        workspace: WorkspaceId,
        /// Bytes as uploaded.
        size: u64,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        /// A MAC of the plaintext: tells a repeated upload from another one.
        fingerprint: Vec<u8>,
        created_at: i64,
    }
}

pub(crate) async fn of_version(rows: &mut Rows, id: &VersionId) -> Result<Option<VersionJson>> {
    rows.one("WHERE version = $1", &[id.as_str().into()]).await
}

pub(crate) async fn by_id(rows: &mut Rows, id: &JsonStateId) -> Result<Option<VersionJson>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

/// Versions whose forms were written by a leaf or a later one.
pub(crate) async fn versions_since(rows: &mut Rows, leaf: u64) -> Result<HashSet<VersionId>> {
    let found: Vec<VersionJson> = rows.find("WHERE leaf >= $1", &[leaf.into()]).await?;
    Ok(found.into_iter().map(|form| form.version).collect())
}
