//! A value with what is sensitive hidden.
//!
//! A [`View`] is the only way from the content of a state to anything that is shown. What is sensitive is found from four sources,
//! whose union counts: the marks beside the attributes (`sensitive_attributes`), the JSON state that may come with the raw one
//! ([`ShownState`]), names ([`super::secret`]), and what terraform is known to repeat without a mark (`output` of
//! `terraform_data` repeats `input`). What cannot be read, or leads to where nothing is, hides more, up to the whole.
//!
//! A hidden value is shown as [`SENSITIVE`]: not its length, not its kind, not whether it is empty. Two hidden values are compared, and
//! whether they differ may be told.

use serde::Serialize;

use super::secret::{has_stem, is_carried, is_secret};
use super::shown::Marks;
use super::{Instance, Output, ShownState};
use crate::address::{Path, Step, push_index, push_key};
use crate::json::{Kind, Node, Short, Tape};
use crate::state::{DEPTH_MAX, parse};

/// What stands for a hidden value.
pub const SENSITIVE: &str = "(sensitive)";

/// Most values that are passed while the marks of one instance are followed. Real marks lead to a few dozen places and pass some
/// thousands; beyond this they were made to cost time, and the whole instance is hidden.
const PASSED_MAX: u32 = 20_000_000;

/// How deep JSON texts in JSON texts are looked into; a text further in is hidden.
const EMBEDDED_MAX: usize = 3;

/// A value, and what in it is hidden.
#[derive(Clone, Debug)]
pub struct View<'a> {
    tape: Tape<'a>,
    /// Numbers of the hidden values, in order.
    hidden: Vec<u32>,
}

/// A value as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    /// What it is.
    pub kind: ShownKind,
    /// A text as it is, anything else as JSON without blanks, [`SENSITIVE`] in place of what is hidden.
    pub text: String,
    /// How many bytes of it are left out of `text`.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out_bytes: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a shown value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShownKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, as it is spelled.
    Number,
    /// A text.
    String,
    /// A list, set or tuple.
    List,
    /// A map or object.
    Object,
    /// Hidden.
    Sensitive,
}

impl Shown {
    /// What stands for a hidden value.
    pub(crate) fn sensitive() -> Shown {
        Shown {
            kind: ShownKind::Sensitive,
            text: SENSITIVE.to_owned(),
            left_out_bytes: 0,
        }
    }
}

impl<'a> View<'a> {
    /// The attributes of an instance. `shown` is the JSON state of the same version, where there is one.
    pub fn of(instance: &Instance<'a>, shown: Option<&ShownState<'_>>) -> View<'a> {
        let tape = Tape::read(instance.attributes());
        let mut masking = Masking::new(tape.root());
        let repeats = instance.kind() == "terraform_data";
        if let Some(marks) = instance.marks() {
            masking.hide_marked(marks, repeats);
        }
        match shown.and_then(|shown| shown.marks(instance)) {
            None => {}
            Some(Marks::Contradictory) => masking.hide(tape.root()),
            Some(Marks::Like(marks)) => {
                masking.hide_like(tape.root(), marks);
                let repeated = tape.root().get("output").zip(marks.get("input"));
                if let Some((output, marks)) = repeated.filter(|_| repeats) {
                    masking.hide_like(output, marks);
                }
            }
        }
        for (name, value) in tape.root().entries() {
            if is_carried(instance.kind(), &name) {
                masking.hide(value);
            }
        }
        masking.hide_named(tape.root());
        let hidden = masking.finish();
        View { tape, hidden }
    }

    pub(super) fn of_output(output: &'a Output<'_>, shown: Option<&ShownState<'_>>) -> View<'a> {
        let tape = Tape::read(output.value());
        let mut masking = Masking::new(tape.root());
        let elsewhere = shown.is_some_and(|shown| shown.hides_output(output.name()));
        if output.is_sensitive() || elsewhere || is_secret(output.name()) {
            masking.hide(tape.root());
        }
        masking.hide_named(tape.root());
        let hidden = masking.finish();
        View { tape, hidden }
    }

    /// A text that holds nothing sensitive.
    pub(crate) fn plain(text: &'a str) -> View<'a> {
        View {
            tape: Tape::read(text),
            hidden: Vec::new(),
        }
    }

    /// The same with a text of its own.
    pub(crate) fn into_owned(self) -> View<'static> {
        View {
            tape: self.tape.into_owned(),
            hidden: self.hidden,
        }
    }

    /// Whether this is the text behind it.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.tape.is_text(text)
    }

    pub(crate) fn root(&self) -> Node<'_> {
        self.tape.root()
    }

    /// Whether the value itself is not hidden. What a hidden value holds must not be asked for.
    pub(crate) fn shows(&self, node: Node<'_>) -> bool {
        self.hidden.binary_search(&node.slot()).is_err()
    }

    /// Whether the value or one in it is hidden.
    pub(crate) fn hides_in(&self, node: Node<'_>) -> bool {
        let first = self.hidden.partition_point(|slot| *slot < node.slot());
        self.hidden.get(first).is_some_and(|slot| *slot < node.next())
    }

    /// The value at a path, and whether it is hidden, itself or with what it lies in.
    pub(crate) fn find(&self, path: &Path) -> Option<(Node<'_>, bool)> {
        let mut node = self.root();
        let mut hidden = !self.shows(node);
        for step in path.steps() {
            node = into(node, step)?;
            hidden |= !self.shows(node);
        }
        Some((node, hidden))
    }

    /// The whole value, at most `bytes_max` bytes of it.
    pub fn whole(&self, bytes_max: usize) -> Shown {
        self.show(self.root(), bytes_max)
    }

    /// The value at a path, at most `bytes_max` bytes of it.
    pub fn at(&self, path: &Path, bytes_max: usize) -> Option<Shown> {
        let (node, hidden) = self.find(path)?;
        if hidden {
            return Some(Shown::sensitive());
        }
        Some(self.show(node, bytes_max))
    }

    /// The attributes by name, at most `bytes_max` bytes of each, and how many are left out.
    pub fn attributes(&self, attributes_max: usize, bytes_max: usize) -> (Vec<(String, Shown)>, u64) {
        if !self.shows(self.root()) {
            return (vec![(String::new(), Shown::sensitive())], 0);
        }
        let members = self.root().members();
        let left_out = members.len().saturating_sub(attributes_max) as u64;
        let shown = members.into_iter().take(attributes_max);
        let shown = shown.map(|(name, node)| (name.into_owned(), self.show(node, bytes_max)));
        (shown.collect(), left_out)
    }

    /// A value that does not lie in a hidden one.
    pub(crate) fn show(&self, node: Node<'_>, bytes_max: usize) -> Shown {
        if !self.shows(node) {
            return Shown::sensitive();
        }
        let mut short = Short::new(bytes_max);
        let kind = match node.kind() {
            Kind::Null => ShownKind::Null,
            Kind::Flag(_) => ShownKind::Bool,
            Kind::Number => ShownKind::Number,
            Kind::Text => ShownKind::String,
            Kind::List => ShownKind::List,
            Kind::Object => ShownKind::Object,
        };
        match node.text() {
            Some(text) => short.push(&text),
            None => self.write(node, &mut short),
        }
        let (text, left_out_bytes) = short.finish();
        Shown {
            kind,
            text,
            left_out_bytes,
        }
    }

    fn write(&self, node: Node<'_>, out: &mut Short) {
        if !self.shows(node) {
            out.push("\"(sensitive)\"");
            return;
        }
        match node.kind() {
            Kind::List => {
                out.push("[");
                for (index, element) in node.elements().enumerate() {
                    if index > 0 {
                        out.push(",");
                    }
                    self.write(element, out);
                }
                out.push("]");
            }
            Kind::Object => {
                out.push("{");
                for (index, (key, value)) in node.members().into_iter().enumerate() {
                    if index > 0 {
                        out.push(",");
                    }
                    out.push(&serde_json::to_string(&key).unwrap_or_default());
                    out.push(":");
                    self.write(value, out);
                }
                out.push("}");
            }
            _ => out.push(node.raw()),
        }
    }

    /// Tells `see` each value that holds no others, or is hidden, with its path.
    pub(crate) fn leaves<'v>(&'v self, see: &mut dyn FnMut(&str, Node<'v>)) {
        self.leaves_in(self.root(), &mut String::new(), see);
    }

    fn leaves_in<'v>(&'v self, node: Node<'v>, path: &mut String, see: &mut dyn FnMut(&str, Node<'v>)) {
        let length = path.len();
        if !self.shows(node) {
            return see(path, node);
        }
        let mut empty = true;
        for (index, element) in (0..).zip(node.elements()) {
            push_index(path, index);
            self.leaves_in(element, path, see);
            path.truncate(length);
            empty = false;
        }
        if node.kind() == Kind::Object {
            for (key, value) in node.members() {
                push_key(path, &key);
                self.leaves_in(value, path, see);
                path.truncate(length);
                empty = false;
            }
        }
        if empty {
            see(path, node);
        }
    }
}

fn into<'t>(node: Node<'t>, step: &Step) -> Option<Node<'t>> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.at(*index),
    }
}

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
struct Masking<'t> {
    root: Node<'t>,
    hidden: Vec<u32>,
    passed: u32,
}

impl<'t> Masking<'t> {
    fn new(root: Node<'t>) -> Masking<'t> {
        Masking {
            root,
            hidden: Vec::new(),
            passed: 0,
        }
    }

    fn finish(mut self) -> Vec<u32> {
        if self.is_spent() {
            return vec![self.root.slot()];
        }
        self.hidden.sort_unstable();
        self.hidden.dedup();
        self.hidden
    }

    fn hide(&mut self, node: Node<'t>) {
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
                self.passed = self.passed.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
            }
        }
        self.passed = self.passed.saturating_add(1);
        found.filter(|_| !self.is_spent())
    }

    fn is_spent(&self) -> bool {
        self.passed > PASSED_MAX
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

    /// Hides what is secret by name, at any depth.
    fn hide_named(&mut self, node: Node<'t>) {
        match node.kind() {
            Kind::Object => {
                let pair = is_secret_pair(node);
                for (key, value) in node.entries() {
                    let secret = is_secret(&key) || (pair && is_of_pair(&key));
                    if secret && !matches!(value.kind(), Kind::Null | Kind::Flag(_)) {
                        self.hide(value);
                    } else {
                        self.hide_named(value);
                    }
                }
            }
            Kind::List => {
                for element in node.elements() {
                    self.hide_named(element);
                }
            }
            Kind::Text if embeds_secret(node, 0) => self.hide(node),
            _ => {}
        }
    }
}

/// Whether an object has a `name` or `key` that is secret.
fn is_secret_pair(node: Node<'_>) -> bool {
    node.entries().any(|(key, value)| {
        key.len() <= 4
            && ["name", "key", "Name", "Key"].contains(&&*key)
            && value.text().is_some_and(|name| is_secret(&name))
    })
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
    let Some(text) = node.text().filter(|text| text.trim_start().starts_with(['{', '['])) else {
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
        Kind::Object => marks.members().iter().any(|(_, mark)| says_something(*mark)),
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
