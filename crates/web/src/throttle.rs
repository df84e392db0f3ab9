//! How many requests of `/api/v2` a caller may send.
//!
//! Each caller has a budget that fills again steadily (the generic cell rate algorithm): short bursts are taken, what goes on for
//! longer is slowed down to the pace. A caller is a token; whoever has none that was taken before is known by address, so that
//! guessing tokens has the budget of one caller. What a state could be lost by goes past it: writes of states and giving back
//! locks ([`crate::routes::Operation`] says which), and the `http` backend as a whole.
//!
//! Deliberately absent: a budget that several processes share, and one that outlives a restart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use statehouse_core::{Error, Kind};

use crate::auth;
use crate::problem::Problem;

/// Callers that are remembered at once: some 4 MiB. Beyond it everybody begins anew.
const CALLERS_MAX: usize = 65_536;
const SECOND_US: i64 = 1_000_000;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How fast one caller may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests in a second, on and on; 0 for as many as there are.
    pub per_second: u32,
    /// Requests at once, after a rest.
    pub burst: u32,
}

impl Default for Pace {
    /// More than terraform ever sends, and little for the server.
    fn default() -> Self {
        Self {
            per_second: 500,
            burst: 2_500,
        }
    }
}

/// A caller, as far as counting goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Token([u8; 16]),
    Address(IpAddr),
}

/// The budgets of all callers.
pub(crate) struct Throttle {
    pace: Pace,
    /// When each budget will be full again.
    full_at: Mutex<HashMap<Who, i64>>,
}

/// A request that was counted.
pub(crate) struct Counted {
    token: Option<Who>,
    /// What is left of the budget, for the caller to read.
    headers: [(HeaderName, HeaderValue); 3],
}

impl Throttle {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            full_at: Mutex::default(),
        }
    }

    /// Counts a request; refused when its budget is spent.
    pub(crate) fn count(
        &self,
        parts: &Parts,
        now: i64,
    ) -> Result<Option<Counted>, Box<(Problem, Counted)>> {
        let token = auth::token(parts)
            .ok()
            .flatten()
            .map(|token| of_token(&token));
        let address = auth::source(parts).map(of_address);
        if self.pace.per_second == 0 {
            return Ok(None);
        }
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let known = token.filter(|token| full_at.contains_key(token));
        let Some(who) = known.or(address) else {
            return Ok(None);
        };
        let (cost, room) = self.cost_and_room();
        let before = full_at.get(&who).copied().unwrap_or(now).max(now);
        let after = before.saturating_add(cost);
        let wait = after.saturating_sub(now).saturating_sub(room).max(0);
        let left = if wait > 0 {
            0
        } else {
            (room - (after - now)) / cost
        };
        let counted = Counted {
            token: token.filter(|_| known.is_none()),
            headers: [
                (LIMIT, self.pace.per_second.into()),
                (REMAINING, left.into()),
                (RESET, seconds(if left > 0 { 0 } else { wait.max(cost) })),
            ],
        };
        if wait > 0 {
            return Err(Box::new((too_many(wait), counted)));
        }
        make_room(&mut full_at, now);
        full_at.insert(who, after);
        Ok(Some(counted))
    }

    /// From now on a token that was taken has a budget of its own.
    pub(crate) fn taken(&self, counted: &Counted, now: i64) {
        if let Some(token) = counted.token {
            let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
            make_room(&mut full_at, now);
            full_at.entry(token).or_insert(now);
        }
    }

    /// What one request costs, and how much a budget holds, in microseconds.
    fn cost_and_room(&self) -> (i64, i64) {
        let cost = (SECOND_US / i64::from(self.pace.per_second.max(1))).max(1);
        (cost, cost.saturating_mul(i64::from(self.pace.burst.max(1))))
    }
}

impl Counted {
    /// Tells the caller.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        headers.extend(self.headers);
    }
}

fn make_room(full_at: &mut HashMap<Who, i64>, now: i64) {
    if full_at.len() >= CALLERS_MAX {
        // A full budget is as good as none.
        full_at.retain(|_, full_at| *full_at > now);
    }
    if full_at.len() >= CALLERS_MAX {
        full_at.clear();
    }
}

fn too_many(wait: i64) -> Problem {
    let after_s = u32::try_from((wait + SECOND_US - 1) / SECOND_US).unwrap_or(u32::MAX);
    let words = "this caller sends more requests than are taken";
    let hint = format!(
        "try again after {after_s} s; `[api]` in the server's configuration says how many are taken"
    );
    Error::new(Kind::TooMany { after_s }, words)
        .hint(hint)
        .into()
}

/// Seconds with a fraction, as clients of the platform read them.
fn seconds(us: i64) -> HeaderValue {
    let text = format!("{}.{:03}", us / SECOND_US, us % SECOND_US / 1000);
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("1"))
}

fn of_token(token: &str) -> Who {
    let mut short = [0; 16];
    short
        .iter_mut()
        .zip(Sha256::digest(token))
        .for_each(|(to, from)| *to = from);
    Who::Token(short)
}

/// One customer's addresses of IPv6 are as good as one.
fn of_address(address: IpAddr) -> Who {
    Who::Address(match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network).into()
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use axum::http::Request;
    use axum::http::header::AUTHORIZATION;

    use super::*;

    fn parts(token: Option<&str>, address: &str) -> Parts {
        let mut request = Request::builder();
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let peer: SocketAddr = address.parse().unwrap();
        parts.extensions.insert(ConnectInfo(peer));
        parts
    }

    fn throttle(per_second: u32, burst: u32) -> Throttle {
        Throttle::new(Pace { per_second, burst })
    }

    /// How many requests in a row are taken at `now`, of at most 100.
    fn taken(throttle: &Throttle, parts: &Parts, now: i64) -> usize {
        (0..100)
            .take_while(|_| throttle.count(parts, now).is_ok())
            .count()
    }

    #[test]
    fn a_burst_is_taken_and_then_the_pace() {
        let (throttle, caller) = (throttle(10, 5), parts(None, "192.0.2.1:1"));
        assert_eq!(taken(&throttle, &caller, 0), 5);
        assert_eq!(taken(&throttle, &caller, 99_999), 0);
        assert_eq!(taken(&throttle, &caller, 100_000), 1);
        assert_eq!(taken(&throttle, &caller, 400_000), 3);
        assert_eq!(taken(&throttle, &caller, SECOND_US * 60), 5);
        assert_eq!(taken(&throttle, &parts(None, "192.0.2.2:1"), 0), 5);
        let whole = Throttle::new(Pace {
            per_second: 0,
            burst: 0,
        });
        assert_eq!(taken(&whole, &caller, 0), 100);
    }

    #[test]
    fn guessed_tokens_share_a_budget_and_one_that_was_taken_has_its_own() {
        let throttle = throttle(10, 5);
        for guess in ["a", "b", "c", "d"] {
            assert!(
                throttle
                    .count(&parts(Some(guess), "192.0.2.1:1"), 0)
                    .is_ok()
            );
        }
        let good = parts(Some("good"), "192.0.2.1:1");
        let counted = throttle.count(&good, 0).ok().flatten().unwrap();
        throttle.taken(&counted, 0);
        assert!(throttle.count(&parts(Some("e"), "192.0.2.1:1"), 0).is_err());
        assert_eq!(taken(&throttle, &good, 0), 5);
        // Its own budget is the token's, wherever it comes from.
        assert_eq!(taken(&throttle, &parts(Some("good"), "192.0.2.9:1"), 0), 0);
    }

    #[test]
    fn one_network_of_ipv6_is_one_caller() {
        let throttle = throttle(10, 5);
        assert_eq!(taken(&throttle, &parts(None, "[2001:db8::1]:1"), 0), 5);
        assert_eq!(taken(&throttle, &parts(None, "[2001:db8::2]:1"), 0), 0);
        assert_eq!(taken(&throttle, &parts(None, "[2001:db8:0:1::2]:1"), 0), 5);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = throttle(10, 5);
        for number in 0..CALLERS_MAX * 2 {
            let address = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            let mut full_at = throttle.full_at.lock().unwrap();
            make_room(&mut full_at, 0);
            full_at.insert(of_address(address), 1);
        }
        assert!(throttle.full_at.lock().unwrap().len() <= CALLERS_MAX);
    }
}
