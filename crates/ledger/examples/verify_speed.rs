//! How fast a bundle is verified, and how large a proof is.
//!
//! Writes a bundle of a million leaves (or as many as the first argument says) of state writes in ten thousand workspaces,
//! with a retained checkpoint every thousand leaves and every workspace's row, verifies it three times with every check on,
//! and prints leaves per second of the median. Then it makes the tlog-proof of a leaf among ten million.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

#[path = "../tests/support/mod.rs"]
mod log;

use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_ledger::proof::TlogProof;
use statehouse_ledger::tree::{Hashes, inclusion_proof, leaf_hash, node_hash, root_at};
use statehouse_ledger::verify::{Trust, verify_file};
use statehouse_ledger::{Hash, bundle};
use std::convert::Infallible;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

const WORKSPACES: u64 = 10_000;

fn main() {
    let leaves = std::env::args()
        .nth(1)
        .map_or(1_000_000, |number| number.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    let started = Instant::now();
    let bytes = write(&path, leaves);
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "wrote {leaves} leaves of {} bytes on average in {seconds:.1} s",
        bytes / leaves
    );

    let trust = Trust {
        vkey: Some(log::vkey(1)),
        anchor: None,
    };
    let mut times: Vec<u128> = (0..3)
        .map(|_| {
            let started = Instant::now();
            let report = verify_file(&path, &trust, None);
            assert!(report.is_proven(), "{report}");
            started.elapsed().as_millis()
        })
        .collect();
    times.sort_unstable();
    println!(
        "verified in {times:?} ms: {} leaves/s",
        u128::from(leaves) * 1000 / times[1].max(1)
    );
    println!("{}", verify_file(&path, &trust, None));
    println!(
        "inclusion proof at 10 million leaves: {} bytes",
        proof_bytes(10_000_000)
    );
}

/// Writes the bundle and gives the bytes of its leaves.
fn write(path: &Path, leaves: u64) -> u64 {
    let file = fs_err::File::create(path).unwrap();
    let mut writer = bundle::Writer::new(BufWriter::with_capacity(1 << 20, file), log::HOUSE);
    let mut log = log::Log::open(1);
    let mut bytes = 0;
    for number in 0..leaves {
        if number > 0 {
            log.write(number % WORKSPACES);
        }
        if number % 1000 == 999 {
            writer.checkpoint(log.size(), &log.newest()).unwrap();
        }
        for leaf in log.leaves.drain(..) {
            bytes += leaf.len() as u64;
            writer.entry(&leaf).unwrap();
        }
    }
    for row in log.rows.values() {
        writer.row(row).unwrap();
    }
    let (_, summary) = writer.finish(&log.newest()).unwrap();
    assert_eq!(summary.root, log.root());
    bytes
}

/// A tree of equal leaves: each level has one hash, so ten million leaves need no memory.
struct Uniform(Vec<Hash>);

impl Hashes for Uniform {
    type Error = Infallible;

    fn hash(&self, level: u8, _: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)])
    }
}

fn proof_bytes(size: u64) -> usize {
    let mut levels = vec![leaf_hash(b"leaf")];
    for level in 0..63 {
        levels.push(node_hash(&levels[level], &levels[level]));
    }
    let tree = Uniform(levels);
    let head = Checkpoint {
        origin: log::origin(1),
        size,
        root: root_at(size, &tree).unwrap(),
    };
    let key = log::signer(1);
    let proof = TlogProof {
        extra: None,
        index: 4_194_304,
        hashes: inclusion_proof(4_194_304, size, &tree).unwrap(),
        checkpoint: head.sign(&[&key]).unwrap(),
    };
    let text = proof.to_string();
    let again = TlogProof::parse(&text).unwrap();
    assert_eq!(
        again.verify(b"leaf", &log::origin(1), key.verifier()),
        Ok(head)
    );
    text.len()
}
