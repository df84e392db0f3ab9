//! What a search finds, for whom, and what it leaves behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use bytes::Bytes;
use md5::Digest;
use statehouse_model::{Role, UserId};

use super::*;
use crate::access::{self, Scope};
use crate::error::Kind;
use crate::state::{self, Put, Which};
use crate::testing::{World, for_each_engine, lock_info, name, put};
use crate::workspace::{self, Workspace};

/// A state with a bucket of this name and id.
fn bucket(serial: u64, called: &str, id: &str) -> Bytes {
    let state = serde_json::json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l", "outputs": {},
        "resources": [{
            "mode": "managed", "type": "aws_s3_bucket", "name": called,
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{ "schema_version": 0, "attributes": { "id": id, "bucket": "s3cret" } }],
        }],
    });
    serde_json::to_vec(&state).unwrap().into()
}

async fn store(world: &World, workspace: &Workspace, bytes: Bytes) -> VersionId {
    match put(&world.ask(), workspace, bytes).await.unwrap() {
        Put::Stored(version) => version.id.parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn found(ctx: &Ctx, words: &str) -> Found {
    let words = words.to_owned();
    let wanted = Wanted {
        words,
        ..Wanted::default()
    };
    let wish = Search {
        wanted,
        size: 100,
        ..Search::default()
    };
    search(ctx, wish).await.unwrap()
}

/// Workspaces and addresses.
async fn seen(ctx: &Ctx, words: &str) -> Vec<String> {
    let place = |hit: Hit| format!("{} {}", hit.name, hit.entry.address);
    found(ctx, words)
        .await
        .hits
        .into_iter()
        .map(place)
        .collect()
}

#[tokio::test]
async fn what_is_found_is_what_is_current() {
    for_each_engine(|world: World| async move {
        let (b, a) = (world.workspace("b").await, world.workspace("a").await);
        assert!(seen(&world.ask(), "").await.is_empty());
        let first = store(&world, &a, bucket(1, "logs", "x-1")).await;
        store(&world, &b, bucket(1, "logs", "x-2")).await;
        let ctx = world.ask();
        let both = ["a aws_s3_bucket.logs", "b aws_s3_bucket.logs"];
        assert_eq!(seen(&ctx, "s3_bucket").await, both);
        assert_eq!(seen(&ctx, "X-2").await, both[1..]);
        assert!(seen(&ctx, "s3cret").await.is_empty());

        store(&world, &a, bucket(2, "data", "x-3")).await;
        assert_eq!(seen(&ctx, "x-").await, ["a aws_s3_bucket.data", both[1]]);
        let renamed = workspace::Change {
            name: Some(name("c")),
            ..Default::default()
        };
        workspace::update(&ctx, &a, renamed).await.unwrap();
        assert_eq!(seen(&ctx, "x-").await, [both[1], "c aws_s3_bucket.data"]);
        let Workspace::Id(id) = &b else { panic!() };
        workspace::delete(&ctx, &b, false).await.unwrap();
        assert_eq!(seen(&ctx, "x-").await, ["c aws_s3_bucket.data"]);
        workspace::undelete(&ctx, id.clone(), None).await.unwrap();
        assert_eq!(seen(&ctx, "x-").await, [both[1], "c aws_s3_bucket.data"]);
        state::lock::take(&ctx, &a, lock_info(ctx.request().as_str()))
            .await
            .unwrap();
        state::roll_back(&ctx, &a, first, None).await.unwrap();
        assert_eq!(seen(&ctx, "x-").await, [both[1], "c aws_s3_bucket.logs"]);

        let wish = |workspace: &str, page| Search {
            workspace: Some(name(workspace)),
            page,
            size: 1,
            ..Search::default()
        };
        assert_eq!(search(&ctx, wish("b", 1)).await.unwrap().total, 1);
        let second = search(
            &ctx,
            Search {
                workspace: None,
                ..wish("b", 2)
            },
        )
        .await
        .unwrap();
        assert_eq!((second.total, second.hits[0].name.as_str()), (2, "c"));
        let far = search(&ctx, wish("b", COUNTED_MAX + 1)).await.unwrap_err();
        assert_eq!(*far.kind(), Kind::Invalid);
    })
    .await;
}

#[tokio::test]
async fn nobody_finds_names_or_counts_what_they_may_not_read() {
    for_each_engine(|world: World| async move {
        let owner = world.ask();
        let project = crate::project::create(&owner, name("pay")).await.unwrap();
        let project: ProjectId = project.id.parse().unwrap();
        let new = workspace::New {
            project: Some(Project::Id(project.clone())),
            ..workspace::New::named(name("in"))
        };
        let inner = workspace::create_as(&owner, new).await.unwrap();
        let (inner, outer) = (Workspace::Id(inner.id.parse().unwrap()), world.workspace("out").await);
        store(&world, &inner, bucket(1, "logs", "x-1")).await;
        store(&world, &outer, bucket(1, "logs", "x-2")).await;
        store(&world, &world.workspace("dark").await, Bytes::from_static(
            br#"{"serial":1,"lineage":"l","meta":{},"encrypted_data":"AA==","encryption_version":"v0"}"#,
        ))
        .await;
        assert_eq!(found(&owner, "").await.unsearched_count, 1);

        let someone = || UserId::from_entropy(crate::entropy());
        let (of_project, of_workspace, viewer) = (someone(), someone(), someone());
        let Workspace::Id(outer_id) = &outer else { panic!() };
        for (user, role, scope) in [
            (&of_project, Role::Writer, Scope::Project(project.clone())),
            (&of_workspace, Role::Writer, Scope::Workspace(outer_id.clone())),
            (&viewer, Role::Member, Scope::Organization),
        ] {
            access::give(&owner, user.clone(), role, scope, None).await.unwrap();
        }
        let by = world.by(&of_project);
        let only = found(&by, "").await;
        assert_eq!((only.total, only.states, only.unsearched_count), (1, 1, 0));
        assert_eq!(only.hits[0].name.as_str(), "in");
        assert_eq!(seen(&world.by(&of_workspace), "").await, ["out aws_s3_bucket.logs"]);
        for user in [viewer, someone()] {
            let refused = search(&world.by(&user), Search::default()).await;
            assert!(refused.unwrap_err().refused());
        }
        // Nor is told whether a project of some name is there.
        for called in ["pay", "default", "nowhere"] {
            let wish = Search {
                project: Some(Project::Name(name(called))),
                size: 9,
                ..Search::default()
            };
            let guessed = search(&world.by(&of_workspace), wish.clone()).await.unwrap();
            assert_eq!(guessed.total, u64::from(called == "default"), "{called}");
            assert_eq!((guessed.states, guessed.unsearched_count), (guessed.total, 0));
            let known = search(&owner, wish).await;
            assert_eq!(known.is_ok(), called != "nowhere");
        }
        // A token that reads states and nothing else is enough.
        let scopes = Some(vec![statehouse_model::Permission::StateRead].into());
        let narrow = Ctx::new(world.house.clone(), owner.actor().clone(), scopes, None);
        assert_eq!(found(&narrow, "").await.total, 2);
        // Lists of workspaces and projects keep to the same.
        let all = workspace::Search { size: 9, ..Default::default() };
        let listed = workspace::search(&by, all).await.unwrap();
        assert_eq!((listed.total, listed.items[0].workspace.name.as_str()), (1, "in"));
        let projects = crate::project::list(&by).await.unwrap();
        assert_eq!(projects.len(), 1);
        // What lies elsewhere now is no longer theirs.
        let moved = workspace::Change {
            project: Some(Project::Name(name("default"))),
            ..Default::default()
        };
        workspace::update(&owner, &inner, moved).await.unwrap();
        assert_eq!(found(&by, "").await.total, 0);
    })
    .await;
}

#[tokio::test]
async fn a_search_is_in_the_ledger_and_says_nothing_of_what_was_looked_for() {
    for_each_engine(|world: World| async move {
        store(
            &world,
            &world.workspace("a").await,
            bucket(1, "logs", "x-1"),
        )
        .await;
        let ctx = world.ask();
        found(&ctx, "x-1").await;
        let evidence = world.evidence().await;
        let leaf = evidence.one(ctx.request());
        assert_eq!(leaf["action"], "state.search");
        assert!(!leaf.to_string().contains("x-1"), "{leaf}");
        let size = evidence.size();
        found(&ctx, "logs").await;
        assert_eq!(world.evidence().await.size(), size);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_comes_later_hides_what_it_marks() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("a").await;
        let ctx = world.ask();
        state::lock::take(&ctx, &workspace, lock_info(ctx.request().as_str())).await.unwrap();
        let bytes = bucket(1, "logs", "x-1");
        let wish = state::Wish {
            serial: 1,
            lineage: "l".to_owned(),
            md5: md5::Md5::digest(&bytes).into(),
        };
        let announced = state::announce(&ctx, &workspace, wish).await.unwrap();
        let open = async |signed: &crate::url::Signed| {
            crate::url::open(&world.house, &signed.id, &signed.signature).await.unwrap()
        };
        let id = announced.version.id.parse().unwrap();
        state::upload(&ctx, &open(&announced.state).await, &id, bytes).await.unwrap();
        assert_eq!(seen(&ctx, "x-1").await.len(), 1);
        let form = serde_json::json!({ "format_version": "1.0", "values": { "root_module": { "resources": [{
            "address": "aws_s3_bucket.logs", "mode": "managed", "type": "aws_s3_bucket", "name": "logs",
            "values": { "id": "x-1", "bucket": "s3cret" }, "sensitive_values": { "id": true },
        }] } } });
        let form = Bytes::from(serde_json::to_vec(&form).unwrap());
        state::upload_json(&ctx, &open(&announced.json).await, &id, form).await.unwrap();
        assert!(seen(&ctx, "x-1").await.is_empty());
        assert_eq!(seen(&ctx, "logs").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_state_that_was_tampered_with_is_named_and_the_others_are_found() {
    for_each_engine(|world: World| async move {
        let (a, b) = (world.workspace("a").await, world.workspace("b").await);
        let broken = store(&world, &a, bucket(1, "logs", "x-1")).await;
        store(&world, &b, bucket(1, "logs", "x-2")).await;
        world
            .tamper(&format!("DELETE FROM blob WHERE version = '{broken}'"))
            .await;
        let all = found(&world.ask(), "").await;
        assert_eq!((all.total, all.hits[0].name.as_str()), (1, "b"));
        assert_eq!(
            (all.unsearched_count, all.unsearched[0].name.as_str()),
            (1, "a")
        );
        assert!(all.unsearched[0].reason.contains("missing"), "{all:?}");
        let read = state::get(&world.ask(), &a, Which::Current).await;
        assert_eq!(*read.unwrap_err().kind(), Kind::Tampered);
    })
    .await;
}

#[tokio::test]
async fn what_another_process_stored_is_found() {
    let world = World::new(crate::testing::Engine::Postgres).await;
    let a = world.workspace("a").await;
    store(&world, &a, bucket(1, "logs", "x-1")).await;
    assert_eq!(seen(&world.ask(), "logs").await.len(), 1);
    let other = crate::Core::open(world.options.clone()).await.unwrap();
    let house = other.house(world.house.code()).await.unwrap();
    store(&world, &a, bucket(2, "data", "x-1")).await;
    let there = world.ask().enter(house);
    assert_eq!(seen(&there, "data").await.len(), 1);
    let bytes = bucket(3, "more", "x-1");
    put(&there, &a, bytes).await.unwrap();
    assert_eq!(seen(&world.ask(), "more").await.len(), 1);
}
