//! `statehouse.toml`: the form in which a set describes itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Dialect, Entity, Entrypoint, FILE, Level, Manifest, ManifestError, Parameter, Policy, Role,
    Values, found, key_of,
};
use crate::bundle::Bundle;
use crate::engine::Version;

/// A name is a key, a part of addresses and a word on a screen.
const NAME_BYTES_MAX: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    dialect: Option<Dialect>,
    entity: Option<Entity>,
    level: Option<Level>,
    rego: Option<Rego>,
    #[serde(default)]
    parameters: Values,
    #[serde(default, rename = "policy")]
    policies: Vec<Entry>,
    #[serde(default, rename = "use")]
    uses: Vec<Use>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rego {
    V0,
    V1,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    title: Option<String>,
    #[serde(default)]
    description: String,
    level: Option<Level>,
    entity: Option<Entity>,
    dialect: Option<Dialect>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    entrypoints: Vec<String>,
    #[serde(default)]
    warn: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default, rename = "parameter")]
    declared: BTreeMap<String, Parameter>,
    #[serde(default)]
    parameters: Values,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    policy: String,
    level: Option<Level>,
    #[serde(default)]
    parameters: Values,
}

/// Where a policy of the library describes itself inside a bundle.
pub(super) fn library_manifest(name: &str) -> String {
    format!("library/{}/{FILE}", key_of(name))
}

/// The policies that a manifest takes by name.
pub(super) fn uses(text: &str) -> Result<Vec<String>, ManifestError> {
    let file = parse(FILE, text)?;
    Ok(file.uses.into_iter().map(|it| it.policy).collect())
}

/// Reads a manifest, with those of the policies that it takes by name.
pub(super) fn read(bundle: &Bundle, at: &str, text: &str) -> Result<Manifest, ManifestError> {
    let file = parse(at, text)?;
    let level = file.level.unwrap_or(Level::HardMandatory);
    let version = match file.rego {
        None => Version::Either,
        Some(Rego::V0) => Version::V0,
        Some(Rego::V1) => Version::V1,
    };
    let mut policies = Vec::new();
    let alone = file.policies.is_empty() && file.uses.is_empty();
    for entry in file.policies {
        let defaults = (
            level,
            file.entity.unwrap_or(Entity::Plan),
            file.dialect.unwrap_or(Dialect::Native),
        );
        policies.push(policy(at, entry, defaults)?);
    }
    for used in file.uses {
        policies.push(library_policy(bundle, at, used)?);
    }
    if alone {
        policies = found::policies(bundle, file.dialect, level)?;
        for policy in &mut policies {
            policy.entity = file.entity.unwrap_or(policy.entity);
        }
    }
    Ok(Manifest {
        name: file.name,
        description: file.description.unwrap_or_default(),
        version,
        policies,
        values: file.parameters,
    })
}

fn parse(at: &str, text: &str) -> Result<File, ManifestError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line_of(text, span.start));
        ManifestError::new(at, line, error.message())
    })
}

fn line_of(text: &str, offset: usize) -> u32 {
    let before = text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count();
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

fn policy(
    at: &str,
    entry: Entry,
    (level, entity, dialect): (Level, Entity, Dialect),
) -> Result<Policy, ManifestError> {
    let name = entry.name;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(letter) {
        let words =
            format!("{name:?} is no name for a policy; use letters, digits, `-`, `_`, `.` and `/`");
        return Err(ManifestError::new(at, None, words));
    }
    let mut entrypoints = Vec::new();
    let roles = [
        (Role::Deny, entry.entrypoints),
        (Role::Warn, entry.warn),
        (Role::Allow, entry.allow),
    ];
    for (role, queries) in roles {
        for query in queries {
            found::check_query(at, &name, &query)?;
            let role = if role == Role::Deny {
                role_of(&query)
            } else {
                role
            };
            entrypoints.push(Entrypoint { query, role });
        }
    }
    let said = entrypoints.len() + entry.packages.len() + entry.files.len();
    if said == 0 && !at.starts_with("library/") {
        let words = format!(
            "the policy {name:?} asks nothing; name its `entrypoints`, `packages` or `files`"
        );
        return Err(ManifestError::new(at, None, words));
    }
    Ok(Policy {
        title: entry.title.unwrap_or_else(|| name.clone()),
        name,
        description: entry.description,
        level: entry.level.unwrap_or(level),
        entity: entry.entity.unwrap_or(entity),
        dialect: entry.dialect.unwrap_or(dialect),
        files: entry.files,
        entrypoints,
        packages: entry.packages,
        named: true,
        parameters: entry.declared,
        values: entry.parameters,
    })
}

/// A rule that is called a warning is one, wherever it is listed.
fn role_of(query: &str) -> Role {
    let rule = query.rsplit('.').next().unwrap_or_default();
    if rule == "warn" || rule.starts_with("warn_") {
        Role::Warn
    } else {
        Role::Deny
    }
}

fn library_policy(bundle: &Bundle, at: &str, used: Use) -> Result<Policy, ManifestError> {
    let path = library_manifest(&used.policy);
    let missing = || {
        let words = format!(
            "the policy {:?} of the library is not in the bundle; publish the set again",
            used.policy
        );
        ManifestError::new(at, None, words)
    };
    let text = bundle.file(&path).ok_or_else(missing)?;
    let file = parse(&path, text)?;
    let defaults = (
        file.level.unwrap_or(Level::HardMandatory),
        file.entity.unwrap_or(Entity::Plan),
        file.dialect.unwrap_or(Dialect::Native),
    );
    let entry = file.policies.into_iter().next().ok_or_else(missing)?;
    let mut policy = policy(&path, entry, defaults)?;
    policy.level = used.level.unwrap_or(policy.level);
    policy.values.extend(used.parameters);
    if policy.entrypoints.is_empty() {
        policy.entrypoints.push(Entrypoint {
            query: format!("data.statehouse.{}.deny", key_of(&policy.name)),
            role: Role::Deny,
        });
    }
    // All that is taken from the library is loaded together: it shares what it knows about plans.
    if policy.files.is_empty() {
        policy.files = vec![String::from("library")];
    }
    Ok(policy)
}
