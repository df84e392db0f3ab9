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
}

impl Tally {
    /// Counts what an estimate with the shipped book could say.
    pub(crate) fn covered(&mut self, document: &Value) {
        for estimated in components(document).into_values().flatten() {
            *self.states.entry(estimated.state).or_insert(0) += 1;
        }
        let unsupported = document
            .pointer("/summary/totalUnsupportedResources")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        self.unsupported += usize::try_from(unsupported).unwrap_or(0);
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
        print(&format!(
            "With the shipped book, over the AWS cases: {count} components\n"
        ))?;
        for (state, part) in &shipped.states {
            print(&format!(
                "  {state:<18} {part:>6}  {}\n",
                share(*part, count)
            ))?;
        }
        print(&format!(
            "  unsupported resources: {}\n",
            shipped.unsupported
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
        }
        print(&format!("{line}\n"))?;
    }
    Ok(())
}
