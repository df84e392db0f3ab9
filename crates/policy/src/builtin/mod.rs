//! Builtins that the engine lacks, and those whose answers differ from the reference implementation's; one file per family.
//!
//! Each is a pure function of its arguments and of the instant that the evaluation is given. A failure is of one of two kinds, as in
//! the reference implementation: an argument of the wrong type, or one of the right type that cannot be used. Unless builtin errors
//! are strict, either makes the call undefined.
//!
//! Deliberately absent: whatever reads the world. `http.send` and the like fail the evaluation with a message that says what to do
//! instead, so that a policy which relies on them can never pass by being undefined. Tests may replace them by `with`.

mod certificate;
mod collection;
mod der;
mod digest;
mod glob;
mod jwk;
mod jwt;
mod net;
mod render;
mod text;
mod world;

use anyhow::bail;
use regorus::Value;

use crate::engine::Limits;

/// How an error begins that is about an argument's type.
pub(crate) const TYPE_ERROR: &str = "type error: ";
/// How an error begins that is about an argument's value.
pub(crate) const VALUE_ERROR: &str = "builtin error: ";

/// Why a builtin has no answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    /// An argument is of the wrong type.
    Type(String),
    /// An argument cannot be used.
    Value(String),
    /// The evaluation must not go on as if this were undefined.
    Refused(String),
}

pub(crate) type Answer = Result<Value, Failure>;

/// What a builtin knows beside its arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Context {
    /// The instant of the evaluation, in nanoseconds since 1970.
    pub(crate) now_ns: Option<u64>,
}

impl Context {
    pub(crate) fn now(self, name: &str) -> Result<u64, Failure> {
        self.now_ns.ok_or_else(|| Failure::Refused(format!("{name} wants the time, and this evaluation has none; use input.request.timestamp_ns")))
    }
}

/// A builtin: its name, how many arguments it takes, and what it does.
pub(crate) type Builtin = (&'static str, u8, fn(&Args<'_>) -> Answer);

/// The arguments of a call.
pub(crate) struct Args<'a> {
    name: &'static str,
    values: &'a [Value],
    pub(crate) context: Context,
}

impl<'a> Args<'a> {
    pub(crate) fn any(&self, index: usize) -> &'a Value {
        self.values.get(index).unwrap_or(&Value::Undefined)
    }

    pub(crate) fn text(&self, index: usize) -> Result<&'a str, Failure> {
        match self.any(index) {
            Value::String(text) => Ok(text),
            _ => self.wrong(index, "string"),
        }
    }

    pub(crate) fn array(&self, index: usize) -> Result<&'a [Value], Failure> {
        match self.any(index) {
            Value::Array(items) => Ok(items.as_slice()),
            _ => self.wrong(index, "array"),
        }
    }

    /// The items of an array or a set.
    pub(crate) fn items(&self, index: usize) -> Result<Vec<&'a Value>, Failure> {
        match self.any(index) {
            Value::Array(items) => Ok(items.iter().collect()),
            Value::Set(items) => Ok(items.iter_sorted().collect()),
            _ => self.wrong(index, "array or set"),
        }
    }

    /// The members of an object, by key.
    pub(crate) fn object(&self, index: usize) -> Result<Vec<(&'a Value, &'a Value)>, Failure> {
        match self.any(index) {
            Value::Object(members) => Ok(members.iter_sorted().collect()),
            _ => self.wrong(index, "object"),
        }
    }

    pub(crate) fn wrong<T>(&self, index: usize, wanted: &str) -> Result<T, Failure> {
        let got = kind(self.any(index));
        Err(Failure::Type(format!(
            "{}: operand {} must be {wanted} but got {got}",
            self.name,
            index + 1
        )))
    }

    pub(crate) fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T, Failure> {
        Err(Failure::Value(format!("{}: {message}", self.name)))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

/// A value's type, as the language names it.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Set(_) => "set",
        Value::Object(_) => "object",
        Value::Undefined => "undefined",
    }
}

/// Adds every builtin to an engine.
pub(crate) fn add_to(engine: &mut regorus::Engine, limits: &Limits) -> anyhow::Result<()> {
    let context = Context {
        now_ns: limits.now_ns,
    };
    let families: [&[Builtin]; 9] = [
        &collection::ALL,
        &digest::ALL,
        &glob::ALL,
        &net::ALL,
        &render::ALL,
        &text::ALL,
        &certificate::ALL,
        &jwt::ALL,
        &world::ALWAYS,
    ];
    for builtin in families.into_iter().flatten() {
        add(engine, *builtin, context, limits.strict_builtin_errors)?;
    }
    if limits.now_ns.is_some() || !limits.impure {
        add(engine, world::NOW, context, limits.strict_builtin_errors)?;
    }
    if !limits.impure {
        for builtin in world::IMPURE {
            add(engine, builtin, context, limits.strict_builtin_errors)?;
        }
    }
    Ok(())
}

fn add(
    engine: &mut regorus::Engine,
    builtin: Builtin,
    context: Context,
    strict: bool,
) -> anyhow::Result<()> {
    let (name, arity, answer) = builtin;
    let extension = move |values: Vec<Value>| match answer(&Args {
        name,
        values: &values,
        context,
    }) {
        Ok(value) => Ok(value),
        Err(Failure::Refused(message)) => bail!("{VALUE_ERROR}{message}"),
        Err(_) if !strict => Ok(Value::Undefined),
        Err(Failure::Type(message)) => bail!("{TYPE_ERROR}{message}"),
        Err(Failure::Value(message)) => bail!("{VALUE_ERROR}{message}"),
    };
    engine.add_extension(name.to_owned(), arity, Box::new(extension))
}
