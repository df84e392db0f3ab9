//! Which terraform: found where runners work, run as it is, and known by its digest.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::Trouble;
use crate::control::{Ask, Control, ControlError, Told, Tool};

/// The program that runs, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) tool: Tool,
}

/// Finds the tool of a version, of those that are here.
pub(crate) async fn find(control: &Arc<dyn Control>, version: &str) -> Result<Found, Trouble> {
    let version = version.to_owned();
    let (path, tool) = match control.ask(Ask::Tool { version }, Bytes::new()).await {
        Ok(answer) => match answer.told {
            Told::Tool { path, tool } => (path, tool),
            other => return Err(ControlError::Odd(format!("no tool: {other:?}")).into()),
        },
        Err(ControlError::Refused { why, .. }) => return Err(Trouble::failed("tool", why)),
        Err(error) => return Err(error.into()),
    };
    if path.is_file() {
        return Ok(Found { path, tool });
    }
    let words = format!(
        "{} is closed to runners: put terraform where everybody may read it",
        path.display()
    );
    Err(Trouble::failed("tool", words))
}
