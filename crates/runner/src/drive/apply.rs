//! An apply: everything is found again, the server is asked whether it may begin, and then that very plan file is applied.
//!
//! What terraform writes as state is kept here before it is answered, and delivered before the job ends, however the apply ended.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::backend::Backend;
use super::log::Log;
use super::phase::Command;
use super::place::Place;
use super::ready::{self, Ready};
use super::spool::{KEY_BYTES, Spool};
use super::stop::Stop;
use super::{PLATFORM, Trouble, carried, elsewhere, kept, plan, providers};
use crate::control::{Answer, Ask, Control, Ended, Planned, Told, Work};
use crate::sandbox::Exit;
use statehouse_terraform::configuration;

/// Applies what was planned.
pub(crate) async fn apply(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    log: &Log,
    stop: &Stop,
) -> Result<Ended, Trouble> {
    let planned = work.planned.as_ref();
    let planned = planned.ok_or_else(|| Trouble::failed("runner", "there is no plan to apply"))?;
    let mut ready = ready::ready(control, place, work).await?;
    let file = plan_file(control, planned).await?;
    let spool = spool(&ready, work)?;
    let backend = Arc::new(Backend::of_apply(
        control.clone(),
        &work.spool_key,
        ready.state.clone(),
        spool,
    ));
    let open = ready.open(control, place, log, backend.clone())?;
    let given = (&ready, planned, &file, &*backend);
    let applied = applied(control, place, work, log, stop, given).await;
    open.close().await;
    // Whatever came of it: a state that is only here would be lost.
    backend.deliver().await.map_err(Trouble::Undelivered)?;
    applied
}

/// Fetches the plan file, which must be the one that was planned.
async fn plan_file(control: &Arc<dyn Control>, planned: &Planned) -> Result<Bytes, Trouble> {
    let file = kept(control, Ask::Plan, "plan").await?.bytes;
    let digest = hex::encode(Sha256::digest(&file));
    if digest != planned.plan {
        return Err(Trouble::Refused {
            what: "plan".to_owned(),
            why: format!(
                "the plan file has the digest {digest}, and {} was planned",
                planned.plan
            ),
        });
    }
    Ok(file)
}

fn spool(ready: &Ready, work: &Work) -> Result<Spool, Trouble> {
    let wrong = || Trouble::failed("runner", "the server gave no key to keep states under");
    let key = hex::decode(&work.spool_key).map_err(|_| wrong())?;
    let key = <[u8; KEY_BYTES]>::try_from(key).map_err(|_| wrong())?;
    Spool::new(&ready.layout.spool(), &key, &work.run).map_err(Trouble::disk)
}

async fn applied(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    log: &Log,
    stop: &Stop,
    (ready, planned, file, backend): (&Ready, &Planned, &Bytes, &Backend),
) -> Result<Ended, Trouble> {
    preamble(log, ready).await;
    if ready.tool.tool.name != planned.tool.name {
        return by_another(control, log, (ready, planned)).await;
    }
    if !as_planned(control, place, work, (ready, planned, file)).await? {
        ready.install(control, place, log, stop).await?;
    }
    ready.layout.bind(file)?;
    let mut found = Box::new(plan::found(control, place, ready, planned).await?);
    if work.reverify {
        let which = carried::Which::OfTheArchive;
        ready.carries(file, which).await?;
        derive(control, place, work, (log, stop), (ready, &mut found)).await?;
    }
    ready.prepare(place, work, log, stop).await?;
    if let Some(kind) = &ready.backend {
        let state = elsewhere::find((&ready.room(place), ready), work, stop).await?;
        found.backend = Some(elsewhere::backend(kind, &state));
    }
    // A run that is refused takes no more words: what was said so far must be there before.
    log.flush().await;
    let begin = Ask::Begin {
        found,
        derived: work.reverify,
    };
    let answer = control.ask(begin, Bytes::new()).await?;
    begun(answer, log).await?;
    if let Some(why) = &ready.moved {
        // It was to be refused as stale.
        let words = format!("{why}; nothing was applied");
        return Err(Trouble::failed("state", words));
    }
    backend.open();
    let room = ready.room(place);
    let mut command = Command::new(&["apply", "-input=false", "-no-color", "-auto-approve"]);
    if work.structured {
        command.arguments.push("-json".to_owned());
    }
    command.arguments.push(room.plan(false));
    command.environment = ready::environment(&work.variables);
    command.network = ready.network.clone();
    command.log = Some(log);
    let done = room.run(command, stop).await;
    if ready.backend.is_some() {
        // However it ended: what is there now is what there is.
        let state = elsewhere::find((&room, ready), work, &Stop::never()).await?;
        elsewhere::copy(control, log, state, false).await?;
    }
    match done?.exit {
        Exit::Code(0) => Ok(Ended::Applied),
        exit => Err(room.trouble("apply", exit, stop)),
    }
}

/// Another tool is to apply than planned: nothing is done with it, and the server is told of this alone.
async fn by_another(
    control: &Arc<dyn Control>,
    log: &Log,
    (ready, planned): (&Ready, &Planned),
) -> Result<Ended, Trouble> {
    let found = Planned {
        tool: ready.tool.tool.clone(),
        ..planned.clone()
    };
    log.flush().await;
    let begin = Ask::Begin {
        found: Box::new(found),
        derived: false,
    };
    let answer = control.ask(begin, Bytes::new()).await?;
    begun(answer, log).await?;
    let words = format!(
        "{} planned, and {} is to apply; nothing was applied",
        planned.tool.name, ready.tool.tool.name
    );
    Err(Trouble::failed("tool", words))
}

/// Puts there what a plan file is applied with, without terraform's help: the lock file that is in it, and the providers of the mirror or the plugin cache. What
/// terraform reads of the configuration is in the plan file, and all of it beside. Says whether that is all; where it is not, as with modules that
/// init fetches, terraform does it.
async fn as_planned(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    (ready, planned, file): (&Ready, &Planned, &Bytes),
) -> Result<bool, Trouble> {
    if ready.backend.is_some() || work.reverify {
        // A backend is prepared, and schemas are asked for, where modules are.
        return Ok(false);
    }
    if ready.tool.reads != configuration::Tool::Terraform {
        // That an apply needs nothing else is known of terraform alone.
        return Ok(false);
    }
    if statehouse_terraform::plan_file::has_fetched_modules(file).unwrap_or(true) {
        return Ok(false);
    }
    let there = ready.lock_file_text()?;
    let is_planned = |text: &[u8]| planned.lock_file == Some(hex::encode(Sha256::digest(text)));
    let text = match (&planned.lock_file, there) {
        (None, None) => None,
        (Some(_), Some(text)) if is_planned(&text) => Some(text),
        _ => {
            let text = statehouse_terraform::plan_file::lock_file(file).ok();
            let Some(text) = text.filter(|text| is_planned(text)) else {
                return Ok(false);
            };
            Some(text)
        }
    };
    let locked = ready::locked(text.as_deref());
    let wanted = (&planned.providers, locked.as_slice());
    if !providers::lay_out(control, place, &ready.layout, wanted).await? {
        return Ok(false);
    }
    if let Some(text) = text {
        ready.layout.put_lock_file(&text)?;
    }
    Ok(true)
}

/// Puts what the plan file says in the place of what was said of it when it was planned.
async fn derive(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    (log, stop): (&Log, &Stop),
    (ready, found): (&Ready, &mut Planned),
) -> Result<(), Trouble> {
    log.line("Deriving what the plan file says again...").await;
    ready.leave(place, work, stop).await?;
    let said = kept(control, Ask::PlanJson, "plan-json").await?.bytes;
    let room = ready.room(place);
    plan::says(control, work, stop, (&room, ready), (found, Some(said))).await?;
    ready.come_back()
}

/// Terraform's clients pass over the first three lines of the log of an apply.
async fn preamble(log: &Log, ready: &Ready) {
    let tool = &ready.tool.tool;
    log.line(&format!("{} v{}", tool.name, tool.version)).await;
    log.line(&format!("on {PLATFORM}")).await;
    log.line("Initializing...").await;
}

/// The server's word on whether it may begin.
async fn begun(answer: Answer, log: &Log) -> Result<(), Trouble> {
    match answer.told {
        Told::Verified { words } => {
            for line in words {
                log.line(&format!("verified: {line}")).await;
            }
            Ok(())
        }
        Told::Differs { what, .. } => Err(Trouble::Ended { what }),
        other => Err(Trouble::failed(
            "runner",
            format!("no answer to a wish to begin: {other:?}"),
        )),
    }
}
