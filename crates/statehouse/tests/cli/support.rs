//! A server of one's own, and the client beside it.

use std::fmt::Debug;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A child that does not end in this time hangs.
const END_MAX: Duration = Duration::from_secs(20);

/// The binary, with nothing in its environment but a home.
pub(crate) fn statehouse(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statehouse"));
    command.env_clear().env("HOME", home).current_dir(home);
    command
}

/// What a command left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Debug for Ran {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out: String = String::from_utf8_lossy(&self.out)
            .chars()
            .take(2000)
            .collect();
        write!(formatter, "exit code {}\n{out}\n{}", self.code, self.err)
    }
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::fed(command, "")
    }

    pub(crate) fn fed(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A child that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        Self {
            code: output.status.code().expect("no signal ended it"),
            out: output.stdout,
            err,
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.text().lines().count(), 1, "{self:?}");
        serde_json::from_slice(&self.out).unwrap()
    }

    /// Asserts the exit code, and words of the error.
    pub(crate) fn ends(
        self,
        code: i32,
        words: impl IntoIterator<Item = impl AsRef<str> + Debug>,
    ) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        for words in words {
            assert!(
                self.err.contains(words.as_ref()),
                "{words:?} is not in {self:?}"
            );
        }
        self
    }

    pub(crate) fn done(self) -> Self {
        self.ends(0, [""; 0])
    }
}

/// A running server, ended when this is dropped.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: File,
    home: PathBuf,
    pub(crate) ready: Value,
}

impl Server {
    /// `up --json` on a directory of `place`; waits for its one line.
    pub(crate) fn up(place: &TempDir) -> Self {
        Self::up_with(place, &[])
    }

    /// The same, with these arguments beside it.
    pub(crate) fn up_with(place: &TempDir, args: &[&str]) -> Self {
        let mut command = statehouse(place.path());
        command
            .args(["up", "--port", "0", "--json", "--dir"])
            .arg(place.path().join("house"))
            .args(args);
        let (child, mut stdout, log) = spawn(&mut command);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self {
            child,
            stdout,
            log,
            home: place.path().to_owned(),
            ready,
        }
    }

    /// `serve` with `args`; ready when its token file is there, because its port was bound before.
    pub(crate) fn serve(
        place: &TempDir,
        args: &[&str],
        token: &Path,
        address: String,
        ca_file: &Path,
    ) -> Self {
        let (child, stdout, log) = spawn(statehouse(place.path()).arg("serve").args(args));
        let begun = Instant::now();
        while !token.exists() {
            assert!(begun.elapsed() < END_MAX, "no token after {END_MAX:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
        let token = fs_err::read_to_string(token).unwrap();
        let ready =
            serde_json::json!({ "address": address, "token": token.trim(), "ca_file": ca_file });
        Self {
            child,
            stdout,
            log,
            home: place.path().to_owned(),
            ready,
        }
    }

    /// `serve` with `args`; ready when its port answers.
    pub(crate) fn up_on_config(place: &TempDir, args: &[&str], port: u16) -> Self {
        let (child, stdout, log) = spawn(statehouse(place.path()).arg("serve").args(args));
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < END_MAX,
                "nobody listens after {END_MAX:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            stdout,
            log,
            home: place.path().to_owned(),
            ready: Value::Null,
        }
    }

    pub(crate) fn ready(&self, key: &str) -> &str {
        self.ready[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} in {}", self.ready))
    }

    /// A client of this server, with its token.
    pub(crate) fn client(&self, args: &[&str]) -> Command {
        let mut command = statehouse(&self.home);
        command.args(args);
        command
            .env("STATEHOUSE_ADDRESS", self.ready("address"))
            .env("STATEHOUSE_TOKEN", self.ready("token"));
        command
            .env("STATEHOUSE_CA", self.ready("ca_file"))
            .env("STATEHOUSE_ORGANIZATION", "main");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.client(args))
    }

    /// Runs with `--output json`, which must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--output", "json"]].concat())
            .done()
            .json()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGTERM; it must end with 0 and print nothing more.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = ended(&mut self.child);
        assert_eq!(status.code(), Some(0), "{status}");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

/// The log goes to a file without a name, and is shown when a test fails.
fn spawn(command: &mut Command) -> (Child, BufReader<ChildStdout>, File) {
    let log = tempfile::tempfile().unwrap();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout, log)
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begun.elapsed() < END_MAX, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended as asked.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut log = String::new();
        if std::thread::panicking()
            && self
                .log
                .rewind()
                .and_then(|()| self.log.read_to_string(&mut log))
                .is_ok()
        {
            eprintln!("the server's log:\n{log}");
        }
    }
}

/// A state as terraform writes it.
pub(crate) fn state(lineage: &str, serial: u64, resources: usize) -> String {
    let resource = |number| {
        serde_json::json!({
            "mode": "managed", "type": "terraform_data", "name": format!("r{number}"),
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{ "schema_version": 0, "attributes": { "id": format!("id-{number}"), "input": null, "output": null, "triggers_replace": null }, "sensitive_attributes": [] }],
        })
    };
    let resources: Vec<_> = (0..resources).map(resource).collect();
    let state = serde_json::json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": {}, "resources": resources, "check_results": null,
    });
    format!("{state:#}\n")
}
