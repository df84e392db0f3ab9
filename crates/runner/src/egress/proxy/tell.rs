//! What becomes of a connection, told.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use super::Egress;
use super::request::Unread;
use crate::egress::dial::DialError;
use crate::egress::event::{Event, Stage, Way};
use crate::egress::rules::Refusal;
use crate::egress::upstream::Unopened;

/// Why a connection is not carried.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Refusal(#[from] Refusal),
    #[error("{0}")]
    Request(Unread),
    #[error("plain HTTP does not leave the sandbox; use https, or name the host in a tcp:// entry")]
    Plain,
    #[error("what followed CONNECT was not TLS")]
    NotTls,
    #[error("the TLS greeting asks for {0}")]
    OtherName(String),
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("the proxy {0}")]
    UpstreamDial(DialError),
    #[error("the proxy {place} {why}")]
    Upstream { place: String, why: Unopened },
    #[error("the run has made {0} connections; no more are carried")]
    TooMany(u64),
}

impl Fault {
    /// Whether it is refused, by the list or by the proxy above, or only nobody was reached.
    fn stage(&self) -> Stage {
        match self {
            Fault::Dial(DialError::Refused(_)) => Stage::Refused,
            Fault::Dial(_) | Fault::UpstreamDial(_) => Stage::Failed,
            Fault::Upstream { why, .. } if !why.is_refusal() => Stage::Failed,
            _ => Stage::Refused,
        }
    }

    fn status(&self) -> u16 {
        match self {
            Fault::Dial(DialError::Refused(_)) => 403,
            Fault::Dial(_) | Fault::UpstreamDial(_) => 502,
            // Its own status is for us: who is told 407 in the sandbox would be asked for a password.
            Fault::Upstream { why, .. } if !why.is_refusal() => 502,
            Fault::Request(Unread::Slow) => 408,
            Fault::Request(Unread::Long) => 431,
            Fault::Request(_) => 400,
            _ => 403,
        }
    }
}

/// One connection, as far as it is known.
pub(super) struct Told {
    pub(super) egress: Arc<Egress>,
    pub(super) number: u64,
    pub(super) way: Way,
    pub(super) address: Option<IpAddr>,
    pub(super) through: Option<String>,
    host: String,
    port: u16,
    started_at: i64,
    started: Instant,
}

/// The bytes of both directions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bytes {
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Told {
    pub(super) fn new(egress: Arc<Egress>, number: u64) -> Told {
        let started_at = (egress.clock)();
        Told {
            egress,
            number,
            way: Way::Https,
            address: None,
            through: None,
            host: String::new(),
            port: 0,
            started_at,
            started: Instant::now(),
        }
    }

    /// Says where the connection wants to go.
    pub(super) fn aims(&mut self, way: Way, host: String, port: u16) {
        (self.way, self.host, self.port) = (way, host, port);
    }

    /// Tells that it is not carried; gives the status and the words for whoever asked.
    pub(super) async fn refused(&self, fault: Fault) -> (u16, String) {
        let words = fault.to_string();
        let event = self.event(fault.stage(), Some(words.clone()), Bytes::default());
        let _ = self.egress.events.send(event).await;
        (fault.status(), words)
    }

    /// Tells that it will be carried; false if nobody listens.
    pub(super) async fn opened(&self) -> bool {
        let event = self.event(Stage::Opened, None, Bytes::default());
        self.egress.events.send(event).await.is_ok()
    }

    /// Tells that it ended.
    pub(super) async fn closed(&self, why: Option<&str>, bytes: Bytes) {
        let event = self.event(Stage::Closed, why.map(str::to_owned), bytes);
        let _ = self.egress.events.send(event).await;
    }

    fn event(&self, stage: Stage, why: Option<String>, bytes: Bytes) -> Event {
        let took = self.started.elapsed().as_micros();
        Event {
            number: self.number,
            way: self.way,
            host: self.host.clone(),
            port: self.port,
            address: self.address,
            through: self.through.clone(),
            stage,
            why,
            bytes_up: bytes.up,
            bytes_down: bytes.down,
            started_at: self.started_at,
            took_us: u64::try_from(took).unwrap_or(u64::MAX),
        }
    }
}
