//! Sessions: people who are signed in with a browser.
//!
//! A session begins with a name and a password, through the same gate as every
//! other login, under an id and a secret that are new each time: one that was
//! planted in a browser never becomes a person's. What the browser shows is
//! stored as a MAC. A session ends by itself twelve hours after it began, an
//! hour after its last use, when its person signs out, and at once when the
//! account is disabled or gets another password.
//!
//! The hour is counted from uses that are on record, and a use is recorded
//! when the last one is ten minutes old: a session rests at least fifty
//! minutes and at most sixty. Deliberately absent: staying signed in for longer.

pub(crate) mod sql;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::SecretString;
use statehouse_model::{Actor, Name, SessionId, UserId};

use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;
use crate::ticket::{self, Ticket};
use crate::user;
use sql::Session;
pub use stream::{OF_PERSON_MAX, OF_SESSION_MAX, Stream};

/// A session lives this long at most: a working day, in microseconds.
pub const LIFE_US: i64 = 12 * HOUR_US;
/// And this long after its last use.
pub const IDLE_US: i64 = HOUR_US;
const HOUR_US: i64 = 3600 * 1_000_000;
/// A use is recorded when the last record of one is this old.
const SEEN_EVERY_US: i64 = 600 * 1_000_000;
/// Live sessions of one account; one more ends the oldest.
const SESSIONS_MAX: usize = 20;

actions! {
    /// Sign in with a browser.
    BeginSession = "session.begin" needs TokenManage;
    /// Go on using a session.
    SeeSession = "session.seen" needs TokenManage;
    /// Sign out.
    EndSession = "session.end" needs TokenManage;
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Visitor {
    site: Ctx,
    name: Name,
    ticket: Arc<Ticket<SessionId>>,
}

impl Visitor {
    /// The person in the site.
    pub fn site(&self) -> &Ctx {
        &self.site
    }

    /// The name of the account.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What a form for `purpose` carries, so that no other site can send it.
    pub fn form_token(&self, purpose: &str) -> String {
        self.ticket.derived(purpose)
    }

    /// Whether a form carried that.
    pub fn is_form_token(&self, purpose: &str, text: &str) -> bool {
        ticket::same(&self.form_token(purpose), text)
    }
}

/// What the form for signing in carries, when nobody is signed in yet: it is
/// made from a secret that only this browser has.
pub fn first_form_token(secret: &str) -> String {
    ticket::derive(secret, "sign-in")
}

/// Whether the form carried that.
pub fn is_first_form_token(secret: &str, text: &str) -> bool {
    ticket::same(&first_form_token(secret), text)
}

/// A new secret for [`first_form_token`].
pub fn first_secret() -> String {
    hex::encode(crate::random::<32>())
}

/// No two changes have the same instant: a busy house is ahead of the clock by
/// a microsecond for each change.
const AHEAD_US: i64 = 1000;

fn over() -> Error {
    Error::new(Kind::Unauthenticated, "you are not signed in any more").hint("sign in again")
}

/// Checks a name and a password and begins a session: what the browser shall
/// show from now on.
pub(crate) async fn begin(
    machine: &Ctx,
    gate: &user::Gate,
    name: &str,
    password: SecretString,
    source: Option<IpAddr>,
) -> Result<SecretString> {
    let asked_at = machine.house().now();
    let user = user::prove(machine, gate, name, password, source).await?;
    let ticket = Arc::new(Ticket::new(SessionId::from_entropy(crate::entropy())));
    let shown = ticket.text().clone();
    // The session is none before this change: the server begins it.
    door::change(machine, BeginSession, Target::House, move |tx| {
        let (ticket, user, now) = (ticket.clone(), user.clone(), tx.now());
        Box::pin(async move {
            let account = user::sql::by_id(tx, &user).await?;
            account
                .filter(|account| account.disabled_at.is_none())
                .ok_or_else(over)?;
            // Proving takes a while: the password may be another one by now.
            let password = user::sql::password_of(tx, &user).await?;
            if password.is_none_or(|password| password.changed_at > asked_at + AHEAD_US) {
                return Err(over());
            }
            make_room(tx, &user, now).await?;
            let entry = Entry::new(ticket.id()).fact("user", user.as_str());
            let session = Session {
                id: ticket.id().clone(),
                account: user,
                secret_mac: ticket.mac(&tx.keyring),
                created_at: now,
                seen_at: now,
                expires_at: now.saturating_add(LIFE_US),
                ended_at: None,
            };
            tx.put(&session).await?;
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    Ok(shown)
}

/// Removes an account's sessions that are over, and ends the oldest when
/// there are too many.
async fn make_room(tx: &mut Tx<BeginSession>, user: &UserId, now: i64) -> Result<()> {
    let (live, old): (Vec<_>, Vec<_>) = sql::of_account(tx, user)
        .await?
        .into_iter()
        .partition(|session| is_live(session, now));
    for session in old {
        tx.remove::<Session>(&[Value::from(session.id.as_str())])
            .await?;
    }
    let surplus = (live.len() + 1).saturating_sub(SESSIONS_MAX);
    for mut session in live.into_iter().take(surplus) {
        session.ended_at = Some(now);
        tx.put(&session).await?;
    }
    Ok(())
}

fn of(site: &Arc<House>, user: &UserId, session: &SessionId, source: Option<IpAddr>) -> Ctx {
    let actor = Actor::Session {
        user: user.clone(),
        session: session.clone(),
    };
    Ctx::new(site.clone(), actor, None, source)
}

/// Whether a session goes on at `now`.
pub(crate) fn is_live(session: &Session, now: i64) -> bool {
    session.ended_at.is_none()
        && session.expires_at > now
        && now.saturating_sub(session.seen_at) < IDLE_US
}

/// Who shows `text`; `None` when it is nobody, or nobody any more. Like a
/// token's bearer this stands before the door, and reads the session and its
/// account alone.
pub(crate) async fn visitor(
    site: &Arc<House>,
    text: &str,
    source: Option<IpAddr>,
) -> Result<Option<Visitor>> {
    let Some(ticket) = Ticket::<SessionId>::parse(text) else {
        return Ok(None);
    };
    let mut rows = door::look(site).await?;
    let now = site.now();
    let found = find(&mut rows, &ticket, now).await;
    rows.transaction.rollback().await;
    let Some((session, name)) = found? else {
        return Ok(None);
    };
    let ctx = of(site, &session.account, &session.id, source);
    if now.saturating_sub(session.seen_at) >= SEEN_EVERY_US
        && let Err(error) = see(&ctx, session.id).await
    {
        // It rests a little earlier then; a site that is read-only still shows itself.
        tracing::warn!(%error, "the use of a session was not recorded");
    }
    Ok(Some(Visitor {
        site: ctx,
        name,
        ticket: Arc::new(ticket),
    }))
}

async fn find(
    rows: &mut Rows,
    ticket: &Ticket<SessionId>,
    now: i64,
) -> Result<Option<(Session, Name)>> {
    // A row that was altered is no session; what it is, the log says.
    let stored = match sql::by_id(rows, ticket.id()).await {
        Err(error) if *error.kind() == Kind::Tampered => {
            tracing::error!(%error, "a session was refused");
            None
        }
        found => found?,
    };
    let mac = stored.as_ref().map(|session| &*session.secret_mac);
    let genuine = ticket.is(&rows.keyring, mac);
    let Some(session) = stored.filter(|session| genuine && is_live(session, now)) else {
        return Ok(None);
    };
    let account = user::sql::by_id(rows, &session.account).await?;
    let account = account.filter(|account| account.disabled_at.is_none());
    Ok(account.map(|account| (session, account.name)))
}

/// Whether a session and its account are still good, asked before an
/// organization is entered.
pub(crate) async fn still_valid(ctx: &Ctx) -> Result<()> {
    let Actor::Session { user, session } = ctx.actor() else {
        return Ok(());
    };
    let site = ctx.house();
    let mut rows = door::look(site).await?;
    let good = is_good(&mut rows, session, user, site.now()).await;
    rows.transaction.rollback().await;
    if good? { Ok(()) } else { Err(over()) }
}

/// Refuses a session that is over. Asked inside every transaction of the site
/// that its person acts in.
pub(crate) async fn require(
    rows: &mut Rows,
    session: &SessionId,
    user: &UserId,
    now: i64,
) -> Result<()> {
    if is_good(rows, session, user, now).await? {
        Ok(())
    } else {
        Err(over())
    }
}

/// Whether this session of this account goes on.
pub(crate) async fn is_good(
    rows: &mut Rows,
    session: &SessionId,
    user: &UserId,
    now: i64,
) -> Result<bool> {
    let session = sql::by_id(rows, session).await?;
    let live = session.is_some_and(|session| is_live(&session, now) && session.account == *user);
    let account = user::sql::by_id(rows, user).await?;
    Ok(live && account.is_some_and(|account| account.disabled_at.is_none()))
}

async fn see(ctx: &Ctx, id: SessionId) -> Result<()> {
    door::change(ctx, SeeSession, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let session = sql::by_id(tx, &id).await?;
            let Some(mut session) = session.filter(|session| is_live(session, now)) else {
                return Ok(Outcome::Unchanged(()));
            };
            session.seen_at = now;
            tx.put(&session).await?;
            Ok(Outcome::Recorded((), Entry::new(&session.id)))
        })
    })
    .await
}

/// Signs a visitor out.
pub async fn end(visitor: &Visitor) -> Result<()> {
    let id = visitor.ticket.id().clone();
    let ended = door::change(&visitor.site, EndSession, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let session = sql::by_id(tx, &id).await?;
            let Some(mut session) = session.filter(|session| session.ended_at.is_none()) else {
                return Ok(Outcome::Unchanged(()));
            };
            session.ended_at = Some(now);
            tx.put(&session).await?;
            Ok(Outcome::Recorded((), Entry::new(&session.id)))
        })
    });
    match ended.await {
        // It was over already.
        Err(error) if *error.kind() == Kind::Unauthenticated => Ok(()),
        ended => ended,
    }
}

/// Ends every session of an account, within the change that makes it so; how
/// many there were.
pub(crate) async fn end_all<A: Action>(tx: &mut Tx<A>, user: &UserId) -> Result<u64> {
    let now = tx.now();
    let mut ended = 0;
    for mut session in sql::of_account(tx, user).await? {
        if is_live(&session, now) {
            session.ended_at = Some(now);
            tx.put(&session).await?;
            ended += 1;
        }
    }
    Ok(ended)
}
