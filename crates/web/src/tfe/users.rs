//! Accounts.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::user::{self, UserView};
use statehouse_model::{Actor, UserId};

use super::document::Document;
use super::instant::{self, Instant};
use super::query::{Query, Sizes};
use super::sent::{Attributes, Secret};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

pub(super) const KIND: &str = "users";
/// Accounts on one page.
const PAGE: Sizes = Sizes::whole(1000);

/// The caller's own account; behind the token of a team or an organization, what clients take for one.
pub(crate) async fn own(asker: Asker) -> Result<Document, Problem> {
    let actor = asker.site().actor();
    if matches!(
        actor,
        Actor::Team { .. } | Actor::Organization { .. } | Actor::Pool { .. }
    ) {
        let attributes = Told::identity(&asker.called().await?, true);
        let id = actor.id();
        return Ok(Document::one(
            json!({ "type": KIND, "id": id, "attributes": attributes }),
        ));
    }
    Ok(Document::one(document(
        &user::show_self(asker.site()).await?,
    )))
}

/// One account by its id: the caller's own, or any for those who manage accounts.
pub(crate) async fn show(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let found = user::show(asker.site(), auth::id(&id)?).await?;
    Ok(Document::one(document(&found)))
}

/// An account, for itself and for those who manage accounts.
fn document(account: &UserView) -> Value {
    let more = More {
        operator: account.operator,
        created_at: instant::at(account.created_at),
        disabled_at: account.disabled_at.and_then(instant::at),
    };
    let attributes = Told {
        more: Some(more),
        ..Told::identity(&account.name, false)
    };
    json!({ "type": KIND, "id": account.id, "attributes": attributes })
}

/// An account, as those see it who belong to the same organization.
pub(super) fn seen(account: &UserView) -> Value {
    json!({ "type": KIND, "id": account.id, "attributes": Told::identity(&account.name, false) })
}

/// What the platform's clients want to know of whoever they speak for. The name stands for an e-mail address.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    name: String,
    username: String,
    email: String,
    is_service_account: bool,
    /// Always null.
    avatar_url: Option<String>,
    two_factor: TwoFactor,
    #[serde(flatten)]
    more: Option<More>,
}

/// Whether it is there: never yet.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct TwoFactor {
    enabled: bool,
    verified: bool,
}

/// What is told of an account to itself and to those who manage accounts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct More {
    operator: bool,
    created_at: Option<Instant>,
    disabled_at: Option<Instant>,
}

impl Told {
    fn identity(name: &str, is_service_account: bool) -> Self {
        Self {
            name: name.to_owned(),
            username: name.to_owned(),
            email: name.to_owned(),
            is_service_account,
            avatar_url: None,
            two_factor: TwoFactor {
                enabled: false,
                verified: false,
            },
            more: None,
        }
    }
}

/// The accounts of these ids or names, for a caller who may bring people in.
pub(super) async fn named(asker: &Asker, texts: &[String]) -> Result<Vec<UserId>, Problem> {
    let mut found = Vec::with_capacity(texts.len());
    for text in texts {
        found.push(asker.core().account_of(text).await?);
    }
    Ok(found)
}

/// A new name for oneself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Update {
    username: Option<String>,
    email: Option<String>,
}

/// Gives the caller another name. The address is the name, and cannot be another.
pub(crate) async fn update_own(
    asker: Asker,
    Attributes(update): Attributes<Update>,
) -> Result<Document, Problem> {
    let own = user::show_self(asker.site()).await?;
    let name = update.username.unwrap_or_else(|| own.name.clone());
    if update
        .email
        .is_some_and(|email| !email.is_empty() && email != name && email != own.name)
    {
        let words = "an account has no `email` apart from its name";
        return Err(Problem::unprocessable(words));
    }
    let renamed = user::rename_self(asker.site(), auth::name(&name)?).await?;
    Ok(Document::one(document(&renamed)))
}

/// One's current password, and the one to have from now on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    #[serde(alias = "current-password")]
    current_password: Secret,
    password: Secret,
    #[serde(alias = "password-confirmation")]
    password_confirmation: Option<Secret>,
}

/// Sets the caller's own password.
pub(crate) async fn change_own_password(
    asker: Asker,
    Attributes(new): Attributes<OwnPassword>,
) -> Result<Document, Problem> {
    let typed = new.password_confirmation.as_ref();
    if typed.is_some_and(|again| again.0.expose_secret() != new.password.0.expose_secret()) {
        return Err(Problem::unprocessable("the two passwords differ"));
    }
    let current = new.current_password.0;
    let changed = asker
        .core()
        .change_password(asker.site(), current, new.password.0)
        .await?;
    Ok(Document::one(document(&changed)))
}

/// Every account.
pub(crate) async fn list(asker: Asker, query: Query) -> Result<Document, Problem> {
    let mut found = user::list(asker.site()).await?;
    if let Some(part) = query.lower("q") {
        found.retain(|account| account.name.to_lowercase().contains(&part));
    }
    let (page, pages) = query.page("/api/v2/users", found, PAGE)?;
    Ok(Document::page(page.iter().map(document).collect(), &pages))
}

/// A new account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    name: String,
    #[serde(default)]
    operator: bool,
    password: Option<Secret>,
}

/// Makes an account, with a password or for tokens only.
pub(crate) async fn create(
    asker: Asker,
    Attributes(new): Attributes<New>,
) -> Result<Document, Problem> {
    let password = new.password.map(|Secret(password)| password);
    let made = user::create(asker.site(), auth::name(&new.name)?, new.operator, password).await?;
    Ok(Document::made(document(&made)))
}

/// Ends an account.
pub(crate) async fn disable(asker: Asker, At(name): At<String>) -> Result<Document, Problem> {
    let name = auth::name(&name)?;
    let ended = asker.core().disable_user(asker.site(), name).await?;
    Ok(Document::one(document(&ended)))
}

/// A new password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    password: Secret,
}

/// Sets an account's password.
pub(crate) async fn set_password(
    asker: Asker,
    At(name): At<String>,
    Attributes(NewPassword {
        password: Secret(password),
    }): Attributes<NewPassword>,
) -> Result<axum::http::StatusCode, Problem> {
    user::set_password(asker.site(), auth::name(&name)?, password).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
