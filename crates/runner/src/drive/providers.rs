//! Which providers init installed, by version and digest.
//!
//! Terraform lays them out as `.terraform/providers/HOST/NAMESPACE/TYPE/VERSION/PLATFORM`, a folder or a link into a mirror. What was in the
//! sandbox wrote that: a link is only followed where it stands for a whole package and leads into the mirror, which no sandbox writes. Any other
//! is refused, and so is what is neither a folder nor a plain file.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use rustix::fs::FileType;

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
            let inside = in_mirror(place.mirror().as_ref(), place.sandbox.level, &target);
            let inside = inside.ok_or_else(|| elsewhere(&path))?;
            of_mirror(control, inside).await?
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

/// Lays out the providers that were planned with as terraform does, where every one of them is in the mirror as it was. Says whether it did.
pub(crate) async fn lay_out(
    control: &Arc<dyn Control>,
    place: &Place,
    layout: &Layout,
    planned: &BTreeMap<String, Provider>,
) -> Result<bool, Trouble> {
    let module = layout.work().join(&layout.module);
    if module.join(INITIALIZED).symlink_metadata().is_ok() {
        // The configuration brought some of its own.
        return Ok(false);
    }
    let (mirror, level) = (place.mirror(), place.sandbox.level);
    let mut links = Vec::new();
    for (name, provider) in planned {
        let (Some(mirror), Some(package)) = (&mirror, package(name, &provider.version)) else {
            return Ok(false);
        };
        let target = mirror.place(level).join(&package);
        let Some(inside) = in_mirror(Some(mirror), level, &target) else {
            return Ok(false);
        };
        if of_mirror(control, inside).await? != provider.digest {
            return Ok(false);
        }
        links.push((module.join(PROVIDERS).join(package), target));
    }
    for (link, target) in links {
        fs::create_dir_all(link.parent().unwrap_or(&module)).map_err(Trouble::disk)?;
        fs::os::unix::fs::symlink(target, link).map_err(Trouble::disk)?;
    }
    Ok(true)
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

/// The digest of a package of the mirror, whose files are read once and not for every run.
async fn of_mirror(control: &Arc<dyn Control>, path: PathBuf) -> Result<String, Trouble> {
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

/// Where in the mirror a link leads, below it as it really lies; `None` where it leads elsewhere. It leads where a phase finds it: one that is
/// relative leads somewhere else from here.
fn in_mirror(mirror: Option<&Bind>, level: Level, target: &Path) -> Option<PathBuf> {
    let mirror = mirror?;
    let top = fs::canonicalize(&mirror.source).ok()?;
    let here = match target.strip_prefix(mirror.place(level)) {
        Ok(inside) => mirror.source.join(inside),
        // Without namespaces a link may name the mirror as it really lies.
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
        let leads = |level: Level, target: &str| {
            in_mirror(bind.as_ref(), level, Path::new(target)).is_some()
        };
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
            assert!(in_mirror(None, level, Path::new("/mirror/null")).is_none());
        }
        fs::os::unix::fs::symlink("/mirror", tree.join(PROVIDERS).join("host")).unwrap();
        assert!(look_at(&tree).is_err());
    }
}
