//! What a set of variables or of policies is attached to, as the command line says it.

use serde_json::json;

use super::session::Client;
use crate::failure::{Failure, Result};

/// What a set is attached to.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct To {
    /// All workspaces of this project: its name or id
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// This workspace: its name, organization/name, or id
    #[arg(long)]
    workspace: Option<String>,
}

impl To {
    /// Sends that the set at `path` is attached to it (`POST`), or no more (`DELETE`).
    pub(super) fn say(&self, client: &Client, method: &str, path: &str) -> Result {
        let (kind, id) = match (&self.project, &self.workspace) {
            (Some(project), _) if project.starts_with("prj-") => ("projects", project.clone()),
            (Some(project), _) => ("projects", client.named("/projects", "project", project)?),
            (None, Some(workspace)) => ("workspaces", client.workspace(workspace)?.to_string()),
            (None, None) => return Err(Failure::usage("say --project or --workspace")),
        };
        let path = format!("{path}/relationships/{kind}");
        let document = json!({ "data": [{ "type": kind, "id": id }] });
        client.api.send(method, &path, &document).map(drop)
    }
}
