//! Notifications: somebody elsewhere is told what becomes of the runs of a workspace.
//!
//! A configuration says of which events, and where they are sent; the address and the
//! token that signs what is sent are sealed, and the token is shown to nobody again.
//! What is told comes out of the ledger ([`turn`]): each receiver has a place in it, and
//! goes on from there after whatever stop. So an event is told at least once, in order,
//! and never before its change is committed; who is told twice knows it by the id of the
//! delivery. A new configuration begins at the end of the ledger, and so does one that is
//! enabled again.
//!
//! Where a message may go, and how, is [`Deliver`]'s. Deliberately absent: destinations
//! other than an address of the receiver's own, and whatever a receiver answers beside
//! a status.

mod bell;
mod deliver;
mod happened;
mod looked;
mod payload;
pub(crate) mod sql;
mod trial;
mod trigger;
pub(crate) mod turn;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use statehouse_model::{DeliveryId, DestinationId, NotificationId};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub(crate) use bell::Bell;
pub use deliver::{Answer, Deliver, Message, Sending, Trouble};
pub(crate) use trial::Trier;
pub use trigger::Trigger;

use crate::blob;
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome as Done, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::object::Object;
use crate::record::Rows;
use crate::workspace::{self, Workspace};
use looked::End;
use sql::{Cursor, Delivery, Notification};

actions! {
    /// Say where notifications are sent.
    CreateNotification = "notification.create" needs NotificationWrite;
    /// Say it otherwise.
    UpdateNotification = "notification.update" needs NotificationWrite;
    /// Send nothing there any more.
    RemoveNotification = "notification.remove" needs NotificationWrite;
    /// See whether somebody answers there.
    VerifyNotification = "notification.verify" needs NotificationWrite;
    /// See where notifications are sent, and what came of it.
    ListNotifications = "notification.list" needs NotificationRead;
}

/// Configurations of one workspace, as many as the platform has, and of one organization: all of
/// them are gone through when something happens to a run.
const NOTIFICATIONS_MAX: usize = 20;
const OF_HOUSE_MAX: usize = 1000;
/// Longest name, address and token, in bytes.
const NAME_BYTES_MAX: usize = 256;
const URL_BYTES_MAX: usize = 2048;
const TOKEN_BYTES_MAX: usize = 512;
/// Deliveries of one configuration of which it is kept what came of them.
const KEPT_MAX: usize = 20;

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not, and is tried again.
    Retrying,
    /// It was not, and was given up.
    Failed,
}

impl Outcome {
    /// The word in rows, in leaves and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
        }
    }
}

/// What to set; what is `None` stays as it is, or is as it is by itself.
#[derive(Clone, Default)]
pub struct Wish {
    /// What it is called.
    pub name: Option<String>,
    /// Where messages are sent.
    pub url: Option<String>,
    /// What they are signed with; an empty one takes it away.
    pub token: Option<Zeroizing<String>>,
    /// What is told.
    pub triggers: Option<Vec<Trigger>>,
    /// Whether anything is.
    pub enabled: Option<bool>,
}

/// A configuration, for people and programs to read.
#[derive(Debug, Clone)]
pub struct NotificationView {
    /// Its id.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// What it is called.
    pub name: String,
    /// Where messages are sent.
    pub url: String,
    /// Whether they are signed.
    pub signed: bool,
    /// What is told.
    pub triggers: Vec<Trigger>,
    /// Whether anything is.
    pub enabled: bool,
    /// What came of the last deliveries, the last first.
    pub deliveries: Vec<DeliveryView>,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
}

/// What came of a delivery, for people and programs to read.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// Its id, as the receiver is told it.
    pub id: String,
    /// The run that it told of; none where it was a verification.
    pub run: Option<String>,
    /// What of that.
    pub triggers: Vec<Trigger>,
    /// A word of [`Outcome`].
    pub outcome: String,
    /// The status that was answered last.
    pub code: Option<u64>,
    /// Why nothing was answered: a word of [`Trouble`].
    pub trouble: Option<String>,
    /// How often it was sent.
    pub attempts: u64,
    /// When last, in microseconds since 1970.
    pub sent_at: i64,
}

impl From<Delivery> for DeliveryView {
    fn from(row: Delivery) -> Self {
        Self {
            id: row.id.to_string(),
            run: row.run.map(|run| run.to_string()),
            triggers: trigger::split(&row.triggers),
            outcome: row.outcome,
            code: row.code,
            trouble: row.trouble,
            attempts: row.attempts,
            sent_at: row.sent_at,
        }
    }
}

impl NotificationView {
    fn of(row: &Notification, destination: &Destination, deliveries: Vec<Delivery>) -> Self {
        Self {
            id: row.id.to_string(),
            workspace: row.workspace.to_string(),
            name: row.name.clone(),
            url: destination.url.clone(),
            signed: destination.token.is_some(),
            triggers: trigger::split(&row.triggers),
            enabled: row.enabled,
            deliveries: deliveries.into_iter().map(DeliveryView::from).collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Where messages go and what signs them, as they are sealed together: an address can be as
/// good as a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Destination {
    url: String,
    token: Option<String>,
}

impl Destination {
    /// What is sent there.
    fn message(&self, delivery: &DeliveryId, body: String) -> Message {
        let token = self.token.as_deref();
        Message {
            house: statehouse_model::HouseId::house(delivery),
            url: self.url.clone(),
            delivery: delivery.to_string(),
            signature: token.map(|token| payload::signature(token, body.as_bytes())),
            body: Bytes::from(body),
        }
    }
}

/// Whether a configuration may be so.
fn check(row: &Notification, destination: &Destination, deliver: &dyn Deliver) -> Result<()> {
    let named = !row.name.trim().is_empty() && row.name.len() <= NAME_BYTES_MAX;
    if !named {
        let words =
            format!("a notification configuration has a name of 1 to {NAME_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    if destination.url.len() > URL_BYTES_MAX {
        let words = format!("the address is longer than {URL_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    let token = destination.token.as_deref().unwrap_or_default();
    if token.len() > TOKEN_BYTES_MAX {
        let words = format!("the token is longer than {TOKEN_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    match deliver.refuses(&destination.url) {
        Some(why) => Err(Error::invalid(format!("nothing is sent there: {why}"))),
        None => Ok(()),
    }
}

fn target(workspace: &Workspace) -> Target {
    Target::Workspace(workspace.clone())
}

/// Says where notifications of a workspace's runs are sent. One that is enabled is tried first:
/// where nobody takes that, nothing is stored.
pub(crate) async fn create(
    ctx: &Ctx,
    trier: Trier<'_>,
    workspace: &Workspace,
    wish: Wish,
) -> Result<NotificationView> {
    let workspace = workspace::id_of(ctx, CreateNotification, workspace).await?;
    let (code, now) = (ctx.house().code(), ctx.house().now());
    let missing = |what| Error::invalid(format!("a notification configuration needs its `{what}`"));
    let row = Notification {
        id: NotificationId::from_entropy(code, crate::entropy()),
        workspace,
        name: wish.name.ok_or_else(|| missing("name"))?,
        triggers: trigger::joined(&wish.triggers.unwrap_or_default()),
        enabled: wish.enabled.unwrap_or(false),
        destination: DestinationId::from_entropy(code, crate::entropy()),
        size: 0,
        body_digest: Vec::new(),
        commitment: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let destination = Destination {
        url: wish.url.ok_or_else(|| missing("url"))?,
        token: text_of(wish.token),
    };
    set(ctx, CreateNotification, trier, (row, destination), None).await
}

fn text_of(token: Option<Zeroizing<String>>) -> Option<String> {
    let token = token.filter(|token| !token.is_empty());
    token.map(|token| token.as_str().to_owned())
}

/// Refuses to sign for another address with a token that whoever changes the address did not
/// say: they need not know it, and would have messages that its owner believes.
fn require_token(was: &Destination, wish: &Wish) -> Result<()> {
    let moves = wish.url.as_ref().is_some_and(|url| *url != was.url);
    if moves && was.token.is_some() && wish.token.is_none() {
        let words = "the address changes, so say the token again, or an empty one to take it away: \
            what signs for one receiver is not used for another by itself";
        return Err(Error::invalid(words).hint(
            "nothing was changed; `--sign-with FILE` says the token, the attribute is `token`",
        ));
    }
    Ok(())
}

/// Changes a configuration. One that is enabled now, or sent elsewhere, is tried first.
pub(crate) async fn update(
    ctx: &Ctx,
    trier: Trier<'_>,
    id: &NotificationId,
    wish: Wish,
) -> Result<NotificationView> {
    let (old, was) = read(ctx, UpdateNotification, id).await?;
    require_token(&was, &wish)?;
    let triggers = wish.triggers.as_deref().map(trigger::joined);
    let row = Notification {
        name: wish.name.unwrap_or_else(|| old.name.clone()),
        triggers: triggers.unwrap_or_else(|| old.triggers.clone()),
        enabled: wish.enabled.unwrap_or(old.enabled),
        destination: DestinationId::from_entropy(ctx.house().code(), crate::entropy()),
        updated_at: ctx.house().now(),
        ..old.clone()
    };
    let destination = Destination {
        url: wish.url.unwrap_or_else(|| was.url.clone()),
        token: match wish.token {
            None => was.token.clone(),
            token => text_of(token),
        },
    };
    let replaces = Some((old, was));
    set(ctx, UpdateNotification, trier, (row, destination), replaces).await
}

/// Stores a configuration, in place of what it was.
async fn set<A: Action>(
    ctx: &Ctx,
    action: A,
    trier: Trier<'_>,
    (mut row, destination): (Notification, Destination),
    replaces: Option<(Notification, Destination)>,
) -> Result<NotificationView> {
    check(&row, &destination, trier.deliver)?;
    let text = serde_json::to_vec(&destination)
        .map_err(|error| Error::internal(format!("a destination: {error}")))?;
    row.size = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let bytes = Bytes::from_owner(Zeroizing::new(text));
    let (stored, _) = Object::from(&row).seal(ctx, bytes).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    let untried = replaces
        .as_ref()
        .is_none_or(|(old, was)| !old.enabled || *was != destination);
    let tried = if row.enabled && untried {
        let tried = verification(ctx, trier, &row, &destination).await?;
        require_taken(&tried)?;
        Some(tried)
    } else {
        None
    };
    let wanted = Workspace::Id(row.workspace.clone());
    let replaces = replaces.map(|(old, _)| old);
    let given = Arc::new((row, stored, replaces, tried, destination));
    door::change(ctx, action, target(&wanted), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (row, stored, replaces, tried, destination) = &*given;
            let all = sql::of_workspace(tx, &row.workspace).await?;
            place(tx, row, replaces.as_ref(), &all).await?;
            tx.put(row).await?;
            blob::sql::insert_object(tx, row.destination.as_str(), stored).await?;
            if let Some(tried) = tried {
                keep(tx, tried).await?;
            }
            let deliveries = sql::deliveries(tx, &row.id).await?;
            let entry = Entry::new(&row.id)
                .fact("workspace", row.workspace.as_str())
                .fact("triggers", row.triggers.as_str())
                .fact("enabled", row.enabled)
                .fact("signed", destination.token.is_some())
                .fact("commitment", hex::encode(&row.commitment));
            let view = NotificationView::of(row, destination, deliveries);
            Ok(Done::Recorded(view, entry))
        })
    })
    .await
}

/// Makes place for a configuration among those of its workspace, and says where it begins.
async fn place<A: Action>(
    tx: &mut Tx<A>,
    row: &Notification,
    replaces: Option<&Notification>,
    all: &[Notification],
) -> Result<()> {
    let begin = Cursor::after(&row.id, tx.leaf());
    let Some(old) = replaces else {
        let full = |of: &str, max: usize| {
            let words = format!("{of} has at most {max} notification configurations");
            Error::new(Kind::Conflict, words).hint("delete one first")
        };
        if all.len() >= NOTIFICATIONS_MAX {
            return Err(full("a workspace", NOTIFICATIONS_MAX));
        }
        if sql::ids(tx).await?.len() >= OF_HOUSE_MAX {
            return Err(full("an organization", OF_HOUSE_MAX));
        }
        return tx.put(&begin).await;
    };
    let there = all
        .iter()
        .any(|each| each.id == old.id && each.destination == old.destination);
    if !there {
        return Err(changed_meanwhile());
    }
    blob::sql::remove(tx, old.destination.as_str()).await?;
    let now = sql::cursor(tx, &row.id).await?;
    if row.enabled && !old.enabled {
        return tx.put(&begin).await;
    }
    // Whoever changed it wants to see at once what comes of it.
    let cursor = if old.triggers == row.triggers {
        Cursor::at(&row.id, now.place())
    } else {
        let end = End::of(tx);
        turn::onward(tx, old, now, &end).await?
    };
    tx.put(&cursor).await
}

fn changed_meanwhile() -> Error {
    let words = "the notification configuration was changed by somebody else at this moment";
    Error::new(Kind::Conflict, words).hint("look at it again")
}

/// Sends what shows whether somebody answers.
async fn verification(
    ctx: &Ctx,
    trier: Trier<'_>,
    row: &Notification,
    destination: &Destination,
) -> Result<Delivery> {
    let (code, sent_at) = (ctx.house().code(), ctx.house().now());
    let id = DeliveryId::from_entropy(code, crate::entropy());
    let body = payload::verification(&row.id, &row.name, &id, sent_at);
    let trial = trier.trials.begin(code)?;
    let answer = trier.deliver.send(&destination.message(&id, body)).await;
    drop(trial);
    let outcome = if taken(answer) {
        Outcome::Delivered
    } else {
        Outcome::Failed
    };
    Ok(Delivery {
        id,
        notification: row.id.clone(),
        run: None,
        number: 0,
        triggers: String::new(),
        outcome: outcome.as_str().to_owned(),
        code: answer.ok().map(u64::from),
        trouble: answer.err().map(|trouble| trouble.as_str().to_owned()),
        attempts: 1,
        sent_at,
    })
}

/// Whether an answer says that the message was taken.
fn taken(answer: Answer) -> bool {
    answer.is_ok_and(|code| (200..300).contains(&code))
}

fn require_taken(tried: &Delivery) -> Result<()> {
    if tried.outcome == Outcome::Delivered.as_str() {
        return Ok(());
    }
    let why = match (&tried.code, &tried.trouble) {
        (Some(code), _) => format!("it answered with the status {code}"),
        (None, Some(trouble)) => format!("there was no answer ({trouble})"),
        (None, None) => "there was no answer".to_owned(),
    };
    Err(
        Error::invalid(format!("the receiver did not take a verification: {why}"))
            .hint("it has to answer 200 to 299 within ten seconds; one that is not enabled is stored without being tried"),
    )
}

/// Keeps what came of a delivery, in place of the oldest.
async fn keep<A: Action>(tx: &mut Tx<A>, delivery: &Delivery) -> Result<()> {
    tx.put(delivery).await?;
    let all = sql::deliveries(tx, &delivery.notification).await?;
    for old in all.into_iter().skip(KEPT_MAX) {
        tx.remove::<Delivery>(&[old.id.as_str().into()]).await?;
    }
    Ok(())
}

/// Opens a destination where it is.
pub(crate) async fn open(
    rows: &mut Rows,
    house: &House,
    row: &Notification,
) -> Result<Destination> {
    let object = Object::from(row);
    let stored = object.stored(rows).await?;
    let bytes = house
        .blobs()
        .load(&rows.keyring, &object.context(), &stored, row.size)?;
    let bytes = Zeroizing::new(bytes);
    serde_json::from_slice(&bytes)
        .map_err(|_| Error::tampered(format!("the destination of {} does not read", row.id)))
}

/// A configuration and its destination, for whoever is about to use it.
async fn read<A: Action>(
    ctx: &Ctx,
    action: A,
    id: &NotificationId,
) -> Result<(Notification, Destination)> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let of = Workspace::OfNotification(id.clone());
    door::read(ctx, action, &target(&of), move |rows| {
        Box::pin(async move {
            let row = sql::needed(rows, &wanted).await?;
            let destination = open(rows, &house, &row).await?;
            Ok((row, destination))
        })
    })
    .await
}

/// Sends what shows whether somebody answers, and writes down what came of it.
pub(crate) async fn verify(
    ctx: &Ctx,
    trier: Trier<'_>,
    id: &NotificationId,
) -> Result<NotificationView> {
    let (row, destination) = read(ctx, VerifyNotification, id).await?;
    let tried = verification(ctx, trier, &row, &destination).await?;
    let of = Workspace::OfNotification(id.clone());
    let given = Arc::new((row, tried.clone(), destination));
    let view = door::change(ctx, VerifyNotification, target(&of), move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (asked, tried, destination) = &*given;
            let row = sql::needed(tx, &asked.id).await?;
            // What one address answered says nothing of another.
            if row.destination != asked.destination {
                return Err(changed_meanwhile());
            }
            keep(tx, tried).await?;
            let deliveries = sql::deliveries(tx, &row.id).await?;
            let entry = turn::told(Entry::new(&row.id), tried);
            let view = NotificationView::of(&row, destination, deliveries);
            Ok(Done::Recorded(view, entry))
        })
    })
    .await?;
    require_taken(&tried)?;
    Ok(view)
}

/// Ends a configuration, and what is kept of its deliveries.
pub async fn remove(ctx: &Ctx, id: &NotificationId) -> Result<()> {
    let of = Workspace::OfNotification(id.clone());
    let id = id.clone();
    door::change(ctx, RemoveNotification, target(&of), move |tx| {
        let id = id.clone();
        Box::pin(async move {
            let row = sql::needed(tx, &id).await?;
            for delivery in sql::deliveries(tx, &id).await? {
                tx.remove::<Delivery>(&[delivery.id.as_str().into()])
                    .await?;
            }
            tx.remove::<Cursor>(&[id.as_str().into()]).await?;
            tx.remove::<Notification>(&[id.as_str().into()]).await?;
            blob::sql::remove(tx, row.destination.as_str()).await?;
            let entry = Entry::new(&id).fact("workspace", row.workspace.as_str());
            Ok(Done::Recorded((), entry))
        })
    })
    .await
}

/// The configurations of a workspace, the oldest first.
pub async fn list(ctx: &Ctx, workspace: &Workspace) -> Result<Vec<NotificationView>> {
    let (wanted, house) = (workspace.clone(), ctx.house().clone());
    door::read(ctx, ListNotifications, &target(workspace), move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let mut views = Vec::new();
            for row in sql::of_workspace(rows, &workspace.id).await? {
                views.push(seen(rows, &house, &row).await?);
            }
            Ok(views)
        })
    })
    .await
}

async fn seen(rows: &mut Rows, house: &House, row: &Notification) -> Result<NotificationView> {
    let destination = open(rows, house, row).await?;
    let deliveries = sql::deliveries(rows, &row.id).await?;
    Ok(NotificationView::of(row, &destination, deliveries))
}

/// One configuration.
pub async fn show(ctx: &Ctx, id: &NotificationId) -> Result<NotificationView> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let of = Workspace::OfNotification(id.clone());
    door::read(ctx, ListNotifications, &target(&of), move |rows| {
        Box::pin(async move {
            let row = sql::needed(rows, &wanted).await?;
            seen(rows, &house, &row).await
        })
    })
    .await
}
