//! The ledger: what happened in a house, in an order nobody can change unseen.
//!
//! One house has one log. Its leaves are canonical JSON ([`leaf`], [`canonical`]), hashed as RFC 6962 says ([`tree`]),
//! laid out as C2SP tlog-tiles ([`tile`]) and headed by tlog-checkpoints ([`checkpoint`]), which are signed notes
//! ([`note`]). A single leaf is shown to a stranger with a tlog-proof ([`proof`]); the whole log with a bundle
//! ([`bundle`]), which [`verify`] checks without any server. [`row`] ties rows of a database to the leaves that wrote them.
//!
//! Promises: nothing here invents a tree, a signature or a proof format; a parser accepts exactly one spelling of a thing;
//! hostile input is refused with words and never panics or exhausts memory.
//!
//! Absent on purpose: storage, HTTP, clocks, randomness, async. Whoever keeps the log brings those. Content is absent too:
//! leaves hold digests and salted commitments, so that a log can be shown without showing what it is about.

pub mod archive;
pub mod bundle;
pub mod canonical;
pub mod checkpoint;
pub mod follow;
pub mod leaf;
pub mod note;
pub mod proof;
pub mod row;
pub mod tile;
pub mod tree;
pub mod verify;

use sha2::{Digest, Sha256};

/// A SHA-256 hash: of a leaf, a tree node, a row or a sealed body.
pub type Hash = [u8; 32];

/// SHA-256 of `bytes`, with no prefix.
pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// Reads 64 lowercase hexadecimal digits; `None` for anything else, capitals included.
pub fn hash_from_hex(text: &str) -> Option<Hash> {
    bytes_from_hex(text)
}

/// Reads exactly `2 × N` lowercase hexadecimal digits.
pub(crate) fn bytes_from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lowercase = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let mut bytes = [0; N];
    (lowercase && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}
