//! First access: somebody has to be there who can let others in.

use secrecy::SecretString;
use statehouse_core::token::{self, Wish};
use statehouse_core::{Core, org, user};
use statehouse_model::{Name, UserId};

use crate::failure::{Failure, Result};

/// The account that a first start makes.
pub(crate) const USER: &str = "admin";
/// The organization that `up` makes.
pub(crate) const ORGANIZATION: &str = "main";

fn name(text: &str) -> Result<Name> {
    text.parse().map_err(Failure::failed)
}

/// Whether nobody has an account yet.
pub(crate) async fn is_empty(core: &Core) -> Result<bool> {
    Ok(user::list(&core.machine()).await?.is_empty())
}

/// Makes the account and the organization where they are missing, each for itself, so that a start that was cut short is
/// completed by the next; and a new token for the account. Older tokens stay valid.
pub(crate) async fn admin_with_organization(core: &Core) -> Result<SecretString> {
    let machine = core.machine();
    let token = admin(core, "up").await?;
    if !org::list(&machine)
        .await?
        .iter()
        .any(|organization| organization.name == ORGANIZATION)
    {
        let users = user::list(&machine).await?;
        let admin = users
            .iter()
            .find(|user| user.name == USER)
            .ok_or_else(|| Failure::failed("the account vanished"))?;
        let owner: UserId = admin.id.parse().map_err(Failure::failed)?;
        core.create_organization(&machine, name(ORGANIZATION)?, owner)
            .await?;
    }
    Ok(token)
}

/// Makes the account where it is missing, as operator of the site, and a new token for it.
pub(crate) async fn admin(core: &Core, label: &str) -> Result<SecretString> {
    let machine = core.machine();
    if !user::list(&machine)
        .await?
        .iter()
        .any(|user| user.name == USER)
    {
        user::create(&machine, name(USER)?, true, None).await?;
    }
    let wish = Wish {
        label: label.to_owned(),
        ..Wish::default()
    };
    let (_, secret) = token::issue_for(&machine, name(USER)?, wish).await?;
    Ok(secret)
}
