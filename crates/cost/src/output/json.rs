//! An estimate as JSON, in the form of Infracost's output version 0.2, with what we know beyond it.
//!
//! Comment templates and policies that read that form read this one. Numbers are texts, and what is not known is null. Beyond it:
//! `book`, the state and the quality of each component, and `cost_estimate` as policies know it.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::estimate::{Component, Cost, Estimate, ResourceCost, State, Total};

/// Hours of a month.
const HOURS: u32 = 730;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
    Change,
}

/// What the form has no word for: of the whole, of its summary, of a resource, of a component.
const BEYOND: [&str; 17] = [
    "book",
    "assumptions",
    "warnings",
    "complete",
    "totals",
    "cost_estimate",
    "components",
    "action",
    "region",
    "state",
    "reason",
    "quality",
    "price_source",
    "price_id",
    "chosen",
    "monthlyCostLow",
    "currency",
];

/// The whole document in the form of Infracost's output version 0.2, and nothing beyond it.
pub fn infracost(estimate: &Estimate, project: &str, made_at: &str) -> Value {
    let mut document = document(estimate, project, made_at);
    let currency = document.get("currency").cloned().unwrap_or_default();
    strip(&mut document);
    // The whole has a currency in that form; a component has none.
    put(&mut document, "currency", currency);
    document
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !BEYOND.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The whole document. `made_at` is when the estimate was made.
pub fn document(estimate: &Estimate, project: &str, made_at: &str) -> Value {
    // Totals of the form have one currency. Where there are several, they are null, and `totals` has each.
    let single = match estimate.totals.len() {
        0 => Some(("USD", Total::default())),
        1 => estimate
            .totals
            .iter()
            .next()
            .map(|(currency, total)| (currency.as_str(), *total)),
        _ => None,
    };
    let currency = single.map_or("USD", |(currency, _)| currency);
    let total = single.map(|(_, total)| total);
    let mut projects = json!({
        "name": project,
        "metadata": {"path": project, "type": "terraform_plan_json"},
        "summary": summary(estimate),
    });
    // What is large is put in, not copied in.
    for (name, side) in [
        ("pastBreakdown", Side::Before),
        ("breakdown", Side::After),
        ("diff", Side::Change),
    ] {
        put(&mut projects, name, breakdown(estimate, side, total));
    }
    let each = |of: fn(&Total) -> Decimal| total.as_ref().map(of);
    let mut document = json!({
        "version": "0.2",
        "currency": currency,
        "totalHourlyCost": hourly(each(|total| total.after)),
        "totalMonthlyCost": text(each(|total| total.after)),
        "totalMonthlyUsageCost": text(each(|total| total.usage)),
        "pastTotalHourlyCost": hourly(each(|total| total.before)),
        "pastTotalMonthlyCost": text(each(|total| total.before)),
        "pastTotalMonthlyUsageCost": Value::Null,
        "diffTotalHourlyCost": hourly(each(Total::delta)),
        "diffTotalMonthlyCost": text(each(Total::delta)),
        "diffTotalMonthlyUsageCost": Value::Null,
        "timeGenerated": made_at,
        "summary": summary(estimate),
        "book": {"id": estimate.book, "digest": estimate.book_digest, "created_at": estimate.book_date, "overlay_digest": estimate.overlay_digest, "date": estimate.date},
        "assumptions": estimate.assumptions,
        "warnings": estimate.warnings,
        "complete": estimate.is_complete(),
        "totals": totals(estimate),
        "cost_estimate": {
            "prior_monthly_cost": text(each(|total| total.before)),
            "proposed_monthly_cost": text(each(|total| total.after)),
            "delta_monthly_cost": text(each(Total::delta)),
        },
    });
    put(&mut document, "projects", Value::Array(vec![projects]));
    document
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn totals(estimate: &Estimate) -> Value {
    let one = |(currency, total): (&String, &Total)| {
        let value = json!({
            "before": total.before.normalize().to_string(),
            "after": total.after.normalize().to_string(),
            "after_low": total.after_low.normalize().to_string(),
            "delta": total.delta().normalize().to_string(),
        });
        (currency.clone(), value)
    };
    Value::Object(estimate.totals.iter().map(one).collect())
}

fn text(amount: Option<Decimal>) -> Value {
    amount.map_or(Value::Null, |amount| {
        Value::String(amount.normalize().to_string())
    })
}

fn hourly(amount: Option<Decimal>) -> Value {
    text(amount.and_then(|amount| amount.checked_div(HOURS.into())))
}

fn breakdown(estimate: &Estimate, side: Side, total: Option<Total>) -> Value {
    let resources: Vec<Value> = estimate
        .resources
        .iter()
        .filter_map(|resource| of_resource(resource, side))
        .collect();
    let free: Vec<Value> = if side == Side::After {
        estimate
            .free
            .iter()
            .map(|without| json!({"name": without.address, "resourceType": without.kind, "metadata": {}}))
            .collect()
    } else {
        Vec::new()
    };
    let amount = total.map(|total| match side {
        Side::Before => total.before,
        Side::After => total.after,
        Side::Change => total.delta(),
    });
    let mut breakdown = json!({
        "totalHourlyCost": hourly(amount),
        "totalMonthlyCost": text(amount),
        "totalMonthlyUsageCost": if side == Side::After { text(total.map(|total| total.usage)) } else { Value::Null },
    });
    put(&mut breakdown, "resources", Value::Array(resources));
    put(&mut breakdown, "freeResources", Value::Array(free));
    breakdown
}

fn of_resource(resource: &ResourceCost, side: Side) -> Option<Value> {
    let lines: Vec<(&Component, &Cost)> = resource
        .components
        .iter()
        .filter(|component| side != Side::Change || component.before != component.after)
        .filter_map(|component| {
            let cost = match side {
                Side::Before => component.before.as_ref(),
                Side::After => component.after.as_ref(),
                Side::Change => component.shown(),
            };
            cost.map(|cost| (component, cost))
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    let mut object = holder(&resource.address, &lines, 0, side);
    object.insert("resourceType".to_owned(), json!(resource.kind));
    object.insert("tags".to_owned(), json!({}));
    object.insert("metadata".to_owned(), json!({}));
    object.insert("action".to_owned(), json!(resource.action));
    object.insert("region".to_owned(), json!(resource.region));
    Some(Value::Object(object))
}

/// A resource or a sub-resource: what is directly in it, and what is deeper.
fn holder(
    name: &str,
    lines: &[(&Component, &Cost)],
    depth: usize,
    side: Side,
) -> Map<String, Value> {
    let direct: Vec<Value> = lines
        .iter()
        .filter(|(_, cost)| cost.path.len() == depth)
        .map(|(component, cost)| line(component, cost, side))
        .collect();
    let mut parts: Vec<Value> = Vec::new();
    let mut rest: Vec<(&Component, &Cost)> = lines
        .iter()
        .filter(|(_, cost)| cost.path.len() > depth)
        .copied()
        .collect();
    while let Some(step) = rest
        .first()
        .and_then(|(_, cost)| cost.path.get(depth))
        .cloned()
    {
        let (inner, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|(_, cost)| cost.path.get(depth) == Some(&step));
        parts.push(Value::Object(holder(&step, &inner, depth + 1, side)));
        rest = others;
    }
    let monthly: Option<Decimal> = lines
        .iter()
        .filter_map(|(component, cost)| amount(component, cost, side))
        .try_fold(Decimal::ZERO, Decimal::checked_add);
    let usage: Decimal = lines
        .iter()
        .filter(|(_, cost)| cost.usage_based)
        .filter_map(|(component, cost)| amount(component, cost, side))
        .sum();
    let known = lines
        .iter()
        .any(|(component, cost)| amount(component, cost, side).is_some());
    let monthly = monthly.filter(|_| known);
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    object.insert("hourlyCost".to_owned(), hourly(monthly));
    object.insert("monthlyCost".to_owned(), text(monthly));
    object.insert(
        "monthlyUsageCost".to_owned(),
        text((!usage.is_zero()).then_some(usage)),
    );
    object.insert("costComponents".to_owned(), Value::Array(direct));
    if !parts.is_empty() {
        object.insert("subresources".to_owned(), Value::Array(parts));
    }
    object
}

fn amount(component: &Component, cost: &Cost, side: Side) -> Option<Decimal> {
    if side == Side::Change {
        component.delta()
    } else {
        cost.monthly
    }
}

fn line(component: &Component, cost: &Cost, side: Side) -> Value {
    let quantity = if side == Side::Change {
        let of = |cost: &Option<Cost>| match cost {
            None => Some(Decimal::ZERO),
            Some(cost) => cost.quantity,
        };
        of(&component.after)
            .zip(of(&component.before))
            .map(|(after, before)| after - before)
    } else {
        cost.quantity
    };
    let monthly = amount(component, cost, side);
    let found = cost.price.as_ref();
    json!({
        "name": cost.name,
        "unit": cost.unit,
        "hourlyQuantity": hourly(quantity),
        "monthlyQuantity": text(quantity),
        "price": text(found.map(|found| found.price)),
        "hourlyCost": hourly(monthly),
        "monthlyCost": text(monthly),
        "usageBased": cost.usage_based,
        "priceNotFound": cost.state == State::PriceNotFound,
        "state": cost.state.name(),
        "reason": cost.reason,
        "quality": found.map(|found| found.quality.name()),
        "price_source": found.map(|found| found.source.as_str()),
        "price_id": found.filter(|found| found.row != u32::MAX).map(|found| found.row),
        "chosen": found.is_some_and(|found| found.chosen),
        "currency": found.map(|found| found.currency.as_str()),
        "monthlyCostLow": text(cost.monthly_low),
    })
}

fn summary(estimate: &Estimate) -> Value {
    let count = |kinds: Vec<&str>| {
        let mut counts: Map<String, Value> = Map::new();
        for kind in kinds {
            let known = counts.get(kind).and_then(Value::as_u64).unwrap_or(0);
            counts.insert(kind.to_owned(), json!(known + 1));
        }
        counts
    };
    let after: Vec<&ResourceCost> = estimate
        .resources
        .iter()
        .filter(|resource| {
            resource
                .components
                .iter()
                .any(|component| component.after.is_some())
        })
        .collect();
    let usage_based = after
        .iter()
        .filter(|resource| {
            resource
                .components
                .iter()
                .filter_map(|component| component.after.as_ref())
                .any(|cost| cost.usage_based)
        })
        .count();
    json!({
        "totalDetectedResources": after.len() + estimate.free.len() + estimate.unsupported.len(),
        "totalSupportedResources": after.len(),
        "totalUnsupportedResources": estimate.unsupported.len(),
        "totalUsageBasedResources": usage_based,
        "totalNoPriceResources": estimate.free.len(),
        "supportedResourceCounts": count(after.iter().map(|resource| resource.kind.as_str()).collect()),
        "unsupportedResourceCounts": count(estimate.unsupported.iter().map(|without| without.kind.as_str()).collect()),
        "noPriceResourceCounts": count(estimate.free.iter().map(|without| without.kind.as_str()).collect()),
        "components": {
            "priced": estimate.counts.priced,
            "depends_on_usage": estimate.counts.depends_on_usage,
            "known_after_apply": estimate.counts.known_after_apply,
            "price_not_found": estimate.counts.price_not_found,
        },
    })
}
