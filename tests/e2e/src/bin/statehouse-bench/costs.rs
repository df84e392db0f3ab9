//! What estimating costs takes: a large plan, a small one, a book, a price, and a price list of gigabytes.

use std::process::{Command, Stdio};

use crate::offers;
use crate::plans::{self, Told};
use crate::policies::{float, floats};
use crate::program::{self, Ran};
use crate::report::{Goal, Section, number};
use crate::{Plan, Result};

const SMALL: usize = 22;
const LARGE: usize = 100_000;
/// The size of an offer file of EC2.
const OFFER_BYTES: usize = 4_000_000_000;

/// The program for price books and estimates, as people start it.
#[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^52 bytes")]
pub(crate) fn costs(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let (small, large) = (
        folder.path().join("small.json"),
        folder.path().join("large.json"),
    );
    plans::write(&small, SMALL, Told::Twice)?;
    plans::write(&large, LARGE, Told::Twice)?;
    let bytes = fs_err::metadata(&large)?.len() as f64;
    let mut section = Section::new("Estimating costs");

    let estimate = |form: &str| {
        let mut command = Command::new(plan.tools.cost());
        command.arg("estimate").arg(&large).args(["--format", form]);
        program::run(&mut command)
    };
    let ran: Vec<Ran> = (0..plan.runs.clamp(1, 3))
        .map(|_| estimate("markdown"))
        .collect::<Result<_>>()?;
    let cpu_s: Vec<f64> = ran.iter().map(|ran| ran.cpu_s).collect();
    let memory: Vec<f64> = ran
        .iter()
        .map(|ran| ran.memory_bytes as f64 / bytes)
        .collect();
    let what = format!("100,000 resources ({} MB)", number(bytes / 1e6));
    section.line(&format!("{what}: CPU"), Goal::AtMost(1.5), " s", &cpu_s);
    section.line(
        "the same: peak memory, in sizes of the plan",
        Goal::AtMost(2.0),
        " ×",
        &memory,
    );
    let whole = estimate("json")?;

    let mut command = Command::new(plan.tools.cost());
    command.arg("measure").arg(&small);
    let measured = program::ask(command.args(["--runs", &plan.runs.to_string()]))?;
    for (what, goal, unit, name) in [
        ("22 resources", 5.0, " ms", "estimate_ms"),
        ("a book ready", 20.0, " ms", "book_ms"),
        ("a price looked up", 5.0, " µs", "lookup_us"),
    ] {
        section.line(what, Goal::AtMost(goal), unit, &floats(&measured, name));
    }
    let (imported, written) = import(plan, &folder.path().join("book"))?;
    section.line(
        &format!(
            "peak memory of an import of {} GB of AWS's offers",
            number(written / 1e9)
        ),
        Goal::AtMost(200.0),
        " MB",
        &[imported.memory_bytes as f64 / 1e6],
    );
    section.note(format!(
        "Everything as JSON, which is larger than the plan: {} s of processor time, {} × the plan in memory. Median of {} runs of a process of its own, with reading the file and the mapping.",
        number(whole.cpu_s),
        number(whole.memory_bytes as f64 / bytes),
        ran.len()
    ));
    section.note(format!(
        "The 22 resources have {} components, estimated in a process that has estimated before. The book has {} prices; {} of a thousand that were looked for were found, {} more fit several. The import took {} s of processor time for {} products.",
        number(float(&measured, "components")),
        number(float(&measured, "book_rows")),
        number(float(&measured, "found")),
        number(float(&measured, "ambiguous")),
        number(imported.cpu_s),
        number(offers::products_of(OFFER_BYTES) as f64)
    ));
    Ok(section)
}

/// Imports an offer file that is made as it is read.
#[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^52 bytes")]
fn import(plan: &Plan, book: &std::path::Path) -> Result<(Ran, f64)> {
    let mut command = Command::new(plan.tools.cost());
    command.args([
        "price",
        "import",
        "/dev/stdin",
        "--kind",
        "aws-offer",
        "--book",
    ]);
    command.arg(book).stdin(Stdio::piped());
    let (tell, told) = std::sync::mpsc::channel();
    let ran = program::run_with(&mut command, |child| {
        let stdin = child
            .stdin
            .take()
            .ok_or("nothing can be given to the import")?;
        std::thread::spawn(move || tell.send(offers::write(stdin, OFFER_BYTES)));
        Ok(())
    })?;
    let written = told.recv()?? as f64;
    Ok((ran, written))
}
