//! The server's end of a line: what a runner asks, answered by the core.
//!
//! A runner asks every second. One that is silent for longer than its lease, or was told to stop at once and goes on, is left: its line
//! ends, and then it is ended.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use statehouse_core::run::capsule::Found;
use statehouse_core::run::work::{self, Begun, Line, Order};
use statehouse_core::variable::Category;
use statehouse_core::{Error, job};
use statehouse_runner::control::{
    self, Answer, Ask, Ended, Options, Planned, Step, Told, Tool, Variable, Work,
};
use statehouse_runner::sandbox::{self, Level};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Plant;

/// How long a runner may be silent: a job is another's when its lease is over.
const SILENT_MAX: Duration = Duration::from_micros(job::LEASE_US.unsigned_abs());
/// How long a runner that was told to stop at once may take for its last words.
const LAST_WORDS_MAX: Duration = Duration::from_secs(15);

/// For how long a runner is listened to.
struct Patience {
    silent: Duration,
    last_words: Duration,
    /// When it ends, whatever is said.
    end: Option<Instant>,
}

impl Patience {
    fn new(silent: Duration, last_words: Duration) -> Self {
        Self {
            silent,
            last_words,
            end: None,
        }
    }

    /// A runner was told this.
    fn told(&mut self, told: &Told) {
        if *told == Told::StopNow && self.end.is_none() {
            self.end = Some(Instant::now() + self.last_words);
        }
    }

    /// Waits for one exchange with a runner.
    async fn wait<T>(&self, exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let now = Instant::now();
        let silent = now + self.silent;
        let until = self.end.map_or(silent, |end| end.min(silent));
        let over = || {
            let words = match self.end {
                Some(_) => "it was told to stop at once, and goes on",
                None => "it is silent for longer than its lease",
            };
            io::Error::new(io::ErrorKind::TimedOut, words)
        };
        // Who always has something ready to say would be heard for ever.
        if until <= now {
            return Err(over());
        }
        timeout_at(until, exchange)
            .await
            .unwrap_or_else(|_| Err(over()))
    }

    async fn heard(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<(Ask, Bytes)>> {
        self.wait(control::receive::<Ask>(stream)).await
    }

    async fn answered(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        answer: &Answer,
    ) -> io::Result<()> {
        self.told(&answer.told);
        self.wait(control::send(stream, &answer.told, &answer.bytes))
            .await
    }
}

/// Answers a runner until it is done. Says whether it was: a line that just ends is a runner that was lost.
pub(super) async fn serve(
    stream: &mut UnixStream,
    line: &Line,
    plant: &Plant,
    stopping: watch::Receiver<bool>,
) -> bool {
    let mut patience = Patience::new(SILENT_MAX, LAST_WORDS_MAX);
    loop {
        let (ask, bytes) = match patience.heard(stream).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(run = %line.run(), %error, "the line to a runner broke");
                return false;
            }
        };
        let done = matches!(ask, Ask::Done { .. });
        // A server that stops wishes its runners to stop, too.
        let stops = matches!(ask, Ask::Beat) && *stopping.borrow();
        let answer = match answer(line, plant, ask, bytes).await {
            Ok(answer) if stops && answer.told != Told::StopNow => Told::Stop.into(),
            Ok(answer) => answer,
            Err(error) => refused(&error),
        };
        let over = done && !matches!(answer.told, Told::Refused { .. });
        if let Err(error) = patience.answered(stream, &answer).await {
            tracing::warn!(run = %line.run(), %error, "a runner could not be answered");
            return over;
        }
        if over {
            return true;
        }
    }
}

fn refused(error: &Error) -> Answer {
    let again = *error.kind() == statehouse_core::Kind::Unavailable;
    let what = format!("{:?}", error.kind()).to_lowercase();
    let what = what.chars().take_while(char::is_ascii_alphabetic).collect();
    Told::Refused {
        what,
        why: error.to_string(),
        again,
    }
    .into()
}

/// A runner that cannot remember starts nothing.
fn forgotten(why: String) -> Answer {
    Told::Refused {
        what: "memory".to_owned(),
        why,
        again: false,
    }
    .into()
}

fn given(bytes: Option<Bytes>) -> Answer {
    match bytes {
        Some(bytes) => Answer {
            told: Told::Bytes,
            bytes,
        },
        None => Told::Nothing.into(),
    }
}

fn well(done: Result<(), Error>) -> Result<Answer, Error> {
    done.map(|()| Told::Well.into())
}

async fn answer(line: &Line, plant: &Plant, ask: Ask, bytes: Bytes) -> Result<Answer, Error> {
    Ok(match ask {
        Ask::Work => Told::Work {
            work: Box::new(work_of(line.work().await?)),
        }
        .into(),
        Ask::Configuration => given(Some(line.configuration().await?)),
        Ask::Plan => given(Some(line.plan().await?)),
        Ask::State => match line.state().await? {
            Some(state) => Answer {
                told: Told::State {
                    version: state.version.to_string(),
                    salt: hex::encode(state.salt),
                },
                bytes: state.bytes,
            },
            None => Told::Nothing.into(),
        },
        Ask::Recall => plant
            .memory
            .recall(&line.house().to_string())
            .map_or_else(forgotten, given),
        Ask::Remember { known } => {
            let remembered = plant
                .memory
                .remember(&line.house().to_string(), known, &bytes);
            remembered.map_or_else(forgotten, |()| Told::Well.into())
        }
        Ask::Schemas { key } => given(plant.schemas.find(&line.house().to_string(), &key)),
        Ask::KeepSchemas { key } => {
            plant.schemas.keep(&line.house().to_string(), &key, &bytes);
            Told::Well.into()
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
        Ask::PutState => well(line.put_state(bytes).await)?,
        Ask::Log { from } => well(line.log(from, bytes).await)?,
        Ask::File { name } => well(line.file(&name, bytes).await)?,
        Ask::Copy { before } => match line.copy(before, bytes).await? {
            Some(run) => Told::ChangedSince {
                run: run.to_string(),
            },
            None => Told::Well,
        }
        .into(),
        Ask::Planning => well(line.planning().await)?,
        Ask::Begin { found } => match line.begin(found_of(*found, &plant.sandbox)).await? {
            Begun::Verified(words) => Told::Verified { words }.into(),
            Begun::Refused { what, why } => Told::Differs { what, why }.into(),
        },
        Ask::Beat => match line.beat().await? {
            Order::GoOn => Told::GoOn,
            Order::Stop => Told::Stop,
            Order::StopNow => Told::StopNow,
        }
        .into(),
        Ask::Done { how } => well(line.done(ended(how, &plant.sandbox)).await)?,
    })
}

fn work_of(work: work::Work) -> Work {
    let options = work.options;
    // The strongest last: what is said for one run goes over what is said for all.
    let stored = work.variables.into_iter().map(|given| Variable {
        key: given.name,
        value: given.value.to_string(),
        hcl: given.hcl,
        sensitive: given.sensitive,
        environment: given.category == Category::Environment,
    });
    let own = options.variables.into_iter().map(|(key, value)| Variable {
        key,
        value,
        hcl: true,
        sensitive: false,
        environment: false,
    });
    let variables = stored.chain(own);
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
        tool_version: work.tool_version,
        working_directory: work.working_directory,
        structured: work.structured,
        configuration: hex::encode(work.configuration),
        planned: work.planned.map(planned_of),
        spool_key: hex::encode(work.spool_key),
    }
}

/// What a runner found, and at which level this server ran it: that is not the runner's word.
fn found_of(planned: Planned, sandbox: &sandbox::Settings) -> Found {
    let providers = planned.providers.into_iter();
    let level = match sandbox.level {
        Level::Strict => "strict",
        Level::Process => "process",
    };
    Found {
        plan: planned.plan,
        plan_json: planned.plan_json,
        lock_file: planned.lock_file,
        tool: planned.tool.name,
        tool_version: planned.tool.version,
        tool_digest: planned.tool.digest,
        providers: providers
            .map(|(source, found)| (source, (found.version, found.digest)))
            .collect(),
        sandbox: level.to_owned(),
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

fn ended(how: Ended, sandbox: &sandbox::Settings) -> work::Ended {
    match how {
        Ended::Planned(planned) => {
            let changes = planned.changes;
            work::Ended::Planned {
                found: Box::new(found_of(planned, sandbox)),
                changes,
            }
        }
        Ended::Applied => work::Ended::Applied,
        Ended::Failed { at } => work::Ended::Failed(at),
        Ended::Refused { what, why } => work::Ended::Refused { what, why },
        Ended::Stopped => work::Ended::Stopped,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_silent_line_is_left_when_the_lease_is_over() {
        let (mut here, mut there) = tokio::io::duplex(1024);
        let patience = Patience::new(SHORT, LONG);
        let begun = Instant::now();
        let error = patience.heard(&mut here).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= SHORT);
        control::send(&mut there, &Ask::Beat, b"").await.unwrap();
        let heard = patience.heard(&mut here).await.unwrap();
        assert_eq!(heard.unwrap().0, Ask::Beat);
        // Nor is one waited for that does not listen.
        let long = Answer {
            told: Told::Bytes,
            bytes: vec![0; 1 << 20].into(),
        };
        let mut patience = patience;
        assert!(patience.answered(&mut here, &long).await.is_err());
    }

    #[tokio::test]
    async fn who_goes_on_after_it_was_told_to_stop_at_once_is_left() {
        let (mut here, mut there) = tokio::io::duplex(1 << 20);
        let mut patience = Patience::new(LONG, SHORT);
        let begun = Instant::now();
        // It always has something to say.
        for _ in 0..1000 {
            control::send(&mut there, &Ask::Beat, b"").await.unwrap();
        }
        let mut heard = 0;
        while patience.heard(&mut here).await.is_ok() {
            heard += 1;
            let answer = Told::StopNow.into();
            if patience.answered(&mut here, &answer).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
        assert!(heard > 0 && begun.elapsed() >= SHORT);
        assert!(heard < 1000, "the first time counts, not the last");
    }
}
