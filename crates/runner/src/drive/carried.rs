//! Whether the configuration that a plan file carries is the one in the tree.
//!
//! What is applied is what the plan file carries, and `show` tells of its changes alone: a provisioner that somebody slips into a resource to be
//! made is in no change. A program that a configuration starts while it is planned may write where the plan file is written, and nowhere else: what
//! it leaves there is held against the tree, which no phase that has secrets can write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;
use statehouse_terraform::configuration::Tool;
use statehouse_terraform::plan_file::{self, Module};

use super::Trouble;
use super::layout::Layout;
use super::ready::files_of;
use crate::sandbox::within;

/// The list that init writes of modules, below the root module.
const MANIFEST: &str = ".terraform/modules/modules.json";
/// Where it puts modules that it fetches.
const INITIALIZED: &str = ".terraform";
/// Longest such list, in bytes.
const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "Modules")]
    modules: Vec<Module>,
}

/// Which modules of a plan file are held against the tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All of them: those that were planned with are there.
    All,
    /// Those of the archive. What init fetches may be something else by now, where nothing pins it.
    OfTheArchive,
}

/// Holds a plan file against the tree.
pub(crate) fn check(
    layout: &Layout,
    tool: Tool,
    (plan, which): (&[u8], Which),
) -> Result<(), Trouble> {
    let modules = plan_file::configuration(plan)
        .map_err(|error| differs(format!("it cannot be read: {error}")))?;
    if !modules.iter().any(|module| module.key.is_empty()) {
        return Err(differs("it has no root module".to_owned()));
    }
    let tree = fs::canonicalize(layout.work()).map_err(Trouble::disk)?;
    // Of this tree: init was here before, whoever planned.
    let listed = listed(&tree, &layout.module)?;
    for module in modules {
        let is_there = match module.key.as_str() {
            "" => module.folder == Path::new("."),
            key => listed.get(key) == Some(&module.folder),
        };
        if !is_there {
            let words = format!("init put no module `{}` where it says", module.key);
            return Err(differs(words));
        }
        let is_fetched = module.folder.iter().any(|part| part == INITIALIZED);
        if which == Which::All || !is_fetched {
            same(&tree, layout, tool, &module)?;
        }
    }
    Ok(())
}

/// Where init put modules, by their keys.
fn listed(tree: &Path, root: &Path) -> Result<BTreeMap<String, std::path::PathBuf>, Trouble> {
    let path = root.join(MANIFEST);
    if !tree.join(&path).exists() {
        return Ok(BTreeMap::new());
    }
    let text = within::read(tree, &path, MANIFEST_BYTES_MAX).map_err(Trouble::disk)?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| differs(format!("the list of modules does not read: {error}")))?;
    let modules = manifest.modules.into_iter();
    Ok(modules.map(|each| (each.key, each.folder)).collect())
}

/// Every file of a module that the tool reads is in the plan file as it is in the tree, and no other.
fn same(tree: &Path, layout: &Layout, tool: Tool, module: &Module) -> Result<(), Trouble> {
    let of = match module.key.as_str() {
        "" => "the root module".to_owned(),
        key => format!("the module `{key}`"),
    };
    let folder = fs::canonicalize(tree.join(&layout.module).join(&module.folder)).ok();
    let folder = folder.and_then(|folder| Some(folder.strip_prefix(tree).ok()?.to_owned()));
    let folder =
        folder.ok_or_else(|| differs(format!("{of} lies where the configuration has nothing")))?;
    let files: BTreeMap<String, Vec<u8>> = files_of(tree, &folder)?.into_iter().collect();
    let names: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    let carried: BTreeSet<&str> = module.files.keys().map(String::as_str).collect();
    if let Some(name) = carried.difference(&names).next() {
        return Err(differs(format!(
            "`{name}` of {of} is only in the plan file"
        )));
    }
    let is_left_out = |name: &&&str| {
        tool.takes(name, &names) && !tool.twins(name).any(|twin| carried.contains(twin.as_str()))
    };
    if let Some(name) = names.iter().find(is_left_out) {
        let words = format!("`{name}` of {of} is only in the configuration");
        return Err(differs(words));
    }
    let other = module
        .files
        .iter()
        .find(|(name, text)| files.get(*name) != Some(text));
    match other {
        None => Ok(()),
        Some((name, _)) => {
            let words = format!("`{name}` of {of} is another than in the configuration");
            Err(differs(words))
        }
    }
}

fn differs(why: String) -> Trouble {
    Trouble::Refused {
        what: "plan-configuration".to_owned(),
        why: format!("the plan file is not of the configuration that was planned: {why}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::io::{Cursor, Write};

    use tempfile::TempDir;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    const MODULES: &str = r#"[{"Key":"","Dir":"."},{"Key":"near","Dir":"../near"},{"Key":"far","Dir":".terraform/modules/far"}]"#;

    /// What both have, by path in the tree and name in the plan file.
    const FILES: [(&str, &str, &str); 4] = [
        ("tree/live/main.tf", "tfconfig/m-/main.tf", "root"),
        (
            "tree/live/x_override.tf.json",
            "tfconfig/m-/x_override.tf.json",
            "{}",
        ),
        ("tree/near/main.tf", "tfconfig/m-near/main.tf", "near"),
        (
            "tree/live/.terraform/modules/far/main.tf",
            "tfconfig/m-far/main.tf",
            "far",
        ),
    ];

    fn put(seat: &Path, path: &str, text: &str) {
        let path = seat.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn seat() -> (TempDir, Layout) {
        let seat = tempfile::tempdir().unwrap();
        for (path, _, text) in FILES {
            put(seat.path(), path, text);
        }
        put(seat.path(), "tree/live/README.md", "passed over");
        put(seat.path(), "tree/live/.hidden.tf", "passed over");
        let listed = format!(r#"{{"Modules":{MODULES}}}"#);
        put(seat.path(), &format!("tree/live/{MANIFEST}"), &listed);
        let layout = Layout::new(seat.path(), "live").unwrap();
        (seat, layout)
    }

    /// A plan file of these entries; of one that is named twice the later counts.
    fn plan(over: &[(&str, Option<&str>)]) -> Vec<u8> {
        let all = FILES.iter().map(|(_, name, text)| (*name, Some(*text)));
        let all = all.chain([("tfconfig/modules.json", Some(MODULES))]);
        let entries: BTreeMap<&str, Option<&str>> = all.chain(over.iter().copied()).collect();
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in entries {
            if let Some(text) = text {
                archive
                    .start_file(name, SimpleFileOptions::default())
                    .unwrap();
                archive.write_all(text.as_bytes()).unwrap();
            }
        }
        archive.finish().unwrap().into_inner()
    }

    fn checked(layout: &Layout, plan: &[u8], which: Which) -> Option<String> {
        let error = check(layout, Tool::Terraform, (plan, which)).err()?;
        let Trouble::Refused { what, why } = error else {
            panic!("another trouble");
        };
        assert_eq!(what, "plan-configuration");
        Some(why)
    }

    #[test]
    fn what_a_plan_file_carries_is_what_is_in_the_tree() {
        let (_seat, layout) = seat();
        assert_eq!(checked(&layout, &plan(&[]), Which::All), None);
        let far = [("tfconfig/m-far/main.tf", Some("moved on"))];
        assert_eq!(checked(&layout, &plan(&far), Which::OfTheArchive), None);
    }

    #[test]
    fn whatever_is_slipped_in_is_named() {
        let (_seat, layout) = seat();
        let elsewhere = MODULES.replace("../near", ".terraform/modules/far");
        for (entry, text, expected) in [
            (
                "tfconfig/m-/main.tf",
                Some("root and more"),
                "`main.tf` of the root module is another",
            ),
            (
                "tfconfig/m-/slipped.tf",
                Some("in"),
                "`slipped.tf` of the root module is only in the plan",
            ),
            (
                "tfconfig/m-/.hidden.tf",
                Some("passed over"),
                "is only in the plan",
            ),
            (
                "tfconfig/m-/x_override.tf.json",
                None,
                "is only in the configuration",
            ),
            (
                "tfconfig/m-near/main.tf",
                Some("nearer"),
                "of the module `near` is another",
            ),
            (
                "tfconfig/m-far/main.tf",
                Some("farther"),
                "of the module `far` is another",
            ),
            (
                "tfconfig/modules.json",
                Some(elsewhere.as_str()),
                "init put no module `near` where",
            ),
            ("tfconfig/modules.json", Some("[]"), "of no module"),
        ] {
            let why = checked(&layout, &plan(&[(entry, text)]), Which::All);
            let why = why.unwrap_or_else(|| panic!("{entry} passes"));
            assert!(why.contains(expected), "{entry}: {why}");
        }
        assert!(checked(&layout, b"none", Which::All).is_some());
    }

    #[test]
    fn a_plan_file_does_not_say_itself_what_of_it_is_looked_at() {
        let (seat, layout) = seat();
        put(
            seat.path(),
            "tree/live/.terraform/x/main.tf",
            "root and more",
        );
        let root = MODULES.replace(r#""Dir":".""#, r#""Dir":".terraform/x""#);
        let more = ("tfconfig/m-/main.tf", Some("root and more"));
        let moved = [("tfconfig/modules.json", Some(root.as_str())), more];
        let near = [("tfconfig/m-near/main.tf", Some("nearer"))];
        for which in [Which::All, Which::OfTheArchive] {
            for slipped in [&moved[..], &near] {
                assert!(checked(&layout, &plan(slipped), which).is_some());
            }
        }
    }

    #[test]
    fn a_module_that_leads_out_of_the_tree_is_refused() {
        let (seat, layout) = seat();
        put(seat.path(), "outside/main.tf", "near");
        let out = MODULES.replace("../near", "../../outside");
        let listed = format!(r#"{{"Modules":{out}}}"#);
        put(seat.path(), &format!("tree/live/{MANIFEST}"), &listed);
        let why = checked(
            &layout,
            &plan(&[("tfconfig/modules.json", Some(&out))]),
            Which::All,
        );
        assert!(why.unwrap().contains("has nothing"));
    }
}
