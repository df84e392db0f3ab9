//! A bundle: the whole ledger of a house and its evidential rows, for
//! `statehouse verify` on any machine, without this server.

use std::io::BufWriter;
use std::path::Path;

use statehouse_ledger::bundle::Writer;
use statehouse_ledger::row::{Exported, Value as Cell};

use super::sql;
use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Result};
use crate::house;
use crate::record::{Rows, Table};

actions! {
    /// Write the ledger of an organization into a bundle.
    ExportLedger = "ledger.export" needs LedgerRead;
    /// The same for the site.
    ExportSite = "ledger.export" needs SiteLedgerRead;
}

/// Leaves and rows read at a time.
const PAGE: u64 = 2048;

/// Writes the bundle to a new file at `path` and says how many leaves it has.
/// The export itself is in the ledger, and so in the bundle, before it begins.
pub async fn export(ctx: &Ctx, path: &Path) -> Result<u64> {
    if ctx.house().code().is_site() {
        export_as(ctx, ExportSite, path).await
    } else {
        export_as(ctx, ExportLedger, path).await
    }
}

async fn export_as<A: door::Action>(ctx: &Ctx, action: A, path: &Path) -> Result<u64> {
    let code = ctx.house().code();
    if ctx.house().read_only().is_none() {
        door::change(ctx, action, Target::House, move |_| {
            let entry = Entry::new(code);
            Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
        })
        .await?;
    }
    let (asked, path) = (ctx.clone(), path.to_owned());
    let runtime = tokio::runtime::Handle::current();
    // A thread that may block: a large ledger takes seconds.
    let written = tokio::task::spawn_blocking(move || {
        runtime.block_on(door::read(
            &asked.clone(),
            action,
            &Target::House,
            move |rows| Box::pin(async move { write(rows, &asked, &path).await }),
        ))
    });
    written
        .await
        .map_err(|error| Error::internal(format!("export: {error}")))?
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("the bundle was not written: {error}")).because(error)
}

async fn write(rows: &mut Rows, ctx: &Ctx, path: &Path) -> Result<u64> {
    let code = ctx.house().code();
    let head = sql::head_seen(&mut rows.transaction)
        .await?
        .ok_or_else(|| Error::tampered("the ledger has no head"))?;
    let file = fs_err::File::create_new(path).map_err(failed)?;
    let mut bundle = Writer::new(BufWriter::new(file), code.as_str());
    let mut start = 0;
    while start < head.size {
        let page = sql::leaves(&mut rows.transaction, start, head.size.min(start + PAGE)).await?;
        if page.is_empty() {
            return Err(Error::tampered(format!(
                "leaf {start} of the ledger is missing"
            )));
        }
        for leaf in &page {
            bundle.entry(leaf.body.as_bytes()).map_err(failed)?;
        }
        start += u64::try_from(page.len()).unwrap_or(PAGE);
    }
    for kept in sql::checkpoints(&mut rows.transaction).await? {
        bundle.checkpoint(kept.size, &kept.note).map_err(failed)?;
    }
    // The site's rows hold password hashes: its bundle proves the log alone.
    if !code.is_site() {
        bundle.with_rows();
        for table in house::tables(false) {
            write_rows(rows, table, &mut bundle).await?;
        }
    }
    let (file, summary) = bundle.finish(&head.note).map_err(failed)?;
    file.into_inner()
        .map_err(|error| failed(error.into_error()))?
        .sync_all()
        .map_err(failed)?;
    Ok(summary.manifest.entries)
}

async fn write_rows<W: std::io::Write>(
    rows: &mut Rows,
    table: &Table,
    bundle: &mut Writer<W>,
) -> Result<()> {
    let order: Vec<&str> = table.columns.iter().take(table.key_len).copied().collect();
    let sql = format!(
        "{} ORDER BY {} LIMIT $1 OFFSET $2",
        table.select(),
        order.join(", ")
    );
    let mut offset = 0_u64;
    loop {
        let page = rows
            .transaction
            .query(&sql, &[PAGE.into(), offset.into()])
            .await?;
        if page.is_empty() {
            return Ok(());
        }
        offset += PAGE;
        for row in page {
            let stored = table.stored(row)?;
            let columns = table
                .columns
                .iter()
                .zip(stored.values)
                .map(|(name, value)| ((*name).to_owned(), cell(value)));
            let exported = Exported {
                table: table.name.to_owned(),
                key: stored.key,
                leaf: stored.leaf,
                salt: stored.salt,
                columns: columns.collect(),
            };
            bundle.row(&exported).map_err(failed)?;
        }
    }
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Int(number) => Cell::Int(number),
        Value::Text(text) => Cell::Text(text),
        Value::Bytes(bytes) => Cell::Bytes(bytes),
    }
}
