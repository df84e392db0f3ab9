//! Values that the loader works out: constant literals and annotations.
//!
//! A program refers to them by their index; the engine gives them back through one function, shared by count.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::ast::{Kind, Term};

/// The constants of a program.
#[derive(Debug, Default, Clone)]
pub(crate) struct Constants {
    pub(crate) values: Vec<Value>,
}

impl Constants {
    /// Adds a constant literal; `None` where it is none.
    pub(crate) fn add(&mut self, term: &Term) -> Option<usize> {
        let value = value_of(term)?;
        Some(self.add_value(value))
    }

    pub(crate) fn add_value(&mut self, value: Value) -> usize {
        self.values.push(value);
        self.values.len() - 1
    }
}

/// The value of a constant literal.
pub(crate) fn value_of(term: &Term) -> Option<Value> {
    Some(match &term.kind {
        Kind::Null => Value::Null,
        Kind::Bool(it) => Value::Bool(*it),
        Kind::Number(it) => Value::from_json_str(it).ok()?,
        Kind::Text(it) => Value::from(it.as_str()),
        Kind::Array(items) => Value::from(items.iter().map(value_of).collect::<Option<Vec<_>>>()?),
        Kind::Set(items) => Value::from(
            items
                .iter()
                .map(value_of)
                .collect::<Option<BTreeSet<_>>>()?,
        ),
        Kind::Object(members) => Value::from(
            members
                .iter()
                .map(|(key, value)| Some((value_of(key)?, value_of(value)?)))
                .collect::<Option<BTreeMap<_, _>>>()?,
        ),
        _ => return None,
    })
}
