//! Every statement on `notification` and what belongs to it.

use statehouse_model::{DeliveryId, DestinationId, NotificationId, RunId, WorkspaceId};

use crate::db::{Row, Value};
use crate::error::{Error, Result};
use crate::record::{Rows, record};
use crate::run::sql::Place;

record! {
    /// Of what of a workspace's runs somebody is told.
    pub(crate) struct Notification in "notification" key 1 {
        id: NotificationId,
        workspace: WorkspaceId,
        name: String,
        /// Words of [`super::Trigger`], with commas between them.
        triggers: String,
        enabled: bool,
        /// Under which the address and the token are kept.
        destination: DestinationId,
        /// Bytes of that.
        size: u64,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        created_at: i64,
        updated_at: i64,
    }
}

record! {
    /// How far a receiver was told.
    pub(crate) struct Cursor in "notification_cursor" key 1 {
        notification: NotificationId,
        /// The last event that was told or given up.
        after_leaf: u64,
        /// Of which run, or workspace.
        after_run: String,
        after_number: u64,
        /// How often in a row the receiver did not take something.
        failures: u64,
        /// Before which nothing is tried.
        next_at: i64,
    }
}

record! {
    /// What came of a delivery.
    pub(crate) struct Delivery in "notification_delivery" key 1 {
        id: DeliveryId,
        notification: NotificationId,
        /// The run; none where it was only to be seen whether somebody answers, and of a state that a read found altered.
        run: Option<RunId>,
        /// Of the event, in its run.
        number: u64,
        /// Words of [`super::Trigger`].
        triggers: String,
        /// A word of [`super::Outcome`].
        outcome: String,
        /// The status that was answered.
        code: Option<u64>,
        /// Why nothing was answered: a word of [`super::Trouble`].
        trouble: Option<String>,
        attempts: u64,
        sent_at: i64,
    }
}

impl Cursor {
    /// At an event, with nothing that went wrong.
    pub(crate) fn at(notification: &NotificationId, place: Place) -> Self {
        Self {
            notification: notification.clone(),
            after_leaf: place.leaf,
            after_run: place.of,
            after_number: place.number,
            failures: 0,
            next_at: 0,
        }
    }

    /// After everything up to a leaf.
    pub(crate) fn after(notification: &NotificationId, leaf: u64) -> Self {
        let place = Place {
            leaf: leaf.saturating_add(1),
            of: String::new(),
            number: 0,
        };
        Self::at(notification, place)
    }

    /// The last event that was told or given up.
    pub(crate) fn place(&self) -> Place {
        Place {
            leaf: self.after_leaf,
            of: self.after_run.clone(),
            number: self.after_number,
        }
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &NotificationId) -> Result<Option<Notification>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The one of that id, which must be there.
pub(crate) async fn needed(rows: &mut Rows, id: &NotificationId) -> Result<Notification> {
    let found = by_id(rows, id).await?;
    found.ok_or_else(|| Error::not_found("notification configuration"))
}

/// The one whose address is kept under an id.
pub(crate) async fn by_destination(
    rows: &mut Rows,
    id: &DestinationId,
) -> Result<Option<Notification>> {
    rows.one("WHERE destination = $1", &[id.as_str().into()])
        .await
}

/// Those of a workspace, the oldest first.
pub(crate) async fn of_workspace(rows: &mut Rows, id: &WorkspaceId) -> Result<Vec<Notification>> {
    let clause = "WHERE workspace = $1 ORDER BY created_at, id";
    rows.find(clause, &[id.as_str().into()]).await
}

/// The ids of all of the organization, as they stand there. Nothing else, not even whether they
/// are enabled, is believed of a row before it is read and checked.
pub(crate) async fn ids(rows: &mut Rows) -> Result<Vec<String>> {
    let sql = "SELECT id FROM notification ORDER BY id";
    let found = rows.transaction.query(sql, &[]).await?;
    let text = |row: &Row| Ok(row.text(0)?.to_owned());
    found.iter().map(text).collect()
}

/// How far the receiver of one was told.
pub(crate) async fn cursor(rows: &mut Rows, id: &NotificationId) -> Result<Cursor> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    found.ok_or_else(|| Error::tampered(format!("how far `{id}` was told is missing")))
}

pub(crate) async fn delivery(rows: &mut Rows, id: &DeliveryId) -> Result<Option<Delivery>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What came of the deliveries of one, the last first.
pub(crate) async fn deliveries(rows: &mut Rows, id: &NotificationId) -> Result<Vec<Delivery>> {
    let clause = "WHERE notification = $1 ORDER BY sent_at DESC, id";
    rows.find(clause, &[Value::from(id.as_str())]).await
}
