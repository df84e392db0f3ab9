//! Claims about JSON looked at where it stands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;

fn check_same(a: &str, b: &str, expected: bool) {
    let (left, right) = (Tape::read(a), Tape::read(b));
    assert_eq!(same(left.root(), right.root()), expected, "{a} {b}");
    assert_eq!(same(right.root(), left.root()), expected, "{b} {a}");
}

#[test]
fn values_are_the_same_when_terraform_reads_the_same() {
    for (a, b) in [
        ("1", "1.0"),
        ("1", "10e-1"),
        ("100", "1E+2"),
        ("-0", "0.00"),
        ("1e400", "10e399"),
        ("12345678901234567890123", "12345678901234567890123.0"),
        (r#""é""#, r#""\u00e9""#),
        (r#""<&>""#, r#""\u003c\u0026\u003e""#),
        (r#""😀""#, r#""\ud83d\ude00""#),
        (r#""/""#, r#""\/""#),
        (
            r#"{"a":1,"b":[true,null]}"#,
            "{ \"b\" : [ true , null ] ,\n\"a\":1.0 }",
        ),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"\u0061":2}"#, r#"{"a":2}"#),
        ("[]", "[ ]"),
    ] {
        check_same(a, b, true);
    }
}

#[test]
fn other_values_are_not_the_same() {
    for (a, b) in [
        ("12345678901234567890123", "12345678901234567890124"),
        ("9007199254740993", "9007199254740992"),
        ("1e400", "1e401"),
        ("0.1", "0.10000000000000001"),
        ("1", "\"1\""),
        ("-1", "1"),
        ("null", "false"),
        ("null", "{}"),
        ("[]", "{}"),
        ("[1,2]", "[2,1]"),
        ("[[1],2]", "[[1,2]]"),
        (r#"{"a":null}"#, "{}"),
        (r#"["ab",""]"#, r#"["a","b"]"#),
        (r#"{"a":1,"a":2}"#, r#"{"a":1}"#),
        (r#""\ud800""#, r#""\\ud800""#),
    ] {
        check_same(a, b, false);
    }
}

#[test]
fn values_are_found_where_they_stand() {
    let tape = Tape::read(r#" {"a" : [ {"x":1}, "two" ], "b\n": {"c":[]}, "d": -1.5e3 } "#);
    let root = tape.root();
    assert_eq!(root.kind(), Kind::Object);
    let list = root.get("a").unwrap();
    assert_eq!(list.at(0).unwrap().get("x").unwrap().raw(), "1");
    assert_eq!(list.at(1).unwrap().text().unwrap(), "two");
    assert!(list.at(2).is_none() && list.get("x").is_none());
    let inner = root.get("b\n").unwrap().get("c").unwrap();
    assert_eq!((inner.kind(), inner.elements().count()), (Kind::List, 0));
    assert_eq!(root.get("d").unwrap().raw(), "-1.5e3");
    let keys: Vec<_> = root.members().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "b\n", "d"]);
}

#[test]
fn half_a_surrogate_pair_is_a_replacement() {
    assert_eq!(unescape(r"a\ud83db"), "a\u{fffd}b");
    assert_eq!(unescape(r"\ude00\ud83d\ude00"), "\u{fffd}😀");
    assert_eq!(unescape(r"\ud83d\u0041"), "\u{fffd}A");
    assert_eq!(unescape(r"\n\t\\\u"), "\n\t\\\u{fffd}");
}

#[test]
fn a_text_that_is_not_json_gives_some_tape_and_no_panic() {
    let broken = r#"{"a":[1,{"b":"\u12"#;
    for end in 0..=broken.len() {
        let tape = Tape::read(&broken[..end]);
        let _ = same(tape.root(), tape.root());
    }
    for text in ["", "]]}}", "\"", "\"\\", "{]", "{\"a\"}", "nope", "{1:2}"] {
        let tape = Tape::read(text);
        let _ = tape.root().members();
        let _ = same(tape.root(), tape.root());
    }
}

#[test]
fn a_long_text_is_cut_between_letters_and_the_rest_is_counted() {
    let mut short = Short::new(4);
    short.push("aé");
    short.push("éb");
    short.push("c");
    assert_eq!(short.finish(), ("aé".to_owned(), 4));
    assert_eq!(shortened("éé", 3), "é…");
    assert_eq!(shortened("éé", 4), "éé");
}
