//! API tokens. The secret is in the answer that makes a token, as the attribute `token`, and nowhere else.

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Core;
use statehouse_core::token::{self, TokenView, Wish};

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::{Attributes, Secret};
use crate::auth::{self, Asker, At, Source};
use crate::problem::Problem;

const KIND: &str = "tokens";
/// Tokens on one page: as many as one account may have.
const PAGE: Sizes = Sizes::whole(1000);
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// A name and a password, for a token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    username: String,
    password: Secret,
    #[serde(default)]
    label: String,
}

/// Makes a token for whoever knows the password. The one change that needs no token.
pub(crate) async fn login(
    State(core): State<Arc<Core>>,
    Source(source): Source,
    Attributes(login): Attributes<Login>,
) -> Result<Document, Problem> {
    let wish = Wish {
        label: login.label,
        ..Wish::default()
    };
    let Login {
        username, password, ..
    } = login;
    Ok(made(core.login(&username, password.0, source, wish).await?))
}

/// What a new token shall be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct New {
    #[serde(default)]
    label: String,
    #[serde(default)]
    scopes: Vec<String>,
    life_days: Option<u32>,
}

impl TryFrom<New> for Wish {
    type Error = Problem;

    fn try_from(new: New) -> Result<Self, Problem> {
        let scopes = new
            .scopes
            .iter()
            .map(|scope| scope.parse())
            .collect::<Result<_, _>>();
        let life_us = new
            .life_days
            .map(|days| i64::from(days).saturating_mul(DAY_US));
        Ok(Self {
            label: new.label,
            scopes: scopes.map_err(Problem::invalid)?,
            life_us,
        })
    }
}

/// Makes a token for the caller.
pub(crate) async fn create(
    asker: Asker,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    Ok(made(token::create(asker.site(), new.try_into()?).await?))
}

/// Makes a token for another account.
pub(crate) async fn issue(
    asker: Asker,
    At(name): At<String>,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    let made_for = token::issue_for(asker.site(), auth::name(&name)?, new.try_into()?);
    Ok(made(made_for.await?))
}

/// What is told of a token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    label: String,
    /// The permissions that it is narrowed to; empty for all of its user's.
    scopes: Vec<String>,
    created_at: Option<Instant>,
    expires_at: Option<Instant>,
    revoked_at: Option<Instant>,
    /// The token itself, in the answer that makes it and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

fn document(view: &TokenView, secret: Option<&SecretString>) -> Value {
    let attributes = Told {
        label: view.label.clone(),
        scopes: view.scopes.clone(),
        created_at: instant::at(view.created_at),
        expires_at: view.expires_at.and_then(instant::at),
        revoked_at: view.revoked_at.and_then(instant::at),
        token: secret.map(|secret| secret.expose_secret().to_owned()),
    };
    json!({ "type": KIND, "id": view.id, "attributes": attributes })
}

fn made((view, secret): (TokenView, SecretString)) -> Document {
    Document::made(document(&view, Some(&secret)))
}

/// The caller's own tokens.
pub(crate) async fn list(asker: Asker, query: Query) -> Result<Document, Problem> {
    let found = token::list(asker.site()).await?;
    let (page, pages) = query.page("/api/v2/tokens", found, PAGE)?;
    let page = page.iter().map(|token| document(token, None));
    Ok(Document::page(page.collect(), &pages))
}

/// Ends a token of the caller's.
pub(crate) async fn revoke(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let ended = token::revoke(asker.site(), auth::id(&id)?).await?;
    Ok(Document::one(document(&ended, None)))
}
