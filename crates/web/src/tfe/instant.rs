//! Instants on the wire.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

pub(crate) use statehouse_model::instant::{format, parse};

/// An instant in an answer.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Instant(String);

/// An instant, given in microseconds since 1970, for an answer.
pub(crate) fn at(us: i64) -> Option<Instant> {
    format(us).map(Instant)
}

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}
