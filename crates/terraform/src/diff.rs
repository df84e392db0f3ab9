//! Two states compared.
//!
//! [`diff`] says what another state has more, less and otherwise: outputs, resource instances by address (deposed objects by
//! their key as well), and of a changed instance each attribute with what it was and is. The comparison is of meaning, not of
//! text: the order of keys, blanks, and the spelling of numbers and texts do not count. Lists are compared place by place, and a
//! set is a list in a state, in terraform's own order: a new first element of a set shows as a change of every place behind it.
//!
//! An instance **moved** when its address is gone, a new one is there, and exactly one instance on each side, among those without a
//! counterpart, has the same type, provider and `id` (a text, not empty, not sensitive).
//!
//! What is sensitive on either side is shown on neither. That a hidden value changed may be told.
//!
//! The answer is bounded by [`Limits`]: everything is counted in [`Totals`], and what is not listed is counted in what was left out.

mod change;
mod pair;

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::address::Mode;
use crate::content::{Content, Instance, Output, ShownState, View};
use crate::json::{same, shortened};

use change::same_text;
pub use change::{Became, Change, Diff, Facts, Header, OutputChange, ResourceChange, Totals};
pub use pair::{AttributeChange, Attributes};
pub(crate) use pair::{Room, compare};

/// Longest address or path that is listed in full, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// How much is listed. What is beyond is counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Instances and outputs, each.
    pub entries: usize,
    /// Attributes of one instance.
    pub attributes_each: usize,
    /// Attributes of all.
    pub attributes: usize,
    /// Bytes of one value, on each side.
    pub value_bytes: usize,
}

impl Default for Limits {
    /// As much as a page shows: at most some 10 MB, and well below 1 MB for states that real changes lead to.
    fn default() -> Limits {
        Limits {
            entries: 1000,
            attributes_each: 200,
            attributes: 5000,
            value_bytes: 1024,
        }
    }
}

/// One side: a state, and the JSON state that came with it, if one did.
#[derive(Clone, Copy, Debug)]
pub struct Side<'s> {
    /// The state.
    pub content: &'s Content<'s>,
    /// What else is said of its sensitive values.
    pub shown: Option<&'s ShownState<'s>>,
}

impl<'s> Side<'s> {
    /// A state alone.
    pub fn of(content: &'s Content<'s>) -> Side<'s> {
        Side {
            content,
            shown: None,
        }
    }

    pub(crate) fn view(&self, instance: &Instance<'s>) -> View<'s> {
        View::of(instance, self.shown)
    }
}

/// Compares two states.
pub fn diff(before: Side<'_>, after: Side<'_>, limits: Limits) -> Diff {
    let mut totals = Totals::default();
    let (outputs, outputs_left_out) = diff_outputs(before, after, limits, &mut totals);
    let mut resources = Listing::new(limits);
    for pair in pairs(before, after) {
        resources.take(before, after, &pair, &mut totals);
    }
    Diff {
        header: header(before.content, after.content),
        totals,
        outputs,
        resources: resources.entries,
        outputs_left_out,
        resources_left_out: resources.left_out,
    }
}

pub(crate) fn header(before: &Content<'_>, after: &Content<'_>) -> Header {
    let (before, after) = (before.summary(), after.summary());
    Header {
        serial: Became::of(before.serial, after.serial),
        lineage: Became::of(before.lineage.clone(), after.lineage.clone()),
        terraform_version: Became::of(
            before.terraform_version.clone(),
            after.terraform_version.clone(),
        ),
    }
}

/// An instance that both sides have or one of them, in the order of addresses.
pub(crate) struct Pair<'p, 'a> {
    pub(crate) before: Option<&'p Instance<'a>>,
    pub(crate) after: Option<&'p Instance<'a>>,
}

/// Goes through two ordered lists at once.
fn zip_by<'p, T>(
    before: &'p [T],
    after: &'p [T],
    place: impl Fn(&T, &T) -> Ordering,
    mut see: impl FnMut(Option<&'p T>, Option<&'p T>),
) {
    let (mut left, mut right) = (before.iter().peekable(), after.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => see(left.next(), None),
            (None, Some(_)) => see(None, right.next()),
            (Some(a), Some(b)) => match place(a, b) {
                Ordering::Less => see(left.next(), None),
                Ordering::Greater => see(None, right.next()),
                Ordering::Equal => see(left.next(), right.next()),
            },
        }
    }
}

/// What differs or may: the same object with another text, one side's alone, and moved ones as one pair.
pub(crate) fn pairs<'p>(before: Side<'p>, after: Side<'p>) -> Vec<Pair<'p, 'p>> {
    let mut pairs = Vec::new();
    let place = |a: &Instance<'_>, b: &Instance<'_>| a.place(b);
    zip_by(
        before.content.instances(),
        after.content.instances(),
        place,
        |a, b| {
            let same = a.zip(b).is_some_and(|(a, b)| a.has_text_of(b));
            if !same {
                pairs.push(Pair {
                    before: a,
                    after: b,
                });
            }
        },
    );
    join_moved(&mut pairs, before, after);
    pairs
}

/// What a moved instance is known by.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    kind: String,
    source: String,
    id: String,
}

/// Candidates with one identity: how many on each side, and where the last one is.
#[derive(Default)]
struct Candidates {
    removed: (usize, usize),
    added: (usize, usize),
}

/// Makes one pair of a removed and an added instance that are one and the same.
fn join_moved(pairs: &mut Vec<Pair<'_, '_>>, before: Side<'_>, after: Side<'_>) {
    let removed = pairs.iter().any(|pair| pair.after.is_none());
    let added = pairs.iter().any(|pair| pair.before.is_none());
    if !(removed && added) {
        return;
    }
    let mut found: HashMap<Identity, Candidates> = HashMap::new();
    for (index, pair) in pairs.iter().enumerate() {
        let (instance, shown, is_removed) = match (pair.before, pair.after) {
            (Some(instance), None) => (instance, before.shown, true),
            (None, Some(instance)) => (instance, after.shown, false),
            _ => continue,
        };
        let Some(identity) = identity(instance, shown) else {
            continue;
        };
        let candidates = found.entry(identity).or_default();
        let side = if is_removed {
            &mut candidates.removed
        } else {
            &mut candidates.added
        };
        *side = (side.0 + 1, index);
    }
    let mut gone = vec![false; pairs.len()];
    for candidates in found.into_values() {
        let ((1, from), (1, to)) = (candidates.removed, candidates.added) else {
            continue;
        };
        let instance = pairs.get(from).and_then(|pair| pair.before);
        if let (Some(pair), Some(gone)) = (pairs.get_mut(to), gone.get_mut(from)) {
            pair.before = instance;
            *gone = true;
        }
    }
    let mut gone = gone.into_iter();
    pairs.retain(|_| !gone.next().unwrap_or(false));
}

fn identity(instance: &Instance<'_>, shown: Option<&ShownState<'_>>) -> Option<Identity> {
    Some(Identity {
        id: id_of(instance, shown)?,
        kind: instance.kind().to_owned(),
        source: instance.provider().source,
    })
}

/// The `id` by which a managed, current instance is known from others of its type: a text, neither empty nor sensitive.
pub(crate) fn id_of(instance: &Instance<'_>, shown: Option<&ShownState<'_>>) -> Option<String> {
    if instance.deposed().is_some() || instance.mode() == Mode::Data {
        return None;
    }
    id_in(&View::of_id(instance, shown))
}

/// The `id` in a view.
pub(crate) fn id_in(view: &View<'_>) -> Option<String> {
    let root = view.root();
    let id = root
        .get("id")
        .filter(|id| view.shows(root) && view.shows(*id))?;
    let id = id.text()?;
    // A text that holds JSON may hold a secret, which only the whole view knows.
    if id.is_empty() || id.starts_with(['{', '[', ' ']) {
        return None;
    }
    Some(id.into_owned())
}

/// Compares the attributes of two instances. What is hidden is looked for only where something differs.
pub(crate) fn compare_instances<'s>(
    before: (Side<'s>, &Instance<'s>),
    after: (Side<'s>, &Instance<'s>),
    room: Room,
) -> Attributes {
    if before.1.attributes() == after.1.attributes() {
        return Attributes::default();
    }
    match View::of_differing((before.1, before.0.shown), (after.1, after.0.shown)) {
        Some((old, new)) => compare(&old, &new, room),
        None => Attributes::default(),
    }
}

/// The list of instances that differ, while there is room.
struct Listing {
    limits: Limits,
    attributes_left: usize,
    entries: Vec<ResourceChange>,
    left_out: u64,
}

impl Listing {
    fn new(limits: Limits) -> Listing {
        Listing {
            limits,
            attributes_left: limits.attributes,
            entries: Vec::new(),
            left_out: 0,
        }
    }

    fn take<'s>(
        &mut self,
        before: Side<'s>,
        after: Side<'s>,
        pair: &Pair<'_, 's>,
        totals: &mut Totals,
    ) {
        let full = self.entries.len() >= self.limits.entries;
        let room = Room {
            attributes: if full {
                0
            } else {
                self.attributes_left.min(self.limits.attributes_each)
            },
            value_bytes: self.limits.value_bytes,
        };
        let (instance, change, facts, attributes) = match (pair.before, pair.after) {
            (Some(instance), None) => (
                instance,
                Change::Removed,
                Facts::default(),
                Attributes::default(),
            ),
            (None, Some(instance)) => (
                instance,
                Change::Added,
                Facts::default(),
                Attributes::default(),
            ),
            (Some(old), Some(new)) => {
                let facts = Facts::between(&old.aside(), &new.aside());
                let moved = old.place(new) != Ordering::Equal;
                let attributes = compare_instances((before, old), (after, new), room);
                if !moved && facts.is_empty() && attributes.is_empty() {
                    return;
                }
                let change = if moved {
                    Change::Moved
                } else {
                    Change::Changed
                };
                (new, change, facts, attributes)
            }
            (None, None) => return,
        };
        match change {
            Change::Added => totals.added += 1,
            Change::Removed => totals.removed += 1,
            Change::Changed => totals.changed += 1,
            Change::Moved => totals.moved += 1,
        }
        totals.attributes += attributes.listed.len() as u64 + attributes.left_out;
        if full {
            self.left_out += 1;
            return;
        }
        self.attributes_left -= attributes.listed.len().min(self.attributes_left);
        let from = pair.before.filter(|_| change == Change::Moved);
        self.entries.push(ResourceChange {
            address: shortened(&instance.address(), NAME_BYTES_MAX),
            mode: instance.mode(),
            kind: shortened(instance.kind(), NAME_BYTES_MAX),
            name: shortened(instance.name(), NAME_BYTES_MAX),
            module: shortened(instance.module(), NAME_BYTES_MAX),
            deposed: instance.deposed().map(|key| shortened(key, NAME_BYTES_MAX)),
            change,
            moved_from: from.map(|old| shortened(&old.address(), NAME_BYTES_MAX)),
            facts,
            attributes: attributes.listed,
            attributes_left_out: attributes.left_out,
        });
    }
}

pub(crate) fn diff_outputs(
    before: Side<'_>,
    after: Side<'_>,
    limits: Limits,
    totals: &mut Totals,
) -> (Vec<OutputChange>, u64) {
    let (mut listed, mut left_out) = (Vec::new(), 0);
    let place = |a: &Output<'_>, b: &Output<'_>| a.name().cmp(b.name());
    zip_by(
        before.content.outputs(),
        after.content.outputs(),
        place,
        |a, b| {
            let old = a.map(|output| output.view(before.shown));
            let new = b.map(|output| output.view(after.shown));
            let change = match (a.zip(old.as_ref()), b.zip(new.as_ref())) {
                (Some((a, old)), Some((b, new))) => {
                    if same(old.root(), new.root()) && !differs_beside(a, b) {
                        return;
                    }
                    totals.outputs_changed += 1;
                    Change::Changed
                }
                (Some(_), None) => {
                    totals.outputs_removed += 1;
                    Change::Removed
                }
                _ => {
                    totals.outputs_added += 1;
                    Change::Added
                }
            };
            if listed.len() >= limits.entries {
                left_out += 1;
                return;
            }
            let (shown_before, shown_after) =
                pair::show_both(old.as_ref(), new.as_ref(), limits.value_bytes);
            let name = a.or(b).map_or("", |output| output.name());
            listed.push(OutputChange {
                name: shortened(name, NAME_BYTES_MAX),
                change,
                before: shown_before,
                after: shown_after,
                sensitive: a
                    .zip(b)
                    .and_then(|(a, b)| Became::of(a.is_sensitive(), b.is_sensitive())),
                type_changed: a.zip(b).is_some_and(|(a, b)| types_differ(a, b)),
            });
        },
    );
    (listed, left_out)
}

fn differs_beside(a: &Output<'_>, b: &Output<'_>) -> bool {
    a.is_sensitive() != b.is_sensitive() || types_differ(a, b)
}

fn types_differ(a: &Output<'_>, b: &Output<'_>) -> bool {
    !same_text(a.type_text(), b.type_text())
}

#[cfg(test)]
mod tests;
