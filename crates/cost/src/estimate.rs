//! What a plan costs, before and after it.
//!
//! Each resource is one of four: it has components, it is free, its type is not known ("unsupported"), or its mapping refuses it for a
//! reason. Each component is priced, depends on usage that nobody gave, is known after apply, or has no price in the book. The four
//! never mix, each is counted, and none of them is zero. A resource that meets a limit of the estimator is among the unsupported, too,
//! whatever of it was estimated. Sums are by currency; two currencies are never added. Decimals stay as they are: rounding is the
//! display's. Absent on purpose: opinions about the amounts, which are the policy's.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::evaluate::{Asked, Evaluator};
use crate::mapping::{Mapping, MappingError};
use crate::plan::{Plan, Resource};
use crate::price::book::Book;
use crate::price::overlay::Overlay;
use crate::price::{Found, shown_date};
use crate::usage::{End, Usage};
use crate::walk::{Outcome, Prices, Walk};
use crate::world::World;

/// Types that exist in usage files only.
const PSEUDO: [&str; 1] = ["aws_data_transfer"];

/// With what a plan is estimated.
#[derive(Clone, Copy)]
pub struct Settings<'s> {
    /// The prices.
    pub book: &'s Book,
    /// The prices of the house, over them.
    pub overlay: Option<&'s Overlay>,
    /// The day whose prices count, as one number.
    pub date: u32,
    /// Azure's prices for development and test count.
    pub dev_test: bool,
    /// A price of another region counts where all regions agree on one; it is marked as estimated.
    pub elsewhere: bool,
    /// Every resource is taken for one of this region.
    pub region: Option<&'s str>,
}

/// Why a component has no cost, if it has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It has one.
    Priced,
    /// How much is used nobody said.
    DependsOnUsage,
    /// How much, or which price, is known after apply.
    KnownAfterApply,
    /// The book has no price.
    PriceNotFound,
}

impl State {
    /// Its name in output and policies.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Priced => "priced",
            Self::DependsOnUsage => "depends_on_usage",
            Self::KnownAfterApply => "known_after_apply",
            Self::PriceNotFound => "price_not_found",
        }
    }
}

/// A component on one side of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// The sub-resources that lead to it.
    pub path: Vec<String>,
    /// Its name.
    pub name: String,
    /// The unit of the quantity.
    pub unit: String,
    /// How much a month.
    pub quantity: Option<Decimal>,
    /// The price of one unit; of many components it is the same.
    pub price: Option<Arc<Found>>,
    /// What it costs a month.
    pub monthly: Option<Decimal>,
    /// The same, with the lower end of every range of the usage.
    pub monthly_low: Option<Decimal>,
    /// Usage counts in it.
    pub usage_based: bool,
    /// Whether it has a cost, or why not.
    pub state: State,
    /// What is missing, or what was looked for.
    pub reason: String,
}

/// A component on both sides of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Component {
    /// What it was.
    pub before: Option<Cost>,
    /// What it will be.
    pub after: Option<Cost>,
}

impl Component {
    /// What it will be, or what it was.
    pub fn shown(&self) -> Option<&Cost> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// What it costs more a month, if both sides are known.
    pub fn delta(&self) -> Option<Decimal> {
        let side = |cost: &Option<Cost>| match cost {
            None => Some(Decimal::ZERO),
            Some(cost) => cost.monthly,
        };
        side(&self.after)?.checked_sub(side(&self.before)?)
    }

    /// The currency of its prices.
    pub fn currency(&self) -> Option<&str> {
        [&self.after, &self.before]
            .into_iter()
            .flatten()
            .find_map(|cost| cost.price.as_ref())
            .map(|found| found.currency.as_str())
    }
}

/// A resource with components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceCost {
    /// Its address.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// What the plan does to it.
    pub action: String,
    /// Where it is.
    pub region: String,
    /// What it consists of; of resources that are alike it is the same.
    pub components: Arc<[Component]>,
}

/// An amount on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// What there is costs a month.
    pub before: Decimal,
    /// What there will be costs a month.
    pub after: Decimal,
    /// The same, with the lower end of every range of the usage.
    pub after_low: Decimal,
    /// How much of it depends on usage.
    pub usage: Decimal,
}

impl Total {
    /// What it costs more.
    pub fn delta(&self) -> Decimal {
        self.after - self.before
    }

    fn add(&mut self, cost: &Cost, is_after: bool) {
        let Some(monthly) = cost.monthly else { return };
        if !is_after {
            self.before += monthly;
            return;
        }
        self.after += monthly;
        self.after_low += cost.monthly_low.unwrap_or(monthly);
        if cost.usage_based {
            self.usage += monthly;
        }
    }
}

/// A resource that has no components, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Without {
    /// Its address.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// Why, where there is more to say than the list it is in.
    pub reason: String,
}

/// How many components of what will be are of each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// With a cost.
    pub priced: usize,
    /// That depend on usage.
    pub depends_on_usage: usize,
    /// That are known after apply.
    pub known_after_apply: usize,
    /// Without a price in the book.
    pub price_not_found: usize,
}

/// An estimate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The book, by its name.
    pub book: String,
    /// The digest of the book.
    pub book_digest: String,
    /// When the book was made.
    pub book_date: String,
    /// The digest of the overlay, if there is one.
    pub overlay_digest: Option<String>,
    /// The day whose prices count.
    pub date: String,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// Resources with components.
    pub resources: Vec<ResourceCost>,
    /// Resources that are free.
    pub free: Vec<Without>,
    /// Resources whose cost is not known.
    pub unsupported: Vec<Without>,
    /// By currency.
    pub totals: BTreeMap<String, Total>,
    /// Components of what will be, by state.
    pub counts: Counts,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Estimates a plan.
pub fn estimate(
    plan: &Plan<'_>,
    usage: &Usage,
    mapping: &Mapping,
    settings: &Settings<'_>,
) -> Result<Estimate, MappingError> {
    let ends = Ends {
        high: usage.at(End::High),
        low: usage.has_ranges().then(|| usage.at(End::Low)),
    };
    let prices = Prices::new(settings);
    let after = World::new(plan, &plan.after);
    let before = World::new(plan, &plan.before);
    let mut estimate = frame(settings);
    let mut alike = Alike::default();
    for (at, resource) in plan.after.iter().enumerate() {
        if after.place_of(&resource.address) != Some(at) {
            continue;
        }
        let was = before.place_of(&resource.address);
        let was = was.map(|at| of_resource(&before, at, &ends.high, mapping, &prices));
        let will = ends.of_resource(&after, at, mapping, &prices)?;
        estimate.add(resource, was.transpose()?, Some(will), &mut alike);
    }
    for (at, resource) in plan.before.iter().enumerate() {
        let is_gone = after.place_of(&resource.address).is_none();
        if is_gone && before.place_of(&resource.address) == Some(at) {
            let was = of_resource(&before, at, &ends.high, mapping, &prices)?;
            estimate.add(resource, Some(was), None, &mut alike);
        }
    }
    pseudo(plan, &ends, mapping, &prices, &mut estimate)?;
    estimate.close(plan, usage, mapping);
    Ok(estimate)
}

/// What is used, with either end of its ranges.
struct Ends {
    high: Usage,
    low: Option<Usage>,
}

impl Ends {
    /// With the upper ends; what each component costs with the lower ones is noted.
    fn of_resource(
        &self,
        world: &World<'_, '_>,
        at: usize,
        mapping: &Mapping,
        prices: &Prices<'_>,
    ) -> Result<Outcome, MappingError> {
        let mut outcome = of_resource(world, at, &self.high, mapping, prices)?;
        let (Some(low), Outcome::Components { components, .. }) = (&self.low, &mut outcome) else {
            return Ok(outcome);
        };
        if let Outcome::Components {
            components: lower, ..
        } = of_resource(world, at, low, mapping, prices)?
        {
            for cost in components {
                let same = lower
                    .iter()
                    .find(|one| one.path == cost.path && one.name == cost.name);
                // A step that the lower end does not reach costs nothing there.
                cost.monthly_low =
                    same.map_or(cost.monthly.map(|_| Decimal::ZERO), |one| one.monthly);
            }
        }
        Ok(outcome)
    }
}

/// Lists of components that some resource has: many have the same.
#[derive(Default)]
struct Alike(HashSet<Arc<[Component]>>);

/// How many lists are kept to be found again.
const ALIKE_MAX: usize = 16_384;

impl Alike {
    fn share(&mut self, components: Vec<Component>) -> Arc<[Component]> {
        if let Some(known) = self.0.get(&*components) {
            return known.clone();
        }
        let components: Arc<[Component]> = Arc::from(components);
        if self.0.len() < ALIKE_MAX {
            self.0.insert(components.clone());
        }
        components
    }
}

fn frame(settings: &Settings<'_>) -> Estimate {
    let meta = settings.book.meta();
    let mut assumptions = vec!["a month has 730 hours".to_owned()];
    if settings.dev_test {
        assumptions.push("Azure's prices for development and test count".to_owned());
    }
    if settings.elsewhere {
        assumptions
            .push("where a region has no price, that of others counts if they agree".to_owned());
    }
    if let Some(region) = settings.region {
        assumptions.push(format!("everything is in {region}"));
    }
    Estimate {
        book: meta.id.clone(),
        book_digest: settings.book.digest().to_owned(),
        book_date: meta.created_at.clone(),
        overlay_digest: settings.overlay.map(|overlay| overlay.digest().to_owned()),
        date: shown_date(settings.date),
        assumptions,
        ..Estimate::default()
    }
}

fn of_resource(
    world: &World<'_, '_>,
    at: usize,
    usage: &Usage,
    mapping: &Mapping,
    prices: &Prices<'_>,
) -> Result<Outcome, MappingError> {
    Walk::new(Evaluator::new(mapping, world, usage, at), prices).resource()
}

/// Resources that only the usage has.
fn pseudo(
    plan: &Plan<'_>,
    ends: &Ends,
    mapping: &Mapping,
    prices: &Prices<'_>,
    estimate: &mut Estimate,
) -> Result<(), MappingError> {
    let mut alike = Alike::default();
    for kind in PSEUDO {
        let resources: Vec<Resource<'_>> = ends
            .high
            .addresses_of(kind)
            .into_iter()
            .map(|address| Resource::new(address.into(), kind.into(), None))
            .collect();
        let world = World::new(plan, &resources);
        for (at, resource) in resources.iter().enumerate() {
            let outcome = ends.of_resource(&world, at, mapping, prices)?;
            // What is used is used before and after: a plan does not change it.
            estimate.add(resource, Some(outcome.clone()), Some(outcome), &mut alike);
        }
    }
    Ok(())
}

impl Estimate {
    fn add(
        &mut self,
        resource: &Resource<'_>,
        before: Option<Outcome>,
        after: Option<Outcome>,
        alike: &mut Alike,
    ) {
        let mut costs = [Vec::new(), Vec::new()];
        let mut region = String::new();
        let mut others = Vec::new();
        let is_gone = after.is_none();
        let is_unsupported = matches!(after, Some(Outcome::Unsupported(_)));
        if let Some(Outcome::Components {
            cut: Some(limit), ..
        }) = &after
        {
            let address = &resource.address;
            let warning = format!("{address} is not estimated to its end: {limit}");
            self.warnings.push(warning);
            self.without(resource, Some(Outcome::Unsupported(limit.clone())));
        }
        for (side, outcome) in costs.iter_mut().zip([before, after]) {
            match outcome {
                Some(Outcome::Components {
                    components,
                    region: place,
                    ..
                }) => {
                    *side = components;
                    region = place;
                }
                Some(other) => others.push(other),
                None => {}
            }
        }
        let [before, after] = costs;
        if before.is_empty() && after.is_empty() {
            if !is_gone {
                self.without(resource, others.pop());
            }
            return;
        }
        if is_unsupported {
            // It had a price, and what it becomes has none that is known: it does not cost nothing from now on.
            self.without(resource, others.pop());
        }
        self.resources.push(ResourceCost {
            address: resource.address.clone().into_owned(),
            kind: resource.kind.clone().into_owned(),
            action: resource.action.to_owned(),
            region,
            components: alike.share(paired(before, after)),
        });
    }

    fn without(&mut self, resource: &Resource<'_>, outcome: Option<Outcome>) {
        let (list, reason) = match outcome {
            Some(Outcome::Unsupported(reason)) => (&mut self.unsupported, reason),
            _ => (&mut self.free, String::new()),
        };
        list.push(Without {
            address: resource.address.clone().into_owned(),
            kind: resource.kind.clone().into_owned(),
            reason,
        });
    }

    /// Sums up and counts.
    fn sum(&mut self) {
        let mut totals: BTreeMap<String, Total> = BTreeMap::new();
        let mut counts = Counts::default();
        for component in self
            .resources
            .iter()
            .flat_map(|resource| resource.components.iter())
        {
            for (cost, is_after) in [(&component.before, false), (&component.after, true)] {
                let Some(cost) = cost else { continue };
                if is_after {
                    counts.add(&cost.state);
                }
                let Some(found) = &cost.price else { continue };
                if !totals.contains_key(&found.currency) {
                    totals.insert(found.currency.clone(), Total::default());
                }
                if let Some(total) = totals.get_mut(&found.currency) {
                    total.add(cost, is_after);
                }
            }
        }
        self.totals = totals;
        self.counts = counts;
    }

    /// Sums up, counts, and says what a person should know.
    fn close(&mut self, plan: &Plan<'_>, usage: &Usage, mapping: &Mapping) {
        self.sum();
        if self.totals.len() > 1 {
            self.warnings.push(
                "prices are in several currencies: there is a total for each, and none over all"
                    .to_owned(),
            );
        }
        let mut addresses: Vec<(&str, &str)> = plan
            .after
            .iter()
            .chain(&plan.before)
            .map(|r| (&*r.address, &*r.kind))
            .collect();
        let pseudo: Vec<(String, &str)> = PSEUDO
            .iter()
            .flat_map(|kind| {
                usage
                    .addresses_of(kind)
                    .into_iter()
                    .map(move |address| (address, *kind))
            })
            .collect();
        addresses.extend(
            pseudo
                .iter()
                .map(|(address, kind)| (address.as_str(), *kind)),
        );
        let known = |kind: &str, key: &str| mapping.knows_usage(kind, key);
        self.warnings.extend(usage.strange(&addresses, known));
    }

    /// The change from what this estimate says there will be to what another one says.
    #[must_use]
    pub fn changed_to(self, next: Self) -> Self {
        let mut before: BTreeMap<String, Vec<Cost>> = self
            .resources
            .into_iter()
            .map(|resource| {
                let costs = resource.components.iter();
                let costs = costs.filter_map(|component| component.after.clone());
                (resource.address, costs.collect())
            })
            .collect();
        let mut changed = Self {
            totals: BTreeMap::new(),
            ..next
        };
        let total_before = self.totals;
        for resource in &mut changed.resources {
            let after: Vec<Cost> = resource
                .components
                .iter()
                .filter_map(|component| component.after.clone())
                .collect();
            let old = before.remove(&resource.address);
            resource.action = match (&old, after.is_empty()) {
                (None, _) => "create",
                (Some(_), true) => "delete",
                (Some(_), false) => "update",
            }
            .to_owned();
            resource.components = paired(old.unwrap_or_default(), after).into();
        }
        for (address, costs) in before {
            let kind = address.split('.').next().unwrap_or_default().to_owned();
            changed.resources.push(ResourceCost {
                address,
                kind,
                action: "delete".to_owned(),
                region: String::new(),
                components: paired(costs, Vec::new()).into(),
            });
        }
        changed.sum();
        for (currency, total) in total_before {
            changed.totals.entry(currency).or_default().before = total.after;
        }
        changed
    }

    /// Whether everything has a cost, or is known to have none.
    pub fn is_complete(&self) -> bool {
        let counts = &self.counts;
        self.unsupported.is_empty()
            && counts.depends_on_usage + counts.known_after_apply + counts.price_not_found == 0
    }
}

impl Counts {
    fn add(&mut self, state: &State) {
        let count = match state {
            State::Priced => &mut self.priced,
            State::DependsOnUsage => &mut self.depends_on_usage,
            State::KnownAfterApply => &mut self.known_after_apply,
            State::PriceNotFound => &mut self.price_not_found,
        };
        *count += 1;
    }
}

/// A name without what is in brackets: `Instance usage (t3.micro)` and `Instance usage (t3.large)` are one component that changes.
fn plain(name: &str) -> &str {
    name.split_once(" (").map_or(name, |(plain, _)| plain)
}

/// Puts together what is the same component on both sides.
fn paired(before: Vec<Cost>, after: Vec<Cost>) -> Vec<Component> {
    let mut components: Vec<Component> = after
        .into_iter()
        .map(|cost| Component {
            before: None,
            after: Some(cost),
        })
        .collect();
    if before.is_empty() {
        return components;
    }
    let mut before: Vec<Option<Cost>> = before.into_iter().map(Some).collect();
    let exact = |one: &Cost, other: &Cost| {
        one.path == other.path && one.name == other.name && one.unit == other.unit
    };
    let near = |one: &Cost, other: &Cost| {
        let path = |cost: &Cost| {
            cost.path
                .iter()
                .map(|step| plain(step).to_owned())
                .collect::<Vec<_>>()
        };
        path(one) == path(other) && plain(&one.name) == plain(&other.name) && one.unit == other.unit
    };
    for is_same in [exact as fn(&Cost, &Cost) -> bool, near] {
        for component in components
            .iter_mut()
            .filter(|component| component.before.is_none())
        {
            let Some(after) = &component.after else {
                continue;
            };
            let found = before
                .iter_mut()
                .find(|one| one.as_ref().is_some_and(|one| is_same(one, after)));
            component.before = found.and_then(Option::take);
        }
    }
    components.extend(before.into_iter().flatten().map(|cost| Component {
        before: Some(cost),
        after: None,
    }));
    components
}

/// Why there is no amount, where usage would say it.
pub(crate) fn missing_usage(asked: &Asked) -> String {
    if asked.missing.is_empty() {
        return "how much is not known".to_owned();
    }
    format!("depends on usage: {}", asked.missing.join(", "))
}

/// Why there is no amount, where the plan does not say it yet: `later` is what has to become known, and `asked` may name usage that
/// nobody gave, too.
pub(crate) fn known_later(later: &Asked, asked: &Asked) -> String {
    let mut reason = "known after apply".to_owned();
    if !later.unknown.is_empty() {
        reason.push_str(": ");
        reason.push_str(&later.unknown.join(", "));
    }
    if !asked.missing.is_empty() {
        reason.push_str("; ");
        reason.push_str(&missing_usage(asked));
    }
    reason
}

#[cfg(test)]
mod tests;
