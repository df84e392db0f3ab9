//! What is told of a connection.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// How a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Through the proxy.
    Https,
    /// By a relay.
    Tcp,
}

/// How far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is allowed, and there is somebody: told before the first byte goes out.
    Opened,
    /// It ended after it was opened.
    Closed,
    /// It is not allowed: by the list, or by the proxy that it was to go through.
    Refused,
    /// It is allowed, but nobody was reached, or nobody spoke.
    Failed,
}

/// One connection, at one stage. Every attempt is told once as refused or failed, or twice, as opened and as closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which connection of the run; its two events have the same.
    pub number: u64,
    /// How it came.
    pub way: Way,
    /// Whom it asked for; what was written, escaped and shortened, if that is no host.
    pub host: String,
    /// The port; 0 if there was none.
    pub port: u16,
    /// To which address it went, once that was decided: the proxy's, if it went through one.
    pub address: Option<IpAddr>,
    /// Which proxy of the operator's it went through, or was to go through: host and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// How far it got.
    pub stage: Stage,
    /// Why it was refused or failed, or ended before both sides were done.
    pub why: Option<String>,
    /// Bytes that left the sandbox.
    pub bytes_up: u64,
    /// Bytes that came in.
    pub bytes_down: u64,
    /// When it was accepted, in microseconds since 1970.
    pub started_at: i64,
    /// How long it has been there, in microseconds.
    pub took_us: u64,
}

impl Event {
    /// Whether nobody refused it.
    pub fn allowed(&self) -> bool {
        self.stage != Stage::Refused
    }
}
