//! Rows with the columns of a book: for other providers, for on-premise, and for prices that a house charges itself.
//!
//! Columns: `service, region, attributes, unit, price, currency` must be there; `family, tier_from, tier_to, effective_from,
//! effective_to, quality, source` may. `attributes` is `key=value;key=value`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::BufRead;

use rust_decimal::Decimal;

use super::csv::{Header, Records};
use super::{ImportError, Sink};
use crate::price::{Quality, Row, date};
use crate::value::decimal;

/// Reads a table.
pub(crate) fn read(
    file: &str,
    source: &str,
    reader: impl BufRead,
    sink: &mut impl Sink,
) -> Result<(), ImportError> {
    let mut records = Records::new(file, reader);
    let mut fields = Vec::new();
    if !records.next(&mut fields)? {
        return Err(ImportError::form(file, "the file is empty"));
    }
    let header = Header::new(file, &fields);
    let columns = Columns::new(&header, records.line)?;
    // Where a table does not say how far a step goes, it goes to the next one.
    let mut steps = header.find("tier_to").map(|_| Steps::default());
    while records.next(&mut fields)? {
        let line = records.line;
        if fields.len() != header.names().len() {
            let (has, wants) = (fields.len(), header.names().len());
            return Err(ImportError::line(
                file,
                line,
                format!("the line has {has} fields, the header has {wants}"),
            ));
        }
        let row = columns
            .row(&fields, source)
            .map_err(|reason| ImportError::line(file, line, reason))?;
        if let Some(steps) = &mut steps {
            let refused = |reason| ImportError::line(file, line, reason);
            steps.check(&row, line).map_err(refused)?;
        }
        sink.take(&row)
            .map_err(|error| ImportError::line(file, line, error))?;
    }
    Ok(())
}

/// One step of a product: from, to, its price, and its line.
type Step = (Decimal, Option<Decimal>, Decimal, usize);

/// The steps of each product so far.
#[derive(Default)]
struct Steps(HashMap<u64, Vec<Step>>);

impl Steps {
    /// Takes a row, or says with which line it overlaps: two prices for one quantity are a mistake, and not a choice.
    fn check(&mut self, row: &Row, line: usize) -> Result<(), String> {
        let mut hasher = DefaultHasher::new();
        (&row.service, &row.family, &row.attributes, &row.unit).hash(&mut hasher);
        (row.region.to_lowercase(), &row.currency, row.effective_from).hash(&mut hasher);
        let steps = self.0.entry(hasher.finish()).or_default();
        let begins_before = |end: Option<Decimal>, begin: Decimal| end.is_none_or(|to| begin < to);
        let overlaps = |(from, to, price, _): &&Step| {
            let is_same = (*from, *to, *price) == (row.tier_from, row.tier_to, row.price);
            !is_same && begins_before(*to, row.tier_from) && begins_before(row.tier_to, *from)
        };
        if let Some((from, to, _, other)) = steps.iter().find(overlaps) {
            let to = to.map_or_else(|| "the end".to_owned(), |to| to.to_string());
            return Err(format!(
                "this step, from {}, overlaps with the one from {from} to {to} of the same product in line {other}",
                row.tier_from
            ));
        }
        steps.push((row.tier_from, row.tier_to, row.price, line));
        Ok(())
    }
}

struct Columns {
    needed: [usize; 6],
    optional: [Option<usize>; 7],
}

impl Columns {
    fn new(header: &Header, line: usize) -> Result<Self, ImportError> {
        let mut needed = [0; 6];
        for (at, name) in needed.iter_mut().zip([
            "service",
            "region",
            "attributes",
            "unit",
            "price",
            "currency",
        ]) {
            *at = header.need(name, line)?;
        }
        let optional = [
            "family",
            "tier_from",
            "tier_to",
            "effective_from",
            "effective_to",
            "quality",
            "source",
        ];
        Ok(Self {
            needed,
            optional: optional.map(|name| header.find(name)),
        })
    }

    fn row(&self, fields: &[String], source: &str) -> Result<Row, String> {
        let [service, region, attributes, unit, price, currency] = self
            .needed
            .map(|at| fields.get(at).map_or("", String::as_str).trim());
        let [
            family,
            tier_from,
            tier_to,
            effective_from,
            effective_to,
            quality,
            own_source,
        ] = self.optional.map(|at| {
            at.and_then(|at| fields.get(at))
                .map_or("", String::as_str)
                .trim()
        });
        if service.is_empty() {
            return Err("the service is empty".to_owned());
        }
        let day = |text: &str| match text {
            "" => Ok(0),
            text => date(text).ok_or_else(|| format!("{text:?} is no date like 2026-08-21")),
        };
        Ok(Row {
            service: service.to_owned(),
            family: family.to_owned(),
            region: region.to_owned(),
            attributes: attributes_of(attributes)?,
            unit: unit.to_owned(),
            price: number(price)?,
            tier_from: if tier_from.is_empty() {
                Decimal::ZERO
            } else {
                number(tier_from)?
            },
            tier_to: if tier_to.is_empty() {
                None
            } else {
                Some(number(tier_to)?)
            },
            currency: currency.to_owned(),
            effective_from: day(effective_from)?,
            effective_to: day(effective_to)?,
            quality: match quality {
                "" => Quality::Listed,
                name => Quality::from_name(name).ok_or_else(|| {
                    format!("{name:?} is no quality (listed, derived, anchored, estimated)")
                })?,
            },
            source: if own_source.is_empty() {
                source
            } else {
                own_source
            }
            .to_owned(),
        })
    }
}

/// A number of a table.
pub(crate) fn number(text: &str) -> Result<Decimal, String> {
    decimal(text).ok_or_else(|| format!("{text:?} is no number"))
}

/// Reads `key=value;key=value`.
pub(crate) fn attributes_of(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut attributes = Vec::new();
    for pair in text
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("{pair:?} is no `key=value`"))?;
        attributes.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    attributes.sort();
    Ok(attributes)
}
