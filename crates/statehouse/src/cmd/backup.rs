//! `statehouse backup`: the site and every organization, consistent while serving, and without any key.
//!
//! What came is read again: the manifest says which houses are in the archive. An organization that does not open on the
//! server keeps no other from being backed up, but the command fails then, and names it: a script must not call that a backup.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::json;
use statehouse_core::backup::{HouseEntry, Manifest};
use statehouse_ledger::archive;

use super::{ledger, session::Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};

/// Where the manifest stands in the archive.
const MANIFEST: &str = "manifest.json";

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Have the server write one; a restore needs the root keys as well. Fails if an organization could not be copied
    Create {
        /// A new file, readable by you only
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let Verb::Create { out } = verb;
    ledger::save(
        &session.client()?,
        "POST",
        "/api/v2/site/backups",
        Some(&out),
        session,
    )?;
    let manifest = manifest(&out)?;
    list(&manifest, session)?;
    let missing = missing(&manifest);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} was written, but {} of {} houses could not be copied into it: {}",
        out.display(),
        missing.len(),
        manifest.houses.len(),
        missing.join("; "),
    ))
    .hint("make the server open them, then back up once more; the others are in this file, whole"))
}

/// Houses that a backup does not hold, each with the reason.
pub(super) fn missing(manifest: &Manifest) -> Vec<String> {
    let words = |house: &HouseEntry| {
        let problem = house.problem.as_ref()?;
        Some(format!("{}: {problem}", house.code))
    };
    manifest.houses.iter().filter_map(words).collect()
}

/// Prints the houses of a backup.
pub(super) fn list(manifest: &Manifest, session: &Session) -> Result {
    let house = |house: &HouseEntry| {
        Resource::from_pairs([
            ("code", json!(house.code)),
            ("ledger", json!(house.ledger)),
            ("needs", json!(house.needs)),
            ("problem", json!(house.problem)),
        ])
    };
    let houses: Vec<Resource> = manifest.houses.iter().map(house).collect();
    session.out.list(
        &[
            ("HOUSE", "code"),
            ("LEDGER ENTRIES", "ledger"),
            ("PROBLEM", "problem"),
            ("NEEDS", "needs"),
        ],
        &houses,
    )
}

/// The manifest of an archive that was just received.
fn manifest(path: &Path) -> Result<Manifest> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("{} is not a whole backup: {error}", path.display()))
            .hint("do not keep it; back up once more")
    };
    let mut source = BufReader::new(fs::File::open(path)?);
    let members = archive::index(&mut source).map_err(|error| broken(&error))?;
    let extent = members
        .get(MANIFEST)
        .ok_or_else(|| broken(&"it has no manifest"))?;
    source.seek(SeekFrom::Start(extent.at))?;
    serde_json::from_reader(source.take(extent.size)).map_err(|error| broken(&error))
}
