//! Every statement on `project`.

use statehouse_model::{Name, ProjectId};

use super::Project as Ref;
use crate::error::{Error, Result};
use crate::record::{Ask, Rows, record};

record! {
    /// A project.
    pub(crate) struct Project in "project" key 1 {
        id: ProjectId,
        name: Name,
        created_at: i64,
    }
}

const NAMED: &str = "WHERE name = $1";

pub(crate) async fn by_id(rows: &mut Rows, id: &ProjectId) -> Result<Option<Project>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// What [`by_id`] will ask.
pub(crate) fn ask_id(id: &ProjectId) -> Ask {
    Ask::rows::<Project>("WHERE id = $1", vec![id.as_str().into()])
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Project>> {
    let mut found = rows.answer(NAMED, vec![name.as_str().into()]).await?;
    Ok(found.pop())
}

/// What [`by_name`] will ask.
pub(crate) fn ask_name(name: &Name) -> Ask {
    Ask::answer::<Project>(NAMED, vec![name.as_str().into()])
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Project>> {
    rows.find("ORDER BY name", &[]).await
}

/// The project that a reference means, which must be there.
pub(crate) async fn needed(rows: &mut Rows, project: &Ref) -> Result<Project> {
    let found = match project {
        Ref::Id(id) => by_id(rows, id).await?,
        Ref::Name(name) => by_name(rows, name).await?,
    };
    found.ok_or_else(|| Error::not_found("project"))
}
