//! Names that people choose: organizations, projects, workspaces, users.

use std::fmt;
use std::str::FromStr;

/// HCP Terraform allows 90 characters for a workspace; the same bound for all
/// keeps every name fit for a URL segment and an error message.
const NAME_LEN_MAX: usize = 90;

/// A name of an organization, project, workspace or user: 1 to 90 ASCII
/// letters, digits, `-`, `_` and `.`, the first one a letter or a digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a valid name: use 1 to 90 letters, digits, `-`, `_` or `.`, \
     the first one a letter or a digit"
)]
pub struct NameError(String);

impl Name {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let first = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && text.len() <= NAME_LEN_MAX && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(NameError(
            text.chars()
                .take(NAME_LEN_MAX)
                .flat_map(char::escape_debug)
                .collect(),
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )]

    use super::*;

    #[test]
    fn names_fit_a_url_segment() {
        for good in ["a", "prod-network_2.eu", "9lives", &"x".repeat(90)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            ".",
            "..",
            "a/b",
            "a b",
            "né",
            "a\0",
            &"x".repeat(91),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }
}
