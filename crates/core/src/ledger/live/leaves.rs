//! The leaves against the head, the hash rows and the retained checkpoints;
//! and what they fold to: the rows that must exist.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::leaf::{Leaf, Op};
use statehouse_ledger::note::VerifierKey;
use statehouse_ledger::tree::{Frontier, leaf_hash};

use super::LiveReport;
use super::rows::Folded;
use crate::door::detail_context;
use crate::error::Result;
use crate::ledger::chain::perfect;
use crate::ledger::{Head, retained, sql};
use crate::record::{Rows, Table};

/// Leaves read at a time.
const PAGE: u64 = 2048;

/// Hashes every leaf and folds them into the rows that must exist.
pub(super) async fn fold(
    rows: &mut Rows,
    head: &Head,
    tables: &'static [Table],
    report: &mut LiveReport,
) -> Result<Folded> {
    let names: HashMap<&str, &'static str> = tables
        .iter()
        .map(|table| (table.name, table.name))
        .collect();
    let keys = verifier_keys(rows, report).await;
    let retained = sql::checkpoints(&mut rows.transaction).await?;
    check_bound(rows, &retained, report).await?;
    let mut retained = retained.into_iter().peekable();
    let mut frontier = Frontier::new();
    let mut levels = Levels::default();
    let mut folded = Folded::new();
    let mut start = 0;
    loop {
        let page = sql::leaves(&mut rows.transaction, start, start.saturating_add(PAGE)).await?;
        for stored in &page {
            if stored.seq != frontier.size() {
                report.add(
                    "ledger",
                    format!("leaf {}", frontier.size()),
                    "a leaf is missing from the sequence",
                );
                return Ok(folded);
            }
            let hash = leaf_hash(stored.body.as_bytes());
            if hash != stored.hash {
                report.add(
                    "ledger",
                    format!("leaf {}", stored.seq),
                    "its text does not have the stored hash",
                );
            }
            frontier.push(hash);
            levels.push(hash);
            detail(rows, stored, report);
            fold_leaf(stored, &names, &mut folded, report);
            while let Some(kept) = retained.next_if(|kept| kept.size == frontier.size()) {
                check_retained(&keys, &kept, frontier.root(), report);
            }
        }
        report.leaves = frontier.size();
        if page.is_empty() {
            break;
        }
        start = frontier.size();
    }
    if frontier.size() != head.size || frontier.root() != head.root {
        let words = format!(
            "the {} leaves do not hash to the signed root over {}",
            frontier.size(),
            head.size
        );
        report.add("ledger", "ledger_head", words);
    }
    for kept in retained {
        report.add(
            "ledger",
            format!("checkpoint {}", kept.size),
            "a retained checkpoint covers more leaves than there are",
        );
    }
    levels.compare(rows, report).await?;
    Ok(folded)
}

/// The head binds exactly these retained checkpoints, in this order.
async fn check_bound(
    rows: &mut Rows,
    retained: &[sql::Retained],
    report: &mut LiveReport,
) -> Result<()> {
    let all = retained.iter().fold(retained::NONE, |digest, kept| {
        retained::extend(&digest, kept)
    });
    match retained::bound(&mut rows.transaction, &rows.keyring).await {
        Ok(bound) if bound == all => {}
        Ok(_) => report.add(
            "ledger",
            "ledger_checkpoint",
            "the retained checkpoints are not those that the head binds: one was removed, added or altered",
        ),
        Err(error) => report.add("ledger", "ledger_head", error.message()),
    }
    if sql::heads(&mut rows.transaction).await? != 1 {
        report.add("ledger", "ledger_head", "there is more than one head");
    }
    Ok(())
}

fn check_retained(keys: &[VerifierKey], kept: &sql::Retained, root: Hash, report: &mut LiveReport) {
    let place = format!("checkpoint {}", kept.size);
    let stated = Checkpoint {
        origin: kept.origin.clone(),
        size: kept.size,
        root,
    };
    let known = keys
        .iter()
        .find_map(|key| Checkpoint::verify(kept.note.as_bytes(), key).ok());
    match known {
        Some(checkpoint) if checkpoint == stated => {}
        Some(_) => report.add(
            "ledger",
            place,
            "a retained checkpoint is not an ancestor of the head",
        ),
        None => report.add(
            "ledger",
            place,
            "a retained checkpoint is not signed by any key of this house",
        ),
    }
}

/// The verifier keys of every epoch, retired ones too.
async fn verifier_keys(rows: &mut Rows, report: &mut LiveReport) -> Vec<VerifierKey> {
    match crate::key::sql::all(rows).await {
        Ok(epochs) => epochs
            .iter()
            .filter_map(|epoch| VerifierKey::parse(&epoch.vkey).ok())
            .collect(),
        Err(error) => {
            report.add("altered", "key_epoch", error.message());
            Vec::new()
        }
    }
}

fn fold_leaf(
    stored: &sql::StoredLeaf,
    names: &HashMap<&str, &'static str>,
    folded: &mut Folded,
    report: &mut LiveReport,
) {
    let leaf = match Leaf::parse(stored.body.as_bytes()) {
        Ok(leaf) if leaf.seq == stored.seq => leaf,
        Ok(_) => {
            return report.add(
                "ledger",
                format!("leaf {}", stored.seq),
                "it says it stands elsewhere",
            );
        }
        Err(error) => {
            return report.add("ledger", format!("leaf {}", stored.seq), error.to_string());
        }
    };
    for change in &leaf.rows {
        let Some(table) = names.get(&*change.table) else {
            continue;
        };
        let row = (change.op == Op::Put).then_some((leaf.seq, change.digest));
        folded.insert((table, change.key.to_string()), row);
    }
}

/// A leaf's sealed text is the one it commits to.
fn detail(rows: &Rows, stored: &sql::StoredLeaf, report: &mut LiveReport) {
    let Ok(leaf) = Leaf::parse(stored.body.as_bytes()) else {
        return;
    };
    let commitment = leaf
        .facts
        .text("detail")
        .or_else(|| leaf.facts.text("reason"));
    let place = format!("leaf {}", stored.seq);
    match (commitment, &stored.detail) {
        (None, None) => {}
        (None, Some(_)) => report.add(
            "extra",
            place,
            "it has a sealed text that it does not commit to",
        ),
        (Some(_), None) => report.add("missing", place, "the sealed text it commits to is gone"),
        (Some(commitment), Some(sealed)) => {
            report.objects += 1;
            let opened = crate::open_small(
                &rows.keyring,
                &detail_context(&stored.seq.to_string()),
                sealed,
            );
            if opened
                .ok()
                .is_none_or(|salted| hex::encode(Sha256::digest(&salted)) != commitment)
            {
                report.add(
                    "altered",
                    place,
                    "its sealed text is not the one it commits to",
                );
            }
        }
    }
}

/// The hash rows as they must be stored.
#[derive(Default)]
struct Levels {
    full: Vec<Vec<Vec<Hash>>>,
    open: Vec<Vec<Hash>>,
}

impl Levels {
    fn push(&mut self, mut hash: Hash) {
        for level in 0.. {
            if self.open.len() == level {
                self.open.push(Vec::new());
                self.full.push(Vec::new());
            }
            let (Some(open), Some(full)) = (self.open.get_mut(level), self.full.get_mut(level))
            else {
                return;
            };
            open.push(hash);
            if open.len() < 256 {
                return;
            }
            hash = perfect(open);
            full.push(std::mem::take(open));
        }
    }

    async fn compare(mut self, rows: &mut Rows, report: &mut LiveReport) -> Result<()> {
        for (level, open) in self.open.into_iter().enumerate().skip(1) {
            if let Some(full) = self.full.get_mut(level).filter(|_| !open.is_empty()) {
                full.push(open);
            }
        }
        let mut expected = HashMap::new();
        for (level, full) in (0_u64..).zip(self.full) {
            expected.extend(
                (0_u64..)
                    .zip(full)
                    .map(|(index, hashes)| ((level, index), hashes)),
            );
        }
        for (level, index, hashes) in sql::tiles(&mut rows.transaction).await? {
            if expected
                .remove(&(level, index))
                .is_none_or(|wanted| wanted != hashes)
            {
                report.add(
                    "ledger",
                    format!("hash row {level}/{index}"),
                    "it is not what the leaves hash to",
                );
            }
        }
        for (level, index) in expected.into_keys() {
            report.add(
                "ledger",
                format!("hash row {level}/{index}"),
                "it is missing",
            );
        }
        Ok(())
    }
}
