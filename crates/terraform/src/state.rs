//! What a state file says of itself.
//!
//! [`read`] takes the bytes that a client uploads and returns the few facts the server acts on: lineage, serial, the version of
//! terraform, how many resource instances and outputs there are. It passes once over the text, holds only those facts whatever
//! the size, and promises that terraform itself would read the same ones: a key that occurs twice, or that terraform's reader
//! would take for a known one although it is spelled in other letters, is refused, because the two readers could disagree on it.
//! [`unusual`] compares two such summaries and says what a person should look at before the new state counts.
//!
//! A state that the client encrypted (`OpenTofu` can) is a first-class citizen: it is [`Opaque`], its lineage and serial are
//! hearsay and may be absent, and nothing is counted.
//!
//! Deliberately absent: the resources themselves, any judgement on whether the content makes sense to a provider, and any
//! quotation of the content in an error, since states hold secrets and errors are logged.

pub(crate) mod parse;
mod unusual;

pub use unusual::{Unusual, unusual};

/// The one version of the state format that is taken: the one that terraform has written since 0.12 and `tofu` always.
pub const VERSION: u64 = 4;

/// How deep objects and lists may nest. It is what a recursive JSON reader takes by default, and more than three times what
/// any provider's schema reaches; a deeper text costs the next reader its stack.
pub const DEPTH_MAX: usize = 128;

/// Longest lineage, terraform version or encryption version, in bytes. A lineage is a UUID of 36 bytes, unless made by hand.
pub const TEXT_BYTES_MAX: usize = 256;

/// Highest serial: the largest integer that JSON readers agree on (RFC 8259, section 6), and so the largest that a ledger
/// entry can state. terraform counts from 0 by ones.
pub const SERIAL_MAX: u64 = (1 << 53) - 1;

/// A state file, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFile {
    /// Readable: version 4.
    Plain(Summary),
    /// Encrypted by the client.
    Opaque(Opaque),
}

/// What a readable state says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Version of the format, always [`VERSION`].
    pub version: u64,
    /// Version of the program that wrote it; empty when it does not say.
    pub terraform_version: String,
    /// Identifies the series of states that this one belongs to. Never empty.
    pub lineage: String,
    /// Position in that series, at most [`SERIAL_MAX`].
    pub serial: u64,
    /// Instances of managed resources, deposed ones included; data sources are not counted.
    pub resources: u64,
    /// Outputs of the root module.
    pub outputs: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// What a state encrypted by the client says of itself. Nothing here is protected by the client's encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The lineage it claims, if it claims one.
    pub lineage: Option<String>,
    /// The serial it claims, if it claims one.
    pub serial: Option<u64>,
    /// Version of the encryption format, for example `v0`.
    pub encryption_version: String,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// Why bytes are not a state. No variant holds content of the file; lines and columns count from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum StateError {
    /// There are no bytes, or only blanks.
    #[error(
        "the state is empty; send the bytes of a state file, as `terraform state pull` prints them"
    )]
    Empty,
    /// Not UTF-8, so not JSON.
    #[error(
        "the state is not UTF-8 at line {line} column {column}; send the bytes of a state file unchanged"
    )]
    NotUtf8 {
        /// Where the first wrong byte is.
        line: usize,
        /// Where the first wrong byte is.
        column: usize,
    },
    /// Not JSON.
    #[error(
        "the state is not JSON: {reason} at line {line} column {column}; was it cut short, or is it another file?"
    )]
    NotJson {
        /// What the reader found.
        reason: String,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// JSON, but not in the form of a state.
    #[error(
        "this is not a state: {reason} at line {line} column {column}; send the bytes of a state file unchanged"
    )]
    Shape {
        /// Which part is wrong and what it should be.
        reason: String,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error(
        "the state nests deeper than {DEPTH_MAX} levels at line {line} column {column}; no provider writes such a state"
    )]
    TooDeep {
        /// Where the limit is passed.
        line: usize,
        /// Where the limit is passed.
        column: usize,
    },
    /// Version 1 to 3.
    #[error(
        "the state has version {version}, which terraform wrote before 0.12; \
         only version {VERSION} is taken: upgrade it with `terraform apply -refresh-only` of a newer terraform, then push it again"
    )]
    OldVersion {
        /// What the file says.
        version: u64,
    },
    /// Version 0, or later than [`VERSION`].
    #[error("the state has version {version}, which is not known; only version {VERSION} is taken")]
    UnknownVersion {
        /// What the file says.
        version: u64,
    },
    /// A field that every state has is not there, or is null or empty.
    #[error("the state has no `{field}`; send a state file, as `terraform state pull` prints it")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// Both a readable and an encrypted state.
    #[error(
        "the state has both `version` and `encrypted_data`, so it cannot be told whether it is encrypted; send one or the other"
    )]
    Ambiguous,
}

/// Reads what a state file says of itself.
///
/// One pass over the text, no copy of it: the memory used does not grow with the file.
///
/// # Errors
///
/// When the bytes are not a version 4 state and not an encrypted one. The error says what is wrong and where.
pub fn read(bytes: &[u8]) -> Result<StateFile, StateError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(bytes, error.valid_up_to());
        StateError::NotUtf8 { line, column }
    })?;
    if text.trim_ascii_start().is_empty() {
        return Err(StateError::Empty);
    }
    if let Some(at) = parse::too_deep(bytes) {
        let (line, column) = place(bytes, at);
        return Err(StateError::TooDeep { line, column });
    }
    let header = parse::header(text)?;
    if header.encrypted_data {
        opaque(header, bytes.len())
    } else {
        plain(header, bytes.len())
    }
}

fn plain(header: parse::Header, bytes: usize) -> Result<StateFile, StateError> {
    let version = header
        .version
        .ok_or(StateError::Missing { field: "version" })?;
    match version {
        VERSION => {}
        1..VERSION => return Err(StateError::OldVersion { version }),
        _ => return Err(StateError::UnknownVersion { version }),
    }
    let lineage = header.lineage.filter(|lineage| !lineage.is_empty());
    Ok(StateFile::Plain(Summary {
        version,
        terraform_version: header.terraform_version.unwrap_or_default(),
        lineage: lineage.ok_or(StateError::Missing { field: "lineage" })?,
        serial: header
            .serial
            .ok_or(StateError::Missing { field: "serial" })?,
        resources: header.resources,
        outputs: header.outputs,
        bytes: bytes as u64,
    }))
}

fn opaque(header: parse::Header, bytes: usize) -> Result<StateFile, StateError> {
    if header.version.is_some() {
        return Err(StateError::Ambiguous);
    }
    if !header.meta {
        return Err(StateError::Missing { field: "meta" });
    }
    Ok(StateFile::Opaque(Opaque {
        lineage: header.lineage.filter(|lineage| !lineage.is_empty()),
        serial: header.serial,
        encryption_version: header.encryption_version.ok_or(StateError::Missing {
            field: "encryption_version",
        })?,
        bytes: bytes as u64,
    }))
}

/// Line and column, from 1, of the byte at `offset`.
pub(crate) fn place(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before
        .rsplit(|byte| *byte == b'\n')
        .next()
        .map_or(0, <[u8]>::len)
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
