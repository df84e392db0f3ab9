//! The growing end of a house's ledger, held in memory by its writer.
//!
//! Hashes are kept in rows of 256 per level, as C2SP tiles cut them: the rows
//! that are not full yet are exactly what is needed to add a leaf and to
//! compute the root.

use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::note::Signer;
use statehouse_ledger::tile::ENTRY_BYTES_MAX;
use statehouse_ledger::tree::{self, node_hash};
use statehouse_seal::Keyring;

use super::{Head, key_name, retained, signer, sql, verified};
use crate::db::{Transaction, Value};
use crate::error::{Error, Result};
use crate::house::Base;

/// Hashes in a full row.
const WIDTH: usize = 256;
/// A checkpoint is retained at most this often, in microseconds.
const RETAIN_EVERY_US: i64 = 1_000_000;

/// The rows that are not full yet, level by level, and what they sum up to.
#[derive(Clone)]
pub(crate) struct Chain {
    size: u64,
    rows: Vec<Vec<Hash>>,
    origin: String,
    retained_at: i64,
    retain: bool,
}

/// A row of hashes as it is stored.
pub(crate) struct HashRow {
    level: u64,
    index: u64,
    hashes: Vec<Hash>,
}

impl Chain {
    /// A ledger without leaves.
    pub(crate) fn empty(origin: String) -> Self {
        Self {
            size: 0,
            rows: Vec::new(),
            origin,
            retained_at: i64::MIN,
            retain: true,
        }
    }

    /// The chain of the first `size` leaves, read back from its rows.
    pub(crate) async fn load(
        transaction: &mut Transaction,
        size: u64,
        origin: String,
    ) -> Result<Self> {
        let mut chain = Self {
            size,
            ..Self::empty(origin)
        };
        let mut count = size;
        for level in 0_u64.. {
            let filled = usize::try_from(count % 256).unwrap_or(0);
            let index = count / 256;
            let row = match (filled, level) {
                (0, _) => Vec::new(),
                (_, 0) => sql::leaf_hashes(transaction, index * 256, count).await?,
                _ => sql::tile(transaction, level, index)
                    .await?
                    .unwrap_or_default(),
            };
            let row = row.get(..filled).ok_or_else(|| {
                Error::tampered(format!(
                    "row {index} of level {level} of the ledger's hashes is incomplete"
                ))
            })?;
            chain.rows.push(row.to_vec());
            count = index;
            if count == 0 {
                break;
            }
        }
        Ok(chain)
    }

    /// How many leaves there are; the index of the next one.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The rows that are not full yet, level by level.
    pub(super) fn open(&self) -> &[Vec<Hash>] {
        &self.rows
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn set_origin(&mut self, origin: String) {
        self.retain |= origin != self.origin;
        self.origin = origin;
    }

    /// The root over all leaves (RFC 6962, section 2.1).
    pub(crate) fn root(&self) -> Hash {
        // From the lowest, rightmost subtree up: each level's row is split
        // into the perfect subtrees that its length is the sum of.
        let mut root: Option<Hash> = None;
        for row in &self.rows {
            for peak in peaks(row).into_iter().rev() {
                root = Some(root.map_or(peak, |right| node_hash(&peak, &right)));
            }
        }
        root.unwrap_or_else(tree::empty_root)
    }

    /// Reads on when another process has moved the head to `head`.
    ///
    /// What it goes on from must be signed by this house and extend what this
    /// process knows: the next signature covers it.
    pub(crate) async fn catch_up(
        &mut self,
        transaction: &mut Transaction,
        base: &Base,
        head: &Head,
    ) -> Result<()> {
        if head.size == self.size {
            return Ok(());
        }
        let differs = || {
            Error::tampered(format!(
                "the ledger in the database has {} leaves and does not extend the {} that this process knows",
                head.size, self.size
            ))
        };
        if head.size < self.size {
            return Err(differs());
        }
        let signed = verified(
            &head.note,
            &key_name(&base.site, base.code),
            &base.keyring(),
        )?;
        let stated = Checkpoint {
            origin: head.origin.clone(),
            size: head.size,
            root: head.root,
        };
        let known = Self::load(transaction, self.size, self.origin.clone()).await?;
        let loaded = Self::load(transaction, head.size, head.origin.clone()).await?;
        if signed != stated || loaded.root() != head.root || known.root() != self.root() {
            return Err(differs());
        }
        *self = Self {
            retained_at: self.retained_at,
            ..loaded
        };
        Ok(())
    }

    /// Adds a leaf, and the hash rows that it fills.
    pub(crate) async fn append(
        &mut self,
        transaction: &mut Transaction,
        leaf: Vec<u8>,
        detail: Value,
    ) -> Result<()> {
        if leaf.len() > ENTRY_BYTES_MAX {
            return Err(Error::internal(format!(
                "a ledger leaf of {} bytes is over the limit of {ENTRY_BYTES_MAX}",
                leaf.len()
            )));
        }
        let hash = tree::leaf_hash(&leaf);
        let body =
            String::from_utf8(leaf).map_err(|_| Error::internal("a ledger leaf is not UTF-8"))?;
        sql::insert_leaf(transaction, self.size, &hash, body, detail).await?;
        for row in self.push(hash) {
            sql::put_tile(transaction, row.level, row.index, &row.hashes).await?;
        }
        Ok(())
    }

    /// Adds the hash of a leaf, in memory alone. The rows that are to be stored for it.
    pub(crate) fn push(&mut self, mut hash: Hash) -> Vec<HashRow> {
        let (mut index, mut rows) = (self.size / 256, Vec::new());
        self.size += 1;
        for level in 0_u64.. {
            let at = usize::try_from(level).unwrap_or(usize::MAX);
            if self.rows.len() == at {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            row.push(hash);
            let full = row.len() == WIDTH;
            if level > 0 || full {
                let hashes = row.clone();
                rows.push(HashRow {
                    level,
                    index,
                    hashes,
                });
            }
            if !full {
                break;
            }
            hash = peaks(row).first().copied().unwrap_or(hash);
            row.clear();
            index /= 256;
        }
        rows
    }

    /// Signs the checkpoint over all leaves. The house's memory refuses a
    /// second root for a size, and a smaller size.
    pub(crate) fn sign(&mut self, base: &Base, keyring: &Keyring, now: i64) -> Result<Head> {
        let root = self.root();
        base.signed.offer(self.size, root)?;
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size: self.size,
            root,
        };
        let name = key_name(&base.site, base.code);
        let newest = signer(&name, keyring, keyring.newest())?;
        let current = base.keyring();
        let mut signers: Vec<&Signer> = vec![&newest];
        let before = (keyring.newest() != current.newest())
            .then(|| signer(&name, &current, current.newest()))
            .transpose()?;
        signers.extend(&before);
        let note = checkpoint
            .sign(&signers)
            .map_err(|error| Error::internal(format!("signing a checkpoint: {error}")))?;
        self.retain |= before.is_some() || now.saturating_sub(self.retained_at) >= RETAIN_EVERY_US;
        if self.retain {
            self.retained_at = now;
        }
        Ok(Head {
            size: self.size,
            root,
            origin: self.origin.clone(),
            note: note.to_string(),
        })
    }

    /// Stores what [`Chain::sign`] signed, in the same transaction.
    /// `bound` is what the head before it binds of the retained checkpoints.
    pub(crate) async fn store(
        &mut self,
        transaction: &mut Transaction,
        head: &Head,
        bound: Hash,
        keyring: &Keyring,
    ) -> Result<()> {
        let mut digest = bound;
        if std::mem::take(&mut self.retain) {
            let kept = sql::Retained {
                size: head.size,
                origin: head.origin.clone(),
                note: head.note.clone(),
            };
            sql::retain_checkpoint(transaction, &kept).await?;
            digest = retained::extend(&digest, &kept);
        }
        let bound = retained::bind(keyring, head, &digest);
        sql::move_head(transaction, head, bound).await
    }
}

/// The roots of the perfect subtrees over a row, the largest first.
fn peaks(row: &[Hash]) -> Vec<Hash> {
    let mut found = Vec::new();
    let mut rest = row;
    while !rest.is_empty() {
        let width = 1_usize << rest.len().ilog2();
        let (left, right) = rest.split_at(width);
        found.push(perfect(left));
        rest = right;
    }
    found
}

/// The root of a perfect subtree.
pub(super) fn perfect(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => tree::empty_root(),
        [hash] => *hash,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            node_hash(&perfect(left), &perfect(right))
        }
    }
}
