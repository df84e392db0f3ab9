//! The reference of the API, as a page: the document of [`crate::openapi`] in the order in which people look for things. For anybody:
//! it tells nothing of what is stored.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::page::Page;
use crate::openapi;

/// Attributes of a type within a type that are told one by one.
const DEPTH_MAX: usize = 2;

/// The page.
pub(crate) async fn show() -> Response {
    let document = openapi::document();
    let groups = groups(document);
    let frame = Page {
        title: "API reference",
        ..Page::default()
    };
    let main = html! {
        h1 { "API reference" }
        @for part in text(at(document, "/info"), "description").split("\n\n") { p.lead { (words(part)) } }
        p { "For programs: " a href="/api/v2/openapi.json" { "openapi.json" } " (OpenAPI 3.1)." }
        nav.card aria-label="What the API is about" {
            p.columns { @for name in groups.keys() { a href={ "#" (anchor(name)) } { (name) } " " } a href="#types" { "Types of resources" } }
        }
        @for (name, operations) in &groups {
            section id=(anchor(name)) {
                h2 { (capital(name)) }
                @for told in operations { (operation(document, told)) }
            }
        }
        section id="types" {
            h2 { "Types of resources" }
            @for (name, schema) in fields(at(document, "/components/schemas")) {
                @if at(schema, "/properties").get("attributes").is_some() { (kind(name, schema)) }
            }
        }
    };
    frame.show(StatusCode::OK, &main)
}

/// An operation, with where it is.
struct Told<'d> {
    method: String,
    path: &'d str,
    operation: &'d Value,
}

fn groups(document: &Value) -> BTreeMap<&str, Vec<Told<'_>>> {
    let mut groups: BTreeMap<&str, Vec<Told<'_>>> = BTreeMap::new();
    for (path, methods) in fields(at(document, "/paths")) {
        for (method, operation) in fields(methods) {
            let group = at(operation, "/tags/0").as_str().unwrap_or_default();
            groups.entry(group).or_default().push(Told {
                method: method.to_uppercase(),
                path,
                operation,
            });
        }
    }
    groups
}

fn operation(document: &Value, told: &Told<'_>) -> Markup {
    let Told {
        method,
        path,
        operation,
    } = told;
    let parameters = at(operation, "/parameters").as_array();
    let parameters = parameters
        .into_iter()
        .flatten()
        .map(|each| followed(document, each));
    let body = at(
        operation,
        "/requestBody/content/application~1vnd.api+json/schema/properties/data",
    );
    let attributes = [
        at(body, "/properties/attributes"),
        at(body, "/items/properties/attributes"),
    ];
    html! {
        details.card id=(text(operation, "operationId")) {
            summary { code { strong { (method) } " " (path) } br; (text(operation, "summary")) }
            dl.facts {
                @if let Some(permission) = at(operation, "/x-permission").as_str() { div { dt { "Needs" } dd { code { (permission) } } } }
                @else if at(operation, "/security").as_array().is_some_and(Vec::is_empty) { div { dt { "Needs" } dd { "no token" } } }
                @for parameter in parameters {
                    div { dt { code { (text(parameter, "name")) } } dd { (text(parameter, "description")) " " (known(at(parameter, "/schema"))) } }
                }
                @for (name, schema) in attributes.into_iter().flat_map(|each| fields(at(each, "/properties"))) {
                    div { dt { code { (name) } } dd { "attribute: " (shape(schema)) " " (text(schema, "description")) } }
                }
                div { dt { "Answers" } dd { (answers(operation)) } }
            }
        }
    }
}

/// What an operation answers: statuses, and the type of what is in a document.
fn answers(operation: &Value) -> Markup {
    let responses = || fields(at(operation, "/responses"));
    html! {
        @for (status, response) in responses() {
            @let data = at(response, "/content/application~1vnd.api+json/schema/properties/data");
            @let one = at(data, "/$ref").as_str().or_else(|| at(data, "/items/$ref").as_str()).or_else(|| at(data, "/anyOf/0/$ref").as_str());
            @let kind = one.and_then(|to| to.rsplit('/').next());
            @if let Some(kind) = kind {
                (status) ": " @if at(data, "/items").is_object() { "list of " } a href={ "#type-" (kind) } { (kind) } ". "
            } @else if status.starts_with('2') {
                (status) ". "
            }
        }
        "Refused with "
        @for (status, _) in responses() { @if status.starts_with(['4', '5']) { (status) " " } }
    }
}

fn kind(name: &str, schema: &Value) -> Markup {
    let relations = fields(at(schema, "/properties/relationships/properties"));
    html! {
        details.card id={ "type-" (name) } {
            summary { code { strong { (name) } } br; (text(schema, "description")) }
            dl.facts {
                (properties(at(schema, "/properties/attributes"), "", 1))
                @for (name, _) in relations { div { dt { code { (name) } } dd { "relation" } } }
            }
        }
    }
}

fn properties(schema: &Value, before: &str, depth: usize) -> Markup {
    html! {
        @for (name, schema) in fields(at(schema, "/properties")) {
            @let name = format!("{before}{name}");
            div { dt { code { (name) } } dd { (shape(schema)) " " (text(schema, "description")) } }
            @if depth < DEPTH_MAX { (properties(schema, &format!("{name}."), depth + 1)) }
        }
    }
}

/// What a value is, in a few words.
fn shape(schema: &Value) -> String {
    if let Some(items) = schema.get("items").filter(|items| items.is_object()) {
        return format!("list of {}", shape(items));
    }
    if let Some(format) = at(schema, "/format")
        .as_str()
        .filter(|format| *format == "date-time")
    {
        return format.to_owned();
    }
    match at(schema, "/type") {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

/// The values that a parameter can have, where they are few.
fn known(schema: &Value) -> String {
    let values = at(schema, "/enum")
        .as_array()
        .or_else(|| at(schema, "/items/enum").as_array());
    let values = values.into_iter().flatten().filter_map(Value::as_str);
    values.collect::<Vec<_>>().join(", ")
}

/// A parameter, or the one that it refers to.
fn followed<'d>(document: &'d Value, parameter: &'d Value) -> &'d Value {
    let to = at(parameter, "/$ref")
        .as_str()
        .and_then(|to| to.strip_prefix('#'));
    to.and_then(|to| document.pointer(to)).unwrap_or(parameter)
}

/// What is at a JSON pointer; null where nothing is.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn anchor(name: &str) -> String {
    name.replace(' ', "-")
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

/// A text in which what stands between backquotes is code.
fn words(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
