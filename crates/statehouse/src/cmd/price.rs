//! `statehouse price`: price books, without a server.

use statehouse_cost::desk::{day_of, price};

use super::session::Session;
use crate::failure::{Failure, Result};

/// The day whose prices count where nobody says which.
#[expect(
    clippy::disallowed_methods,
    reason = "the clock is read once, by the binary, where no date is given"
)]
pub(super) fn today() -> u32 {
    day_of(std::time::SystemTime::now())
}

pub(super) fn run(verb: &price::Verb, session: &Session) -> Result {
    let report = price::run(verb, today()).map_err(Failure::failed)?;
    if session.out.is_json() {
        let text = serde_json::to_string(&report).map_err(Failure::failed)?;
        return session.out.text(&format!("{text}\n"));
    }
    session.out.text(&report.to_string())
}
