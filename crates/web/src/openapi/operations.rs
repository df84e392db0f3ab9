//! One operation, from what its route says.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use statehouse_model::Permission;

use super::parts::{self, reference, set};
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
        set(&mut told, "requestBody", request(operation, body));
    }
    if let Some(permission) = operation.needs {
        set(&mut told, "x-permission", permission.as_str().into());
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
    let mut all = of_path(route.path);
    let asks = operation.asks.iter();
    all.extend(asks.map(|(name, words)| query(name, words, &json!({ "type": "string" }))));
    if let Some(schema) = intake.query {
        all.extend(of_type(&schema(&mut reader()).to_value()));
    }
    if matches!(operation.gives, Gives::Page(_)) {
        all.push(reference("parameters", "page-number"));
        all.push(reference("parameters", "page-size"));
    }
    all.extend(of_answer(operation));
    if operation.once {
        all.push(reference("parameters", "idempotency-key"));
    }
    if operation.is_document() && route.method == "GET" {
        all.push(reference("parameters", "if-none-match"));
    }
    all.into()
}

fn query(name: &str, words: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": words, "schema": schema })
}

/// The variable parts of an address.
fn of_path(path: &str) -> Vec<Value> {
    let parts = path.split('/').filter_map(|part| part.strip_prefix('{'));
    let part = |part: &str| {
        let name = part.trim_end_matches('}');
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": parts::part(name),
            "schema": { "type": "string", "minLength": 1 },
        })
    };
    parts.map(part).collect()
}

/// The fields of a type that reads the query.
fn of_type(schema: &Value) -> Vec<Value> {
    let fields = schema.get("properties").and_then(Value::as_object);
    let field = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let Value::Object(told) = &mut schema else {
            return query(name, "", &schema);
        };
        let words = told.remove("description").unwrap_or_default();
        // The null of a parameter that is not there.
        let kinds = told.get("type").and_then(Value::as_array);
        if let Some(kind) = kinds.and_then(|kinds| kinds.first()).cloned() {
            told.insert("type".to_owned(), kind);
        }
        query(name, words.as_str().unwrap_or_default(), &schema)
    };
    fields.into_iter().flatten().map(field).collect()
}

/// What can be asked of the answer: what is beside it, its order, and less of it.
fn of_answer(operation: &Operation) -> Vec<Value> {
    let mut all = Vec::new();
    if !operation.includes.is_empty() {
        all.push(json!({
            "name": "include", "in": "query", "description": "What is to be beside the data.",
            "style": "form", "explode": false,
            "schema": { "type": "array", "items": { "enum": operation.includes } },
        }));
    }
    if !operation.sorts.is_empty() {
        let both = |by: &&str| [(*by).to_owned(), format!("-{by}")];
        let known: Vec<String> = operation.sorts.iter().flat_map(both).collect();
        let words = "The order of the list; with `-` the other way round.";
        all.push(query("sort", words, &json!({ "enum": known })));
    }
    if let Some(kind) = operation.gives.kind() {
        let words = "Attributes and relations that are wanted, separated by commas; all where this is not said.";
        all.push(query(
            &format!("fields[{kind}]"),
            words,
            &json!({ "type": "string" }),
        ));
    }
    all
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
        BodyOf::Plain(members) => {
            let schema = members(&mut reader());
            let content = json!({ "application/vnd.api+json": { "schema": schema } });
            return json!({ "required": false, "content": content });
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
                set(&mut data, "required", json!(["attributes"]));
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
        Gives::Accepted => say(202, parts::empty("It will be done.")),
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
