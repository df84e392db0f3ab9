//! The formats: one spelling each, and what a reader must refuse.
// Tables of cases are long.
#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "support/mod.rs"]
mod log;

use serde_json::json;
use statehouse_ledger::leaf::Leaf;
use statehouse_ledger::note::SignedNote;
use statehouse_ledger::proof::{self, TlogProof};
use statehouse_ledger::row::{self, Cell, Exported, Value as Column};
use statehouse_ledger::tile::{self, Kind, Tile};
use statehouse_ledger::tree::{Levels, inclusion_proof, leaf_hash};
use statehouse_ledger::{archive, canonical, hash_from_hex, sha256};
use std::io::Cursor;

#[test]
fn tile_paths_are_those_of_the_specification() {
    let check = |path: &str, kind: Kind, index: u64, width: u16| {
        let tile = Tile { kind, index, width };
        assert_eq!(tile.to_string(), path);
        assert_eq!(Tile::parse(path), Ok(tile));
    };
    check("tile/0/x001/x234/067", Kind::Hashes(0), 1_234_067, 256);
    check("tile/entries/000.p/1", Kind::Entries, 0, 1);
    check("tile/3/999", Kind::Hashes(3), 999, 256);
    check("tile/entries/x001/000.p/255", Kind::Entries, 1000, 255);
    check(
        "tile/0/x018/x446/x744/x073/x709/x551/615",
        Kind::Hashes(0),
        u64::MAX,
        256,
    );
    for path in [
        "tile/0/67",
        "tile/0/x000/067",
        "tile/0/0067",
        "tile/00/067",
        "tile/64/000",
        "tile/entries/000.p/0",
        "tile/entries/000.p/256",
        "tile/entries/000.p/01",
        "tile/0/001/234",
        "tile/0/x001/x234",
        "tile/-1/000",
        "tile/0/",
        "tile/0/x019/x446/x744/x073/x709/x551/615",
        "tile/0/+01",
        "tiles/0/000",
        "",
    ] {
        assert!(Tile::parse(path).is_err(), "{path}");
    }
}

#[test]
fn a_tree_has_the_tiles_of_the_specification() {
    let count = |size: u64| {
        let hashes = Tile::all(size).filter(|tile| tile.kind != Kind::Entries);
        (
            Tile::row(Kind::Entries, size).count(),
            hashes.map(|tile| tile.to_string()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(count(0), (0, vec![]));
    assert_eq!(
        count(256),
        (1, vec!["tile/0/000".into(), "tile/1/000.p/1".into()])
    );
    let (entries, hashes) = count(70_000);
    assert_eq!((entries, hashes.len()), (274, 273 + 1 + 1 + 1 + 1));
    for tile in [
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ] {
        assert!(hashes.iter().any(|path| path == tile), "{tile}");
    }
    assert_eq!(
        Tile::all(u64::MAX).nth(3).unwrap().to_string(),
        "tile/entries/003"
    );
}

#[test]
fn entry_bundles_come_back_or_are_refused() {
    let long = vec![b'x'; 65_535];
    let entries: [&[u8]; 4] = [b"", b"a", &long, b"end"];
    let bundle = tile::encode_entries(entries).unwrap();
    assert_eq!(tile::parse_entries(&bundle).unwrap(), entries);
    for cut in [1, 3, bundle.len() - 1] {
        assert!(tile::parse_entries(&bundle[..cut]).is_err(), "{cut}");
    }
    let longer = vec![0; 65_536];
    assert_eq!(
        tile::encode_entries([&*longer]),
        Err(tile::Error::EntryTooLong(65_536))
    );
    assert_eq!(tile::parse_hashes(&[0; 33]), Err(tile::Error::Ragged(33)));
}

#[test]
fn canonical_json_has_one_spelling() {
    let check = |text: &str| {
        let item =
            canonical::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(String::from_utf8(item.to_bytes()).unwrap(), text);
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical::to_bytes(&value).unwrap(), text.as_bytes());
        assert_eq!(serde_json::Value::from(&item), value);
    };
    check("null");
    check("[]");
    check("{}");
    check("[true,false,0,-1,9007199254740991,-9007199254740991,\"\"]");
    check("{\"a\":{\"b\":[{}]},\"b\":1}");
    check("\"\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001f/\u{7f}\u{e9}\u{20ac}\u{1f30d}\"");
    // RFC 8785 §3.2.3: UTF-16 order puts the surrogates of an emoji before U+FB33.
    check(
        "{\"\\r\":1,\"1\":2,\"\u{80}\":3,\"\u{f6}\":4,\"\u{20ac}\":5,\"\u{1f600}\":6,\"\u{fb33}\":7}",
    );
    check(&format!("{}1{}", "[".repeat(32), "]".repeat(32)));
    for text in [
        "",
        " 1",
        "1 ",
        "[1, 2]",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":1}",
        "1.0",
        "1e3",
        "-0",
        "01",
        "-",
        "+1",
        "9007199254740992",
        "-9007199254740992",
        "99999999999999999999",
        "\"\\u0041\"",
        "\"\\u000a\"",
        "\"\\/\"",
        "\"\\u001F\"",
        "\"\\ud83c\\udf0d\"",
        "\"\n\"",
        "\"",
        "\"\\",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "nul",
        "true1",
        "[",
        "{",
        "{\"a\"",
        "{\"a\":",
        "[1 2]",
        "NaN",
        "\u{feff}1",
    ] {
        assert!(!canonical::is_canonical(text.as_bytes()), "{text}");
    }
    assert!(!canonical::is_canonical(b"\"\xff\""));
    assert!(!canonical::is_canonical("[".repeat(60_000).as_bytes()));
    assert!(!canonical::is_canonical(
        format!("{}1{}", "[".repeat(33), "]".repeat(33)).as_bytes()
    ));
    for value in [json!(1.5), json!(u64::MAX), json!({"a": [1.0]})] {
        assert!(
            matches!(
                canonical::to_bytes(&value),
                Err(canonical::Error::Number(_))
            ),
            "{value}"
        );
    }
}

#[test]
fn a_leaf_is_read_as_it_was_written_and_in_no_other_form() {
    let log = log::Log::of(3);
    let bytes = &log.leaves[2];
    let leaf = Leaf::parse(bytes).unwrap();
    assert_eq!(&leaf.to_bytes().unwrap(), bytes);
    assert_eq!(
        (leaf.seq, leaf.version().unwrap().unwrap().sequence),
        (2, Some(1))
    );
    let text = String::from_utf8(bytes.clone()).unwrap();
    for (from, to) in [
        ("\"v\":1", "\"v\":2"),
        ("\"op\":\"put\"", "\"op\":\"set\""),
        ("\"seq\":2", "\"seq\":-2"),
        ("\"rows\":[{", "\"rows\":[1,{"),
        ("\"table\":\"workspaces\"", "\"table\":\"Work\""),
        ("\"kind\":\"user\",", ""),
        ("\"request\"", "\"reqqest\""),
        ("\"digest\":\"", "\"digest\":\"0"),
        ("\"at\":", "\"at\":null,\"au\":"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(
            Leaf::parse(text.replace(from, to).as_bytes()).is_err(),
            "{to}"
        );
    }
    let mut oversized = leaf.clone();
    oversized.object = "x".repeat(65_535).into();
    assert!(oversized.to_bytes().is_err());
}

#[test]
fn a_row_digest_binds_table_salt_names_types_and_values() {
    let salt = [7; 16];
    let columns = [
        ("b", Cell::Text("1")),
        ("a", Cell::Int(-2)),
        ("c", Cell::Null),
        ("d", Cell::Bytes(b"\0")),
    ];
    let base = row::digest("t", &salt, columns);
    let written = [
        b"statehouse row v1\n\0\0\0\x01t\0\0\0\x10".as_slice(),
        &salt,
        b"\0\0\0\x01ai\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe",
        b"\0\0\0\x01bt\0\0\0\x011",
        b"\0\0\0\x01cn\0\0\0\0",
        b"\0\0\0\x01db\0\0\0\x01\0",
    ];
    assert_eq!(base, sha256(&written.concat()));
    let with = |place: usize, column: (&'static str, Cell<'static>)| {
        let mut changed = columns;
        changed[place] = column;
        row::digest("t", &salt, changed)
    };
    for other in [
        row::digest("u", &salt, columns),
        row::digest("t", &[8; 16], columns),
        with(0, ("b", Cell::Bytes(b"1"))),
        with(0, ("e", Cell::Text("1"))),
        with(2, ("c", Cell::Text(""))),
        with(1, ("a", Cell::Int(2))),
        row::digest("t", &salt, columns.into_iter().take(3)),
    ] {
        assert_ne!(other, base);
    }
    let exported = Exported {
        table: "t".into(),
        key: "k".into(),
        leaf: 4,
        salt,
        columns: vec![
            ("a".into(), Column::Int(-2)),
            ("b".into(), Column::Text("1".into())),
            ("c".into(), Column::Null),
            ("d".into(), Column::Bytes(vec![0])),
        ],
    };
    let line = exported.to_line().unwrap();
    assert_eq!(Exported::parse(&line), Ok(exported.clone()));
    assert_eq!(exported.digest(), base);
    let text = String::from_utf8(line).unwrap();
    for (from, to) in [
        ("{\"i\":-2}", "-2"),
        ("\"00\"", "\"0\""),
        ("\"leaf\":4", "\"leaf\":-4"),
        ("null", "{}"),
        ("\"t\":", "\"u\":"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(
            Exported::parse(text.replace(from, to).as_bytes()).is_err(),
            "{to}"
        );
    }
    let mut large = exported;
    large.columns[0].1 = Column::Int(i64::MAX);
    assert!(large.to_line().is_err());
}

#[test]
fn a_proof_shows_its_leaf_and_nothing_else() {
    let log = log::Log::of(100);
    let levels = Levels::from_leaves(log.leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
    let key = log::signer(1);
    let proof = TlogProof {
        extra: Some(b"extra".to_vec()),
        index: 42,
        hashes: inclusion_proof(42, 100, &levels).unwrap(),
        checkpoint: SignedNote::parse(log.newest().as_bytes()).unwrap(),
    };
    let text = proof.to_string();
    assert_eq!(TlogProof::parse(&text), Ok(proof.clone()));
    let verify = |proof: &TlogProof, leaf: usize| {
        proof.verify(&log.leaves[leaf], &log::origin(1), key.verifier())
    };
    assert_eq!(verify(&proof, 42).unwrap().size, 100);
    assert!(matches!(verify(&proof, 41), Err(proof::Error::Path(_))));
    let moved = TlogProof {
        index: 41,
        ..proof.clone()
    };
    assert!(verify(&moved, 42).is_err());
    assert!(matches!(
        proof.verify(&log.leaves[42], "other", key.verifier()),
        Err(proof::Error::Origin(_))
    ));
    assert!(
        proof
            .verify(&log.leaves[42], &log::origin(1), log::signer(2).verifier())
            .is_err()
    );
    for (from, to) in [
        ("@v1", "@v2"),
        ("index 42", "index 042"),
        ("extra ", "extra !"),
        ("\n\n", "\n"),
    ] {
        assert!(
            TlogProof::parse(&text.replacen(from, to, 1)).is_err(),
            "{to}"
        );
    }
}

#[test]
fn an_archive_comes_back_and_long_names_are_refused() {
    let mut writer = archive::Writer::new(Vec::new());
    writer.member("a/b", b"content").unwrap();
    writer.member("empty", b"").unwrap();
    assert!(writer.member(&"x".repeat(101), b"").is_err());
    assert!(writer.member("a b", b"").is_err());
    assert!(
        writer
            .member_from("short", 9, &mut b"short".as_slice())
            .is_err()
    );
    let mut writer = archive::Writer::new(Vec::new());
    writer.member("a/b", b"content").unwrap();
    let bytes = writer.finish().unwrap();
    let members = archive::index(&mut Cursor::new(&bytes)).unwrap();
    let extent = members["a/b"];
    let start = usize::try_from(extent.at).unwrap();
    assert_eq!(
        &bytes[start..start + usize::try_from(extent.size).unwrap()],
        b"content"
    );
    for length in 0..bytes.len() {
        let cut = archive::index(&mut Cursor::new(&bytes[..length]));
        assert!(
            matches!(cut, Err(archive::Error::Cut(_))),
            "cut at {length}: {cut:?}"
        );
    }
    for at in (0..bytes.len()).filter(|at| !(start..start + 7).contains(at)) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x20;
        assert!(
            archive::index(&mut Cursor::new(&altered)).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn digests_are_read_in_lowercase_only() {
    let text = "ab".repeat(32);
    assert_eq!(hash_from_hex(&text), Some([0xab; 32]));
    assert_eq!(hash_from_hex(&text.to_uppercase()), None);
    assert_eq!(hash_from_hex(&text[1..]), None);
}
