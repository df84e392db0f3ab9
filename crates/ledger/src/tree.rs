//! The Merkle tree of RFC 6962 §2.1 over SHA-256.
//!
//! A [`Frontier`] grows a tree in memory proportional to the logarithm of its size; [`Hashes`] is whatever can answer for
//! the hash of a complete subtree, and from it come roots of every earlier size ([`root_at`]), inclusion proofs and
//! consistency proofs. The two verifying functions are the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2 and need nothing
//! but the proof.
//!
//! Promises: a proof that is too long, too short or about another place is refused; no arithmetic overflows for any `u64`.
//!
//! Absent on purpose: pruned trees, and any hash function but SHA-256.

use crate::Hash;
use sha2::{Digest, Sha256};

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(entry)
        .finalize()
        .into()
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

/// A frontier of `size` leaves has one hash per set bit of `size`; this one had another number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a frontier of {size} leaves has {} hashes, not {given}; read it again from the leaves", .size.count_ones()
)]
pub struct WrongFrontier {
    /// Leaves the frontier was said to have.
    pub size: u64,
    /// Hashes that were given.
    pub given: usize,
}

impl Frontier {
    /// The frontier of a tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of a tree of `size` leaves, from the hashes [`Frontier::hashes`] once gave.
    ///
    /// # Errors
    /// [`WrongFrontier`] when the number of hashes cannot belong to `size`.
    pub fn from(size: u64, hashes: Vec<Hash>) -> Result<Self, WrongFrontier> {
        if usize::try_from(size.count_ones()) == Ok(hashes.len()) {
            Ok(Self { size, hashes })
        } else {
            Err(WrongFrontier {
                size,
                given: hashes.len(),
            })
        }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, largest first; with [`Frontier::size`] this is all there is to store.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Appends the leaf whose hash is `leaf`.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        let mut pairs = self.size;
        while pairs & 1 == 1
            && let Some(left) = self.hashes.pop()
        {
            hash = node_hash(&left, &hash);
            pairs >>= 1;
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        join(&self.hashes)
    }
}

/// Whatever can answer for complete subtrees: a table, tiles, a vector.
pub trait Hashes {
    /// Why a hash could not be had.
    type Error;

    /// The root of the complete subtree over the leaves `index << level .. (index + 1) << level`; level 0 is leaf hashes.
    ///
    /// # Errors
    /// The store's own; a hash that is not there is an error, never a default.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Every complete subtree of a tree, in memory: 64 bytes per leaf.
#[derive(Debug)]
pub struct Levels(Vec<Vec<Hash>>);

/// A subtree that lies outside the tree was asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the tree holds no complete subtree {index} at level {level}; ask within its size")]
pub struct OutsideTree {
    /// Level asked for.
    pub level: u8,
    /// Index asked for.
    pub index: u64,
}

impl Levels {
    /// Hashes a whole tree, given its leaf hashes in order.
    pub fn from_leaves(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last()
            && below.len() > 1
        {
            let (pairs, _odd) = below.as_chunks::<2>();
            levels.push(
                pairs
                    .iter()
                    .map(|[left, right]| node_hash(left, right))
                    .collect(),
            );
        }
        Self(levels)
    }

    /// The complete subtrees at `level`, in order; empty above the top.
    pub fn level(&self, level: u8) -> &[Hash] {
        self.0.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }
}

impl Hashes for Levels {
    type Error = OutsideTree;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, OutsideTree> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.level(level).get(index))
            .copied()
            .ok_or(OutsideTree { level, index })
    }
}

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError<E> {
    /// The leaf or the older tree lies outside the tree.
    #[error("{what} {value} lies outside a tree of {size} leaves; ask for a smaller one")]
    Outside {
        /// What was asked for: `leaf` or `tree size`.
        what: &'static str,
        /// Its index or size.
        value: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The store could not answer for a subtree.
    #[error(transparent)]
    Hashes(#[from] E),
}

/// The root of the first `size` leaves.
///
/// # Errors
/// The store's own.
pub fn root_at<H: Hashes>(size: u64, hashes: &H) -> Result<Hash, H::Error> {
    root_of(0, size, hashes)
}

/// The audit path of RFC 6962 §2.1.1 for leaf `index` in the tree of `size` leaves, from the leaf's sibling upwards.
///
/// # Errors
/// [`ProofError::Outside`] when `index` is not in the tree, else the store's own.
pub fn inclusion_proof<H: Hashes>(
    index: u64,
    size: u64,
    hashes: &H,
) -> Result<Vec<Hash>, ProofError<H::Error>> {
    if index >= size {
        return Err(ProofError::Outside {
            what: "leaf",
            value: index,
            size,
        });
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(root_of(middle, end, hashes)?);
            end = middle;
        } else {
            path.push(root_of(start, middle, hashes)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof of RFC 6962 §2.1.2 between the trees of `old` and `new` leaves.
///
/// Empty when `old` is 0 or equal to `new`: there is nothing to show.
///
/// # Errors
/// [`ProofError::Outside`] when `old` is larger than `new`, else the store's own.
pub fn consistency_proof<H: Hashes>(
    old: u64,
    new: u64,
    hashes: &H,
) -> Result<Vec<Hash>, ProofError<H::Error>> {
    if old > new {
        return Err(ProofError::Outside {
            what: "tree size",
            value: old,
            size: new,
        });
    }
    let mut path = Vec::new();
    if old == 0 {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(root_of(middle, end, hashes)?);
            end = middle;
        } else {
            path.push(root_of(start, middle, hashes)?);
            start = middle;
        }
    }
    // The verifier already knows the old root, so a subtree that is the whole old tree is left out.
    if start != 0 {
        path.push(root_of(start, end, hashes)?);
    }
    path.reverse();
    Ok(path)
}

/// Why a proof was refused.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// The leaf or the older tree lies outside the tree.
    #[error(
        "the proof speaks of a place outside the tree; ask its sender for one that fits the checkpoint"
    )]
    Outside,
    /// The proof has too many or too few hashes for its place.
    #[error("the proof has the wrong number of hashes for its place; ask its sender for another")]
    Length,
    /// The hashes lead to another root.
    #[error(
        "the proof leads to another root; what it is about was altered, or belongs to another tree"
    )]
    Root,
}

/// Checks that the leaf with hash `leaf` is number `index` of the tree with `size` leaves and this `root`.
///
/// # Errors
/// [`Refused`], saying in which way the proof fails.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Refused> {
    if index >= size {
        return Err(Refused::Outside);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Refused::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(Refused::Root),
        _ => Err(Refused::Length),
    }
}

/// Checks that the tree with `old` leaves and `old_root` is a prefix of the tree with `new` leaves and `new_root`.
///
/// The empty tree is a prefix of every tree; it and equal sizes take an empty proof.
///
/// # Errors
/// [`Refused`], saying in which way the proof fails.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), Refused> {
    if old > new {
        return Err(Refused::Outside);
    }
    if old == 0 || old == new {
        let same = *old_root == if old == 0 { empty_root() } else { *new_root };
        return match (proof.is_empty(), same) {
            (false, _) => Err(Refused::Length),
            (true, false) => Err(Refused::Root),
            (true, true) => Ok(()),
        };
    }
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some(parts) => parts,
        None => return Err(Refused::Length),
    };
    let shift = (old - 1).trailing_ones();
    let (mut node, mut last) = ((old - 1) >> shift, (new - 1) >> shift);
    let (mut was, mut is) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(Refused::Length);
        }
        if node & 1 == 1 || node == last {
            was = node_hash(sibling, &was);
            is = node_hash(sibling, &is);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            is = node_hash(&is, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match (last, was == *old_root && is == *new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(Refused::Root),
        _ => Err(Refused::Length),
    }
}

/// The largest power of two smaller than `leaves`, which is at least 2: where RFC 6962 cuts a tree.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The root over the leaves `start .. end`, where `start` is a cut of RFC 6962 (so that every subtree is aligned).
fn root_of<H: Hashes>(start: u64, end: u64, hashes: &H) -> Result<Hash, H::Error> {
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        peaks.push(hashes.hash(low_byte(level), at >> level)?);
        at += 1 << level;
    }
    Ok(join(&peaks))
}

/// The root over neighbouring complete subtrees, largest first.
fn join(peaks: &[Hash]) -> Hash {
    peaks
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
        .unwrap_or_else(empty_root)
}

/// A logarithm of a `u64` is below 64, so its low byte is all of it.
fn low_byte(level: u32) -> u8 {
    let [low, ..] = level.to_le_bytes();
    low
}
