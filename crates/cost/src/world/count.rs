//! How many resources an attribute refers to.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, plain_address};
use crate::value::Value;

/// What an attribute refers to.
#[derive(Default)]
struct Referred {
    /// Addresses without instances, and the instances that are named of each.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Something leads to no resource of the plan.
    is_partial: bool,
    /// Each instance refers to one of several.
    is_one: bool,
}

impl World<'_, '_> {
    /// How many resources an attribute refers to, through the configuration: of one with instances each, unless the reference names
    /// some. Unknown where the attribute is, and something that it refers to leads to no resource.
    pub(crate) fn reference_count(&self, at: usize, path: &str) -> Value {
        let module = self.module_of(at);
        let mut referred = Referred::default();
        for expression in self.expressions_at(at, path) {
            for reference in expression.get("references").items() {
                self.refer(&module, reference, &mut referred);
            }
        }
        let Referred {
            named,
            is_partial,
            is_one,
        } = referred;
        if self.at_path(at, path) == Value::Unknown && (named.is_empty() || is_partial) {
            return Value::Unknown;
        }
        let each = named
            .iter()
            .map(|(plain, instances)| match instances.len() {
                0 if !is_one => self.candidates(at, plain).len().max(1),
                count => count.max(1),
            });
        Value::Number(each.sum::<usize>().into())
    }

    fn refer(&self, module: &str, reference: &Value, referred: &mut Referred) {
        let text = reference.to_string();
        if text.starts_with("count.") || text.starts_with("each.") {
            referred.is_one = true;
            return;
        }
        let mut found = Vec::new();
        let alone = Value::list(vec![reference.clone()]);
        self.follow(&alone, module, &mut found, 0);
        // `module.name` stands behind `module.name.output`.
        let is_shorter = text.starts_with("module.") && text.split('.').count() == 2;
        referred.is_partial |= found.is_empty() && !is_shorter;
        for target in found {
            let Some(plain) = plain_address(&target) else {
                continue;
            };
            referred.is_partial |= self.instances(&plain).is_empty();
            let instance = target.rfind(']').and_then(|end| target.get(..=end));
            let instances = referred.named.entry(plain).or_default();
            instances.extend(instance.map(str::to_owned));
        }
    }
}
