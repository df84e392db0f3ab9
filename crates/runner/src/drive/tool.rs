//! Which tool: terraform or `OpenTofu`, found where runners work, run as it is, and known by its digest.

use std::path::PathBuf;
use std::sync::Arc;

use statehouse_terraform::configuration;

use super::{Trouble, here};
use crate::control::{Ask, Control, ControlError, Told, Tool};

/// The program that runs, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) tool: Tool,
    /// By whose rules it takes the files of a configuration.
    pub(crate) reads: configuration::Tool,
}

/// Finds a tool of a version, of those that are here.
pub(crate) async fn find(
    control: &Arc<dyn Control>,
    name: &str,
    version: &str,
) -> Result<Found, Trouble> {
    let reads = configuration::Tool::called(name).ok_or_else(|| {
        let words =
            format!("nobody knows here how `{name}` is run: this runner is older than its server");
        Trouble::failed("tool", words)
    })?;
    let ask = Ask::Tool {
        name: name.to_owned(),
        version: version.to_owned(),
    };
    let (path, tool) = match here(control, ask, "tool").await? {
        Told::Tool { path, tool } if tool.name == name => (path, tool),
        other => return Err(ControlError::Odd(format!("no {name}: {other:?}")).into()),
    };
    if path.is_file() {
        return Ok(Found { path, tool, reads });
    }
    let words = format!(
        "{} is closed to runners: put {name} where everybody may read it",
        path.display()
    );
    Err(Trouble::failed("tool", words))
}
