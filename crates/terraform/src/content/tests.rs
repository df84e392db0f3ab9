//! Claims about what a state holds and what of it is hidden.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::samples::{Chance, content, instance, marked, only, resource, state};
use std::time::{Duration, Instant};

const CANARY: &str = "c4n4ry";

/// As terraform 1.11.4 writes them: a tainted resource with an aliased provider, a module with keys, a deposed object.
const STATE: &str = r#"{
  "version": 4, "terraform_version": "1.11.4", "serial": 38, "lineage": "7d35",
  "outputs": {
    "o": { "value": "secret", "type": "string", "sensitive": true },
    "list": { "value": [ 1, "a", { "b": true } ], "type": [ "tuple", [ "number", "string", [ "object", { "b": "bool" } ] ] ] }
  },
  "resources": [
    { "module": "module.a[\"z\\\"\\n$${\"].module.sub", "mode": "managed", "type": "terraform_data", "name": "deep",
      "provider": "provider[\"terraform.io/builtin/terraform\"]",
      "instances": [ { "index_key": 10, "schema_version": 0, "attributes": { "id": "x" } },
                     { "index_key": 9, "schema_version": 0, "attributes": { "id": "y" }, "dependencies": [ "terraform_data.count" ] } ] },
    { "mode": "data", "type": "aws_region", "name": "here", "provider": "module.net.provider[\"registry.terraform.io/hashicorp/aws\"].west",
      "instances": [ { "schema_version": 0, "attributes": { "id": "eu-west-1" }, "sensitive_attributes": [] } ] },
    { "mode": "managed", "type": "aws_ebs_volume", "name": "e", "provider": "provider.aws.old", "each": "list",
      "instances": [ { "index_key": "b", "status": "tainted", "schema_version": 2, "attributes": { "size": 10, "tags": { "Name": "n", "n": null }, "tags_all": { "env": "prod" } },
                       "create_before_destroy": true },
                     { "index_key": "b", "deposed": "0a1b2c3d", "schema_version": 0, "attributes_flat": { "size": "8" } } ] }
  ],
  "check_results": [ { "object_kind": "resource" } ]
}"#;

#[test]
fn instances_are_read_in_order_with_their_addresses() {
    let content = content(STATE);
    let addresses: Vec<_> = content.instances().iter().map(Instance::address).collect();
    assert_eq!(
        addresses,
        [
            "data.aws_region.here",
            "aws_ebs_volume.e[\"b\"]",
            "aws_ebs_volume.e[\"b\"]",
            "module.a[\"z\\\"\\n$${\"].module.sub.terraform_data.deep[9]",
            "module.a[\"z\\\"\\n$${\"].module.sub.terraform_data.deep[10]",
        ]
    );
    let [region, volume, deposed, nine, _] = content.instances() else {
        panic!("five instances");
    };
    assert_eq!((region.mode(), volume.mode()), (Mode::Data, Mode::Managed));
    assert!(volume.is_tainted() && volume.is_created_before_destroy());
    assert_eq!((volume.schema_version(), volume.deposed()), (2, None));
    assert_eq!(deposed.deposed(), Some("0a1b2c3d"));
    assert!(deposed.attributes().contains("\"8\""));
    assert_eq!(nine.dependencies(), ["terraform_data.count"]);
    let tags = tags_of(&View::of(volume, None));
    assert_eq!(
        tags,
        [
            ("Name".to_owned(), "n".to_owned()),
            ("env".to_owned(), "prod".to_owned())
        ]
    );
    assert_eq!(content.instance(&addresses[1]).unwrap().deposed(), None);
    assert!(content.instance("aws_ebs_volume.e").is_none());
    let outputs: Vec<_> = content
        .outputs()
        .iter()
        .map(|output| (output.name(), output.is_sensitive()))
        .collect();
    assert_eq!(outputs, [("list", false), ("o", true)]);
    assert_eq!(
        content.outputs()[0].view(None).whole(100).text,
        r#"[1,"a",{"b":true}]"#
    );
    assert_eq!(content.outputs()[1].view(None).whole(100).text, SENSITIVE);
}

#[test]
fn providers_are_read_in_each_spelling() {
    for (spelled, source, alias) in [
        (
            r#"provider["registry.terraform.io/hashicorp/aws"]"#,
            "registry.terraform.io/hashicorp/aws",
            None,
        ),
        (
            r#"provider["registry.terraform.io/hashicorp/aws"].west"#,
            "registry.terraform.io/hashicorp/aws",
            Some("west"),
        ),
        (
            r#"module.a["x"].provider["terraform.io/builtin/terraform"].w"#,
            "terraform.io/builtin/terraform",
            Some("w"),
        ),
        ("provider.aws", "aws", None),
        ("module.a.provider.aws.west", "aws", Some("west")),
        ("something else", "something else", None),
        ("", "", None),
    ] {
        let provider = Provider::read(spelled);
        assert_eq!(
            (provider.source.as_str(), provider.alias.as_deref()),
            (source, alias),
            "{spelled}"
        );
    }
}

/// What the attributes of the only instance show.
fn shown(state: &str, json_state: Option<&str>) -> String {
    let content = content(state);
    let json_state = json_state.map(|text| ShownState::read(text.as_bytes()).unwrap());
    View::of(&content.instances()[0], json_state.as_ref())
        .whole(100_000)
        .text
}

fn check(state: &str, expected: &str) {
    assert_eq!(
        shown(state, None),
        expected.replace('*', "\"(sensitive)\""),
        "{state}"
    );
}

fn step(key: &str) -> String {
    format!(r#"{{"type":"get_attr","value":"{key}"}}"#)
}

#[test]
fn marks_hide_what_they_lead_to() {
    let index =
        |index: u32| format!(r#"{{"type":"index","value":{{"value":{index},"type":"number"}}}}"#);
    let text =
        |key: &str| format!(r#"{{"type":"index","value":{{"value":"{key}","type":"string"}}}}"#);
    let attributes = r#"{"a":1,"l":["x","y"],"m":{"k.k":"z","n":2}}"#;
    for (mark, expected) in [
        (step("a"), r#"{"a":*,"l":["x","y"],"m":{"k.k":"z","n":2}}"#),
        (
            format!("{},{}", step("l"), index(1)),
            r#"{"a":1,"l":["x",*],"m":{"k.k":"z","n":2}}"#,
        ),
        (
            format!("{},{}", step("m"), text("k.k")),
            r#"{"a":1,"l":["x","y"],"m":{"k.k":*,"n":2}}"#,
        ),
        (
            format!("{},{}", step("m"), step("n")),
            r#"{"a":1,"l":["x","y"],"m":{"k.k":"z","n":*}}"#,
        ),
        (
            format!(r#"{},{{"type":"index","value":0}}"#, step("l")),
            r#"{"a":1,"l":[*,"y"],"m":{"k.k":"z","n":2}}"#,
        ),
        // Leads nowhere: what it would lie in.
        (
            format!("{},{}", step("l"), index(2)),
            r#"{"a":1,"l":*,"m":{"k.k":"z","n":2}}"#,
        ),
        (
            format!("{},{}", step("m"), step("q")),
            r#"{"a":1,"l":["x","y"],"m":*}"#,
        ),
        (
            format!("{},{}", step("a"), step("q")),
            r#"{"a":*,"l":["x","y"],"m":{"k.k":"z","n":2}}"#,
        ),
        // An element of a set goes by its value.
        (
            format!(
                r#"{},{{"type":"index","value":{{"value":{{"x":1}},"type":["object",{{"x":"number"}}]}}}}"#,
                step("l")
            ),
            r#"{"a":1,"l":*,"m":{"k.k":"z","n":2}}"#,
        ),
        (String::new(), "\"(sensitive)\""),
    ] {
        let state = marked(attributes, &format!("[[{mark}]]"));
        let expected = if mark.is_empty() { SENSITIVE } else { expected };
        assert_eq!(
            shown(&state, None),
            expected.replace('*', "\"(sensitive)\""),
            "{mark}"
        );
    }
}

#[test]
fn marks_in_the_older_form_of_a_text_are_followed() {
    check(
        &marked(r#"{"a":[{"b":1}],"c":2}"#, r#"["a[0].b"]"#),
        r#"{"a":[{"b":*}],"c":2}"#,
    );
    check(&marked(r#"{"a":1,"c":2}"#, r#"["c"]"#), r#"{"a":1,"c":*}"#);
}

#[test]
fn marks_that_cannot_be_read_hide_everything() {
    for marks in [
        "{}",
        "true",
        "\"a\"",
        "[1]",
        "[{}]",
        "[[1]]",
        "[[{\"type\":\"get_attr\"}]]",
        "[[{\"type\":\"get_attr\",\"value\":7}]]",
        "[[{\"type\":\"other\",\"value\":\"a\"}]]",
        "[\"a[\"]",
        "[\"\"]",
        "[[],\"\"]",
    ] {
        assert_eq!(
            shown(&marked(r#"{"a":1}"#, marks), None),
            SENSITIVE,
            "{marks}"
        );
    }
    for marks in ["[]", "null"] {
        check(&marked(r#"{"a":1}"#, marks), r#"{"a":1}"#);
    }
}

/// Measured with 1.11.4: the value of an attribute without a type of its own has a layer that marks do not name.
#[test]
fn marks_reach_into_values_that_carry_their_type() {
    let attributes = r#"{"input":{"value":{"a":1,"pw":"x","value":2,"type":3},"type":["object",{"a":"number"}]}}"#;
    for (marks, expected) in [
        (
            format!("[[{},{}]]", step("input"), step("pw")),
            r#"{"input":{"type":["object",{"a":"number"}],"value":{"a":1,"pw":*,"type":3,"value":2}}}"#,
        ),
        (
            format!("[[{},{}]]", step("input"), step("value")),
            r#"{"input":{"type":["object",{"a":"number"}],"value":*}}"#,
        ),
        (
            format!("[[{},{}]]", step("input"), step("type")),
            r#"{"input":{"type":*,"value":{"a":1,"pw":"x","type":*,"value":2}}}"#,
        ),
        (format!("[[{}]]", step("input")), r#"{"input":*}"#),
    ] {
        check(&marked(attributes, &marks), expected);
    }
}

/// Measured with 1.11.4: `output` repeats `input`, secrets included, and has no marks.
#[test]
fn what_terraform_data_repeats_is_hidden_too() {
    let attributes = r#"{"id":"i","input":{"value":{"x":"c4n4ry"},"type":["object",{"x":"string"}]},"output":{"value":{"x":"c4n4ry"},"type":["object",{"x":"string"}]}}"#;
    let marks = format!(
        r#""sensitive_attributes":[[{},{}]]"#,
        step("input"),
        step("x")
    );
    let of = |marks: &str| {
        state(
            1,
            "",
            &[resource(
                "terraform_data",
                "d",
                &[instance(marks, attributes)],
            )],
        )
    };
    assert!(!shown(&of(&marks), None).contains(CANARY));
    assert!(shown(&of(""), None).contains(CANARY), "control");
    let json_state = r#"{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"terraform_data.d","sensitive_values":{"input":{"x":true},"output":{}}}]}}}"#;
    assert!(!shown(&of(""), Some(json_state)).contains(CANARY));
}

#[test]
fn secrets_are_hidden_by_name_at_any_depth() {
    for (attributes, expected) in [
        (r#"{"a":1,"password":"x"}"#, r#"{"a":1,"password":*}"#),
        (r#"{"password":""}"#, r#"{"password":*}"#),
        (
            r#"{"password":null,"manage_master_user_password":true}"#,
            r#"{"manage_master_user_password":true,"password":null}"#,
        ),
        (
            r#"{"environment":[{"variables":{"DB_PASSWORD":"x","HOST":"h"}}]}"#,
            r#"{"environment":[{"variables":{"DB_PASSWORD":*,"HOST":"h"}}]}"#,
        ),
        (
            r#"{"set":[{"name":"db.password","value":"x"},{"name":"host","value":"h"}]}"#,
            r#"{"set":[{"name":"db.password","value":*},{"name":"host","value":"h"}]}"#,
        ),
        (r#"{"p\u0061ssword":"x"}"#, r#"{"password":*}"#),
        (
            r#"{"c":"[{\"environment\":[{\"name\":\"API_TOKEN\",\"value\":\"x\"}]}]"}"#,
            r#"{"c":*}"#,
        ),
        (r#"{"c":"{\"p\\u0061ssword\":\"x\"}"}"#, r#"{"c":*}"#),
        (r#"{"c":"{\"a\":\"{\\\"secret\\\":1}\"}"}"#, r#"{"c":*}"#),
        (
            r#"{"c":"{\"a\":1}","d":"{password: x"}"#,
            r#"{"c":"{\"a\":1}","d":"{password: x"}"#,
        ),
    ] {
        check(&only(attributes), expected);
    }
    let carrier = state(
        1,
        "",
        &[resource(
            "random_password",
            "a",
            &[instance("", r#"{"length":4,"result":"x"}"#)],
        )],
    );
    check(&carrier, r#"{"length":4,"result":*}"#);
    let output = state(
        1,
        r#""db_password":{"value":"x","type":"string"},"o":{"value":{"token":"x","y":1},"type":"dynamic"}"#,
        &[],
    );
    let output = content(&output);
    let texts: Vec<_> = output
        .outputs()
        .iter()
        .map(|output| output.view(None).whole(99).text)
        .collect();
    assert_eq!(texts, [SENSITIVE, r#"{"token":"(sensitive)","y":1}"#]);
}

#[test]
fn the_json_state_hides_what_the_schema_says() {
    let json = |values: &str| {
        format!(
            r#"{{"format_version":"1.0","values":{{"outputs":{{"o":{{"sensitive":true}},"p":{{"sensitive":false}}}},"root_module":{{"resources":[{{"address":"aws_x.a","sensitive_values":{values}}}],"child_modules":[{{"address":"module.m"}}]}}}}}}"#
        )
    };
    let attributes = r#"{"a":"x","l":[{"b":"y","c":"z"}],"w":{"value":{"q":1},"type":["object"]}}"#;
    for (values, expected) in [
        ("{}", attributes),
        (
            r#"{"a":true}"#,
            r#"{"a":*,"l":[{"b":"y","c":"z"}],"w":{"type":["object"],"value":{"q":1}}}"#,
        ),
        (
            r#"{"l":[{"b":true}]}"#,
            r#"{"a":"x","l":[{"b":*,"c":"z"}],"w":{"type":["object"],"value":{"q":1}}}"#,
        ),
        (
            r#"{"l":[{},{"b":true}]}"#,
            r#"{"a":"x","l":*,"w":{"type":["object"],"value":{"q":1}}}"#,
        ),
        (
            r#"{"w":{"q":true}}"#,
            r#"{"a":"x","l":[{"b":"y","c":"z"}],"w":{"type":["object"],"value":{"q":*}}}"#,
        ),
        (r#"{"gone":true}"#, "*"),
        (r#"{"gone":{"x":[]},"a":false}"#, attributes),
        (
            r#"{"a":"odd"}"#,
            r#"{"a":*,"l":[{"b":"y","c":"z"}],"w":{"type":["object"],"value":{"q":1}}}"#,
        ),
        ("true", "*"),
        ("null", "*"),
    ] {
        let expected = expected.replace(
            r#""w":{"value":{"q":1},"type":["object"]}"#,
            r#""w":{"type":["object"],"value":{"q":1}}"#,
        );
        let expected = if expected == "*" {
            SENSITIVE.to_owned()
        } else {
            expected.replace('*', "\"(sensitive)\"")
        };
        assert_eq!(
            shown(&only(attributes), Some(&json(values))),
            expected,
            "{values}"
        );
    }
    let twice = json("{}").replace(
        r#""resources":["#,
        r#""resources":[{"address":"aws_x.a","sensitive_values":{}},"#,
    );
    assert_eq!(shown(&only(attributes), Some(&twice)), SENSITIVE);
    let text = json("{}");
    let marks = ShownState::read(text.as_bytes()).unwrap();
    let outputs = state(
        1,
        r#""o":{"value":1,"type":"number"},"p":{"value":2,"type":"number"}"#,
        &[],
    );
    let outputs = content(&outputs);
    let texts: Vec<_> = outputs
        .outputs()
        .iter()
        .map(|output| output.view(Some(&marks)).whole(99).text)
        .collect();
    assert_eq!(texts, [SENSITIVE, "2"]);
}

#[test]
fn what_is_no_json_state_is_refused_without_quoting_it() {
    for text in [
        "",
        "c4n4ry",
        "[\"c4n4ry\"]",
        "{\"c4n4ry\":1}",
        r#"{"values":7}"#,
        r#"{"values":{"root_module":{"resources":[{"c4n4ry":1}]}}}"#,
    ] {
        let error = ShownState::read(text.as_bytes()).expect_err(text);
        assert!(!error.to_string().contains(CANARY));
    }
    let deep = format!("{{\"values\":{}", "[".repeat(200));
    assert_eq!(
        ShownState::read(deep.as_bytes()).unwrap_err(),
        ShownError::NotJson
    );
    assert!(ShownState::read(br#"{"format_version":"1.0"}"#).is_ok());
}

#[test]
fn values_are_found_by_path_and_hidden_with_what_they_lie_in() {
    let state = marked(
        r#"{"a":{"b":[1,"c4n4ry"]},"tags":{"a.b":"t"}}"#,
        &format!("[[{}]]", step("a")),
    );
    let content = content(&state);
    let view = View::of(&content.instances()[0], None);
    let at = |path: &str| view.at(&path.parse().unwrap(), 99).map(|shown| shown.text);
    assert_eq!(at("a.b[1]").as_deref(), Some(SENSITIVE));
    assert_eq!(at("a.b").as_deref(), Some(SENSITIVE));
    assert_eq!(at("tags[\"a.b\"]").as_deref(), Some("t"));
    assert_eq!(at("tags"), Some(r#"{"a.b":"t"}"#.to_owned()));
    assert_eq!((at("nope"), at("tags[0]")), (None, None));
    let long = view.at(&"tags".parse().unwrap(), 5).unwrap();
    assert_eq!((long.text.as_str(), long.left_out_bytes), ("{\"a.b", 6));
}

#[test]
fn an_encrypted_state_is_named_as_such() {
    let sealed = br#"{"serial":7,"meta":{},"encrypted_data":"q83v","encryption_version":"v0"}"#;
    assert_eq!(Content::read(sealed).unwrap_err(), ContentError::Opaque);
}

#[test]
fn wrong_parts_are_refused_without_quoting_them() {
    let of = |instance: &str| state(1, "", &[resource("aws_x", "a", &[instance.to_owned()])]);
    for (text, words) in [
        (of("7"), "`instances` of each a list of objects"),
        (of("\"c4n4ry\""), "`instances` of each a list of objects"),
        (
            of(r#"{"attributes":"c4n4ry"}"#),
            "`attributes` of an instance must be an object at line 1",
        ),
        (of(r#"{"index_key":1.5}"#), "`index_key`"),
        (of(r#"{"index_key":{"c4n4ry":1}}"#), "`index_key`"),
        (of(r#"{"deposed":{"c4n4ry":1}}"#), "`deposed`"),
        (
            of(r#"{"attributes":{},"attributes":{"c4n4ry":1}}"#),
            "`attributes` is there twice",
        ),
        (
            of(r#"{"Attributes":{"c4n4ry":1}}"#),
            "`attributes` is spelled in other letters",
        ),
        (
            of(r#"{"dependencies":{"c4n4ry":1}}"#),
            "`dependencies` must be a list",
        ),
        (
            of("{}").replace("managed", "c4n4ry"),
            "`mode` of a resource must be `managed` or `data`",
        ),
        (
            of("{}").replace("\"type\":\"aws_x\"", "\"type\":[\"c4n4ry\"]"),
            "`type` of a resource must be a text",
        ),
        (
            state(1, "\"o\":\"c4n4ry\"", &[]),
            "`outputs` must be an object of objects",
        ),
        (
            state(1, "\"o\":{\"sensitive\":\"c4n4ry\"}", &[]),
            "`sensitive` of an output",
        ),
    ] {
        let error = Content::read(text.as_bytes()).expect_err(&text).to_string();
        assert!(
            error.contains(words) && !error.contains(CANARY),
            "{text}: {error}"
        );
    }
    let whole = of(&instance("", r#"{"a":"c4n4ry"}"#));
    for end in 0..whole.len() {
        if let Err(error) = Content::read(&whole.as_bytes()[..end]) {
            assert!(!error.to_string().contains(CANARY), "{error}");
        }
    }
}

#[test]
fn of_an_instance_that_stands_there_twice_the_last_one_counts() {
    let first = resource(
        "aws_x",
        "a",
        &[instance("", "{\"v\":1}"), instance("", "{\"v\":2}")],
    );
    let text = state(
        1,
        "",
        &[first, resource("aws_x", "a", &[instance("", "{\"v\":3}")])],
    );
    let content = content(&text);
    assert_eq!((content.instances().len(), content.repeated()), (1, 2));
    assert_eq!(content.instances()[0].attributes(), "{\"v\":3}");
}

#[test]
fn marks_made_to_cost_time_hide_everything_soon() {
    // Each layer can be taken for a value with its type, so that a mark of `value` alone has a path for each choice.
    let mut deep = "\"c4n4ry\"".to_owned();
    for _ in 0..100 {
        deep = format!(r#"{{"value":{deep},"type":1}}"#);
    }
    let mark = vec![step("value"); 100].join(",");
    let wide: Vec<_> = (0..20_000)
        .map(|key| format!("\"k{key}\":\"c4n4ry\""))
        .collect();
    let marks: Vec<_> = (0..20_000)
        .map(|key| format!("[{}]", step(&format!("k{key}"))))
        .collect();
    for (attributes, marks) in [
        (deep, format!("[[{mark}]]")),
        (
            format!("{{{}}}", wide.join(",")),
            format!("[{}]", marks.join(",")),
        ),
    ] {
        let started = Instant::now();
        assert!(!shown(&marked(&attributes, &marks), None).contains(CANARY));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_hundred_thousand_instances_are_read() {
    let instances: Vec<_> = (0..100_000)
        .rev()
        .map(|key| instance(&format!("\"index_key\":{key}"), "{\"n\":1e400}"))
        .collect();
    let text = state(1, "", &[resource("aws_x", "a", &instances)]);
    let content = content(&text);
    assert_eq!(content.instances().len(), 100_000);
    assert_eq!(content.instances()[99_999].address(), "aws_x.a[99999]");
    assert!(content.instance("aws_x.a[5]").is_some());
}

#[test]
fn random_marks_never_show_more_than_none() {
    let mut chance = Chance(1);
    for _ in 0..500 {
        let attributes = chance.object(0, "7");
        let marks = chance.value(0, "1");
        let plain = shown(&marked(&attributes, "[]"), None);
        let hidden = shown(&marked(&attributes, &marks), None);
        assert!(
            hidden.matches('7').count() <= plain.matches('7').count(),
            "{attributes} {marks}"
        );
    }
}
