//! What the texts of the unit-price tables leave out, as rules (see `prices/hidden.txt`).

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::import::ImportError;
use super::{COMPONENT_NAME, COMPONENT_UNIT, PART, Quality, Row};

const RULES: &str = include_str!("../../prices/hidden.txt");

/// Attributes that decide, in one of several ways.
type Ways = Vec<Vec<(String, String)>>;

/// Type, component, unit, region and part.
type Key = (String, String, String, String, String);

struct Rule {
    service: String,
    component: String,
    /// For each price, lowest first, the ways that lead to it.
    ascending: Vec<Ways>,
}

fn rules() -> Result<Vec<Rule>, ImportError> {
    let mut rules = Vec::new();
    for (at, line) in RULES.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |reason: &str| ImportError::line("hidden.txt", at + 1, reason);
        let fields: Vec<&str> = line.split(" | ").collect();
        let [service, component, order] = &*fields else {
            return Err(refuse("a rule is `type | component | lowest < next`"));
        };
        rules.push(Rule {
            service: (*service).to_owned(),
            component: (*component).to_owned(),
            ascending: order.split(" < ").map(ways).collect(),
        });
    }
    Ok(rules)
}

fn ways(text: &str) -> Ways {
    text.split(" or ")
        .map(|way| {
            let mut pairs: Vec<(String, String)> = Vec::new();
            for part in way.trim().split(',') {
                match part.split_once('=') {
                    Some((name, value)) => pairs.push((name.to_owned(), value.to_owned())),
                    // A comma within a value.
                    None => {
                        if let Some((_, value)) = pairs.last_mut() {
                            value.push(',');
                            value.push_str(part);
                        } else {
                            // Nothing decides this price: an attribute that no mapping has.
                            pairs.push(("undecided".to_owned(), "true".to_owned()));
                        }
                    }
                }
            }
            pairs
        })
        .collect()
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len()
                && text.starts_with(before)
                && text.ends_with(after)
        }
    }
}

fn get<'r>(row: &'r Row, name: &str) -> &'r str {
    row.attributes
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value)
}

/// Gives rows of one text that differ in price the attributes that tell them apart.
pub(crate) fn tell_apart(rows: Vec<Row>) -> Result<Vec<Row>, ImportError> {
    let rules = rules()?;
    let mut groups: BTreeMap<Key, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let key = (
            row.service.clone(),
            get(&row, COMPONENT_NAME).to_owned(),
            get(&row, COMPONENT_UNIT).to_owned(),
            row.region.clone(),
            get(&row, PART).to_owned(),
        );
        groups.entry(key).or_default().push(row);
    }
    let mut told = Vec::new();
    for ((service, component, ..), rows) in groups {
        let rows = without_roundings(rows);
        let prices: BTreeSet<Decimal> = rows.iter().map(|row| row.price).collect();
        let rule = rules.iter().find(|rule| {
            rule.service == service
                && fits(&rule.component, &component)
                && rule.ascending.len() == prices.len()
        });
        let Some(rule) = rule.filter(|_| prices.len() > 1) else {
            told.extend(rows);
            continue;
        };
        for row in rows {
            let place = prices
                .iter()
                .position(|price| *price == row.price)
                .unwrap_or(0);
            for way in rule.ascending.get(place).into_iter().flatten() {
                let mut row = row.clone();
                row.attributes.extend(way.iter().cloned());
                row.attributes.sort();
                told.push(row);
            }
        }
    }
    Ok(told)
}

/// Takes out what was only printed and is the rounding of another price of the same text.
fn without_roundings(rows: Vec<Row>) -> Vec<Row> {
    let is_rounding = |row: &Row, of: &Row| {
        let near = (row.price - of.price).abs() * Decimal::from(100) < row.price * Decimal::from(6);
        let rounded = of.price.round_dp_with_strategy(
            row.price.scale(),
            rust_decimal::RoundingStrategy::MidpointAwayFromZero,
        );
        of.price != row.price
            && of.price.scale() > row.price.scale()
            && of.currency == row.currency
            && near
            && rounded == row.price
    };
    rows.iter()
        .filter(|row| {
            row.quality != Quality::Listed || !rows.iter().any(|other| is_rounding(row, other))
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_can_be_read() {
        let rules = rules().unwrap();
        assert!(rules.len() > 80);
        for rule in &rules {
            assert!(
                rule.ascending.len() > 1,
                "{} {}",
                rule.service,
                rule.component
            );
            assert!(rule.ascending.iter().flatten().all(|way| !way.is_empty()));
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, is) in [
            ("*", "Storage", true),
            ("Storage (*", "Storage (gp2)", true),
            ("*(gp2)", "Storage (gp2)", true),
            ("Storage", "Storage (gp2)", false),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }
}
