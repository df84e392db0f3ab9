//! What an operator keeps where runners work: terraform in its versions, and a mirror of providers.
//!
//! Who starts runners looks at it, for all of them. A runner lives for one job, and to read hundreds of megabytes for each of them would take
//! longer than most jobs; nor would one runner be told a digest that another one made. No run can write here, so that a digest holds for as long
//! as the kernel says that a file is the one that was read: the same inode of the same length, not written to nor otherwise changed since
//! (`st_ctime`, which no program can set).

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use super::digest;
use crate::control::Tool;

/// Digests that are kept; a mirror holds some files for each version of a provider.
const KNOWN_MAX: usize = 10_000;
/// A file that was changed so shortly ago may be changed again without the kernel's times telling: its clock ticks a hundred times a second,
/// that of some file systems every two seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Tools and providers.
pub struct Stock {
    tools: Option<PathBuf>,
    path: String,
    mirror: Option<PathBuf>,
    digests: Mutex<HashMap<Stamp, String>>,
    /// What tools said to be, by their digests.
    versions: Mutex<HashMap<String, String>>,
}

/// By what the kernel tells a file from every other, and from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether a change from now on will be seen by it.
    fn is_settled(&self, now: SystemTime) -> bool {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let changed = u64::try_from(self.changed.0).unwrap_or(u64::MAX);
        since.is_ok_and(|since| since > Duration::from_secs(changed).saturating_add(SETTLED))
    }
}

impl Stock {
    /// Tools are in a folder, each as `terraform_VERSION/terraform`, or on a search path.
    pub fn new(tools: Option<PathBuf>, path: String, mirror: Option<PathBuf>) -> Self {
        Self {
            tools,
            path,
            mirror,
            digests: Mutex::default(),
            versions: Mutex::default(),
        }
    }

    /// Finds the tool of a version: in the folder of tools, or on the search path. Where no version is asked for, it is the one on the
    /// search path, or else the newest of the folder. One on the search path is asked for its version, as the user (and group) given.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read: in words for who wants it.
    pub fn tool(&self, version: &str, user: Option<(u32, u32)>) -> Result<(PathBuf, Tool), String> {
        let exact = !version.is_empty() && version != "latest";
        if exact && let Some(tools) = &self.tools {
            let path = tools.join(format!("terraform_{version}")).join("terraform");
            if path.is_file() {
                return self.known(path, version.to_owned());
            }
        }
        let there = self
            .path
            .split(':')
            .map(|folder| Path::new(folder).join("terraform"))
            .find(|path| path.is_file());
        if there.is_none()
            && !exact
            && let Some(tools) = &self.tools
            && let Some((path, version)) = newest(tools).map_err(words)?
        {
            return self.known(path, version);
        }
        let path = there.ok_or(
            "there is no terraform here: put one on the search path of the server, or into its folder of tools",
        )?;
        let path = fs::canonicalize(path).map_err(words)?;
        let (path, mut tool) = self.known(path, String::new())?;
        tool.version = self.version_of(&path, &tool.digest, user)?;
        if exact && tool.version != version {
            return Err(format!(
                "the workspace wants terraform {version}, and here is {}; put {version} into the folder of tools",
                tool.version
            ));
        }
        Ok((path, tool))
    }

    /// The digest of a package of the mirror.
    ///
    /// # Errors
    ///
    /// When there is no such package, or it holds what no package holds: in words for who wants it.
    pub fn package(&self, path: &Path) -> Result<String, String> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let (Some(mirror), true) = (&self.mirror, path.components().all(plain)) else {
            return Err(format!("{} is in no mirror of providers", path.display()));
        };
        let mirror = fs::canonicalize(mirror).map_err(words)?;
        digest::package(&mirror, path, |file| self.digest(file)).map_err(words)
    }

    fn known(&self, path: PathBuf, version: String) -> Result<(PathBuf, Tool), String> {
        let file = fs::File::open(&path).map_err(words)?;
        let tool = Tool {
            name: "terraform".to_owned(),
            version,
            digest: self.digest(file.into()).map_err(words)?,
        };
        Ok((path, tool))
    }

    /// SHA-256 of a file, in hex.
    fn digest(&self, file: File) -> io::Result<String> {
        let stamp = Stamp::of(&file.metadata()?);
        if let Some(digest) = held(&self.digests).get(&stamp) {
            return Ok(digest.clone());
        }
        let digest = digest::of(&file)?;
        if Stamp::of(&file.metadata()?) == stamp && stamp.is_settled(now()) {
            let mut digests = held(&self.digests);
            if digests.len() >= KNOWN_MAX {
                digests.clear();
            }
            digests.insert(stamp, digest.clone());
        }
        Ok(digest)
    }

    /// The version that a binary says it is. It is the operator's own binary, asked outside of any sandbox.
    fn version_of(
        &self,
        path: &Path,
        digest: &str,
        user: Option<(u32, u32)>,
    ) -> Result<String, String> {
        if let Some(version) = held(&self.versions).get(digest) {
            return Ok(version.clone());
        }
        let mut command = Command::new(path);
        command
            .args(["version", "-json"])
            .env_clear()
            .env("CHECKPOINT_DISABLE", "1")
            .current_dir("/");
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let closed = |error| format!("starting {} as a runner does: {error}", path.display());
        let output = command.output().map_err(closed)?;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let version = said
            .get("terraform_version")
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| format!("{} does not say its version", path.display()))?;
        held(&self.versions).insert(digest.to_owned(), version.to_owned());
        Ok(version.to_owned())
    }
}

/// Nothing is half done while it is held.
fn held<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn words(error: io::Error) -> String {
    error.to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is held against the kernel's times of files, which are of this clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The newest release in a folder of tools.
fn newest(tools: &Path) -> io::Result<Option<(PathBuf, String)>> {
    let mut found = None;
    for entry in fs::read_dir(tools)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix("terraform_").map(str::to_owned);
        let path = entry.path().join("terraform");
        if let Some(version) = version
            && let Some(release) = release(&version)
            && path.is_file()
        {
            found = found.max(Some((release, path, version)));
        }
    }
    Ok(found.map(|(_, path, version)| (path, version)))
}

/// The numbers of a release; of what comes before one there are none.
fn release(version: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stock(place: &Path) -> Stock {
        let mirror = Some(place.join("mirror"));
        Stock::new(None, place.join("bin").display().to_string(), mirror)
    }

    fn known(stock: &Stock) -> usize {
        held(&stock.digests).len()
    }

    #[test]
    fn the_newest_of_a_folder_is_its_highest_release() {
        let tools = tempfile::tempdir().unwrap();
        for version in ["1.9.8", "1.11.4", "1.12.0-beta1", "1.13.0", "1.2"] {
            let folder = tools.path().join(format!("terraform_{version}"));
            fs::create_dir(&folder).unwrap();
            if version != "1.13.0" {
                fs::write(folder.join("terraform"), "").unwrap();
            }
        }
        fs::write(tools.path().join("terraform_1.99.0"), "").unwrap();
        let (path, version) = newest(tools.path()).unwrap().unwrap();
        assert_eq!(version, "1.11.4");
        assert!(path.ends_with("terraform_1.11.4/terraform"));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(newest(empty.path()).unwrap(), None);
    }

    #[test]
    fn a_package_that_changed_has_another_digest_although_the_one_before_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        let file = place.path().join("mirror/null/provider");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "one").unwrap();
        let digest = || stock.package(Path::new("null")).unwrap();
        let one = digest();
        assert_eq!(known(&stock), 0, "it was written just now");
        std::thread::sleep(SETTLED + Duration::from_secs(1));
        assert_eq!((digest(), digest()), (one.clone(), one.clone()));
        assert_eq!(known(&stock), 1);
        // As long, and as old, as it was.
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        let changed = fs::File::options().write(true).open(&file).unwrap();
        io::Write::write_all(&mut &changed, b"two").unwrap();
        changed.set_modified(written).unwrap();
        assert_ne!(digest(), one);
        // Another in its place.
        fs::write(file.with_extension("new"), "one").unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
        assert_eq!(digest(), one);
    }

    #[test]
    fn nothing_beside_the_mirror_has_a_digest() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        fs::create_dir_all(place.path().join("mirror/null")).unwrap();
        fs::create_dir_all(place.path().join("secret")).unwrap();
        fs::write(place.path().join("secret/key"), "key").unwrap();
        let link = place.path().join("mirror/link");
        fs::os::unix::fs::symlink(place.path().join("secret"), link).unwrap();
        stock.package(Path::new("null")).unwrap();
        let secret = place.path().join("secret");
        for path in [
            "../secret",
            "null/../../secret",
            "link",
            "none",
            ".",
            "/etc",
        ] {
            assert!(stock.package(Path::new(path)).is_err(), "{path}");
        }
        assert!(stock.package(&secret).is_err());
        let none = Stock::new(None, String::new(), None);
        assert!(none.package(Path::new("null")).is_err());
    }

    #[test]
    fn a_tool_is_asked_for_its_version_once_for_what_it_is() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        fs::create_dir(place.path().join("bin")).unwrap();
        let path = place.path().join("bin/terraform");
        let asked = place.path().join("asked");
        let put = |version: &str| {
            let said = format!("{{\"terraform_version\":\"{version}\"}}");
            let script = format!("#!/bin/sh\necho >> {}\necho '{said}'\n", asked.display());
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        put("1.2.3");
        let (_, tool) = stock.tool("", None).unwrap();
        assert_eq!(stock.tool("1.2.3", None).unwrap().1, tool);
        assert_eq!(fs::read_to_string(&asked).unwrap(), "\n");
        let refused = stock.tool("1.2.4", None).unwrap_err();
        assert!(refused.contains("here is 1.2.3"), "{refused}");
        put("1.2.4");
        let (_, other) = stock.tool("1.2.4", None).unwrap();
        assert_ne!(other.digest, tool.digest);
    }
}
