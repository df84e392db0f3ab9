//! The document of the API held against what is really answered: every answer of every test goes through [`check`].
//!
//! It knows nothing of the routes but the document. An answer must have a status that the operation tells, the media type that it
//! tells for it, and a body that is as its schema says, with nothing in it that the schema does not tell. What may be left out
//! because a caller wants less (`x-always`) must be there for a caller who said nothing of it.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};

use crate::support::Answer;

/// Refusals that are made before a route is known, or for every route alike.
const EVERYWHERE: [u16; 1] = [405];

/// Operations that were answered with success in this process, for the tests of the check itself.
static ANSWERED: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

/// The operation that `method` and `path` ask for.
fn operation(method: &str, path: &str) -> Option<(String, &'static Value)> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let paths = statehouse_web::openapi::document()["paths"]
        .as_object()
        .unwrap();
    let fits = |template: &&String| {
        let wanted: Vec<&str> = template.split('/').collect();
        let same = |(wanted, part): (&&str, &&str)| {
            wanted == part || wanted.starts_with('{') && !part.is_empty()
        };
        wanted.len() == parts.len() && wanted.iter().zip(&parts).all(same)
    };
    // A part that is named stands before one that is variable.
    let found = paths
        .keys()
        .filter(fits)
        .min_by_key(|template| template.matches('{').count())?;
    let operation = paths[found].get(method.to_lowercase())?;
    Some((found.clone(), operation))
}

fn followed(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(to) => {
            let pointer = to.strip_prefix('#').unwrap();
            statehouse_web::openapi::document()
                .pointer(pointer)
                .unwrap()
        }
        None => value,
    }
}

/// Fails unless this answer to `method` and `path` is as the document tells.
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    if !path.starts_with("/api/v2/") || EVERYWHERE.contains(&status) {
        return;
    }
    let Some((template, operation)) = operation(method, path) else {
        assert!(
            status == 404,
            "{method} {path} is not told and answers {status}"
        );
        return;
    };
    let at = format!("{method} {template}: {status}");
    let told = operation["responses"].get(status.to_string());
    let told = followed(told.unwrap_or_else(|| {
        panic!(
            "{at} is not told: {}",
            String::from_utf8_lossy(&answer.body)
        )
    }));
    if status < 300 {
        ANSWERED
            .lock()
            .unwrap()
            .insert(format!("{method} {template}"));
    }
    let Some(content) = told.get("content").and_then(Value::as_object) else {
        assert!(answer.body.is_empty(), "{at} has a body, and none is told");
        return;
    };
    let kind = answer.header("content-type");
    let schema = content
        .get(kind)
        .unwrap_or_else(|| panic!("{at} is of the type `{kind}`"));
    if kind == "application/vnd.api+json" {
        let whole = !path.contains("fields%5B") && !path.contains("fields[");
        let faults = faults(&schema["schema"], &answer.json(), whole);
        assert!(
            faults.is_empty(),
            "{at} is not as it is told:\n{}\n{}",
            faults.join("\n"),
            answer.text()
        );
    }
}

/// What of `value` is not as `schema` says; for a `whole` answer also what is missing of it.
fn faults(schema: &'static Value, value: &Value, whole: bool) -> Vec<String> {
    let mut found = Vec::new();
    compare(schema, value, whole, "", &mut found);
    found
}

fn compare(schema: &'static Value, value: &Value, whole: bool, at: &str, found: &mut Vec<String>) {
    let schema = followed(schema);
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let tried: Vec<Vec<String>> = choices
            .iter()
            .map(|choice| faults(choice, value, whole))
            .collect();
        if !tried.iter().any(Vec::is_empty) {
            found.push(format!("{at}: fits no choice: {tried:?}"));
        }
    }
    if let Some(wanted) = schema.get("const")
        && wanted != value
    {
        found.push(format!("{at}: {value} is not {wanted}"));
    }
    if let Some(wanted) = schema.get("enum").and_then(Value::as_array)
        && !wanted.contains(value)
    {
        found.push(format!("{at}: {value} is none of {wanted:?}"));
    }
    if let Some(wanted) = schema.get("type") {
        let kinds = wanted
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![wanted.clone()]);
        if !kinds.iter().any(|kind| is(value, kind.as_str().unwrap())) {
            found.push(format!("{at}: {value} is not of the type {wanted}"));
            return;
        }
    }
    if schema.get("format") == Some(&json!("date-time"))
        && let Some(text) = value.as_str()
        && !(text.ends_with('Z') && text.contains('T'))
    {
        found.push(format!("{at}: {text} is no instant"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for (index, each) in values.iter().enumerate() {
            compare(items, each, whole, &format!("{at}/{index}"), found);
        }
    }
    if let Some(fields) = value.as_object() {
        object(schema, fields, whole, at, found);
    }
}

fn object(
    schema: &'static Value,
    fields: &serde_json::Map<String, Value>,
    whole: bool,
    at: &str,
    found: &mut Vec<String>,
) {
    let names = |of: &str| {
        schema
            .get(of)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let always = names("x-always").filter(|_| whole);
    for name in names("required").chain(always).filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            found.push(format!("{at}: `{name}` is missing"));
        }
    }
    let Some(told) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let more = schema.get("additionalProperties");
    for (name, value) in fields {
        match (told.get(name), more) {
            (Some(schema), _) => compare(schema, value, whole, &format!("{at}/{name}"), found),
            (None, Some(Value::Bool(true))) => {}
            (None, Some(more)) if more.is_object() => {
                compare(more, value, whole, &format!("{at}/{name}"), found);
            }
            (None, _) => found.push(format!("{at}: `{name}` is not told")),
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the check does not know the type `{other}`"),
    }
}

#[test]
fn the_check_finds_what_is_not_told() {
    let document = &statehouse_web::openapi::document()["components"]["schemas"];
    let tag = |attributes: Value| json!({ "type": "tags", "id": "t", "attributes": attributes });
    let of = |value: &Value, whole: bool| faults(&document["tags"], value, whole).join("; ");
    let right = tag(json!({ "name": "a", "instance-count": 1 }));
    assert_eq!(of(&right, true), "");
    let less = tag(json!({ "name": "a" }));
    assert_eq!(of(&less, false), "");
    for (wrong, words) in [
        (less, "`instance-count` is missing"),
        (
            tag(json!({ "name": "a", "instance-count": 1, "more": 2 })),
            "`more` is not told",
        ),
        (
            tag(json!({ "name": 7, "instance-count": 1 })),
            "not of the type",
        ),
        (
            tag(json!({ "name": "a", "instance-count": -1.5 })),
            "not of the type",
        ),
        (
            json!({ "type": "teams", "id": "t", "attributes": { "name": "a", "instance-count": 1 } }),
            "is not \"tags\"",
        ),
        (
            json!({ "type": "tags", "attributes": { "name": "a", "instance-count": 1 } }),
            "`id` is missing",
        ),
        (json!([]), "not of the type"),
    ] {
        assert!(
            of(&wrong, true).contains(words),
            "{wrong}: {}",
            of(&wrong, true)
        );
    }
    assert_eq!(
        operation("GET", "/api/v2/users/user-1?x").unwrap().0,
        "/api/v2/users/{user}"
    );
    assert_eq!(
        operation("GET", "/api/v2/state-versions/sv-1/diff")
            .unwrap()
            .0,
        "/api/v2/state-versions/{version}/diff"
    );
    assert!(operation("PUT", "/api/v2/ping").is_none());
}

/// Which operations were answered with success, of those that the document tells.
pub(crate) fn unanswered() -> Vec<String> {
    let answered = ANSWERED.lock().unwrap();
    let paths = statehouse_web::openapi::document()["paths"]
        .as_object()
        .unwrap()
        .iter();
    let told = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    told.filter(|told| !answered.contains(told)).collect()
}
