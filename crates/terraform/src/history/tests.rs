//! Claims about following one resource.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::samples::{content, instance, marked, only, resource, state};

fn told(subject: &str, versions: &[String]) -> Told {
    let mut history = History::of(subject.parse().unwrap());
    for (version, text) in (1..).zip(versions) {
        history.see(version, Side::of(&content(text)));
    }
    history.tell()
}

fn events(told: &Told) -> Vec<(u64, Event)> {
    told.points
        .iter()
        .map(|point| (point.version, point.event))
        .collect()
}

fn at(name: &str, attributes: &str) -> String {
    state(
        1,
        "",
        &[resource("aws_x", name, &[instance("", attributes)])],
    )
}

#[test]
fn a_resource_appears_changes_moves_and_vanishes() {
    let versions = [
        state(1, "", &[]),
        at("a", r#"{"id":"i","v":1}"#),
        at("a", r#"{"v":1,"id":"i"}"#),
        at("a", r#"{"id":"i","v":2}"#),
        at("b", r#"{"id":"i","v":3}"#),
        state(1, "", &[]),
        at("b", r#"{"id":"j"}"#),
    ];
    let told = told("aws_x.a", &versions);
    assert_eq!(
        events(&told),
        [
            (2, Event::Appeared),
            (4, Event::Changed),
            (5, Event::Moved),
            (6, Event::Vanished),
            (7, Event::Appeared)
        ]
    );
    assert_eq!(told.points[1].attributes[0].path, "v");
    assert_eq!(
        (
            told.points[2].address.as_str(),
            told.points[2].moved_from.as_deref()
        ),
        ("aws_x.b", Some("aws_x.a"))
    );
    assert_eq!(
        (told.address.as_deref(), told.versions),
        (Some("aws_x.b"), 7)
    );
}

#[test]
fn who_could_be_another_is_not_followed() {
    let two = |a: &str, b: &str| {
        let of = |name: &str| resource("aws_x", name, &[instance("", r#"{"id":"i"}"#)]);
        state(1, "", &[of(a), of(b)])
    };
    for versions in [
        [two("a", "c"), at("b", r#"{"id":"i"}"#)],
        [at("a", r#"{"id":"i"}"#), two("b", "c")],
    ] {
        assert_eq!(
            events(&told("aws_x.a", &versions)),
            [(1, Event::Appeared), (2, Event::Vanished)]
        );
    }
    // One that comes later makes the instance one of two, though it did not change itself.
    let versions = [
        at("a", r#"{"id":"i"}"#),
        two("a", "c"),
        at("c", r#"{"id":"i"}"#),
    ];
    assert_eq!(
        events(&told("aws_x.a", &versions)),
        [(1, Event::Appeared), (3, Event::Vanished)]
    );
}

#[test]
fn whoever_asks_by_an_address_of_today_learns_where_it_was_before() {
    let (a, b) = (at("a", r#"{"id":"i"}"#), at("b", r#"{"id":"i"}"#));
    let two = |first: &str, second: &str| {
        let of = |name: &str| resource("aws_x", name, &[instance("", r#"{"id":"i"}"#)]);
        state(1, "", &[of(first), of(second)])
    };
    let check = |before: &str, after: &str, expected: Option<&str>| {
        let (before, after) = (content(before), content(after));
        let found = origin(Side::of(&before), Side::of(&after), "aws_x.b");
        assert_eq!(found.as_deref(), expected);
    };
    check(&a, &b, Some("aws_x.a"));
    check(&two("a", "c"), &b, None);
    check(&a, &two("b", "c"), None);
    check(&a, &two("a", "b"), None);
    check(&b, &b, None);
    check(&at("a", r#"{"id":"j"}"#), &b, None);

    let mut history = History::of("aws_x.b".parse().unwrap());
    for (version, text) in [(1, &a), (2, &b), (3, &state(1, "", &[])), (4, &b)] {
        history.see(version, Side::of(&content(text)));
    }
    assert_eq!(history.appeared(), Some(4));
    let mut history = History::of("aws_x.a".parse().unwrap());
    for (version, text) in [(1, &a), (2, &b)] {
        history.see(version, Side::of(&content(text)));
    }
    assert_eq!(history.appeared(), None);
}

#[test]
fn an_attribute_is_followed_by_its_path() {
    let versions = [
        only("{}"),
        only(r#"{"tags":{"Name":"x"},"v":1}"#),
        only(r#"{"tags":{"Name":"x"},"v":2}"#),
        only(r#"{"tags":{"Name":"y"}}"#),
        only(r#"{"tags":null}"#),
    ];
    let told = told("aws_x.a.tags.Name", &versions);
    assert_eq!(
        events(&told),
        [
            (2, Event::Appeared),
            (4, Event::Changed),
            (5, Event::Vanished)
        ]
    );
    let change = &told.points[1].attributes[0];
    assert_eq!(change.before.as_ref().unwrap().text, "x");
    assert_eq!(change.after.as_ref().unwrap().text, "y");
}

#[test]
fn what_is_sensitive_once_is_hidden_before_and_after() {
    let versions = [
        only(r#"{"v":"s3cret1"}"#),
        only(r#"{"v":"s3cret2"}"#),
        marked(r#"{"v":"s3cret3"}"#, r#"["v"]"#),
        only(r#"{"v":"s3cret4"}"#),
        only(r#"{"v":"s3cret5","w":1}"#),
    ];
    for subject in ["aws_x.a", "aws_x.a.v"] {
        let told = told(subject, &versions);
        assert!(told.points.len() >= 5, "{told:?}");
        assert!(!serde_json::to_string(&told).unwrap().contains("s3cret"));
        let control = super::tests::told(subject, &versions[..2]);
        assert!(serde_json::to_string(&control).unwrap().contains("s3cret2"));
    }
    let mut blame = Blame::of(&"aws_x.a".parse().unwrap());
    for (version, text) in (1..).zip(&versions) {
        blame.see(version, Side::of(&content(text)));
    }
    let blamed = blame.tell();
    assert!(!serde_json::to_string(&blamed).unwrap().contains("s3cret"));
    assert_eq!(blamed.lines.len(), 2);
}

#[test]
fn every_attribute_has_the_version_that_last_changed_it() {
    let versions = [
        only(r#"{"id":"i","tags":{"a":"1","b":"1"},"l":[]}"#),
        only(r#"{"id":"i","tags":{"a":"2","b":"1"},"l":[]}"#),
        only(r#"{"l":[],"tags":{"b":"1","a":"2"},"id":"i"}"#),
        only(r#"{"id":"i","tags":{"a":"2","b":"1"},"l":["x"]}"#),
    ];
    let mut blame = Blame::of(&"aws_x.a.tags".parse().unwrap());
    for (version, text) in (1..).zip(&versions) {
        blame.see(version, Side::of(&content(text)));
        blame.pass_over();
    }
    let blamed = blame.tell();
    let lines: Vec<_> = blamed
        .lines
        .iter()
        .map(|line| (line.path.as_str(), line.version, line.appeared))
        .collect();
    assert_eq!(
        lines,
        [
            ("id", 1, true),
            ("l[0]", 4, true),
            ("tags.a", 2, false),
            ("tags.b", 1, true)
        ]
    );
    assert_eq!((blamed.versions, blamed.unread), (4, 4));
}

#[test]
fn the_newest_points_are_kept_and_the_others_counted() {
    let mut history = History::of("aws_x.a".parse().unwrap());
    let versions = POINTS_MAX as u64 + 10;
    for version in 1..=versions {
        let text = only(&format!("{{\"v\":{version}}}"));
        history.see(version, Side::of(&content(&text)));
    }
    let told = history.tell();
    assert_eq!((told.points.len(), told.left_out), (POINTS_MAX, 10));
    assert_eq!(told.points[0].version, 11);
}
