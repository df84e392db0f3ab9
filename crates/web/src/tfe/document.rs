//! Answers of JSON:API (<https://jsonapi.org/format/1.1/>), as much of it as is needed: resources with attributes and relations,
//! lists that say where their other pages are, and what belongs to them beside the data.
//!
//! A document is not bytes yet: it leaves the handler as it was made, and is written down by [`crate::reply`], which knows
//! what the caller wants to have of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::query::Pages;

/// An answer: a document and its status.
pub(crate) struct Document {
    status: StatusCode,
    data: Value,
    included: Vec<Value>,
    links: Option<Value>,
    meta: Option<Value>,
}

/// A document on its way to the edge; in an answer's extensions.
#[derive(Clone)]
pub(crate) struct Said(pub(crate) Arc<Value>);

impl Document {
    /// One resource.
    pub(crate) fn one(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            included: Vec::new(),
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

    /// A whole list.
    pub(crate) fn list(resources: Vec<Value>) -> Self {
        Self {
            links: Some(json!({ "next": null })),
            ..Self::one(resources.into())
        }
    }

    /// A page of a list. Clients that count pages take a list without `meta.pagination` for one that ends here.
    pub(crate) fn page(resources: Vec<Value>, pages: &Pages) -> Self {
        Self {
            links: Some(pages.links()),
            meta: Some(json!({ "pagination": pages.meta() })),
            ..Self::one(resources.into())
        }
    }

    /// A page of a list that goes on after its last item, whatever comes or goes meanwhile. How many items there are is told
    /// on the first page alone.
    pub(crate) fn onward(
        resources: Vec<Value>,
        first: Option<&Pages>,
        next: Option<String>,
    ) -> Self {
        Self {
            links: Some(json!({ "next": next })),
            meta: first.map(|pages| json!({ "pagination": pages.meta() })),
            ..Self::one(resources.into())
        }
    }

    /// Tells more of the document itself.
    pub(crate) fn told<const N: usize>(mut self, more: [(&str, Value); N]) -> Self {
        let more = more.map(|(name, value)| (name.to_owned(), value));
        match &mut self.meta {
            Some(Value::Object(meta)) => meta.extend(more),
            meta => *meta = Some(Value::Object(Map::from_iter(more))),
        }
        self
    }

    /// With these resources beside the data, each once.
    pub(crate) fn including(mut self, resources: Vec<Value>) -> Self {
        let text =
            |resource: &Value, name: &str| resource[name].as_str().unwrap_or_default().to_owned();
        let key = |each: &Value| (text(each, "type"), text(each, "id"));
        let once: BTreeMap<_, _> = resources
            .into_iter()
            .map(|each| (key(&each), each))
            .collect();
        self.included = once.into_values().collect();
        self
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([("data".to_owned(), self.data)]);
        if !self.included.is_empty() {
            body.insert("included".to_owned(), self.included.into());
        }
        if let Some(links) = self.links {
            body.insert("links".to_owned(), links);
        }
        if let Some(meta) = self.meta {
            body.insert("meta".to_owned(), meta);
        }
        let mut response = self.status.into_response();
        let said = Said(Arc::new(Value::Object(body)));
        response.extensions_mut().insert(said);
        response
    }
}

/// A relation to one thing, or to nothing.
pub(crate) fn to(kind: &str, id: Option<&str>) -> Value {
    let data = id.map(|id| json!({ "type": kind, "id": id }));
    json!({ "data": data })
}

/// A relation to one thing.
pub(crate) fn to_one(kind: &str, id: &str) -> Value {
    to(kind, Some(id))
}

/// A relation to several.
pub(crate) fn to_many<'a>(kind: &str, ids: impl IntoIterator<Item = &'a str>) -> Value {
    let each = |id| json!({ "type": kind, "id": id });
    json!({ "data": ids.into_iter().map(each).collect::<Vec<Value>>() })
}
