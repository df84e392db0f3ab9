//! OAuth 2.0, as much of it as `terraform login` needs: an authorization code
//! with PKCE, for a program on the person's own machine.
//!
//! A person who is signed in approves a [`Request`]; the client gets a code that
//! lives for a minute, and changes it for an API token of that person with the
//! verifier that only it knows. A code is good once: a wrong attempt spends it,
//! and a second use ends the token that the first one made, because somebody
//! else has the code too. There are no client secrets, since every copy of
//! terraform would hold the same one.
//!
//! Deliberately absent: refresh tokens (terraform ignores them), scopes, other
//! clients, and redirects to anywhere but a loopback address.

mod request;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use statehouse_model::{Actor, CodeId};

use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::session::{self, Visitor};
use crate::ticket::Ticket;
use crate::token::{self, Draft, Wish};
pub use request::{Asked, CLIENT, PORTS, Redirect, Refused, Request, read};
use sql::Code;

/// A code lives this long: the way from the browser to the program, in microseconds.
const CODE_LIFE_US: i64 = 60 * 1_000_000;
/// A code is remembered this long after it ended, to notice a second use.
const CODE_KEPT_US: i64 = 24 * 3600 * 1_000_000;

actions! {
    /// Let a program have a token of one's own.
    Approve = "oauth.approve" needs TokenManage;
    /// Refuse it.
    Deny = "oauth.deny" needs TokenManage;
    /// Change a code for the token.
    Exchange = "oauth.token" needs TokenManage;
}

/// Approves a request: the code for its client. The token will live for `life_us`.
pub async fn approve(visitor: &Visitor, request: Request, life_us: i64) -> Result<SecretString> {
    let ctx = visitor.site();
    let Actor::Session { user, session } = ctx.actor().clone() else {
        return Err(Error::internal("a visitor without a session"));
    };
    if life_us <= 0 || life_us > token::LIFE_DEFAULT_US {
        return Err(Error::invalid("such a token lives for at most 90 days"));
    }
    let ticket = Arc::new(Ticket::new(CodeId::from_entropy(crate::entropy())));
    let shown = ticket.text().clone();
    door::change(ctx, Approve, Target::House, move |tx| {
        let now = tx.now();
        let code = Code {
            id: ticket.id().clone(),
            account: user.clone(),
            session: session.clone(),
            secret_mac: ticket.mac(&tx.keyring),
            client: CLIENT.to_owned(),
            redirect_uri: request.redirect.as_str().to_owned(),
            challenge: request.challenge.clone(),
            life_us,
            expires_at: now.saturating_add(CODE_LIFE_US),
            used_at: None,
            token: None,
        };
        Box::pin(async move {
            let before = now.saturating_sub(CODE_KEPT_US);
            for old in sql::over_before(tx, &code.account, before).await? {
                tx.remove::<Code>(&[Value::from(old.id.as_str())]).await?;
            }
            tx.put(&code).await?;
            let entry = Entry::new(&code.id).fact("life", code.life_us);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await?;
    Ok(shown)
}

/// Refuses a request.
pub async fn deny(visitor: &Visitor) -> Result<()> {
    door::change(visitor.site(), Deny, Target::House, |_| {
        Box::pin(async { Ok(Outcome::Recorded((), Entry::new(CLIENT))) })
    })
    .await
}

/// What a client sends to change a code for a token (RFC 6749 §4.1.3).
#[derive(Default)]
pub struct Change {
    /// `authorization_code`.
    pub grant_type: Option<String>,
    /// The code.
    pub code: Option<SecretString>,
    /// The address that the code was sent to.
    pub redirect_uri: Option<String>,
    /// Who asks.
    pub client_id: Option<String>,
    /// What the challenge was made from.
    pub code_verifier: Option<SecretString>,
}

/// A token for a client.
pub struct Granted {
    /// The token itself.
    pub token: SecretString,
    /// How long it lives, in microseconds.
    pub life_us: i64,
}

/// Why a client gets none (RFC 6749 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotGranted {
    /// The code of the error.
    pub error: &'static str,
    /// The words beside it.
    pub words: &'static str,
}

/// The one answer to every code that is not good, whatever it is that is not.
const NO_GRANT: NotGranted = NotGranted {
    error: "invalid_grant",
    words: "the code is unknown, expired or used, or was made for another request; run terraform login again",
};

fn invalid(words: &'static str) -> NotGranted {
    NotGranted {
        error: "invalid_request",
        words,
    }
}

/// A [`Change`] whose parts are there and well-formed.
struct Offer {
    code: Ticket<CodeId>,
    redirect_uri: String,
    verifier: SecretString,
}

fn offer(change: Change) -> Result<Offer, NotGranted> {
    match change.grant_type.as_deref() {
        Some("authorization_code") => {}
        None => return Err(invalid("grant_type is missing")),
        Some(_) => {
            return Err(NotGranted {
                error: "unsupported_grant_type",
                words: "grant_type must be authorization_code",
            });
        }
    }
    if change.client_id.as_deref() != Some(CLIENT) {
        return Err(NotGranted {
            error: "invalid_client",
            words: "client_id must be terraform-cli",
        });
    }
    let code = change.code.ok_or(invalid("code is missing"))?;
    let redirect_uri = change
        .redirect_uri
        .ok_or(invalid("redirect_uri is missing"))?;
    let well_formed = |text: &SecretString| request::is_verifier(text.expose_secret());
    let verifier = change.code_verifier.filter(well_formed).ok_or(invalid(
        "code_verifier is missing, or not of 43 to 128 unreserved characters",
    ))?;
    Ok(Offer {
        code: Ticket::parse(code.expose_secret()).ok_or(NO_GRANT)?,
        redirect_uri,
        verifier,
    })
}

/// Changes a code for a token that is called `label`.
pub(crate) async fn exchange(
    site: &Arc<House>,
    change: Change,
    label: String,
) -> Result<Result<Granted, NotGranted>> {
    let offer = match offer(change) {
        Ok(offer) => offer,
        Err(refused) => return Ok(Err(refused)),
    };
    let Some(code) = shown(site, &offer.code).await? else {
        return Ok(Err(NO_GRANT));
    };
    // From here on somebody shows a code of ours, and what follows is the deed of whom it was made for.
    let actor = Actor::Session {
        user: code.account.clone(),
        session: code.session,
    };
    let ctx = Ctx::new(site.clone(), actor, None, None);
    let wish = Wish {
        label,
        life_us: Some(code.life_us),
        ..Wish::default()
    };
    let draft = Arc::new(Draft::new(&ctx, code.account, wish)?);
    let (body, offer) = (draft.clone(), Arc::new(offer));
    let granted = door::change(&ctx, Exchange, Target::House, move |tx| {
        let (draft, offer) = (body.clone(), offer.clone());
        Box::pin(async move { spend(tx, &offer, &draft).await })
    });
    let granted = match granted.await {
        // Whoever approved it is not signed in any more.
        Err(error) if *error.kind() == Kind::Unauthenticated => return Ok(Err(NO_GRANT)),
        granted => granted?,
    };
    Ok(granted.map(|()| Granted {
        token: draft.secret(),
        life_us: code.life_us,
    }))
}

/// The row of a code that is genuine. Before the door, as a token's bearer is.
async fn shown(site: &Arc<House>, code: &Ticket<CodeId>) -> Result<Option<Code>> {
    let mut rows = door::look(site).await?;
    let stored = sql::by_id(&mut rows, code.id()).await;
    rows.transaction.rollback().await;
    let stored = match stored {
        Err(error) if *error.kind() == Kind::Tampered => {
            tracing::error!(%error, "a code was refused");
            None
        }
        found => found?,
    };
    let mac = stored.as_ref().map(|code| &*code.secret_mac);
    let genuine = code.is(&rows.keyring, mac);
    Ok(stored.filter(|_| genuine))
}

/// Spends a code, well or badly.
async fn spend(
    tx: &mut Tx<Exchange>,
    offer: &Offer,
    draft: &Draft,
) -> Result<Outcome<Result<(), NotGranted>>> {
    let now = tx.now();
    let Some(mut code) = sql::by_id(tx, offer.code.id()).await? else {
        return Ok(Outcome::Unchanged(Err(NO_GRANT)));
    };
    let entry = Entry::new(&code.id);
    if code.used_at.is_some() {
        let Some(id) = code.token else {
            return Ok(Outcome::Unchanged(Err(NO_GRANT)));
        };
        if !token::end(tx, &id).await? {
            return Ok(Outcome::Unchanged(Err(NO_GRANT)));
        }
        let entry = entry.fact("refused", "used").fact("revoked", id.as_str());
        return Ok(Outcome::Recorded(Err(NO_GRANT), entry));
    }
    code.used_at = Some(now);
    if let Some(why) = fault(tx, &code, offer, now).await? {
        tx.put(&code).await?;
        return Ok(Outcome::Recorded(Err(NO_GRANT), entry.fact("refused", why)));
    }
    let token = draft.put(tx).await?;
    let entry = entry.fact("token", &*token.id);
    code.token = Some(draft.id().clone());
    tx.put(&code).await?;
    Ok(Outcome::Recorded(Ok(()), entry))
}

/// What is wrong with the use of a code, in a word for the ledger.
async fn fault(
    tx: &mut Tx<Exchange>,
    code: &Code,
    offer: &Offer,
    now: i64,
) -> Result<Option<&'static str>> {
    Ok(if code.expires_at <= now {
        Some("expired")
    } else if code.client != CLIENT {
        Some("client")
    } else if code.redirect_uri != offer.redirect_uri {
        Some("redirect")
    } else if !request::answers(offer.verifier.expose_secret(), &code.challenge) {
        Some("verifier")
    } else if !session::is_good(tx, &code.session, &code.account, now).await? {
        Some("session")
    } else {
        None
    })
}
