//! Evidential rows: a row of a database, reduced to the digest that a leaf carries.
//!
//! The digest is SHA-256 over `"statehouse row v1\n" ‖ lp(table) ‖ lp(salt)` and, for each column in the order of its name,
//! `lp(name) ‖ type ‖ lp(value)`. `lp` is a big-endian 32-bit length and the bytes; the type is `n` (null, empty), `i` (8
//! bytes, big-endian two's complement), `t` (UTF-8) or `b` (bytes). The salt keeps a reader of the log from guessing small
//! rows. [`Exported`] is the line of a bundle that carries a row.
//!
//! Promises: two rows that differ in any column, type or table have different digests; the order columns come in does not matter.
//!
//! Absent on purpose: which columns count. That is written once, where the table is.

use crate::canonical::{self, Item, Object};
use crate::{Hash, bytes_from_hex};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// The salt of a row, drawn anew at each change.
pub type Salt = [u8; 16];

/// One column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL `NULL`.
    Null,
    /// An integer, flag or instant.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The digest of a row.
pub fn digest<'a>(
    table: &str,
    salt: &Salt,
    columns: impl IntoIterator<Item = (&'a str, Cell<'a>)>,
) -> Hash {
    let mut columns: Vec<_> = columns.into_iter().collect();
    columns.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new_with_prefix(b"statehouse row v1\n");
    prefixed(&mut hash, table.as_bytes());
    prefixed(&mut hash, salt);
    for (name, cell) in columns {
        prefixed(&mut hash, name.as_bytes());
        match cell {
            Cell::Null => tagged(&mut hash, b'n', &[]),
            Cell::Int(number) => tagged(&mut hash, b'i', &number.to_be_bytes()),
            Cell::Text(text) => tagged(&mut hash, b't', text.as_bytes()),
            Cell::Bytes(bytes) => tagged(&mut hash, b'b', bytes),
        }
    }
    hash.finalize().into()
}

fn tagged(hash: &mut Sha256, tag: u8, value: &[u8]) {
    hash.update([tag]);
    prefixed(hash, value);
}

fn prefixed(hash: &mut Sha256, bytes: &[u8]) {
    // A cell of 4 GiB cannot be stored by either engine; the saturated length would still be followed by all bytes.
    hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(bytes);
}

/// One column's value, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// An integer, flag or instant.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// The value as the digest wants it.
    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Int(number) => Cell::Int(*number),
            Self::Text(text) => Cell::Text(text),
            Self::Bytes(bytes) => Cell::Bytes(bytes),
        }
    }
}

/// An evidential row as it stands in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its table.
    pub table: String,
    /// Its key, in the spelling of its leaves.
    pub key: String,
    /// Index of the leaf that last changed it.
    pub leaf: u64,
    /// Its salt.
    pub salt: Salt,
    /// Its columns that count, by name.
    pub columns: Vec<(String, Value)>,
}

/// What is wrong with an exported row.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The line is not canonical JSON.
    #[error(transparent)]
    Canonical(#[from] canonical::Error),
    /// The line lacks a field, or has one too many or of another type.
    #[error("an exported row needs table, key, leaf, salt and columns in their form; `{0}` is not")]
    Field(&'static str),
}

impl Exported {
    /// The digest that the row's leaf must carry.
    pub fn digest(&self) -> Hash {
        let columns = self
            .columns
            .iter()
            .map(|(name, value)| (name.as_str(), value.cell()));
        digest(&self.table, &self.salt, columns)
    }

    /// The line of the bundle, without its newline.
    ///
    /// # Errors
    /// [`Error::Canonical`] when an integer is too large for JSON.
    pub fn to_line(&self) -> Result<Vec<u8>, Error> {
        let columns = self
            .columns
            .iter()
            .map(|(name, value)| (name.as_str().into(), value_item(value)))
            .collect();
        let line = Item::Object(Object::new(vec![
            ("columns".into(), Item::Object(Object::new(columns))),
            ("key".into(), Item::Text(self.key.as_str().into())),
            (
                "leaf".into(),
                Item::Int(i64::try_from(self.leaf).unwrap_or(i64::MAX)),
            ),
            ("salt".into(), Item::Text(hex::encode(self.salt).into())),
            ("table".into(), Item::Text(self.table.as_str().into())),
        ]))
        .to_bytes();
        canonical::parse(&line)?;
        Ok(line)
    }

    /// Reads a line of a bundle.
    ///
    /// # Errors
    /// [`Error`], saying what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, Error> {
        let Item::Object(object) = canonical::parse(line)? else {
            return Err(Error::Field("columns"));
        };
        let (mut table, mut key, mut leaf, mut salt, mut columns) = (None, None, None, None, None);
        for (name, item) in object.into_members() {
            match (name.as_ref(), item) {
                ("table", Item::Text(text)) => table = Some(text.into_owned()),
                ("key", Item::Text(text)) => key = Some(text.into_owned()),
                ("leaf", item) => leaf = item.number(),
                ("salt", item) => salt = item.text().and_then(bytes_from_hex),
                ("columns", Item::Object(object)) => columns = read_columns(object),
                _ => return Err(Error::Field("another field")),
            }
        }
        Ok(Self {
            table: table.ok_or(Error::Field("table"))?,
            key: key.ok_or(Error::Field("key"))?,
            leaf: leaf.ok_or(Error::Field("leaf"))?,
            salt: salt.ok_or(Error::Field("salt"))?,
            columns: columns.ok_or(Error::Field("columns"))?,
        })
    }
}

fn value_item(value: &Value) -> Item<'_> {
    let (tag, item) = match value {
        Value::Null => return Item::Null,
        Value::Int(number) => ("i", Item::Int(*number)),
        Value::Text(text) => ("t", Item::Text(text.as_str().into())),
        Value::Bytes(bytes) => ("b", Item::Text(hex::encode(bytes).into())),
    };
    Item::Object(Object::new(vec![(Cow::Borrowed(tag), item)]))
}

fn read_columns(object: Object<'_>) -> Option<Vec<(String, Value)>> {
    object
        .into_members()
        .into_iter()
        .map(|(name, item)| Some((name.into_owned(), read_value(item)?)))
        .collect()
}

fn read_value(item: Item<'_>) -> Option<Value> {
    let object = match item {
        Item::Null => return Some(Value::Null),
        Item::Object(object) => object,
        _ => return None,
    };
    let [(tag, item)]: [_; 1] = object.into_members().try_into().ok()?;
    match (tag.as_ref(), item) {
        ("i", Item::Int(number)) => Some(Value::Int(number)),
        ("t", Item::Text(text)) => Some(Value::Text(text.into_owned())),
        ("b", Item::Text(text)) => {
            let bytes = hex::decode(text.as_ref()).ok()?;
            (hex::encode(&bytes) == *text).then_some(Value::Bytes(bytes))
        }
        _ => None,
    }
}
