//! The one spelling of a JSON text: RFC 8785, restricted to what leaves use.
//!
//! Objects with keys in UTF-16 order and none twice, arrays, strings with the shortest escapes, integers with |n| < 2⁵³,
//! `true`, `false`, `null`; no white space. [`parse`] accepts exactly what [`to_bytes`] writes, borrows from its input and
//! allocates only for arrays, objects and escaped strings, so that a million leaves are read in a second or two.
//!
//! Promises: `parse(b)` succeeds if and only if `b` is canonical; nesting is bounded, so hostile input cannot exhaust the stack.
//!
//! Absent on purpose: fractions and exponents. Two languages that print the same float differently would disagree on a hash.

use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Integers in canonical JSON lie strictly between minus and plus this (2⁵³): what every JSON reader represents exactly.
pub const INTEGER_LIMIT: i64 = 1 << 53;

/// Arrays and objects nest at most this deep; leaves use four levels.
pub const DEPTH_MAX: usize = 32;

/// A canonical JSON value that borrows its strings where it can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer below [`INTEGER_LIMIT`] in size.
    Int(i64),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Item<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// An object's members in canonical order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Item<'a>)>);

/// Why bytes are not canonical, or a value has no canonical form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The bytes break a rule of the canonical form.
    #[error("not canonical JSON at byte {at}: {why}")]
    Bytes {
        /// Offset of the offending byte.
        at: usize,
        /// The rule.
        why: &'static str,
    },
    /// The value holds a number that is not an integer below 2⁵³ in size.
    #[error(
        "{0} has no canonical form here; only integers below 2^53 in size do, so write it as a string"
    )]
    Number(String),
    /// The value nests too deeply.
    #[error("the value nests deeper than 32 levels; flatten it")]
    Depth,
}

/// The canonical bytes of a JSON value.
///
/// # Errors
/// [`Error::Number`] for fractions and large integers, [`Error::Depth`] for deep nesting.
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, Error> {
    Ok(Item::try_from(value)?.to_bytes())
}

/// Whether these bytes are canonical JSON.
pub fn is_canonical(bytes: &[u8]) -> bool {
    parse(bytes).is_ok()
}

/// Reads canonical JSON, and nothing else.
///
/// # Errors
/// [`Error::Bytes`] with the place and the rule.
pub fn parse(bytes: &[u8]) -> Result<Item<'_>, Error> {
    let text = str::from_utf8(bytes).map_err(|error| Error::Bytes {
        at: error.valid_up_to(),
        why: "not UTF-8",
    })?;
    let mut scanner = Scanner { text, at: 0 };
    let item = scanner.item(0)?;
    if scanner.at < bytes.len() {
        return Err(scanner.refuse("something follows the value"));
    }
    Ok(item)
}

impl<'a> Item<'a> {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The string, if this is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if this is one and not negative.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(object) => object.write(out),
        }
    }

    fn of_json(value: &'a Value, depth: usize) -> Result<Self, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::Depth);
        }
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Int(
                number
                    .as_i64()
                    .filter(|number| number.unsigned_abs() < INTEGER_LIMIT.unsigned_abs())
                    .ok_or_else(|| Error::Number(number.to_string()))?,
            ),
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::of_json(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, item)| Ok((name.into(), Self::of_json(item, depth + 1)?)))
                    .collect::<Result<_, Error>>()?;
                Self::Object(Object::new(members))
            }
        })
    }
}

impl<'a> TryFrom<&'a Value> for Item<'a> {
    type Error = Error;

    fn try_from(value: &'a Value) -> Result<Self, Error> {
        Self::of_json(value, 0)
    }
}

impl From<&Item<'_>> for Value {
    fn from(item: &Item<'_>) -> Self {
        match item {
            Item::Null => Self::Null,
            Item::Bool(flag) => Self::Bool(*flag),
            Item::Int(number) => (*number).into(),
            Item::Text(text) => text.as_ref().into(),
            Item::List(items) => items.iter().map(Self::from).collect(),
            Item::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(name, item)| (name.to_owned(), item.into()))
                    .collect(),
            ),
        }
    }
}

impl<'a> Object<'a> {
    /// An object of these members, put in order; of members with the same name the first stays.
    pub fn new(mut members: Vec<(Cow<'a, str>, Item<'a>)>) -> Self {
        members.sort_by(|(a, _), (b, _)| utf16_order(a, b));
        members.dedup_by(|(later, _), (earlier, _)| later == earlier);
        Self(members)
    }

    /// The members of a JSON object.
    ///
    /// # Errors
    /// As [`to_bytes`]; a value that is no object is an error as well.
    pub fn of_json(value: &'a Value) -> Result<Self, Error> {
        match Item::try_from(value)? {
            Item::Object(object) => Ok(object),
            _ => Err(Error::Bytes {
                at: 0,
                why: "an object was expected",
            }),
        }
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&Item<'a>> {
        self.iter()
            .find_map(|(known, item)| (known == name).then_some(item))
    }

    /// The member with this name, if it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Item::text)
    }

    /// The members in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Item<'a>)> {
        self.0.iter().map(|(name, item)| (name.as_ref(), item))
    }

    /// Takes the object apart, in canonical order.
    pub fn into_members(self) -> Vec<(Cow<'a, str>, Item<'a>)> {
        self.0
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (place, (name, item)) in self.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write_text(name, out);
            out.push(b':');
            item.write(out);
        }
        out.push(b'}');
    }
}

/// RFC 8785 §3.2.3 orders names by UTF-16 code units, which differs from bytes only beyond the basic plane.
fn utf16_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        a.cmp(b)
    } else {
        a.encode_utf16().cmp(b.encode_utf16())
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// One pass over the text; `at` never leaves a character boundary where strings are cut.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn refuse(&self, why: &'static str) -> Error {
        Error::Bytes { at: self.at, why }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, item: Item<'a>) -> Result<Item<'a>, Error> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(self.refuse("no JSON value starts so"));
        }
        self.at += word.len();
        Ok(item)
    }

    fn item(&mut self, depth: usize) -> Result<Item<'a>, Error> {
        if depth > DEPTH_MAX {
            return Err(self.refuse("nested deeper than 32 levels"));
        }
        match self.peek() {
            Some(b'"') => self.string().map(Item::Text),
            Some(b'{') => self.object(depth).map(Item::Object),
            Some(b'[') => self.list(depth).map(Item::List),
            Some(b'-' | b'0'..=b'9') => self.integer().map(Item::Int),
            Some(b't') => self.word("true", Item::Bool(true)),
            Some(b'f') => self.word("false", Item::Bool(false)),
            _ => self.word("null", Item::Null),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Item<'a>>, Error> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.item(depth + 1)?);
            if self.take(b']') {
                return Ok(items);
            }
            if !self.take(b',') {
                return Err(self.refuse("an array goes on with `,` or ends with `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object<'a>, Error> {
        self.at += 1;
        let mut members: Vec<(Cow<'a, str>, Item<'a>)> = Vec::new();
        if self.take(b'}') {
            return Ok(Object(members));
        }
        loop {
            let start = self.at;
            let name = self.string()?;
            if let Some((last, _)) = members.last()
                && utf16_order(last, &name) != Ordering::Less
            {
                return Err(Error::Bytes {
                    at: start,
                    why: "names are not in order, or one stands twice",
                });
            }
            if !self.take(b':') {
                return Err(self.refuse("a name is followed by `:`"));
            }
            members.push((name, self.item(depth + 1)?));
            if self.take(b'}') {
                return Ok(Object(members));
            }
            if !self.take(b',') {
                return Err(self.refuse("an object goes on with `,` or ends with `}`"));
            }
        }
    }

    fn integer(&mut self) -> Result<i64, Error> {
        let start = self.at;
        self.take(b'-');
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let wrong = Error::Bytes {
            at: start,
            why: "not an integer below 2^53 in its shortest form",
        };
        let leading_zero = digits.trim_start_matches('-').starts_with('0');
        if leading_zero && digits != "0" {
            return Err(wrong);
        }
        match digits.parse::<i64>() {
            Ok(number) if number.unsigned_abs() < INTEGER_LIMIT.unsigned_abs() => Ok(number),
            _ => Err(wrong),
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Error> {
        if !self.take(b'"') {
            return Err(self.refuse("a string starts with `\"`"));
        }
        let plain = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while !self.take(b'"') {
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
        Ok(Cow::Owned(text))
    }

    /// The characters up to the next quote or escape.
    fn plain(&mut self) -> Result<&'a str, Error> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let stop = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        let length = rest.as_bytes().iter().position(stop).unwrap_or(rest.len());
        self.at += length;
        match self.peek() {
            Some(b'"' | b'\\') => Ok(rest.get(..length).unwrap_or_default()),
            _ => Err(self.refuse("a string ends with `\"` and escapes control characters")),
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (character, length) = match *rest {
            [b'\\', b'"', ..] => ('"', 2),
            [b'\\', b'\\', ..] => ('\\', 2),
            [b'\\', b'b', ..] => ('\u{8}', 2),
            [b'\\', b't', ..] => ('\t', 2),
            [b'\\', b'n', ..] => ('\n', 2),
            [b'\\', b'f', ..] => ('\u{c}', 2),
            [b'\\', b'r', ..] => ('\r', 2),
            [b'\\', b'u', b'0', b'0', high, low, ..] => {
                match crate::bytes_from_hex::<1>(&format!("{}{}", high as char, low as char)) {
                    Some([code]) if code < 0x20 && !matches!(code, 8 | 9 | 10 | 12 | 13) => {
                        (char::from(code), 6)
                    }
                    _ => return Err(self.refuse("this escape is not the shortest form")),
                }
            }
            _ => return Err(self.refuse("this escape is not the shortest form")),
        };
        self.at += length;
        Ok(character)
    }
}
