//! What our own binary does between a runner and a command. Four steps, each a process of its own:
//!
//! `launch` enters the control group of the phase, lets go of every open file but the three, and starts bubblewrap;
//! `outer`, in the sandbox, starts the relays and the next step, passes an interrupt on, and tells how it ended;
//! `exec` sets limits, restricts itself by Landlock and seccomp, and becomes the command;
//! `probe` and `nothing` find out which layers there are.
//!
//! They are steps of one binary because `unsafe` is forbidden here: what must be done between fork and exec is done by a program
//! that was started for it. What a phase is told comes over standard input, secrets too: arguments can be seen by everybody.

mod confine;
mod exec;
mod filter;
mod launch;
mod outer;
mod probe;
pub(crate) mod spec;

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::process::{ExitCode, ExitStatus};

use fs_err as fs;

use super::phase::Egress;

pub use probe::Found;

/// Starts relays: listens on everything that is listed before it returns, and carries connections in threads of its own.
pub type Relay = fn(&Egress) -> io::Result<()>;

/// What is said on standard output before the command's own begins. It is said by the last step, restricted already.
pub(crate) const MARK: &str = "statehouse: begin\n";

/// What is said on standard input to interrupt a command.
pub(crate) const INTERRUPT: &str = "interrupt";

/// What a step answers when it cannot go on, as `env` and `timeout` do.
const FAILED: u8 = 125;

/// What is added to a signal to tell it as an exit code, as shells do.
pub(crate) const SIGNALED: i32 = 128;

/// One step. The binary calls this with what follows its hidden subcommand, and exits with the answer.
pub fn main(arguments: &[String], relay: Relay) -> ExitCode {
    let step = arguments
        .split_first()
        .map(|(step, rest)| (step.as_str(), rest));
    let ended = match step {
        Some(("launch", rest)) => launch::run(rest),
        Some(("outer", [])) => outer::run(relay),
        Some(("exec", [])) => exec::run().map(never),
        Some(("probe", [])) => probe::run(),
        Some(("nothing", [])) => Ok(ExitCode::SUCCESS),
        _ => Err(String::from("started by hand: this is a step of a sandbox")),
    };
    ended.unwrap_or_else(|error| {
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(io::stderr(), "statehouse inside: {error}");
        ExitCode::from(FAILED)
    })
}

fn never(infallible: Infallible) -> ExitCode {
    match infallible {}
}

/// Closes every open file but the three standard ones.
fn close_others() -> Result<(), String> {
    let entries = fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?;
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // The list itself was one of them, and is closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// An exit code that tells a signal, too.
fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| SIGNALED + signal);
    let code = status.code().or(signal).unwrap_or(i32::from(FAILED));
    ExitCode::from(u8::try_from(code).unwrap_or(FAILED))
}
