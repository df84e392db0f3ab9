//! One operation, from what its route says.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use statehouse_model::Permission;

use super::parts::{self, reference};
use crate::routes::Route;
use crate::routes::operation::{BodyOf, Credential, Gives, Intake, Operation};

/// What makes schemas of requests: everything in place, because their types have no names that mean anything outside.
fn reader() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// The operation, as the document has it.
pub(super) fn operation(route: &Route, operation: &Operation) -> Value {
    let intake = (route.intake)();
    let mut told = json!({
        "operationId": name(route),
        "summary": operation.summary,
        "tags": [group(route.path)],
        "parameters": parameters(route, operation, &intake),
        "security": security(intake.credential),
        "responses": responses(route, operation, &intake),
    });
    if let Some(body) = intake.body {
        told["requestBody"] = request(operation, body);
    }
    if let Some(permission) = operation.needs {
        told["x-permission"] = permission.as_str().into();
    }
    told
}

/// A name that says what is done: the method and the address in one word.
fn name(route: &Route) -> String {
    let verb = match route.method {
        "GET" => "read",
        "PATCH" => "change",
        "DELETE" => "delete",
        "PUT" => "send",
        _ => "post",
    };
    let path = route.path.strip_prefix("/api/v2/").unwrap_or(route.path);
    let words = path
        .split(['/', '-', '.'])
        .map(|word| match word.strip_prefix('{') {
            Some(part) => format!("by-{}", part.trim_end_matches('}')),
            None => word.to_owned(),
        });
    let words: Vec<String> = words.collect();
    format!("{verb}-{}", words.join("-"))
}

/// What an address is about: the last part of it that names a collection.
fn group(path: &str) -> String {
    let path = path.strip_prefix("/api/v2/").unwrap_or(path);
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.first() == Some(&"organizations")
        && parts.len() > 2
        && parts.get(2) != Some(&"actions")
    {
        parts.drain(..2);
    }
    parts.first().copied().unwrap_or_default().replace('-', " ")
}

fn security(credential: Credential) -> Value {
    match credential {
        Credential::None | Credential::Signature => json!([]),
        Credential::Token => json!([{ "bearer": [] }, { "basic": [] }]),
        Credential::Either => json!([{}, { "bearer": [] }, { "basic": [] }]),
    }
}

fn parameters(route: &Route, operation: &Operation, intake: &Intake) -> Value {
    let mut all = Vec::new();
    let parts = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{'));
    for part in parts {
        let name = part.trim_end_matches('}');
        all.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": parts::part(name),
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    let query = |name: &str, words: &str, schema: Value| json!({ "name": name, "in": "query", "description": words, "schema": schema });
    for (name, words) in operation.asks {
        all.push(query(name, words, json!({ "type": "string" })));
    }
    if let Some(schema) = intake.query {
        let schema = schema(&mut reader()).to_value();
        let fields = schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        for (name, mut schema) in fields {
            let words = schema
                .as_object_mut()
                .and_then(|fields| fields.remove("description"));
            let words = words.unwrap_or_default();
            all.push(query(
                &name,
                words.as_str().unwrap_or_default(),
                plain(&schema),
            ));
        }
    }
    if matches!(operation.gives, Gives::Page(_)) {
        all.push(reference("parameters", "page-number"));
        all.push(reference("parameters", "page-size"));
    }
    let words = |name: &str, words: &str, known: Vec<String>| {
        json!({
            "name": name, "in": "query", "description": words, "style": "form", "explode": false,
            "schema": { "type": "array", "items": { "enum": known } },
        })
    };
    if !operation.includes.is_empty() {
        let known = operation.includes.iter().map(|word| (*word).to_owned());
        all.push(words(
            "include",
            "What is to be beside the data.",
            known.collect(),
        ));
    }
    if !operation.sorts.is_empty() {
        let known = operation
            .sorts
            .iter()
            .flat_map(|by| [(*by).to_owned(), format!("-{by}")]);
        let known: Vec<String> = known.collect();
        let schema = json!({ "enum": known });
        all.push(query(
            "sort",
            "The order of the list; with `-` the other way round.",
            schema,
        ));
    }
    if let Some(kind) = operation.gives.kind() {
        let name = format!("fields[{kind}]");
        let words = "Attributes and relations that are wanted, separated by commas; all where this is not said.";
        all.push(query(&name, words, json!({ "type": "string" })));
    }
    if operation.once {
        all.push(reference("parameters", "idempotency-key"));
    }
    if operation.is_document() && route.method == "GET" {
        all.push(reference("parameters", "if-none-match"));
    }
    all.into()
}

/// A schema without the null that stands for a parameter that is not there.
fn plain(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(kind) = schema["type"]
        .as_array()
        .and_then(|kinds| kinds.first())
        .cloned()
    {
        schema["type"] = kind;
    }
    schema
}

fn request(operation: &Operation, body: BodyOf) -> Value {
    let kind = operation.takes.map_or_else(
        || json!({ "type": "string" }),
        |kind| json!({ "enum": [kind, ""] }),
    );
    let (schema, needed) = match body {
        BodyOf::Bytes => {
            let schema = json!({ "description": "A state, as terraform writes it." });
            let content = json!({ "application/json": { "schema": schema }, "application/octet-stream": { "schema": {} } });
            return json!({ "required": true, "content": content });
        }
        BodyOf::Document(attributes) => {
            let attributes = attributes(&mut reader()).to_value();
            let needed = attributes.get("required").is_some();
            let mut data = json!({
                "type": "object",
                "properties": {
                    "type": kind,
                    "attributes": attributes,
                    "relationships": reference("schemas", "sent-relations"),
                },
            });
            if needed {
                data["required"] = json!(["attributes"]);
            }
            (data, needed)
        }
        BodyOf::Items(attributes) => {
            let item = json!({
                "type": "object",
                "properties": { "type": kind, "id": { "type": "string" }, "attributes": attributes(&mut reader()) },
            });
            (json!({ "type": "array", "items": item }), true)
        }
        BodyOf::References => (
            json!({ "type": "array", "items": reference("schemas", "reference") }),
            true,
        ),
    };
    let schema =
        json!({ "type": "object", "required": ["data"], "properties": { "data": schema } });
    let content = json!({ "application/vnd.api+json": { "schema": schema } });
    json!({ "required": needed, "content": content })
}

/// What it answers: what it gives, and the refusals that can come instead.
fn responses(route: &Route, operation: &Operation, intake: &Intake) -> Value {
    let mut all: Map<String, Value> = Map::new();
    let mut say = |status: u16, answer: Value| drop(all.insert(status.to_string(), answer));
    match operation.gives {
        Gives::Nothing => say(204, parts::empty("It is done.")),
        Gives::Taken => say(200, parts::empty("It is stored.")),
        Gives::Bytes(kind) => say(200, parts::content(kind, json!({}))),
        Gives::State => {
            say(200, parts::content("application/json", json!({})));
            say(204, parts::empty("There is no state yet."));
        }
        gives => {
            let made = matches!(gives, Gives::Made(_) | Gives::Put(_));
            let schema = parts::document(operation);
            if !matches!(gives, Gives::Made(_)) {
                say(
                    200,
                    parts::answer("It is so.", &schema, route.method == "GET"),
                );
            }
            if made {
                say(201, parts::answer("It is made.", &schema, false));
            }
            if route.method == "GET" {
                say(304, reference("responses", "unchanged"));
            }
        }
    }
    for status in refusals(route, operation, intake) {
        say(status, reference("responses", "refusal"));
    }
    all.into()
}

/// By which statuses it can be refused.
fn refusals(route: &Route, operation: &Operation, intake: &Intake) -> Vec<u16> {
    let mut all = vec![400];
    let changes = route.method != "GET";
    if intake.credential != Credential::None || operation.once || route.path.ends_with("/login") {
        all.extend([401, 403]);
    }
    if route.path.contains('{') || intake.credential != Credential::None {
        all.push(404);
    }
    if intake.body.is_some() {
        all.extend([408, 413]);
    }
    // What a state holds cannot be told when a person removed it, or the client encrypted it.
    let holds = [
        Permission::StateRead,
        Permission::OutputRead,
        Permission::OutputReadSensitive,
    ];
    let content = operation.needs.is_some_and(|needs| holds.contains(&needs));
    if changes || content || matches!(operation.gives, Gives::State) {
        all.extend([409, 422, 423]);
    }
    if matches!(operation.gives, Gives::Page(_))
        || intake.query.is_some()
        || operation.is_document()
    {
        all.push(422);
    }
    all.extend([429, 500, 503]);
    all.sort_unstable();
    all.dedup();
    all
}
