//! Documents of JSON:API as clients send them: attributes, relations, and lists of references.
//!
//! Reading is tolerant where terraform's clients are loose: a `type` may be empty or missing, nothing at all is a document
//! without attributes, and what stands beside the attributes is passed over. It is strict where a mistake would have
//! consequences: another `type` than the address takes is refused, a list in the place of an object is refused, and whether an
//! attribute that is not known is passed over or refused is said by the type that is read. Attributes that clients send by
//! habit and that mean nothing here are taken only when they say nothing ([`only`]): what would not be kept is refused, and named.

use std::borrow::Cow;
use std::str::FromStr;

use axum::extract::{FromRequest, Request};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::auth;
use crate::body::{self, Whole};
use crate::problem::Problem;

/// References in one relation of a request.
const REFERENCES_MAX: usize = 500;
/// What a document looks like, for whoever sent another.
const FORM: &str = r#"send {"data":{"type":"…","attributes":{…},"relationships":{…}}}"#;
const LIST_FORM: &str = r#"send {"data":[{"type":"…","id":"…"}]}"#;
/// What clients send that have nothing to say.
const NOTHING: [&[u8]; 2] = [b"", b"null"];

/// The type of resource that an address takes, in a request's extensions. Clients that leave it out mean this one.
#[derive(Clone, Copy)]
pub(crate) struct Expected(pub(crate) &'static str);

/// The attributes of a request's document.
pub(crate) struct Attributes<T>(pub(crate) T);

/// A document with what it relates to.
pub(crate) struct Sent<T> {
    pub(crate) attributes: T,
    pub(crate) relationships: Relationships,
}

/// One of several things in a document: new ones have no id.
#[derive(Deserialize)]
pub(crate) struct Item<T> {
    pub(crate) id: Option<String>,
    pub(crate) attributes: Option<T>,
}

/// Several things in a document.
pub(crate) struct SentList<T>(pub(crate) Vec<Item<T>>);

/// An object without the form of a document, as clients send it with an act; nothing at all is an empty one.
pub(crate) struct Plain<T>(pub(crate) T);

/// References as the whole document.
pub(crate) struct References(Vec<Reference>);

#[derive(Deserialize)]
struct Envelope<'b> {
    #[serde(borrow)]
    data: &'b RawValue,
}

#[derive(Deserialize)]
struct Data<'b> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    attributes: Option<&'b RawValue>,
    relationships: Option<Relationships>,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
}

fn unreadable(error: impl std::fmt::Display, form: &str) -> Problem {
    Problem::invalid(format!("the document cannot be read: {error}; {form}"))
}

/// An object, and not a list of its members, which serde would take as well.
fn object<'b, T: Deserialize<'b>>(text: &'b str, what: &str) -> Result<T, Problem> {
    if !text.trim_start().starts_with('{') {
        return Err(unreadable(format!("{what} is no object"), FORM));
    }
    serde_json::from_str(text).map_err(|error| unreadable(error, FORM))
}

/// The text of a document; nothing where there is nothing.
fn text(bytes: &[u8]) -> Result<Option<&str>, Problem> {
    let bytes = bytes.trim_ascii();
    if NOTHING.contains(&bytes) {
        return Ok(None);
    }
    if holds_nul(bytes) {
        // One of the two databases has no such character.
        return Err(unreadable("a text holds the character U+0000", FORM));
    }
    let text = std::str::from_utf8(bytes);
    text.map(Some).map_err(|error| unreadable(error, FORM))
}

/// Whether a JSON text has the character U+0000, which can only be escaped in it.
fn holds_nul(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let escaped = rest.get(at + 1..).unwrap_or_default();
        if escaped.starts_with(b"u0000") {
            return true;
        }
        rest = escaped.get(1..).unwrap_or_default();
    }
    false
}

/// Refuses a document about another type of thing. (JSON:API 1.1, 409 of creating and updating)
fn of_kind(kind: Option<&str>, expected: Option<Expected>) -> Result<(), Problem> {
    match (kind, expected) {
        (Some(kind), Some(Expected(expected))) if !kind.is_empty() && kind != expected => {
            let shown: String = kind.chars().take(64).collect();
            Err(Problem::conflict(
                &format!(
                    "the document is of the type `{shown}`, and this address takes `{expected}`"
                ),
                "send the right type, or leave it out",
            ))
        }
        _ => Ok(()),
    }
}

fn sent<T: DeserializeOwned>(bytes: &[u8], expected: Option<Expected>) -> Result<Sent<T>, Problem> {
    let text = text(bytes)?.unwrap_or(r#"{"data":{}}"#);
    let envelope: Envelope<'_> = object(text, "it")?;
    let data: Data<'_> = object(envelope.data.get(), "`data`")?;
    of_kind(data.kind.as_deref(), expected)?;
    let attributes = data.attributes.map_or("{}", RawValue::get);
    Ok(Sent {
        attributes: object(attributes, "`attributes`")?,
        relationships: data.relationships.unwrap_or_default(),
    })
}

fn list<T: DeserializeOwned>(bytes: &[u8], expected: Option<Expected>) -> Result<Vec<T>, Problem> {
    #[derive(Deserialize)]
    struct Listed<'b> {
        #[serde(borrow)]
        data: Vec<&'b RawValue>,
    }
    let text = text(bytes)?.ok_or_else(|| unreadable("it is empty", LIST_FORM))?;
    let listed: Listed<'_> = object(text, "it")?;
    if listed.data.len() > REFERENCES_MAX {
        return Err(too_many());
    }
    let item = |raw: &&RawValue| {
        let typed: Typed = object(raw.get(), "one of `data`")?;
        of_kind(typed.kind.as_deref(), expected)?;
        object(raw.get(), "one of `data`")
    };
    listed.data.iter().map(item).collect()
}

fn too_many() -> Problem {
    let words = format!("at most {REFERENCES_MAX} references at once; send several requests");
    Problem::unprocessable(words)
}

async fn whole<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<(Whole<body::Json>, Option<Expected>), Problem> {
    let expected = request.extensions().get::<Expected>().copied();
    Ok((Whole::from_request(request, state).await?, expected))
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Attributes<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (whole, expected) = whole(request, state).await?;
        Ok(Self(sent(&whole.bytes, expected)?.attributes))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (whole, expected) = whole(request, state).await?;
        sent(&whole.bytes, expected)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Plain<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (whole, _) = whole(request, state).await?;
        object(text(&whole.bytes)?.unwrap_or("{}"), "it").map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for SentList<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (whole, expected) = whole(request, state).await?;
        list(&whole.bytes, expected).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for References {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (whole, expected) = whole(request, state).await?;
        list(&whole.bytes, expected).map(Self)
    }
}

impl References {
    /// Their ids, when all are of this kind.
    pub(crate) fn of(self, kind: &str) -> Result<Vec<String>, Problem> {
        self.0.into_iter().map(|each| each.of(kind)).collect()
    }
}

/// A reference to a resource.
#[derive(Deserialize)]
struct Reference {
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
        let shown: String = self.kind.chars().take(64).collect();
        Err(Problem::unprocessable(format!(
            "a reference is of the type `{shown}`, and `{kind}` is meant"
        )))
    }
}

/// What a sent document relates to.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Relationships(Map<String, Value>);

impl Relationships {
    fn data(&self, name: &str) -> Option<&Value> {
        self.0.get(name)?.get("data").filter(|data| !data.is_null())
    }

    /// The id that a relation refers to, if it is there.
    pub(crate) fn maybe<I: FromStr>(&self, name: &str, kind: &str) -> Result<Option<I>, Problem> {
        let Some(data) = self.data(name) else {
            return Ok(None);
        };
        let wrong = || {
            Problem::unprocessable(format!(
                r#"the relation `{name}` refers to one thing: {{"data":{{"type":"{kind}","id":"…"}}}}"#
            ))
        };
        if !data.is_object() {
            return Err(wrong());
        }
        let reference = Reference::deserialize(data).map_err(|_| wrong())?;
        auth::id(&reference.of(kind)?).map(Some)
    }

    /// The id that a relation refers to.
    pub(crate) fn one<I: FromStr>(&self, name: &str, kind: &str) -> Result<I, Problem> {
        let missing = || Problem::unprocessable(format!("the relation `{name}` is missing"));
        self.maybe(name, kind)?.ok_or_else(missing)
    }

    /// The ids that a relation refers to; none when it is not there.
    pub(crate) fn many<I: FromStr>(&self, name: &str, kind: &str) -> Result<Vec<I>, Problem> {
        match self.data(name) {
            Some(Value::Array(_)) => {
                let references = self.all::<Reference>(name)?.into_iter();
                references.map(|each| auth::id(&each.of(kind)?)).collect()
            }
            Some(_) => Ok(self.maybe(name, kind)?.into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }

    /// The same, told apart from a relation that is not there.
    pub(crate) fn said<I: FromStr>(
        &self,
        name: &str,
        kind: &str,
    ) -> Result<Option<Vec<I>>, Problem> {
        let there = self.data(name).is_some();
        there.then(|| self.many(name, kind)).transpose()
    }

    /// Everything that it relates to under `name`, new things included.
    pub(crate) fn items<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<Item<T>>, Problem> {
        self.all::<Item<T>>(name)
    }

    fn all<R: DeserializeOwned>(&self, name: &str) -> Result<Vec<R>, Problem> {
        let wrong = |words: &str| Problem::unprocessable(format!("the relation `{name}` {words}"));
        let Some(data) = self.data(name) else {
            return Ok(Vec::new());
        };
        let data = data.as_array().ok_or_else(|| wrong("is no list"))?;
        if data.len() > REFERENCES_MAX {
            return Err(too_many());
        }
        let read = |each: &Value| {
            let object = each.is_object().then_some(each);
            let object = object.ok_or_else(|| wrong("holds something that is no object"))?;
            R::deserialize(object).map_err(|error| wrong(&format!("cannot be read: {error}")))
        };
        data.iter().map(read).collect()
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
        Some((name, _)) => {
            let shown: String = name.chars().take(64).collect();
            Err(Problem::unprocessable(format!(
                "`{shown}` cannot be set here: nothing would follow from it"
            )))
        }
    }
}

/// A secret in a document: kept out of `Debug`, and wiped when it is dropped.
pub(crate) struct Secret(pub(crate) secrecy::SecretString);

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "writeOnly": true })
    }
}

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

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Wish {
        reason: String,
        life_days: Option<u32>,
    }

    #[derive(Deserialize)]
    struct Reason {
        reason: Option<String>,
    }

    #[test]
    fn a_sent_document_may_have_anything_beside_what_counts() {
        let text = r#"{"data":{"type":"","attributes":{"reason":"x","new":[1]},
            "relationships":{"project":{"data":{"type":"projects","id":"prj-1"}},"run":{"data":null}}}}"#;
        let read: Sent<Reason> = sent(text.as_bytes(), Some(Expected("workspaces"))).unwrap();
        assert_eq!(read.attributes.reason.as_deref(), Some("x"));
        let id = |name| {
            read.relationships
                .maybe::<String>(name, "projects")
                .unwrap()
        };
        assert_eq!(id("project").as_deref(), Some("prj-1"));
        assert_eq!(id("run"), None);
        for nothing in ["", " \n", "null"] {
            let nothing: Sent<Reason> = sent(nothing.as_bytes(), None).unwrap();
            assert!(nothing.attributes.reason.is_none());
        }
    }

    fn check(body: &str, expected: Result<(&str, Option<u32>), ()>) {
        let got = sent::<Wish>(body.as_bytes(), Some(Expected("wishes")));
        let expected = expected.map(|(reason, life_days)| Wish {
            reason: reason.to_owned(),
            life_days,
        });
        assert_eq!(
            got.map(|sent| sent.attributes).map_err(|_| ()),
            expected,
            "{body}"
        );
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

    #[test]
    fn a_list_in_the_place_of_an_object_another_type_and_a_nul_are_refused() {
        check(
            r#"{"data":{"type":"wishes","attributes":{"reason":"\\u0000"}}}"#,
            Ok(("\\u0000", None)),
        );
        for wrong in [
            r#"[{"type":"wishes","attributes":{"reason":"x"}}]"#,
            r#"{"data":["wishes",{"reason":"x"},{}]}"#,
            r#"{"data":{"attributes":["x",1]}}"#,
            r#"{"data":{"attributes":{"reason":"x"},"relationships":[]}}"#,
            r#"{"data":{"type":"others","attributes":{"reason":"x"}}}"#,
            r#"{"data":{"type":7,"attributes":{"reason":"x"}}}"#,
            r#"{"data":{"attributes":{"reason":"a\u0000b"}}}"#,
            "7",
            "\u{feff}{}",
        ] {
            check(wrong, Err(()));
        }
        assert!(sent::<Wish>(b"{\"data\":{\"attributes\":{\"reason\":\"\xff\"}}}", None).is_err());
    }

    #[test]
    fn a_relation_of_another_kind_is_refused() {
        let text = r#"{"data":{"relationships":{
            "team":{"data":{"type":"teams","id":"team-1"}},
            "other":{"data":{"type":"users","id":"team-1"}},
            "many":{"data":[{"type":"teams","id":"team-1"},{"id":"team-2"}]},
            "odd":{"data":[["teams","team-1"]]},
            "bare":{"data":{"id":"team-1"}}, "none":{"data":null}}}}"#;
        let sent: Sent<Value> = sent(text.as_bytes(), None).unwrap();
        let one = |name| sent.relationships.one::<String>(name, "teams");
        assert_eq!(one("team").unwrap(), "team-1");
        assert_eq!(one("bare").unwrap(), "team-1");
        assert!(one("other").is_err());
        assert!(one("none").is_err());
        assert!(one("missing").is_err());
        assert!(one("many").is_err());
        let many = |name| sent.relationships.many::<String>(name, "teams");
        assert_eq!(many("many").unwrap(), ["team-1", "team-2"]);
        assert_eq!(many("team").unwrap(), ["team-1"]);
        assert!(many("missing").unwrap().is_empty());
        assert!(many("odd").is_err());
        let said = |name| sent.relationships.said::<String>(name, "teams");
        assert_eq!(said("team").unwrap().unwrap(), ["team-1"]);
        assert_eq!(
            (said("missing").unwrap(), said("none").unwrap()),
            (None, None)
        );
        assert!(said("other").is_err());
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
