//! A declared restore: the one way on for a database that is an older copy.
//!
//! The tree goes on from what was restored, under a new origin line, and the
//! first leaf names what is given up: the checkpoint that was remembered, its
//! root, and the reason. The gap stays visible for ever.
//!
//! Runs that the copy has open end before the house takes any other change: what
//! was planned before the restore is not applied after it.

use std::sync::Arc;

use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::leaf::{Event, Leaf};
use statehouse_model::RunId;

use super::{Head, origin, sql};
use crate::ctx::Ctx;
use crate::db::Transaction;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::run;

actions! {
    /// Declare that a database was restored. The operator's, at the machine.
    Restore = "ledger.restore" needs KeyRotate;
    /// End runs that a restored database has open.
    EndRestored = "run.restored" needs KeyRotate;
}

/// How many lives an origin may count; each is a restore by a person.
const EPOCHS_MAX: u32 = 10_000;

/// Opens a new epoch for a house whose database is an older copy, with a
/// reason. Refused for a house that is not read-only, and for one whose
/// database is damaged rather than old.
pub async fn accept_restore(ctx: &Ctx, reason: String) -> Result<Head> {
    let house = ctx.house().clone();
    if reason.trim().is_empty() {
        return Err(
            Error::invalid("a reason is needed").hint("say why with `--reason`; it is recorded")
        );
    }
    let why = house.why_read_only().ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            "the organization is not read-only: there is no restore to accept",
        )
    })?;
    let known = why.remembered.clone().ok_or_else(|| {
        Error::new(
            Kind::Conflict,
            format!("this is not an older copy: {}", why.reason),
        )
        .hint("restore a backup; a damaged database cannot be declared sound")
    })?;
    let next = next_epoch(&known.origin)?;
    let base = house.base();
    let line = origin(&base.site, base.code, next);
    let (code, head) = (base.code, house.head());
    // With the declaration itself end those that could be applied, as many as one
    // change holds; all others before anybody else can change anything.
    let ended = door::unguarded(ctx, Restore, Target::House, move |tx| {
        let (line, reason, known) = (line.clone(), reason.clone(), known.clone());
        Box::pin(async move {
            if tx.origin() == line {
                return Err(Error::new(
                    Kind::Conflict,
                    "this restore was accepted already",
                ));
            }
            tx.use_origin(line.clone());
            // The house of the site has no runs.
            let ended = if code.is_site() {
                Vec::new()
            } else {
                run::end_restored(tx, &[]).await?
            };
            let entry = Entry::new(code)
                .fact("epoch", next)
                .fact("origin", line)
                .fact("size", known.size)
                .fact("root", hex::encode(known.root))
                .detail_as("reason", Some(&reason));
            Ok(Outcome::Recorded(ended, entry))
        })
    })
    .await?;
    end_the_rest(ctx, ended).await?;
    house.open_for_writing();
    house
        .head()
        .or(head)
        .ok_or_else(|| Error::internal("a restored house without a head"))
}

/// Ends the runs that one change did not hold.
async fn end_the_rest(ctx: &Ctx, mut looked_at: Vec<RunId>) -> Result<()> {
    let code = ctx.house().code();
    let mut more = !looked_at.is_empty();
    while more {
        let before = Arc::new(looked_at.clone());
        let ended = door::unguarded(ctx, EndRestored, Target::House, move |tx| {
            let before = before.clone();
            Box::pin(async move {
                let ended = run::end_restored(tx, &before).await?;
                if ended.is_empty() {
                    return Ok(Outcome::Unchanged(ended));
                }
                let entry = Entry::new(code).fact("runs", ended.len() as u64);
                Ok(Outcome::Recorded(ended, entry))
            })
        })
        .await?;
        more = !ended.is_empty();
        looked_at.extend(ended);
    }
    Ok(())
}

fn next_epoch(line: &str) -> Result<u32> {
    let number = line
        .rsplit('/')
        .next()
        .and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| *number < EPOCHS_MAX);
    number
        .map(|number| number + 1)
        .ok_or_else(|| Error::tampered(format!("`{line}` is no origin of this server")))
}

/// Whether a leaf of the ledger declares that `known` was given up.
pub(crate) async fn gave_up(
    transaction: &mut Transaction,
    head: &Head,
    known: &Checkpoint,
) -> Result<bool> {
    let sql = "SELECT seq FROM ledger_leaf WHERE body LIKE '%\"action\":\"ledger.restore\"%' ORDER BY seq";
    let mut found = false;
    for row in transaction.query(sql, &[]).await? {
        let seq = u64::try_from(row.int(0)?).unwrap_or(u64::MAX);
        for stored in sql::leaves(transaction, seq, seq.saturating_add(1)).await? {
            let event = Leaf::parse(stored.body.as_bytes())
                .ok()
                .and_then(|leaf| leaf.event().ok().flatten());
            if let Some(Event::Restore { origin, size, root }) = event {
                found |= origin == head.origin
                    && size >= known.size
                    && (size > known.size || root == known.root);
            }
        }
    }
    Ok(found)
}
