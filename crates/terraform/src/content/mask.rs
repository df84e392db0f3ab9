//! Which values of an instance are hidden.
//!
//! Marks are paths into a value, or of the value's own form; names are asked at every depth. What the marks lead to is noted by its
//! number in the tape, so that whoever walks over the tape later needs to know nothing of marks.

use super::secret::{has_stem, is_secret};
use super::shown::Marks;
use super::{Instance, ShownState};
use crate::address::{Path, Step};
use crate::json::{Kind, Node, Tape};
use crate::state::{DEPTH_MAX, parse};

/// Most values that are passed while the marks of one instance are followed. Real marks lead to a few dozen places and pass some
/// thousands; beyond this they were made to cost time, and the whole instance is hidden.
const PASSED_MAX: u32 = 4_000_000;

/// How deep JSON texts in JSON texts are looked into; a text further in is hidden.
const EMBEDDED_MAX: usize = 3;

/// A value of an attribute without a type of its own stands in a state as `{"value": …, "type": …}`, and marks do not name that
/// layer. Any object of this form may be one, so a mark is followed both through it and past it.
fn wrapped(node: Node<'_>) -> Option<Node<'_>> {
    let mut entries = node.entries();
    let (first, second) = (entries.next()?, entries.next()?);
    match (&*first.0, &*second.0) {
        _ if entries.next().is_some() => None,
        ("value", "type") => Some(first.1),
        ("type", "value") => Some(second.1),
        _ => None,
    }
}

/// Finds what is hidden.
pub(super) struct Masking<'t> {
    root: Node<'t>,
    hidden: Vec<u32>,
    passed: u32,
}

impl<'t> Masking<'t> {
    pub(super) fn new(root: Node<'t>) -> Masking<'t> {
        Masking {
            root,
            hidden: Vec::new(),
            passed: 0,
        }
    }

    pub(super) fn finish(mut self) -> Vec<u32> {
        if self.is_spent() {
            return vec![self.root.slot()];
        }
        self.hidden.sort_unstable();
        self.hidden.dedup();
        self.hidden
    }

    pub(super) fn hide(&mut self, node: Node<'t>) {
        self.hidden.push(node.slot());
    }

    /// What a step leads to. Counts what it passes on the way, and finds nothing once that was too much.
    fn lookup(&mut self, node: Node<'t>, step: &Step) -> Option<Node<'t>> {
        let mut found = None;
        match step {
            Step::Key(key) => {
                for (name, value) in node.entries() {
                    self.passed += 1;
                    if name == *key {
                        found = Some(value);
                    }
                }
            }
            Step::Index(index) => {
                found = node.at(*index);
                let passed = (*index).min(u64::from(node.next() - node.slot()));
                self.passed = self
                    .passed
                    .saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            }
        }
        self.passed = self.passed.saturating_add(1);
        found.filter(|_| !self.is_spent())
    }

    fn is_spent(&self) -> bool {
        self.passed > PASSED_MAX
    }

    /// Hides what the marks beside the attributes and those of the JSON state say.
    pub(super) fn hide_said(&mut self, instance: &Instance<'_>, shown: Option<&ShownState<'_>>) {
        let root = self.root;
        let repeats = instance.kind() == "terraform_data";
        if let Some(marks) = instance.marks() {
            self.hide_marked(marks, repeats);
        }
        match shown.and_then(|shown| shown.marks(instance)) {
            None => {}
            Some(Marks::Contradictory) => self.hide(root),
            Some(Marks::Like(marks)) => {
                self.hide_like(root, marks);
                let repeated = root.get("output").zip(marks.get("input"));
                if let Some((output, marks)) = repeated.filter(|_| repeats) {
                    self.hide_like(output, marks);
                }
            }
        }
    }

    /// Follows what stands under `sensitive_attributes`: a list of paths.
    fn hide_marked(&mut self, marks: &str, repeats: bool) {
        let tape = Tape::read(marks);
        if tape.root().kind() != Kind::List {
            self.hide(self.root);
            return;
        }
        for mark in tape.root().elements() {
            let Some(steps) = steps(mark) else {
                self.hide(self.root);
                return;
            };
            self.hide_at(self.root, &steps);
            if let (true, Some((Step::Key(first), rest))) = (repeats, steps.split_first())
                && first == "input"
                && let Some(output) = self.root.get("output")
            {
                self.hide_at(output, rest);
            }
        }
    }

    /// Hides what the steps lead to; where they lead nowhere, the last value on the way.
    fn hide_at(&mut self, node: Node<'t>, steps: &[Step]) {
        let Some((step, rest)) = steps.split_first() else {
            return self.hide(node);
        };
        if self.is_spent() {
            return;
        }
        let inside = self.lookup(node, step);
        let past = wrapped(node);
        if let Some(inside) = inside {
            self.hide_at(inside, rest);
        }
        if let Some(past) = past {
            self.hide_at(past, steps);
        }
        if inside.is_none() && past.is_none() {
            self.hide(node);
        }
    }

    /// Hides what is true in `marks`, which has the form of the value, as in a JSON state.
    fn hide_like(&mut self, node: Node<'t>, marks: Node<'_>) {
        self.passed = self.passed.saturating_add(1);
        if self.is_spent() {
            return;
        }
        let past = wrapped(node);
        if let Some(past) = past {
            self.hide_like(past, marks);
        }
        match marks.kind() {
            Kind::Flag(false) => {}
            Kind::Object => {
                for (key, mark) in marks.members() {
                    match self.lookup(node, &Step::Key(key.into_owned())) {
                        Some(value) => self.hide_like(value, mark),
                        None if past.is_none() && says_something(mark) => self.hide(node),
                        None => {}
                    }
                }
            }
            Kind::List => {
                let mut elements = node.elements();
                for mark in marks.elements() {
                    match elements.next() {
                        Some(element) => self.hide_like(element, mark),
                        None if past.is_none() && says_something(mark) => self.hide(node),
                        None => {}
                    }
                }
            }
            Kind::Flag(true) | Kind::Null | Kind::Number | Kind::Text => self.hide(node),
        }
    }

    /// Hides what is secret by name, at any depth, except in the values with these numbers, which are in order.
    pub(super) fn hide_named(&mut self, node: Node<'t>, except: &[u32]) {
        match node.kind() {
            Kind::Object => {
                let pair = is_secret_pair(node);
                for (key, value) in node.entries() {
                    if except.binary_search(&value.slot()).is_ok() {
                        continue;
                    }
                    let secret = is_secret(&key) || (pair && is_of_pair(&key));
                    if secret && !matches!(value.kind(), Kind::Null | Kind::Flag(_)) {
                        self.hide(value);
                    } else {
                        self.hide_named(value, &[]);
                    }
                }
            }
            Kind::List => {
                for element in node.elements() {
                    self.hide_named(element, &[]);
                }
            }
            Kind::Text if embeds_secret(node, 0) => self.hide(node),
            _ => {}
        }
    }
}

/// Whether an object has a `name` or `key` that is secret.
fn is_secret_pair(node: Node<'_>) -> bool {
    let names = [r#""name""#, r#""key""#, r#""Name""#, r#""Key""#];
    node.spelled(&names)
        .any(|value| value.text().is_some_and(|name| is_secret(&name)))
}

fn is_of_pair(key: &str) -> bool {
    ["value", "values", "Value", "Values"].contains(&key)
}

/// Whether a text is JSON that holds something secret by name.
fn embeds_secret(node: Node<'_>, depth: usize) -> bool {
    let raw = node.raw();
    let begins = raw.bytes().skip(1).find(|byte| *byte != b' ');
    if !matches!(begins, Some(b'{' | b'[' | b'\\')) {
        return false;
    }
    // Letters that are spelled by number can make a name that is not seen here.
    if !has_stem(raw.as_bytes()) && !raw.contains("\\u") {
        return false;
    }
    let Some(text) = node
        .text()
        .filter(|text| text.trim_start().starts_with(['{', '[']))
    else {
        return false;
    };
    if depth >= EMBEDDED_MAX || parse::too_deep(text.as_bytes()).is_some() {
        return true;
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        return false;
    }
    let tape = Tape::read(text);
    names_secret(tape.root(), depth + 1)
}

fn names_secret(node: Node<'_>, depth: usize) -> bool {
    match node.kind() {
        Kind::Object => {
            let pair = is_secret_pair(node);
            node.entries().any(|(key, value)| {
                let secret = is_secret(&key) || (pair && is_of_pair(&key));
                (secret && !matches!(value.kind(), Kind::Null | Kind::Flag(_)))
                    || names_secret(value, depth)
            })
        }
        Kind::List => node.elements().any(|element| names_secret(element, depth)),
        Kind::Text => embeds_secret(node, depth),
        _ => false,
    }
}

/// Whether something is hidden by these marks.
fn says_something(marks: Node<'_>) -> bool {
    match marks.kind() {
        Kind::Flag(false) => false,
        Kind::Object => marks
            .members()
            .iter()
            .any(|(_, mark)| says_something(*mark)),
        Kind::List => marks.elements().any(says_something),
        _ => true,
    }
}

/// The steps of one mark: a list of `{"type": "get_attr" or "index", "value": …}`, or a text such as `a.b[0]`. `None` when it is
/// anything else.
fn steps(mark: Node<'_>) -> Option<Vec<Step>> {
    if let Some(text) = mark.text() {
        let path: Path = text.parse().ok()?;
        return Some(path.steps().to_vec());
    }
    if mark.kind() != Kind::List {
        return None;
    }
    let mut steps = Vec::new();
    for step in mark.elements() {
        let value = step.get("value")?;
        let kind = step.get("type")?.text()?;
        let step = match &*kind {
            "get_attr" => Step::Key(value.text()?.into_owned()),
            "index" => match index(value) {
                Some(step) => step,
                // An element of a set or another key that no value goes by: what it lies in is hidden.
                None => break,
            },
            _ => return None,
        };
        steps.push(step);
        if steps.len() > DEPTH_MAX {
            return None;
        }
    }
    Some(steps)
}

/// A key of a list or map: a number or text, alone or as `{"value": …, "type": …}`.
fn index(value: Node<'_>) -> Option<Step> {
    let value = value.get("value").unwrap_or(value);
    match value.kind() {
        Kind::Text => Some(Step::Key(value.text()?.into_owned())),
        Kind::Number => Some(Step::Index(value.raw().parse().ok()?)),
        _ => None,
    }
}
