//! The offline verifier: what a bundle proves to a stranger who has a key, or an anchor, or neither.
//!
//! It goes in steps, and a step runs only on what the one before established, so that a finding names the deed and not its
//! echo:
//!
//! 1. **Whole.** Every member the newest checkpoint and the manifest demand is there, and nothing else.
//! 2. **Entries.** They hash to the root the newest checkpoint names; hash tiles agree; each leaf is canonical, in its
//!    place, of this house. When the root does not come out, nothing further is judged.
//! 3. **Keys.** The key was handed on as [`crate::leaf`] says, and every checkpoint is signed by those who had to.
//! 4. **Ancestry.** Every retained checkpoint, and the anchor, is a prefix of the log, or in a range declared lost.
//! 5. **Meaning.** Finished versions of each workspace are 1, 2, 3, …; exported rows are what the leaves last wrote;
//!    sealed bodies are those the leaves name.
//!
//! Exit codes are those of [`Kind`]: 0 proven, 10 truncated, 11 reordered, 12 signed with another key, 13 older than the
//! anchor, 14 forked, 15 altered, 16 gap in versions, 17 not canonical, 18 unreadable. Of several the smallest is given.
//!
//! Promises: what is not listed as proved was not proved; no bundle, however hostile, makes it panic; memory is bounded by
//! the number of leaves, workspaces and rows, never by a number the bundle merely states.
//!
//! Absent on purpose: the network, the clock (a leaf's time is noted, not trusted), and any opinion on whether what
//! happened should have. A log restored twice from copies older than the first restore has origins the tree no longer
//! names; their checkpoints are reported as forked.

mod entries;
mod history;
mod report;
mod rows;
mod story;

pub use report::{EXIT_PROVEN, Finding, Kind, Report};
pub use story::Told;

use crate::bundle::{self, Bundle, Manifest};
use crate::checkpoint::Checkpoint;
use crate::note::{NOTE_BYTES_MAX, SignedNote};
use crate::tile::{self, Tile};
use crate::tree::Levels;
use crate::{archive, bundle::CHECKPOINT};
use entries::Part;
use fs_err::File;
use history::{Claim, History, Paper};
use std::io::{Cursor, Read, Seek};
use std::path::Path;
use std::thread;

/// Threads at most: beyond that, reading the bundle is what takes the time.
const THREADS_MAX: usize = 8;

/// Place of findings about the anchor; no member of a bundle has a space in its name.
const ANCHOR: &str = "the anchor";

/// What the asker already trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Text of a verifier key the log must have had, usually its first. Without it the key of leaf 0 is used, and the
    /// report says so.
    pub vkey: Option<String>,
    /// A checkpoint remembered from elsewhere, as a signed note. The bundle must extend it.
    pub anchor: Option<String>,
}

/// Verifies a bundle in a file. With the id of a thing, the report has its story as well.
pub fn verify_file(path: &Path, trust: &Trust, about: Option<&str>) -> Report {
    match File::open(path) {
        Ok(file) => verify(file, trust, about),
        Err(error) => {
            let mut report = Report::default();
            report.found(Kind::Unreadable, path.display(), error);
            report
        }
    }
}

/// Verifies a bundle in memory.
pub fn verify_bytes(bytes: &[u8], trust: &Trust) -> Report {
    verify(Cursor::new(bytes), trust, None)
}

/// Verifies a bundle, and tells the story of the thing with the id `about`.
pub fn verify(source: impl Read + Seek + Send, trust: &Trust, about: Option<&str>) -> Report {
    let mut report = Report::default();
    match Bundle::new(source) {
        Ok(bundle) => check(&bundle, trust, about, &mut report),
        Err(error) => report.found(error_kind(&error), "bundle", error),
    }
    report
}

/// The steps, one after another.
fn check<R: Read + Seek + Send>(
    bundle: &Bundle<R>,
    trust: &Trust,
    about: Option<&str>,
    report: &mut Report,
) {
    let Some(papers) = read_papers(bundle, trust, report) else {
        return;
    };
    if !check_whole(bundle, &papers, report) {
        return;
    }
    let head = &papers.newest.head;
    let asked = (papers.manifest.house.as_str(), about);
    let Some(mut part) = entries::read(bundle, asked, head.size, report) else {
        return;
    };
    report.story = std::mem::take(&mut part.story);
    let levels = Levels::from_leaves(std::mem::take(&mut part.hashes));
    if !check_root(bundle, head, &levels, report) {
        return;
    }
    prove_leaves(&part, head.size, report);
    if let Some(history) = History::of(&part.events, head.size, &papers.manifest.house, report)
        && check_keys(&papers, &history, trust, report)
    {
        check_ancestry(&papers, &history, &levels, report);
    }
    let evidence = rows::Evidence {
        bundle,
        size: head.size,
        part: &part,
    };
    evidence.check_rows(papers.manifest.rows, report);
    evidence.check_blobs(report);
}

/// What is read before any leaf: the manifest and everything that was signed.
#[derive(Debug)]
struct Papers {
    manifest: Manifest,
    newest: Paper,
    retained: Vec<Paper>,
    anchor: Option<Paper>,
}

/// Step 1, first half: reads manifest, checkpoints and anchor.
fn read_papers<R: Read + Seek>(
    bundle: &Bundle<R>,
    trust: &Trust,
    report: &mut Report,
) -> Option<Papers> {
    let manifest = match bundle.manifest() {
        Ok(manifest) => manifest,
        Err(error) => {
            report.found(error_kind(&error), bundle::MANIFEST, error);
            return None;
        }
    };
    let newest = read_paper(bundle, CHECKPOINT, report)?;
    report.house.clone_from(&manifest.house);
    report.origin.clone_from(&newest.head.origin);
    (report.size, report.root) = (newest.head.size, newest.head.root);
    let mut retained = Vec::new();
    for name in bundle.names_under("checkpoints/") {
        let paper = read_paper(bundle, name, report)?;
        let stem = name.trim_start_matches("checkpoints/").split('.').next();
        if stem != Some(paper.head.size.to_string().as_str()) {
            report.found(
                Kind::Unreadable,
                name,
                format!("it is of {} leaves", paper.head.size),
            );
            return None;
        }
        retained.push(paper);
    }
    let anchor = match &trust.anchor {
        Some(anchor) => Some(parse_paper(ANCHOR, anchor.as_bytes(), report)?),
        None => None,
    };
    Some(Papers {
        manifest,
        newest,
        retained,
        anchor,
    })
}

fn read_paper<R: Read + Seek>(
    bundle: &Bundle<R>,
    name: &str,
    report: &mut Report,
) -> Option<Paper> {
    match bundle.read(name, NOTE_BYTES_MAX as u64) {
        Ok(bytes) => parse_paper(name, &bytes, report),
        Err(error) => {
            report.found(error_kind(&error), name, error);
            None
        }
    }
}

fn parse_paper(place: &str, bytes: &[u8], report: &mut Report) -> Option<Paper> {
    let parsed = SignedNote::parse(bytes)
        .map_err(crate::checkpoint::Error::from)
        .and_then(|note| Ok((Checkpoint::of(&note)?, note)));
    match parsed {
        Ok((head, note)) => Some(Paper {
            place: place.to_owned(),
            note,
            head,
        }),
        Err(error) => {
            report.found(Kind::Unreadable, place, error);
            None
        }
    }
}

/// Step 1, second half: the members are exactly those that must be there.
fn check_whole<R: Read + Seek>(bundle: &Bundle<R>, papers: &Papers, report: &mut Report) -> bool {
    let before = report.total();
    let size = papers.newest.head.size;
    if size == 0 {
        report.found(
            Kind::Truncated,
            CHECKPOINT,
            "it speaks of no leaf, and a log has at least one",
        );
    }
    let mut tiles = 0u64;
    for tile in Tile::all(size) {
        let name = tile.to_string();
        if !bundle.has(&name) {
            // One is enough: the size is only a number in an unverified note, and may speak of tiles without end.
            report.found(Kind::Truncated, &name, "it is missing");
            break;
        }
        tiles += 1;
    }
    let manifest = &papers.manifest;
    let rows_parts = bundle.names_under("rows/").count() as u64;
    let blobs = bundle.names_under("blobs/").count() as u64;
    let retained = papers.retained.len() as u64;
    let present = bundle.names_under("tile/").count() as u64;
    let known = 2 + tiles + rows_parts + blobs + retained;
    let all = bundle.names().count() as u64;
    if known < all {
        let words = format!(
            "{} members belong to no bundle of {size} leaves",
            all - known
        );
        report.found(Kind::Unreadable, "bundle", words);
    }
    if rows_parts > 0 && manifest.rows.is_none() {
        report.found(
            Kind::Unreadable,
            bundle::MANIFEST,
            "it says rows were not exported, and some are there",
        );
    }
    for (what, stated, there) in [
        ("entries", manifest.entries, size),
        ("checkpoints", manifest.checkpoints, retained),
        ("blobs", manifest.blobs, blobs),
    ] {
        if stated != there {
            let kind = if stated > there {
                Kind::Truncated
            } else {
                Kind::Unreadable
            };
            report.found(
                kind,
                bundle::MANIFEST,
                format!("it speaks of {stated} {what}, and there are {there}"),
            );
        }
    }
    let whole = report.total() == before;
    if whole {
        report.prove(format!("the bundle is whole: {present} tiles for {size} leaves, {retained} retained checkpoints"));
    }
    whole
}

/// Step 2, last half: the root comes out, and the hash tiles are those of the entries.
fn check_root<R: Read + Seek>(
    bundle: &Bundle<R>,
    head: &Checkpoint,
    levels: &Levels,
    report: &mut Report,
) -> bool {
    let before = report.total();
    let mut tiles = 0;
    for tile in Tile::all(head.size).filter(|tile| tile.kind != tile::Kind::Entries) {
        tiles += 1;
        let name = tile.to_string();
        match bundle.read(&name, 32 * u64::from(tile::WIDTH)) {
            Err(error) => report.found(error_kind(&error), &name, error),
            Ok(bytes) => {
                if let Some(place) = history::first_difference(&tile, &bytes, levels) {
                    let words = format!("from its hash {place} on it is not what the entries give");
                    report.found(Kind::Altered, &name, words);
                }
            }
        }
    }
    if report.total() == before {
        report.prove(format!("all {tiles} hash tiles are those of the entries"));
    }
    let proven = History::is_ancestor(head, levels);
    if proven {
        let root = hex::encode(head.root);
        report.prove(format!(
            "{} entries hash to the root {root} of the newest checkpoint",
            head.size
        ));
    } else {
        let words = "the entries do not hash to its root; keys, ancestry and rows were not judged";
        report.found(Kind::Altered, CHECKPOINT, words);
    }
    proven
}

/// Step 2 and 5, what the leaves by themselves show.
fn prove_leaves(part: &Part, leaves: u64, report: &mut Report) {
    let found =
        |kinds: &[Kind], report: &Report| kinds.iter().any(|kind| report.counts.contains_key(kind));
    if !found(
        &[Kind::NotCanonical, Kind::Reordered, Kind::Altered],
        report,
    ) {
        report.prove(format!(
            "{leaves} leaves are canonical, numbered by their place, and of this house"
        ));
    }
    if !found(&[Kind::NotCanonical, Kind::VersionGap], report) {
        let (versions, workspaces) = (part.versions, part.workspaces());
        report.prove(format!("{versions} finished versions of {workspaces} workspaces follow each other without a gap"));
    }
    if let Some(first) = part.backwards_first {
        let times = part.backwards;
        report.note(format!("the server's clock went backwards {times} times, first at leaf {first}; the order is not in doubt"));
    }
}

/// Step 3: keys and signatures. True when the newest checkpoint can be believed.
fn check_keys(papers: &Papers, history: &History, trust: &Trust, report: &mut Report) -> bool {
    let before = report.total();
    report.vkey = history.newest_key().map(ToString::to_string);
    match &trust.vkey {
        Some(trusted) if history.keys().any(|key| key.to_string() == *trusted) => {}
        Some(trusted) => {
            report.found(Kind::AnotherKey, "leaf 0", format!("the log never had the key {trusted}"));
            return false;
        }
        None => report.note("trusted on first use: the key is the one that leaf 0 names; compare it with one you know"),
    }
    let sizes = line_sizes(papers, history);
    let refused = check_paper(&papers.newest, history, &sizes);
    let believed = refused.is_none();
    let others: Vec<&Paper> = papers.retained.iter().chain(&papers.anchor).collect();
    let refusals = in_parts(&others, |papers| {
        papers
            .iter()
            .filter_map(|paper| check_paper(paper, history, &sizes))
            .collect::<Vec<_>>()
    });
    for (place, kind, words) in refused.into_iter().chain(refusals.into_iter().flatten()) {
        report.found(kind, place, words);
    }
    if report.total() == before {
        let (keys, count) = (history.keys().count(), papers.retained.len() + 1);
        report.prove(format!("{count} checkpoints are signed by the keys in force; the log had {keys}, each handed on by the one before"));
    }
    believed
}

/// The sizes of all checkpoints in the bundle that claim to be prefixes of the log, in order.
fn line_sizes(papers: &Papers, history: &History) -> Vec<u64> {
    let all = papers.retained.iter().chain([&papers.newest]);
    let line = all.filter(|paper| history.claim(&paper.head) == Claim::Line);
    let mut sizes: Vec<u64> = line.map(|paper| paper.head.size).collect();
    sizes.sort_unstable();
    sizes
}

fn check_paper(paper: &Paper, history: &History, sizes: &[u64]) -> Option<(String, Kind, String)> {
    let signers = match history.claim(&paper.head) {
        Claim::Line if paper.place != ANCHOR => history.signers(paper.head.size, sizes),
        _ => Vec::new(),
    };
    let (kind, words) = history.check_signatures(paper, &signers).err()?;
    Some((paper.place.clone(), kind, words))
}

/// Step 4: retained checkpoints and the anchor are prefixes of the log.
fn check_ancestry(papers: &Papers, history: &History, levels: &Levels, report: &mut Report) {
    let before = report.total();
    if papers.newest.head.origin != history.newest_origin() {
        let words = format!(
            "its origin is not {}, which the log has now",
            history.newest_origin()
        );
        report.found(Kind::Forked, CHECKPOINT, words);
    }
    let mut prefixes = 0;
    for paper in papers.retained.iter().chain(&papers.anchor) {
        let (head, place) = (&paper.head, &paper.place);
        let is_anchor = place == ANCHOR;
        if history.check_signatures(paper, &[]).is_err() {
            continue;
        }
        match history.claim(head) {
            Claim::Lost => {
                report.note(format!(
                    "{place}: {} leaves of {} are in a range that a restore declared lost",
                    head.size, head.origin
                ));
            }
            Claim::Beyond if is_anchor => {
                let words = format!(
                    "it has {} leaves, and the bundle only {}",
                    head.size, papers.newest.head.size
                );
                report.found(Kind::OlderThanAnchor, place, words);
            }
            Claim::Beyond => {
                let words = format!(
                    "the log once had {} leaves, and the newest checkpoint has fewer",
                    head.size
                );
                report.found(Kind::Truncated, place, words);
            }
            Claim::Line if History::is_ancestor(head, levels) => prefixes += u64::from(!is_anchor),
            Claim::Line => report.found(
                Kind::Forked,
                place,
                "it is signed, and not a prefix of this log",
            ),
            Claim::Foreign => {
                let words = format!(
                    "it is signed for {} at {} leaves, which this log's history does not know",
                    head.origin, head.size
                );
                report.found(Kind::Forked, place, words);
            }
        }
    }
    if report.total() == before {
        report.prove(format!(
            "{prefixes} retained checkpoints are prefixes of the newest"
        ));
        let anchor = papers.anchor.as_ref();
        if let Some(anchor) = anchor.filter(|anchor| history.claim(&anchor.head) == Claim::Line) {
            report.prove(format!(
                "the log extends the anchor of {} leaves",
                anchor.head.size
            ));
        }
    }
}

/// Runs `work` on neighbouring ranges of `items` in several threads; the results are in order, and at least one.
fn in_parts<T: Sync, P: Send>(items: &[T], work: impl Fn(&[T]) -> P + Sync) -> Vec<P> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX);
    let length = items.len().div_ceil(threads).max(1);
    if items.len() <= 1 {
        return vec![work(items)];
    }
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = items
            .chunks(length)
            .map(|items| scope.spawn(move || work(items)))
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// What an error in reading means for the bundle.
fn error_kind(error: &bundle::Error) -> Kind {
    match error {
        bundle::Error::Archive(archive::Error::Cut(_)) | bundle::Error::Missing(_) => {
            Kind::Truncated
        }
        _ => Kind::Unreadable,
    }
}
