//! Where something counts: in the organization, a project, or a workspace.

use super::session::Client;
use crate::failure::Result;

/// Where something counts.
#[derive(clap::Args)]
pub(super) struct Scope {
    /// In the workspaces of this project instead of all of them
    #[arg(long, value_name = "NAME", conflicts_with = "workspace")]
    project: Option<String>,
    /// In this workspace alone: its name, organization/name, or id
    #[arg(long)]
    workspace: Option<String>,
}

impl Scope {
    /// As the server spells it.
    pub(super) fn text(&self, client: &Client) -> Result<String> {
        match (&self.project, &self.workspace) {
            (Some(project), _) if project.starts_with("prj-") => Ok(project.clone()),
            (Some(project), _) => client.named("/projects", "project", project),
            (None, Some(workspace)) => Ok(client.workspace(workspace)?.to_string()),
            (None, None) => Ok("organization".to_owned()),
        }
    }
}
