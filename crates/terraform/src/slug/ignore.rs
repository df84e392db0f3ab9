//! What `.terraformignore` says.
//!
//! The form is that of `.gitignore`, as terraform reads it: a line is a pattern; `#` opens a comment; `!` takes back what an earlier line excluded; a
//! pattern with `/` at its front is one from the root, every other one matches in any folder; `/` at the end means folders only. `*` and `?` do
//! not cross a `/`, `**` does; `[a-z]` is one character. The last line that matches decides.
//!
//! One difference is on purpose: a pattern that matches a folder excludes what is in it also without `/` at its end, as git has it and as
//! whoever writes `node_modules` means it. Terraform would send it.

/// Terraform's own exclusions, which a file goes on from.
const DEFAULTS: &str = ".git/\n.terraform/\n!.terraform/modules/\n";

/// The rules of one root folder.
#[derive(Clone, Debug)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    takes_back: bool,
    folders_only: bool,
    /// Between the separators; `**` for any number of folders.
    parts: Vec<Vec<char>>,
}

impl Default for Ignore {
    /// The rules where there is no file.
    fn default() -> Ignore {
        Ignore::parse("")
    }
}

impl Ignore {
    /// Reads the text of a `.terraformignore`. Every text has a meaning: a bracket that is not closed is a bracket.
    pub fn parse(text: &str) -> Ignore {
        let lines = DEFAULTS.lines().chain(text.lines());
        Ignore {
            rules: lines.filter_map(rule).collect(),
        }
    }

    /// Whether a path below the root is left out.
    pub fn ignores(&self, path: &str, folder: bool) -> bool {
        let parts: Vec<Vec<char>> = path.split('/').map(|part| part.chars().collect()).collect();
        let matching = self.rules.iter().rfind(|rule| rule.covers(&parts, folder));
        matching.is_some_and(|rule| !rule.takes_back)
    }
}

fn rule(line: &str) -> Option<Rule> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (takes_back, pattern) = match line.strip_prefix('!') {
        Some(pattern) => (true, pattern),
        None => (false, line),
    };
    let folders_only = pattern.ends_with('/');
    let from_root = pattern.starts_with('/');
    let inner = pattern.trim_matches('/');
    if inner.is_empty() {
        return None;
    }
    let mut parts: Vec<Vec<char>> = inner
        .split('/')
        .map(|part| part.chars().collect())
        .collect();
    if !from_root {
        parts.insert(0, vec!['*', '*']);
    }
    Some(Rule {
        takes_back,
        folders_only,
        parts,
    })
}

impl Rule {
    /// Whether the rule matches the path, or a folder above it.
    fn covers(&self, path: &[Vec<char>], folder: bool) -> bool {
        let matched = matched(&self.parts, path);
        let lengths = matched.iter().enumerate().skip(1);
        lengths.filter(|(_, matched)| **matched).any(|(length, _)| {
            let is_folder = folder || length < path.len();
            is_folder || !self.folders_only
        })
    }
}

/// For each number of folders from the root, whether the whole pattern matches so much of the path. Goes on from every place that the
/// pattern's beginning reaches, so that no pattern is slow.
fn matched(pattern: &[Vec<char>], path: &[Vec<char>]) -> Vec<bool> {
    let mut reached = vec![false; path.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for part in pattern {
        if part == &['*', '*'] {
            spread(&mut reached);
            continue;
        }
        let mut next = vec![false];
        let steps = reached.iter().zip(path);
        next.extend(steps.map(|(came, name)| *came && name_matches(part, name)));
        reached = next;
    }
    reached
}

/// What stands for any number of anything: from every place that is reached, every later one is.
fn spread(reached: &mut [bool]) {
    let mut inside = false;
    for cell in reached {
        inside |= *cell;
        *cell = inside;
    }
}

/// Whether a pattern without `/` is a whole name.
fn name_matches(pattern: &[char], name: &[char]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        if *first == '*' {
            spread(&mut reached);
            rest = after;
            continue;
        }
        let (one, after) = one(rest);
        let mut next = vec![false];
        let steps = reached.iter().zip(name);
        next.extend(steps.map(|(came, char)| *came && one.takes(*char)));
        reached = next;
        rest = after;
    }
    reached.last().copied().unwrap_or(false)
}

/// What stands for one character.
enum One<'a> {
    Any,
    Exactly(char),
    /// Between the brackets, and whether it is meant the other way round.
    Class(&'a [char], bool),
}

impl One<'_> {
    fn takes(&self, char: char) -> bool {
        match self {
            One::Any => true,
            One::Exactly(exactly) => *exactly == char,
            One::Class(members, inverted) => class_has(members, char) != *inverted,
        }
    }
}

/// The first of a pattern that is not empty, and the rest.
fn one(pattern: &[char]) -> (One<'_>, &[char]) {
    match pattern {
        ['\\', escaped, rest @ ..] => (One::Exactly(*escaped), rest),
        ['?', rest @ ..] => (One::Any, rest),
        ['[', '!' | '^', rest @ ..] => {
            class(rest, true).unwrap_or((One::Exactly('['), pattern.get(1..).unwrap_or_default()))
        }
        ['[', rest @ ..] => class(rest, false).unwrap_or((One::Exactly('['), rest)),
        [char, rest @ ..] => (One::Exactly(*char), rest),
        [] => (One::Any, &[]),
    }
}

/// A class from behind its opening bracket, if it is closed. A bracket that stands first is a member.
fn class(pattern: &[char], inverted: bool) -> Option<(One<'_>, &[char])> {
    let close = pattern.iter().skip(1).position(|char| *char == ']')? + 1;
    let members = pattern.get(..close)?;
    Some((One::Class(members, inverted), pattern.get(close + 1..)?))
}

fn class_has(members: &[char], char: char) -> bool {
    match members {
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&char) || class_has(rest, char),
        [member, rest @ ..] => *member == char || class_has(rest, char),
        [] => false,
    }
}
