//! The document of `/api/v2`, in `OpenAPI` 3.1, made from the table of routes.
//!
//! It holds every route of `/api/v2` and no other; what a route takes is read off its handler, what it answers off the type that is
//! written down, and the tests hold every answer of theirs against it. The text is the same in every process of a version, and
//! a copy of it is kept in the repository (`crates/web/openapi.json`), so that a change of the interface is seen as one.

pub(crate) mod kinds;
mod operations;
mod parts;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::routes::ROUTES;

/// The version of the interface. It grows with everything that a client could trip over.
const VERSION: &str = "2.6.0";

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", *DOCUMENT));

/// The document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Its text.
pub fn text() -> &'static str {
    &TEXT
}

fn make() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Statehouse",
            "version": VERSION,
            "summary": "Terraform and OpenTofu state: sealed, versioned, locked, attributed and provable.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths(),
        "components": {
            "schemas": parts::schemas(),
            "responses": parts::responses(),
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "securitySchemes": parts::security(),
        },
    })
}

const DESCRIPTION: &str = "\
Documents are JSON:API 1.1 (`application/vnd.api+json`). Names have hyphens, instants are RFC 3339 in UTC.\n\n\
A refusal is a document with `errors`, each with a `detail` for people, a `code` for programs and, in `meta`, the `request-id` \
that the server's log and its ledger know it by. What does not exist, what belongs to somebody else and what the caller may not \
see are one and the same 404.\n\n\
Lists are cut into pages (`page[number]`, `page[size]`); `links.next` leads on. `fields[TYPE]` leaves out what is not wanted of a \
type. What cannot be included or sorted by is refused with 400.\n\n\
A `GET` of a document carries an `ETag`; the same with `If-None-Match` is answered 304 when nothing changed.\n\n\
A creation with an `Idempotency-Key` is answered again, and not done again, when the same caller repeats it within 24 hours.";

/// By path and method. `LOCK` and `UNLOCK` are of `/state`, which is the contract of terraform's `http` backend and not told here.
fn paths() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let Some(operation) = &route.operation else {
            continue;
        };
        let told = operations::operation(route, operation);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.to_lowercase(), told);
        }
    }
    paths.into()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use std::collections::BTreeSet;

    use super::*;

    const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

    #[test]
    fn every_route_of_the_api_is_told_and_nothing_else() {
        let routes = ROUTES
            .iter()
            .filter(|route| route.path.starts_with("/api/v2/"));
        let routes: BTreeSet<String> = routes.map(|route| format!("{route:?}")).collect();
        let paths = document()["paths"].as_object().unwrap().iter();
        let told = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        assert_eq!(told.collect::<BTreeSet<_>>(), routes);
        assert!(routes.len() > 100, "{}", routes.len());
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        let mut open = vec![document()];
        while let Some(value) = open.pop() {
            match value {
                Value::Array(values) => open.extend(values),
                Value::Object(fields) => {
                    if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = to.strip_prefix('#').unwrap();
                        assert!(document().pointer(pointer).is_some(), "{to}");
                    }
                    if let Some(name) = fields.get("operationId").and_then(Value::as_str) {
                        assert!(names.insert(name), "{name} twice");
                    }
                    open.extend(fields.values());
                }
                _ => {}
            }
        }
        assert!(names.len() > 100);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "whoever runs the tests says so by the environment"
    )]
    fn the_kept_document_is_the_one_that_is_served() {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs_err::write(KEPT, text()).unwrap();
        }
        let kept = fs_err::read_to_string(KEPT).unwrap_or_default();
        let differs = text()
            .lines()
            .zip(kept.lines())
            .position(|(now, kept)| now != kept);
        assert!(
            kept == text(),
            "the interface changed (line {differs:?} of {KEPT}); if it is meant, review it: UPDATE_GOLDEN=1"
        );
    }
}
