//! `statehouse completions`: a script for a shell.

use clap_complete::Shell;

use super::session::Session;
use crate::failure::Result;

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::command_line(),
        "statehouse",
        &mut script,
    );
    session.out.write(&script)
}
