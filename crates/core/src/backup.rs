//! Backups: consistent while serving, and never with a key in them.
//!
//! A backup is one archive of SQLite files, whichever engine serves: for each
//! house a copy of its database as of one instant, its large bodies, and a
//! manifest that says which keys a restore needs. The site is copied first, so
//! that no house in the archive is older than what the site's log remembers.
//!
//! A restore fills an empty data directory. Where the anchors survived, the
//! houses then open read-only until the restore is declared
//! ([`crate::ledger::accept_restore`]). Absent on purpose: restoring over data.

use std::collections::BTreeSet;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use statehouse_ledger::archive;
use statehouse_model::HouseCode;
use statehouse_seal::make_directory;

use crate::core::{Core, Options};
use crate::ctx::Ctx;
use crate::db::{Database, Placement, copy_rows};
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::house::{self, House};

actions! {
    /// Write a backup of the site and every organization.
    WriteBackup = "backup.create" needs SiteBackup;
}

const FORMAT: &str = "statehouse-backup/1";
const MANIFEST: &str = "manifest.json";
/// A manifest names houses, a line each; a million of them fit.
const MANIFEST_MAX: u64 = 256 * 1024 * 1024;

/// What a backup says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// `statehouse-backup/1`.
    pub format: String,
    /// The id of the site.
    pub site: String,
    /// When it was begun, in microseconds since 1970.
    pub created_at: i64,
    /// The houses in it, by code.
    pub houses: Vec<HouseEntry>,
}

/// One house in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HouseEntry {
    /// Its code; `site` for the site.
    pub code: String,
    /// Its ledger's size at the copy.
    pub ledger: u64,
    /// What a restore needs besides the archive, in words.
    pub needs: String,
    /// Why the house is not in the archive, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

fn disk(error: std::io::Error) -> Error {
    Error::unavailable(format!("the backup cannot go on: {error}"))
        .hint("free space or name another file")
        .because(error)
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(format!("not a usable backup: {error}")).because(error)
}

/// Where the archive keeps a house's database.
fn member(code: HouseCode) -> String {
    if code.is_site() {
        "site.db".to_owned()
    } else {
        format!("houses/{code}.db")
    }
}

/// Writes a backup to a new file at `path`.
pub async fn create(core: &Core, ctx: &Ctx, path: &Path) -> Result<Manifest> {
    door::change(ctx, WriteBackup, Target::House, |_| {
        Box::pin(async { Ok(Outcome::Recorded((), Entry::new("site"))) })
    })
    .await?;
    let scratch = core
        .options()
        .data
        .join("tmp")
        .join(format!("backup-{:x}", crate::entropy()));
    fs::create_dir_all(&scratch).map_err(disk)?;
    let written = write(core, path, &scratch).await;
    fs::remove_dir_all(&scratch).ok();
    if written.is_err() {
        fs::remove_file(path).ok();
    }
    written
}

async fn write(core: &Core, path: &Path, scratch: &Path) -> Result<Manifest> {
    let file = fs::File::create_new(path).map_err(disk)?;
    let mut archive = archive::Writer::new(BufWriter::new(file));
    let mut manifest = Manifest {
        format: FORMAT.to_owned(),
        site: core.site_id().to_owned(),
        created_at: (core.options().clock)(),
        houses: Vec::new(),
    };
    archive
        .member("site.id", core.site_id().as_bytes())
        .map_err(broken)?;
    let mut codes = vec![HouseCode::SITE];
    codes.extend(
        core.directory_all()
            .await?
            .into_iter()
            .filter(|each| each.status == crate::org::ACTIVE)
            .map(|each| each.code),
    );
    for code in codes {
        let entry = match core.house(code).await {
            Ok(house) => add_house(&mut archive, &house, scratch).await?,
            // One house that does not open may not keep the others from
            // being backed up; the manifest says so.
            Err(error) => HouseEntry {
                code: code.to_string(),
                ledger: 0,
                needs: core.options().roots.restore_needs(&house::key_name(code)?),
                problem: Some(error.message().to_owned()),
            },
        };
        manifest.houses.push(entry);
    }
    let text = serde_json::to_vec_pretty(&manifest).map_err(broken)?;
    archive.member(MANIFEST, &text).map_err(broken)?;
    let file = archive
        .finish()
        .map_err(broken)?
        .into_inner()
        .map_err(|error| disk(error.into_error()))?;
    file.sync_all().map_err(disk)?;
    Ok(manifest)
}

async fn add_house<W: std::io::Write>(
    archive: &mut archive::Writer<W>,
    house: &House,
    scratch: &Path,
) -> Result<HouseEntry> {
    let code = house.code();
    let copy = scratch.join(format!("{code}.db"));
    let migrations = house::migrations(code);
    house
        .database()
        .copy_to(&copy, &migrations, house.now())
        .await?;
    add(archive, &member(code), &copy)?;
    fs::remove_file(&copy).map_err(disk)?;
    for blob in house.blobs().files()? {
        let name = blob
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let member = format!("blobs/{code}/{name}");
        // A body that is gone by now was left over: no row names it.
        if blob.exists() {
            add(archive, &member, &blob)?;
        }
    }
    Ok(HouseEntry {
        code: code.to_string(),
        ledger: house.head().map_or(0, |head| head.size),
        needs: house.roots().restore_needs(&house::key_name(code)?),
        problem: None,
    })
}

fn add<W: std::io::Write>(archive: &mut archive::Writer<W>, name: &str, path: &Path) -> Result<()> {
    let mut file = fs::File::open(path).map_err(disk)?;
    let size = file.metadata().map_err(disk)?.len();
    archive.member_from(name, size, &mut file).map_err(broken)
}

/// Fills the empty data directory of `options` (and, where set, its
/// PostgreSQL server) from a backup. The server must not run.
pub async fn restore(path: &Path, options: &Options) -> Result<Manifest> {
    if fs::read_dir(&options.data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(
            Kind::Conflict,
            format!("{} is not empty", options.data.display()),
        )
        .hint("a restore fills an empty data directory; move the old one away first"));
    }
    let mut source = BufReader::new(fs::File::open(path).map_err(disk)?);
    let members = archive::index(&mut source).map_err(broken)?;
    let manifest = read_manifest(&mut source, &members)?;
    make_directory(&options.data.join("houses")).map_err(disk)?;
    let mut folders = BTreeSet::new();
    for (name, extent) in &members {
        let target = target_of(&options.data, name)?;
        let Some(target) = target else { continue };
        if let Some(parent) = target.parent() {
            make_directory(parent).map_err(disk)?;
            folders.insert(parent.to_owned());
        }
        source.seek(SeekFrom::Start(extent.at)).map_err(disk)?;
        let mut file = fs::File::create_new(&target).map_err(disk)?;
        let copied =
            std::io::copy(&mut source.by_ref().take(extent.size), &mut file).map_err(disk)?;
        if copied != extent.size {
            return Err(Error::invalid(format!(
                "`{name}` in the backup is cut short"
            )));
        }
        file.sync_all().map_err(disk)?;
    }
    for folder in folders {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(disk)?;
    }
    if options.postgres.is_some() {
        into_server(&manifest, options).await?;
    }
    Ok(manifest)
}

fn read_manifest<R: Read + Seek>(
    source: &mut R,
    members: &std::collections::BTreeMap<String, archive::Extent>,
) -> Result<Manifest> {
    let extent = members
        .get(MANIFEST)
        .ok_or_else(|| Error::invalid("not a backup: it has no manifest, or was cut short"))?;
    if extent.size > MANIFEST_MAX {
        return Err(Error::invalid(
            "the manifest of the backup is too large to be one",
        ));
    }
    source.seek(SeekFrom::Start(extent.at)).map_err(disk)?;
    let mut text = Vec::new();
    source
        .take(extent.size)
        .read_to_end(&mut text)
        .map_err(disk)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(broken)?;
    if manifest.format != FORMAT {
        return Err(Error::invalid(format!(
            "the backup has the form `{}` and this binary reads `{FORMAT}`",
            manifest.format
        )));
    }
    Ok(manifest)
}

/// Where a member goes; nothing outside the data directory can be named.
fn target_of(data: &Path, name: &str) -> Result<Option<PathBuf>> {
    let plain = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let target = match name.split('/').collect::<Vec<_>>().as_slice() {
        [MANIFEST] => None,
        ["site.id"] => Some(data.join("site.id")),
        ["site.db"] => Some(data.join("site.db")),
        ["houses", file] if file.strip_suffix(".db").is_some_and(plain) => {
            Some(data.join("houses").join(file))
        }
        ["blobs", code, file] if plain(code) && plain(file) => {
            Some(data.join("blobs").join(code).join(file))
        }
        _ => {
            return Err(Error::invalid(format!(
                "`{name}` does not belong into a backup"
            )));
        }
    };
    Ok(target)
}

/// Moves the restored files' rows into a PostgreSQL server.
async fn into_server(manifest: &Manifest, options: &Options) -> Result<()> {
    for entry in manifest
        .houses
        .iter()
        .filter(|entry| entry.problem.is_none())
    {
        let code: HouseCode = entry.code.parse().map_err(broken)?;
        let path = options.data.join(member(code));
        let now = (options.clock)();
        let migrations = house::migrations(code);
        let from = Database::open(&Placement::File(path.clone()), &migrations, now).await?;
        let to = Database::open(&options.placement(code)?, &migrations, now).await?;
        copy_rows(&from, &to).await?;
        drop(from);
        fs::remove_file(&path).map_err(disk)?;
    }
    Ok(())
}
