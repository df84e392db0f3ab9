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
    meta: Option<Value>,
}

impl Document {
    /// One resource.
    pub(crate) fn one(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            links: None,
            meta: None,
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

    /// A page of a list by its number, as the clients of `/api/v2` count them. A list without `meta.pagination` ends for
    /// them after its first page.
    pub(crate) fn page(
        resources: Vec<Value>,
        pagination: Option<Pagination>,
        next: Option<String>,
    ) -> Self {
        Self {
            meta: pagination.map(|pagination| json!({ "pagination": pagination.to_json() })),
            ..Self::list(resources, next)
        }
    }

    /// Tells more of the document itself.
    pub(crate) fn told<const N: usize>(mut self, more: [(&str, Value); N]) -> Self {
        let meta = self.meta.take().unwrap_or_else(|| json!({}));
        self.meta = Some(with(meta, more));
        self
    }
}

/// Which page of how many.
#[derive(Clone, Copy)]
pub(crate) struct Pagination {
    pub(crate) number: u64,
    pub(crate) size: usize,
    pub(crate) total: u64,
}

impl Pagination {
    fn pages(self) -> u64 {
        self.total.div_ceil(self.size.max(1) as u64).max(1)
    }

    /// The number of the page after this one.
    pub(crate) fn next(self) -> Option<u64> {
        (self.number < self.pages()).then(|| self.number + 1)
    }

    fn to_json(self) -> Value {
        json!({
            "current-page": self.number,
            "page-size": self.size,
            "prev-page": (self.number > 1).then(|| self.number - 1),
            "next-page": self.next(),
            "total-pages": self.pages(),
            "total-count": self.total,
        })
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([("data".to_owned(), self.data)]);
        if let Some(links) = self.links {
            body.insert("links".to_owned(), links);
        }
        if let Some(meta) = self.meta {
            body.insert("meta".to_owned(), meta);
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

/// A document of terraform's own clients: attributes that are not known are passed over, because each version of a client
/// sends more of them, and what it relates to counts, too. No body at all is a document without either.
pub(crate) struct Sent<T> {
    pub(crate) attributes: T,
    pub(crate) relationships: Relationships,
}

/// What a sent document relates to.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Relationships(Map<String, Value>);

impl Relationships {
    fn data(&self, name: &str) -> Option<&Value> {
        self.0.get(name)?.get("data").filter(|data| !data.is_null())
    }

    /// The id of the one thing that it relates to under `name`.
    pub(crate) fn id(&self, name: &str) -> Option<&str> {
        self.data(name)?.get("id")?.as_str()
    }

    /// Everything that it relates to under `name`.
    pub(crate) fn all<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<Item<T>>, Problem> {
        let data = self.data(name).cloned().unwrap_or_else(|| json!([]));
        serde_json::from_value(data)
            .map_err(|error| Problem::invalid(format!("`{name}` cannot be read: {error}")))
    }
}

/// One of several things in a document: new ones have no id.
#[derive(Deserialize)]
pub(crate) struct Item<T> {
    pub(crate) id: Option<String>,
    pub(crate) attributes: Option<T>,
}

/// Several things in a document.
pub(crate) struct SentList<T>(pub(crate) Vec<Item<T>>);

#[derive(Deserialize)]
struct SentWhole {
    data: SentData,
}

#[derive(Deserialize)]
struct SentData {
    attributes: Option<Map<String, Value>>,
    relationships: Option<Relationships>,
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let form = r#"send {"data":{"type":"…","attributes":{…}}}"#;
    Problem::invalid(format!("the document cannot be read: {error}; {form}"))
}

fn sent<T: DeserializeOwned>(bytes: &Bytes) -> Result<Sent<T>, Problem> {
    let bytes: &[u8] = if bytes.trim_ascii().is_empty() {
        br#"{"data":{}}"#
    } else {
        bytes
    };
    let whole: SentWhole = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let attributes = Value::Object(whole.data.attributes.unwrap_or_default());
    Ok(Sent {
        attributes: serde_json::from_value(attributes).map_err(|error| unreadable(&error))?,
        relationships: whole.data.relationships.unwrap_or_default(),
    })
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let whole = Whole::<body::Json>::from_request(request, state).await?;
        sent(&whole.bytes)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SentList<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Listed<T> {
            data: Vec<Item<T>>,
        }
        let whole = Whole::<body::Json>::from_request(request, state).await?;
        let listed: Listed<T> =
            serde_json::from_slice(&whole.bytes).map_err(|error| unreadable(&error))?;
        Ok(Self(listed.data))
    }
}

/// An object with these members more.
pub(super) fn with<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    if let Value::Object(members) = &mut object {
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// A relation to one thing, or to nothing.
pub(crate) fn to(kind: &str, id: Option<&str>) -> Value {
    let data = id.map(|id| json!({ "type": kind, "id": id }));
    json!({ "data": data })
}

/// A secret in a document: kept out of `Debug`, and wiped when it is dropped.
pub(crate) struct Secret(pub(crate) secrecy::SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
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

    #[test]
    fn a_list_says_which_page_of_how_many_it_is() {
        let check = |number, total, expected: Value| {
            let pagination = Pagination {
                number,
                size: 2,
                total,
            };
            let got = pagination.to_json();
            let got = ["prev-page", "next-page", "total-pages"].map(|name| got[name].clone());
            assert_eq!(json!(got), expected);
        };
        check(1, 0, json!([null, null, 1]));
        check(1, 5, json!([null, 2, 3]));
        check(3, 5, json!([2, null, 3]));
    }

    #[derive(Deserialize)]
    struct Reason {
        reason: Option<String>,
    }

    #[test]
    fn a_sent_document_may_have_anything_beside_what_counts() {
        let text = r#"{"data":{"type":"","attributes":{"reason":"x","new":[1]},
            "relationships":{"project":{"data":{"type":"projects","id":"prj-1"}},"run":{"data":null}}}}"#;
        let read: Sent<Reason> = sent(&Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!(read.attributes.reason.as_deref(), Some("x"));
        assert_eq!(read.relationships.id("project"), Some("prj-1"));
        assert_eq!(read.relationships.id("run"), None);
        let nothing: Sent<Reason> = sent(&Bytes::new()).unwrap();
        assert!(nothing.attributes.reason.is_none());
        assert!(sent::<Reason>(&Bytes::from_static(b"[]")).is_err());
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
