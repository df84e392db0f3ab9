//! Google SKU lists: objects with `skus`.
//!
//! A SKU counts in each of its regions, and its rates are steps of the quantity. The description is what tells products apart.

use std::io::Read;

use rust_decimal::Decimal;
use serde::Deserialize;

use super::stream::items;
use super::{ImportError, Sink};
use crate::price::{Quality, Row, date};
use crate::value::decimal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sku {
    description: String,
    #[serde(default)]
    category: Category,
    #[serde(default)]
    service_regions: Vec<String>,
    #[serde(default)]
    pricing_info: Vec<Pricing>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Category {
    service_display_name: String,
    resource_family: String,
    resource_group: String,
    usage_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pricing {
    #[serde(default)]
    effective_time: String,
    pricing_expression: Expression,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expression {
    #[serde(default)]
    usage_unit: String,
    #[serde(default)]
    tiered_rates: Vec<Rate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rate {
    #[serde(default)]
    start_usage_amount: Option<serde_json::Number>,
    unit_price: Money,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Money {
    #[serde(default)]
    currency_code: String,
    #[serde(default)]
    units: String,
    #[serde(default)]
    nanos: i64,
}

/// Reads a list.
pub(crate) fn read(
    file: &str,
    source: &str,
    reader: impl Read,
    sink: &mut impl Sink,
) -> Result<(), ImportError> {
    items(file, reader, "skus", &mut |sku: Sku| {
        for row in rows(&sku, source)? {
            sink.take(&row).map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

fn rows(sku: &Sku, source: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let Some(pricing) = sku.pricing_info.first() else {
        return Ok(rows);
    };
    let purchase = match sku.category.usage_type.as_str() {
        "Preemptible" => "spot",
        "Commit1Yr" => "commit_1y",
        "Commit3Yr" => "commit_3y",
        _ => "on_demand",
    };
    let mut attributes = vec![
        ("description".to_owned(), sku.description.replace(';', ",")),
        (
            "group".to_owned(),
            sku.category.resource_group.replace(';', ","),
        ),
        ("purchase".to_owned(), purchase.to_owned()),
    ];
    attributes.sort();
    let rates = &pricing.pricing_expression.tiered_rates;
    for (at, rate) in rates.iter().enumerate() {
        let start = |rate: &Rate| match &rate.start_usage_amount {
            Some(amount) => decimal(&amount.to_string()),
            None => Some(Decimal::ZERO),
        };
        for region in &sku.service_regions {
            rows.push(Row {
                service: sku.category.service_display_name.clone(),
                family: sku.category.resource_family.clone(),
                region: region.clone(),
                attributes: attributes.clone(),
                unit: pricing.pricing_expression.usage_unit.clone(),
                price: money(&rate.unit_price)?,
                tier_from: start(rate).unwrap_or_default(),
                tier_to: rates.get(at + 1).and_then(start),
                currency: if rate.unit_price.currency_code.is_empty() {
                    "USD".to_owned()
                } else {
                    rate.unit_price.currency_code.clone()
                },
                effective_from: date(&pricing.effective_time).unwrap_or(0),
                effective_to: 0,
                quality: Quality::Listed,
                source: source.to_owned(),
            });
        }
    }
    Ok(rows)
}

/// Whole units and billionths of one.
fn money(money: &Money) -> Result<Decimal, String> {
    let units = if money.units.is_empty() {
        "0"
    } else {
        &money.units
    };
    let units = decimal(units).ok_or_else(|| format!("{units:?} is no number"))?;
    let nanos = Decimal::try_from_i128_with_scale(i128::from(money.nanos), 9)
        .map_err(|error| error.to_string())?;
    units
        .checked_add(nanos)
        .ok_or_else(|| "the price is too large".to_owned())
}
