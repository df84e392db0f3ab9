//! An estimate in the words of the server: what people look at first, and what policies read.

use std::collections::{BTreeMap, HashSet};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value, json};
use statehouse_core::cost::estimate::{Component, Counts, Figures, Micro, Resource, Side, Total};
use statehouse_cost::estimate::{self as engine, Cost, Estimate, ResourceCost, State};

/// Resources that are shown: those that change most, then those that cost most.
const SHOWN_MAX: usize = 100;
/// Components of one of them.
const COMPONENTS_MAX: usize = 60;
/// Warnings that are kept.
const WARNINGS_MAX: usize = 50;
/// An amount beyond these millionths is no cost, and no ledger holds such a number.
const MICRO_MAX: i64 = 1 << 52;

fn text(amount: Decimal) -> String {
    amount.normalize().to_string()
}

/// A number for policies, which know no other.
fn number(amount: Decimal) -> Value {
    json!(amount.to_f64())
}

fn micro(amount: Decimal) -> Result<i64, String> {
    let whole = amount.checked_mul(Decimal::from(1_000_000));
    let whole = whole.and_then(|whole| whole.round().to_i64());
    let whole = whole.filter(|whole| whole.abs() < MICRO_MAX);
    whole.ok_or_else(|| format!("{amount} a month is no cost"))
}

fn total(total: &engine::Total) -> Result<Total, String> {
    let micro = Micro {
        before: micro(total.before)?,
        after: micro(total.after)?,
        delta: micro(total.delta())?,
    };
    Ok(Total {
        before: text(total.before),
        after: text(total.after),
        after_low: text(total.after_low),
        delta: text(total.delta()),
        micro,
    })
}

/// Whether a text is a currency as prices name one.
fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// What people look at first.
///
/// # Errors
///
/// When an amount or a currency is none.
pub(super) fn figures(estimate: &Estimate) -> Result<Figures, String> {
    let mut totals = BTreeMap::new();
    for (currency, sum) in &estimate.totals {
        if !is_currency(currency) {
            return Err(format!(
                "{currency:?} is no currency: name it by three letters, like USD"
            ));
        }
        totals.insert(currency.clone(), total(sum)?);
    }
    let mut unsupported = BTreeMap::new();
    for without in &estimate.unsupported {
        *unsupported.entry(without.kind.clone()).or_insert(0) += 1;
    }
    let mut warnings = estimate.warnings.clone();
    if warnings.len() > WARNINGS_MAX {
        let more = warnings.len() - WARNINGS_MAX;
        warnings.truncate(WARNINGS_MAX);
        warnings.push(format!("{more} more are left out"));
    }
    Ok(Figures {
        totals,
        counts: counts(estimate),
        book: estimate.book.clone(),
        book_date: estimate.book_date.clone(),
        assumptions: estimate.assumptions.clone(),
        warnings,
        unsupported,
    })
}

fn counts(estimate: &Estimate) -> Counts {
    let mut counts = Counts {
        free: estimate.free.len() as u64,
        unsupported: estimate.unsupported.len() as u64,
        priced: estimate.counts.priced as u64,
        depends_on_usage: estimate.counts.depends_on_usage as u64,
        known_after_apply: estimate.counts.known_after_apply as u64,
        price_not_found: estimate.counts.price_not_found as u64,
        ..Counts::default()
    };
    counts.resources = counts.free + counts.unsupported;
    counts.estimated = counts.free;
    // What has components may be among these all the same: they are not all of it.
    let unsupported = estimate.unsupported.iter();
    let unsupported: HashSet<&str> = unsupported.map(|one| one.address.as_str()).collect();
    for resource in &estimate.resources {
        if unsupported.contains(resource.address.as_str()) {
            continue;
        }
        let mut after = resource
            .components
            .iter()
            .filter_map(|each| each.after.as_ref());
        let Some(first) = after.next() else { continue };
        counts.resources += 1;
        let is_whole = std::iter::once(first)
            .chain(after)
            .all(|cost| cost.state == State::Priced);
        counts.estimated += u64::from(is_whole);
    }
    counts
}

/// What a resource costs on both sides, as far as it is known.
fn sums(resource: &ResourceCost) -> (Decimal, Decimal) {
    let sum = |of: fn(&engine::Component) -> Option<&Cost>| {
        let known = resource.components.iter().filter_map(of);
        known.filter_map(|cost| cost.monthly).sum::<Decimal>()
    };
    (
        sum(|each| each.before.as_ref()),
        sum(|each| each.after.as_ref()),
    )
}

/// The resources that change most.
pub(super) fn resources(estimate: &Estimate) -> Vec<Resource> {
    let mut all: Vec<_> = estimate
        .resources
        .iter()
        .map(|resource| {
            let (before, after) = sums(resource);
            ((after - before).abs(), after, resource)
        })
        .collect();
    all.sort_by(|one, other| {
        (other.0, other.1, &one.2.address).cmp(&(one.0, one.1, &other.2.address))
    });
    let shown = all.into_iter().take(SHOWN_MAX);
    shown.map(|(_, _, resource)| shown_of(resource)).collect()
}

fn shown_of(resource: &ResourceCost) -> Resource {
    let components = resource.components.iter().take(COMPONENTS_MAX);
    let component = |component: &engine::Component| {
        let shown = component.shown();
        let name = shown.map(|cost| {
            let parts = cost.path.iter().map(String::as_str);
            let all: Vec<&str> = parts.chain([cost.name.as_str()]).collect();
            all.join(" › ")
        });
        Component {
            name: name.unwrap_or_default(),
            unit: shown.map(|cost| cost.unit.clone()).unwrap_or_default(),
            before: component.before.as_ref().map(side),
            after: component.after.as_ref().map(side),
            delta: component.delta().map(text),
            currency: component.currency().map(str::to_owned),
        }
    };
    Resource {
        address: resource.address.clone(),
        kind: resource.kind.clone(),
        action: resource.action.clone(),
        components: components.map(component).collect(),
    }
}

fn side(cost: &Cost) -> Side {
    let price = cost.price.as_ref();
    let sure = price.map(|found| format!("{}, {}", found.quality.name(), found.source));
    Side {
        quantity: cost.quantity.map(text),
        price: price.map(|found| text(found.price)),
        monthly: cost.monthly.map(text),
        state: cost.state.name().to_owned(),
        why: if cost.reason.is_empty() {
            sure.unwrap_or_default()
        } else {
            cost.reason.clone()
        },
    }
}

/// What policies read: amounts are numbers, of the one currency that there is.
pub(super) fn policy(estimate: &Estimate) -> Value {
    let mut root = Map::new();
    let mut put = |name: &str, value: Value| root.insert(name.to_owned(), value);
    let none = [("USD".to_owned(), engine::Total::default())].into();
    let totals = if estimate.totals.is_empty() {
        &none
    } else {
        &estimate.totals
    };
    if let (Some((currency, total)), 1) = (totals.first_key_value(), totals.len()) {
        let (before, after, delta) = (total.before, total.after, total.delta());
        put("currency", json!(currency));
        put("monthly_before", number(before));
        put("monthly_after", number(after));
        put("monthly_after_low", number(total.after_low));
        put("monthly_change", number(delta));
        let hundredfold = delta.checked_mul(Decimal::ONE_HUNDRED);
        let percent = hundredfold.and_then(|delta| delta.checked_div(before));
        put(
            "monthly_change_percent",
            percent.map_or(Value::Null, number),
        );
        let alias = json!({
            "prior_monthly_cost": number(before),
            "proposed_monthly_cost": number(after),
            "delta_monthly_cost": number(delta),
        });
        put("cost_estimate", alias);
    }
    let (unpriced, usage) = unknown(estimate);
    put("unpriced", Value::Array(unpriced));
    put("depends_on_usage", Value::Array(usage));
    put("complete", json!(estimate.is_complete()));
    put("counts", json!(counts_of(estimate)));
    put("by_type", by_type(estimate));
    put(
        "book",
        json!({"id": estimate.book, "digest": estimate.book_digest, "created_at": estimate.book_date}),
    );
    put("date", json!(estimate.date));
    let resources = estimate.resources.iter().map(|resource| {
        let (before, after) = sums(resource);
        json!({
            "address": resource.address,
            "type": resource.kind,
            "action": resource.action,
            "region": resource.region,
            "monthly_before": number(before),
            "monthly_after": number(after),
            "monthly_change": number(after - before),
        })
    });
    put("resources", Value::Array(resources.collect()));
    Value::Object(root)
}

/// The counts under the names that policies have: all with underscores.
fn counts_of(estimate: &Estimate) -> Value {
    let counts = counts(estimate);
    json!({
        "resources": counts.resources,
        "estimated": counts.estimated,
        "free": counts.free,
        "unsupported": counts.unsupported,
        "priced": counts.priced,
        "depends_on_usage": counts.depends_on_usage,
        "known_after_apply": counts.known_after_apply,
        "price_not_found": counts.price_not_found,
    })
}

/// Resources of which a price is not known, and those of which nobody said how much is used.
fn unknown(estimate: &Estimate) -> (Vec<Value>, Vec<Value>) {
    let (mut unpriced, mut usage) = (Vec::new(), Vec::new());
    for without in &estimate.unsupported {
        let reason = if without.reason.is_empty() {
            "its type is not known"
        } else {
            without.reason.as_str()
        };
        unpriced.push(json!({
            "address": without.address,
            "type": without.kind,
            "state": "unsupported",
            "reason": reason,
        }));
    }
    for resource in &estimate.resources {
        let costs = resource
            .components
            .iter()
            .filter_map(|each| each.after.as_ref());
        for cost in costs {
            let list = match cost.state {
                State::Priced => continue,
                State::DependsOnUsage => &mut usage,
                State::KnownAfterApply | State::PriceNotFound => &mut unpriced,
            };
            list.push(json!({
                "address": resource.address,
                "type": resource.kind,
                "component": cost.name,
                "state": cost.state.name(),
                "reason": cost.reason,
            }));
        }
    }
    (unpriced, usage)
}

fn by_type(estimate: &Estimate) -> Value {
    let mut types: BTreeMap<&str, (Decimal, Decimal)> = BTreeMap::new();
    for resource in &estimate.resources {
        let (before, after) = sums(resource);
        let sum = types.entry(&resource.kind).or_default();
        sum.0 += before;
        sum.1 += after;
    }
    let each = types.into_iter().map(|(kind, (before, after))| {
        let value = json!({
            "monthly_before": number(before),
            "monthly_after": number(after),
            "monthly_change": number(after - before),
        });
        (kind.to_owned(), value)
    });
    Value::Object(each.collect())
}
