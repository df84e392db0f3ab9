//! AWS offer files as JSON: products first, then the terms with their prices.
//!
//! Read as a stream in one pass. Of each product only what it is stays in memory, once for all that are the same: a file of gigabytes
//! takes a hundred megabytes or so. On-demand terms are kept; reserved ones are not, as their upfront part cannot be told per hour.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read;
use std::rc::Rc;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{ImportError, Sink};
use crate::price::{Quality, Row, date};
use crate::value::decimal;

/// Attributes that say what a product is; the others describe it.
const KEPT: [&str; 32] = [
    "instance_type",
    "operating_system",
    "tenancy",
    "pre_installed_sw",
    "license_model",
    "capacitystatus",
    "volume_api_name",
    "volume_type",
    "usagetype",
    "operation",
    "group",
    "database_engine",
    "database_edition",
    "deployment_option",
    "cache_engine",
    "storage_class",
    "from_location",
    "to_location",
    "transfer_type",
    "storage_media",
    "location_type",
    "size",
    "type",
    "directory_type",
    "directory_size",
    "cache_memory_size_gb",
    "broker_engine",
    "file_system_type",
    "storage_type",
    "alarm_type",
    "request_type",
    "region_code",
];

/// What an attribute is called here, if it is kept.
pub(crate) fn kept_attribute(name: &str) -> Option<String> {
    let snake = snake(name);
    if snake == "region_code" || !KEPT.contains(&snake.as_str()) {
        return None;
    }
    Some(match snake.as_str() {
        "operating_system" => "os".to_owned(),
        "pre_installed_sw" => "pre_installed".to_owned(),
        "license_model" => "license".to_owned(),
        "volume_api_name" => "volume_type".to_owned(),
        "volume_type" => "volume_kind".to_owned(),
        "database_engine" | "cache_engine" => "engine".to_owned(),
        "deployment_option" => "deployment".to_owned(),
        "database_edition" => "edition".to_owned(),
        _ => snake,
    })
}

/// A value as it is kept.
pub(crate) fn kept_value(value: &str) -> String {
    match value {
        "Bring your own license" => "BYOL".to_owned(),
        other => other.replace(';', ","),
    }
}

/// A name in small letters, with underscores between words.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut small_before = false;
    for c in name.chars() {
        if c == ' ' || c == '-' {
            snake.push('_');
            small_before = false;
            continue;
        }
        if c.is_ascii_uppercase() && small_before {
            snake.push('_');
        }
        small_before = c.is_ascii_lowercase() || c.is_ascii_digit();
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Units as they are written in many ways, one way.
pub(crate) fn unit_of(unit: &str) -> String {
    match unit {
        "Hrs" | "Hours" | "hours" | "1 Hour" => "hour".to_owned(),
        "GB-Mo" | "GB-month" | "1 GB/Month" => "gb_month".to_owned(),
        other => other.to_owned(),
    }
}

/// What a product is; texts by their numbers, as millions of products have few different ones.
struct Product {
    service: u32,
    family: u32,
    region: u32,
    attributes: Box<[(u32, u32)]>,
}

/// Texts, once each.
#[derive(Default)]
struct Texts {
    all: Vec<Rc<str>>,
    numbers: HashMap<Rc<str>, u32>,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let text: Rc<str> = Rc::from(text);
        self.all.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    fn text(&self, number: u32) -> String {
        self.all
            .get(number as usize)
            .map_or_else(String::new, ToString::to_string)
    }
}

struct Offer<'s, S> {
    file: &'s str,
    source: &'s str,
    sink: &'s mut S,
    products: HashMap<u64, u32>,
    kinds: Vec<Product>,
    texts: Texts,
    known: HashMap<u64, u32>,
    refused: Option<ImportError>,
}

/// Reads an offer file.
pub(crate) fn read<S: Sink>(
    file: &str,
    source: &str,
    reader: impl Read,
    sink: &mut S,
) -> Result<(), ImportError> {
    let mut offer = Offer {
        file,
        source,
        sink,
        products: HashMap::new(),
        kinds: Vec::new(),
        texts: Texts::default(),
        known: HashMap::new(),
        refused: None,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let result = Whole(&mut offer).deserialize(&mut deserializer);
    if let Some(refused) = offer.refused {
        return Err(refused);
    }
    result.map_err(|error| ImportError::form(file, format!("this is no AWS offer file: {error}")))
}

fn hash(text: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The outermost object.
struct Whole<'o, 's, S>(&'o mut Offer<'s, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Whole<'_, '_, S> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Whole<'_, '_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with products and terms")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut products, mut terms) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "products" => {
                    map.next_value_seed(Products(self.0))?;
                    products = true;
                }
                "terms" if products => {
                    map.next_value_seed(Terms(self.0))?;
                    terms = true;
                }
                "terms" => {
                    return Err(A::Error::custom(
                        "terms stand before products: the file cannot be read as a stream",
                    ));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if products && terms {
            Ok(())
        } else {
            Err(A::Error::custom("products or terms are missing"))
        }
    }
}

struct Products<'o, 's, S>(&'o mut Offer<'s, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Products<'_, '_, S> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[derive(Deserialize)]
struct ProductOf {
    #[serde(rename = "productFamily", default)]
    family: String,
    #[serde(default)]
    attributes: HashMap<String, String>,
}

impl<'de, S: Sink> Visitor<'de> for Products<'_, '_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("products by SKU")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((sku, product)) = map.next_entry::<String, ProductOf>()? {
            self.0.product(&sku, product);
        }
        Ok(())
    }
}

impl<S: Sink> Offer<'_, S> {
    fn product(&mut self, sku: &str, product: ProductOf) {
        let get = |name: &str| product.attributes.get(name).cloned().unwrap_or_default();
        let mut attributes: Vec<(String, String)> = product
            .attributes
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, value)| kept_attribute(name).map(|name| (name, kept_value(value))))
            .collect();
        attributes.sort();
        let (service, region) = (get("servicecode"), get("regionCode"));
        let key = hash((&service, &product.family, &region, &attributes));
        let next = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        let kind = *self.known.entry(key).or_insert(next);
        if kind == next {
            let texts = &mut self.texts;
            self.kinds.push(Product {
                service: texts.number(&service),
                family: texts.number(&product.family),
                region: texts.number(&region),
                attributes: attributes
                    .iter()
                    .map(|(name, value)| (texts.number(name), texts.number(value)))
                    .collect(),
            });
        }
        self.products.insert(hash(sku), kind);
    }

    fn price(&mut self, sku: &str, term: &Term) -> Result<(), ImportError> {
        let Some(product) = self
            .products
            .get(&hash(sku))
            .and_then(|kind| self.kinds.get(*kind as usize))
        else {
            return Ok(());
        };
        let refuse = |reason: String| ImportError::form(self.file, format!("SKU {sku}: {reason}"));
        let number =
            |text: &str| decimal(text).ok_or_else(|| refuse(format!("{text:?} is no number")));
        let text = |number: u32| self.texts.text(number);
        for dimension in term.price_dimensions.values() {
            for (currency, price) in &dimension.price_per_unit {
                let row = Row {
                    service: text(product.service),
                    family: text(product.family),
                    region: text(product.region),
                    attributes: product
                        .attributes
                        .iter()
                        .map(|(name, value)| (text(*name), text(*value)))
                        .collect(),
                    unit: unit_of(&dimension.unit),
                    price: number(price)?,
                    tier_from: if dimension.begin_range.is_empty() {
                        Decimal::ZERO
                    } else {
                        number(&dimension.begin_range)?
                    },
                    tier_to: match dimension.end_range.as_str() {
                        "" | "Inf" => None,
                        text => Some(number(text)?),
                    },
                    currency: currency.clone(),
                    effective_from: date(&term.effective_date).unwrap_or(0),
                    effective_to: 0,
                    quality: Quality::Listed,
                    source: self.source.to_owned(),
                };
                self.sink
                    .take(&row)
                    .map_err(|error| refuse(error.to_string()))?;
            }
        }
        Ok(())
    }
}

struct Terms<'o, 's, S>(&'o mut Offer<'s, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for Terms<'_, '_, S> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for Terms<'_, '_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by kind")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(kind) = map.next_key::<String>()? {
            if kind == "OnDemand" {
                map.next_value_seed(OfSkus(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Term {
    #[serde(rename = "effectiveDate", default)]
    effective_date: String,
    #[serde(rename = "priceDimensions", default)]
    price_dimensions: HashMap<String, Dimension>,
}

#[derive(Deserialize)]
struct Dimension {
    #[serde(default)]
    unit: String,
    #[serde(rename = "beginRange", default)]
    begin_range: String,
    #[serde(rename = "endRange", default)]
    end_range: String,
    #[serde(rename = "pricePerUnit", default)]
    price_per_unit: HashMap<String, String>,
}

struct OfSkus<'o, 's, S>(&'o mut Offer<'s, S>);

impl<'de, S: Sink> DeserializeSeed<'de> for OfSkus<'_, '_, S> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: Sink> Visitor<'de> for OfSkus<'_, '_, S> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by SKU")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((sku, terms)) = map.next_entry::<String, HashMap<String, Term>>()? {
            for term in terms.values() {
                if let Err(refused) = self.0.price(&sku, term) {
                    self.0.refused = Some(refused);
                    return Err(A::Error::custom("refused"));
                }
            }
        }
        Ok(())
    }
}
