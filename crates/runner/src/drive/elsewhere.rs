//! States that the configuration keeps in a backend of its own: terraform reads and writes them there, with credentials of the run's
//! environment, and nothing else does. A copy goes to the server before a plan and after an apply.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Trouble;
use super::log::Log;
use super::phase::{Command, Room};
use super::ready::{self, Ready};
use super::stop::Stop;
use crate::control::{Ask, Backend, Control, Told, Work};

/// A backend whose states are files of the run's own directory, and would end with it.
const LOCAL: &str = "local";

/// Refuses what cannot be kept.
pub(crate) fn refuse(kind: &str) -> Result<(), Trouble> {
    if kind != LOCAL {
        return Ok(());
    }
    Err(Trouble::failed(
        "configuration",
        "the backend `local` keeps the state in the directory of the run, which ends with it; remove the block, and the state is kept here",
    ))
}

/// Finds the state where it is.
pub(crate) async fn find(
    (room, ready): (&Room<'_>, &Ready),
    work: &Work,
    stop: &Stop,
) -> Result<Bytes, Trouble> {
    let mut command = Command::new(&["state", "pull"]);
    command.environment = ready::environment(&work.variables);
    command.network = ready.network.clone();
    Ok(room.run(command, stop).await?.output)
}

/// What a capsule binds of it.
pub(crate) fn backend(kind: &str, state: &Bytes) -> Backend {
    let state = (!state.is_empty()).then(|| hex::encode(Sha256::digest(state)));
    Backend {
        kind: kind.to_owned(),
        state,
    }
}

/// Has the server keep a copy. Who changed it outside is told in the log.
pub(crate) async fn copy(
    control: &Arc<dyn Control>,
    log: &Log,
    state: Bytes,
    before: bool,
) -> Result<(), Trouble> {
    let answer = control.ask(Ask::Copy { before }, state).await?;
    if let Told::ChangedSince { run } = answer.told {
        log.line(&format!(
            "statehouse: the state was changed outside Statehouse since {run}"
        ))
        .await;
    }
    Ok(())
}
