//! What lies in folders, to be compared with what lies there later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use statehouse_e2e::site;

/// Files and their bytes.
pub(crate) type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Every file below the folders, with its bytes. Sockets are left out: they have none.
pub(crate) fn contents(folders: &[PathBuf]) -> Contents {
    let all = folders.iter().flat_map(|folder| site::files(folder));
    all.filter(|path| path.is_file())
        .map(|path| (path.clone(), fs_err::read(path).unwrap()))
        .collect()
}

/// Copies what is in a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs_err::copy(entry.path(), to).unwrap();
        }
    }
}

/// No file.
pub(crate) const NOTHING: [PathBuf; 0] = [];

/// Which of these files are others now, new or gone.
pub(crate) fn changed(before: &Contents, folders: &[PathBuf]) -> Vec<PathBuf> {
    let now = contents(folders);
    let all = before.keys().chain(now.keys());
    let mut changed: Vec<_> = all
        .filter(|path| before.get(*path) != now.get(*path))
        .cloned()
        .collect();
    changed.sort();
    changed.dedup();
    changed
}

/// The only file of the folder with this extension, another name aside.
pub(crate) fn only(folder: &Path, extension: &str, aside: &str) -> PathBuf {
    let fits = |path: &PathBuf| {
        path.extension().is_some_and(|found| found == extension) && !path.ends_with(aside)
    };
    let found: Vec<_> = site::files(folder).into_iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "in {}: {found:?}", folder.display());
    found[0].clone()
}
