//! `statehouse drift`: whether what is there is still as it was applied, and how often that is looked at.

use serde_json::{Value, json};
use statehouse_model::{AssessmentId, RunId, WorkspaceId};
use statehouse_terraform::changes::attributes;
use statehouse_terraform::drift::{drifted, same};

use super::run::{follow, plan};
use super::scope::Scope;
use super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// The exit code where something drifted. Terraform's own for it, 2, is that of a wrong command line here.
const DRIFTED: u8 = 20;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Look for drift with what was applied last, and tell what drifted; exit code 20 if anything did
    Start {
        /// The workspace: its name, organization/name, or id
        workspace: String,
        /// What to say about it
        #[arg(long)]
        message: Option<String>,
        /// Print the id of its run, and do not wait for it
        #[arg(long)]
        detach: bool,
    },
    /// Tell what was found last; exit code 20 if anything drifted, 1 if nobody knows
    Show {
        /// The workspace: its name, organization/name, or id
        workspace: String,
    },
    /// List what was found in a workspace, the newest first
    List {
        /// The workspace: its name, organization/name, or id
        workspace: String,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// How often the server looks by itself
    #[command(subcommand)]
    Schedule(Often),
}

/// Verbs about how often.
#[derive(clap::Subcommand)]
pub(super) enum Often {
    /// Show what counts somewhere, and of a workspace when the next look is due
    Show {
        #[command(flatten)]
        scope: Scope,
    },
    /// Say how often; of the scopes around a workspace the narrowest counts
    Set {
        #[command(flatten)]
        scope: Scope,
        /// Every so many hours, each workspace up to 15 minutes later than that
        #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..), required_unless_present = "never")]
        every: Option<u64>,
        /// Never, whatever counts around it
        #[arg(long, conflicts_with = "every")]
        never: bool,
    },
    /// Take back what was said of a scope; what counts around it counts there again
    Unset {
        #[command(flatten)]
        scope: Scope,
    },
}

const COLUMNS: &[Column] = &[
    ("WHEN", "created-at"),
    ("DRIFTED", "drifted"),
    ("RESOURCES", "resources-drifted"),
    ("WHY NOT", "error-msg"),
    ("RUN", "run"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result<u8> {
    let client = session.client()?;
    match verb {
        Verb::Start {
            workspace,
            message,
            detach,
        } => {
            let workspace = client.workspace(&workspace)?;
            start(&client, session, &workspace, message.as_deref(), detach)
        }
        Verb::Show { workspace } => {
            let workspace = client.workspace(&workspace)?;
            let path = format!("/api/v2/workspaces/{workspace}/assessment-results");
            let found = client.api.first(&path, 1)?.pop();
            let never = || {
                Failure::failed("nobody has looked for drift there yet")
                    .hint(format!("`statehouse drift start {workspace}` does"))
            };
            told(&client, session, &found.ok_or_else(never)?)
        }
        Verb::List { workspace, limit } => {
            let workspace = client.workspace(&workspace)?;
            let path = format!("/api/v2/workspaces/{workspace}/assessment-results");
            let found = client.api.first(&path, limit)?;
            session.out.list(COLUMNS, &found)?;
            Ok(0)
        }
        Verb::Schedule(often) => {
            schedule(often, &client, session)?;
            Ok(0)
        }
    }
}

fn start(
    client: &Client,
    session: &Session,
    workspace: &WorkspaceId,
    message: Option<&str>,
    detach: bool,
) -> Result<u8> {
    let path = format!("/api/v2/workspaces/{workspace}/actions/look-for-drift");
    let started = client.api.post(&path, &json!({ "message": message }))?;
    let run: RunId = started.text("id").parse().map_err(Failure::failed)?;
    if detach {
        session.out.one(&started)?;
        return Ok(0);
    }
    session.out.say(&format!("{run} is started"));
    if session.out.is_json() {
        follow::wait(client, &run)?;
    } else {
        follow::watch(client, session, &run)?;
    }
    let id = AssessmentId::from(&run);
    let found = client
        .api
        .get(&format!("/api/v2/assessment-results/{id}"))?;
    told(client, session, &found)
}

/// Tells what a look found: each resource with the attributes that are otherwise, sensitive values hidden.
fn told(client: &Client, session: &Session, found: &Resource) -> Result<u8> {
    let run: RunId = found.text("run").parse().map_err(Failure::failed)?;
    let count = found.get("resources-drifted").and_then(Value::as_u64);
    let Some(count) = count else {
        let words = format!("nobody knows: {}", found.text("error-msg"));
        return Err(Failure::failed(words).hint(format!("`statehouse run log {run}` says more")));
    };
    // Whoever may not read runs is told the number alone.
    let plan = match count {
        0 => Value::Null,
        _ => plan::shown(client, &run).unwrap_or_default(),
    };
    let all = drifted(&plan);
    if session.out.is_json() {
        let resources = all.iter().map(|each| {
            json!({ "address": each.address, "is": each.word(), "before": each.change["before"], "after": each.change["after"] })
        });
        let whole = found.clone().with("resources", resources.collect());
        session.out.one(&whole)?;
    } else {
        let mut lines = Vec::new();
        for each in &all {
            let title = format!("{} {} is {}", each.deed.sign(), each.address, each.word());
            lines.push(session.out.painted(plan::hue(each.deed), &title));
            if each.word() == "changed" {
                lines.extend(attributes(each.change, same));
            }
        }
        lines.push(match count {
            0 => "nothing drifted".to_owned(),
            1 => "1 resource drifted".to_owned(),
            count => format!("{count} resources drifted"),
        });
        session.out.text(&format!("{}\n", lines.join("\n")))?;
    }
    Ok(if count == 0 { 0 } else { DRIFTED })
}

fn schedule(often: Often, client: &Client, session: &Session) -> Result {
    let path = client.organization("/drift-schedules")?;
    let (scope, hours) = match often {
        Often::Show { scope } => {
            let scope = scope.text(client)?;
            let found = client.api.get(&format!("{path}/{scope}"))?;
            return session.out.one(&found);
        }
        Often::Set { scope, every, .. } => (scope, Some(every.unwrap_or(0))),
        Often::Unset { scope } => (scope, None),
    };
    let wish = json!({ "scope": scope.text(client)?, "every-hours": hours });
    session.out.one(&client.api.post(&path, &wish)?)
}
