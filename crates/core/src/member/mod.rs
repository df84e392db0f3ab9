//! Memberships: who belongs to an organization.
//!
//! There is no list of members beside what they hold. Whoever has a grant that
//! still counts, or is in a team, belongs to the organization; whoever is
//! invited without either gets the role `member`. Putting somebody out takes
//! every grant and every team from them in one change. Accounts are local, so a
//! membership is active at once; a disabled account keeps it and gets nothing
//! by it.

use std::collections::{BTreeMap, BTreeSet};

use statehouse_model::{Actor, MembershipId, Permission, Role, Subject, TeamId, UserId};

use crate::access;
use crate::access::sql::{self as grants, Grant};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::team;

actions! {
    /// Bring somebody in.
    AddMember = "member.add" needs MemberManage;
    /// Put somebody out.
    RemoveMember = "member.remove" needs MemberManage;
    /// See who belongs to the organization.
    ListMembers = "member.list" needs MemberRead;
    /// See one membership: one's own, or with `member.read` another's.
    ShowMember = "member.show" needs OrganizationRead;
}

/// Somebody who belongs to an organization.
#[derive(Debug, Clone, serde::Serialize)]
pub struct MemberView {
    /// The membership's id.
    pub id: String,
    /// The id of the account.
    pub user: String,
    /// The ids of the teams that they are in; secret ones only for those who see them.
    pub teams: Vec<String>,
    /// The roles that they hold themselves over the whole organization.
    pub roles: Vec<String>,
    /// Since when, in microseconds since 1970.
    pub created_at: i64,
}

struct Belonging {
    since: i64,
    teams: BTreeSet<TeamId>,
    roles: BTreeSet<Role>,
}

/// Everybody who belongs here, from the rows of this transaction.
async fn everybody(rows: &mut Rows, ctx: &Ctx) -> Result<BTreeMap<UserId, Belonging>> {
    let (now, code) = (ctx.house().now(), ctx.house().code());
    let mut found: BTreeMap<UserId, Belonging> = BTreeMap::new();
    let place = |user: UserId, since: i64, found: &mut BTreeMap<UserId, Belonging>| {
        let new = Belonging {
            since,
            teams: BTreeSet::new(),
            roles: BTreeSet::new(),
        };
        let entry = found.entry(user).or_insert(new);
        entry.since = entry.since.min(since);
    };
    for grant in grants::all(rows).await? {
        let Some(user) = grant.subject.user().filter(|_| grant.is_live(now)) else {
            continue;
        };
        place(user.clone(), grant.created_at, &mut found);
        if let Some(entry) = found
            .get_mut(user)
            .filter(|_| grant.scope == access::ORGANIZATION)
        {
            entry.roles.insert(grant.role);
            if grant.owns() {
                entry.teams.insert(TeamId::owners(code));
            }
        }
    }
    let hidden = team::hidden(rows, ctx).await?;
    for member in team::sql::members(rows).await? {
        place(member.account.clone(), member.created_at, &mut found);
        if let Some(entry) = found
            .get_mut(&member.account)
            .filter(|_| !hidden.contains(&member.team))
        {
            entry.teams.insert(member.team);
        }
    }
    Ok(found)
}

fn view(ctx: &Ctx, user: &UserId, belonging: Belonging) -> MemberView {
    MemberView {
        id: MembershipId::of(ctx.house().code(), user).to_string(),
        user: user.to_string(),
        teams: belonging.teams.iter().map(ToString::to_string).collect(),
        roles: belonging.roles.iter().map(ToString::to_string).collect(),
        created_at: belonging.since,
    }
}

/// Everybody who belongs to the organization.
pub async fn list(ctx: &Ctx) -> Result<Vec<MemberView>> {
    let asked = ctx.clone();
    door::read(ctx, ListMembers, &Target::House, move |rows| {
        Box::pin(async move {
            let found = everybody(rows, &asked).await?.into_iter();
            Ok(found
                .map(|(user, belonging)| view(&asked, &user, belonging))
                .collect())
        })
    })
    .await
}

/// The membership of one account.
pub async fn show(ctx: &Ctx, user: UserId) -> Result<MemberView> {
    let asked = ctx.clone();
    door::read(ctx, ShowMember, &Target::House, move |rows| {
        Box::pin(async move {
            let now = asked.house().now();
            let own = matches!(asked.actor(), Actor::User { user: own, .. } if *own == user);
            let may = own
                || access::holds(rows, &asked, Permission::MemberRead, &Target::House, now).await?;
            let found = everybody(rows, &asked).await?.remove(&user);
            let belonging = found.filter(|_| may).ok_or_else(nobody)?;
            Ok(view(&asked, &user, belonging))
        })
    })
    .await
}

fn nobody() -> Error {
    Error::not_found("membership")
}

/// Brings somebody in: into teams or, without any, as a mere member.
pub async fn add(ctx: &Ctx, user: UserId, teams: Vec<TeamId>) -> Result<MemberView> {
    let asked = ctx.clone();
    door::change(ctx, AddMember, Target::House, move |tx| {
        let (user, teams, asked) = (user.clone(), teams.clone(), asked.clone());
        Box::pin(async move {
            if everybody(tx, &asked).await?.contains_key(&user) {
                let words = "they belong to the organization already";
                return Err(Error::new(Kind::Conflict, words));
            }
            if !teams.is_empty() {
                let now = tx.now();
                let action = Permission::TeamManage;
                access::decide(tx, &asked, action, &Target::House, now).await?;
            }
            for team in &teams {
                team::join(tx, &asked, team, &user).await?;
            }
            if teams.is_empty() {
                let member = Subject::User(user.clone());
                team::put_grant(tx, asked.house().code(), member, Role::Member).await?;
            }
            let added = everybody(tx, &asked).await?.remove(&user);
            let view = view(&asked, &user, added.ok_or_else(nobody)?);
            let entry = Entry::new(&view.id).fact("user", user.as_str());
            Ok(Outcome::Recorded(view, entry))
        })
    })
    .await
}

/// Whether the caller may bring people in.
pub async fn may_add(ctx: &Ctx) -> Result<()> {
    door::may(ctx, AddMember, &Target::House).await
}

/// Whether the caller may put people out.
pub(crate) async fn may_remove(ctx: &Ctx) -> Result<()> {
    door::may(ctx, RemoveMember, &Target::House).await
}

/// Puts somebody out: every grant and every team, in one change. The last
/// owner stays, and an owner is put out only by those who make owners.
pub async fn remove(ctx: &Ctx, user: UserId) -> Result<()> {
    let asked = ctx.clone();
    door::change(ctx, RemoveMember, Target::House, move |tx| {
        let (user, asked) = (user.clone(), asked.clone());
        Box::pin(async move {
            let now = tx.now();
            let held = grants::of_subject(tx, user.as_str()).await?;
            if held.iter().any(Grant::owns) {
                team::require_owners(tx, &asked, now).await?;
            }
            if grants::owning_users(tx).await?.contains(&user) {
                access::keep_an_owner(tx, std::slice::from_ref(&user)).await?;
            }
            let taken = team::remove_everywhere(tx, &user).await?;
            if taken == 0 {
                return Err(nobody());
            }
            let id = MembershipId::of(asked.house().code(), &user);
            let entry = Entry::new(&id)
                .fact("user", user.as_str())
                .fact("taken", taken);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}
