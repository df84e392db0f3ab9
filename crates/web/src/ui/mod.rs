//! Pages for people: a page or a part of one is a function that returns markup.
//!
//! They are made on the server and work without a script. Whoever looks is known by a cookie, which is taken here and nowhere
//! else: it never authenticates `/api/v2` or `/state`. Whatever a page changes is a form that carries the proof that it comes from
//! a page of ours ([`form`]).

pub(crate) mod assets;
pub(crate) mod consent;
pub(crate) mod cookie;
mod costed;
mod decisions;
pub(crate) mod failure;
pub(crate) mod follow;
pub(crate) mod form;
mod happened;
mod judged;
pub(crate) mod page;
mod planned;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod start;
pub(crate) mod tokens;
pub(crate) mod waiting;
pub(crate) mod workspace;

use statehouse_core::Ctx;

use crate::tfe::instant;

/// The day of an instant, as people in every country read it.
fn day(us: i64) -> String {
    let whole = instant::format(us).unwrap_or_default();
    whole.chars().take_while(|letter| *letter != 'T').collect()
}

/// An instant, to the second.
fn moment(us: i64) -> String {
    let whole = instant::format(us).unwrap_or_default();
    let seconds = whole.split('.').next().unwrap_or_default();
    format!("{} UTC", seconds.replace('T', " "))
}

/// Today.
pub(crate) fn today(site: &Ctx) -> String {
    day(site.house().now())
}
