//! What operations have in common: resources, documents, refusals, parameters and credentials.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::kinds::{self, Kind};
use crate::routes::operation::{Gives, Operation};

/// What makes schemas of answers.
fn writer() -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator()
}

/// A reference to a component.
pub(super) fn reference(of: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{of}/{name}") })
}

/// Puts a member into an object.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// What a variable part of an address is.
pub(super) fn part(name: &str) -> &'static str {
    match name {
        "organization" => "The name of an organization.",
        "name" => "The name of a workspace.",
        "workspace" => "The id of a workspace (`ws-…`).",
        "project" => "The id of a project (`prj-…`).",
        "team" => "The id of a team (`team-…`).",
        "pool" => "The id of a pool of agents (`apool-…`).",
        "job" => "The id of a job (`job-…`).",
        "varset" => "The id of a set of variables (`varset-…`).",
        "policyset" => "The id of a policy set (`polset-…`).",
        "bundle" => "The id of a version of a policy set (`polsetver-…`).",
        "estimate" => "The id of an estimate (`ce-…`).",
        "kind" => "`book`, `overlay` or `usage`.",
        "stage" => "The id of a stage of a run (`ts-…`).",
        "evaluation" => "The id of an evaluation (`poleval-…`).",
        "outcome" => "The id of what a policy set said (`psout-…`).",
        "notification" => "The id of a notification configuration (`nc-…`).",
        "version" => "The id of a version (`sv-…`).",
        "user" => "The id or name of an account.",
        "token" => "The id of a token.",
        "scope" => "`organization`, or the id of a project or workspace.",
        "house" => "The code of an organization.",
        "signature" => "The signature of the address.",
        _ => "An id.",
    }
}

/// An answer without a body.
pub(super) fn empty(words: &str) -> Value {
    json!({ "description": words, "headers": common() })
}

/// An answer of this media type.
pub(super) fn content(kind: &str, schema: Value) -> Value {
    json!({ "description": "It is this.", "headers": common(), "content": { kind: { "schema": schema } } })
}

/// An answer that is a document.
pub(super) fn answer(words: &str, schema: &Value, tagged: bool) -> Value {
    let mut headers = common();
    if tagged {
        set(&mut headers, "ETag", reference("headers", "etag"));
    }
    json!({ "description": words, "headers": headers, "content": { "application/vnd.api+json": { "schema": schema } } })
}

fn common() -> Value {
    json!({ "X-Request-Id": reference("headers", "request-id") })
}

/// The document that an operation answers.
pub(super) fn document(operation: &Operation) -> Value {
    let kind = operation.gives.kind().unwrap_or_default();
    let one = reference("schemas", kind);
    let mut fields = Map::new();
    let data = match operation.gives {
        Gives::Page(_) | Gives::List(_) => json!({ "type": "array", "items": one }),
        Gives::Perhaps(_) => json!({ "anyOf": [one, { "type": "null" }] }),
        _ => one,
    };
    fields.insert("data".to_owned(), data);
    let mut required = vec!["data"];
    if matches!(operation.gives, Gives::Page(_) | Gives::List(_)) {
        fields.insert("links".to_owned(), reference("schemas", "links"));
        required.push("links");
    }
    if matches!(operation.gives, Gives::Page(_)) {
        fields.insert("meta".to_owned(), reference("schemas", "meta"));
    }
    if !operation.includes.is_empty() {
        let kinds = operation.includes.iter().map(|name| kind_of(name));
        let kinds: Vec<Value> = kinds.map(|kind| reference("schemas", kind)).collect();
        let included = json!({ "type": "array", "items": { "anyOf": kinds } });
        fields.insert("included".to_owned(), included);
    }
    json!({ "type": "object", "required": required, "properties": fields })
}

/// The type of what can be included under this name.
fn kind_of(included: &'static str) -> &'static str {
    match included {
        "apply" => "applies",
        "configuration-version" => "configuration-versions",
        "cost-estimate" => "cost-estimates",
        "outputs" => "state-version-outputs",
        "plan" => "plans",
        "user" => "users",
        "workspace" => "workspaces",
        kind => kind,
    }
}

/// A type of resource. Attributes are not required, because a caller may want less; those that are there unless it does are
/// named in `x-always`.
fn resource(kind: &Kind) -> Value {
    let mut attributes = (kind.attributes)(&mut writer()).to_value();
    if let Value::Object(fields) = &mut attributes
        && let Some(always) = fields.remove("required")
    {
        fields.insert("x-always".to_owned(), always);
    }
    let links = ["self"].iter().chain(kind.links);
    let links: Map<String, Value> = links
        .map(|name| ((*name).to_owned(), json!({ "type": "string" })))
        .collect();
    let mut fields = json!({
        "type": { "const": kind.name },
        "id": { "type": "string" },
        "attributes": attributes,
        "links": { "type": "object", "properties": links },
    });
    if !kind.relations.is_empty() {
        let relation = |name: &&str| ((*name).to_owned(), reference("schemas", "relation"));
        let relations: Map<String, Value> = kind.relations.iter().map(relation).collect();
        let relations = json!({ "type": "object", "properties": relations });
        set(&mut fields, "relationships", relations);
    }
    json!({
        "type": "object",
        "description": kind.summary,
        "required": ["type", "id", "attributes"],
        "properties": fields,
    })
}

/// Every schema with a name.
pub(super) fn schemas() -> Value {
    let mut all: Map<String, Value> = Map::new();
    for kind in kinds::ALL {
        all.insert(kind.name.to_owned(), resource(kind));
    }
    let link = json!({ "type": ["string", "null"] });
    let count = json!({ "type": ["integer", "null"], "minimum": 0 });
    let others = [
        (
            "reference",
            json!({
                "type": "object",
                "required": ["id"],
                "properties": { "type": { "type": "string" }, "id": { "type": "string" } },
            }),
        ),
        (
            "relation",
            json!({
                "type": "object",
                "properties": {
                    "data": { "anyOf": [
                        reference("schemas", "reference"),
                        { "type": "null" },
                        { "type": "array", "items": reference("schemas", "reference") },
                    ] },
                    "links": { "type": "object", "properties": { "related": { "type": "string" } } },
                },
            }),
        ),
        (
            "sent-relations",
            json!({
                "type": "object",
                "description": "By name: references, or new things without an id.",
                "additionalProperties": { "type": "object", "properties": { "data": {} } },
            }),
        ),
        (
            "links",
            json!({
                "type": "object",
                "required": ["next"],
                "properties": { "self": link, "first": link, "last": link, "prev": link, "next": link },
            }),
        ),
        (
            "meta",
            json!({
                "type": "object",
                "required": ["pagination"],
                "additionalProperties": true,
                "properties": { "pagination": {
                    "type": "object",
                    "required": ["current-page", "page-size", "prev-page", "next-page", "total-pages", "total-count"],
                    "properties": {
                        "current-page": count, "page-size": count, "prev-page": count, "next-page": count,
                        "total-pages": count, "total-count": count,
                    },
                } },
            }),
        ),
        ("errors", errors()),
    ];
    all.extend(others.map(|(name, schema)| (name.to_owned(), schema)));
    all.into()
}

fn errors() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["errors"],
        "properties": { "errors": { "type": "array", "minItems": 1, "items": {
            "type": "object",
            "required": ["status", "code", "title", "detail", "meta"],
            "properties": {
                "status": text,
                "code": { "type": "string", "description": "For programs." },
                "title": text,
                "detail": { "type": "string", "description": "For people: what, which, and what next." },
                "meta": {
                    "type": "object",
                    "required": ["request-id"],
                    "additionalProperties": true,
                    "properties": { "request-id": text, "hint": text },
                },
            },
        } } },
    })
}

/// Every answer with a name.
pub(super) fn responses() -> Value {
    json!({
        "refusal": answer("It is refused; `errors` say why.", &reference("schemas", "errors"), false),
        "unchanged": { "description": "The caller has it already.", "headers": { "ETag": reference("headers", "etag") } },
    })
}

/// Every parameter with a name.
pub(super) fn parameters() -> Value {
    let page = json!({ "type": "integer", "minimum": 1 });
    json!({
        "page-number": { "name": "page[number]", "in": "query", "description": "Which page, from 1.", "schema": page },
        "page-size": {
            "name": "page[size]", "in": "query",
            "description": "How many on a page. More than there can be are as many as there can be.", "schema": page,
        },
        "if-none-match": {
            "name": "If-None-Match", "in": "header",
            "description": "The `ETag` of what the caller has.", "schema": { "type": "string" },
        },
        "idempotency-key": {
            "name": "Idempotency-Key", "in": "header",
            "description": "A text of the caller's choice, a UUID for example. The same request with the same key is not done twice \
                within 24 hours; another request with it is refused with 422.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
    })
}

/// Every header with a name.
pub(super) fn headers() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "request-id": { "description": "By which the log and the ledger know the request.", "schema": text },
        "etag": { "description": "The digest of the answer.", "schema": text },
    })
}

/// By what callers are known.
pub(super) fn security() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An API token." },
        "basic": { "type": "http", "scheme": "basic", "description": "An API token as the password; the name does not count." },
    })
}
