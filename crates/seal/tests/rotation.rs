//! What a keyring promises over time: rotation changes headers only, retired epochs stay shut, and MACs
//! hold for what they were made for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    missing_docs
)]

use statehouse_seal::{
    Context, EpochKeys, HEADER_LENGTH, KeyName, Keyring, MAC_LENGTH, SealError, Sealed,
};

const CONTEXT: Context<'static> = Context {
    kind: "state",
    object: "ws-ab12cd3456",
    version: "sv-ab12cd7890",
    lineage: "8f2b6a2e-0c1d",
    serial: Some(7),
};

fn house(code: &str) -> KeyName {
    KeyName::parse(code).unwrap()
}

fn keyring(epochs: &[u32]) -> Keyring {
    let keys = epochs
        .iter()
        .map(|epoch| EpochKeys::generate(*epoch).unwrap());
    Keyring::new("here", &house("ab12cd"), keys.collect()).unwrap()
}

fn refused<T>(outcome: Result<T, SealError>) -> bool {
    matches!(outcome, Err(SealError::Refused { .. }))
}

#[test]
fn rotation_rewraps_the_header_and_leaves_the_body() {
    let mut keys = keyring(&[1]);
    let Sealed { header, body } = keys.seal(&CONTEXT, b"text").unwrap();
    assert_eq!(
        keys.rewrap(&CONTEXT, &header).unwrap(),
        None,
        "already newest"
    );
    let before = keys.clone();
    keys.add(EpochKeys::generate(2).unwrap()).unwrap();
    assert_eq!((before.newest(), keys.newest()), (1, 2));

    let rewrapped = keys
        .rewrap(&CONTEXT, &header)
        .unwrap()
        .expect("an older epoch");
    assert_eq!(Keyring::header_epoch(&rewrapped).unwrap(), 2);
    assert_eq!(keys.rewrap(&CONTEXT, &rewrapped).unwrap(), None, "resumed");
    assert_eq!(keys.open(&CONTEXT, &header, &body).unwrap(), b"text");
    assert_eq!(keys.open(&CONTEXT, &rewrapped, &body).unwrap(), b"text");

    keys.retire(1).unwrap();
    assert_eq!(keys.epochs().collect::<Vec<_>>(), [2]);
    assert!(matches!(
        keys.open(&CONTEXT, &header, &body),
        Err(SealError::UnknownEpoch { epoch: 1, .. })
    ));
    assert!(keys.rewrap(&CONTEXT, &header).is_err());
    assert_eq!(keys.open(&CONTEXT, &rewrapped, &body).unwrap(), b"text");
    assert!(
        before.open(&CONTEXT, &rewrapped, &body).is_err(),
        "the older keyring lacks the epoch"
    );
}

#[test]
fn a_damaged_header_is_not_rewrapped() {
    let mut keys = keyring(&[1]);
    let header = keys.seal(&CONTEXT, b"text").unwrap().header;
    keys.add(EpochKeys::generate(2).unwrap()).unwrap();
    for byte in 8..HEADER_LENGTH {
        let mut damaged = header.clone();
        damaged[byte] ^= 0x80;
        assert!(refused(keys.rewrap(&CONTEXT, &damaged)), "byte {byte}");
    }
}

#[test]
fn epochs_only_grow_and_the_sealing_one_stays() {
    let mut keys = keyring(&[3, 1]);
    assert_eq!(
        (keys.newest(), keys.epochs().collect::<Vec<_>>()),
        (3, vec![1, 3])
    );
    let order = |outcome| matches!(outcome, Err(SealError::EpochOrder { newest: 3, .. }));
    assert!(order(keys.add(EpochKeys::generate(3).unwrap())));
    assert!(order(keys.add(EpochKeys::generate(2).unwrap())));
    assert!(matches!(
        keys.retire(3),
        Err(SealError::EpochInUse { epoch: 3, .. })
    ));
    assert!(matches!(
        keys.retire(2),
        Err(SealError::UnknownEpoch { epoch: 2, .. })
    ));
    assert!(keys.signing_seed(1).is_some() && keys.signing_seed(2).is_none());
    let none = Keyring::new("here", &house("ab12cd"), Vec::new());
    assert!(matches!(none, Err(SealError::NoEpochs { .. })));
    let twice = vec![
        EpochKeys::generate(1).unwrap(),
        EpochKeys::generate(1).unwrap(),
    ];
    assert!(Keyring::new("here", &house("ab12cd"), twice).is_err());
}

#[test]
fn macs_hold_for_their_message_use_and_live_epoch_only() {
    let mut keys = keyring(&[1]);
    let (row, token) = (keys.row_mac(b"message"), keys.token_mac(b"message"));
    assert!(keys.row_mac_verify(b"message", &row) && keys.token_mac_verify(b"message", &token));
    assert!(!keys.row_mac_verify(b"massage", &row) && !keys.token_mac_verify(b"massage", &token));
    assert!(!keys.row_mac_verify(b"message", &token) && !keys.token_mac_verify(b"message", &row));
    for bit in 0..MAC_LENGTH * 8 {
        let mut flipped = row;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!keys.row_mac_verify(b"message", &flipped), "bit {bit}");
    }
    for length in 0..MAC_LENGTH {
        assert!(
            !keys.row_mac_verify(b"message", &row[..length]),
            "{length} bytes"
        );
    }
    keys.add(EpochKeys::generate(2).unwrap()).unwrap();
    assert_eq!(keys.row_mac(b"message")[..4], [0, 0, 0, 2]);
    assert!(keys.row_mac_verify(b"message", &row), "an older live epoch");
    let mut renamed = row;
    renamed[3] = 2;
    assert!(
        !keys.row_mac_verify(b"message", &renamed),
        "said to be of another epoch"
    );
    keys.retire(1).unwrap();
    assert!(!keys.row_mac_verify(b"message", &row), "retired");
}
