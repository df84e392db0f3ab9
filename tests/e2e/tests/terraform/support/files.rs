//! What lies in folders, to be compared with what lies there later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use statehouse_e2e::site;

/// Every file below the folders, with its bytes. Sockets are left out: they have none.
pub(crate) fn contents(folders: &[PathBuf]) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = folders.iter().flat_map(|folder| site::files(folder));
    all.filter(|path| path.is_file())
        .map(|path| (path.clone(), fs_err::read(path).unwrap()))
        .collect()
}

/// The only file of the folder whose name `fits`.
pub(crate) fn only(folder: &Path, fits: impl Fn(&str) -> bool) -> PathBuf {
    let named = |path: &PathBuf| fits(path.file_name().unwrap().to_str().unwrap());
    let found: Vec<_> = site::files(folder).into_iter().filter(named).collect();
    assert_eq!(found.len(), 1, "in {}: {found:?}", folder.display());
    found[0].clone()
}
