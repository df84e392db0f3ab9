//! Whether a stored leaf is the one that the signed checkpoint commits to, for whoever shows what stands in a few of them: rows of leaves and of
//! hashes have no MAC, and whoever writes the database can make them agree with each other, but not with the checkpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use statehouse_ledger::Hash;
use statehouse_ledger::tree::{Frontier, leaf_hash};

use super::chain::perfect;
use super::{key_name, sql, verified};
use crate::error::{Error, Result};
use crate::house::House;
use crate::record::Rows;

/// Hashes of one row of them: each is the root of the row below it.
const WIDTH: u64 = 256;
/// Bits of that.
const BITS: u32 = 8;
/// Levels of rows, more than any ledger has.
const LEVELS: u32 = 6;

/// A full row, and what it hashes to.
type Full = (Vec<Hash>, Hash);

/// The hash rows of a ledger, held against its newest checkpoint as far as they are asked for.
pub(crate) struct Committed {
    size: u64,
    /// By level, the rows at the end of the ledger that are not full; their hashes give the root.
    edge: Vec<Vec<Hash>>,
    /// Full rows that were read, by level and place.
    full: HashMap<(u32, u64), Full>,
}

impl Committed {
    /// Reads the end of the ledger, which must give the root that was signed.
    pub(crate) async fn begin(rows: &mut Rows, house: &House) -> Result<Self> {
        let head = sql::head_seen(&mut rows.transaction).await?;
        let head = head.ok_or_else(|| Error::tampered("the ledger has no checkpoint"))?;
        let base = house.base();
        let name = key_name(&base.site, base.code);
        let signed = verified(&head.note, &name, &base.keyring())?;
        let mut edge = Vec::new();
        for level in 0..LEVELS {
            edge.push(end_of(rows, level, signed.size).await?);
        }
        let roots = edge.iter().rev().flat_map(|row| subtrees(row));
        let root = Frontier::from(signed.size, roots.collect()).map(|end| end.root());
        if root.ok() != Some(signed.root) {
            let words = "the end of the ledger does not hash to its signed checkpoint";
            return Err(Error::tampered(words));
        }
        Ok(Self {
            size: signed.size,
            edge,
            full: HashMap::new(),
        })
    }

    /// Whether this is what the leaf says.
    pub(crate) async fn holds(&mut self, rows: &mut Rows, leaf: u64, body: &str) -> Result<bool> {
        let (mut hash, mut at) = (leaf_hash(body.as_bytes()), leaf);
        for (level, edge) in (0..LEVELS).zip(&self.edge) {
            let (row, place) = (
                at / WIDTH,
                usize::try_from(at % WIDTH).unwrap_or(usize::MAX),
            );
            if row == end(level, self.size) {
                return Ok(edge.get(place) == Some(&hash));
            }
            if let Entry::Vacant(unread) = self.full.entry((level, row)) {
                let hashes = sql::tile(&mut rows.transaction, u64::from(level), row).await?;
                let hashes = hashes.filter(|row| row.len() as u64 == WIDTH);
                let Some(hashes) = hashes else {
                    return Ok(false);
                };
                let root = perfect(&hashes);
                unread.insert((hashes, root));
            }
            let read = self.full.get(&(level, row));
            let Some((_, root)) = read.filter(|(hashes, _)| hashes.get(place) == Some(&hash))
            else {
                return Ok(false);
            };
            (hash, at) = (*root, row);
        }
        Ok(false)
    }
}

/// Which row of a level is the one that is not full.
fn end(level: u32, size: u64) -> u64 {
    size >> (BITS * (level + 1))
}

/// The row of a level that is not full, as many hashes as a ledger of this size has.
async fn end_of(rows: &mut Rows, level: u32, size: u64) -> Result<Vec<Hash>> {
    let (row, width) = (end(level, size), (size >> (BITS * level)) % WIDTH);
    let hashes = match level {
        _ if width == 0 => return Ok(Vec::new()),
        0 => sql::leaf_hashes(&mut rows.transaction, row * WIDTH, size).await?,
        level => {
            let stored = sql::tile(&mut rows.transaction, u64::from(level), row).await?;
            stored.unwrap_or_default()
        }
    };
    if hashes.len() as u64 == width {
        Ok(hashes)
    } else {
        Err(Error::tampered("hashes at the end of the ledger are gone"))
    }
}

/// The roots of the complete subtrees of a row, the largest first.
fn subtrees(mut row: &[Hash]) -> Vec<Hash> {
    let mut roots = Vec::new();
    while let Some(power) = row.len().checked_ilog2() {
        let (tree, rest) = row.split_at(1 << power);
        roots.push(perfect(tree));
        row = rest;
    }
    roots
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::for_each_engine;
    use statehouse_model::Role;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_leaf_is_held_against_the_checkpoint_and_no_other_text_is() {
        for_each_engine(async |world| {
            // Past a row that is full.
            for _ in 0..=WIDTH {
                world.member(Role::Reader).await;
            }
            let ctx = world.ask();
            let mut rows = crate::door::look(ctx.house()).await.unwrap();
            let mut committed = Committed::begin(&mut rows, ctx.house()).await.unwrap();
            let leaves = sql::bodies(&mut rows.transaction, 0, u64::MAX >> 1);
            for (leaf, body) in leaves.await.unwrap() {
                assert!(committed.holds(&mut rows, leaf, &body).await.unwrap());
                let other = body.replacen('{', "{ ", 1);
                assert!(!committed.holds(&mut rows, leaf, &other).await.unwrap());
                let beside = committed.holds(&mut rows, leaf + 1, &body);
                assert!(!beside.await.unwrap());
            }
        })
        .await;
    }
}
