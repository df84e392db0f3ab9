//! A plan: made, shown, and bound to everything it was made with.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use statehouse_terraform::plan::Hidden;

use super::backend::Backend;
use super::elsewhere;
use super::log::Log;
use super::phase::{Command, Room};
use super::place::Place;
use super::providers;
use super::ready::{self, Ready};
use super::stop::Stop;
use super::{Trouble, carried};
use crate::control::{Ask, Control, Ended, Planned, Told, Work};
use crate::sandbox::Exit;

/// What `-detailed-exitcode` says where something is to be changed.
const CHANGES: i32 = 2;

/// Plans.
pub(crate) async fn plan(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    log: &Log,
    stop: &Stop,
) -> Result<Ended, Trouble> {
    let mut ready = ready::ready(control, place, work).await?;
    let backend = Backend::of_plan(control.clone(), &work.spool_key, ready.state.clone());
    let backend = Arc::new(backend);
    let open = ready.open(control, place, log, backend.clone())?;
    let planned = planned(control, place, work, log, stop, (&ready, &backend)).await;
    open.close().await;
    planned
}

async fn planned(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    log: &Log,
    stop: &Stop,
    (ready, backend): (&Ready, &Backend),
) -> Result<Ended, Trouble> {
    ready.install(control, place, log, stop).await?;
    ready.prepare(place, work, log, stop).await?;
    let elsewhere = match &ready.backend {
        Some(kind) => {
            let state = elsewhere::find((&ready.room(place), ready), work, stop).await?;
            backend.gives(state.clone()).await;
            let elsewhere = elsewhere::backend(kind, &state);
            elsewhere::copy(control, log, state, true).await?;
            Some(elsewhere)
        }
        None => None,
    };
    control.ask(Ask::Planning, Bytes::new()).await?;
    let mut command = Command::new(&["plan", "-input=false", "-no-color", "-detailed-exitcode"]);
    command.arguments.extend(arguments(work));
    command
        .arguments
        .push(format!("-out={}", ready.room(place).plan(true)));
    command.environment = ready::environment(&work.variables);
    command.network = ready.network.clone();
    command.plans = true;
    command.log = Some(log);
    let done = ready.room(place).run(command, stop).await?;
    let changes = match done.exit {
        Exit::Code(0) => false,
        Exit::Code(CHANGES) => true,
        exit => return Err(ready.room(place).trouble("plan", exit, stop)),
    };
    // Read once, and never looked at again where the phase that planned could have left something else.
    let file = Bytes::from(ready.layout.planned()?);
    ready.carries(&file, carried::Which::All).await?;
    ready.leave(place, work, stop).await?;
    let mut found = bound(control, place, work, stop, (ready, file, changes)).await?;
    found.backend = elsewhere;
    Ok(Ended::Planned(Box::new(found)))
}

/// What is asked of terraform for this run.
fn arguments(work: &Work) -> Vec<String> {
    let options = &work.options;
    let mut arguments = Vec::new();
    let mut when = |flag: bool, word: &str| {
        if flag {
            arguments.push(word.to_owned());
        }
    };
    when(work.structured, "-json");
    when(options.destroy, "-destroy");
    when(options.refresh_only, "-refresh-only");
    when(options.no_refresh, "-refresh=false");
    let targets = options
        .targets
        .iter()
        .map(|address| format!("-target={address}"));
    let replace = options
        .replace
        .iter()
        .map(|address| format!("-replace={address}"));
    arguments.extend(targets.chain(replace));
    arguments
}

/// Shows the plan file in a sandbox without network and secrets, stores what it is, and says by what it was made.
async fn bound(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
    stop: &Stop,
    (ready, file, changes): (&Ready, Bytes, bool),
) -> Result<Planned, Trouble> {
    let room = ready.room(place);
    ready.layout.bind(&file)?;
    let mut planned = Planned {
        plan: hex::encode(Sha256::digest(&file)),
        plan_json: String::new(),
        plan_shown: String::new(),
        lock_file: ready.lock_file()?,
        tool: ready.tool.tool.clone(),
        providers: providers::installed(control, place, &ready.layout).await?,
        backend: None,
        changes,
    };
    let says = says(control, work, stop, (&room, ready), (&mut planned, None)).await?;
    for (name, bytes) in [
        ("plan", file),
        ("plan-json", says.json),
        ("plan-shown", says.shown),
    ] {
        let name = name.to_owned();
        control.ask(Ask::File { name }, bytes).await?;
    }
    Ok(planned)
}

/// What a plan file says.
pub(crate) struct Says {
    /// As `terraform show -json` tells it.
    json: Bytes,
    /// The same for the screen.
    shown: Bytes,
}

/// What the plan file that was put aside says, derived in a sandbox without network and secrets. Its digests go into `of`, which names
/// the tool and the providers that are here. Terraform writes the same otherwise each time, in what has no order: where that is all in
/// which it differs from what was `said` before, it is that.
pub(crate) async fn says(
    control: &Arc<dyn Control>,
    work: &Work,
    stop: &Stop,
    (room, ready): (&Room<'_>, &Ready),
    (of, said): (&mut Planned, Option<Bytes>),
) -> Result<Says, Trouble> {
    let command = Command::new(&["show", "-json", &room.plan(false)]);
    let mut json = room.run(command, stop).await?.output;
    if let Some(said) = said.filter(|said| *said != json) {
        let (one, other) = (said.clone(), json.clone());
        let same = tokio::task::spawn_blocking(move || is_same(&one, &other)).await;
        if same.map_err(|error| Trouble::failed("show", error.to_string()))?? {
            json = said;
        }
    }
    let schemas = schemas(control, (room, ready), of, stop).await?;
    let (hidden, read) = (hidden(work), json.clone());
    let shown = tokio::task::spawn_blocking(move || shown(&read, &schemas, &hidden)).await;
    let shown = shown.map_err(|error| Trouble::failed("show", error.to_string()))??;
    of.plan_json = hex::encode(Sha256::digest(&json));
    of.plan_shown = hex::encode(Sha256::digest(&shown));
    Ok(Says { json, shown })
}

/// The schemas of the providers. A provider takes seconds to start: what those very providers said to that very tool is kept.
async fn schemas(
    control: &Arc<dyn Control>,
    (room, ready): (&Room<'_>, &Ready),
    planned: &Planned,
    stop: &Stop,
) -> Result<Bytes, Trouble> {
    let key = planned.schemas_key();
    let ask = Ask::Schemas { key: key.clone() };
    let kept = control.ask(ask, Bytes::new()).await?;
    if kept.told == Told::Bytes {
        return Ok(kept.bytes);
    }
    // Terraform reads the state for it, to know of providers that only the state names.
    let mut command = Command::new(&["providers", "schema", "-json"]);
    command.network = ready.network.clone();
    let schemas = room.run(command, stop).await?.output;
    control
        .ask(Ask::KeepSchemas { key }, schemas.clone())
        .await?;
    Ok(schemas)
}

/// What nobody is to see in the plan for the screen.
fn hidden(work: &Work) -> Hidden {
    let mut hidden = Hidden::default();
    for each in work.variables.iter().filter(|each| each.sensitive) {
        hidden.add(&each.key, &each.value, each.hcl);
    }
    hidden
}

fn read(json: &[u8]) -> Result<Value, Trouble> {
    serde_json::from_slice(json)
        .map_err(|error| Trouble::failed("show", format!("the tool wrote no JSON: {error}")))
}

/// Whether two texts of JSON tell of the same plan. What somebody else said need not be JSON.
fn is_same(said: &[u8], json: &[u8]) -> Result<bool, Trouble> {
    let Ok(said) = serde_json::from_slice(said) else {
        return Ok(false);
    };
    Ok(statehouse_terraform::plan::is_same(said, read(json)?))
}

/// The plan for the screen.
fn shown(json: &[u8], schemas: &[u8], hidden: &Hidden) -> Result<Bytes, Trouble> {
    let shown = statehouse_terraform::plan::shown(read(json)?, read(schemas)?, hidden);
    let bytes = serde_json::to_vec(&shown);
    bytes
        .map(Bytes::from)
        .map_err(|error| Trouble::failed("show", error.to_string()))
}

/// What is found anew before an apply, in the words of what was planned.
pub(crate) async fn found(
    control: &Arc<dyn Control>,
    place: &Place,
    ready: &Ready,
    planned: &Planned,
) -> Result<Planned, Trouble> {
    Ok(Planned {
        plan: ready.layout.bound_digest()?,
        plan_json: planned.plan_json.clone(),
        plan_shown: planned.plan_shown.clone(),
        lock_file: ready.lock_file()?,
        tool: ready.tool.tool.clone(),
        providers: providers::installed(control, place, &ready.layout).await?,
        backend: None,
        changes: planned.changes,
    })
}
