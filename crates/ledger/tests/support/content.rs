//! Bundles whose content is wrong: leaves, tiles, rows, bodies and forms.
// Each function is a table of cases, hence its length.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    missing_docs,
    unreachable_pub
)]

use super::corpus::{Case, case, repack, rich};
use super::log::{HOUSE, Log};
use serde_json::json;
use statehouse_ledger::row::Value as Cell;
use statehouse_ledger::sha256;

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

pub fn altered() -> Vec<Case> {
    let log = rich();
    let bytes = log.bundle();
    let change = |name: &'static str, at: usize| {
        let bytes = repack(&bytes, |members| flip(members.get_mut(name).unwrap(), at));
        case(&format!("altered: {name} at {at}"), 15, bytes)
    };
    let blob = format!("blobs/{}", hex::encode(sha256(b"body 3")));
    let key = |workspace: u64| format!("ws-{HOUSE}{workspace:016}");
    let rows = |name: &str, change: &dyn Fn(&mut Log)| {
        let mut log = log.clone();
        change(&mut log);
        case(&format!("altered: {name}"), 15, log.bundle())
    };
    vec![
        change("tile/0/000.p/18", 77),
        case(
            "altered: a sealed body",
            15,
            repack(&bytes, |members| flip(members.get_mut(&blob).unwrap(), 2)),
        ),
        case("altered: a leaf with its tiles", 15, {
            let mut other = log.clone();
            let text = String::from_utf8(other.leaves[5].clone()).unwrap();
            other.leaves[5] = text
                .replace("\"size\":65536", "\"size\":65537")
                .into_bytes();
            other.bundle_under(&log.newest())
        }),
        case("altered: a leaf", 15, {
            repack(&bytes, |members| {
                let tile = members.get_mut("tile/entries/000.p/18").unwrap();
                let at = tile.windows(5).position(|bytes| bytes == b"state").unwrap();
                flip(tile, at);
            })
        }),
        rows("a row", &|log| {
            log.rows.get_mut(&key(3)).unwrap().columns[0].1 = Cell::Text("x".into());
        }),
        rows("a row's type", &|log| {
            log.rows.get_mut(&key(3)).unwrap().columns[2].1 = Cell::Int(0);
        }),
        rows("a row's salt", &|log| {
            log.rows.get_mut(&key(3)).unwrap().salt[0] ^= 1;
        }),
        rows("a row's leaf", &|log| {
            log.rows.get_mut(&key(3)).unwrap().leaf -= 1;
        }),
        rows("a missing row", &|log| drop(log.rows.remove(&key(3)))),
        rows("an extra row", &|log| {
            let mut row = log.rows[&key(3)].clone();
            row.key = key(99);
            log.rows.insert(key(99), row);
        }),
        rows("a deleted row that came back", &|log| {
            let row = Log::of(12).rows[&key(2)].clone();
            log.rows.insert(key(2), row);
        }),
        rows("an older row", &|log| {
            let row = Log::of(5).rows[&key(3)].clone();
            log.rows.insert(key(3), row);
        }),
        rows("two rows swapped", &|log| {
            let columns = log.rows[&key(3)].columns.clone();
            let others =
                std::mem::replace(&mut log.rows.get_mut(&key(1)).unwrap().columns, columns);
            log.rows.get_mut(&key(3)).unwrap().columns = others;
        }),
        rows("a body no leaf knows", &|log| {
            log.blobs.push(b"body 9999".to_vec());
        }),
    ]
}

pub fn formed() -> Vec<Case> {
    let gap = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut log = Log::of(9);
        let mut facts = log.version(3);
        change(&mut facts);
        log.act("state.write", &facts, Vec::new());
        log.write(3);
        log.bundle()
    };
    let leaf = |change: &dyn Fn(String) -> String| {
        let mut log = Log::of(9);
        let text = String::from_utf8(log.leaves[8].clone()).unwrap();
        let changed = change(
            text.replace("\"seq\":8", "\"seq\":9")
                .replace("\"sequence\":2", "\"sequence\":3"),
        );
        log.push(changed.into_bytes());
        log.export_rows = false;
        log.bundle()
    };
    let log = rich();
    let with = |name: &'static str, bytes: &'static [u8]| {
        repack(&log.bundle(), move |members| {
            drop(members.insert(name.to_owned(), bytes.to_vec()));
        })
    };
    vec![
        case(
            "gap: a version is skipped",
            16,
            gap(&|facts| facts["sequence"] = json!(3)),
        ),
        case(
            "gap: a version comes twice",
            16,
            gap(&|facts| facts["sequence"] = json!(1)),
        ),
        case(
            "gap: a workspace begins at 2",
            16,
            gap(&|facts| facts["workspace"] = json!("ws-new")),
        ),
        case(
            "a conflict has no number and makes no gap",
            16,
            gap(&|facts| {
                facts["status"] = json!("conflict");
                facts.as_object_mut().unwrap().remove("sequence");
            }),
        ),
        case(
            "not canonical: white space",
            17,
            leaf(&|text| text.replace("\"v\":1", "\"v\": 1")),
        ),
        case(
            "not canonical: a float",
            17,
            leaf(&|text| text.replace("\"size\":65536", "\"size\":65536.0")),
        ),
        case(
            "not canonical: a large integer",
            17,
            leaf(&|text| text.replace("65536", "9007199254740992")),
        ),
        case(
            "not canonical: an unknown field",
            17,
            leaf(&|text| text.replace("\"v\":1", "\"v\":1,\"w\":1")),
        ),
        case(
            "not canonical: names out of order",
            17,
            leaf(&|text| text.replace("\"v\":1", "\"b\":1")),
        ),
        case(
            "not canonical: a long escape",
            17,
            leaf(&|text| text.replace("state.write", "state\\u002ewrite")),
        ),
        case(
            "not canonical: another version",
            17,
            leaf(&|text| text.replace("\"v\":1", "\"v\":2")),
        ),
        case(
            "not canonical: opened again",
            17,
            leaf(&|text| text.replace("state.write", "ledger.open")),
        ),
        case(
            "not canonical: a digest in capitals",
            17,
            leaf(&|text| text.replace("\"body\":\"", "\"body\":\"A")),
        ),
        case("not canonical: not JSON", 17, leaf(&|_| "state".to_owned())),
        case("unreadable: not a bundle", 18, vec![7; 4096]),
        case(
            "unreadable: a manifest of another format",
            18,
            with("manifest.json", b"{}"),
        ),
        case("unreadable: a member too many", 18, with("tile/0/001", b"")),
        case(
            "unreadable: an unknown member",
            18,
            with("readme", b"hello"),
        ),
        case(
            "unreadable: a note that is none",
            18,
            with("checkpoint", b"hello\n"),
        ),
    ]
}
