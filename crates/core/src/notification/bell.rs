//! Rung where something was committed, for whoever looks what there is to tell.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use statehouse_model::HouseCode;
use tokio::sync::Notify;

/// The houses that changed since it was heard last.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<BTreeSet<HouseCode>>,
    heard: Notify,
}

impl Bell {
    /// A house has a new head.
    pub(crate) fn ring(&self, code: HouseCode) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.insert(code);
        drop(rung);
        self.heard.notify_one();
    }

    /// Waits to hear it. What was rung stays until it was heard.
    pub(crate) async fn heard(&self) -> BTreeSet<HouseCode> {
        self.heard.notified().await;
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rung)
    }
}
