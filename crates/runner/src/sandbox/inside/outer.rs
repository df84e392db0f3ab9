//! The first step inside: it keeps the relays running beside the command, and passes an interrupt on.
//!
//! Its standard input is the line to the runner. When that breaks there is nobody to work for, and everything ends.

use std::io::{self, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_current_process_group, kill_process};

use super::spec::{self, Spec};
use super::{INTERRUPT, Relay, code};

/// The file that this process runs, wherever it is.
const OURSELVES: &str = "/proc/self/exe";

pub(super) fn run(relay: Relay) -> Result<ExitCode, String> {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| format!("reading what to do: {error}"))?;
    let mut spec: Spec =
        serde_json::from_str(&line).map_err(|error| format!("reading what to do: {error}"))?;
    if let Some(egress) = &spec.egress {
        relay(egress).map_err(|error| format!("starting the relays: {error}"))?;
    }
    let mut input = framed(&spec.command)?;
    input.append(&mut spec.input);
    let mut child = start(&spec.again)?;
    // Its secrets are the command's now.
    drop((spec, line));
    feed(&mut child, input);
    let process = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("a process without a number")?;
    thread::spawn(move || listen(process));
    child
        .wait()
        .map(code)
        .map_err(|error| format!("waiting for the command: {error}"))
}

fn framed(command: &spec::Command) -> Result<Vec<u8>, String> {
    let text = serde_json::to_vec(command).map_err(|error| error.to_string())?;
    let mut framed = (text.len() as u64).to_be_bytes().to_vec();
    framed.extend(text);
    Ok(framed)
}

fn start(again: &[String]) -> Result<Child, String> {
    Command::new(OURSELVES)
        .args(again)
        .arg("exec")
        .env_clear()
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting the next step: {error}"))
}

fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut pipe) = child.stdin.take() {
        // A command that does not read it may leave it.
        thread::spawn(move || pipe.write_all(&input));
    }
}

fn listen(process: Pid) {
    let mut signal = Signal::INT;
    for line in io::stdin().lines().map_while(Result::ok) {
        if line == INTERRUPT {
            // It may have ended by itself.
            let _ = kill_process(process, signal);
            signal = Signal::KILL;
        }
    }
    // The runner is gone. In a namespace of its own, the end of this process is the end of all.
    let _ = kill_current_process_group(Signal::KILL);
}
