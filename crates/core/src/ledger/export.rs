//! A bundle: the whole ledger of a house and its evidential rows, for
//! `statehouse verify` on any machine, without this server.

use std::io::BufWriter;
use std::path::Path;

use statehouse_ledger::bundle::Writer;
use statehouse_ledger::row::{Exported, Value as Cell};
use statehouse_model::HouseCode;

use super::sql;
use crate::ctx::Ctx;
use crate::db::{Database, Placement, Transaction, Value};
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::house;
use crate::org;
use crate::record::Table;

actions! {
    /// Write the ledger of an organization into a bundle.
    ExportLedger = "ledger.export" needs LedgerRead;
    /// The same for the site.
    ExportSite = "ledger.export" needs SiteLedgerRead;
    /// Write what is left of an organization whose keys were destroyed.
    ExportShredded = "ledger.export-shredded" needs SiteLedgerRead;
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
            move |rows| {
                // The site's rows hold password hashes: its bundle proves the log alone.
                let code = asked.house().code();
                let tables = (!code.is_site()).then(|| house::tables(false));
                Box::pin(async move { write(&mut rows.transaction, code, tables, &path).await })
            },
        ))
    });
    written
        .await
        .map_err(|error| Error::internal(format!("export: {error}")))?
}

/// Writes the bundle of an organization whose keys were destroyed: leaves,
/// hashes and checkpoints, which are not sealed. Its rows hold names of what it
/// had, which an operator has no business with; without its keys nobody is left
/// who may see them, and they are not in the bundle.
pub(crate) async fn export_shredded(
    site: &Ctx,
    code: HouseCode,
    placement: &Placement,
    path: &Path,
) -> Result<u64> {
    door::change(site, ExportShredded, Target::House, move |tx| {
        Box::pin(async move {
            let found = org::sql::by_code(tx, code).await?;
            let found = found.ok_or_else(|| Error::not_found("organization"))?;
            if found.status != org::SHREDDED {
                let words = format!("organization `{}` was not shredded", found.name);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("its members export it: `statehouse ledger export`"));
            }
            Ok(Outcome::Recorded((), Entry::new(code)))
        })
    })
    .await?;
    let database = Database::open_as_it_is(placement).await?;
    let gone = || Error::unavailable("the database of that organization is not where it was");
    let database = database.ok_or_else(gone)?;
    let mut transaction = database.begin_read().await?;
    let path = path.to_owned();
    let runtime = tokio::runtime::Handle::current();
    let written = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            let written = write(&mut transaction, code, None, &path).await;
            transaction.rollback().await;
            written
        })
    });
    written
        .await
        .map_err(|error| Error::internal(format!("export: {error}")))?
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("the bundle was not written: {error}")).because(error)
}

/// Writes leaves and checkpoints, and the rows of these tables, if any.
async fn write(
    transaction: &mut Transaction,
    code: HouseCode,
    tables: Option<&[Table]>,
    path: &Path,
) -> Result<u64> {
    let head = sql::head_seen(transaction)
        .await?
        .ok_or_else(|| Error::tampered("the ledger has no head"))?;
    let file = fs_err::File::create_new(path).map_err(failed)?;
    let mut bundle = Writer::new(BufWriter::new(file), code.as_str());
    let mut start = 0;
    while start < head.size {
        let page = sql::leaves(transaction, start, head.size.min(start + PAGE)).await?;
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
    for kept in sql::checkpoints(transaction).await? {
        bundle.checkpoint(kept.size, &kept.note).map_err(failed)?;
    }
    if let Some(tables) = tables {
        bundle.with_rows();
        for table in tables {
            write_rows(transaction, table, &mut bundle).await?;
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
    transaction: &mut Transaction,
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
        let page = transaction
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
