//! The retained checkpoints, bound to the head: none can be taken away unseen.
//!
//! A retained checkpoint is evidence of what was once the head; a stranger
//! checks its signature, but nobody misses one that is gone. So the head's row
//! carries a hash over all of them, one after the other, with a MAC under the
//! house's row key that also covers the head's note, every signature of it: an
//! older value does not fit a newer head. Writing goes on only from a value
//! that this house made.

use statehouse_ledger::{Hash, sha256};
use statehouse_seal::Keyring;

use super::Head;
use super::sql::{self, Retained};
use crate::db::Transaction;
use crate::error::{Error, Result};
use crate::record;

/// What the hash over no checkpoint is.
pub(crate) const NONE: Hash = [0; 32];

/// The hash over all checkpoints so far and one more.
pub(crate) fn extend(digest: &Hash, next: &Retained) -> Hash {
    let origin_len = u64::try_from(next.origin.len()).unwrap_or(u64::MAX);
    let parts = [
        digest.as_slice(),
        &next.size.to_be_bytes(),
        &origin_len.to_be_bytes(),
        next.origin.as_bytes(),
        next.note.as_bytes(),
    ];
    sha256(&parts.concat())
}

/// The hash with its MAC, for the row of a head.
pub(crate) fn bind(keyring: &Keyring, head: &Head, digest: &Hash) -> Vec<u8> {
    let mac = keyring.row_mac(&message(head, digest));
    [digest.as_slice(), &mac].concat()
}

/// The hash that the stored head binds; an error where this house did not bind it.
pub(crate) async fn bound(transaction: &mut Transaction, keyring: &Keyring) -> Result<Hash> {
    genuine(sql::bound(transaction).await?.as_ref(), keyring)
}

/// The same, of a head that was read already.
pub(crate) fn genuine(stored: Option<&(Head, Vec<u8>)>, keyring: &Keyring) -> Result<Hash> {
    let Some((head, bytes)) = stored else {
        return Ok(NONE);
    };
    let parts = bytes.split_first_chunk::<32>();
    let genuine = parts.filter(|(digest, mac)| keyring.row_mac_verify(&message(head, digest), mac));
    genuine.map(|(digest, _)| *digest).ok_or_else(|| {
        Error::tampered("the head does not bind the retained checkpoints as this house does")
    })
}

fn message(head: &Head, digest: &Hash) -> Vec<u8> {
    let both = sha256(&[digest.as_slice(), head.note.as_bytes()].concat());
    record::mac_message("ledger_head", head.size, &both)
}
