//! The pass that finds the parts of a state.
//!
//! It keeps each part as the text that it is, and holds it to the rule of [`crate::state::read`] about keys: one that occurs twice, or
//! that only Go takes for a known one, is refused.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Instance, Output, Resource};
use crate::address::{Key, Mode};
use crate::json::unescape;
use crate::state::parse::{HEADER, Keys, Must, refusal, too_deep};
use crate::state::{StateError, StateFile, place, read};

/// Outputs and instances as they stand.
pub(super) struct Parts<'a> {
    pub(super) header: StateFile,
    pub(super) outputs: Vec<Output<'a>>,
    pub(super) instances: Vec<Instance<'a>>,
}

/// The values of known keys, in their order; null counts as absent, as it does in Go.
type Fields<'a, const N: usize> = [Option<&'a RawValue>; N];

/// A value that is not what its field must be.
struct Wrong<'a> {
    must: &'static str,
    value: &'a RawValue,
}

const RESOURCE: &[&str] = &["module", "mode", "type", "name", "provider", "instances"];

const INSTANCE: &[&str; 11] = &[
    "index_key",
    "status",
    "deposed",
    "schema_version",
    "attributes",
    "attributes_flat",
    "sensitive_attributes",
    "private",
    "dependencies",
    "create_before_destroy",
    "identity",
];

/// Finds the parts of a state, in one pass over it.
///
/// The state's description of itself is what [`crate::state::read`] says of the same fields without the rest, so that no rule
/// about them is written twice; of a state that is refused it is asked for the words.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts<'_>, StateError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(refused(bytes));
    };
    if too_deep(bytes).is_some() {
        return Err(refused(bytes));
    }
    let must = Must::new("the whole must be a JSON object");
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = reader
        .deserialize_map(File { must: &must })
        .and_then(|found| reader.end().map(|()| found));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            read(bytes)?;
            return Err(refusal(&error, must.get()));
        }
    };
    let fields: Vec<_> = found
        .header
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let Ok(header) = read(format!("{{{}}}", fields.join(",")).as_bytes()) else {
        return Err(refused(bytes));
    };
    assemble(header, found).map_err(|wrong| {
        let offset = wrong.value.get().as_ptr() as usize - text.as_ptr() as usize;
        let (line, column) = place(bytes, offset);
        StateError::Shape {
            reason: wrong.must.to_owned(),
            line,
            column,
        }
    })
}

/// Why a state that is no state is none.
fn refused(bytes: &[u8]) -> StateError {
    read(bytes).err().unwrap_or(StateError::Empty)
}

/// What stands in the file.
#[derive(Default)]
struct Found<'a> {
    header: Vec<(&'static str, &'a RawValue)>,
    outputs: Vec<(Cow<'a, str>, Fields<'a, 3>)>,
    resources: Vec<FoundResource<'a>>,
}

#[derive(Default)]
struct FoundResource<'a> {
    fields: Fields<'a, 6>,
    instances: Vec<Fields<'a, 11>>,
}

fn assemble(header: StateFile, found: Found<'_>) -> Result<Parts<'_>, Wrong<'_>> {
    let mut parts = Parts {
        header,
        outputs: Vec::with_capacity(found.outputs.len()),
        instances: Vec::new(),
    };
    for (name, [value, kind, sensitive]) in found.outputs {
        parts.outputs.push(Output {
            name,
            value,
            kind,
            sensitive: flag(sensitive, "`sensitive` of an output must be true or false")?,
        });
    }
    let count = found
        .resources
        .iter()
        .map(|resource| resource.instances.len());
    parts.instances.reserve(count.sum());
    for resource in found.resources {
        let instances = resource.instances;
        if instances.is_empty() {
            continue;
        }
        let shared = Arc::new(shared(resource.fields)?);
        for fields in instances {
            parts.instances.push(instance(&shared, fields)?);
        }
    }
    Ok(parts)
}

fn shared(fields: Fields<'_, 6>) -> Result<Resource<'_>, Wrong<'_>> {
    let [module, mode, kind, name, provider, _] = fields;
    let mode_is = text(mode, "`mode` of a resource must be a text")?;
    let mode = match (mode_is.as_deref(), mode) {
        (Some("managed"), _) => Mode::Managed,
        (Some("data"), _) => Mode::Data,
        (_, Some(value)) => {
            let must = "`mode` of a resource must be `managed` or `data`";
            return Err(Wrong { must, value });
        }
        (_, None) => Mode::Managed,
    };
    Ok(Resource {
        module: text(module, "`module` of a resource must be a text")?.unwrap_or_default(),
        mode,
        kind: text(kind, "`type` of a resource must be a text")?.unwrap_or_default(),
        name: text(name, "`name` of a resource must be a text")?.unwrap_or_default(),
        provider: text(provider, "`provider` of a resource must be a text")?.unwrap_or_default(),
    })
}

fn instance<'a>(
    resource: &Arc<Resource<'a>>,
    fields: Fields<'a, 11>,
) -> Result<Instance<'a>, Wrong<'a>> {
    let [
        index_key,
        status,
        deposed,
        schema_version,
        attributes,
        attributes_flat,
        marks,
        private,
        dependencies,
        create_before_destroy,
        identity,
    ] = fields;
    let status = text(status, "`status` of an instance must be a text")?;
    let deposed = text(deposed, "`deposed` of an instance must be a text")?;
    let attributes = begins(
        attributes,
        b'{',
        "`attributes` of an instance must be an object",
    )?;
    let flat = begins(attributes_flat, b'{', "`attributes_flat` must be an object")?;
    Ok(Instance {
        resource: Arc::clone(resource),
        key: key(index_key)?,
        deposed: deposed.filter(|deposed| !deposed.is_empty()),
        tainted: status.as_deref() == Some("tainted"),
        create_before_destroy: flag(
            create_before_destroy,
            "`create_before_destroy` must be true or false",
        )?,
        schema_version,
        attributes: attributes.or(flat),
        marks,
        private,
        dependencies: begins(dependencies, b'[', "`dependencies` must be a list")?,
        identity,
    })
}

fn key(value: Option<&RawValue>) -> Result<Key<'_>, Wrong<'_>> {
    let must = "`index_key` of an instance must be a whole number or a text";
    let Some(value) = value else {
        return Ok(Key::None);
    };
    if let Ok(number) = value.get().parse() {
        return Ok(Key::Number(number));
    }
    let text = text(Some(value), must)?;
    text.map(Key::Text).ok_or(Wrong { must, value })
}

fn text<'a>(
    value: Option<&'a RawValue>,
    must: &'static str,
) -> Result<Option<Cow<'a, str>>, Wrong<'a>> {
    let Some(value) = value else { return Ok(None) };
    let inner = value
        .get()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.ok_or(Wrong { must, value })?;
    Ok(Some(unescape(inner)))
}

fn flag<'a>(value: Option<&'a RawValue>, must: &'static str) -> Result<bool, Wrong<'a>> {
    match value.map(|value| (value, value.get())) {
        None | Some((_, "false")) => Ok(false),
        Some((_, "true")) => Ok(true),
        Some((value, _)) => Err(Wrong { must, value }),
    }
}

fn begins<'a>(
    value: Option<&'a RawValue>,
    bracket: u8,
    must: &'static str,
) -> Result<Option<&'a RawValue>, Wrong<'a>> {
    match value {
        Some(value) if value.get().as_bytes().first() != Some(&bracket) => {
            Err(Wrong { must, value })
        }
        other => Ok(other),
    }
}

/// The whole file.
struct File<'m> {
    must: &'m Must,
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = Found<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.must.get())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let must = self.must;
        let mut found = Found::default();
        let mut keys = Keys::new(HEADER);
        while let Some(key) = map.next_key_seed(&mut keys)? {
            match key {
                Some("outputs") => {
                    must.set("`outputs` must be an object of objects");
                    found.outputs = map.next_value_seed(Outputs)?;
                }
                Some("resources") => {
                    must.set("`resources` must be a list of objects, and `instances` of each a list of objects");
                    found.resources = map.next_value_seed(Resources)?;
                }
                Some(name) => {
                    if let Some(value) = map.next_value::<Option<&RawValue>>()? {
                        found.header.push((name, value));
                    }
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Gives a visitor whatever stands there, and says nothing of what it expects: the words are the file's.
macro_rules! seed {
    ($visitor:ident, $value:ty) => {
        impl<'de> DeserializeSeed<'de> for $visitor {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<$value, D::Error> {
                reader.deserialize_any(self)
            }
        }
    };
}

struct Outputs;
struct OutputFields;
struct Resources;
struct ResourceFields;
struct Instances;
struct InstanceFields;
seed!(Outputs, Vec<(Cow<'de, str>, Fields<'de, 3>)>);
seed!(OutputFields, Fields<'de, 3>);
seed!(Resources, Vec<FoundResource<'de>>);
seed!(ResourceFields, FoundResource<'de>);
seed!(Instances, Vec<Fields<'de, 11>>);
seed!(InstanceFields, Fields<'de, 11>);

impl<'de> Visitor<'de> for Outputs {
    type Value = Vec<(Cow<'de, str>, Fields<'de, 3>)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut outputs = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            outputs.push((Cow::Owned(name), map.next_value_seed(OutputFields)?));
        }
        Ok(outputs)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

impl<'de> Visitor<'de> for OutputFields {
    type Value = Fields<'de, 3>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        fields(map, &["value", "type", "sensitive"])
    }
}

impl<'de> Visitor<'de> for Resources {
    type Value = Vec<FoundResource<'de>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut resources = Vec::new();
        while let Some(resource) = list.next_element_seed(ResourceFields)? {
            resources.push(resource);
        }
        Ok(resources)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

impl<'de> Visitor<'de> for ResourceFields {
    type Value = FoundResource<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = FoundResource::default();
        let mut keys = Keys::new(RESOURCE);
        while let Some(key) = map.next_key_seed(&mut keys)? {
            match key {
                Some("instances") => found.instances = map.next_value_seed(Instances)?,
                Some(name) => {
                    let value = map.next_value::<Option<&RawValue>>()?;
                    let index = RESOURCE.iter().position(|known| *known == name);
                    if let Some(field) = index.and_then(|index| found.fields.get_mut(index)) {
                        *field = value;
                    }
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

impl<'de> Visitor<'de> for Instances {
    type Value = Vec<Fields<'de, 11>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut instances = Vec::new();
        while let Some(instance) = list.next_element_seed(InstanceFields)? {
            instances.push(instance);
        }
        Ok(instances)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}

impl<'de> Visitor<'de> for InstanceFields {
    type Value = Fields<'de, 11>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        fields(map, INSTANCE)
    }
}

/// The values of the known keys of an object.
fn fields<'de, A: MapAccess<'de>, const N: usize>(
    mut map: A,
    known: &'static [&'static str; N],
) -> Result<Fields<'de, N>, A::Error> {
    let mut fields = [None; N];
    let mut keys = Keys::new(known);
    while let Some(key) = map.next_key_seed(&mut keys)? {
        let index = key.and_then(|key| known.iter().position(|name| *name == key));
        match index.and_then(|index| fields.get_mut(index)) {
            Some(field) => *field = map.next_value()?,
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(fields)
}
