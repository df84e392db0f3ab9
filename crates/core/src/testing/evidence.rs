//! The ledger, read back and proven, to be compared with what was answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeMap;

use serde_json::Value as Json;
use statehouse_ledger::canonical;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::tree::{Levels, leaf_hash, root_at};
use statehouse_model::RequestId;

use super::World;
use crate::house;
use crate::ledger::{self, Head, sql};
use crate::record::Rows;

/// Everything that an organization's ledger says, after it was checked: the
/// head is the signed root over the leaves, every retained checkpoint is an
/// ancestor of it, and the rows are those that the leaves wrote.
pub(crate) struct Evidence {
    pub(crate) head: Head,
    pub(crate) leaves: Vec<Json>,
}

/// Table and key of a row; its digest and the leaf that wrote it.
type Folded = BTreeMap<(String, String), (String, u64)>;

impl World {
    pub(crate) async fn evidence(&self) -> Evidence {
        let transaction = self.house.database().begin_read().await.unwrap();
        let mut rows = Rows::new(transaction, self.house.keyring());
        let head = sql::head_seen(&mut rows.transaction)
            .await
            .unwrap()
            .unwrap();
        let stored = sql::leaves(&mut rows.transaction, 0, head.size)
            .await
            .unwrap();
        assert_eq!(stored.len() as u64, head.size, "leaves up to the head");
        assert_eq!(
            sql::leaves_beyond(&mut rows.transaction, head.size)
                .await
                .unwrap(),
            0
        );
        let mut hashes = Vec::new();
        let mut leaves = Vec::new();
        for (index, leaf) in stored.into_iter().enumerate() {
            assert!(
                canonical::is_canonical(leaf.body.as_bytes()),
                "{}",
                leaf.body
            );
            assert_eq!(leaf.hash, leaf_hash(leaf.body.as_bytes()), "leaf {index}");
            hashes.push(leaf.hash);
            let parsed: Json = serde_json::from_str(&leaf.body).unwrap();
            assert_eq!(
                (parsed["seq"].as_u64(), leaf.seq),
                (Some(index as u64), index as u64)
            );
            let committed = ["detail", "reason"]
                .iter()
                .any(|name| parsed["facts"][name].is_string());
            assert_eq!(
                committed,
                leaf.detail.is_some(),
                "the sealed text of leaf {index}"
            );
            leaves.push(parsed);
        }
        self.check_checkpoints(&mut rows, &head, &Levels::from_leaves(hashes))
            .await;
        self.check_rows(&mut rows, &leaves).await;
        rows.transaction.rollback().await;
        Evidence { head, leaves }
    }

    async fn check_checkpoints(&self, rows: &mut Rows, head: &Head, levels: &Levels) {
        let base = self.house.base();
        let name = ledger::key_name(&base.site, base.code);
        let retained = sql::checkpoints(&mut rows.transaction).await.unwrap();
        let mut notes: Vec<(u64, String)> = retained
            .into_iter()
            .map(|kept| (kept.size, kept.note))
            .collect();
        notes.push((head.size, head.note.clone()));
        for (size, note) in notes {
            let signed = ledger::verified(&note, &name, &rows.keyring).unwrap();
            let root = root_at(size, levels).unwrap();
            assert_eq!(
                signed,
                Checkpoint {
                    origin: head.origin.clone(),
                    size,
                    root
                },
                "checkpoint of {size} leaves"
            );
        }
    }

    async fn check_rows(&self, rows: &mut Rows, leaves: &[Json]) {
        let mut there = Folded::new();
        for table in house::tables(false) {
            for row in rows.transaction.query(&table.select(), &[]).await.unwrap() {
                let row = table.stored(row).unwrap();
                assert!(
                    row.genuine(table, &rows.keyring),
                    "row {} of {}",
                    row.key,
                    table.name
                );
                there.insert(
                    (table.name.to_owned(), row.key),
                    (hex::encode(row.digest), row.leaf),
                );
            }
        }
        assert_eq!(
            there,
            fold(leaves),
            "the rows are those that the leaves wrote"
        );
    }
}

fn fold(leaves: &[Json]) -> Folded {
    let mut rows = Folded::new();
    for leaf in leaves {
        for row in leaf["rows"].as_array().unwrap() {
            let key = (text(&row["table"]), text(&row["key"]));
            match row["op"].as_str().unwrap() {
                "put" => {
                    let row = (text(&row["digest"]), leaf["seq"].as_u64().unwrap());
                    rows.insert(key, row);
                }
                "del" => assert!(
                    rows.remove(&key).is_some(),
                    "{key:?} was removed and never there"
                ),
                other => panic!("unknown operation {other}"),
            }
        }
    }
    rows
}

fn text(value: &Json) -> String {
    value.as_str().unwrap().to_owned()
}

impl Evidence {
    /// How many leaves there are.
    pub(crate) fn size(&self) -> usize {
        self.leaves.len()
    }

    /// The leaves of one request.
    pub(crate) fn of(&self, request: &RequestId) -> Vec<&Json> {
        self.leaves
            .iter()
            .filter(|leaf| leaf["request"] == request.as_str())
            .collect()
    }

    /// The one leaf of a request.
    pub(crate) fn one(&self, request: &RequestId) -> &Json {
        let found = self.of(request);
        assert_eq!(found.len(), 1, "leaves of one request: {found:?}");
        found[0]
    }

    /// Checks that the leaves from `since` on are exactly those of the answers:
    /// each request with the action that it must have left, or with none.
    pub(crate) fn equals(&self, since: usize, answers: &[(&RequestId, Option<&str>)]) {
        for (request, action) in answers {
            let actions: Vec<&str> = self
                .of(request)
                .iter()
                .map(|leaf| leaf["action"].as_str().unwrap())
                .collect();
            let expected: Vec<&str> = action.iter().copied().collect();
            assert_eq!(actions, expected, "what request {request} left");
        }
        let expected = answers
            .iter()
            .filter(|(_, action)| action.is_some())
            .count();
        let new = &self.leaves[since..];
        assert_eq!(new.len(), expected, "leaves of nobody: {new:#?}");
    }
}
