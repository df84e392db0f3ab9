//! What a policy removes, what it never removes, and who may say one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_model::{Role, VersionId};

use super::*;
use crate::error::Kind;
use crate::state::{self, Put, Which};
use crate::testing::{World, for_each_engine, name, noise, put, state};

fn days(days: u64, versions: u64) -> Wish {
    Wish {
        days: Some(days),
        versions,
    }
}

async fn store(world: &World, workspace: &Workspace, serial: u64, note: &str) -> VersionId {
    let bytes = state("a", serial, 1, note);
    match put(&world.ask(), workspace, bytes).await.unwrap() {
        Put::Stored(version) => version.id.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// An upload of another lineage, which waits.
async fn waits(world: &World, workspace: &Workspace, serial: u64) -> VersionId {
    let bytes = state("other", serial, 1, "x");
    match put(&world.ask(), workspace, bytes).await.unwrap() {
        Put::Kept(kept) => kept.version.id.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Whether each version still has its content.
async fn kept(world: &World, workspace: &Workspace, ids: &[VersionId]) -> Vec<bool> {
    let mut kept = Vec::new();
    for id in ids {
        let read = state::get(&world.ask(), workspace, Which::Version(id.clone())).await;
        kept.push(match read {
            Ok(found) => found.is_some(),
            Err(error) => {
                assert!(error.message().contains("the retention policy"), "{error}");
                assert!(error.message().contains("older than"), "{error}");
                false
            }
        });
    }
    kept
}

fn id_of(workspace: &Workspace) -> WorkspaceId {
    match workspace {
        Workspace::Id(id) => id.clone(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_over_goes_and_the_evidence_stays() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("net").await;
        let mut ids = Vec::new();
        for serial in 1..=5 {
            let note = if serial == 2 {
                noise(600_000)
            } else {
                serial.to_string()
            };
            ids.push(store(&world, &workspace, serial, &note).await);
        }
        assert_eq!(apply(&world.house).await.unwrap(), 0);
        set(&world.ask(), Scope::Organization, days(30, 2))
            .await
            .unwrap();
        assert_eq!(apply(&world.house).await.unwrap(), 0);
        world.pass_days(31);
        let young = store(&world, &workspace, 6, "young").await;
        assert_eq!(apply(&world.house).await.unwrap(), 4);
        assert_eq!(apply(&world.house).await.unwrap(), 0);
        ids.push(young);
        let expected = [false, false, false, false, true, true];
        assert_eq!(kept(&world, &workspace, &ids).await, expected);
        // The last good state that a bad one just replaced: as old as it is, it was current until now.
        set(&world.ask(), Scope::Organization, days(30, 0))
            .await
            .unwrap();
        assert_eq!(apply(&world.house).await.unwrap(), 0);
        assert_eq!(kept(&world, &workspace, &ids).await, expected);
        let listed = state::list(&world.ask(), &workspace, None, 9)
            .await
            .unwrap();
        assert_eq!(listed.len(), 6);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.differences.is_empty(), "{report:?}");
    })
    .await;
}

#[tokio::test]
async fn the_narrowest_policy_counts_and_some_content_always_stays() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let mut all = Vec::new();
        for called in ["plain", "forever", "frozen", "waiting", "deleted"] {
            let workspace = world.workspace(called).await;
            let ids = [
                store(&world, &workspace, 2, "a").await,
                store(&world, &workspace, 3, "b").await,
            ];
            all.push((workspace, ids));
        }
        let [plain, forever, frozen, waiting, deleted] = &all[..] else {
            panic!()
        };
        let Put::Kept(upload) = put(&ctx, &waiting.0, state("a", 1, 1, "x")).await.unwrap() else {
            panic!("not kept");
        };
        set(&ctx, Scope::Organization, days(1, 0)).await.unwrap();
        let ever = Wish {
            days: None,
            versions: 0,
        };
        set(&ctx, Scope::Workspace(id_of(&forever.0)), ever)
            .await
            .unwrap();
        let wish = workspace::freeze::Wish {
            reason: "hold".to_owned(),
            who: "olga".to_owned(),
            since: "2027-01-15T08:00:00Z".to_owned(),
        };
        workspace::freeze::freeze(&ctx, &frozen.0, wish)
            .await
            .unwrap();
        workspace::delete(&ctx, &deleted.0, false).await.unwrap();
        world.pass_days(3);
        assert_eq!(apply(&world.house).await.unwrap(), 3);
        assert_eq!(kept(&world, &plain.0, &plain.1).await, [false, true]);
        assert_eq!(kept(&world, &forever.0, &forever.1).await, [true, true]);
        assert_eq!(kept(&world, &frozen.0, &frozen.1).await, [true, true]);
        let upload: VersionId = upload.version.id.parse().unwrap();
        assert_eq!(kept(&world, &waiting.0, &[upload]).await, [true]);
        assert_eq!(kept(&world, &waiting.0, &waiting.1).await, [false, true]);

        let said = show(&ctx, Scope::Workspace(id_of(&plain.0))).await.unwrap();
        assert_eq!(
            (said.own, said.in_force.unwrap().scope.as_str()),
            (None, "organization")
        );
        let said = show(&ctx, Scope::Workspace(id_of(&forever.0)))
            .await
            .unwrap();
        assert_eq!(said.own, said.in_force);
        end(&ctx, Scope::Workspace(id_of(&forever.0)))
            .await
            .unwrap();
        let again = world.ask();
        end(&again, Scope::Workspace(id_of(&forever.0)))
            .await
            .unwrap();
        assert!(world.evidence().await.of(again.request()).is_empty());
        assert_eq!(apply(&world.house).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn many_versions_go_in_changes_of_a_bounded_size() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let workspace = world.workspace("net").await;
    for serial in 1..=121 {
        store(&world, &workspace, serial, "x").await;
    }
    set(&world.ask(), Scope::Organization, days(1, 0))
        .await
        .unwrap();
    world.pass_days(2);
    let before = world.evidence().await.size();
    assert_eq!(apply(&world.house).await.unwrap(), 120);
    assert_eq!(world.evidence().await.size() - before, 3);
}

#[tokio::test]
async fn who_may_remove_content_says_a_policy_and_it_says_something() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        for wish in [
            days(0, 0),
            days(0, 1),
            days(40_000, 1),
            Wish {
                days: None,
                versions: u64::MAX,
            },
        ] {
            let refused = set(&ctx, Scope::Organization, wish).await;
            assert_eq!(*refused.unwrap_err().kind(), Kind::Invalid, "{wish:?}");
        }
        let (writer, _) = world.member(Role::Writer).await;
        let refused = set(&world.by(&writer), Scope::Organization, days(1, 1)).await;
        assert_eq!(*refused.unwrap_err().kind(), Kind::Denied);
        show(&world.by(&writer), Scope::Organization).await.unwrap();
        let project = crate::project::create(&ctx, name("pay")).await.unwrap();
        let project = Scope::Project(project.id.parse().unwrap());
        let asking = world.ask();
        let said = set(&asking, project, days(7, 3)).await.unwrap();
        assert_eq!((said.days, said.versions), (Some(7), 3));
        let evidence = world.evidence().await;
        let leaf = evidence.one(asking.request());
        assert_eq!(
            (&leaf["action"], &leaf["facts"]["days"]),
            (&"retention.set".into(), &7.into())
        );
        // A policy that was put there by SQL removes nothing.
        store(&world, &world.workspace("net").await, 1, "x").await;
        world
            .tamper("UPDATE retention SET days = 0, versions = 0")
            .await;
        let refused = apply(&world.house).await.unwrap_err();
        assert_eq!(*refused.kind(), Kind::Tampered);
    })
    .await;
}

#[tokio::test]
async fn what_waited_long_counts_from_the_decision() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("net").await;
        let ctx = world.ask();
        let good = store(&world, &workspace, 2, "good").await;
        let waited = waits(&world, &workspace, 1).await;
        let refused = waits(&world, &workspace, 2).await;
        set(&ctx, Scope::Organization, days(30, 0)).await.unwrap();
        world.pass_days(40);
        state::accept(&ctx, &workspace, waited.clone(), "meant".to_owned())
            .await
            .unwrap();
        state::discard(&ctx, &workspace, refused.clone(), "no".to_owned())
            .await
            .unwrap();
        let all = [good, waited, refused];
        assert_eq!(apply(&world.house).await.unwrap(), 0);
        assert_eq!(kept(&world, &workspace, &all).await, [true; 3]);
        world.pass_days(31);
        // A leaf of today: time is that of the ledger.
        world.workspace("later").await;
        assert_eq!(apply(&world.house).await.unwrap(), 2);
        assert_eq!(kept(&world, &workspace, &all).await, [false, true, false]);
    })
    .await;
}

#[tokio::test]
async fn what_was_said_of_a_place_that_is_gone_can_be_taken_back() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let ctx = world.ask();
    let workspace = world.workspace("net").await;
    let scope = Scope::Workspace(id_of(&workspace));
    let ever = Wish {
        days: None,
        versions: 0,
    };
    set(&ctx, scope.clone(), ever).await.unwrap();
    workspace::delete(&ctx, &workspace, false).await.unwrap();
    let (writer, _) = world.member(Role::Writer).await;
    let refused = end(&world.by(&writer), scope.clone()).await;
    assert!(refused.unwrap_err().refused());
    end(&ctx, scope).await.unwrap();
    assert!(list(&ctx).await.unwrap().is_empty());
}

#[tokio::test]
async fn whoever_maintains_one_project_says_nothing_of_others() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let ctx = world.ask();
    let mut projects = Vec::new();
    for called in ["mine", "theirs"] {
        let made = crate::project::create(&ctx, name(called)).await.unwrap();
        projects.push(Scope::Project(made.id.parse().unwrap()));
    }
    let maintainer = statehouse_model::UserId::from_entropy(crate::entropy());
    let (mine, theirs) = (projects[0].clone(), projects[1].clone());
    access::give(
        &ctx,
        maintainer.clone(),
        Role::Maintainer,
        mine.clone(),
        None,
    )
    .await
    .unwrap();
    let by = world.by(&maintainer);
    set(&by, mine, days(7, 3)).await.unwrap();
    for scope in [theirs, Scope::Organization] {
        let refused = set(&by, scope.clone(), days(7, 3)).await;
        assert!(refused.unwrap_err().refused(), "{scope:?}");
        assert!(end(&by, scope).await.unwrap_err().refused());
    }
}
