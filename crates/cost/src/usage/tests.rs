use super::*;

const HOUSE: &str = "version: 0.1
resource_type_default_usage:
  acme_broker:
    requests: 1
    users: 1
resource_usage:
  acme_broker.many[*]:
    requests: 2
  acme_broker.many[\"a\"]:
    requests: 3
    range: 10..20
    other: {min: 1, max: 2}
    # A comment, and texts as numbers.
    text: '7'
    nested:
      deep: 1_000
";

fn shown(value: &Value) -> String {
    match value.number() {
        Some(number) => number.normalize().to_string(),
        None => value.as_text().unwrap_or("-").to_owned(),
    }
}

#[test]
fn what_is_nearer_to_the_resource_counts_more() {
    let mut usage = Usage::default();
    usage.add("house.yml", HOUSE).unwrap();
    assert!(usage.has_ranges());
    for (address, key, low, high) in [
        ("acme_broker.other", "requests", "1", "1"),
        ("acme_broker.many[0]", "requests", "2", "2"),
        ("acme_broker.many[0]", "users", "1", "1"),
        ("acme_broker.many[\"a\"]", "requests", "3", "3"),
        ("acme_broker.many[\"a\"]", "users", "1", "1"),
        ("acme_broker.many[\"a\"]", "range", "10", "20"),
        ("acme_broker.many[\"a\"]", "other", "1", "2"),
        ("acme_broker.many[\"a\"]", "text", "7", "7"),
        ("acme_broker.many[\"a\"]", "none", "-", "-"),
    ] {
        for (end, wanted) in [(End::Low, low), (End::High, high)] {
            let value = usage.at(end).of(address, "acme_broker").get(key);
            assert_eq!(shown(&value), wanted, "{address} {key} {end:?}");
        }
    }
}

#[test]
fn a_later_file_lies_over_an_earlier_one_key_by_key() {
    let mut usage = Usage::default();
    usage.add("house.yml", HOUSE).unwrap();
    usage
        .add(
            "team.yml",
            "resource_usage:\n  acme_broker.many[\"a\"]:\n    requests: 9\n",
        )
        .unwrap();
    let both = usage.of("acme_broker.many[\"a\"]", "acme_broker");
    assert_eq!(shown(&both.get("requests")), "9");
    assert_eq!(shown(&both.get("text")), "7");
}

#[test]
fn a_file_that_cannot_be_read_is_answered_with_its_line() {
    let deep = format!(
        "resource_usage:\n  a_b.c:\n    d: {}1{}\n",
        "[".repeat(9999),
        "]".repeat(9999)
    );
    let bomb = "a: &a [1,1]\nb: &b [*a,*a,*a]\nresource_usage: {x: *b}\n";
    for (text, wanted) in [
        ("resource_usage:\n  a_b.c: 7\n", "bad.yml:2"),
        ("resource_usage:\n  a_b.c:\n    d: [\n", "bad.yml"),
        ("resource_usag: 1\n", "no part of a usage file"),
        (deep.as_str(), "bad.yml"),
        (bomb, "bad.yml"),
    ] {
        let said = match Usage::default().add("bad.yml", text) {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    let mut usage = Usage::default();
    for text in ["", "version: 0.1\n", "resource_usage:\n", "# nothing\n"] {
        usage.add("empty.yml", text).unwrap();
    }
    assert!(usage.of("a_b.c", "a_b").members().is_empty());
}
