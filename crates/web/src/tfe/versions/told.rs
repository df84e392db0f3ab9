//! A version as clients read one.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use statehouse_core::state::{Removed, Shown, VersionView};
use statehouse_core::url::Signed;

use super::super::document::to;
use super::super::instant::{self, Instant};
use super::super::transfers::address;
use super::KIND;

/// What is told of a version.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    created_at: Option<Instant>,
    serial: Option<u64>,
    /// Its place among the finished versions.
    sequence: Option<u64>,
    /// `pending`, `finalized`, `conflict`, `quarantined` or `discarded`.
    status: String,
    /// Bytes as uploaded.
    size: u64,
    lineage: String,
    /// The format of states: always 4.
    state_version: u64,
    terraform_version: String,
    tool_version: String,
    resources_processed: bool,
    resource_count: u64,
    /// Always false.
    intermediate: bool,
    /// Always null.
    vcs_commit_sha: Option<String>,
    /// Always null.
    vcs_commit_url: Option<String>,
    /// Whether the client encrypted it.
    opaque: bool,
    /// SHA-256 of the sealed body.
    body_digest: String,
    /// The salted commitment that its leaf in the ledger holds.
    commitment: String,
    /// The id of who uploaded it.
    actor: String,
    /// The fence of the lock it was written under.
    fence: u64,
    /// What was unusual about it and passed all the same.
    marks: Vec<String>,
    /// The index of the leaf that last changed its row, where it is known.
    leaf: Option<u64>,
    /// Where its bytes are. Signed for the caller where one version is shown; in a list it takes a token.
    hosted_state_download_url: Option<String>,
    #[serde(flatten)]
    addresses: Option<Addresses>,
    #[serde(flatten)]
    story: Option<Story>,
}

/// Signed addresses, where one version is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Addresses {
    hosted_json_state_download_url: Option<String>,
    hosted_state_upload_url: Option<String>,
    hosted_json_state_upload_url: Option<String>,
}

/// What is told of it in a list of a workspace's versions.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Story {
    actor_name: Option<String>,
    content_removed: Option<Gone>,
}

/// Who removed its bytes.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Gone {
    by: String,
    who: String,
    since: String,
}

impl Told {
    /// A version of a list: its bytes are at an address that takes a token, because a signed one for each would be a change
    /// of the ledger for each.
    pub(super) fn listed(origin: &str, version: &VersionView) -> Self {
        let path = format!("{origin}{}/download", path(version));
        Self {
            created_at: instant::at(version.created_at),
            serial: version.serial,
            sequence: version.sequence,
            // What other servers call a version that is all there.
            status: if version.status == "finished" {
                "finalized".to_owned()
            } else {
                version.status.clone()
            },
            size: version.size,
            lineage: version.lineage.clone(),
            state_version: 4,
            terraform_version: version.tool_version.clone(),
            tool_version: version.tool_version.clone(),
            resources_processed: true,
            resource_count: version.resources,
            intermediate: false,
            vcs_commit_sha: None,
            vcs_commit_url: None,
            opaque: version.opaque,
            body_digest: version.body_digest.clone(),
            commitment: version.commitment.clone(),
            actor: version.actor.clone(),
            fence: version.fence,
            marks: version.marks.clone(),
            leaf: version.leaf,
            hosted_state_download_url: Some(path),
            addresses: None,
            story: None,
        }
    }

    /// With the name of who made it, and who removed its content.
    pub(super) fn with(self, actor_name: Option<String>, removed: Option<Removed>) -> Self {
        let content_removed = removed.map(|removed| Gone {
            by: removed.by,
            who: removed.who,
            since: removed.since,
        });
        let story = Story {
            actor_name,
            content_removed,
        };
        Self {
            story: Some(story),
            ..self
        }
    }

    /// The resource of `version`, of which this is told.
    pub(super) fn resource(&self, version: &VersionView) -> Value {
        let path = path(version);
        json!({
            "type": KIND,
            "id": version.id,
            "attributes": self,
            "relationships": {
                "workspace": to("workspaces", Some(&version.workspace)),
                "run": to("runs", version.actor.starts_with("run-").then_some(version.actor.as_str())),
                "created-by": to("users", Some(&version.actor)),
                "outputs": { "links": { "related": format!("{path}/outputs") } },
            },
            "links": { "self": path },
        })
    }
}

fn path(version: &VersionView) -> String {
    format!("/api/v2/state-versions/{}", version.id)
}

/// A version as in a list.
pub(in crate::tfe) fn resource(origin: &str, version: &VersionView) -> Value {
    Told::listed(origin, version).resource(version)
}

/// A version with its addresses, signed for the caller: whole ones, because clients fetch them as they are.
pub(in crate::tfe) fn shown(origin: &str, shown: &Shown) -> Value {
    let link = |direction: &str, signed: Option<&Signed>| {
        signed.map(|signed| address(origin, direction, signed))
    };
    let addresses = Addresses {
        hosted_json_state_download_url: link("downloads", shown.json.as_ref()),
        hosted_state_upload_url: link("uploads", shown.put_state.as_ref()),
        hosted_json_state_upload_url: link("uploads", shown.put_json.as_ref()),
    };
    let told = Told {
        hosted_state_download_url: link("downloads", shown.state.as_ref()),
        addresses: Some(addresses),
        ..Told::listed(origin, &shown.version)
    };
    told.resource(&shown.version)
}
