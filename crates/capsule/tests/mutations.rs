//! Every field times every way to spoil it: each is reported as the mismatch that it is, and a control verifies.
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
use support::{From, World, signer, terms};

/// A way to spoil a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flip,
    Drop,
    Duplicate,
    Take(From),
}

const KINDS: [Kind; 6] = [
    Kind::Flip,
    Kind::Drop,
    Kind::Duplicate,
    Kind::Take(From::Earlier),
    Kind::Take(From::AnotherWorkspace),
    Kind::Take(From::AnotherHouse),
];

/// How a field is spoiled, and the word that reports it.
type Spoiling = (fn(&mut Facts), &'static str);

/// A field: how it is flipped, taken from elsewhere, dropped and doubled, and by which words that is reported.
struct Field {
    name: &'static str,
    flip: Spoiling,
    take: (fn(&mut Facts, Facts), &'static str),
    drop: Option<Spoiling>,
    duplicate: Option<Spoiling>,
}

macro_rules! digest {
    ($word:literal, $($path:tt)+) => {
        Field {
            name: $word,
            flip: (|facts| facts.$($path)+[7] ^= 1, $word),
            take: (|facts, other| facts.$($path)+ = other.$($path)+, $word),
            drop: None,
            duplicate: None,
        }
    };
}

fn base(facts: &mut Facts) -> &mut BaseState {
    facts.base.as_mut().unwrap()
}

fn aws(facts: &mut Facts) -> &mut Provider {
    let address = "registry.terraform.io/hashicorp/aws";
    facts.providers.get_mut(address).unwrap()
}

fn region(facts: &mut Facts) -> &mut statehouse_ledger::Hash {
    facts.variables.terraform.get_mut("region").unwrap()
}

fn profile(facts: &mut Facts) -> &mut statehouse_ledger::Hash {
    facts.variables.environment.get_mut("AWS_PROFILE").unwrap()
}

fn backend(facts: &mut Facts) -> (&mut String, &mut Option<statehouse_ledger::Hash>) {
    match &mut facts.backend {
        Backend::External { kind, state } => (kind, state),
        Backend::Statehouse => panic!("the example has a backend of its own"),
    }
}

fn double_provider(facts: &mut Facts) {
    let provider = aws(facts).clone();
    let address = "registry.opentofu.org/hashicorp/aws".to_owned();
    facts.providers.insert(address, provider);
}

fn double_variable(facts: &mut Facts) {
    let commitment = *region(facts);
    facts
        .variables
        .terraform
        .insert("region2".to_owned(), commitment);
}

fn double_environment(facts: &mut Facts) {
    let commitment = *profile(facts);
    facts
        .variables
        .environment
        .insert("region".to_owned(), commitment);
}

/// How many there are: a field or a way that falls out shows.
const COUNT: usize = 89;

static FIELDS: &[Field] = &[
    digest!("plan", plan),
    digest!("plan-json", plan_json),
    digest!("plan-shown", plan_shown),
    digest!("configuration", configuration),
    digest!("tool-binary", tool.binary),
    Field {
        name: "lock_file",
        flip: (
            |facts| facts.lock_file.as_mut().unwrap()[0] ^= 128,
            "lock-file",
        ),
        take: (
            |facts, other| facts.lock_file = other.lock_file,
            "lock-file",
        ),
        drop: Some((|facts| facts.lock_file = None, "lock-file")),
        duplicate: None,
    },
    Field {
        name: "tool.name",
        flip: (|facts| facts.tool.name = ToolName::Tofu, "tool-name"),
        take: (
            |facts, other| facts.tool.name = other.tool.name,
            "tool-name",
        ),
        drop: None,
        duplicate: None,
    },
    Field {
        name: "tool.version",
        flip: (|facts| facts.tool.version.push('0'), "tool-version"),
        take: (
            |facts, other| facts.tool.version = other.tool.version,
            "tool-version",
        ),
        drop: Some((|facts| facts.tool.version = "0".to_owned(), "tool-version")),
        duplicate: None,
    },
    Field {
        name: "base.content",
        flip: (|facts| base(facts).content[31] ^= 1, "state-content"),
        take: (
            |facts, mut other| base(facts).content = base(&mut other).content,
            "state-content",
        ),
        drop: Some((|facts| facts.base = None, "state-vanished")),
        duplicate: None,
    },
    Field {
        name: "base.head",
        flip: (
            |facts| base(facts).head.as_mut().unwrap().1 += 1,
            "state-head",
        ),
        take: (
            |facts, mut other| base(facts).head = base(&mut other).head.take(),
            "state-head",
        ),
        drop: Some((|facts| base(facts).head = None, "state-head")),
        duplicate: None,
    },
    Field {
        name: "base.lineage",
        flip: (
            |facts| base(facts).head.as_mut().unwrap().0.push('x'),
            "state-head",
        ),
        take: (
            |facts, mut other| {
                base(facts).head.as_mut().unwrap().0 = base(&mut other).head.take().unwrap().0;
            },
            "state-head",
        ),
        drop: None,
        duplicate: None,
    },
    Field {
        name: "base.leaf",
        flip: (|facts| base(facts).leaf ^= 1, "state-leaf"),
        take: (
            |facts, mut other| base(facts).leaf = base(&mut other).leaf,
            "state-leaf",
        ),
        drop: Some((|facts| base(facts).leaf = 0, "state-leaf")),
        duplicate: None,
    },
    Field {
        name: "provider.version",
        flip: (|facts| aws(facts).version.push('1'), "provider-version"),
        take: (
            |facts, mut other| aws(facts).version = aws(&mut other).version.clone(),
            "provider-version",
        ),
        drop: Some((
            |facts| {
                facts.providers.pop_first();
            },
            "provider-missing",
        )),
        duplicate: Some((double_provider, "provider-extra")),
    },
    Field {
        name: "provider.digest",
        flip: (|facts| aws(facts).digest[3] ^= 4, "provider-digest"),
        take: (
            |facts, mut other| aws(facts).digest = aws(&mut other).digest,
            "provider-digest",
        ),
        drop: None,
        duplicate: None,
    },
    Field {
        name: "variables.terraform",
        flip: (|facts| region(facts)[3] ^= 4, "variable"),
        take: (
            |facts, mut other| *region(facts) = *region(&mut other),
            "variable",
        ),
        drop: Some((
            |facts| facts.variables.terraform.clear(),
            "variable-missing",
        )),
        duplicate: Some((double_variable, "variable-extra")),
    },
    Field {
        name: "variables.environment",
        flip: (|facts| profile(facts)[3] ^= 4, "variable"),
        take: (
            |facts, mut other| *profile(facts) = *profile(&mut other),
            "variable",
        ),
        drop: Some((
            |facts| facts.variables.environment.clear(),
            "variable-missing",
        )),
        duplicate: Some((double_environment, "variable-extra")),
    },
    Field {
        name: "sandbox",
        flip: (|facts| facts.sandbox = Sandbox::Process, "sandbox"),
        take: (|facts, other| facts.sandbox = other.sandbox, "sandbox"),
        drop: None,
        duplicate: None,
    },
    Field {
        name: "backend.kind",
        flip: (|facts| backend(facts).0.push('x'), "backend"),
        take: (
            |facts, mut other| std::mem::swap(backend(facts).0, backend(&mut other).0),
            "backend",
        ),
        drop: Some((|facts| facts.backend = Backend::Statehouse, "backend")),
        duplicate: None,
    },
    Field {
        name: "backend.state",
        flip: (
            |facts| backend(facts).1.as_mut().unwrap()[0] ^= 1,
            "backend-state",
        ),
        take: (
            |facts, mut other| *backend(facts).1 = *backend(&mut other).1,
            "backend-state",
        ),
        drop: Some((|facts| *backend(facts).1 = None, "backend-state")),
        duplicate: None,
    },
];

/// Spoils `facts`, where this field can be spoiled so; answers with the word that must be reported.
fn spoil(field: &Field, kind: Kind, facts: &mut Facts) -> Option<&'static str> {
    match kind {
        Kind::Flip => {
            (field.flip.0)(facts);
            Some(field.flip.1)
        }
        Kind::Take(from) => {
            (field.take.0)(facts, terms(from).facts);
            Some(field.take.1)
        }
        Kind::Drop => field.drop.map(|(drop, word)| {
            drop(facts);
            word
        }),
        Kind::Duplicate => field.duplicate.map(|(duplicate, word)| {
            duplicate(facts);
            word
        }),
    }
}

fn check(what: &str, world: &World, expected: &[&str]) {
    let outcome = world.verify();
    assert_eq!(support::words(&outcome), expected, "{what}: {outcome:?}");
}

#[test]
fn without_a_mutation_it_verifies() {
    check("fine", &World::fine(), &[]);
    check("bare", &World::bare(), &[]);
}

#[test]
fn whatever_is_found_otherwise_is_named() {
    let mut count = 0;
    for (field, kind) in FIELDS
        .iter()
        .flat_map(|field| KINDS.map(|kind| (field, kind)))
    {
        let mut world = World::fine();
        if let Some(word) = spoil(field, kind, &mut world.found) {
            check(&format!("{} {kind:?} found", field.name), &world, &[word]);
            count += 1;
        }
    }
    assert_eq!(count, COUNT);
}

#[test]
fn whatever_else_was_approved_is_named() {
    for (field, kind) in FIELDS
        .iter()
        .flat_map(|field| KINDS.map(|kind| (field, kind)))
    {
        let mut world = World::fine();
        let Some(_) = spoil(field, kind, &mut world.terms.facts) else {
            continue;
        };
        let what = format!("{} {kind:?} bound", field.name);
        // A capsule that another key has put its name to: the house never signed it.
        world.signers = vec![signer(From::AnotherHouse)];
        assert_eq!(world.words().first(), Some(&"signer"), "{what}");
        // Signed by the house: valid, but another than the one that was approved.
        world.signers = vec![signer(From::Here)];
        let words = world.words();
        let (first, rest) = words.split_first().unwrap();
        assert_eq!(
            rest,
            ["approvals-too-few", "approval-capsule"],
            "{what}: {words:?}"
        );
        // And even if it is approved, what was planned is not what is there.
        world.approvals = vec![world.approval(support::user(2))];
        check(&what, &world, &[first]);
    }
}

#[test]
fn a_text_that_was_altered_after_it_was_signed_is_named() {
    for (field, kind) in FIELDS
        .iter()
        .flat_map(|field| KINDS.map(|kind| (field, kind)))
    {
        let fine = World::fine();
        let mut other = World::fine();
        let Some(_) = spoil(field, kind, &mut other.terms.facts) else {
            continue;
        };
        let signed = altered(&fine, &other);
        other.found = other.terms.facts.clone();
        other.approvals = vec![other.approval(support::user(2))];
        let words = support::words(&other.verify_signed(&signed));
        assert_eq!(words, ["signature"], "{} {kind:?}", field.name);
    }
}

/// `fine`, signed; and then its text put in the place of which `other` would have.
fn altered(fine: &World, other: &World) -> SignedCapsule {
    let capsule = |world: &World| {
        String::from_utf8(Capsule::new(&world.terms).unwrap().bytes().to_vec()).unwrap()
    };
    let note = fine.signed().to_string();
    let note = note.replace(&capsule(fine), &capsule(other));
    SignedCapsule::parse(note.as_bytes()).unwrap()
}

/// A change of a capsule's terms.
type Change = (&'static str, fn(&mut Terms));

/// What stands in a capsule and is not looked for in the world.
static TERMS: &[Change] = &[
    ("author", |terms| terms.author = support::user(9)),
    ("created_at", |terms| terms.created_at -= 1),
    ("expires_at", |terms| terms.expires_at += support::HOUR),
    ("requirement", |terms| terms.requirement.count += 1),
    ("whether the author counts", |terms| {
        terms.requirement.author_counts = false;
    }),
    ("nonce", |terms| terms.nonce[0] ^= 1),
    ("another nonce", |terms| {
        terms.nonce = support::terms(From::Earlier).nonce;
    }),
];

#[test]
fn other_terms_are_other_capsules() {
    for (what, change) in TERMS {
        let mut other = World::fine();
        change(&mut other.terms);
        let words = support::words(&other.verify_signed(&altered(&World::fine(), &other)));
        assert_eq!(
            words,
            ["signature", "approvals-too-few", "approval-capsule"],
            "{what}"
        );
        check(what, &other, &["approvals-too-few", "approval-capsule"]);
        other.approvals = vec![other.approval(support::user(2))];
        check(what, &other, &[]);
        other.signers = vec![signer(From::Earlier)];
        check(what, &other, &["signer"]);
    }
}

#[test]
fn a_capsule_of_another_place_is_named() {
    let check_place = |from: From, expected: &[&str]| {
        let mut world = World::fine();
        let other = terms(from).facts;
        world.found.house = other.house;
        world.found.workspace = other.workspace;
        world.found.run = other.run;
        check(&format!("{from:?}"), &world, expected);
    };
    check_place(From::Earlier, &["run"]);
    check_place(From::AnotherWorkspace, &["workspace", "run"]);
    check_place(From::AnotherHouse, &["house", "workspace", "run"]);
}

#[test]
fn a_whole_capsule_of_another_place_is_refused_for_every_difference() {
    for from in [From::Earlier, From::AnotherWorkspace, From::AnotherHouse] {
        let mut world = World::fine();
        world.terms = terms(from);
        world.signers = vec![signer(from)];
        let words = world.words();
        for field in FIELDS.iter().filter(|field| !field.name.starts_with("ba")) {
            assert!(
                words.contains(&field.take.1),
                "{from:?} {}: {words:?}",
                field.name
            );
        }
        assert!(words.contains(&"signer"), "{from:?}");
        assert!(words.contains(&"approval-capsule"), "{from:?}");
    }
}

#[test]
fn a_state_that_moved_is_told_from_one_that_was_put_back() {
    let check_base = |from: From, expected: &str, consequence| {
        let mut world = World::fine();
        world.found.base = terms(from).facts.base;
        check(&format!("{from:?}"), &world, &[expected]);
        let mismatches = world.verify().unwrap_err();
        assert_eq!(Mismatch::gravest(&mismatches), Some(consequence));
    };
    check_base(From::AnotherWorkspace, "state-moved", Consequence::Stale);
    check_base(From::Earlier, "state-went-back", Consequence::Tampered);
    let mut world = World::bare();
    world.found.base = terms(From::Here).facts.base;
    check("appeared", &world, &["state-appeared"]);
}

#[test]
fn time_nonce_and_lock_are_named() {
    let check_with = |expected: &[&str], change: fn(&mut World)| {
        let mut world = World::bare();
        change(&mut world);
        check(&format!("{expected:?}"), &world, expected);
    };
    check_with(&["not-yet"], |world| world.now = support::MADE - 1);
    check_with(&[], |world| world.now = support::MADE);
    check_with(&[], |world| world.now = support::MADE + support::HOUR - 1);
    check_with(&["expired"], |world| {
        world.now = support::MADE + support::HOUR;
    });
    check_with(&["nonce"], |world| world.nonce_is_consumed = true);
    check_with(&["lock-lost"], |world| world.lock = Lock::Free);
    check_with(&["lock-of-another"], |world| {
        world.lock = Lock::HeldBy("ana@laptop".to_owned());
    });
    check_with(&["fence"], |world| {
        world.lock = Lock::Fenced { planned: 4, now: 5 }
    });
    check_with(&["execution-mode"], |world| world.is_where_planned = false);
    check_with(&["not-derived"], |world| {
        world.requirement.derive_again = true;
    });
    check_with(&["not-derived"], |world| {
        world.terms.requirement.derive_again = true;
    });
    check_with(&[], |world| {
        world.requirement.derive_again = true;
        world.is_derived_again = true;
    });
    check_with(&["signer"], |world| world.signers.clear());
    check_with(&["signer"], |world| world.trusted.clear());
    check_with(&["expired", "nonce", "lock-lost"], |world| {
        world.now = i64::MAX;
        world.nonce_is_consumed = true;
        world.lock = Lock::Free;
    });
}

#[test]
fn policies_in_force_now_decide() {
    let check_with = |expected: &[&str], change: fn(&mut World)| {
        let mut world = World::fine();
        change(&mut world);
        check(&format!("{expected:?}"), &world, expected);
    };
    check_with(&["policies"], |world| world.assessment.policies = None);
    check_with(&["policies"], |world| {
        world.assessment = terms(From::AnotherWorkspace).assessment;
        world.assessment.estimate = world.terms.assessment.estimate.clone();
    });
    check_with(&["verdicts"], |world| {
        world.assessment.verdicts[0].input[0] ^= 1;
    });
    check_with(&["verdicts"], |world| {
        world.assessment.verdicts.pop();
    });
    check_with(&["verdicts"], |world| {
        world.assessment.verdicts[0].outcome = Outcome::Advised;
    });
    check_with(&["verdicts", "verdict-failed"], |world| {
        world.assessment.verdicts[1].outcome = Outcome::Failed;
    });
    check_with(&["estimate"], |world| world.assessment.estimate = None);
    check_with(&["estimate"], |world| {
        world.assessment.estimate.as_mut().unwrap().amounts[0].monthly_micro += 1;
    });
    check_with(&["estimate"], |world| {
        world.assessment.estimate.as_mut().unwrap().amounts.clear();
    });
    let mut world = World::bare();
    world.assessment = terms(From::Here).assessment;
    world.assessment.estimate = None;
    check("policies came into force", &world, &["policies"]);
}

#[test]
fn a_verdict_of_no_is_never_applied_even_if_it_was_bound() {
    let mut world = World::fine();
    world.terms.assessment.verdicts[0].outcome = Outcome::Failed;
    world.assessment = world.terms.assessment.clone();
    world.approvals = vec![world.approval(support::user(2))];
    check("bound and failed", &world, &["verdict-failed"]);
    world.terms.assessment.verdicts[0].outcome = Outcome::Overridden;
    world.assessment = world.terms.assessment.clone();
    world.approvals = vec![world.approval(support::user(2))];
    check("overridden", &world, &[]);
}
