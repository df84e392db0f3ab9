//! Sets that say nothing of themselves in our words: what they are is told by the lists of the product that they were written for, or
//! by the packages of their files.
//!
//! A policy that was only found (not named) is one if its package has something to ask; see [`crate::assess`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Dialect, Entity, Entrypoint, Level, ManifestError, Policy, Role, Values, hcl};
use crate::bundle::Bundle;

/// HCP Terraform's lists, at the root.
const HCP: [&str; 2] = ["policies.hcl", HCP_JSON];

/// The second of them, in JSON.
const HCP_JSON: &str = "policies.json";

/// Scalr's list, in the folder of its policies.
const SCALR: &str = "scalr-policy.hcl";

/// The policies of a bundle without a list of ours, those of one dialect if one is given.
pub(super) fn policies(
    bundle: &Bundle,
    dialect: Option<Dialect>,
    level: Level,
) -> Result<Vec<Policy>, ManifestError> {
    let hcp = HCP
        .iter()
        .find_map(|path| Some((*path, bundle.file(path)?)));
    let wanted = |it| dialect.is_none_or(|dialect| dialect == it);
    if let Some((path, text)) = hcp.filter(|_| wanted(Dialect::Hcp)) {
        return hcp_policies(path, text);
    }
    let scalr: Vec<_> = bundle
        .files()
        .filter(|(path, _)| *path == SCALR || path.ends_with(&format!("/{SCALR}")))
        .collect();
    if !scalr.is_empty() && wanted(Dialect::Scalr) {
        let mut policies = Vec::new();
        for (path, text) in scalr {
            policies.extend(scalr_policies(bundle, path, text)?);
        }
        return Ok(policies);
    }
    Ok(packaged(bundle, dialect, level))
}

fn blank(name: String, dialect: Dialect, level: Level) -> Policy {
    Policy {
        title: name.clone(),
        name,
        description: String::new(),
        level,
        entity: Entity::Plan,
        dialect,
        files: Vec::new(),
        entrypoints: Vec::new(),
        packages: Vec::new(),
        named: false,
        parameters: BTreeMap::new(),
        values: Values::new(),
    }
}

/// By package: a file for itself where the product evaluates each for itself, a package as one where it does not.
fn packaged(bundle: &Bundle, dialect: Option<Dialect>, level: Level) -> Vec<Policy> {
    let mut policies = Vec::new();
    let mut together = BTreeSet::new();
    for (path, text) in bundle.policies() {
        let Some(package) = package_of(text) else {
            continue;
        };
        let (found, entity) = told_by(&package);
        let found = dialect.unwrap_or(found);
        match found {
            Dialect::Spacelift | Dialect::Harness | Dialect::Env0 | Dialect::Scalr => {
                let name = path.strip_suffix(".rego").unwrap_or(path).to_owned();
                policies.push(Policy {
                    entity,
                    files: vec![path.to_owned()],
                    packages: vec![package],
                    ..blank(name, found, level)
                });
            }
            Dialect::Native | Dialect::Conftest | Dialect::Hcp => {
                if together.insert(package.clone()) {
                    policies.push(Policy {
                        entity,
                        packages: vec![package.clone()],
                        ..blank(package, found, level)
                    });
                }
            }
        }
    }
    policies
}

/// The product and the entity that a package name stands for.
fn told_by(package: &str) -> (Dialect, Entity) {
    match package {
        "spacelift" => (Dialect::Spacelift, Entity::Plan),
        "env0" => (Dialect::Env0, Entity::Plan),
        "main" => (Dialect::Conftest, Entity::Plan),
        "terraform_plan" => (Dialect::Harness, Entity::Plan),
        "terraform_plan_cost" => (Dialect::Harness, Entity::Cost),
        "terraform_state" => (Dialect::Harness, Entity::State),
        "workspace" | "workspaces" => (Dialect::Harness, Entity::Workspace),
        _ => (Dialect::Native, Entity::Plan),
    }
}

/// The package that a file opens with. The engine reads it properly; this is enough to sort files.
pub(crate) fn package_of(text: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    let first = lines.find(|line| !line.is_empty() && *line != "\u{feff}")?;
    let path = first
        .trim_start_matches('\u{feff}')
        .strip_prefix("package")?;
    if !path.starts_with([' ', '\t']) {
        return None;
    }
    let path = path.trim().split([';', ' ', '\t']).next()?;
    let path = path.replace("[\"", ".").replace("\"]", "");
    (!path.is_empty()).then_some(path)
}

fn hcp_policies(path: &str, text: &str) -> Result<Vec<Policy>, ManifestError> {
    let listed = if path == HCP_JSON {
        hcp_json(path, text)?
    } else {
        hcp_blocks(path, text)?
    };
    let policy = |Listed {
                      name,
                      query,
                      level,
                      description,
                  }: Listed| {
        let query = query.ok_or_else(|| {
            let words = format!("the policy {name:?} has no `query`; name the rule that it asks for, such as \"data.terraform.deny\"");
            ManifestError::new(path, None, words)
        })?;
        check_query(path, &name, &query)?;
        let level = match level.as_deref() {
            // What the product does where nothing is said.
            None | Some("advisory") => Level::Advisory,
            // Whoever may manage overrides there can override all of these.
            Some("mandatory") => Level::SoftMandatory,
            Some(other) => named_level(path, &name, other)?,
        };
        Ok(Policy {
            description: description.unwrap_or_default(),
            entrypoints: vec![Entrypoint {
                query,
                role: Role::Deny,
            }],
            named: true,
            ..blank(name, Dialect::Hcp, level)
        })
    };
    listed.into_iter().map(policy).collect()
}

/// What a list of HCP Terraform says of one policy.
struct Listed {
    name: String,
    query: Option<String>,
    level: Option<String>,
    description: Option<String>,
}

fn hcp_blocks(path: &str, text: &str) -> Result<Vec<Listed>, ManifestError> {
    let root = hcl::read(path, text)?;
    let policies = root
        .blocks
        .into_iter()
        .filter(|block| block.kind == "policy");
    let owned = |block: &hcl::Block, name| block.text(name).map(ToOwned::to_owned);
    policies
        .map(|block| {
            Ok(Listed {
                name: label(path, &block)?,
                query: owned(&block, "query"),
                level: owned(&block, "enforcement_level"),
                description: owned(&block, "description"),
            })
        })
        .collect()
}

fn hcp_json(path: &str, text: &str) -> Result<Vec<Listed>, ManifestError> {
    let wrong = |message: String| ManifestError::new(path, None, message);
    let root: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let within = root.get("policy").or_else(|| root.get("policies"));
    let lists: Vec<&Value> = match within {
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => {
            return Err(wrong(String::from(
                "it has no `policy`; list the policies under that name",
            )));
        }
    };
    let mut listed = Vec::new();
    for policies in lists {
        let policies = policies.as_object().ok_or_else(|| {
            wrong(String::from(
                "under `policy` there must be objects: a name, and what the policy of that name is",
            ))
        })?;
        for (name, policy) in policies {
            // JSON that was made from HCL has a list of one in the place of a block.
            let policy = policy.get(0).unwrap_or(policy);
            let word = |key| {
                policy
                    .get(key)
                    .and_then(Value::as_str)
                    .map(ToOwned::to_owned)
            };
            listed.push(Listed {
                name: name.clone(),
                query: word("query"),
                level: word("enforcement_level"),
                description: word("description"),
            });
        }
    }
    Ok(listed)
}

fn scalr_policies(bundle: &Bundle, path: &str, text: &str) -> Result<Vec<Policy>, ManifestError> {
    let root = hcl::read(path, text)?;
    let folder = path.strip_suffix(SCALR).unwrap_or_default();
    let mut policies = Vec::new();
    for block in root.blocks.iter().filter(|block| block.kind == "policy") {
        if block.flag("enabled") == Some(false) {
            continue;
        }
        let name = label(path, block)?;
        let wrong = |message| ManifestError::new(path, Some(block.line), message);
        let level = match block.text("enforcement_level") {
            Some(level) => named_level(path, &name, level)?,
            None => Level::HardMandatory,
        };
        let own = [format!("{folder}{name}.rego"), format!("{folder}{name}/")];
        let files: Vec<String> = bundle
            .policies()
            .map(|(file, _)| file)
            .filter(|file| {
                own.first().is_some_and(|it| it == file)
                    || own.get(1).is_some_and(|it| file.starts_with(it))
            })
            .map(ToOwned::to_owned)
            .collect();
        if files.is_empty() {
            let words = format!(
                "the policy {name:?} has no file `{folder}{name}.rego`; put it there, or take the policy off the list"
            );
            return Err(wrong(words));
        }
        let entrypoint = Entrypoint {
            query: String::from("data.terraform.deny"),
            role: Role::Deny,
        };
        policies.push(Policy {
            files,
            entrypoints: vec![entrypoint],
            named: true,
            ..blank(format!("{folder}{name}"), Dialect::Scalr, level)
        });
    }
    Ok(policies)
}

fn label(path: &str, block: &hcl::Block) -> Result<String, ManifestError> {
    if let [name] = block.labels.as_slice() {
        return Ok(name.clone());
    }
    let words = "a policy has one name: `policy \"name\" { … }`";
    Err(ManifestError::new(path, Some(block.line), words))
}

fn named_level(path: &str, name: &str, word: &str) -> Result<Level, ManifestError> {
    Level::named(word).ok_or_else(|| {
        let words = format!(
            "the policy {name:?} has the level {word:?}; use advisory, soft-mandatory or hard-mandatory"
        );
        ManifestError::new(path, None, words)
    })
}

/// A query is a path below `data` and nothing else: what is asked stands in the bundle, not in its list.
pub(super) fn check_query(path: &str, name: &str, query: &str) -> Result<(), ManifestError> {
    let part = |part: &str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !part.is_empty() && part.chars().all(letter)
    };
    let quoted =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '"' | '[' | ']');
    let rest = query.strip_prefix("data.").unwrap_or_default();
    let plain = rest.split('.').all(part);
    let bracketed = rest.contains("[\"") && rest.chars().all(quoted);
    if plain || bracketed {
        return Ok(());
    }
    let words = format!(
        "the policy {name:?} asks for {query:?}; write a path such as \"data.terraform.deny\""
    );
    Err(ManifestError::new(path, None, words))
}
