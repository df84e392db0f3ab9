//! Access through teams: what gives it, what ends it, and what does not give it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use secrecy::ExposeSecret;
use statehouse_model::HouseTokenId;

use super::reach::{self, Level};
use super::*;
use crate::access::Scope;
use crate::ledger::verify_live;
use crate::member;
use crate::project;
use crate::state::{Which, get};
use crate::testing::{World, for_each_engine, name, put, state};
use crate::token::house;
use crate::workspace::Workspace;

/// A team that writes every state, and somebody in it.
async fn writers(world: &World) -> (TeamId, UserId) {
    let flags = Some(BTreeSet::from([Flag::ManageWorkspaces]));
    let wish = Wish {
        flags,
        ..Wish::default()
    };
    let team = create(&world.ask(), name("writers"), wish).await.unwrap();
    let (team, user): (TeamId, _) = (
        team.id.parse().unwrap(),
        UserId::from_entropy(crate::entropy()),
    );
    add(&world.ask(), team.clone(), vec![user.clone()])
        .await
        .unwrap();
    (team, user)
}

fn web() -> Workspace {
    Workspace::Name(name("web"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_removed_before_the_body_is_refused_and_leaves_a_trace() {
    for_each_engine(async |world| {
        let workspace = world.workspace("web").await;
        let (team, user) = writers(&world).await;
        put(&world.by(&user), &workspace, state("a", 1, 1, ""))
            .await
            .unwrap();
        let since = world.evidence().await.size();
        let (removing, writing) = (world.ask(), world.by(&user));
        let (out, write, gone) = (removing.clone(), writing.clone(), user.clone());
        let answers = world
            .together::<Result<()>>(vec![
                Box::pin(async move { remove(&out, team, vec![gone]).await }),
                Box::pin(async move {
                    put(&write, &workspace, state("a", 2, 1, "late"))
                        .await
                        .map(drop)
                }),
            ])
            .await;
        assert!(answers[0].is_ok(), "{answers:?}");
        let refused = answers[1].as_ref().unwrap_err();
        assert_eq!(refused.kind(), &Kind::NotFound);
        world.evidence().await.equals(
            since,
            &[
                (removing.request(), Some("team.leave")),
                (writing.request(), Some("access.refused")),
            ],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_teams_written_by_sql_give_nothing() {
    for_each_engine(async |world| {
        let workspace = world.workspace("web").await;
        put(&world.ask(), &workspace, state("a", 1, 1, ""))
            .await
            .unwrap();
        let (team, user) = writers(&world).await;
        let intruder = UserId::from_entropy(7);
        world
            .tamper(&format!(
                "INSERT INTO team_member SELECT team, '{intruder}', created_at, salt, leaf, mac
                    FROM team_member WHERE account = '{user}'"
            ))
            .await;
        let refused = get(&world.by(&intruder), &web(), Which::Current).await;
        assert_eq!(refused.map(drop).unwrap_err().kind(), &Kind::Tampered);
        let report = verify_live(&world.ask()).await.unwrap();
        let place = format!("team_member {team}/{intruder}");
        assert!(
            report.differences.iter().any(|found| found.place == place),
            "{report:?}"
        );
        world
            .tamper(&format!(
                "DELETE FROM team_member WHERE account = '{intruder}'"
            ))
            .await;

        // A team that no leaf wrote cannot be joined, nor given anything.
        let forged = TeamId::from_entropy(world.house.code(), 9);
        world
            .tamper(&format!(
                "INSERT INTO team SELECT '{forged}', 'forged', description, visibility, flags, created_at,
                    salt, leaf, mac FROM team WHERE id = '{team}'"
            ))
            .await;
        let joined = add(&world.ask(), forged.clone(), vec![intruder.clone()]).await;
        assert_eq!(joined.unwrap_err().kind(), &Kind::Tampered);
        let ctx = world.ask();
        let given = access::give(
            &ctx,
            forged.clone(),
            Role::Writer,
            Scope::Organization,
            None,
        );
        assert_eq!(given.await.unwrap_err().kind(), &Kind::Tampered);
        let refused = get(&world.by(&intruder), &web(), Which::Current).await;
        assert_eq!(refused.map(drop).unwrap_err().kind(), &Kind::NotFound);
        world
            .tamper(&format!("DELETE FROM team WHERE id = '{forged}'"))
            .await;
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_member_row_put_back_is_found_by_live_verification() {
    for_each_engine(async |world| {
        world.workspace("web").await;
        let (team, user) = writers(&world).await;
        world
            .tamper("CREATE TABLE kept AS SELECT * FROM team_member")
            .await;
        remove(&world.ask(), team.clone(), vec![user.clone()])
            .await
            .unwrap();
        world
            .tamper("INSERT INTO team_member SELECT * FROM kept; DROP TABLE kept")
            .await;
        let report = verify_live(&world.ask()).await.unwrap();
        let place = format!("team_member {team}/{user}");
        assert!(
            report
                .differences
                .iter()
                .any(|found| found.place == place && found.kind == "extra"),
            "{report:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_team_holds_what_the_team_holds_until_it_ends() {
    for_each_engine(async |world| {
        let workspace = world.workspace("web").await;
        let (team, _) = writers(&world).await;
        let asked = world.ask();
        let made = house::create(&asked, Some(team.clone()), token::Wish::default());
        let (view, secret) = made.await.unwrap();
        let enter = async || {
            let caller = world
                .core
                .authenticate(secret.expose_secret(), None)
                .await?;
            world.core.enter(&caller, &name("acme")).await
        };
        let ctx = enter().await.unwrap();
        assert_eq!(
            (ctx.actor().kind(), ctx.actor().id()),
            ("team", team.as_str())
        );
        put(&ctx, &workspace, state("a", 1, 1, "")).await.unwrap();
        assert!(project::create(&ctx, name("mine")).await.is_err());
        let info = crate::testing::lock_info("one");
        let locked = crate::state::lock::take(&ctx, &workspace, info)
            .await
            .unwrap();
        assert_eq!(locked.locked_by.as_deref(), Some(team.as_str()));
        let released = crate::state::lock::release(&ctx, &workspace, "one".to_owned()).await;
        assert!(released.unwrap().lock_id.is_none());

        // Ended while a request of it is on its way: the request is refused.
        let id: HouseTokenId = view.id.parse().unwrap();
        house::revoke(&world.ask(), id).await.unwrap();
        let late = put(&ctx, &workspace, state("a", 2, 1, "")).await;
        assert_eq!(late.map(drop).unwrap_err().kind(), &Kind::Unauthenticated);
        let ended = enter().await.map(drop).unwrap_err();
        assert_eq!(ended.kind(), &Kind::Unauthenticated);

        // So it is when the team ends.
        let made = house::create(&asked, Some(team.clone()), token::Wish::default());
        let secret = made.await.unwrap().1;
        let caller = world.core.authenticate(secret.expose_secret(), None).await;
        let ctx = world
            .core
            .enter(&caller.unwrap(), &name("acme"))
            .await
            .unwrap();
        delete(&world.ask(), team).await.unwrap();
        let late = get(&ctx, &workspace, Which::Current).await;
        assert_eq!(late.map(drop).unwrap_err().kind(), &Kind::Unauthenticated);
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_team_outlives_a_rotation_of_keys() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let (team, _) = writers(&world).await;
    let asked = world.ask();
    let made = house::create(&asked, Some(team), token::Wish::default()).await;
    let (view, secret) = made.unwrap();
    let good = async || world.core.authenticate(secret.expose_secret(), None).await;
    crate::key::rotate(&asked).await.unwrap();
    let progress = crate::key::rewrap(&asked).await.unwrap();
    assert!(progress.retired.is_empty(), "{progress:?}");
    assert!(progress.kept[0].contains("1 live tokens"), "{progress:?}");
    assert!(good().await.is_ok());
    house::revoke(&asked, view.id.parse().unwrap())
        .await
        .unwrap();
    let progress = crate::key::rewrap(&asked).await.unwrap();
    assert_eq!(progress.retired, [1], "{progress:?}");
    assert!(good().await.is_err());
    assert!(verify_live(&asked).await.unwrap().is_proven());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_stays_by_every_path() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let (owner, code) = (world.owner.clone(), world.house.code());
    let owners = TeamId::owners(code);
    let grants = access::list(&world.ask()).await.unwrap();
    let grant: GrantId = grants[0].id.parse().unwrap();
    let check = |ended: Result<()>| {
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), &Kind::Conflict, "{error}");
        assert!(error.message().contains("last owner"), "{error}");
    };
    check(access::take(&world.ask(), grant.clone()).await);
    check(remove(&world.ask(), owners.clone(), vec![owner.clone()]).await);
    check(member::remove(&world.ask(), owner.clone()).await);
    assert!(delete(&world.ask(), owners.clone()).await.is_err());

    // An owner for a while is none to rely on.
    let (user, until) = (UserId::from_entropy(5), Some(i64::MAX));
    access::give(&world.ask(), user, Role::Owner, Scope::Organization, until)
        .await
        .unwrap();
    check(remove(&world.ask(), owners.clone(), vec![owner.clone()]).await);

    // With another one they may go, and the team shows who is left.
    let other = UserId::from_entropy(6);
    add(&world.ask(), owners.clone(), vec![other.clone()])
        .await
        .unwrap();
    let ctx = world.by(&other);
    remove(&ctx, owners.clone(), vec![owner.clone()])
        .await
        .unwrap();
    let shown = show(&ctx, owners.clone()).await.unwrap();
    assert!(shown.users.contains(&other.to_string()) && !shown.users.contains(&owner.to_string()));
    check(member::remove(&ctx, other.clone()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_token_makes_no_owners() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let made = house::create(&world.ask(), None, token::Wish::default()).await;
    let secret = made.unwrap().1;
    let caller = world.core.authenticate(secret.expose_secret(), None).await;
    let ctx = world
        .core
        .enter(&caller.unwrap(), &name("acme"))
        .await
        .unwrap();
    let owners = TeamId::owners(world.house.code());
    let user = UserId::from_entropy(8);
    let denied = |error: Error| assert_eq!(error.kind(), &Kind::Denied, "{error}");
    denied(
        add(&ctx, owners.clone(), vec![user.clone()])
            .await
            .unwrap_err(),
    );
    denied(
        remove(&ctx, owners.clone(), vec![world.owner.clone()])
            .await
            .unwrap_err(),
    );
    denied(member::remove(&ctx, world.owner.clone()).await.unwrap_err());
    let joined = member::add(&ctx, user.clone(), vec![owners.clone()]).await;
    denied(joined.map(drop).unwrap_err());
    let token = house::create(&ctx, Some(owners), token::Wish::default()).await;
    denied(token.map(drop).unwrap_err());
    let own = house::create(&ctx, None, token::Wish::default()).await;
    denied(own.map(drop).unwrap_err());
    let scope = Scope::Organization;
    let given = access::give(&ctx, user.clone(), Role::Owner, scope, None).await;
    denied(given.map(drop).unwrap_err());
    // What it is for works.
    let team = create(&ctx, name("net"), Wish::default()).await.unwrap();
    member::add(&ctx, user, vec![team.id.parse().unwrap()])
        .await
        .unwrap();
    project::create(&ctx, name("net")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_over_a_workspace_is_a_grant_in_other_words() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let workspace = world.workspace("web").await;
    put(&world.ask(), &workspace, state("a", 1, 1, ""))
        .await
        .unwrap();
    let Workspace::Id(id) = &workspace else {
        panic!("{workspace}")
    };
    let team = create(&world.ask(), name("net"), Wish::default())
        .await
        .unwrap();
    let team: TeamId = team.id.parse().unwrap();
    let user = UserId::from_entropy(11);
    add(&world.ask(), team.clone(), vec![user.clone()])
        .await
        .unwrap();
    let reads = async || {
        get(&world.by(&user), &workspace, Which::Current)
            .await
            .is_ok()
    };
    assert!(!reads().await);
    let scope = Scope::Workspace(id.clone());
    let given = reach::give(&world.ask(), team.clone(), scope.clone(), Level::Read)
        .await
        .unwrap();
    assert!(!reads().await, "the level `read` reads no state");
    let by = reach::ReachId::Workspace(given.id.parse().unwrap());
    reach::change(&world.ask(), by.clone(), Level::Plan)
        .await
        .unwrap();
    assert!(reads().await);
    assert!(
        put(&world.by(&user), &workspace, state("a", 2, 1, ""))
            .await
            .is_err()
    );
    let twice = reach::give(&world.ask(), team.clone(), scope.clone(), Level::Write).await;
    assert_eq!(twice.unwrap_err().kind(), &Kind::Conflict);
    let grants = access::list(&world.ask()).await.unwrap();
    let grant = grants.iter().find(|grant| grant.team.is_some()).unwrap();
    assert_eq!(grant.role, "planner");
    access::take(&world.ask(), grant.id.parse().unwrap())
        .await
        .unwrap();
    assert!(!reads().await);
    assert!(reach::list(&world.ask(), scope).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_put_out_keeps_nothing() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    world.workspace("web").await;
    let (_, user) = writers(&world).await;
    let scope = Scope::Organization;
    access::give(&world.ask(), user.clone(), Role::Reader, scope, None)
        .await
        .unwrap();
    let shown = member::show(&world.by(&user), user.clone()).await.unwrap();
    assert_eq!((shown.teams.len(), shown.roles.len()), (1, 1));
    let again = member::add(&world.ask(), user.clone(), Vec::new()).await;
    assert_eq!(again.unwrap_err().kind(), &Kind::Conflict);
    member::remove(&world.ask(), user.clone()).await.unwrap();
    assert!(
        crate::workspace::show(&world.by(&user), &web())
            .await
            .is_err()
    );
    assert!(list(&world.by(&user)).await.is_err());
    // Whoever is merely invited sees the organization and nothing in it.
    member::add(&world.ask(), user.clone(), Vec::new())
        .await
        .unwrap();
    assert!(list(&world.by(&user)).await.is_ok());
    let hidden = crate::workspace::show(&world.by(&user), &web()).await;
    assert_eq!(hidden.unwrap_err().kind(), &Kind::NotFound);
}
