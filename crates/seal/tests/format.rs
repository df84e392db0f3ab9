//! Version 1 of everything stored, written down: what these bytes were must be read for ever.
//!
//! A change that breaks one of these tests makes existing houses unreadable. It needs a new format id
//! beside the old one, not a new value here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use statehouse_seal::{
    EpochKeys, KeyDirectory, KeyName, Keyring, Passphrase, RootKeys, SEGMENT_LENGTH,
};

const SECRET_FILE: &str = "\
statehouse house secret, version 1; keep it apart from the data and its backups
house ab12cd
secret 9a3648eb54e1eb0a3c9301590c9620a262a4aa4a492349b3652a48fa4d8836c0
check dd04f48b
";

const WRAPPED: &str = concat!(
    "01ecbeb51896151b5e24c316b7051a4d2dc202fc7b0b4fb2673c713d7081017fd0529cffefc4fff1",
    "e8d24d75e30fe296d75f9f8943b81f0084d8be186c9f3d22a9c4711a6c46aac3f0d6bd7d1688fe85",
    "23de82ac040cd6ded9659205317d4b3b4537bf7da8df34857eaf2e22fc551c5d14c4e581a75f44c6",
    "67db2ef04108ff7a5bb7fdabd437bb8f0f060b15c841815dfac89ca716fbf33018efcaa375190c48",
    "4b77dd8542e01796b9",
);

const SIGNING_SEED: &str = "8734f3f8af8ec967c2f55e102b811f01ee4ec7c2fff780f7145cbec574835b0d";
const ROW_MAC: &str = "000000040f328b16501602b6cf19f7954b3beac7d0cf9fa98a759db8c946b06fe6a41c90";
const TOKEN_MAC: &str = "00000004f56b1e683de76e63e41a01cc541588aa26e35a26bd704f195fd49bff32a24e73";

const PARAMETER_FILE: &str = "\
statehouse passphrase parameters, version 1; not secret, and needed together with the passphrase
argon2id 65536 3 4
salt 08ba2f65099d4d473a708224cb6543f8
verifier 3936d4f3547f9efa45d1413a35552acef41343031a38040bb42f3cb06ca2675f
";

const WRAPPED_BY_PASSPHRASE: &str = concat!(
    "019f435c751e0828b144fb3895dde3ddd31e6cd0e444f9a7",
    "3e59daa1b27ec4b1f0033ed119fd935cb9ebca37"
);

fn house() -> KeyName {
    KeyName::parse("ab12cd").unwrap()
}

fn put(path: &Path, content: &str) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

/// A keyring of the epoch that was wrapped under the secret above.
fn keyring() -> Keyring {
    let directory = tempfile::tempdir().unwrap();
    let root = KeyDirectory::open(&directory.path().join("keys")).unwrap();
    put(&root.file(&house()), SECRET_FILE);
    let wrapped = hex::decode(WRAPPED).unwrap();
    let keys = EpochKeys::unwrap(&root, "here", &house(), 4, &wrapped).unwrap();
    Keyring::new("here", &house(), vec![keys]).unwrap()
}

#[test]
fn epoch_keys_and_macs_of_version_1_hold() {
    let keys = keyring();
    let seed = keys.signing_seed(4).unwrap().expose_secret();
    assert_eq!(hex::encode(seed), SIGNING_SEED);
    assert_eq!(hex::encode(keys.row_mac(b"message")), ROW_MAC);
    assert_eq!(hex::encode(keys.token_mac(b"message")), TOKEN_MAC);
}

#[cfg(not(feature = "identity-for-control-tests"))]
#[test]
fn an_object_of_version_1_opens() {
    const HEADER: &str = concat!(
        "53485331000000047d0022305b8a2e0094edb8f266ecc30ced604370fb4ab998e2ed59bd888019e5",
        "bf51cb58e8b72089b4b44959583913a02db358c7d7d99130c5d382c592894540f9ddb264a9709307",
        "1e0a465c1719cc759f242d134bed61b818018a9ae81567a5f345c6de2ffeeea9",
    );
    const BODY: &str = "be4b53b921e1aae53f48e681aec3ca74b0a77de5cf4bb5767d96d58d53dc6eed6c62f8d81b";
    let context = statehouse_seal::Context {
        kind: "state",
        object: "ws-ab12cd3456",
        version: "sv-ab12cd7890",
        lineage: "8f2b6a2e-0c1d",
        serial: Some(7),
    };
    let (header, body) = (hex::decode(HEADER).unwrap(), hex::decode(BODY).unwrap());
    let opened = keyring().open(&context, &header, &body).unwrap();
    assert_eq!(opened, b"what version 1 sealed");
}

#[test]
fn segments_of_version_1_are_one_mebibyte() {
    assert_eq!(SEGMENT_LENGTH, 1_048_576);
}

#[test]
fn a_passphrase_of_version_1_opens() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    KeyDirectory::open(&keys).unwrap();
    put(&keys.join("passphrase.parameters"), PARAMETER_FILE);
    let root =
        Passphrase::open(&keys, &SecretString::from("correct horse battery staple")).unwrap();
    let wrapped = hex::decode(WRAPPED_BY_PASSPHRASE).unwrap();
    let opened = root.unwrap(&house(), b"associated", &wrapped).unwrap();
    assert_eq!(*opened, b"key");
}
