//! Files that only their owner reads: secrets in, sensitive output out.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write, stdin};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::failure::{Failure, Result};
use crate::out::Out;

/// Whether everybody on this machine can get to a path that is there, or to where one is made in a folder that is there. What else is
/// missing above it is made for its owner alone.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|found| found.mode() & 0o001 != 0);
    let is_open = !path.exists() || open(path);
    is_open && path.ancestors().skip(1).all(open)
}

/// A secret is one line; more than this is another file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The first line of a file that not everybody may read. The group may: that is how secrets are given to services.
pub(crate) fn secret(path: &Path) -> Result<SecretString> {
    let file = fs::File::open(path)?;
    refuse(path, file.metadata()?.mode(), 0o007)?;
    first_line(file, &path.display().to_string())
}

/// Refuses a file that others than its owner can use.
pub(crate) fn refuse_public(path: &Path) -> Result {
    refuse(path, fs::metadata(path)?.mode(), 0o077)
}

fn refuse(path: &Path, mode: u32, forbidden: u32) -> Result {
    if mode & forbidden == 0 {
        return Ok(());
    }
    let (path, mode) = (path.display(), mode & 0o777);
    Err(Failure::failed(format!(
        "{path} has mode {mode:o}, so others on this machine can use the secret in it"
    ))
    .hint(format!(
        "chmod 600 {path}; and replace the secret if others had access"
    )))
}

/// A secret from `file`, from a person at the terminal, or from the first line of standard input.
pub(crate) fn secret_or_ask(file: Option<&Path>, question: &str, out: Out) -> Result<SecretString> {
    if let Some(file) = file {
        return secret(file);
    }
    if !stdin().is_terminal() {
        return first_line(stdin().lock(), "standard input");
    }
    out.ask(&format!("{question}: "));
    let silent = Silent::begin()?;
    let secret = first_line(stdin().lock(), "the terminal");
    drop(silent);
    out.say("");
    secret
}

/// All of a file that not everybody may read, or of standard input for `-`, without the end of its last line.
pub(crate) fn whole_secret(path: &Path) -> Result<SecretString> {
    let mut text = String::new();
    if path == Path::new("-") {
        stdin()
            .lock()
            .take(SECRET_BYTES_MAX)
            .read_to_string(&mut text)?;
    } else {
        let file = fs::File::open(path)?;
        refuse(path, file.metadata()?.mode(), 0o007)?;
        file.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    }
    let whole = text.strip_suffix('\n').map(str::to_owned);
    Ok(whole.unwrap_or(text).into())
}

fn first_line(source: impl Read, name: &str) -> Result<SecretString> {
    let mut line = String::new();
    BufReader::new(source.take(SECRET_BYTES_MAX)).read_line(&mut line)?;
    let secret = line.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::failed(format!(
            "{name} holds no secret: its first line is empty"
        )));
    }
    Ok(secret.into())
}

/// The terminal shows nothing of what is typed until this is dropped.
struct Silent(rustix::termios::Termios);

impl Silent {
    fn begin() -> Result<Self> {
        let before = tcgetattr(stdin()).map_err(std::io::Error::from)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Flush, &quiet).map_err(std::io::Error::from)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

/// A file in the making: it appears under its name when it is whole and on disk, readable by its owner only.
pub(crate) struct Draft {
    file: fs::File,
    part: PathBuf,
    path: PathBuf,
    kept: bool,
}

impl Draft {
    /// Begins a file at `path`.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| Failure::usage(format!("{} names no file", path.display())))?;
        let mut part = std::ffi::OsString::from(".");
        part.push(name);
        part.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(part);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        Ok(Self {
            file: options.open(&part)?,
            part,
            path: path.to_owned(),
            kept: false,
        })
    }

    /// Puts it in its place; a file that is there is replaced.
    pub(crate) fn keep(mut self) -> Result {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.kept = true;
        let directory = self
            .path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::File::open(directory)?.sync_all()?;
        Ok(())
    }

    /// Puts it in its place, unless a file is there already.
    pub(crate) fn keep_new(mut self) -> Result {
        self.file.sync_all()?;
        fs::hard_link(&self.part, &self.path)?;
        fs::remove_file(&self.part)?;
        self.kept = true;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // It is ours, and of no use to anybody.
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_place_below_folders_that_are_still_to_be_made_is_closed() {
        let open = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        let place = open.path().join("one");
        assert!(is_open_to_all(&place));
        assert!(!is_open_to_all(&place.join("two")), "it is made closed");
        fs::create_dir(&place).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        assert!(is_open_to_all(&place.join("two")));
        fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
        assert!(!is_open_to_all(&place) && !is_open_to_all(&place.join("two")));
    }
}
