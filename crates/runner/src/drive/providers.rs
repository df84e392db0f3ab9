//! Which providers init installed, by version and digest, and which of them it need not fetch.
//!
//! Terraform lays them out as `.terraform/providers/HOST/NAMESPACE/TYPE/VERSION/PLATFORM`, a folder or a link into a mirror. What was in the
//! sandbox wrote that: a link is only followed where it stands for a whole package and leads into the mirror or the plugin cache, which no sandbox
//! writes. Any other is refused, and so is what is neither a folder nor a plain file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fs_err as fs;
use rustix::fs::FileType;
use statehouse_terraform::lock_file::Locked;

use super::digest::{self, NAMES_MAX};
use super::layout::Layout;
use super::place::Place;
use super::{PLATFORM, Trouble, here};
use crate::control::{Ask, Control, ControlError, Provider, Told};
use crate::sandbox::{Bind, Level, within};

/// What init makes in a root module, and where packages are in it.
const INITIALIZED: &str = ".terraform";
const PROVIDERS: &str = ".terraform/providers";
/// How many folders lie between `providers` and a package.
const DEPTH: usize = 5;
/// A package, by the words of its path below `providers`.
struct Package {
    words: Vec<String>,
    is_link: bool,
}

/// The providers that are installed in a root module.
pub(crate) async fn installed(
    control: &Arc<dyn Control>,
    place: &Place,
    layout: &Layout,
) -> Result<BTreeMap<String, Provider>, Trouble> {
    let (tree, root) = (layout.work(), layout.module.join(PROVIDERS));
    let mut found = BTreeMap::new();
    let mut packages = Vec::new();
    look(&tree, &root, &mut Vec::new(), &mut packages)?;
    for Package { words, is_link } in packages {
        let path = root.join(words.iter().collect::<PathBuf>());
        let digest = if is_link {
            let target = fs::read_link(tree.join(&path)).map_err(Trouble::disk)?;
            let inside = inside(place.packages().as_ref(), place.sandbox.level, &target);
            let inside = inside.ok_or_else(|| elsewhere(&path))?;
            digest_of(control, inside).await?
        } else {
            digest::package(&tree, &path, digest::of).map_err(Trouble::disk)?
        };
        let [host, namespace, kind, version, machine] = words.as_slice() else {
            continue;
        };
        let provider = Provider {
            version: version.clone(),
            digest,
        };
        let other = found.insert(format!("{host}/{namespace}/{kind}"), provider);
        // Which of several terraform starts is not guessed.
        if other.is_some() || machine != PLATFORM {
            return Err(elsewhere(&path));
        }
    }
    Ok(found)
}

/// Whether a configuration brought what init makes.
pub(crate) fn are_brought(layout: &Layout) -> bool {
    let made = layout.work().join(&layout.module).join(INITIALIZED);
    made.symlink_metadata().is_ok()
}

/// Lays out the providers that were planned with as terraform does, where every one of them is in the mirror or the plugin cache as it was.
/// Says whether it did.
pub(crate) async fn lay_out(
    control: &Arc<dyn Control>,
    place: &Place,
    layout: &Layout,
    (planned, locked): (&BTreeMap<String, Provider>, &[Locked]),
) -> Result<bool, Trouble> {
    if are_brought(layout) {
        return Ok(false);
    }
    let mut links = Vec::new();
    for (name, provider) in planned {
        let Some(package) = package(name, &provider.version) else {
            return Ok(false);
        };
        let is_this = |each: &&Locked| each.provider == *name && each.version == provider.version;
        let found = match place.mirror() {
            Some(mirror) => in_mirror(control, &mirror, place.sandbox.level, &package).await?,
            None => match locked.iter().find(is_this) {
                Some(locked) => in_cache(control, place, locked).await?,
                None => None,
            },
        };
        match found {
            Some((target, digest)) if digest == provider.digest => links.push((package, target)),
            _ => return Ok(false),
        }
    }
    link(layout, links)?;
    Ok(true)
}

/// Lays out what the plugin cache has of the providers that the lock file names. Init holds them against it, and fetches the others.
pub(crate) async fn take_cached(
    control: &Arc<dyn Control>,
    place: &Place,
    layout: &Layout,
    locked: &[Locked],
) -> Result<(), Trouble> {
    let mut links = Vec::new();
    for each in locked {
        if let Some(package) = package(&each.provider, &each.version)
            && let Some((target, _)) = in_cache(control, place, each).await?
        {
            links.push((package, target));
        }
    }
    link(layout, links)
}

/// Has what init fetched kept for the next time.
pub(crate) async fn cache(
    control: &Arc<dyn Control>,
    place: &Place,
    layout: &Layout,
) -> Result<(), Trouble> {
    if place.cache().is_none() {
        return Ok(());
    }
    let root = layout.module.join(PROVIDERS);
    let mut packages = Vec::new();
    look(&layout.work(), &root, &mut Vec::new(), &mut packages)?;
    for Package { words, .. } in packages.into_iter().filter(|each| !each.is_link) {
        let path = root.join(words.iter().collect::<PathBuf>());
        control.ask(Ask::Cache { path }, Bytes::new()).await?;
    }
    Ok(())
}

/// Puts links where terraform looks for packages.
fn link(layout: &Layout, links: Vec<(PathBuf, PathBuf)>) -> Result<(), Trouble> {
    let providers = layout.work().join(&layout.module).join(PROVIDERS);
    for (package, target) in links {
        let link = providers.join(package);
        fs::create_dir_all(link.parent().unwrap_or(&providers)).map_err(Trouble::disk)?;
        fs::os::unix::fs::symlink(target, link).map_err(Trouble::disk)?;
    }
    Ok(())
}

/// Where a phase finds a package of the mirror, and its digest.
async fn in_mirror(
    control: &Arc<dyn Control>,
    mirror: &Bind,
    level: Level,
    package: &Path,
) -> Result<Option<(PathBuf, String)>, Trouble> {
    let target = mirror.place(level).join(package);
    let Some(inside) = inside(Some(mirror), level, &target) else {
        return Ok(None);
    };
    let digest = digest_of(control, inside).await?;
    Ok(Some((target, digest)))
}

/// Where a phase finds a package of the plugin cache, and its digest.
async fn in_cache(
    control: &Arc<dyn Control>,
    place: &Place,
    locked: &Locked,
) -> Result<Option<(PathBuf, String)>, Trouble> {
    let (Some(cache), false) = (place.cache(), locked.hashes.is_empty()) else {
        return Ok(None);
    };
    let hashes = locked.hashes.clone();
    match here(control, Ask::Cached { hashes }, "init").await? {
        Told::Package { path, digest } => {
            let target = cache.place(place.sandbox.level).join(path);
            Ok(Some((target, digest)))
        }
        Told::Nothing => Ok(None),
        other => Err(ControlError::Odd(format!("no package: {other:?}")).into()),
    }
}

/// Where a package for this machine is below a mirror, and below `providers`. What was planned with came over a line.
fn package(name: &str, version: &str) -> Option<PathBuf> {
    let path = Path::new(name).join(version).join(PLATFORM);
    let words: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(word) => word.to_str(),
            _ => None,
        })
        .collect();
    (words?.len() == DEPTH).then_some(path)
}

/// The digest of a package that no phase can write, whose files are read once and not for every run.
async fn digest_of(control: &Arc<dyn Control>, path: PathBuf) -> Result<String, Trouble> {
    match here(control, Ask::Package { path }, "init").await? {
        Told::Digest { digest } => Ok(digest),
        other => Err(ControlError::Odd(format!("no digest: {other:?}")).into()),
    }
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

/// Where in a folder of packages a link leads, below it as it really lies; `None` where it leads elsewhere. It leads where a phase finds it: one
/// that is relative leads somewhere else from here.
fn inside(packages: Option<&Bind>, level: Level, target: &Path) -> Option<PathBuf> {
    let packages = packages?;
    let top = fs::canonicalize(&packages.source).ok()?;
    let here = match target.strip_prefix(packages.place(level)) {
        Ok(inside) => packages.source.join(inside),
        // Without namespaces a link may name them as they really lie.
        Err(_) if level == Level::Process && target.is_absolute() => target.to_owned(),
        Err(_) => return None,
    };
    let here = fs::canonicalize(here).ok()?;
    Some(here.strip_prefix(&top).ok()?.to_owned())
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
    fn a_package_that_is_laid_out_stays_where_packages_are() {
        for host in ["registry.terraform.io", "registry.opentofu.org"] {
            let there = package(&format!("{host}/hashicorp/null"), "3.2.3").unwrap();
            assert_eq!(there.components().count(), DEPTH);
        }
        for (name, version) in [
            ("../../../hashicorp/null", "3.2.3"),
            ("/etc/hashicorp/null", "3.2.3"),
            ("registry.terraform.io/hashicorp/null", "../3.2.3"),
            ("registry.terraform.io/hashicorp/null", "/etc"),
            ("registry.terraform.io/hashicorp", "3.2.3"),
            ("a/registry.terraform.io/hashicorp/null", "3.2.3"),
        ] {
            assert_eq!(package(name, version), None, "{name} {version}");
        }
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
        let bind = Some(Bind {
            source: mirror.clone(),
            target: PathBuf::from("/mirror"),
        });
        let leads =
            |level: Level, target: &str| inside(bind.as_ref(), level, Path::new(target)).is_some();
        let real = mirror.join("null").display().to_string();
        assert!(leads(Level::Strict, "/mirror/null"));
        assert!(leads(Level::Process, &real) && !leads(Level::Strict, &real));
        let relative = format!("../../../../../..{real}");
        for level in [Level::Strict, Level::Process] {
            for elsewhere in [
                "/etc",
                "/mirror/../tree",
                "/mirror/none",
                "../../x",
                &relative,
            ] {
                assert!(!leads(level, elsewhere), "{elsewhere}");
            }
            assert!(inside(None, level, Path::new("/mirror/null")).is_none());
        }
        fs::os::unix::fs::symlink("/mirror", tree.join(PROVIDERS).join("host")).unwrap();
        assert!(look_at(&tree).is_err());
    }
}
