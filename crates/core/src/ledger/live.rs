//! The database against its ledger, row by row.
//!
//! Everything is read in one snapshot. The leaves are hashed again up to the
//! signed head and folded into the rows that must exist; each evidential row
//! that is missing, extra, altered or older is named, and so is every sealed
//! object that does not open. What this proves, it says in words; the report
//! is the same for the API, the CLI and the tests.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use statehouse_ledger::Hash;
use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::leaf::{Leaf, Op};
use statehouse_ledger::note::VerifierKey;
use statehouse_ledger::tree::{Frontier, leaf_hash};

use super::{Head, key_name, sql, verified};
use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, actions, detail_context};
use crate::error::{Error, Result};
use crate::house;
use crate::record::{Rows, Table};
use crate::{blob, state, workspace};

actions! {
    /// Compare the database of an organization with its ledger.
    VerifyLive = "ledger.verify" needs LedgerVerify;
    /// The same for the site.
    VerifySite = "ledger.verify" needs SiteLedgerRead;
}

/// Leaves read at a time.
const PAGE: u64 = 2048;
/// Rows read at a time.
const ROWS: i64 = 1000;
/// Findings listed; the rest are counted.
const FINDINGS_MAX: usize = 1000;

/// One difference between the database and the ledger.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Difference {
    /// `missing`, `extra`, `altered`, `older`, `unreadable` or `ledger`.
    pub kind: String,
    /// Where: a table and key, a leaf, an object.
    pub place: String,
    /// What, in words.
    pub words: String,
}

/// What a live verification found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct LiveReport {
    /// The code of the house.
    pub house: String,
    /// Leaves hashed.
    pub leaves: u64,
    /// Evidential rows compared.
    pub rows: u64,
    /// Sealed objects opened.
    pub objects: u64,
    /// What was proven, in plain words.
    pub proved: Vec<String>,
    /// What differs; at most a thousand are listed.
    pub differences: Vec<Difference>,
    /// How many differences there are in all.
    pub count: u64,
}

impl LiveReport {
    fn add(&mut self, kind: &str, place: impl Into<String>, words: impl Into<String>) {
        self.count += 1;
        if self.differences.len() < FINDINGS_MAX {
            self.differences.push(Difference {
                kind: kind.to_owned(),
                place: place.into(),
                words: words.into(),
            });
        }
    }

    /// Whether the database is what the ledger says.
    pub fn is_proven(&self) -> bool {
        self.count == 0
    }
}

/// Compares the whole database of the house with its ledger. Works on a
/// read-only house too; then the verification itself is not recorded.
pub async fn verify_live(ctx: &Ctx) -> Result<LiveReport> {
    if ctx.house().code().is_site() {
        verify_as(ctx, VerifySite).await
    } else {
        verify_as(ctx, VerifyLive).await
    }
}

async fn verify_as<A: door::Action>(ctx: &Ctx, action: A) -> Result<LiveReport> {
    let asked = ctx.clone();
    let runtime = tokio::runtime::Handle::current();
    // A thread that may block: a large house takes seconds.
    let report = tokio::task::spawn_blocking(move || {
        runtime.block_on(door::read(
            &asked.clone(),
            action,
            &Target::House,
            move |rows| Box::pin(async move { compare(rows, &asked).await }),
        ))
    });
    let report = report
        .await
        .map_err(|error| Error::internal(format!("verification: {error}")))??;
    if ctx.house().read_only().is_none() {
        let (leaves, count, code) = (report.leaves, report.count, ctx.house().code());
        door::change(ctx, action, Target::House, move |_| {
            let entry = Entry::new(code)
                .fact("leaves", leaves)
                .fact("differences", count);
            Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
        })
        .await?;
    }
    Ok(report)
}

/// The newest digest of each row that the leaves speak of; `None` once removed.
type Folded = HashMap<(&'static str, String), Option<(u64, Hash)>>;

async fn compare(rows: &mut Rows, ctx: &Ctx) -> Result<LiveReport> {
    let mut report = LiveReport {
        house: ctx.house().code().to_string(),
        ..LiveReport::default()
    };
    let site = ctx.house().code().is_site();
    let tables = house::tables(site);
    let Some(head) = sql::head_seen(&mut rows.transaction).await? else {
        report.add(
            "ledger",
            "ledger_head",
            "there is no head: the ledger is empty",
        );
        return Ok(report);
    };
    check_head(ctx, &head, &mut report);
    let mut folded = fold(rows, &head, tables, &mut report).await?;
    for table in tables {
        compare_table(rows, table, &mut folded, &mut report).await?;
    }
    for ((table, key), row) in folded {
        if let Some((leaf, _)) = row {
            report.add(
                "missing",
                format!("{table} {key}"),
                format!("leaf {leaf} wrote this row and no leaf removed it, but it is gone"),
            );
        }
    }
    if !site {
        objects(rows, ctx, &mut report).await?;
    }
    keys(rows, ctx, &mut report).await?;
    structure(rows, ctx, &mut report).await?;
    report
        .proved
        .push(format!("{} leaves hash to the signed root", report.leaves));
    report.proved.push(format!(
        "{} rows compared with the leaves that wrote them",
        report.rows
    ));
    report.proved.push(format!(
        "{} sealed objects opened and compared with their commitments",
        report.objects
    ));
    Ok(report)
}

fn check_head(ctx: &Ctx, head: &Head, report: &mut LiveReport) {
    let base = ctx.house().base();
    let stated = Checkpoint {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root,
    };
    match verified(
        &head.note,
        &key_name(&base.site, base.code),
        &base.keyring(),
    ) {
        Ok(checkpoint) if checkpoint == stated => {}
        Ok(_) => report.add(
            "ledger",
            "ledger_head",
            "the head's columns are not those of its signed note",
        ),
        Err(error) => report.add("ledger", "ledger_head", error.message()),
    }
    if let Some(reason) = ctx.house().read_only() {
        report.add("ledger", "ledger_head", reason);
    }
}

/// Hashes every leaf and folds them into the rows that must exist.
async fn fold(
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
            while let Some((size, note)) = retained.next_if(|(size, _)| *size == frontier.size()) {
                check_retained(&keys, size, &note, frontier.root(), report);
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
    for (size, _) in retained {
        report.add(
            "ledger",
            format!("checkpoint {size}"),
            "a retained checkpoint covers more leaves than there are",
        );
    }
    levels.compare(rows, report).await?;
    Ok(folded)
}

fn check_retained(
    keys: &[VerifierKey],
    size: u64,
    note: &str,
    root: Hash,
    report: &mut LiveReport,
) {
    let place = format!("checkpoint {size}");
    let known = keys
        .iter()
        .find_map(|key| Checkpoint::verify(note.as_bytes(), key).ok());
    match known {
        Some(checkpoint) if checkpoint.size == size && checkpoint.root == root => {}
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
            hash = super::chain::perfect(open);
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

async fn compare_table(
    rows: &mut Rows,
    table: &Table,
    folded: &mut Folded,
    report: &mut LiveReport,
) -> Result<()> {
    let order: Vec<&str> = table.columns.iter().take(table.key_len).copied().collect();
    let sql = format!(
        "{} ORDER BY {} LIMIT $1 OFFSET $2",
        table.select(),
        order.join(", ")
    );
    let mut offset = 0;
    loop {
        let page = rows
            .transaction
            .query(&sql, &[Value::Int(ROWS), Value::Int(offset)])
            .await?;
        if page.is_empty() {
            return Ok(());
        }
        offset += ROWS;
        for row in page {
            report.rows += 1;
            let stored = match table.stored(row) {
                Ok(stored) => stored,
                Err(error) => {
                    report.add("altered", table.name, error.message());
                    continue;
                }
            };
            let place = format!("{} {}", table.name, stored.key);
            match folded.remove(&(table.name, stored.key.clone())) {
                Some(Some((leaf, digest))) if digest == stored.digest && leaf == stored.leaf => {
                    if !stored.genuine(table, &rows.keyring) {
                        report.add("altered", place, "its MAC is not one that this house made");
                    }
                }
                Some(Some((leaf, _)))
                    if wrote(rows, table, &stored.key, stored.leaf, &stored.digest).await? =>
                {
                    report.add(
                        "older",
                        place,
                        format!(
                            "it is as leaf {} wrote it, and leaf {leaf} changed it since",
                            stored.leaf
                        ),
                    );
                }
                Some(Some((leaf, _))) => report.add(
                    "altered",
                    place,
                    format!("it is not as leaf {leaf} wrote it"),
                ),
                Some(None) => report.add("extra", place, "a leaf removed it"),
                None => report.add("extra", place, "no leaf wrote it"),
            }
        }
    }
}

/// Whether the leaf at `seq` wrote this very row.
async fn wrote(rows: &mut Rows, table: &Table, key: &str, seq: u64, digest: &Hash) -> Result<bool> {
    let found = sql::leaves(&mut rows.transaction, seq, seq.saturating_add(1)).await?;
    let Some(leaf) = found
        .first()
        .and_then(|stored| Leaf::parse(stored.body.as_bytes()).ok())
    else {
        return Ok(false);
    };
    Ok(leaf.rows.iter().any(|change| {
        *change.table == *table.name && *change.key == *key && change.digest == *digest
    }))
}

/// Every version's bytes open and are what was put; no other bytes are there.
async fn objects(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let mut after = String::new();
    loop {
        let page: Result<Vec<state::sql::Version>> = rows
            .find(
                "WHERE id > $1 ORDER BY id LIMIT 100",
                &[after.as_str().into()],
            )
            .await;
        // A row that does not read is named above, table by table.
        let Ok(page) = page else {
            return one_by_one(rows, ctx, report).await;
        };
        let Some(last) = page.last() else { break };
        after = last.id.to_string();
        for version in page {
            object(rows, ctx, &version, report).await?;
        }
    }
    leftovers(rows, report).await?;
    locks(rows, report).await
}

/// The same, when some rows do not read: those are passed over.
async fn one_by_one(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let ids = rows
        .transaction
        .query("SELECT id FROM version ORDER BY id", &[])
        .await?;
    for id in ids {
        let found: Result<Option<state::sql::Version>> =
            rows.one("WHERE id = $1", &[id.text(0)?.into()]).await;
        if let Ok(Some(version)) = found {
            object(rows, ctx, &version, report).await?;
        }
    }
    leftovers(rows, report).await?;
    locks(rows, report).await
}

async fn object(
    rows: &mut Rows,
    ctx: &Ctx,
    version: &state::sql::Version,
    report: &mut LiveReport,
) -> Result<()> {
    report.objects += 1;
    let opened = match state::stored(rows, version).await {
        Ok(stored) => ctx
            .house()
            .blobs()
            .load(
                &rows.keyring,
                &state::context(version),
                &stored,
                version.size,
            )
            .map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = opened {
        report.add(
            "unreadable",
            format!("version {}", version.id),
            error.message(),
        );
    }
    Ok(())
}

/// Sealed bytes that belong to no version, and indexes that lie.
async fn leftovers(rows: &mut Rows, report: &mut LiveReport) -> Result<()> {
    let sql =
        "SELECT version FROM blob WHERE version NOT IN (SELECT id FROM version) ORDER BY version";
    for row in rows.transaction.query(sql, &[]).await? {
        report.add(
            "extra",
            format!("blob {}", row.text(0)?),
            "no version has these bytes",
        );
    }
    for (version, header, epoch) in blob::sql::epochs(rows).await? {
        let stated = statehouse_seal::Keyring::header_epoch(&header).map(i64::from);
        if stated.ok() != Some(epoch) {
            report.add(
                "altered",
                format!("blob {version}"),
                "its epoch column is not its header's",
            );
        }
    }
    Ok(())
}

async fn locks(rows: &mut Rows, report: &mut LiveReport) -> Result<()> {
    let ids = rows
        .transaction
        .query(
            "SELECT id, lock_id, lock_info FROM workspace ORDER BY id",
            &[],
        )
        .await?;
    for mut id in ids {
        let (lock, info) = (id.take(1)?, id.take(2)?);
        let found: Result<Option<workspace::sql::Workspace>> =
            rows.one("WHERE id = $1", &[id.text(0)?.into()]).await;
        let Ok(Some(workspace)) = found else { continue };
        let place = format!("workspace {}", workspace.id);
        match (lock, info) {
            (Value::Null, Value::Null) => {}
            (Value::Text(lock), Value::Bytes(sealed)) => {
                report.objects += 1;
                if crate::open_small(
                    &rows.keyring,
                    &state::lock::binding(&workspace, &lock),
                    &sealed,
                )
                .is_err()
                {
                    report.add("unreadable", place, "the words of its lock do not open");
                }
            }
            _ => report.add(
                "altered",
                place,
                "the words of its lock and its lock do not belong together",
            ),
        }
    }
    Ok(())
}

/// Every live epoch's wrapped keys open under the root key.
async fn keys(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    let house = ctx.house();
    let name = house::key_name(house.code())?;
    for row in crate::key::sql::epochs(&mut rows.transaction).await? {
        report.objects += 1;
        let site = &house.base().site;
        if statehouse_seal::EpochKeys::unwrap(house.roots(), site, &name, row.epoch, &row.wrapped)
            .is_err()
        {
            report.add(
                "unreadable",
                format!("key_epoch {}", row.epoch),
                "its wrapped keys do not open under the root key",
            );
        }
    }
    Ok(())
}

/// Tables, indexes and triggers are those that the schema changes made.
async fn structure(rows: &mut Rows, ctx: &Ctx, report: &mut LiveReport) -> Result<()> {
    for words in crate::db::structure(
        &mut rows.transaction,
        &house::migrations(ctx.house().code()),
    )
    .await?
    {
        report.add("altered", "schema", words);
    }
    Ok(())
}
