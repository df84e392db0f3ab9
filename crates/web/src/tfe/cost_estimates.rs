//! What the plan of a run costs, as terraform shows it: an estimate that a run relates to as soon as one is to be made.
//!
//! Terraform waits for it where the log of the plan has ended, and prints how many resources were estimated, what they will cost a month, and the
//! difference, behind a `$` of its own. So an amount of another currency says which; and where there are several, which are never added, or none,
//! the estimate has failed for terraform and its words stand beside. The same stands there in our own words, with every count.

use std::collections::BTreeMap;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::cost::estimate::{Component, Counts, Estimate, Micro, Resource, Side, Total};
use statehouse_core::cost::replay;
use statehouse_core::cost::seen::{self, Seen};
use statehouse_model::{CostEstimateId, RunId};

use super::document::{Document, to_one};
use crate::auth::{self, Asked, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "cost-estimates";
/// The media type of the whole.
pub(crate) const JSON: &str = "application/json";

/// What is told of an estimate. Amounts are texts: decimal numbers of the currency's unit.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `pending`, `finished`, or `errored` where there is no amount, or several that are never added.
    status: &'static str,
    /// Why it is `errored`.
    error_message: Option<String>,
    /// What there is costs a month, rounded; with its currency, unless that is USD.
    prior_monthly_cost: Option<String>,
    /// What there will be costs a month.
    proposed_monthly_cost: Option<String>,
    /// The difference, a number alone.
    delta_monthly_cost: Option<String>,
    /// How many resources there will be.
    resources_count: u64,
    /// How many of them have a cost that is known whole, or are free.
    matched_resources_count: u64,
    /// How many have not.
    unmatched_resources_count: u64,
    /// SHA-256 over all of it, in hex: what an approval is about.
    digest: Option<String>,
    /// Every amount by its currency.
    totals: BTreeMap<String, Amounts>,
    /// What is known and what is not, each counted.
    counts: Option<Counted>,
    /// The price book.
    book: Option<String>,
    /// When the book was made.
    book_date: Option<String>,
    /// The day whose prices count.
    date: Option<String>,
    /// What it was made from.
    inputs: Vec<Used>,
    /// What made it.
    engine: Option<String>,
    /// What was taken for granted.
    assumptions: Vec<String>,
    /// What a person should know.
    warnings: Vec<String>,
    /// Types whose cost is not known, and how many of each.
    unsupported: BTreeMap<String, u64>,
    /// The resources that change most, at most a hundred.
    resources: Vec<Shown>,
}

/// An amount on both sides.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Amounts {
    before: String,
    after: String,
    /// The same with the lower end of every range of the usage.
    after_low: Option<String>,
    delta: String,
}

impl From<&Total> for Amounts {
    fn from(total: &Total) -> Self {
        Self {
            before: total.before.clone(),
            after: total.after.clone(),
            after_low: Some(total.after_low.clone()),
            delta: total.delta.clone(),
        }
    }
}

impl From<&Micro> for Amounts {
    fn from(micro: &Micro) -> Self {
        Self {
            before: exact(micro.before),
            after: exact(micro.after),
            after_low: None,
            delta: exact(micro.delta),
        }
    }
}

/// How many there are of what.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Counted {
    free: u64,
    unsupported: u64,
    priced: u64,
    depends_on_usage: u64,
    known_after_apply: u64,
    price_not_found: u64,
}

impl From<Counts> for Counted {
    fn from(counts: Counts) -> Self {
        Self {
            free: counts.free,
            unsupported: counts.unsupported,
            priced: counts.priced,
            depends_on_usage: counts.depends_on_usage,
            known_after_apply: counts.known_after_apply,
            price_not_found: counts.price_not_found,
        }
    }
}

/// An input.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Used {
    /// `book`, `mapping`, `overlay` or `usage`.
    kind: &'static str,
    name: String,
    /// SHA-256 of its bytes, in hex.
    digest: String,
}

/// A resource.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    address: String,
    r#type: String,
    action: String,
    components: Vec<Part>,
}

/// A component.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Part {
    name: String,
    unit: String,
    before: Option<OneSide>,
    after: Option<OneSide>,
    /// What it costs more; null where a side is not known.
    delta: Option<String>,
    currency: Option<String>,
}

/// One side of a component.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct OneSide {
    quantity: Option<String>,
    price: Option<String>,
    monthly: Option<String>,
    /// `priced`, `depends_on_usage`, `known_after_apply` or `price_not_found`.
    state: String,
    why: String,
}

impl From<&Side> for OneSide {
    fn from(side: &Side) -> Self {
        Self {
            quantity: side.quantity.clone(),
            price: side.price.clone(),
            monthly: side.monthly.clone(),
            state: side.state.clone(),
            why: side.why.clone(),
        }
    }
}

impl From<&Component> for Part {
    fn from(component: &Component) -> Self {
        Self {
            name: component.name.clone(),
            unit: component.unit.clone(),
            before: component.before.as_ref().map(OneSide::from),
            after: component.after.as_ref().map(OneSide::from),
            delta: component.delta.clone(),
            currency: component.currency.clone(),
        }
    }
}

impl From<&Resource> for Shown {
    fn from(resource: &Resource) -> Self {
        Self {
            address: resource.address.clone(),
            r#type: resource.kind.clone(),
            action: resource.action.clone(),
            components: resource.components.iter().map(Part::from).collect(),
        }
    }
}

/// Millionths as a decimal number, every digit of it.
fn exact(micro: i64) -> String {
    let (sign, size) = (if micro < 0 { "-" } else { "" }, micro.unsigned_abs());
    let text = format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Millionths in hundredths, for people: half of one is one.
pub(crate) fn money(micro: i64) -> String {
    let cents = (micro.unsigned_abs() + 5_000) / 10_000;
    let sign = if micro < 0 && cents > 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// The same with its currency, unless that is the one whose sign terraform prints.
fn named(micro: i64, currency: &str) -> String {
    match currency {
        "USD" => money(micro),
        currency => format!("{} {currency}", money(micro)),
    }
}

/// The only amount, where nothing is missing.
fn only(estimate: &Estimate) -> Option<(&str, Micro)> {
    if estimate.missing().is_some() {
        return None;
    }
    let total = estimate.figures.totals.first_key_value();
    Some(
        total.map_or(("USD", Micro::default()), |(currency, total)| {
            (currency.as_str(), total.micro)
        }),
    )
}

impl From<&Seen> for Told {
    fn from(seen: &Seen) -> Self {
        let estimate = &seen.estimate;
        let (figures, only) = (&estimate.figures, only(estimate));
        let amount = |of: fn(Micro) -> i64| only.map(|(name, micro)| named(of(micro), name));
        let unmatched =
            figures.counts.resources - figures.counts.estimated.min(figures.counts.resources);
        Self {
            status: if only.is_some() {
                "finished"
            } else {
                "errored"
            },
            error_message: estimate.missing(),
            prior_monthly_cost: amount(|micro| micro.before),
            proposed_monthly_cost: amount(|micro| micro.after),
            delta_monthly_cost: only.map(|(_, micro)| money(micro.delta)),
            resources_count: figures.counts.resources,
            matched_resources_count: figures.counts.estimated,
            unmatched_resources_count: unmatched,
            digest: Some(seen.short.digest.clone()),
            totals: totals(&figures.totals),
            counts: estimate.why.is_none().then(|| figures.counts.into()),
            book: Some(figures.book.clone()).filter(|book| !book.is_empty()),
            book_date: Some(figures.book_date.clone()).filter(|date| !date.is_empty()),
            date: Some(estimate.date.clone()),
            inputs: estimate.inputs.iter().map(Used::from).collect(),
            engine: Some(estimate.engine.clone()),
            assumptions: figures.assumptions.clone(),
            warnings: figures.warnings.clone(),
            unsupported: figures.unsupported.clone(),
            resources: estimate.resources.iter().map(Shown::from).collect(),
        }
    }
}

impl From<&statehouse_core::cost::estimate::Used> for Used {
    fn from(used: &statehouse_core::cost::estimate::Used) -> Self {
        Self {
            kind: used.kind.as_str(),
            name: used.name.clone(),
            digest: used.digest.clone(),
        }
    }
}

/// Amounts by currency.
pub(super) fn totals<'t, T>(totals: &'t BTreeMap<String, T>) -> BTreeMap<String, Amounts>
where
    Amounts: From<&'t T>,
{
    let each = totals.iter();
    each.map(|(currency, total)| (currency.clone(), total.into()))
        .collect()
}

impl Told {
    /// One that is not made yet.
    fn awaited() -> Self {
        Self {
            status: "pending",
            error_message: None,
            prior_monthly_cost: None,
            proposed_monthly_cost: None,
            delta_monthly_cost: None,
            resources_count: 0,
            matched_resources_count: 0,
            unmatched_resources_count: 0,
            digest: None,
            totals: BTreeMap::new(),
            counts: None,
            book: None,
            book_date: None,
            date: None,
            inputs: Vec::new(),
            engine: None,
            assumptions: Vec::new(),
            warnings: Vec::new(),
            unsupported: BTreeMap::new(),
            resources: Vec::new(),
        }
    }
}

async fn of(asker: &Asker, text: &str) -> Result<(Ctx, RunId), Problem> {
    let id: CostEstimateId = auth::id(text)?;
    Ok((asker.house_of(&id).await?, RunId::from(&id)))
}

/// The estimate of a run, also one that is not made yet.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, run) = of(&asker, &id).await?;
    Ok(Document::one(beside(&ctx, &run).await?))
}

/// The estimate of a run as a resource.
pub(super) async fn beside(ctx: &Ctx, run: &RunId) -> Result<Value, Problem> {
    let found = seen::of_run(ctx, run).await?;
    let told = found.as_ref().map_or_else(Told::awaited, Told::from);
    Ok(resource(run, &told))
}

fn resource(run: &RunId, told: &Told) -> Value {
    let id = CostEstimateId::from(run);
    json!({
        "type": KIND,
        "id": id.as_str(),
        "attributes": told,
        "relationships": { "run": to_one("runs", run.as_str()) },
        "links": {
            "self": format!("/api/v2/{KIND}/{id}"),
            "json-output": format!("/api/v2/{KIND}/{id}/json-output"),
        },
    })
}

/// Which form of the whole.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Form {
    /// `infracost`, its output version 0.2 with what we know beyond it, which is given where nothing is asked; or `kept`, as it is kept: its SHA-256 is the digest.
    format: Option<String>,
}

/// All of an estimate, as JSON.
pub(crate) async fn json_output(
    asker: Asker,
    At(id): At<String>,
    Asked(form): Asked<Form>,
) -> Result<Response, Problem> {
    let (ctx, run) = of(&asker, &id).await?;
    let found = seen::of_run(&ctx, &run).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let bytes = match form.format.as_deref() {
        Some("kept") => found.text,
        None | Some("infracost") => {
            let document = found.estimate.document().map(ToOwned::to_owned);
            let missing = || {
                let why = found.estimate.missing().unwrap_or_default();
                Problem::unprocessable(format!("the plan could not be estimated: {why}"))
            };
            document.ok_or_else(missing)?.into()
        }
        Some(_) => {
            let words = "an estimate is given as `infracost` or as it is `kept`";
            return Err(Problem::invalid(words));
        }
    };
    Ok(([(CONTENT_TYPE, JSON)], bytes).into_response())
}

/// What came of making it again.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Again {
    /// Whether it is the same, to the byte.
    same: bool,
    /// SHA-256 of the one that is kept, in hex.
    kept: String,
    /// SHA-256 of the one that was made now.
    made: String,
    /// What made the one that is kept.
    engine: String,
    /// Why none could be made now, if none could.
    error_message: Option<String>,
}

/// Makes an estimate again, from the plan, the day and the inputs that it names.
pub(crate) async fn again(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let (ctx, run) = of(&asker, &id).await?;
    let found = replay::again(&ctx, &run).await?;
    let told = Again {
        same: found.kept == found.made,
        kept: found.kept,
        made: found.made,
        engine: found.engine,
        error_message: found.why,
    };
    Ok(Document::one(json!({
        "type": "cost-recomputations",
        "id": CostEstimateId::from(&run).as_str(),
        "attributes": told,
        "relationships": { "cost-estimate": to_one(KIND, CostEstimateId::from(&run).as_str()) },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millionths_are_rounded_for_people_and_exact_for_programs() {
        for (micro, shown, whole) in [
            (0, "0.00", "0"),
            (12_345_678, "12.35", "12.345678"),
            (-5_000, "-0.01", "-0.005"),
            (-4_999, "0.00", "-0.004999"),
            (1_000_000, "1.00", "1"),
        ] {
            assert_eq!(
                (money(micro).as_str(), exact(micro).as_str()),
                (shown, whole)
            );
        }
        assert_eq!(named(5_000_000, "CNY"), "5.00 CNY");
    }
}
