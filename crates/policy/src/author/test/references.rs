//! What a text of Rego refers to under `data`: enough to tell which files belong together. The loader resolves names properly, of files
//! that it is given; this says which to give it.

use std::collections::BTreeSet;

/// Paths under `data`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct References {
    /// Each as far as it is constant: `data.a.b[x]` is `a.b`.
    pub(super) paths: BTreeSet<String>,
    /// Whether something refers to all of `data`.
    pub(super) all: bool,
}

/// The references of a text, whichever version of the language it is in.
pub(super) fn of(text: &str) -> References {
    let mut found = References::default();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => quoted(rest),
            '`' => raw(rest),
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                if word == "data" && before != '.' {
                    end + found.take(after)
                } else {
                    end
                }
            }
            c => c.len_utf8(),
        };
        let (gone, left) = rest.split_at(length.min(rest.len()));
        before = gone.chars().next_back().unwrap_or(before);
        rest = left;
    }
    found
}

impl References {
    /// Takes the path that follows the word `data`, and says how long it is.
    fn take(&mut self, text: &str) -> usize {
        let mut path = Vec::new();
        let mut rest = text;
        loop {
            let step = rest.strip_prefix('.').map(|after| {
                let end = after.find(|c| !is_word(c)).unwrap_or(after.len());
                (after.get(..end).unwrap_or_default(), end + 1)
            });
            let bracket = || {
                let inner = rest.strip_prefix("[\"")?;
                let (word, _) = inner.split_once("\"]")?;
                (!word.contains(['"', '\\', '\n'])).then_some((word, word.len() + 4))
            };
            match step.or_else(bracket) {
                Some((word, length)) if !word.is_empty() => {
                    path.push(word);
                    rest = rest.get(length..).unwrap_or_default();
                }
                _ => break,
            }
        }
        if path.is_empty() {
            self.all = true;
        } else {
            self.paths.insert(path.join("."));
        }
        text.len() - rest.len()
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of a text in grave accents.
fn raw(text: &str) -> usize {
    let inner = text.get(1..).unwrap_or_default();
    inner.find('`').map_or(text.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let cases: [(&str, &[&str], bool); 10] = [
            ("import data.a.b\n", &["a.b"], false),
            ("x := data.a[\"b-c\"].d[i]", &["a.b-c.d"], false),
            ("x := data.a[b]", &["a"], false),
            ("x := data[b]", &[], true),
            ("x := input.data.a", &[], false),
            (
                "# data.a\nx := \"data.b\"; y := `data.c`; z := data.d",
                &["d"],
                false,
            ),
            ("x := \"a\\\"b\"; y := data.e", &["e"], false),
            ("x := \"\"; y := data.e", &["e"], false),
            ("x := metadata.a", &[], false),
            ("y with data.f.g as 1", &["f.g"], false),
        ];
        for (text, paths, all) in cases {
            let found = of(text);
            assert_eq!(
                found.paths.iter().map(String::as_str).collect::<Vec<_>>(),
                paths,
                "{text}"
            );
            assert_eq!(found.all, all, "{text}");
        }
    }
}
