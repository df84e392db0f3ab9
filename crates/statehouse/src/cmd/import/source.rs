//! What states come from: a place that lists them, keeps others out while one is read, and gives its versions one by one.

use aws_lc_rs::digest::{SHA256, digest};
use statehouse_core::terraform::state::{StateFile, read};

use crate::failure::{Exit, Failure, Result};

/// The longest state that our server takes.
pub(super) const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// SHA-256 of a state.
pub(crate) type Digest = [u8; 32];

/// The digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut found = [0; 32];
    found.copy_from_slice(digest(&SHA256, bytes).as_ref());
    found
}

/// A state that a source has; nothing of it was read yet.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What the source calls it: a path, a key, a name.
    pub(super) place: String,
    /// What its name here is made of.
    pub(super) parts: Vec<String>,
    /// Whether it is called a state. A bucket holds other things as well, and what is neither is passed over.
    pub(super) claims: bool,
    /// Which of the source's it is.
    pub(super) at: usize,
}

/// One version of a state at its source.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// What people see.
    pub(super) label: String,
    /// What the source finds it by.
    pub(super) handle: String,
}

/// What is known of a state once nobody else changes it.
#[derive(Default)]
pub(super) struct Opened {
    /// Its versions, the oldest first.
    pub(super) pieces: Vec<Piece>,
    /// What is left out, and why.
    pub(super) notes: Vec<String>,
}

/// The bytes of a version, or why there are none.
pub(super) enum Content {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// They are gone at the source, in these words.
    Gone(String),
}

/// A place that states come from.
pub(super) trait Source {
    /// The states that it has. Things that it passes over stand in the second list, in words.
    fn find(&mut self) -> Result<(Vec<Found>, Vec<String>)>;

    /// Looks at the versions of one, and keeps others from changing it where `claim` says so and the source can. One that
    /// somebody else holds is a failure.
    fn open(&mut self, found: &Found, claim: bool) -> Result<Opened>;

    /// The bytes of a version.
    fn fetch(&mut self, found: &Found, piece: &Piece) -> Result<Content>;

    /// Lets others change it again. Called once for each that was opened, whatever came of it.
    fn close(&mut self, found: &Found) -> Result;
}

/// A source that is held by somebody.
pub(super) fn locked(words: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Conflict, format!("locked at its source: {words}"))
        .hint("run the import again when whoever holds the lock is done")
}

/// What a version says of itself, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its lineage, empty where an encrypted state does not say.
    pub(super) lineage: String,
    /// Its serial, absent where an encrypted state does not say.
    pub(super) serial: Option<u64>,
    /// Its length.
    pub(super) size: u64,
    /// Its digest.
    pub(super) sha256: Digest,
}

impl Facts {
    /// Reads them; the refusal says why the bytes are no state, and quotes none of them.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        let (lineage, serial) = match read(bytes).map_err(|error| error.to_string())? {
            StateFile::Plain(plain) => (plain.lineage, Some(plain.serial)),
            StateFile::Opaque(opaque) => (opaque.lineage.unwrap_or_default(), opaque.serial),
        };
        Ok(Self {
            lineage,
            serial,
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        })
    }

    /// The serial, for people.
    pub(super) fn serial(&self) -> String {
        self.serial
            .map_or("no serial".to_owned(), |serial| format!("serial {serial}"))
    }
}
