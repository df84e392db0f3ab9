//! The first step, outside still: into the control group, without other open files, and then the given command as a child.
//!
//! It stays until the end. bubblewrap ends with the thread that started it, and this process has one thread; and whatever is left
//! by a command that ran without namespaces becomes its child, and is ended here.

use std::io;
use std::process::{Command, ExitCode};

use fs_err as fs;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait};

use super::{close_others, code};

/// `DOOR… -- PROGRAM ARGUMENT…`
pub(super) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let mut parts = arguments.splitn(2, |word| word == "--");
    let (doors, command) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let (program, rest) = command.split_first().ok_or("nothing to launch")?;
    for door in doors {
        // 0 is whoever writes it.
        fs::write(door, "0").map_err(|error| format!("entering the control group: {error}"))?;
    }
    close_others()?;
    set_child_subreaper(Some(getpid()))
        .map_err(|error| format!("becoming the parent of orphans: {error}"))?;
    let status = Command::new(program).args(rest).status();
    end_orphans();
    status
        .map(code)
        .map_err(|error| format!("starting {program}: {error}"))
}

fn end_orphans() {
    // A kernel that does not list children leaves them to the control group.
    while let Ok(children) = children() {
        for child in children {
            // It may have ended by itself.
            let _ = kill_process(child, Signal::KILL);
        }
        // Each that ends may leave new ones.
        match wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn children() -> io::Result<Vec<Pid>> {
    let own = getpid().as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/self/task/{own}/children"))?;
    let numbers = text.split_whitespace().filter_map(|word| word.parse().ok());
    Ok(numbers.filter_map(Pid::from_raw).collect())
}
