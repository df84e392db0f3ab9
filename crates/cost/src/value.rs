//! Values that expressions work on: what a plan says of an attribute, or what an expression made of it.
//!
//! A value is cheap to clone. `Null` is an attribute that nobody set, `Unknown` one that is known after apply. Between the two is what
//! nobody set and the provider will fill in: `Left` is unset to defaults and conditions, and unknown to amounts. None of them is ever
//! mixed up with zero or with an empty text. Absent on purpose: floating point; a number is a decimal from the file to the output.

use std::fmt;
use std::rc::Rc;
use std::str::FromStr as _;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nobody set it.
    #[default]
    Null,
    /// Nobody set it: the provider will, and it is known after apply.
    Left,
    /// Known after apply.
    Unknown,
    /// Yes or no.
    Bool(bool),
    /// A decimal.
    Number(Decimal),
    /// A text.
    Text(Rc<str>),
    /// Several, in order.
    List(Rc<[Value]>),
    /// Members by name, in the order of the file.
    Map(Rc<[(Rc<str>, Value)]>),
    /// A resource of the plan, by its place in it.
    Resource(usize),
}

/// A number as a plan or a usage file writes it.
pub fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    Decimal::from_str(text)
        .ok()
        .or_else(|| Decimal::from_scientific(text).ok())
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    /// A list.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::from(items))
    }

    /// Neither unset nor unknown.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Null | Self::Left | Self::Unknown)
    }

    /// Unset, or as empty as that: what a default is for. What is known after apply is not.
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Null | Self::Left => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// What a condition makes of it, if that is known: unset, empty, zero and `false` are no.
    pub fn truth(&self) -> Option<bool> {
        Some(match self {
            Self::Unknown => return None,
            Self::Null | Self::Left => false,
            Self::Bool(yes) => *yes,
            Self::Number(number) => !number.is_zero(),
            Self::Text(text) => !text.is_empty() && &**text != "false",
            Self::List(items) => !items.is_empty(),
            Self::Map(members) => !members.is_empty(),
            Self::Resource(_) => true,
        })
    }

    /// Whether it, or anything that it holds, is known after apply.
    pub fn has_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::List(items) => items.iter().any(Self::has_unknown),
            Self::Map(members) => members.iter().any(|(_, value)| value.has_unknown()),
            _ => false,
        }
    }

    /// Whether it, or anything that it holds, is known after apply, or left to the provider.
    pub(crate) fn has_later(&self) -> bool {
        match self {
            Self::Unknown | Self::Left => true,
            Self::List(items) => items.iter().any(Self::has_later),
            Self::Map(members) => members.iter().any(|(_, value)| value.has_later()),
            _ => false,
        }
    }

    /// What it is where a number is wanted and it is known after apply. A list of one is what it holds.
    pub(crate) fn later_number(&self) -> Option<Self> {
        match self {
            Self::Left | Self::Unknown => Some(self.clone()),
            Self::List(items) => items.first().and_then(Self::later_number),
            _ => None,
        }
    }

    /// What several numbers are together where one of them is known after apply: unknown, if any is, or left to the provider.
    pub(crate) fn later_of<'v>(values: impl IntoIterator<Item = &'v Self>) -> Option<Self> {
        let mut left = None;
        for later in values.into_iter().filter_map(Self::later_number) {
            if later == Self::Unknown {
                return Some(later);
            }
            left = Some(later);
        }
        left
    }

    /// As a number, if it is one or a text that is one. A list of one is what it holds.
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => decimal(text),
            Self::List(items) => items.first().and_then(Self::number),
            _ => None,
        }
    }

    /// As a text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it holds, if it is a list.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Its members, if it has names for them.
    pub fn members(&self) -> &[(Rc<str>, Self)] {
        match self {
            Self::Map(members) => members,
            _ => &[],
        }
    }

    /// A member by name. A block is a list of one in a plan: a name asked of a list is asked of its first item.
    #[must_use]
    pub fn get(&self, name: &str) -> Self {
        match self {
            Self::Map(members) => members
                .iter()
                .find(|(key, _)| &**key == name)
                .map_or(Self::Null, |(_, value)| value.clone()),
            Self::List(items) => items.first().map_or(Self::Null, |first| first.get(name)),
            Self::Left | Self::Unknown => self.clone(),
            _ => Self::Null,
        }
    }

    /// An item by its place.
    #[must_use]
    pub fn at(&self, place: Decimal) -> Self {
        let index = usize::try_from(place).ok();
        match (self, index) {
            (Self::List(items), Some(index)) => items.get(index).cloned().unwrap_or_default(),
            (Self::Map(_), _) => self.get(&place.normalize().to_string()),
            (Self::Left | Self::Unknown, _) => self.clone(),
            _ => Self::Null,
        }
    }

    /// Whether both say the same: numbers by amount, however they are written, and a list of one as what it holds.
    pub fn is_same(&self, other: &Self) -> bool {
        let (one, other) = (self.single(), other.single());
        match (one, other) {
            (Self::Number(_), _) | (_, Self::Number(_)) => {
                matches!((one.number(), other.number()), (Some(a), Some(b)) if a == b)
            }
            (Self::Bool(yes), Self::Text(text)) | (Self::Text(text), Self::Bool(yes)) => {
                &**text == if *yes { "true" } else { "false" }
            }
            _ => one == other,
        }
    }

    fn single(&self) -> &Self {
        match self {
            Self::List(items) => match &**items {
                [one] if !matches!(one, Self::Map(_)) => one,
                _ => self,
            },
            _ => self,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null
            | Self::Left
            | Self::Unknown
            | Self::List(_)
            | Self::Map(_)
            | Self::Resource(_) => Ok(()),
            Self::Bool(yes) => fmt::Display::fmt(yes, f),
            Self::Number(number) => fmt::Display::fmt(&number.normalize(), f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(Decimal::from(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(Decimal::from(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        // The shortest text that reads as this number is the one that stood in the file.
        Ok(decimal(&number.to_string()).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(Rc<str>, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<std::borrow::Cow<'de, str>, Value>()? {
            members.push((Rc::from(&*name), value));
        }
        Ok(Value::Map(Rc::from(members)))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_number_keeps_every_digit_of_the_file() {
        for (json, text) in [
            ("0.1", "0.1"),
            ("1e-7", "0.0000001"),
            ("157000", "157000"),
            ("12345678901.25", "12345678901.25"),
            ("1.50", "1.5"),
        ] {
            assert_eq!(read(json).to_string(), text, "{json}");
        }
    }

    #[test]
    fn a_block_is_asked_as_if_it_were_no_list() {
        let value = read(r#"{"disk":[{"size":8},{"size":9}]}"#);
        assert_eq!(value.get("disk").get("size").to_string(), "8");
        assert_eq!(value.get("disk").at(1.into()).get("size").to_string(), "9");
        assert_eq!(value.get("none").get("size"), Value::Null);
    }

    #[test]
    fn what_reads_the_same_is_the_same() {
        for (one, other, same) in [
            ("5", "\"5.0\"", true),
            ("[\"a\"]", "\"a\"", true),
            ("true", "\"true\"", true),
            ("null", "0", false),
            ("\"\"", "null", false),
        ] {
            assert_eq!(read(one).is_same(&read(other)), same, "{one} {other}");
        }
    }
}
