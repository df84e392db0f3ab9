//! `measure`: what an estimate, a book and a lookup take, in this process, with everything at hand.
//!
//! Deliberately absent: an opinion about the numbers, and memory, which the kernel knows of the whole process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use statehouse_cost::desk::estimate::{book, mapping, plan_text};
use statehouse_cost::estimate::{Settings, estimate};
use statehouse_cost::plan::Plan;
use statehouse_cost::price::book::Book;
use statehouse_cost::price::{Answer, Question, Row};
use statehouse_cost::usage::Usage;

use super::{Failure, print, today};

/// So many rows of a book are looked for, spread over all of it.
const LOOKUPS: usize = 1_000;

/// What is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What `terraform show -json` printed
    plan: PathBuf,
    /// A price book instead of the one that comes with the program
    #[arg(long)]
    book: Option<PathBuf>,
    /// How often
    #[arg(long, default_value_t = 9)]
    runs: usize,
}

/// Times, each sorted.
#[derive(Default, Serialize)]
struct Measured {
    plan_bytes: usize,
    /// Of the plan: resources with components, and these.
    resources: usize,
    components: usize,
    book_rows: usize,
    /// A book made ready, and the first price of it.
    book_ms: Vec<f64>,
    /// The mapping made ready, before any of it is compiled.
    mapping_ms: Vec<f64>,
    /// From the text of the plan to its estimate.
    estimate_ms: Vec<f64>,
    /// One price.
    lookup_us: Vec<f64>,
    /// Of the prices that were looked for: found, and not told apart from others that differ.
    found: usize,
    ambiguous: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let text = plan_text(&arguments.plan)?;
    let mut measured = Measured {
        plan_bytes: text.len(),
        ..Measured::default()
    };
    for _ in 0..arguments.runs.max(1) {
        let begun = Instant::now();
        let mapping = mapping(None)?;
        measured.mapping_ms.push(milliseconds(begun.elapsed()));
        let begun = Instant::now();
        let book = book(arguments.book.as_deref())?;
        book.ask(&anything());
        measured.book_ms.push(milliseconds(begun.elapsed()));
        measured.book_rows = book.len();
        let rows = sample(&book);
        lookups(&book, &rows, &mut measured);
        let settings = Settings {
            book: &book,
            overlay: None,
            date: today(),
            dev_test: false,
            elsewhere: false,
            region: None,
        };
        // Once before, as in a server that has estimated already: what is compiled stays.
        for is_counted in [false, true] {
            let begun = Instant::now();
            let made = estimate(&Plan::read(&text)?, &Usage::default(), &mapping, &settings)?;
            if is_counted {
                measured.estimate_ms.push(milliseconds(begun.elapsed()));
            }
            measured.resources = made.resources.len();
            measured.components = made.resources.iter().map(|it| it.components.len()).sum();
        }
    }
    for list in [
        &mut measured.book_ms,
        &mut measured.mapping_ms,
        &mut measured.estimate_ms,
        &mut measured.lookup_us,
    ] {
        list.sort_by(f64::total_cmp);
    }
    print(&format!("{}\n", serde_json::to_string(&measured)?))?;
    Ok(ExitCode::SUCCESS)
}

/// A question that every book has an answer to, if only that there is none.
fn anything() -> Question<'static> {
    Question {
        service: "AmazonEC2",
        family: None,
        region: "eu-west-1",
        attributes: vec![("instance_type", "m5.large")],
        date: 0,
        elsewhere: false,
    }
}

/// Rows from everywhere in a book.
fn sample(book: &Book) -> Vec<Row> {
    let step = (book.len() / LOOKUPS).max(1);
    (0..book.len())
        .step_by(step)
        .map(|at| book.row(at))
        .collect()
}

fn question(row: &Row) -> Question<'_> {
    let attributes = row.attributes.iter();
    Question {
        service: &row.service,
        family: Some(&row.family),
        region: &row.region,
        attributes: attributes
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        date: 0,
        elsewhere: false,
    }
}

fn lookups(book: &Book, rows: &[Row], measured: &mut Measured) {
    let questions: Vec<Question<'_>> = rows.iter().map(question).collect();
    let begun = Instant::now();
    let answers: Vec<Answer> = questions.iter().map(|it| book.ask(it)).collect();
    let took = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let count = questions.len().max(1) as f64;
    measured.lookup_us.push(took.as_secs_f64() * 1e6 / count);
    let is_found = |answer: &&Answer| matches!(answer, Answer::Found(_));
    measured.found = answers.iter().filter(is_found).count();
    let is_ambiguous = |answer: &&Answer| matches!(answer, Answer::Ambiguous(_));
    measured.ambiguous = answers.iter().filter(is_ambiguous).count();
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
