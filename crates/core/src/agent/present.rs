//! Which agents were heard of lately: in memory, told to whoever looks after them, and never asked when something is decided.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use statehouse_model::AgentPoolId;

use crate::ctx::Ctx;

/// An agent asks every half minute at least. Of one that was not heard of for so long it is not known what it does.
const SILENT_US: i64 = 90 * 1_000_000;
/// And one that was not heard of for so long is forgotten.
const GONE_US: i64 = 3600 * 1_000_000;
/// Places that are remembered: more than any pool has, and little memory.
const PLACES_MAX: usize = 10_000;

/// An agent, for people and programs to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentView {
    /// What it calls itself.
    pub name: String,
    /// Where it was last heard from.
    pub address: Option<IpAddr>,
    /// `idle`, `busy`, or `unknown` where it was not heard of for longer than it may be silent.
    pub status: &'static str,
    /// When it was last heard of, in microseconds since 1970.
    pub seen_at: i64,
}

#[derive(Clone, Copy)]
struct Seen {
    at: i64,
    address: Option<IpAddr>,
    busy: bool,
}

/// The places of agents that were heard of, by pool and name.
#[derive(Default)]
pub(crate) struct Present(Mutex<HashMap<(AgentPoolId, String), Seen>>);

impl Present {
    /// A place of an agent of a pool asked for something.
    pub(crate) fn seen(&self, ctx: &Ctx, (pool, place): (&AgentPoolId, &str), busy: bool) {
        let now = ctx.house().now();
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= PLACES_MAX {
            places.retain(|_, seen| now.saturating_sub(seen.at) < SILENT_US);
        }
        if places.len() < PLACES_MAX {
            let seen = Seen {
                at: now,
                address: ctx.source(),
                busy,
            };
            places.insert((pool.clone(), place.to_owned()), seen);
        }
    }

    /// The agents of a pool, by name: an agent has a place for each job that it does at once.
    pub(crate) fn of(&self, pool: &AgentPoolId, now: i64) -> Vec<AgentView> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, seen| now.saturating_sub(seen.at) < GONE_US);
        let mut agents: HashMap<&str, Seen> = HashMap::new();
        for ((_, place), seen) in places.iter().filter(|((of, _), _)| of == pool) {
            let name = place
                .rsplit_once('/')
                .map_or(place.as_str(), |(name, _)| name);
            let agent = agents.entry(name).or_insert(*seen);
            let busy = agent.busy || seen.busy;
            if seen.at > agent.at {
                *agent = *seen;
            }
            agent.busy = busy;
        }
        let view = |(name, seen): (&str, Seen)| AgentView {
            name: name.to_owned(),
            address: seen.address,
            status: match now.saturating_sub(seen.at) {
                SILENT_US.. => "unknown",
                _ if seen.busy => "busy",
                _ => "idle",
            },
            seen_at: seen.at,
        };
        let mut views: Vec<_> = agents.into_iter().map(view).collect();
        views.sort_by(|one, other| one.name.cmp(&other.name));
        views
    }
}
