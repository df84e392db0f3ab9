//! What costs what: resources as data.
//!
//! A mapping is a set of files, embedded and overridable by those of a directory. It says of each type of resource which components
//! it has: under which condition, how much, in which unit, and how the price is found. `docs/costs.md` describes the language with an
//! example. A type is compiled when a plan first has it; [`Mapping::check`] compiles all and says of each mistake the file, the line
//! and the reason. Absent on purpose: prices, which are in a book, and code for single types.

pub(crate) mod body;
mod compile;
pub(crate) mod expression;
pub(crate) mod names;
mod tree;

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use body::{Body, names as list_of};
use compile::Compiler;
use names::{Name, Names};
use tree::Node;

/// The files that come with the binary.
const EMBEDDED: [(&str, &str); 8] = [
    ("providers.map", include_str!("../../mapping/providers.map")),
    (
        "aws-compute.map",
        include_str!("../../mapping/aws-compute.map"),
    ),
    ("aws-data.map", include_str!("../../mapping/aws-data.map")),
    ("aws-other.map", include_str!("../../mapping/aws-other.map")),
    (
        "azure-compute.map",
        include_str!("../../mapping/azure-compute.map"),
    ),
    (
        "azure-data.map",
        include_str!("../../mapping/azure-data.map"),
    ),
    (
        "azure-other.map",
        include_str!("../../mapping/azure-other.map"),
    ),
    ("google.map", include_str!("../../mapping/google.map")),
];
/// What the two lists are called beside the files.
const FREE_FILE: &str = "free.txt";
const USAGE_KEYS_FILE: &str = "usage-keys.txt";
/// Types that cost nothing.
const FREE: &str = include_str!("../../mapping/free.txt");
/// Usage keys that the format of usage files knows, by type.
const USAGE_KEYS: &str = include_str!("../../mapping/usage-keys.txt");

/// A mapping cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{file}:{line}: {reason}")]
pub struct MappingError {
    /// The file.
    pub file: String,
    /// The line, the first being 1.
    pub line: usize,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl MappingError {
    pub(crate) fn new(file: &str, line: usize, reason: &str) -> Self {
        Self {
            file: file.to_owned(),
            line,
            reason: reason.to_owned(),
        }
    }
}

/// Names that every resource has in scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) usage: Name,
    pub(crate) region: Name,
    pub(crate) resource_type: Name,
    pub(crate) resource_address: Name,
    pub(crate) dev_test: Name,
    pub(crate) it: Name,
    pub(crate) i: Name,
    pub(crate) tier: Name,
}

struct Entry {
    file: Rc<str>,
    node: Rc<Node>,
    compiled: OnceCell<Result<Rc<Body>, MappingError>>,
}

/// A mapping.
pub struct Mapping {
    types: HashMap<String, Rc<Entry>>,
    templates: HashMap<String, Entry>,
    providers: HashMap<String, Entry>,
    takes: HashMap<String, Vec<String>>,
    tables: HashMap<String, HashMap<String, Rc<str>>>,
    free: HashSet<String>,
    usage_keys: HashMap<String, Vec<String>>,
    names: RefCell<Names>,
    pub(crate) known: Known,
}

impl Mapping {
    /// The mapping that comes with the binary.
    pub fn embedded() -> Result<Self, MappingError> {
        Self::of(FREE, USAGE_KEYS, EMBEDDED)
    }

    fn of<'t>(
        free: &str,
        usage_keys: &str,
        files: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<Self, MappingError> {
        let mut mapping = Self::empty(free, usage_keys);
        for (file, text) in files {
            mapping.add(file, text, false)?;
        }
        Ok(mapping)
    }

    /// The files that come with the binary as one text, to be kept beside what was estimated with them.
    pub fn pack() -> String {
        let lists = [(FREE_FILE, FREE), (USAGE_KEYS_FILE, USAGE_KEYS)];
        let files: Vec<(&str, &str)> = lists.into_iter().chain(EMBEDDED).collect();
        serde_json::json!(files).to_string()
    }

    /// The mapping that was packed so, by this binary or by another one.
    pub fn packed(name: &str, text: &str) -> Result<Self, MappingError> {
        let refuse = |reason: &str| MappingError::new(name, 1, reason);
        let files: Vec<(String, String)> = serde_json::from_str(text)
            .map_err(|error| refuse(&format!("this is no packed mapping: {error}")))?;
        let list = |wanted: &str| {
            let found = files.iter().find(|(file, _)| file == wanted);
            let missing = || refuse(&format!("the packed mapping has no {wanted}"));
            found.map(|(_, text)| text.as_str()).ok_or_else(missing)
        };
        let (free, usage_keys) = (list(FREE_FILE)?, list(USAGE_KEYS_FILE)?);
        let is_list = |file: &str| file == FREE_FILE || file == USAGE_KEYS_FILE;
        let maps = files.iter().filter(|(file, _)| !is_list(file));
        let maps = maps.map(|(file, text)| (file.as_str(), text.as_str()));
        Self::of(free, usage_keys, maps)
    }

    /// The embedded mapping with the files `*.map` of a directory put over it: a type, template or table that a file has takes the
    /// place of the embedded one.
    pub fn with_directory(directory: &Path) -> Result<Self, MappingError> {
        let mut mapping = Self::embedded()?;
        let shown = directory.display().to_string();
        let refuse =
            |error: &dyn std::fmt::Display| MappingError::new(&shown, 0, &error.to_string());
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(directory).map_err(|error| refuse(&error))? {
            let path = entry.map_err(|error| refuse(&error))?.path();
            if path.extension().is_some_and(|extension| extension == "map") {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            let text = fs_err::read_to_string(&path).map_err(|error| refuse(&error))?;
            mapping.add(&path.display().to_string(), &text, true)?;
        }
        mapping.check()?;
        Ok(mapping)
    }

    fn empty(free: &str, usage_keys: &str) -> Self {
        let mut names = Names::default();
        let known = Known {
            usage: names.define("usage"),
            region: names.define("region"),
            resource_type: names.define("resource_type"),
            resource_address: names.define("resource_address"),
            dev_test: names.define("dev_test"),
            it: names.define("it"),
            i: names.define("i"),
            tier: names.define("tier"),
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let lines = usage_keys.lines().filter_map(|line| line.split_once(':'));
        let usage_keys = lines.map(|(kind, keys)| (kind.to_owned(), words(keys)));
        Self {
            types: HashMap::new(),
            templates: HashMap::new(),
            providers: HashMap::new(),
            takes: HashMap::new(),
            tables: HashMap::new(),
            free: free.split_whitespace().map(str::to_owned).collect(),
            usage_keys: usage_keys.collect(),
            names: RefCell::new(names),
            known,
        }
    }

    fn add(&mut self, file: &str, text: &str, over: bool) -> Result<(), MappingError> {
        let shown: Rc<str> = Rc::from(file);
        for node in tree::read(file, text)? {
            let refuse = |reason: &str| MappingError::new(file, node.line, reason);
            let names: Vec<String> = node.rest.split_whitespace().map(str::to_owned).collect();
            let [first, ..] = &*names else {
                return Err(refuse(&format!("{} is followed by a name", node.word)));
            };
            let first = first.clone();
            let twice = |known: bool| {
                if known && !over {
                    return Err(refuse(&format!("{first} is defined twice")));
                }
                Ok(())
            };
            match node.word.as_str() {
                "table" => {
                    twice(self.tables.contains_key(&first))?;
                    let table = table(file, &node)?;
                    self.tables.insert(first, table);
                }
                "free" => self.free.extend(names),
                "template" => {
                    twice(self.templates.contains_key(&first))?;
                    let takes = node.children.iter().filter(|child| child.word == "takes");
                    let takes = takes.flat_map(|child| list_of(&child.rest)).collect();
                    self.takes.insert(first.clone(), takes);
                    self.templates.insert(first, entry(&shown, node));
                }
                "provider" => {
                    twice(self.providers.contains_key(&first))?;
                    self.providers.insert(first, entry(&shown, node));
                }
                "resource" => {
                    let known = names.iter().find(|name| self.types.contains_key(*name));
                    if let (Some(name), false) = (known, over) {
                        return Err(refuse(&format!("{name} is defined twice")));
                    }
                    let shared = Rc::new(entry(&shown, node));
                    for name in names {
                        self.types.insert(name, shared.clone());
                    }
                }
                word => {
                    return Err(refuse(&format!(
                        "{word:?} is no word of a mapping (known are resource, template, table, provider, free)"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Compiles everything, so that a mistake is found before a plan needs what it is in.
    pub fn check(&self) -> Result<(), MappingError> {
        for kind in self.types.keys() {
            self.body(kind).transpose()?;
        }
        for name in self.templates.keys() {
            self.template(name).transpose()?;
        }
        for name in self.providers.keys() {
            self.provider(name).transpose()?;
        }
        Ok(())
    }

    /// What a type consists of, if it has a mapping.
    pub(crate) fn body(&self, kind: &str) -> Option<Result<Rc<Body>, MappingError>> {
        self.types.get(kind).map(|entry| self.compiled(entry, &[]))
    }

    pub(crate) fn template(&self, name: &str) -> Option<Result<Rc<Body>, MappingError>> {
        let takes = self.takes.get(name).map_or(&[][..], Vec::as_slice);
        self.templates
            .get(name)
            .map(|entry| self.compiled(entry, takes))
    }

    pub(crate) fn provider(&self, name: &str) -> Option<Result<Rc<Body>, MappingError>> {
        self.providers
            .get(name)
            .map(|entry| self.compiled(entry, &[]))
    }

    fn compiled(&self, entry: &Entry, takes: &[String]) -> Result<Rc<Body>, MappingError> {
        entry
            .compiled
            .get_or_init(|| {
                let mut compiler = Compiler::new(&entry.file, &self.names, &self.takes);
                let mark = compiler.mark();
                for name in takes {
                    compiler.define(name);
                }
                let body = compiler.body(&entry.node).map(Rc::new);
                compiler.reset(mark);
                body
            })
            .clone()
    }

    pub(crate) fn table(&self, table: &str, key: &str) -> Option<Rc<str>> {
        self.tables.get(table)?.get(key).cloned()
    }

    /// Whether a type is known to cost nothing.
    pub fn is_free(&self, kind: &str) -> bool {
        self.free.contains(kind)
    }

    /// Whether a type has a mapping.
    pub fn has(&self, kind: &str) -> bool {
        self.types.contains_key(kind)
    }

    /// The types that have components of their own, sorted.
    pub fn priced(&self) -> Vec<&str> {
        let holds = |entry: &Entry| {
            let children = &entry.node.children;
            let items = children
                .iter()
                .any(|child| matches!(child.word.as_str(), "-" | "use" | "part" | "group"));
            items
                && !children
                    .iter()
                    .any(|child| child.word == "when" && child.rest == "false")
        };
        let mut types: Vec<&str> = self
            .types
            .iter()
            .filter(|(_, entry)| holds(entry))
            .map(|(kind, _)| kind.as_str())
            .collect();
        types.sort_unstable();
        types
    }

    /// Whether a type has a usage key: the format of usage files knows it, or the mapping names it.
    pub(crate) fn knows_usage(&self, kind: &str, key: &str) -> bool {
        let listed = self.usage_keys.get(kind).is_some_and(|keys| {
            keys.iter()
                .any(|known| known.split('.').next() == Some(key))
        });
        let word = format!("usage.{key}");
        listed
            || self
                .types
                .get(kind)
                .is_some_and(|entry| self.mentions(&entry.node, &word, 0))
    }

    /// Whether a line, or one that it uses or holds, has a text.
    fn mentions(&self, node: &Node, text: &str, depth: usize) -> bool {
        let used = |name: &str| {
            depth < 8
                && self.templates.get(name).is_some_and(|entry| {
                    let own = text.replace("usage.", "own.");
                    self.mentions(&entry.node, text, depth + 1)
                        || self.mentions(&entry.node, &own, depth + 1)
                })
        };
        node.rest.contains(text)
            || node.word == "use" && used(&node.rest)
            || node
                .children
                .iter()
                .any(|child| self.mentions(child, text, depth))
    }
}

fn entry(file: &Rc<str>, node: Node) -> Entry {
    Entry {
        file: file.clone(),
        node: Rc::new(node),
        compiled: OnceCell::new(),
    }
}

fn table(file: &str, node: &Node) -> Result<HashMap<String, Rc<str>>, MappingError> {
    let mut table = HashMap::new();
    for row in &node.children {
        let Some(value) = row.rest.strip_prefix("= ") else {
            return Err(MappingError::new(
                file,
                row.line,
                "a row of a table is `key = value`",
            ));
        };
        if table.insert(row.word.clone(), Rc::from(value)).is_some() {
            return Err(MappingError::new(
                file,
                row.line,
                &format!("{} stands twice in the table", row.word),
            ));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
