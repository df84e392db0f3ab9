//! The capsule: terms in their one spelling, and the digest that approvals and leaves name.

use crate::form::Error;
use crate::terms::Terms;
use statehouse_ledger::{Hash, canonical, sha256};

/// The form of capsules described here.
pub const VERSION: i64 = 1;

/// The longest capsule, in bytes: more than a thousand variables, and room for signatures in a note of 256 KiB.
pub const CAPSULE_BYTES_MAX: usize = 192 * 1024;

/// Terms in their one spelling. Can only be made valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capsule {
    terms: Terms,
    bytes: Vec<u8>,
    digest: Hash,
}

impl Capsule {
    /// The capsule of these terms.
    ///
    /// # Errors
    /// [`Error`] when the terms are too long, not in their form, or contradict each other.
    pub fn new(terms: &Terms) -> Result<Self, Error> {
        Self::parse(&terms.to_bytes())
    }

    /// Reads a capsule; accepts exactly what [`Capsule::bytes`] gives.
    ///
    /// # Errors
    /// [`Error`] with the rule or the field that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > CAPSULE_BYTES_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        Ok(Self {
            terms: Terms::read(canonical::parse(bytes)?)?,
            bytes: bytes.to_vec(),
            digest: sha256(bytes),
        })
    }

    /// What it says.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Its one spelling.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of its bytes: what an approval approves.
    pub fn digest(&self) -> Hash {
        self.digest
    }
}
