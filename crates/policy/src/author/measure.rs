//! What judging a plan takes: time and memory, from a worker that waits and from one that must be started first.
//!
//! Deliberately absent: an opinion about the numbers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::check::{CheckError, Question, request};
use crate::verdict::{Summary, Verdict};
use crate::worker::{Canceled, Settings, Workers};

/// How long a spare worker may take to get ready between two measurements.
const READY: Duration = Duration::from_millis(300);

/// Times and memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What all documents have.
    pub document_bytes: u64,
    /// Policies that were asked.
    pub policies: usize,
    /// What they come to.
    pub summary: Option<Summary>,
    /// Policies that could not say.
    pub errors: usize,
    /// From a request to its verdicts, with a worker that waited, in milliseconds, sorted.
    pub spare_ms: Vec<f64>,
    /// The same with nothing started.
    pub cold_ms: f64,
    /// Processor time of the slowest worker, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory of a worker, in bytes.
    pub memory_bytes: u64,
    /// That memory by the bytes of the documents.
    pub memory_per_byte: f64,
    /// Workers that one request took at most.
    pub workers: u32,
}

/// Judges as often as is asked, with workers of this program.
///
/// # Errors
///
/// As [`super::check::check`].
#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
pub fn measure(question: &Question, program: PathBuf, runs: usize) -> Result<Measured, CheckError> {
    let request = request(question)?;
    let canceled = Canceled::default();
    let mut measured = Measured {
        document_bytes: request.input.bytes(),
        policies: 0,
        summary: None,
        errors: 0,
        spare_ms: Vec::new(),
        cold_ms: 0.0,
        cpu_ms: 0,
        memory_bytes: 0,
        memory_per_byte: 0.0,
        workers: 0,
    };
    let cold = Instant::now();
    let workers = Workers::new(Settings::new(program, ["worker"]));
    for run in 0..=runs {
        let start = Instant::now();
        let assessed = workers.assess_blocking(&request, &canceled);
        let took = start.elapsed();
        if run == 0 {
            measured.cold_ms = milliseconds(cold.elapsed());
        } else {
            measured.spare_ms.push(milliseconds(took));
        }
        if let Some(usage) = assessed.usage {
            measured.cpu_ms = measured.cpu_ms.max(usage.cpu_ms);
            measured.memory_bytes = measured.memory_bytes.max(usage.memory_bytes_max);
        }
        measured.workers = measured.workers.max(assessed.workers);
        let results = || {
            assessed
                .verdicts
                .iter()
                .flat_map(|it: &Verdict| &it.results)
        };
        measured.policies = results().count();
        measured.errors = results()
            .filter(|it| it.outcome == crate::verdict::Outcome::Error)
            .count();
        measured.summary = assessed.verdicts.iter().map(|it| it.summary).max();
        std::thread::sleep(READY);
    }
    measured.spare_ms.sort_by(f64::total_cmp);
    measured.memory_per_byte = measured.memory_bytes as f64 / measured.document_bytes.max(1) as f64;
    Ok(measured)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
