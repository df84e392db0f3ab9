//! API tokens. The secret is in the answer that makes a token, as the attribute `token`, and nowhere else.

use std::sync::Arc;

use axum::extract::State;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use statehouse_core::Core;
use statehouse_core::token::{self, TokenView, Wish};

use super::document::{Attributes, Document, Secret, resource, resources};
use crate::auth::{self, Asker, At, Source};
use crate::problem::Problem;

const KIND: &str = "tokens";
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// A name and a password, for a token.
#[derive(Deserialize)]
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
    made(core.login(&username, password.0, source, wish).await?)
}

/// What a new token shall be.
#[derive(Deserialize)]
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
    made(token::create(asker.site(), new.try_into()?).await?)
}

/// Makes a token for another account.
pub(crate) async fn issue(
    asker: Asker,
    At(name): At<String>,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    made(token::issue_for(asker.site(), auth::name(&name)?, new.try_into()?).await?)
}

fn made((view, secret): (TokenView, SecretString)) -> Result<Document, Problem> {
    let mut resource = resource(KIND, &view)?;
    if let Some(Value::Object(attributes)) = resource.get_mut("attributes") {
        attributes.insert("token".to_owned(), secret.expose_secret().into());
    }
    Ok(Document::made(resource))
}

/// The caller's own tokens.
pub(crate) async fn list(asker: Asker) -> Result<Document, Problem> {
    Ok(Document::list(
        resources(KIND, &token::list(asker.site()).await?)?,
        None,
    ))
}

/// Ends a token of the caller's.
pub(crate) async fn revoke(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    Ok(Document::one(resource(
        KIND,
        &token::revoke(asker.site(), auth::id(&id)?).await?,
    )?))
}
