//! The server's side of one process: starting it, limiting it, talking to it until it ends or its time does, and ending it.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::Serialize;

use super::frame::{self, Pieces};
use super::{Limits, Program, Ready};

/// How often it is looked whether somebody still waits for the answer.
const LOOK: Duration = Duration::from_millis(100);

/// A document goes through in pieces of this size; the kernel gives less where it must.
const PIPE_BYTES: usize = 1 << 20;

/// What is read at once.
const READ_BYTES: usize = 256 << 10;

/// What the kernel counts processor time in wherever this runs, in milliseconds; and what it tells of a process between its name and those times.
const TICK_MS: u64 = 10;
const STAT_BEFORE_TIMES: usize = 11;

/// What is kept of what a process says on standard error.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// A process that started, and waits for an order. Dropped, it is ended.
pub struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
    pieces: Pieces,
    heard: usize,
    words: Vec<u8>,
    /// What it had taken of the processor when it ended.
    spent: Option<Duration>,
}

/// Why there is no answer, or not all of one.
#[derive(Debug)]
pub enum Failure {
    /// It ended.
    Died(Death),
    /// Its time was up.
    TimedOut,
    /// Nobody waits any more.
    Canceled,
    /// What it should be told cannot be told: it is longer than an order may be.
    Untold(String),
    /// It could not be started or reached, or it does not keep to the protocol.
    Broken(String),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// It needed more address space than it was given.
    Memory,
    /// It went down deeper than its stack.
    Stack,
    /// It needed more processor time than so many seconds.
    Cpu(u64),
    /// It said more than so many bytes, and was ended.
    Output(usize),
    /// Somebody else ended it; the machine may be out of memory.
    Killed,
    /// By this signal, with these words.
    Signal(i32, String),
    /// By itself, with these words.
    Itself(String),
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then it is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When to give up.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// When.
    pub until: Instant,
    /// Whether nobody waits any more.
    pub canceled: &'a dyn Fn() -> bool,
}

impl Process {
    /// Starts a process, and does not wait for it.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(program: &Program) -> io::Result<Process> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", program.path.display()))
        };
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(named)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("there are no pipes to the process"));
        };
        let process = Process {
            child,
            input,
            output,
            errors,
            pieces: Pieces::default(),
            heard: 0,
            words: Vec::new(),
            spent: None,
        };
        for pipe in [
            process.input.as_fd(),
            process.output.as_fd(),
            process.errors.as_fd(),
        ] {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        // Smaller pipes do the same more slowly.
        let _ = fcntl_setpipe_size(&process.input, PIPE_BYTES);
        Ok(process)
    }

    /// The processor time that it has taken so far. Not known is all that it may take: who cannot be measured is not given more for that.
    pub fn spent(&self, limits: &Limits) -> Duration {
        let spent = self.spent.or_else(|| spent_by(self.child.id()));
        spent.unwrap_or(limits.cpu)
    }

    /// Whether it is still there.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has given up everything.
    ///
    /// # Errors
    ///
    /// When it could not, and must have.
    pub fn ready(
        &mut self,
        strict: bool,
        limits: &Limits,
        patience: Patience<'_>,
    ) -> Result<(), Failure> {
        let mut ready = None;
        let mut take = |frame: &[u8]| {
            ready = Some(serde_json::from_slice::<Ready>(frame));
            true
        };
        self.talk(
            Ahead::of(&mut std::iter::empty())?,
            &mut take,
            limits,
            patience,
        )?;
        match ready {
            Some(Ok(Ready { landlock, seccomp })) if strict => {
                let missing = landlock.err().or(seccomp.err());
                missing.map_or(Ok(()), |why| {
                    Err(Failure::Broken(format!(
                        "the process cannot be confined: {why}"
                    )))
                })
            }
            Some(Ok(_)) => Ok(()),
            _ => Err(Failure::Broken(String::from(
                "the process does not say that it is ready",
            ))),
        }
    }

    /// Sets its limits, from outside, for documents of so many bytes.
    ///
    /// # Errors
    ///
    /// When one cannot be set.
    pub fn limit(&self, limits: &Limits, document_bytes: u64) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let memory = limits
            .memory_bytes
            .saturating_add(document_bytes.saturating_mul(limits.memory_per_byte));
        let seconds = limits.cpu.as_secs().max(1);
        for (resource, soft, hard) in [
            (Resource::As, memory, memory),
            // At the first it is told, by a signal that ends it and says why; at the second it is killed.
            (Resource::Cpu, seconds, seconds + 1),
        ] {
            let limit = Rlimit {
                current: Some(soft),
                maximum: Some(hard),
            };
            let set = pid
                .ok_or(Errno::SRCH)
                .and_then(|pid| prlimit(Some(pid), resource, limit));
            if let Err(error) = set {
                return Err(Failure::Broken(format!(
                    "the limit {resource:?} of the process cannot be set: {error}"
                )));
            }
        }
        Ok(())
    }

    /// Gives an order with its documents, a piece after the other, and hears what is said, a frame each, until `hear` has heard enough.
    /// An error in the place of a piece says why there is none.
    ///
    /// # Errors
    ///
    /// When it goes away before that, its time is up, or there is no next piece.
    pub fn carry_out(
        &mut self,
        order: &impl Serialize,
        documents: &mut dyn Iterator<Item = Piece<'_>>,
        hear: &mut dyn FnMut(&[u8]) -> bool,
        limits: &Limits,
        patience: Patience<'_>,
    ) -> Result<(), Failure> {
        let order = frame::encode(order).map_err(|error| Failure::Untold(error.to_string()))?;
        let mut all = std::iter::once::<Piece<'_>>(Ok(Box::new(order))).chain(documents);
        self.talk(Ahead::of(&mut all)?, hear, limits, patience)
    }

    /// Writes all of it and reads frames meanwhile, until `take` has had enough.
    fn talk(
        &mut self,
        mut ahead: Ahead<'_, '_>,
        take: &mut dyn FnMut(&[u8]) -> bool,
        limits: &Limits,
        patience: Patience<'_>,
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if (patience.canceled)() {
                return Err(Failure::Canceled);
            }
            let left = patience.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failure::TimedOut);
            }
            wait(
                &self.input,
                &self.output,
                &self.errors,
                !ahead.is_over(),
                left.min(LOOK),
            )?;
            ahead.write_some(&self.input)?;
            self.read_words(&mut buffer);
            let end = self.read_some(&mut buffer, limits.output_bytes_max)?;
            while let Some(frame) = self
                .pieces
                .next()
                .map_err(|error| Failure::Broken(error.to_string()))?
            {
                if take(frame) {
                    return Ok(());
                }
            }
            if end {
                return Err(self.explain(limits));
            }
        }
    }

    /// Reads what there is of standard output, and says whether that was the end.
    fn read_some(&mut self, buffer: &mut [u8], bytes_max: usize) -> Result<bool, Failure> {
        match self.output.read(buffer) {
            Ok(0) => Ok(true),
            Ok(count) => {
                self.heard = self.heard.saturating_add(count);
                if self.heard > bytes_max {
                    return Err(Failure::Died(Death::Output(bytes_max)));
                }
                self.pieces.push(buffer.get(..count).unwrap_or_default());
                Ok(false)
            }
            Err(error) if waits(&error) => Ok(false),
            Err(error) => Err(Failure::Broken(error.to_string())),
        }
    }

    fn read_words(&mut self, buffer: &mut [u8]) {
        // An error is an end: these are only words.
        while let Ok(count @ 1..) = self.errors.read(buffer) {
            let room = WORDS_BYTES_MAX.saturating_sub(self.words.len());
            let piece = buffer.get(..count.min(room)).unwrap_or_default();
            self.words.extend_from_slice(piece);
        }
    }

    /// How it ended. Its output is closed: it has, or is about to.
    fn explain(&mut self, limits: &Limits) -> Failure {
        let _ = self.child.kill();
        // Until it was waited for it is told of; afterwards its number may be another's.
        self.spent = Some(spent_by(self.child.id()).unwrap_or(limits.cpu));
        let status = self.child.wait();
        let mut buffer = vec![0; READ_BYTES];
        self.read_words(&mut buffer);
        let words = String::from_utf8_lossy(&self.words);
        match status {
            Ok(status) => Failure::Died(how(status, &words, limits)),
            Err(error) => Failure::Broken(error.to_string()),
        }
    }
}

/// Waits until something can be written or read.
fn wait(
    input: &impl AsFd,
    output: &impl AsFd,
    errors: &impl AsFd,
    to_write: bool,
    most: Duration,
) -> Result<(), Failure> {
    let mut places = vec![
        PollFd::new(output, PollFlags::IN),
        PollFd::new(errors, PollFlags::IN),
    ];
    if to_write {
        places.push(PollFd::new(input, PollFlags::OUT));
    }
    let most = Timespec::try_from(most).map_err(|error| Failure::Broken(error.to_string()))?;
    match poll(&mut places, Some(&most)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(Failure::Broken(error.to_string())),
    }
}

/// A piece of what is written, or why there is none.
pub type Piece<'a> = Result<Box<dyn AsRef<[u8]> + 'a>, String>;

/// What is still to be written: the rest of a piece, and the pieces after it.
struct Ahead<'a, 'b> {
    piece: Option<Box<dyn AsRef<[u8]> + 'b>>,
    written: usize,
    rest: &'a mut dyn Iterator<Item = Piece<'b>>,
}

impl<'a, 'b> Ahead<'a, 'b> {
    fn of(rest: &'a mut dyn Iterator<Item = Piece<'b>>) -> Result<Self, Failure> {
        let mut ahead = Self {
            piece: None,
            written: 0,
            rest,
        };
        ahead.next()?;
        Ok(ahead)
    }

    fn is_over(&self) -> bool {
        self.piece.is_none()
    }

    /// Goes on to the next piece that is not empty.
    fn next(&mut self) -> Result<(), Failure> {
        self.written = 0;
        loop {
            self.piece = self.rest.next().transpose().map_err(Failure::Broken)?;
            if self
                .piece
                .as_ref()
                .is_none_or(|piece| !(**piece).as_ref().is_empty())
            {
                return Ok(());
            }
        }
    }

    /// Writes what fits. Where nobody reads it any more it is over, and what is still to be heard says why.
    fn write_some(&mut self, input: &ChildStdin) -> Result<(), Failure> {
        let pipe: BorrowedFd<'_> = input.as_fd();
        while let Some(piece) = &self.piece {
            let left = (**piece).as_ref().get(self.written..).unwrap_or_default();
            match rustix::io::write(pipe, left) {
                Ok(count) if count < left.len() => self.written += count,
                Ok(_) => self.next()?,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(_) => self.piece = None,
            }
        }
        Ok(())
    }
}

/// What a process that was not waited for yet has taken of the processor, by what the kernel tells of it.
fn spent_by(pid: u32) -> Option<Duration> {
    let told = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // What comes before is its name, in which anything may be.
    let (_, told) = told.rsplit_once(')')?;
    let mut told = told.split_whitespace().skip(STAT_BEFORE_TIMES);
    let ticks = |text: &str| text.parse::<u64>().ok();
    let (user, system) = (ticks(told.next()?)?, ticks(told.next()?)?);
    Some(Duration::from_millis(
        (user + system).saturating_mul(TICK_MS),
    ))
}

fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// How a process ended, by its status and its last words.
fn how(status: ExitStatus, words: &str, limits: &Limits) -> Death {
    let told = words.trim().lines().next().unwrap_or_default();
    if words.contains("memory allocation of") {
        return Death::Memory;
    }
    if words.contains("has overflowed its stack") {
        return Death::Stack;
    }
    match status.signal() {
        Some(libc::SIGXCPU) => Death::Cpu(limits.cpu.as_secs()),
        Some(libc::SIGKILL) => Death::Killed,
        Some(signal) => Death::Signal(signal, told.to_owned()),
        None => Death::Itself(told.to_owned()),
    }
}
