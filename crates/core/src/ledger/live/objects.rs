//! The sealed objects: each opens, is what was put, and belongs to something.

use super::LiveReport;
use crate::ctx::Ctx;
use crate::db::Value;
use crate::error::Result;
use crate::house;
use crate::record::Rows;
use crate::{blob, run, state, workspace};

/// Every version's bytes open and are what was put; no other bytes are there.
pub(super) async fn objects(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let mut after = String::new();
    loop {
        let page: Result<Vec<state::sql::Version>> = rows
            .find(
                "WHERE id > $1 ORDER BY id LIMIT 100",
                &[after.as_str().into()],
            )
            .await;
        // A row that does not read is named above, table by table.
        let Ok(page) = page else {
            return one_by_one(rows, ctx, report).await;
        };
        let Some(last) = page.last() else { break };
        after = last.id.to_string();
        for version in page {
            object(rows, ctx, &version, report).await?;
        }
    }
    json_forms(rows, ctx, report).await?;
    of_runs(rows, ctx, report).await?;
    leftovers(rows, report).await?;
    locks(rows, report).await
}

/// The same, when some rows do not read: those are passed over.
async fn one_by_one(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let ids = rows
        .transaction
        .query("SELECT id FROM version ORDER BY id", &[])
        .await?;
    for id in ids {
        let found: Result<Option<state::sql::Version>> =
            rows.one("WHERE id = $1", &[id.text(0)?.into()]).await;
        if let Ok(Some(version)) = found {
            object(rows, ctx, &version, report).await?;
        }
    }
    json_forms(rows, ctx, report).await?;
    of_runs(rows, ctx, report).await?;
    leftovers(rows, report).await?;
    locks(rows, report).await
}

/// The JSON form of every version that has one opens and is what was put.
async fn json_forms(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let sql = "SELECT version FROM version_json ORDER BY version";
    for id in rows.transaction.query(sql, &[]).await? {
        let version = id.text(0)?;
        let found: Result<Option<state::json::sql::VersionJson>> =
            rows.one("WHERE version = $1", &[version.into()]).await;
        let Ok(Some(form)) = found else { continue };
        if let Ok(Some(_)) = state::removal::sql::of(rows, &form.version).await {
            removed(rows, form.id.as_str(), report).await?;
            continue;
        }
        report.objects += 1;
        if let Err(error) = state::json::open(rows, ctx, &form).await {
            let place = format!("JSON form of version {version}");
            report.add("unreadable", place, error.message());
        }
    }
    Ok(())
}

/// Every configuration and everything that runs left behind opens and is what was put.
async fn of_runs(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    for id in crate::object::all(rows).await? {
        // A row that does not read is named above, table by table.
        let Ok(Some(object)) = crate::object::find(rows, &id).await else {
            continue;
        };
        if let Ok(file) = id.parse()
            && let Ok(Some(_)) = run::removal::sql::of(rows, &file).await
        {
            removed(rows, &id, report).await?;
            continue;
        }
        report.objects += 1;
        if let Err(error) = object.check(rows, ctx).await {
            report.add("unreadable", format!("object {id}"), error.message());
        }
    }
    Ok(())
}

async fn object(
    rows: &mut Rows,
    ctx: &Ctx,
    version: &state::sql::Version,
    report: &mut LiveReport,
) -> Result<()> {
    if let Ok(Some(_)) = state::removal::sql::of(rows, &version.id).await {
        return removed(rows, version.id.as_str(), report).await;
    }
    report.objects += 1;
    let opened = match state::stored(rows, version).await {
        Ok(stored) => ctx
            .house()
            .blobs()
            .load(
                &rows.keyring,
                &state::context(version),
                &stored,
                version.size,
            )
            .map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = opened {
        report.add(
            "unreadable",
            format!("version {}", version.id),
            error.message(),
        );
    }
    Ok(())
}

/// Of content that was removed nothing is there.
async fn removed(rows: &mut Rows, object: &str, report: &mut LiveReport) -> Result<()> {
    if blob::sql::of_object(rows, object).await?.is_some() {
        let words = "this content was removed, and its bytes are there";
        report.add("extra", format!("blob {object}"), words);
    }
    Ok(())
}

/// Sealed bytes that belong to nothing, and indexes that lie.
async fn leftovers(rows: &mut Rows, report: &mut LiveReport) -> Result<()> {
    let sql = "SELECT version FROM blob
        WHERE version NOT IN (SELECT id FROM version)
        AND version NOT IN (SELECT id FROM version_json)
        AND version NOT IN (SELECT id FROM configuration WHERE status = 'uploaded')
        AND version NOT IN (SELECT id FROM run_file)
        AND version NOT IN (SELECT value FROM variable)
        AND version NOT IN (SELECT destination FROM notification)
        AND version NOT IN (SELECT id FROM policy_bundle)
        AND version NOT IN (SELECT id FROM cost_input)
        ORDER BY version";
    for row in rows.transaction.query(sql, &[]).await? {
        report.add(
            "extra",
            format!("blob {}", row.text(0)?),
            "nothing has these bytes",
        );
    }
    for (version, header, epoch) in blob::sql::epochs(rows).await? {
        let stated = statehouse_seal::Keyring::header_epoch(&header).map(i64::from);
        if stated.ok() != Some(epoch) {
            report.add(
                "altered",
                format!("blob {version}"),
                "its epoch column is not its header's",
            );
        }
    }
    Ok(())
}

async fn locks(rows: &mut Rows, report: &mut LiveReport) -> Result<()> {
    let ids = rows
        .transaction
        .query(
            "SELECT id, lock_id, lock_info FROM workspace ORDER BY id",
            &[],
        )
        .await?;
    for mut id in ids {
        let (lock, info) = (id.take(1)?, id.take(2)?);
        let found: Result<Option<workspace::sql::Workspace>> =
            rows.one("WHERE id = $1", &[id.text(0)?.into()]).await;
        let Ok(Some(workspace)) = found else { continue };
        let place = format!("workspace {}", workspace.id);
        match (lock, info) {
            (Value::Null, Value::Null) => {}
            (Value::Text(lock), Value::Bytes(sealed)) => {
                report.objects += 1;
                if crate::open_small(
                    &rows.keyring,
                    &state::lock::binding(&workspace, &lock),
                    &sealed,
                )
                .is_err()
                {
                    report.add("unreadable", place, "the words of its lock do not open");
                }
            }
            _ => report.add(
                "altered",
                place,
                "the words of its lock and its lock do not belong together",
            ),
        }
    }
    Ok(())
}

/// Every live epoch's wrapped keys open under the root key.
pub(super) async fn keys(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let house = ctx.house();
    let name = house::key_name(house.code())?;
    for row in crate::key::sql::epochs(&mut rows.transaction).await? {
        report.objects += 1;
        let site = &house.base().site;
        if statehouse_seal::EpochKeys::unwrap(house.roots(), site, &name, row.epoch, &row.wrapped)
            .is_err()
        {
            report.add(
                "unreadable",
                format!("key_epoch {}", row.epoch),
                "its wrapped keys do not open under the root key",
            );
        }
    }
    Ok(())
}

/// Tables, indexes and triggers are those that the schema changes made.
pub(super) async fn structure(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    for words in crate::db::structure(
        &mut rows.transaction,
        &house::migrations(ctx.house().code()),
    )
    .await?
    {
        report.add("altered", "schema", words);
    }
    Ok(())
}
