//! One origin of settings: the default, a file, a variable, a flag.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::is_secret;
use crate::environment::SERVER_PREFIX;
use crate::failure::{Failure, Result};

/// Settings, and the name of where they stand.
pub(super) struct Layer {
    origin: String,
    dict: Dict,
}

impl Layer {
    /// The compiled-in default.
    pub(super) fn default_of(text: &str) -> Result<Self> {
        Self::of_toml("the default", text)
    }

    /// A file.
    pub(super) fn of_toml(origin: &str, text: &str) -> Result<Self> {
        let dict = Toml::from_str::<Dict>(text)
            .map_err(|error| Failure::usage(format!("{origin} is not TOML: {error}")))?;
        Ok(Self {
            origin: origin.to_owned(),
            dict,
        })
    }

    /// A variable. No section has an underscore in its name, so the first one ends it.
    pub(super) fn of_variable(name: &str, value: &str) -> Self {
        let rest = name.trim_start_matches(SERVER_PREFIX).to_ascii_lowercase();
        let (section, key) = rest.split_once('_').unwrap_or((&rest, ""));
        Self::of_one(name.to_owned(), section, key, value)
    }

    /// A flag: `section.key=value`.
    pub(super) fn of_flag(setting: &str) -> Result<Self> {
        let parts = setting
            .split_once('=')
            .and_then(|(path, value)| Some((path, path.split_once('.')?, value)));
        let Some((path, (section, key), value)) = parts else {
            return Err(Failure::usage(
                "--set needs section.key=value, as in listen.port=443",
            ));
        };
        if is_secret(path) {
            return Err(Failure::usage(format!(
                "{path} is secret, and every user of this machine can read arguments"
            ))
            .hint(format!("put it in a file, and name that with {path}_file")));
        }
        Ok(Self::of_one(format!("--set {path}"), section, key, value))
    }

    fn of_one(origin: String, section: &str, key: &str, value: &str) -> Self {
        // Reading a value cannot fail: what is nothing else is a text.
        let value = value
            .parse::<Value>()
            .unwrap_or_else(|never| match never {});
        let inner = Dict::from([(key.to_owned(), value)]);
        Self {
            origin,
            dict: Dict::from([(section.to_owned(), Value::from(inner))]),
        }
    }

    /// Every `section.key`, in order.
    pub(super) fn keys(&self) -> Vec<String> {
        let of_section = |(section, value): (&String, &Value)| match value.as_dict() {
            Some(inner) => inner.keys().map(|key| format!("{section}.{key}")).collect(),
            None => vec![section.clone()],
        };
        self.dict.iter().flat_map(of_section).collect()
    }

    /// Refuses keys that the default does not have.
    pub(super) fn check_keys(&self, default: &Self) -> Result {
        let known = default.keys();
        let Some(unknown) = self.keys().into_iter().find(|key| !known.contains(key)) else {
            return Ok(());
        };
        let section = unknown.split('.').next().unwrap_or_default();
        let of_section: Vec<&str> = known
            .iter()
            .map(String::as_str)
            .filter(|key| key.split('.').next() == Some(section))
            .collect();
        let hint = if of_section.is_empty() {
            "`statehouse config default` lists every setting".to_owned()
        } else {
            format!("known there: {}", of_section.join(", "))
        };
        Err(Failure::usage(format!("unknown setting {unknown} in {}", self.origin)).hint(hint))
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}
