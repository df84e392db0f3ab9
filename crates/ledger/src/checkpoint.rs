//! C2SP tlog-checkpoints: which tree a log vouches for, and the memory that keeps it from vouching for two.
//!
//! A [`Checkpoint`] is origin, size and root; signed it is a note. [`Memory`] is asked before every signature: it refuses
//! a second root for a size and a smaller size, and it knows an offer that was signed but never left the process, because
//! its transaction was rolled back, from one that did.
//!
//! Absent on purpose: extension lines (the format advises against them; a checkpoint that has some is refused), and keeping
//! the memory over restarts, which is for the database and the anchor.

use crate::Hash;
use crate::note::{self, Signature, SignedNote, Signer, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A log's head: the text that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log this is; for a house `statehouse/<site>/<house>/<epoch>`.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over those leaves.
    pub root: Hash,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The note around it is malformed.
    #[error(transparent)]
    Note(#[from] note::Error),
    /// The text is not the text of a checkpoint.
    #[error("not a checkpoint: {0}; see c2sp.org/tlog-checkpoint for the form")]
    Text(&'static str),
    /// The key has not signed it.
    #[error("the checkpoint carries no signature of {0}; ask the log for one that does")]
    Unsigned(String),
    /// The key's signature does not fit the text.
    #[error("the signature of {0} does not fit the checkpoint; its text or signature was altered")]
    BadSignature(String),
}

impl Checkpoint {
    /// Reads the text form: three lines.
    ///
    /// # Errors
    /// [`Error::Text`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let body = text
            .strip_suffix('\n')
            .ok_or(Error::Text("it does not end with a newline"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(Error::Text("it does not have three lines"));
        };
        if origin.is_empty() {
            return Err(Error::Text("its origin is empty"));
        }
        let number: u64 = size
            .parse()
            .ok()
            .filter(|number: &u64| number.to_string() == size)
            .ok_or(Error::Text("its size is not a decimal number"))?;
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or(Error::Text("its root is not a base64 SHA-256 hash"))?;
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root,
        })
    }

    /// Reads the checkpoint out of a note, whoever signed it.
    ///
    /// # Errors
    /// [`Error::Text`] when the note holds something else.
    pub fn of(note: &SignedNote) -> Result<Self, Error> {
        Self::parse(note.text())
    }

    /// The note of this checkpoint, signed by all `signers`.
    ///
    /// # Errors
    /// [`Error::Text`] or [`Error::Note`] when the origin cannot be an origin.
    pub fn sign(&self, signers: &[&Signer]) -> Result<SignedNote, Error> {
        let text = self.to_string();
        Self::parse(&text)?;
        let mut note = SignedNote::new(text)?;
        for signer in signers {
            note.sign(signer);
        }
        Ok(note)
    }

    /// Reads a signed checkpoint that `key` must have signed.
    ///
    /// # Errors
    /// [`Error`], saying whether form or signature fails.
    pub fn verify(note: &[u8], key: &VerifierKey) -> Result<Self, Error> {
        let note = SignedNote::parse(note)?;
        match note.signature_of(key) {
            Signature::Good => Self::of(&note),
            Signature::Bad => Err(Error::BadSignature(key.name().to_owned())),
            Signature::Absent => Err(Error::Unsigned(key.name().to_owned())),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}\n{}\n{}",
            self.origin,
            self.size,
            STANDARD.encode(self.root)
        )
    }
}

/// What a signer remembers, so that it never contradicts itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    confirmed: Option<(u64, Hash)>,
    offered: Option<(u64, Hash)>,
}

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// The tree is smaller than one already signed: the database went back.
    #[error(
        "the log was signed at {signed} leaves and now has {offered}; it was rolled back, restore it openly or find out why"
    )]
    Smaller {
        /// Size already signed.
        signed: u64,
        /// Size offered now.
        offered: u64,
    },
    /// Another root was signed for this size: the log was rewritten.
    #[error(
        "the log was already signed with another root at {size} leaves; it was rewritten, and no second root is signed"
    )]
    SecondRoot {
        /// The size in question.
        size: u64,
    },
    /// The last offer is neither confirmed nor forgotten.
    #[error(
        "it is not known whether the checkpoint of {size} leaves was committed; read the head again first"
    )]
    Unsettled {
        /// Size of the open offer.
        size: u64,
    },
}

impl Memory {
    /// A memory that knows nothing yet: a log before its first signature.
    pub fn new() -> Self {
        Self::default()
    }

    /// A memory that knows this head to have left the process.
    pub fn of(size: u64, root: Hash) -> Self {
        Self {
            confirmed: Some((size, root)),
            offered: None,
        }
    }

    /// The newest head known to have been committed.
    pub fn head(&self) -> Option<(u64, Hash)> {
        self.confirmed
    }

    /// The head that is on its way: offered, neither confirmed nor forgotten.
    pub fn offered(&self) -> Option<(u64, Hash)> {
        self.offered
    }

    /// Asks whether this head may be signed, and remembers it as on its way. Offering the same head again is fine.
    ///
    /// # Errors
    /// [`Refused`] when it would contradict what was signed, or an earlier offer is still open.
    pub fn offer(&mut self, size: u64, root: Hash) -> Result<(), Refused> {
        if let Some(open) = self.offered.filter(|open| *open != (size, root)) {
            return Err(Refused::Unsettled { size: open.0 });
        }
        match self.confirmed {
            Some((signed, _)) if size < signed => Err(Refused::Smaller {
                signed,
                offered: size,
            }),
            Some((signed, known)) if size == signed && root != known => {
                Err(Refused::SecondRoot { size })
            }
            _ => {
                self.offered = Some((size, root));
                Ok(())
            }
        }
    }

    /// The offer was committed: from now on it binds. Without an open offer nothing changes.
    pub fn confirm(&mut self) {
        if let Some(head) = self.offered.take() {
            self.confirmed = Some(head);
        }
    }

    /// The offer was rolled back before it left the process: it binds nobody.
    pub fn forget(&mut self) {
        self.offered = None;
    }
}
