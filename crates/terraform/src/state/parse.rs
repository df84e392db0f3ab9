//! The pass over a state's text.
//!
//! Values are skipped, not built: `serde_json` counts list elements and object members while it reads over them, and strings
//! are looked at where they stand. Keys are compared the way Go's `encoding/json` compares them, which ignores case and folds
//! letters, so that terraform and we cannot take different fields from one text.

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::json::string_end;

use super::{DEPTH_MAX, SERIAL_MAX, StateError, TEXT_BYTES_MAX};

/// The facts at the top level of a state file, before anything is required of them. Null counts as absent, as it does in Go.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub(super) version: Option<u64>,
    pub(super) terraform_version: Option<String>,
    pub(super) serial: Option<u64>,
    pub(super) lineage: Option<String>,
    pub(super) resources: u64,
    pub(super) outputs: u64,
    pub(super) encrypted_data: bool,
    pub(super) meta: bool,
    pub(super) encryption_version: Option<String>,
}

/// The part that is being read and what it must be: the words of the refusal if it is something else. `serde_json` would quote
/// the value instead, and the value may be a secret.
pub(crate) type Must = Cell<&'static str>;

/// The keys of the top level that mean something here.
pub(crate) const HEADER: &[&str] = &[
    "version",
    "terraform_version",
    "serial",
    "lineage",
    "outputs",
    "resources",
    "encrypted_data",
    "meta",
    "encryption_version",
];

/// Reads the top level of a state file. The text must not nest too deep; see [`too_deep`].
pub(super) fn header(text: &str) -> Result<Header, StateError> {
    let must = Must::new("the whole must be a JSON object");
    let mut reader = serde_json::Deserializer::from_str(text);
    let header = reader.deserialize_map(File { must: &must });
    header
        .and_then(|header| reader.end().map(|()| header))
        .map_err(|error| refusal(&error, must.get()))
}

pub(crate) fn refusal(error: &serde_json::Error, must: &str) -> StateError {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let words = words
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&words);
    match error.classify() {
        Category::Data if words.starts_with("invalid ") => StateError::Shape {
            reason: must.to_owned(),
            line,
            column,
        },
        Category::Data => StateError::Shape {
            reason: words.to_owned(),
            line,
            column,
        },
        Category::Syntax | Category::Eof | Category::Io => StateError::NotJson {
            reason: words.to_owned(),
            line,
            column,
        },
    }
}

/// Where the text first nests deeper than [`DEPTH_MAX`], if it does. Skipping needs memory for each level, and other readers
/// need stack, so this is asked before anything is read.
pub(crate) fn too_deep(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The known keys of one object, and which of them were there already.
pub(crate) struct Keys {
    known: &'static [&'static str],
    seen: u32,
}

impl Keys {
    pub(crate) fn new(known: &'static [&'static str]) -> Keys {
        Keys { known, seen: 0 }
    }
}

/// Reads a key: the known one it is, or `None`. One that is there twice, or that only Go takes for a known one, is an error.
impl<'de> DeserializeSeed<'de> for &mut Keys {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Keys {
    type Value = Option<&'static str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        for (index, name) in self.known.iter().enumerate() {
            if *name == key {
                if self.seen & (1 << index) != 0 {
                    return Err(E::custom(format_args!("`{name}` is there twice")));
                }
                self.seen |= 1 << index;
                return Ok(Some(name));
            }
            if same_to_go(name, key) {
                return Err(E::custom(format_args!(
                    "`{name}` is spelled in other letters"
                )));
            }
        }
        Ok(None)
    }
}

/// Whether Go's `encoding/json` takes `key` for the lower-case ASCII `name`: equal after simple case folding, which also takes
/// `ſ` (U+017F) for `s` and the Kelvin sign (U+212A) for `k`.
fn same_to_go(name: &str, key: &str) -> bool {
    // Each folded letter has at most three bytes, and most keys differ in length already.
    if key.len() < name.len() || key.len() > 3 * name.len() {
        return false;
    }
    let folded = key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(name.chars())
}

/// The whole file.
struct File<'a> {
    must: &'a Must,
}

impl<'de> Visitor<'de> for File<'_> {
    type Value = Header;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.must.get())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let must = self.must;
        let mut header = Header::default();
        let mut keys = Keys::new(HEADER);
        while let Some(key) = map.next_key_seed(&mut keys)? {
            match key {
                Some("version") => {
                    must.set("`version` must be a whole number");
                    header.version = map.next_value()?;
                }
                Some("terraform_version") => {
                    must.set("`terraform_version` must be a text");
                    header.terraform_version = map.next_value_seed(Text("terraform_version"))?;
                }
                Some("serial") => {
                    must.set("`serial` must be a whole number from 0");
                    header.serial = map.next_value()?;
                    if header.serial > Some(SERIAL_MAX) {
                        return Err(de::Error::custom(format_args!(
                            "`serial` is above {SERIAL_MAX}"
                        )));
                    }
                }
                Some("lineage") => {
                    must.set("`lineage` must be a text");
                    header.lineage = map.next_value_seed(Text("lineage"))?;
                }
                Some("outputs") => {
                    must.set("`outputs` must be an object");
                    header.outputs = map.next_value_seed(Members)?.unwrap_or(0);
                }
                Some("resources") => {
                    must.set("`resources` must be a list of objects");
                    header.resources = map.next_value_seed(Resources { must })?;
                }
                Some("encrypted_data") => {
                    must.set("`encrypted_data` must be a text");
                    header.encrypted_data = map.next_value_seed(AnyText)?;
                }
                Some("meta") => {
                    must.set("`meta` must be an object");
                    header.meta = map.next_value_seed(Members)?.is_some();
                }
                Some("encryption_version") => {
                    must.set("`encryption_version` must be a text");
                    header.encryption_version = map.next_value_seed(Text("encryption_version"))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(header)
    }
}

/// Lets a visitor read whatever stands there, so that null can be told from the rest.
macro_rules! reads_any {
    ($visitor:ty, $value:ty) => {
        impl<'de> DeserializeSeed<'de> for $visitor {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<$value, D::Error> {
                reader.deserialize_any(self)
            }
        }
    };
}

reads_any!(Text, Option<String>);
reads_any!(AnyText, bool);
reads_any!(Members, Option<u64>);
reads_any!(Elements, u64);
reads_any!(Resources<'_>, u64);
reads_any!(Resource<'_>, u64);

/// A short text, or null, of the field named.
struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = Option<String>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<String>, E> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(E::custom(format_args!(
                "`{}` has {} bytes, more than {TEXT_BYTES_MAX}",
                self.0,
                text.len()
            )));
        }
        Ok(Some(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }
}

/// A text of any length, looked at where it stands; `false` for null.
struct AnyText;

impl Visitor<'_> for AnyText {
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// How many members an object has; `None` for null.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Option<u64>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u64>, A::Error> {
        let mut members = 0;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            members += 1;
        }
        Ok(Some(members))
    }

    fn visit_unit<E>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }
}

/// How many elements a list has; none for null.
struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut elements = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            elements += 1;
        }
        Ok(elements)
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }
}

/// How many managed instances the list of resources has.
struct Resources<'a> {
    must: &'a Must,
}

impl<'de> Visitor<'de> for Resources<'_> {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut managed = 0;
        while let Some(instances) = list.next_element_seed(Resource { must: self.must })? {
            managed += instances;
            self.must.set("`resources` must be a list of objects");
        }
        Ok(managed)
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }
}

/// How many managed instances one resource has.
struct Resource<'a> {
    must: &'a Must,
}

impl<'de> Visitor<'de> for Resource<'_> {
    type Value = u64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let (mut managed, mut instances) = (false, 0);
        let mut keys = Keys::new(&["mode", "instances"]);
        while let Some(key) = map.next_key_seed(&mut keys)? {
            match key {
                Some("mode") => {
                    self.must.set("`mode` of a resource must be a text");
                    managed = map.next_value_seed(Text("mode"))?.as_deref() == Some("managed");
                }
                Some("instances") => {
                    self.must.set("`instances` of a resource must be a list");
                    instances = map.next_value_seed(Elements)?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(if managed { instances } else { 0 })
    }
}
