//! An estimate as Markdown, for a review.

use std::fmt::{self, Write};

use super::table::{changed, unpriced};
use super::{change, money};
use crate::estimate::{Component, Estimate, ResourceCost};

/// Resources listed at most: a comment has a limit.
const RESOURCES_MAX: usize = 50;

/// What a plan changes, the largest change first.
pub fn write(estimate: &Estimate, text: &mut dyn Write) -> fmt::Result {
    for (currency, total) in &estimate.totals {
        writeln!(
            text,
            "**Cost a month: {} {currency}** ({}, before {})\n",
            money(total.after),
            change(total.delta()),
            money(total.before)
        )?;
    }
    if estimate.totals.is_empty() {
        text.write_str("**Nothing here has a known cost.**\n\n")?;
    }
    let changes = changed(estimate);
    if !changes.is_empty() {
        text.write_str("| | resource | before | after | change |\n|---|---|---:|---:|---:|\n")?;
    }
    for resource in changes.iter().take(RESOURCES_MAX) {
        row(text, resource)?;
    }
    if changes.len() > RESOURCES_MAX {
        writeln!(text, "\nand {} more", changes.len() - RESOURCES_MAX)?;
    }
    notes(text, estimate)
}

fn row(text: &mut dyn Write, resource: &ResourceCost) -> fmt::Result {
    let sign = match resource.action.as_str() {
        "create" => "+",
        "delete" => "−",
        _ => "~",
    };
    let sum = |side: fn(&Component) -> Option<rust_decimal::Decimal>| -> rust_decimal::Decimal {
        resource.components.iter().filter_map(side).sum()
    };
    let before = sum(|component| component.before.as_ref()?.monthly);
    let after = sum(|component| component.after.as_ref()?.monthly);
    let address = resource.address.replace('|', "\\|").replace('`', "");
    writeln!(
        text,
        "| {sign} | `{address}` | {} | {} | {} |",
        money(before),
        money(after),
        change(after - before)
    )
}

fn notes(text: &mut dyn Write, estimate: &Estimate) -> fmt::Result {
    let counts = &estimate.counts;
    writeln!(
        text,
        "\n<details><summary>{} components priced, {} depend on usage, {} known after apply, {} without a price; {} resources unsupported, {} free</summary>\n",
        counts.priced,
        counts.depends_on_usage,
        counts.known_after_apply,
        counts.price_not_found,
        estimate.unsupported.len(),
        estimate.free.len()
    )?;
    for (kind, count) in by_type(estimate) {
        writeln!(text, "- unsupported: {count} × `{kind}`")?;
    }
    for (resource, cost) in unpriced(estimate).take(RESOURCES_MAX) {
        writeln!(
            text,
            "- price not found: `{}` {}",
            resource.address, cost.name
        )?;
    }
    let digest = estimate.book_digest.get(..12).unwrap_or_default();
    writeln!(
        text,
        "\nPrices of {}, book {} (`{digest}`) made on {}.\n</details>",
        estimate.date, estimate.book, estimate.book_date
    )
}

fn by_type(estimate: &Estimate) -> Vec<(&str, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for without in &estimate.unsupported {
        *counts.entry(without.kind.as_str()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}
