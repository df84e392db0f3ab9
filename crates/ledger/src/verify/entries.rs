//! Reading every entry: hashing, form, place, and what the leaves add up to.
//!
//! Threads take neighbouring ranges of entry bundles; each folds its leaves into a [`Part`], and the parts are joined in
//! order. A leaf's bytes are looked at once.

use super::report::{Kind, Report};
use super::story::Told;
use super::{error_kind, in_parts};
use crate::bundle::Bundle;
use crate::leaf::{Event, Leaf, Op, Status};
use crate::tile::{self, Tile};
use crate::{Hash, tree};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

/// The largest honest entry bundle, in bytes.
pub(super) const BUNDLE_BYTES_MAX: u64 = 256 * (2 + tile::ENTRY_BYTES_MAX as u64);

/// A row as the leaves left it.
#[derive(Debug)]
pub(super) struct Standing {
    /// The leaf that last changed it.
    pub leaf: u64,
    /// What that leaf did.
    pub op: Op,
    /// Its digest since then, or before it was deleted.
    pub digest: Hash,
}

/// The finished versions of one workspace within a range of leaves.
#[derive(Debug)]
struct Run {
    first: u64,
    first_leaf: u64,
    last: u64,
}

/// What a range of leaves adds up to.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Leaf hashes, in order.
    pub hashes: Vec<Hash>,
    /// What governs the log itself, with the index of its leaf.
    pub events: Vec<(u64, Event)>,
    /// Rows by `table NUL key`; a table's name has no NUL.
    pub rows: HashMap<String, Standing>,
    /// Digests of sealed bodies.
    pub bodies: HashSet<Hash>,
    /// What is told of the thing that was asked about.
    pub story: Vec<Told>,
    /// Finished versions.
    pub versions: u64,
    /// How often the clock went backwards from one leaf to the next.
    pub backwards: u64,
    /// Where it first did.
    pub backwards_first: Option<u64>,
    workspaces: HashMap<String, Run>,
    misplaced: Vec<(u64, u64)>,
    malformed: u64,
    clock: Option<(i64, i64)>,
    /// An entry bundle could not be read, so hashes are missing.
    broken: bool,
    report: Report,
}

/// Reads and checks every entry; `None` when entries are missing, so that nothing can be computed from them.
pub(super) fn read<R: Read + Seek + Send>(
    bundle: &Bundle<R>,
    (house, about): (&str, Option<&str>),
    size: u64,
    report: &mut Report,
) -> Option<Part> {
    let tiles: Vec<Tile> = Tile::row(tile::Kind::Entries, size).collect();
    let parts = in_parts(&tiles, |tiles| {
        let mut part = Part::default();
        for tile in tiles {
            part.read(bundle, *tile, (house, about));
        }
        part
    });
    let whole = parts.into_iter().reduce(Part::join)?;
    finish(whole, size, report)
}

/// Judges what can only be judged over the whole log.
fn finish(mut whole: Part, size: u64, report: &mut Report) -> Option<Part> {
    report.absorb(std::mem::take(&mut whole.report));
    if whole.broken {
        return None;
    }
    for (workspace, run) in &whole.workspaces {
        if run.first != 1 {
            found_gap(report, run.first_leaf, workspace, 1, run.first);
        }
    }
    let misplaced = std::mem::take(&mut whole.misplaced);
    let (mut places, mut numbers): (Vec<u64>, Vec<u64>) = misplaced.iter().copied().unzip();
    places.sort_unstable();
    numbers.sort_unstable();
    if whole.malformed == 0 && places == numbers {
        if let Some((index, seq)) = misplaced.first() {
            let words = format!(
                "{} of {size} leaves are not in their place; the first is number {seq} at {index}",
                places.len()
            );
            report.found(Kind::Reordered, format!("leaf {index}"), words);
        }
    } else {
        for (index, seq) in misplaced {
            let words = format!("it says it is number {seq}");
            report.found(Kind::Altered, format!("leaf {index}"), words);
        }
    }
    Some(whole)
}

fn found_gap(report: &mut Report, leaf: u64, workspace: &str, expected: u64, got: u64) {
    let words =
        format!("finished version {expected} of {workspace} must come next, and {got} came");
    report.found(Kind::VersionGap, format!("leaf {leaf}"), words);
}

impl Part {
    fn read<R: Read + Seek>(
        &mut self,
        bundle: &Bundle<R>,
        tile: Tile,
        asked: (&str, Option<&str>),
    ) {
        let name = tile.to_string();
        let bytes = match bundle.read(&name, BUNDLE_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) => return self.break_off(error_kind(&error), &name, error),
        };
        let entries = match tile::parse_entries(&bytes) {
            Ok(entries) => entries,
            Err(error) => return self.break_off(Kind::Truncated, &name, error),
        };
        let width = usize::from(tile.width);
        if entries.len() != width {
            let kind = if entries.len() < width {
                Kind::Truncated
            } else {
                Kind::Unreadable
            };
            let words = format!("it has {} entries instead of {width}", entries.len());
            return self.break_off(kind, &name, words);
        }
        for (index, entry) in (tile.start()..).zip(entries) {
            self.hashes.push(tree::leaf_hash(entry));
            if let Err(words) = self.leaf(index, entry, asked) {
                self.malformed += 1;
                self.report
                    .found(Kind::NotCanonical, format!("leaf {index}"), words);
            }
        }
    }

    fn break_off(&mut self, kind: Kind, name: &str, words: impl std::fmt::Display) {
        self.broken = true;
        self.report.found(kind, name, words);
    }

    fn leaf(
        &mut self,
        index: u64,
        entry: &[u8],
        (house, about): (&str, Option<&str>),
    ) -> Result<(), crate::leaf::Error> {
        let leaf = Leaf::parse(entry)?;
        let event = leaf.event()?;
        let version = leaf.version()?;
        if leaf.seq != index {
            self.misplaced.push((index, leaf.seq));
        }
        if leaf.house != house {
            let words = format!("it is of the house {}, not {house}", leaf.house);
            self.report
                .found(Kind::Altered, format!("leaf {index}"), words);
        }
        self.tick(index, leaf.at, leaf.at);
        self.events.extend(event.map(|event| (index, event)));
        self.story
            .extend(about.and_then(|id| Told::about(id, &leaf)));
        if let Some(version) = version {
            self.bodies.insert(version.body);
            if let (Status::Finished, Some(sequence)) = (version.status, version.sequence) {
                self.versions += 1;
                let run = Run {
                    first: sequence,
                    first_leaf: index,
                    last: sequence,
                };
                self.go_on(version.workspace, run);
            }
        }
        for row in leaf.rows {
            let standing = Standing {
                leaf: index,
                op: row.op,
                digest: row.digest,
            };
            self.rows.insert(row_name(&row.table, &row.key), standing);
        }
        Ok(())
    }

    /// The clock ran from `first` to `last` in what follows, starting at leaf `index`.
    fn tick(&mut self, index: u64, first: i64, last: i64) {
        match &mut self.clock {
            None => self.clock = Some((first, last)),
            Some((_, now)) => {
                if first < *now {
                    self.backwards += 1;
                    self.backwards_first = self.backwards_first.or(Some(index));
                }
                *now = last;
            }
        }
    }

    /// The finished versions of `workspace` go on with `run`.
    fn go_on(&mut self, workspace: String, run: Run) {
        let Some(before) = self.workspaces.get_mut(&workspace) else {
            self.workspaces.insert(workspace, run);
            return;
        };
        if run.first != before.last + 1 {
            found_gap(
                &mut self.report,
                run.first_leaf,
                &workspace,
                before.last + 1,
                run.first,
            );
        }
        before.last = run.last;
    }

    /// This range and the one right after it.
    fn join(mut self, after: Self) -> Self {
        let boundary = self.hashes.len() as u64;
        self.report.absorb(after.report);
        self.hashes.extend(after.hashes);
        self.events.extend(after.events);
        self.rows.extend(after.rows);
        self.story.extend(after.story);
        self.bodies.extend(after.bodies);
        self.misplaced.extend(after.misplaced);
        self.malformed += after.malformed;
        self.versions += after.versions;
        self.broken |= after.broken;
        if let Some((first, last)) = after.clock {
            self.tick(boundary, first, last);
        }
        self.backwards += after.backwards;
        self.backwards_first = self.backwards_first.or(after.backwards_first);
        for (workspace, run) in after.workspaces {
            self.go_on(workspace, run);
        }
        self
    }

    /// How many workspaces have finished versions.
    pub(super) fn workspaces(&self) -> usize {
        self.workspaces.len()
    }
}

/// How a row is named in [`Part::rows`].
pub(super) fn row_name(table: &str, key: &str) -> String {
    format!("{table}\0{key}")
}
