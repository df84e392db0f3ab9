//! Claims about comparing states.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::content::Shown;
use crate::samples::{Chance, content, instance, marked, only, resource, state};

pub(super) fn diff_of(before: &str, after: &str) -> Diff {
    let (before, after) = (content(before), content(after));
    diff(Side::of(&before), Side::of(&after), Limits::default())
}

/// The differences of the only instance: `path: before -> after`.
fn lines(before: &str, after: &str) -> Vec<String> {
    let text = |shown: &Option<Shown>| shown.as_ref().map_or("-", |shown| &shown.text).to_owned();
    let found = diff_of(before, after);
    let changes = found
        .resources
        .iter()
        .flat_map(|resource| &resource.attributes);
    changes
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.path,
                text(&change.before),
                text(&change.after)
            )
        })
        .collect()
}

fn check(before: &str, after: &str, expected: &[&str]) {
    assert_eq!(
        lines(&only(before), &only(after)),
        expected,
        "{before} {after}"
    );
}

#[test]
fn attributes_are_compared_by_meaning() {
    check(
        r#"{"a":1,"b":[1,2]}"#,
        "{ \"b\": [1.0, 20e-1], \"a\": 1 }",
        &[],
    );
    check(r#"{"a":1}"#, r#"{"a":2}"#, &["a: 1 -> 2"]);
    check(
        r#"{"a":12345678901234567890123}"#,
        r#"{"a":12345678901234567890124}"#,
        &["a: 12345678901234567890123 -> 12345678901234567890124"],
    );
    check(r#"{"a":"1"}"#, r#"{"a":1}"#, &["a: 1 -> 1"]);
    check(r#"{"a":null}"#, "{}", &["a: null -> -"]);
    check("{}", r#"{"tags":{"x":"y"}}"#, &[r#"tags: - -> {"x":"y"}"#]);
    check(
        r#"{"i":[{"c":["a"],"p":1},{"p":2}],"tags":{"a.b":"x"}}"#,
        r#"{"i":[{"c":["a","b"],"p":3}],"tags":{"a.b":"y"}}"#,
        &[
            "i[0].c[1]: - -> b",
            "i[0].p: 1 -> 3",
            r#"i[1]: {"p":2} -> -"#,
            "tags[\"a.b\"]: x -> y",
        ],
    );
}

#[test]
fn what_either_side_hides_is_shown_on_neither() {
    let mark = r#"[[{"type":"get_attr","value":"a"}]]"#;
    let (old, new) = (r#"{"a":"old","b":1}"#, r#"{"a":"newer","b":1}"#);
    for (before, after) in [
        (marked(old, mark), marked(new, mark)),
        (marked(old, mark), only(new)),
        (only(old), marked(new, mark)),
    ] {
        assert_eq!(lines(&before, &after), ["a: (sensitive) -> (sensitive)"]);
    }
    assert_eq!(
        lines(&only(old), &only(new)),
        ["a: old -> newer"],
        "control"
    );
    // The same value again is no change, but the mark is.
    let found = diff_of(&only(old), &marked(old, mark));
    assert!(found.resources[0].facts.marks && found.resources[0].attributes.is_empty());
}

#[test]
fn a_secret_that_loses_its_mark_by_moving_in_a_list_stays_hidden() {
    let mark = r#"[[{"type":"get_attr","value":"l"},{"type":"index","value":{"value":0,"type":"number"}}]]"#;
    let found = lines(
        &marked(r#"{"l":["s3cret","b"]}"#, mark),
        &only(r#"{"l":["b","s3cret"]}"#),
    );
    assert!(
        !found.concat().contains("s3cret") && found.len() == 2,
        "{found:?}"
    );
    let found = lines(
        &marked(r#"{"l":["s3cret"]}"#, mark),
        &only(r#"{"l":"s3cret"}"#),
    );
    assert_eq!(found, ["l: (sensitive) -> (sensitive)"]);
}

#[test]
fn instances_come_go_and_change_in_the_order_of_addresses() {
    let of = |instances: &[(&str, u32)], serial| {
        let resources: Vec<_> = instances
            .iter()
            .map(|(name, v)| {
                resource(
                    "aws_x",
                    name,
                    &[instance("", &format!("{{\"id\":\"{name}\",\"v\":{v}}}"))],
                )
            })
            .collect();
        state(serial, "", &resources)
    };
    let found = diff_of(
        &of(&[("d", 1), ("b", 1), ("a", 1)], 1),
        &of(&[("c", 1), ("b", 2), ("a", 1)], 4),
    );
    let summary: Vec<_> = found
        .resources
        .iter()
        .map(|it| (it.address.as_str(), it.change))
        .collect();
    assert_eq!(
        summary,
        [
            ("aws_x.b", Change::Changed),
            ("aws_x.c", Change::Added),
            ("aws_x.d", Change::Removed)
        ]
    );
    assert_eq!(
        found.header.serial,
        Some(Became {
            before: 1,
            after: 4
        })
    );
    assert_eq!(
        (
            found.totals.added,
            found.totals.removed,
            found.totals.changed
        ),
        (1, 1, 1)
    );
    assert!(!found.is_empty());
}

#[test]
fn an_instance_at_another_address_moved_if_it_is_the_only_one() {
    let of = |instances: &[(&str, &str)]| {
        let resources: Vec<_> = instances
            .iter()
            .map(|(name, attributes)| resource("aws_x", name, &[instance("", attributes)]))
            .collect();
        state(1, "", &resources)
    };
    let moves = |before: &[(&str, &str)], after: &[(&str, &str)]| {
        let found = diff_of(&of(before), &of(after));
        (found.totals.moved, found.totals.added, found.totals.removed)
    };
    let i = r#"{"id":"i","v":1}"#;
    assert_eq!(moves(&[("a", i)], &[("b", i)]), (1, 0, 0));
    assert_eq!(
        moves(&[("a", i)], &[("b", r#"{"v":2,"id":"i"}"#)]),
        (1, 0, 0)
    );
    assert_eq!(moves(&[("a", i)], &[("b", i), ("c", i)]), (0, 2, 1));
    assert_eq!(moves(&[("a", i), ("z", i)], &[("b", i)]), (0, 1, 2));
    assert_eq!(
        moves(&[("a", i)], &[("b", r#"{"id":"j","v":1}"#)]),
        (0, 1, 1)
    );
    assert_eq!(
        moves(&[("a", r#"{"id":""}"#)], &[("b", r#"{"id":""}"#)]),
        (0, 1, 1)
    );
    assert_eq!(
        moves(&[("a", r#"{"id":1}"#)], &[("b", r#"{"id":1}"#)]),
        (0, 1, 1)
    );
    let hidden =
        of(&[("b", i)]).replace("\"schema_version\":0", r#""sensitive_attributes":["id"]"#);
    assert_eq!(diff_of(&of(&[("a", i)]), &hidden).totals.moved, 0);
    let found = diff_of(&of(&[("a", i)]), &of(&[("b", r#"{"v":2,"id":"i"}"#)]));
    assert_eq!(found.resources[0].moved_from.as_deref(), Some("aws_x.a"));
    assert_eq!(found.resources[0].attributes[0].path, "v");
}

#[test]
fn what_is_beside_the_attributes_is_told() {
    let of = |fields: &str| state(1, "", &[resource("aws_x", "a", &[instance(fields, "{}")])]);
    let facts = |before: &str, after: &str| {
        diff_of(&of(before), &of(after))
            .resources
            .first()
            .map(|it| it.facts.clone())
            .unwrap_or_default()
    };
    assert_eq!(
        facts("", r#""status":"tainted""#).tainted,
        Some(Became {
            before: false,
            after: true
        })
    );
    assert!(facts("", r#""dependencies":["a.b"]"#).dependencies);
    assert!(facts("", r#""private":"s3cret""#).private);
    assert!(facts(r#""identity":{"a":1}"#, r#""identity":{"a":2}"#).identity);
    assert!(
        facts(
            "",
            r#""dependencies":[ ],"private":null,"sensitive_attributes":[]"#
        )
        .is_empty()
    );
    assert!(
        facts("", r#""create_before_destroy":true"#)
            .create_before_destroy
            .is_some()
    );
    let deposed = diff_of(&of(""), &of(r#""deposed":"0a1b""#));
    assert_eq!((deposed.totals.added, deposed.totals.removed), (1, 1));
    let other = of("").replace("hashicorp/aws", "acme/aws");
    let provider = diff_of(&of(""), &other).resources[0]
        .facts
        .provider
        .clone()
        .unwrap();
    assert_eq!(provider.after.source, "registry.terraform.io/acme/aws");
}

#[test]
fn outputs_are_compared_with_their_types_and_flags() {
    let of = |outputs: &str| state(1, outputs, &[]);
    let found = diff_of(
        &of(
            r#""a":{"value":1,"type":"number"},"b":{"value":"x","type":"string"},"c":{"value":"s3cret","type":"string","sensitive":true}"#,
        ),
        &of(
            r#""b":{"value":"y","type":"string"},"c":{"value":"s3cret2","type":"string"},"d":{"value":[],"type":["list","string"]}"#,
        ),
    );
    let text = |shown: &Option<Shown>| shown.as_ref().map(|shown| shown.text.clone());
    let all: Vec<_> = found
        .outputs
        .iter()
        .map(|it| {
            (
                it.name.as_str(),
                it.change,
                text(&it.before),
                text(&it.after),
            )
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        all,
        [
            ("a", Change::Removed, some("1"), None),
            ("b", Change::Changed, some("x"), some("y")),
            (
                "c",
                Change::Changed,
                some("(sensitive)"),
                some("(sensitive)")
            ),
            ("d", Change::Added, None, some("[]")),
        ]
    );
    assert_eq!(
        found.outputs[2].sensitive,
        Some(Became {
            before: true,
            after: false
        })
    );
}

#[test]
fn the_answer_is_bounded_and_counts_what_it_leaves_out() {
    let of = |v: u32| {
        let long = "x".repeat(5000 + v as usize);
        let instances: Vec<_> = (0..50)
            .map(|key| {
                let attributes: Vec<_> =
                    (0..20).map(|n| format!("\"a{n}\":\"{long}{v}\"")).collect();
                instance(
                    &format!("\"index_key\":\"{key}{long}\"").replace(&long, &"k".repeat(5000)),
                    &format!("{{{}}}", attributes.join(",")),
                )
            })
            .collect();
        state(1, "", &[resource("aws_x", "a", &instances)])
    };
    let (before, after) = (of(1), of(2));
    let (before, after) = (content(&before), content(&after));
    let limits = Limits {
        entries: 10,
        attributes_each: 8,
        attributes: 30,
        value_bytes: 100,
    };
    let found = diff(Side::of(&before), Side::of(&after), limits);
    assert_eq!((found.resources.len(), found.resources_left_out), (10, 40));
    assert_eq!((found.totals.changed, found.totals.attributes), (50, 1000));
    let listed: usize = found.resources.iter().map(|it| it.attributes.len()).sum();
    assert_eq!(listed, 30);
    assert_eq!(found.resources[0].attributes_left_out, 12);
    assert_eq!(
        found.resources[0].attributes[0]
            .before
            .as_ref()
            .unwrap()
            .left_out_bytes,
        4902
    );
    assert!(serde_json::to_vec(&found).unwrap().len() < 10 * 2 * 1100 + 30 * 400);
}

#[test]
fn a_state_compared_with_itself_differs_in_nothing() {
    let mut chance = Chance(2);
    for _ in 0..300 {
        let text = chance.state("5");
        assert!(diff_of(&text, &text).is_empty(), "{text}");
        let blanks = text.replace("\":", "\" :\n").replace("\",\"", "\" , \"");
        assert!(
            diff_of(&text, &blanks).is_empty() || text.contains("\\\""),
            "{text}"
        );
    }
}

/// The other way round: what was added is removed, what was before is after.
fn inverse(diff: Diff) -> Diff {
    fn turn<T>(became: Option<Became<T>>) -> Option<Became<T>> {
        became.map(|it| Became {
            before: it.after,
            after: it.before,
        })
    }
    let change = |change| match change {
        Change::Added => Change::Removed,
        Change::Removed => Change::Added,
        other => other,
    };
    let mut diff = diff;
    diff.header.serial = turn(diff.header.serial);
    std::mem::swap(&mut diff.totals.added, &mut diff.totals.removed);
    std::mem::swap(
        &mut diff.totals.outputs_added,
        &mut diff.totals.outputs_removed,
    );
    for output in &mut diff.outputs {
        output.change = change(output.change);
        std::mem::swap(&mut output.before, &mut output.after);
        output.sensitive = turn(output.sensitive.take());
    }
    for resource in &mut diff.resources {
        resource.change = change(resource.change);
        if let Some(from) = &mut resource.moved_from {
            std::mem::swap(from, &mut resource.address);
        }
        resource.facts.tainted = turn(resource.facts.tainted.take());
        for attribute in &mut resource.attributes {
            attribute.change = change(attribute.change);
            std::mem::swap(&mut attribute.before, &mut attribute.after);
        }
    }
    // A moved instance stands at its second address, and has that one's name.
    for resource in &mut diff.resources {
        resource.name = resource.address.chars().nth(6).unwrap().to_string();
    }
    diff.resources.sort_by(|a, b| a.address.cmp(&b.address));
    diff
}

#[test]
fn the_difference_of_b_and_a_is_the_inverse_of_that_of_a_and_b() {
    let mut chance = Chance(3);
    let (mut moved, mut changed) = (0, 0);
    for _ in 0..300 {
        let (a, b) = (chance.state("5"), chance.state("5"));
        let (there, back) = (diff_of(&a, &b), diff_of(&b, &a));
        moved += there.totals.moved;
        changed += there.totals.changed;
        assert_eq!(inverse(back), {
            let mut it = there;
            it.resources.sort_by(|a, b| a.address.cmp(&b.address));
            it
        });
    }
    assert!(moved > 20 && changed > 100, "{moved} {changed}");
}

#[test]
fn no_hidden_value_is_in_any_answer() {
    use crate::history::{Blame, History};
    const CANARY: &str = "8675309421";
    let answers = |versions: &[String]| {
        let contents: Vec<_> = versions.iter().map(|text| content(text)).collect();
        let subject: crate::address::Subject = "aws_x.a[0]".parse().unwrap();
        let deep: crate::address::Subject = "aws_x.a[0].v.a".parse().unwrap();
        let (mut whole, mut part) = (History::of(subject.clone()), History::of(deep));
        let mut blame = Blame::of(&subject);
        let mut out = String::new();
        let mut before: Option<&Content<'_>> = None;
        for (version, now) in (1..).zip(&contents) {
            let side = Side::of(now);
            whole.see(version, side);
            part.see(version, side);
            blame.see(version, side);
            let before = Side::of(before.replace(now).unwrap_or(now));
            let found = diff(before, side, Limits::default());
            let preview = crate::rollback::Preview::of(before, side);
            out += &serde_json::to_string(&(found, &preview)).unwrap();
            out += &preview.to_string();
            let listing = crate::search::Listing::of(side);
            let found: Vec<_> = (0..listing.len()).map(|at| listing.entry(at)).collect();
            out += &serde_json::to_string(&found).unwrap();
        }
        out + &serde_json::to_string(&(whole.tell(), part.tell(), blame.tell())).unwrap()
    };
    let mut chance = Chance(5);
    let mut seen = 0;
    for _ in 0..60 {
        let open: Vec<_> = (0..4).map(|_| chance.state(CANARY)).collect();
        let hide = |text: &String| {
            text.replace(
                "\"schema_version\"",
                "\"sensitive_attributes\":[\"v\"],\"schema_version\"",
            )
            .replace(
                "\"type\":\"dynamic\"",
                "\"type\":\"dynamic\",\"sensitive\":true",
            )
        };
        let hidden: Vec<_> = open.iter().map(hide).collect();
        assert!(!answers(&hidden).contains(CANARY), "{hidden:?}");
        seen += answers(&open).matches(CANARY).count();
    }
    assert!(seen > 1000, "control: {seen}");
}
