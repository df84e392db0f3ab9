//! Strangers' code in the sandbox. Each attack is run twice: in the sandbox, where it must fail, and without it, where it must
//! succeed, because an attack that cannot succeed proves nothing. Everything is done for the user of a seat that root prepared,
//! and for somebody without any privilege.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod cases;
mod ends;
mod layers;
mod world;

use cases::{CASES, Case, Control};
use statehouse_runner::sandbox::{Exit, Level};
use world::{Whom, World};

fn check(whom: Whom) {
    assert!(CASES.len() >= 40, "{} attacks", CASES.len());
    let world = World::new(whom);
    let wrong: Vec<String> = CASES
        .iter()
        .flat_map(|case| [sandboxed(&world, case), control(&world, case)])
        .flatten()
        .collect();
    assert!(wrong.is_empty(), "{whom:?}:\n{}", wrong.join("\n"));
}

/// What is wrong with an attack in the sandbox: it succeeded, or never came so far.
fn sandboxed(world: &World, (name, _, script): &Case) -> Option<String> {
    let answer = world.run(Level::Strict, &world.phase(Level::Strict, script));
    let tried = answer.output.contains("trying");
    let failed = answer.exit.is_some_and(|exit| exit != Exit::Code(0));
    (!tried || !failed).then(|| format!("in the sandbox, {name}: {answer:?}"))
}

/// What is wrong with its control: it failed.
fn control(world: &World, (name, control, script): &Case) -> Option<String> {
    let uid = if *control == Control::Root {
        0
    } else {
        world.seat.uid
    };
    let (succeeded, said) = if *control == Control::Process {
        let answer = world.run(Level::Process, &world.phase(Level::Process, script));
        (
            answer.exit == Some(Exit::Code(0)) && answer.output.contains("trying"),
            format!("{answer:?}"),
        )
    } else {
        let output = world.bare(uid, script);
        (output.status.success(), format!("{output:?}"))
    };
    (!succeeded).then(|| format!("without the sandbox, {name} as {uid}: {said}"))
}

#[test]
fn every_attack_by_the_user_of_a_seat_fails_in_the_sandbox_and_succeeds_without_it() {
    check(Whom::SeatOfRoot);
}

#[test]
fn every_attack_by_an_ordinary_user_fails_in_the_sandbox_and_succeeds_without_it() {
    check(Whom::Ordinary);
}
