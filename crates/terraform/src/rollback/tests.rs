//! Claims about going back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::samples::{content, instance, resource, state};

fn preview(current: &str, target: &str) -> Preview {
    Preview::of(Side::of(&content(current)), Side::of(&content(target)))
}

#[test]
fn what_the_next_plan_will_make_of_it_is_said() {
    let of = |name: &str, attributes: &str| resource("aws_x", name, &[instance("", attributes)]);
    let data = |v: u32| of("d", &format!("{{\"v\":{v}}}")).replace("managed", "data");
    let current = state(
        9,
        r#""o":{"value":"new","type":"string"}"#,
        &[
            of("kept", "{}"),
            of("new", "{\"id\":\"n\"}"),
            of("there", "{\"id\":\"m\"}"),
            of("v", "{\"v\":\"canary\"}"),
            data(1),
        ],
    );
    let target = state(
        4,
        r#""o":{"value":"old","type":"string"}"#,
        &[
            of("kept", "{}"),
            of("gone", "{\"id\":\"g\"}"),
            of("here", "{\"id\":\"m\"}"),
            of("v", "{\"v\":\"then\"}"),
            data(2),
        ],
    );
    let preview = preview(&current, &target);
    let first = |addresses: &Addresses| (addresses.total, addresses.listed[0].address.clone());
    assert_eq!(first(&preview.forgotten), (1, "aws_x.new".to_owned()));
    assert_eq!(first(&preview.missing), (1, "aws_x.gone".to_owned()));
    assert_eq!(first(&preview.reverted), (1, "aws_x.v".to_owned()));
    assert_eq!(first(&preview.moved), (1, "aws_x.there".to_owned()));
    assert_eq!(
        preview.moved.listed[0].moves_to.as_deref(),
        Some("aws_x.here")
    );
    assert_eq!(preview.reverted.listed[0].attributes, ["v"]);
    assert_eq!((preview.outputs.total, preview.data_sources), (1, 1));
    let words = preview.to_string();
    for part in [
        "serial 4",
        "serial 9",
        "1 object in the current state will be forgotten",
        "aws_x.new",
        "create them again",
        "drift",
        "1 output will",
        "aws_x.there",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(
        !words.contains("canary") && !serde_json::to_string(&preview).unwrap().contains("canary")
    );
    assert!(!preview.is_quiet());
}

#[test]
fn going_back_to_the_same_is_quiet() {
    let of = |serial| {
        state(
            serial,
            "",
            &[resource("aws_x", "a", &[instance("", "{\"v\":1}")])],
        )
    };
    let preview = preview(&of(5), &of(2));
    assert!(preview.is_quiet());
    assert_eq!(preview.sentences().len(), 1);
    let other = of(2).replace("\"lineage\":\"l\"", "\"lineage\":\"m\"");
    assert!(
        super::tests::preview(&of(5), &other)
            .to_string()
            .contains("another lineage (m, now l)")
    );
}

#[test]
fn long_lists_are_counted_and_the_first_are_named() {
    let instances: Vec<_> = (0..600)
        .map(|key| instance(&format!("\"index_key\":{key}"), "{}"))
        .collect();
    let preview = preview(
        &state(2, "", &[resource("aws_x", "a", &instances)]),
        &state(1, "", &[]),
    );
    assert_eq!(
        (preview.forgotten.total, preview.forgotten.listed.len()),
        (600, ADDRESSES_MAX)
    );
    assert!(
        preview.to_string().contains("aws_x.a[4] and 595 more."),
        "{preview}"
    );
}

#[test]
fn only_the_digits_of_the_serial_change() {
    for (text, serial, expected) in [
        (
            r#"{"version":4,"serial":1,"lineage":"l"}"#,
            23,
            r#"{"version":4,"serial":23,"lineage":"l"}"#,
        ),
        (
            "\n{\"resources\":[{\"serial\":5,\"mode\":\"managed\"}],\"lineage\":\"serial\\\":7\", \"s\\u0065rial\" :  12345 , \"version\":4}\n",
            0,
            "\n{\"resources\":[{\"serial\":5,\"mode\":\"managed\"}],\"lineage\":\"serial\\\":7\", \"s\\u0065rial\" :  0 , \"version\":4}\n",
        ),
        (
            r#"{"version":4,"serial":7,"lineage":"é"}"#,
            SERIAL_MAX,
            r#"{"version":4,"serial":9007199254740991,"lineage":"é"}"#,
        ),
    ] {
        let result = restated(text.as_bytes(), serial).unwrap();
        assert_eq!(std::str::from_utf8(&result).unwrap(), expected);
    }
}

#[test]
fn what_cannot_be_restated_is_refused() {
    let state = br#"{"version":4,"serial":1,"lineage":"l"}"#;
    assert_eq!(
        restated(state, SERIAL_MAX + 1),
        Err(RestateError::Serial {
            serial: SERIAL_MAX + 1
        })
    );
    let sealed = br#"{"serial":7,"meta":{},"encrypted_data":"q83v","encryption_version":"v0"}"#;
    assert_eq!(
        restated(sealed, 8),
        Err(RestateError::Content(ContentError::Opaque))
    );
    assert!(restated(b"{", 8).is_err());
    assert!(restated(br#"{"version":4,"serial":1,"serial":2,"lineage":"l"}"#, 8).is_err());
}
