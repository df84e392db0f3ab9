//! AWS offer files as tables: five lines about the file, a header, then a line for each price.
//!
//! On-demand and reserved prices in any currency the file has. Columns differ by service; every column of the product becomes an
//! attribute, in small letters with underscores.

use std::io::BufRead;

use rust_decimal::Decimal;

use super::aws_json::{kept_attribute, kept_value, unit_of};
use super::csv::{Header, Records};
use super::generic::number;
use super::{ImportError, Sink};
use crate::price::{Quality, Row, date};

/// Lines before the header that say something of the file.
const PREAMBLE_MAX: usize = 16;
/// Columns of the price; all others are of the product.
const OF_PRICE: [&str; 12] = [
    "SKU",
    "OfferTermCode",
    "RateCode",
    "TermType",
    "PriceDescription",
    "EffectiveDate",
    "StartingRange",
    "EndingRange",
    "Unit",
    "PricePerUnit",
    "Currency",
    "RelatedTo",
];

/// Where the columns of the price are, and those of the product with their names.
struct Columns {
    price: usize,
    unit: usize,
    currency: usize,
    term: usize,
    from: usize,
    to: usize,
    since: usize,
    service: usize,
    family: usize,
    region: Option<usize>,
    product: Vec<(usize, String)>,
}

impl Columns {
    fn new(header: &Header, line: usize) -> Result<Self, ImportError> {
        let at = |name: &str| header.need(name, line);
        Ok(Self {
            price: at("PricePerUnit")?,
            unit: at("Unit")?,
            currency: at("Currency")?,
            term: at("TermType")?,
            from: at("StartingRange")?,
            to: at("EndingRange")?,
            since: at("EffectiveDate")?,
            service: at("serviceCode")?,
            family: at("Product Family")?,
            region: header.find("Region Code"),
            product: header
                .names()
                .iter()
                .enumerate()
                .filter(|(_, name)| !OF_PRICE.contains(&name.as_str()))
                .filter_map(|(at, name)| kept_attribute(name).map(|kept| (at, kept)))
                .collect(),
        })
    }

    fn row(&self, fields: &[String], source: &str) -> Result<Row, String> {
        let get = |at: usize| fields.get(at).map_or("", String::as_str);
        let mut attributes: Vec<(String, String)> = self
            .product
            .iter()
            .filter(|(at, _)| !get(*at).is_empty())
            .map(|(at, name)| (name.clone(), kept_value(get(*at))))
            .collect();
        if get(self.term) != "OnDemand" {
            attributes.push(("purchase".to_owned(), "reserved".to_owned()));
        }
        attributes.sort();
        Ok(Row {
            service: get(self.service).to_owned(),
            family: get(self.family).to_owned(),
            region: self.region.map_or("", get).to_owned(),
            attributes,
            unit: unit_of(get(self.unit)),
            price: number(get(self.price))?,
            tier_from: match get(self.from) {
                "" => Decimal::ZERO,
                text => number(text)?,
            },
            tier_to: match get(self.to) {
                "" | "Inf" => None,
                text => Some(number(text)?),
            },
            currency: get(self.currency).to_owned(),
            effective_from: date(get(self.since)).unwrap_or(0),
            effective_to: 0,
            quality: Quality::Listed,
            source: source.to_owned(),
        })
    }
}

/// Reads an offer file.
pub(crate) fn read(
    file: &str,
    source: &str,
    reader: impl BufRead,
    sink: &mut impl Sink,
) -> Result<(), ImportError> {
    let mut records = Records::new(file, reader);
    let mut fields = Vec::new();
    let header = loop {
        if !records.next(&mut fields)? || records.line > PREAMBLE_MAX {
            return Err(ImportError::form(
                file,
                "no header with the columns SKU and PricePerUnit: is it an AWS offer file?",
            ));
        }
        if fields
            .first()
            .is_some_and(|first| first.trim_start_matches('\u{feff}') == "SKU")
        {
            break Header::new(file, &fields);
        }
    };
    let columns = Columns::new(&header, records.line)?;
    while records.next(&mut fields)? {
        let row = columns
            .row(&fields, source)
            .map_err(|reason| ImportError::line(file, records.line, reason))?;
        sink.take(&row)
            .map_err(|error| ImportError::line(file, records.line, error))?;
    }
    Ok(())
}
