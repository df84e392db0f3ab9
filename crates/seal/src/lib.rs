//! Envelope encryption for everything a house keeps.
//!
//! The keys hang on one chain, and each link is held by the one above it:
//!
//! ```text
//! house secret   one per house, at a root key provider, outside every database and backup
//!  └ epoch keys  four 256-bit keys, wrapped by the house secret; replaced by rotation
//!     └ object key   fresh for every object version, XAES-256-GCM under the epoch's data key
//!        └ body      AES-256-GCM in segments of 1 MiB
//! ```
//!
//! What this crate promises: bytes sealed for one object version open for that version and for
//! nothing else (not another kind, object, version, lineage, serial, house or site), whole and in
//! order, or not at all. Rotation rewrites only the small headers, never a body. Destroying the
//! house secret at its provider makes everything below it unreadable, in old backups too.
//!
//! What is deliberately absent: any knowledge of what is sealed, compression, SQL, async, and
//! protection against the replay of a whole older database, which is the ledger's part.
//! AES-256-GCM, CMAC, HMAC, HKDF and randomness come from AWS-LC; no primitive is written here.

mod canonical;
mod directory;
mod epoch;
mod error;
mod gcm;
mod header;
mod keyring;
mod name;
mod object;
mod root;
mod segment;
mod xaes;

pub use canonical::Context;
pub use directory::make_directory;
pub use epoch::EpochKeys;
pub use error::{RootError, SealError};
pub use header::HEADER_LENGTH;
pub use keyring::{Keyring, MAC_LENGTH, Sealed};
pub use name::{KeyName, NameError};
pub use root::RootKeys;
pub use root::directory::KeyDirectory;
pub use root::passphrase::{PASSPHRASE_LENGTH_MIN, Passphrase};
pub use root::pkcs11::{Pkcs11, Pkcs11Mechanism, Pkcs11Settings};
pub use segment::{SEGMENT_LENGTH, body_length};

/// Whether this build hides what it seals.
///
/// False only with the feature `identity-for-control-tests`, whose bodies are readable (and still
/// authenticated). A program that serves must look at this and refuse to start when it is false.
pub const SEALING: bool = cfg!(not(feature = "identity-for-control-tests"));
