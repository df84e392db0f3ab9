//! `statehouse workspace`: one state and its history each.

use serde_json::{Map, Value};
use statehouse_model::Name;

use super::session::Session;
use crate::failure::Result;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of the organization
    List,
    /// Make one; terraform makes one by itself when it locks it first
    Create {
        /// Its name
        name: Name,
        /// The project it belongs to
        #[arg(long, value_name = "NAME")]
        project: Option<Name>,
    },
    /// Show one
    Show {
        /// Its name, organization/name, or id
        workspace: String,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("VERSIONS", "versions"),
    ("LOCKED BY", "locked-by"),
    ("CREATED", "created-at"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List => session.out.list(
            COLUMNS,
            &client.api.list(&client.organization("/workspaces")?)?,
        ),
        Verb::Create { name, project } => {
            let mut wish = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
            if let Some(project) = project {
                wish.insert("project".to_owned(), project.as_str().into());
            }
            session.out.one(
                &client
                    .api
                    .post(&client.organization("/workspaces")?, &wish.into())?,
            )
        }
        Verb::Show { workspace } => {
            let id = client.workspace(&workspace)?;
            session
                .out
                .one(&client.api.get(&format!("/api/v2/workspaces/{id}"))?)
        }
    }
}
