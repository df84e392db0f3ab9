//! A capsule with the signature of its house, as a signed note.
//!
//! The key is the one that signs the house's checkpoints, so both texts are kept apart by form: a capsule is two lines
//! of which the first is always [`FIRST_LINE`] and the second an object; a checkpoint has three lines or more. Neither
//! parser reads the other's text, and so no signature of one is ever a signature of the other.

use crate::capsule::Capsule;
use crate::form::Error;
use statehouse_ledger::note::{Signature, SignedNote, Signer, VerifierKey};
use std::fmt;

/// The line above every capsule that is signed.
const FIRST_LINE: &str = "statehouse capsule";

/// A capsule and the signatures below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCapsule {
    capsule: Capsule,
    note: SignedNote,
}

impl SignedCapsule {
    /// Signs a capsule.
    ///
    /// # Errors
    /// [`Error::Note`] when the capsule cannot be the text of a note.
    pub fn sign(capsule: Capsule, signers: &[&Signer]) -> Result<Self, Error> {
        let spelled = String::from_utf8_lossy(capsule.bytes());
        let mut note = SignedNote::new(format!("{FIRST_LINE}\n{spelled}\n"))?;
        for signer in signers {
            note.sign(signer);
        }
        Ok(Self { capsule, note })
    }

    /// Reads a signed capsule, whoever signed it.
    ///
    /// # Errors
    /// [`Error`] with the rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let note = SignedNote::parse(bytes)?;
        let mut lines = note.text().split('\n');
        let (Some(first), Some(capsule), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(Error::Text("it does not have two lines"));
        };
        if first != FIRST_LINE {
            return Err(Error::Text("its first line says something else"));
        }
        let capsule = Capsule::parse(capsule.as_bytes())?;
        Ok(Self { capsule, note })
    }

    /// The capsule, which is worth something only after [`crate::verify`].
    pub fn capsule(&self) -> &Capsule {
        &self.capsule
    }

    /// What the note says about `key`.
    pub fn signature_of(&self, key: &VerifierKey) -> Signature {
        self.note.signature_of(key)
    }

    /// The names of the keys that signed it, verified or not.
    pub fn signers(&self) -> impl Iterator<Item = &str> {
        self.note.lines().iter().map(|line| line.name.as_str())
    }
}

impl fmt::Display for SignedCapsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}
