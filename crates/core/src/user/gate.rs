//! Who may try a password again.
//!
//! Tries are counted by the name that is tried and by where they come from:
//! the first stops many guesses at one account, the second one machine's
//! guesses at many. Both counts are bounded in memory. A success clears the
//! name, and takes itself back from its source: a busy office shares one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use statehouse_model::Name;

use crate::error::{Error, Kind, Result};

/// Tries per name before it must wait.
const TRIES_MAX: u32 = 10;
/// Failed tries per source before it must wait: five people who forgot theirs.
const TRIES_OF_SOURCE_MAX: u32 = 50;
/// Failures of the same name are one leaf per minute, in microseconds.
const RECORD_EVERY_US: i64 = 60_000_000;
/// How long it waits, in microseconds.
const WAIT_US: i64 = 15 * 60 * 1_000_000;
/// The same in seconds, to be told.
const WAIT_S: u32 = 15 * 60;
/// Names remembered, and sources; beyond it those that may try again are
/// forgotten.
const KEPT_MAX: usize = 10_000;

/// The tries lately. Texts that are no names share one place, so that nobody
/// fills the memory with inventions.
#[derive(Default)]
pub(crate) struct Gate {
    names: Mutex<Counts<String>>,
    sources: Mutex<Counts<IpAddr>>,
}

type Counts<K> = HashMap<K, Tries>;

/// The tries of one name or source.
#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    since: i64,
    recorded: i64,
}

/// A try that the gate let pass.
pub(crate) struct Passed {
    /// Whether a failure should be recorded: once per name and minute.
    pub(crate) first_in_a_while: bool,
}

impl Gate {
    /// Counts a try before it is made, and refuses one too many.
    pub(crate) fn pass(
        &self,
        name: Option<&Name>,
        source: Option<IpAddr>,
        now: i64,
    ) -> Result<Passed> {
        if let Some(source) = source {
            let mut sources = lock(&self.sources);
            count(&mut sources, network(source), TRIES_OF_SOURCE_MAX, now)?;
        }
        let mut names = lock(&self.names);
        let tries = count(&mut names, folded(name), TRIES_MAX, now)?;
        let first_in_a_while = now.saturating_sub(tries.recorded) >= RECORD_EVERY_US;
        if first_in_a_while {
            tries.recorded = now;
        }
        Ok(Passed { first_in_a_while })
    }

    /// Forgets the tries of a name after a success, and this one of its source.
    pub(crate) fn forget(&self, name: Option<&Name>, source: Option<IpAddr>) {
        lock(&self.names).remove(&folded(name));
        let mut sources = lock(&self.sources);
        if let Some(tries) = source.and_then(|source| sources.get_mut(&network(source))) {
            tries.count = tries.count.saturating_sub(1);
        }
    }
}

fn lock<K>(counts: &Mutex<Counts<K>>) -> MutexGuard<'_, Counts<K>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count<K: Eq + Hash>(
    counts: &mut Counts<K>,
    key: K,
    tries_max: u32,
    now: i64,
) -> Result<&mut Tries> {
    if counts.len() >= KEPT_MAX && !counts.contains_key(&key) {
        counts.retain(|_, tries| now.saturating_sub(tries.since) < WAIT_US);
        if counts.len() >= KEPT_MAX {
            return Err(wait(WAIT_S));
        }
    }
    let fresh = Tries {
        count: 0,
        since: now,
        recorded: i64::MIN,
    };
    let tries = counts.entry(key).or_insert(fresh);
    let waited = now.saturating_sub(tries.since);
    if waited >= WAIT_US {
        *tries = fresh;
    }
    if tries.count >= tries_max {
        let left = (WAIT_US - waited).max(0) / 1_000_000;
        return Err(wait(u32::try_from(left).unwrap_or(WAIT_S).max(1)));
    }
    tries.count += 1;
    Ok(tries)
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn folded(name: Option<&Name>) -> String {
    name.map(|name| name.as_str().to_lowercase())
        .unwrap_or_default()
}

fn wait(after_s: u32) -> Error {
    let minutes = after_s.div_ceil(60);
    let words = if minutes == 1 { "minute" } else { "minutes" };
    Error::new(Kind::TooMany { after_s }, "too many logins were tried")
        .hint(format!("wait {minutes} {words}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_waits_after_ten_tries_from_anywhere() {
        let gate = Gate::default();
        let ada = name("ada");
        for host in 1..=10 {
            let source = IpAddr::from([192, 0, 2, host]);
            gate.pass(Some(&ada), Some(source), 0).ok().unwrap();
        }
        let refused = gate
            .pass(Some(&name("ADA")), None, MINUTE_US)
            .err()
            .unwrap();
        assert_eq!(*refused.kind(), Kind::TooMany { after_s: 14 * 60 });
        assert_eq!(refused.next_step(), Some("wait 14 minutes"));
        assert!(gate.pass(Some(&name("eve")), None, MINUTE_US).is_ok());
        assert!(gate.pass(Some(&ada), None, 15 * MINUTE_US).is_ok());
    }

    #[test]
    fn a_source_waits_after_fifty_failures_over_all_names() {
        let gate = Gate::default();
        let source = |host| {
            Some(IpAddr::V6(Ipv6Addr::new(
                0x2001, 0xdb8, 0, 1, 0, 0, 0, host,
            )))
        };
        // Successes take themselves back.
        for _ in 0..100 {
            let olga = name("olga");
            gate.pass(Some(&olga), source(1), 0).ok().unwrap();
            gate.forget(Some(&olga), source(1));
        }
        for number in 0..50 {
            let tried = name(&format!("user-{number}"));
            gate.pass(Some(&tried), source(number), 0).ok().unwrap();
        }
        let fresh = name("fresh");
        assert!(gate.pass(Some(&fresh), source(99), 0).is_err());
        let elsewhere = Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1)));
        assert!(gate.pass(Some(&fresh), elsewhere, 0).is_ok());
        assert!(gate.pass(Some(&fresh), source(99), 15 * MINUTE_US).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let gate = Gate::default();
        for number in 0..KEPT_MAX {
            let tried = name(&format!("user-{number}"));
            gate.pass(Some(&tried), None, 0).ok().unwrap();
        }
        assert!(gate.pass(Some(&name("one-more")), None, 1).is_err());
        assert!(gate.pass(None, None, 15 * MINUTE_US).is_ok());
        assert_eq!(lock(&gate.names).len(), 1);
    }
}
