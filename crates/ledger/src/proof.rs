//! C2SP tlog-proofs: one leaf's place in the log, in one text file that needs no server.
//!
//! Promises: what is accepted serializes to the same bytes; at ten million leaves a proof has about 1.4 KiB.
//!
//! Absent on purpose: trust in the `extra` line (the format says it is not authenticated), and policies over witnesses.

use crate::Hash;
use crate::checkpoint::{self, Checkpoint};
use crate::note::{SignedNote, VerifierKey};
use crate::tree;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes a proof can have: one per level of a tree of 2⁶⁴ leaves.
const HASHES_MAX: usize = 64;

/// A leaf's place under a signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Opaque bytes that came along; nothing vouches for them.
    pub extra: Option<Vec<u8>>,
    /// Index of the leaf.
    pub index: u64,
    /// Audit path, from the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, as the log issued it.
    pub checkpoint: SignedNote,
}

/// What is wrong with a proof.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text is no proof.
    #[error("not a tlog-proof: {0}; see c2sp.org/tlog-proof for the form")]
    Text(&'static str),
    /// The checkpoint in it is malformed or not signed by the key.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// The checkpoint is of another log.
    #[error("the proof is about the log {0}, not the one asked about")]
    Origin(String),
    /// The path does not lead from the leaf to the root.
    #[error(transparent)]
    Path(#[from] tree::Refused),
}

impl TlogProof {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`Error::Text`] or [`Error::Checkpoint`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (head, note) = text
            .split_once("\n\n")
            .ok_or(Error::Text("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(Error::Text("its first line is another"));
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .and_then(|line| line.strip_prefix("extra "))
            .map(|extra| STANDARD.decode(extra))
            .transpose()
            .map_err(|_| Error::Text("its extra line is not base64"))?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(|digits| {
                digits
                    .parse::<u64>()
                    .ok()
                    .filter(|index| index.to_string() == digits)
            })
            .ok_or(Error::Text("it has no index line"))?;
        let hashes = lines
            .map(|line| {
                STANDARD
                    .decode(line)
                    .ok()
                    .and_then(|hash| hash.try_into().ok())
            })
            .collect::<Option<Vec<Hash>>>()
            .filter(|hashes| hashes.len() <= HASHES_MAX)
            .ok_or(Error::Text("its path is not made of base64 SHA-256 hashes"))?;
        let checkpoint = SignedNote::parse(note.as_bytes()).map_err(checkpoint::Error::from)?;
        Checkpoint::of(&checkpoint)?;
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint,
        })
    }

    /// Checks that `entry` is in the log `origin` at [`TlogProof::index`], as `key` signed it.
    ///
    /// # Errors
    /// [`Error`], saying what does not hold.
    pub fn verify(
        &self,
        entry: &[u8],
        origin: &str,
        key: &VerifierKey,
    ) -> Result<Checkpoint, Error> {
        let head = Checkpoint::verify(self.checkpoint.to_string().as_bytes(), key)?;
        if head.origin != origin {
            return Err(Error::Origin(head.origin));
        }
        tree::verify_inclusion(
            self.index,
            head.size,
            &tree::leaf_hash(entry),
            &self.hashes,
            &head.root,
        )?;
        Ok(head)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
