//! How the things of this crate are spelled: canonical JSON whose members are all there, known, and in their form.
//!
//! [`Members`] takes an object apart member by member and refuses what is left over, because what a verifier does not
//! understand it must not vouch for. Making goes through the same rules: a capsule that was made is read back before it is used.
//!
//! Absent on purpose: optional members. What is not there is written as `null`, so that leaving it out is no second spelling.

use statehouse_ledger::canonical::{self, Item, Object};
use statehouse_ledger::{Hash, hash_from_hex, note};
use std::collections::BTreeMap;
use std::str::FromStr;

/// No name, version or lineage is longer: the longest that tools write have some two hundred characters.
const TEXT_BYTES_MAX: usize = 512;

/// Why something is not a capsule, or not an approval.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not canonical JSON.
    #[error(transparent)]
    Canonical(#[from] canonical::Error),
    /// The note around a capsule is malformed.
    #[error(transparent)]
    Note(#[from] note::Error),
    /// The note holds something else than a capsule.
    #[error(
        "the signed note holds no capsule: {0}; a capsule is one line below the line `statehouse capsule`"
    )]
    Text(&'static str),
    /// Larger than a capsule may be.
    #[error("a capsule of {0} bytes; it has at most 196608, so use fewer variables and providers")]
    TooLong(usize),
    /// A member is missing, unknown, or not in its form.
    #[error("the field `{0}` is missing, unknown or not in its form")]
    Field(String),
    /// Members are fine each, and contradict each other.
    #[error("the field `{field}` contradicts the others: {why}")]
    Contradiction {
        /// The field.
        field: &'static str,
        /// The rule that is broken.
        why: &'static str,
    },
}

pub(crate) fn wrong(field: &str) -> Error {
    Error::Field(field.to_owned())
}

/// The members of an object that are not yet read.
pub(crate) struct Members<'a> {
    of: &'static str,
    left: BTreeMap<String, Item<'a>>,
}

impl<'a> Members<'a> {
    /// The members of `item`, which stands in the field `of` (empty for the outermost).
    pub(crate) fn of(of: &'static str, item: Item<'a>) -> Result<Self, Error> {
        let Item::Object(object) = item else {
            return Err(wrong(if of.is_empty() { "v" } else { of }));
        };
        let members = object.into_members().into_iter();
        Ok(Self {
            of,
            left: members
                .map(|(name, item)| (name.into_owned(), item))
                .collect(),
        })
    }

    fn wrong(&self, name: &str) -> Error {
        if self.of.is_empty() {
            return wrong(name);
        }
        Error::Field(format!("{}.{name}", self.of))
    }

    pub(crate) fn item(&mut self, name: &str) -> Result<Item<'a>, Error> {
        self.left.remove(name).ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<String, Error> {
        match self.item(name)? {
            Item::Text(text) if is_plain(&text) => Ok(text.into_owned()),
            _ => Err(self.wrong(name)),
        }
    }

    pub(crate) fn optional_text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.item(name)? {
            Item::Null => Ok(None),
            Item::Text(text) if is_plain(&text) => Ok(Some(text.into_owned())),
            _ => Err(self.wrong(name)),
        }
    }

    /// A text that a type of its own reads: an id, a word.
    pub(crate) fn read<T: FromStr>(&mut self, name: &str) -> Result<T, Error> {
        let text = self.text(name)?;
        text.parse().map_err(|_| self.wrong(name))
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, Error> {
        match self.item(name)? {
            Item::Int(number) => Ok(number),
            _ => Err(self.wrong(name)),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Error> {
        match self.item(name)? {
            Item::Bool(flag) => Ok(flag),
            _ => Err(self.wrong(name)),
        }
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<u64, Error> {
        let item = self.item(name)?;
        item.number().ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn optional_number(&mut self, name: &str) -> Result<Option<u64>, Error> {
        match self.item(name)? {
            Item::Null => Ok(None),
            item => item.number().map(Some).ok_or_else(|| self.wrong(name)),
        }
    }

    pub(crate) fn hash(&mut self, name: &str) -> Result<Hash, Error> {
        let item = self.item(name)?;
        item.text()
            .and_then(hash_from_hex)
            .ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn optional_hash(&mut self, name: &str) -> Result<Option<Hash>, Error> {
        match self.item(name)? {
            Item::Null => Ok(None),
            item => item
                .text()
                .and_then(hash_from_hex)
                .map(Some)
                .ok_or_else(|| self.wrong(name)),
        }
    }

    /// Every member must have been read by now.
    pub(crate) fn end(self) -> Result<(), Error> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.wrong(name)),
        }
    }

    /// Takes all that is left: an object whose names are data.
    pub(crate) fn rest(self) -> Result<BTreeMap<String, Item<'a>>, Error> {
        if let Some(name) = self.left.keys().find(|name| !is_plain(name)) {
            return Err(self.wrong(name));
        }
        Ok(self.left)
    }
}

/// Texts are short, not empty, and hold nothing that a terminal would act on.
fn is_plain(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether it is one of the words that name a kind: `s3`, `azurerm`, `USD`.
pub(crate) fn is_word(text: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(part)
}

pub(crate) fn object<'a>(members: Vec<(&'static str, Item<'a>)>) -> Item<'a> {
    let members = members
        .into_iter()
        .map(|(name, item)| (name.into(), item))
        .collect();
    Item::Object(Object::new(members))
}

pub(crate) fn text(text: &str) -> Item<'_> {
    Item::Text(text.into())
}

pub(crate) fn hash(hash: &Hash) -> Item<'static> {
    Item::Text(hex::encode(hash).into())
}

/// Numbers beyond what is canonical are written too large on purpose: reading back refuses them.
pub(crate) fn number(number: u64) -> Item<'static> {
    Item::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn optional<T>(
    value: Option<T>,
    item: impl FnOnce(T) -> Item<'static>,
) -> Item<'static> {
    value.map_or(Item::Null, item)
}

/// An enumeration of words: how each is spelled, and back.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$each])* $variant,)*
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word, as capsules and leaves spell it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> Result<Self, $crate::Error> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|each| each.as_str() == text)
                    .ok_or_else(|| $crate::form::wrong(text))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;
