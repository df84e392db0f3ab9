//! Children: run to their end in bounded time, or kept and ended with their owner.
//!
//! No child outlives the value it belongs to, also when a test fails. Children stay in the process group of the test, so
//! that whoever ends the group ends them too.

use std::fmt;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A command that has not ended by then hangs. The slowest, an apply of a hundred AWS resources on a busy machine, takes
/// a third of it.
const END_MAX: Duration = Duration::from_mins(3);
/// What a child has to put its affairs in order before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Looks again and again until there is something to see; fails with `what` when there is nothing in `max`.
pub(crate) fn until<T>(what: &str, max: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < max, "{what}: not within {max:?}");
        sleep(Duration::from_millis(10));
    }
}

/// What a command left behind.
pub(crate) struct Ran {
    what: String,
    code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Running::start(command).end()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    /// All that was said, each run of white space as one blank: clients break their lines where they like.
    fn said(&self) -> String {
        let all = format!("{} {}", String::from_utf8_lossy(&self.out), self.err);
        all.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Asserts the exit code, and words that were said.
    pub(crate) fn ends(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        let said = self.said();
        for words in words {
            assert!(said.contains(words), "nothing says {words:?}: {self}");
        }
        self
    }

    pub(crate) fn done(self) -> Self {
        self.ends(0, &[])
    }

    /// Asserts that it ended by itself, and did not crash.
    pub(crate) fn without_crash(self) -> Self {
        assert!(self.code.is_some(), "{self}");
        let said = self.said();
        for crash in ["panic:", "goroutine ", "TERRAFORM CRASH"] {
            assert!(!said.contains(crash), "{self}");
        }
        self
    }

    /// Whether the server refused, because there is no such thing or the caller may not see it.
    pub(crate) fn is_refused(&self) -> bool {
        self.code == Some(3)
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, code, .. } = self;
        let out = String::from_utf8_lossy(&self.out);
        write!(formatter, "{what} ended with {code:?}\n{out}\n{}", self.err)
    }
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    what: String,
    out: File,
    err: File,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::with(command, Stdio::null())
    }

    /// The same, with something to read.
    pub(crate) fn fed(command: &mut Command, input: &str) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(input.as_bytes()).unwrap();
        file.rewind().unwrap();
        Self::typed(command, file)
    }

    /// With what it reads as if somebody typed it.
    pub(crate) fn typed(command: &mut Command, typed: File) -> Self {
        Self::with(command, typed.into())
    }

    fn with(command: &mut Command, input: Stdio) -> Self {
        let what = format!("{command:?}");
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        command.stdin(input);
        command.stdout(out.try_clone().unwrap());
        command.stderr(err.try_clone().unwrap());
        let child = command.spawn();
        let child = child.unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        Self {
            child,
            what,
            out,
            err,
        }
    }

    /// What it wrote to its standard output until now.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&whole(&self.out)).into_owned()
    }

    /// What it wrote to its standard error until now.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&whole(&self.err)).into_owned()
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it left behind, if it ended.
    pub(crate) fn ended(&mut self) -> Option<Ran> {
        let status: ExitStatus = self.child.try_wait().unwrap()?;
        Some(Ran {
            what: self.what.clone(),
            code: status.code(),
            out: whole(&self.out),
            err: self.err(),
        })
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        let what = self.what.clone();
        until(&what, END_MAX, || self.ended())
    }
}

/// The file from its start; where the child goes on writing stays as it is, because both share one position.
fn whole(file: &File) -> Vec<u8> {
    let length = file.metadata().unwrap().len();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.what, self.err());
        }
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // terraform ends its providers when it is asked to end, and leaves them behind when it is killed.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let begun = Instant::now();
        while begun.elapsed() < GRACE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
