//! The environment, read once.
//!
//! Variables of the client (`STATEHOUSE_ADDRESS`, `STATEHOUSE_CA`, `STATEHOUSE_ORGANIZATION`, `STATEHOUSE_TOKEN`) and of the
//! server (`STATEHOUSE_SERVER_…`) cannot be confused: no client variable begins with the server's prefix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the variables of the server's configuration begin with.
pub(crate) const SERVER_PREFIX: &str = "STATEHOUSE_SERVER_";

/// A copy of the process's variables. Has no `Debug`: it may hold a token.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Of this process. Variables that are not UTF-8 are left out; none of ours is.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub(crate) fn of_process() -> Self {
        let texts = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self(texts.collect())
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The variables of the server's configuration: name and value.
    pub(crate) fn server(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| name.starts_with(SERVER_PREFIX))
    }

    /// Where this user's configuration lives: `XDG_CONFIG_HOME`, or `.config` at home.
    pub(crate) fn config_home(&self) -> Option<PathBuf> {
        let stated = self
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        stated.or_else(|| self.get("HOME").map(|home| Path::new(home).join(".config")))
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }
}
