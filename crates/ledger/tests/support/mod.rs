//! A log to export: leaves as a server would write them, small enough to read and large enough to be honest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    dead_code,
    missing_docs,
    unreachable_pub
)]

use serde_json::{Value, json};
use statehouse_ledger::canonical::Object;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::leaf::{Actor, Leaf, Op, RowChange};
use statehouse_ledger::note::Signer;
use statehouse_ledger::row::{Exported, Value as Cell};
use statehouse_ledger::tree::{Frontier, leaf_hash};
use statehouse_ledger::{Hash, bundle, sha256};
use std::collections::BTreeMap;

pub const HOUSE: &str = "Hk3Zp9";

/// The origin of an epoch of the log.
pub fn origin(epoch: u64) -> String {
    format!("statehouse/site-7q/{HOUSE}/{epoch}")
}

/// The key that a number stands for.
pub fn signer(key: u8) -> Signer {
    Signer::from_seed(&origin(1), &[key; 32]).unwrap()
}

pub fn vkey(key: u8) -> String {
    signer(key).verifier().to_string()
}

/// A whole log and what is kept beside it.
#[derive(Clone)]
pub struct Log {
    pub leaves: Vec<Vec<u8>>,
    pub notes: Vec<(u64, String)>,
    pub rows: BTreeMap<String, Exported>,
    pub export_rows: bool,
    pub blobs: Vec<Vec<u8>>,
    pub keys: Vec<u8>,
    pub epoch: u64,
    frontier: Frontier,
    sequences: BTreeMap<u64, u64>,
}

impl Log {
    /// A log of one leaf, signed by `key`.
    pub fn open(key: u8) -> Self {
        let mut log = Self {
            leaves: Vec::new(),
            notes: Vec::new(),
            rows: BTreeMap::new(),
            export_rows: true,
            blobs: Vec::new(),
            keys: vec![key],
            epoch: 1,
            frontier: Frontier::new(),
            sequences: BTreeMap::new(),
        };
        log.act(
            "ledger.open",
            &json!({"vkey": vkey(key), "origin": origin(1)}),
            Vec::new(),
        );
        log
    }

    /// A log of `size` leaves with some retained checkpoints.
    pub fn of(size: u64) -> Self {
        let mut log = Self::open(1);
        for number in 1..size {
            if number.is_power_of_two() {
                log.retain();
            }
            log.write(number % 7);
        }
        log.retain();
        log
    }

    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends bytes as they are.
    pub fn push(&mut self, leaf: Vec<u8>) {
        self.frontier.push(leaf_hash(&leaf));
        self.leaves.push(leaf);
    }

    /// Appends a leaf.
    pub fn act(&mut self, action: &str, facts: &Value, rows: Vec<RowChange<'_>>) {
        let seq = self.size();
        let leaf = Leaf {
            house: HOUSE.into(),
            seq,
            at: 1_763_912_345_678_901 + i64::try_from(seq).unwrap() * 1_371,
            action: action.into(),
            actor: Actor {
                kind: "user".into(),
                id: format!("user-{HOUSE}4vTq9XcR2mLw8sBd").into(),
                token: Some(format!("at-{HOUSE}nW3kJp7yGf5hVz2a").into()),
            },
            object: format!("ws-{HOUSE}{seq:016}").into(),
            request: Some(format!("req-{HOUSE}{seq:016x}").into()),
            facts: Object::of_json(facts).unwrap(),
            rows,
        };
        self.push(leaf.to_bytes().unwrap());
    }

    /// The facts of the next finished version of a workspace.
    pub fn version(&mut self, workspace: u64) -> Value {
        let seq = self.size();
        let sequence = self.sequences.entry(workspace).or_insert(0);
        *sequence += 1;
        json!({
            "version": format!("sv-{HOUSE}{seq:016}"),
            "workspace": format!("ws-{HOUSE}{workspace:016}"),
            "sequence": *sequence,
            "status": "finished",
            "lineage": "5a7f2f0e-5b0c-4a38-9f5f-0b8e9c1f7d21",
            "serial": *sequence + 3,
            "size": 65_536,
            "body": hex::encode(sha256(format!("body {seq}").as_bytes())),
            "commitment": hex::encode(sha256(format!("commitment {seq}").as_bytes())),
            "fence": seq,
        })
    }

    /// A state write: a version, and the workspace's row.
    pub fn write(&mut self, workspace: u64) {
        let facts = self.version(workspace);
        let row = Exported {
            table: "workspaces".into(),
            key: format!("ws-{HOUSE}{workspace:016}"),
            leaf: self.size(),
            salt: sha256(&self.size().to_be_bytes())[..16].try_into().unwrap(),
            columns: vec![
                (
                    "name".into(),
                    Cell::Text(format!("net-{workspace} \u{1f30d}\n")),
                ),
                (
                    "head".into(),
                    Cell::Text(facts["version"].as_str().unwrap().into()),
                ),
                ("locked_at".into(), Cell::Null),
                (
                    "serial".into(),
                    Cell::Int(-i64::try_from(workspace).unwrap()),
                ),
                ("mark".into(), Cell::Bytes(vec![0, 255, 10])),
            ],
        };
        let change = RowChange {
            table: "workspaces".into(),
            key: row.key.clone().into(),
            op: Op::Put,
            digest: row.digest(),
        };
        self.act("state.write", &facts, vec![change]);
        self.rows.insert(row.key.clone(), row);
    }

    /// Deletes the row of a workspace.
    pub fn delete(&mut self, workspace: u64) {
        let row = self
            .rows
            .remove(&format!("ws-{HOUSE}{workspace:016}"))
            .unwrap();
        let change = RowChange {
            table: "workspaces".into(),
            key: row.key.clone().into(),
            op: Op::Del,
            digest: row.digest(),
        };
        self.act("workspace.delete", &json!({"reason": "00"}), vec![change]);
    }

    /// Brings in a new key, and retains the checkpoint that hands over.
    pub fn rotate(&mut self, key: u8) {
        self.act(
            "key.rotate",
            &json!({"epoch": key, "vkey": vkey(key)}),
            Vec::new(),
        );
        let old = *self.keys.last().unwrap();
        self.keys.push(key);
        let note = self.head(&[old, key]);
        self.notes.push((self.size(), note));
    }

    /// Goes on under a new origin; `size` and `root` are the last head of the old one.
    pub fn restore(&mut self, size: u64, root: &Hash) {
        self.epoch += 1;
        let facts = json!({
            "epoch": self.epoch,
            "origin": origin(self.epoch),
            "size": size,
            "root": hex::encode(root),
            "reason": hex::encode(sha256(b"disk lost")),
        });
        self.act("ledger.restore", &facts, Vec::new());
    }

    /// The checkpoint of the log as it is, signed by these keys.
    pub fn head(&self, keys: &[u8]) -> String {
        self.head_as(&origin(self.epoch), keys)
    }

    pub fn head_as(&self, origin: &str, keys: &[u8]) -> String {
        let signers: Vec<Signer> = keys.iter().map(|key| signer(*key)).collect();
        let head = Checkpoint {
            origin: origin.to_owned(),
            size: self.size(),
            root: self.root(),
        };
        head.sign(&signers.iter().collect::<Vec<_>>())
            .unwrap()
            .to_string()
    }

    /// The newest checkpoint, as the log signs it.
    pub fn newest(&self) -> String {
        self.head(&self.keys[self.keys.len() - 1..])
    }

    /// Keeps the checkpoint of the log as it is.
    pub fn retain(&mut self) {
        self.notes.push((self.size(), self.newest()));
    }

    /// The bundle, with the newest checkpoint.
    pub fn bundle(&self) -> Vec<u8> {
        self.bundle_under(&self.newest())
    }

    /// The bundle, with this note as its newest checkpoint.
    pub fn bundle_under(&self, newest: &str) -> Vec<u8> {
        let mut writer = bundle::Writer::new(Vec::new(), HOUSE);
        for leaf in &self.leaves {
            writer.entry(leaf).unwrap();
        }
        for (size, note) in &self.notes {
            writer.checkpoint(*size, note).unwrap();
        }
        if self.export_rows {
            writer.with_rows();
            for row in self.rows.values() {
                writer.row(row).unwrap();
            }
        }
        for blob in &self.blobs {
            let digest = hex::encode(sha256(blob));
            writer
                .blob(&digest, blob.len() as u64, &mut blob.as_slice())
                .unwrap();
        }
        writer.finish(newest).unwrap().0
    }
}
