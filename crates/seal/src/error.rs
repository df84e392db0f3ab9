//! What can go wrong, in the words of the person who has to act on it.
//!
//! Two kinds, because two people act: [`SealError`] is about sealed bytes, [`RootError`] about a
//! root key provider. A refusal to open says which object and never which check failed: the
//! difference would help only somebody who is forging one.

use std::io;
use std::path::PathBuf;

use crate::KeyName;

/// Why bytes could not be sealed or opened, or a keyring not be changed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The bytes are not what was sealed for this object version under these keys.
    #[error(
        "the sealed bytes of {kind} {object} version {version} are refused: altered, incomplete, or sealed for something else. \
         Run `statehouse verify --live`, and restore this object from a backup"
    )]
    Refused {
        /// Kind of the object, as the caller's context named it.
        kind: String,
        /// Id of the object.
        object: String,
        /// Id of the version.
        version: String,
    },
    /// The header names an epoch whose keys are not in the keyring.
    #[error(
        "sealed under epoch {epoch} of house {house}, whose keys are not in the keyring: retired, or from another copy of the database"
    )]
    UnknownEpoch {
        /// The house of the keyring.
        house: KeyName,
        /// The epoch that the header names.
        epoch: u32,
    },
    /// The header is not of a form that this build reads.
    #[error(
        "a sealed header of {length} bytes is in no format this build reads: it is damaged, or a newer version of Statehouse wrote it"
    )]
    UnknownFormat {
        /// Length of the header in bytes.
        length: usize,
    },
    /// The plaintext has more segments than a 32-bit counter can number.
    #[error("an object of more than 2^32 segments of 1 MiB cannot be sealed: split it")]
    TooLarge,
    /// The source of a stream could not be read.
    #[error("reading the stream to seal or open: {0}")]
    Read(#[source] io::Error),
    /// The sink of a stream could not be written.
    #[error("writing the sealed or opened stream: {0}")]
    Write(#[source] io::Error),
    /// A keyring needs keys of at least one epoch.
    #[error("house {house} has no epoch keys: nothing can be sealed or opened")]
    NoEpochs {
        /// The house without keys.
        house: KeyName,
    },
    /// Epochs are numbered upwards and never twice.
    #[error(
        "epoch {epoch} cannot join the keyring of house {house}: its newest is {newest}, and a new epoch must be later"
    )]
    EpochOrder {
        /// The house of the keyring.
        house: KeyName,
        /// The epoch that was to be added.
        epoch: u32,
        /// The newest epoch in the keyring.
        newest: u32,
    },
    /// The newest epoch is the one that seals; it cannot be retired.
    #[error(
        "epoch {epoch} of house {house} is the newest and still seals: rotate to a new epoch before retiring it"
    )]
    EpochInUse {
        /// The house of the keyring.
        house: KeyName,
        /// The epoch that was to be retired.
        epoch: u32,
    },
    /// AWS-LC refused to work.
    #[error(
        "the cryptographic library refused an operation that cannot fail: no randomness, or a failed self-test. Restart, and check the machine"
    )]
    Engine,
}

/// Why a root key provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A secret of this house exists, and is never replaced.
    #[error(
        "a secret of house {house} exists already ({place}); a second one would make everything sealed under it unreadable"
    )]
    Exists {
        /// The house.
        house: KeyName,
        /// Where the secret is, in words.
        place: String,
    },
    /// The provider has no secret of this house.
    #[error(
        "the secret of house {house} is missing: restore {place}, without it nothing of the house can be read"
    )]
    Missing {
        /// The house.
        house: KeyName,
        /// Where the secret should be, in words.
        place: String,
    },
    /// A wrapped key does not open under this house's secret, for what it is said to be.
    #[error(
        "a wrapped key of house {house} does not open with {place}: it was altered, or wrapped for another site, house or epoch, or by another secret or provider"
    )]
    Refused {
        /// The house.
        house: KeyName,
        /// Where the secret is, in words.
        place: String,
    },
    /// Others may read or change what only the server may.
    #[error("{} has mode {mode:04o} and is open to other users: run `chmod {} {}`", path.display(), if *directory { "700" } else { "600" }, path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a directory.
        directory: bool,
    },
    /// Something at the provider is not what this crate writes.
    #[error("{place} cannot be used: {why}")]
    Damaged {
        /// What was looked at.
        place: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The passphrase is not the one that the parameter file was made with.
    #[error("wrong passphrase for {}: the secrets of all houses hang on it, and there is no other way in", path.display())]
    WrongPassphrase {
        /// The parameter file.
        path: PathBuf,
    },
    /// A new passphrase is too short to carry every house.
    #[error(
        "the passphrase has {length} characters, at least {minimum} are needed: five or six random words are good"
    )]
    WeakPassphrase {
        /// Characters given.
        length: usize,
        /// Characters needed.
        minimum: usize,
    },
    /// This provider has no way to destroy one house's secret.
    #[error("{provider} cannot destroy the secret of one house: {why}")]
    CannotDestroy {
        /// The provider.
        provider: String,
        /// Why, and what to do.
        why: String,
    },
    /// The provider does not answer. Nothing was changed; asking again is safe.
    #[error("{provider} is unavailable: {why}. Ask again when it is back; nothing was changed")]
    Unavailable {
        /// The provider.
        provider: String,
        /// What it said.
        why: String,
    },
    /// The token refused the PIN. It is not tried again, because tokens lock themselves.
    #[error(
        "{provider} refused the PIN ({why}); it is not tried again, lest the token lock itself. Correct the PIN and restart"
    )]
    PinRefused {
        /// The provider.
        provider: String,
        /// What the token said.
        why: String,
    },
    /// A file operation failed; the message names the path.
    #[error("root keys: {0}")]
    Io(#[from] io::Error),
    /// AWS-LC refused to work.
    #[error(
        "the cryptographic library refused an operation that cannot fail: no randomness, or a failed self-test. Restart, and check the machine"
    )]
    Engine,
}
