//! Running a phase: from a description to a command that runs, and to an end after which nothing of it is left.
//!
//! A phase has begun when the last step inside said so: everything before that is the sandbox's failure and is told as such, so
//! that an exit code is the command's. (One exception: what the kernel refuses to execute although it is executable, such as a
//! script without its interpreter, is [`Exit::Code`] 125, with the reason on standard error.) Its end is certain in two ways that do not know of each other: the first process of
//! the pid namespace takes all others with it, and the control group is killed until it is empty.

mod prepare;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::cgroup::Group;
use super::error::Error;
use super::inside::{INTERRUPT, MARK, SIGNALED};
use super::phase::Phase;
use super::seat::{PATIENCE, PAUSE, Seat};
use super::settings::Settings;

/// A sandbox starts in milliseconds; a machine that needs this long is not going to run terraform.
const START_MAX: Duration = Duration::from_secs(30);

/// What is kept of what was said before a command began.
const WORDS_MAX: u64 = 16 << 10;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal. A command that exits with 128 and a number says the same.
    Signal(i32),
    /// Its memory was used up.
    OutOfMemory,
    /// A process was refused to it, and it failed.
    TooManyProcesses,
    /// Its time was up.
    TimedOut,
    /// It was killed by [`Running::kill`].
    Killed,
}

/// Starts a phase, and answers when its command begins.
///
/// # Errors
///
/// [`Error::Refused`] if it asks for what no phase gets, [`Error::NotStarted`] with what was said.
pub async fn run(settings: &Settings, seat: &Seat, phase: &Phase) -> Result<Running, Error> {
    let deadline = Instant::now() + phase.limits.wall;
    let prepared = prepare::prepare(settings, seat, phase)?;
    let mut child = Command::new(&settings.inside.program)
        .args(&prepared.words)
        .env_clear()
        .current_dir(&prepared.directory)
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Error::NotStarted(format!("{}: {error}", settings.inside.program.display()))
        })?;
    let line = child.stdin.take();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let mut running = Running {
        process: child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw),
        child,
        line: None,
        output: None,
        errors: None,
        group: prepared.group,
        place: Some(prepared.place),
        deadline,
        interruptible: phase.interruptible,
        verdict: None,
    };
    let (Some(mut line), Some(mut output), Some(errors)) = (line, output, errors) else {
        return Err(Error::NotStarted(String::from("no pipes")));
    };
    if !begun(&mut line, &prepared.spec, &mut output).await {
        let words = last_words(errors, &mut running).await;
        return Err(Error::NotStarted(words));
    }
    running.line = Some(line);
    running.output = Some(output);
    running.errors = Some(errors);
    Ok(running)
}

/// Says what to do, and waits for the mark of the last step.
async fn begun(line: &mut ChildStdin, spec: &[u8], output: &mut ChildStdout) -> bool {
    let said = async {
        // Whoever does not read this has something to say on standard error.
        line.write_all(spec).await?;
        let mut mark = [0; MARK.len()];
        output.read_exact(&mut mark).await?;
        Ok::<_, std::io::Error>(mark == MARK.as_bytes())
    };
    matches!(timeout(START_MAX, said).await, Ok(Ok(true)))
}

async fn last_words(errors: ChildStderr, running: &mut Running) -> String {
    let mut words = Vec::new();
    let mut errors = errors.take(WORDS_MAX);
    let read = errors.read_to_end(&mut words);
    if timeout(Duration::from_secs(1), read).await.is_err() {
        running.kill();
    }
    let ended = running.wait().await;
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    match ended {
        _ if !words.is_empty() => words,
        Ok(exit) => format!("it said nothing and ended: {exit:?}"),
        Err(error) => error.to_string(),
    }
}

/// A command that runs. Dropped, it is killed, with everything that it started.
pub struct Running {
    child: Child,
    process: Option<Pid>,
    line: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    group: Option<Group>,
    /// Where the small files are; taken away with the last of it.
    place: Option<PathBuf>,
    deadline: Instant,
    interruptible: bool,
    /// Why we ended it, if we did.
    verdict: Option<Exit>,
}

impl Running {
    /// Standard output, once. It must be read, or the command stops when the pipe is full.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.output.take()
    }

    /// Standard error, once.
    pub fn errors(&mut self) -> Option<ChildStderr> {
        self.errors.take()
    }

    /// Interrupts the command, as Ctrl-C does. The second time it is killed. Answers whether it was told.
    pub async fn interrupt(&mut self) -> bool {
        match &mut self.line {
            Some(line) if self.interruptible => line
                .write_all(format!("{INTERRUPT}\n").as_bytes())
                .await
                .is_ok(),
            _ => false,
        }
    }

    /// Kills the command and everything that it started. [`Running::wait`] tells when it is done.
    pub fn kill(&mut self) {
        self.verdict.get_or_insert(Exit::Killed);
        self.strike();
    }

    /// Waits until the command ended and nothing of it is left. May be cancelled and called again.
    ///
    /// # Errors
    ///
    /// [`Error::Survivors`] if a process does not end although it was killed.
    pub async fn wait(&mut self) -> Result<Exit, Error> {
        let waited = timeout_at(self.deadline, self.child.wait()).await;
        let status = if let Ok(status) = waited {
            status?
        } else {
            self.verdict.get_or_insert(Exit::TimedOut);
            self.strike();
            self.child.wait().await?
        };
        // Before the rest is killed: that refuses forks, too.
        let exit = self.exit(status);
        self.verdict = Some(exit);
        self.sweep().await?;
        self.remove()?;
        Ok(exit)
    }

    fn exit(&self, status: ExitStatus) -> Exit {
        if let Some(verdict) = self.verdict {
            return verdict;
        }
        let events = self.group.as_ref().map(Group::events).unwrap_or_default();
        let failed = !status.success();
        match (status.code(), status.signal()) {
            _ if failed && events.killed_for_memory > 0 => Exit::OutOfMemory,
            _ if failed && events.forks_refused > 0 => Exit::TooManyProcesses,
            (Some(code), _) if code > SIGNALED && code <= SIGNALED + 64 => {
                Exit::Signal(code - SIGNALED)
            }
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        }
    }

    /// Kills what can be named: the process group, which ends the namespaces, and the control group.
    fn strike(&self) -> usize {
        if let Some(process) = self.process {
            // It may have ended by itself.
            let _ = kill_process_group(process, Signal::KILL);
        }
        self.group
            .as_ref()
            .map_or(0, |group| group.strike().unwrap_or(0))
    }

    async fn sweep(&mut self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        while self.strike() > 0 {
            if Instant::now() > end {
                return Err(Error::Survivors(format!("{:?}", self.group)));
            }
            sleep(PAUSE).await;
        }
        // Its number may be somebody else's from now on.
        self.process = None;
        Ok(())
    }

    fn remove(&mut self) -> std::io::Result<()> {
        if let Some(place) = self.place.take() {
            fs::remove_dir_all(place)?;
        }
        match self.group.take() {
            Some(group) => group.remove(),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.place.is_none() {
            return;
        }
        // Nobody waits any more; the kernel needs a moment until a group is empty.
        let end = std::time::Instant::now() + PATIENCE;
        while self.strike() > 0 && std::time::Instant::now() < end {
            std::thread::sleep(PAUSE);
        }
        // What cannot be removed now goes when the seat is cleared.
        let _ = self.remove();
    }
}
