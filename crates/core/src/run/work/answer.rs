//! What a runner asks, answered: one piece of code, whatever carries the words. The server's own runners come over a pair of
//! sockets, those of agents over HTTPS.
//!
//! What was the matter with an ask is an answer, too: only what carries the words can break.

use std::collections::BTreeMap;

use bytes::Bytes;
use statehouse_control::{
    self as control, Answer, Ask, Beside, Ended, Options, Planned, Step, Told, Tool, Variable, Work,
};

use super::{Begun, Line, Order};
use crate::error::{Error, Kind, Result};
use crate::job;
use crate::object;
use crate::run::capsule::{Found, OfRunner};
use crate::run::work;
use crate::variable::Category;

impl Line {
    /// Answers what a runner asks.
    pub async fn answer(&self, ask: Ask, beside: Beside) -> Answer {
        answered(self, ask, beside)
            .await
            .unwrap_or_else(|error| refused(&error))
    }
}

/// A refusal in a runner's words.
fn refused(error: &Error) -> Answer {
    let what = format!("{:?}", error.kind()).to_lowercase();
    let what: String = what.chars().take_while(char::is_ascii_alphabetic).collect();
    Answer::refused(&what, error, *error.kind() == Kind::Unavailable)
}

async fn whole(beside: Beside) -> Result<Bytes> {
    beside.whole().await.map_err(object::cut)
}

fn well(done: Result<()>) -> Result<Answer> {
    done.map(|()| Told::Well.into())
}

async fn state(line: &Line) -> Result<Answer> {
    Ok(match line.state().await? {
        Some(state) => Answer {
            told: Told::State {
                version: state.version.to_string(),
                salt: hex::encode(state.salt),
            },
            bytes: state.bytes,
        },
        None => Told::Nothing.into(),
    })
}

async fn answered(line: &Line, ask: Ask, beside: Beside) -> Result<Answer> {
    Ok(match ask {
        Ask::Work => Told::Work {
            work: Box::new(work_of(line.work().await?)),
        }
        .into(),
        Ask::Configuration => Answer::given(Some(line.configuration().await?)),
        Ask::Plan => Answer::given(Some(line.plan().await?)),
        Ask::PlanJson => Answer::given(Some(line.plan_json().await?)),
        Ask::State => state(line).await?,
        Ask::Recall
        | Ask::Remember { .. }
        | Ask::Schemas { .. }
        | Ask::KeepSchemas { .. }
        | Ask::Tool { .. }
        | Ask::Package { .. }
        | Ask::Cached { .. }
        | Ask::Cache { .. }
        | Ask::Authorities
        | Ask::Proxy => {
            let words = "what runners remember and use is kept where they work, and not here";
            Answer::refused("memory", words, false)
        }
        Ask::Ledger { from } => {
            let stretch = line.ledger(from).await?;
            Answer {
                told: Told::Leaves {
                    checkpoint: stretch.checkpoint,
                    is_newest: stretch.is_newest,
                },
                bytes: stretch.entries.into(),
            }
        }
        Ask::PutState => well(line.put_state(whole(beside).await?).await)?,
        Ask::Log { from } => well(line.log(from, whole(beside).await?).await)?,
        Ask::File { name } => well(line.file(&name, beside).await)?,
        Ask::Copy { before } => match line.copy(before, whole(beside).await?).await? {
            Some(run) => Told::ChangedSince {
                run: run.to_string(),
            },
            None => Told::Well,
        }
        .into(),
        Ask::Connected { connections } => well(line.connected(connections).await)?,
        Ask::Planning => well(line.planning().await)?,
        Ask::Begin { found, derived } => {
            let found = found_of(*found, &line.sandbox);
            match line.begin(OfRunner { found, derived }).await? {
                Begun::Verified(words) => Told::Verified { words }.into(),
                Begun::Refused { what, why } => Told::Differs { what, why }.into(),
            }
        }
        Ask::Beat => match line.beat().await? {
            Order::GoOn => Told::GoOn,
            Order::Stop => Told::stop(),
            Order::StopLate(why) => Told::Stop { why: Some(why) },
            Order::StopNow => Told::StopNow,
        }
        .into(),
        Ask::Done { how } => well(line.done(ended(how, &line.sandbox)).await)?,
    })
}

fn work_of(work: work::Work) -> Work {
    let options = work.options;
    let variables = work.variables.into_iter().map(|given| Variable {
        key: given.name,
        value: given.value.to_string(),
        hcl: given.hcl,
        sensitive: given.sensitive,
        environment: given.category == Category::Environment,
    });
    Work {
        run: work.run.to_string(),
        workspace: work.workspace,
        workspace_id: work.workspace_id.to_string(),
        holds_lock: work.holds_lock,
        step: match work.step {
            job::Step::Plan => Step::Plan,
            job::Step::Apply => Step::Apply,
        },
        variables: variables.collect(),
        options: Options {
            destroy: options.destroy,
            refresh_only: options.refresh_only,
            no_refresh: options.no_refresh,
            targets: options.targets,
            replace: options.replace,
        },
        tool: work.tool.as_str().to_owned(),
        tool_version: work.tool_version,
        working_directory: work.working_directory,
        structured: work.structured,
        configuration: hex::encode(work.configuration),
        planned: work.planned.map(planned_of),
        reverify: work.reverify,
        spool_key: hex::encode(work.spool_key),
        minutes_max: work.minutes_max,
    }
}

/// What a runner found, and at which level its starter ran it: that is not the runner's word.
fn found_of(planned: Planned, sandbox: &str) -> Found {
    let providers = planned.providers.into_iter();
    Found {
        plan: planned.plan,
        plan_json: planned.plan_json,
        plan_shown: planned.plan_shown,
        lock_file: planned.lock_file,
        tool: planned.tool.name,
        tool_version: planned.tool.version,
        tool_digest: planned.tool.digest,
        providers: providers
            .map(|(source, found)| (source, (found.version, found.digest)))
            .collect(),
        sandbox: sandbox.to_owned(),
        backend: planned.backend.map(|found| (found.kind, found.state)),
    }
}

fn planned_of(found: Found) -> Planned {
    let providers: BTreeMap<String, control::Provider> = found
        .providers
        .into_iter()
        .map(|(source, (version, digest))| (source, control::Provider { version, digest }))
        .collect();
    Planned {
        plan: found.plan,
        plan_json: found.plan_json,
        plan_shown: found.plan_shown,
        lock_file: found.lock_file,
        tool: Tool {
            name: found.tool,
            version: found.tool_version,
            digest: found.tool_digest,
        },
        providers,
        backend: found
            .backend
            .map(|(kind, state)| control::Backend { kind, state }),
        changes: true,
    }
}

fn ended(how: Ended, sandbox: &str) -> work::Ended {
    match how {
        Ended::Planned(planned) => {
            let changes = planned.changes;
            work::Ended::Planned {
                found: Box::new(found_of(*planned, sandbox)),
                changes,
            }
        }
        Ended::Applied => work::Ended::Applied,
        Ended::Failed { at } => work::Ended::Failed(at),
        Ended::Refused { what, why } => work::Ended::Refused { what, why },
        Ended::Stopped => work::Ended::Stopped,
    }
}
