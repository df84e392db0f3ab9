//! Which versions of a source make the history of its current state, and what of it a workspace still lacks.
//!
//! Pure. The history is the line that leads to the newest version: going back in time, each version of the same lineage whose
//! serial is lower than all that follow. What was forced away at the source (a rewound serial, another lineage) is beside the
//! line and is left out, with a word for each; the newest version itself never is.
//!
//! A workspace may hold a part of the line already. It is continued only from a version that the line has, or, where the source
//! keeps no history, from one that an import wrote and nobody followed. Everything else is other content, and is refused.

use super::source::Facts;

/// The current version of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its id.
    pub(super) id: String,
    /// Its lineage.
    pub(super) lineage: String,
    /// Its serial.
    pub(super) serial: Option<u64>,
    /// Its length.
    pub(super) size: u64,
    /// Whether an import wrote it.
    pub(super) imported: bool,
}

/// How a workspace stands to a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It lacks the line from this place on. What it has is said to be the version before, and is to be compared with it.
    Lacks(usize),
    /// It lacks the line from this place on, and has another version of the same lineage that an import wrote.
    Follows(usize),
    /// It has other content.
    Other(String),
}

/// The places of the versions that lead to the last, the oldest first.
pub(super) fn line(versions: &[Facts]) -> Vec<usize> {
    let mut line: Vec<usize> = Vec::new();
    let mut next: Option<&Facts> = None;
    for (at, version) in versions.iter().enumerate().rev() {
        if next.is_none_or(|next| precedes(version, next)) {
            line.push(at);
            next = Some(version);
        }
    }
    line.reverse();
    line
}

/// Whether one version can come before another. An encrypted one that says neither is believed to.
fn precedes(version: &Facts, next: &Facts) -> bool {
    let unsaid = version.lineage.is_empty() || next.lineage.is_empty();
    let of_one = unsaid || version.lineage == next.lineage;
    let lower = match (version.serial, next.serial) {
        (Some(before), Some(after)) => before < after,
        _ => version.sha256 != next.sha256,
    };
    of_one && lower
}

/// How a workspace with this current version stands to the line.
pub(super) fn standing(line: &[&Facts], head: Option<&Head>) -> Standing {
    let (Some(head), Some(last)) = (head, line.last()) else {
        return Standing::Lacks(0);
    };
    let is_head = |version: &&&Facts| {
        version.serial == head.serial
            && version.lineage == head.lineage
            && version.size == head.size
    };
    if let Some(at) = line.iter().rposition(|version| is_head(&version)) {
        return Standing::Lacks(at + 1);
    }
    if last.lineage != head.lineage {
        return Standing::Other(format!(
            "it holds another state: of lineage {}, and the source's is {}",
            quoted(&head.lineage),
            quoted(&last.lineage)
        ));
    }
    let (Some(has), Some(newest)) = (head.serial, last.serial) else {
        return Standing::Other("it holds an encrypted state that the source has not".to_owned());
    };
    if has > newest {
        return Standing::Other(format!(
            "it holds serial {has}, which is newer than the source's {newest}"
        ));
    }
    if line.iter().any(|version| version.serial == Some(has)) {
        return Standing::Other(format!(
            "its serial {has} has other content than the source's serial {has}"
        ));
    }
    if !head.imported {
        return Standing::Other(format!(
            "it holds serial {has}, which no import wrote and the source has not"
        ));
    }
    let after = line.iter().position(|version| version.serial > Some(has));
    Standing::Follows(after.unwrap_or(line.len()))
}

fn quoted(lineage: &str) -> String {
    if lineage.is_empty() {
        "that nobody knows (it is encrypted)".to_owned()
    } else {
        lineage.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

    use super::*;

    fn version(lineage: &str, serial: u64, content: u8) -> Facts {
        Facts {
            lineage: lineage.to_owned(),
            serial: Some(serial),
            size: u64::from(content),
            sha256: [content; 32],
        }
    }

    #[test]
    fn the_line_leads_to_the_newest_version() {
        let check = |versions: &[(&str, u64, u8)], expected: &[usize]| {
            let versions: Vec<Facts> = versions
                .iter()
                .map(|(lineage, serial, content)| version(lineage, *serial, *content))
                .collect();
            assert_eq!(line(&versions), expected, "{versions:?}");
        };
        check(&[], &[]);
        check(&[("a", 1, 1)], &[0]);
        check(&[("a", 1, 1), ("a", 2, 2), ("a", 5, 3)], &[0, 1, 2]);
        // The same bytes twice, and the same serial with other bytes: the later one counts.
        check(&[("a", 1, 1), ("a", 2, 2), ("a", 2, 2)], &[0, 2]);
        check(&[("a", 1, 1), ("a", 2, 2), ("a", 2, 3)], &[0, 2]);
        // A rewound serial, another lineage.
        check(
            &[("a", 1, 1), ("a", 7, 2), ("a", 2, 3), ("a", 3, 4)],
            &[0, 2, 3],
        );
        check(
            &[("b", 1, 1), ("b", 2, 2), ("a", 0, 3), ("a", 1, 4)],
            &[2, 3],
        );
        check(&[("a", 4, 1), ("a", 0, 2)], &[1]);
    }

    #[test]
    fn an_encrypted_state_without_a_serial_is_ordered_by_time() {
        let opaque = |content| Facts {
            lineage: String::new(),
            serial: None,
            size: 1,
            sha256: [content; 32],
        };
        let check = |versions: &[Facts], expected: &[usize]| assert_eq!(line(versions), expected);
        check(&[opaque(1), opaque(2)], &[0, 1]);
        check(&[opaque(1), opaque(1)], &[1]);
        check(&[version("a", 1, 9), opaque(1)], &[0, 1]);
    }

    #[test]
    fn a_workspace_is_continued_and_never_overwritten() {
        let versions = [version("a", 1, 1), version("a", 2, 2), version("a", 4, 3)];
        let line: Vec<&Facts> = versions.iter().collect();
        let check =
            |lineage: &str, serial: u64, size: u8, imported, expected: Result<Standing, &str>| {
                let head = Head {
                    id: "sv-1".to_owned(),
                    lineage: lineage.to_owned(),
                    serial: Some(serial),
                    size: u64::from(size),
                    imported,
                };
                match (standing(&line, Some(&head)), expected) {
                    (Standing::Other(words), Err(part)) => assert!(words.contains(part), "{words}"),
                    (found, Ok(expected)) => assert_eq!(found, expected, "{head:?}"),
                    (found, expected) => panic!("{found:?}, expected {expected:?}"),
                }
            };
        assert_eq!(standing(&line, None), Standing::Lacks(0));
        check("a", 1, 1, true, Ok(Standing::Lacks(1)));
        check("a", 2, 2, false, Ok(Standing::Lacks(2)));
        check("a", 4, 3, false, Ok(Standing::Lacks(3)));
        check("a", 3, 9, true, Ok(Standing::Follows(2)));
        check("a", 3, 9, false, Err("which no import wrote"));
        check("a", 2, 9, true, Err("has other content"));
        check("a", 5, 3, true, Err("newer than the source's 4"));
        check("b", 1, 1, true, Err("of lineage b"));
    }
}
