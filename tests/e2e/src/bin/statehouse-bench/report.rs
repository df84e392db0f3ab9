//! The table: goal, measured, met or missed.

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::stats::{median, range};

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// Which side of its goal a number must be on.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One measured thing.
struct Line {
    what: String,
    goal: String,
    measured: String,
    met: bool,
}

/// One part of the table.
pub(crate) struct Section {
    title: &'static str,
    lines: Vec<Line>,
    notes: Vec<String>,
}

impl Section {
    /// An empty part.
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            lines: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A goal that the median of `values` is held against; every value stands in the range behind it.
    pub(crate) fn line(&mut self, what: &str, goal: Goal, unit: &str, values: &[f64]) {
        let middle = median(values);
        let (low, high) = range(values);
        let (goal, met) = match goal {
            Goal::AtMost(most) => (format!("≤ {}{unit}", number(most)), middle <= most),
            Goal::AtLeast(least) => (format!("≥ {}{unit}", number(least)), middle >= least),
        };
        let spread = if values.len() > 1 {
            format!(" ({} to {})", number(low), number(high))
        } else {
            String::new()
        };
        self.lines.push(Line {
            what: what.to_owned(),
            goal,
            measured: format!("{}{unit}{spread}", number(middle)),
            met,
        });
    }

    /// What the numbers rest on.
    pub(crate) fn note(&mut self, words: impl Into<String>) {
        self.notes.push(words.into());
    }

    /// As Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n| | goal | measured (median, range) | |\n| --- | --- | --- | --- |\n",
            self.title
        );
        for Line {
            what,
            goal,
            measured,
            met,
        } in &self.lines
        {
            let verdict = if *met { "met" } else { "**missed**" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {what} | {goal} | {measured} | {verdict} |");
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }
}

/// A number with three significant digits, and no more decimals than that needs.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => grouped(value),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => trimmed(format!("{value:.1}")),
        _ => trimmed(format!("{value:.2}")),
    }
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts `table` between the marks in the file at `path`.
pub(crate) fn write(path: &Path, table: &str) -> Result<()> {
    let page = fs_err::read_to_string(path)?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("{} has no {BEGIN} … {END}", path.display()))?;
    Ok(fs_err::write(
        path,
        format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", table.trim()),
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    fn check(value: f64, expected: &str) {
        assert_eq!(number(value), expected);
    }

    #[test]
    fn numbers_have_three_digits() {
        check(0.7, "0.7");
        check(0.0, "0");
        check(3.456, "3.46");
        check(34.56, "34.6");
        check(345.6, "346");
        check(1_234_567.0, "1,234,567");
    }

    #[test]
    fn a_miss_is_called_a_miss() {
        let mut section = Section::new("Something");
        section.line("slow", Goal::AtMost(1.0), " ms", &[1.5]);
        section.line("fast", Goal::AtLeast(1.0), "", &[1.5]);
        let text = section.markdown();
        assert!(
            text.contains("| slow | ≤ 1 ms | 1.5 ms | **missed** |"),
            "{text}"
        );
        assert!(text.contains("| fast | ≥ 1 | 1.5 | met |"), "{text}");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        fs_err::write(&path, format!("before {BEGIN} old {END} after")).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            format!("before {BEGIN}\n\nnew\n\n{END} after")
        );
        fs_err::write(&path, "no marks").unwrap();
        assert!(write(&path, "new").is_err());
    }
}
