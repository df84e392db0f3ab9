use regex::Regex;

use super::*;

#[test]
fn the_embedded_mapping_has_no_mistake() {
    let mapping = Mapping::embedded().unwrap();
    mapping.check().unwrap();
}

#[test]
fn the_embedded_mapping_covers_as_many_types_as_are_promised() {
    let mapping = Mapping::embedded().unwrap();
    let priced = mapping.priced();
    for (provider, least) in [("aws_", 110), ("azurerm_", 120), ("google_", 45)] {
        let count = priced.iter().filter(|it| it.starts_with(provider)).count();
        assert!(
            count >= least,
            "{count} types of {provider}, {least} are promised"
        );
    }
    assert!(mapping.free.len() >= 900, "{}", mapping.free.len());
    let both: Vec<&&str> = priced.iter().filter(|kind| mapping.is_free(kind)).collect();
    assert!(both.is_empty(), "free and not free: {both:?}");
}

#[test]
fn the_embedded_mapping_knows_types_and_no_resources() {
    let address = Regex::new(r"(?-u:\b)(aws|azurerm|google)_[a-z0-9_]+\.[a-z]").unwrap();
    let of_a_test = Regex::new(r"golden|fixture|example|tfproject|infracost").unwrap();
    for (file, text) in EMBEDDED {
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap();
            for pattern in [&address, &of_a_test] {
                assert!(!pattern.is_match(line), "{file}:{}: {line}", at + 1);
            }
        }
    }
}

fn check(text: &str, wanted: &str) {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("house.map"), text).unwrap();
    let said = match Mapping::with_directory(directory.path()) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(said.contains(wanted), "{text}\nsaid: {said}");
}

#[test]
fn a_mistake_is_answered_with_its_line_and_what_is_expected() {
    for (text, wanted) in [
        ("resource a_b\n  - X | hours | 730\n", "fine"),
        ("resource a_b\n  - X | hours | hours\n", "house.map:2"),
        (
            "resource a_b\n  - X | hours | hours\n",
            "the name hours is not known here",
        ),
        ("resource a_b\n  - X | hours\n", "a component is"),
        (
            "resource a_b\n  - {x | hours | 1\n",
            "a brace is not closed",
        ),
        (
            "resource a_b\n  when frob(1)\n  - X | h | 1\n",
            "there is no function frob",
        ),
        (
            "resource a_b\n  when num(1, 2)\n  - X | h | 1\n",
            "num takes 1 to 1 arguments",
        ),
        (
            "resource a_b\n  when .a =~ '('\n  - X | h | 1\n",
            "is no pattern",
        ),
        (
            "resource a_b\n  when .a == 'x\n  - X | h | 1\n",
            "the quote is missing",
        ),
        (
            "resource a_b\n  use nothing\n",
            "there is no template nothing",
        ),
        (
            "template t\n  takes n\n  - X | h | n\nresource a_b\n  use t\n",
            "needs n",
        ),
        (
            "resource a_b\n  - X | h | 1\n    price family=F\n",
            "a price names its service",
        ),
        (
            "resource a_b\n  - X | h | 1\n    steps a, b=2\n",
            "only the last step has no width",
        ),
        (
            "resource a_b\n  - X | h | 1\n    steps a=0, b\n",
            "no width of a step",
        ),
        ("resource a_b\n  frob\n", "is no word of a mapping"),
        ("frob x\n", "is no word of a mapping"),
        ("resource\n", "is followed by a name"),
        ("table t\n  a\n", "a row of a table"),
        ("table t\n  a = 1\n  a = 2\n", "stands twice"),
    ] {
        check(text, wanted);
    }
}

#[test]
fn an_expression_that_nests_too_deep_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("not ", ""),
        ("- ", ""),
        ("[", "]"),
        ("len(", ")"),
    ] {
        let text = format!(
            "resource a_b\n  when {}1{}\n  - X | h | 1\n",
            open.repeat(700),
            close.repeat(700)
        );
        check(&text, "nests deeper than");
    }
}
