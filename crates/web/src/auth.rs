//! Who asks, and what their address means.
//!
//! [`Asker`] is taken from the head of a request, so a request without a valid token is refused before a byte of its body is
//! read. From there the caller is led to one house: by the organization's name, or by the code in an id. Whether the caller
//! may see anything in it is asked by the operation itself.
//!
//! A token comes as `Authorization: Bearer …`, or as the password of Basic authentication with any user name, which is all
//! that terraform's `http` backend can send. Deliberately absent: tokens in a query, which end in logs, and cookies, which pages alone
//! take ([`crate::ui`]).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{ConnectInfo, FromRequestParts, Path, Query};
use axum::http::header::{AUTHORIZATION, HOST, USER_AGENT};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use statehouse_core::url::Granted;
use statehouse_core::{Caller, Core, Ctx};
use statehouse_model::{Actor, HouseCode, HouseId, Name, UrlId, UserId};

use crate::answer::Named;
use crate::problem::Problem;

/// A caller whose token was valid a moment ago.
pub(crate) struct Asker {
    core: Arc<Core>,
    caller: Caller,
    origin: String,
    by_hand: bool,
}

/// Whether a request turned out to be somebody's: whose token is good has a budget of requests of its own.
#[derive(Clone, Default)]
pub(crate) struct Recognized(Arc<AtomicBool>);

impl Recognized {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A caller, where an address is also for those who have no token. A token that is not valid is refused here too.
pub(crate) struct MaybeAsker(pub(crate) Option<Asker>);

impl FromRequestParts<Arc<Core>> for MaybeAsker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        let Some(token) = token(parts)? else {
            return Ok(Self(None));
        };
        let caller = core.authenticate(&token, source(parts)).await?;
        if let Some(recognized) = parts.extensions.get::<Recognized>() {
            recognized.set();
        }
        if let Some(named) = parts.extensions.get::<Named>() {
            named.give(caller.site().request());
        }
        let agent = parts.headers.get(USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Ok(Self(Some(Asker {
            core: core.clone(),
            caller,
            origin: origin(parts),
            by_hand: agent.is_some_and(|agent| agent.starts_with("statehouse/")),
        })))
    }
}

impl FromRequestParts<Arc<Core>> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        let MaybeAsker(asker) = MaybeAsker::from_request_parts(parts, core).await?;
        asker.ok_or_else(|| Problem::unauthenticated("this needs a token, and none was sent"))
    }
}

impl Asker {
    /// The core that knows the caller.
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// The caller, before a house.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller in the site.
    pub(crate) fn site(&self) -> &Ctx {
        self.caller.site()
    }

    /// `https://` and the authority that the caller sent its request to: where links in the answer lead. It is what the caller
    /// itself said, and only that caller gets to see it.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether our own command line asks, and not a client that locks by itself.
    pub(crate) fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// What the caller is called: an account's name, or the team's or organization's behind its token.
    pub(crate) async fn called(&self) -> Result<String, Problem> {
        match self.site().actor() {
            Actor::Team { team, .. } => {
                let ctx = self.house_of(team).await?;
                let team = statehouse_core::team::show(&ctx, team.clone()).await?;
                Ok(format!("api-team-{}", team.name))
            }
            Actor::Organization { .. } => {
                let own = self.core.organizations_of(&self.caller).await?.pop();
                let own = own.ok_or_else(Problem::not_found)?;
                Ok(format!("api-org-{}", own.name))
            }
            Actor::Pool { pool, .. } => Ok(format!("api-agent-{pool}")),
            Actor::User { .. }
            | Actor::Session { .. }
            | Actor::Run(_)
            | Actor::Task(_)
            | Actor::Operator => Ok(statehouse_core::user::show_self(self.site()).await?.name),
        }
    }

    /// The account that the caller is.
    pub(crate) fn user(&self) -> Result<UserId, Problem> {
        let id = self.site().actor().id().parse();
        id.map_err(|_| Problem::invalid("only a user can own an organization"))
    }

    /// The caller in the organization of that name.
    pub(crate) async fn organization(&self, text: &str) -> Result<Ctx, Problem> {
        Ok(self.core.enter(&self.caller, &name(text)?).await?)
    }

    /// The caller in the house that `id` belongs to.
    pub(crate) async fn house_of(&self, id: &impl HouseId) -> Result<Ctx, Problem> {
        self.house(id.house()).await
    }

    /// The caller in the house of that code.
    pub(crate) async fn house(&self, code: HouseCode) -> Result<Ctx, Problem> {
        Ok(self.core.enter_code(&self.caller, code).await?)
    }
}

/// Whoever holds a signed address, checked before a byte of the body is read. The address has two variable parts: the grant's
/// id and the signature.
pub(crate) struct Bearer {
    core: Arc<Core>,
    id: UrlId,
    signature: String,
    source: Option<IpAddr>,
    ctx: Ctx,
    granted: Granted,
}

impl FromRequestParts<Arc<Core>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, core: &Arc<Core>) -> Result<Self, Problem> {
        let At((id, signature)) = At::<(String, String)>::from_request_parts(parts, core).await?;
        let (id, source) = (self::id(&id)?, source(parts));
        let (ctx, granted) = core.signed(&id, &signature, source).await?;
        if let Some(named) = parts.extensions.get::<Named>() {
            named.give(ctx.request());
        }
        Ok(Self {
            core: core.clone(),
            id,
            signature,
            source,
            ctx,
            granted,
        })
    }
}

impl Bearer {
    /// As whom, and what the address allows, asked again: minutes may have passed until the body was there.
    pub(crate) async fn enter(&self) -> Result<(&Ctx, &Granted), Problem> {
        self.core
            .signed(&self.id, &self.signature, self.source)
            .await?;
        Ok((&self.ctx, &self.granted))
    }
}

/// The authority that a request was sent to.
fn origin(parts: &Parts) -> String {
    let of_header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = parts
        .uri
        .authority()
        .map(axum::http::uri::Authority::as_str);
    let authority = authority.or_else(of_header).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let good = !authority.is_empty() && authority.bytes().all(plain);
    format!("https://{}", if good { authority } else { "localhost" })
}

/// The token of a request; `None` when it has no credentials at all.
pub(crate) fn token(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let unreadable = || Problem::unauthenticated("the credentials cannot be read");
    let (scheme, rest) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(unreadable());
    }
    let pair = STANDARD
        .decode(rest)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(unreadable)?;
    let (_, password) = pair.split_once(':').ok_or_else(unreadable)?;
    Ok(Some(password.to_owned()))
}

/// The peer of the connection. Forwarded headers count for nothing: anybody can write them.
pub(crate) fn source(parts: &Parts) -> Option<IpAddr> {
    parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| peer.ip())
}

/// Where a request comes from, where somebody without a token may ask.
pub(crate) struct Source(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(source(parts)))
    }
}

/// A name in an address. A text that is no name is nobody's, so saying so gives nothing away.
pub(crate) fn name(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(Problem::invalid)
}

/// An id in an address. One of the wrong shape is as good as one that does not exist.
pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

/// The variable parts of an address.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<T>::from_request_parts(parts, state).await;
        found
            .map(|Path(found)| Self(found))
            .map_err(|_| Problem::not_found())
    }
}

/// The query of an address.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| Problem::invalid(error.body_text()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;
    use axum::http::Request;

    /// What is taken as a token from `header`: itself, nothing, or a refusal.
    fn check(header: Option<&str>, expected: Result<Option<&str>, ()>) {
        let mut request = Request::builder();
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let got = token(&parts);
        assert_eq!(
            got.as_ref().map(Option::as_deref).map_err(|_| ()),
            expected,
            "{header:?}"
        );
    }

    #[test]
    fn a_token_is_a_bearer_or_the_password_of_anybody() {
        check(None, Ok(None));
        check(Some("Bearer sth_x"), Ok(Some("sth_x")));
        check(Some("bearer  sth_x "), Ok(Some("sth_x")));
        check(Some("Basic YWRhOnN0aF94"), Ok(Some("sth_x")));
        check(Some("Basic OnN0aF94OnkK"), Ok(Some("sth_x:y\n")));
        check(Some("Basic YWRh"), Err(()));
        check(Some("Basic ?"), Err(()));
        check(Some("Digest x"), Err(()));
        check(Some("sth_x"), Err(()));
    }
}
