//! Small sealed texts kept in one column: the seal's header, then its body.

use statehouse_seal::{Context, HEADER_LENGTH, Keyring};

use crate::error::{Error, Result};

fn split(sealed: &[u8]) -> Result<(&[u8], &[u8])> {
    sealed
        .split_at_checked(HEADER_LENGTH)
        .ok_or_else(|| Error::tampered("a sealed text is cut short"))
}

pub(crate) fn seal_small(
    keyring: &Keyring,
    context: &Context<'_>,
    plaintext: &[u8],
) -> Result<Vec<u8>> {
    let sealed = keyring
        .seal(context, plaintext)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok([sealed.header, sealed.body].concat())
}

pub(crate) fn open_small(
    keyring: &Keyring,
    context: &Context<'_>,
    sealed: &[u8],
) -> Result<Vec<u8>> {
    let (header, body) = split(sealed)?;
    keyring
        .open(context, header, body)
        .map_err(|error| Error::tampered(error.to_string()))
}

/// The same text under the newest epoch; `None` when it is there already.
pub(crate) fn rewrap_small(
    keyring: &Keyring,
    context: &Context<'_>,
    sealed: &[u8],
) -> Result<Option<Vec<u8>>> {
    let (header, body) = split(sealed)?;
    let renewed = keyring
        .rewrap(context, header)
        .map_err(|error| Error::tampered(error.to_string()))?;
    Ok(renewed.map(|header| [&header, body].concat()))
}
