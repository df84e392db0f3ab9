//! Bundles with a verdict: what a verifier must say of each.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    missing_docs,
    unreachable_pub
)]

use super::content;
use super::log::{Log, origin, vkey};
use serde_json::json;
use statehouse_ledger::archive;
use statehouse_ledger::bundle::Bundle;
use statehouse_ledger::verify::Trust;
use std::collections::BTreeMap;

/// A bundle, what the asker trusts, and the exit code that must come out.
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub trust: Trust,
    pub code: u8,
}

pub fn case(name: &str, code: u8, bytes: Vec<u8>) -> Case {
    Case {
        name: name.to_owned(),
        bytes,
        trust: Trust {
            vkey: Some(vkey(1)),
            anchor: None,
        },
        code,
    }
}

impl Case {
    fn anchored(mut self, note: String) -> Self {
        self.trust.anchor = Some(note);
        self
    }

    fn trusting(mut self, vkey: Option<String>) -> Self {
        self.trust.vkey = vkey;
        self
    }
}

/// Unpacks a bundle, lets `change` at its members, and packs it again.
pub fn repack(bytes: &[u8], change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) -> Vec<u8> {
    let bundle = Bundle::of(bytes).unwrap();
    let mut members: BTreeMap<String, Vec<u8>> = bundle
        .names()
        .map(|name| (name.to_owned(), bundle.read(name, u64::MAX).unwrap()))
        .collect();
    change(&mut members);
    let mut writer = archive::Writer::new(Vec::new());
    for (name, bytes) in &members {
        writer.member(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

/// A log with everything in it: deletion, opaque bodies, two keys, a restore with a lost range.
pub fn rich() -> Log {
    let mut log = Log::of(12);
    log.blobs = vec![b"body 3".to_vec(), b"body 5".to_vec()];
    log.delete(2);
    log.rotate(2);
    log.write(3);
    log.retain();
    let mut lost = log.clone();
    lost.write(4);
    lost.retain();
    lost.write(4);
    lost.retain();
    log.restore(lost.size(), &lost.root());
    log.notes = lost.notes;
    log.write(1);
    log.retain();
    log.write(6);
    log
}

/// Every named case.
pub fn named() -> Vec<Case> {
    [
        good(),
        truncated(),
        keys(),
        forked(),
        content::altered(),
        content::formed(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn good() -> Vec<Case> {
    let mut cases: Vec<Case> = [1, 2, 255, 256, 257, 1000]
        .into_iter()
        .map(|size| case(&format!("good, {size} leaves"), 0, Log::of(size).bundle()))
        .collect();
    let log = rich();
    let lost = log.notes[log.notes.len() - 2].1.clone();
    let mut without = log.clone();
    without.export_rows = false;
    let mut turned = Log::of(5);
    turned.rotate(2);
    turned.rotate(3);
    turned.write(1);
    let mut skipped = Log::of(5);
    skipped.act(
        "key.rotate",
        &json!({"epoch": 2, "vkey": vkey(2)}),
        Vec::new(),
    );
    skipped.act(
        "key.rotate",
        &json!({"epoch": 3, "vkey": vkey(3)}),
        Vec::new(),
    );
    let all_three = skipped.head(&[1, 2, 3]);
    cases.extend([
        case("good, rich", 0, log.bundle()),
        case("good, trusted on first use", 0, log.bundle()).trusting(None),
        case("good, trusted by its second key", 0, log.bundle()).trusting(Some(vkey(2))),
        case("good, without rows", 0, without.bundle()),
        case("good, extends the anchor", 0, log.bundle()).anchored(log.notes[2].1.clone()),
        case("good, equals the anchor", 0, log.bundle()).anchored(log.newest()),
        case("good, the anchor is declared lost", 0, log.bundle()).anchored(lost),
        case("good, three keys", 0, turned.bundle()),
        case(
            "good, two changes under one checkpoint",
            0,
            skipped.bundle_under(&all_three),
        ),
        case(
            "good, repacked in another order",
            0,
            repack(&log.bundle(), |_| {}),
        ),
    ]);
    cases
}

fn truncated() -> Vec<Case> {
    let log = Log::of(300);
    let bytes = log.bundle();
    let mut shorter = Log::of(290);
    let older = shorter.bundle();
    let head = log.newest();
    shorter.notes.retain(|(size, _)| *size < 290);
    let with_notes_beyond = {
        let mut shorter = shorter.clone();
        shorter.notes.clone_from(&log.notes);
        shorter.bundle()
    };
    let missing = |name: &'static str| {
        repack(&bytes, move |members| {
            assert!(members.remove(name).is_some());
        })
    };
    vec![
        case(
            "truncated: the last leaves",
            10,
            shorter.bundle_under(&head),
        ),
        case("truncated: the file", 10, bytes[..bytes.len() / 2].to_vec()),
        case(
            "truncated: the file's end",
            10,
            bytes[..bytes.len() - 512].to_vec(),
        ),
        case("truncated: an empty file", 10, Vec::new()),
        case(
            "truncated: a retained checkpoint speaks of more",
            10,
            with_notes_beyond,
        ),
        case(
            "truncated: an entry bundle",
            10,
            missing("tile/entries/000"),
        ),
        case("truncated: a hash tile", 10, missing("tile/0/000")),
        case("truncated: a checkpoint", 10, missing("checkpoints/256")),
        case(
            "truncated: the newest checkpoint",
            10,
            missing("checkpoint"),
        ),
        case("truncated: the manifest", 10, missing("manifest.json")),
        case("truncated: inside an entry", 10, {
            repack(&bytes, |members| {
                members.get_mut("tile/entries/001.p/44").unwrap().pop();
            })
        }),
        case("older than the anchor", 13, older.clone()).anchored(head.clone()),
        case("older, and trusted on first use", 13, older)
            .anchored(head)
            .trusting(None),
        case("reordered: two leaves", 11, {
            let mut log = log.clone();
            log.leaves.swap(7, 260);
            log.bundle_under(&bundle_head(&bytes))
        }),
        case("reordered: all but the first", 11, {
            let mut log = log.clone();
            log.leaves[1..].reverse();
            log.bundle_under(&bundle_head(&bytes))
        }),
        case("reordered: swapped in the tiles only", 11, {
            repack(&bytes, |members| {
                let tile = members.get_mut("tile/entries/001.p/44").unwrap();
                let length = 2 + usize::from(u16::from_be_bytes([tile[0], tile[1]]));
                tile.rotate_left(length);
            })
        }),
    ]
}

fn bundle_head(bytes: &[u8]) -> String {
    String::from_utf8(Bundle::of(bytes).unwrap().read("checkpoint", 9999).unwrap()).unwrap()
}

fn keys() -> Vec<Case> {
    let log = Log::of(40);
    let mut resigned = Log::open(9);
    (1..40).for_each(|number| resigned.write(number % 7));
    let mut unhanded = Log::of(5);
    unhanded.act(
        "key.rotate",
        &json!({"epoch": 2, "vkey": vkey(2)}),
        Vec::new(),
    );
    let (only_new, only_old, both) = (
        unhanded.head(&[2]),
        unhanded.head(&[1]),
        unhanded.head(&[1, 2]),
    );
    let mut later = unhanded.clone();
    later.keys.push(2);
    later.notes.push((later.size(), both));
    later.write(1);
    let late_old_key = later.head(&[1]);
    vec![
        case(
            "another key: the head",
            12,
            log.bundle_under(&log.head(&[9])),
        ),
        case("another key: the whole log", 12, resigned.bundle()),
        case("another key: seen by the anchor", 12, resigned.bundle())
            .anchored(log.newest())
            .trusting(None),
        case("another key: not the one trusted", 12, log.bundle()).trusting(Some(vkey(8))),
        case(
            "another key: not handed on by the old one",
            12,
            unhanded.bundle_under(&only_new),
        ),
        case(
            "another key: handed on without the new one",
            12,
            unhanded.bundle_under(&only_old),
        ),
        case(
            "another key: the old one after it was replaced",
            12,
            later.bundle_under(&late_old_key),
        ),
        case("another key: a retained checkpoint", 12, {
            let mut log = log.clone();
            log.notes[2].1 = signed_elsewhere(4);
            log.bundle()
        }),
        case("a signature of the right key on other text", 15, {
            let other = Log::of(39).newest();
            let line = other.lines().last().unwrap();
            let text = log.newest();
            let (text, _) = text.rsplit_once("\n\n").unwrap();
            log.bundle_under(&format!("{text}\n\n{line}\n"))
        }),
        case(
            "a good signature beside a stranger's",
            0,
            log.bundle_under(&log.head(&[9, 1, 8])),
        ),
    ]
}

fn signed_elsewhere(size: u64) -> String {
    Log::of(size).head(&[9])
}

fn forked() -> Vec<Case> {
    let mut common = Log::of(20);
    common.retain();
    let (mut one, mut other) = (common.clone(), common);
    (0..9).for_each(|_| one.write(1));
    (0..14).for_each(|_| other.write(2));
    let mut both = other.clone();
    both.notes.push((one.size(), one.newest()));
    let mut foreign = one.clone();
    foreign
        .notes
        .push((foreign.size(), foreign.head_as(&origin(5), &[1])));
    let mut undeclared = rich();
    let before = undeclared.clone();
    undeclared
        .notes
        .push((before.size(), before.head_as(&origin(1), &[2])));
    vec![
        case("forked: from the anchor", 14, other.bundle()).anchored(one.newest()),
        case("forked: from a retained checkpoint", 14, both.bundle()),
        case(
            "forked: a checkpoint of another origin",
            14,
            foreign.bundle(),
        ),
        case(
            "forked: the old origin goes on after a restore",
            14,
            undeclared.bundle(),
        ),
        case(
            "forked: the head is of the old origin",
            14,
            before.bundle_under(&before.head_as(&origin(1), &[2])),
        ),
    ]
}
