//! An estimate as a table for a terminal.

use std::fmt::{self, Write};

use super::{change, money, quantity};
use crate::estimate::{Component, Cost, Estimate, ResourceCost, State};

/// Warnings shown at most; the others are counted.
const WARNINGS_MAX: usize = 20;

/// What there will be, with its totals.
pub fn write(estimate: &Estimate, text: &mut dyn Write) -> fmt::Result {
    let width = estimate
        .resources
        .iter()
        .flat_map(|resource| resource.components.iter())
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
        writeln!(text, "{}", resource.address)?;
        let mut path: &[String] = &[];
        for cost in resource
            .components
            .iter()
            .filter_map(|component| component.after.as_ref())
        {
            if *cost.path != *path {
                path = &cost.path;
                writeln!(text, "  {}", path.join(" › "))?;
            }
            let indent = "  ".repeat(cost.path.len() + 1);
            let name = format!("{indent}{}", cost.name);
            writeln!(text, "{name:<width$}  {}", right(cost))?;
        }
        text.write_char('\n')?;
    }
    totals(text, estimate)?;
    notes(text, estimate)
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
        _ if cost.state == State::KnownAfterApply => {
            format!("{amount:>14} {unit:<20} {}", cost.reason)
        }
        _ => format!("{amount:>14} {unit:<20} price not found"),
    }
}

fn totals(text: &mut dyn Write, estimate: &Estimate) -> fmt::Result {
    for (currency, total) in &estimate.totals {
        write!(text, "Total a month: {} {currency}", money(total.after))?;
        if total.after_low != total.after {
            write!(
                text,
                " ({} with the lower ends of the usage)",
                money(total.after_low)
            )?;
        }
        writeln!(
            text,
            ", before {}, change {}",
            money(total.before),
            change(total.delta())
        )?;
    }
    if estimate.totals.is_empty() {
        text.write_str("Nothing here has a known cost.\n")?;
    }
    Ok(())
}

fn notes(text: &mut dyn Write, estimate: &Estimate) -> fmt::Result {
    let counts = &estimate.counts;
    writeln!(
        text,
        "{} components priced, {} depend on usage, {} known after apply, {} without a price; {} resources free, {} unsupported",
        counts.priced,
        counts.depends_on_usage,
        counts.known_after_apply,
        counts.price_not_found,
        estimate.free.len(),
        estimate.unsupported.len()
    )?;
    for without in &estimate.unsupported {
        let why = if without.reason.is_empty() {
            "its type is not known"
        } else {
            &without.reason
        };
        writeln!(text, "  unsupported: {} ({why})", without.address)?;
    }
    for (resource, cost) in unpriced(estimate) {
        writeln!(
            text,
            "  price not found: {} {}: {}",
            resource.address, cost.name, cost.reason
        )?;
    }
    for warning in estimate.warnings.iter().take(WARNINGS_MAX) {
        writeln!(text, "  {warning}")?;
    }
    let more = estimate.warnings.len().saturating_sub(WARNINGS_MAX);
    if more > 0 {
        writeln!(text, "  and {more} more warnings")?;
    }
    let digest = estimate.book_digest.get(..12).unwrap_or_default();
    writeln!(
        text,
        "Prices of {} by the book {} ({digest}) made on {}; {}",
        estimate.date,
        estimate.book,
        estimate.book_date,
        estimate.assumptions.join("; ")
    )
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
pub fn write_changes(estimate: &Estimate, text: &mut dyn Write) -> fmt::Result {
    for resource in changed(estimate) {
        let sign = match resource.action.as_str() {
            "create" => "+",
            "delete" => "-",
            _ => "~",
        };
        writeln!(text, "{sign} {}", resource.address)?;
        for component in resource.components.iter() {
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
            writeln!(
                text,
                "    {} {}  {delta}",
                names(component).unwrap_or(name.trim().to_owned()),
                shown.unit
            )?;
        }
    }
    totals(text, estimate)?;
    notes(text, estimate)
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
