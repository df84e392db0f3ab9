//! Whether a stored leaf is the one that the signed checkpoint commits to, for whoever shows what stands in a few of them: rows of leaves and of
//! hashes have no MAC, and whoever writes the database can make them agree with each other, but not with the checkpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use statehouse_ledger::Hash;
use statehouse_ledger::tree::leaf_hash;

use super::chain::{Chain, perfect};
use super::{key_name, sql, verified};
use crate::error::{Error, Result};
use crate::house::House;
use crate::record::Rows;

/// Hashes in a full row.
const WIDTH: u64 = 256;

/// A full row, and what it hashes to.
type Full = (Vec<Hash>, Hash);

/// The hash rows of a ledger, held against its newest checkpoint as far as they are asked for.
pub(crate) struct Committed {
    /// The rows at the end of the ledger that are not full, which give the root that was signed.
    end: Chain,
    /// Full rows that were read, by level and place.
    full: HashMap<(u64, u64), Full>,
}

impl Committed {
    /// Reads the end of the ledger, which must give the root that was signed.
    pub(crate) async fn begin(rows: &mut Rows, house: &House) -> Result<Self> {
        let head = sql::head_seen(&mut rows.transaction).await?;
        let head = head.ok_or_else(|| Error::tampered("the ledger has no checkpoint"))?;
        let base = house.base();
        let name = key_name(&base.site, base.code);
        let signed = verified(&head.note, &name, &base.keyring())?;
        let end = Chain::load(&mut rows.transaction, signed.size, name).await?;
        if end.root() != signed.root {
            let words = "the end of the ledger does not hash to its signed checkpoint";
            return Err(Error::tampered(words));
        }
        let full = HashMap::new();
        Ok(Self { end, full })
    }

    /// Whether this is what the leaf says.
    pub(crate) async fn holds(&mut self, rows: &mut Rows, leaf: u64, body: &str) -> Result<bool> {
        let (mut hash, mut at) = (leaf_hash(body.as_bytes()), leaf);
        let mut count = self.end.size();
        for (level, open) in (0..).zip(self.end.open()) {
            let row = at / WIDTH;
            let place = usize::try_from(at % WIDTH).unwrap_or(usize::MAX);
            count /= WIDTH;
            if row == count {
                return Ok(open.get(place) == Some(&hash));
            }
            if let Entry::Vacant(unread) = self.full.entry((level, row)) {
                let hashes = sql::tile(&mut rows.transaction, level, row).await?;
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
