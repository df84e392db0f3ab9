//! The real binary as a child process.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Client, Target};
use crate::house::Site;
use crate::tools::Tools;

/// How long a server may take to start before it counts as failed.
const START_MAX: Duration = Duration::from_mins(1);
/// How long it may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);

/// How a server differs from the default.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// Milliseconds that the shim adds to every sync.
    pub(crate) sync_delay_ms: Option<u32>,
    /// Changes per commit.
    pub(crate) batch_jobs_max: Option<u32>,
    /// What is said of runs: the ends of the names of settings, and their values.
    pub(crate) runs: Vec<(&'static str, String)>,
}

/// A running server. It is stopped when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) target: Target,
}

impl Server {
    /// Starts `statehouse serve` on a site and waits until it answers. Its log goes to `DIR.log`.
    pub(crate) fn start(tools: &Tools, site: &Site, settings: Settings) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let mut command = Command::new(&tools.statehouse);
        command
            .arg("serve")
            .env("STATEHOUSE_SERVER_DATA_DIR", &site.dir)
            .env("STATEHOUSE_SERVER_DATA_ANCHORS", site.beside(".anchor"))
            .env("STATEHOUSE_SERVER_KEYS_DIR", site.beside(".keys"))
            .env("STATEHOUSE_SERVER_LISTEN_PORT", port.to_string())
            // How fast it is, and not how fast one caller may ask.
            .env("STATEHOUSE_SERVER_API_REQUESTS_PER_SECOND", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs_err::File::create(site.beside(".log"))?.into_file());
        if let Some(url) = &site.postgres {
            command.env("STATEHOUSE_SERVER_DATABASE_URL", url);
        }
        if let Some(jobs) = settings.batch_jobs_max {
            command.env("STATEHOUSE_SERVER_DOOR_BATCH_JOBS_MAX", jobs.to_string());
        }
        for (name, value) in &settings.runs {
            command.env(format!("STATEHOUSE_SERVER_RUNS_{name}"), value);
        }
        if let Some(delay_ms) = settings.sync_delay_ms {
            Tools::slow_down(&mut command, delay_ms, &tools.shim()?);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", tools.statehouse.display()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match await_answer(&mut child, address, &site.dir.join("ca.pem"), &site.token) {
            Ok(target) => Ok(Self { child, target }),
            Err(error) => {
                stop(&mut child);
                let log = fs_err::read_to_string(site.beside(".log")).unwrap_or_default();
                Err(format!("{error}\n{log}").into())
            }
        }
    }

    /// Starts `statehouse up` on a site; gives what it needed to its one line, in seconds.
    pub(crate) fn up(tools: &Tools, site: &Site) -> Result<(Self, f64)> {
        let began = Instant::now();
        let mut child = Command::new(&tools.statehouse)
            .args(["up", "--json", "--port", "0", "--dir"])
            .arg(&site.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs_err::File::create(site.beside(".log"))?.into_file())
            .spawn()
            .map_err(|error| format!("{}: {error}", tools.statehouse.display()))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let ready_s = began.elapsed().as_secs_f64();
        let parsed =
            read_line(&line).and_then(|(address, ca)| Target::new(address, &ca, &site.token));
        match parsed {
            Ok(target) => Ok((Self { child, target }, ready_s)),
            Err(error) => {
                stop(&mut child);
                let log = fs_err::read_to_string(site.beside(".log")).unwrap_or_default();
                Err(format!("`statehouse up` printed `{}` ({error})\n{log}", line.trim()).into())
            }
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// The address and the authority's file in the line that `up --json` prints.
fn read_line(line: &str) -> Result<(SocketAddr, PathBuf)> {
    let json: serde_json::Value = serde_json::from_str(line)?;
    let text = |name: &str| {
        json.get(name)
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| format!("no `{name}`"))
    };
    let address = text("address")?
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .replace("localhost", "127.0.0.1");
    Ok((address.parse()?, text("ca_file")?.into()))
}

/// Waits until the server answers over TLS, whatever it answers.
fn await_answer(child: &mut Child, address: SocketAddr, ca: &Path, token: &str) -> Result<Target> {
    let began = Instant::now();
    loop {
        let tried = Target::new(address, ca, token)
            .and_then(|target| Client::connect(&target).map(|client| (target, client)));
        if let Ok((target, mut client)) = tried {
            client.expect_ok("GET", "/api/v2/account/details", None, &[])?;
            return Ok(target);
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("`statehouse serve` ended at once: {status}").into());
        }
        if began.elapsed() > START_MAX {
            return Err(format!("`statehouse serve` does not answer on {address}").into());
        }
        sleep(Duration::from_millis(5));
    }
}

/// Asks a child to stop, and waits; one that does not listen is killed.
pub(crate) fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let began = Instant::now();
    while began.elapsed() < STOP_MAX {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
