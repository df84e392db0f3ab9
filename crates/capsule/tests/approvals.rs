//! Which approvals count, which do not and why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "support/mod.rs"]
mod support;

use statehouse_capsule::*;
use statehouse_model::{Role, TeamId};
use support::{From, HOUR, MADE, World, user};

/// Changes one thing about the only approval, and expects these words.
fn check(expected: &[&str], change: fn(&mut FoundApproval)) {
    let mut world = World::fine();
    change(&mut world.approvals[0]);
    assert_eq!(world.words(), expected);
}

#[test]
fn an_approval_that_does_not_count_says_why() {
    check(&[], |_| {});
    check(&["approvals-too-few", "approval-capsule"], |found| {
        found.approval.capsule[0] ^= 1;
    });
    check(&["approvals-too-few", "approval-withdrawn"], |found| {
        found.withdrawn = true;
    });
    check(&["approvals-too-few", "approval-right"], |found| {
        found.may_approve_now = false;
    });
    check(&["approvals-too-few", "approval-expired"], |found| {
        found.approval.expires_at = MADE + HOUR / 2;
    });
    check(&["approvals-too-few", "approval-time"], |found| {
        found.approval.given_at = MADE - 1;
    });
    check(&["approvals-too-few", "approval-time"], |found| {
        found.approval.given_at = MADE + HOUR / 2 + 1;
    });
    check(&["approvals-too-few", "approval-author"], |found| {
        found.approval.approver = user(1);
    });
    check(&["approvals-too-few", "approval-author"], |found| {
        found.is_authors = true;
    });
    check(&["rejected", "approvals-too-few"], |found| {
        found.approval.decision = Decision::Reject;
    });
}

#[test]
fn a_missing_approval_is_missed() {
    let mut world = World::fine();
    world.approvals.clear();
    assert_eq!(world.words(), ["approvals-too-few"]);
    world.requirement.count = 2;
    world.approvals = vec![world.approval(user(2))];
    assert_eq!(world.words(), ["approvals-too-few"]);
    world.approvals.push(world.approval(user(3)));
    assert_eq!(world.words(), [""; 0]);
}

#[test]
fn the_same_person_counts_once_unless_asked_otherwise() {
    let mut world = World::fine();
    world.requirement.count = 2;
    world.approvals.push(world.approval(user(2)));
    assert_eq!(world.words(), ["approvals-too-few", "approval-twice"]);
    let team = TeamId::from_entropy(support::house(From::Here), 1);
    world.approvals[1].approval.capacity = Capacity::Team(team);
    assert_eq!(world.words(), ["approvals-too-few", "approval-twice"]);
    world.requirement.person_counts_twice = true;
    assert_eq!(world.words(), [""; 0]);
    world.approvals[1] = world.approval(user(2));
    assert_eq!(world.words(), ["approvals-too-few", "approval-twice"]);
}

#[test]
fn the_author_counts_only_where_the_requirement_says_so() {
    let mut world = World::fine();
    world.approvals = vec![world.approval(user(1))];
    assert_eq!(world.words(), ["approvals-too-few", "approval-author"]);
    world.requirement.author_counts = true;
    assert_eq!(world.words(), [""; 0]);
}

#[test]
fn only_the_roles_and_teams_asked_for_count() {
    let mut world = World::fine();
    let team = TeamId::from_entropy(support::house(From::Here), 1);
    world.requirement.capacities = [Capacity::Team(team.clone())].into();
    assert_eq!(world.words(), ["approvals-too-few", "approval-capacity"]);
    world.approvals[0].approval.capacity = Capacity::Team(team);
    assert_eq!(world.words(), [""; 0]);
    let also = Capacity::Role(Role::Owner);
    world.requirement.capacities.insert(also);
    assert_eq!(world.words(), [""; 0]);
}

#[test]
fn one_rejection_outweighs_every_approval() {
    let mut world = World::fine();
    world.approvals.push(world.approval(user(3)));
    world.approvals[1].approval.decision = Decision::Reject;
    assert_eq!(world.words(), ["rejected"]);
    // Not by somebody who has no say, nor of something else, nor when it was taken back.
    world.approvals[1].may_approve_now = false;
    assert_eq!(world.words(), [""; 0]);
    world.approvals[1].may_approve_now = true;
    world.approvals[1].withdrawn = true;
    assert_eq!(world.words(), [""; 0]);
    world.approvals[1].withdrawn = false;
    world.approvals[1].approval.capsule[0] ^= 1;
    assert_eq!(world.words(), [""; 0]);
}

#[test]
fn the_tally_before_an_apply_is_the_tally_at_it() {
    let world = World::fine();
    let capsule = Capsule::new(&world.terms).unwrap();
    let of = (&world.terms, capsule.digest());
    let count = |world: &World| tally(&world.requirement, of, &world.approvals, world.now);
    let counted = count(&world);
    assert!(counted.is_sufficient);
    assert_eq!(counted.needed, world.requirement.count);
    assert_eq!(counted.approvers, [user(2)]);
    let rejection = FoundApproval {
        approval: Approval {
            decision: Decision::Reject,
            ..world.approvals[0].approval.clone()
        },
        ..world.approvals[0].clone()
    };
    let mut rejected = World::fine();
    rejected.approvals.push(rejection);
    assert!(!count(&rejected).is_sufficient);
    rejected.approvals.clear();
    assert!(!count(&rejected).is_sufficient);
}

#[test]
fn what_was_needed_when_it_was_made_is_needed_still() {
    let bound = |change: fn(&mut Requirement)| {
        let mut world = World::fine();
        change(&mut world.terms.requirement);
        world.requirement = Requirement {
            author_counts: true,
            ..Requirement::of(0)
        };
        world.approvals = vec![world.approval(user(1))];
        world
    };
    assert_eq!(bound(|_| {}).words(), [""; 0]);
    assert_eq!(bound(|needed| needed.count = 1).words(), [""; 0]);
    let mut two = bound(|needed| needed.count = 2);
    assert_eq!(two.words(), ["approvals-too-few"]);
    two.approvals.push(two.approval(user(2)));
    assert_eq!(two.words(), [""; 0]);
    let other = bound(|needed| *needed = Requirement::of(1));
    assert_eq!(other.words(), ["approvals-too-few", "approval-author"]);
    // Where a role was needed then and another is now, nobody is enough.
    let mut roles = bound(|needed| {
        needed.count = 1;
        needed.capacities = [Capacity::Role(Role::Maintainer)].into();
    });
    assert_eq!(roles.words(), [""; 0]);
    roles.requirement.capacities = [Capacity::Role(Role::Owner)].into();
    assert_eq!(roles.words(), ["approvals-too-few"]);
    let signed = roles.signed().to_string();
    let read = SignedCapsule::parse(signed.as_bytes()).unwrap();
    assert_eq!(read.capsule().terms(), &roles.terms);
}
