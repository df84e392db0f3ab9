//! The export bundle: a whole log in one file, for a stranger without a server.
//!
//! A ustar archive ([`crate::archive`]) with these members, in any order:
//!
//! | member | what |
//! |---|---|
//! | `manifest.json` | what must be in it: [`Manifest`] |
//! | `checkpoint` | the newest checkpoint, a signed note |
//! | `checkpoints/<size>` | every retained checkpoint; a further one of the same size (before and after a restore) is `<size>.1`, … |
//! | `tile/…` | the log in C2SP tlog-tiles form: entry bundles and hash tiles |
//! | `rows/<n>.jsonl` | evidential rows, one [`crate::row::Exported`] per line; parts numbered from 0 |
//! | `blobs/<sha256>` | sealed bodies, named by their digest |
//!
//! [`Writer`] streams: it holds one tile per level and one part of rows. [`Bundle`] reads by name and holds an index.
//!
//! Promises: a bundle of a million leaves is written and read in constant memory per leaf bundle; nothing in it but what the
//! verifier looks at.
//!
//! Absent on purpose: keys, salts of state bodies, and plaintext: a bundle can be handed to an auditor. Judgement is absent
//! too: the writer writes what it is given, the verifier judges.

mod read;
mod write;

pub use read::Bundle;
pub use write::{Summary, Writer};

use crate::archive;
use crate::canonical::{self, Item, Object};
use crate::{leaf, row, tile};

/// What a manifest says its bundle is.
pub const FORMAT: &str = "statehouse-bundle/1";

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Name of the newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// What a bundle says it contains, so that a missing part is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Code of the house.
    pub house: String,
    /// Number of log entries.
    pub entries: u64,
    /// Number of retained checkpoints.
    pub checkpoints: u64,
    /// Number of exported rows; `None` when rows were not exported at all.
    pub rows: Option<u64>,
    /// Number of sealed bodies.
    pub blobs: u64,
}

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive around it.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// An entry does not fit into a tile.
    #[error(transparent)]
    Tile(#[from] tile::Error),
    /// A row has no exported form.
    #[error(transparent)]
    Row(#[from] row::Error),
    /// An entry is no leaf.
    #[error(transparent)]
    Leaf(#[from] leaf::Error),
    /// A member that must be there is not.
    #[error("`{0}` is missing from the bundle; export it again")]
    Missing(String),
    /// A member is larger than it can honestly be.
    #[error("`{name}` has {size} bytes, more than the {limit} it can have")]
    TooLarge {
        /// Its name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The most it may have.
        limit: u64,
    },
    /// The manifest is not in its form.
    #[error("the manifest is not in its form: {0}")]
    Manifest(&'static str),
}

impl Manifest {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = |number: u64| Item::Int(i64::try_from(number).unwrap_or(i64::MAX));
        Item::Object(Object::new(vec![
            ("blobs".into(), count(self.blobs)),
            ("checkpoints".into(), count(self.checkpoints)),
            ("entries".into(), count(self.entries)),
            ("format".into(), Item::Text(FORMAT.into())),
            ("house".into(), Item::Text(self.house.as_str().into())),
            ("rows".into(), self.rows.map_or(Item::Null, count)),
        ]))
        .to_bytes()
    }

    /// Reads the canonical bytes.
    ///
    /// # Errors
    /// [`Error::Manifest`] when a field is missing, unknown or not in its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let Ok(Item::Object(object)) = canonical::parse(bytes) else {
            return Err(Error::Manifest("it is not a canonical JSON object"));
        };
        if object.iter().count() != 6 || object.text("format") != Some(FORMAT) {
            return Err(Error::Manifest("it is of another format"));
        }
        let count = |name| {
            object
                .get(name)
                .and_then(Item::number)
                .ok_or(Error::Manifest("a count is missing"))
        };
        Ok(Self {
            house: object
                .text("house")
                .ok_or(Error::Manifest("the house is missing"))?
                .to_owned(),
            entries: count("entries")?,
            checkpoints: count("checkpoints")?,
            rows: match object.get("rows") {
                Some(Item::Null) => None,
                _ => Some(count("rows")?),
            },
            blobs: count("blobs")?,
        })
    }
}

/// Name of part `number` of the rows.
pub fn rows_name(number: u64) -> String {
    format!("rows/{number}.jsonl")
}
