//! What becomes of a state, and what changed outside, in the words of policies.
//!
//! Before the apply the plan says it: `serial_after` is then the next one, and the lineage stays. After the apply both states do. What cannot be found
//! out is left out where there is nothing to look into, and is against the run where there is and it does not read: a policy that looks for what is lost
//! must not find nothing because nobody could look.

use statehouse_policy::input::{Change, Context, Part, Transition, is_protected};
use statehouse_terraform::content::{Content, ContentError};
use statehouse_terraform::state::{StateFile, Summary, read};
use statehouse_terraform::transition::{self, Foreseen, Moved, Reader};

use super::documents::Opened;
use super::judge::Stage;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::state::sql::Version;

/// What a state says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    lineage: String,
    serial: u64,
    resources: u64,
}

impl Before {
    /// Of the version that was planned on, or of none; unknown where its client encrypted it.
    pub(super) fn of(version: Option<&Version>) -> Option<Self> {
        match version {
            None => Some(Self::default()),
            Some(version) if version.opaque => None,
            Some(version) => Some(Self {
                lineage: version.lineage.clone(),
                serial: version.serial.unwrap_or_default(),
                resources: version.resources,
            }),
        }
    }
}

impl From<Summary> for Before {
    fn from(summary: Summary) -> Self {
        Self {
            lineage: summary.lineage,
            serial: summary.serial,
            resources: summary.resources,
        }
    }
}

/// The facts of a run, with what its documents say of its state. They are read on a thread that may block: a plan as it is opened, and only what a plan
/// does not say off states, which are opened whole for that.
pub(super) async fn known(stage: Stage, opened: &Opened, facts: Context) -> Result<Context> {
    let text = |part| opened.documents.get(&part).cloned();
    let (plan, state) = (text(Part::Plan), text(Part::State));
    let (first, before) = (text(Part::StateBefore), opened.before.clone());
    let read = tokio::task::spawn_blocking(move || {
        let Some(plan) = plan else { return Ok(facts) };
        let mut reader = Reader::default();
        plan.read_by(&mut reader)?;
        let foreseen = reader
            .done()
            .map_err(|why| unknown("the plan does not say what becomes of the state", &why))?;
        let whole = |text: Option<Document>| text.map(|text| text.whole()).transpose();
        let transition = match stage {
            Stage::Applied => between(whole(first)?.as_deref(), whole(state)?.as_deref())?,
            Stage::Plan | Stage::Apply | Stage::Saved => {
                let state = state.filter(|_| before.is_none());
                expected(before, whole(state)?.as_deref(), &foreseen)?
            }
        };
        Ok(Context {
            changed_outside: changes(foreseen.outside),
            transition,
            ..facts
        })
    });
    read.await
        .map_err(|error| Error::internal(format!("reading a plan: {error}")))?
}

fn unknown(what: &str, why: &impl std::fmt::Display) -> Error {
    Error::invalid(format!("{what}: {why}"))
}

/// What a plan makes of the state that it was made against.
fn expected(
    known: Option<Before>,
    state: Option<&[u8]>,
    foreseen: &Foreseen,
) -> Result<Option<Transition>> {
    let before = match (known, state) {
        (Some(before), _) => before,
        (None, None) => return Ok(None),
        (None, Some(state)) => match summary(state)? {
            Some(before) => before,
            None => return Ok(None),
        },
    };
    let transition::Transition { dropped, added } = &foreseen.transition;
    let count = |moved: &[Moved]| u64::try_from(moved.len()).unwrap_or(u64::MAX);
    Ok(Some(Transition {
        lineage_before: before.lineage.clone(),
        lineage_after: before.lineage,
        serial_before: before.serial,
        serial_after: before.serial.saturating_add(1),
        resources_before: before.resources,
        resources_after: before
            .resources
            .saturating_add(count(added))
            .saturating_sub(count(dropped)),
        ..moved(foreseen.transition.clone())
    }))
}

/// What a state says of itself; `None` where its client encrypted it.
fn summary(state: &[u8]) -> Result<Option<Before>> {
    if is_empty(state) {
        return Ok(Some(Before::default()));
    }
    match read(state) {
        Ok(StateFile::Plain(summary)) => Ok(Some(summary.into())),
        Ok(StateFile::Opaque(_)) => Ok(None),
        Err(why) => Err(unknown("the state that was planned on does not read", &why)),
    }
}

/// Whether it stands for none: it has no lineage, which every state has.
fn is_empty(state: &[u8]) -> bool {
    state == super::documents::EMPTY.as_bytes()
}

/// What became of a state, by both.
fn between(first: Option<&[u8]>, state: Option<&[u8]>) -> Result<Option<Transition>> {
    let (Some(first), Some(state)) = (first, state) else {
        return Ok(None);
    };
    if is_empty(state) {
        return Ok(Some(Transition::default()));
    }
    let content = |bytes| match Content::read(bytes) {
        Ok(content) => Ok(Some(content)),
        Err(ContentError::Opaque) => Ok(None),
        Err(why) => Err(unknown("a state of the run does not read", &why)),
    };
    let before = if is_empty(first) {
        None
    } else {
        match content(first)? {
            None => return Ok(None),
            read => read,
        }
    };
    let Some(after) = content(state)? else {
        return Ok(None);
    };
    let said = before.as_ref().map(|before| before.summary().clone());
    let (said, left) = (
        said.map(Before::from).unwrap_or_default(),
        after.summary().clone(),
    );
    Ok(Some(Transition {
        lineage_before: said.lineage,
        lineage_after: left.lineage,
        serial_before: said.serial,
        serial_after: left.serial,
        resources_before: said.resources,
        resources_after: left.resources,
        ..moved(transition::Transition::between(before.as_ref(), &after))
    }))
}

fn moved(of: transition::Transition) -> Transition {
    let (dropped, added) = (changes(of.dropped), changes(of.added));
    let protected = dropped.iter().filter(|each| is_protected(&each.kind));
    Transition {
        protected: protected.cloned().collect(),
        dropped,
        added,
        ..Transition::default()
    }
}

fn changes(moved: Vec<Moved>) -> Vec<Change> {
    let change = |each: Moved| Change {
        address: each.address,
        kind: each.kind,
        actions: each.actions,
    };
    moved.into_iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;

    use super::*;
    use crate::testing::state;

    fn foreseen(address: &str, action: &str) -> Foreseen {
        let plan = serde_json::json!({
            "format_version": "1.2",
            "resource_changes": [{
                "address": address, "mode": "managed", "type": "aws_s3_bucket", "name": "a",
                "change": { "actions": [action], "before": null, "after": null },
            }],
        });
        Foreseen::read(plan.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_plan_says_what_is_expected_of_the_state() {
        let before = Before {
            lineage: "one".to_owned(),
            serial: 7,
            resources: 3,
        };
        let found = expected(Some(before), None, &foreseen("aws_s3_bucket.a", "delete"));
        let found = found.unwrap().unwrap();
        assert_eq!((found.serial_before, found.serial_after), (7, 8));
        assert_eq!((found.resources_before, found.resources_after), (3, 2));
        assert_eq!(found.lineage_before, found.lineage_after);
        assert_eq!(found.protected, found.dropped);
        assert_eq!(found.dropped.len(), 1);
        // Of a first run, and of one whose state nobody here can look into.
        let made = foreseen("aws_s3_bucket.a", "create");
        let first = expected(Before::of(None), None, &made).unwrap().unwrap();
        assert_eq!((first.resources_before, first.resources_after), (0, 1));
        assert_eq!(expected(None, None, &made).unwrap(), None);
        assert!(expected(None, Some(b"no state"), &made).is_err());
    }

    #[test]
    fn two_states_say_what_became_of_it() {
        let (one, two) = (state("one", 1, 2, "a"), state("one", 2, 1, "b"));
        let found = between(Some(&one), Some(&two)).unwrap().unwrap();
        assert_eq!((found.serial_before, found.serial_after), (1, 2));
        assert_eq!((found.resources_before, found.resources_after), (2, 1));
        let first = Bytes::from_static(super::super::documents::EMPTY.as_bytes());
        let found = between(Some(&first), Some(&one)).unwrap().unwrap();
        assert_eq!((found.resources_before, found.resources_after), (0, 2));
        assert_eq!(found.lineage_before, "");
        assert!(between(Some(&one), Some(b"no state")).is_err());
        assert_eq!(between(Some(&one), None).unwrap(), None);
    }
}
