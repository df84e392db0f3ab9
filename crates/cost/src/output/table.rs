//! An estimate as a table for a terminal.

use std::fmt::Write as _;

use super::{change, money, quantity};
use crate::estimate::{Component, Cost, Estimate, ResourceCost, State};

/// Warnings shown at most; the others are counted.
const WARNINGS_MAX: usize = 20;

/// What there will be, with its totals.
pub fn write(estimate: &Estimate) -> String {
    let mut text = String::new();
    let width = estimate
        .resources
        .iter()
        .flat_map(|resource| &resource.components)
        .filter_map(|component| component.after.as_ref())
        .map(|cost| cost.name.chars().count() + 2 + cost.path.len() * 2)
        .max()
        .unwrap_or(20)
        .clamp(20, 70);
    for resource in &estimate.resources {
        if resource
            .components
            .iter()
            .all(|component| component.after.is_none())
        {
            continue;
        }
        let _ = writeln!(text, "{}", resource.address);
        let mut path: &[String] = &[];
        for cost in resource
            .components
            .iter()
            .filter_map(|component| component.after.as_ref())
        {
            if *cost.path != *path {
                path = &cost.path;
                let _ = writeln!(text, "  {}", path.join(" › "));
            }
            let indent = "  ".repeat(cost.path.len() + 1);
            let name = format!("{indent}{}", cost.name);
            let _ = writeln!(text, "{name:<width$}  {}", right(cost));
        }
        text.push('\n');
    }
    totals(&mut text, estimate);
    notes(&mut text, estimate);
    text
}

fn right(cost: &Cost) -> String {
    let amount = cost.quantity.map_or_else(|| "—".to_owned(), quantity);
    let unit = &cost.unit;
    match (&cost.state, cost.monthly, &cost.price) {
        (State::Priced, Some(monthly), Some(found)) => {
            let star = if cost.usage_based { " *" } else { "" };
            format!(
                "{amount:>14} {unit:<20} {:>14} {}{star}",
                money(monthly),
                found.currency
            )
        }
        (_, _, Some(found)) => {
            let price = found.price.normalize();
            format!(
                "{amount:>14} {unit:<20} {} ({price} {} per {unit})",
                cost.reason, found.currency
            )
        }
        _ => format!("{amount:>14} {unit:<20} price not found"),
    }
}

fn totals(text: &mut String, estimate: &Estimate) {
    for (currency, total) in &estimate.totals {
        let _ = write!(text, "Total a month: {} {currency}", money(total.after));
        if total.after_low != total.after {
            let _ = write!(
                text,
                " ({} with the lower ends of the usage)",
                money(total.after_low)
            );
        }
        let _ = writeln!(
            text,
            ", before {}, change {}",
            money(total.before),
            change(total.delta())
        );
    }
    if estimate.totals.is_empty() {
        text.push_str("Nothing here has a known cost.\n");
    }
}

fn notes(text: &mut String, estimate: &Estimate) {
    let counts = &estimate.counts;
    let _ = writeln!(
        text,
        "{} components priced, {} depend on usage, {} known after apply, {} without a price; {} resources free, {} unsupported",
        counts.priced,
        counts.depends_on_usage,
        counts.known_after_apply,
        counts.price_not_found,
        estimate.free.len(),
        estimate.unsupported.len()
    );
    for without in &estimate.unsupported {
        let why = if without.reason.is_empty() {
            "its type is not known"
        } else {
            &without.reason
        };
        let _ = writeln!(text, "  unsupported: {} ({why})", without.address);
    }
    for (resource, cost) in unpriced(estimate) {
        let _ = writeln!(
            text,
            "  price not found: {} {}: {}",
            resource.address, cost.name, cost.reason
        );
    }
    for warning in estimate.warnings.iter().take(WARNINGS_MAX) {
        let _ = writeln!(text, "  {warning}");
    }
    let more = estimate.warnings.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more warnings");
    }
    let digest = estimate.book_digest.get(..12).unwrap_or_default();
    let _ = writeln!(
        text,
        "Prices of {} by the book {} ({digest}) made on {}; {}",
        estimate.date,
        estimate.book,
        estimate.book_date,
        estimate.assumptions.join("; ")
    );
}

/// Components of what will be that have no price.
pub(crate) fn unpriced(estimate: &Estimate) -> impl Iterator<Item = (&ResourceCost, &Cost)> {
    estimate.resources.iter().flat_map(|resource| {
        resource
            .components
            .iter()
            .filter_map(|component| component.after.as_ref())
            .filter(|cost| cost.state == State::PriceNotFound)
            .map(move |cost| (resource, cost))
    })
}

/// What changes, the largest change first.
pub fn write_changes(estimate: &Estimate) -> String {
    let mut text = String::new();
    for resource in changed(estimate) {
        let sign = match resource.action.as_str() {
            "create" => "+",
            "delete" => "-",
            _ => "~",
        };
        let _ = writeln!(text, "{sign} {}", resource.address);
        for component in &resource.components {
            let Some(shown) = component.shown() else {
                continue;
            };
            if component.before == component.after {
                continue;
            }
            let name = [&*shown.path.join(" › "), &*shown.name].join(" ");
            let delta = component
                .delta()
                .map_or_else(|| "unknown".to_owned(), change);
            let _ = writeln!(
                text,
                "    {} {}  {delta}",
                names(component).unwrap_or(name.trim().to_owned()),
                shown.unit
            );
        }
    }
    totals(&mut text, estimate);
    notes(&mut text, estimate);
    text
}

/// A component whose name changed, with both names.
fn names(component: &Component) -> Option<String> {
    let (before, after) = (component.before.as_ref()?, component.after.as_ref()?);
    (before.name != after.name).then(|| format!("{} → {}", before.name, after.name))
}

/// Resources whose cost changes, the largest change first.
pub(crate) fn changed(estimate: &Estimate) -> Vec<&ResourceCost> {
    let delta = |resource: &ResourceCost| {
        let deltas = resource.components.iter().filter_map(Component::delta);
        deltas.sum::<rust_decimal::Decimal>()
    };
    let mut changed: Vec<&ResourceCost> = estimate
        .resources
        .iter()
        .filter(|resource| {
            resource
                .components
                .iter()
                .any(|component| component.before != component.after)
        })
        .collect();
    changed.sort_by_key(|resource| std::cmp::Reverse(delta(resource).abs()));
    changed
}
