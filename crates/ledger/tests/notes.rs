//! Notes, keys, checkpoints and the signer's memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "support/mod.rs"]
mod log;

use statehouse_ledger::checkpoint::{Checkpoint, Error as CheckpointError, Memory, Refused};
use statehouse_ledger::note::{Line, Signature, SignedNote, Signer, VerifierKey};

/// The example of the Go package sumdb/note, which defined the format.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
/// The private key of that example, which is public: one type byte and the seed.
const PETERS_SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

#[test]
fn the_published_note_verifies_and_is_signed_to_the_same_bytes() {
    use base64::Engine as _;
    let key = VerifierKey::parse(PETER).unwrap();
    assert_eq!(key.to_string(), PETER);
    let note = SignedNote::parse(PETERS_NOTE.as_bytes()).unwrap();
    assert_eq!(note.signature_of(&key), Signature::Good);
    assert_eq!(note.to_string(), PETERS_NOTE);

    let secret = base64::engine::general_purpose::STANDARD
        .decode(PETERS_SEED)
        .unwrap();
    let signer = Signer::from_seed("PeterNeumann", secret[1..].try_into().unwrap()).unwrap();
    assert_eq!(signer.verifier(), &key);
    let mut again = SignedNote::new(note.text().to_owned()).unwrap();
    again.sign(&signer);
    assert_eq!(again.to_string(), PETERS_NOTE);

    let altered = PETERS_NOTE.replace("answer", "anſwer");
    let altered = SignedNote::parse(altered.as_bytes()).unwrap();
    assert_eq!(altered.signature_of(&key), Signature::Bad);
    assert_eq!(
        altered.signature_of(log::signer(1).verifier()),
        Signature::Absent
    );
}

#[test]
fn signatures_of_other_kinds_are_kept_and_ignored() {
    let mut note = SignedNote::parse(PETERS_NOTE.as_bytes()).unwrap();
    let ml_dsa = Line {
        name: "witness.example/w1".into(),
        id: [1, 2, 3, 4],
        signature: vec![6; 2420],
    };
    note.add(ml_dsa.clone());
    note.sign(&log::signer(1));
    let again = SignedNote::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(again, note);
    assert_eq!(again.lines()[1], ml_dsa);
    assert_eq!(
        again.signature_of(&VerifierKey::parse(PETER).unwrap()),
        Signature::Good
    );
    assert_eq!(
        again.signature_of(log::signer(1).verifier()),
        Signature::Good
    );
}

#[test]
fn malformed_notes_and_keys_are_refused() {
    let check = |note: &str| assert!(SignedNote::parse(note.as_bytes()).is_err(), "{note:?}");
    check("");
    check("text\n");
    check("text\n\n");
    check(PETERS_NOTE.trim_end());
    check(&PETERS_NOTE.replace('—', "-"));
    check(&PETERS_NOTE.replace("crypto", "cry\tpto"));
    check(&PETERS_NOTE.replace("wJnAM=", "wJnAN="));
    check(&PETERS_NOTE.replace("wJnAM=", "wJnAM"));
    check("text\n\n— name AAAA\n");
    check("text\n\n— na+me AAAAAAAA\n");
    check("text\n\n—  AAAAAAAA\n");
    check(&format!("text\n\n{}", "— name AAAAAAAA\n".repeat(101)));
    assert!(SignedNote::parse(b"text\xff\n\n\xe2\x80\x94 name AAAAAAAA\n").is_err());
    assert!(SignedNote::new("no end".into()).is_err());
    for key in [
        "",
        "PeterNeumann",
        &PETER.replace("c74f20a3", "C74F20A3"),
        &PETER.replace("c74f20a3", "c74f20a4"),
        &PETER.replace("Peter", "Pe ter"),
        &PETER.replace("+AR", "+AU"),
        &PETER[..PETER.len() - 4],
    ] {
        assert!(VerifierKey::parse(key).is_err(), "{key}");
    }
    assert!(Signer::from_seed("a b", &[0; 32]).is_err());
    assert!(Signer::from_seed("a+b", &[0; 32]).is_err());
}

#[test]
fn a_checkpoint_has_three_lines_and_no_other_spelling() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let head = Checkpoint::parse(text).unwrap();
    assert_eq!((head.size, head.to_string().as_str()), (20_852_163, text));
    for other in [
        text.trim_end().to_owned(),
        text.replace("2085", "02085"),
        text.replace("2085", "+2085"),
        text.replace("2I=", "2J="),
        text.replace("example.com/behind-the-sofa", ""),
        format!("{text}extension\n"),
        text.replace("CsUY", ""),
    ] {
        assert!(Checkpoint::parse(&other).is_err(), "{other}");
    }
    let key = log::signer(1);
    let note = head.sign(&[&key]).unwrap().to_string();
    assert_eq!(
        Checkpoint::verify(note.as_bytes(), key.verifier()),
        Ok(head.clone())
    );
    let refused = |note: &str, key: u8| {
        Checkpoint::verify(note.as_bytes(), log::signer(key).verifier()).unwrap_err()
    };
    assert!(matches!(refused(&note, 2), CheckpointError::Unsigned(_)));
    assert!(matches!(
        refused(&note.replace("2085", "2086"), 1),
        CheckpointError::BadSignature(_)
    ));
}

#[test]
fn a_signer_never_contradicts_what_left_the_process() {
    let (one, two) = ([1; 32], [2; 32]);
    let mut memory = Memory::new();
    assert_eq!(memory.offer(5, one), Ok(()));
    assert_eq!(memory.offer(5, one), Ok(()), "asking twice is fine");
    assert_eq!(memory.offer(6, two), Err(Refused::Unsettled { size: 5 }));
    memory.forget();
    assert_eq!(
        memory.offer(5, two),
        Ok(()),
        "what was rolled back binds nobody"
    );
    memory.confirm();
    assert_eq!(memory.head(), Some((5, two)));
    assert_eq!(memory.offer(5, one), Err(Refused::SecondRoot { size: 5 }));
    assert_eq!(
        memory.offer(4, one),
        Err(Refused::Smaller {
            signed: 5,
            offered: 4
        })
    );
    assert_eq!(memory.offer(5, two), Ok(()));
    memory.forget();
    memory.confirm();
    assert_eq!(
        memory.head(),
        Some((5, two)),
        "confirming nothing changes nothing"
    );
    assert_eq!(
        Memory::of(9, one).offer(8, two),
        Err(Refused::Smaller {
            signed: 9,
            offered: 8
        })
    );
}
