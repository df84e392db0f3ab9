//! Pages of the Azure retail price list: objects with `Items`, one page after another or one in a file.
//!
//! Consumption prices of primary meters are kept; reservations are not, as they are paid for years and not per hour. Windows is found
//! in the name of the product, as the list has no field for it.

use std::io::Read;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::stream::items;
use super::{ImportError, Sink};
use crate::price::{Quality, Row, date};
use crate::value::decimal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    currency_code: String,
    #[serde(default)]
    tier_minimum_units: Option<serde_json::Number>,
    retail_price: serde_json::Number,
    #[serde(default)]
    arm_region_name: String,
    #[serde(default)]
    effective_start_date: String,
    #[serde(default)]
    meter_name: String,
    #[serde(default)]
    product_name: String,
    #[serde(default)]
    sku_name: String,
    service_name: String,
    #[serde(default)]
    service_family: String,
    #[serde(default)]
    unit_of_measure: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default = "yes")]
    is_primary_meter_region: bool,
    #[serde(default)]
    arm_sku_name: String,
}

fn yes() -> bool {
    true
}

/// Reads pages.
pub(crate) fn read(
    file: &str,
    source: &str,
    reader: impl Read,
    sink: &mut impl Sink,
) -> Result<(), ImportError> {
    items(file, reader, "Items", &mut |item: Item| {
        if item.kind == "Reservation" || !item.is_primary_meter_region {
            return Ok(());
        }
        sink.take(&row(item, source)?)
            .map_err(|error| error.to_string())
    })
}

fn row(item: Item, source: &str) -> Result<Row, String> {
    let number = |number: &serde_json::Number| {
        decimal(&number.to_string()).ok_or_else(|| format!("{number} is no number"))
    };
    let (per, unit) = unit(&item.unit_of_measure);
    let price = number(&item.retail_price)?;
    let mut attributes = Vec::new();
    let machine = item.service_name == "Virtual Machines" && !item.arm_sku_name.is_empty();
    if machine {
        let windows = item.product_name.contains("Windows");
        attributes.push(("vm_size", item.arm_sku_name));
        attributes.push(("os", if windows { "Windows" } else { "Linux" }.to_owned()));
        let purchase = if item.sku_name.ends_with(" Spot") {
            "spot"
        } else if item.sku_name.ends_with(" Low Priority") {
            "low_priority"
        } else {
            "on_demand"
        };
        attributes.push(("purchase", purchase.to_owned()));
    } else {
        attributes.push(("product", item.product_name));
        attributes.push(("sku", item.sku_name));
        attributes.push(("meter", item.meter_name));
    }
    if item.kind == "DevTestConsumption" {
        attributes.push(("dev_test", "true".to_owned()));
    }
    let mut attributes: Vec<(String, String)> = attributes
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.replace(';', ",")))
        .collect();
    attributes.sort();
    Ok(Row {
        service: item.service_name,
        family: item.service_family,
        region: item.arm_region_name,
        attributes,
        unit,
        price: price
            .checked_div(per)
            .ok_or("the price cannot be divided")?,
        tier_from: item
            .tier_minimum_units
            .as_ref()
            .map_or(Ok(Decimal::ZERO), number)?,
        tier_to: None,
        currency: if item.currency_code.is_empty() {
            "USD".to_owned()
        } else {
            item.currency_code
        },
        effective_from: date(&item.effective_start_date).unwrap_or(0),
        effective_to: 0,
        quality: Quality::Listed,
        source: source.to_owned(),
    })
}

/// How many of which unit a measure is: `10K`, `1 GB/Month`, `100 Hours`.
fn unit(measure: &str) -> (Decimal, String) {
    let end = measure
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(measure.len());
    let (count, rest) = measure.split_at(end);
    let count = decimal(count)
        .filter(|count| !count.is_zero())
        .unwrap_or(Decimal::ONE);
    let (times, rest): (u32, &str) = match rest.strip_prefix('K').or_else(|| rest.strip_prefix('M'))
    {
        Some(after) if after.is_empty() || after.starts_with(' ') => (
            if rest.starts_with('K') {
                1000
            } else {
                1_000_000
            },
            after,
        ),
        _ => (1, rest),
    };
    let unit = match rest.trim() {
        "Hour" | "Hours" => "hour".to_owned(),
        "GB/Month" => "gb_month".to_owned(),
        other => other.to_owned(),
    };
    (
        count.checked_mul(times.into()).unwrap_or(Decimal::ONE),
        unit,
    )
}
