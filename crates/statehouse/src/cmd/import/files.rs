//! A tree of state files, as terraform's `local` backend leaves them, or as `statehouse eject` writes them.
//!
//! Every file `*.tfstate` is a state. A folder `versions` beside a `terraform.tfstate` holds its older versions, in the order of
//! their names; a folder `kept` beside one holds what was never current, and is passed over. `.terraform` is passed over as
//! well: what lies in it under that name is a backend's configuration. Links are not followed. A lock of terraform's
//! (`.NAME.lock.info`) beside a file is looked for before and after it is read.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;
use statehouse_core::terraform::lock::LockInfo;

use super::names;
use super::source::{Content, Found, Opened, Piece, STATE_BYTES_MAX, Source, locked};
use crate::failure::{Failure, Result};

/// Folders in folders. Nobody's configuration is deeper; a mount that contains itself would be.
const DEPTH_MAX: usize = 64;
/// How state files end.
const SUFFIX: &str = ".tfstate";
/// The state that may have a history in a folder beside it.
const USUAL: &str = "terraform.tfstate";
/// Folder of older versions.
pub(crate) const VERSIONS: &str = "versions";
/// Folder of uploads that were never current.
pub(crate) const KEPT: &str = "kept";

/// A tree of files.
pub(super) struct Tree {
    root: PathBuf,
    states: Vec<State>,
}

/// A state file and its older versions.
struct State {
    path: PathBuf,
    older: Vec<PathBuf>,
}

/// What a walk has found.
#[derive(Default)]
struct Walk {
    states: Vec<State>,
    notes: Vec<String>,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Result<Self> {
        if !fs::metadata(root)?.is_dir() {
            let words = format!("{} is no directory", root.display());
            return Err(Failure::usage(words));
        }
        Ok(Self {
            root: root.to_owned(),
            states: Vec::new(),
        })
    }

    /// The path below the root, as people read it; one that is not UTF-8 is refused before it could be mistaken for another.
    fn place(&self, path: &Path) -> Result<String> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let text = below.to_str().map(str::to_owned);
        text.ok_or_else(|| Failure::failed(format!("{} is not UTF-8; rename it", path.display())))
    }

    fn state(&self, found: &Found) -> Result<&State> {
        let missing = || Failure::failed(format!("{} was not found", found.place));
        self.states.get(found.at).ok_or_else(missing)
    }
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result {
        if depth > DEPTH_MAX {
            let words = format!("{} is {depth} folders deep", folder.display());
            return Err(Failure::failed(words));
        }
        let entries = sorted(folder)?;
        let has_usual = entries
            .iter()
            .any(|path| path.ends_with(USUAL) && is_file(path));
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kind = fs::symlink_metadata(&path)?.file_type();
            if kind.is_symlink() && name.ends_with(SUFFIX) {
                self.notes.push(format!("{}: a link", path.display()));
            } else if kind.is_dir() && has_usual && name == KEPT {
                let words = format!("{}: uploads that were never current", path.display());
                self.notes.push(words);
            } else if kind.is_dir() && name != ".terraform" && !(has_usual && name == VERSIONS) {
                self.folder(&path, depth + 1)?;
            } else if kind.is_file() && name.ends_with(SUFFIX) {
                let older = if name == USUAL {
                    older(&folder.join(VERSIONS))?
                } else {
                    Vec::new()
                };
                self.states.push(State { path, older });
            }
        }
        Ok(())
    }
}

fn older(folder: &Path) -> Result<Vec<PathBuf>> {
    if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let mut older = sorted(folder)?;
    older.retain(|path| is_file(path) && path.extension().is_some_and(|end| end == "tfstate"));
    Ok(older)
}

/// Whether it is a file itself, and no link to one.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// Fails where terraform holds the lock of a file at this moment.
fn require_free(path: &Path) -> Result {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = path.with_file_name(format!(".{name}.lock.info"));
    if fs::symlink_metadata(&lock).is_err() {
        return Ok(());
    }
    let info = fs::read(&lock)
        .ok()
        .and_then(|bytes| LockInfo::read(&bytes).ok());
    let holder = info.map_or_else(String::new, |info| {
        format!(" says {} ({})", info.who, info.operation)
    });
    Err(locked(format!("{}{holder}", lock.display()))
        .hint("if nobody is at work there, the lock was left behind: remove that file, and run the import again"))
}

impl Source for Tree {
    fn find(&mut self) -> Result<(Vec<Found>, Vec<String>)> {
        let mut walk = Walk::default();
        walk.folder(&self.root, 0)?;
        self.states = walk.states;
        let root = fs::canonicalize(&self.root)?;
        let root = root.file_name().unwrap_or_default().to_string_lossy();
        let mut found = Vec::new();
        for (at, state) in self.states.iter().enumerate() {
            let place = self.place(&state.path)?;
            found.push(Found {
                parts: names::parts(&place, &root),
                place,
                claims: true,
                at,
            });
        }
        Ok((found, walk.notes))
    }

    fn open(&mut self, found: &Found, _claim: bool) -> Result<Opened> {
        let state = self.state(found)?;
        require_free(&state.path)?;
        let paths = state.older.iter().chain([&state.path]);
        let mut pieces = Vec::new();
        for path in paths {
            let label = self.place(path)?;
            pieces.push(Piece {
                handle: label.clone(),
                label,
            });
        }
        Ok(Opened {
            pieces,
            notes: Vec::new(),
        })
    }

    fn fetch(&mut self, _found: &Found, piece: &Piece) -> Result<Content> {
        let path = self.root.join(&piece.handle);
        let mut bytes = Vec::new();
        let mut file = fs::File::open(&path)?.take(STATE_BYTES_MAX + 1);
        file.read_to_end(&mut bytes)?;
        if bytes.len() as u64 > STATE_BYTES_MAX {
            let words = format!(
                "{} is longer than the 256 MiB that a state may have",
                path.display()
            );
            return Err(Failure::failed(words));
        }
        Ok(Content::Bytes(bytes))
    }

    fn close(&mut self, found: &Found) -> Result {
        require_free(&self.state(found)?.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn a_tree_has_states_their_history_and_things_to_pass_over() {
        let tree = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for path in [
            "a/terraform.tfstate",
            "a/terraform.tfstate.backup",
            "a/.terraform/terraform.tfstate",
            "a/versions/2.tfstate",
            "a/versions/1.tfstate",
            "a/versions/note.txt",
            "a/kept/sv-1.tfstate",
            "versions/b.tfstate",
            "main.tf",
        ] {
            write(path);
        }
        std::os::unix::fs::symlink("versions/b.tfstate", tree.path().join("c.tfstate")).unwrap();
        std::os::unix::fs::symlink(tree.path(), tree.path().join("loop")).unwrap();
        let mut source = Tree::new(tree.path()).unwrap();
        let (found, notes) = source.find().unwrap();
        let places: Vec<&str> = found.iter().map(|found| found.place.as_str()).collect();
        assert_eq!(places, ["a/terraform.tfstate", "versions/b.tfstate"]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        let pieces = source.open(&found[0], true).unwrap().pieces;
        let pieces: Vec<&str> = pieces.iter().map(|piece| piece.label.as_str()).collect();
        assert_eq!(
            pieces,
            [
                "a/versions/1.tfstate",
                "a/versions/2.tfstate",
                "a/terraform.tfstate"
            ]
        );
    }

    #[test]
    fn a_file_that_terraform_holds_is_not_read() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("a.tfstate"), "x").unwrap();
        let mut source = Tree::new(tree.path()).unwrap();
        let (found, _) = source.find().unwrap();
        source.open(&found[0], true).unwrap();
        let lock = r#"{"ID":"1","Operation":"OperationTypeApply","Who":"ada@desk"}"#;
        fs::write(tree.path().join(".a.tfstate.lock.info"), lock).unwrap();
        let failure = source.open(&found[0], true).err().unwrap();
        assert!(failure.message.contains("ada@desk"), "{}", failure.message);
        assert!(
            source.close(&found[0]).is_err(),
            "a lock taken meanwhile is seen"
        );
    }
}
