//! Claims about what states are searched by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::diff::{Limits, diff};
use crate::samples::{Chance, content, instance, marked, only, resource, state};

const KEY: &[u8; 32] = &[7; 32];

fn index_of(text: &str) -> Index {
    index(Side::of(&content(text)), KEY)
}

#[test]
fn an_instance_is_found_by_what_is_not_sensitive() {
    let text = marked(
        r#"{"id":"i-1","tags":{"Name":"n"},"labels":{"a":"b"},"v":"s3cret"}"#,
        "[]",
    );
    let found = index_of(&text);
    let entry = &found.entries[0];
    assert_eq!(
        (entry.address.as_str(), entry.id.as_deref()),
        ("aws_x.a", Some("i-1"))
    );
    assert_eq!(
        entry.tags,
        [
            ("Name".to_owned(), "n".to_owned()),
            ("a".to_owned(), "b".to_owned())
        ]
    );
    assert_eq!(entry.provider.source, "registry.terraform.io/hashicorp/aws");
    let json = serde_json::to_string(&found).unwrap();
    assert!(
        !json.contains("s3cret") && json.contains("\"type\":\"aws_x\""),
        "{json}"
    );
    for marks in [r#"["id"]"#, "7"] {
        assert_eq!(
            index_of(&marked(r#"{"id":"i-1"}"#, marks)).entries[0].id,
            None
        );
    }
    for marks in [r#"["tags"]"#, r#"["tags.Name"]"#, "7"] {
        assert!(
            index_of(&marked(r#"{"tags":{"Name":"n"}}"#, marks)).entries[0]
                .tags
                .is_empty(),
            "{marks}"
        );
    }
    assert!(
        index_of(&only(r#"{"tags":[{"key":"a"}],"labels":{"a":{}}}"#)).entries[0]
            .tags
            .is_empty()
    );
}

#[test]
fn the_digest_is_the_same_exactly_when_nothing_differs() {
    let mut chance = Chance(4);
    let (mut same, mut other) = (0, 0);
    for _ in 0..300 {
        let a = chance.state("5");
        let b = match chance.below(2) {
            0 => a.replacen("\"i-3\"", "\"i-4\"", 1),
            _ => chance.state("5"),
        };
        let (old, new) = (content(&a), content(&b));
        let found = diff(Side::of(&old), Side::of(&new), Limits::default());
        for entry in &index_of(&a).entries {
            let Some(after) = index_of(&b)
                .entries
                .into_iter()
                .find(|it| it.address == entry.address)
            else {
                continue;
            };
            let differs = found.resources.iter().any(|it| it.address == entry.address);
            assert_eq!(differs, entry.digest != after.digest, "{a} {b}");
            if differs { other += 1 } else { same += 1 }
        }
    }
    assert!(same > 100 && other > 100, "{same} {other}");
}

#[test]
fn the_digest_needs_the_key_and_not_the_spelling() {
    let (a, b) = (
        only(r#"{"a":1,"b":"é"}"#),
        only("{ \"b\":\"\\u00e9\",\n\"a\":1.0 }"),
    );
    assert_eq!(
        index_of(&a).entries[0].digest,
        index_of(&b).entries[0].digest
    );
    let other = index(Side::of(&content(&a)), &[8; 32]);
    assert_ne!(index_of(&a).entries[0].digest, other.entries[0].digest);
}

#[test]
fn an_entry_and_their_number_are_bounded() {
    let long = "x".repeat(2000);
    let tags: Vec<_> = (0..200)
        .map(|n| format!("\"t{n}\":\"{}\"", "v".repeat(200)))
        .collect();
    let attributes = format!(r#"{{"id":"{long}","tags":{{{}}}}}"#, tags.join(","));
    let fields = format!(r#""dependencies":["{long}","a.b"]"#);
    let text = state(
        1,
        "",
        &[
            resource("aws_x", "a", &[instance(&fields, &attributes)]),
            resource("aws_x", &long, &[instance("", "{}")]),
        ],
    );
    let found = index_of(&text);
    assert_eq!((found.entries.len(), found.left_out), (1, 1));
    let entry = &found.entries[0];
    assert!(entry.id.is_none() && entry.left_out > 2);
    assert!(serde_json::to_vec(entry).unwrap().len() < ENTRY_BYTES_MAX * 5 / 4);
    let many: Vec<_> = (0..=ENTRIES_MAX)
        .map(|key| instance(&format!("\"index_key\":{key}"), "{}"))
        .collect();
    let found = index_of(&state(1, "", &[resource("aws_x", "a", &many)]));
    assert_eq!((found.entries.len(), found.left_out), (ENTRIES_MAX, 1));
}
