//! Who sees what of a state's content, and what each look leaves behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use bytes::Bytes;
use statehouse_model::Role;
use statehouse_terraform::content::ShownKind;
use statehouse_terraform::history::Event;

use super::*;
use crate::ctx::Ctx;
use crate::state::{Put, VersionView, Which};
use crate::testing::{World, for_each_engine, put};
use crate::workspace::Workspace;

/// A state with one resource that has these attributes, `password` marked.
fn with(serial: u64, attributes: &serde_json::Value) -> Bytes {
    let mark = serde_json::json!([[{ "type": "get_attr", "value": "pin" }]]);
    let state = serde_json::json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l", "outputs": {},
        "resources": [{
            "mode": "managed", "type": "aws_x", "name": "a",
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{ "schema_version": 0, "attributes": attributes, "sensitive_attributes": mark }],
        }],
    });
    serde_json::to_vec(&state).unwrap().into()
}

async fn stored(ctx: &Ctx, workspace: &Workspace, bytes: Bytes) -> VersionView {
    match put(ctx, workspace, bytes).await.unwrap() {
        Put::Stored(version) => version,
        other => panic!("{other:?}"),
    }
}

/// A workspace with three versions: `size` grows twice, the pin changes once.
async fn three(world: &World) -> (Workspace, Vec<VersionView>) {
    let workspace = world.workspace("net").await;
    let mut versions = Vec::new();
    for (serial, size, pin) in [
        (1, 1, "one-s3cret"),
        (2, 2, "two-s3cret"),
        (3, 3, "two-s3cret"),
    ] {
        let attributes = serde_json::json!({ "id": "i", "size": size, "pin": pin });
        versions.push(stored(&world.ask(), &workspace, with(serial, &attributes)).await);
    }
    (workspace, versions)
}

fn id(version: &VersionView) -> VersionId {
    version.id.parse().unwrap()
}

async fn actions(world: &World, ctx: &Ctx) -> Vec<String> {
    let evidence = world.evidence().await;
    let leaves = evidence.of(ctx.request());
    let action = |leaf: &serde_json::Value| leaf["action"].as_str().unwrap().to_owned();
    leaves.iter().map(|leaf| action(leaf)).collect()
}

#[tokio::test]
async fn a_difference_hides_what_is_sensitive_and_records_both_reads() {
    for_each_engine(|world| async move {
        let (_, versions) = three(&world).await;
        let ctx = world.ask();
        let found = compare(&ctx, id(&versions[1]), Against::Previous)
            .await
            .unwrap();
        assert_eq!(found.before.id, versions[0].id);
        let changes = &found.diff.resources[0].attributes;
        let told: Vec<String> = changes
            .iter()
            .map(|change| {
                let text = |shown: &Option<_>| {
                    let shown: &Option<statehouse_terraform::content::Shown> = shown;
                    shown.as_ref().unwrap().text.clone()
                };
                let (before, after) = (text(&change.before), text(&change.after));
                format!("{} {before} {after}", change.path)
            })
            .collect();
        assert_eq!(told, ["pin (sensitive) (sensitive)", "size 1 2"]);
        assert_eq!(actions(&world, &ctx).await, ["state.compare"; 2]);

        let ctx = world.ask();
        let over = Against::Version(id(&versions[0]));
        let found = compare(&ctx, id(&versions[2]), over).await.unwrap();
        assert_eq!(found.before.id, versions[0].id);
        let first = compare(&ctx, id(&versions[0]), Against::Previous).await;
        assert_eq!(*first.unwrap_err().kind(), Kind::Conflict);

        let ctx = world.ask();
        let file = with(
            9,
            &serde_json::json!({ "id": "i", "size": 7, "pin": "f-s3cret" }),
        );
        let found = compare_with(&ctx, id(&versions[2]), file).await.unwrap();
        assert!(!format!("{found:?}").contains("s3cret"));
        assert_eq!(found.diff.totals.changed, 1);
        assert_eq!(actions(&world, &ctx).await, ["state.compare"]);
        let garbage = compare_with(&ctx, id(&versions[2]), Bytes::from_static(b"{}")).await;
        assert_eq!(*garbage.unwrap_err().kind(), Kind::Conflict);
    })
    .await;
}

#[tokio::test]
async fn another_workspace_and_another_role_see_nothing() {
    for_each_engine(|world| async move {
        let (workspace, versions) = three(&world).await;
        let other = world.workspace("other").await;
        let foreign = stored(&world.ask(), &other, with(1, &serde_json::json!({}))).await;
        let ctx = world.ask();
        let mixed = compare(&ctx, id(&versions[0]), Against::Version(id(&foreign)));
        assert_eq!(*mixed.await.unwrap_err().kind(), Kind::NotFound);
        let (reader, _) = world.member(Role::Reader).await;
        let ctx = world.by(&reader);
        let subject = || "aws_x.a".parse().unwrap();
        let refused = [
            compare(&ctx, id(&versions[1]), Against::Previous)
                .await
                .err(),
            preview_back(&ctx, id(&versions[1])).await.err(),
            resource(&ctx, &workspace, Which::Current, subject())
                .await
                .err(),
            resources(&ctx, &workspace, Which::Current).await.err(),
            history(&ctx, &workspace, subject(), None, 9).await.err(),
            blame(&ctx, &workspace, subject(), 9).await.err(),
        ];
        for error in refused {
            assert_eq!(*error.unwrap().kind(), Kind::Denied);
        }
    })
    .await;
}

#[tokio::test]
async fn a_resource_is_shown_as_it_was_in_each_version() {
    for_each_engine(|world| async move {
        let (workspace, versions) = three(&world).await;
        let ctx = world.ask();
        let show = async |which, address: &str| {
            resource(&ctx, &workspace, which, address.parse().unwrap()).await
        };
        let shown = show(Which::Current, "aws_x.a").await.unwrap();
        let text: Vec<String> = shown
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={}", value.text))
            .collect();
        assert_eq!(text, ["id=i", "pin=(sensitive)", "size=3"]);
        let old = show(Which::Version(id(&versions[0])), "aws_x.a.size").await;
        assert_eq!(old.unwrap().attributes[0].1.text, "1");
        for missing in ["aws_x.b", "aws_x.a.colour"] {
            let error = show(Which::Current, missing).await.unwrap_err();
            assert_eq!(*error.kind(), Kind::NotFound, "{missing}");
        }
        let (_, listed, left_out) = resources(&ctx, &workspace, Which::Current)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((listed[0].address.as_str(), left_out), ("aws_x.a", 0));
        let empty = world.workspace("empty").await;
        let none = resources(&ctx, &empty, Which::Current).await.unwrap();
        assert!(none.is_none());
    })
    .await;
}

#[tokio::test]
async fn blame_names_who_changed_an_attribute_and_one_leaf_tells_of_the_walk() {
    for_each_engine(|world| async move {
        let (workspace, versions) = three(&world).await;
        let (writer, _) = world.member(Role::Writer).await;
        let attributes = serde_json::json!({ "id": "i", "size": 4, "pin": "two-s3cret" });
        let last = stored(&world.by(&writer), &workspace, with(4, &attributes)).await;
        let ctx = world.ask();
        let found = blame(&ctx, &workspace, "aws_x.a".parse().unwrap(), 100)
            .await
            .unwrap();
        let line = |path: &str| found.lines.iter().find(|line| line.path == path).unwrap();
        let made = |path: &str| line(path).made.clone().unwrap();
        assert_eq!(made("size").version, id(&last));
        assert_eq!(made("size").actor, writer.to_string());
        assert_eq!((made("pin").sequence, made("id").sequence), (2, 1));
        assert_eq!(made("pin").version, id(&versions[1]));
        assert_eq!(line("pin").value.kind, ShownKind::Sensitive);
        assert_eq!((found.next, found.versions), (None, 4));

        let evidence = world.evidence().await;
        let leaf = evidence.one(ctx.request());
        assert_eq!(leaf["action"], "state.history");
        let facts = &leaf["facts"];
        assert_eq!(facts["first"], versions[0].id.as_str());
        assert_eq!(facts["last"], last.id.as_str());
        assert_eq!(facts["count"], 4);

        let one = blame(&ctx, &workspace, "aws_x.a.size".parse().unwrap(), 100).await;
        assert_eq!(one.unwrap().lines.len(), 1);
        let none = blame(&ctx, &workspace, "aws_x.a.colour".parse().unwrap(), 100).await;
        assert_eq!(*none.unwrap_err().kind(), Kind::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_resource_that_moved_is_followed_by_the_address_of_today() {
    for_each_engine(|world: World| async move {
        let (workspace, versions) = three(&world).await;
        let moved = |serial: u64, name: &str| {
            let attributes = serde_json::json!({ "id": "i", "size": 3, "pin": "two-s3cret" });
            let text = with(serial, &attributes);
            let text = String::from_utf8(text.to_vec()).unwrap();
            let name = format!("\"name\":\"{name}\"");
            Bytes::from(text.replace("\"name\":\"a\"", &name))
        };
        let ctx = world.ask();
        let fourth = stored(&ctx, &workspace, moved(4, "b")).await;
        let fifth = stored(&ctx, &workspace, moved(5, "c")).await;
        let subject = |text: &str| text.parse().unwrap();
        let found = history(&ctx, &workspace, subject("aws_x.c"), None, 9).await;
        let found = found.unwrap();
        let events: Vec<_> = found
            .points
            .iter()
            .map(|point| (point.made.sequence, point.point.event))
            .collect();
        let expected = [
            (5, Event::Moved),
            (4, Event::Moved),
            (3, Event::Changed),
            (2, Event::Changed),
            (1, Event::Appeared),
        ];
        assert_eq!(events, expected);
        assert_eq!(found.points[0].made.version, id(&fifth));
        assert_eq!(found.points[1].made.version, id(&fourth));
        let blamed = blame(&ctx, &workspace, subject("aws_x.c.size"), 9).await;
        let line = blamed.unwrap().lines.remove(0);
        assert_eq!(line.made.unwrap().version, id(&versions[2]));
        // What came up where something else had been is that something's successor only by what is in it.
        let first = history(&ctx, &workspace, subject("aws_x.a"), None, 9).await;
        assert_eq!(first.unwrap().points.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn another_that_had_the_address_before_is_not_followed() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let workspace = world.workspace("net").await;
    let ctx = world.ask();
    let at = |serial: u64, resources: &[(&str, &str)]| {
        let resources: Vec<_> = resources
            .iter()
            .map(|(name, id)| {
                serde_json::json!({
                    "mode": "managed", "type": "aws_x", "name": name, "provider": "p",
                    "instances": [{ "schema_version": 0, "attributes": { "id": id } }],
                })
            })
            .collect();
        let state = serde_json::json!({
            "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l",
            "outputs": {}, "resources": resources,
        });
        Bytes::from(serde_json::to_vec(&state).unwrap())
    };
    for (serial, resources) in [
        (1, &[("a", "i-1")][..]),
        (2, &[("c", "i-1")]),
        (3, &[("c", "i-1"), ("a", "i-2")]),
        (4, &[("c", "i-1"), ("b", "i-2")]),
    ] {
        stored(&ctx, &workspace, at(serial, resources)).await;
    }
    let found = history(&ctx, &workspace, "aws_x.b".parse().unwrap(), None, 9).await;
    let found = found.unwrap();
    assert_eq!(found.address.as_deref(), Some("aws_x.b"));
    assert!(
        found.points.iter().all(|point| point.made.sequence >= 3),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_walk_that_was_cut_says_where_to_go_on_and_invents_no_beginning() {
    for_each_engine(|world| async move {
        let (workspace, _) = three(&world).await;
        let subject = || "aws_x.a".parse().unwrap();
        let ctx = world.ask();
        let walk = async |before, limit| {
            let found = history(&ctx, &workspace, subject(), before, limit).await;
            let found = found.unwrap();
            let points: Vec<_> = found
                .points
                .iter()
                .map(|point| (point.made.sequence, point.point.event))
                .collect();
            (points, found.next)
        };
        let all = [
            (3, Event::Changed),
            (2, Event::Changed),
            (1, Event::Appeared),
        ];
        assert_eq!(walk(None, 100).await, (all.to_vec(), None));
        assert_eq!(walk(None, 1).await, (all[..1].to_vec(), Some(3)));
        assert_eq!(walk(Some(3), 1).await, (all[1..2].to_vec(), Some(2)));
        assert_eq!(walk(Some(2), 1).await, (all[2..].to_vec(), None));
        let cut = blame(&ctx, &workspace, subject(), 1).await.unwrap();
        let line = |path: &str| cut.lines.iter().find(|line| line.path == path).unwrap();
        assert!(line("size").made.is_some() && line("id").made.is_none());
        assert_eq!(cut.next, Some(3));
    })
    .await;
}

#[tokio::test]
async fn a_preview_of_going_back_says_what_is_forgotten() {
    for_each_engine(|world| async move {
        let (_, versions) = three(&world).await;
        let ctx = world.ask();
        let found = preview_back(&ctx, id(&versions[0])).await.unwrap();
        assert_eq!(found.current.id, versions[2].id);
        assert_eq!(found.preview.reverted.total, 1);
        assert!(!format!("{found:?}").contains("s3cret"));
        assert_eq!(actions(&world, &ctx).await, ["state.preview-rollback"; 2]);
    })
    .await;
}
