//! The prices of a house, over those of a book.
//!
//! A table with the columns `op, service, region, attributes, value` and, where they matter, `family, currency, effective_from,
//! effective_to`. `set` gives the price that is paid, `multiply` a share of the book's: `0.82` is a discount of 18 %. Any field may be `*` or empty,
//! which is any. The last line that fits counts for `set`, and nothing multiplies what it says; every line that fits counts for `multiply`. An overlay has a digest of its
//! own, which an estimate names beside the book's.

use std::path::Path;

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::import::ImportError;
use super::import::csv::{Header, Records};
use super::import::generic::{attributes_of, number};
use super::{Found, Quality, Question, date};

/// An overlay has at most this many lines: it is written by people.
const LINES_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Multiply,
}

#[derive(Clone, Debug)]
struct Line {
    operation: Operation,
    service: String,
    family: String,
    region: String,
    attributes: Vec<(String, String)>,
    value: Decimal,
    currency: String,
    from: u32,
    to: u32,
    number: usize,
}

/// The prices of a house.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    name: String,
    digest: String,
    lines: Vec<Line>,
}

impl Overlay {
    /// Reads an overlay from a file.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        Self::read(&path.display().to_string(), &fs_err::read(path)?)
    }

    /// Reads an overlay.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        let mut records = Records::new(name, bytes);
        let mut fields = Vec::new();
        if !records.next(&mut fields)? {
            return Err(ImportError::form(
                name,
                "the overlay is empty: its first line names the columns",
            ));
        }
        let header = Header::new(name, &fields);
        let line = records.line;
        let need = |column: &str| header.need(column, line);
        let needed = [
            need("op")?,
            need("service")?,
            need("region")?,
            need("attributes")?,
            need("value")?,
        ];
        let optional = ["family", "currency", "effective_from", "effective_to"]
            .map(|column| header.find(column));
        let mut lines = Vec::new();
        while records.next(&mut fields)? {
            let [op, service, region, attributes, value] = needed.map(|at| any(fields.get(at)));
            let [family, currency, from, to] =
                optional.map(|at| any(at.and_then(|at| fields.get(at))));
            let refuse = |reason: String| ImportError::line(name, records.line, reason);
            let day = |text: &str| match text {
                "" => Ok(0),
                text => {
                    date(text).ok_or_else(|| refuse(format!("{text:?} is no date like 2026-08-21")))
                }
            };
            let value = number(value).map_err(refuse)?;
            if value.is_sign_negative() {
                return Err(refuse(format!(
                    "{value} is negative: a price or a share is not"
                )));
            }
            lines.push(Line {
                operation: match op {
                    "set" => Operation::Set,
                    "multiply" => Operation::Multiply,
                    other => {
                        return Err(refuse(format!(
                            "{other:?} is no operation: set or multiply"
                        )));
                    }
                },
                service: service.to_owned(),
                family: family.to_owned(),
                region: region.to_owned(),
                attributes: attributes_of(attributes).map_err(refuse)?,
                value,
                currency: currency.to_owned(),
                from: day(from)?,
                to: day(to)?,
                number: records.line,
            });
            if lines.len() > LINES_MAX {
                return Err(refuse(format!("an overlay has at most {LINES_MAX} lines")));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            digest: hex::encode(Sha256::digest(bytes)),
            lines,
        })
    }

    /// Its digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Puts the prices of the house over what the book says. `services` are the names under which the product is known.
    pub(crate) fn apply(
        &self,
        question: &Question<'_>,
        services: &[&str],
        found: Option<Found>,
    ) -> Option<Found> {
        let fits = |line: &&Line| line.fits(question, services);
        if let Some(line) = self
            .lines
            .iter()
            .rev()
            .filter(fits)
            .find(|line| line.operation == Operation::Set)
        {
            let currency = if line.currency.is_empty() {
                found
                    .as_ref()
                    .map_or_else(|| "USD".to_owned(), |found| found.currency.clone())
            } else {
                line.currency.clone()
            };
            return Some(Found {
                price: line.value,
                currency,
                quality: Quality::Listed,
                source: format!("{}:{}", self.name, line.number),
                effective_from: line.from,
                row: u32::MAX,
                chosen: false,
            });
        }
        let mut found = found?;
        for line in self.lines.iter().filter(fits) {
            if line.operation == Operation::Multiply {
                found.price = found.price.checked_mul(line.value)?;
                found.source = format!(
                    "{} × {} ({}:{})",
                    found.source, line.value, self.name, line.number
                );
            }
        }
        Some(found)
    }
}

fn any(field: Option<&String>) -> &str {
    match field.map_or("", |field| field.trim()) {
        "*" => "",
        text => text,
    }
}

impl Line {
    fn fits(&self, question: &Question<'_>, services: &[&str]) -> bool {
        let is = |wanted: &str, has: &str| wanted.is_empty() || wanted.eq_ignore_ascii_case(has);
        let service = self.service.is_empty() || services.contains(&self.service.as_str());
        let family = self.family.is_empty() || question.family == Some(&self.family);
        let date = (self.from == 0 || self.from <= question.date)
            && (self.to == 0 || self.to > question.date);
        let attributes = self.attributes.iter().all(|(name, value)| {
            question
                .attributes
                .iter()
                .any(|(asked, has)| asked == name && is(value, has))
        });
        service && family && is(&self.region, question.region) && date && attributes
    }
}
