//! Which keys and origins were in force when, and what a checkpoint is worth under them.
//!
//! A key is in force for checkpoints larger than the index of the leaf that brought it in; the first checkpoint after such
//! a leaf is signed by the old and the new key, which hands over the trust. An origin is in force until a restore; what the
//! old origin had beyond the restoring leaf, up to the size it names, is declared lost.

use super::report::{Kind, Report};
use crate::checkpoint::Checkpoint;
use crate::leaf::Event;
use crate::note::{Signature, SignedNote, VerifierKey};
use crate::tree::{self, Levels};
use crate::{Hash, tile};

/// A checkpoint of the bundle, or the anchor, and where it stands.
#[derive(Debug)]
pub(super) struct Paper {
    pub place: String,
    pub note: SignedNote,
    pub head: Checkpoint,
}

/// What a checkpoint claims in view of the origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// A prefix of this log.
    Line,
    /// A state of this log that a restore declared lost.
    Lost,
    /// More leaves than the bundle has.
    Beyond,
    /// Something this log's history does not know.
    Foreign,
}

/// An origin, from the leaf that brought it in.
#[derive(Debug)]
struct Reign {
    start: u64,
    origin: String,
    /// Size and root of the last checkpoint known of the origin before.
    lost: Option<(u64, Hash)>,
}

/// Keys and origins of a log, oldest first; there is at least one of each.
#[derive(Debug)]
pub(super) struct History {
    size: u64,
    keys: Vec<(u64, VerifierKey)>,
    reigns: Vec<Reign>,
}

impl History {
    /// Reads the history out of the leaves that govern the log; `None` when they do not make one.
    pub(super) fn of(
        events: &[(u64, Event)],
        size: u64,
        house: &str,
        report: &mut Report,
    ) -> Option<Self> {
        let mut history = Self {
            size,
            keys: Vec::new(),
            reigns: Vec::new(),
        };
        for (index, event) in events {
            if let Err(words) = history.go_on(*index, event, house) {
                report.found(Kind::NotCanonical, format!("leaf {index}"), words);
                return None;
            }
        }
        if !matches!(events.first(), Some((0, Event::Open { .. }))) {
            report.found(
                Kind::NotCanonical,
                "leaf 0",
                "a log begins with `ledger.open`",
            );
            return None;
        }
        Some(history)
    }

    fn go_on(&mut self, index: u64, event: &Event, house: &str) -> Result<(), String> {
        if (index == 0) != matches!(event, Event::Open { .. }) {
            return Err("a log begins with `ledger.open`, and only begins so".into());
        }
        match event {
            Event::Open { vkey, origin } => {
                self.add_key(index, vkey)?;
                self.add_reign(index, origin, None, house)
            }
            Event::Rotate { vkey } => self.add_key(index, vkey),
            Event::Restore { origin, size, root } => {
                self.add_reign(index, origin, Some((*size, *root)), house)
            }
        }
    }

    fn add_key(&mut self, index: u64, vkey: &str) -> Result<(), String> {
        let key = VerifierKey::parse(vkey).map_err(|error| error.to_string())?;
        self.keys.push((index, key));
        Ok(())
    }

    fn add_reign(
        &mut self,
        start: u64,
        origin: &str,
        lost: Option<(u64, Hash)>,
        house: &str,
    ) -> Result<(), String> {
        let fits = matches!(*origin.split('/').collect::<Vec<_>>(), ["statehouse", _, code, _] if code == house);
        if !fits || self.reigns.iter().any(|reign| reign.origin == origin) {
            return Err(format!("`{origin}` is not a new origin of this house"));
        }
        self.reigns.push(Reign {
            start,
            origin: origin.to_owned(),
            lost,
        });
        Ok(())
    }

    /// The keys, oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// The key in force at the end.
    pub(super) fn newest_key(&self) -> Option<&VerifierKey> {
        self.keys().last()
    }

    /// The origin in force at the end.
    pub(super) fn newest_origin(&self) -> &str {
        self.reigns.last().map_or("", |reign| &reign.origin)
    }

    /// What a checkpoint claims to be.
    pub(super) fn claim(&self, head: &Checkpoint) -> Claim {
        let Some(at) = self
            .reigns
            .iter()
            .position(|reign| reign.origin == head.origin)
        else {
            return Claim::Foreign;
        };
        let begun = at == 0
            || self
                .reigns
                .get(at)
                .is_some_and(|reign| head.size > reign.start);
        match self.reigns.get(at + 1) {
            _ if !begun => Claim::Foreign,
            None if head.size > self.size => Claim::Beyond,
            None => Claim::Line,
            Some(next) if head.size <= next.start => Claim::Line,
            Some(Reign {
                lost: Some((size, root)),
                ..
            }) if head.size < *size || (head.size, head.root) == (*size, *root) => Claim::Lost,
            Some(_) => Claim::Foreign,
        }
    }

    /// Indices of the keys that must have signed a checkpoint of the line; `sizes` are those of all such checkpoints, sorted.
    pub(super) fn signers(&self, size: u64, sizes: &[u64]) -> Vec<usize> {
        let in_force = self
            .keys
            .partition_point(|(index, _)| *index < size)
            .saturating_sub(1);
        // The first checkpoint after a change of keys is the one with no other between it and the changing leaf.
        let before = match sizes.partition_point(|other| *other < size) {
            0 => 0,
            place => sizes.get(place - 1).copied().unwrap_or(0),
        };
        let old = self
            .keys
            .partition_point(|(index, _)| *index < before)
            .saturating_sub(1);
        (old.min(in_force)..=in_force).collect()
    }

    /// Checks the signatures of a checkpoint: by all `signers`, or by any key of the log when there are none named.
    pub(super) fn check_signatures(
        &self,
        paper: &Paper,
        signers: &[usize],
    ) -> Result<(), (Kind, String)> {
        let mut good = Vec::new();
        for (place, key) in self.keys().enumerate() {
            match paper.note.signature_of(key) {
                Signature::Good => good.push(place),
                Signature::Absent => {}
                Signature::Bad => {
                    let words = format!("the signature of {key} does not fit its text");
                    return Err((Kind::Altered, words));
                }
            }
        }
        let missing = signers.iter().find(|place| !good.contains(place));
        match missing.and_then(|place| self.keys().nth(*place)) {
            Some(key) => Err((
                Kind::AnotherKey,
                format!("it must be signed with {key} and is not"),
            )),
            None if good.is_empty() => {
                Err((Kind::AnotherKey, "no key of this log has signed it".into()))
            }
            None => Ok(()),
        }
    }

    /// Whether a checkpoint of the line names the root that its first leaves have.
    pub(super) fn is_ancestor(head: &Checkpoint, levels: &Levels) -> bool {
        tree::root_at(head.size, levels).is_ok_and(|root| root == head.root)
    }
}

/// The first hash in which a hash tile and the tree differ, as an index within the tile.
pub(super) fn first_difference(tile: &tile::Tile, bytes: &[u8], levels: &Levels) -> Option<usize> {
    let tile::Kind::Hashes(level) = tile.kind else {
        return None;
    };
    let start = usize::try_from(tile.start()).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::from(tile.width));
    let expected = levels
        .level(level * tile::HEIGHT)
        .get(start..end)
        .unwrap_or_default();
    if expected.as_flattened() == bytes {
        return None;
    }
    let given = tile::parse_hashes(bytes).unwrap_or_default();
    let same = expected
        .iter()
        .zip(given)
        .take_while(|(a, b)| a == b)
        .count();
    Some(same)
}
