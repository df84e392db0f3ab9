//! What the server starts of itself: `statehouse runner`, one job in a process of its own, and `statehouse inside`, a step of a sandbox.
//! Neither is for people, and neither does anything when started by hand.

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;

use statehouse_runner::control::Line;
use statehouse_runner::drive;
use statehouse_runner::drive::place::Place;
use statehouse_runner::sandbox::inside;
use statehouse_runner::way_out;
use tokio::net::UnixStream;

use super::session::Session;
use crate::failure::{Failure, Result};

/// Arguments of a runner.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where it works, as the server says
    place: String,
}

/// Does the job at the other end of standard input.
pub(super) fn run(args: &Args) -> Result {
    let place: Place = serde_json::from_str(&args.place)
        .map_err(|error| Failure::usage(format!("this is started by the server: {error}")))?;
    Session::runtime()?.block_on(async {
        let line = std::io::stdin().as_fd().try_clone_to_owned()?;
        let line = std::os::unix::net::UnixStream::from(line);
        line.set_nonblocking(true)?;
        let control = Arc::new(Line::new(UnixStream::from_std(line)?));
        drive::run(control, place).await.map_err(Failure::failed)
    })
}

/// A step of a sandbox.
pub(super) fn inside(words: &[String]) -> ExitCode {
    inside::main(words, way_out::relay)
}
