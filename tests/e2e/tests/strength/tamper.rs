//! The tamper campaign: a thousand edits by somebody who can write every file but the keys.
//!
//! Each edit is made on a fresh copy of a site and must be reported: by opening (refused, or
//! read-only with a reason), by `verify --live` of the site or a house, by a read that refuses, or,
//! for bundles, by the offline verifier. An edit of bytes that nobody reports must have left every
//! row of every table as it was, and counts apart.
//!
//! Two edits are no tampering and are not made: padding a bundle with further zero blocks (tar's own
//! slack), and giving a row the older MAC of its unchanged content while that key epoch is not yet
//! retired (both MACs say the same).

mod bytes;
mod corpus;
mod dump;
mod examine;
mod named;
mod runs;
mod sql;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use statehouse_e2e::random::Random;

use corpus::Corpus;
use examine::{Reported, examine, log_in};

const SEED: u64 = 0x5EED_0001;
/// Edits of each third at scale 1.
const EDITS: usize = 334;
/// The machine's cores that a test run may count on.
const THREADS: usize = 2;

/// How the edits of one kind were reported.
#[derive(Default)]
struct Tally {
    edits: usize,
    open: usize,
    live: usize,
    read: usize,
    bundle: usize,
    unchanged: usize,
    unreported: Vec<String>,
}

impl Tally {
    fn add(&mut self, what: &str, reported: &Reported, unchanged: bool) {
        self.edits += 1;
        self.open += usize::from(reported.open.is_some());
        self.live += usize::from(reported.live.is_some());
        self.read += usize::from(reported.read.is_some());
        self.bundle += usize::from(reported.bundle.is_some());
        if !reported.any() && unchanged {
            self.unchanged += 1;
        } else if !reported.any() {
            println!("not reported: {what}");
            self.unreported.push(what.to_owned());
        }
    }
}

/// One edit, made and examined: what it was, who reported it, whether it left all rows as they were.
struct Outcome {
    kind: &'static str,
    what: String,
    reported: Reported,
    unchanged: bool,
}

/// Runs `edits` numbered edits on two threads and prints the tally.
fn campaign(title: &str, edits: usize, run: impl Fn(usize, &mut Random) -> Outcome + Sync) {
    let (next, tallies) = (
        AtomicUsize::new(0),
        Mutex::new(BTreeMap::<&str, Tally>::new()),
    );
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= edits {
                return;
            }
            let mut random = Random::new(SEED ^ (number as u64).wrapping_mul(0x0100_0000_01B3));
            let outcome = run(number, &mut random);
            let words = format!("edit {number}: {}: {}", outcome.kind, outcome.what);
            let mut tallies = tallies.lock().unwrap();
            let tally = tallies.entry(outcome.kind).or_default();
            tally.add(&words, &outcome.reported, outcome.unchanged);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(work);
        }
    });
    let tallies = tallies.into_inner().unwrap();
    println!("{title}, seed {SEED:#x}; an edit may be reported more than once");
    println!(
        "{:<34}{:>6}{:>6}{:>6}{:>6}{:>8}{:>11}",
        "kind", "edits", "open", "live", "read", "bundle", "unchanged"
    );
    for (kind, tally) in &tallies {
        let Tally {
            edits,
            open,
            live,
            read,
            bundle,
            unchanged,
            ..
        } = tally;
        println!("{kind:<34}{edits:>6}{open:>6}{live:>6}{read:>6}{bundle:>8}{unchanged:>11}");
    }
    let unreported: Vec<&String> = tallies
        .values()
        .flat_map(|tally| &tally.unreported)
        .collect();
    let made: usize = tallies.values().map(|tally| tally.edits).sum();
    assert_eq!(made, edits);
    assert!(
        unreported.is_empty(),
        "{} edits were not reported:\n{unreported:#?}",
        unreported.len()
    );
}

#[test]
fn an_untouched_copy_is_proven_and_reads_without_a_refusal() {
    let corpus = Corpus::shared();
    for site in [&corpus.now, &corpus.running, &corpus.older] {
        let folder = tempfile::tempdir().unwrap();
        let reported = examine(corpus, &site.copy_to(folder.path()));
        assert!(!reported.any(), "{reported:?}");
    }
}

#[test]
fn every_edit_of_columns_and_rows_is_reported() {
    let corpus = Corpus::shared();
    let plan = sql::Plan::of(corpus);
    let edits = EDITS * statehouse_e2e::scale();
    campaign("columns and rows", edits, |number, random| {
        let folder = tempfile::tempdir().unwrap();
        let site = corpus.now.copy_to(folder.path());
        let edit = plan.edit(number, random, &site);
        let mut reported = examine(corpus, &site);
        if !reported.any() {
            reported = log_in(&site);
        }
        Outcome {
            kind: edit.kind,
            what: edit.what,
            reported,
            unchanged: false,
        }
    });
}

#[test]
fn every_edit_of_bodies_and_bundles_is_reported() {
    let corpus = Corpus::shared();
    campaign(
        "bytes of bodies and bundles",
        (EDITS - 1) * statehouse_e2e::scale(),
        |number, random| {
            if number % 3 == 0 {
                let folder = tempfile::tempdir().unwrap();
                let site = corpus.now.copy_to(folder.path());
                let edit = bytes::edit_body(corpus, &site, random);
                Outcome {
                    kind: edit.kind,
                    what: edit.what,
                    reported: examine(corpus, &site),
                    unchanged: false,
                }
            } else {
                let (edit, bundle, trust) = bytes::edit_bundle(corpus, random);
                let report = statehouse_ledger::verify::verify_bytes(&bundle, &trust);
                let reported = Reported::by_bundle(&report);
                Outcome {
                    kind: edit.kind,
                    what: edit.what,
                    reported,
                    unchanged: false,
                }
            }
        },
    );
}

#[test]
fn every_edit_of_database_files_is_reported_or_changes_no_row() {
    let corpus = Corpus::shared();
    let bases = [&corpus.now, &corpus.now, &corpus.running].map(|site| (site, dump::of(site)));
    let edits = (EDITS - 1) * statehouse_e2e::scale();
    campaign("bytes of database files", edits, |number, random| {
        let (base, before) = &bases[number % bases.len()];
        let folder = tempfile::tempdir().unwrap();
        let site = base.copy_to(folder.path());
        let edit = bytes::Flip::plan(&site, random);
        edit.make(&site);
        let mut reported = examine(corpus, &site);
        let mut what = edit.to_string();
        let mut unchanged = false;
        if !reported.any() {
            // What was examined has been written to since: the same edit again, to look at its rows.
            let again = tempfile::tempdir().unwrap();
            let site = base.copy_to(again.path());
            edit.make(&site);
            let difference = dump::difference(before, &dump::of(&site));
            unchanged = difference.is_none();
            if let Some(difference) = difference {
                what = format!("{what}: {difference}");
                reported = log_in(&site);
            }
        }
        Outcome {
            kind: edit.kind(),
            what,
            reported,
            unchanged,
        }
    });
}
