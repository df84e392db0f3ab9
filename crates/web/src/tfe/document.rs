//! JSON:API documents (<https://jsonapi.org/format/1.1/>), as much of it as is needed: resources with attributes, lists with a
//! link to the next page, and documents that carry the attributes of a request.
//!
//! Writing is strict, reading is half tolerant: terraform's clients leave `type` empty or say things we do not know beside
//! `attributes`, so that is passed over; an attribute that is not known is refused, because an expiry that was spelled wrong
//! must not become a grant for ever.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::instant;
use crate::body::{self, Whole};
use crate::problem::{JSON_API, Problem};

/// An answer: a document and its status.
pub(crate) struct Document {
    status: StatusCode,
    data: Value,
    links: Option<Value>,
}

impl Document {
    /// One resource.
    pub(crate) fn one(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            links: None,
        }
    }

    /// One resource, just made.
    pub(crate) fn made(data: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::one(data)
        }
    }

    /// A list, and the address of its next page when there may be one.
    pub(crate) fn list(resources: Vec<Value>, next: Option<String>) -> Self {
        Self {
            links: Some(json!({ "next": next })),
            ..Self::one(resources.into())
        }
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([("data".to_owned(), self.data)]);
        if let Some(links) = self.links {
            body.insert("links".to_owned(), links);
        }
        (
            self.status,
            [(CONTENT_TYPE, JSON_API)],
            Value::Object(body).to_string(),
        )
            .into_response()
    }
}

/// A resource of a view of the core: its `id` is the resource's, every other field an attribute.
pub(crate) fn resource(kind: &str, view: &impl Serialize) -> Result<Value, Problem> {
    let mut fields = fields(view)?;
    let id = fields.remove("id").unwrap_or_default();
    Ok(json!({ "type": kind, "id": id, "attributes": attributes(fields) }))
}

/// The same, for a view that has no id of its own.
pub(crate) fn resource_named(
    kind: &str,
    id: &str,
    view: &impl Serialize,
) -> Result<Value, Problem> {
    Ok(json!({ "type": kind, "id": id, "attributes": attributes(fields(view)?) }))
}

/// Resources of views.
pub(crate) fn resources<V: Serialize>(kind: &str, views: &[V]) -> Result<Vec<Value>, Problem> {
    views.iter().map(|view| resource(kind, view)).collect()
}

fn fields(view: &impl Serialize) -> Result<Map<String, Value>, Problem> {
    match serde_json::to_value(view) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Problem::defect("a view is no JSON object")),
    }
}

/// Fields as attributes: `locked_at` is `locked-at`, and what ends so is an instant.
fn attributes(fields: Map<String, Value>) -> Map<String, Value> {
    let attribute = |(name, value): (String, Value)| {
        let instant = value
            .as_i64()
            .filter(|_| name.ends_with("_at"))
            .and_then(instant::format);
        (name.replace('_', "-"), instant.map_or(value, Value::String))
    };
    fields.into_iter().map(attribute).collect()
}

/// The attributes of a request's document. No body at all is a document without attributes.
pub(crate) struct Attributes<T>(pub(crate) T);

#[derive(Deserialize)]
struct Wrapped<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    attributes: T,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Attributes<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let whole = Whole::<body::Json>::from_request(request, state).await?;
        read(&whole.bytes).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() {
        br#"{"data":{"attributes":{}}}"#
    } else {
        bytes
    };
    let wrapped: Wrapped<T> = serde_json::from_slice(bytes).map_err(|error| {
        let form = r#"send {"data":{"attributes":{…}}}"#;
        Problem::invalid(format!("the document cannot be read: {error}; {form}"))
    })?;
    Ok(wrapped.data.attributes)
}

/// A secret in a document: kept out of `Debug`, and wiped when it is dropped.
pub(crate) struct Secret(pub(crate) secrecy::SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// What is asked of a list.
#[derive(Deserialize)]
pub(crate) struct Page {
    /// How many.
    #[serde(rename = "page[size]")]
    pub(crate) size: Option<usize>,
    /// After this name.
    #[serde(rename = "page[after]")]
    pub(crate) after: Option<String>,
    /// Before this instant.
    #[serde(rename = "page[before]")]
    pub(crate) before: Option<String>,
}

impl Page {
    /// How many to answer: at least one, at most `max`, which is also what is answered unasked.
    pub(crate) fn size(&self, max: usize) -> usize {
        self.size.unwrap_or(max).clamp(1, max)
    }
}

/// The address of the page after this one: `cursor` is `page[…]`, and `at` is from where. Neither has a character that an
/// address would have to escape, but for the brackets and the colons, which are.
pub(crate) fn next(path: &str, size: usize, cursor: &str, at: &str) -> String {
    format!(
        "{path}?page%5Bsize%5D={size}&page%5B{cursor}%5D={}",
        at.replace(':', "%3A")
    )
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

    use super::*;

    #[derive(Serialize)]
    struct View {
        id: &'static str,
        locked_at: Option<i64>,
        lock_id: Option<&'static str>,
        size: u64,
    }

    #[test]
    fn a_view_is_written_with_hyphens_and_readable_instants() {
        let view = View {
            id: "ws-1",
            locked_at: Some(0),
            lock_id: None,
            size: 7,
        };
        let expected = json!({
            "type": "workspaces",
            "id": "ws-1",
            "attributes": { "locked-at": "1970-01-01T00:00:00.000000Z", "lock-id": null, "size": 7 },
        });
        assert_eq!(resource("workspaces", &view).unwrap(), expected);
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Wish {
        reason: String,
        life_days: Option<u32>,
    }

    fn check(body: &'static str, expected: Result<(&str, Option<u32>), ()>) {
        let got = read::<Wish>(&Bytes::from_static(body.as_bytes()));
        let expected = expected.map(|(reason, life_days)| Wish {
            reason: reason.to_owned(),
            life_days,
        });
        assert_eq!(got.map_err(|_| ()), expected, "{body}");
    }

    #[test]
    fn what_terraform_leaves_empty_is_passed_over_and_a_misspelled_attribute_is_not() {
        check(
            r#"{"data":{"type":"","attributes":{"reason":"x"}}}"#,
            Ok(("x", None)),
        );
        check(
            r#"{"data":{"id":7,"relationships":{},"attributes":{"reason":"x","life-days":3}}}"#,
            Ok(("x", Some(3))),
        );
        check(
            r#"{"data":{"attributes":{"reason":"x","life_days":3}}}"#,
            Err(()),
        );
        check(r#"{"data":{"attributes":{}}}"#, Err(()));
        check(r#"{"data":{}}"#, Err(()));
        check(r#"{"reason":"x"}"#, Err(()));
        check(r#"{"data":{"attributes":{"reason":"x"}"#, Err(()));
        check("", Err(()));
    }
}
