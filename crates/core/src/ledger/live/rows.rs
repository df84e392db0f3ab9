//! The evidential rows against what the leaves fold to.

use std::collections::HashMap;

use statehouse_ledger::Hash;
use statehouse_ledger::leaf::Leaf;

use super::LiveReport;
use crate::db::Value;
use crate::error::Result;
use crate::ledger::sql;
use crate::record::{Rows, Table};

/// Rows read at a time.
const PAGE: i64 = 1000;

/// The newest digest of each row that the leaves speak of; `None` once removed.
pub(super) type Folded = HashMap<(&'static str, String), Option<(u64, Hash)>>;

pub(super) async fn compare_table(
    rows: &mut Rows,
    table: &Table,
    folded: &mut Folded,
    report: &mut LiveReport,
) -> Result<()> {
    let order: Vec<&str> = table.columns.iter().take(table.key_len).copied().collect();
    let sql = format!(
        "{} ORDER BY {} LIMIT $1 OFFSET $2",
        table.select(),
        order.join(", ")
    );
    let mut offset = 0;
    loop {
        let page = rows
            .transaction
            .query(&sql, &[Value::Int(PAGE), Value::Int(offset)])
            .await?;
        if page.is_empty() {
            return Ok(());
        }
        offset += PAGE;
        for row in page {
            report.rows += 1;
            let stored = match table.stored(row) {
                Ok(stored) => stored,
                Err(error) => {
                    report.add("altered", table.name, error.message());
                    continue;
                }
            };
            let place = format!("{} {}", table.name, stored.key);
            match folded.remove(&(table.name, stored.key.clone())) {
                Some(Some((leaf, digest))) if digest == stored.digest && leaf == stored.leaf => {
                    if !stored.genuine(table, &rows.keyring) {
                        report.add("altered", place, "its MAC is not one that this house made");
                    }
                }
                Some(Some((leaf, _)))
                    if wrote(rows, table, &stored.key, stored.leaf, &stored.digest).await? =>
                {
                    report.add(
                        "older",
                        place,
                        format!(
                            "it is as leaf {} wrote it, and leaf {leaf} changed it since",
                            stored.leaf
                        ),
                    );
                }
                Some(Some((leaf, _))) => report.add(
                    "altered",
                    place,
                    format!("it is not as leaf {leaf} wrote it"),
                ),
                Some(None) => report.add("extra", place, "a leaf removed it"),
                None => report.add("extra", place, "no leaf wrote it"),
            }
        }
    }
}

/// Whether the leaf at `seq` wrote this very row.
async fn wrote(rows: &mut Rows, table: &Table, key: &str, seq: u64, digest: &Hash) -> Result<bool> {
    let found = sql::leaves(&mut rows.transaction, seq, seq.saturating_add(1)).await?;
    let Some(leaf) = found
        .first()
        .and_then(|stored| Leaf::parse(stored.body.as_bytes()).ok())
    else {
        return Ok(false);
    };
    Ok(leaf.rows.iter().any(|change| {
        *change.table == *table.name && *change.key == *key && change.digest == *digest
    }))
}

/// What the leaves wrote and no table holds.
pub(super) fn missing(folded: Folded, report: &mut LiveReport) {
    for ((table, key), row) in folded {
        if let Some((leaf, _)) = row {
            let words =
                format!("leaf {leaf} wrote this row and no leaf removed it, but it is gone");
            report.add("missing", format!("{table} {key}"), words);
        }
    }
}
