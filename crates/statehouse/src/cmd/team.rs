//! `statehouse team`: people who hold roles together.

use serde_json::{Map, Value, json};
use statehouse_model::{Name, ProjectId, TeamId};

use super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those that you may see; `owners` is whoever owns the organization
    List,
    /// Make one
    Create {
        /// Its name
        name: Name,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// Everybody in the organization sees it, and not only who is in it
        #[arg(long)]
        visible: bool,
    },
    /// End one: its roles, its tokens, and who was in it
    Delete {
        /// Its name or id
        team: String,
    },
    /// Put people into it
    Add {
        /// Its name or id
        team: String,
        /// Names or ids of accounts
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Put people out of it
    Remove {
        /// Its name or id
        team: String,
        /// Names or ids of accounts
        #[arg(required = true, value_name = "USER")]
        users: Vec<String>,
    },
    /// Say what it may do in a workspace or project: read, plan, write, maintain, admin, or none
    Access {
        /// Its name or id
        team: String,
        /// How far it reaches there; `none` takes the access away
        level: String,
        /// A workspace, by name or id
        #[arg(long, value_name = "WORKSPACE", required_unless_present = "project")]
        workspace: Option<String>,
        /// A project, by name or id
        #[arg(long, value_name = "PROJECT", conflicts_with = "workspace")]
        project: Option<String>,
    },
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("ID", "id"),
    ("VISIBILITY", "visibility"),
    ("PEOPLE", "users-count"),
    ("DESCRIPTION", "description"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    let path = client.organization("/teams")?;
    match verb {
        Verb::List => session.out.list(COLUMNS, &client.api.list(&path)?),
        Verb::Create {
            name,
            description,
            visible,
        } => {
            let visibility = if visible { "organization" } else { "secret" };
            let mut wish = Map::new();
            wish.insert("name".to_owned(), name.as_str().into());
            wish.insert("visibility".to_owned(), visibility.into());
            if let Some(description) = description {
                wish.insert("description".to_owned(), description.into());
            }
            session.out.one(&client.api.post(&path, &wish.into())?)
        }
        Verb::Delete { team } => {
            let id = client.team(&team)?;
            client.api.delete(&format!("/api/v2/teams/{id}"))?;
            session.out.say(&format!("{id} ended"));
            Ok(())
        }
        Verb::Add { team, users } => people(&client, session, "POST", &team, &users),
        Verb::Remove { team, users } => people(&client, session, "DELETE", &team, &users),
        Verb::Access {
            team,
            level,
            workspace,
            project,
        } => {
            let id = client.team(&team)?;
            let over = Over::find(&client, workspace, project)?;
            access(&client, session, &id, &level, &over)
        }
    }
}

fn people(
    client: &Client,
    session: &Session,
    method: &str,
    team: &str,
    users: &[String],
) -> Result {
    let id = client.team(team)?;
    let refer = |user: &String| json!({ "type": "users", "id": user });
    let document = json!({ "data": users.iter().map(refer).collect::<Vec<Value>>() });
    let path = format!("/api/v2/teams/{id}/relationships/users");
    client.api.send(method, &path, &document)?;
    let moved = if method == "POST" {
        "put into"
    } else {
        "put out of"
    };
    session
        .out
        .say(&format!("{} {moved} {team}", users.join(", ")));
    Ok(())
}

/// What an access is over.
struct Over {
    kind: &'static str,
    id: String,
}

impl Over {
    fn find(client: &Client, workspace: Option<String>, project: Option<String>) -> Result<Self> {
        if let Some(workspace) = workspace {
            let id = client.workspace(&workspace)?.to_string();
            return Ok(Self {
                kind: "workspace",
                id,
            });
        }
        let project = project.unwrap_or_default();
        let id = match project.parse::<ProjectId>() {
            Ok(id) => id.to_string(),
            Err(_) => client.named("/projects", "project", &project)?,
        };
        Ok(Self {
            kind: "project",
            id,
        })
    }
}

/// Gives, changes or takes an access, whichever leads to `level`.
fn access(client: &Client, session: &Session, team: &TeamId, level: &str, over: &Over) -> Result {
    let Over { kind, id } = over;
    let path = format!("/api/v2/team-{kind}s");
    let listed = client
        .api
        .list(&format!("{path}?filter%5B{kind}%5D%5Bid%5D={id}"))?;
    let own = listed
        .iter()
        .find(|access| access.text("team") == team.as_str());
    if level == "none" {
        let own =
            own.ok_or_else(|| Failure::usage(format!("{team} has no access of its own to {id}")))?;
        client.api.delete(&format!("{path}/{}", own.text("id")))?;
        session
            .out
            .say(&format!("{team} has no access of its own to {id} any more"));
        return Ok(());
    }
    let attributes = json!({ "access": level });
    let given = if let Some(own) = own {
        let document = json!({ "data": { "attributes": attributes } });
        client
            .api
            .send("PATCH", &format!("{path}/{}", own.text("id")), &document)?
    } else {
        let relationships = json!({
            "team": { "data": { "type": "teams", "id": team.as_str() } },
            *kind: { "data": { "type": format!("{kind}s"), "id": id } },
        });
        let data = json!({ "attributes": attributes, "relationships": relationships });
        client.api.send("POST", &path, &json!({ "data": data }))?
    };
    session.out.one(&given)
}
