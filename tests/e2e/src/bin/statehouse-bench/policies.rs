//! What judging plans takes: 40 policies on a small plan, all of the starter library on a large one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::plans::{self, Told};
use crate::program;
use crate::report::{Goal, Section, number};
use crate::{Plan, Result, process};

const SMALL: usize = 22;
const LARGE: usize = 100_000;
/// Policies on the small plan.
const POLICIES: usize = 40;
/// What policies are told that want to be told something, beside the plans.
const PARAMETERS: &str = "parameters.json";

/// The worker of policies, started and measured by the program for authors of policies.
#[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^52 bytes")]
pub(crate) fn policies(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let (small, large) = (
        folder.path().join("small.json"),
        folder.path().join("large.json"),
    );
    plans::write(&small, SMALL, Told::Twice)?;
    plans::write(&large, LARGE, Told::Once)?;
    fs_err::write(folder.path().join(PARAMETERS), r#"{"regions":["eu-*"]}"#)?;
    let listed = Command::new(plan.tools.policy()).arg("library").output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|it| it.split(':').next())
        .collect();
    let mut section = Section::new("Judging plans");

    let chosen = names.get(..POLICIES).unwrap_or(&names);
    let measured = measure(plan, &small, chosen, plan.runs)?;
    let cold_ms = float(&measured, "cold_ms");
    section.line(
        &format!(
            "{POLICIES} policies on {SMALL} resources, from a worker that waits to the verdicts"
        ),
        Goal::AtMost(60.0),
        " ms",
        &floats(&measured, "spare_ms"),
    );

    let bytes = fs_err::metadata(&large)?.len() as f64;
    let before = process::cpu_s_of_ended()?;
    let judged = measure(plan, &large, &["all"], 0)?;
    let cpu_s = process::cpu_s_of_ended()? - before;
    section.line(
        &format!(
            "{} policies on 100,000 resources ({} MB): CPU",
            number(float(&judged, "policies")),
            number(bytes / 1e6)
        ),
        Goal::AtMost(8.0),
        " s",
        &[cpu_s],
    );
    section.line(
        "the same: peak memory of the worker, in sizes of the plan",
        Goal::AtMost(6.0),
        " ×",
        &[float(&judged, "memory_bytes") / bytes],
    );
    section.note(format!(
        "With nothing started, the {POLICIES} policies take {} ms: their worker is started and made ready first. Processor time of a worker: {} ms.",
        number(cold_ms),
        number(float(&measured, "cpu_ms"))
    ));
    section.note(format!(
        "The large plan: {} MB of memory in each of {} workers, {} s of processor time in the slowest; {} policies could not say.",
        number(float(&judged, "memory_bytes") / 1e6),
        number(float(&judged, "workers")),
        number(float(&judged, "cpu_ms") / 1e3),
        number(float(&judged, "errors"))
    ));
    Ok(section)
}

fn measure(plan: &Plan, judged: &Path, library: &[&str], runs: usize) -> Result<Value> {
    let mut command = Command::new(plan.tools.policy());
    command.arg("measure").arg(judged).arg("--json");
    command.args(["--runs", &runs.to_string(), "--parameters"]);
    command.arg(judged.with_file_name(PARAMETERS));
    for name in library {
        command.args(["--library", name]);
    }
    program::ask(&mut command)
}

/// A number of an answer.
pub(crate) fn float(answer: &Value, name: &str) -> f64 {
    answer.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// Numbers of an answer.
pub(crate) fn floats(answer: &Value, name: &str) -> Vec<f64> {
    let list = answer.get(name).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}
