//! What the plan of a run costs, on its page: before, afterwards and the difference, by currency; what is known of it and what is not, each counted;
//! and the resources that change most with what they consist of.

use maud::{Markup, html};
use statehouse_core::cost::estimate::{Component, Counts, Figures, Resource, Side};
use statehouse_core::cost::seen::{Seen, Standing};

use super::run::words;
use crate::tfe::cost_estimates::money;

/// Resources that are listed.
const RESOURCES_MAX: usize = 50;

/// What it comes to, in one line: for who decides.
pub(super) fn line(cost: &Standing) -> Option<String> {
    let short = match cost {
        Standing::Untold => return None,
        Standing::Awaited => return Some("not estimated yet".to_owned()),
        Standing::Made(short) => short,
    };
    if short.totals.is_empty() && !short.complete {
        return Some("it could not be estimated".to_owned());
    }
    let amounts = short.totals.iter().map(|(currency, micro)| {
        let delta = money(micro.delta);
        let sign = if micro.delta > 0 { "+" } else { "" };
        format!("{} {currency} a month ({sign}{delta})", money(micro.after))
    });
    let amounts: Vec<String> = amounts.collect();
    let amounts = if amounts.is_empty() {
        "nothing with a price".to_owned()
    } else {
        amounts.join(" and ")
    };
    let known = format!("{} of {} resources known", short.estimated, short.resources);
    Some(format!("{amounts}, {known}"))
}

/// The section.
pub(super) fn section(seen: &Seen) -> Markup {
    let (estimate, figures) = (&seen.estimate, &seen.estimate.figures);
    html! {
        section.card {
            h2 { "What it costs" }
            @if let Some(why) = estimate.missing() { p.note { "No amount can be judged: " (why) "." } }
            @if estimate.why.is_none() { (totals(figures)) (counts(figures.counts)) }
            @for resource in estimate.resources.iter().take(RESOURCES_MAX) { (of_resource(resource)) }
            @if estimate.resources.len() > RESOURCES_MAX { p.soft { "Those that change most are listed here. All of it: " code { "statehouse cost show RUN --format infracost" } } }
            @if !figures.unsupported.is_empty() { (unsupported(figures)) }
            @for warning in &figures.warnings { p.note { (warning) } }
            p.soft.small {
                "Prices of " (estimate.date)
                @if !figures.book.is_empty() { " by the book " code { (figures.book) } " of " (figures.book_date) }
                @for assumption in &figures.assumptions { "; " (assumption) }
                ". The estimate is " code { (seen.short.digest) } "."
            }
        }
    }
}

fn totals(figures: &Figures) -> Markup {
    html! {
        @if figures.totals.is_empty() { p { "Nothing in it has a price." } }
        @else {
            table.list {
                thead { tr { th { "A month" } th { "Before" } th { "Afterwards" } th { "Difference" } } }
                tbody {
                    @for (currency, total) in &figures.totals {
                        tr {
                            td.name { (currency) }
                            td data-label="Before" { (money(total.micro.before)) }
                            td data-label="Afterwards" {
                                (money(total.micro.after))
                                @if total.after_low != total.after { " (from " (total.after_low) ")" }
                            }
                            td data-label="Difference" { strong { (signed(total.micro.delta)) } }
                        }
                    }
                }
            }
        }
    }
}

fn signed(micro: i64) -> String {
    let sign = if micro > 0 { "+" } else { "" };
    format!("{sign}{}", money(micro))
}

/// What is not known is never zero: it is counted beside what is.
fn counts(counts: Counts) -> Markup {
    html! {
        dl.facts {
            div { dt { "Resources" } dd { (counts.resources) ", of which " (counts.estimated) " are known whole" } }
            div { dt { "Free" } dd { (counts.free) } }
            div { dt { "Unsupported" } dd { (counts.unsupported) } }
            div { dt { "Price not found" } dd { (counts.price_not_found) } }
            div { dt { "Depends on usage" } dd { (counts.depends_on_usage) } }
            div { dt { "Known after apply" } dd { (counts.known_after_apply) } }
        }
    }
}

fn of_resource(resource: &Resource) -> Markup {
    html! {
        details {
            summary { code { (resource.address) } " (" (words(&resource.action)) ")" }
            table.list {
                thead { tr { th { "Component" } th { "Before" } th { "Afterwards" } th { "Difference" } } }
                tbody {
                    @for component in &resource.components { (of_component(component)) }
                }
            }
        }
    }
}

fn of_component(component: &Component) -> Markup {
    html! {
        tr {
            td.name { (component.name) }
            td data-label="Before" { (of_side(component.before.as_ref(), component)) }
            td data-label="Afterwards" { (of_side(component.after.as_ref(), component)) }
            td data-label="Difference" {
                @match &component.delta {
                    Some(delta) => { (delta) }
                    None => { "not known" }
                }
            }
        }
    }
}

fn of_side(side: Option<&Side>, component: &Component) -> Markup {
    html! {
        @if let Some(side) = side {
            @match (&side.monthly, &side.quantity) {
                (Some(monthly), Some(quantity)) => {
                    (monthly) " " (component.currency.as_deref().unwrap_or_default())
                    span.soft.small { " " (quantity) " " (component.unit) }
                }
                (Some(monthly), None) => { (monthly) }
                _ => { em { (words(&side.state)) } span.soft.small { " " (side.why) } }
            }
        } @else { "–" }
    }
}

fn unsupported(figures: &Figures) -> Markup {
    html! {
        details {
            summary { "Types whose cost is not known" }
            ul { @for (kind, count) in &figures.unsupported { li { code { (kind) } ": " (count) } } }
        }
    }
}
