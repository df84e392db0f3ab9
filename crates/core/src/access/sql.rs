//! Every statement on `role_grant`.

use statehouse_model::{GrantId, Role, UserId};

use crate::error::Result;
use crate::record::{Ask, Rows, record};

record! {
    /// One role given to one user at one scope.
    pub(crate) struct Grant in "role_grant" key 1 {
        id: GrantId,
        subject: UserId,
        role: Role,
        scope: String,
        created_at: i64,
        expires_at: Option<i64>,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &GrantId) -> Result<Option<Grant>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

const OF_SUBJECT: &str = "WHERE subject = $1 ORDER BY id";

pub(crate) fn ask_subject(user: &UserId) -> Ask {
    Ask::answer::<Grant>(OF_SUBJECT, vec![user.as_str().into()])
}

pub(crate) async fn of_subject(rows: &mut Rows, user: &UserId) -> Result<Vec<Grant>> {
    rows.answer(OF_SUBJECT, vec![user.as_str().into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Grant>> {
    rows.find("ORDER BY subject, id", &[]).await
}

/// How many grants make an owner of the whole organization.
pub(crate) async fn owners(rows: &mut Rows) -> Result<usize> {
    let values = [Role::Owner.as_str().into(), super::ORGANIZATION.into()];
    let owners: Vec<Grant> = rows
        .find(
            "WHERE role = $1 AND scope = $2 AND expires_at IS NULL",
            &values,
        )
        .await?;
    Ok(owners.len())
}
