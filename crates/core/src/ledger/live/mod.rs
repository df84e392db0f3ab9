//! The database against its ledger, row by row.
//!
//! Everything is read in one snapshot. The leaves are hashed again up to the
//! signed head and folded into the rows that must exist; each evidential row
//! that is missing, extra, altered or older is named, and so is every sealed
//! object that does not open. What this proves, it says in words; the report
//! is the same for the API, the CLI and the tests.

mod leaves;
mod objects;
mod rows;

use statehouse_ledger::checkpoint::Checkpoint;

use super::{Head, key_name, sql, verified};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Result};
use crate::house;
use crate::record::Rows;
use leaves::fold;
use objects::{keys, objects, structure};
use rows::{compare_table, missing};

actions! {
    /// Compare the database of an organization with its ledger.
    VerifyLive = "ledger.verify" needs LedgerVerify;
    /// The same for the site.
    VerifySite = "ledger.verify" needs SiteLedgerRead;
}

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
    missing(folded, &mut report);
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
