//! A report for people: what did not pass, and how many did.

use std::fmt;

use super::{Outcome, Report, Test};

/// Ranges of lines that are told of a file before the rest is counted.
const RANGES_MAX: usize = 12;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            if !matches!(test.outcome, Outcome::Passed) {
                write!(f, "{test}")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if let Some(coverage) = &self.coverage {
            for file in coverage
                .files
                .iter()
                .filter(|it| !it.not_covered.is_empty())
            {
                let ranges = ranges(file.not_covered.iter().copied());
                let shown = ranges
                    .iter()
                    .take(RANGES_MAX)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(", ");
                let more = if ranges.len() > RANGES_MAX {
                    ", …"
                } else {
                    ""
                };
                writeln!(f, "{}: not evaluated: {shown}{more}", file.file)?;
            }
            writeln!(f, "coverage: {:.1} %", coverage.percent)?;
        }
        let Report {
            passed,
            failed,
            errors,
            skipped,
            total,
            ..
        } = self;
        write!(f, "{passed} of {total} tests passed")?;
        for (count, words) in [
            (failed, "failed"),
            (errors, "could not be evaluated"),
            (skipped, "to be done"),
        ] {
            if *count > 0 {
                write!(f, ", {count} {words}")?;
            }
        }
        if *total == 0 {
            write!(f, "; a test is a rule whose name begins with test_")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Error => "ERROR",
            Outcome::Skipped => "to do",
        };
        writeln!(f, "{word} {} ({}:{})", self.name, self.file, self.line)?;
        for line in self
            .message
            .lines()
            .chain(self.prints.iter().map(String::as_str))
        {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// Numbers that follow each other as ranges.
fn ranges(numbers: impl Iterator<Item = u32>) -> Vec<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let told = |(first, last)| {
        if first == last {
            format!("{first}")
        } else {
            format!("{first}–{last}")
        }
    };
    ranges.into_iter().map(told).collect()
}
