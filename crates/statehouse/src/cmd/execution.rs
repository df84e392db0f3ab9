//! `statehouse execution`: where runs happen, with which tool, and who must agree to what they apply.

use serde_json::{Map, Value, json};

use super::agent_pool;
use super::scope::Scope;
use super::session::Session;
use crate::failure::{Failure, Result};

/// Where runs happen.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Mode {
    /// Where terraform is started
    Local,
    /// With a runner of the server
    Remote,
    /// With an agent of a pool
    Agent,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Agent => "agent",
        }
    }
}

/// The tool that runs use.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Tool {
    /// Terraform
    Terraform,
    /// OpenTofu
    Tofu,
}

impl Tool {
    fn word(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::Tofu => "tofu",
        }
    }
}

/// Before which applies what a plan file says is derived again.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Reverify {
    /// Those of an agent: none takes over what another said
    AnotherRunner,
    /// Each
    Always,
}

impl Reverify {
    fn word(self) -> &'static str {
        match self {
            Self::AnotherRunner => "another-runner",
            Self::Always => "always",
        }
    }
}

/// Something that a scope says.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Said {
    /// Where runs happen
    Mode,
    /// The tool that they use
    Tool,
    /// How many people must approve
    Approvals,
    /// Whether who started a run may be one of them
    AuthorApproves,
    /// Before which applies what a plan file says is derived again
    Reverify,
}

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Show what counts somewhere
    Show {
        #[command(flatten)]
        scope: Scope,
    },
    /// Say where runs happen, with which tool, and how many must approve; what is not named stays as it is
    Set {
        #[command(flatten)]
        scope: Scope,
        /// Where
        #[arg(long, value_enum)]
        mode: Option<Mode>,
        /// The pool, with the mode `agent`: its name or id
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// The tool; the version that a workspace wants is one of it
        #[arg(long, value_enum)]
        tool: Option<Tool>,
        /// How many people must approve what is to be applied
        #[arg(long, value_name = "COUNT")]
        approvals: Option<u64>,
        /// Whether who started a run may be one of them
        #[arg(long, value_name = "true|false")]
        author_approves: Option<bool>,
        /// Before which applies the JSON of a plan is derived from the plan file again, and held against what was approved
        #[arg(long, value_enum)]
        reverify: Option<Reverify>,
        /// What the scope is to say no more, so that the wider ones count
        #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT,…")]
        inherit: Vec<Said>,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let path = client.organization("/executions")?;
    match verb {
        Verb::Show { scope } => {
            let scope = scope.text(&client)?;
            out.one(&client.api.get(&format!("{path}/{scope}"))?)
        }
        Verb::Set {
            scope,
            mode,
            pool,
            tool,
            approvals,
            author_approves,
            reverify,
            inherit,
        } => {
            let mut wish = Map::from_iter([("scope".to_owned(), scope.text(&client)?.into())]);
            let mode = mode.map(Mode::word);
            if pool.is_some() != (mode == Some("agent")) {
                let words = "--mode agent and --pool belong together";
                return Err(Failure::usage(words));
            }
            let said = [
                ("mode", mode.map(Value::from), Said::Mode),
                ("tool", tool.map(Tool::word).map(Value::from), Said::Tool),
                ("approvals", approvals.map(Value::from), Said::Approvals),
                (
                    "author-approves",
                    author_approves.map(Value::from),
                    Said::AuthorApproves,
                ),
                (
                    "reverify",
                    reverify.map(Reverify::word).map(Value::from),
                    Said::Reverify,
                ),
            ];
            for (name, value, what) in said {
                let unsaid = inherit.contains(&what);
                if unsaid && value.is_some() {
                    let words = format!("either --{name} or --inherit {name}, not both");
                    return Err(Failure::usage(words));
                }
                if let Some(value) = value.or(unsaid.then_some(Value::Null)) {
                    wish.insert(name.to_owned(), value);
                }
            }
            if let Some(pool) = pool {
                let pool = agent_pool::id(&client, &pool)?;
                wish.insert("pool".to_owned(), pool.as_str().into());
            }
            if wish.len() == 1 {
                let words = "say something: --mode, --tool, --approvals, --author-approves, --reverify or --inherit";
                return Err(Failure::usage(words));
            }
            out.one(&client.api.post(&path, &json!(wish))?)
        }
    }
}
