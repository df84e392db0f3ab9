//! Edits of bytes: sealed bodies, bundles, database files.

use std::fmt;
use std::path::PathBuf;

use statehouse_e2e::random::Random;
use statehouse_e2e::site::{Site, files};
use statehouse_ledger::verify::Trust;

use super::corpus::Corpus;

/// An edit that was made.
pub(super) struct Edit {
    pub(super) kind: &'static str,
    pub(super) what: String,
}

/// What can be done to bytes without their neighbours.
fn change(bytes: &mut Vec<u8>, random: &mut Random) -> (&'static str, String) {
    let at = random.below(bytes.len());
    match random.below(3) {
        0 => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            ("flip", format!("bit {bit} of byte {at}"))
        }
        1 => {
            bytes.truncate(at);
            ("cut", format!("at byte {at}"))
        }
        _ => {
            // Never only zeros: that is how tar itself pads.
            let count = 1 + random.below(1024);
            let mut tail = random.bytes(count);
            tail[0] |= 1;
            bytes.extend_from_slice(&tail);
            ("extend", format!("by {} bytes", tail.len()))
        }
    }
}

/// Changes the file of a sealed body, or exchanges two.
pub(super) fn edit_body(corpus: &Corpus, site: &Site, random: &mut Random) -> Edit {
    let bodies: Vec<PathBuf> = files(&site.data.join("blobs"));
    assert!(
        bodies.len() >= 4,
        "the corpus has only {} bodies in files",
        bodies.len()
    );
    let one = random.pick(&bodies);
    let place = |path: &PathBuf| path.strip_prefix(&site.data).unwrap().display().to_string();
    if random.below(4) == 0 {
        let others: Vec<&PathBuf> = bodies.iter().filter(|other| *other != one).collect();
        let other = *random.pick(&others);
        let (first, second) = (fs_err::read(one).unwrap(), fs_err::read(other).unwrap());
        fs_err::write(one, second).unwrap();
        fs_err::write(other, first).unwrap();
        let between = corpus.organizations.iter().filter(|each| {
            [one, other]
                .iter()
                .any(|path| path.parent().unwrap().ends_with(each.code.as_str()))
        });
        let kind = if between.count() == 2 {
            "body: swap between houses"
        } else {
            "body: swap within a house"
        };
        return Edit {
            kind,
            what: format!("{} with {}", place(one), place(other)),
        };
    }
    let mut bytes = fs_err::read(one).unwrap();
    let (how, words) = change(&mut bytes, random);
    fs_err::write(one, &bytes).unwrap();
    let kind = match how {
        "flip" => "body: flip",
        "cut" => "body: cut",
        _ => "body: extend",
    };
    Edit {
        kind,
        what: format!("{}, {words}", place(one)),
    }
}

/// A bundle that was changed, and what its reader trusts.
pub(super) fn edit_bundle(corpus: &Corpus, random: &mut Random) -> (Edit, Vec<u8>, Trust) {
    let which = random.below(2);
    let (organization, other) = (
        &corpus.organizations[which],
        &corpus.organizations[1 - which],
    );
    let trust = organization.trust.clone();
    let mut bytes = organization.bundle.clone();
    let (kind, words) = match random.below(8) {
        0 => (("bundle: another house's"), {
            bytes.clone_from(&other.bundle);
            String::new()
        }),
        1 => (("bundle: an older one"), {
            bytes.clone_from(&organization.older_bundle);
            String::new()
        }),
        2 => ("bundle: swap of blocks", swap_blocks(&mut bytes, random)),
        _ => {
            let (how, words) = change(&mut bytes, random);
            match how {
                "flip" => ("bundle: flip", words),
                "cut" => ("bundle: cut", words),
                _ => ("bundle: extend", words),
            }
        }
    };
    (
        Edit {
            kind,
            what: format!("{} {words}", organization.name),
        },
        bytes,
        trust,
    )
}

/// Exchanges two different blocks of 512 bytes, the unit of the archive.
fn swap_blocks(bytes: &mut [u8], random: &mut Random) -> String {
    let blocks = bytes.len() / 512;
    loop {
        let (one, other) = (random.below(blocks), random.below(blocks));
        let (low, high) = (one.min(other), one.max(other));
        let (head, tail) = bytes.split_at_mut(high * 512);
        let (first, second) = (&mut head[low * 512..], &mut tail[..512]);
        if low != high && first[..512] != *second {
            first[..512].swap_with_slice(second);
            return format!("{low} and {high}");
        }
    }
}

/// One bit of one byte of a database file or its write-ahead log.
pub(super) struct Flip {
    file: String,
    at: usize,
    bit: usize,
}

impl Flip {
    /// Chooses a byte anywhere: each file as often as any other, each byte of it too.
    pub(super) fn plan(site: &Site, random: &mut Random) -> Self {
        let data = files(&site.data);
        let database = |path: &&PathBuf| {
            let name = path.to_string_lossy();
            (name.ends_with(".db") || name.ends_with(".db-wal"))
                && path.metadata().unwrap().len() > 0
        };
        let databases: Vec<&PathBuf> = data.iter().filter(database).collect();
        let path = *random.pick(&databases);
        let at = random.below(usize::try_from(path.metadata().unwrap().len()).unwrap());
        let file = path
            .strip_prefix(&site.data)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        Self {
            file,
            at,
            bit: random.below(8),
        }
    }

    /// Makes the edit.
    pub(super) fn make(&self, site: &Site) {
        let path = site.data.join(&self.file);
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[self.at] ^= 1 << self.bit;
        fs_err::write(&path, &bytes).unwrap();
    }

    pub(super) fn kind(&self) -> &'static str {
        match (self.file.starts_with("site"), self.file.ends_with("-wal")) {
            (true, false) => "flip: site",
            (true, true) => "flip: site's log of writes",
            (false, false) => "flip: house",
            (false, true) => "flip: house's log of writes",
        }
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: bit {} of byte {}",
            self.file, self.bit, self.at
        )
    }
}
