//! Digests and message authentication codes.

use aws_lc_rs::{constant_time, hmac};
use md5::{Digest as _, Md5};
use regorus::Value;
use sha2::Sha256;

use super::{Answer, Args, Builtin};

pub(super) const ALL: [Builtin; 8] = [
    ("crypto.md5", 1, |args| {
        text(hex::encode(Md5::digest(args.text(0)?)))
    }),
    ("crypto.sha1", 1, sha1),
    ("crypto.sha256", 1, |args| {
        text(hex::encode(Sha256::digest(args.text(0)?)))
    }),
    ("crypto.hmac.md5", 2, hmac_md5),
    ("crypto.hmac.sha1", 2, |args| {
        mac(args, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)
    }),
    ("crypto.hmac.sha256", 2, |args| mac(args, hmac::HMAC_SHA256)),
    ("crypto.hmac.sha512", 2, |args| mac(args, hmac::HMAC_SHA512)),
    ("crypto.hmac.equal", 2, equal),
];

/// Bytes that MD5 and its HMAC work on at once.
const BLOCK: usize = 64;

#[allow(clippy::unnecessary_wraps, reason = "it ends a builtin")]
fn text(text: String) -> Answer {
    Ok(Value::from(text))
}

fn sha1(args: &Args<'_>) -> Answer {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        args.text(0)?.as_bytes(),
    );
    text(hex::encode(digest))
}

fn mac(args: &Args<'_>, algorithm: hmac::Algorithm) -> Answer {
    let key = hmac::Key::new(algorithm, args.text(1)?.as_bytes());
    text(hex::encode(hmac::sign(&key, args.text(0)?.as_bytes())))
}

fn hmac_md5(args: &Args<'_>) -> Answer {
    let (message, key) = (args.text(0)?.as_bytes(), args.text(1)?.as_bytes());
    let key = if key.len() > BLOCK {
        Md5::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    let padded = |pad: u8| {
        key.iter()
            .copied()
            .chain(std::iter::repeat(0))
            .take(BLOCK)
            .map(|it| it ^ pad)
            .collect::<Vec<u8>>()
    };
    let inner = Md5::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    text(hex::encode(
        Md5::new()
            .chain_update(padded(0x5c))
            .chain_update(inner)
            .finalize(),
    ))
}

fn equal(args: &Args<'_>) -> Answer {
    let (one, other) = (args.text(0)?, args.text(1)?);
    Ok(Value::from(
        constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok(),
    ))
}
