//! What there is in a state, to be searched.
//!
//! [`index`] makes a small entry of each instance: where it is, what it is, what it depends on, its tags and `id` as far as they are
//! not sensitive, and a digest of its content. No other value is in an entry.
//!
//! The digest tells whether an instance changed from one version to the next without keeping what it was. It is the same exactly
//! when [`diff`](crate::diff) finds no difference. Because content holds secrets that could be guessed (a weak password among known
//! attributes), it is made under a key that the caller keeps away from where the entries are stored; only digests under the same key
//! can be compared.
//!
//! Everything is bounded: [`ENTRIES_MAX`] entries of at most [`ENTRY_BYTES_MAX`] bytes, and what is left out is counted.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::address::{Key, Mode};
use crate::content::{Aside, Instance, Provider, View, tags_of};
use crate::diff::{Side, id_in};
use crate::json::{Tape, write_meaning, write_sized};

/// Most entries of one state. States of a hundred thousand instances take minutes to plan; larger ones are split in practice.
pub const ENTRIES_MAX: usize = 100_000;

/// Most bytes of text in one entry: an address of three modules, fifty tags and as many dependencies have half of it.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

/// Longest address of an entry, in bytes, and longest other single text: a column of an index takes it.
pub const TEXT_BYTES_MAX: usize = 1024;

/// What one instance is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// The address as terraform spells it.
    pub address: String,
    /// Managed or read only.
    pub mode: Mode,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name.
    pub name: String,
    /// The module's address; empty for the root module.
    pub module: String,
    /// The provider.
    pub provider: Provider,
    /// Its key among the instances of the resource.
    pub key: Key<'static>,
    /// The key of a deposed object.
    pub deposed: Option<String>,
    /// Whether the next apply replaces it.
    pub tainted: bool,
    /// The resources it depends on.
    pub dependencies: Vec<String>,
    /// Tags or labels.
    pub tags: Vec<(String, String)>,
    /// The `id`, of a managed, current instance.
    pub id: Option<String>,
    /// Digest of its content.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: [u8; 32],
    /// Dependencies and tags that were too long or too many, and an `id` that was.
    pub left_out: u64,
}

/// The entries of one state, in the order of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Index {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Instances that are not in it: beyond [`ENTRIES_MAX`], or with a name longer than [`TEXT_BYTES_MAX`].
    pub left_out: u64,
}

fn hexadecimal<S: serde::Serializer>(digest: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    out.serialize_str(&text)
}

/// Makes the entries of a state, with digests under `key`.
pub fn index(side: Side<'_>, key: &[u8; 32]) -> Index {
    let instances = side.content.instances();
    let mut entries = Vec::with_capacity(instances.len().min(ENTRIES_MAX));
    for instance in instances {
        if entries.len() == ENTRIES_MAX {
            break;
        }
        entries.extend(entry(instance, &side.view(instance), key));
    }
    Index {
        left_out: (instances.len() - entries.len()) as u64,
        entries,
    }
}

fn entry(instance: &Instance<'_>, view: &View<'_>, key: &[u8; 32]) -> Option<Entry> {
    let address = instance.address();
    let provider = instance.provider();
    let deposed = instance.deposed();
    let fits = |text: &str| text.len() <= TEXT_BYTES_MAX;
    let names = [
        &address,
        &provider.source,
        provider.alias.as_deref().unwrap_or_default(),
        deposed.unwrap_or_default(),
    ];
    if !names.iter().all(|name| fits(name)) {
        return None;
    }
    // The parts of the address are counted as often as they are kept.
    let mut room = ENTRY_BYTES_MAX.saturating_sub(4 * address.len() + 2 * TEXT_BYTES_MAX);
    let mut left_out = 0;
    let mut take = |bytes: usize, fits: bool| {
        let taken = fits && bytes <= room;
        room -= if taken { bytes } else { 0 };
        left_out += u64::from(!taken);
        taken
    };
    let current = deposed.is_none() && instance.mode() == Mode::Managed;
    let id = id_in(view).filter(|_| current);
    let id = id.filter(|id| take(id.len(), fits(id)));
    let mut tags = tags_of(view);
    tags.retain(|(name, value)| take(name.len() + value.len(), fits(name) && fits(value)));
    let mut dependencies = instance.dependencies();
    dependencies.retain(|dependency| take(dependency.len(), fits(dependency)));
    Some(Entry {
        mode: instance.mode(),
        kind: instance.kind().to_owned(),
        name: instance.name().to_owned(),
        module: instance.module().to_owned(),
        key: match instance.key() {
            Key::None => Key::None,
            Key::Number(number) => Key::Number(*number),
            Key::Text(text) => Key::Text(text.clone().into_owned().into()),
        },
        deposed: deposed.map(ToOwned::to_owned),
        tainted: instance.is_tainted(),
        digest: digest(view, &instance.aside(), key),
        address,
        provider,
        dependencies,
        tags,
        id,
        left_out,
    })
}

/// Digest of everything that [`crate::diff`] compares of an instance, under a key.
fn digest(view: &View<'_>, aside: &Aside<'_>, key: &[u8; 32]) -> [u8; 32] {
    let mut inner = Sha256::new();
    let mut write = |bytes: &[u8]| inner.update(bytes);
    write(&[
        u8::from(aside.tainted),
        u8::from(aside.create_before_destroy),
    ]);
    write(&aside.schema_version.to_be_bytes());
    let provider = Provider::read(&aside.provider);
    write_sized(b"p", provider.source.as_bytes(), &mut write);
    let alias = provider.alias.as_deref();
    write_sized(
        alias.map_or(b"-", |_| b"a"),
        alias.unwrap_or_default().as_bytes(),
        &mut write,
    );
    for text in [
        &aside.dependencies,
        &aside.identity,
        &aside.private,
        &aside.marks,
    ] {
        write_meaning(Tape::read(&**text).root(), &mut write);
    }
    write_meaning(view.root(), &mut write);
    let mut outer = Sha256::new();
    outer.update(b"statehouse resource content 1\0");
    outer.update(key);
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests;
