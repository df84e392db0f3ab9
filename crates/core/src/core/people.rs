//! Where accounts, which the site knows, meet organizations, which the houses
//! know: names of members, the organizations of somebody, and that an
//! organization is not left without an owner who can log in.
//!
//! Nothing here decides by itself who may see a house: each is entered as the
//! caller. What is walked over is the directory, one house after another; only
//! whether an account may be disabled is asked as the machine.

use secrecy::SecretString;
use statehouse_model::{GrantId, Name, TeamId, UserId};

use super::{Caller, Core};
use crate::access;
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::member;
use crate::org::{self, OrganizationView};
use crate::run::waits::{self, Mine};
use crate::session::{Stream, Visitor};
use crate::team;
use crate::user::{self, UserView};

/// Accounts that one statement asks for.
const ACCOUNTS_AT_ONCE: usize = 500;

impl Core {
    /// Counts an answer that goes on for a visitor, who has so many at once
    /// ([`session::OF_SESSION_MAX`]); it counts until it is dropped.
    pub fn begin_stream(&self, visitor: &Visitor) -> Result<Stream> {
        self.streams.begin(visitor)
    }

    /// The organizations that the caller belongs to, by name; for an operator
    /// of the site every one, those that were shredded too.
    pub async fn organizations_of(&self, caller: &Caller) -> Result<Vec<OrganizationView>> {
        if caller.home().is_none() {
            match org::list(caller.site()).await {
                Err(error) if *error.kind() == Kind::Denied => {}
                listed => return listed,
            }
        }
        let mut found = Vec::new();
        for organization in self.directory_all().await? {
            if organization.status != org::ACTIVE
                || caller.home().is_some_and(|home| home != organization.code)
            {
                continue;
            }
            // One that does not open says nothing, and keeps nobody from the others.
            let Ok(ctx) = self.enter_code(caller, organization.code).await else {
                continue;
            };
            // A look that leaves no trace: a stranger's list is no refusal in anybody's ledger.
            if access::belongs(&ctx).await? {
                found.push(organization.into());
            }
        }
        Ok(found)
    }

    /// The runs that wait for something that somebody who is signed in may do, by the organizations that they belong to; in the place of those of an
    /// organization that cannot be asked, why. Organizations in which nothing waits are not there.
    pub async fn waiting_for(&self, visitor: &Visitor) -> Result<Vec<(String, Result<Mine>)>> {
        let caller = Caller {
            site: visitor.site().clone(),
            home: None,
        };
        let mut found = Vec::new();
        for organization in self.organizations_of(&caller).await? {
            let Ok(name) = organization.name.parse::<Name>() else {
                continue;
            };
            let asked = async {
                let ctx = match self.enter(&caller, &name).await {
                    // An operator of the site is told of every organization, and belongs to few.
                    Err(error) if *error.kind() == Kind::NotFound => return Ok(Mine::default()),
                    ctx => ctx?,
                };
                waits::waiting(&ctx).await
            };
            let runs = asked.await;
            if !matches!(&runs, Ok(none) if none.is_empty()) {
                found.push((organization.name, runs));
            }
        }
        Ok(found)
    }

    /// Sets the caller's own password; the current one must be known, and
    /// guesses are counted like logins.
    pub async fn change_password(
        &self,
        ctx: &Ctx,
        current: SecretString,
        new: SecretString,
    ) -> Result<UserView> {
        user::change_own_password(ctx, &self.machine(), &self.gate, current, new).await
    }

    /// The accounts of these ids, for whoever was told the ids by a house.
    pub async fn accounts(&self, ids: &[UserId]) -> Result<Vec<UserView>> {
        let ids = ids.to_vec();
        self.directory(|rows| {
            Box::pin(async move {
                let mut found = Vec::new();
                for some in ids.chunks(ACCOUNTS_AT_ONCE) {
                    let accounts = user::sql::by_ids(rows, some).await?.into_iter();
                    found.extend(accounts.map(UserView::from));
                }
                Ok(found)
            })
        })
        .await
    }

    /// The account of an id or a name, for whoever may bring people in.
    pub async fn account_of(&self, text: &str) -> Result<UserId> {
        let unknown = || Error::invalid(format!("there is no user named `{text}`"));
        let id: Option<UserId> = text.parse().ok();
        let name: Option<Name> = text.parse().ok();
        let found = self.directory(|rows| {
            Box::pin(async move {
                match (id, name) {
                    (Some(id), _) => user::sql::by_id(rows, &id).await,
                    (None, Some(name)) => user::sql::by_name(rows, &name).await,
                    (None, None) => Ok(None),
                }
            })
        });
        Ok(found.await?.ok_or_else(unknown)?.id)
    }

    /// Takes a role away, unless nobody who can log in would own the organization.
    pub async fn take_role(&self, ctx: &Ctx, id: GrantId) -> Result<()> {
        let wanted = id.to_string();
        let grants = access::list(ctx).await?;
        let taken = grants.iter().find(|grant| grant.id == wanted);
        if let Some(user) = taken
            .filter(|grant| grant.role == "owner" && grant.scope == access::ORGANIZATION)
            .and_then(|grant| grant.user.as_deref())
        {
            let user = user.parse().map_err(|_| Error::not_found("grant"))?;
            self.stays_owned(ctx, &[user]).await?;
        }
        access::take(ctx, id).await
    }

    /// Puts people out of a team, with the same care for the team `owners`.
    pub async fn remove_from_team(&self, ctx: &Ctx, id: TeamId, users: Vec<UserId>) -> Result<()> {
        if id.is_owners() {
            team::may_change(ctx, &id).await?;
            self.stays_owned(ctx, &users).await?;
        }
        team::remove(ctx, id, users).await
    }

    /// Puts somebody out of an organization, with the same care.
    pub async fn remove_member(&self, ctx: &Ctx, user: UserId) -> Result<()> {
        member::may_remove(ctx).await?;
        self.stays_owned(ctx, std::slice::from_ref(&user)).await?;
        member::remove(ctx, user).await
    }

    /// Ends an account, unless an organization would have no owner who can log
    /// in. One that does not open cannot be asked, and does not keep an account alive.
    pub async fn disable_user(&self, ctx: &Ctx, name: Name) -> Result<UserView> {
        user::may_disable(ctx).await?;
        // Two owners are not disabled at the same moment.
        let _alone = self.disabling.lock().await;
        // Found once: an account may take another name meanwhile.
        let account = self
            .directory(|rows| Box::pin(async move { user::sql::by_name(rows, &name).await }))
            .await?;
        let id = account.ok_or_else(|| Error::not_found("user"))?.id;
        for organization in self.directory_all().await? {
            if organization.status != org::ACTIVE {
                continue;
            }
            let Ok(house) = self.house(organization.code).await else {
                tracing::warn!(house = %organization.code, "not asked who owns it: it does not open");
                continue;
            };
            let inside = self.machine().enter(house);
            let kept = self.stays_owned(&inside, std::slice::from_ref(&id)).await;
            kept.map_err(|error| named(error, &organization.name))?;
        }
        user::disable(ctx, id).await
    }

    /// Refuses when `leaving` are all the owners of a house who can log in.
    async fn stays_owned(&self, ctx: &Ctx, leaving: &[UserId]) -> Result<()> {
        let machine = self.machine().enter(ctx.house().clone());
        let owners = access::owners(&machine).await?;
        if !owners.iter().any(|owner| leaving.contains(owner)) {
            return Ok(());
        }
        let staying: Vec<UserId> = owners
            .into_iter()
            .filter(|owner| !leaving.contains(owner))
            .collect();
        let accounts = self.accounts(&staying).await?;
        if accounts.iter().any(|account| account.disabled_at.is_none()) {
            Ok(())
        } else {
            Err(access::last_owner())
        }
    }
}

fn named(error: Error, organization: &Name) -> Error {
    if *error.kind() != Kind::Conflict {
        return error;
    }
    let words = format!("this is the last owner of the organization `{organization}`");
    Error::new(Kind::Conflict, words).hint("let an owner of it give another user the role first")
}
