//! Canonical bytes for associated data: every field is preceded by its length, so that no two
//! different lists of fields give the same bytes.
//!
//! Lengths and numbers are 64-bit and big-endian. A field that may be absent has length 0 when it
//! is, which no number has.

use crate::KeyName;

/// First field of everything authenticated by this format of the envelope.
const FORMAT: &str = "statehouse/seal/1";

/// What sealed bytes belong to. Everything here is authenticated and nothing of it is stored: who
/// opens must name the same. Site and house come from the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Kind of the object, such as `state` or `plan`.
    pub kind: &'a str,
    /// Id of the object.
    pub object: &'a str,
    /// Id of the version: random, and chosen before sealing.
    pub version: &'a str,
    /// Lineage as read from the bytes; empty when there is none.
    pub lineage: &'a str,
    /// Serial as read from the bytes; `None` when there is none.
    pub serial: Option<u64>,
}

/// Length-prefixed fields, in order.
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    pub(crate) fn bytes(mut self, field: &[u8]) -> Self {
        self.0
            .extend_from_slice(&(field.len() as u64).to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    pub(crate) fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }

    pub(crate) fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }

    pub(crate) fn number_or_absent(self, field: Option<u64>) -> Self {
        match field {
            Some(number) => self.number(number),
            None => self.bytes(&[]),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Associated data of a key wrapped under a house secret.
pub(crate) fn wrapped_key(site: &str, house: &KeyName, purpose: &str, epoch: u32) -> Vec<u8> {
    Canonical::new()
        .text(FORMAT)
        .text("wrapped key")
        .text(site)
        .text(house.as_str())
        .text(purpose)
        .number(epoch.into())
        .finish()
}

/// Associated data of one object version: the common part is written once, its ending for each use.
pub(crate) struct Associated {
    bytes: Vec<u8>,
    common: usize,
}

impl Associated {
    pub(crate) fn new(site: &str, house: &KeyName, context: &Context<'_>) -> Self {
        let bytes = Canonical::new()
            .text(FORMAT)
            .text("object")
            .text(site)
            .text(house.as_str())
            .text(context.kind)
            .text(context.object)
            .text(context.version)
            .text(context.lineage)
            .number_or_absent(context.serial)
            .finish();
        Self {
            common: bytes.len(),
            bytes,
        }
    }

    /// For the object key, which is wrapped under one epoch.
    pub(crate) fn object_key(&mut self, epoch: u32) -> &[u8] {
        self.end_with(*b"key ", epoch, 0)
    }

    /// For one segment of the body, which does not know of epochs: rotation leaves it alone.
    pub(crate) fn segment(&mut self, index: u32, last: bool) -> &[u8] {
        self.end_with(*b"body", index, last.into())
    }

    /// Endings have a fixed length, and so need no prefix.
    fn end_with(&mut self, ending: [u8; 4], number: u32, flag: u8) -> &[u8] {
        self.bytes.truncate(self.common);
        self.bytes.extend_from_slice(&ending);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self.bytes.push(flag);
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn different_fields_never_give_the_same_bytes() {
        let mut seen = HashSet::new();
        let mut check = |kind, object, version, lineage, serial| {
            let context = Context {
                kind,
                object,
                version,
                lineage,
                serial,
            };
            let mut associated = Associated::new("s", &KeyName::site(), &context);
            assert!(
                seen.insert(associated.object_key(0).to_vec()),
                "{context:?}"
            );
            assert!(
                seen.insert(associated.object_key(1).to_vec()),
                "{context:?}"
            );
            assert!(
                seen.insert(associated.segment(0, false).to_vec()),
                "{context:?}"
            );
            assert!(
                seen.insert(associated.segment(0, true).to_vec()),
                "{context:?}"
            );
            assert!(
                seen.insert(associated.segment(1, false).to_vec()),
                "{context:?}"
            );
        };
        check("", "", "", "", None);
        check("", "", "", "", Some(0));
        check("ab", "c", "", "", None);
        check("a", "bc", "", "", None);
        check("a", "b", "c", "", None);
        check("a", "b", "", "c", None);
        check("abc", "", "", "", None);
        check("", "abc", "", "", None);
        check("", "", "", "\0\0\0\0\0\0\0\0", None);
        check("", "", "", "", Some(u64::MAX));
    }

    #[test]
    fn the_bytes_of_this_format_never_change() {
        let house = KeyName::parse("ab12cd").unwrap();
        let context = Context {
            kind: "state",
            object: "ws",
            version: "sv",
            lineage: "",
            serial: Some(7),
        };
        let mut associated = Associated::new("here", &house, &context);
        let expected = concat!(
            "0000000000000011",
            "7374617465686f7573652f7365616c2f31",
            "0000000000000006",
            "6f626a656374",
            "0000000000000004",
            "68657265",
            "0000000000000006",
            "616231326364",
            "0000000000000005",
            "7374617465",
            "0000000000000002",
            "7773",
            "0000000000000002",
            "7376",
            "0000000000000000",
            "0000000000000008",
            "0000000000000007",
            "626f6479",
            "00000003",
            "01",
        );
        assert_eq!(hex::encode(associated.segment(3, true)), expected);
    }
}
