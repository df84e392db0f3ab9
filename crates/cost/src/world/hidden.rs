//! What the configuration of a plan does not tell: what `dynamic` writes, and what local values are made of.
//!
//! A plan says of which attributes anything in it was made, and not what was made of them. What only the provider will say cannot come
//! from any of them; what `dynamic` wrote may come from those that are known after apply themselves.

use std::collections::BTreeSet;

use super::World;
use crate::later::{REFERENCES, is_later_input};
use crate::plan::{value_of, without_instances};
use crate::value::Value;

/// Names of attributes that say which resource is meant: nothing that costs is made of them.
const IDENTITIES: [&str; 2] = ["id", "arn"];
/// Beginnings of types whose `id` is what they hold.
const HOLDERS: [&str; 4] = ["random_", "time_", "null_", "terraform_data"];

impl World<'_, '_> {
    /// Every attribute of a resource that the configuration of another one names.
    pub(super) fn direct_references(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (address, (_, raw)) in &self.configured.resources {
            references_in(value_of(*raw), &module_of(address), &mut found);
        }
        found
    }

    /// Whether a block that `dynamic` writes in a module may hold what is known after apply.
    pub(crate) fn may_hide_later(&self, module: &str) -> bool {
        if let Some(known) = self.hidden.borrow().get(module) {
            return *known;
        }
        let hides = self.hides_later(module);
        self.hidden.borrow_mut().insert(module.to_owned(), hides);
        hides
    }

    fn hides_later(&self, module: &str) -> bool {
        if !self.configured.tells_relevant {
            return true;
        }
        let direct = self.direct.get_or_init(|| self.direct_references());
        let by_attribute = self.configured.relevant.iter().any(|(address, attribute)| {
            let plain = without_instances(address);
            let name = attribute.items().first().map(ToString::to_string);
            match name.as_deref() {
                _ if !plain.starts_with(module) => false,
                Some(name) if IDENTITIES.contains(&name) && !is_holder(&plain) => false,
                Some(name) => self.is_any_later(&plain, name),
                // Of all instances of a resource something was made: of what is not told.
                None => !direct.contains(&plain),
            }
        });
        let inputs = self.configured.inputs.get(module);
        let inputs = value_of(inputs.copied());
        let mut inputs = inputs.members().iter();
        let by_input = inputs.any(|(name, _)| is_later_input(self, module, name));
        by_attribute || by_input
    }

    /// Whether an attribute is known after apply in any instance of a resource; what is not in the plan may be.
    fn is_any_later(&self, plain: &str, name: &str) -> bool {
        let instances = self.instances(plain);
        let is_later = |at: &usize| self.is_marked(*at, name);
        instances.is_empty() || instances.iter().any(is_later)
    }
}

/// Whether a resource, by its address without instances, is of a type whose `id` is what it holds.
fn is_holder(plain: &str) -> bool {
    let kind = plain.rsplit('.').nth(1).unwrap_or_default();
    HOLDERS.iter().any(|beginning| kind.starts_with(beginning))
}

/// The module of a resource: `module.name.type.name`, or `module.name.data.type.name`.
fn module_of(address: &str) -> String {
    let outer = address.rsplitn(3, '.').nth(2).unwrap_or_default();
    let outer = outer.strip_suffix("data").unwrap_or(outer);
    match outer.trim_end_matches('.') {
        "" => String::new(),
        name => format!("{name}."),
    }
}

fn references_in(of: Value, module: &str, found: &mut BTreeSet<String>) {
    let mut open = vec![of];
    while let Some(value) = open.pop() {
        match &value {
            Value::List(items) => open.extend(items.iter().cloned()),
            Value::Map(members) => {
                let references = value.get(REFERENCES);
                let texts = references.items().iter().filter_map(Value::as_text);
                found.extend(texts.map(|text| format!("{module}{text}")));
                open.extend(members.iter().map(|(_, value)| value.clone()));
            }
            _ => {}
        }
    }
}
