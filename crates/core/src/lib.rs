//! Everything the server does, without HTTP.
//!
//! A [`Core`] owns what the process owns: the site, the houses that are open,
//! the clock. It turns a token into a caller and a caller into a [`Ctx`] in one
//! house; every operation takes a `Ctx` and passes the one [`door`].
//!
//! Deliberately absent: HTTP, printing, reading the environment, and queries
//! over more than one house.

pub mod access;
pub mod agent;
pub mod backup;
mod blob;
pub mod configuration;
mod core;
pub mod cost;
mod ctx;
mod db;
pub mod document;
mod door;
pub mod drift;
mod error;
pub mod execution;
mod fault;
mod house;
mod houses;
pub mod job;
pub mod key;
pub mod ledger;
pub mod member;
mod memo;
pub mod notification;
pub mod oauth;
mod object;
pub mod org;
mod permit;
pub mod policy;
pub mod project;
pub mod reach;
mod record;
pub mod retention;
pub mod run;
pub mod session;
mod small;
pub mod state;
pub mod team;
#[cfg(test)]
mod testing;
mod ticket;
pub mod token;
pub mod unsaid;
pub mod url;
pub mod user;
pub mod variable;
pub mod workspace;

pub use core::{Caller, Core, Options};
pub use ctx::Ctx;
pub use error::{Error, Kind, Result};
pub use house::House;
pub use record::OUTSIDE;
pub use statehouse_seal as seal;
pub use statehouse_terraform as terraform;

pub(crate) use small::{open_small, rewrap_small, seal_small};

use std::sync::Arc;

/// Microseconds since 1970, from a source that tests can set.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Random bytes from the system's generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The generator of aws-lc cannot fail once it is seeded; a process that
    // cannot seed it must not go on making keys.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// Entropy for an id.
pub(crate) fn entropy() -> u128 {
    u128::from_be_bytes(random())
}
