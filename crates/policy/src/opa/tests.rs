#![allow(missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;
use crate::assess::{Set, assess};
use crate::bundle::{self, Bundle};
use crate::input::{Input, Part};
use crate::manifest::{Entity, Values};
use crate::verdict::Summary;

const POLICY: &str =
    "package p\nimport rego.v1\ndeny contains r.address if some r in input.resource_changes\n";

fn request() -> Request {
    let files = [("p.rego".to_owned(), POLICY.as_bytes().to_vec())];
    let bundle = Bundle::from_files(files, &bundle::Limits::default()).unwrap();
    let plan = r#"{"resource_changes": [{"address": "a.b"}]}"#;
    Request {
        sets: vec![Set::new("set", Arc::new(bundle), Values::new()).unwrap()],
        entities: vec![Entity::Plan],
        input: Input {
            documents: BTreeMap::from([(Part::Plan, plan.into())]),
            ..Input::default()
        },
    }
}

/// A program that stands where `opa` would, and what it is asked, in a file beside it.
fn engine(answer: &str) -> (tempfile::TempDir, Opa) {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("opa");
    let asked = place.path().join("asked");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = version ]; then echo 'Version: 9.9.9'; exit 0; fi\nfor word in \"$@\"; do echo \"$word\"; done > {}\n{answer}\n",
        asked.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let opa = Opa {
        program,
        temporary: place.path().to_owned(),
        wall: Duration::from_secs(2),
    };
    (place, opa)
}

#[test]
fn it_is_asked_all_questions_at_once_and_judged_as_our_own_is() {
    let (place, opa) = engine("echo '{\"result\": [{\"bindings\": {\"a0\": [[\"a.b\"]]}}]}'");
    let there = opa.assess(&request());
    let here = assess(&request(), &Limits::default());
    assert_eq!(there[0].engine, "opa 9.9.9");
    assert_eq!(there[0].results, here[0].results);
    assert_eq!(compare(&here, &there), []);
    let asked = fs::read_to_string(place.path().join("asked")).unwrap();
    assert!(
        asked.contains("eval") && asked.contains("a0 = [x0 | x0 = data.p.deny]"),
        "{asked}"
    );
    let left = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 2, "nothing is left of what it was given");
}

#[test]
fn where_they_differ_is_said() {
    let (_place, opa) = engine("echo '{\"result\": [{\"bindings\": {\"a0\": [[]]}}]}'");
    let here = assess(&request(), &Limits::default());
    let there = opa.assess(&request());
    let differences = compare(&here, &there);
    assert_eq!(
        differences[0].one,
        (Outcome::Failed, vec!["a.b".to_owned()])
    );
    assert_eq!(differences[0].other, (Outcome::Passed, Vec::new()));
    assert_eq!(compare(&here, &[])[0].other.0, Outcome::Error);
}

#[test]
fn whatever_goes_wrong_with_it_fails_closed() {
    for (answer, words) in [
        (
            "echo '{\"errors\": [{\"message\": \"rego_type_error\"}]}'; exit 2",
            "rego_type_error",
        ),
        (
            "echo '{\"result\": [{\"bindings\": {\"a0\": []}}]}'",
            "is undefined",
        ),
        ("echo '{}'", "no answer"),
        ("echo broken", "opa answers"),
        ("echo 'no such flag' >&2; exit 1", "no such flag"),
        ("exec sleep 60", "took longer than 2 s"),
    ] {
        let (_place, opa) = engine(answer);
        let verdict = opa.assess(&request()).remove(0);
        assert_eq!(verdict.summary, Summary::HardFailed, "{answer}");
        let text = &verdict.results[0].messages[0].text;
        assert!(text.contains(words), "{answer}: {text}");
    }
    let missing = Opa {
        program: "/nowhere/opa".into(),
        temporary: "/tmp".into(),
        wall: Duration::from_secs(1),
    };
    let verdict = missing.assess(&request()).remove(0);
    assert!(verdict.results[0].messages[0].text.contains("/nowhere/opa"));
}
