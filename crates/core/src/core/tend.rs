//! What a process does beside answering: checkpoints of houses into the site's
//! log, counted reads into the ledgers, old content out of the houses, and
//! houses that nobody uses closed. Looking for drift is [`looks`].

mod looks;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use statehouse_model::HouseCode;
use tokio::sync::mpsc;

use super::Core;
use crate::access::WITNESS;
use crate::ctx::Ctx;
use crate::house::House;
use crate::ledger::Head;
use crate::notification::Bell;
use crate::{org, retention};

/// How often counted reads are looked at and idle houses closed.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// How often old content is looked for in a house that is open.
const RETAIN_EVERY: Duration = Duration::from_hours(1);

/// Writes houses' heads into the site's log, the newest of each; whoever tells receivers hears of them first.
pub(super) async fn follow_heads(
    machine: Ctx,
    told: Arc<Bell>,
    mut heads: mpsc::UnboundedReceiver<(HouseCode, Head)>,
) {
    let task = machine.as_task(WITNESS);
    while let Some((code, head)) = heads.recv().await {
        told.ring(code);
        if let Err(error) = org::witness(&task, code, head).await {
            tracing::warn!(house = %code, %error, "the site's log did not take a checkpoint");
        }
    }
}

/// Removes old content; a failure is told, and tried again in an hour.
async fn retain(house: Arc<House>) {
    if house.read_only().is_some() {
        return;
    }
    match retention::apply(&house).await {
        Ok(0) => {}
        Ok(removed) => {
            tracing::info!(house = %house.code(), removed, "removed content that no policy keeps");
        }
        Err(error) => {
            tracing::warn!(house = %house.code(), %error, "old content was not removed");
        }
    }
}

/// Closes windows of counted reads, and houses that nobody uses.
pub(super) async fn tend(core: std::sync::Weak<Core>) {
    tokio::spawn(looks::look_for_drift(core.clone()));
    let mut retained: HashMap<HouseCode, Instant> = HashMap::new();
    loop {
        tokio::time::sleep(TEND_EVERY).await;
        let Some(core) = core.upgrade() else { return };
        for house in core.houses.all() {
            house.reads().flush(&house, false).await;
            house.opened().tend();
            house.bearers().tend();
            let last = retained.get(&house.code());
            if last.is_none_or(|last| last.elapsed() >= RETAIN_EVERY) {
                retained.insert(house.code(), Instant::now());
                tokio::spawn(retain(house));
            }
        }
        core.houses.close_idle((core.options.clock)()).await;
    }
}
