//! Mutations: whatever decides about an apply, spoiled in every way between the plan and the apply, one thing in one run at a time.
//!
//! Runs are planned, approved and left waiting in a house that is then copied again and again: in each copy every run but one has
//! something else spoiled by whoever can write the database, and all are confirmed. Each must be refused in words about what was
//! spoiled, nothing may be applied, and the one that nobody touched is. Fields and bodies are taken from the database itself, so that a
//! column or a file that is new is spoiled, too. The soak makes all of them, a test those of some copies.

mod edits;
mod scene;

use std::collections::BTreeMap;

use statehouse_e2e::random::Random;
use statehouse_e2e::scale;

use scene::Scene;

const SEED: u64 = 0x5EED_0004;
/// Copies at scale 1: each holds a mutation for every run but one.
const COPIES: usize = 12;
/// As many mutations are made in the soak at least.
const MUTATIONS_MIN: usize = 500;

#[test]
fn whatever_is_spoiled_between_plan_and_apply_is_named_and_nothing_is_applied() {
    let scene = Scene::new();
    let mut edits = edits::all(&scene);
    println!("{} mutations of what decides about an apply", edits.len());
    assert!(edits.len() >= MUTATIONS_MIN);
    Random::new(SEED).shuffle(&mut edits);
    if scale() == 1 {
        edits.truncate(COPIES * scene.spoiled());
    }
    let mut tally: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for some in edits.chunks(scene.spoiled()) {
        for (edit, told) in some.iter().zip(scene.confirm(some)) {
            if !edit.is_named(&told) {
                wrong.push(format!("{edit}: {told}"));
            }
            *tally
                .entry((edit.of().to_owned(), told.short()))
                .or_default() += 1;
        }
    }
    println!("what was spoiled, what it was called, how often; seed {SEED:#x}");
    for ((of, told), count) in &tally {
        println!("{of:<24}{told:<60}{count:>5}");
    }
    assert!(
        wrong.is_empty(),
        "{} are not named: {wrong:#?}",
        wrong.len()
    );
}
