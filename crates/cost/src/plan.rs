//! A plan or a state, as `show -json` writes it, read without copying it.
//!
//! Everything is a slice of the text: a plan of a hundred megabytes costs its text and an index. What a resource holds is read when it
//! is asked for. Absent on purpose: data sources, outputs, and any judgement of the plan.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::value::Value;

/// Modules nest at most this deep: the reader of JSON stops at twice as many levels.
const MODULES_MAX: usize = 60;

/// A plan cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It is no JSON, or JSON of another form.
    #[error(
        "this is no plan: {0} (expected is what `terraform show -json PLANFILE` or `tofu show -json PLANFILE` prints)"
    )]
    NoJson(#[from] serde_json::Error),
    /// It is JSON, but neither a plan nor a state.
    #[error(
        "this JSON is neither a plan nor a state: it has no planned_values and no values; write it with `terraform show -json PLANFILE`"
    )]
    NoPlan,
    /// Its form is one that is not known.
    #[error(
        "this plan has format version {0}, known are 0.1 to 1.x: a newer statehouse may read it"
    )]
    Version(String),
    /// Modules nest deeper than any real configuration.
    #[error("modules nest deeper than {MODULES_MAX}, at {0}")]
    Deep(String),
}

/// A text of the plan, without a copy of it where it has no escapes.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Text<'t>(Cow<'t, str>);

impl<'de: 't, 't> Deserialize<'de> for Text<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

#[derive(Deserialize)]
struct File<'t> {
    #[serde(borrow)]
    format_version: Option<Text<'t>>,
    #[serde(borrow)]
    timestamp: Option<Text<'t>>,
    #[serde(borrow)]
    planned_values: Option<Values<'t>>,
    #[serde(borrow)]
    prior_state: Option<Prior<'t>>,
    #[serde(borrow)]
    values: Option<Values<'t>>,
    #[serde(borrow, default)]
    resource_changes: Option<Changes<'t>>,
    #[serde(borrow)]
    configuration: Option<Configuration<'t>>,
    #[serde(borrow, default)]
    variables: Option<HashMap<Cow<'t, str>, Variable<'t>>>,
    #[serde(borrow, default)]
    relevant_attributes: Option<Vec<Relevant<'t>>>,
}

/// An attribute that something in the plan was made of.
#[derive(Deserialize)]
struct Relevant<'t> {
    #[serde(borrow)]
    resource: Text<'t>,
    #[serde(borrow)]
    attribute: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Variable<'t> {
    #[serde(borrow)]
    value: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Prior<'t> {
    #[serde(borrow)]
    values: Option<Values<'t>>,
}

#[derive(Deserialize)]
struct Values<'t> {
    #[serde(borrow)]
    root_module: Option<Module<'t>>,
}

#[derive(Deserialize)]
struct Module<'t> {
    #[serde(borrow)]
    address: Option<Text<'t>>,
    #[serde(borrow, default)]
    resources: Option<Listed<'t>>,
    #[serde(borrow, default)]
    child_modules: Option<Vec<Module<'t>>>,
}

/// The resources of a module, as they are kept: nothing stands between the text and them.
struct Listed<'t>(Vec<Resource<'t>>);

impl<'de: 't, 't> Deserialize<'de> for Listed<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Listed<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of resources")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Listed<'de>, A::Error> {
                let mut found = Vec::new();
                while let Some(planned) = seq.next_element::<Planned<'de>>()? {
                    found.extend(planned.managed());
                }
                Ok(Listed(found))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct Planned<'t> {
    #[serde(borrow)]
    address: Text<'t>,
    #[serde(borrow)]
    mode: Option<Text<'t>>,
    #[serde(borrow, rename = "type")]
    kind: Text<'t>,
    #[serde(borrow)]
    values: Option<&'t RawValue>,
}

impl<'t> Planned<'t> {
    /// The resource, if it is one: what was only read is none.
    fn managed(self) -> Option<Resource<'t>> {
        let is_managed = self.mode.is_none_or(|mode| mode.0 != "data");
        is_managed.then(|| Resource::new(self.address.0, self.kind.0, self.values))
    }
}

/// What becomes of each address: in one word, and what is known after apply.
#[derive(Default)]
struct Changes<'t>(HashMap<Cow<'t, str>, Becomes<'t>>);

/// One word, and what is known after apply.
type Becomes<'t> = (&'static str, Option<&'t RawValue>);

impl<'de: 't, 't> Deserialize<'de> for Changes<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Changes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of changes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Changes<'de>, A::Error> {
                let mut found = HashMap::new();
                while let Some(change) = seq.next_element::<ChangeOf<'de>>()? {
                    found.extend(change.told());
                }
                Ok(Changes(found))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

#[derive(Deserialize)]
struct ChangeOf<'t> {
    #[serde(borrow)]
    address: Text<'t>,
    #[serde(borrow)]
    change: Option<Change<'t>>,
}

impl<'t> ChangeOf<'t> {
    /// What becomes of which address.
    fn told(self) -> Option<(Cow<'t, str>, Becomes<'t>)> {
        let what = self.change?;
        Some((self.address.0, (what.actions.word(), what.after_unknown)))
    }
}

#[derive(Deserialize)]
struct Change<'t> {
    #[serde(default)]
    actions: Actions,
    #[serde(borrow)]
    after_unknown: Option<&'t RawValue>,
}

/// Which actions are among those of a change.
#[derive(Clone, Copy, Default)]
struct Actions {
    create: bool,
    delete: bool,
    update: bool,
}

impl Actions {
    fn word(self) -> &'static str {
        match (self.create, self.delete, self.update) {
            (true, true, _) => "replace",
            (true, false, _) => "create",
            (false, true, _) => "delete",
            (false, false, true) => "update",
            _ => NO_OP,
        }
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Actions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of actions")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Actions, A::Error> {
                let mut actions = Actions::default();
                while let Some(action) = seq.next_element::<Text<'de>>()? {
                    actions.create |= action.0 == "create";
                    actions.delete |= action.0 == "delete";
                    actions.update |= action.0 == "update";
                }
                Ok(actions)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// Both sides of a plan by its changes alone.
#[derive(Deserialize)]
struct Sides<'t> {
    #[serde(borrow, default)]
    resource_changes: Vec<BothOf<'t>>,
}

#[derive(Deserialize)]
struct BothOf<'t> {
    #[serde(borrow)]
    address: Text<'t>,
    #[serde(borrow)]
    module_address: Option<Text<'t>>,
    #[serde(borrow)]
    mode: Option<Text<'t>>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'t>,
    #[serde(borrow)]
    change: Option<Both<'t>>,
}

#[derive(Deserialize)]
struct Both<'t> {
    #[serde(borrow)]
    before: Option<&'t RawValue>,
    #[serde(borrow)]
    after: Option<&'t RawValue>,
}

#[derive(Default, Deserialize)]
struct Configuration<'t> {
    #[serde(borrow, default)]
    provider_config: HashMap<Cow<'t, str>, ProviderOf<'t>>,
    #[serde(borrow)]
    root_module: Option<ModuleOf<'t>>,
}

#[derive(Deserialize)]
struct ProviderOf<'t> {
    #[serde(borrow)]
    expressions: Option<&'t RawValue>,
}

#[derive(Default, Deserialize)]
struct ModuleOf<'t> {
    #[serde(borrow, default)]
    resources: Vec<Configured<'t>>,
    #[serde(borrow, default)]
    module_calls: HashMap<Cow<'t, str>, Call<'t>>,
    #[serde(borrow, default)]
    outputs: HashMap<Cow<'t, str>, Output<'t>>,
    #[serde(borrow, default)]
    variables: HashMap<Cow<'t, str>, Default_<'t>>,
}

#[derive(Deserialize)]
struct Default_<'t> {
    #[serde(borrow, rename = "default")]
    value: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Configured<'t> {
    #[serde(borrow)]
    address: Cow<'t, str>,
    #[serde(borrow)]
    provider_config_key: Option<Cow<'t, str>>,
    #[serde(borrow)]
    expressions: Option<&'t RawValue>,
    #[serde(borrow)]
    for_each_expression: Option<&'t RawValue>,
}

#[derive(Deserialize)]
struct Call<'t> {
    #[serde(borrow)]
    expressions: Option<&'t RawValue>,
    #[serde(borrow)]
    for_each_expression: Option<&'t RawValue>,
    #[serde(borrow)]
    module: Option<ModuleOf<'t>>,
}

#[derive(Deserialize)]
struct Output<'t> {
    #[serde(borrow)]
    expression: Option<&'t RawValue>,
}

/// The word for what is left as it is.
pub(crate) const NO_OP: &str = "no-op";

/// A resource on one side of a plan.
#[derive(Debug)]
pub struct Resource<'t> {
    /// Its address.
    pub address: Cow<'t, str>,
    /// Its type.
    pub kind: Cow<'t, str>,
    /// The module that holds it, with a dot behind it; none is the root.
    module: Option<Arc<str>>,
    pub(crate) values: Option<&'t RawValue>,
    pub(crate) unknown: Option<&'t RawValue>,
    /// What the plan does to it, in one word.
    pub(crate) action: &'static str,
}

impl<'t> Resource<'t> {
    pub(crate) fn new(
        address: Cow<'t, str>,
        kind: Cow<'t, str>,
        values: Option<&'t RawValue>,
    ) -> Self {
        Self {
            address,
            kind,
            module: None,
            values,
            unknown: None,
            action: NO_OP,
        }
    }

    /// The module that holds it, with a dot behind it, or nothing.
    pub(crate) fn module(&self) -> &str {
        self.module.as_deref().unwrap_or_default()
    }
}

/// The key of the provider, and the expressions.
type ConfiguredOf<'t> = (Option<Cow<'t, str>>, Option<&'t RawValue>);

/// What the configuration says of resources.
#[derive(Default)]
pub(crate) struct ByAddress<'t> {
    /// By module, then address in it, without instances: the key of the provider and the expressions.
    pub(crate) resources: HashMap<String, ConfiguredOf<'t>>,
    /// Of each module called: the expressions of its inputs.
    pub(crate) inputs: HashMap<String, &'t RawValue>,
    /// Of each module: what its outputs are, by `module.name.` and output.
    pub(crate) outputs: HashMap<String, &'t RawValue>,
    /// Of each resource, and of each module called: what its instances are made of.
    pub(crate) repeated: HashMap<String, &'t RawValue>,
    pub(crate) providers: HashMap<Cow<'t, str>, &'t RawValue>,
    /// Input variables of the root: given or by default.
    pub(crate) variables: HashMap<Cow<'t, str>, &'t RawValue>,
    /// Resources, and which of their attributes something was made of.
    pub(crate) relevant: Vec<(Cow<'t, str>, Value)>,
    /// Whether the form of the plan has these.
    pub(crate) tells_relevant: bool,
}

impl<'t> ByAddress<'t> {
    fn of(
        configuration: Configuration<'t>,
        variables: HashMap<Cow<'t, str>, Variable<'t>>,
        relevant: Vec<Relevant<'t>>,
    ) -> Self {
        let mut configured = ByAddress::default();
        for (key, provider) in configuration.provider_config {
            if let Some(raw) = provider.expressions {
                configured.providers.insert(key, raw);
            }
        }
        if let Some(root) = configuration.root_module {
            for (name, variable) in &root.variables {
                if let Some(raw) = variable.value {
                    configured.variables.insert(name.clone(), raw);
                }
            }
            walk(root, String::new(), &mut configured);
        }
        for (name, variable) in variables {
            if let Some(raw) = variable.value {
                configured.variables.insert(name, raw);
            }
        }
        configured.relevant = relevant
            .into_iter()
            .map(|one| (one.resource.0, value_of(one.attribute)))
            .collect();
        configured
    }
}

/// A plan: what there is before and after it.
pub struct Plan<'t> {
    /// What there will be.
    pub after: Vec<Resource<'t>>,
    /// What there is.
    pub before: Vec<Resource<'t>>,
    /// When it was made, as it says itself.
    pub made_at: Option<Cow<'t, str>>,
    pub(crate) configured: ByAddress<'t>,
}

impl<'t> Plan<'t> {
    /// Reads a plan or a state.
    pub fn read(text: &'t [u8]) -> Result<Self, PlanError> {
        // A text that is one as a whole is not looked at again string by string.
        let file: File<'t> = match std::str::from_utf8(text) {
            Ok(text) => serde_json::from_str(text)?,
            Err(_) => serde_json::from_slice(text)?,
        };
        if let Some(version) = &file.format_version
            && !(version.0.starts_with("0.") || version.0.starts_with("1."))
        {
            return Err(PlanError::Version(version.0.to_string()));
        }
        let has_changes = file.resource_changes.is_some();
        let changes = file.resource_changes.unwrap_or_default().0;
        let prior = file.prior_state.and_then(|prior| prior.values);
        let (mut after, mut before) = (Vec::new(), Vec::new());
        match (file.planned_values, file.values) {
            (Some(planned), _) => {
                collect(planned.root_module, &mut after, 0)?;
                if prior.is_none() && changes.values().any(|(action, _)| *action != "create") {
                    before = sides(text)?.1;
                }
            }
            (None, Some(state)) => collect(state.root_module, &mut after, 0)?,
            // The changes say of what they change all that the plan knows.
            (None, None) if has_changes => {
                (after, before) = sides(text)?;
                if prior.is_some() {
                    before.clear();
                }
            }
            (None, None) => return Err(PlanError::NoPlan),
        }
        collect(prior.and_then(|values| values.root_module), &mut before, 0)?;
        // A plan of targets keeps the rest of the state out of its changes, and out of what it costs.
        if has_changes {
            before.retain(|resource| changes.contains_key(&resource.address));
        }
        for resource in &mut after {
            if let Some((action, unknown)) = changes.get(&resource.address) {
                resource.action = action;
                resource.unknown = *unknown;
            }
        }
        for resource in &mut before {
            if let Some((action, _)) = changes.get(&resource.address) {
                resource.action = action;
            }
        }
        drop(changes);
        let mut configured = ByAddress::of(
            file.configuration.unwrap_or_default(),
            file.variables.unwrap_or_default(),
            file.relevant_attributes.unwrap_or_default(),
        );
        let version = file.format_version.as_ref().map(|text| &*text.0);
        let is_old = |version: &str| version.starts_with("0.") || version == "1.0";
        configured.tells_relevant = version.is_some_and(|version| !is_old(version));
        Ok(Self {
            after,
            before,
            made_at: file.timestamp.map(|text| text.0),
            configured,
        })
    }
}

/// What there will be and what there is, by the changes alone.
fn sides<'t>(text: &'t [u8]) -> Result<(Vec<Resource<'t>>, Vec<Resource<'t>>), PlanError> {
    let file: Sides<'t> = serde_json::from_slice(text)?;
    let (mut after, mut before) = (Vec::new(), Vec::new());
    let mut modules: HashMap<String, Arc<str>> = HashMap::new();
    for one in file.resource_changes {
        let Some(change) = one.change else { continue };
        if one.mode.is_some_and(|mode| mode.0 == "data") {
            continue;
        }
        let module = one.module_address.map(|module| {
            let name = format!("{}.", module.0);
            let known = modules.entry(name);
            known.or_insert_with_key(|name| Arc::from(&**name)).clone()
        });
        for (values, side) in [(change.after, &mut after), (change.before, &mut before)] {
            if values.is_some_and(|raw| raw.get() != "null") {
                side.push(Resource {
                    module: module.clone(),
                    ..Resource::new(one.address.0.clone(), one.kind.0.clone(), values)
                });
            }
        }
    }
    Ok((after, before))
}

fn collect<'t>(
    module: Option<Module<'t>>,
    found: &mut Vec<Resource<'t>>,
    depth: usize,
) -> Result<(), PlanError> {
    let Some(module) = module else { return Ok(()) };
    let name = module.address.map(|text| text.0).unwrap_or_default();
    if depth > MODULES_MAX {
        return Err(PlanError::Deep(name.into_owned()));
    }
    let mut resources = module.resources.map(|listed| listed.0).unwrap_or_default();
    if !name.is_empty() {
        let prefix: Arc<str> = Arc::from(format!("{name}."));
        for resource in &mut resources {
            resource.module = Some(prefix.clone());
        }
    }
    if found.is_empty() {
        *found = resources;
    } else {
        found.append(&mut resources);
    }
    for child in module.child_modules.unwrap_or_default() {
        collect(Some(child), found, depth + 1)?;
    }
    Ok(())
}

fn walk<'t>(module: ModuleOf<'t>, prefix: String, found: &mut ByAddress<'t>) {
    for resource in module.resources {
        let address = format!("{prefix}{}", resource.address);
        if let Some(raw) = resource.for_each_expression {
            found.repeated.insert(address.clone(), raw);
        }
        found.resources.insert(
            address,
            (resource.provider_config_key, resource.expressions),
        );
    }
    for (name, output) in module.outputs {
        if let Some(raw) = output.expression {
            found.outputs.insert(format!("{prefix}{name}"), raw);
        }
    }
    for (name, call) in module.module_calls {
        let inner = format!("{prefix}module.{name}.");
        if let Some(raw) = call.expressions {
            found.inputs.insert(inner.clone(), raw);
        }
        if let Some(raw) = call.for_each_expression {
            found.repeated.insert(inner.clone(), raw);
        }
        if let Some(module) = call.module {
            walk(module, inner, found);
        }
    }
}

/// What is between brackets is an instance: an address without it is the one of the configuration.
pub(crate) fn without_instances(address: &str) -> String {
    if !address.contains('[') {
        return address.to_owned();
    }
    let mut plain = String::with_capacity(address.len());
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for c in address.chars() {
        match c {
            '"' if depth > 0 && !escaped => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if depth == 0 {
            plain.push(c);
        }
    }
    plain
}

/// Reads a slice of the plan. What cannot be read is as if it were not there: the reader of the file has seen that it is JSON.
pub(crate) fn value_of(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// The members of an object, each a slice of the plan until it is asked for.
#[derive(Default)]
pub(crate) struct Members<'t>(pub(crate) Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'t> Members<'t> {
    /// Those of a slice of the plan; what is no object has none.
    pub(crate) fn of(raw: Option<&'t RawValue>) -> Self {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    }
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut found = Vec::with_capacity(32);
                while let Some((name, raw)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    found.push((name.0, raw));
                }
                Ok(Members(found))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests;
