//! Which files belong together.
//!
//! A test needs its own package, and the packages that those files refer to, and theirs; nothing else of a library is loaded, so that
//! what is wrong or in the way elsewhere is of no matter. What its own package is depends on the product: most evaluate a package as
//! one, Scalr a folder, and Spacelift, Harness and env0 a file. `NAME_test.rego` and `test_NAME.rego` test `NAME.rego` then.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Module, Tree, folder_of};

/// Packages of which every file is a policy by itself.
const ALONE: [&str; 7] = [
    "spacelift",
    "terraform_plan",
    "terraform_plan_cost",
    "terraform_state",
    "workspace",
    "workspaces",
    "env0",
];

/// What tests add to the package that they test.
const OF_TESTS: &str = "_test";

/// The list in a folder that Scalr evaluates by itself.
const SCALR: &str = "scalr-policy.hcl";

/// Files that are loaded together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// All of them, as places in [`Tree::modules`].
    pub(super) modules: BTreeSet<usize>,
    /// Those whose tests are run.
    pub(super) tests: BTreeSet<usize>,
    /// The folder in which data documents stand.
    pub(super) base: String,
}

/// How far the own package of a file reaches.
enum Reach {
    /// As far as it has files.
    Everywhere,
    /// To the end of its folder.
    Folder,
    /// To itself, and to what it tests.
    File,
}

/// Every group that has tests.
pub(super) fn groups(tree: &Tree) -> Vec<Group> {
    let index = Index::of(tree);
    let mut groups: BTreeMap<(BTreeSet<usize>, String), BTreeSet<usize>> = BTreeMap::new();
    for (place, module) in tree.modules.iter().enumerate() {
        if module.is_test {
            let key = (index.needed(place), index.base(module));
            groups.entry(key).or_default().insert(place);
        }
    }
    let group = |((modules, base), tests)| Group {
        modules,
        tests,
        base,
    };
    groups.into_iter().map(group).collect()
}

/// What a file needs that is evaluated by itself.
pub(super) fn of_policy(tree: &Tree, place: usize) -> BTreeSet<usize> {
    let index = Index::of(tree);
    index.closed(BTreeSet::from([place]))
}

struct Index<'t> {
    tree: &'t Tree,
    packages: BTreeMap<&'t str, Vec<usize>>,
    scalr: BTreeSet<&'t str>,
}

impl<'t> Index<'t> {
    fn of(tree: &'t Tree) -> Index<'t> {
        let mut packages: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, module) in tree.modules.iter().enumerate() {
            packages.entry(&module.package).or_default().push(place);
        }
        let named = |path: &str| path == SCALR || path.ends_with("/scalr-policy.hcl");
        let lists = tree.manifests.iter().filter(|(path, _)| named(path));
        Index {
            tree,
            packages,
            scalr: lists.map(|(path, _)| folder_of(path)).collect(),
        }
    }

    fn reach(&self, module: &Module) -> Reach {
        if self.scalr.contains(module.folder()) {
            Reach::Folder
        } else if is_alone(&module.package) {
            Reach::File
        } else {
            Reach::Everywhere
        }
    }

    /// Where documents stand for the tests of a file.
    fn base(&self, module: &Module) -> String {
        match self.reach(module) {
            Reach::Everywhere => String::new(),
            Reach::Folder | Reach::File => module.folder().to_owned(),
        }
    }

    /// All that the tests of a file need.
    fn needed(&self, place: usize) -> BTreeSet<usize> {
        let mut start = BTreeSet::from([place]);
        if let Some(module) = self.tree.modules.get(place) {
            match self.reach(module) {
                Reach::Everywhere => start.extend(self.package(&module.package, |_| true)),
                Reach::Folder => start.extend(self.in_folder(module)),
                Reach::File => match self.tested_by(module) {
                    Some(tested) => start.extend([tested]),
                    None => start.extend(self.in_folder(module)),
                },
            }
        }
        self.closed(start)
    }

    fn package(&self, package: &str, keep: impl Fn(&Module) -> bool) -> Vec<usize> {
        let places = self
            .packages
            .get(package)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let is_kept = |place: &&usize| self.tree.modules.get(**place).is_some_and(&keep);
        places.iter().filter(is_kept).copied().collect()
    }

    fn in_folder(&self, module: &Module) -> Vec<usize> {
        let tested = module.package.strip_suffix(OF_TESTS);
        let packages = [Some(module.package.as_str()), tested];
        let near = |package| self.package(package, |it| it.folder() == module.folder());
        packages.into_iter().flatten().flat_map(near).collect()
    }

    /// The file that a file of tests is named after.
    fn tested_by(&self, module: &Module) -> Option<usize> {
        let name = module.path.rsplit('/').next()?.strip_suffix(".rego")?;
        let tested = name
            .strip_suffix("_test")
            .or_else(|| name.strip_suffix(".test"))
            .or_else(|| name.strip_prefix("test_"))?;
        let tested = match module.folder() {
            "" => format!("{tested}.rego"),
            folder => format!("{folder}/{tested}.rego"),
        };
        self.tree
            .modules
            .binary_search_by(|it| it.path.as_str().cmp(&tested))
            .ok()
    }

    /// With everything that these refer to, and everything that that refers to.
    fn closed(&self, start: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut open: Vec<usize> = start.iter().copied().collect();
        let mut closed = start;
        while let Some(place) = open.pop() {
            let Some(module) = self.tree.modules.get(place) else {
                continue;
            };
            for found in self.referred(module) {
                if closed.insert(found) {
                    open.push(found);
                }
            }
        }
        closed
    }

    /// The files of the packages that a file refers to.
    fn referred(&self, module: &Module) -> Vec<usize> {
        let alone = !matches!(self.reach(module), Reach::Everywhere);
        let mut found = Vec::new();
        for (package, places) in &self.packages {
            // Of its own package, or of the one that it tests, it has what it has.
            if alone && (*package == module.package || is_alone(package)) {
                continue;
            }
            let is_meant = |path: &String| is_within(path, package) || is_within(package, path);
            if !module.references.all && !module.references.paths.iter().any(is_meant) {
                continue;
            }
            let plain = self.package(package, |it| !it.is_test);
            let near = self.package(package, |it| !it.is_test && it.folder() == module.folder());
            match (alone && !near.is_empty(), plain.is_empty()) {
                (true, _) => found.extend(near),
                (false, false) => found.extend(plain),
                (false, true) => found.extend(places),
            }
        }
        found
    }
}

/// Whether every file of a package is evaluated by itself; tests stand in it, or in one that is called after it.
fn is_alone(package: &str) -> bool {
    ALONE.contains(&package.strip_suffix(OF_TESTS).unwrap_or(package))
}

/// Whether a path leads to another, or to something in it.
pub(super) fn is_within(path: &str, other: &str) -> bool {
    let rest = path.strip_prefix(other);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && !other.is_empty()
}
