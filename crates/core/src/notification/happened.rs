//! What there is to tell of: what happened to runs, and states that a read found altered.
//!
//! Both stand at a place in the ledger and are gone through in one order. Of a state it is the freeze that says so; one that was
//! lifted before it was told is told no more, for somebody looked.

use statehouse_model::{DeliveryId, NotificationId, RunId, WorkspaceId};

use super::payload;
use super::sql::Notification;
use super::trigger::{self, Trigger};
use crate::error::{Error, Result};
use crate::record::Rows;
use crate::run;
use crate::run::machine::Status;
use crate::run::sql::{Place, Run, RunEvent};
use crate::workspace::freeze::sql::{self as freezes, Freeze};

/// Something that was asked for.
pub(super) struct Happened {
    pub(super) place: Place,
    pub(super) triggers: Vec<Trigger>,
    pub(super) what: What,
}

pub(super) enum What {
    /// To a run.
    Run(Box<Run>, RunEvent, Status),
    /// To the state of a workspace, which a read found altered.
    State(Freeze),
}

impl Happened {
    /// When.
    pub(super) fn at(&self) -> i64 {
        match &self.what {
            What::Run(_, event, _) => event.created_at,
            What::State(freeze) => freeze.frozen_at,
        }
    }

    /// To which run, if to one.
    pub(super) fn run(&self) -> Option<&Run> {
        match &self.what {
            What::Run(run, ..) => Some(run),
            What::State(_) => None,
        }
    }

    /// Under which id it is told a receiver.
    pub(super) fn delivery(&self, notification: &NotificationId) -> DeliveryId {
        match &self.what {
            What::Run(_, event, _) => payload::delivery(notification, event),
            What::State(freeze) => {
                payload::delivery_of_state(notification, self.place.leaf, freeze)
            }
        }
    }
}

/// Where something happened after a place, in the order of the ledger. Only where it stands: the row of each is checked when it is read.
pub(super) async fn places(rows: &mut Rows, after: &Place, limit: usize) -> Result<Vec<Place>> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = run::sql::events_after(rows, after, most).await?;
    found.extend(freezes::frozen_after(rows, after, most).await?);
    // Of one leaf the run comes first, as its id does.
    found.sort_by_key(|place| place.leaf);
    found.truncate(limit);
    Ok(found)
}

/// Where something happened last, before a leaf.
pub(super) async fn newest(rows: &mut Rows, before_leaf: u64) -> Result<Option<Place>> {
    let of_runs = run::sql::last_event(rows, before_leaf).await?;
    let of_states = freezes::last_frozen(rows, before_leaf).await?;
    Ok(of_runs
        .into_iter()
        .chain(of_states)
        .max_by_key(|place| place.leaf))
}

/// What happened at a place, where a receiver asked for it.
pub(super) async fn at(
    rows: &mut Rows,
    row: &Notification,
    place: &Place,
) -> Result<Option<Happened>> {
    let happened = match place.of.parse::<WorkspaceId>() {
        Ok(workspace) => of_state(rows, row, place, &workspace).await?,
        Err(_) => of_run(rows, row, place).await?,
    };
    let wanted = trigger::split(&row.triggers);
    Ok(happened.and_then(|mut happened| {
        happened.triggers.retain(|trigger| wanted.contains(trigger));
        (!happened.triggers.is_empty()).then_some(happened)
    }))
}

async fn of_state(
    rows: &mut Rows,
    row: &Notification,
    place: &Place,
    workspace: &WorkspaceId,
) -> Result<Option<Happened>> {
    if *workspace != row.workspace {
        return Ok(None);
    }
    let freeze = freezes::of(rows, workspace).await?.ok_or_else(|| {
        Error::tampered(format!("how workspace `{workspace}` was frozen is missing"))
    })?;
    // People and runs say so themselves.
    Ok(freeze.is_of_a_read().then(|| Happened {
        place: place.clone(),
        triggers: vec![Trigger::Tampered],
        what: What::State(freeze),
    }))
}

async fn of_run(rows: &mut Rows, row: &Notification, place: &Place) -> Result<Option<Happened>> {
    let gone = || {
        Error::tampered(format!(
            "event {} of run `{}` is missing",
            place.number, place.of
        ))
    };
    let id: RunId = place.of.parse().map_err(|_| gone())?;
    let run = run::sql::by_id(rows, &id).await?.ok_or_else(gone)?;
    if run.workspace != row.workspace {
        return Ok(None);
    }
    let event = run::sql::event(rows, &id, place.number).await?;
    let event = event.ok_or_else(gone)?;
    let status = |event: &RunEvent| Status::from_word(&event.status).ok_or_else(gone);
    let before = match place.number.checked_sub(1) {
        None | Some(0) => None,
        Some(number) => {
            let before = run::sql::event(rows, &id, number).await?;
            Some(status(&before.ok_or_else(gone)?)?)
        }
    };
    let (status, kind) = (status(&event)?, run.state()?.kind());
    let mut triggers = Trigger::of(kind, before, status);
    triggers.extend(Trigger::beside(&event.event, &event.about));
    Ok(Some(Happened {
        place: place.clone(),
        triggers,
        what: What::Run(Box::new(run), event, status),
    }))
}
