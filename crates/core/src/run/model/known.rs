//! The papers of a run as they lie there now, and what they came to when they were looked at before.

use super::world::{Said, World};
use super::{DESK, Runs};
use crate::run::papers::{Dossier, Made, Word};
use statehouse_capsule::{Consequence, Decision, Lock, Mismatch};
use std::collections::HashMap;
use std::sync::Mutex;

/// All that the answer depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Papers {
    made: Made,
    words: [Option<Said>; 2],
    may_approve: bool,
    clock: u8,
    policy: u8,
    version: u8,
    lock: Option<u8>,
    altered: bool,
    nonce_is_consumed: bool,
}

impl Papers {
    fn of(world: &World, number: u8) -> Option<Self> {
        let run = world.run(number);
        let workspace = world.workspace_of(number);
        Some(Self {
            made: run.made?,
            words: run.words,
            may_approve: world.may_approve,
            clock: world.clock,
            policy: world.policy,
            version: workspace.version,
            lock: workspace.lock,
            altered: world.altered,
            nonce_is_consumed: run.nonce_is_consumed,
        })
    }
}

/// What was counted and verified before.
#[derive(Default)]
pub(super) struct Known {
    counted: Mutex<HashMap<Papers, bool>>,
    verified: Mutex<HashMap<Papers, Option<Consequence>>>,
}

impl Known {
    fn suffices(&self, model: &Runs, world: &World, number: u8) -> bool {
        let Some(papers) = Papers::of(world, number) else {
            return model.setting.approvals_needed == 0;
        };
        let count = || lay(model, world, number).is_some_and(|it| it.tally().is_sufficient);
        *self
            .counted
            .lock()
            .unwrap()
            .entry(papers)
            .or_insert_with(count)
    }

    /// What speaks against applying now.
    pub(super) fn objection(&self, model: &Runs, world: &World, number: u8) -> Option<Consequence> {
        let papers = Papers::of(world, number)?;
        let verify = || {
            let mismatches = lay(model, world, number)?.verify().err()?;
            Mismatch::gravest(&mismatches)
        };
        *self
            .verified
            .lock()
            .unwrap()
            .entry(papers)
            .or_insert_with(verify)
    }
}

pub(super) fn suffices(model: &Runs, world: &World, number: u8) -> bool {
    model.known.suffices(model, world, number)
}

/// Lays the papers of a run out, as whoever verifies finds them now.
pub(super) fn lay(model: &Runs, world: &World, number: u8) -> Option<Dossier> {
    let run = world.run(number);
    let made = run.made?;
    let words = run.words.iter().zip(0..).filter_map(|(said, by)| {
        said.map(|said| Word {
            by,
            decision: Decision::Approve,
            at: said.at,
            until: said.at + model.setting.approval_lasts,
            may_now: by == 0 || world.may_approve,
            withdrawn: said.withdrawn,
        })
    });
    let words: Vec<_> = words.collect();
    let mut dossier = DESK.dossier(made, world.clock, &words);
    let now = Made {
        base: world.workspace_of(number).version,
        policy: world.policy,
        ..made
    };
    (dossier.found, dossier.assessment) = DESK.found(now);
    if world.altered && model.without.sees_alterations() {
        DESK.alter(&mut dossier, made, model.setting.alters);
    }
    dossier.requirement.count = u32::from(model.setting.approvals_needed);
    dossier.nonce_is_consumed = run.nonce_is_consumed;
    dossier.lock = match world.workspace_of(number).lock {
        Some(holder) if holder == number => Lock::Held,
        Some(holder) => Lock::HeldBy(holder.to_string()),
        None => Lock::Free,
    };
    model.without.blind(&mut dossier);
    Some(dossier)
}
