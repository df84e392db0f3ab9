//! What a score says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::score::components;
use super::{Failure, print};

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) components: usize,
    pub(crate) components_ok: usize,
    pub(crate) totals: usize,
    pub(crate) totals_ok: usize,
    /// In the list, but without a price.
    pub(crate) unknown: usize,
    /// Not in the list.
    pub(crate) missing: usize,
    /// In the list, but not expected.
    pub(crate) extra: usize,
    /// Several prices fit the text, and attributes of the plan chose.
    pub(crate) chosen: usize,
    states: BTreeMap<String, usize>,
    unsupported: usize,
    resources: usize,
}

/// Every state of a component: one that no component is in is told, too.
const STATES: [&str; 4] = [
    "priced",
    "price_not_found",
    "depends_on_usage",
    "known_after_apply",
];

impl Tally {
    /// Counts what an estimate with the shipped book could say.
    pub(crate) fn covered(&mut self, document: &Value) {
        for state in STATES {
            self.states.entry(state.to_owned()).or_insert(0);
        }
        for estimated in components(document).into_values().flatten() {
            *self.states.entry(estimated.state).or_insert(0) += 1;
        }
        let count = |name: &str| {
            let found = document.pointer(&format!("/summary/{name}"));
            let found = found.and_then(Value::as_u64).unwrap_or(0);
            usize::try_from(found).unwrap_or(0)
        };
        self.unsupported += count("totalUnsupportedResources");
        self.resources += count("totalDetectedResources");
    }

    /// What an estimate with the shipped book could say: components by state, and resources.
    fn coverage(&self) -> Value {
        let mut coverage = json!(self.states);
        if let Some(object) = coverage.as_object_mut() {
            let components: usize = self.states.values().sum();
            object.insert("components".to_owned(), json!(components));
            object.insert("resources".to_owned(), json!(self.resources));
            object.insert("unsupported".to_owned(), json!(self.unsupported));
        }
        coverage
    }

    fn add(&mut self, other: &Self) {
        self.components += other.components;
        self.components_ok += other.components_ok;
        self.totals += other.totals;
        self.totals_ok += other.totals_ok;
        self.unknown += other.unknown;
        self.missing += other.missing;
        self.extra += other.extra;
        self.chosen += other.chosen;
    }

    fn json(&self) -> Value {
        json!({
            "components": self.components,
            "components_ok": self.components_ok,
            "totals": self.totals,
            "totals_ok": self.totals_ok,
        })
    }
}

/// A share in percent, with one digit.
fn share(part: usize, of: usize) -> String {
    let tenths = (part * 1000).checked_div(of).unwrap_or(0);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

pub(crate) fn report(
    tallies: &BTreeMap<&str, Tally>,
    shipped: &Tally,
    as_json: bool,
) -> Result<(), Failure> {
    let mut all = Tally::default();
    for tally in tallies.values() {
        all.add(tally);
    }
    print("provider  components      right   totals   right  chosen  unknown  missing  extra\n")?;
    let named = tallies
        .iter()
        .map(|(name, tally)| (*name, tally))
        .chain([("all", &all)]);
    for (name, tally) in named {
        print(&format!(
            "{name:<9} {:>10} {:>10} {:>8} {:>7} {:>7} {:>8} {:>8} {:>6}\n",
            tally.components,
            format!("{} ", share(tally.components_ok, tally.components)),
            tally.totals,
            share(tally.totals_ok, tally.totals),
            tally.chosen,
            tally.unknown,
            tally.missing,
            tally.extra
        ))?;
    }
    let count: usize = shipped.states.values().sum();
    if count > 0 {
        let resources = shipped.resources;
        print(&format!(
            "With the shipped book, over the AWS cases: {count} components of {resources} resources\n"
        ))?;
        for (state, part) in &shipped.states {
            let words = state.replace('_', " ");
            print(&format!(
                "  {words:<18} {part:>6}  {}\n",
                share(*part, count)
            ))?;
        }
        print(&format!(
            "  {:<18} {:>6}  {} of the resources\n",
            "unsupported",
            shipped.unsupported,
            share(shipped.unsupported, resources)
        ))?;
    }
    if as_json {
        let mut line = all.json();
        if let Some(object) = line.as_object_mut() {
            let by_provider = tallies
                .iter()
                .map(|(name, tally)| ((*name).to_owned(), tally.json()))
                .collect();
            object.insert("by_provider".to_owned(), Value::Object(by_provider));
            object.insert("shipped_book".to_owned(), shipped.coverage());
        }
        print(&format!("{line}\n"))?;
    }
    Ok(())
}
