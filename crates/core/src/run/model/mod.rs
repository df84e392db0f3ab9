//! A model of runs, small enough to be looked through whole: two users, a server that crashes, two runners that crash,
//! pause and return late, a clock, policies that change, states that are pushed, hands that alter what is stored.
//!
//! Its steps are the product's own: what becomes of a run says [`machine::next`](super::machine::next), what may be applied
//! says [`statehouse_capsule::verify`], with real capsules and real signatures. What it adds is a world around them
//! ([`world`]), all that may happen there ([`moves`]), and a judge who knows the truth about that world and uses neither of
//! the two ([`judge`]). [`mutation`] takes arrows and guards away, one at a time: each must be missed.

mod judge;
mod known;
mod moves;
mod mutation;
mod steps;
mod tests;
mod world;

use super::papers::{Desk, Thing};
use judge::Wrong;
use known::Known;
use moves::{Mishap, Move};
use mutation::Mutation;
use stateright::{Model, Property};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use world::{World, Young};

/// Capsules are signed once for all models.
static DESK: LazyLock<Desk> = LazyLock::new(Desk::new);

/// A world to begin with, and what may happen in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Setting {
    /// The runs that are there, and where.
    runs: Vec<Young>,
    /// What can go wrong, and how often at most.
    mishaps: &'static [Mishap],
    mishaps_max: u8,
    /// What hands behind the server's back reach for.
    alters: Thing,
    approvals_needed: u8,
    /// How long capsules and approvals are good, in ticks of the clock.
    capsule_lasts: u8,
    approval_lasts: u8,
    /// Whether people do everything they can, or only what leads to an apply.
    busy_people: bool,
    /// Whether the author approves, too, which counts for nothing.
    author_approves: bool,
}

/// The model: a setting, and what is taken away from the product in it.
struct Runs {
    setting: Setting,
    without: Mutation,
    /// What was counted and verified before: the same papers give the same answer.
    known: Known,
    /// Set with the first wrong world: the search may end there. Not asked when its way is told afterwards.
    found: AtomicBool,
    searches: AtomicBool,
}

impl Model for Runs {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![World::of(&self.setting)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Move>) {
        let is_over = self.searches.load(Ordering::Relaxed) && self.found.load(Ordering::Relaxed);
        if !is_over && world.wrong.is_none() {
            moves::all(&self.setting, world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Move) -> Option<World> {
        let mut after = world.clone();
        steps::take(self, &mut after, action);
        if after.wrong.is_some() {
            self.found.store(true, Ordering::Relaxed);
        }
        after.forget(&self.setting);
        (after != *world).then_some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "nothing is applied that was not verified and approved",
                |_, world: &World| !matches!(world.wrong, Some(Wrong::Applied(_))),
            ),
            Property::always("a workspace has one apply at most", |_, world: &World| {
                world.wrong != Some(Wrong::TwoApplies) && world.applies_are_alone()
            }),
            Property::always("who is waited for is heard", |_, world: &World| {
                !matches!(world.wrong, Some(Wrong::Unheard(..)))
            }),
            Property::always("nobody is overruled", |_, world: &World| {
                !matches!(world.wrong, Some(Wrong::Overruled(_)))
            }),
            Property::always(
                "a run holds its workspace while it must",
                |_, world: &World| world.locks_are_right(),
            ),
            Property::eventually("every run ends", |_, world: &World| {
                world.wrong.is_some() || world.runs.iter().all(|run| run.state.status().is_final())
            }),
        ]
    }
}
