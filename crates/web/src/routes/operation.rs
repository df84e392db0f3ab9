//! What a route of `/api/v2` says of itself: what it takes, what it answers, who may.
//!
//! What it takes is read off its handler's arguments ([`Takes`]), so that it cannot be otherwise. What it answers is said beside it
//! in the table, and the tests hold every answer against it. What a caller may ask in the query (pages, `sort`, `include`,
//! `fields`) is said there too, and refused from it ([`super::check`]).

use std::sync::Arc;

use axum::extract::State;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use statehouse_core::Core;
use statehouse_model::Permission;

use crate::auth::{Asked, Asker, At, Bearer, MaybeAsker, Source};
use crate::body::{Limit, Whole};
use crate::tfe::query::Query;
use crate::tfe::sent::{Attributes, Plain, References, Sent, SentList};

/// What an operation answers when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// One resource of this type: 200.
    One(&'static str),
    /// One resource, or `data` that is null: 200.
    Perhaps(&'static str),
    /// One that was made: 201.
    Made(&'static str),
    /// One that was made, or was there already: 201 or 200.
    Put(&'static str),
    /// A whole list of these: 200.
    List(&'static str),
    /// A page of a list of these: 200.
    Page(&'static str),
    /// Nothing: 204.
    Nothing,
    /// That something was taken, without words: 200.
    Taken,
    /// That something will be done, without words: 202.
    Accepted,
    /// Bytes of this media type: 200.
    Bytes(&'static str),
    /// A state: 200, or 204 where there is none.
    State,
}

impl Gives {
    /// The type of the resources that it answers.
    pub fn kind(self) -> Option<&'static str> {
        match self {
            Self::One(kind)
            | Self::Perhaps(kind)
            | Self::Made(kind)
            | Self::Put(kind)
            | Self::List(kind)
            | Self::Page(kind) => Some(kind),
            Self::Nothing | Self::Taken | Self::Accepted | Self::Bytes(_) | Self::State => None,
        }
    }
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What it answers.
    pub gives: Gives,
    /// What it needs; of more than one, the first that is asked. Nothing where a token is enough, or none is needed.
    pub needs: Option<Permission>,
    /// The type of what a document sent to it is about.
    pub(crate) takes: Option<&'static str>,
    /// Parameters of its query, each with its meaning.
    pub(crate) asks: &'static [(&'static str, &'static str)],
    /// What can be included.
    pub(crate) includes: &'static [&'static str],
    /// What clients ask to be included and there is nothing of.
    pub(crate) passes: &'static [&'static str],
    /// By what its list can be sorted.
    pub(crate) sorts: &'static [&'static str],
    /// Whether the answer of a creation is repeated for a repeated `Idempotency-Key`.
    pub(crate) once: bool,
    /// Whether it goes past the limit of requests: what a state could be lost by.
    pub(crate) always: bool,
}

impl Operation {
    const fn new(gives: Gives, summary: &'static str) -> Self {
        let takes = match gives {
            Gives::One(kind) | Gives::Made(kind) | Gives::Put(kind) => Some(kind),
            _ => None,
        };
        Self {
            summary,
            gives,
            needs: None,
            takes,
            asks: &[],
            includes: &[],
            passes: &[],
            sorts: &[],
            once: matches!(gives, Gives::Made(_)),
            always: false,
        }
    }

    pub(crate) const fn needs(self, permission: Permission) -> Self {
        Self {
            needs: Some(permission),
            ..self
        }
    }

    pub(crate) const fn takes(self, kind: &'static str) -> Self {
        Self {
            takes: Some(kind),
            ..self
        }
    }

    /// A document sent to it may be about anything.
    pub(crate) const fn loose(self) -> Self {
        Self {
            takes: None,
            ..self
        }
    }

    pub(crate) const fn asks(self, asks: &'static [(&'static str, &'static str)]) -> Self {
        Self { asks, ..self }
    }

    pub(crate) const fn includes(self, includes: &'static [&'static str]) -> Self {
        Self { includes, ..self }
    }

    pub(crate) const fn passes(self, passes: &'static [&'static str]) -> Self {
        Self { passes, ..self }
    }

    pub(crate) const fn sorts(self, sorts: &'static [&'static str]) -> Self {
        Self { sorts, ..self }
    }

    /// A state could be lost if it were put off.
    pub(crate) const fn always(self) -> Self {
        Self {
            always: true,
            once: false,
            ..self
        }
    }

    /// A repeated key does not repeat its answer: nobody is known yet whose key it could be.
    pub(crate) const fn once_never(self) -> Self {
        Self {
            once: false,
            ..self
        }
    }

    /// Whether its answer is a document.
    pub(crate) fn is_document(&self) -> bool {
        self.gives.kind().is_some()
    }
}

pub(crate) const fn one(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::One(kind), summary)
}

pub(crate) const fn perhaps(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::Perhaps(kind), summary)
}

pub(crate) const fn made(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::Made(kind), summary)
}

pub(crate) const fn put(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::Put(kind), summary)
}

pub(crate) const fn list(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::List(kind), summary)
}

pub(crate) const fn page(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::Page(kind), summary)
}

pub(crate) const fn nothing(summary: &'static str) -> Operation {
    Operation::new(Gives::Nothing, summary)
}

pub(crate) const fn taken(summary: &'static str) -> Operation {
    Operation::new(Gives::Taken, summary)
}

pub(crate) const fn accepted(summary: &'static str) -> Operation {
    Operation::new(Gives::Accepted, summary)
}

pub(crate) const fn bytes(kind: &'static str, summary: &'static str) -> Operation {
    Operation::new(Gives::Bytes(kind), summary)
}

pub(crate) const fn state(summary: &'static str) -> Operation {
    Operation::new(Gives::State, summary)
}

/// Makes the schema of a type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// By what an operation knows its caller.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// Anybody may ask.
    #[default]
    None,
    /// A token.
    Token,
    /// A token, or none.
    Either,
    /// The signature in the address.
    Signature,
}

/// What a body is.
#[derive(Clone, Copy)]
pub(crate) enum BodyOf {
    /// A document with these attributes, and relations.
    Document(SchemaOf),
    /// An object with these members.
    Plain(SchemaOf),
    /// A list of new things with these attributes, or of references.
    Items(SchemaOf),
    /// A list of references.
    References,
    /// Bytes.
    Bytes,
}

/// What an operation takes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Intake {
    pub(crate) credential: Credential,
    pub(crate) body: Option<BodyOf>,
    /// The query, where a type reads it.
    pub(crate) query: Option<SchemaOf>,
}

/// A part of a request that a handler takes.
pub(crate) trait Part {
    /// Says so.
    fn tell(_: &mut Intake) {}
}

impl Part for State<Arc<Core>> {}
impl Part for Source {}
impl Part for Query {}
impl<T> Part for At<T> {}

impl Part for Asker {
    fn tell(intake: &mut Intake) {
        intake.credential = Credential::Token;
    }
}

impl Part for MaybeAsker {
    fn tell(intake: &mut Intake) {
        intake.credential = Credential::Either;
    }
}

impl Part for Bearer {
    fn tell(intake: &mut Intake) {
        intake.credential = Credential::Signature;
    }
}

impl<T: JsonSchema> Part for Asked<T> {
    fn tell(intake: &mut Intake) {
        intake.query = Some(T::json_schema);
    }
}

impl<T: JsonSchema> Part for Attributes<T> {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::Document(T::json_schema));
    }
}

impl<T: JsonSchema> Part for Sent<T> {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::Document(T::json_schema));
    }
}

impl<T: JsonSchema> Part for Plain<T> {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::Plain(T::json_schema));
    }
}

impl<T: JsonSchema> Part for SentList<T> {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::Items(T::json_schema));
    }
}

impl Part for References {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::References);
    }
}

impl<L: Limit> Part for Whole<L> {
    fn tell(intake: &mut Intake) {
        intake.body = Some(BodyOf::Bytes);
    }
}

/// A handler, by what it takes.
pub(crate) trait Takes<Parts> {
    /// What that is.
    fn intake() -> Intake;
}

macro_rules! takes {
    ($($part:ident)*) => {
        impl<F, R, $($part: Part),*> Takes<($($part,)*)> for F
        where
            F: Fn($($part),*) -> R,
        {
            fn intake() -> Intake {
                #[allow(unused_mut, reason = "a handler may take nothing")]
                let mut intake = Intake::default();
                $($part::tell(&mut intake);)*
                intake
            }
        }
    };
}

takes! {}
takes! { A }
takes! { A B }
takes! { A B C }
takes! { A B C D }

/// What `handler` takes.
pub(crate) fn intake<F: Takes<Parts>, Parts>(_: F) -> Intake {
    F::intake()
}
