//! Where logs go: standard error, as text or JSON. Secrets are no part of any event.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::failure::{Failure, Result};

/// Begins to log. Called once, by the commands that serve.
pub(crate) fn begin(log: &Log, color: bool) -> Result {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| {
        Failure::usage(format!("log.level: {error}"))
            .hint("use error, warn, info, debug or trace, or as in \"info,statehouse_web=debug\"")
    })?;
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let begun = match log.format {
        LogFormat::Text => events.with_ansi(color).try_init(),
        LogFormat::Json => events
            .json()
            .flatten_event(true)
            .with_ansi(false)
            .try_init(),
    };
    begun.map_err(Failure::failed)
}
