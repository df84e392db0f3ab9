//! A directory of extracted price facts, read into a book.
//!
//! Two forms: facts of catalogues with `attributes`, and unit prices by the text of a component, whose names end in
//! `_unit_prices_…`. What the texts leave out is put back by rules. Tables of other things are passed over.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::build::Builder;
use super::hidden::tell_apart;
use super::import::csv::{Header, Records};
use super::import::generic::{attributes_of, number};
use super::import::{ImportError, open};
use super::{COMPONENT, COMPONENT_NAME, COMPONENT_UNIT, PART, Quality, Row, date};

/// The columns of facts of catalogues.
const FACT: [&str; 9] = [
    "service",
    "family",
    "region",
    "attributes",
    "unit",
    "price_usd",
    "tier_from",
    "effective_date",
    "source",
];

/// Which tables of a directory go into a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Only unit prices by the text of a component.
    UnitPrices,
}

/// Reads the tables of a directory into a book.
pub fn read(directory: &Path, which: Which, builder: &mut Builder) -> Result<(), ImportError> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if name.ends_with(".csv") || name.ends_with(".csv.gz") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut known = HashSet::new();
    for path in paths {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let (of_components, exact) = (name.contains("_unit_prices_"), name.contains("exact_"));
        let is_wanted = which == Which::All || of_components || exact;
        if !is_wanted || name.contains("retail_sample") {
            continue;
        }
        let before = builder.len();
        let rows = if of_components {
            unit_prices(&name, &path)?
        } else if exact {
            exact_prices(&name, &path)?
        } else {
            facts(&name, &path, builder)?;
            Vec::new()
        };
        for row in rows {
            // What a table before this one has a price for is not said twice.
            if known.insert(key(&row)) || of_components {
                builder
                    .add(&row)
                    .map_err(|error| ImportError::form(&name, error))?;
            }
        }
        if builder.len() > before {
            let digest = Sha256::digest(fs_err::read(&path)?);
            builder.source(&name, &hex::encode(digest));
        }
    }
    Ok(())
}

/// Type and texts of a component.
fn key(row: &Row) -> (String, String) {
    let texts = row
        .attributes
        .iter()
        .filter(|(name, _)| name == COMPONENT_NAME || name == COMPONENT_UNIT)
        .map(|(_, value)| value.as_str());
    (row.service.clone(), texts.collect::<Vec<_>>().join("|"))
}

/// Unit prices as a program printed them, all in one region.
fn exact_prices(file: &str, path: &Path) -> Result<Vec<Row>, ImportError> {
    let mut records = Records::new(file, open(path)?);
    let mut fields = Vec::new();
    records.next(&mut fields)?;
    let header = Header::new(file, &fields);
    let line = records.line;
    let need = |name: &str| header.need(name, line);
    let (kind, component, unit) = (need("resource_type")?, need("component")?, need("unit")?);
    let (price, currency, source) = (need("unit_price")?, need("currency")?, need("source")?);
    let mut rows = Vec::new();
    while records.next(&mut fields)? {
        let get = |at: usize| fields.get(at).map_or("", String::as_str);
        let refuse = |reason: String| ImportError::line(file, records.line, reason);
        let price = number(get(price)).map_err(refuse)?;
        if price.is_sign_negative() {
            // The program that printed it divided by a quantity that it did not have.
            continue;
        }
        rows.push(Row {
            service: get(kind).to_owned(),
            family: COMPONENT.to_owned(),
            region: "us-east-1".to_owned(),
            attributes: vec![
                (COMPONENT_NAME.to_owned(), get(component).to_owned()),
                (COMPONENT_UNIT.to_owned(), get(unit).to_owned()),
            ],
            unit: get(unit).to_owned(),
            price,
            tier_from: Decimal::ZERO,
            tier_to: None,
            currency: get(currency).to_owned(),
            effective_from: 0,
            effective_to: 0,
            quality: Quality::Listed,
            source: source_of(get(source)),
        });
    }
    Ok(rows)
}

/// Unit prices by the text of a component.
fn unit_prices(file: &str, path: &Path) -> Result<Vec<Row>, ImportError> {
    let mut records = Records::new(file, open(path)?);
    let mut fields = Vec::new();
    records.next(&mut fields)?;
    let header = Header::new(file, &fields);
    let line = records.line;
    let [
        kind,
        region,
        path_at,
        component,
        unit,
        price,
        currency,
        derivation,
        source,
    ] = [
        "resource_type",
        "region",
        "component_path",
        "component",
        "unit",
        "unit_price",
        "currency",
        "derivation",
        "source",
    ]
    .map(|name| header.need(name, line));
    let (kind, region, path_at, component, unit) = (kind?, region?, path_at?, component?, unit?);
    let (price, currency, derivation, source) = (price?, currency?, derivation?, source?);
    let mut rows = Vec::new();
    while records.next(&mut fields)? {
        let get = |at: usize| fields.get(at).map_or("", String::as_str);
        let refuse = |reason: String| ImportError::line(file, records.line, reason);
        let place = get(region);
        let mut attributes = vec![
            (COMPONENT_NAME.to_owned(), get(component).to_owned()),
            (COMPONENT_UNIT.to_owned(), get(unit).to_owned()),
        ];
        let part = part_of(get(path_at));
        if !part.is_empty() {
            attributes.push((PART.to_owned(), part));
        }
        attributes.sort();
        rows.push(Row {
            service: get(kind).to_owned(),
            family: COMPONENT.to_owned(),
            region: place.trim_end_matches('?').to_owned(),
            attributes,
            unit: get(unit).to_owned(),
            price: number(get(price)).map_err(refuse)?,
            tier_from: Decimal::ZERO,
            tier_to: None,
            currency: get(currency).to_owned(),
            effective_from: get(source).rsplit(' ').next().and_then(date).unwrap_or(0),
            effective_to: 0,
            quality: match (place.ends_with('?'), get(derivation)) {
                (true, _) => Quality::Anchored,
                (_, "printed") => Quality::Listed,
                _ => Quality::Derived,
            },
            source: source_of(get(source)),
        });
    }
    // Roundings are told by what was printed, whatever the region: the mark of a guess comes after.
    tell_apart(rows)
}

/// A sub-resource without the names that a user gave: addresses and places in lists.
pub(crate) fn part_of(path: &str) -> String {
    let kept: Vec<&str> = path
        .split('/')
        .filter(|step| !step.contains('.'))
        .map(|step| step.split_once('[').map_or(step, |(name, _)| name))
        .collect();
    kept.join("/")
}

/// The repository and the commit, without the file and the date.
fn source_of(text: &str) -> String {
    text.split(':').next().unwrap_or_default().to_owned()
}

/// Facts of catalogues.
fn facts(file: &str, path: &Path, builder: &mut Builder) -> Result<(), ImportError> {
    let mut records = Records::new(file, open(path)?);
    let mut fields = Vec::new();
    records.next(&mut fields)?;
    let header = Header::new(file, &fields);
    let columns: Vec<usize> = FACT.iter().filter_map(|name| header.find(name)).collect();
    let [
        service,
        family,
        region,
        attributes_at,
        unit,
        price,
        tier,
        since,
        source,
    ] = *columns
    else {
        return Ok(());
    };
    let anchored = file.contains("anchored");
    while records.next(&mut fields)? {
        let get = |at: usize| fields.get(at).map_or("", String::as_str);
        let refuse = |reason: String| ImportError::line(file, records.line, reason);
        let mut attributes = attributes_of(get(attributes_at)).map_err(refuse)?;
        let mut currency = "USD".to_owned();
        attributes.retain(|(name, value)| {
            if name == "currency" {
                currency.clone_from(value);
            }
            name != "currency" && !value.is_empty()
        });
        let mut row = Row {
            service: get(service).to_owned(),
            family: get(family).to_owned(),
            region: get(region).to_owned(),
            attributes,
            unit: get(unit).to_owned(),
            price: number(get(price)).map_err(refuse)?,
            tier_from: match get(tier) {
                "" => Decimal::ZERO,
                text => number(text).map_err(refuse)?,
            },
            tier_to: None,
            currency,
            effective_from: date(get(since)).unwrap_or(0),
            effective_to: 0,
            quality: if anchored {
                Quality::Anchored
            } else {
                Quality::Listed
            },
            source: source_of(get(source)),
        };
        if anchored {
            by_component(&mut row);
        }
        builder
            .add(&row)
            .map_err(|error| ImportError::line(file, records.line, error))?;
    }
    Ok(())
}

/// An anchored price is found by the text of the component that it was anchored on.
fn by_component(row: &mut Row) {
    row.service = std::mem::replace(&mut row.family, COMPONENT.to_owned());
    let taken = std::mem::take(&mut row.attributes);
    for (name, value) in taken {
        let name = match name.as_str() {
            "component" => COMPONENT_NAME,
            "golden_unit" => COMPONENT_UNIT,
            "component_path" => PART,
            _ => continue,
        };
        let value = if name == PART { part_of(&value) } else { value };
        if !value.is_empty() {
            row.attributes.push((name.to_owned(), value));
        }
    }
    row.attributes.sort();
    row.effective_from = row.effective_from.max(1);
}
