//! The models that hold, and the proof that each would notice if something were taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::moves::Mishap;
use super::mutation::{Check, Guard, Mutation};
use super::world::Young;
use super::{Known, Runs, Setting, Thing};
use crate::run::machine::{Kind, Status};
use stateright::{Checker, HasDiscoveries, Model};
use std::sync::atomic::{AtomicBool, Ordering};

const EVERYTHING: &[Mishap] = &[
    Mishap::Crash,
    Mishap::Pause,
    Mishap::Silence,
    Mishap::Tick,
    Mishap::Push,
    Mishap::Policy,
    Mishap::Right,
    Mishap::Unlock,
    Mishap::Alter,
    Mishap::Restore,
];

fn young(kind: Kind, workspace: u8) -> Young {
    Young {
        kind,
        auto_apply: false,
        workspace,
    }
}

/// One run, and people who do everything they can.
fn alone(kind: Kind, mishaps: &'static [Mishap], mishaps_max: u8) -> Setting {
    Setting {
        runs: vec![young(kind, 0)],
        mishaps,
        mishaps_max,
        alters: Thing::Plan,
        approvals_needed: 1,
        capsule_lasts: 1,
        approval_lasts: 1,
        busy_people: true,
        author_approves: false,
    }
}

/// Two runs, and people who want them applied.
fn together(workspaces: [u8; 2], mishaps: &'static [Mishap], mishaps_max: u8) -> Setting {
    Setting {
        runs: workspaces
            .map(|place| young(Kind::PlanAndApply, place))
            .to_vec(),
        busy_people: false,
        ..alone(Kind::PlanAndApply, mishaps, mishaps_max)
    }
}

/// What is missed first, and how many worlds were looked at.
fn look(setting: &Setting, without: Mutation) -> (Option<String>, usize) {
    let runs = Runs {
        setting: setting.clone(),
        without,
        known: Known::default(),
        found: AtomicBool::new(false),
        searches: AtomicBool::new(true),
    };
    let checker = runs.checker().finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    checker.model().searches.store(false, Ordering::Relaxed);
    let discoveries = checker.discoveries().into_iter();
    // A world that went wrong says more than the runs that were not followed to their end because of it.
    let found = discoveries.max_by_key(|(_, path)| path.last_state().wrong.is_some());
    let found = found.map(|(property, path)| {
        let last = path.last_state().wrong;
        format!("{property}: {last:?} after {:?}", path.into_actions())
    });
    (found, checker.unique_state_count())
}

fn holds(setting: &Setting) {
    let (found, count) = look(setting, Mutation::Nothing);
    assert_eq!(found, None, "{setting:?}");
    println!("{count} worlds: {setting:?}");
}

/// Without the mutation nothing is missed, with it something is.
fn is_missed(setting: &Setting, without: Mutation) {
    let (found, _) = look(setting, without);
    assert!(found.is_some(), "nobody misses {without:?} in {setting:?}");
}

#[test]
fn a_run_alone_ends_or_waits_for_somebody_whatever_goes_wrong() {
    let kinds = [
        Kind::PlanAndApply,
        Kind::PlanOnly,
        Kind::Drift,
        Kind::SavedPlan,
    ];
    for kind in kinds {
        holds(&alone(kind, EVERYTHING, 2));
    }
    let by_itself = Young {
        auto_apply: true,
        ..young(Kind::PlanAndApply, 0)
    };
    holds(&Setting {
        runs: vec![by_itself],
        busy_people: false,
        ..alone(Kind::PlanAndApply, EVERYTHING, 3)
    });
}

#[test]
fn two_runs_of_a_workspace_never_apply_at_once() {
    holds(&together([0, 0], EVERYTHING, 2));
}

/// The arrows of the machine, read off its table.
fn arrows() -> Vec<(Status, &'static str)> {
    let mut arrows = Vec::new();
    let mut status = None;
    for line in include_str!("../machine/table.txt").lines() {
        match line.strip_prefix("    ") {
            None => status = Status::from_word(line),
            Some(arrow) => {
                let name = arrow.split_once(" → ").map(|(name, _)| name);
                arrows.extend(status.zip(name));
            }
        }
    }
    arrows.sort_unstable();
    arrows.dedup();
    arrows
}

#[test]
fn every_arrow_is_missed_when_it_is_taken_away() {
    const MISHAPS: &[Mishap] = &[Mishap::Crash, Mishap::Tick, Mishap::Unlock, Mishap::Break];
    let alone_with = |kind| alone(kind, MISHAPS, 1);
    let altered = |alters| Setting {
        alters,
        ..alone(Kind::PlanAndApply, &[Mishap::Alter], 1)
    };
    // The small ones first: most arrows are missed there.
    let settings = [
        alone(Kind::PlanOnly, &[], 0),
        Setting {
            approvals_needed: 0,
            ..alone(Kind::PlanAndApply, &[], 0)
        },
        alone(Kind::PlanAndApply, &[], 0),
        Setting {
            author_approves: true,
            ..alone(Kind::SavedPlan, &[], 0)
        },
        altered(Thing::Plan),
        altered(Thing::Sandbox),
        altered(Thing::Estimate),
        alone_with(Kind::PlanAndApply),
        alone_with(Kind::SavedPlan),
    ];
    let arrows = arrows();
    assert!(arrows.len() > 80, "only {} arrows", arrows.len());
    let unmissed: Vec<_> = arrows
        .into_iter()
        .filter(|(status, name)| {
            let without = Mutation::Arrow(*status, name);
            settings
                .iter()
                .all(|setting| look(setting, without).0.is_none())
        })
        .collect();
    assert_eq!(unmissed, [], "nobody misses these");
}

/// Where a guard is needed.
fn where_it_matters(guard: Guard) -> Setting {
    match guard {
        Guard::Late => alone(Kind::PlanAndApply, &[Mishap::Pause], 1),
        Guard::Losses => alone(Kind::PlanAndApply, &[Mishap::Crash], 3),
        Guard::StopsWhenLost => alone(Kind::PlanAndApply, &[Mishap::Crash], 1),
        Guard::SameCapsule => together([0, 1], &[Mishap::Confuse], 1),
        Guard::LookedAt => alone(Kind::PlanOnly, &[], 0),
        Guard::Kept => alone(Kind::SavedPlan, &[], 0),
        _ => alone(Kind::PlanAndApply, &[], 0),
    }
}

#[test]
fn every_guard_is_missed_when_it_is_taken_away() {
    for guard in Guard::ALL {
        let setting = where_it_matters(guard);
        holds(&setting);
        is_missed(&setting, Mutation::Guard(guard));
    }
}

#[test]
fn every_check_is_missed_when_it_is_taken_away() {
    let lasting = |setting: Setting| Setting {
        capsule_lasts: 9,
        approval_lasts: 9,
        ..setting
    };
    let check = |check: Check, mishaps: &'static [Mishap]| {
        let mut setting = lasting(together([0, 0], mishaps, 1));
        setting.runs.truncate(1);
        match check {
            Check::Expiry => setting.capsule_lasts = 1,
            Check::ApprovalExpiry => setting.approval_lasts = 1,
            Check::Author => setting.author_approves = true,
            Check::Withdrawal => setting.busy_people = true,
            _ => {}
        }
        holds(&setting);
        is_missed(&setting, Mutation::Check(check));
    };
    check(Check::Base, &[Mishap::Push]);
    check(Check::Policies, &[Mishap::Policy]);
    check(Check::Expiry, &[Mishap::Tick]);
    check(Check::ApprovalExpiry, &[Mishap::Tick]);
    check(Check::Nonce, &[Mishap::Restore]);
    check(Check::Lock, &[Mishap::Unlock]);
    check(Check::Right, &[Mishap::Right]);
    check(Check::Count, &[]);
    check(Check::Author, &[]);
    check(Check::Withdrawal, &[]);
}

#[test]
fn whatever_is_altered_is_missed_when_it_is_not_looked_at() {
    for thing in Thing::ALL {
        let mut setting = together([0, 0], &[Mishap::Alter], 1);
        setting.runs.truncate(1);
        setting.alters = thing;
        holds(&setting);
        is_missed(&setting, Mutation::Check(Check::Altered));
    }
}
