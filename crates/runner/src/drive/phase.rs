//! One command of the tool, in a fresh sandbox: started, followed, stopped when that is wished.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Trouble;
use super::layout::{Layout, OUT, PLAN};
use super::log::{Log, Source};
use super::place::Place;
use super::stop::{Stop, Wish};
use super::tool::Found;
use crate::sandbox::{self, Bind, Exit, Network, Phase};

/// A piece that is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A command.
pub(crate) struct Command<'a> {
    pub(crate) arguments: Vec<String>,
    /// Beside what every phase has, and over it where both have one name.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) network: Network,
    /// Whether it makes the plan file; every other sees the one that was bound, where there is one.
    pub(crate) plans: bool,
    /// Whether it may write where the configuration is.
    pub(crate) writes_work: bool,
    /// Where what it says goes, where it is not kept.
    pub(crate) log: Option<&'a Log>,
}

impl Command<'_> {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            environment: BTreeMap::new(),
            network: Network::None,
            plans: false,
            writes_work: false,
            log: None,
        }
    }
}

/// What phases have in common.
pub(crate) struct Room<'a> {
    pub(crate) place: &'a Place,
    pub(crate) layout: &'a Layout,
    pub(crate) tool: &'a Found,
    pub(crate) environment: BTreeMap<String, String>,
}

/// How a command ended, and what it wrote where that was kept.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) output: Bytes,
}

impl Room<'_> {
    fn phase(&self, command: &Command<'_>) -> Phase {
        let level = self.place.sandbox.level;
        let bind = |source: PathBuf, target: &str| Bind {
            source,
            target: PathBuf::from(target),
        };
        let name = &self.tool.tool.name;
        let tool = bind(self.tool.path.clone(), &format!("/tool/{name}"));
        let mut phase = Phase::new(tool.place(level), self.layout.work());
        phase.arguments.clone_from(&command.arguments);
        let all = self.environment.iter().chain(&command.environment);
        phase.environment = all
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        phase.work_writable = command.writes_work;
        phase.directory.clone_from(&self.layout.module);
        phase.read = self.layout.reads(self.place);
        phase.read.push(tool);
        let out = bind(self.out(command.plans), OUT);
        if command.plans {
            phase.write.push(out);
        } else {
            phase.read.push(out);
        }
        phase.network = command.network.clone();
        phase
    }

    /// The folder that a phase finds the plan file in.
    fn out(&self, plans: bool) -> PathBuf {
        let bound = self.layout.bound();
        if plans || !bound.is_dir() {
            self.layout.out()
        } else {
            bound
        }
    }

    /// Where a phase finds the plan file.
    pub(crate) fn plan(&self, plans: bool) -> String {
        let out = Bind {
            source: self.out(plans),
            target: PathBuf::from(OUT),
        };
        out.place(self.place.sandbox.level)
            .join(PLAN)
            .display()
            .to_string()
    }

    /// Runs a command to its end. Somebody's wish to stop interrupts it, as Ctrl-C does, and waits for it to end in order.
    pub(crate) async fn run(&self, command: Command<'_>, stop: &Stop) -> Result<Done, Trouble> {
        let mut phase = self.phase(&command);
        if let Some(left) = stop.left() {
            phase.limits.wall = left;
        }
        let started = sandbox::run(&self.place.sandbox, &self.place.seat, &phase).await;
        let mut running = started.map_err(Trouble::sandbox)?;
        let (output, errors) = (running.output(), running.errors());
        let log = command.log.cloned();
        let output = tokio::spawn(carry(output, Source::Output, log.clone()));
        let errors = tokio::spawn(carry(errors, Source::Errors, log.clone()));
        let mut seen = Wish::GoOn;
        let exit = loop {
            tokio::select! {
                exit = running.wait() => break exit.map_err(Trouble::sandbox)?,
                wish = stop.other_than(seen) => {
                    seen = wish;
                    match wish {
                        Wish::Stop => { running.interrupt().await; }
                        Wish::StopNow => running.kill(),
                        Wish::GoOn => {}
                    }
                }
            }
        };
        let output = output.await.unwrap_or_default();
        let errors = errors.await.unwrap_or_default();
        if log.is_none() && exit != Exit::Code(0) {
            if stop.now() != Wish::GoOn {
                return Err(Trouble::Stopped);
            }
            return Err(Trouble::failed("tool", String::from_utf8_lossy(&errors)));
        }
        Ok(Done { exit, output })
    }

    /// What an end means that is no success.
    pub(crate) fn trouble(&self, at: &'static str, exit: Exit, stop: &Stop) -> Trouble {
        if stop.now() != Wish::GoOn {
            return Trouble::Stopped;
        }
        let what = match exit {
            // The tool said why.
            Exit::Code(_) => return Trouble::failed(at, String::new()),
            Exit::Signal(signal) => format!("was ended by signal {signal}"),
            Exit::OutOfMemory => "used more memory than a run may have".to_owned(),
            Exit::TooManyProcesses => "started more processes than a run may have".to_owned(),
            Exit::TimedOut => "took longer than a run may take".to_owned(),
            Exit::Killed => "was killed".to_owned(),
        };
        Trouble::failed(at, format!("{} {what}", self.tool.tool.name))
    }
}

/// Carries what a command writes into the log, or keeps it.
async fn carry(stream: Option<impl AsyncRead + Unpin>, source: Source, log: Option<Log>) -> Bytes {
    let Some(mut stream) = stream else {
        return Bytes::new();
    };
    let mut kept = BytesMut::new();
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while let Ok(read) = stream.read_buf(&mut buffer).await {
        if read == 0 {
            break;
        }
        let piece = buffer.split().freeze();
        match &log {
            Some(log) => log.bytes(source, piece).await,
            None => kept.extend_from_slice(&piece),
        }
        buffer.reserve(READ_BYTES);
    }
    kept.freeze()
}
