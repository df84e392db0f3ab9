//! Claims about reading and comparing states.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::*;

/// As terraform 1.11 writes it: two managed resources with three instances, one of them deposed, and one data source.
const STATE: &str = r#"{
  "version": 4,
  "terraform_version": "1.11.4",
  "serial": 101,
  "lineage": "9c0210eb-31f9-1374-c2d5-f0092457c12a",
  "outputs": {
    "address": { "value": "10.0.0.1", "type": "string" },
    "password": { "value": "hunter2 \"\\ }]", "type": "string", "sensitive": true }
  },
  "resources": [
    {
      "mode": "data", "type": "aws_region", "name": "here",
      "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
      "instances": [ { "schema_version": 0, "attributes": { "id": "eu-west-1" }, "sensitive_attributes": [] } ]
    },
    {
      "mode": "managed", "type": "aws_ebs_volume", "name": "e",
      "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
      "instances": [
        { "index_key": 0, "schema_version": 0, "attributes": { "size": 10, "tags": null, "huge": 1e999 } },
        { "index_key": 0, "deposed": "0a1b2c3d", "schema_version": 0, "attributes": { "size": 8 } }
      ]
    },
    {
      "instances": [ { "schema_version": 0, "attributes": { "name": "\u00e9\ud83d\ude00" }, "private": "bnVsbA==" } ],
      "module": "module.net", "mode": "managed", "type": "aws_vpc", "name": "main",
      "provider": "module.net.provider[\"registry.terraform.io/hashicorp/aws\"]"
    }
  ],
  "check_results": null
}
"#;

const SEALED: &str = r#"{"serial":7,"lineage":"d2b1","meta":{"key_provider.pbkdf2.mine":"eyJzYWx0IjoiIn0="},"encrypted_data":"q83vEjRWeJA=","encryption_version":"v0"}"#;

/// The smallest state, with `fields` added.
fn small(fields: &str) -> String {
    format!(r#"{{"version":4,"serial":1,"lineage":"l"{fields}}}"#)
}

fn plain_of(text: &str) -> Summary {
    match read(text.as_bytes()) {
        Ok(StateFile::Plain(summary)) => summary,
        other => panic!("{text}: {other:?}"),
    }
}

/// Reads `text`, which must be refused in these words.
fn check(text: &str, words: &str) {
    let error = read(text.as_bytes()).expect_err(text).to_string();
    assert!(error.contains(words), "{text}: {error}");
}

#[test]
fn a_state_of_terraform_is_summarized() {
    let expected = Summary {
        version: 4,
        terraform_version: "1.11.4".to_owned(),
        lineage: "9c0210eb-31f9-1374-c2d5-f0092457c12a".to_owned(),
        serial: 101,
        resources: 3,
        outputs: 2,
        bytes: STATE.len() as u64,
    };
    assert_eq!(plain_of(STATE), expected);
}

#[test]
fn keys_and_texts_with_escapes_are_read_as_what_they_mean() {
    let summary = plain_of(
        r#"{"versio\u006e":4,"s\u0065rial":1,"lineage":"a\u002db","resources":[{"\u006dode":"m\u0061naged","instances":[{},{}]}]}"#,
    );
    assert_eq!(
        (summary.lineage.as_str(), summary.serial, summary.resources),
        ("a-b", 1, 2)
    );
}

#[test]
fn absent_and_null_lists_count_as_none() {
    for fields in [
        "",
        r#","resources":null,"outputs":null"#,
        r#","resources":[],"outputs":{}"#,
    ] {
        let summary = plain_of(&small(fields));
        assert_eq!((summary.resources, summary.outputs), (0, 0), "{fields}");
    }
    assert_eq!(
        plain_of(&small(
            r#","resources":[{"mode":"managed","instances":null},{"instances":[{}]}]"#
        ))
        .resources,
        0
    );
}

#[test]
fn a_state_encrypted_by_the_client_is_opaque() {
    let expected = Opaque {
        lineage: Some("d2b1".to_owned()),
        serial: Some(7),
        encryption_version: "v0".to_owned(),
        bytes: SEALED.len() as u64,
    };
    assert_eq!(read(SEALED.as_bytes()), Ok(StateFile::Opaque(expected)));
    let bare = r#"{"meta":{},"encrypted_data":"","encryption_version":"v0"}"#;
    assert!(matches!(
        read(bare.as_bytes()),
        Ok(StateFile::Opaque(Opaque {
            lineage: None,
            serial: None,
            ..
        }))
    ));
}

#[test]
fn half_an_encrypted_state_is_refused() {
    check(
        r#"{"encrypted_data":"","encryption_version":"v0"}"#,
        "no `meta`",
    );
    check(
        r#"{"encrypted_data":"","meta":{}}"#,
        "no `encryption_version`",
    );
    check(
        r#"{"encrypted_data":{},"meta":{}}"#,
        "`encrypted_data` must be a text",
    );
    check(
        r#"{"meta":{},"encryption_version":"v0","encrypted_data":null}"#,
        "no `version`",
    );
    check(
        &small(r#","encrypted_data":"""#),
        "both `version` and `encrypted_data`",
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    check("", "is empty");
    check(" \n\t", "is empty");
    check("hello", "not JSON: expected value at line 1 column 1");
    check(
        &STATE[..STATE.len() - 3],
        "not JSON: EOF while parsing an object at line",
    );
    check("{\n  \"version\": 4,,\n}", "at line 2 column");
    check(
        &format!("{STATE}{{}}"),
        "not JSON: trailing characters at line 32 column 1",
    );
    check("\u{feff}{}", "not JSON");
    assert_eq!(
        read(b"{\n  \"a\": \"\xff\"}"),
        Err(StateError::NotUtf8 { line: 2, column: 9 })
    );
}

#[test]
fn json_that_is_no_state_is_refused_with_the_part_that_is_wrong() {
    check("[]", "the whole must be a JSON object at line 1");
    check("null", "the whole must be a JSON object");
    check("{}", "no `version`");
    check(
        r#"{"version":"4"}"#,
        "`version` must be a whole number at line 1 column 14",
    );
    check(r#"{"version":4,"serial":1}"#, "no `lineage`");
    check(r#"{"version":4,"serial":1,"lineage":""}"#, "no `lineage`");
    check(
        r#"{"version":4,"serial":1,"lineage":["x"]}"#,
        "`lineage` must be a text",
    );
    check(r#"{"version":4,"lineage":"l"}"#, "no `serial`");
    check(&small(r#","outputs":[]"#), "`outputs` must be an object");
    check(
        &small(r#","resources":{}"#),
        "`resources` must be a list of objects",
    );
    check(
        &small(r#","resources":[1]"#),
        "`resources` must be a list of objects",
    );
    check(
        &small(r#","resources":[{"mode":1}]"#),
        "`mode` of a resource must be a text",
    );
    check(
        &small(r#","resources":[{"instances":{}}]"#),
        "`instances` of a resource must be a list",
    );
    check(
        &format!(
            r#"{{"version":4,"serial":1,"lineage":"{}"}}"#,
            "l".repeat(257)
        ),
        "`lineage` has 257 bytes",
    );
}

#[test]
fn a_serial_is_a_whole_number_that_every_json_reader_holds() {
    let with = |serial: &str| format!(r#"{{"version":4,"serial":{serial},"lineage":"l"}}"#);
    assert_eq!(plain_of(&with("0")).serial, 0);
    assert_eq!(plain_of(&with("9007199254740991")).serial, SERIAL_MAX);
    check(
        &with("9007199254740992"),
        "`serial` is above 9007199254740991",
    );
    for serial in ["-1", "1.0", "1e3", "\"1\"", "true", "18446744073709551616"] {
        check(
            &with(serial),
            "`serial` must be a whole number from 0 at line 1",
        );
    }
}

#[test]
fn other_versions_are_refused_with_a_way_on() {
    for version in 1..=3 {
        check(
            &format!(r#"{{"version":{version},"serial":1,"lineage":"l","modules":[]}}"#),
            "upgrade it with",
        );
    }
    for version in [0, 5] {
        check(
            &format!(r#"{{"version":{version},"serial":1,"lineage":"l"}}"#),
            "not known",
        );
    }
}

#[test]
fn a_key_that_occurs_twice_is_refused() {
    for field in [
        "\"version\":4",
        "\"serial\":2",
        "\"lineage\":\"m\"",
        "\"l\\u0069neage\":\"m\"",
    ] {
        check(&small(&format!(",{field}")), "is there twice at line 1");
    }
    check(
        &small(r#","resources":[],"resources":[]"#),
        "`resources` is there twice",
    );
    check(
        &small(r#","resources":[{"mode":"data","mode":"managed"}]"#),
        "`mode` is there twice",
    );
    plain_of(&small(r#","unknown":1,"unknown":2"#));
}

#[test]
fn a_key_that_terraform_would_take_for_a_known_one_is_refused() {
    for key in ["Serial", "SERIAL", "\u{17f}erial", "\\u0053erial"] {
        check(
            &small(&format!(r#","{key}":9"#)),
            "`serial` is spelled in other letters",
        );
    }
    check(
        &small(r#","resources":[{"Instances":[]}]"#),
        "`instances` is spelled in other letters",
    );
    plain_of(&small(r#","serials":9,"seria":9,"řerial":9"#));
}

#[test]
fn a_text_that_nests_too_deep_is_refused_before_it_is_read() {
    let deep = |levels: usize| {
        small(&format!(
            ",\"x\":{}{}",
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    plain_of(&deep(DEPTH_MAX - 1));
    check(
        &deep(DEPTH_MAX),
        "nests deeper than 128 levels at line 1 column 170",
    );
    check(&"[".repeat(1_000_000), "nests deeper than");
    check(&"{\"a\":".repeat(1_000_000), "nests deeper than");
    plain_of(&small(&format!(
        r#","x":"{}\"{}""#,
        "[".repeat(1000),
        "{".repeat(1000)
    )));
}

#[test]
fn a_refusal_quotes_nothing_of_the_state() {
    for text in [
        small(r#","resources":"hunter2""#),
        small(r#","resources":["hunter2"]"#),
        small(r#","resources":[{"mode":{"hunter2":1}}]"#),
        small(r#","outputs":["hunter2"]"#),
        r#"{"version":"hunter2"}"#.to_owned(),
        r#"{"version":4,"serial":"hunter2"}"#.to_owned(),
        r#""hunter2""#.to_owned(),
        r#"{"version":4,"hunter2":hunter2}"#.to_owned(),
    ] {
        let error = read(text.as_bytes()).expect_err(&text);
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn every_cut_and_every_flipped_bit_gets_an_answer() {
    let bytes = STATE.as_bytes();
    for length in 0..bytes.len() - 2 {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            if let Err(error) = read(&bytes) {
                assert!(!error.to_string().is_empty());
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

/// A state of `resources` volumes, about 1.1 KiB each.
fn large(resources: usize) -> String {
    let mut text = r#"{"version":4,"terraform_version":"1.11.4","serial":1,"lineage":"l","outputs":{},"resources":[{"mode":"managed","type":"aws_ebs_volume","name":"e","instances":["#.to_owned();
    for index in 0..resources {
        let comma = if index == 0 { "" } else { "," };
        write!(
            text,
            r#"{comma}{{"index_key":{index},"schema_version":0,"attributes":{{"arn":"arn:aws:ec2:eu-west-1:123456789012:volume/vol-{index:017x}","encrypted":false,"size":10,"kms_key_id":"","tags":null,"tags_all":{{"env":"prod","owner":"platform"}},"description":"{}"}},"private":"{}"}}"#,
            "a volume, \\\"quoted\\\" ".repeat(24),
            "eyJlMmJmYjczMC1l".repeat(16),
        )
        .unwrap();
    }
    text.push_str("]}]}");
    text
}

#[test]
fn a_usual_state_is_read_in_well_under_a_millisecond() {
    let text = large(64);
    assert!((60_000..80_000).contains(&text.len()), "{}", text.len());
    let fastest = (0..50)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(plain_of(&text).resources, 64);
            start.elapsed()
        })
        .min()
        .unwrap();
    // Without optimization it takes some thirty times as long.
    let limit = if cfg!(debug_assertions) {
        Duration::from_millis(10)
    } else {
        Duration::from_micros(200)
    };
    eprintln!("{} bytes read in {fastest:?}", text.len());
    assert!(fastest < limit, "{fastest:?}");
}

#[test]
fn a_large_state_is_counted_to_the_last_instance() {
    let text = large(30_000);
    let summary = plain_of(&text);
    assert_eq!(
        (summary.resources, summary.bytes),
        (30_000, text.len() as u64)
    );
}

fn summary(lineage: &str, serial: u64, resources: u64) -> Summary {
    Summary {
        version: 4,
        terraform_version: String::new(),
        lineage: lineage.to_owned(),
        serial,
        resources,
        outputs: 0,
        bytes: 0,
    }
}

/// Compares (lineage, serial, resources) of an old and a new state, half of the resources may vanish.
fn check_unusual(old: (&str, u64, u64), new: (&str, u64, u64), expected: &[&str]) {
    let found = unusual(
        &summary(old.0, old.1, old.2),
        &summary(new.0, new.1, new.2),
        500,
    );
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, expected, "{old:?} {new:?}");
}

#[test]
fn the_next_state_of_a_series_is_usual() {
    check_unusual(("a", 1, 10), ("a", 2, 10), &[]);
    check_unusual(("a", 1, 10), ("a", 9, 20), &[]);
    check_unusual(("a", 1, 10), ("a", 2, 5), &[]);
    check_unusual(("a", 1, 0), ("a", 2, 0), &[]);
}

#[test]
fn what_a_person_should_see_is_said_in_words() {
    check_unusual(
        ("a", 5, 10),
        ("b", 1, 10),
        &["the lineage changes from a to b"],
    );
    check_unusual(
        ("a", 5, 10),
        ("a", 4, 10),
        &["the serial goes back from 5 to 4"],
    );
    check_unusual(
        ("a", 5, 10),
        ("a", 5, 10),
        &["serial 5 is already there with other content"],
    );
    check_unusual(
        ("a", 5, 120),
        ("a", 6, 3),
        &["resources fall from 120 to 3"],
    );
    check_unusual(("a", 5, 10), ("a", 6, 4), &["resources fall from 10 to 4"]);
    check_unusual(
        ("a", 5, 9),
        ("b", 1, 0),
        &[
            "the lineage changes from a to b",
            "resources fall from 9 to 0",
        ],
    );
}

#[test]
fn a_state_without_resources_may_change_its_lineage() {
    check_unusual(("a", 5, 0), ("b", 1, 10), &[]);
}

#[test]
fn the_share_decides_how_many_may_vanish() {
    let vanish =
        |after, permille| unusual(&summary("a", 1, 1000), &summary("a", 2, after), permille).len();
    assert_eq!(
        (vanish(0, 1000), vanish(999, 0), vanish(1000, 0)),
        (0, 1, 0)
    );
    assert_eq!((vanish(700, 300), vanish(699, 300)), (0, 1));
    let huge = summary("a", 1, u64::MAX);
    assert_eq!(unusual(&huge, &summary("a", 2, 0), 999).len(), 1);
}
