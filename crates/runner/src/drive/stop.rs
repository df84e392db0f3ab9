//! Whether to go on: asked of the server every second, which also says that this runner is alive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control::{Ask, Control, ControlError, Told};

/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);

/// What the server said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Go on.
    GoOn,
    /// Stop in order.
    Stop,
    /// Stop at once: the job is another's, or nobody's.
    StopNow,
}

/// The question, asked again and again.
pub(crate) struct Stop {
    wish: watch::Receiver<Wish>,
    task: JoinHandle<()>,
}

impl Stop {
    pub(crate) fn watch(control: Arc<dyn Control>) -> Self {
        let (said, wish) = watch::channel(Wish::GoOn);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let wish = match control.ask(Ask::Beat, Bytes::new()).await {
                    Ok(answer) => match answer.told {
                        Told::Stop => Wish::Stop,
                        Told::StopNow => Wish::StopNow,
                        _ => Wish::GoOn,
                    },
                    Err(error) if error.may_pass() => continue,
                    // The line broke: whoever is at its other end cannot be told any more what happens here.
                    Err(ControlError::Lost(_)) => Wish::Stop,
                    Err(_) => Wish::StopNow,
                };
                said.send_if_modified(|last| {
                    let changed = *last != wish;
                    *last = wish;
                    changed
                });
            }
        });
        Self { wish, task }
    }

    /// Nobody's wish: for what is done whatever anybody wishes.
    pub(crate) fn never() -> Self {
        let (said, wish) = watch::channel(Wish::GoOn);
        let task = tokio::spawn(async move { said.closed().await });
        Self { wish, task }
    }

    /// What is wished now.
    pub(crate) fn now(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Waits for another wish than `seen`.
    pub(crate) async fn other_than(&self, seen: Wish) -> Wish {
        let mut wish = self.wish.clone();
        match wish.wait_for(|wish| *wish != seen).await {
            Ok(wish) => *wish,
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn end(self) {
        self.task.abort();
    }
}
