//! What a configuration says of itself before terraform sees it.
//!
//! [`read`] takes the files of one folder and says which backend it has after the rules for override files, which versions it asks for, which modules
//! it calls, and where it runs programs or asks the network while it plans ([`Use`]). It reads blocks, labels, and values that are plain text; what has to be
//! evaluated is passed over. It reads hostile text in bounded memory, without recursion over what the text decides, and answers or says which line it cannot read.
//!
//! This is no boundary. Modules from elsewhere are not here yet, and a provider may do whatever it likes; the sandbox holds that. It decides where
//! the state is, and tells people before they wait.
//!
//! Absent on purpose: a parser of whole HCL. The crates there are build values, recurse as deep as the text says, and cost more than all of this crate.

mod blocks;
mod json;
mod lex;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use blocks::Block;

/// One file. Generated ones reach a megabyte.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// Which program will read it: each passes over files that the other takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Reads `.tf` and `.tf.json`.
    Terraform,
    /// Reads also `.tofu` and `.tofu.json`, each in place of the `.tf` of the same name.
    OpenTofu,
}

impl Tool {
    /// The one whose binary is called so.
    pub fn called(name: &str) -> Option<Self> {
        let all = [Self::Terraform, Self::OpenTofu];
        all.into_iter().find(|tool| tool.name() == name)
    }

    /// What its binary is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terraform => "terraform",
            Self::OpenTofu => "tofu",
        }
    }

    /// The names of which it takes one: a file, and what stands in its place or behind it.
    pub fn twins(self, name: &str) -> impl Iterator<Item = String> {
        let behind = stem(name, ".tofu").filter(|_| self == Self::OpenTofu);
        let behind = behind.map(|(stem, end)| format!("{stem}.tf{end}"));
        std::iter::once(name.to_owned()).chain(behind)
    }

    /// Whether it takes a file as a part of a module: not a hidden one, not what an editor left, not one that another of the same folder
    /// replaces.
    pub fn takes(self, name: &str, all: &BTreeSet<&str>) -> bool {
        let left = name.starts_with('.')
            || name.ends_with('~')
            || (name.starts_with('#') && name.ends_with('#'));
        if left || name.contains('/') {
            return false;
        }
        let tofu = stem(name, ".tofu").is_some();
        let plain = stem(name, ".tf").map(|(stem, end)| format!("{stem}.tofu{end}"));
        match (self, plain) {
            (Self::Terraform, plain) => plain.is_some(),
            (Self::OpenTofu, Some(other)) => !all.contains(other.as_str()),
            (Self::OpenTofu, None) => tofu,
        }
    }
}

/// Where the state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Nothing is said: wherever terraform runs.
    #[default]
    None,
    /// A `cloud` block.
    Cloud,
    /// A `backend` block of this kind.
    Kind(String),
}

/// What runs a program or asks the network in a plan or apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A `provisioner` of this kind in a resource.
    Provisioner(String),
    /// A data source that runs a program (`external`) or fetches what an address answers (`http`).
    Data(String),
}

/// A [`Use`], and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What.
    pub used: Use,
    /// The file.
    pub file: String,
    /// The line; 0 in a JSON file.
    pub line: usize,
}

/// What the files of one folder say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Where the state is kept.
    pub backend: Backend,
    /// Every `required_version`; all of them must hold.
    pub required_versions: Vec<String>,
    /// Where provisioners, `external` and `http` are used.
    pub uses: Vec<Found>,
    /// The sources of modules that are plain text.
    pub modules: BTreeMap<String, String>,
    /// The files that the tool would read, in its order.
    pub files: Vec<String>,
}

/// Why the files cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct ConfigurationError {
    /// Which file.
    pub file: String,
    /// Which line; 0 if that is not known.
    pub line: usize,
    /// What is wrong.
    pub why: Fault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Too long.
    #[error("the file is longer than {FILE_BYTES_MAX} bytes")]
    Long,
    /// Not text.
    #[error("the file is not UTF-8")]
    Encoding,
    /// Something does not end.
    #[error("{0} that begins here has no end")]
    Open(&'static str),
    /// Nested too deep.
    #[error("it is nested too deep")]
    Deep,
    /// No block and no attribute.
    #[error("there should be an attribute or a block here")]
    Shape,
    /// JSON that is none.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// Two backends at once.
    #[error("there is a backend or cloud block already")]
    Backend,
}

/// What a reader finds, or the line that it cannot read.
type Read<T> = Result<T, (usize, Fault)>;

/// Reads the files of one folder, given by name in any order.
pub fn read<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    tool: Tool,
) -> Result<Configuration, ConfigurationError> {
    let all: BTreeMap<&str, &[u8]> = files.into_iter().collect();
    let there: BTreeSet<&str> = all.keys().copied().collect();
    let names = all.keys().copied();
    let names = names.filter(|name| tool.takes(name, &there));
    let (overrides, primary): (Vec<&str>, Vec<&str>) = names.partition(|name| is_override(name));
    let mut configuration = Configuration::default();
    for (name, overriding) in primary
        .iter()
        .map(|name| (*name, false))
        .chain(overrides.iter().map(|name| (*name, true)))
    {
        let bytes = all.get(name).copied().unwrap_or_default();
        configuration.files.push(name.to_owned());
        configuration.add(name, &parse(name, bytes)?, overriding)?;
    }
    Ok(configuration)
}

/// The name before an ending, and what is behind it: nothing or `.json`.
fn stem<'a>(name: &'a str, ending: &str) -> Option<(&'a str, &'a str)> {
    let json = name.strip_suffix(".json");
    let stem = json.unwrap_or(name).strip_suffix(ending)?;
    Some((stem, if json.is_some() { ".json" } else { "" }))
}

fn is_override(name: &str) -> bool {
    let found = stem(name, ".tf").or_else(|| stem(name, ".tofu"));
    found.is_some_and(|(stem, _)| stem == "override" || stem.ends_with("_override"))
}

fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Block>, ConfigurationError> {
    let fail = |line, why| ConfigurationError {
        file: name.to_owned(),
        line,
        why,
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(fail(0, Fault::Long));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| fail(0, Fault::Encoding))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_json = Path::new(name).extension().is_some_and(|end| end == "json");
    let blocks = if is_json {
        json::blocks(text)
    } else {
        blocks::read(text)
    };
    blocks.map_err(|(line, why)| fail(line, why))
}

impl Configuration {
    /// Adds what one file says. The `terraform` blocks of an override file replace what was there, all others only add.
    fn add(
        &mut self,
        file: &str,
        blocks: &[Block],
        overriding: bool,
    ) -> Result<(), ConfigurationError> {
        let settings = || blocks.iter().filter(|block| block.kind == "terraform");
        let backends = settings().flat_map(|block| &block.blocks);
        let mut backends = backends.filter_map(|block| Some((block.line, backend(block)?)));
        if let Some((line, backend)) = backends.next() {
            let second = backends.next().map(|(line, _)| line);
            let taken = !overriding && self.backend != Backend::None;
            if second.is_some() || taken {
                return Err(ConfigurationError {
                    file: file.to_owned(),
                    line: second.unwrap_or(line),
                    why: Fault::Backend,
                });
            }
            self.backend = backend;
        }
        let versions = settings().flat_map(|block| block.texts("required_version"));
        let versions: Vec<String> = versions.map(str::to_owned).collect();
        if overriding && !versions.is_empty() {
            self.required_versions.clear();
        }
        self.required_versions.extend(versions);
        for block in blocks {
            self.look(file, block);
            if let ("module", [name]) = (block.kind.as_str(), block.labels.as_slice()) {
                let source = block.texts("source").next();
                let source = source.map(|source| (name.clone(), source.to_owned()));
                self.modules.extend(source);
            }
        }
        Ok(())
    }

    /// Notes what a block at the top, or one inside a `check`, uses.
    fn look(&mut self, file: &str, block: &Block) {
        let mut found = |line, used| {
            let file = file.to_owned();
            self.uses.push(Found { used, file, line });
        };
        let kind = block.labels.first();
        match (block.kind.as_str(), kind) {
            ("data", Some(kind)) if kind == "external" || kind == "http" => {
                found(block.line, Use::Data(kind.clone()));
            }
            ("resource", _) => {
                for inner in block
                    .blocks
                    .iter()
                    .filter(|inner| inner.kind == "provisioner")
                {
                    let kind = inner.labels.first().cloned().unwrap_or_default();
                    found(inner.line, Use::Provisioner(kind));
                }
            }
            ("check", _) => {
                for inner in block.blocks.iter().filter(|inner| inner.kind == "data") {
                    self.look(file, inner);
                }
            }
            _ => {}
        }
    }
}

fn backend(block: &Block) -> Option<Backend> {
    match block.kind.as_str() {
        "cloud" => Some(Backend::Cloud),
        "backend" => Some(Backend::Kind(
            block.labels.first().cloned().unwrap_or_default(),
        )),
        _ => None,
    }
}
