//! A seat: a user, a private directory and a control group, in which a runner starts phases without any privilege.
//!
//! It is prepared by the starter, who may be root, and given away whole: the child that uses it is started with the seat's
//! `uid` and `gid`, moved into its control group by [`Seat::admit`], and can raise no limit of it. [`Seat::clear`] ends
//! everything that was started on it, and leaves nothing on the disk.
//!
//! Inside a user namespace that root made, the user `nobody` still reads root's files; hence root never starts a phase by itself.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::cgroup::{self, Group};
use super::error::{Error, Layer, Missing};
use super::settings::{Accounts, Level, Settings, separate};
use super::wipe::wipe;

/// Killed processes end at once, unless they wait for a disk: then a person should know.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks whether a group is empty.
pub(crate) const PAUSE: Duration = Duration::from_millis(2);

/// The group of the runner itself, beside those of its phases.
const RUNNER: &str = "runner";

/// A place for one runner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Which of the places.
    pub slot: u32,
    /// The user that the runner is started as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its own directory, mode 0700.
    pub directory: PathBuf,
    /// Its control group. Without one at [`Level::Process`] only.
    pub group: Option<Group>,
}

/// Prepares a seat. What an earlier runner left at the same slot is ended and wiped.
///
/// # Errors
///
/// [`Missing`] if there is no user of its own, somebody else has it, or there is no control group under [`Level::Strict`].
pub fn prepare(settings: &Settings, slot: u32) -> Result<Seat, Error> {
    let (mut seat, parent) = look(settings, slot)?;
    seat.clear()?;
    if let Some(parent) = parent {
        let owner = (seat.uid, seat.gid);
        seat.group = Some(seat_group(settings, &parent, &name(slot), owner)?);
    }
    make_directories(settings, &seat)?;
    Ok(seat)
}

/// The seat as an earlier starter left it; nothing of it is touched.
///
/// # Errors
///
/// The same as those of [`prepare`].
pub fn left(settings: &Settings, slot: u32) -> Result<Seat, Error> {
    Ok(look(settings, slot)?.0)
}

fn name(slot: u32) -> String {
    format!("seat-{slot}")
}

/// The seat, and the group that its own is in.
fn look(settings: &Settings, slot: u32) -> Result<(Seat, Option<Group>), Error> {
    let own = rustix::process::geteuid().as_raw();
    let (uid, gid) = user(settings, slot, own)?;
    separate(settings.level, uid, own)?;
    if own == 0 {
        Accounts::read()?.leave(uid, gid)?;
    }
    for closed in &settings.forbidden {
        if settings.seats.starts_with(closed) || closed.starts_with(&settings.seats) {
            return Err(Error::Refused(format!(
                "seats in {} and {} are not apart",
                settings.seats.display(),
                closed.display()
            )));
        }
    }
    let parent = match cgroup::find(settings.cgroup.as_deref(), own == 0) {
        Err(_) if settings.level == Level::Process => None,
        found => Some(found?),
    };
    let seat = Seat {
        slot,
        uid,
        gid,
        directory: settings.seats.join(name(slot)),
        group: parent.as_ref().map(|parent| parent.below(&name(slot))),
    };
    Ok((seat, parent))
}

fn user(settings: &Settings, slot: u32, own: u32) -> Result<(u32, u32), Missing> {
    if own != 0 {
        return Ok((own, rustix::process::getegid().as_raw()));
    }
    let users = settings.users.map(|users| {
        (
            users.uid_first.checked_add(slot),
            users.gid_first.checked_add(slot),
        )
    });
    match users {
        Some((Some(uid), Some(gid))) if uid != 0 && gid != 0 => Ok((uid, gid)),
        _ => Err(Missing::new(
            Layer::User,
            "the server runs as root, and no users are set for runners",
            "set the first of a range of user and group ids that nobody else uses",
        )),
    }
}

fn seat_group(
    settings: &Settings,
    parent: &Group,
    name: &str,
    owner: (u32, u32),
) -> io::Result<Group> {
    let group = parent.make(name, settings.memory_bytes_max, settings.processes_max)?;
    group.divide()?;
    let runner = group.make(RUNNER, settings.memory_bytes_max, settings.processes_max)?;
    group.give(owner.0, owner.1)?;
    runner.give(owner.0, owner.1)?;
    Ok(group)
}

/// Makes a directory that the users of seats pass through and nobody lists. One that is there already must be as safe: a place like
/// `/var/tmp` is open to everybody, and what runners work with must not be another's to change.
///
/// # Errors
///
/// An I/O error, which names a directory that somebody else could change.
pub fn folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
        let above = std::path::absolute(above)?;
        let own = rustix::process::geteuid().as_raw();
        for each in above
            .ancestors()
            .chain(fs::canonicalize(&above)?.ancestors())
        {
            firm(each, own)?;
        }
    }
    match std::fs::DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            made?;
            // The process may have been started with a mask.
            return fs::set_permissions(path, PermissionsExt::from_mode(0o711));
        }
    }
    let found = fs::symlink_metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    if found.is_dir() && found.uid() == own && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} is no directory of this server's own that only it can change; remove it, or set `runs.dir` to another",
            path.display()
        ),
    ))
}

/// Refuses a directory in which somebody else could put another one in the place of what it holds.
fn firm(path: &Path, own: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let group = rustix::process::getegid().as_raw();
    let of_others = found.mode() & 0o002 != 0
        || found.mode() & 0o020 != 0 && ![0, group].contains(&found.gid());
    // The mode of a link says nothing, and in a sticky directory everybody renames but its own.
    let changed = !found.is_symlink() && of_others && found.mode() & 0o1000 == 0;
    if !changed && [0, own].contains(&found.uid()) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} can be changed by somebody else, and what runners work with must not be; set `runs.dir` to another place",
            path.display()
        ),
    ))
}

fn make_directories(settings: &Settings, seat: &Seat) -> io::Result<()> {
    folder(&settings.seats)?;
    let directories = [seat.directory.clone(), seat.work()];
    for directory in &directories {
        let made = std::fs::DirBuilder::new().mode(0o700).create(directory);
        made.map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("making {}: {error}", directory.display()),
            )
        })?;
    }
    // The inner one first: in a directory that is given away anything may change.
    for directory in directories.iter().rev() {
        fs::os::unix::fs::lchown(directory, Some(seat.uid), Some(seat.gid))?;
    }
    Ok(())
}

impl Seat {
    /// The work directory of its phases, there and empty after [`prepare`].
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// Moves the runner into the seat's control group: by the starter, right after it was started.
    ///
    /// # Errors
    ///
    /// When the kernel refuses it.
    pub fn admit(&self, process: u32) -> io::Result<()> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        group.below(RUNNER).admit(process)
    }

    /// Ends every process of the seat, the runner among them, removes its control group and wipes its directory. For the starter.
    /// Doing it twice does no harm.
    ///
    /// # Errors
    ///
    /// [`Error::Survivors`] when a process does not end; an I/O error names what could not be removed.
    pub fn clear(&self) -> Result<(), Error> {
        let end = Instant::now() + PATIENCE;
        while self.strike()? > 0 {
            if Instant::now() > end {
                return Err(Error::Survivors(self.directory.display().to_string()));
            }
            thread::sleep(PAUSE);
        }
        if let Some(group) = &self.group {
            group.remove()?;
        }
        wipe(&self.directory)?;
        Ok(())
    }

    /// Whether anything that was started on it still runs.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub fn is_occupied(&self) -> io::Result<bool> {
        let grouped = match &self.group {
            Some(group) => !group.is_empty()?,
            None => false,
        };
        let owned = rustix::process::geteuid().is_root() && !processes_of(self.uid)?.is_empty();
        Ok(grouped || owned)
    }

    fn strike(&self) -> io::Result<usize> {
        let mut found = match &self.group {
            Some(group) => group.strike()?,
            None => 0,
        };
        // A user of its own is a list, too: of what left its process group where there are no control groups.
        if rustix::process::geteuid().is_root() && self.uid != 0 {
            for process in processes_of(self.uid)? {
                found += 1;
                // It may have ended by itself.
                let _ = kill_process(process, Signal::KILL);
            }
        }
        Ok(found)
    }
}

fn processes_of(uid: u32) -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let numbers = entries.filter_map(|entry| {
        let process = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let owned = entry.metadata().is_ok_and(|found| found.uid() == uid);
        (owned && !is_zombie(process)).then_some(process)
    });
    Ok(numbers.collect())
}

/// It ended already, and its parent did not look yet.
fn is_zombie(process: Pid) -> bool {
    let text =
        fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
    let state = text
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('Z' | 'X') | None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_below_what_somebody_else_can_change_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let above = place.path().join("above");
        fs::create_dir(&above).unwrap();
        let below = above.join("between/runner");
        for (mode, allowed) in [
            (0o755, true),
            (0o777, false),
            (0o1777, true),
            (0o757, false),
            (0o711, true),
        ] {
            fs::set_permissions(&above, PermissionsExt::from_mode(mode)).unwrap();
            let answer = folder(&below);
            assert_eq!(answer.is_ok(), allowed, "{mode:o}: {answer:?}");
        }
        let link = place.path().join("link");
        fs::os::unix::fs::symlink(&above, &link).unwrap();
        folder(&link.join("through")).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
            assert!(folder(&link.join("through")).is_err());
            fs::os::unix::fs::chown(&above, Some(65_534), None).unwrap();
            assert!(folder(&below).is_err());
        }
    }
}
