//! Every statement on `team` and `team_member`.

use statehouse_model::{Name, TeamId, UserId};

use crate::error::Result;
use crate::record::{Ask, Rows, record};

record! {
    /// A team: a subject of grants.
    pub(crate) struct Team in "team" key 1 {
        id: TeamId,
        name: Name,
        description: String,
        /// `secret` or `organization`.
        visibility: String,
        /// What it was given over the organization, in the clients' words,
        /// separated by spaces. What it may do, its grants say.
        flags: String,
        created_at: i64,
    }
}

record! {
    /// Somebody who is in a team.
    pub(crate) struct TeamMember in "team_member" key 2 {
        team: TeamId,
        account: UserId,
        created_at: i64,
    }
}

pub(crate) async fn by_id(rows: &mut Rows, id: &TeamId) -> Result<Option<Team>> {
    rows.one("WHERE id = $1", &[id.as_str().into()]).await
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Team>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Team>> {
    rows.find("ORDER BY name", &[]).await
}

/// The teams that somebody is in.
pub(crate) async fn teams_of(rows: &mut Rows, account: &UserId) -> Result<Vec<TeamMember>> {
    rows.answer(TEAMS_OF, vec![account.as_str().into()]).await
}

const TEAMS_OF: &str = "WHERE account = $1 ORDER BY team";

/// What [`teams_of`] will ask.
pub(crate) fn ask_teams(account: &UserId) -> Ask {
    Ask::answer::<TeamMember>(TEAMS_OF, vec![account.as_str().into()])
}

/// Who is in a team.
pub(crate) async fn members_of(rows: &mut Rows, team: &TeamId) -> Result<Vec<TeamMember>> {
    rows.find("WHERE team = $1 ORDER BY account", &[team.as_str().into()])
        .await
}

/// Who is in any team.
pub(crate) async fn members(rows: &mut Rows) -> Result<Vec<TeamMember>> {
    rows.find("ORDER BY team, account", &[]).await
}

/// Whether somebody is in a team.
pub(crate) async fn member(rows: &mut Rows, team: &TeamId, account: &UserId) -> Result<bool> {
    let values = [team.as_str().into(), account.as_str().into()];
    let found: Option<TeamMember> = rows
        .one("WHERE team = $1 AND account = $2", &values)
        .await?;
    Ok(found.is_some())
}
