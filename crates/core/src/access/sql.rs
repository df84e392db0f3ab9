//! Every statement on `role_grant`.

use statehouse_model::{GrantId, Role, Subject, UserId};

use crate::error::Result;
use crate::record::{Ask, Rows, record};

record! {
    /// One role given to a user or a team at one scope.
    pub(crate) struct Grant in "role_grant" key 1 {
        id: GrantId,
        subject: Subject,
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

pub(crate) fn ask_subject(subject: &str) -> Ask {
    Ask::answer::<Grant>(OF_SUBJECT, vec![subject.into()])
}

/// The grants of one subject.
pub(crate) async fn of_subject(rows: &mut Rows, subject: &str) -> Result<Vec<Grant>> {
    rows.answer(OF_SUBJECT, vec![subject.into()]).await
}

/// The grants of several subjects.
pub(crate) async fn of_subjects(rows: &mut Rows, subjects: &[&str]) -> Result<Vec<Grant>> {
    let mut found = Vec::new();
    for subject in subjects {
        found.append(&mut of_subject(rows, subject).await?);
    }
    Ok(found)
}

/// The grants over one scope.
pub(crate) async fn over(rows: &mut Rows, scope: &str) -> Result<Vec<Grant>> {
    rows.find("WHERE scope = $1 ORDER BY subject, id", &[scope.into()])
        .await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Grant>> {
    rows.find("ORDER BY subject, id", &[]).await
}

/// The grants that make owners of the whole organization, for good.
pub(crate) async fn owners(rows: &mut Rows) -> Result<Vec<Grant>> {
    let values = [Role::Owner.as_str().into(), super::ORGANIZATION.into()];
    rows.find(
        "WHERE role = $1 AND scope = $2 AND expires_at IS NULL ORDER BY subject, id",
        &values,
    )
    .await
}

/// Who they are, each once.
pub(crate) async fn owning_users(rows: &mut Rows) -> Result<Vec<UserId>> {
    let owners = owners(rows).await?.into_iter();
    let mut users: Vec<UserId> = owners
        .filter_map(|grant| grant.subject.user().cloned())
        .collect();
    users.dedup();
    Ok(users)
}
