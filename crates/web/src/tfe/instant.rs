//! Instants on the wire.

pub(crate) use statehouse_model::instant::{format, parse};
