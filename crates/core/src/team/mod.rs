//! Teams: people of an organization who hold roles together.
//!
//! A team is a subject of grants and nothing else: what it may do, its grants
//! say, and whoever is in it holds them. The clients' words for what a team may
//! do in the whole organization ([`Flag`]) and over one project or workspace
//! ([`reach`]) are roles in another spelling; there is no second set of rights.
//!
//! The team `owners` has no row. It is whoever holds the role `owner` over the
//! organization: joining it gives that role, leaving it takes it, and it is
//! never empty. Deliberately absent: teams in teams.

mod flag;
pub mod reach;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use statehouse_model::{
    Actor, GrantId, HouseCode, Name, Permission, Role, Subject, TeamId, TokenOwner, UserId,
};

use crate::access::sql::Grant;
use crate::access::{self, ORGANIZATION};
use crate::ctx::Ctx;
use crate::db::Value;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::token;
pub use flag::{Flag, Visibility};
use sql::{Team, TeamMember};

/// The name of the team that every organization has.
pub const OWNERS: &str = "owners";
/// People in one request: a change has two seconds.
pub const PEOPLE_MAX: usize = 500;
const DESCRIPTION_BYTES_MAX: usize = 1024;

actions! {
    /// Make a team.
    CreateTeam = "team.create" needs TeamManage;
    /// Change its name, visibility or what it may do everywhere.
    ChangeTeam = "team.change" needs TeamManage;
    /// End a team: its grants, its tokens and who was in it.
    DeleteTeam = "team.delete" needs TeamManage;
    /// Put people into a team.
    AddToTeam = "team.join" needs TeamManage;
    /// Put them out.
    RemoveFromTeam = "team.leave" needs TeamManage;
    /// Put people into the team of the owners, or out of it.
    ChangeOwners = "team.owners" needs GrantManage;
    /// See teams.
    ListTeams = "team.list" needs TeamRead;
}

/// A team, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TeamView {
    /// Its id.
    pub id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `secret` or `organization`.
    pub visibility: String,
    /// What it may do everywhere, in the clients' words.
    pub flags: Vec<String>,
    /// The ids of the users who are in it.
    pub users: Vec<String>,
    /// Whether the caller may change it.
    pub manageable: bool,
    /// When it was made, in microseconds since 1970; unknown for `owners`.
    pub created_at: Option<i64>,
}

/// What a team shall become; what is not set stays.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Its name.
    pub name: Option<Name>,
    /// What it is for.
    pub description: Option<String>,
    /// Who sees it.
    pub visibility: Option<Visibility>,
    /// What it may do everywhere: these flags and no others.
    pub flags: Option<BTreeSet<Flag>>,
}

impl Wish {
    fn checked(&self) -> Result<()> {
        let long = |text: &String| text.len() > DESCRIPTION_BYTES_MAX;
        if self.description.as_ref().is_some_and(long) {
            let words = format!("a team's description has at most {DESCRIPTION_BYTES_MAX} bytes");
            return Err(Error::invalid(words));
        }
        Ok(())
    }

    fn apply(&self, team: &mut Team) {
        if let Some(name) = &self.name {
            team.name = name.clone();
        }
        if let Some(description) = &self.description {
            team.description.clone_from(description);
        }
        if let Some(visibility) = self.visibility {
            visibility.as_str().clone_into(&mut team.visibility);
        }
        if let Some(flags) = &self.flags {
            team.flags = Flag::written(flags);
        }
    }
}

/// Makes a team. Who sees it is `secret` unless said otherwise.
pub async fn create(ctx: &Ctx, name: Name, wish: Wish) -> Result<TeamView> {
    wish.checked()?;
    let id = TeamId::from_entropy(ctx.house().code(), crate::entropy());
    let asked = ctx.clone();
    door::change(ctx, CreateTeam, Target::House, move |tx| {
        let (wish, asked) = (wish.clone(), asked.clone());
        let mut team = Team {
            id: id.clone(),
            name: name.clone(),
            description: String::new(),
            visibility: Visibility::Secret.as_str().to_owned(),
            flags: String::new(),
            created_at: tx.now(),
        };
        Box::pin(async move {
            free(tx, &team.name).await?;
            wish.apply(&mut team);
            tx.put(&team).await?;
            if let Some(flags) = &wish.flags {
                set_role(tx, &asked, &team.id, Flag::role(flags)).await?;
            }
            let entry = Entry::new(&team.id).fact("visibility", team.visibility.as_str());
            let view = view(tx, &asked, team).await?;
            Ok(Outcome::Recorded(view, entry))
        })
    })
    .await
}

/// Changes a team; that of the owners stays as it is.
pub async fn change(ctx: &Ctx, id: TeamId, wish: Wish) -> Result<TeamView> {
    wish.checked()?;
    let asked = ctx.clone();
    door::change(ctx, ChangeTeam, Target::House, move |tx| {
        let (id, wish, asked) = (id.clone(), wish.clone(), asked.clone());
        Box::pin(async move {
            let mut team = changeable(tx, &id).await?;
            if let Some(name) = wish.name.as_ref().filter(|name| **name != team.name) {
                free(tx, name).await?;
            }
            wish.apply(&mut team);
            tx.put(&team).await?;
            if let Some(flags) = &wish.flags {
                set_role(tx, &asked, &team.id, Flag::role(flags)).await?;
            }
            let entry = Entry::new(&team.id).fact("visibility", team.visibility.as_str());
            let view = view(tx, &asked, team).await?;
            Ok(Outcome::Recorded(view, entry))
        })
    })
    .await
}

async fn free(rows: &mut Rows, name: &Name) -> Result<()> {
    let owners = name.as_str().eq_ignore_ascii_case(OWNERS);
    if owners || sql::by_name(rows, name).await?.is_some() {
        let words = format!("a team named `{name}` exists");
        return Err(Error::new(Kind::Conflict, words));
    }
    Ok(())
}

/// A team that may be changed: it is there, and not that of the owners.
async fn changeable(rows: &mut Rows, id: &TeamId) -> Result<Team> {
    if id.is_owners() {
        let words = "the team `owners` is whoever owns the organization; only its people change";
        return Err(Error::new(Kind::Conflict, words));
    }
    let found = sql::by_id(rows, id).await?;
    found.ok_or_else(|| Error::not_found("team"))
}

/// Gives a team this role over the organization, in place of what flags gave it.
async fn set_role<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    team: &TeamId,
    role: Option<Role>,
) -> Result<()> {
    let now = tx.now();
    access::decide(tx, ctx, Permission::TeamAccess, &Target::House, now).await?;
    let mut held = false;
    for grant in access::sql::of_subject(tx, team.as_str()).await? {
        if !by_flags(&grant) {
            continue;
        }
        if role == Some(grant.role) && !held {
            held = true;
        } else {
            tx.remove::<Grant>(&[Value::from(grant.id.as_str())])
                .await?;
        }
    }
    if let Some(role) = role.filter(|_| !held) {
        put_grant(tx, ctx.house().code(), Subject::Team(team.clone()), role).await?;
    }
    Ok(())
}

/// Whether flags give and take such a grant.
fn by_flags(grant: &Grant) -> bool {
    let role = matches!(grant.role, Role::Maintainer | Role::Writer | Role::Reader);
    role && grant.scope == ORGANIZATION && grant.expires_at.is_none()
}

/// Gives a role over the whole organization.
pub(crate) async fn put_grant<A: Action>(
    tx: &mut Tx<A>,
    code: HouseCode,
    subject: Subject,
    role: Role,
) -> Result<()> {
    let grant = Grant {
        id: GrantId::from_entropy(code, crate::entropy()),
        subject,
        role,
        scope: ORGANIZATION.to_owned(),
        created_at: tx.now(),
        expires_at: None,
    };
    tx.put(&grant).await
}

/// Ends a team: nobody is in it any more, its grants are taken, its tokens end.
pub async fn delete(ctx: &Ctx, id: TeamId) -> Result<()> {
    door::change(ctx, DeleteTeam, Target::House, move |tx| {
        let (id, now) = (id.clone(), tx.now());
        Box::pin(async move {
            let team = changeable(tx, &id).await?;
            let members = sql::members_of(tx, &team.id).await?;
            for member in &members {
                remove_member(tx, &team.id, &member.account).await?;
            }
            for grant in access::sql::of_subject(tx, team.id.as_str()).await? {
                tx.remove::<Grant>(&[Value::from(grant.id.as_str())])
                    .await?;
            }
            for live in token::sql::of_bearer(tx, Some(&TokenOwner::Team(team.id.clone()))).await? {
                token::house::end(tx, live, now).await?;
            }
            tx.remove::<Team>(&[Value::from(team.id.as_str())]).await?;
            let entry = Entry::new(&team.id).fact("members", members.len());
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

async fn remove_member<A: Action>(tx: &mut Tx<A>, team: &TeamId, account: &UserId) -> Result<()> {
    let key = [Value::from(team.as_str()), Value::from(account.as_str())];
    tx.remove::<TeamMember>(&key).await
}

/// Whether somebody is in a team. That of the owners has no rows: it is whoever holds the role.
pub(crate) async fn is_in(rows: &mut Rows, team: &TeamId, user: &UserId) -> Result<bool> {
    if team.is_owners() {
        return Ok(access::sql::owning_users(rows).await?.contains(user));
    }
    sql::member(rows, team, user).await
}

/// Whether the caller may make and unmake owners.
pub(crate) async fn require_owners(rows: &mut Rows, ctx: &Ctx, now: i64) -> Result<()> {
    access::decide(rows, ctx, Permission::GrantManage, &Target::House, now).await
}

/// The same, asked before anything else is.
async fn may_change_owners(ctx: &Ctx) -> Result<()> {
    door::may(ctx, ChangeOwners, &Target::House).await
}

/// Whether the caller may change who is in a team.
pub async fn may_change(ctx: &Ctx, id: &TeamId) -> Result<()> {
    door::may(ctx, AddToTeam, &Target::House).await?;
    if id.is_owners() {
        may_change_owners(ctx).await?;
    }
    Ok(())
}

fn bounded(users: &[UserId]) -> Result<()> {
    if users.len() > PEOPLE_MAX {
        let words = format!("at most {PEOPLE_MAX} people at once");
        return Err(Error::invalid(words).hint("send several requests"));
    }
    Ok(())
}

/// Puts people into a team; into `owners`, by giving them the role.
pub async fn add(ctx: &Ctx, id: TeamId, users: Vec<UserId>) -> Result<()> {
    bounded(&users)?;
    let asked = ctx.clone();
    door::change(ctx, AddToTeam, Target::House, move |tx| {
        let (id, users, asked) = (id.clone(), users.clone(), asked.clone());
        Box::pin(async move {
            let mut added = 0_u64;
            for user in &users {
                added += u64::from(join(tx, &asked, &id, user).await?);
            }
            if users.is_empty() && !id.is_owners() {
                changeable(tx, &id).await?;
            }
            if added == 0 {
                return Ok(Outcome::Unchanged(()));
            }
            let entry = Entry::new(&id).fact("people", added);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Puts somebody into a team; whether they were not in it before.
pub(crate) async fn join<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    id: &TeamId,
    user: &UserId,
) -> Result<bool> {
    let now = tx.now();
    if id.is_owners() {
        require_owners(tx, ctx, now).await?;
        if access::sql::owning_users(tx).await?.contains(user) {
            return Ok(false);
        }
        let owner = Subject::User(user.clone());
        put_grant(tx, ctx.house().code(), owner, Role::Owner).await?;
        return Ok(true);
    }
    let team = changeable(tx, id).await?;
    if sql::member(tx, &team.id, user).await? {
        return Ok(false);
    }
    let member = TeamMember {
        team: team.id,
        account: user.clone(),
        created_at: now,
    };
    tx.put(&member).await?;
    Ok(true)
}

/// Puts people out of a team; out of `owners`, by taking the role, unless
/// nobody would own the organization then.
pub async fn remove(ctx: &Ctx, id: TeamId, users: Vec<UserId>) -> Result<()> {
    bounded(&users)?;
    let asked = ctx.clone();
    door::change(ctx, RemoveFromTeam, Target::House, move |tx| {
        let (id, users, asked) = (id.clone(), users.clone(), asked.clone());
        Box::pin(async move {
            let removed = if id.is_owners() {
                disown(tx, &asked, &users).await?
            } else {
                let team = changeable(tx, &id).await?;
                put_out(tx, &team.id, &users).await?
            };
            if removed == 0 {
                return Ok(Outcome::Unchanged(()));
            }
            let entry = Entry::new(&id).fact("people", removed);
            Ok(Outcome::Recorded((), entry))
        })
    })
    .await
}

/// Puts these out of a team; how many were in it.
async fn put_out<A: Action>(tx: &mut Tx<A>, team: &TeamId, users: &[UserId]) -> Result<u64> {
    let mut out = 0;
    for user in users {
        if sql::member(tx, team, user).await? {
            remove_member(tx, team, user).await?;
            out += 1;
        }
    }
    Ok(out)
}

/// Takes the role `owner` over the organization from these; how many grants that were.
async fn disown<A: Action>(tx: &mut Tx<A>, ctx: &Ctx, users: &[UserId]) -> Result<u64> {
    let now = tx.now();
    require_owners(tx, ctx, now).await?;
    access::keep_an_owner(tx, users).await?;
    let mut taken = 0;
    for user in users {
        let grants = access::sql::of_subject(tx, user.as_str()).await?;
        for grant in grants.into_iter().filter(Grant::owns) {
            tx.remove::<Grant>(&[Value::from(grant.id.as_str())])
                .await?;
            taken += 1;
        }
    }
    Ok(taken)
}

/// Takes everything from somebody that lets them belong to the organization.
pub(crate) async fn remove_everywhere<A: Action>(tx: &mut Tx<A>, user: &UserId) -> Result<u64> {
    let mut taken = 0;
    for grant in access::sql::of_subject(tx, user.as_str()).await? {
        tx.remove::<Grant>(&[Value::from(grant.id.as_str())])
            .await?;
        taken += 1;
    }
    for member in sql::teams_of(tx, user).await? {
        remove_member(tx, &member.team, user).await?;
        taken += 1;
    }
    Ok(taken)
}

/// The teams that the caller may see, by name.
pub async fn list(ctx: &Ctx) -> Result<Vec<TeamView>> {
    let asked = ctx.clone();
    door::read(ctx, ListTeams, &Target::House, move |rows| {
        Box::pin(async move {
            let held = access::held_here(rows, &asked, asked.house().now()).await?;
            let mut views = vec![owners(rows, &asked, &held).await?];
            let (grants, members) = (access::sql::all(rows).await?, sql::members(rows).await?);
            for team in sql::all(rows).await? {
                let in_it = members.iter().filter(|member| member.team == team.id);
                let users: Vec<UserId> = in_it.map(|member| member.account.clone()).collect();
                if visible(&asked, &held, &team, &users) {
                    let own = |grant: &&Grant| grant.subject.team() == Some(&team.id);
                    let grants: Vec<&Grant> = grants.iter().filter(own).collect();
                    views.push(described(team, &users, &grants, &held));
                }
            }
            views.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(views)
        })
    })
    .await
}

/// One team, by its id.
pub async fn show(ctx: &Ctx, id: TeamId) -> Result<TeamView> {
    let asked = ctx.clone();
    door::read(ctx, ListTeams, &Target::House, move |rows| {
        Box::pin(async move {
            if id.is_owners() {
                let held = access::held_here(rows, &asked, asked.house().now()).await?;
                return owners(rows, &asked, &held).await;
            }
            let found = sql::by_id(rows, &id).await?;
            seen(rows, &asked, found).await
        })
    })
    .await
}

async fn seen(rows: &mut Rows, ctx: &Ctx, found: Option<Team>) -> Result<TeamView> {
    let hidden = || Error::not_found("team");
    let team = found.ok_or_else(hidden)?;
    let held = access::held_here(rows, ctx, ctx.house().now()).await?;
    let users = users_of(rows, &team.id).await?;
    if !visible(ctx, &held, &team, &users) {
        return Err(hidden());
    }
    view(rows, ctx, team).await
}

async fn users_of(rows: &mut Rows, team: &TeamId) -> Result<Vec<UserId>> {
    let members = sql::members_of(rows, team).await?.into_iter();
    Ok(members.map(|member| member.account).collect())
}

fn visible(ctx: &Ctx, held: &[Permission], team: &Team, users: &[UserId]) -> bool {
    let inside = match ctx.actor() {
        Actor::User { user, .. } | Actor::Session { user, .. } => users.contains(user),
        Actor::Team { team: own, .. } => *own == team.id,
        Actor::Organization { .. }
        | Actor::Pool { .. }
        | Actor::Run(_)
        | Actor::Task(_)
        | Actor::Operator => false,
    };
    let open = team.visibility == Visibility::Organization.as_str();
    open || inside || held.contains(&Permission::TeamManage)
}

/// The ids of the teams that are hidden from the caller.
pub(crate) async fn hidden(rows: &mut Rows, ctx: &Ctx) -> Result<BTreeSet<TeamId>> {
    let held = access::held_here(rows, ctx, ctx.house().now()).await?;
    let members = sql::members(rows).await?;
    let mut hidden = BTreeSet::new();
    for team in sql::all(rows).await? {
        let in_it = members.iter().filter(|member| member.team == team.id);
        let users: Vec<UserId> = in_it.map(|member| member.account.clone()).collect();
        if !visible(ctx, &held, &team, &users) {
            hidden.insert(team.id);
        }
    }
    Ok(hidden)
}

async fn view(rows: &mut Rows, ctx: &Ctx, team: Team) -> Result<TeamView> {
    let held = access::held_here(rows, ctx, ctx.house().now()).await?;
    let users = users_of(rows, &team.id).await?;
    let grants = access::sql::of_subject(rows, team.id.as_str()).await?;
    let grants: Vec<&Grant> = grants.iter().collect();
    Ok(described(team, &users, &grants, &held))
}

fn described(team: Team, users: &[UserId], grants: &[&Grant], held: &[Permission]) -> TeamView {
    let given = grants.iter().filter(|grant| by_flags(grant));
    let role = given.map(|grant| grant.role).min();
    let asked = Flag::read(&team.flags);
    // Grants may be given and taken without flags; what is shown is what holds.
    let flags: Vec<Flag> = match role {
        role if role == Flag::role(&asked) => asked.into_iter().collect(),
        Some(role) => Flag::of(role).to_vec(),
        None => Vec::new(),
    };
    TeamView {
        id: team.id.to_string(),
        name: team.name.to_string(),
        description: team.description,
        visibility: team.visibility,
        flags: flags.iter().map(|flag| flag.as_str().to_owned()).collect(),
        users: users.iter().map(ToString::to_string).collect(),
        manageable: held.contains(&Permission::TeamManage),
        created_at: Some(team.created_at),
    }
}

/// The team of whoever owns the organization.
async fn owners(rows: &mut Rows, ctx: &Ctx, held: &[Permission]) -> Result<TeamView> {
    let now = ctx.house().now();
    let grants = access::sql::over(rows, ORGANIZATION).await?;
    let owning = grants
        .iter()
        .filter(|grant| grant.owns() && grant.is_live(now));
    let users: BTreeSet<String> = owning
        .filter_map(|grant| grant.subject.user().map(ToString::to_string))
        .collect();
    Ok(TeamView {
        id: TeamId::owners(ctx.house().code()).to_string(),
        name: OWNERS.to_owned(),
        description: "whoever owns the organization".to_owned(),
        visibility: Visibility::Organization.as_str().to_owned(),
        flags: Flag::of(Role::Owner)
            .iter()
            .map(|flag| flag.as_str().to_owned())
            .collect(),
        users: users.into_iter().collect(),
        manageable: held.contains(&Permission::GrantManage),
        created_at: None,
    })
}
