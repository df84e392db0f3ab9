//! Accounts.

use serde::Deserialize;
use serde_json::{Value, json};
use statehouse_core::user;

use super::document::{Attributes, Document, Secret, resource, resources};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "users";

/// The caller's own account, with what clients call its parts.
pub(crate) async fn own(asker: Asker) -> Result<Document, Problem> {
    let own = user::show_self(asker.site()).await?;
    let mut resource = resource(KIND, &own)?;
    if let Some(Value::Object(attributes)) = resource.get_mut("attributes") {
        attributes.insert("username".to_owned(), own.name.into());
        attributes.insert("is-service-account".to_owned(), false.into());
        attributes.insert("email".to_owned(), Value::Null);
        attributes.insert("permissions".to_owned(), json!({}));
    }
    Ok(Document::one(resource))
}

/// Every account.
pub(crate) async fn list(asker: Asker) -> Result<Document, Problem> {
    Ok(Document::list(
        resources(KIND, &user::list(asker.site()).await?)?,
        None,
    ))
}

/// A new account.
#[derive(Deserialize)]
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
    Ok(Document::made(resource(KIND, &made)?))
}

/// Ends an account.
pub(crate) async fn disable(asker: Asker, At(name): At<String>) -> Result<Document, Problem> {
    Ok(Document::one(resource(
        KIND,
        &user::disable(asker.site(), auth::name(&name)?).await?,
    )?))
}

/// A new password.
#[derive(Deserialize)]
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
