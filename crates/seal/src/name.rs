//! The name a house's keys go by: `site`, or the house's six-character code.
//!
//! Names become file names, PKCS#11 labels and authenticated bytes, so they are checked once, here,
//! and are then safe in all three. Codes differ by case; a key directory therefore belongs on a
//! case-sensitive file system.

use std::fmt;
use std::str::FromStr;

/// Characters in a house code.
const CODE_LENGTH: usize = 6;

/// The base58 alphabet of Bitcoin: no `0`, `O`, `I` or `l`.
const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The name of the site itself, which has keys like a house.
const SITE: &str = "site";

/// Which house a key belongs to: `site`, or a six-character base58 house code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// A text that is neither `site` nor a house code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no house: expected \"site\" or six base58 characters, such as \"ab12cd\" (no 0, O, I or l)"
)]
pub struct NameError(String);

impl KeyName {
    /// The name of the site's own keys.
    pub fn site() -> Self {
        Self(SITE.to_owned())
    }

    /// Reads `site` or a house code; anything else is a [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let code = text.len() == CODE_LENGTH && text.chars().all(|c| BASE58.contains(c));
        if code || text == SITE {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError(text.to_owned()))
        }
    }

    /// The name as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;

    #[test]
    fn only_site_and_house_codes_are_names() {
        let check = |text: &str, valid: bool| {
            assert_eq!(KeyName::parse(text).is_ok(), valid, "{text:?}");
        };
        check("site", true);
        check("ab12cd", true);
        check("zzzzzz", true);
        check("", false);
        check("Site", false);
        check("ab12c", false);
        check("ab12cde", false);
        check("ab10cd", false);
        check("abOIld", false);
        check("../abc", false);
        check("a/b.cd", false);
        check("äöü", false);
        assert_eq!(KeyName::site(), KeyName::parse("site").unwrap());
    }
}
