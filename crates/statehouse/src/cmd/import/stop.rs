//! Ctrl-C and SIGTERM while states are moved: what is in hand is ended, locks are released, and nothing more is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Exit, Failure, Result};

/// How long a wait goes without a look at the wish to stop.
const LOOK: Duration = Duration::from_millis(100);

/// Whether somebody asked to stop.
#[derive(Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on, on a thread of its own: the work itself asks one question after another, and waits for each.
    pub(super) fn listen() -> Result<Self> {
        let stop = Self::default();
        let asked = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            asked.0.store(true, Ordering::SeqCst);
        });
        Ok(stop)
    }

    /// Fails once somebody asked.
    pub(super) fn check(&self) -> Result {
        if self.0.load(Ordering::SeqCst) {
            return Err(Failure::new(Exit::Unavailable, "stopped, as asked")
                .hint("run the same command again; it goes on where it stopped"));
        }
        Ok(())
    }

    /// Waits, unless somebody asks meanwhile.
    pub(super) fn wait(&self, time: Duration) -> Result {
        let mut left = time;
        while !left.is_zero() {
            self.check()?;
            let step = left.min(LOOK);
            sleep(step);
            left = left.saturating_sub(step);
        }
        self.check()
    }
}
