//! An estimate as JSON, in the form of Infracost's output version 0.2, with what we know beyond it.
//!
//! Comment templates and policies that read that form read this one. Numbers are texts, and what is not known is null. Beyond it:
//! `book`, the state and the quality of each component, and `cost_estimate` as policies know it. It is written as it is read from the
//! estimate: a document of hundreds of megabytes is never held.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;

use rust_decimal::Decimal;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::estimate::{Component, Cost, Estimate, ResourceCost, State, Total, Without};

/// Hours of a month.
const HOURS: u32 = 730;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
    Change,
}

/// An estimate as a document.
pub struct Document<'e> {
    estimate: &'e Estimate,
    project: String,
    made_at: String,
    /// With what the form has no word for.
    beyond: bool,
}

/// The whole document. `made_at` is when the estimate was made.
pub fn document<'e>(estimate: &'e Estimate, project: &str, made_at: &str) -> Document<'e> {
    Document {
        estimate,
        project: project.to_owned(),
        made_at: made_at.to_owned(),
        beyond: true,
    }
}

/// The whole document in the form of Infracost's output version 0.2, and nothing beyond it.
pub fn infracost<'e>(estimate: &'e Estimate, project: &str, made_at: &str) -> Document<'e> {
    Document {
        beyond: false,
        ..document(estimate, project, made_at)
    }
}

impl Document<'_> {
    /// Writes it, on one line.
    ///
    /// # Errors
    ///
    /// If nobody takes it.
    pub fn write(&self, mut to: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, self)?;
        to.write_all(b"\n")
    }
}

/// Text that goes through a writer of bytes.
struct Letters<'f, 'g>(&'f mut fmt::Formatter<'g>);

impl io::Write for Letters<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        serde_json::to_writer(Letters(f), self).map_err(|_| fmt::Error)
    }
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let estimate = self.estimate;
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
        let total = single.map(|(_, total)| total);
        let each = |of: fn(&Total) -> Decimal| total.as_ref().map(of);
        let (before, after) = (each(|total| total.before), each(|total| total.after));
        let delta = each(Total::delta);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", "0.2")?;
        map.serialize_entry("currency", single.map_or("USD", |(currency, _)| currency))?;
        for (hourly_name, monthly_name, usage_name, amount, usage) in [
            (
                "totalHourlyCost",
                "totalMonthlyCost",
                "totalMonthlyUsageCost",
                after,
                each(|total| total.usage),
            ),
            (
                "pastTotalHourlyCost",
                "pastTotalMonthlyCost",
                "pastTotalMonthlyUsageCost",
                before,
                None,
            ),
            (
                "diffTotalHourlyCost",
                "diffTotalMonthlyCost",
                "diffTotalMonthlyUsageCost",
                delta,
                None,
            ),
        ] {
            map.serialize_entry(hourly_name, &hourly(amount))?;
            map.serialize_entry(monthly_name, &Amount(amount))?;
            map.serialize_entry(usage_name, &Amount(usage))?;
        }
        map.serialize_entry("timeGenerated", &self.made_at)?;
        map.serialize_entry("summary", &Summary::of(estimate, self.beyond))?;
        map.serialize_entry("projects", &[Project { of: self, total }])?;
        if self.beyond {
            map.serialize_entry("book", &Prices(estimate))?;
            map.serialize_entry("assumptions", &estimate.assumptions)?;
            map.serialize_entry("warnings", &estimate.warnings)?;
            map.serialize_entry("complete", &estimate.is_complete())?;
            map.serialize_entry("totals", &Totals(estimate))?;
            let alias = BTreeMap::from([
                ("prior_monthly_cost", Amount(before)),
                ("proposed_monthly_cost", Amount(after)),
                ("delta_monthly_cost", Amount(delta)),
            ]);
            map.serialize_entry("cost_estimate", &alias)?;
        }
        map.end()
    }
}

/// An amount as a text with every digit, or null.
#[derive(Clone, Copy)]
struct Amount(Option<Decimal>);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(amount) => serializer.collect_str(&amount.normalize()),
            None => serializer.serialize_none(),
        }
    }
}

fn hourly(amount: Option<Decimal>) -> Amount {
    Amount(amount.and_then(|amount| amount.checked_div(HOURS.into())))
}

struct Prices<'e>(&'e Estimate);

impl Serialize for Prices<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.0.book)?;
        map.serialize_entry("digest", &self.0.book_digest)?;
        map.serialize_entry("created_at", &self.0.book_date)?;
        map.serialize_entry("overlay_digest", &self.0.overlay_digest)?;
        map.serialize_entry("date", &self.0.date)?;
        map.end()
    }
}

struct Totals<'e>(&'e Estimate);

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.totals.iter().map(|(currency, total)| {
            let each = BTreeMap::from([
                ("before", Amount(Some(total.before))),
                ("after", Amount(Some(total.after))),
                ("after_low", Amount(Some(total.after_low))),
                ("delta", Amount(Some(total.delta()))),
            ]);
            (currency, each)
        }))
    }
}

struct Project<'d, 'e> {
    of: &'d Document<'e>,
    total: Option<Total>,
}

impl Serialize for Project<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let project = self.of.project.as_str();
        let metadata = BTreeMap::from([("path", project), ("type", "terraform_plan_json")]);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", project)?;
        map.serialize_entry("metadata", &metadata)?;
        for (name, side) in [
            ("pastBreakdown", Side::Before),
            ("breakdown", Side::After),
            ("diff", Side::Change),
        ] {
            let breakdown = Breakdown {
                of: self.of,
                total: self.total,
                side,
            };
            map.serialize_entry(name, &breakdown)?;
        }
        let summary = Summary::of(self.of.estimate, self.of.beyond);
        map.serialize_entry("summary", &summary)?;
        map.end()
    }
}

struct Breakdown<'d, 'e> {
    of: &'d Document<'e>,
    total: Option<Total>,
    side: Side,
}

impl Serialize for Breakdown<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let amount = self.total.map(|total| match self.side {
            Side::Before => total.before,
            Side::After => total.after,
            Side::Change => total.delta(),
        });
        let usage = self.total.filter(|_| self.side == Side::After);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("totalHourlyCost", &hourly(amount))?;
        map.serialize_entry("totalMonthlyCost", &Amount(amount))?;
        map.serialize_entry(
            "totalMonthlyUsageCost",
            &Amount(usage.map(|total| total.usage)),
        )?;
        map.serialize_entry("resources", &Resources(self))?;
        map.serialize_entry("freeResources", &FreeResources(self))?;
        map.end()
    }
}

struct Resources<'b, 'd, 'e>(&'b Breakdown<'d, 'e>);

impl Serialize for Resources<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Breakdown { of, side, .. } = self.0;
        let resources = of.estimate.resources.iter();
        serializer.collect_seq(resources.filter_map(|resource| OfResource::of(resource, *side, of)))
    }
}

struct FreeResources<'b, 'd, 'e>(&'b Breakdown<'d, 'e>);

impl Serialize for FreeResources<'_, '_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let free = match self.0.side {
            Side::After => self.0.of.estimate.free.as_slice(),
            Side::Before | Side::Change => &[],
        };
        serializer.collect_seq(free.iter().map(Free))
    }
}

struct Free<'e>(&'e Without);

impl Serialize for Free<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.address)?;
        map.serialize_entry("resourceType", &self.0.kind)?;
        map.serialize_entry("metadata", &Nothing)?;
        map.end()
    }
}

/// An object without members.
struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}

type Line<'e> = (&'e Component, &'e Cost);

/// A resource or a sub-resource: what is directly in it, and what is deeper.
struct Holder<'e> {
    name: &'e str,
    lines: Vec<Line<'e>>,
    depth: usize,
    side: Side,
    beyond: bool,
}

struct OfResource<'e> {
    resource: &'e ResourceCost,
    holder: Holder<'e>,
}

impl<'e> OfResource<'e> {
    /// Nothing, if there is nothing of the resource on this side.
    fn of(resource: &'e ResourceCost, side: Side, document: &Document<'_>) -> Option<Self> {
        let components = resource
            .components
            .iter()
            .filter(|component| side != Side::Change || component.before != component.after);
        let lines: Vec<Line<'e>> = components
            .filter_map(|component| {
                let cost = match side {
                    Side::Before => component.before.as_ref(),
                    Side::After => component.after.as_ref(),
                    Side::Change => component.shown(),
                };
                cost.map(|cost| (component, cost))
            })
            .collect();
        let holder = Holder {
            name: &resource.address,
            lines,
            depth: 0,
            side,
            beyond: document.beyond,
        };
        (!holder.lines.is_empty()).then_some(Self { resource, holder })
    }
}

impl Serialize for OfResource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.holder.members(&mut map)?;
        map.serialize_entry("resourceType", &self.resource.kind)?;
        map.serialize_entry("tags", &Nothing)?;
        map.serialize_entry("metadata", &Nothing)?;
        if self.holder.beyond {
            map.serialize_entry("action", &self.resource.action)?;
            map.serialize_entry("region", &self.resource.region)?;
        }
        map.end()
    }
}

impl Serialize for Holder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map)?;
        map.end()
    }
}

impl Holder<'_> {
    fn members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let amounts = || {
            let all = self.lines.iter();
            all.filter_map(|(component, cost)| Some((cost, amount(component, cost, self.side)?)))
        };
        let sum: Option<Decimal> = amounts()
            .map(|(_, amount)| amount)
            .try_fold(Decimal::ZERO, Decimal::checked_add);
        let monthly = sum.filter(|_| amounts().next().is_some());
        let usage: Decimal = amounts()
            .filter(|(cost, _)| cost.usage_based)
            .map(|(_, amount)| amount)
            .sum();
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("hourlyCost", &hourly(monthly))?;
        map.serialize_entry("monthlyCost", &Amount(monthly))?;
        let usage = (!usage.is_zero()).then_some(usage);
        map.serialize_entry("monthlyUsageCost", &Amount(usage))?;
        map.serialize_entry("costComponents", &Direct(self))?;
        let parts = self.parts();
        if !parts.is_empty() {
            map.serialize_entry("subresources", &parts)?;
        }
        Ok(())
    }

    /// What is deeper, by the next step of the path.
    fn parts(&self) -> Vec<Holder<'_>> {
        let mut parts = Vec::new();
        let deeper = |(_, cost): &Line<'_>| cost.path.len() > self.depth;
        let mut rest: Vec<Line<'_>> = self
            .lines
            .iter()
            .copied()
            .filter(|line| deeper(line))
            .collect();
        while let Some(step) = rest
            .first()
            .copied()
            .and_then(|(_, cost)| cost.path.get(self.depth))
        {
            let (lines, others): (Vec<_>, Vec<_>) = rest
                .iter()
                .copied()
                .partition(|(_, cost)| cost.path.get(self.depth) == Some(step));
            parts.push(Holder {
                name: step,
                lines,
                depth: self.depth + 1,
                side: self.side,
                beyond: self.beyond,
            });
            rest = others;
        }
        parts
    }
}

/// The components that a holder has itself.
struct Direct<'h, 'e>(&'h Holder<'e>);

impl Serialize for Direct<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let direct = self.0.lines.iter();
        let direct = direct.filter(|(_, cost)| cost.path.len() == self.0.depth);
        serializer.collect_seq(direct.map(|line| OfLine {
            line: *line,
            side: self.0.side,
            beyond: self.0.beyond,
        }))
    }
}

fn amount(component: &Component, cost: &Cost, side: Side) -> Option<Decimal> {
    if side == Side::Change {
        component.delta()
    } else {
        cost.monthly
    }
}

struct OfLine<'e> {
    line: Line<'e>,
    side: Side,
    beyond: bool,
}

impl Serialize for OfLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (component, cost) = self.line;
        let quantity = if self.side == Side::Change {
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
        let monthly = amount(component, cost, self.side);
        let found = cost.price.as_deref();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &cost.name)?;
        map.serialize_entry("unit", &cost.unit)?;
        map.serialize_entry("hourlyQuantity", &hourly(quantity))?;
        map.serialize_entry("monthlyQuantity", &Amount(quantity))?;
        map.serialize_entry("price", &Amount(found.map(|found| found.price)))?;
        map.serialize_entry("hourlyCost", &hourly(monthly))?;
        map.serialize_entry("monthlyCost", &Amount(monthly))?;
        map.serialize_entry("usageBased", &cost.usage_based)?;
        map.serialize_entry("priceNotFound", &(cost.state == State::PriceNotFound))?;
        if self.beyond {
            let row = found
                .filter(|found| found.row != u32::MAX)
                .map(|found| found.row);
            map.serialize_entry("state", cost.state.name())?;
            map.serialize_entry("reason", &cost.reason)?;
            map.serialize_entry("quality", &found.map(|found| found.quality.name()))?;
            map.serialize_entry("price_source", &found.map(|found| found.source.as_str()))?;
            map.serialize_entry("price_id", &row)?;
            map.serialize_entry("chosen", &found.is_some_and(|found| found.chosen))?;
            map.serialize_entry("currency", &found.map(|found| found.currency.as_str()))?;
            map.serialize_entry("monthlyCostLow", &Amount(cost.monthly_low))?;
        }
        map.end()
    }
}

/// How many there are of what.
struct Summary<'e> {
    estimate: &'e Estimate,
    supported: BTreeMap<&'e str, usize>,
    unsupported: BTreeMap<&'e str, usize>,
    free: BTreeMap<&'e str, usize>,
    usage_based: usize,
    beyond: bool,
}

fn counted<'e>(kinds: impl Iterator<Item = &'e str>) -> BTreeMap<&'e str, usize> {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_insert(0) += 1;
    }
    counts
}

impl<'e> Summary<'e> {
    fn of(estimate: &'e Estimate, beyond: bool) -> Self {
        // What met a limit is among the unsupported, though it has components.
        let unsupported = estimate.unsupported.iter();
        let unsupported: HashSet<&str> = unsupported.map(|it| it.address.as_str()).collect();
        let after = |resource: &&ResourceCost| {
            let mut components = resource.components.iter();
            components.any(|component| component.after.is_some())
                && !unsupported.contains(resource.address.as_str())
        };
        let is_usage = |resource: &&ResourceCost| {
            let costs = resource.components.iter();
            let mut costs = costs.filter_map(|component| component.after.as_ref());
            costs.any(|cost| cost.usage_based)
        };
        let there = || estimate.resources.iter().filter(after);
        Self {
            estimate,
            supported: counted(there().map(|resource| resource.kind.as_str())),
            unsupported: counted(estimate.unsupported.iter().map(|it| it.kind.as_str())),
            free: counted(estimate.free.iter().map(|it| it.kind.as_str())),
            usage_based: there().filter(is_usage).count(),
            beyond,
        }
    }
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let supported: usize = self.supported.values().sum();
        let (unsupported, free) = (self.estimate.unsupported.len(), self.estimate.free.len());
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in [
            ("totalDetectedResources", supported + unsupported + free),
            ("totalSupportedResources", supported),
            ("totalUnsupportedResources", unsupported),
            ("totalUsageBasedResources", self.usage_based),
            ("totalNoPriceResources", free),
        ] {
            map.serialize_entry(name, &count)?;
        }
        map.serialize_entry("supportedResourceCounts", &self.supported)?;
        map.serialize_entry("unsupportedResourceCounts", &self.unsupported)?;
        map.serialize_entry("noPriceResourceCounts", &self.free)?;
        if self.beyond {
            let counts = &self.estimate.counts;
            let components = BTreeMap::from([
                ("priced", counts.priced),
                ("depends_on_usage", counts.depends_on_usage),
                ("known_after_apply", counts.known_after_apply),
                ("price_not_found", counts.price_not_found),
            ]);
            map.serialize_entry("components", &components)?;
        }
        map.end()
    }
}
