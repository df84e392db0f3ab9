//! JSON files that hold one long list, read item by item.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::ImportError;

/// What is done with an item; the text says why it is refused.
type Take<'t, T> = dyn FnMut(T) -> Result<(), String> + 't;

struct Page<'p, 't, T> {
    list: &'static str,
    take: &'p mut Take<'t, T>,
}

/// Reads one document after another, each an object with a list of this name or the list itself, and takes each item.
pub(crate) fn items<T: DeserializeOwned>(
    file: &str,
    reader: impl Read,
    list: &'static str,
    take: &mut Take<'_, T>,
) -> Result<(), ImportError> {
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let mut pages = 0;
    loop {
        match deserializer.end() {
            Ok(()) => break,
            Err(error) if error.is_eof() => break,
            Err(_) => {}
        }
        Page {
            list,
            take: &mut *take,
        }
        .deserialize(&mut deserializer)
        .map_err(|error| ImportError::form(file, error))?;
        pages += 1;
    }
    if pages == 0 {
        return Err(ImportError::form(file, "the file is empty"));
    }
    Ok(())
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Page<'_, '_, T> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Page<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a list {}", self.list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.list {
                map.next_value_seed(List(&mut *self.take, PhantomData))?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(A::Error::custom(format!("there is no list {}", self.list)))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        List(self.take, PhantomData).visit_seq(seq)
    }
}

struct List<'p, 't, T>(&'p mut Take<'t, T>, PhantomData<T>);

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for List<'_, '_, T> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for List<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0_u64;
        while let Some(item) = seq.next_element::<T>()? {
            at += 1;
            (self.0)(item).map_err(|reason| A::Error::custom(format!("item {at}: {reason}")))?;
        }
        Ok(())
    }
}
