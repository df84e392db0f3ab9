//! The only place that prints: data to standard output, words to standard error.
//!
//! Data comes in two forms. `human` is for eyes and may change; `json` is for programs: one object or one array, keys as the
//! API has them. Color is used on a terminal, unless `NO_COLOR` is set; `CLICOLOR_FORCE` turns it on elsewhere.
//!
//! What a server sends is printed with its control characters escaped, because names, reasons and lock holders are written by
//! other people, and a terminal obeys what it is sent.

#![expect(clippy::print_stderr, reason = "the one place that prints")]

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use serde_json::Value;
use statehouse_terraform::unseen::is_unseen;

use crate::client::Resource;
use crate::environment::Environment;
use crate::failure::{Failure, Result};

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and lines for eyes.
    Human,
    /// One JSON value.
    Json,
}

/// A column of a table: its title, and the key of its value; of several keys between bars, the first that has one.
pub(crate) type Column = (&'static str, &'static str);

/// The two streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    format: Format,
    color_out: bool,
    color_err: bool,
}

const BOLD: &str = "1";
const RED: &str = "1;31";

/// How a change is colored, as terraform does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hue {
    /// What was added.
    Green,
    /// What was removed.
    Red,
    /// What is otherwise.
    Yellow,
    /// A title.
    Bold,
}

impl Hue {
    fn style(self) -> &'static str {
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Bold => BOLD,
        }
    }
}

impl Out {
    /// For this process.
    pub(crate) fn new(format: Format, environment: &Environment) -> Self {
        Self {
            format,
            color_out: color(environment, stdout().is_terminal()),
            color_err: color(environment, stderr().is_terminal()),
        }
    }

    /// Whether a program reads.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether standard error shows color.
    pub(crate) fn color_err(self) -> bool {
        self.color_err
    }

    /// A list: a table, or an array of objects.
    pub(crate) fn list(self, columns: &[Column], list: &[Resource]) -> Result {
        if self.is_json() {
            return self.json(&Value::Array(list.iter().map(Resource::to_json).collect()));
        }
        let titles = columns
            .iter()
            .map(|(title, _)| (*title).to_owned())
            .collect();
        let cells = |resource: &Resource| {
            columns
                .iter()
                .map(|(_, keys)| human(first(resource, keys)))
                .collect()
        };
        let rows: Vec<Vec<String>> = std::iter::once(titles)
            .chain(list.iter().map(cells))
            .collect();
        self.write(table(&rows, self.color_out).as_bytes())
    }

    /// One thing: a line for each of its values, or an object.
    pub(crate) fn one(self, resource: &Resource) -> Result {
        if self.is_json() {
            self.json(&resource.to_json())
        } else {
            self.pairs(&resource.pairs())
        }
    }

    /// Lines of names and values.
    pub(crate) fn pairs(self, pairs: &[(String, Value)]) -> Result {
        let width = pairs
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        let line = |(name, value): &(String, Value)| {
            let padding = " ".repeat(width - name.chars().count());
            format!(
                "{}{padding}  {}\n",
                paint(self.color_out, BOLD, name),
                human(Some(value))
            )
        };
        self.write(pairs.iter().map(line).collect::<String>().as_bytes())
    }

    /// A JSON value on one line.
    pub(crate) fn json(self, value: &Value) -> Result {
        self.write(format!("{value}\n").as_bytes())
    }

    /// A text as part of what goes to standard output: its control characters escaped, in a color where there is any.
    pub(crate) fn painted(self, hue: Hue, text: &str) -> String {
        paint(self.color_out, hue.style(), &plain(text))
    }

    /// A text that is our own, with its line ends.
    pub(crate) fn text(self, text: &str) -> Result {
        self.write(text.as_bytes())
    }

    /// Bytes as they are.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub(crate) fn write(self, bytes: &[u8]) -> Result {
        let mut stdout = stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // The reader has seen enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::failed(format!("standard output: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// What is written piece by piece, because it may be large.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub(crate) fn stream<E>(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut stdout().lock())
    }

    /// A line of words.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub(crate) fn say(self, words: &str) {
        eprintln!("{words}");
    }

    /// A question, without an end of line.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub(crate) fn ask(self, words: &str) {
        eprint!("{words}");
    }

    /// A failure.
    pub(crate) fn fail(self, failure: &Failure) {
        eprintln!(
            "{} {}",
            paint(self.color_err, RED, "error:"),
            plain_lines(&failure.message)
        );
        if let Some(hint) = &failure.hint {
            eprintln!(
                "{} {}",
                paint(self.color_err, BOLD, "next:"),
                plain_lines(hint)
            );
        }
        if let Some(request) = &failure.request {
            eprintln!(
                "{} {}",
                paint(self.color_err, BOLD, "request:"),
                plain(request)
            );
        }
    }
}

/// What clap says of the command line; help goes to standard output, an error to standard error.
pub(crate) fn usage(error: &clap::Error) {
    let text = error.render().to_string();
    if error.use_stderr() {
        eprint!("{text}");
    } else {
        // Nothing is left to do when nobody reads the help.
        let _ = stdout().lock().write_all(text.as_bytes());
    }
}

fn color(environment: &Environment, terminal: bool) -> bool {
    let forced = environment
        .get("CLICOLOR_FORCE")
        .is_some_and(|value| value != "0");
    environment.get("NO_COLOR").is_none() && (terminal || forced)
}

fn paint(color: bool, style: &str, text: &str) -> String {
    if color {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// The first value that is there of some keys.
fn first<'r>(resource: &'r Resource, keys: &str) -> Option<&'r Value> {
    let values = keys.split('|').filter_map(|key| resource.get(key));
    values
        .into_iter()
        .find(|value| !value.is_null() && value.as_str() != Some(""))
}

/// A value for eyes.
fn human(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "-".to_owned(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|value| human(Some(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => plain(&other.to_string()),
    }
}

/// The text with its control characters escaped, and with those that nobody sees or that turn others around.
pub(crate) fn plain(text: &str) -> String {
    let escape = |character: char| {
        if character.is_control() || is_unseen(character) {
            character.escape_default().to_string()
        } else {
            character.to_string()
        }
    };
    text.chars().map(escape).collect()
}

fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n  ")
}

/// Columns as wide as their widest cell; the first row is the title.
fn table(rows: &[Vec<String>], color: bool) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        text += &paint(color && number == 0, BOLD, line.trim_end());
        text.push('\n');
    }
    text
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

    #[test]
    fn color_is_for_terminals_and_for_nobody_who_declined_it() {
        let check = |environment: Environment, terminal, expected| {
            assert_eq!(color(&environment, terminal), expected);
        };
        check(Environment::default(), true, true);
        check(Environment::default(), false, false);
        check([("NO_COLOR", "1")].into(), true, false);
        check([("NO_COLOR", "")].into(), true, true);
        check([("CLICOLOR_FORCE", "1")].into(), false, true);
        check([("CLICOLOR_FORCE", "0")].into(), false, false);
        check(
            [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")].into(),
            true,
            false,
        );
    }

    #[test]
    fn who_has_a_name_is_called_by_it_and_others_by_their_id() {
        let check = |resource: Resource, expected: &str| {
            let shown = human(first(&resource, "actor-name|actor"));
            assert_eq!(shown, expected);
        };
        let id = Resource::default().with("actor", "user-1".into());
        check(id.clone(), "user-1");
        check(id.clone().with("actor-name", Value::Null), "user-1");
        check(id.with("actor-name", "ada".into()), "ada");
        check(Resource::default(), "-");
    }

    #[test]
    fn columns_line_up_and_a_terminal_is_not_commanded() {
        let rows = vec![
            vec!["NAME".into(), "ID".into()],
            vec!["prod".into(), "ws-1".into()],
            vec!["é".into(), plain("\x1b[2J")],
        ];
        assert_eq!(
            table(&rows, false),
            "NAME  ID\nprod  ws-1\né     \\u{1b}[2J\n"
        );
    }
}
