//! Jobs of the server that is this process.

use std::sync::Arc;

use bytes::Bytes;
use statehouse_control::{Answer, Ask, Beside};
use statehouse_core::Core;
use statehouse_core::job::{Holder, Sandbox};
use statehouse_core::run::work::Line;
use statehouse_model::RunId;

use super::source::{Job, NotTaken, Source};

/// The core of this process, and what jobs are kept in here.
#[derive(Clone)]
pub(crate) struct Own {
    core: Arc<Core>,
    sandbox: Sandbox,
}

impl Own {
    pub(crate) fn new(core: Arc<Core>, sandbox: Sandbox) -> Self {
        Self { core, sandbox }
    }
}

impl Own {
    fn holder(&self, slot: u32) -> Holder {
        Holder::own(&format!("slot-{slot}"), self.sandbox.clone())
    }
}

impl Source for Own {
    type Job = Line;

    async fn begin(&self, slots: u32) {
        if let Err(error) = self.core.look_for_runs().await {
            tracing::warn!(%error, "runs of before are not looked for");
        }
        if slots == 0 {
            self.core.take_turns().await;
        }
    }

    async fn next(&self, slot: u32) -> Line {
        self.core.next_job(&self.holder(slot)).await
    }

    async fn rests(&self, slot: u32) {
        self.core.place_rests(&self.holder(slot)).await;
    }

    async fn left(&self, run: &RunId, sealed: Bytes) -> Result<(), NotTaken> {
        let words = |error: statehouse_core::Error| NotTaken::Refused(error.to_string());
        let left = self.core.left_of_run(run.clone()).await.map_err(words)?;
        left.take(&sealed).await.map_err(words)
    }
}

impl Job for Line {
    fn run(&self) -> &RunId {
        self.run()
    }

    async fn answer(&self, ask: Ask, beside: Beside) -> Answer {
        self.answer(ask, beside).await
    }

    async fn lost(&self) {
        if let Err(error) = self.lost().await {
            tracing::warn!(run = %self.run(), %error, "a lost runner could not be told");
        }
    }
}
