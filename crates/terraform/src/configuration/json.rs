//! The same in JSON: objects for blocks, keys for labels, lists where there are several.
//!
//! A key may be there twice, and terraform takes both; so do we, and no map is made of an object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::blocks::Block;
use super::{Fault, Read};

/// A kind of block, and how many labels it has.
type Kind = (&'static str, usize);

/// Blocks that are looked into, and what is looked for in them.
const TOP: &[(Kind, &[Kind])] = &[
    (("terraform", 0), &[("backend", 1), ("cloud", 0)]),
    (("resource", 2), &[("provisioner", 1)]),
    (("data", 2), &[]),
    (("module", 1), &[]),
    (("check", 1), &[("data", 2)]),
];

/// A value, as far as it can be a block.
enum Json {
    Object(Vec<(String, Json)>),
    List(Vec<Json>),
    Text(String),
    Other,
}

/// The blocks of a JSON file. `serde_json` stops at 128 levels.
pub(super) fn blocks(text: &str) -> Read<Vec<Block>> {
    let file: Json = serde_json::from_str(text).map_err(|error| {
        // The words of the category: the error itself would quote the text.
        let words = format!("{:?}", error.classify()).to_lowercase();
        (error.line(), Fault::Json(words))
    })?;
    let mut found = Vec::new();
    for (name, value) in members(&file) {
        let known = TOP.iter().find(|((kind, _), _)| kind == name);
        if let Some(((_, labels), inner)) = known {
            expand(name, *labels, Vec::new(), value, inner, &mut found);
        }
    }
    Ok(found)
}

/// The members of an object, or of all objects of a list.
fn members(value: &Json) -> Vec<(&String, &Json)> {
    match value {
        Json::Object(members) => members.iter().map(|(name, value)| (name, value)).collect(),
        Json::List(items) => items.iter().flat_map(members).collect(),
        Json::Text(_) | Json::Other => Vec::new(),
    }
}

/// Makes blocks of a value below which there are so many labels yet.
fn expand(
    kind: &str,
    labels: usize,
    path: Vec<String>,
    value: &Json,
    inner: &[Kind],
    found: &mut Vec<Block>,
) {
    if labels > 0 {
        for (label, value) in members(value) {
            let mut path = path.clone();
            path.push(label.clone());
            expand(kind, labels - 1, path, value, inner, found);
        }
        return;
    }
    if let Json::List(items) = value {
        for item in items {
            expand(kind, 0, path.clone(), item, inner, found);
        }
        return;
    }
    let mut block = Block {
        kind: kind.to_owned(),
        labels: path,
        ..Block::default()
    };
    for (name, value) in members(value) {
        if let Json::Text(text) = value
            && !text.contains("${")
            && !text.contains("%{")
        {
            block.texts.push((name.clone(), text.clone()));
        }
        if let Some((kind, labels)) = inner.iter().find(|(kind, _)| kind == name) {
            expand(kind, *labels, Vec::new(), value, &[], &mut block.blocks);
        }
    }
    found.push(block);
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
