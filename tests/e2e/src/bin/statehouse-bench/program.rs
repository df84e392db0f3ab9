//! A program that is started, runs to its end, and is measured: its processor time and the most memory that it held.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::{Result, process};

/// How often the memory is looked at. The kernel keeps the most there was: what is missed is what comes after the last look.
const LOOK: Duration = Duration::from_millis(5);

/// What it took.
pub(crate) struct Ran {
    pub(crate) cpu_s: f64,
    pub(crate) memory_bytes: u64,
}

/// Runs a program whose output nobody wants.
pub(crate) fn run(command: &mut Command) -> Result<Ran> {
    run_with(command, |_| Ok(()))
}

/// Runs a program that is given something while it runs.
pub(crate) fn run_with(
    command: &mut Command,
    give: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<Ran> {
    let before = process::cpu_s_of_ended()?;
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let given = give(&mut child);
    let mut memory_bytes = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A process that just ended tells nothing any more.
        memory_bytes = process::memory_bytes(child.id(), "VmHWM")
            .unwrap_or(memory_bytes)
            .max(memory_bytes);
        sleep(LOOK);
    };
    if !status.success() {
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            std::io::Read::read_to_string(&mut stderr, &mut said)?;
        }
        return Err(format!("{command:?}: {status}: {}", said.trim()).into());
    }
    given?;
    Ok(Ran {
        cpu_s: process::cpu_s_of_ended()? - before,
        memory_bytes,
    })
}

/// What a program answers in one line of JSON.
pub(crate) fn ask(command: &mut Command) -> Result<serde_json::Value> {
    let output = command.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {}", output.status, said.trim()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
