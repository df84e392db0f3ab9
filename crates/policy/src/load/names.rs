//! What has a name in a program: packages, their rules and their functions.
//!
//! Collected over all files before any is resolved, because a package may be written in several and rules may be used before they
//! are defined.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{Kind, Module, Rule};

/// A path without `data`: `["terraform", "deny"]`.
pub(crate) type Path = Vec<String>;

/// All names of a program.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    /// For each package, the first word of every rule in it.
    pub(crate) packages: BTreeMap<Path, BTreeSet<String>>,
    /// Functions by their path, with how many arguments they take.
    pub(crate) functions: BTreeMap<Path, usize>,
    /// Paths of rules up to the first step that is not constant.
    pub(crate) rules: BTreeSet<Path>,
}

impl Names {
    pub(crate) fn collect(modules: &[Module]) -> Self {
        let mut names = Self::default();
        for module in modules {
            let package = names.packages.entry(module.package.clone()).or_default();
            for rule in &module.rules {
                package.insert(rule.name.clone());
            }
            for rule in &module.rules {
                let path = path_of(&module.package, rule);
                if let Some(args) = &rule.args {
                    names.functions.insert(path.clone(), args.len());
                }
                names.rules.insert(path);
            }
        }
        names
    }

    /// Whether a package has a rule that begins with this word.
    pub(crate) fn has(&self, package: &[String], word: &str) -> bool {
        self.packages
            .get(package)
            .is_some_and(|words| words.contains(word))
    }
}

/// The path of a rule up to the first step that is not constant.
pub(crate) fn path_of(package: &[String], rule: &Rule) -> Path {
    let mut path = package.to_vec();
    path.push(rule.name.clone());
    for step in &rule.steps {
        let Kind::Text(word) = &step.kind else { break };
        path.push(word.clone());
    }
    path
}

/// Whether the word can stand after a dot and at the head of a rule in what is written for the engine.
pub(crate) fn is_plain(word: &str) -> bool {
    let mut letters = word.chars();
    let begins = letters
        .next()
        .is_some_and(|it| it.is_ascii_alphabetic() || it == '_');
    begins && letters.all(|it| it.is_ascii_alphanumeric() || it == '_') && !RESERVED.contains(&word)
}

/// Keywords of version 1, and names that the engine keeps for itself.
const RESERVED: [&str; 16] = [
    "as",
    "contains",
    "default",
    "else",
    "every",
    "false",
    "if",
    "import",
    "in",
    "not",
    "null",
    "package",
    "some",
    "true",
    "with",
    "__target__",
];

/// A function's name as it is written for the engine, where a word of it is reserved there.
pub(crate) fn plain(word: &str) -> String {
    if is_plain(word) {
        word.to_owned()
    } else {
        format!(
            "named_{}",
            word.replace(|it: char| !it.is_ascii_alphanumeric(), "_")
        )
    }
}
