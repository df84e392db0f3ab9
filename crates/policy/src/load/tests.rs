//! What programs mean, case by case, and what is said of those that mean nothing.

use serde_json::{Value, json};

use crate::engine::{Diagnostic, Document, Limits, Source, Version, load, load_as};

fn sources(files: &[&str]) -> Vec<Source> {
    files
        .iter()
        .enumerate()
        .map(|(index, text)| Source {
            path: format!("{index}.rego"),
            text: (*text).to_owned(),
        })
        .collect()
}

/// What `data.p.x` is, null where it is undefined.
fn answer(files: &[&str], input: Value) -> Value {
    let program = load(&sources(files)).unwrap_or_else(|wrong| panic!("{files:?}: {wrong:?}"));
    let mut prepared = program
        .prepare(Document::object(), Limits::default())
        .unwrap();
    prepared.set_input(Document::from_value(input));
    prepared
        .eval("data.p.x")
        .unwrap_or_else(|it| panic!("{files:?}: {it}"))
        .unwrap_or_default()
}

fn check(cases: &[(&str, Value)]) {
    for (text, wanted) in cases {
        let input = json!({"a": 1, "list": [1, 2, 3], "names": {"k": {"l": 7}}});
        assert_eq!(answer(&[text], input), *wanted, "{text}");
    }
}

#[test]
fn both_versions_of_the_language_are_read() {
    check(&[
        ("package p\nx := 1", json!(1)),
        ("package p\nx if input.a == 1", json!(true)),
        ("package p\nx if { input.a == 1 }", json!(true)),
        (
            "package p\nx contains v if some v in input.list",
            json!([1, 2, 3]),
        ),
        (
            "package p\nx[k] := v if some k, v in input.list",
            json!({"0": 1, "1": 2, "2": 3}),
        ),
        ("package p\nx { input.a == 1 }", json!(true)),
        ("package p\nx = y { y := input.a }", json!(1)),
        ("package p\nx[v] { v := input.list[_] }", json!([1, 2, 3])),
        ("package p\nx[\"m\"] { input.a == 1 }", json!(["m"])),
        (
            "package p\nx[k] = v { v := input.list[k] }",
            json!({"0": 1, "1": 2, "2": 3}),
        ),
        ("package p\nx[k] { k := input.list[_]; k == 9 }", json!([])),
        (
            "package p\nimport future.keywords\nx[k] if { some k in input.list; k > 2 }",
            json!({"3": true}),
        ),
        (
            "package p\ncontains(a, b) = c { c := a + b }\nx = contains(1, 2) { true }",
            json!(3),
        ),
        (
            "package p\nx = 1 { input.a == 2 } else = 2 { input.a == 1 } else = 3",
            json!(2),
        ),
        ("package p\ndefault x = 5\nx = 6 { input.a == 9 }", json!(5)),
        (
            "package p\nx { every y in input.list { y > 0 } }\nimport future.keywords.every",
            json!(true),
        ),
    ]);
}

#[test]
fn what_the_engine_does_not_read_is_rewritten_exactly() {
    check(&[
        // Bodies in a chain.
        ("package p\nx[v] { v := 1 } { v := 2 }", json!([1, 2])),
        ("package p\nx = 1 { false } { true }", json!(1)),
        // `with` on a rule of the same package, and on builtins.
        (
            "package p\nbase := 1\ny := base + 1\nx := v if v := y with base as 7",
            json!(8),
        ),
        (
            "package p\nx := v if v := count([1]) with count as 5",
            json!(5),
        ),
        (
            "package p\nx := v if v := count([1, 2]) with count as max",
            json!(2),
        ),
        (
            "package p\nf(_) := 9\nx := v if v := io.jwt.decode(\"a\") with io.jwt.decode as f",
            json!(9),
        ),
        // A comprehension's variable named like a rule.
        (
            "package p\nr(v) := [r | some r in v]\nx := r([1, 2])",
            json!([1, 2]),
        ),
        (
            "package p\ny := 1\nx := [y | y := input.list[_]; y > 1]",
            json!([2, 3]),
        ),
        // Imports after rules, and of inputs.
        ("package p\nx := names.k.l\nimport input.names", json!(7)),
        // `some` behind what iterates, a variable named input, and one named contains.
        (
            "package p\nx contains [i, j] if { some i; y := input.list[i]; some j; z := input.list[j]; z > y; y > 1 }",
            json!([[1, 2]]),
        ),
        (
            "package p\ny := input.b\nx := v if { input := {\"b\": 4}; v := y with input as input }",
            json!(4),
        ),
        (
            "package p\nf(a) := contains if { contains := a }\nx := f(1)",
            json!(1),
        ),
    ]);
}

#[test]
fn newer_syntax_means_what_it_says() {
    check(&[
        // Keywords as names.
        ("package p\nas.foo := 1\nx := as.foo + 1", json!(2)),
        ("package p\nfoo.if(v) := v\nx := foo.if(3)", json!(3)),
        (
            "package p\nif.a.else contains 4\nx := if.a.else",
            json!([4]),
        ),
        // Strings with expressions.
        (
            "package p\nx := $\"a {input.a} {input.b} \\{{[input.a]}\"",
            json!("a 1 <undefined> {[1]"),
        ),
        (
            "package p\nx := [$\"<{y}>\" | some y in input.list]",
            json!(["<1>", "<2>", "<3>"]),
        ),
        // More values than verbs, and a document moved onto itself.
        (
            "package p\nx := sprintf(\"%s\", [\"a\", 1, [input.a]])",
            json!("a%!(EXTRA int=1, string=[1])"),
        ),
        (
            "package p\nx := json.patch(input, [{\"op\": \"move\", \"from\": [], \"path\": []}])",
            Value::Null,
        ),
        // Results in the last argument.
        ("package p\nf(a) := a + 1\nx := y if f(1, y)", json!(2)),
        ("package p\nx := y if plus(1, 2, y)", json!(3)),
        // Literals made equal.
        (
            "package p\nx := [a, b] if [a, {\"k\": b}] = [1, {\"k\": input.a}]",
            json!([1, 1]),
        ),
        ("package p\nx if [1, 2] = [1]", Value::Null),
        // Deep literals.
        (
            "package p\nx := [[[[[[[[[[input.a]]]]]]]]]]",
            json!([[[[[[[[[[1]]]]]]]]]]),
        ),
        (
            "package p\nx := {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": {\"a\": 1}}}}}}",
            json!({"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}),
        ),
        // References in parts.
        (
            "package p\nx contains v if { some a, b; v := input.names[a][b] }",
            json!([7]),
        ),
    ]);
}

#[test]
fn a_negation_is_undefined_where_its_operand_is() {
    check(&[
        ("package p\nx if not is_null(input.missing)", Value::Null),
        ("package p\nx if not input.missing > 1", Value::Null),
        ("package p\nx if not \"a\" in input.missing", Value::Null),
        ("package p\nx if not input.missing == 1", json!(true)),
        ("package p\nx if not input.missing", json!(true)),
        ("package p\nx if not count(input.list) == 1", json!(true)),
    ]);
}

#[test]
fn annotations_are_known_where_they_stand() {
    let text = "# METADATA\n# title: all\npackage p\n\n# METADATA\n# title: one\n# authors:\n# - A B <a@b>\nx := rego.metadata.rule()";
    check(&[(
        text,
        json!({"scope": "rule", "title": "one", "authors": [{"name": "A B", "email": "a@b"}]}),
    )]);
    let chain = text.replace(
        "rego.metadata.rule()",
        "[link.annotations.title | some link in rego.metadata.chain()]",
    );
    check(&[(&chain, json!(["one", "all"]))]);
}

#[test]
fn packages_know_each_other() {
    let files = [
        "package lib.a\nf(v) := v + 1\ny := 2",
        "package p\nimport data.lib.a\nimport data.lib.a as other\nx := a.f(other.y) + data.lib.a.y",
    ];
    assert_eq!(answer(&files, json!({})), json!(5));
    let same = ["package p\nx := y", "package p\ny := 3"];
    assert_eq!(answer(&same, json!({})), json!(3));
}

fn wrong(text: &str) -> Diagnostic {
    load(&sources(&[text])).map(|_| ()).unwrap_err().remove(0)
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("package p\nx := [1, ", (2, 10), "a value is missing"),
        ("package p\n\nx := nope(1)", (3, 6), "nope is no function"),
        (
            "package p\nx := count(1, 2, 3)",
            (2, 6),
            "count takes 1 arguments and is given 3",
        ),
        (
            "package p\nf(a) := f(a + 1)\nx := f(1)",
            (2, 1),
            "it depends on itself: p.f",
        ),
        ("package p\na := b\nb := a", (2, 1), "it depends on itself"),
        (
            "package p\nx := graphql.is_valid(\"a\", \"b\")",
            (2, 6),
            "the builtin graphql.is_valid is not offered",
        ),
        ("package p\nx := \"open", (2, 6), "a string does not end"),
        ("x := 1", (1, 1), "a file begins with its package"),
        (
            "package p\nx := 1 y := 2",
            (2, 8),
            "does not continue the rule",
        ),
    ];
    for (text, place, said) in cases {
        let wrong = wrong(text);
        assert_eq!((wrong.line, wrong.column), place, "{wrong}");
        assert!(wrong.message.contains(said), "{wrong}");
        assert!(!wrong.next.is_empty());
    }
}

#[test]
fn no_depth_brings_the_loader_down() {
    let deep = |open: &str, close: &str, count| {
        format!(
            "package p\nx := {}1{}",
            open.repeat(count),
            close.repeat(count)
        )
    };
    for (open, close) in [
        ("[", "]"),
        ("{\"a\": ", "}"),
        ("(", ")"),
        ("[input.a, ", "]"),
        ("[x | x := ", "]"),
        ("f(", ")"),
        ("-", ""),
    ] {
        for count in [20, 60, 2_000, 200_000] {
            let _ = load(&sources(&[&deep(open, close, count)]));
        }
    }
    let _ = load(&sources(&[&format!(
        "package p\nx := 1{}",
        " + 1".repeat(100_000)
    )]));
    let _ = load(&sources(&[&format!(
        "package p\nx := {}",
        "$\"{".repeat(10_000)
    )]));
}

#[test]
fn rules_are_checked_for_recursion_in_time() {
    let many = |count: usize, rule: &dyn Fn(usize) -> String| {
        let rules: Vec<String> = (0..count).map(rule).collect();
        rules.join("\n")
    };
    let chain = many(20_000, &|it| format!("r{it} := data.p.r{}", it + 1));
    let all = many(20_000, &|it| format!("r{it} := data.q"));
    let deep = many(2_000, &|it| {
        format!("r{it} := data[x][y][z] if {{ x := 1; y := 2; z := 3 }}")
    });
    let started = std::time::Instant::now();
    for text in [&chain, &all] {
        assert!(load(&sources(&[&format!("package p\n{text}")])).is_ok());
    }
    assert!(load(&sources(&[&format!("package p\n{deep}")])).is_err());
    assert!(started.elapsed().as_secs() < 60);
    let dynamic = "package p.a\nx := data.p[y].x if y := \"a\"";
    assert!(load(&sources(&[dynamic])).is_err());
    let apart = "package p.a\nx := data.p[y].z if y := \"a\"";
    assert!(load(&sources(&[apart])).is_ok());
}

#[test]
fn a_version_that_is_asked_for_is_kept_to() {
    let old = sources(&["package p\nx { true }"]);
    assert!(load_as(&old, Version::V1).is_err());
    assert!(load_as(&old, Version::V0).is_ok());
    assert!(
        load_as(
            &sources(&["package p\nimport rego.v1\nx if true"]),
            Version::V0
        )
        .is_ok()
    );
}
