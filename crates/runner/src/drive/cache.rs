//! The plugin cache: packages of providers that a registry gave once, for the next runs of the same house.
//!
//! Content decides. A package is kept under its `h1:` hash, which is counted over the copy that stays here, and it is found by a configuration
//! alone whose dependency lock file names that hash: nothing that a run leaves here can stand for something else, and terraform counts the hash again
//! when it takes it. Each house has a part of its own, since who knows the hash of a private provider need not be allowed to fetch it.
//!
//! Who starts runners keeps it, and no run can write here. Absent on purpose: packages that no lock file names, and which of them a
//! configuration should use; terraform says that.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;

use super::digest;
use crate::sandbox::{self, within};

/// What a hash over the content of a package begins with.
const KIND: &str = "h1:";
/// Length of SHA-256.
const HASH_BYTES: usize = 32;
/// A package that a job may still be using stays: no job that was given one takes longer.
const UNUSED_MIN: Duration = Duration::from_hours(24);
/// Longest package, in bytes: the largest of the registries have a fifth of it.
const PACKAGE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// What is not whole yet.
const DRAFT: &str = "draft";

/// Packages of all houses.
pub struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    writing: Mutex<()>,
}

/// A package that is kept.
struct Kept {
    house: OsString,
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

impl Cache {
    /// In a folder, which only this process writes, so many bytes at most.
    pub fn new(folder: PathBuf, bytes_max: u64) -> Self {
        Self {
            folder,
            bytes_max,
            writing: Mutex::default(),
        }
    }

    /// The folder of a house, made where it is not there yet.
    ///
    /// # Errors
    ///
    /// The disk.
    pub fn of_house(&self, house: &str) -> io::Result<PathBuf> {
        sandbox::folder(&self.folder)?;
        let folder = self.folder.join(house);
        sandbox::folder(&folder)?;
        Ok(folder)
    }

    /// Where in the folder of a house the package is that has one of these hashes.
    pub fn find(&self, house: &str, hashes: &[String]) -> Option<PathBuf> {
        let folder = self.folder.join(house);
        let key = hashes
            .iter()
            .filter_map(|hash| key(hash))
            .find(|key| folder.join(key).is_dir())?;
        // It is used: that it stays is worth no failure.
        let used = fs::File::open(folder.join(&key)).and_then(|found| found.set_modified(now()));
        if let Err(error) = used {
            tracing::warn!(%error, "a kept provider may be taken for one that nobody uses");
        }
        Some(PathBuf::from(key))
    }

    /// Keeps a package that init left below a directory of its runner, whose files are all of `owner` where one is given.
    ///
    /// # Errors
    ///
    /// When it holds what no package holds, there is no room for it, another one is being kept, or the disk fails. Nothing is kept then.
    pub fn keep(
        &self,
        house: &str,
        (directory, owner): (&Path, Option<u32>),
        package: &Path,
    ) -> io::Result<()> {
        // Nobody waits: a run whose runner does not tell of itself meanwhile is given up.
        let _one_at_a_time = match self.writing.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let words = "another provider is being kept; this one is kept by a later run";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, words));
            }
        };
        let folder = self.of_house(house)?;
        let draft = self.folder.join(DRAFT);
        remove(&draft)?;
        let bytes = Self::size(directory, package)?;
        // Its digest is not known yet: where it is there already, what goes for it was used by nobody.
        self.make_room(house, bytes)?;
        let kept = Self::copy((directory, owner), package, (&draft, bytes)).and_then(|()| {
            let files = digest::files(&draft, Path::new(""), digest::of)?;
            let target = folder.join(hex::encode(digest::h1(&files)));
            if target.is_dir() {
                return Ok(());
            }
            fs::rename(&draft, target)
        });
        remove(&draft)?;
        kept
    }

    /// How many bytes a package has, which are not too many.
    fn size(directory: &Path, package: &Path) -> io::Result<u64> {
        let mut bytes: u64 = 0;
        for name in digest::names(directory, package)? {
            let file = within::open(directory, &package.join(&name), PACKAGE_BYTES_MAX)?;
            bytes = bytes.saturating_add(file.metadata()?.len());
        }
        if bytes <= PACKAGE_BYTES_MAX {
            return Ok(bytes);
        }
        let words = format!(
            "the provider {} has {bytes} bytes, and may have {PACKAGE_BYTES_MAX}",
            package.display()
        );
        Err(io::Error::new(io::ErrorKind::FileTooLarge, words))
    }

    /// Copies a package of so many bytes, as files that everybody may read.
    fn copy(
        (directory, owner): (&Path, Option<u32>),
        package: &Path,
        (draft, bytes): (&Path, u64),
    ) -> io::Result<()> {
        let mut left = bytes;
        folder(draft)?;
        for name in digest::names(directory, package)? {
            let mut file = within::open(directory, &package.join(&name), left)?;
            let found = file.metadata()?;
            if owner.is_some_and(|owner| owner != found.uid()) {
                // A second name for a file that its runner may not read.
                let words = format!(
                    "{name} of the provider {} is not its runner's",
                    package.display()
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
            }
            let target = draft.join(&name);
            for above in target
                .ancestors()
                .skip(1)
                .take_while(|above| *above != draft)
            {
                folder(above)?;
            }
            let mut copy = fs::File::create_new(&target)?;
            let length = io::copy(&mut io::Read::take(&mut file, left), copy.file_mut())?;
            left = left.saturating_sub(length);
            let is_program = found.mode() & 0o111 != 0;
            let mode = if is_program { 0o755 } else { 0o644 };
            copy.set_permissions(Permissions::from_mode(mode))?;
            copy.sync_all()?;
        }
        Ok(())
    }

    /// Removes what was not used for longest, until so many bytes more can be kept: of its own house where that has more than half of all there
    /// may be, so that none has everything.
    fn make_room(&self, house: &str, bytes: u64) -> io::Result<()> {
        let of_house = |each: &Kept| each.house == house;
        let (mut own, mut others): (Vec<Kept>, Vec<Kept>) =
            self.kept()?.into_iter().partition(of_house);
        remove_until(&mut own, bytes, self.bytes_max / 2)?;
        others.append(&mut own);
        remove_until(&mut others, bytes, self.bytes_max)
    }

    fn kept(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for house in fs::read_dir(&self.folder)? {
            let house = house?;
            if house.file_name() == DRAFT {
                continue;
            }
            for package in fs::read_dir(house.path())? {
                let path = package?.path();
                let mut bytes = 0;
                for name in digest::names(&path, Path::new(""))? {
                    bytes += fs::symlink_metadata(path.join(name))?.len();
                }
                let used = fs::symlink_metadata(&path)?.modified()?;
                kept.push(Kept {
                    house: house.file_name(),
                    path,
                    used,
                    bytes,
                });
            }
        }
        Ok(kept)
    }
}

/// Removes what was not used for longest, until so many bytes more are no more than there may be.
fn remove_until(kept: &mut Vec<Kept>, bytes: u64, bytes_max: u64) -> io::Result<()> {
    kept.sort_unstable_by_key(|each| std::cmp::Reverse(each.used));
    let mut all = kept
        .iter()
        .fold(bytes, |all, each| all.saturating_add(each.bytes));
    let now = now();
    while all > bytes_max {
        let is_unused =
            |oldest: &mut Kept| now.duration_since(oldest.used).unwrap_or_default() >= UNUSED_MIN;
        let Some(oldest) = kept.pop_if(is_unused) else {
            let words = format!(
                "the plugin cache would have {all} bytes, and may have {bytes_max}; everything in it was used in the last {} hours",
                UNUSED_MIN.as_secs() / 3600
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, words));
        };
        remove(&oldest.path)?;
        all = all.saturating_sub(oldest.bytes);
    }
    Ok(())
}

/// The name of the folder of a package with this hash; `None` where it is no such hash.
fn key(hash: &str) -> Option<String> {
    let bytes = STANDARD.decode(hash.strip_prefix(KIND)?).ok()?;
    (bytes.len() == HASH_BYTES).then(|| hex::encode(bytes))
}

/// Makes a folder that everybody may read, where it is not there yet.
fn folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)?;
    // The process may have been started with a mask.
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is held against the kernel's times of files, which are of this clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What `terraform providers lock` writes of a package with these two files: counted with `sha256sum` and `base64`.
    const HASH: &str = "h1:/Eauc9XZmUE1zWfvgnQV+nlznAM+CgoW9dGBHVgv71Y=";

    struct Given {
        place: tempfile::TempDir,
        cache: Cache,
    }

    impl Given {
        fn new(bytes_max: u64) -> Self {
            let place = tempfile::tempdir().unwrap();
            let cache = Cache::new(place.path().join("cache"), bytes_max);
            let given = Self { place, cache };
            given.write("provider", "a program");
            given.write("below/LICENSE", "free");
            given
        }

        fn tree(&self) -> PathBuf {
            self.place.path().join("tree")
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.tree().join("package").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        }

        fn keep(&self, house: &str) -> io::Result<()> {
            let own = rustix::process::geteuid().as_raw();
            self.cache
                .keep(house, (&self.tree(), Some(own)), Path::new("package"))
        }

        fn find(&self, house: &str, hash: &str) -> Option<PathBuf> {
            self.cache.find(
                house,
                &["h1:of another platform".to_owned(), hash.to_owned()],
            )
        }

        fn age(&self, house: &str, by: Duration) {
            for entry in fs::read_dir(self.cache.of_house(house).unwrap()).unwrap() {
                let entry = fs::File::open(entry.unwrap().path()).unwrap();
                entry.set_modified(now() - by).unwrap();
            }
        }
    }

    #[test]
    fn a_package_is_found_by_its_content_and_by_its_house_alone() {
        let given = Given::new(1000);
        assert_eq!(given.find("HouseA", HASH), None);
        given.keep("HouseA").unwrap();
        given.keep("HouseA").unwrap();
        let found = given.find("HouseA", HASH).unwrap();
        let folder = given.cache.of_house("HouseA").unwrap().join(found);
        assert_eq!(
            fs::read_to_string(folder.join("below/LICENSE")).unwrap(),
            "free"
        );
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(
            (mode("provider"), mode("below"), mode("")),
            (0o755, 0o755, 0o755)
        );
        assert_eq!(given.find("HouseB", HASH), None);
        for odd in [
            "",
            "h1:",
            "zh:00",
            "h1:../../../etc",
            &HASH.replace("h1:", "h2:"),
        ] {
            assert_eq!(given.find("HouseA", odd), None, "{odd}");
        }
        // What has other content has another name: it takes no package's place.
        given.write("provider", "another program");
        given.keep("HouseA").unwrap();
        assert_eq!(
            fs::read_to_string(folder.join("provider")).unwrap(),
            "a program"
        );
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_package_or_not_its_runners_is_not_kept() {
        let given = Given::new(1000);
        let other = rustix::process::geteuid().as_raw() + 1;
        let keep = |owner: u32| {
            given
                .cache
                .keep("HouseA", (&given.tree(), Some(owner)), Path::new("package"))
        };
        assert_eq!(
            keep(other).unwrap_err().kind(),
            io::ErrorKind::PermissionDenied
        );
        fs::os::unix::fs::symlink("/etc/passwd", given.tree().join("package/link")).unwrap();
        assert!(given.keep("HouseA").is_err());
        fs::remove_file(given.tree().join("package/link")).unwrap();
        let leads_out = given
            .cache
            .keep("HouseA", (&given.tree(), None), Path::new("../cache"));
        assert!(leads_out.is_err());
        assert_eq!(given.find("HouseA", HASH), None);
        assert!(!given.cache.folder.join(DRAFT).exists());
        given.keep("HouseA").unwrap();
        assert!(given.find("HouseA", HASH).is_some());
    }

    #[test]
    fn what_nobody_used_for_longest_gives_way_and_what_a_job_may_use_stays() {
        let given = Given::new(39);
        for (house, text) in [
            ("HouseA", "a program"),
            ("HouseB", "b program"),
            ("HouseC", "c program"),
        ] {
            given.write("provider", text);
            given.keep(house).unwrap();
        }
        given.write("provider", "d program");
        let full = given.keep("HouseD").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        given.age("HouseB", UNUSED_MIN + Duration::from_mins(1));
        given.age("HouseA", UNUSED_MIN + Duration::from_mins(2));
        // To be found is to be used.
        assert!(given.find("HouseA", HASH).is_some());
        given.keep("HouseD").unwrap();
        assert!(given.find("HouseA", HASH).is_some());
        let left = |house| {
            fs::read_dir(given.cache.of_house(house).unwrap())
                .unwrap()
                .count()
        };
        assert_eq!(
            ["HouseA", "HouseB", "HouseC", "HouseD"].map(left),
            [1, 0, 1, 1]
        );
    }

    #[test]
    fn no_house_has_more_than_half() {
        let given = Given::new(60);
        for text in ["a program", "b program"] {
            given.write("provider", text);
            given.keep("HouseA").unwrap();
        }
        given.write("provider", "c program");
        let full = given.keep("HouseA").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull, "{full}");
        given.keep("HouseB").unwrap();
        // What is longer than that is not even copied.
        given.write("provider", &"long".repeat(10));
        assert!(given.keep("HouseB").is_err());
        assert!(!given.cache.folder.join(DRAFT).exists());
    }
}
