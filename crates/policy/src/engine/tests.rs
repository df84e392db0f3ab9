//! One question is asked like any other, whatever became of those before it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;

use super::*;

fn prepared(text: &str, wall: Duration) -> Prepared {
    let source = Source {
        path: "p.rego".to_owned(),
        text: text.to_owned(),
    };
    let limits = Limits {
        wall,
        ..Limits::default()
    };
    let program = load(&[source]).unwrap();
    let mut prepared = program.prepare(Document::object(), limits).unwrap();
    prepared.set_input(Document::from_value(json!({ "bad": true })));
    prepared
}

fn is_against(prepared: &mut Prepared) -> bool {
    prepared.eval("data.p.deny").unwrap() == Some(json!(["no"]))
}

/// A loop over what is found of another input, which ends in an error.
const CONFLICT: &str = r#"package p
import rego.v1
deny contains "no" if input.bad
value := 1 if input.other
value := 2 if input.other
found contains value
breaks contains it if { it := found[_] with input as {"other": true} }
"#;

/// The same, which ends when its time does.
const ENDLESS: &str = r#"package p
import rego.v1
deny contains "no" if input.bad
found contains x if { input.other; some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x + y < 0 }
breaks contains it if { it := found[_] with input as {"other": true} }
"#;

#[test]
fn an_error_of_one_question_replaces_nothing_for_the_next() {
    let mut prepared = prepared(CONFLICT, Duration::from_mins(1));
    assert!(is_against(&mut prepared));
    let error = prepared.eval("data.p.breaks").unwrap_err();
    assert_eq!(error.code, "eval_conflict_error", "{error}");
    assert!(is_against(&mut prepared), "its own input is judged");
}

#[test]
fn a_question_that_took_too_long_replaces_nothing_for_the_next() {
    let mut prepared = prepared(ENDLESS, Duration::from_secs(1));
    assert!(is_against(&mut prepared));
    let error = prepared.eval("data.p.breaks").unwrap_err();
    assert_eq!(error.code, "eval_cancel_error", "{error}");
    assert!(is_against(&mut prepared), "its own input is judged");
}

#[test]
fn what_a_policy_says_of_time_is_no_word_of_the_clock() {
    let text = "package p\nimport rego.v1\nvalue := 1\nvalue := 2 if true # exceeded time limit\n";
    let mut prepared = prepared(text, Duration::from_mins(1));
    let error = prepared.eval("data.p.value").unwrap_err();
    assert_eq!(error.code, "eval_conflict_error", "{error}");
}
