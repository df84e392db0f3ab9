//! What a command has at hand, and how it names things.

use statehouse_model::{Name, TeamId, WorkspaceId};
use tokio::runtime::Runtime;

use crate::client::{Api, Connection, ServerArgs};
use crate::environment::Environment;
use crate::failure::{Failure, Result};
use crate::out::Out;

/// What a command has at hand.
pub(crate) struct Session {
    /// Where it prints.
    pub(crate) out: Out,
    /// What the environment says.
    pub(crate) environment: Environment,
    /// Which server is meant.
    pub(crate) server: ServerArgs,
}

/// A server, and who asks it.
pub(crate) struct Client {
    /// Its requests.
    pub(crate) api: Api,
    /// What was found of arguments, environment and login.
    pub(crate) connection: Connection,
}

impl Session {
    /// The server that is meant, with a token.
    pub(crate) fn client(&self) -> Result<Client> {
        let connection = Connection::find(&self.server, &self.environment)?;
        connection.token()?;
        Ok(Client {
            api: Api::new(&connection)?,
            connection,
        })
    }

    /// A runtime for work that serves or opens a house.
    pub(crate) fn runtime() -> Result<Runtime> {
        Ok(tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?)
    }
}

impl Client {
    /// The address of something in the organization that is meant; with `path` empty, of itself.
    pub(crate) fn organization(&self, path: &str) -> Result<String> {
        Ok(in_organization(self.connection.organization()?, path))
    }

    /// The address of something in the organization that is meant, or in the site.
    pub(crate) fn organization_or_site(&self, site: bool, path: &str) -> Result<String> {
        if site {
            Ok(format!("/api/v2/site{path}"))
        } else {
            self.organization(path)
        }
    }

    /// The id of the team that is meant by an id or a name.
    pub(crate) fn team(&self, text: &str) -> Result<TeamId> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let id = self.named("/teams", "team", text)?;
        id.parse().map_err(Failure::failed)
    }

    /// The id of the one in a list of the organization that has a name.
    pub(crate) fn named(&self, list: &str, what: &str, name: &str) -> Result<String> {
        let found = self.api.list(&self.organization(list)?)?;
        let found = found.iter().find(|each| each.text("name") == name);
        let unknown = || Failure::usage(format!("there is no {what} named `{name}`"));
        Ok(found.ok_or_else(unknown)?.text("id").to_owned())
    }

    /// The id of the workspace that is meant by an id, a name, or `organization/name`.
    pub(crate) fn workspace(&self, text: &str) -> Result<WorkspaceId> {
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let (organization, name) = match text.split_once('/') {
            Some((organization, name)) => (organization.parse().map_err(Failure::usage)?, name),
            None => (self.connection.organization()?.clone(), text),
        };
        let name: Name = name.parse().map_err(Failure::usage)?;
        let found = self.api.get(&in_organization(
            &organization,
            &format!("/workspaces/{name}"),
        ))?;
        found.text("id").parse().map_err(Failure::failed)
    }
}

// A name holds nothing that an address would have to escape.
fn in_organization(organization: &Name, path: &str) -> String {
    format!("/api/v2/organizations/{organization}{path}")
}
