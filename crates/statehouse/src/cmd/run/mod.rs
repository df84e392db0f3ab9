//! `statehouse run`: plans and applies on the server, started, followed, approved and stopped.

mod approvals;
pub(super) mod follow;
mod happened;
pub(super) mod plan;
mod start;
mod verdicts;
mod waits;

use serde_json::{Value, json};
use statehouse_model::{PlanId, RunId};

use super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Asks for a run with the people named who may do what it waits for: once, and not while it is followed.
const WITH_PEOPLE: &str = "?people=true";

/// What somebody says beside an act.
#[derive(clap::Args)]
pub(super) struct Said {
    /// The run
    run: RunId,
    /// Why; stands in the ledger
    #[arg(long)]
    comment: Option<String>,
}

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Start one with the configuration in a directory, and follow it
    Start(start::Args),
    /// List those of a workspace, the newest first; or those that wait for you
    List {
        /// Its name, organization/name, or id
        #[arg(required_unless_present = "waiting")]
        workspace: Option<String>,
        /// Those of all your organizations that wait for something that you may do: confirm, approve, override
        #[arg(long, conflicts_with = "workspace")]
        waiting: bool,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show one
    Show {
        /// The run
        run: RunId,
    },
    /// Tell what happened to one
    Events {
        /// The run
        run: RunId,
    },
    /// Follow one until it has ended or waits for somebody
    Watch {
        /// The run
        run: RunId,
    },
    /// Print the log of its plan, or of its apply
    Log {
        /// The run
        run: RunId,
        /// That of its apply
        #[arg(long)]
        apply: bool,
    },
    /// Show what its plan changes, sensitive values hidden
    Plan {
        /// The run
        run: RunId,
    },
    /// Print the newest copy that it kept of a state in a backend elsewhere
    StateCopy {
        /// The run
        run: RunId,
    },
    /// Say that it shall be applied
    Confirm(Said),
    /// Approve what it would apply; that is not to say that it shall be
    Approve(Said),
    /// Reject what it would apply
    Reject(Said),
    /// Take one's approval back
    Withdraw(Said),
    /// Say something about it, which changes nothing
    Comment {
        /// The run
        run: RunId,
        /// What; sealed, and told to whoever sees the run
        text: String,
    },
    /// Let its plan pass that soft-mandatory policies are against
    Override(verdicts::Override),
    /// Say that it shall not be applied
    Discard(Said),
    /// Ask it to stop
    Cancel {
        #[command(flatten)]
        said: Said,
        /// Stop it at once, after it was asked to and did not
        #[arg(long)]
        force: bool,
    },
}

const COLUMNS: &[Column] = &[
    ("NUMBER", "sequence"),
    ("STAGE", "stage"),
    ("PURPOSE", "purpose"),
    ("CHANGES", "has-changes"),
    ("CREATED", "created-at"),
    ("BY", "created-by-name|created-by"),
    ("REASON", "reason"),
    ("ID", "id"),
];

fn path(run: &RunId, rest: &str) -> String {
    format!("/api/v2/runs/{run}{rest}")
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::Start(args) => start::run(args, &client, session),
        Verb::List {
            workspace: None,
            limit,
            ..
        } => waits::list(&client, session, limit),
        Verb::List {
            workspace: Some(workspace),
            limit,
            ..
        } => {
            let workspace = client.workspace(&workspace)?;
            let list = format!("/api/v2/workspaces/{workspace}/runs");
            out.list(COLUMNS, &client.api.first(&list, limit)?)
        }
        Verb::Show { run } => {
            let found = client.api.get(&path(&run, WITH_PEOPLE))?;
            let sets = verdicts::of(&client, &run, &found)?;
            let events = happened::of(&client, &run)?;
            if out.is_json() {
                let [sets, events] =
                    [&sets, &events].map(|list| list.iter().map(Resource::to_json).collect());
                let found = found.with("policy-set-outcomes", sets);
                return out.one(&found.with("run-events", events));
            }
            out.one(&waits::told(approvals::told(found)))?;
            verdicts::print(session, &sets)?;
            happened::print_said(session, &events)
        }
        Verb::Events { run } => out.list(happened::EVENTS, &happened::of(&client, &run)?),
        Verb::Watch { run } => follow::watch(&client, session, &run),
        Verb::Log { run, apply } => follow::log(&client, session, &run, apply),
        Verb::Plan { run } => plan::show(&client, session, &run),
        Verb::StateCopy { run } => {
            let id = PlanId::from(&run);
            let text = client.api.text(&format!("/api/v2/plans/{id}/state-copy"))?;
            out.text(&text)
        }
        Verb::Confirm(said) => act(&client, session, said, "apply"),
        Verb::Discard(said) => act(&client, session, said, "discard"),
        Verb::Cancel { said, force: false } => act(&client, session, said, "cancel"),
        Verb::Cancel { said, force: true } => act(&client, session, said, "force-cancel"),
        Verb::Comment { run, text } => {
            let said = client
                .api
                .post(&path(&run, "/comments"), &json!({ "body": text }))?;
            if out.is_json() {
                return out.one(&said);
            }
            out.say(&format!(
                "said about {run}; `statehouse run show {run}` has it"
            ));
            Ok(())
        }
        Verb::Withdraw(said) => act(&client, session, said, "withdraw"),
        Verb::Override(said) => {
            let run = verdicts::overrule(&client, said)?;
            shown(&client, session, &run)
        }
        Verb::Approve(said) => word(&client, session, said, "approve"),
        Verb::Reject(said) => word(&client, session, said, "reject"),
    }
}

fn act(client: &Client, session: &Session, said: Said, what: &str) -> Result {
    let document = json!({ "comment": said.comment });
    let to = path(&said.run, &format!("/actions/{what}"));
    client.api.send("POST", &to, &document)?;
    shown(client, session, &said.run)
}

/// A word about what a run would apply: about the capsule that it has now, which is shown before anybody says it.
fn word(client: &Client, session: &Session, said: Said, what: &str) -> Result {
    let run = client.api.get(&path(&said.run, ""))?;
    let capsule = run.text("capsule");
    if capsule.is_empty() {
        let words = format!(
            "{} has nothing to {what} yet: it is {}",
            said.run,
            run.text("stage")
        );
        return Err(Failure::failed(words));
    }
    let mut attributes = json!({ "capsule": capsule });
    if let (Some(comment), Some(members)) = (said.comment, attributes.as_object_mut()) {
        members.insert("comment".to_owned(), Value::from(comment));
    }
    let to = path(&said.run, &format!("/actions/{what}"));
    client.api.post(&to, &attributes)?;
    shown(client, session, &said.run)
}

fn shown(client: &Client, session: &Session, run: &RunId) -> Result {
    let now = client.api.get(&path(run, WITH_PEOPLE))?;
    if session.out.is_json() {
        return session.out.one(&now);
    }
    let still = approvals::still(&now);
    let stage = now.text("stage");
    session.out.say(&format!("{run} is {stage}{still}"));
    waits::say(session, &now);
    Ok(())
}
