//! Which providers init installed, by version and digest.
//!
//! Terraform lays them out as `.terraform/providers/HOST/NAMESPACE/TYPE/VERSION/PLATFORM`, a folder or a link into a mirror. What was in the
//! sandbox wrote that: a link is only followed where it stands for a whole package and leads into the mirror, which no sandbox writes. Any other
//! is refused, and so is what is neither a folder nor a plain file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::Trouble;
use super::layout::{Layout, MIRROR};
use super::place::Place;
use super::tool;
use crate::control::Provider;
use crate::sandbox::within;

/// Where packages are, in a root module.
const PROVIDERS: &str = ".terraform/providers";
/// How many folders lie between `providers` and a package.
const DEPTH: usize = 5;
/// Names in one folder, and files in a package: a provider, a licence, a readme.
const NAMES_MAX: usize = 1000;
/// How deep folders of a package lie in each other.
const PACKAGE_DEPTH_MAX: usize = 8;
/// The longest file of a package: what a phase may write at most.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// A package, by the words of its path below `providers`.
struct Package {
    words: Vec<String>,
    is_link: bool,
}

/// The providers that are installed in a root module.
pub(crate) fn installed(
    place: &Place,
    layout: &Layout,
) -> Result<BTreeMap<String, Provider>, Trouble> {
    let (tree, root) = (layout.work(), layout.module.join(PROVIDERS));
    let mirror = place.provider_mirror.as_deref();
    let mut found = BTreeMap::new();
    let mut packages = Vec::new();
    look(&tree, &root, &mut Vec::new(), &mut packages)?;
    for Package { words, is_link } in packages {
        let path = root.join(words.iter().collect::<PathBuf>());
        let digest = if is_link {
            let target = fs::read_link(tree.join(&path)).map_err(Trouble::disk)?;
            let (mirror, inside) = in_mirror(mirror, &target).ok_or_else(|| elsewhere(&path))?;
            digest(&mirror, &inside)?
        } else {
            digest(&tree, &path)?
        };
        let [host, namespace, kind, version, _] = words.as_slice() else {
            continue;
        };
        let provider = Provider {
            version: version.clone(),
            digest,
        };
        found.insert(format!("{host}/{namespace}/{kind}"), provider);
    }
    Ok(found)
}

fn elsewhere(path: &Path) -> Trouble {
    let words = format!(
        "the provider {} leads to where no provider is",
        path.display()
    );
    Trouble::failed("init", words)
}

/// Finds what is so many folders below one. A link before that could lead the rest anywhere.
fn look(
    tree: &Path,
    root: &Path,
    words: &mut Vec<String>,
    found: &mut Vec<Package>,
) -> Result<(), Trouble> {
    let path = root.join(words.iter().collect::<PathBuf>());
    let entries = match within::list(tree, &path, NAMES_MAX) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && words.is_empty() => {
            return Ok(());
        }
        entries => entries.map_err(Trouble::disk)?,
    };
    for (name, kind) in entries {
        let name = name.into_string();
        let name = name.map_err(|name| elsewhere(&path.join(name)))?;
        let is_package = words.len() + 1 == DEPTH;
        let is_link = kind == FileType::Symlink;
        words.push(name);
        match kind {
            FileType::Directory | FileType::Symlink if is_package => found.push(Package {
                words: words.clone(),
                is_link,
            }),
            FileType::Directory => look(tree, root, words, found)?,
            FileType::RegularFile => {}
            _ => return Err(elsewhere(&root.join(words.iter().collect::<PathBuf>()))),
        }
        words.pop();
    }
    Ok(())
}

/// Where in the mirror a link leads, as the mirror really lies; `None` where it leads elsewhere.
fn in_mirror(mirror: Option<&Path>, target: &Path) -> Option<(PathBuf, PathBuf)> {
    let mirror = mirror?;
    let here = match target.strip_prefix(MIRROR) {
        Ok(inside) => mirror.join(inside),
        Err(_) => target.to_owned(),
    };
    let mirror = fs::canonicalize(mirror).ok()?;
    let here = fs::canonicalize(here).ok()?;
    let inside = here.strip_prefix(&mirror).ok()?.to_owned();
    Some((mirror, inside))
}

/// One digest over a package: the names of its files and their digests, in order.
fn digest(top: &Path, package: &Path) -> Result<String, Trouble> {
    let mut files = Vec::new();
    gather(top, package, Path::new(""), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for name in files {
        let file = within::open(top, &package.join(&name), FILE_BYTES_MAX);
        let digest = tool::digest(file.map_err(Trouble::disk)?)?;
        hash.update(format!("{name}\0{digest}\n"));
    }
    Ok(hex::encode(hash.finalize()))
}

/// The names of all files of a package, below it.
fn gather(
    top: &Path,
    package: &Path,
    below: &Path,
    files: &mut Vec<String>,
) -> Result<(), Trouble> {
    let folder = package.join(below);
    let odd = |what: &str| {
        let words = format!("the provider {} {what}", folder.display());
        Trouble::failed("init", words)
    };
    if below.components().count() > PACKAGE_DEPTH_MAX {
        return Err(odd("has folders in folders without end"));
    }
    for (name, kind) in within::list(top, &folder, NAMES_MAX).map_err(Trouble::disk)? {
        let path = below.join(name);
        match kind {
            FileType::Directory => gather(top, package, &path, files)?,
            FileType::RegularFile => {
                let path = path.into_os_string().into_string();
                files.push(path.map_err(|_| odd("has a file whose name is no text"))?);
            }
            _ => return Err(odd("holds what is neither a folder nor a plain file")),
        }
        if files.len() > NAMES_MAX {
            return Err(odd("has more files than a provider"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PACKAGE: &str = "registry.terraform.io/hashicorp/null/3.2.3/linux_amd64";

    fn look_at(tree: &Path) -> Result<Vec<Package>, Trouble> {
        let mut found = Vec::new();
        look(tree, Path::new(PROVIDERS), &mut Vec::new(), &mut found)?;
        Ok(found)
    }

    #[test]
    fn everything_in_a_package_is_in_its_digest() {
        let place = tempfile::tempdir().unwrap();
        let package = place.path().join("package");
        fs::create_dir_all(package.join("below")).unwrap();
        fs::write(package.join("provider"), "one").unwrap();
        fs::write(package.join("below/library"), "two").unwrap();
        let digest = || digest(place.path(), Path::new("package"));
        let before = digest().unwrap();
        fs::write(package.join("below/library"), "three").unwrap();
        assert_ne!(digest().unwrap(), before);
        fs::write(package.join("below/library"), "two").unwrap();
        assert_eq!(digest().unwrap(), before);
        fs::os::unix::fs::symlink("/etc/passwd", package.join("link")).unwrap();
        assert!(digest().is_err());
    }

    #[test]
    fn a_link_is_followed_into_the_mirror_and_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let (tree, mirror) = (place.path().join("tree"), place.path().join("mirror"));
        fs::create_dir_all(mirror.join("null")).unwrap();
        let package = tree.join(PROVIDERS).join(PACKAGE);
        fs::create_dir_all(&tree).unwrap();
        assert!(look_at(&tree).unwrap().is_empty());
        fs::create_dir_all(package.parent().unwrap()).unwrap();
        fs::os::unix::fs::symlink("/mirror/null", &package).unwrap();
        let found = look_at(&tree).unwrap();
        assert!(found.len() == 1 && found.iter().all(|found| found.is_link));
        let leads = |target: &str| in_mirror(Some(&mirror), Path::new(target)).is_some();
        assert!(leads("/mirror/null"));
        for elsewhere in ["/etc", "/mirror/../tree", "/mirror/none", "../../x"] {
            assert!(!leads(elsewhere), "{elsewhere}");
        }
        assert!(in_mirror(None, Path::new("/mirror/null")).is_none());
        fs::os::unix::fs::symlink("/mirror", tree.join(PROVIDERS).join("host")).unwrap();
        assert!(look_at(&tree).is_err());
    }
}
