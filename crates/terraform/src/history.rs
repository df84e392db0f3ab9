//! What became of one resource, or one of its attributes, over the versions of a state.
//!
//! [`History`] and [`Blame`] are folds: they are shown the versions one by one, **from the oldest to the newest**, keep of them only
//! the instance they follow, and answer at the end. `History` answers with the points at which the subject appeared, changed, moved or
//! vanished; `Blame` with every attribute that the newest version has, and the version that last changed it.
//!
//! The instance is followed by address. When its address is gone, it **moved** if exactly one instance of the new version has its type,
//! provider and `id`, and no other had in the version before; a person's words for it then lead to the new address. When its address is
//! there, it is that instance, whatever its `id`. A fold looks forward only: whoever asks by an address of today learns from [`History::appeared`]
//! where it came up, from [`origin`] where it was before that, and asks again by that address.
//!
//! What is sensitive in any version is hidden in all of them, also in those that were written before anybody said so: the secret of
//! then may be the secret of today. Versions that cannot be read are counted and passed over; what happened in one shows in the next.

mod follow;

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use crate::address::Subject;
use crate::content::Shown;
use crate::diff::{AttributeChange, Change, Facts, NAME_BYTES_MAX, Room, Side, compare};
use crate::json::{same, shortened};
pub use follow::origin;
use follow::{Follow, Hidden, Kept, Seen};

/// Most points that are kept: the newest.
pub const POINTS_MAX: usize = 1000;

/// Most attributes listed at one point.
pub const ATTRIBUTES_EACH_MAX: usize = 100;

/// Most attributes listed at all points; the oldest points give way.
pub const ATTRIBUTES_MAX: usize = 5000;

/// Most attributes in the answer of a [`Blame`].
pub const LINES_MAX: usize = 10_000;

/// Most bytes of one value.
pub const VALUE_BYTES_MAX: usize = 1024;

/// What happened at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The version is the first that has it, or the first again.
    Appeared,
    /// It is otherwise.
    Changed,
    /// The instance is at another address, and possibly otherwise.
    Moved,
    /// The version does not have it any more.
    Vanished,
}

/// A version at which something happened to the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// The version, as the caller numbers them.
    pub version: u64,
    /// What happened.
    pub event: Event,
    /// The address; of an instance that vanished, the last one.
    pub address: String,
    /// Where it was, if it moved.
    pub moved_from: Option<String>,
    /// What is otherwise beside the attributes. Empty for an attribute.
    pub facts: Facts,
    /// Attributes that are otherwise; of an attribute, itself.
    pub attributes: Vec<AttributeChange>,
    /// Attributes that are not listed.
    pub attributes_left_out: u64,
}

/// The answer of a [`History`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Told {
    /// From the oldest to the newest.
    pub points: Vec<Point>,
    /// Older points that are not kept.
    pub left_out: u64,
    /// Versions that were looked at.
    pub versions: u64,
    /// Versions that could not be read.
    pub unread: u64,
    /// Where the instance is in the newest version that was looked at.
    pub address: Option<String>,
}

/// Follows a resource or attribute from version to version.
#[derive(Debug)]
pub struct History {
    subject: Subject,
    follow: Follow,
    hidden: Hidden,
    points: VecDeque<Point>,
    attributes: usize,
    left_out: u64,
    versions: u64,
    unread: u64,
}

impl History {
    /// Before the oldest version.
    pub fn of(subject: Subject) -> History {
        History {
            follow: Follow::new(subject.address()),
            hidden: Hidden::default(),
            points: VecDeque::new(),
            attributes: 0,
            left_out: 0,
            versions: 0,
            unread: 0,
            subject,
        }
    }

    /// Looks at the next newer version.
    pub fn see(&mut self, version: u64, side: Side<'_>) {
        self.versions += 1;
        let (before, now) = self.follow.see(version, side);
        if let Some(kept) = now {
            self.hidden.learn(&kept.view);
        }
        let Some(point) = point(&self.subject, version, before.as_ref(), now) else {
            return;
        };
        self.attributes += point.attributes.len();
        self.points.push_back(point);
        while self.points.len() > POINTS_MAX
            || (self.attributes > ATTRIBUTES_MAX && self.points.len() > 1)
        {
            let oldest = self.points.pop_front();
            self.attributes -= oldest.map_or(0, |oldest| oldest.attributes.len());
            self.left_out += 1;
        }
    }

    /// The version in which the instance appeared, if a version before that had nothing at its address.
    pub fn appeared(&self) -> Option<u64> {
        self.follow.appeared()
    }

    /// The last address that the instance was at, or that it is looked for at.
    pub fn place(&self) -> &str {
        self.follow.place()
    }

    /// Passes over a version that cannot be read.
    pub fn pass_over(&mut self) {
        self.unread += 1;
    }

    /// What was seen.
    pub fn tell(self) -> Told {
        let mut points = Vec::from(self.points);
        for change in points.iter_mut().flat_map(|point| &mut point.attributes) {
            if self.hidden.covers(&change.path) {
                for shown in [&mut change.before, &mut change.after]
                    .into_iter()
                    .flatten()
                {
                    *shown = Shown::sensitive();
                }
            }
        }
        Told {
            points,
            left_out: self.left_out,
            versions: self.versions,
            unread: self.unread,
            address: self.follow.address().map(ToOwned::to_owned),
        }
    }
}

/// What happened to the subject between two versions.
fn point(
    subject: &Subject,
    version: u64,
    before: Option<&Seen>,
    now: Option<&Kept>,
) -> Option<Point> {
    let empty = |event, address: &str| Point {
        version,
        event,
        address: shortened(address, NAME_BYTES_MAX),
        moved_from: None,
        facts: Facts::default(),
        attributes: Vec::new(),
        attributes_left_out: 0,
    };
    let old = before.and_then(|seen| seen.kept.as_ref());
    if before.is_some_and(|seen| seen.unchanged) {
        return None;
    }
    let mut point = match (old, now) {
        (None, None) => return None,
        (None, Some(now)) => empty(Event::Appeared, &now.address),
        (Some(old), None) => empty(Event::Vanished, &old.address),
        (Some(old), Some(now)) => {
            let moved = old.address != now.address;
            let event = if moved { Event::Moved } else { Event::Changed };
            let mut point = empty(event, &now.address);
            point.moved_from = moved.then(|| shortened(&old.address, NAME_BYTES_MAX));
            point
        }
    };
    if subject.path().is_some() {
        return attribute_point(subject, point, old, now);
    }
    if let Some((old, now)) = old.zip(now) {
        let room = Room {
            attributes: ATTRIBUTES_EACH_MAX,
            value_bytes: VALUE_BYTES_MAX,
        };
        let attributes = compare(&old.view, &now.view, room);
        point.facts = Facts::between(&old.aside, &now.aside);
        if point.event == Event::Changed && point.facts.is_empty() && attributes.is_empty() {
            return None;
        }
        point.attributes = attributes.listed;
        point.attributes_left_out = attributes.left_out;
    }
    Some(point)
}

/// The same for one attribute, from the point of its instance.
fn attribute_point(
    subject: &Subject,
    mut point: Point,
    old: Option<&Kept>,
    now: Option<&Kept>,
) -> Option<Point> {
    let path = subject.path()?;
    let find = |kept: &'_ Kept| kept.view.find(path).is_some();
    let (had, has) = (old.is_some_and(find), now.is_some_and(find));
    let find = |kept: Option<&'_ Kept>| kept.and_then(|kept| kept.view.at(path, VALUE_BYTES_MAX));
    let (mut before, mut after) = (find(old), find(now));
    let change = match (had, has) {
        (false, false) => return None,
        (false, true) => Change::Added,
        (true, false) => Change::Removed,
        (true, true) => {
            let (old, now) = (old?, now?);
            let ((a, hides_a), (b, hides_b)) = (old.view.find(path)?, now.view.find(path)?);
            if same(a, b) {
                return (point.event == Event::Moved).then_some(point);
            }
            let hides_part = old.view.hides_in(a) || now.view.hides_in(b);
            if hides_a || hides_b || hides_part {
                for shown in [&mut before, &mut after].into_iter().flatten() {
                    *shown = Shown::sensitive();
                }
            }
            Change::Changed
        }
    };
    if point.event != Event::Moved {
        point.event = match change {
            Change::Added => Event::Appeared,
            Change::Removed => Event::Vanished,
            Change::Changed | Change::Moved => Event::Changed,
        };
    }
    point.attributes = vec![AttributeChange {
        path: path.to_string(),
        change,
        before,
        after,
    }];
    Some(point)
}

/// An attribute of the newest version, and what last changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// Where it is. Only values that hold no others have a line of their own.
    pub path: String,
    /// Its value.
    pub value: Shown,
    /// The version that has it so first, counted back without a gap.
    pub version: u64,
    /// Whether that version was the first of the instance, or of this attribute.
    pub appeared: bool,
}

/// The answer of a [`Blame`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Blamed {
    /// Where the instance is; `None` when the newest version does not have it.
    pub address: Option<String>,
    /// Its attributes in the order they stand in.
    pub lines: Vec<Line>,
    /// Attributes that have no line.
    pub left_out: u64,
    /// Versions that were looked at.
    pub versions: u64,
    /// Versions that could not be read.
    pub unread: u64,
}

/// Since when an attribute is as it is.
#[derive(Clone, Copy, Debug)]
struct Since {
    version: u64,
    appeared: bool,
}

/// Follows a resource from version to version and remembers what last changed each of its attributes. An attribute that becomes
/// hidden, or is not hidden any more, counts as changed.
#[derive(Debug)]
pub struct Blame {
    follow: Follow,
    hidden: Hidden,
    since: HashMap<String, Since>,
    versions: u64,
    unread: u64,
}

impl Blame {
    /// Before the oldest version. A path in the subject is not asked for: every attribute has its line.
    pub fn of(subject: &Subject) -> Blame {
        Blame {
            follow: Follow::new(subject.address()),
            hidden: Hidden::default(),
            since: HashMap::new(),
            versions: 0,
            unread: 0,
        }
    }

    /// Looks at the next newer version.
    pub fn see(&mut self, version: u64, side: Side<'_>) {
        self.versions += 1;
        let (before, now) = self.follow.see(version, side);
        let Some(now) = now else {
            self.since.clear();
            return;
        };
        if before.as_ref().is_some_and(|seen| seen.unchanged) {
            return;
        }
        self.hidden.learn(&now.view);
        let before = before.and_then(|seen| seen.kept);
        let mut old = HashMap::new();
        if let Some(before) = &before {
            before.view.leaves(&mut |path, node| {
                old.insert(path.to_owned(), node);
            });
        }
        let mut since = HashMap::new();
        now.view.leaves(&mut |path, node| {
            let kept = old.get(path).zip(self.since.get(path));
            let at = match kept {
                Some((before, since)) if same(*before, node) => *since,
                kept => Since {
                    version,
                    appeared: kept.is_none(),
                },
            };
            since.insert(path.to_owned(), at);
        });
        drop(old);
        self.since = since;
    }

    /// The version in which the instance appeared, if a version before that had nothing at its address.
    pub fn appeared(&self) -> Option<u64> {
        self.follow.appeared()
    }

    /// The last address that the instance was at, or that it is looked for at.
    pub fn place(&self) -> &str {
        self.follow.place()
    }

    /// Passes over a version that cannot be read.
    pub fn pass_over(&mut self) {
        self.unread += 1;
    }

    /// What was seen.
    pub fn tell(self) -> Blamed {
        let (mut lines, mut left_out) = (Vec::new(), 0);
        if let Some(kept) = self.follow.kept() {
            kept.view.leaves(&mut |path, node| {
                let since = self.since.get(path).filter(|_| lines.len() < LINES_MAX);
                let Some(since) = since else {
                    left_out += 1;
                    return;
                };
                let value = if self.hidden.covers(path) {
                    Shown::sensitive()
                } else {
                    kept.view.show(node, VALUE_BYTES_MAX)
                };
                lines.push(Line {
                    path: shortened(path, NAME_BYTES_MAX),
                    value,
                    version: since.version,
                    appeared: since.appeared,
                });
            });
        }
        Blamed {
            address: self.follow.address().map(ToOwned::to_owned),
            lines,
            left_out,
            versions: self.versions,
            unread: self.unread,
        }
    }
}

#[cfg(test)]
mod tests;
