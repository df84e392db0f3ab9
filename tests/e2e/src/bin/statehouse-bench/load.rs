//! Clients on threads of their own, each doing one thing over and over for some seconds.
//!
//! Everything that is no part of the measured work (connections, locks, states and their digests) is done before the clock
//! starts, by [`Worker::prepare`].

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Client, Target, content_md5, lock_info};
use crate::house;
use crate::state::{SIZE, States};
use crate::stats::median;

/// No state that is read is shorter than this.
const BYTES_MIN: usize = SIZE / 2;

/// One client.
pub(crate) trait Worker: Send {
    /// Gets ready for about `expected` operations.
    fn prepare(&mut self, expected: usize) -> Result<()>;
    /// One operation; `false` when nothing is left to do.
    fn once(&mut self) -> Result<bool>;
}

/// What some seconds of load came to.
pub(crate) struct Load {
    /// Operations that were answered.
    pub(crate) done: usize,
    /// From the start to the last answer.
    pub(crate) seconds: f64,
    /// Time of the operation in the middle, in milliseconds.
    pub(crate) p50_ms: f64,
    /// Processor time that the measured processes used meanwhile, in seconds.
    pub(crate) cpu_s: f64,
}

impl Load {
    /// Operations per second.
    #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
    pub(crate) fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// Processor time for each operation, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts of operations are small")]
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.cpu_s * 1000.0 / self.done.max(1) as f64
    }
}

/// What one client did, and how long each operation took in milliseconds.
struct Log {
    times_ms: Vec<f64>,
    last: Instant,
}

/// Lets every worker work for `seconds`; `cpu_s` tells the processor time of what is measured.
pub(crate) fn drive<W: Worker>(
    workers: &mut [W],
    seconds: f64,
    expected: usize,
    cpu_s: impl Fn() -> Result<f64>,
) -> Result<Load> {
    let each = expected.div_ceil(workers.len().max(1));
    thread::scope(|scope| {
        let preparing: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(move || worker.prepare(each)))
            .collect();
        preparing
            .into_iter()
            .try_for_each(|thread| joined(thread.join()))
    })?;
    let gate = Barrier::new(workers.len() + 1);
    thread::scope(|scope| {
        let working: Vec<_> = workers.iter_mut().map(|worker| (worker, &gate)).collect();
        let working: Vec<_> = working
            .into_iter()
            .map(|(worker, gate)| {
                scope.spawn(move || {
                    gate.wait();
                    work(worker, Duration::from_secs_f64(seconds))
                })
            })
            .collect();
        let before = cpu_s();
        gate.wait();
        let began = Instant::now();
        let logs: Result<Vec<Log>> = working
            .into_iter()
            .map(|thread| joined(thread.join()))
            .collect();
        let (logs, cpu_s) = (logs?, cpu_s()? - before?);
        let ended = logs.iter().map(|log| log.last).max().unwrap_or(began);
        let times: Vec<f64> = logs
            .iter()
            .flat_map(|log| log.times_ms.iter().copied())
            .collect();
        Ok(Load {
            done: times.len(),
            seconds: (ended - began).as_secs_f64(),
            p50_ms: median(&times),
            cpu_s,
        })
    })
}

fn work(worker: &mut impl Worker, time: Duration) -> Result<Log> {
    let began = Instant::now();
    let mut log = Log {
        times_ms: Vec::new(),
        last: began,
    };
    while began.elapsed() < time {
        let before = Instant::now();
        if !worker.once()? {
            break;
        }
        log.last = Instant::now();
        log.times_ms
            .push((log.last - before).as_secs_f64() * 1000.0);
    }
    Ok(log)
}

fn joined<T>(ended: thread::Result<Result<T>>) -> Result<T> {
    ended.map_err(|_| "a client of the benchmark panicked")?
}

/// A client that uploads states to one workspace, under one lock.
pub(crate) struct Writer {
    target: Target,
    workspace: usize,
    states: States,
    waiting: Vec<(Vec<u8>, String)>,
    client: Option<Client>,
    /// The versions that it made since they were last taken.
    pub(crate) versions: Vec<String>,
}

impl Writer {
    /// Clients `0..count`, each with a workspace of its own.
    pub(crate) fn group(target: &Target, count: usize) -> Vec<Self> {
        let writer = |workspace: usize| Self {
            target: target.clone(),
            workspace,
            states: States::new(workspace as u64, SIZE),
            waiting: Vec::new(),
            client: None,
            versions: Vec::new(),
        };
        (0..count).map(writer).collect()
    }

    fn lock_id(&self) -> String {
        format!("00000000-0000-4000-a000-{:012}", self.workspace)
    }
}

fn next_upload(states: &mut States) -> (Vec<u8>, String) {
    let state = states.next_state();
    let md5 = content_md5(&state);
    (state, md5)
}

impl Worker for Writer {
    fn prepare(&mut self, expected: usize) -> Result<()> {
        let id = self.lock_id();
        // A server closes a connection that was quiet for too long, so each run has its own.
        let client = self.client.insert(Client::connect(&self.target)?);
        self.versions.clear();
        self.waiting.clear();
        for _ in 0..expected {
            self.waiting.push(next_upload(&mut self.states));
        }
        // The serials must grow in the order of the uploads, which take from the end.
        self.waiting.reverse();
        client.expect_ok(
            "LOCK",
            &house::address(self.workspace),
            None,
            &lock_info(&id),
        )?;
        Ok(())
    }

    fn once(&mut self) -> Result<bool> {
        let path = format!("{}?ID={}", house::address(self.workspace), self.lock_id());
        let client = self
            .client
            .as_mut()
            .ok_or("a client that was not prepared")?;
        let (state, md5) = self
            .waiting
            .pop()
            .unwrap_or_else(|| next_upload(&mut self.states));
        let answer = client.expect_ok("POST", &path, Some(&md5), &state)?;
        self.versions.extend(answer.version);
        Ok(true)
    }
}

/// A client that downloads: the same address again and again, or a list of addresses once.
pub(crate) struct Reader {
    target: Target,
    client: Option<Client>,
    paths: Vec<String>,
    again: bool,
}

impl Reader {
    /// Reads `path` for ever.
    pub(crate) fn again(target: &Target, path: String) -> Self {
        Self {
            target: target.clone(),
            client: None,
            paths: vec![path],
            again: true,
        }
    }

    /// Reads each of `paths` once.
    pub(crate) fn once_each(target: &Target, paths: Vec<String>) -> Self {
        Self {
            target: target.clone(),
            client: None,
            paths,
            again: false,
        }
    }
}

impl Worker for Reader {
    fn prepare(&mut self, _: usize) -> Result<()> {
        let client = self.client.insert(Client::connect(&self.target)?);
        if self.again
            && let Some(path) = self.paths.first()
        {
            client.expect_ok("GET", path, None, &[])?;
        }
        Ok(())
    }

    fn once(&mut self) -> Result<bool> {
        let client = self
            .client
            .as_mut()
            .ok_or("a client that was not prepared")?;
        let path = if self.again {
            self.paths.last().cloned()
        } else {
            self.paths.pop()
        };
        let Some(path) = path else { return Ok(false) };
        client.expect_ok("GET", &path, None, &[])?;
        if client.body.len() < BYTES_MIN {
            return Err(format!(
                "GET {path} gave {} bytes, which is no state",
                client.body.len()
            )
            .into());
        }
        Ok(true)
    }
}
