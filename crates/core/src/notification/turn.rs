//! What is to be told next, and what becomes of it.
//!
//! Each receiver has a place in the ledger ([`Cursor`]). What happened after it
//! is gone through in order; the first thing that was asked for is sent, and the place
//! moves when that was taken or given up. What is written down after sending is written
//! only where the place is still the same, so that nothing is passed over; a stop in
//! between has it sent again, under the same id. What was altered is sent to nobody, and
//! the place moves over it with a leaf that says so: putting it back hides nothing.

use std::sync::Arc;

use statehouse_ledger::canonical::INTEGER_LIMIT;
use statehouse_model::{Actor, DeliveryId, NotificationId, RunId};

use super::happened::{self, Happened, What};
use super::looked::{End, LOOK_MAX};
use super::sql::{self, Cursor, Delivery, Notification};
use super::{Answer, Destination, Message, Outcome, Trouble};
use super::{keep, open, payload, taken, trigger};
use crate::access::NOTIFICATIONS;
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome as Done, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::object::Object;
use crate::policy::judge::Verdicts;
use crate::policy::{overrule, seen};
use crate::record::Rows;
use crate::run::sql::{Place, Run};
use crate::run::{self, files};
use crate::workspace;

pub(crate) use super::looked::Looked;

actions! {
    /// Look what there is to tell.
    LookForEvents = "notification.look" needs NotificationRead;
    /// Write down what came of telling it.
    Deliver = "notification.deliver" needs NotificationWrite;
}

/// The pause after a message was not taken, at first and at most; each is twice the one before.
const PAUSE_FIRST_US: i64 = 10 * 1_000_000;
const PAUSE_MAX_US: i64 = 6 * 3600 * 1_000_000;
/// How long after an event it is still tried again to tell it.
const AGE_MAX_US: i64 = 24 * 3600 * 1_000_000;

/// What a look found in a house.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Receivers for whom there is something now.
    pub(crate) due: Vec<NotificationId>,
    /// When the next of the others is tried again.
    pub(crate) next_at: Option<i64>,
    /// Those that are not as they were written, and in what: they are told nothing.
    pub(crate) altered: Vec<(String, Error)>,
}

impl Found {
    /// Whether somebody is still to be told something.
    pub(crate) fn is_empty(&self) -> bool {
        self.due.is_empty() && self.next_at.is_none()
    }
}

/// What comes next for a receiver.
enum Next {
    /// Nothing happened that was asked for.
    Nothing,
    /// So much happened that was not that the place is to be moved.
    Passed(Place),
    /// Something to tell.
    Tell(Box<Happened>),
    /// Something that was altered: what it was, and whether it was asked for, is not known.
    Unreadable(Place),
}

/// The task that tells, in a house.
pub(crate) fn task(house: &Arc<House>) -> Ctx {
    Ctx::new(house.clone(), Actor::Task(NOTIFICATIONS), None, None)
}

/// Who is to be told something, in one house.
pub(crate) async fn look(house: &Arc<House>, looked: &Arc<Looked>) -> Result<Found> {
    if house.read_only().is_some() {
        return Ok(Found::default());
    }
    let (task, now, looked) = (task(house), house.now(), looked.clone());
    door::read(&task, LookForEvents, &Target::House, move |rows| {
        Box::pin(async move {
            let end = End::seen(rows).await?;
            let newest = happened::newest(rows, end.leaf).await?;
            let mut found = Found::default();
            for text in sql::ids(rows).await? {
                let Ok(id) = text.parse::<NotificationId>() else {
                    let odd = Error::tampered(format!("`{text}` is no id of a notification"));
                    found.altered.push((text, odd));
                    continue;
                };
                if looked.is_idle(&id, newest.as_ref(), &end) {
                    continue;
                }
                match at(rows, &id, &looked, &end, now).await {
                    Ok(None) => {}
                    Ok(Some(at)) if at <= now => found.due.push(id),
                    Ok(Some(at)) => {
                        found.next_at = Some(found.next_at.map_or(at, |next| next.min(at)));
                    }
                    // One that does not read keeps none of the others from being told.
                    Err(error) if *error.kind() == Kind::Tampered => {
                        found.altered.push((text, error));
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        })
    })
    .await
}

/// When there is something to do for a receiver.
async fn at(
    rows: &mut Rows,
    id: &NotificationId,
    looked: &Looked,
    end: &End,
    now: i64,
) -> Result<Option<i64>> {
    let row = sql::needed(rows, id).await?;
    if !row.enabled {
        return Ok(None);
    }
    let cursor = sql::cursor(rows, id).await?;
    if cursor.next_at > now {
        return Ok(Some(cursor.next_at));
    }
    Ok(match next(rows, &row, &cursor, looked, end).await? {
        Next::Nothing => None,
        Next::Passed(_) | Next::Tell(_) | Next::Unreadable(_) => Some(now),
    })
}

/// The first thing after what a receiver was told that it asked for.
async fn next(
    rows: &mut Rows,
    row: &Notification,
    cursor: &Cursor,
    looked: &Looked,
    end: &End,
) -> Result<Next> {
    let told = cursor.place();
    let (mut place, mut passed) = looked.after(&row.id, &told, end);
    for here in happened::places(rows, &place, LOOK_MAX).await? {
        // A place that is moved beyond the end would pass over what happens until there.
        if here.leaf >= end.leaf {
            tracing::error!(
                of = here.of,
                number = here.number,
                leaf = here.leaf,
                "an event is beyond the end of the ledger"
            );
            break;
        }
        match happened::at(rows, row, &here).await {
            Ok(Some(happened)) => return Ok(Next::Tell(Box::new(happened))),
            Ok(None) => {}
            Err(error) if *error.kind() == Kind::Tampered => {
                tracing::error!(of = here.of, number = here.number, %error, "an event is not told");
                return Ok(Next::Unreadable(here));
            }
            Err(error) => return Err(error),
        }
        place = here;
        passed += 1;
    }
    looked.keep(&row.id, &told, (place.clone(), passed), end);
    Ok(if passed >= LOOK_MAX {
        Next::Passed(place)
    } else {
        Next::Nothing
    })
}

/// Where a receiver is to be when it is told other things than until now: with the first that
/// is still to be told, or at the end where there is none.
pub(super) async fn onward(
    rows: &mut Rows,
    old: &Notification,
    cursor: Cursor,
    end: &End,
) -> Result<Cursor> {
    let place = match next(rows, old, &cursor, &Looked::default(), end).await? {
        Next::Nothing => return Ok(Cursor::after(&old.id, end.leaf)),
        Next::Passed(place) => place,
        Next::Tell(_) | Next::Unreadable(_) => cursor.place(),
    };
    Ok(Cursor::at(&old.id, place))
}

/// Something to tell a receiver, read in one snapshot.
pub(crate) struct Letter {
    row: Notification,
    told: Place,
    happened: Happened,
    workspace_name: String,
    message: String,
    policies: payload::Policies,
    destination: Destination,
}

impl Letter {
    /// Who started the run, and who did what happened to it; nobody where it happened to none.
    pub(crate) fn actors(&self) -> Vec<&str> {
        match &self.happened.what {
            What::Run(run, event, _) => vec![run.actor.as_str(), &event.actor],
            What::State(_) => Vec::new(),
        }
    }

    /// What is sent. `called` are the [actors](Self::actors).
    pub(crate) fn message(
        &self,
        address: Option<&str>,
        organization: &str,
        called: &[String],
        sent_at: i64,
    ) -> Message {
        let run = match (&self.happened.what, called) {
            (What::Run(run, _, status), [created_by, by]) => Some(payload::OfRun {
                id: run.id.as_str(),
                message: &self.message,
                policies: &self.policies,
                created_at: run.created_at,
                created_by,
                status: *status,
                by,
            }),
            _ => None,
        };
        let delivery = self.happened.delivery(&self.row.id);
        let told = payload::Told {
            notification: &self.row.id,
            delivery: &delivery,
            sent_at,
            address,
            organization,
            workspace: self.row.workspace.as_str(),
            workspace_name: &self.workspace_name,
            triggers: &self.happened.triggers,
            at: self.happened.at(),
            run,
        };
        self.destination.message(&delivery, told.text())
    }
}

/// What a receiver has before it.
enum Ahead {
    /// Nothing now.
    Nothing,
    /// Its place is to be moved over what was not for it.
    Passed(Cursor, Place),
    /// Its place is to be moved over what was altered.
    Unreadable,
    /// A letter, without what is said in the options of the run.
    Letter(Box<Letter>, Option<(Object, Stored)>),
}

/// What is to be told a receiver now, if anything is. Where nothing of what happened was for
/// it, or that does not read, its place is moved.
pub(crate) async fn letter(
    house: &Arc<House>,
    id: &NotificationId,
    looked: &Arc<Looked>,
) -> Result<Option<Letter>> {
    let (task, wanted) = (task(house), id.clone());
    let (opened, looked) = (house.clone(), looked.clone());
    let ahead = door::read(&task, LookForEvents, &Target::House, move |rows| {
        Box::pin(async move { ahead(rows, &opened, &wanted, &looked).await })
    })
    .await?;
    match ahead {
        Ahead::Nothing => Ok(None),
        Ahead::Passed(cursor, place) => {
            pass(&task, cursor, place).await?;
            Ok(None)
        }
        Ahead::Unreadable => {
            give_up(&task, id).await?;
            Ok(None)
        }
        Ahead::Letter(mut letter, options) => {
            letter.message = message_of(&task, options).await?;
            Ok(Some(*letter))
        }
    }
}

async fn ahead(
    rows: &mut Rows,
    house: &House,
    id: &NotificationId,
    looked: &Looked,
) -> Result<Ahead> {
    let Some(row) = sql::by_id(rows, id).await? else {
        return Ok(Ahead::Nothing);
    };
    let cursor = sql::cursor(rows, id).await?;
    if !row.enabled || cursor.next_at > house.now() {
        return Ok(Ahead::Nothing);
    }
    let end = End::seen(rows).await?;
    let happened = match next(rows, &row, &cursor, looked, &end).await? {
        Next::Nothing => return Ok(Ahead::Nothing),
        Next::Passed(place) => return Ok(Ahead::Passed(cursor, place)),
        Next::Unreadable(_) => return Ok(Ahead::Unreadable),
        Next::Tell(happened) => *happened,
    };
    let destination = open(rows, house, &row).await?;
    let workspace_name = name_of(rows, &row).await?;
    let (options, policies) = match happened.run() {
        Some(run) => (
            files::find(rows, &run.id, files::Kind::Options).await?,
            policies(rows, house, run).await?,
        ),
        None => (None, payload::Policies::default()),
    };
    let letter = Letter {
        row,
        told: cursor.place(),
        happened,
        workspace_name,
        message: String::new(),
        policies,
        destination,
    };
    Ok(Ahead::Letter(Box::new(letter), options))
}

/// What policies said of the plan of a run, and of the state that it left: by now, which may be later than what happened.
async fn policies(rows: &mut Rows, house: &House, of: &Run) -> Result<payload::Policies> {
    let readable = |read: Result<Option<Verdicts>>| match read {
        // What happened is told all the same.
        Err(error) if seen::is_gone(error.kind()) => Ok(None),
        read => read,
    };
    let plan = overrule::kept(rows, house, of).await;
    let state = run::written::kept(rows, house, of).await;
    Ok(payload::Policies {
        plan: readable(plan)?,
        state: readable(state)?,
    })
}

/// What whoever started a run said about it.
async fn message_of(task: &Ctx, options: Option<(Object, Stored)>) -> Result<String> {
    match run::read_options(task, options).await {
        Ok(options) => Ok(options.message),
        // What happened is told all the same.
        Err(error) if *error.kind() == Kind::Tampered => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// What the workspace is called, or was before it was deleted.
async fn name_of(rows: &mut Rows, row: &Notification) -> Result<String> {
    if let Some(found) = workspace::sql::by_id(rows, &row.workspace).await? {
        return Ok(found.name.to_string());
    }
    let deletion = workspace::sql::deletion(rows, &row.workspace).await?;
    Ok(deletion.map_or_else(String::new, |deletion| deletion.name.to_string()))
}

/// Moves the place of a receiver over what was not for it.
async fn pass(task: &Ctx, cursor: Cursor, to: Place) -> Result<()> {
    let given = Arc::new((cursor, to));
    door::change(task, Deliver, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (was, to) = &*given;
            let cursor = sql::cursor(tx, &was.notification).await?;
            if cursor.place() != was.place() {
                return Ok(Done::Unchanged(()));
            }
            let entry = passed(tx, cursor, to.clone()).await?;
            Ok(Done::Recorded((), entry))
        })
    })
    .await
}

async fn passed(tx: &mut Tx<Deliver>, cursor: Cursor, to: Place) -> Result<Entry> {
    let entry = Entry::new(&cursor.notification).fact("passed-until", to.leaf);
    let moved = Cursor {
        after_leaf: to.leaf,
        after_run: to.of,
        after_number: to.number,
        ..cursor
    };
    tx.put(&moved).await?;
    Ok(entry)
}

/// Moves the place of a receiver over what was altered, if it still does not read.
async fn give_up(task: &Ctx, id: &NotificationId) -> Result<()> {
    let delivery = DeliveryId::from_entropy(task.house().code(), crate::entropy());
    let given = Arc::new((id.clone(), delivery));
    door::change(task, Deliver, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (id, delivery) = &*given;
            let Some(row) = sql::by_id(tx, id).await? else {
                return Ok(Done::Unchanged(()));
            };
            let cursor = sql::cursor(tx, id).await?;
            let end = End::of(tx);
            // Looked for here again, so that the place moves over nothing else.
            let next = next(tx, &row, &cursor, &Looked::default(), &end).await?;
            let entry = match next {
                Next::Nothing | Next::Tell(_) => return Ok(Done::Unchanged(())),
                Next::Passed(place) => passed(tx, cursor, place).await?,
                Next::Unreadable(place) => given_up(tx, cursor, place, delivery).await?,
            };
            Ok(Done::Recorded((), entry))
        })
    })
    .await
}

/// Keeps for people that something was altered and not told: in place of what was kept of a
/// try, or as a delivery of its own.
async fn given_up(
    tx: &mut Tx<Deliver>,
    cursor: Cursor,
    place: Place,
    id: &DeliveryId,
) -> Result<Entry> {
    let run: Option<RunId> = place.of.parse().ok();
    let kept = sql::deliveries(tx, &cursor.notification).await?;
    let tried = kept.into_iter().find(|each| {
        let retrying = each.outcome == Outcome::Retrying.as_str();
        retrying && each.run == run && each.number == place.number
    });
    let tried = tried.map(|each| (each.id, each.triggers, each.attempts));
    let (id, triggers, attempts) = tried.unwrap_or_else(|| (id.clone(), String::new(), 0));
    let delivery = Delivery {
        id,
        notification: cursor.notification.clone(),
        run,
        number: place.number,
        triggers,
        outcome: Outcome::Failed.as_str().to_owned(),
        code: None,
        trouble: Some(Trouble::Unreadable.as_str().to_owned()),
        attempts,
        sent_at: tx.now(),
    };
    let moved = Cursor {
        failures: cursor.failures,
        ..Cursor::at(&cursor.notification, place)
    };
    tx.put(&moved).await?;
    keep(tx, &delivery).await?;
    let mut entry = told(Entry::new(&cursor.notification), &delivery);
    // A row that this server did not write may say anything, and a leaf not.
    if let Some(run) = &delivery.run {
        entry = entry.fact("run", run.as_str());
    }
    let number = i64::try_from(delivery.number).ok();
    if let Some(number) = number.filter(|number| *number < INTEGER_LIMIT) {
        entry = entry.fact("event", number);
    }
    Ok(entry)
}

/// How long to wait after so many failures in a row; `jitter` adds up to a quarter, so that
/// receivers that failed together are not tried together.
fn pause_us(failures: u64, jitter: u8) -> i64 {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = 2i64
        .checked_pow(doublings)
        .and_then(|factor| PAUSE_FIRST_US.checked_mul(factor))
        .map_or(PAUSE_MAX_US, |pause| pause.min(PAUSE_MAX_US));
    pause + pause / 4 * i64::from(jitter) / i64::from(u8::MAX)
}

/// Writes down what came of a letter, and moves the place of its receiver where that is told
/// or given up.
pub(crate) async fn record(house: &Arc<House>, letter: &Letter, answer: Answer) -> Result<()> {
    let [jitter] = crate::random::<1>();
    let happened = &letter.happened;
    let tried = Delivery {
        id: happened.delivery(&letter.row.id),
        notification: letter.row.id.clone(),
        run: happened.run().map(|run| run.id.clone()),
        number: happened.place.number,
        triggers: trigger::joined(&happened.triggers),
        outcome: String::new(),
        code: answer.ok().map(u64::from),
        trouble: answer.err().map(|trouble| trouble.as_str().to_owned()),
        attempts: 0,
        sent_at: 0,
    };
    let given = Arc::new((
        letter.row.clone(),
        letter.told.clone(),
        happened.place.clone(),
        happened.at(),
        tried,
    ));
    door::change(&task(house), Deliver, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (sent, told_before, place, happened_at, tried) = &*given;
            let id = &sent.id;
            let row = sql::by_id(tx, id).await?;
            // What one address answered says nothing of another; each change makes a new destination.
            if row.is_none_or(|row| !row.enabled || row.destination != sent.destination) {
                return Ok(Done::Unchanged(()));
            }
            let cursor = sql::cursor(tx, id).await?;
            if cursor.place() != *told_before {
                return Ok(Done::Unchanged(()));
            }
            let before = sql::delivery(tx, &tried.id).await?;
            let now = tx.now();
            let (outcome, cursor) = after(cursor, place, *happened_at, answer, (now, jitter));
            let delivery = Delivery {
                outcome: outcome.as_str().to_owned(),
                attempts: before.map_or(0, |before| before.attempts) + 1,
                sent_at: now,
                ..tried.clone()
            };
            tx.put(&cursor).await?;
            keep(tx, &delivery).await?;
            let entry = told(Entry::new(id), &delivery);
            let entry = match &delivery.run {
                Some(run) => entry
                    .fact("run", run.as_str())
                    .fact("event", delivery.number),
                None => entry.fact("found-at", place.leaf),
            };
            let entry = entry.fact("triggers", delivery.triggers.as_str());
            Ok(Done::Recorded((), entry))
        })
    })
    .await
}

/// What came of a message, and where its receiver is then.
fn after(
    cursor: Cursor,
    place: &Place,
    happened_at: i64,
    answer: Answer,
    (now, jitter): (i64, u8),
) -> (Outcome, Cursor) {
    let there = Cursor::at(&cursor.notification, place.clone());
    if taken(answer) {
        return (Outcome::Delivered, there);
    }
    let failures = cursor.failures.saturating_add(1);
    let last_at = happened_at.saturating_add(AGE_MAX_US);
    if now >= last_at {
        return (Outcome::Failed, Cursor { failures, ..there });
    }
    let next_at = now.saturating_add(pause_us(failures, jitter)).min(last_at);
    let cursor = Cursor {
        failures,
        next_at,
        ..cursor
    };
    (Outcome::Retrying, cursor)
}

/// States in a leaf what came of a delivery.
pub(super) fn told(entry: Entry, delivery: &Delivery) -> Entry {
    let entry = entry
        .fact("delivery", delivery.id.as_str())
        .fact("outcome", delivery.outcome.as_str())
        .fact("attempts", delivery.attempts);
    match (delivery.code, &delivery.trouble) {
        (Some(code), _) => entry.fact("code", code),
        (None, Some(trouble)) => entry.fact("trouble", trouble.as_str()),
        (None, None) => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_ten_seconds_to_six_hours() {
        for (failures, seconds) in [(1, 10), (2, 20), (3, 40), (11, 10_240), (12, 20_480)] {
            assert_eq!(pause_us(failures, 0), seconds * 1_000_000);
        }
        for failures in [13, 14, 100, u64::MAX] {
            assert_eq!(pause_us(failures, 0), PAUSE_MAX_US);
        }
        assert_eq!(pause_us(1, u8::MAX), PAUSE_FIRST_US / 4 * 5);
        assert!(pause_us(u64::MAX, u8::MAX) <= PAUSE_MAX_US / 4 * 5);
    }
}
