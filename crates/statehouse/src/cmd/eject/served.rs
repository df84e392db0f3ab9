//! An organization that a server holds, as far as the token may read it.

use std::collections::HashMap;

use serde_json::Value;

use super::shelf::{Shelf, Version, Workspace};
use crate::client::{Resource, escape};
use crate::cmd::session::Client;
use crate::failure::{Exit, Failure, Result};

/// An organization of a server.
pub(super) struct Served<'a> {
    client: &'a Client,
    code: String,
}

impl<'a> Served<'a> {
    pub(super) fn new(client: &'a Client) -> Result<Self> {
        let organization = client.api.get(&client.organization("")?)?;
        Ok(Self {
            client,
            code: organization.text("code").to_owned(),
        })
    }
}

fn version(found: &Resource) -> Version {
    let number = |key: &str| found.get(key).and_then(Value::as_u64);
    let status = match found.text("status") {
        // What other servers call a version that is all there.
        "finalized" => "finished",
        status => status,
    };
    Version {
        id: found.text("id").to_owned(),
        sequence: number("sequence"),
        status: status.to_owned(),
        lineage: found.text("lineage").to_owned(),
        serial: number("serial"),
        size: number("size").unwrap_or(0),
        leaf: number("leaf"),
        removed: found
            .get("content-removed")
            .is_some_and(|removed| !removed.is_null()),
    }
}

impl Shelf for Served<'_> {
    fn code(&self) -> &str {
        &self.code
    }

    fn workspaces(&mut self) -> Result<Vec<Workspace>> {
        let api = &self.client.api;
        let projects = match api.list(&self.client.organization("/projects")?) {
            Err(failure) if failure.exit == Exit::Refused => Vec::new(),
            projects => projects?,
        };
        let names: HashMap<&str, &str> = projects
            .iter()
            .map(|project| (project.text("id"), project.text("name")))
            .collect();
        let workspace = |each: &Resource| {
            let project = each.text("project");
            Workspace {
                id: each.text("id").to_owned(),
                name: each.text("name").to_owned(),
                // One whose name the token may not see.
                project: (*names.get(project).unwrap_or(&project)).to_owned(),
                head: Some(each.text("head").to_owned()).filter(|head| !head.is_empty()),
            }
        };
        let found = api.list(&self.client.organization("/workspaces")?)?;
        Ok(found.iter().map(workspace).collect())
    }

    fn versions(&mut self, workspace: &Workspace) -> Result<Vec<Version>> {
        // By number: versions of one instant could fall between pages that go on after an instant.
        let path = format!(
            "/api/v2/workspaces/{}/state-versions?page[number]=1",
            escape(&workspace.id)
        );
        Ok(self.client.api.list(&path)?.iter().map(version).collect())
    }

    fn bytes(&mut self, workspace: &Workspace, version: &Version) -> Result<Vec<u8>> {
        let path = format!(
            "/api/v2/workspaces/{}/state?version={}",
            escape(&workspace.id),
            escape(&version.id)
        );
        let download = self.client.api.download("GET", &path)?;
        if download.is_nothing() {
            let words = format!("the server has no bytes of version {}", version.id);
            return Err(Failure::new(Exit::Refused, words));
        }
        let mut bytes = Vec::new();
        download.copy_to(&mut bytes)?;
        Ok(bytes)
    }
}
