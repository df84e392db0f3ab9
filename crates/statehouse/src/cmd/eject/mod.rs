//! `statehouse eject`: every state as the plain file that terraform's `local` backend reads, so that nobody needs us.
//!
//! For each workspace a folder `PROJECT/WORKSPACE` with `terraform.tfstate`, byte for byte as it was put, and a `backend.tf`
//! that works there; older versions in `versions`, what was kept aside in `kept`; and one `MANIFEST.json` that says of every file
//! which version it is, its digest and its leaf in the ledger. Files are readable by their owner only: states hold secrets.
//! Every file is read again and compared. The same states make the same files, whether a server or a backup gave them.
//!
//! One workspace that cannot be read keeps no other from being written; it is named, and the exit code says so. Deliberately
//! absent: deleted workspaces (bring them back first), and writing into a directory that holds anything.

mod served;
mod shelf;
mod stored;

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use fs_err as fs;
use serde_json::{Value, json};
use statehouse_model::Name;

use super::import::files::{KEPT, VERSIONS};
use super::import::sha256;
use super::import::target::Hashing;
use super::session::Session;
use crate::failure::{Exit, Failure, Result};
use crate::files::Draft;
use crate::out::{Out, plain};
use served::Served;
use shelf::{Shelf, Version, Workspace};
use stored::Opened;

/// The form of the manifest.
const FORMAT: &str = "statehouse-eject/1";
/// Its file.
const MANIFEST: &str = "MANIFEST.json";
/// The file that terraform's `local` backend reads.
const STATE: &str = "terraform.tfstate";

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where to write; it must be empty, or not be there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Older versions and discarded uploads as well
    #[arg(long)]
    all_versions: bool,
    #[command(flatten)]
    from: stored::From,
}

/// What could not be written, by what it is called.
type Failures = Vec<(String, Failure)>;

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let dir = std::path::absolute(&args.dir)?;
    let eject = Eject {
        all_versions: args.all_versions,
        out: session.out,
    };
    let Some(backup) = args.from.backup() else {
        let client = session.client()?;
        let mut served = Served::new(&client)?;
        let organization = client.connection.organization()?;
        folder_for_all(&dir)?;
        return eject.ended(eject.organization(&mut served, organization, &dir)?, &dir);
    };
    crate::server::guard::refuse_unsealed()?;
    crate::server::guard::keep_memory_private();
    fs::metadata(backup)?;
    let wanted = session.server.organization.as_ref();
    folder_for_all(&dir)?;
    let opened = Opened::open(&args.from, backup, &dir, session)?;
    let failures = eject.backup(&opened, wanted, &dir);
    opened.close()?;
    eject.ended(failures?, &dir)
}

/// Makes the directory, or takes an empty one.
fn folder_for_all(dir: &Path) -> Result {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let words = format!(
            "{} is not empty, and nothing is written over",
            dir.display()
        );
        return Err(Failure::usage(words).hint("name another directory"));
    }
    folder(dir)
}

/// A folder for the owner only, with all above it that are missing.
fn folder(path: &Path) -> Result {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

/// How states are written.
struct Eject {
    all_versions: bool,
    out: Out,
}

impl Eject {
    /// Of a backup the organization that is meant, or each in a folder of its own.
    fn backup(&self, opened: &Opened, wanted: Option<&Name>, dir: &Path) -> Result<Failures> {
        if let Some(name) = wanted {
            return self.organization(&mut opened.organization(name)?, name, dir);
        }
        let mut failures = Failures::new();
        for name in opened.organizations()? {
            let below = dir.join(name.as_str());
            let ejected = opened.organization(&name);
            let ejected = ejected.and_then(|mut stored| {
                folder(&below)?;
                self.organization(&mut stored, &name, &below)
            });
            match ejected {
                Ok(more) => failures.extend(more),
                Err(failure) => failures.push((format!("organization {name}"), failure)),
            }
        }
        Ok(failures)
    }

    /// Everything of one organization.
    fn organization(&self, shelf: &mut dyn Shelf, name: &Name, dir: &Path) -> Result<Failures> {
        let mut workspaces = shelf.workspaces()?;
        workspaces.sort_by(|a, b| (&a.project, &a.name).cmp(&(&b.project, &b.name)));
        if workspaces.iter().any(|each| each.project == MANIFEST) {
            let words = format!("a project is called {MANIFEST}, as the list of all files is");
            return Err(Failure::failed(words).hint("rename that project first"));
        }
        let (total, mut failures, mut told) = (workspaces.len(), Failures::new(), Vec::new());
        for (number, workspace) in workspaces.iter().enumerate() {
            let place = format!("{}/{}", workspace.project, workspace.name);
            let (states, problems) = self.workspace(shelf, name, workspace, dir);
            let words = match problems.first() {
                None => format!("{} files", states.len()),
                Some((_, failure)) => format!("NOT whole: {}", plain(&failure.message)),
            };
            self.out.say(&format!(
                "[{}/{total}] {}: {words}",
                number + 1,
                plain(&place)
            ));
            let words: Vec<String> = problems
                .iter()
                .map(|(what, failure)| format!("{what}: {}", failure.message))
                .collect();
            told.push(json!({
                "project": workspace.project,
                "workspace": workspace.name,
                "id": workspace.id,
                "states": states,
                "problems": words,
            }));
            failures.extend(problems);
        }
        let manifest = json!({
            "format": FORMAT,
            "organization": name.as_str(),
            "ledger": shelf.code(),
            "all-versions": self.all_versions,
            "workspaces": told,
        });
        write(&dir.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
        Ok(failures)
    }

    /// One workspace: what the manifest says of its files, and what went wrong.
    fn workspace(
        &self,
        shelf: &mut dyn Shelf,
        organization: &Name,
        workspace: &Workspace,
        dir: &Path,
    ) -> (Vec<Value>, Failures) {
        let place = format!("{}/{}", workspace.project, workspace.name);
        let (mut states, mut failures) = (Vec::new(), Failures::new());
        let versions = begin(shelf, organization, workspace, dir);
        let versions = match versions {
            Ok(versions) => versions,
            Err(failure) => return (states, vec![(place, failure)]),
        };
        for version in &versions {
            let Some((role, file)) = self.file(workspace, version) else {
                continue;
            };
            let below = format!("{place}/{file}");
            let digest = if version.removed {
                Ok(None)
            } else {
                one(shelf, workspace, version, &dir.join(&below)).map(Some)
            };
            match digest {
                Ok(digest) => states.push(said(version, role, &below, digest.as_deref())),
                Err(failure) => failures.push((below, failure)),
            }
        }
        (states, failures)
    }

    /// What a version is to its workspace, and the file that it goes to; nothing for one that is left out.
    fn file(&self, workspace: &Workspace, version: &Version) -> Option<(&'static str, String)> {
        if workspace.head.as_ref() == Some(&version.id) {
            return Some(("current", STATE.to_owned()));
        }
        match (version.status.as_str(), version.sequence) {
            ("finished", Some(sequence)) => self
                .all_versions
                .then(|| ("older", format!("{VERSIONS}/{sequence:08}.tfstate"))),
            ("discarded", _) if !self.all_versions => None,
            _ => Some(("kept", format!("{KEPT}/{}.tfstate", version.id))),
        }
    }

    /// The last words, and the exit code: that of the failures, where they all have the same.
    fn ended(&self, failures: Failures, dir: &Path) -> Result {
        let Some((_, first)) = failures.first() else {
            let words = format!("everything was written to {} and compared", dir.display());
            self.out.say(&words);
            return Ok(());
        };
        let same = failures
            .iter()
            .all(|(_, failure)| failure.exit == first.exit);
        let exit = if same { first.exit } else { Exit::Failed };
        let words: Vec<String> = failures
            .iter()
            .map(|(what, failure)| format!("{what}: {}", failure.message))
            .collect();
        let what = format!(
            "{} of what was asked for could not be written; the rest is in {}",
            failures.len(),
            dir.display()
        );
        Err(Failure::new(exit, format!("{what}\n{}", words.join("\n"))))
    }
}

/// Makes the folder of a workspace, and lists its versions: those that were current, oldest first, then the others.
fn begin(
    shelf: &mut dyn Shelf,
    organization: &Name,
    workspace: &Workspace,
    dir: &Path,
) -> Result<Vec<Version>> {
    // They become folders: a server that sends other words than names must not choose where we write.
    for name in [&workspace.project, &workspace.name] {
        let name: Result<Name, _> = name.parse();
        name.map_err(Failure::failed)?;
    }
    let own = dir.join(&workspace.project).join(&workspace.name);
    folder(&own)?;
    write(
        &own.join("backend.tf"),
        backend(organization, &workspace.name).as_bytes(),
    )?;
    let mut versions = shelf.versions(workspace)?;
    versions.sort_by(|a, b| {
        let order = |version: &Version| (version.sequence.unwrap_or(u64::MAX), version.id.clone());
        order(a).cmp(&order(b))
    });
    Ok(versions)
}

/// Writes one version, and its digest in hex.
fn one(
    shelf: &mut dyn Shelf,
    workspace: &Workspace,
    version: &Version,
    path: &Path,
) -> Result<String> {
    let id: Result<statehouse_model::VersionId, _> = version.id.parse();
    id.map_err(Failure::failed)?;
    let bytes = shelf.bytes(workspace, version)?;
    if bytes.len() as u64 != version.size {
        let words = format!(
            "version {} has {} bytes, and {} came",
            version.id,
            version.size,
            bytes.len()
        );
        return Err(Failure::failed(words));
    }
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    write(path, &bytes)
}

/// Writes a file that only its owner reads, reads it again, and says its digest.
fn write(path: &Path, bytes: &[u8]) -> Result<String> {
    let mut draft = Draft::of(path)?;
    draft.write_all(bytes)?;
    draft.keep_new()?;
    let mut read = Hashing(Context::new(&SHA256));
    std::io::copy(&mut fs::File::open(path)?, &mut read)?;
    let digest = read.end();
    if digest != sha256(bytes) {
        return Err(Failure::failed(format!(
            "{} is not what was written to it",
            path.display()
        )));
    }
    Ok(hex::encode(digest))
}

fn said(version: &Version, role: &str, file: &str, digest: Option<&str>) -> Value {
    json!({
        "file": digest.map(|_| file),
        "role": role,
        "version": version.id,
        "status": version.status,
        "sequence": version.sequence,
        "serial": version.serial,
        "lineage": version.lineage,
        "size": version.size,
        "sha256": digest,
        "leaf": version.leaf,
        "content-removed": version.removed,
    })
}

/// A backend that works where it stands, and the one that leads back.
fn backend(organization: &Name, workspace: &str) -> String {
    format!(
        r#"# The state of {organization}/{workspace}, beside this file. With the configuration that it belongs to in this folder,
# `terraform init` and `terraform plan` work here, without any server.
terraform {{
  backend "local" {{
    path = "{STATE}"
  }}
}}

# Or from a Statehouse server, with the token in TF_HTTP_PASSWORD; `terraform init -migrate-state` moves the state there:
#
# terraform {{
#   backend "http" {{
#     address        = "https://statehouse.example.com:8443/state/{organization}/{workspace}"
#     lock_address   = "https://statehouse.example.com:8443/state/{organization}/{workspace}"
#     unlock_address = "https://statehouse.example.com:8443/state/{organization}/{workspace}"
#     username       = "terraform"
#   }}
# }}
"#
    )
}
