//! How a message leaves: what is asked of whoever has a network.
//!
//! This crate makes messages and keeps what came of them; sending one, and judging where one may
//! go, is [`Deliver`]'s, which the binary implements.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use statehouse_model::HouseCode;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What is answered later.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// The status that was answered, or why there is none.
pub type Answer = std::result::Result<u16, Trouble>;

/// Why a message was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The address leads where nothing may be sent.
    Refused,
    /// The name has no address.
    Unresolved,
    /// Nobody takes connections there.
    Unreachable,
    /// The other side does not prove who it is, or speaks no TLS 1.3.
    Untrusted,
    /// No answer in time.
    Slow,
    /// The connection ended without an answer.
    Lost,
    /// What happened was altered where it is stored: nothing is sent of it.
    Unreadable,
}

impl Trouble {
    /// The word in rows, in leaves and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Slow => "slow",
            Self::Lost => "lost",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A message, ready to be sent.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Message {
    /// Whose it is.
    #[zeroize(skip)]
    pub house: HouseCode,
    /// Where to.
    pub url: String,
    /// The same each time that it is sent.
    #[zeroize(skip)]
    pub delivery: String,
    /// HMAC-SHA512 of the body under the token, in hex, where there is a token.
    #[zeroize(skip)]
    pub signature: Option<String>,
    /// JSON.
    #[zeroize(skip)]
    pub body: Bytes,
}

/// Sends messages.
pub trait Deliver: Send + Sync {
    /// Why nothing is ever sent to this address; `None` where it can be tried.
    fn refuses(&self, url: &str) -> Option<String>;

    /// `https://…` under which people find this server, where that is known.
    fn address(&self) -> Option<&str>;

    /// Sends a message, once.
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a>;
}
