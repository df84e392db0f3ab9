//! Bundles that are announced and sent, workspaces that are left out, and those that are saved, on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use bytes::Bytes;
use statehouse_model::{PolicyBundleId, Role};

use super::*;
use crate::execution;
use crate::project::Project;
use crate::reach;
use crate::testing::judge::{of_workspaces, says};
use crate::testing::{World, for_each_engine, name};
use crate::url::{self, Granted, Signed};
use crate::workspace::{self, WishedTag};

async fn made(world: &World, name: &str) -> PolicySetId {
    let wish = Wish {
        name: Some(name.to_owned()),
        reach: reach::Wish::global(true),
        ..Wish::default()
    };
    let made = create(&world.ask(), wish).await.unwrap();
    made.id.parse().unwrap()
}

/// What an address allows.
async fn granted(world: &World, signed: &Signed) -> Granted {
    let opened = url::open(&world.house, &signed.id, &signed.signature).await;
    opened.unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_is_published_once_and_by_who_may() {
    for_each_engine(async |world| {
        let set = made(&world, "one").await;
        let asked = world.ask();
        let announced = upload::announce(&asked, &set).await.unwrap();
        let id: PolicyBundleId = announced.id.parse().unwrap();
        let address = granted(&world, announced.put.as_ref().unwrap()).await;
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["action"], "policy-set.announce");
        assert_eq!(leaf["facts"]["bundle"], id.as_str());
        let pending = upload::show(&world.ask(), &id).await.unwrap();
        assert!(pending.bundle.is_none());

        let send =
            async |ctx: &Ctx, archive: Bytes| upload::upload(ctx, &address, &id, archive).await;
        let (reader, _) = world.member(Role::Reader).await;
        assert_eq!(
            kind(send(&world.by(&reader), says("passed")).await),
            Kind::Denied
        );
        assert_eq!(
            kind(send(&world.ask(), Bytes::from_static(b"no")).await),
            Kind::Invalid
        );
        let asked = world.ask();
        send(&asked, says("passed")).await.unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["action"], "policy-set.publish");
        assert_eq!(leaf["object"], set.as_str());
        send(&world.ask(), says("passed")).await.unwrap();
        assert_eq!(
            kind(send(&world.ask(), says("advised")).await),
            Kind::Conflict
        );
        let there = upload::show(&world.ask(), &id).await.unwrap();
        assert_eq!(there.bundle.unwrap().id, id.as_str());
        assert_eq!(publish::history(&world.ask(), &set).await.unwrap().len(), 1);

        // The same contents under another address are what is in force.
        let again = upload::announce(&world.ask(), &set).await.unwrap();
        let other: PolicyBundleId = again.id.parse().unwrap();
        let address = granted(&world, again.put.as_ref().unwrap()).await;
        upload::upload(&world.ask(), &address, &other, says("passed"))
            .await
            .unwrap();
        let led = upload::show(&world.ask(), &other).await.unwrap();
        assert_eq!(led.id, id.as_str());
        assert_eq!(publish::history(&world.ask(), &set).await.unwrap().len(), 1);

        // What nothing came for ends with its address.
        let late = upload::announce(&world.ask(), &set).await.unwrap();
        world.pass_minutes(16);
        let late: PolicyBundleId = late.id.parse().unwrap();
        assert_eq!(
            kind(upload::show(&world.ask(), &late).await),
            Kind::NotFound
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_left_out_and_no_more_by_who_may() {
    for_each_engine(async |world| {
        let set = made(&world, "one").await;
        publish::publish(&world.ask(), &set, says("passed"))
            .await
            .unwrap();
        let place = world.workspace("web").await;
        let shown = workspace::show(&world.ask(), &place).await.unwrap();
        let id: WorkspaceId = shown.id.parse().unwrap();
        let reaches = async || {
            let found = of_workspace(&world.ask(), &place).await.unwrap();
            !found.is_empty()
        };
        assert!(reaches().await);
        let (writer, _) = world.member(Role::Writer).await;
        let denied = exclude::exclude(&world.by(&writer), &set, vec![id.clone()]).await;
        assert_eq!(kind(denied), Kind::Denied);
        let asked = world.ask();
        exclude::exclude(&asked, &set, vec![id.clone()])
            .await
            .unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["scope-1"], id.as_str());
        assert_eq!(leaf["facts"]["excluded"], true);
        assert!(!reaches().await);
        exclude::include(&world.ask(), &set, vec![id.clone()])
            .await
            .unwrap();
        assert!(reaches().await);
        // Once more changes nothing, and leaves nothing.
        let asked = world.ask();
        exclude::include(&asked, &set, vec![id]).await.unwrap();
        assert!(world.evidence().await.of(asked.request()).is_empty());
    })
    .await;
}

fn tag(key: &str) -> Vec<WishedTag> {
    vec![WishedTag {
        key: key.to_owned(),
        value: String::new(),
    }]
}

/// Every way in which a workspace is saved.
async fn saves(world: &World, place: &Workspace) -> Vec<(&'static str, Result<()>)> {
    let ctx = world.ask();
    let workspace = workspace::show(&ctx, place).await.unwrap();
    let settings = workspace::Change {
        settings: workspace::Settings {
            description: Some(format!("described {}", crate::entropy())),
            ..workspace::Settings::default()
        },
        ..workspace::Change::default()
    };
    let renamed = workspace::Change {
        name: Some(name("called-otherwise")),
        ..workspace::Change::default()
    };
    let tool = execution::Wish {
        tool: execution::Word::Say(execution::Tool::Tofu),
        ..execution::Wish::default()
    };
    let scope = access::Scope::Workspace(workspace.id.parse().unwrap());
    vec![
        (
            "settings",
            workspace::update(&ctx, place, settings).await.map(drop),
        ),
        (
            "name",
            workspace::update(&ctx, place, renamed).await.map(drop),
        ),
        (
            "tags",
            workspace::add_tags(&ctx, place, tag("one")).await.map(drop),
        ),
        (
            "execution",
            execution::set(&ctx, scope, tool).await.map(drop),
        ),
        (
            "new",
            workspace::create(&ctx, name("another"), None)
                .await
                .map(drop),
        ),
        (
            "ensured",
            workspace::ensure(&ctx, name("one-more")).await.map(drop),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_saved_only_as_policies_have_nothing_against_it() {
    for_each_engine(async |world| {
        let place = world.workspace("web").await;
        workspace::add_tags(&world.ask(), &place, tag("zero"))
            .await
            .unwrap();
        let set = made(&world, "rules").await;
        let before = workspace::full(&world.ask(), &place).await.unwrap();
        // Soft ones refuse, too, and so does whoever does not answer.
        for outcome in ["hard-failed", "soft-failed", "error"] {
            publish::publish(&world.ask(), &set, of_workspaces(outcome))
                .await
                .unwrap();
            for (what, saved) in saves(&world, &place).await {
                let error = saved.unwrap_err();
                assert_eq!(*error.kind(), Kind::Invalid, "{what}: {error}");
                assert!(error.message().contains("`rules`"), "{what}: {error}");
            }
            let gone = workspace::remove_tags(&world.ask(), &place, vec!["zero".to_owned()]).await;
            assert_eq!(kind(gone), Kind::Invalid);
            let after = workspace::full(&world.ask(), &place).await.unwrap();
            assert_eq!(after.description, before.description);
            assert_eq!(after.workspace.name, "web");
            assert_eq!(after.execution.tool, before.execution.tool);
            assert_eq!(after.tags.len(), 1);
        }
        publish::publish(&world.ask(), &set, of_workspaces("advised"))
            .await
            .unwrap();
        let asked = world.ask();
        workspace::add_tags(&asked, &place, tag("told"))
            .await
            .unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["policies"], "advised");
        for (what, saved) in saves(&world, &place).await {
            assert!(saved.is_ok(), "{what}: {saved:?}");
        }
        // A bundle that judges plans alone is not asked.
        publish::publish(&world.ask(), &set, says("error"))
            .await
            .unwrap();
        workspace::remove_tags(&world.ask(), &place, vec!["zero".to_owned()])
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_see_a_workspace_as_the_change_would_make_it() {
    for_each_engine(async |world| {
        let set = made(&world, "rules").await;
        let bundle = serde_json::json!({
            "plan": "passed", "saved": "hard-failed", "entities": ["workspace"], "names": "bad",
        });
        publish::publish(&world.ask(), &set, bundle.to_string().into())
            .await
            .unwrap();
        let place = world.workspace("good").await;
        let rename = async |to: &str| {
            let change = workspace::Change {
                name: Some(name(to)),
                ..workspace::Change::default()
            };
            workspace::update(&world.ask(), &place, change).await
        };
        assert_eq!(kind(rename("bad").await), Kind::Invalid);
        rename("better").await.unwrap();
        let shown = workspace::show(&world.ask(), &place).await.unwrap();
        assert_eq!(shown.name, "better");
        assert_eq!(
            kind(workspace::create(&world.ask(), name("bad"), None).await),
            Kind::Invalid
        );
        // What is deleted comes back only under a name that they have nothing against.
        workspace::delete(&world.ask(), &place, false)
            .await
            .unwrap();
        let id: WorkspaceId = shown.id.parse().unwrap();
        let back =
            async |to: &str| workspace::undelete(&world.ask(), id.clone(), Some(name(to))).await;
        assert_eq!(kind(back("bad").await), Kind::Invalid);
        back("better").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_moves_their_workspace_out_of_a_project_that_a_set_is_attached_to() {
    for_each_engine(async |world| {
        let set = made(&world, "rules").await;
        let nowhere = Wish {
            reach: reach::Wish::global(false),
            ..Wish::default()
        };
        update(&world.ask(), &set, nowhere).await.unwrap();
        publish::publish(&world.ask(), &set, says("hard-failed"))
            .await
            .unwrap();
        let mut projects = Vec::new();
        for text in ["guarded", "free"] {
            let made = crate::project::create(&world.ask(), name(text))
                .await
                .unwrap();
            projects.push(made.id.parse::<ProjectId>().unwrap());
        }
        attach(&world.ask(), &set, vec![To::Project(projects[0].clone())])
            .await
            .unwrap();
        let made = workspace::create(&world.ask(), name("web"), Some(name("guarded"))).await;
        let place = Workspace::Id(made.unwrap().id.parse().unwrap());
        let who = statehouse_model::UserId::from_entropy(crate::entropy());
        for project in &projects {
            let scope = access::Scope::Project(project.clone());
            access::give(&world.ask(), who.clone(), Role::Maintainer, scope, None)
                .await
                .unwrap();
        }
        let out = || workspace::Change {
            project: Some(Project::Id(projects[1].clone())),
            ..workspace::Change::default()
        };
        let moved = workspace::update(&world.by(&who), &place, out()).await;
        assert_eq!(kind(moved), Kind::Denied);
        assert_eq!(of_workspace(&world.ask(), &place).await.unwrap().len(), 1);
        // Who may change the set may do it.
        workspace::update(&world.ask(), &place, out())
            .await
            .unwrap();
        assert!(of_workspace(&world.ask(), &place).await.unwrap().is_empty());
    })
    .await;
}
