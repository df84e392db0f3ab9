//! `statehouse permissions`: the published list, as the server has it.

use super::session::Session;
use crate::failure::Result;

pub(super) fn run(session: &Session) -> Result {
    let list = session.client()?.api.list("/api/v2/permissions")?;
    session
        .out
        .list(&[("PERMISSION", "id"), ("ROLES", "roles")], &list)
}
