//! Which workspace a state goes to: from what its source calls it to a name that is valid here.
//!
//! Pure. The parts of a path are joined by `-`, whatever no name may hold becomes `-`, and what every path has and tells nothing
//! (`terraform.tfstate`, `terraform.tfstate.d`, `env:`) is left out; terraform's own workspaces go last. A file of names says
//! otherwise where that does not do. Two states with one name are refused before anything is written: nobody should find out
//! afterwards which of them won.

use std::collections::BTreeMap;

use statehouse_model::Name;

use super::source::Found;
use crate::failure::{Failure, Result};

/// What the file of names says: for what the source calls it a name, or nothing to leave it out.
#[derive(Default)]
pub(super) struct NameMap(BTreeMap<String, Option<Name>>);

/// In the file of names: not at all.
const LEFT_OUT: &str = "-";
/// Clashes that are listed; a person reads no more.
const LISTED_MAX: usize = 20;

impl NameMap {
    /// Reads lines of what the source calls it, blanks, and the name. Lines that begin with `#` are for people.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut map = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refused = |why: String| {
                Failure::usage(format!("line {} of the file of names: {why}", number + 1))
                    .hint("each line is what the source calls a state, blanks, and its name; `-` leaves it out")
            };
            let (place, name) = line
                .rsplit_once(char::is_whitespace)
                .ok_or_else(|| refused("it has no name".to_owned()))?;
            let name = match name {
                LEFT_OUT => None,
                name => Some(name.parse().map_err(|error| refused(format!("{error}")))?),
            };
            if map.insert(place.trim_end().to_owned(), name).is_some() {
                return Err(refused(format!("{place} is there twice")));
            }
        }
        Ok(Self(map))
    }
}

/// The names of all that was found, in its order; what the file leaves out is not there.
pub(super) fn assign(found: Vec<Found>, map: &NameMap) -> Result<Vec<(Found, Name)>> {
    let unknown: Vec<&str> = map
        .0
        .keys()
        .filter(|place| !found.iter().any(|found| found.place == **place))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(refused(
            "the file of names names what the source has not",
            &unknown,
        ));
    }
    let mut named = Vec::new();
    let mut nameless = Vec::new();
    for found in found {
        match map.0.get(&found.place) {
            Some(None) => {}
            Some(Some(name)) => named.push((found, name.clone())),
            None => match suggested(&found.parts) {
                Some(name) => named.push((found, name)),
                None => nameless.push(found.place),
            },
        }
    }
    if !nameless.is_empty() {
        let nameless: Vec<&str> = nameless.iter().map(String::as_str).collect();
        return Err(refused("no valid name can be made of these", &nameless));
    }
    let clashes = clashes(&named);
    if clashes.is_empty() {
        return Ok(named);
    }
    let clashes: Vec<&str> = clashes.iter().map(String::as_str).collect();
    Err(refused(
        "several states would go to one workspace",
        &clashes,
    ))
}

fn refused(what: &str, which: &[&str]) -> Failure {
    let mut words = which
        .iter()
        .take(LISTED_MAX)
        .copied()
        .collect::<Vec<_>>()
        .join("; ");
    if which.len() > LISTED_MAX {
        words = format!("{words}; and {} more", which.len() - LISTED_MAX);
    }
    Failure::usage(format!("nothing was imported: {what}: {words}"))
        .hint("name them in a file, and give it as --name-map")
}

fn clashes(named: &[(Found, Name)]) -> Vec<String> {
    let mut by_name: BTreeMap<&Name, Vec<&str>> = BTreeMap::new();
    for (found, name) in named {
        by_name.entry(name).or_default().push(&found.place);
    }
    let several = by_name.into_iter().filter(|(_, places)| places.len() > 1);
    several
        .map(|(name, places)| format!("{name} ← {}", places.join(", ")))
        .collect()
}

/// The name that parts make.
fn suggested(parts: &[String]) -> Option<Name> {
    let valid = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.') {
            character
        } else {
            '-'
        }
    };
    let text: String = parts.join("-").chars().map(valid).collect();
    text.trim_start_matches(['-', '_', '.']).parse().ok()
}

/// The parts of a path that tell of a state. Where nothing is left, it is the state of `root`.
pub(super) fn parts(path: &str, root: &str) -> Vec<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut own = None;
    if parts.len() > 2 && parts.first() == Some(&"env:") {
        own = Some(parts.remove(1));
        parts.remove(0);
    }
    if let Some(last) = parts.pop() {
        let bare = last.strip_suffix(".tfstate").unwrap_or(last);
        let telling = bare != "terraform" || last == bare;
        parts.extend(telling.then_some(bare).filter(|bare| !bare.is_empty()));
    }
    if let Some(at) = parts.iter().position(|part| *part == "terraform.tfstate.d") {
        parts.remove(at);
        own = (at < parts.len()).then(|| parts.remove(at)).or(own);
    }
    if parts.is_empty() {
        parts.push(root);
    }
    parts.extend(own);
    parts.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

    use super::*;

    fn found(path: &str) -> Found {
        Found {
            place: path.to_owned(),
            parts: parts(path, "root"),
            claims: true,
            at: 0,
        }
    }

    #[test]
    fn a_path_becomes_a_name() {
        let check = |path: &str, expected: Option<&str>| {
            let name = suggested(&parts(path, "root"));
            assert_eq!(name.as_ref().map(Name::as_str), expected, "{path}");
        };
        check("network.tfstate", Some("network"));
        check("prod/network.tfstate", Some("prod-network"));
        check("prod/network/terraform.tfstate", Some("prod-network"));
        check("terraform.tfstate", Some("root"));
        check(
            "app/terraform.tfstate.d/eu/terraform.tfstate",
            Some("app-eu"),
        );
        check("terraform.tfstate.d/eu/terraform.tfstate", Some("root-eu"));
        check("env:/eu/app/terraform.tfstate", Some("app-eu"));
        check("env:/eu/app.tfstate", Some("app-eu"));
        check("prod/terraform", Some("prod-terraform"));
        check("_a b/é.tfstate", Some("a-b--"));
        check("über.tfstate", Some("ber"));
        check("é/.tfstate", None);
        check(&"x/".repeat(60), None);
    }

    #[test]
    fn two_states_never_share_a_name() {
        let check = |paths: &[&str], map: &str, expected: Result<&[&str], &str>| {
            let map = NameMap::read(map).unwrap();
            let found = paths.iter().map(|path| found(path)).collect();
            match (assign(found, &map), expected) {
                (Ok(named), Ok(names)) => {
                    let got: Vec<&str> = named.iter().map(|(_, name)| name.as_str()).collect();
                    assert_eq!(got, names);
                }
                (Err(failure), Err(words)) => {
                    assert!(failure.message.contains(words), "{}", failure.message);
                }
                (got, expected) => panic!("{:?}, expected {expected:?}", got.err()),
            }
        };
        check(&["a/b.tfstate", "a/c.tfstate"], "", Ok(&["a-b", "a-c"]));
        check(
            &["a/b.tfstate", "a-b.tfstate"],
            "",
            Err("a-b ← a/b.tfstate, a-b.tfstate"),
        );
        check(
            &["a/b.tfstate", "a-b.tfstate"],
            "# which is older\na-b.tfstate   old\n",
            Ok(&["a-b", "old"]),
        );
        check(
            &["a/b.tfstate", "a-b.tfstate"],
            "a-b.tfstate -",
            Ok(&["a-b"]),
        );
        check(&["a.tfstate"], "b.tfstate c", Err("b.tfstate"));
        check(
            &["a.tfstate", "é b.tfstate"],
            "é b.tfstate a",
            Err("a ← a.tfstate"),
        );
        check(&["é/.tfstate"], "", Err("no valid name"));
    }

    #[test]
    fn a_file_of_names_that_cannot_be_meant_is_refused() {
        let check = |text: &str, words: &str| {
            let failure = NameMap::read(text).err().unwrap();
            assert!(failure.message.contains(words), "{}", failure.message);
        };
        check("a.tfstate", "line 1");
        check("\na.tfstate b/c", "line 2");
        check("a b\na c", "twice");
    }
}
