//! Every statement on `project`.

use statehouse_model::{Name, ProjectId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// A project.
    pub(crate) struct Project in "project" key 1 {
        id: ProjectId,
        name: Name,
        created_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &ProjectId) -> Result<Option<Project>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Project>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Project>> {
    rows.find("ORDER BY name", &[]).await
}
