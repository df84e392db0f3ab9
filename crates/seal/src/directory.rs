//! Private directories that outlive a power loss.
//!
//! A file that was synced is lost all the same when the name of its directory was not: on a new machine that would be every
//! key, or every state. So a directory is made one level after the other, each with its name on disk before something is put
//! into it.

use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use fs_err as fs;

/// Makes a directory, mode 0700, and those above it that are missing. Their names are on disk when this returns, also when an
/// earlier process made them and was killed.
///
/// # Errors
///
/// When one of them can neither be made nor is there, with its path.
pub fn make_directory(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let was_there = path.is_dir();
    if !was_there {
        make_directory(parent)?;
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("making the directory {}: {error}", path.display()),
                )
            })?,
        }
    }
    match fs::File::open(parent).and_then(|parent| parent.sync_all()) {
        // Whoever may not look into the parent did not make this either: an operator did.
        Err(error) if was_there && error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn missing_levels_are_made_private_and_present_ones_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let deep = place.path().join("a/b/c");
        for _ in 0..2 {
            make_directory(&deep).unwrap();
            assert_eq!(
                (
                    mode(place.path()),
                    mode(&place.path().join("a")),
                    mode(&deep)
                ),
                (0o755, 0o700, 0o700)
            );
        }
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, []).unwrap();
        for path in [file.clone(), file.join("below")] {
            let words = make_directory(&path).unwrap_err().to_string();
            assert!(words.contains(file.to_str().unwrap()), "{words}");
        }
    }
}
