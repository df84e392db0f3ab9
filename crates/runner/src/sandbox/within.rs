//! Opening what a phase left in its work directory, and writing beside it.
//!
//! A command can leave a link to anything, a pipe that never answers, or more bytes than there is memory. The kernel is asked to
//! stay below the directory and to follow no link at all; what is not a plain file of a bearable size is refused.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat, unlinkat,
};
use rustix::io::Errno;

/// Below the directory, and through no link.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens a plain file below a directory for reading.
///
/// # Errors
///
/// When the path leaves the directory or meets a link, and when it is no plain file or longer than `bytes_max`.
pub fn open(directory: &Path, relative: &Path, bytes_max: u64) -> io::Result<File> {
    let named = naming(directory, relative);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = beneath(directory, relative, flags);
    let file = File::from(opened.map_err(&named)?);
    let found = file.metadata().map_err(&named)?;
    if !found.is_file() {
        return Err(named(io::Error::new(
            ErrorKind::InvalidInput,
            "it is no plain file",
        )));
    }
    if found.len() > bytes_max {
        return Err(named(too_long(found.len(), bytes_max)));
    }
    Ok(file)
}

/// Reads such a file.
///
/// # Errors
///
/// The same as those of [`open`], and when it grows while it is read.
pub fn read(directory: &Path, relative: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let named = naming(directory, relative);
    let file = open(directory, relative, bytes_max)?;
    let mut bytes = Vec::new();
    let mut file = file.take(bytes_max.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(&named)?;
    let length = bytes.len() as u64;
    if length > bytes_max {
        return Err(named(too_long(length, bytes_max)));
    }
    Ok(bytes)
}

/// What a directory below a directory holds, in order, and what each is, links not followed.
///
/// # Errors
///
/// When the path leaves the directory or meets a link, is no directory, or holds more than `names_max`.
pub fn list(
    directory: &Path,
    relative: &Path,
    names_max: usize,
) -> io::Result<Vec<(OsString, FileType)>> {
    let named = naming(directory, relative);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = beneath(directory, relative, flags).map_err(&named)?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&opened).map_err(|error| named(error.into()))? {
        let entry = entry.map_err(|error| named(error.into()))?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if found.len() == names_max {
            let words = format!("it holds more than {names_max} names");
            return Err(named(io::Error::new(ErrorKind::FileTooLarge, words)));
        }
        let stat = statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|error| named(error.into()))?;
        let name = OsString::from_vec(name.to_bytes().to_vec());
        found.push((name, FileType::from_raw_mode(stat.st_mode)));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

/// Writes a file of its own below a directory, in place of whatever has its name there. Only its owner reads it.
///
/// # Errors
///
/// When the path leaves the directory or meets a link, and when a directory has its name.
pub fn write(directory: &Path, relative: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = naming(directory, relative);
    let written = || {
        let none = || io::Error::from(ErrorKind::InvalidInput);
        let name = relative.file_name().ok_or_else(none)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = relative.parent().unwrap_or(Path::new(""));
        let parent = beneath(directory, parent, flags)?;
        match unlinkat(&parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&parent, name, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(file).write_all(bytes)
    };
    written().map_err(named)
}

fn beneath(directory: &Path, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let top = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat(CWD, directory, top, Mode::empty())?;
    let relative = if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    };
    Ok(openat2(&top, relative, flags, Mode::empty(), RESOLVE)?)
}

fn naming(directory: &Path, relative: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = directory.join(relative);
    move |error| io::Error::new(error.kind(), format!("opening {}: {error}", path.display()))
}

fn too_long(bytes: u64, bytes_max: u64) -> io::Error {
    let words = format!("it has {bytes} bytes, and may have {bytes_max}");
    io::Error::new(ErrorKind::FileTooLarge, words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::UnixListener;

    use fs_err as fs;

    use super::*;

    #[test]
    fn only_a_plain_file_of_a_bearable_size_is_opened() {
        let place = tempfile::tempdir().unwrap();
        let work = place.path().join("work");
        fs::create_dir_all(work.join("below")).unwrap();
        fs::write(place.path().join("secret"), "secret").unwrap();
        fs::write(work.join("below/plan"), "plan").unwrap();
        fs::write(work.join("large"), "0123456789").unwrap();
        fs::os::unix::fs::symlink("../secret", work.join("link")).unwrap();
        fs::os::unix::fs::symlink("below", work.join("directory link")).unwrap();
        fs::os::unix::fs::symlink("/etc/passwd", work.join("absolute link")).unwrap();
        let _listener = UnixListener::bind(work.join("socket")).unwrap();
        for (path, allowed) in [
            ("below/plan", true),
            ("large", false),
            ("link", false),
            ("directory link/plan", false),
            ("absolute link", false),
            ("../secret", false),
            ("/etc/passwd", false),
            ("below", false),
            ("socket", false),
            ("missing", false),
        ] {
            let answer = open(&work, Path::new(path), 9);
            assert_eq!(answer.is_ok(), allowed, "{path}: {answer:?}");
        }
        assert_eq!(read(&work, Path::new("below/plan"), 4).unwrap(), b"plan");
        assert!(read(&work, Path::new("below/plan"), 3).is_err());
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("plan");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(read(place.path(), Path::new("plan"), 9).is_err());
    }

    #[test]
    fn what_is_written_goes_through_no_link_and_replaces_what_has_its_name() {
        let place = tempfile::tempdir().unwrap();
        let (work, victim) = (place.path().join("work"), place.path().join("victim"));
        fs::create_dir_all(work.join("below")).unwrap();
        fs::write(&victim, "as it was").unwrap();
        fs::os::unix::fs::symlink(&victim, work.join("below/values")).unwrap();
        fs::os::unix::fs::symlink("below", work.join("link")).unwrap();
        write(&work, Path::new("below/values"), b"new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
        assert_eq!(read(&work, Path::new("below/values"), 9).unwrap(), b"new");
        write(&work, Path::new("top"), b"top").unwrap();
        for refused in ["link/values", "below", "../victim", ""] {
            assert!(write(&work, Path::new(refused), b"").is_err(), "{refused}");
        }
        let names = |names_max| list(&work, Path::new(""), names_max);
        let found: Vec<_> = names(3).unwrap();
        let kinds = [
            FileType::Directory,
            FileType::Symlink,
            FileType::RegularFile,
        ];
        assert!(found.iter().map(|(_, kind)| *kind).eq(kinds), "{found:?}");
        assert!(names(2).is_err());
        assert!(list(&work, Path::new("link"), 9).is_err());
    }
}
