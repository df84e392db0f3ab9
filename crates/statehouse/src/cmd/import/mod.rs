//! `statehouse import`: states of elsewhere, with their history, into workspaces here.
//!
//! The way of one state: it is found, named, kept from changing where the source can do that, read version by version from the
//! newest back, and lined up ([`chain`]); then the versions that its workspace lacks are sent, the oldest first, each under the
//! import's own lock and read back and compared by SHA-256. One state is in memory at a time. What is there is not sent again,
//! so an import that was cut off is simply run again; it needs no notes of its own.
//!
//! What it never does: overwrite. A workspace with other content is left as it is and reported, and so is a state whose lock
//! somebody holds, at either end.

mod chain;
pub(crate) mod files;
mod names;
mod s3;
mod source;
mod stop;
pub(crate) mod target;
mod tfe;

use std::path::PathBuf;

use fs_err as fs;
use serde_json::json;
use statehouse_model::Name;

use super::session::Session;
use crate::client::Resource;
use crate::failure::{Exit, Failure, Result};
use crate::out::{Column, Out, plain};
use chain::Standing;
use names::NameMap;
pub(crate) use source::sha256;
use source::{Content, Facts, Found, Opened, Source};
use stop::Stop;
use target::{Locked, Target, Workspace};

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// From a tree of .tfstate files
    Files {
        /// The directory
        dir: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// From a bucket of an S3 store, with every version it keeps; the credentials are those of the `AWS_…` variables
    S3 {
        #[command(flatten)]
        bucket: s3::Args,
        #[command(flatten)]
        how: How,
    },
    /// From another server that speaks the TFE API, with every version it has
    Tfe {
        #[command(flatten)]
        server: tfe::Args,
        #[command(flatten)]
        how: How,
    },
}

/// How states are moved in, wherever from.
#[derive(clap::Args)]
pub(super) struct How {
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// The project of workspaces that are made
    #[arg(long, value_name = "NAME")]
    project: Option<Name>,
    /// A file of lines `WHAT-THE-SOURCE-CALLS-IT NAME`; `-` for a name leaves it out
    #[arg(long, value_name = "FILE")]
    name_map: Option<PathBuf>,
}

const COLUMNS: &[Column] = &[
    ("SOURCE", "source"),
    ("WORKSPACE", "workspace"),
    ("STATUS", "status"),
    ("SENT", "sent"),
    ("SERIAL", "serial"),
    ("SHA-256", "sha256"),
    ("REASON", "reason"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (stop, environment) = (Stop::listen()?, &session.environment);
    let (mut source, how): (Box<dyn Source>, How) = match verb {
        Verb::Files { dir, how } => (Box::new(files::Tree::new(&dir)?), how),
        Verb::S3 { bucket, how } => {
            let clock = crate::server::clock();
            (Box::new(s3::Bucket::new(&bucket, environment, clock)?), how)
        }
        Verb::Tfe { server, how } => (
            Box::new(tfe::Tfe::new(&server, environment, stop.clone())?),
            how,
        ),
    };
    let map = match &how.name_map {
        Some(file) => NameMap::read(&fs::read_to_string(file)?)?,
        None => NameMap::default(),
    };
    let client = session.client()?;
    let target = Target::new(&client, how.project)?;
    let (found, notes) = source.find()?;
    for note in notes {
        session.out.say(&format!("passed over: {}", plain(&note)));
    }
    let named = names::assign(found, &map)?;
    let mut import = Import {
        source: &mut *source,
        target,
        stop,
        dry_run: how.dry_run,
        out: session.out,
    };
    import.all(named)
}

/// An import under way.
struct Import<'a> {
    source: &'a mut dyn Source,
    target: Target<'a>,
    stop: Stop,
    dry_run: bool,
    out: Out,
}

/// What came of one state.
struct Done {
    status: &'static str,
    sent: usize,
    head: Option<Facts>,
}

/// A version that was read, and which of the source's it is.
type Read = (usize, Facts);

/// The bytes of the version that was read last.
type Hand = Option<(usize, Vec<u8>)>;

impl Import<'_> {
    fn all(&mut self, named: Vec<(Found, Name)>) -> Result {
        let total = named.len();
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for (number, (found, name)) in named.iter().enumerate() {
            let mut notes = Vec::new();
            let done = self.stop.check();
            let done = done.and_then(|()| self.one(found, name, &mut notes));
            let place = plain(&found.place);
            for note in &notes {
                self.out.say(&format!("{place}: left out: {}", plain(note)));
            }
            let words = match &done {
                Ok(done) => format!("{}, {} sent", done.status, counted(done.sent)),
                Err(failure) => format!("NOT imported: {}", plain(&failure.message)),
            };
            self.out.say(&format!(
                "[{}/{total}] {place} → {name}: {words}",
                number + 1
            ));
            rows.push(row(found, name, &done, &notes));
            if let Err(failure) = done {
                let ends = failure.exit == Exit::Unavailable;
                failures.push((found, failure));
                if ends {
                    break;
                }
            }
        }
        self.out.list(COLUMNS, &rows)?;
        self.total(total, rows.len(), failures)
    }

    /// The last words, and the exit code: that of the failures, where they all have the same.
    fn total(&self, total: usize, tried: usize, failures: Vec<(&Found, Failure)>) -> Result {
        let Some((_, first)) = failures.first() else {
            let words = if self.dry_run {
                "would be taken over"
            } else {
                "taken over"
            };
            self.out.say(&format!("all {total} states {words}"));
            return Ok(());
        };
        let same = failures
            .iter()
            .all(|(_, failure)| failure.exit == first.exit);
        let ended = failures
            .last()
            .filter(|(_, failure)| failure.exit == Exit::Unavailable);
        let exit = match ended {
            Some((_, failure)) => failure.exit,
            None if same => first.exit,
            None => Exit::Failed,
        };
        let untried = match total - tried {
            0 => String::new(),
            untried => format!(", {untried} of them not even tried"),
        };
        let missed = failures.len() + total - tried;
        let words = format!("{missed} of {total} states were not imported{untried}");
        let hint = ended
            .or(failures.first())
            .and_then(|(_, failure)| failure.hint.clone());
        let failure = Failure::new(exit, words);
        Err(match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        })
    }

    /// Moves one state, and lets go of its source whatever comes of it.
    fn one(&mut self, found: &Found, name: &Name, notes: &mut Vec<String>) -> Result<Done> {
        let opened = self.source.open(found, !self.dry_run)?;
        notes.extend(opened.notes.iter().cloned());
        let done = self.moved(found, name, &opened, notes);
        let closed = self.source.close(found);
        match (done, closed) {
            (Ok(done), Ok(())) => Ok(done),
            (Err(failure), _) | (Ok(_), Err(failure)) => Err(failure),
        }
    }

    fn moved(
        &mut self,
        found: &Found,
        name: &Name,
        opened: &Opened,
        notes: &mut Vec<String>,
    ) -> Result<Done> {
        let nothing = |status| Done {
            status,
            sent: 0,
            head: None,
        };
        if opened.pieces.is_empty() {
            return Ok(nothing("empty"));
        }
        let (versions, mut hand) = self.read(found, opened, notes)?;
        if versions.is_empty() {
            return Ok(nothing("passed-over"));
        }
        let line = lined_up(&versions, opened, notes);
        let facts: Vec<&Facts> = line.iter().map(|(_, facts)| facts).collect();
        let there = self.target.find(name)?;
        let from = match &there {
            Some(workspace) => self.from(workspace, &facts)?,
            None => 0,
        };
        let sent = line.len().saturating_sub(from);
        let done = |status| Done {
            status,
            sent,
            head: facts.last().map(|facts| (*facts).clone()),
        };
        if sent == 0 {
            return Ok(done("present"));
        }
        if self.dry_run {
            if let Some(workspace) = &there {
                self.target.require_free(workspace)?;
            }
            return Ok(done("would-import"));
        }
        let workspace = match there {
            Some(workspace) => workspace,
            None => self.target.make(name)?,
        };
        let lock = self.target.lock(&workspace)?;
        let missing = line.get(from..).unwrap_or_default();
        let outcome = self.send(found, opened, missing, &lock, &mut hand);
        let unlocked = self.target.unlock(lock);
        outcome.and(unlocked)?;
        Ok(done("imported"))
    }

    /// Reads every version from the newest back. The bytes of the last one stay in hand: it is the first to be sent.
    fn read(
        &mut self,
        found: &Found,
        opened: &Opened,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<Read>, Hand)> {
        let (mut versions, mut hand) = (Vec::new(), None);
        for (at, piece) in opened.pieces.iter().enumerate().rev() {
            self.stop.check()?;
            let is_newest = at + 1 == opened.pieces.len();
            let bytes = match self.source.fetch(found, piece)? {
                Content::Bytes(bytes) => bytes,
                Content::Gone(why) if is_newest => {
                    let words = format!("its current state is gone at the source: {why}");
                    return Err(Failure::new(Exit::Refused, words));
                }
                Content::Gone(why) => {
                    notes.push(format!("{}: {why}", piece.label));
                    continue;
                }
            };
            match Facts::of(&bytes) {
                Ok(facts) => {
                    versions.push((at, facts));
                    hand = Some((at, bytes));
                }
                Err(why) if is_newest && found.claims && !bytes.is_empty() => {
                    return Err(Failure::failed(format!("it is no state: {why}")));
                }
                Err(_) if is_newest => {
                    let what = if bytes.is_empty() {
                        "it is empty"
                    } else {
                        "it is no state"
                    };
                    notes.push(what.to_owned());
                    return Ok((Vec::new(), None));
                }
                Err(why) => notes.push(format!("{}: {why}", piece.label)),
            }
        }
        versions.reverse();
        Ok((versions, hand))
    }

    /// The place in the line from which a workspace lacks it. What it has is compared by its bytes, except in a dry run: a
    /// download stands in the ledger, and a dry run leaves nothing there.
    fn from(&self, workspace: &Workspace, line: &[&Facts]) -> Result<usize> {
        let head = self.target.head(workspace)?;
        let from = match chain::standing(line, head.as_ref()) {
            Standing::Follows(from) => return Ok(from),
            Standing::Lacks(from) => from,
            Standing::Other(why) => {
                let words = format!("workspace {} is not overwritten: {why}", workspace.name);
                return Err(Failure::new(Exit::Conflict, words)
                    .hint("look at both; --name-map gives the source's another name"));
            }
        };
        let last = from.checked_sub(1).and_then(|last| line.get(last));
        if let (Some(head), Some(last), false) = (&head, last, self.dry_run) {
            self.target.compare(workspace, &head.id, last)?;
        }
        Ok(from)
    }

    fn send(
        &mut self,
        found: &Found,
        opened: &Opened,
        missing: &[Read],
        locked: &Locked<'_>,
        hand: &mut Hand,
    ) -> Result {
        for (at, facts) in missing {
            self.stop.check()?;
            let bytes = match hand.take() {
                Some((held, bytes)) if held == *at => bytes,
                _ => self.again(found, opened, *at)?,
            };
            if sha256(&bytes) != facts.sha256 {
                let words = format!("{} changed at the source while it was read", facts.serial());
                return Err(Failure::new(Exit::Conflict, words).hint("run the import again"));
            }
            self.target.send(locked, bytes, facts)?;
        }
        Ok(())
    }

    fn again(&mut self, found: &Found, opened: &Opened, at: usize) -> Result<Vec<u8>> {
        let gone = |why: &str| Failure::failed(format!("a version is gone at the source: {why}"));
        let piece = opened
            .pieces
            .get(at)
            .ok_or_else(|| gone("it is in no list"))?;
        match self.source.fetch(found, piece)? {
            Content::Bytes(bytes) => Ok(bytes),
            Content::Gone(why) => Err(gone(&why)),
        }
    }
}

/// The versions that lead to the newest; a note for each that does not.
fn lined_up(versions: &[Read], opened: &Opened, notes: &mut Vec<String>) -> Vec<Read> {
    let facts: Vec<Facts> = versions.iter().map(|(_, facts)| facts.clone()).collect();
    let line = chain::line(&facts);
    let mut lined = Vec::new();
    for (place, read) in versions.iter().enumerate() {
        if line.contains(&place) {
            lined.push(read.clone());
            continue;
        }
        let label = opened.pieces.get(read.0).map_or("", |piece| &piece.label);
        let serial = read.1.serial();
        notes.push(format!(
            "{label}: {serial} does not lead to the current state"
        ));
    }
    lined
}

fn counted(versions: usize) -> String {
    match versions {
        1 => "1 version".to_owned(),
        versions => format!("{versions} versions"),
    }
}

fn row(found: &Found, name: &Name, done: &Result<Done>, notes: &[String]) -> Resource {
    let failed = |failure: &Failure| match failure.exit {
        Exit::Conflict => "refused",
        Exit::Refused => "denied",
        _ => "failed",
    };
    let (status, sent, head, reason) = match done {
        Ok(done) => (done.status, done.sent, done.head.as_ref(), None),
        Err(failure) => (failed(failure), 0, None, Some(failure.message.as_str())),
    };
    Resource::from_pairs([
        ("source", json!(found.place)),
        ("workspace", json!(name.as_str())),
        ("status", json!(status)),
        ("sent", json!(sent)),
        ("serial", json!(head.and_then(|head| head.serial))),
        ("lineage", json!(head.map(|head| &head.lineage))),
        ("sha256", json!(head.map(|head| hex::encode(head.sha256)))),
        ("reason", json!(reason)),
        ("left-out", json!(notes)),
    ])
}
