//! What a policy set says of itself: its policies, how each is asked, and how much weight its answer has.
//!
//! A set that was written for Statehouse has a [`FILE`] at its root. One that was written for another product is read as it is: its
//! own `policies.hcl` or `scalr-policy.hcl`, or else the packages of its files, tell what it is ([`found`]). Either way the result is
//! the same list of [`Policy`], so that nothing behind this module knows where a set came from.
//!
//! Promises: reading a manifest is bounded by the bundle's limits and runs no Rego. What cannot be understood is an error with the
//! file, the line and the word; a level that is not known is never taken for a lower one.
//!
//! Deliberately absent: whether an entrypoint exists, which only the engine knows. A set is asked for it when it is published.

mod found;
mod hcl;
mod parameter;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use found::package_of;
pub use parameter::{Kind, Parameter, Values};

use crate::bundle::{Bundle, BundleError, Limits};
use crate::engine::Version;

/// Where a set describes itself.
pub const FILE: &str = "statehouse.toml";

/// Policies of one set. The largest public library has 590.
const POLICIES_MAX: usize = 2_000;

/// The product whose documents and entrypoints a policy was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Our own: every rule of its package that is called `deny`, `violation` or `warn`.
    Native,
    /// HCP Terraform and Terraform Enterprise: the declared query.
    Hcp,
    /// Scalr: `deny` of package `terraform`.
    Scalr,
    /// Spacelift: `deny` and `warn` of package `spacelift`.
    Spacelift,
    /// Conftest: `deny…`, `violation…`, `warn…` and `exception`.
    Conftest,
    /// Harness: `deny`, of a package that names the entity.
    Harness,
    /// env0: `deny`, `pending` and `warn` of package `env0`.
    Env0,
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entity {
    /// A workspace, when it is saved.
    Workspace,
    /// A plan.
    Plan,
    /// What a plan will cost.
    Cost,
    /// A state, after a plan and after an apply.
    State,
    /// The steps that a run takes.
    Pipeline,
}

impl Entity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Plan => "plan",
            Self::Cost => "cost",
            Self::State => "state",
            Self::Pipeline => "pipeline",
        }
    }
}

/// How much a failure weighs, lightest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It is shown.
    Advisory,
    /// It waits for an override.
    SoftMandatory,
    /// It stops the run.
    HardMandatory,
}

impl Level {
    /// The level that a word names, in our spelling.
    pub fn named(word: &str) -> Option<Level> {
        match word {
            "advisory" => Some(Level::Advisory),
            "soft-mandatory" => Some(Level::SoftMandatory),
            "hard-mandatory" => Some(Level::HardMandatory),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Level::Advisory => "advisory",
            Level::SoftMandatory => "soft-mandatory",
            Level::HardMandatory => "hard-mandatory",
        })
    }
}

/// What the value of an entrypoint means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whatever is in it is a reason to fail.
    Deny,
    /// Whatever is in it is worth a word, and no more.
    Warn,
    /// Whatever is in it is a reason to wait for a person.
    Pending,
    /// `true` passes, anything else fails.
    Allow,
}

/// A question to the engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entrypoint {
    /// The path: `data.terraform.deny`.
    pub query: String,
    /// What the answer means.
    pub role: Role,
}

/// One policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Unique in its set.
    pub name: String,
    /// One line for people; the name where there is none.
    pub title: String,
    /// What it wants and why.
    pub description: String,
    /// The most that its results can weigh.
    pub level: Level,
    /// What it judges.
    pub entity: Entity,
    /// Whose documents it reads.
    pub dialect: Dialect,
    /// Files and folders that are loaded for it; all of the bundle where it names none.
    pub files: Vec<String>,
    /// What it is asked. Where it is empty: the rules of [`Policy::packages`] that its dialect knows.
    pub entrypoints: Vec<Entrypoint>,
    /// The packages whose rules are asked; those of its files where it names none.
    pub packages: Vec<String>,
    /// Whether somebody named it. One that was only found in a package is no policy if nothing in it can be asked.
    pub named: bool,
    /// What it may be given.
    pub parameters: BTreeMap<String, Parameter>,
    /// What it is given.
    pub values: Values,
}

/// A policy set as it describes itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What it calls itself.
    pub name: Option<String>,
    /// What it is for.
    pub description: String,
    /// The version of the language that its files are in.
    pub version: Version,
    /// Its policies, in the order of their names.
    pub policies: Vec<Policy>,
    /// What every policy is given that declares it.
    pub values: Values,
}

/// Why a manifest cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ManifestError {
    /// The file.
    pub file: String,
    /// The line, from 1, where it is about one.
    pub line: Option<u32>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl ManifestError {
    pub(crate) fn new(file: &str, line: Option<u32>, message: impl Into<String>) -> ManifestError {
        ManifestError {
            file: file.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl Manifest {
    /// Reads what a bundle says of itself, or finds out what it is.
    ///
    /// # Errors
    ///
    /// When its manifest cannot be understood, when two policies have one name, and when there is no policy.
    pub fn read(bundle: &Bundle) -> Result<Manifest, ManifestError> {
        let mut manifest = match bundle.file(FILE) {
            Some(text) => text::read(bundle, FILE, text)?,
            None => Manifest {
                name: None,
                description: String::new(),
                version: Version::Either,
                policies: found::policies(bundle, None, Level::HardMandatory)?,
                values: Values::new(),
            },
        };
        manifest
            .policies
            .sort_by(|one, other| one.name.cmp(&other.name));
        let mut names = BTreeSet::new();
        for policy in &manifest.policies {
            if !names.insert(key_of(&policy.name)) {
                let words = format!(
                    "there are two policies called {:?}; rename one",
                    policy.name
                );
                return Err(ManifestError::new(FILE, None, words));
            }
        }
        if manifest.policies.is_empty() {
            let words =
                "there is no policy; name one with `[[policy]]`, or put a `.rego` file there";
            return Err(ManifestError::new(FILE, None, words));
        }
        if manifest.policies.len() > POLICIES_MAX {
            let words = format!("there are more than {POLICIES_MAX} policies; split the set");
            return Err(ManifestError::new(FILE, None, words));
        }
        Ok(manifest)
    }

    /// Puts what a policy set is given from outside over what it gives itself: by parameter, for every policy that declares it.
    pub fn give(&mut self, values: Values) {
        self.values.extend(values);
    }

    /// What policies find under `data.parameters`: by the name of each, with `-` as `_`, everything that it declares.
    ///
    /// # Errors
    ///
    /// When a value has another type than was declared, is declared by nobody, or is missing.
    pub fn parameters(&self) -> Result<serde_json::Map<String, serde_json::Value>, ManifestError> {
        parameter::resolve(self)
    }
}

/// The name under which parameters of a policy are found: a word that Rego can write behind a dot.
pub fn key_of(name: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(word).collect()
}

/// Puts the files of every policy that a set takes from a library by name into its bundle, where its digest covers them: a later
/// version of the library changes nothing about a set that was published.
///
/// # Errors
///
/// When the manifest cannot be read, or the library has no such policy.
pub fn expand(
    bundle: Bundle,
    library: impl Fn(&str) -> Option<Vec<(String, String)>>,
) -> Result<Bundle, ExpandError> {
    let Some(text) = bundle.file(FILE) else {
        return Ok(bundle);
    };
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for name in text::uses(text)? {
        if bundle.file(&text::library_manifest(&name)).is_some() {
            continue;
        }
        let found = library(&name).ok_or_else(|| {
            let words = format!(
                "the library has no policy {name:?}; `statehouse policy library` lists them"
            );
            ManifestError::new(FILE, None, words)
        })?;
        files.extend(found);
    }
    if files.is_empty() {
        return Ok(bundle);
    }
    let own = bundle
        .files()
        .map(|(path, text)| (path.to_owned(), text.to_owned()));
    files.extend(own);
    let bytes = files
        .into_iter()
        .map(|(path, text)| (path, text.into_bytes()));
    Ok(Bundle::from_files(bytes, &Limits::default())?)
}

/// Why a bundle could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    /// What it says of itself is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// With the library's files it is none.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}
