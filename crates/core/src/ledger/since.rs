//! What the leaves since one of them wrote: for who must know that a row is not an
//! older one of its own.
//!
//! The MAC of a row that was put back from an older copy is right, so that reading
//! it finds nothing. The leaves say what was written since.

use std::collections::HashMap;

use statehouse_ledger::leaf::{Leaf, Op};
use statehouse_ledger::tree::leaf_hash;

use super::sql;
use crate::db::Value;
use crate::error::{Error, Result};
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

/// Says of which rows of `tables` the database has not what the leaves from the `from`th
/// on wrote last, a sentence each. `concern` chooses by what a leaf is about, the table
/// and the key; a row that one leaf made a concern stays one.
pub(crate) async fn put_back(
    rows: &mut Rows,
    from: u64,
    tables: &[Table],
    concern: impl Fn(&str, &Table, &str) -> bool,
) -> Result<Vec<String>> {
    let mut written: HashMap<(Table, String), (u64, Op)> = HashMap::new();
    let mut start = from;
    loop {
        let page = sql::leaves(&mut rows.transaction, start, start.saturating_add(PAGE)).await?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            let wrong = || Error::tampered(format!("leaf {start} of the ledger is not as written"));
            if stored.seq != start || leaf_hash(stored.body.as_bytes()) != stored.hash {
                return Err(wrong());
            }
            let leaf = Leaf::parse(stored.body.as_bytes()).map_err(|_| wrong())?;
            for change in &leaf.rows {
                let Some(table) = tables.iter().find(|table| *table.name == *change.table) else {
                    continue;
                };
                let place = (*table, change.key.to_string());
                let write = (stored.seq, change.op);
                if written.contains_key(&place) || concern(&leaf.object, table, &change.key) {
                    written.insert(place, write);
                }
            }
            start += 1;
        }
    }
    let mut found = Vec::new();
    for ((table, key), (leaf, op)) in written {
        found.extend(older(rows, &table, &key, (leaf, op)).await?);
    }
    found.sort_unstable();
    Ok(found)
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
