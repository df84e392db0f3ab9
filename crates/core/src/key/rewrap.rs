//! Renewing what old key epochs hold, in batches that can stop anywhere.

use std::sync::Arc;

use statehouse_seal::Keyring;

use super::sql::{Epoch, renew_macs};
use super::{RetireKeys, Rewrap};
use crate::access::REWRAP;
use crate::blob;
use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, Tx};
use crate::error::{Error, Result};
use crate::house;
use crate::object;
use crate::session;
use crate::state;
use crate::token::sql::{ApiToken, HouseToken};
use crate::workspace::sql::Workspace;

/// Objects per batch: a batch holds the writer for some milliseconds.
const BATCH: i64 = 200;

/// How far a renewal came.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Progress {
    /// Sealed objects whose key was wrapped anew.
    pub rewrapped: u64,
    /// Rows whose MAC was made anew.
    pub renewed: u64,
    /// Epochs retired because nothing uses them.
    pub retired: Vec<u64>,
    /// Epochs kept, and why.
    pub kept: Vec<String>,
}

/// Renews everything that older epochs hold, and retires those without users.
/// The caller needs the permission to rotate; the work is the server's.
pub async fn rewrap(ctx: &Ctx) -> Result<Progress> {
    may_rotate(ctx).await?;
    let task = ctx.as_task(REWRAP);
    let mut progress = Progress::default();
    loop {
        let (rewrapped, renewed) = batch(&task).await?;
        progress.rewrapped += rewrapped;
        progress.renewed += renewed;
        if rewrapped + renewed == 0 {
            break;
        }
    }
    progress.rewrapped += small_objects(&task).await?;
    let newest = u64::from(ctx.house().keyring().newest());
    for epoch in super::list(ctx)
        .await?
        .into_iter()
        .filter(|epoch| epoch.epoch < newest && epoch.retired_at.is_none())
    {
        match retire(&task, epoch.epoch).await? {
            None => progress.retired.push(epoch.epoch),
            Some(reason) => progress
                .kept
                .push(format!("epoch {}: {reason}", epoch.epoch)),
        }
    }
    Ok(progress)
}

async fn may_rotate(ctx: &Ctx) -> Result<()> {
    if ctx.house().code().is_site() {
        door::may(ctx, super::RotateSiteKeys, &Target::House).await
    } else {
        door::may(ctx, super::RotateKeys, &Target::House).await
    }
}

async fn batch(task: &Ctx) -> Result<(u64, u64)> {
    let site = task.house().code().is_site();
    door::change(task, Rewrap, Target::House, move |tx| {
        Box::pin(async move {
            let newest = tx.keyring.newest();
            let rewrapped = if site { 0 } else { headers(tx, newest).await? };
            let renewed = if rewrapped > 0 {
                0
            } else {
                macs(tx, newest, site).await?
            };
            if rewrapped + renewed == 0 {
                return Ok(Outcome::Unchanged((0, 0)));
            }
            let entry = Entry::new(format!("key-{newest}"))
                .fact("rewrapped", rewrapped)
                .fact("renewed", renewed);
            Ok(Outcome::Recorded((rewrapped, renewed), entry))
        })
    })
    .await
}

async fn headers(tx: &mut Tx<Rewrap>, newest: u32) -> Result<u64> {
    let mut count = 0;
    for (id, header) in blob::sql::before_epoch(tx, newest, BATCH).await? {
        let gone = || Error::tampered(format!("sealed bytes of `{id}` belong to nothing"));
        let keyring = tx.keyring.clone();
        let renewed = if let Ok(json) = id.parse() {
            let form = state::json::sql::by_id(tx, &json).await?;
            keyring.rewrap(&state::json::context(&form.ok_or_else(gone)?), &header)
        } else if let Some(object) = object::find(tx, &id).await? {
            keyring.rewrap(&object.context(), &header)
        } else {
            let version = id.parse().map_err(|_| gone())?;
            let version = state::sql::by_id(tx, &version).await?.ok_or_else(gone)?;
            keyring.rewrap(&state::context(&version), &header)
        };
        let renewed = renewed.map_err(|error| Error::tampered(error.to_string()))?;
        blob::sql::rewrap(tx, &id, renewed.unwrap_or(header), newest).await?;
        count += 1;
    }
    Ok(count)
}

async fn macs(tx: &mut Tx<Rewrap>, newest: u32, site: bool) -> Result<u64> {
    let prefix = newest.to_be_bytes();
    let mut count = 0;
    for table in house::tables(site) {
        count += renew_macs(tx, table, &prefix, BATCH).await?;
    }
    Ok(count)
}

/// Details of leaves and words of locks: few and small, looked at one page
/// after the other.
async fn small_objects(task: &Ctx) -> Result<u64> {
    let mut total = 0;
    let mut after = -1;
    while let Some((last, count)) = small_batch(task, after).await? {
        after = last;
        total += count;
    }
    Ok(total)
}

async fn small_batch(task: &Ctx, after: i64) -> Result<Option<(i64, u64)>> {
    let site = task.house().code().is_site();
    door::change(task, Rewrap, Target::House, move |tx| {
        Box::pin(async move {
            let keyring = tx.keyring.clone();
            let newest = keyring.newest();
            let mut count = 0;
            let sql = "SELECT seq, detail FROM ledger_leaf WHERE seq > $1 AND detail IS NOT NULL ORDER BY seq LIMIT $2";
            let rows = tx.transaction.query(sql, &[Value::Int(after), Value::Int(BATCH)]).await?;
            let last = rows.last().map(|row| row.int(0)).transpose()?;
            for row in &rows {
                let seq = row.int(0)?;
                let name = seq.to_string();
                if let Some(renewed) = crate::rewrap_small(&keyring, &crate::door::detail_context(&name), row.bytes(1)?)? {
                    let sql = "UPDATE ledger_leaf SET detail = $2 WHERE seq = $1";
                    tx.put_outside(sql, &[Value::Int(seq), renewed.into()]).await?;
                    count += 1;
                }
            }
            if !site && last.is_none() {
                count += locks(tx, &keyring).await?;
            }
            let Some(last) = last else {
                return Ok(if count == 0 { Outcome::Unchanged(None) } else { outcome(newest, None, count) });
            };
            Ok(if count == 0 { Outcome::Unchanged(Some((last, 0))) } else { outcome(newest, Some((last, count)), count) })
        })
    })
    .await
}

fn outcome<T>(newest: u32, value: T, count: u64) -> Outcome<T> {
    Outcome::Recorded(
        value,
        Entry::new(format!("key-{newest}"))
            .fact("rewrapped", count)
            .fact("renewed", 0),
    )
}

async fn locks(tx: &mut Tx<Rewrap>, keyring: &Arc<Keyring>) -> Result<u64> {
    let mut count = 0;
    let held: Vec<Workspace> = tx
        .find("WHERE lock_id IS NOT NULL ORDER BY id", &[])
        .await?;
    for workspace in held {
        let sealed = crate::workspace::sql::lock_info(tx, &workspace.id)
            .await?
            .unwrap_or_default();
        let id = workspace.lock_id.clone().unwrap_or_default();
        let context = state::lock::binding(&workspace, &id);
        if let Some(renewed) = crate::rewrap_small(keyring, &context, &sealed)? {
            crate::workspace::sql::put_lock_info(tx, &workspace.id, Some(renewed)).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// Retires an epoch, or says what still uses it.
async fn retire(task: &Ctx, epoch: u64) -> Result<Option<String>> {
    let number = u32::try_from(epoch).unwrap_or(u32::MAX);
    let mut keyring = Keyring::clone(&task.house().keyring());
    keyring
        .retire(number)
        .map_err(|error| Error::internal(error.to_string()))?;
    let keyring = Arc::new(keyring);
    let site = task.house().code().is_site();
    door::change(task, RetireKeys, Target::House, move |tx| {
        let keyring = keyring.clone();
        Box::pin(async move {
            if let Some(users) = users_of(tx, number, site).await? {
                return Ok(Outcome::Unchanged(Some(users)));
            }
            if tx.keyring.newest() != keyring.newest() {
                return Ok(Outcome::Unchanged(Some(
                    "the keys were rotated meanwhile; run it again".to_owned(),
                )));
            }
            let found: Option<Epoch> = tx.one("WHERE epoch = $1", &[epoch.into()]).await?;
            let mut row = found.ok_or_else(|| Error::not_found("key epoch"))?;
            row.retired_at = Some(tx.now());
            tx.put(&row).await?;
            tx.use_keyring(keyring)?;
            Ok(Outcome::Recorded(
                None,
                Entry::new(format!("key-{number}")).fact("epoch", number),
            ))
        })
    })
    .await
}

/// What still uses an epoch, asked in the transaction that would retire it.
async fn users_of(tx: &mut Tx<RetireKeys>, epoch: u32, site: bool) -> Result<Option<String>> {
    let tokens = tokens_of(tx, epoch, site).await?;
    if tokens > 0 {
        return Ok(Some(format!("{tokens} live tokens were made under it")));
    }
    if site {
        let sessions = sessions_of(tx, epoch).await?;
        if sessions > 0 {
            return Ok(Some(format!("{sessions} people signed in under it")));
        }
    } else {
        let headers = blob::sql::epochs(tx).await?;
        let under = |header: &[u8]| Keyring::header_epoch(header).is_ok_and(|found| found == epoch);
        let sealed = headers
            .iter()
            .filter(|(_, header, _)| under(header))
            .count();
        if sealed > 0 {
            return Ok(Some(format!(
                "{sealed} objects were sealed under it meanwhile; run it again"
            )));
        }
    }
    let next = epoch.saturating_add(1).to_be_bytes().to_vec();
    for table in house::tables(site) {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE mac >= $1 AND mac < $2",
            table.name
        );
        let bounds = [epoch.to_be_bytes().to_vec().into(), next.clone().into()];
        let rows = tx.transaction.query(&sql, &bounds).await?;
        if rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0) > 0 {
            return Ok(Some(format!(
                "rows of `{}` were written under it meanwhile; run it again",
                table.name
            )));
        }
    }
    Ok(None)
}

/// Live tokens whose MAC was made under `epoch`: it cannot be made anew
/// without the token, so the epoch stays until they end.
async fn tokens_of(tx: &mut Tx<RetireKeys>, epoch: u32, site: bool) -> Result<usize> {
    let now = tx.now();
    let clause = "WHERE revoked_at IS NULL";
    let live: Vec<(Option<i64>, Vec<u8>)> = if site {
        let tokens: Vec<ApiToken> = tx.find(clause, &[]).await?;
        let each = |token: ApiToken| (token.expires_at, token.secret_mac);
        tokens.into_iter().map(each).collect()
    } else {
        let tokens: Vec<HouseToken> = tx.find(clause, &[]).await?;
        let each = |token: HouseToken| (token.expires_at, token.secret_mac);
        tokens.into_iter().map(each).collect()
    };
    let live = live
        .iter()
        .filter(|(ends, _)| ends.is_none_or(|at| at > now));
    Ok(live
        .filter(|(_, mac)| mac.starts_with(&epoch.to_be_bytes()))
        .count())
}

/// Live sessions that began under `epoch`: twelve hours later there are none.
async fn sessions_of(tx: &mut Tx<RetireKeys>, epoch: u32) -> Result<usize> {
    let now = tx.now();
    let open = session::sql::open(tx).await?;
    let live = open.iter().filter(|row| session::is_live(row, now));
    Ok(live
        .filter(|row| row.secret_mac.starts_with(&epoch.to_be_bytes()))
        .count())
}
