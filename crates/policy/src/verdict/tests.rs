#![allow(missing_docs)]

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::bundle::{Bundle, Limits};
use crate::manifest::Values;

fn set(level: &str) -> Set {
    let manifest =
        format!("level = \"{level}\"\n[[policy]]\nname = \"p\"\nentrypoints = [\"data.p.deny\"]\n");
    let files = [
        ("statehouse.toml", manifest.as_str()),
        ("p.rego", "package p"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let bundle = Bundle::from_files(files, &Limits::default()).unwrap();
    Set::new("set", Arc::new(bundle), Values::new()).unwrap()
}

fn about() -> About<'static> {
    About {
        engine: "test 1",
        input: Digest::of(b"input"),
        circumstances: Digest::of(b"all"),
        timestamp_ns: 1_000_000_000,
    }
}

fn answer(role: Role, found: Found) -> Answer {
    Answer {
        query: "data.p.deny".into(),
        role,
        found,
        exempt: false,
        left_out: 0,
    }
}

#[allow(clippy::unnecessary_wraps, reason = "a policy may say nothing")]
fn answers(answers: Vec<Answer>) -> Option<Said> {
    Some(Said::Answers {
        answers,
        location: None,
    })
}

/// The verdict on a set of this level whose one policy answered this.
fn verdict(level: &str, said: Option<Said>) -> Verdict {
    judge(&set(level), vec![said], "nobody came back", &about())
}

fn check(
    level: &str,
    role: Role,
    value: Value,
    outcome: Outcome,
    summary: Summary,
    texts: &[&str],
) {
    let verdict = verdict(
        level,
        answers(vec![answer(role, Found::Value(value.clone()))]),
    );
    let result = &verdict.results[0];
    assert_eq!(
        (result.outcome, verdict.summary),
        (outcome, summary),
        "{role:?} {value}: {result:?}"
    );
    let found: Vec<&str> = result.messages.iter().map(|it| it.text.as_str()).collect();
    for (found, wanted) in found.iter().zip(texts) {
        assert!(found.contains(wanted), "{value}: {found}");
    }
    assert_eq!(found.len(), texts.len(), "{value}: {found:?}");
}

/// Role, answer, how the policy ends, what the set comes to, and what each message has in it.
const SHAPES: &str = r#"
deny    | []                         | passed | passed      |
deny    | false                      | passed | passed      |
deny    | ["b", "a", "a"]            | failed | hard_failed | a; b
deny    | "no"                       | failed | hard_failed | no
deny    | true                       | failed | hard_failed | data.p.deny is true
deny    | {"msg": "no"}              | failed | hard_failed | no
deny    | [{"message": "no"}]        | failed | hard_failed | no
deny    | [{"b": 1, "a": [null]}]    | failed | hard_failed | {"a":[null],"b":1}
deny    | [null, 1]                  | failed | hard_failed | 1; null
deny    | {}                         | error  | hard_failed | an object without `msg`
deny    | {"a": "no"}                | error  | hard_failed | an object without `msg`
deny    | {"msg": 1}                 | error  | hard_failed | an object without `msg`
deny    | 0                          | error  | hard_failed | is a number
deny    | null                       | error  | hard_failed | is null
warn    | ["mind"]                   | failed | advised     | mind
warn    | 7                          | error  | advised     | is a number
pending | ["wait"]                   | failed | soft_failed | wait
allow   | true                       | passed | passed      |
allow   | false                      | failed | hard_failed | is not true
allow   | "true"                     | failed | hard_failed | is not true
"#;

#[test]
fn a_shape_is_a_message_nothing_or_an_error() {
    let word = |text: &str| Value::String(text.to_owned());
    for line in SHAPES.trim().lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let texts: Vec<&str> = cells[4].split("; ").filter(|it| !it.is_empty()).collect();
        check(
            "hard-mandatory",
            serde_json::from_value(word(cells[0])).unwrap(),
            serde_json::from_str(cells[1]).unwrap(),
            serde_json::from_value(word(cells[2])).unwrap(),
            serde_json::from_value(word(cells[3])).unwrap(),
            &texts,
        );
    }
    let (no, failed) = (json!(["no"]), Outcome::Failed);
    let advised = Summary::Advised;
    check(
        "soft-mandatory",
        Role::Deny,
        no.clone(),
        failed,
        Summary::SoftFailed,
        &["no"],
    );
    check("advisory", Role::Deny, no.clone(), failed, advised, &["no"]);
    check("advisory", Role::Pending, no, failed, advised, &["no"]);
}

#[test]
fn whoever_cannot_say_fails_closed() {
    let error = |words: &str| Found::Error(words.to_owned());
    let said = [
        (None, "nobody came back"),
        (answers(vec![]), "asks nothing"),
        (
            answers(vec![answer(Role::Deny, Found::Undefined)]),
            "is undefined",
        ),
        (
            answers(vec![answer(Role::Allow, Found::Undefined)]),
            "is undefined",
        ),
        (
            answers(vec![answer(
                Role::Deny,
                error("p.rego:1:2: no such function"),
            )]),
            "p.rego:1:2",
        ),
        (
            Some(Said::Failed {
                message: "p.rego:3:1: broken".into(),
                location: None,
            }),
            "p.rego:3:1",
        ),
        // Half an answer is none.
        (
            answers(vec![
                answer(Role::Deny, Found::Value(json!([]))),
                answer(Role::Deny, Found::Undefined),
            ]),
            "is undefined",
        ),
    ];
    for (level, summary) in [
        ("hard-mandatory", Summary::HardFailed),
        ("soft-mandatory", Summary::SoftFailed),
        ("advisory", Summary::Advised),
    ] {
        for (said, words) in &said {
            let verdict = verdict(level, said.clone());
            let result = &verdict.results[0];
            assert_eq!(
                (verdict.summary, result.outcome),
                (summary, Outcome::Error),
                "{level}: {said:?}"
            );
            assert!(result.messages[0].text.contains(words), "{result:?}");
        }
    }
}

#[test]
fn a_severity_can_only_lower() {
    let words = ["advisory", "soft-mandatory", "hard-mandatory"];
    for (cap, policy) in words.iter().enumerate() {
        for (own, severity) in words.iter().enumerate() {
            let value = json!([{"msg": "no", "severity": severity}]);
            let verdict = verdict(
                policy,
                answers(vec![answer(Role::Deny, Found::Value(value))]),
            );
            let level = Level::named(words[cap.min(own)]).unwrap();
            assert_eq!(verdict.results[0].level, level, "{policy} {severity}");
            assert_eq!(verdict.summary, level.into());
        }
        for severity in ["low", "none", "ADVISORY", ""] {
            let value = json!([{"msg": "no", "severity": severity}]);
            let verdict = verdict(
                policy,
                answers(vec![answer(Role::Deny, Found::Value(value))]),
            );
            assert_eq!(
                verdict.results[0].level,
                Level::named(policy).unwrap(),
                "{severity}"
            );
        }
    }
    // The heaviest of a result counts, and a set can be made lighter as a whole.
    let value = json!([{"msg": "a", "severity": "advisory"}, "b"]);
    let said = answers(vec![answer(Role::Deny, Found::Value(value))]);
    assert_eq!(
        verdict("hard-mandatory", said.clone()).summary,
        Summary::HardFailed
    );
    let light = Set {
        level_max: Level::Advisory,
        ..set("hard-mandatory")
    };
    assert_eq!(
        judge(&light, vec![said], "", &about()).summary,
        Summary::Advised
    );
    assert_eq!(
        judge(&light, vec![None], "", &about()).summary,
        Summary::Advised
    );
}

#[test]
fn an_exception_counts_where_and_while_it_holds() {
    for (policy, pattern, until_us, address, holds) in [
        (
            "p",
            "aws_s3_bucket.logs",
            1_000_001,
            "aws_s3_bucket.logs",
            true,
        ),
        (
            "p",
            "aws_s3_bucket.*",
            1_000_001,
            "aws_s3_bucket.logs",
            true,
        ),
        (
            "p",
            "*.logs",
            1_000_001,
            "module.a.aws_s3_bucket.logs",
            true,
        ),
        (
            "p",
            "module.*.aws_*.logs",
            1_000_001,
            "module.a.aws_s3_bucket.logs",
            true,
        ),
        ("p", "*", 1_000_001, "", true),
        ("p", "", 1_000_001, "aws_s3_bucket.logs", false),
        (
            "p",
            "aws_s3_bucket.log",
            1_000_001,
            "aws_s3_bucket.logs",
            false,
        ),
        ("p", "logs*", 1_000_001, "aws_s3_bucket.logs", false),
        ("p", "*", 1_000_000, "aws_s3_bucket.logs", false),
        ("q", "*", 1_000_001, "aws_s3_bucket.logs", false),
    ] {
        let exception = Exception {
            policy: policy.into(),
            address: pattern.into(),
            until_us,
            reason: "moving".into(),
        };
        let set = Set {
            exceptions: vec![exception],
            ..set("hard-mandatory")
        };
        let value = json!([{"msg": "no", "address": address}]);
        let said = answers(vec![answer(Role::Deny, Found::Value(value))]);
        let verdict = judge(&set, vec![said], "", &about());
        let wanted = if holds {
            Summary::Advised
        } else {
            Summary::HardFailed
        };
        assert_eq!(verdict.summary, wanted, "{pattern} {address}");
        let words = verdict.results[0].messages[0].excepted.clone();
        assert_eq!(
            words.is_some_and(|it| it.contains("1970-01-01T00:00:01") && it.contains("moving")),
            holds
        );
    }
}

#[test]
fn nothing_excepts_an_error() {
    let exception = Exception {
        policy: "p".into(),
        address: "*".into(),
        until_us: i64::MAX,
        reason: String::new(),
    };
    let set = Set {
        exceptions: vec![exception],
        ..set("hard-mandatory")
    };
    let error = judge(&set, vec![None], "", &about());
    assert_eq!(error.summary, Summary::HardFailed);
}

#[test]
fn the_same_answers_in_any_order_are_the_same_bytes() {
    let value =
        |items: Vec<Value>| answers(vec![answer(Role::Deny, Found::Value(Value::Array(items)))]);
    let items = vec![
        json!({"msg": "a", "address": "x", "z": 1, "b": {"d": 1, "c": 2}}),
        json!({"msg": "a", "address": "y"}),
        json!("b"),
        json!({"msg": "c", "severity": "advisory"}),
    ];
    let bytes = verdict("hard-mandatory", value(items.clone())).to_bytes();
    let mut turned = items.clone();
    for _ in 0..items.len() {
        turned.rotate_left(1);
        assert_eq!(
            verdict("hard-mandatory", value(turned.clone())).to_bytes(),
            bytes
        );
    }
    turned.reverse();
    assert_eq!(verdict("hard-mandatory", value(turned)).to_bytes(), bytes);
    let read: Verdict = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    let messages = &read.results[0].messages;
    let texts: Vec<&str> = messages.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["a", "a", "b", "c"]);
    assert_eq!(messages[0].metadata["b"], json!({"c": 2, "d": 1}));
    assert_ne!(messages[0].digest(), messages[1].digest());
}

#[test]
fn a_message_is_cut_counted_and_shown_without_what_a_terminal_obeys() {
    let many: Vec<Value> = (0..1_500).map(|at| json!(format!("{at:04}"))).collect();
    let said = answers(vec![answer(Role::Deny, Found::Value(Value::Array(many)))]);
    let verdict_ = verdict("hard-mandatory", said);
    assert_eq!(
        (
            verdict_.results[0].messages.len(),
            verdict_.results[0].messages_left_out
        ),
        (1_000, 500)
    );
    // What was left out before it came here is counted, and is never nothing.
    let with = |left_out, found: Value| {
        let answer = answer(Role::Deny, Found::Value(found));
        verdict(
            "hard-mandatory",
            answers(vec![Answer { left_out, ..answer }]),
        )
    };
    let some = with(7, json!(["a"]));
    assert_eq!(some.results[0].messages_left_out, 7);
    let none = with(7, json!([]));
    assert_eq!(
        (none.summary, none.results[0].outcome),
        (Summary::HardFailed, Outcome::Error)
    );
    // The one that weighs most is never cut off.
    let mut many: Vec<Value> = (0..1_500)
        .map(|at| json!({"msg": format!("{at:04}"), "severity": "advisory"}))
        .collect();
    many.push(json!("zzz"));
    let said = answers(vec![answer(Role::Deny, Found::Value(Value::Array(many)))]);
    let verdict_ = verdict("hard-mandatory", said);
    assert_eq!(
        (
            verdict_.summary,
            verdict_.results[0].messages[0].text.as_str()
        ),
        (Summary::HardFailed, "zzz")
    );
    let evil = json!([format!("\u{1b}[2Jgone\u{202e}{}", "é".repeat(10_000))]);
    let said = answers(vec![answer(Role::Deny, Found::Value(evil))]);
    let text = verdict("hard-mandatory", said).results[0].messages[0]
        .text
        .clone();
    assert!(
        text.starts_with("\u{fffd}[2Jgone\u{fffd}é") && text.ends_with('…') && text.len() < 4_200
    );
}

#[test]
fn a_set_in_which_nothing_can_be_asked_is_an_error_and_one_that_judges_something_else_is_silent() {
    let bundle = Bundle::from_files(
        [("lib.rego".to_owned(), b"package lib".to_vec())],
        &Limits::default(),
    )
    .unwrap();
    let found = Set::new("set", Arc::new(bundle), Values::new()).unwrap();
    let verdict = judge(&found, vec![answers(vec![])], "", &about());
    assert_eq!(
        (verdict.summary, verdict.results.len()),
        (Summary::HardFailed, 1)
    );
    let verdict = judge(&found, vec![Some(Said::Absent)], "", &about());
    assert_eq!(
        (verdict.summary, verdict.results.len()),
        (Summary::Passed, 0)
    );
}
