//! The attributes of two views compared.
//!
//! Objects are compared key by key, lists place by place, and each difference is told at the innermost place that both have: a
//! whole object that is new is one change, not one for each of its members. Nothing below a place that is hidden on either
//! side is told apart: there, it changed or it did not.

use serde::Serialize;

use super::{Change, NAME_BYTES_MAX};
use crate::address::{push_index, push_key};
use crate::content::{Shown, View};
use crate::json::{Kind, Node, same, shortened};

/// An attribute that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttributeChange {
    /// Where it is: `ingress[0].cidr_blocks`, in the form that [`Path`](crate::address::Path) reads.
    pub path: String,
    /// What happened: added, removed or changed.
    pub change: Change,
    /// On the first side, where it has it.
    pub before: Option<Shown>,
    /// On the second side, where it has it.
    pub after: Option<Shown>,
}

/// How much is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Attributes.
    pub(crate) attributes: usize,
    /// Bytes of one value.
    pub(crate) value_bytes: usize,
}

/// Attributes that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// In the order of their names and places.
    pub listed: Vec<AttributeChange>,
    /// How many are not listed.
    pub left_out: u64,
}

impl Attributes {
    /// Whether no attribute differs.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.left_out == 0
    }
}

/// Compares two views.
pub(crate) fn compare(before: &View<'_>, after: &View<'_>, room: Room) -> Attributes {
    let mut walk = Walk {
        before,
        after,
        room,
        path: String::new(),
        found: Attributes::default(),
    };
    walk.node(before.root(), after.root());
    walk.found
}

/// Both values, hidden in part where only a part is and hidden whole where the other side hides what this one shows.
pub(super) fn show_both(
    before: Option<&View<'_>>,
    after: Option<&View<'_>>,
    value_bytes: usize,
) -> (Option<Shown>, Option<Shown>) {
    let both = before.zip(after);
    let alike = both.is_none_or(|(a, b)| hidden_alike((a, a.root()), (b, b.root())));
    let show = |view: &View<'_>| {
        if alike {
            view.whole(value_bytes)
        } else {
            Shown::sensitive()
        }
    };
    (before.map(show), after.map(show))
}

/// Whether nothing is hidden in either of two values of different form, or they are hidden as a whole. Where a part of one is
/// hidden, the same secret may stand in the other where no mark leads.
fn hidden_alike(a: (&View<'_>, Node<'_>), b: (&View<'_>, Node<'_>)) -> bool {
    !a.0.hides_in(a.1) && !b.0.hides_in(b.1)
}

struct Walk<'w> {
    before: &'w View<'w>,
    after: &'w View<'w>,
    room: Room,
    path: String,
    found: Attributes,
}

impl<'w> Walk<'w> {
    fn node(&mut self, a: Node<'w>, b: Node<'w>) {
        if !self.before.shows(a) || !self.after.shows(b) {
            if !same(a, b) {
                self.tell(Some(a), Some(b), true);
            }
            return;
        }
        match (a.kind(), b.kind()) {
            (Kind::Object, Kind::Object) => self.object(a, b),
            (Kind::List, Kind::List) => self.list(a, b),
            _ if same(a, b) => {}
            _ => {
                let alike = hidden_alike((self.before, a), (self.after, b));
                self.tell(Some(a), Some(b), !alike);
            }
        }
    }

    fn object(&mut self, a: Node<'w>, b: Node<'w>) {
        let length = self.path.len();
        let (left, right) = (a.members(), b.members());
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let old = if order.is_le() { left.next() } else { None };
            let new = if order.is_ge() { right.next() } else { None };
            if let Some((key, _)) = old.as_ref().or(new.as_ref()) {
                push_key(&mut self.path, key);
            }
            match (old, new) {
                (Some((_, old)), Some((_, new))) => self.node(old, new),
                (old, new) => self.tell(old.map(|it| it.1), new.map(|it| it.1), false),
            }
            self.path.truncate(length);
        }
    }

    fn list(&mut self, a: Node<'w>, b: Node<'w>) {
        let length = self.path.len();
        // An element that one side hides may stand at another place of the other, where no mark leads any more.
        let shifted = self.before.hides_in(a) != self.after.hides_in(b);
        let (mut left, mut right) = (a.elements(), b.elements());
        for index in 0.. {
            push_index(&mut self.path, index);
            match (left.next(), right.next()) {
                (None, None) => break,
                (Some(old), Some(new)) if !shifted => self.node(old, new),
                (Some(old), Some(new)) if same(old, new) => {}
                (old, new) => self.tell(old, new, shifted),
            }
            self.path.truncate(length);
        }
        self.path.truncate(length);
    }

    fn tell(&mut self, old: Option<Node<'w>>, new: Option<Node<'w>>, hidden: bool) {
        if self.found.listed.len() >= self.room.attributes {
            self.found.left_out += 1;
            return;
        }
        let bytes = self.room.value_bytes;
        let show = |view: &View<'_>, node: Node<'_>| {
            if hidden {
                Shown::sensitive()
            } else {
                view.show(node, bytes)
            }
        };
        self.found.listed.push(AttributeChange {
            path: shortened(&self.path, NAME_BYTES_MAX),
            change: match (old, new) {
                (None, _) => Change::Added,
                (_, None) => Change::Removed,
                _ => Change::Changed,
            },
            before: old.map(|node| show(self.before, node)),
            after: new.map(|node| show(self.after, node)),
        });
    }
}
