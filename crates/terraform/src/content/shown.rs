//! The JSON state, as `terraform show -json` prints it.
//!
//! Terraform's cloud backend uploads it beside the raw state. Of all it says only one thing is taken: which values are sensitive
//! (`sensitive_values`, and `sensitive` of outputs), because it knows the providers' schemas. It is hearsay: it can hide more, and
//! never shows anything.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::IgnoredAny;

use super::Instance;
use crate::json::{Kind, Node, Tape};
use crate::state::{DEPTH_MAX, parse};

/// The marks of a JSON state.
#[derive(Debug)]
pub struct ShownState<'a> {
    tape: Tape<'a>,
    /// By address and deposed key; `None` where two stand under one.
    marks: HashMap<String, Option<u32>>,
    outputs: Vec<String>,
}

/// What a JSON state says of one instance.
pub(super) enum Marks<'t> {
    /// Marks in the form of its attributes.
    Like(Node<'t>),
    /// Two different things: the whole is to be hidden.
    Contradictory,
}

/// Why bytes are not a JSON state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShownError {
    /// Not JSON, or too deep or too long.
    #[error(
        "the JSON state is not JSON below 4 GiB of at most {DEPTH_MAX} levels; send what `terraform show -json` prints"
    )]
    NotJson,
    /// JSON of another form.
    #[error("the JSON state has no `values` in the form of `terraform show -json`")]
    Shape,
}

impl<'a> ShownState<'a> {
    /// Reads the marks. An empty state has no `values` and no marks.
    ///
    /// # Errors
    ///
    /// When the bytes are not what `terraform show -json` prints of a state. They then hide nothing, and the caller decides whether
    /// to show anything without them.
    pub fn read(bytes: &'a [u8]) -> Result<ShownState<'a>, ShownError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ShownError::NotJson)?;
        let readable = u32::try_from(text.len()).is_ok()
            && parse::too_deep(bytes).is_none()
            && serde_json::from_str::<IgnoredAny>(text).is_ok();
        if !readable {
            return Err(ShownError::NotJson);
        }
        let tape = Tape::read(Cow::Borrowed(text));
        let mut marks = HashMap::new();
        let mut outputs = Vec::new();
        let root = tape.root();
        if root.kind() != Kind::Object {
            return Err(ShownError::Shape);
        }
        match root.get("values") {
            Some(values) if values.kind() == Kind::Object => {
                if let Some(module) = values.get("root_module") {
                    collect(module, &mut marks)?;
                }
                for (name, output) in values.get("outputs").into_iter().flat_map(Node::entries) {
                    let sensitive = output.get("sensitive").map(Node::kind);
                    if !matches!(sensitive, None | Some(Kind::Flag(false))) {
                        outputs.push(name.into_owned());
                    }
                }
            }
            None if root.get("format_version").is_some() => {}
            _ => return Err(ShownError::Shape),
        }
        outputs.sort_unstable();
        Ok(ShownState {
            tape,
            marks,
            outputs,
        })
    }

    /// The marks of an instance.
    pub(super) fn marks(&self, instance: &Instance<'_>) -> Option<Marks<'_>> {
        let found = self
            .marks
            .get(&named(&instance.address(), instance.deposed()))?;
        Some(found.map_or(Marks::Contradictory, |slot| {
            Marks::Like(self.tape.node(slot))
        }))
    }

    pub(super) fn hides_output(&self, name: &str) -> bool {
        self.outputs
            .binary_search_by(|known| known.as_str().cmp(name))
            .is_ok()
    }
}

fn named(address: &str, deposed: Option<&str>) -> String {
    deposed.map_or_else(
        || address.to_owned(),
        |deposed| format!("{address}\0{deposed}"),
    )
}

fn collect(module: Node<'_>, marks: &mut HashMap<String, Option<u32>>) -> Result<(), ShownError> {
    for resource in module.get("resources").into_iter().flat_map(Node::elements) {
        let address = resource
            .get("address")
            .and_then(Node::text)
            .ok_or(ShownError::Shape)?;
        let deposed = resource.get("deposed_key").and_then(Node::text);
        let Some(values) = resource.get("sensitive_values") else {
            continue;
        };
        marks
            .entry(named(&address, deposed.as_deref()))
            .and_modify(|found| *found = None)
            .or_insert(Some(values.slot()));
    }
    for child in module
        .get("child_modules")
        .into_iter()
        .flat_map(Node::elements)
    {
        collect(child, marks)?;
    }
    Ok(())
}
