//! What the leaves since one of them wrote: for who must know that a row is not an
//! older one of its own.
//!
//! The MAC of a row that was put back from an older copy is right, so that reading
//! it finds nothing. The leaves say what was written since.

use std::collections::HashMap;

use statehouse_ledger::leaf::{Leaf, Op};
use statehouse_ledger::tree::leaf_hash;

use super::{Chain, Head, key_name, sql, verified};
use crate::db::Value;
use crate::error::{Error, Result};
use crate::house::Base;
use crate::record::{Record, Rows, Table};

/// Leaves read at a time.
const PAGE: u64 = 2048;

/// The leaf that wrote a row.
pub(crate) async fn leaf_of<R: Record>(rows: &mut Rows, key: &[Value]) -> Result<Option<u64>> {
    let table = Table::of::<R>();
    let sql = format!("{} WHERE {}", table.select(), table.by_key());
    let Some(row) = rows.transaction.query(&sql, key).await?.pop() else {
        return Ok(None);
    };
    let stored = table.stored(row)?;
    if stored.genuine(&table, &rows.keyring) {
        Ok(Some(stored.leaf))
    } else {
        let words = format!(
            "row `{}` of `{}` is not what was written",
            stored.key, table.name
        );
        Err(Error::tampered(words))
    }
}

/// Which writes count: chosen by what a leaf is about, the table and the key.
pub(crate) trait Concern {
    /// The tables of the rows.
    fn tables(&self) -> &[Table];

    /// Whether a row is one of them.
    fn is_of(&self, about: &str, table: &Table, key: &str) -> bool;
}

/// What the leaves since one of them wrote last, read in as many steps as it takes and held against the root that the
/// house signed: a leaf that somebody edited, with its hash, is found.
#[derive(Clone)]
pub(crate) struct Since {
    /// All leaves that were read, and those before.
    chain: Chain,
    from: u64,
    written: HashMap<(Table, String), (u64, Op)>,
}

impl Since {
    /// From the `from`th leaf on. Nothing is read yet.
    pub(crate) async fn leaf(rows: &mut Rows, from: u64) -> Result<Self> {
        // A row of hashes that is full can be read back; whether it is right, the root says.
        let chain = Chain::load(&mut rows.transaction, from - from % 256, String::new());
        Ok(Self {
            chain: chain.await?,
            from,
            written: HashMap::new(),
        })
    }

    /// Reads on, before the `end`th leaf and a page of them at most. Says whether there may be more. A row that one leaf
    /// made a concern stays one.
    pub(crate) async fn read_on(
        &mut self,
        rows: &mut Rows,
        end: u64,
        concern: &impl Concern,
    ) -> Result<bool> {
        let start = self.chain.size();
        let until = start.saturating_add(PAGE).min(end);
        let page = sql::bodies(&mut rows.transaction, start, until).await?;
        let is_full = page.len() as u64 == PAGE;
        for (index, body) in page {
            let next = self.chain.size();
            let wrong = || Error::tampered(format!("leaf {next} of the ledger is not as written"));
            if index != next {
                return Err(wrong());
            }
            self.chain.push(leaf_hash(body.as_bytes()));
            if index >= self.from {
                let leaf = Leaf::parse(body.as_bytes()).map_err(|_| wrong())?;
                self.note(index, &leaf, concern);
            }
        }
        Ok(is_full)
    }

    fn note(&mut self, index: u64, leaf: &Leaf, concern: &impl Concern) {
        for change in &leaf.rows {
            let tables = concern.tables();
            let Some(table) = tables.iter().find(|table| *table.name == *change.table) else {
                continue;
            };
            let place = (*table, change.key.to_string());
            if self.written.contains_key(&place) || concern.is_of(&leaf.object, table, &change.key)
            {
                self.written.insert(place, (index, change.op));
            }
        }
    }

    /// Reads to the end, and says of which rows the database has not what was written last, a sentence each. Leaves
    /// beyond the newest checkpoint are those of the change in which this is asked.
    pub(crate) async fn put_back(
        mut self,
        rows: &mut Rows,
        base: &Base,
        concern: &impl Concern,
    ) -> Result<Vec<String>> {
        let head = sql::head_seen(&mut rows.transaction).await?;
        let head = head.ok_or_else(|| Error::tampered("the ledger has no checkpoint"))?;
        while self.read_on(rows, head.size, concern).await? {}
        self.require_signed(&head, base, rows)?;
        while self.read_on(rows, u64::MAX, concern).await? {}
        let mut found = Vec::new();
        for ((table, key), written) in &self.written {
            found.extend(older(rows, table, key, *written).await?);
        }
        found.sort_unstable();
        Ok(found)
    }

    fn require_signed(&self, head: &Head, base: &Base, rows: &Rows) -> Result<()> {
        let name = key_name(&base.site, base.code);
        let signed = verified(&head.note, &name, &rows.keyring)?;
        let is_read = (self.chain.size(), self.chain.root()) == (signed.size, signed.root);
        if is_read && signed.size == head.size {
            return Ok(());
        }
        let words = format!(
            "the leaves of the ledger are not those that the checkpoint over {} of them is signed for",
            signed.size
        );
        Err(Error::tampered(words))
    }
}

/// What is the matter with a row, where a leaf wrote or removed it last.
async fn older(
    rows: &mut Rows,
    table: &Table,
    key: &str,
    (leaf, op): (u64, Op),
) -> Result<Option<String>> {
    let sql = format!("{} WHERE {}", table.select(), table.by_key());
    let key_values: Vec<Value> = key.split('/').map(Value::from).collect();
    let row = rows.transaction.query(&sql, &key_values).await?.pop();
    let place = format!("the row `{key}` of `{}`", table.name);
    let Some(row) = row else {
        let gone = format!("{place} is gone, and leaf {leaf} wrote it");
        return Ok((op == Op::Put).then_some(gone));
    };
    let stored = table.stored(row)?;
    Ok(if op == Op::Del {
        Some(format!("{place} is there, and leaf {leaf} removed it"))
    } else if !stored.genuine(table, &rows.keyring) {
        Some(format!("{place} is not what was written"))
    } else if stored.leaf != leaf {
        Some(format!(
            "{place} is as leaf {} wrote it, and leaf {leaf} changed it since",
            stored.leaf
        ))
    } else {
        None
    })
}
