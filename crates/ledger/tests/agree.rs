//! Two verifiers, one verdict: the Rust one and the Python one over the same corpus.
//!
//! Every named case must give its exit code in both; every mutation of a single byte must be refused by both. Python runs
//! once for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "support/content.rs"]
mod content;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/mod.rs"]
mod log;

use corpus::Case;
use statehouse_ledger::verify::{self, Trust};
use std::io::{Cursor, Write as _};
use std::process::{Command, Stdio};

const VERIFIER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/verifier/verify_bundle.py"
);
const HINT: &str = "the second verifier needs python3 and its package cryptography: apt-get install python3 python3-cryptography";

/// What the Python verifier says of each case, in order.
fn second_opinions(cases: &[Case]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut list = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        fs_err::write(&path, &case.bytes).unwrap();
        list.push(
            serde_json::json!({"path": path, "vkey": case.trust.vkey, "anchor": case.trust.anchor}),
        );
    }
    let mut python = Command::new("python3")
        .args(["-B", VERIFIER, "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(HINT);
    let list = serde_json::to_vec(&list).unwrap();
    // An early exit breaks the pipe; what it said then is shown below.
    let _ = python.stdin.take().unwrap().write_all(&list);
    let output = python.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{HINT}\n{words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn first_opinion(case: &Case) -> verify::Report {
    verify::verify_bytes(&case.bytes, &case.trust)
}

#[test]
fn both_verifiers_give_every_named_case_its_code() {
    let cases = corpus::named();
    let opinions = second_opinions(&cases);
    assert_eq!(opinions.len(), cases.len());
    let mut wrong = Vec::new();
    for (case, second) in cases.iter().zip(opinions) {
        let report = first_opinion(case);
        let first = report.exit_code();
        if (first, second) != (case.code, case.code) {
            wrong.push(format!(
                "{}: must be {}, Rust {first}, Python {second}\n{report}",
                case.name, case.code
            ));
        }
        assert_eq!(
            report.is_proven(),
            report.findings.is_empty(),
            "{}",
            case.name
        );
    }
    assert!(
        wrong.is_empty(),
        "{} cases of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    let codes: std::collections::BTreeSet<u8> = cases.iter().map(|case| case.code).collect();
    assert_eq!(
        codes.into_iter().collect::<Vec<_>>(),
        [0, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    );
}

#[test]
fn any_single_byte_that_changes_is_refused_by_both() {
    let bytes = corpus::rich().bundle();
    let trust = Trust {
        vkey: Some(log::vkey(1)),
        anchor: None,
    };
    let mut state = 0x5eed_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let cases: Vec<Case> = (0..600)
        .map(|_| {
            let mut bytes = bytes.clone();
            let at = random(bytes.len());
            let mask = u8::try_from(1 + random(255)).unwrap();
            bytes[at] ^= mask;
            Case {
                name: format!("byte {at} ^ {mask}"),
                bytes,
                trust: trust.clone(),
                code: 255,
            }
        })
        .collect();
    let mut differ = 0;
    for (case, second) in cases.iter().zip(second_opinions(&cases)) {
        let report = first_opinion(case);
        assert!(report.exit_code() >= 10, "{}: Rust accepts it", case.name);
        assert!(
            second >= 10,
            "{}: Python accepts it; Rust says {report}",
            case.name
        );
        differ += u32::from(report.exit_code() != second);
    }
    // Which rule a ruined byte breaks first is a matter of order; that it is refused is not.
    assert!(
        differ <= 30,
        "the two name {differ} of {} mutations differently",
        cases.len()
    );
}

#[test]
fn the_report_says_what_it_proved_and_what_it_took_on_trust() {
    let log = corpus::rich();
    let mut trust = Trust::default();
    let first_use = verify::verify_bytes(&log.bundle(), &trust);
    trust.vkey = Some(log::vkey(1));
    trust.anchor = Some(log.newest());
    let anchored = verify::verify_bytes(&log.bundle(), &trust);
    for (words, in_first, in_anchored) in [
        ("trusted on first use", true, false),
        ("the log extends the anchor of 18 leaves", false, true),
        ("18 entries hash to the root", true, true),
        ("without a gap", true, true),
        ("exported rows are what the leaves last wrote", true, true),
        ("2 sealed bodies are what the leaves say", true, true),
        ("in a range that a restore declared lost", true, true),
    ] {
        assert_eq!(
            first_use.to_string().contains(words),
            in_first,
            "{words}\n{first_use}"
        );
        assert_eq!(
            anchored.to_string().contains(words),
            in_anchored,
            "{words}\n{anchored}"
        );
    }
    assert_eq!(anchored.vkey, Some(log::vkey(2)));
    assert_eq!((anchored.size, anchored.root), (log.size(), log.root()));
}

/// The story of a thing: how many leaves tell of it, and what the first of them says.
fn check_story(id: &str, leaves: usize, action: &str) {
    let log = corpus::rich();
    let report = verify::verify(Cursor::new(log.bundle()), &Trust::default(), Some(id));
    assert!(report.is_proven(), "{report}");
    assert_eq!(report.story.len(), leaves, "{id}: {:?}", report.story);
    let first = report.story.first();
    assert_eq!(first.map_or("", |told| told.action.as_str()), action);
    assert!(report.story.is_sorted_by_key(|told| told.leaf));
}

#[test]
fn a_story_is_every_leaf_that_names_the_thing_in_order() {
    // Who did everything; what three leaves speak of; nothing.
    let house = log::HOUSE;
    check_story(&format!("user-{house}4vTq9XcR2mLw8sBd"), 18, "ledger.open");
    check_story(&format!("ws-{house}{:016}", 3), 3, "state.write");
    check_story("ws-nobody", 0, "");
}
