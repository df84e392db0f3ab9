//! More of JSON:API: what a list is asked, pages by number, what is included beside the data, and the relations of a request.
//!
//! Attributes that clients send by habit and that mean nothing here are taken only when they say nothing ([`only`]): what would
//! not be kept is refused, and named.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::body::{self, Whole};
use crate::problem::{JSON_API, Problem};

/// Items of a page that nobody gave a size, as the platform's clients expect.
const PAGE_DEFAULT: usize = 20;
/// Items of a page at most.
const PAGE_MAX: usize = 100;
/// References in one relation of a request.
const REFERENCES_MAX: usize = 500;

/// What a list or a resource is asked.
#[derive(Deserialize, Default)]
pub(crate) struct Query {
    #[serde(rename = "page[number]")]
    number: Option<usize>,
    #[serde(rename = "page[size]")]
    size: Option<usize>,
    include: Option<String>,
    /// A part of a name.
    pub(crate) q: Option<String>,
    /// These names and no others, separated by commas.
    #[serde(rename = "filter[names]")]
    pub(crate) names: Option<String>,
    #[serde(rename = "filter[status]")]
    pub(crate) status: Option<String>,
    #[serde(rename = "filter[email]")]
    pub(crate) email: Option<String>,
    #[serde(rename = "filter[workspace][id]")]
    pub(crate) workspace: Option<String>,
    #[serde(rename = "filter[project][id]")]
    pub(crate) project: Option<String>,
}

impl Query {
    /// What is to be included; each must be one of `known`.
    pub(crate) fn includes(&self, known: &[&str]) -> Result<Vec<String>, Problem> {
        let text = self.include.as_deref().unwrap_or_default();
        let asked: Vec<String> = text
            .split(',')
            .map(|word| word.trim().replace('_', "-"))
            .filter(|word| !word.is_empty())
            .collect();
        match asked.iter().find(|word| !known.contains(&word.as_str())) {
            None => Ok(asked),
            Some(unknown) => Err(Problem::invalid(format!(
                "`{unknown}` cannot be included here; known: {}",
                known.join(", ")
            ))),
        }
    }

    /// The page of `all` that was asked for.
    pub(crate) fn page<T>(&self, path: &str, all: Vec<T>) -> Result<(Vec<T>, Pages), Problem> {
        let (number, size) = (self.number.unwrap_or(1), self.size.unwrap_or(PAGE_DEFAULT));
        if number == 0 || size == 0 {
            return Err(Problem::invalid(
                "pages are counted from 1 and hold something",
            ));
        }
        let size = size.min(PAGE_MAX);
        let count = all.len();
        let pages = Pages {
            path: path.to_owned(),
            number,
            size,
            count,
            rest: self.rest(),
        };
        let skipped = (number - 1).saturating_mul(size);
        Ok((all.into_iter().skip(skipped).take(size).collect(), pages))
    }

    /// Everything but the page, for the link to the next one.
    fn rest(&self) -> String {
        let pairs = [
            ("include", &self.include),
            ("q", &self.q),
            ("filter[names]", &self.names),
            ("filter[status]", &self.status),
            ("filter[email]", &self.email),
            ("filter[workspace][id]", &self.workspace),
            ("filter[project][id]", &self.project),
        ];
        let pair = |(name, value): (&str, &Option<String>)| {
            let value = value.as_ref()?;
            Some(format!("&{}={}", escaped(name), escaped(value)))
        };
        pairs.into_iter().filter_map(pair).collect()
    }
}

/// A text as a part of a query. (RFC 3986 §2.3)
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Where a page stands among the others.
pub(crate) struct Pages {
    path: String,
    number: usize,
    size: usize,
    count: usize,
    rest: String,
}

impl Pages {
    fn last(&self) -> usize {
        self.count.div_ceil(self.size).max(1)
    }

    fn link(&self, number: usize) -> String {
        let Self {
            path, size, rest, ..
        } = self;
        format!("{path}?page%5Bnumber%5D={number}&page%5Bsize%5D={size}{rest}")
    }

    fn next(&self) -> Option<usize> {
        (self.number < self.last()).then(|| self.number.saturating_add(1))
    }

    fn meta(&self) -> Value {
        let previous = (self.number > 1).then(|| self.number - 1);
        json!({ "pagination": {
            "current-page": self.number,
            "page-size": self.size,
            "prev-page": previous,
            "next-page": self.next(),
            "total-pages": self.last(),
            "total-count": self.count,
        } })
    }
}

/// An answer with what belongs to it.
pub(crate) struct Answer {
    status: StatusCode,
    data: Value,
    included: Vec<Value>,
    pages: Option<Pages>,
}

impl Answer {
    /// One resource.
    pub(crate) fn one(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            included: Vec::new(),
            pages: None,
        }
    }

    /// One resource, just made.
    pub(crate) fn made(data: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::one(data)
        }
    }

    /// A page of a list.
    pub(crate) fn list(data: Vec<Value>, pages: Pages) -> Self {
        Self {
            pages: Some(pages),
            ..Self::one(data.into())
        }
    }

    /// With these resources beside the data, each once.
    pub(crate) fn including(mut self, resources: Vec<Value>) -> Self {
        let key = |each: &Value| (text_of(each, "type"), text_of(each, "id"));
        let once: BTreeMap<_, _> = resources
            .into_iter()
            .map(|each| (key(&each), each))
            .collect();
        self.included = once.into_values().collect();
        self
    }
}

fn text_of(resource: &Value, name: &str) -> String {
    resource[name].as_str().unwrap_or_default().to_owned()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([("data".to_owned(), self.data)]);
        if !self.included.is_empty() {
            body.insert("included".to_owned(), self.included.into());
        }
        if let Some(pages) = &self.pages {
            let links = json!({
                "self": pages.link(pages.number),
                "first": pages.link(1),
                "last": pages.link(pages.last()),
                "next": pages.next().map(|number| pages.link(number)),
            });
            body.insert("links".to_owned(), links);
            body.insert("meta".to_owned(), pages.meta());
        }
        let body = Value::Object(body).to_string();
        (self.status, [(CONTENT_TYPE, JSON_API)], body).into_response()
    }
}

/// A reference to one resource.
pub(crate) fn to_one(kind: &str, id: &str) -> Value {
    json!({ "data": { "type": kind, "id": id } })
}

/// References to several.
pub(crate) fn to_many<'a>(kind: &str, ids: impl IntoIterator<Item = &'a str>) -> Value {
    let each = |id| json!({ "type": kind, "id": id });
    json!({ "data": ids.into_iter().map(each).collect::<Vec<Value>>() })
}

/// A reference as a request states it.
#[derive(Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type", default)]
    kind: String,
    id: String,
}

impl Reference {
    /// Its id, when it is of this kind. Clients that leave the kind empty mean the only one that fits.
    fn of(self, kind: &str) -> Result<String, Problem> {
        if self.kind.is_empty() || self.kind == kind {
            return Ok(self.id);
        }
        let words = format!(
            "a reference is of the type `{}`, and `{kind}` is meant",
            self.kind
        );
        Err(Problem::unprocessable(words))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Linked {
    Many(Vec<Reference>),
    One(Option<Reference>),
}

#[derive(Deserialize)]
struct Relation {
    data: Linked,
}

#[derive(Deserialize)]
struct Sent<D> {
    data: D,
}

/// A resource as a request states it: attributes and relations.
#[derive(Deserialize)]
pub(crate) struct Stated<T> {
    /// Its attributes.
    pub(crate) attributes: T,
    #[serde(default)]
    relationships: BTreeMap<String, Relation>,
}

impl<T> Stated<T> {
    /// The id that a relation refers to.
    pub(crate) fn one<I: FromStr>(&mut self, name: &str, kind: &str) -> Result<I, Problem> {
        let missing = || Problem::unprocessable(format!("the relation `{name}` is missing"));
        let relation = self.relationships.remove(name).ok_or_else(missing)?;
        let Linked::One(Some(reference)) = relation.data else {
            return Err(missing());
        };
        crate::auth::id(&reference.of(kind)?)
    }

    /// The ids that a relation refers to; none when it is not there.
    pub(crate) fn many<I: FromStr>(&mut self, name: &str, kind: &str) -> Result<Vec<I>, Problem> {
        match self
            .relationships
            .remove(name)
            .map(|relation| relation.data)
        {
            None | Some(Linked::One(None)) => Ok(Vec::new()),
            Some(Linked::One(Some(one))) => Ok(vec![crate::auth::id(&one.of(kind)?)?]),
            Some(Linked::Many(many)) => ids(many, kind)?
                .iter()
                .map(|id| crate::auth::id(id))
                .collect(),
        }
    }
}

fn ids(references: Vec<Reference>, kind: &str) -> Result<Vec<String>, Problem> {
    if references.len() > REFERENCES_MAX {
        let words = format!("at most {REFERENCES_MAX} references at once; send several requests");
        return Err(Problem::unprocessable(words));
    }
    references.into_iter().map(|each| each.of(kind)).collect()
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Stated<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let whole = Whole::<body::Json>::from_request(request, state).await?;
        let bytes: &[u8] = match &*whole.bytes {
            // Clients that have nothing to say send nothing, or `null`.
            b"" | b"null" => br#"{"data":{"attributes":{}}}"#,
            some => some,
        };
        let mut sent: Value = read(bytes)?;
        if let Some(data) = sent.get_mut("data").and_then(Value::as_object_mut) {
            data.entry("attributes").or_insert_with(|| json!({}));
        }
        let sent: Sent<Self> = serde_json::from_value(sent).map_err(unreadable)?;
        Ok(sent.data)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    let form = r#"send {"data":{"attributes":{…},"relationships":{…}}}"#;
    Problem::invalid(format!("the document cannot be read: {error}; {form}"))
}

/// A list of references as the whole document.
pub(crate) struct References(Vec<Reference>);

impl References {
    /// Their ids, when all are of this kind.
    pub(crate) fn of(self, kind: &str) -> Result<Vec<String>, Problem> {
        ids(self.0, kind)
    }
}

impl<S: Send + Sync> FromRequest<S> for References {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let whole = Whole::<body::Json>::from_request(request, state).await?;
        let sent: Result<Sent<Vec<Reference>>, _> = serde_json::from_slice(&whole.bytes);
        let form = r#"send {"data":[{"type":…,"id":…}]}"#;
        let wrong =
            |error| Problem::invalid(format!("the document cannot be read: {error}; {form}"));
        sent.map(|sent| Self(sent.data)).map_err(wrong)
    }
}

/// Refuses attributes that would not be kept: each must be null, or what it is anyway.
pub(crate) fn only(rest: &Map<String, Value>, shown: &Value) -> Result<(), Problem> {
    let says_nothing = |name: &str, value: &Value| {
        let empty = value.is_null() || value == &json!(false) || value == &json!("");
        empty || shown.get(name) == Some(value)
    };
    match rest.iter().find(|(name, value)| !says_nothing(name, value)) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::unprocessable(format!(
            "`{name}` cannot be set here: nothing would follow from it"
        ))),
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

    fn pages(number: usize, size: usize, expected: &[usize], next: Option<usize>) {
        let query = Query {
            number: Some(number),
            size: Some(size),
            q: Some("a b".to_owned()),
            ..Query::default()
        };
        let (page, pages) = query.page("/x", (1..=5).collect()).unwrap();
        assert_eq!(page, expected);
        let meta = pages.meta();
        assert_eq!(meta["pagination"]["next-page"], json!(next));
        assert_eq!(meta["pagination"]["total-count"], 5);
        assert!(pages.link(2).ends_with("&q=a%20b"), "{}", pages.link(2));
    }

    #[test]
    fn a_list_is_cut_into_pages_that_lead_to_each_other() {
        pages(1, 2, &[1, 2], Some(2));
        pages(3, 2, &[5], None);
        pages(4, 2, &[], None);
        pages(1, 100_000, &[1, 2, 3, 4, 5], None);
        pages(usize::MAX, 100, &[], None);
        let none = Query {
            number: Some(0),
            ..Query::default()
        };
        assert!(none.page("/x", vec![1]).is_err());
    }

    #[test]
    fn a_relation_of_another_kind_is_refused() {
        let text = r#"{"data":{"attributes":{},"relationships":{
            "team":{"data":{"type":"teams","id":"team-1"}},
            "other":{"data":{"type":"users","id":"team-1"}},
            "bare":{"data":{"id":"team-1"}}, "none":{"data":null}}}}"#;
        let mut sent: Sent<Stated<Value>> = serde_json::from_str(text).unwrap();
        let one = |sent: &mut Sent<Stated<Value>>, name| sent.data.one::<String>(name, "teams");
        assert_eq!(one(&mut sent, "team").unwrap(), "team-1");
        assert_eq!(one(&mut sent, "bare").unwrap(), "team-1");
        assert!(one(&mut sent, "other").is_err());
        assert!(one(&mut sent, "none").is_err());
        assert!(one(&mut sent, "missing").is_err());
    }

    #[test]
    fn what_would_not_be_kept_is_refused() {
        let check = |rest: Value, kept: bool| {
            let rest = rest.as_object().unwrap().clone();
            assert_eq!(
                only(&rest, &json!({ "plan": "own" })).is_ok(),
                kept,
                "{rest:?}"
            );
        };
        check(json!({ "x": null, "y": false, "z": "" }), true);
        check(json!({ "plan": "own" }), true);
        check(json!({ "plan": "other" }), false);
        check(json!({ "x": true }), false);
    }
}
