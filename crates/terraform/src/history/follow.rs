//! One instance, followed from version to version, and what was ever hidden in it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::address::overlaps;
use crate::content::{Aside, Instance, View};
use crate::diff::{NAME_BYTES_MAX, Side, id_in, id_of};

/// Most places that are remembered as hidden; with more, everything is.
const HIDDEN_MAX: usize = 10_000;

/// An instance with texts of its own.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) address: String,
    pub(super) view: View<'static>,
    pub(super) aside: Aside<'static>,
    kind: String,
    source: String,
    /// Its `id`, if no other instance of the version has the same type, provider and `id`.
    id: Option<String>,
}

/// What the version before had.
#[derive(Debug)]
pub(super) struct Seen {
    /// The instance; not given where it is unchanged.
    pub(super) kept: Option<Kept>,
    /// Whether the new version has the very same text at the same address.
    pub(super) unchanged: bool,
}

/// The instance in the version that was looked at last.
#[derive(Debug)]
pub(super) struct Follow {
    /// The address it is looked for at: the subject's, or where it moved to.
    address: String,
    kept: Option<Kept>,
    with_shown: bool,
    /// The version in which it appeared, if a version before that had nothing at its address.
    appeared: Option<u64>,
    versions: u64,
}

impl Follow {
    pub(super) fn new(address: &str) -> Follow {
        Follow {
            address: address.to_owned(),
            kept: None,
            with_shown: false,
            appeared: None,
            versions: 0,
        }
    }

    /// Where it is, if the last version has it.
    pub(super) fn address(&self) -> Option<&str> {
        self.kept.as_ref().map(|kept| kept.address.as_str())
    }

    /// The last address that it was at, or that it is looked for at.
    pub(super) fn place(&self) -> &str {
        &self.address
    }

    pub(super) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// The version in which it appeared, if a version before that had nothing at its address.
    pub(super) fn appeared(&self) -> Option<u64> {
        self.appeared
    }

    /// Looks at a version: what the one before had, and what this one has.
    pub(super) fn see(&mut self, version: u64, side: Side<'_>) -> (Option<Seen>, Option<&Kept>) {
        let found = side
            .content
            .instance(&self.address)
            .or_else(|| self.moved(side));
        if found.is_some() && self.kept.is_none() && self.versions > 0 {
            self.appeared = Some(version);
        }
        self.versions += 1;
        let with_shown = side.shown.is_some();
        let plain = !with_shown && !self.with_shown;
        self.with_shown = with_shown;
        let unchanged = plain
            && found.zip(self.kept.as_ref()).is_some_and(|(found, kept)| {
                kept.view.is_text(found.attributes())
                    && kept.aside == found.aside()
                    && found.address() == kept.address
            });
        if unchanged {
            if let (Some(found), Some(kept)) = (found, self.kept.as_mut()) {
                // Others may have come or gone meanwhile.
                kept.id = lone_id(found, &kept.view, side);
            }
            let seen = Seen {
                kept: None,
                unchanged,
            };
            return (Some(seen), self.kept.as_ref());
        }
        let now = found.map(|found| keep(found, side));
        if let Some(now) = &now {
            self.address.clone_from(&now.address);
        }
        let seen = Seen {
            kept: std::mem::replace(&mut self.kept, now),
            unchanged,
        };
        (Some(seen), self.kept.as_ref())
    }

    /// The one instance of a version that is the one that was followed, at another address.
    fn moved<'s>(&self, side: Side<'s>) -> Option<&'s Instance<'s>> {
        let kept = self.kept.as_ref()?;
        let id = kept.id.as_deref()?;
        let mut candidates = alike(side, &kept.kind, &kept.source, id);
        let only = candidates.next()?;
        candidates.next().is_none().then_some(only)
    }
}

/// Where the instance at an address was in the version before, which had nothing at that address: it moved if exactly one instance
/// had its type, provider and `id`, and that one is gone from where it was.
pub fn origin(before: Side<'_>, after: Side<'_>, address: &str) -> Option<String> {
    let now = after.content.instance(address)?;
    if before.content.instance(address).is_some() {
        return None;
    }
    let id = lone_id(now, &View::of(now, after.shown), after)?;
    let source = now.provider().source;
    let mut candidates = alike(before, now.kind(), &source, &id);
    let old = candidates.next()?.address();
    let gone = after.content.instance(&old).is_none();
    (candidates.next().is_none() && gone).then_some(old)
}

/// The instances of a version with a type, provider and `id`.
fn alike<'s>(
    side: Side<'s>,
    kind: &str,
    source: &str,
    id: &str,
) -> impl Iterator<Item = &'s Instance<'s>> {
    side.content.instances().iter().filter(move |instance| {
        instance.kind() == kind
            && may_hold(instance, id)
            && instance.provider().source == source
            && id_of(instance, side.shown).as_deref() == Some(id)
    })
}

/// Rules out most instances without looking for their `id`: letters that no writer escapes stand in the attributes as they are, unless
/// they are spelled by number.
fn may_hold(instance: &Instance<'_>, id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    let text = instance.attributes();
    !id.bytes().all(plain) || text.contains(id) || text.contains("\\u")
}

fn lone_id(instance: &Instance<'_>, view: &View<'_>, side: Side<'_>) -> Option<String> {
    let id = id_in(view)?;
    let source = instance.provider().source;
    let alone = alike(side, instance.kind(), &source, &id).count() == 1;
    alone.then_some(id)
}

fn keep(instance: &Instance<'_>, side: Side<'_>) -> Kept {
    let view = View::of(instance, side.shown);
    Kept {
        address: instance.address(),
        aside: instance.aside().into_owned(),
        kind: instance.kind().to_owned(),
        source: instance.provider().source,
        id: lone_id(instance, &view, side),
        view: view.into_owned(),
    }
}

/// The places that were hidden in some version.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    paths: BTreeSet<Cow<'static, str>>,
    everything: bool,
}

impl Hidden {
    pub(super) fn learn(&mut self, view: &View<'_>) {
        if !view.hides_in(view.root()) || self.everything {
            return;
        }
        view.leaves(&mut |path, node| {
            if !view.shows(node) && !self.paths.contains(path) {
                self.paths.insert(Cow::Owned(path.to_owned()));
            }
        });
        if self.paths.len() > HIDDEN_MAX {
            self.everything = true;
            self.paths.clear();
        }
    }

    /// Whether something at or around the path was hidden. A path that was shortened cannot be told from others.
    pub(super) fn covers(&self, path: &str) -> bool {
        self.everything
            || path.len() > NAME_BYTES_MAX
            || self.paths.iter().any(|hidden| overlaps(hidden, path))
    }
}
