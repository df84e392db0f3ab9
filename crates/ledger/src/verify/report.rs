//! What a verification says: what it proved, what it found, and the exit code of that.

use super::story::Told;
use crate::Hash;
use std::collections::BTreeMap;
use std::fmt;

/// Findings of one kind that are listed; more are only counted, so that a ruined bundle gives a readable report.
const LISTED_PER_KIND_MAX: u64 = 20;

/// Exit code of a bundle in which everything was proven.
pub const EXIT_PROVEN: u8 = 0;

/// What is wrong, in the order of precedence: of several kinds the first decides the exit code.
///
/// The order is from the most specific deed to the most general: entries that are missing explain a wrong root better than
/// "altered" does, and a fork is more than an altered leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Something that must be there is not: entries, tiles, rows, or a checkpoint beyond the newest says there was more.
    Truncated = 10,
    /// Every leaf is there, but not in its place.
    Reordered = 11,
    /// Not signed by the key that had to sign.
    AnotherKey = 12,
    /// The bundle ends before the anchor: it is an older copy, or the log was rolled back.
    OlderThanAnchor = 13,
    /// Two validly signed checkpoints of which neither extends the other.
    Forked = 14,
    /// A leaf, tile, signature, row or body is not what was signed.
    Altered = 15,
    /// The finished versions of a workspace are not 1, 2, 3, …
    VersionGap = 16,
    /// A leaf is signed, but not in the one form a leaf may have.
    NotCanonical = 17,
    /// Not a bundle, or a part of it cannot be read.
    Unreadable = 18,
}

impl Kind {
    /// The exit code of `statehouse verify` for this kind.
    pub fn exit_code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::Reordered => "reordered",
            Self::AnotherKey => "signed with another key",
            Self::OlderThanAnchor => "older than the anchor",
            Self::Forked => "forked",
            Self::Altered => "altered",
            Self::VersionGap => "gap in versions",
            Self::NotCanonical => "not canonical",
            Self::Unreadable => "unreadable",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub kind: Kind,
    /// Where: a member of the bundle, a leaf, a row.
    pub place: String,
    /// What, in plain words.
    pub words: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kind, self.place, self.words)
    }
}

/// What a verification says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Code of the house, as the bundle says.
    pub house: String,
    /// Origin of the newest checkpoint.
    pub origin: String,
    /// Leaves under the newest checkpoint.
    pub size: u64,
    /// Root of the newest checkpoint.
    pub root: Hash,
    /// Text of the verifier key in force at the end, once it is known.
    pub vkey: Option<String>,
    /// What was proven, in plain words. Nothing outside this list was.
    pub proved: Vec<String>,
    /// What is worth knowing and no failure: trust on first use, clocks that ran backwards, ranges declared lost.
    pub notes: Vec<String>,
    /// What the leaves tell of the thing that was asked about, in their order. Worth as much as what was proven of them.
    pub story: Vec<Told>,
    /// What is wrong, at most twenty of each kind.
    pub findings: Vec<Finding>,
    /// How many there are of each kind.
    pub counts: BTreeMap<Kind, u64>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_proven(&self) -> bool {
        self.counts.is_empty()
    }

    /// The exit code: [`EXIT_PROVEN`], or that of the kind with the highest precedence.
    pub fn exit_code(&self) -> u8 {
        self.counts
            .first_key_value()
            .map_or(EXIT_PROVEN, |(kind, _)| kind.exit_code())
    }

    pub(super) fn found(&mut self, kind: Kind, place: impl fmt::Display, words: impl fmt::Display) {
        let count = self.counts.entry(kind).or_insert(0);
        *count += 1;
        if *count <= LISTED_PER_KIND_MAX {
            self.findings.push(Finding {
                kind,
                place: place.to_string(),
                words: words.to_string(),
            });
        }
    }

    pub(super) fn prove(&mut self, words: impl fmt::Display) {
        self.proved.push(words.to_string());
    }

    pub(super) fn note(&mut self, words: impl fmt::Display) {
        self.notes.push(words.to_string());
    }

    /// How many things are wrong so far; two readings tell whether a step found anything.
    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Takes over what another thread found.
    pub(super) fn absorb(&mut self, other: Self) {
        for finding in other.findings {
            self.found(finding.kind, finding.place, finding.words);
        }
        for (kind, count) in other.counts {
            let listed = count.min(LISTED_PER_KIND_MAX);
            *self.counts.entry(kind).or_insert(0) += count - listed;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for words in &self.proved {
            writeln!(f, "proved: {words}")?;
        }
        for words in &self.notes {
            writeln!(f, "note: {words}")?;
        }
        for finding in &self.findings {
            writeln!(f, "found: {finding}")?;
        }
        for (kind, count) in &self.counts {
            if *count > LISTED_PER_KIND_MAX {
                writeln!(
                    f,
                    "found: {kind}: {count} in all, {LISTED_PER_KIND_MAX} listed"
                )?;
            }
        }
        Ok(())
    }
}
