//! What a sealed object promises: it opens for what it was sealed for, whole, and for nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    missing_docs
)]

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};

use statehouse_seal::{
    Context, EpochKeys, HEADER_LENGTH, KeyDirectory, KeyName, Keyring, RootKeys, SEALING,
    SEGMENT_LENGTH, SealError, Sealed, body_length,
};

const TAG_LENGTH: usize = 16;
const SEALED_LENGTH: usize = SEGMENT_LENGTH + TAG_LENGTH;

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

/// Bytes without a pattern that a cipher could keep.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn refused<T>(outcome: Result<T, SealError>) -> bool {
    matches!(outcome, Err(SealError::Refused { .. }))
}

/// Refused by the slice form and by the stream form.
fn check_refused(keys: &Keyring, header: &[u8], body: &[u8], what: &str) {
    assert!(refused(keys.open(&CONTEXT, header, body)), "slice: {what}");
    let outcome = keys.open_stream(&CONTEXT, header, body, io::sink());
    assert!(refused(outcome), "stream: {what}");
}

/// Gives a few bytes at a time, and is interrupted now and then, as sockets are.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(5) {
            return Err(ErrorKind::Interrupted.into());
        }
        let length = buffer.len().min(77_777);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn what_is_sealed_opens_in_slice_and_stream_form_alike() {
    let keys = keyring(&[1]);
    let check = |length: usize| {
        let text = bytes(length);
        let Sealed { header, body } = keys.seal(&CONTEXT, &text).unwrap();
        let mut streamed = Vec::new();
        let stream_header = keys
            .seal_stream(&CONTEXT, Dribble(&text, 0), &mut streamed)
            .unwrap();
        assert_eq!(
            (header.len(), stream_header.len()),
            (HEADER_LENGTH, HEADER_LENGTH)
        );
        assert_eq!(
            (body.len(), streamed.len()),
            (body_length(length), body_length(length))
        );
        for (header, body) in [(header, body), (stream_header, streamed)] {
            assert!(
                keys.open(&CONTEXT, &header, &body).unwrap() == text,
                "{length}"
            );
            let mut opened = Vec::new();
            let count = keys.open_stream(&CONTEXT, &header, Dribble(&body, 0), &mut opened);
            assert_eq!(count.unwrap(), length as u64);
            assert!(opened == text, "{length}");
        }
    };
    check(0);
    check(1);
    check(4096);
    check(SEGMENT_LENGTH - 1);
    check(SEGMENT_LENGTH);
    check(SEGMENT_LENGTH + 1);
    check(2 * SEGMENT_LENGTH);
    check(3 * SEGMENT_LENGTH + 5);
}

#[test]
fn sealing_the_same_twice_has_nothing_in_common() {
    let keys = keyring(&[1]);
    let (one, two) = (
        keys.seal(&CONTEXT, &[0; 64]).unwrap(),
        keys.seal(&CONTEXT, &[0; 64]).unwrap(),
    );
    assert_ne!(one.header, two.header);
    assert_eq!(
        one.body != two.body,
        SEALING || one.body[64..] != two.body[64..]
    );
    check_refused(&keys, &one.header, &two.body, "the body of another sealing");
}

#[test]
fn a_canary_is_found_only_in_a_build_that_does_not_seal() {
    let (keys, canary) = (keyring(&[1]), b"canary-7f3a");
    let body = keys.seal(&CONTEXT, canary).unwrap().body;
    let found = body.windows(canary.len()).any(|window| window == canary);
    assert_eq!(found, !SEALING);
}

#[test]
fn every_flipped_bit_of_an_envelope_is_refused() {
    let keys = keyring(&[2, 3]);
    let Sealed { header, body } = keys.seal(&CONTEXT, &bytes(4096)).unwrap();
    let envelope = [header, body].concat();
    let mut accepted = 0;
    for bit in 0..envelope.len() * 8 {
        let mut flipped = envelope.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (header, body) = flipped.split_at(HEADER_LENGTH);
        match keys.open(&CONTEXT, header, body) {
            Ok(_) => accepted += 1,
            Err(SealError::UnknownFormat { .. }) => assert!(bit < 32, "bit {bit}"),
            Err(SealError::UnknownEpoch { .. }) => assert!((32..64).contains(&bit), "bit {bit}"),
            Err(SealError::Refused { .. }) => assert!(bit >= 56, "bit {bit}"),
            Err(other) => panic!("bit {bit}: {other}"),
        }
    }
    assert_eq!(accepted, 0);
}

#[test]
fn every_field_of_the_context_is_bound() {
    let keys = keyring(&[1]);
    let Sealed { header, body } = keys.seal(&CONTEXT, b"text").unwrap();
    let check = |context: Context<'_>| {
        assert_ne!(context, CONTEXT);
        assert!(refused(keys.open(&context, &header, &body)), "{context:?}");
        let streamed = keys.open_stream(&context, &header, body.as_slice(), io::sink());
        assert!(refused(streamed), "{context:?}");
        assert!(refused(keys.rewrap(&context, &header)), "{context:?}");
    };
    check(Context {
        kind: "plan",
        ..CONTEXT
    });
    check(Context {
        kind: "",
        ..CONTEXT
    });
    check(Context {
        object: "ws-ab12cd3457",
        ..CONTEXT
    });
    check(Context {
        version: "sv-ab12cd7891",
        ..CONTEXT
    });
    check(Context {
        lineage: "8f2b6a2e-0c1e",
        ..CONTEXT
    });
    check(Context {
        lineage: "",
        ..CONTEXT
    });
    check(Context {
        serial: Some(8),
        ..CONTEXT
    });
    check(Context {
        serial: Some(0),
        ..CONTEXT
    });
    check(Context {
        serial: None,
        ..CONTEXT
    });
    check(Context {
        object: CONTEXT.version,
        version: CONTEXT.object,
        ..CONTEXT
    });
    check(Context {
        kind: "stat",
        object: "ews-ab12cd3456",
        ..CONTEXT
    });
    assert_eq!(keys.open(&CONTEXT, &header, &body).unwrap(), b"text");
}

#[test]
fn objects_of_one_keyring_cannot_be_exchanged() {
    let keys = keyring(&[1]);
    let contexts = [
        CONTEXT,
        Context {
            kind: "plan",
            ..CONTEXT
        },
        Context {
            object: "ws-ab12cdother",
            ..CONTEXT
        },
        Context {
            version: "sv-ab12cdother",
            ..CONTEXT
        },
    ];
    let sealed = contexts.map(|context| keys.seal(&context, b"same text").unwrap());
    for (i, context) in contexts.iter().enumerate() {
        for (j, from) in sealed.iter().enumerate() {
            for (k, body_from) in sealed.iter().enumerate() {
                let opened = keys.open(context, &from.header, &body_from.body);
                assert_eq!(opened.is_ok(), i == j && j == k, "{i} {j} {k}");
                assert_eq!(refused(opened), i != j || j != k);
            }
        }
    }
}

#[test]
fn an_object_of_another_house_or_site_is_refused_even_under_the_same_keys() {
    let directory = tempfile::tempdir().unwrap();
    let root = KeyDirectory::open(&directory.path().join("keys")).unwrap();
    let owner = house("ab12cd");
    root.create(&owner).unwrap();
    let wrapped = EpochKeys::generate(1)
        .unwrap()
        .wrap(&root, "here", &owner)
        .unwrap();
    let same_keys = |site: &str, name: &KeyName| {
        let keys = EpochKeys::unwrap(&root, "here", &owner, 1, &wrapped).unwrap();
        Keyring::new(site, name, vec![keys]).unwrap()
    };
    let Sealed { header, body } = same_keys("here", &owner).seal(&CONTEXT, b"text").unwrap();
    let check = |site: &str, name: &KeyName, opens: bool| {
        let keys = same_keys(site, name);
        assert_eq!(
            keys.open(&CONTEXT, &header, &body).is_ok(),
            opens,
            "{site} {name}"
        );
        assert_eq!(refused(keys.open(&CONTEXT, &header, &body)), !opens);
    };
    check("here", &owner, true);
    check("here", &house("ab12ce"), false);
    check("here", &KeyName::site(), false);
    check("there", &owner, false);
    check("", &owner, false);
    assert!(
        refused(keyring(&[1]).open(&CONTEXT, &header, &body)),
        "other keys"
    );
}

#[test]
fn cut_and_extended_bodies_are_refused_at_every_segment_boundary() {
    let keys = keyring(&[1]);
    for length in [
        0,
        100,
        SEGMENT_LENGTH,
        2 * SEGMENT_LENGTH,
        2 * SEGMENT_LENGTH + 100,
    ] {
        let Sealed { header, body } = keys.seal(&CONTEXT, &bytes(length)).unwrap();
        let boundaries = (0..=3)
            .map(|segments| segments * SEALED_LENGTH)
            .chain([body.len()]);
        for boundary in boundaries {
            let near = boundary.saturating_sub(TAG_LENGTH + 1)..=boundary + TAG_LENGTH + 1;
            for cut in near.filter(|cut| *cut < body.len()) {
                check_refused(
                    &keys,
                    &header,
                    &body[..cut],
                    &format!("{length} cut to {cut}"),
                );
            }
        }
        for extra in [1, TAG_LENGTH, TAG_LENGTH + 1, SEALED_LENGTH] {
            let zeros = [body.as_slice(), &vec![0; extra]].concat();
            check_refused(
                &keys,
                &header,
                &zeros,
                &format!("{length} and {extra} zeros"),
            );
            let again = [body.as_slice(), &body[..extra.min(body.len())]].concat();
            check_refused(
                &keys,
                &header,
                &again,
                &format!("{length} and its first {extra}"),
            );
        }
        let twice = [body.as_slice(), &body].concat();
        check_refused(&keys, &header, &twice, &format!("{length} twice"));
    }
}

#[test]
fn segments_cannot_be_reordered_dropped_or_repeated() {
    let keys = keyring(&[1]);
    let Sealed { header, body } = keys.seal(&CONTEXT, &bytes(4 * SEGMENT_LENGTH)).unwrap();
    let segments: Vec<_> = body.chunks(SEALED_LENGTH).collect();
    let check = |order: &[usize], opens: bool| {
        let body: Vec<u8> = order
            .iter()
            .flat_map(|index| segments[*index])
            .copied()
            .collect();
        if opens {
            assert!(keys.open(&CONTEXT, &header, &body).is_ok());
        } else {
            check_refused(&keys, &header, &body, &format!("{order:?}"));
        }
    };
    check(&[0, 1, 2, 3], true);
    check(&[1, 0, 2, 3], false);
    check(&[0, 2, 1, 3], false);
    check(&[0, 1, 3, 2], false);
    check(&[3, 0, 1, 2], false);
    check(&[1, 2, 3], false);
    check(&[0, 1, 3], false);
    check(&[0, 1, 2], false);
    check(&[0, 0, 1, 2, 3], false);
    check(&[0, 1, 2, 3, 3], false);
    check(&[3], false);
    check(&[], false);
}

#[test]
fn a_stream_holds_no_more_than_two_segments() {
    struct Source<'a>(u64, &'a Cell<u64>);
    struct Sink<'a>(&'a Cell<u64>);
    impl Read for Source<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.min(buffer.len() as u64);
            self.0 -= count;
            self.1.set(self.1.get() + count);
            assert!(
                self.1.get() <= 2 * SEGMENT_LENGTH as u64,
                "{} held",
                self.1.get()
            );
            Ok(usize::try_from(count).unwrap())
        }
    }
    impl Write for Sink<'_> {
        fn write(&mut self, sealed: &[u8]) -> io::Result<usize> {
            self.0
                .set(self.0.get() - (sealed.len() - TAG_LENGTH) as u64);
            Ok(sealed.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let held = Cell::new(0);
    let source = Source(16 * SEGMENT_LENGTH as u64 + 5, &held);
    keyring(&[1])
        .seal_stream(&CONTEXT, source, Sink(&held))
        .unwrap();
    assert_eq!(held.get(), 0);
}

#[test]
fn a_failing_stream_says_which_side_failed() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line is dead"))
        }
    }
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let keys = keyring(&[1]);
    let Sealed { header, body } = keys.seal(&CONTEXT, b"text").unwrap();
    let said = [
        keys.seal_stream(&CONTEXT, Broken, io::sink()).unwrap_err(),
        keys.seal_stream(&CONTEXT, io::empty(), Broken).unwrap_err(),
        keys.open_stream(&CONTEXT, &header, Broken, io::sink())
            .unwrap_err(),
        keys.open_stream(&CONTEXT, &header, body.as_slice(), Broken)
            .unwrap_err(),
    ]
    .map(|error| error.to_string());
    assert!(
        said[0].starts_with("reading") && said[0].contains("the line is dead"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("writing") && said[1].contains("the disk is full"),
        "{said:?}"
    );
    assert!(
        said[2].starts_with("reading") && said[3].starts_with("writing"),
        "{said:?}"
    );
}

#[test]
fn headers_of_other_lengths_or_formats_are_named_so() {
    let keys = keyring(&[1]);
    let Sealed { header, body } = keys.seal(&CONTEXT, b"text").unwrap();
    let check = |header: &[u8]| {
        let length = header.len();
        let unknown =
            |error| matches!(error, SealError::UnknownFormat { length: l } if l == length);
        assert!(unknown(keys.open(&CONTEXT, header, &body).unwrap_err()));
        assert!(unknown(keys.rewrap(&CONTEXT, header).unwrap_err()));
        assert!(unknown(Keyring::header_epoch(header).unwrap_err()));
    };
    for length in 0..HEADER_LENGTH {
        check(&header[..length]);
    }
    check(&[header.as_slice(), &[0]].concat());
    check(&[b"SHS2", &header[4..]].concat());
    assert_eq!(Keyring::header_epoch(&header).unwrap(), 1);
}
