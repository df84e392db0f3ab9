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

use super::mask::Masking;
use super::secret::{is_carried, is_secret};
use super::{Instance, Output, ShownState};
use crate::address::{Path, Step, push_index, push_key};
use crate::json::{Kind, Node, Short, Tape, same};

/// What stands for a hidden value.
pub const SENSITIVE: &str = "(sensitive)";

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
        View::except(Tape::read(instance.attributes()), instance, shown, &[])
    }

    /// The attributes of two instances to be compared; `None` when they mean the same. Of what is the same on both sides nobody will
    /// ask, so that its names are not looked at, which is most of the work.
    pub(crate) fn of_differing(
        before: (&Instance<'a>, Option<&ShownState<'_>>),
        after: (&Instance<'a>, Option<&ShownState<'_>>),
    ) -> Option<(View<'a>, View<'a>)> {
        let old = Tape::read(before.0.attributes());
        let new = Tape::read(after.0.attributes());
        let (left, right) = (old.root().members(), new.root().members());
        let (mut same_old, mut same_new) = (Vec::new(), Vec::new());
        let mut rest = right.iter().peekable();
        for (key, value) in &left {
            while rest.next_if(|(other, _)| other < key).is_some() {}
            if let Some((_, other)) = rest.next_if(|(other, _)| other == key)
                && same(*value, *other)
            {
                same_old.push(value.slot());
                same_new.push(other.slot());
            }
        }
        let all = same_old.len() == left.len() && same_new.len() == right.len();
        if all && old.root().kind() == new.root().kind() {
            return None;
        }
        same_old.sort_unstable();
        same_new.sort_unstable();
        Some((
            View::except(old, before.0, before.1, &same_old),
            View::except(new, after.0, after.1, &same_new),
        ))
    }

    /// A view in which names are not looked at in these attributes.
    fn except(
        tape: Tape<'a>,
        instance: &Instance<'_>,
        shown: Option<&ShownState<'_>>,
        except: &[u32],
    ) -> View<'a> {
        let mut masking = Masking::new(tape.root());
        masking.hide_said(instance, shown);
        for (name, value) in tape.root().entries() {
            if is_carried(instance.kind(), &name) {
                masking.hide(value);
            }
        }
        masking.hide_named(tape.root(), except);
        let hidden = masking.finish();
        View { tape, hidden }
    }

    /// The same for who asks only for the `id`, which is no secret's name.
    pub(crate) fn of_id(instance: &Instance<'a>, shown: Option<&ShownState<'_>>) -> View<'a> {
        let tape = Tape::read(instance.attributes());
        let mut masking = Masking::new(tape.root());
        masking.hide_said(instance, shown);
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
        masking.hide_named(tape.root(), &[]);
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
        self.hidden
            .get(first)
            .is_some_and(|slot| *slot < node.next())
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
    pub fn attributes(
        &self,
        attributes_max: usize,
        bytes_max: usize,
    ) -> (Vec<(String, Shown)>, u64) {
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

    fn leaves_in<'v>(
        &'v self,
        node: Node<'v>,
        path: &mut String,
        see: &mut dyn FnMut(&str, Node<'v>),
    ) {
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

pub(super) fn into<'t>(node: Node<'t>, step: &Step) -> Option<Node<'t>> {
    match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.at(*index),
    }
}
