//! SIGTERM and SIGINT stop the server, SIGHUP has it read its certificate again.

use std::sync::Arc;

use statehouse_web::tls::Served;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Result;

/// The signals that are heard from now on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to hear them, before anything is open that they could leave half done.
    pub(super) fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when the server shall stop; until then reloads as asked.
    pub(super) async fn until_stop(&mut self, served: &Arc<Served>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload(served.clone()).await,
            }
        }
    }
}

async fn reload(served: Arc<Served>) {
    match tokio::task::spawn_blocking(move || served.reload()).await {
        Ok(Ok(true)) => tracing::info!("another certificate is shown from now on"),
        Ok(Ok(false)) => tracing::info!("the certificate was read again and is the same"),
        Ok(Err(error)) => {
            tracing::error!(%error, "the new certificate is not taken, the old one is still shown");
        }
        Err(error) => tracing::error!(%error, "the certificate was not read again"),
    }
}
