//! Offline verification of a million leaves, and the size of a proof: measured by the example of the crate that verifies.

use crate::report::{Goal, Section};
use crate::{Plan, Result, Tools};

const LEAVES: usize = 1_000_000;

/// Runs `verify_speed` of the ledger crate, which checks everything that `statehouse verify` checks, and reads its numbers.
pub(crate) fn verify(_: &Plan) -> Result<Section> {
    let mut command = Tools::cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "statehouse-ledger",
        "--example",
        "verify_speed",
        "--",
    ]);
    let output = command.arg(LEAVES.to_string()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!(
            "verify_speed failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into());
    }
    let after = |mark: &str, unit: &str| -> Result<f64> {
        let line = text
            .lines()
            .find(|line| line.starts_with(mark))
            .unwrap_or_default();
        let number = line
            .trim_end_matches(unit)
            .rsplit(' ')
            .next()
            .unwrap_or_default();
        number
            .parse()
            .map_err(|_| format!("verify_speed does not tell `{mark}`:\n{text}").into())
    };
    let mut section = Section::new("Verification offline");
    section.line(
        "leaves per second, of a million, every check on",
        Goal::AtLeast(100_000.0),
        "/s",
        &[after("verified in", " leaves/s")?],
    );
    section.line(
        "inclusion proof at 10 million leaves",
        Goal::AtMost(4096.0),
        " bytes",
        &[after("inclusion proof", " bytes")?],
    );
    section.note("State writes in ten thousand workspaces, a retained checkpoint every thousand leaves; median of three.");
    Ok(section)
}
