//! One job from its beginning to its end: what a runner does with a stranger's configuration.
//!
//! A job plans or applies. Either way the configuration is fetched and held against its digest, terraform is started in phases, each in
//! a sandbox of its own, and everything that it says goes to the log. A plan leaves its file, its JSON (made from the file in a sandbox
//! without network and secrets, not taken from the one that planned) and what it was made with. An apply finds everything again, asks
//! whether it may begin, and applies that very file.
//!
//! Absent on purpose: any decision. Whether a plan may be applied is the server's to say, and its answer is the only thing that
//! starts an apply.

mod apply;
pub mod authorities;
mod backend;
pub mod cache;
mod carried;
mod digest;
mod elsewhere;
mod layout;
mod log;
mod phase;
pub mod place;
mod plan;
mod providers;
mod ready;
pub mod spool;
pub mod stock;
mod stop;
mod tool;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use statehouse_terraform::weak;
use tokio::time::Instant;

use crate::control::{Answer, Ask, Control, ControlError, Ended, Step, Told, Work};
use crate::sandbox;
use log::Log;
use place::Place;
use stop::Stop;

/// The server's word for what is not as it was stored.
const TAMPERED: &str = "tampered";
/// Before an apply has failed: terraform's client looks once a second, and passes over the log of an apply that had failed when it first
/// looked after the plan.
const SEEN_AFTER: Duration = Duration::from_secs(3);

/// Why a job does not go on.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The tool failed, or something around it: where, a word, and what to tell. Nothing to tell where the tool said it.
    Failed { at: &'static str, words: String },
    /// Something is not what it must be.
    Refused { what: String, why: String },
    /// The server itself ended the run, and said why in its log.
    Ended { what: String },
    /// Somebody wished it to stop, and it did.
    Stopped,
    /// The server is not there any more, or refuses to go on.
    Control(ControlError),
    /// A state that was written is only here.
    Undelivered(ControlError),
}

impl Trouble {
    fn failed(at: &'static str, words: impl Into<String>) -> Self {
        let words = words.into();
        Self::Failed { at, words }
    }

    fn disk(error: std::io::Error) -> Self {
        Self::failed("runner", format!("the runner's disk: {error}"))
    }

    fn sandbox(error: sandbox::Error) -> Self {
        Self::failed("sandbox", format!("the sandbox: {error}"))
    }
}

impl From<ControlError> for Trouble {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

/// Asks for something that the server keeps sealed. What does not open there was altered: then it is the run that ends, not its runner
/// that is lost.
pub(crate) async fn kept(
    control: &Arc<dyn Control>,
    ask: Ask,
    name: &str,
) -> Result<Answer, Trouble> {
    match control.ask(ask, Bytes::new()).await {
        Err(ControlError::Refused { what, why, .. }) if what == TAMPERED => Err(Trouble::Refused {
            what: name.to_owned(),
            why,
        }),
        answered => Ok(answered?),
    }
}

/// Does the job that the server has, at this place.
pub async fn run(control: Arc<dyn Control>, place: Place) -> Result<(), ControlError> {
    let begun = Instant::now();
    let work = work(&control).await;
    let applies = work.as_ref().is_ok_and(|work| work.step == Step::Apply);
    let secrets = work.as_ref().map(secrets).unwrap_or_default();
    let (log, sending) = log::begin(control.clone(), &secrets)?;
    let minutes_max = work.as_ref().map_or(0, |work| work.minutes_max);
    let stop = Stop::watch(control.clone(), minutes_max);
    let done = match work {
        Ok(work) => job(&control, &place, &work, &log, &stop).await,
        Err(trouble) => Err(trouble),
    };
    let how = ended(done, &log, &stop).await;
    drop(log);
    let logged = sending.end().await;
    stop.end();
    let how = how?;
    if applies && how != Ended::Applied {
        tokio::time::sleep_until(begun + SEEN_AFTER).await;
    }
    // What is done is told even where the log is not taken any more.
    if let Err(error) = logged {
        tracing::warn!(%error, "the end of the log was not taken");
    }
    control.ask(Ask::Done { how }, Bytes::new()).await?;
    Ok(())
}

async fn work(control: &Arc<dyn Control>) -> Result<Work, Trouble> {
    match kept(control, Ask::Work, "run").await?.told {
        Told::Work { work } => Ok(*work),
        other => Err(ControlError::Odd(format!("no job: {other:?}")).into()),
    }
}

async fn job(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    log: &Log,
    stop: &Stop,
) -> Result<Ended, Trouble> {
    match work.step {
        Step::Plan => plan::plan(control, place, work, log, stop).await,
        Step::Apply => apply::apply(control, place, work, log, stop).await,
    }
}

/// What is reported of a job, and told in its log.
async fn ended(
    done: Result<Ended, Trouble>,
    log: &Log,
    stop: &Stop,
) -> Result<Ended, ControlError> {
    match done {
        Ok(ended) => Ok(ended),
        Err(Trouble::Failed { at, words }) => {
            if !words.is_empty() {
                log.line(&format!("\nError: {words}")).await;
            }
            Ok(Ended::Failed { at: at.to_owned() })
        }
        Err(Trouble::Refused { what, why }) => {
            log.line(&format!("\nError: refused ({what}): {why}")).await;
            Ok(Ended::Refused { what, why })
        }
        Err(Trouble::Ended { what }) => Ok(Ended::Refused {
            what,
            why: "nothing was applied".to_owned(),
        }),
        Err(Trouble::Stopped) => {
            match stop.why() {
                Some(why) => log.line(&format!("\nError: {why}")).await,
                None => log.line("\nStopped, as somebody wished.").await,
            }
            Ok(Ended::Stopped)
        }
        // Another runner would be told the same.
        Err(Trouble::Control(ControlError::Refused {
            what,
            why,
            again: false,
        })) => {
            log.line(&format!("\nError: the server refuses ({what}): {why}"))
                .await;
            Ok(Ended::Failed {
                at: "server".to_owned(),
            })
        }
        Err(Trouble::Undelivered(error)) => {
            log.line(&format!(
                "\nError: the state that was written is not stored: {error}"
            ))
            .await;
            Err(error)
        }
        Err(Trouble::Control(error)) => Err(error),
    }
}

/// What terraform calls this machine. Sandboxes are of Linux alone.
pub(crate) const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "linux_arm64"
} else {
    "linux_amd64"
};

/// Asks for something that whoever started the runner has here. Where it is refused the job fails at this.
pub(crate) async fn here(
    control: &Arc<dyn Control>,
    ask: Ask,
    at: &'static str,
) -> Result<Told, Trouble> {
    match control.ask(ask, Bytes::new()).await {
        Ok(answer) => Ok(answer.told),
        Err(ControlError::Refused { why, .. }) => Err(Trouble::failed(at, why)),
        Err(error) => Err(error.into()),
    }
}

/// What must not be seen in a log.
fn secrets(work: &Work) -> Vec<String> {
    let hidden = work.variables.iter().filter(|each| each.sensitive);
    hidden
        .flat_map(|each| weak::parts(&each.value, each.hcl))
        .collect()
}
