//! What a removal takes, what stays, and what it never takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_model::Role;

use super::*;
use crate::state::{Put, Which, get, list, roll_back};
use crate::testing::{World, for_each_engine, noise, put, state};

fn wish(reason: &str) -> Remove {
    Remove {
        reason: reason.to_owned(),
        who: "olga".to_owned(),
        since: "2027-01-15T08:00:00Z".to_owned(),
    }
}

/// Three versions, the first with a body in the row, the second with one in a file.
async fn three(world: &World) -> (Workspace, Vec<VersionId>) {
    let workspace = world.workspace("net").await;
    let mut ids = Vec::new();
    for (serial, note) in [
        (1, "1".to_owned()),
        (2, noise(600_000)),
        (3, "3".to_owned()),
    ] {
        let Put::Stored(version) = put(&world.ask(), &workspace, state("a", serial, 1, &note))
            .await
            .unwrap()
        else {
            panic!("not stored");
        };
        ids.push(version.id.parse().unwrap());
    }
    (workspace, ids)
}

#[tokio::test]
async fn the_bytes_go_and_the_evidence_stays() {
    for_each_engine(|world: World| async move {
        let (workspace, ids) = three(&world).await;
        for id in &ids[..2] {
            let ctx = world.ask();
            remove_content(&ctx, id.clone(), wish("a leaked key"))
                .await
                .unwrap();
            let evidence = world.evidence().await;
            let leaf = evidence.one(ctx.request());
            assert_eq!(leaf["action"], "state.remove-content");
            assert_eq!(leaf["facts"]["version"], id.as_str());
            let ctx = world.ask();
            remove_content(&ctx, id.clone(), wish("again"))
                .await
                .unwrap();
            assert!(world.evidence().await.of(ctx.request()).is_empty());

            let asked = get(&world.ask(), &workspace, Which::Version(id.clone())).await;
            let error = asked.unwrap_err();
            assert_eq!(*error.kind(), Kind::Conflict);
            for part in ["2027-01-15", "olga", "a leaked key"] {
                assert!(error.message().contains(part), "{error}");
            }
        }
        let ctx = world.ask();
        assert_eq!(list(&ctx, &workspace, None, 9).await.unwrap().len(), 3);
        let told = removed(&ctx, &workspace, ids.clone()).await.unwrap();
        assert_eq!(told.len(), 2);
        let report = crate::ledger::verify_live(&ctx).await.unwrap();
        assert!(report.differences.is_empty(), "{report:?}");
        let current = get(&ctx, &workspace, Which::Current)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(current.0.serial, Some(3));
        // What looks over all versions passes over those.
        let subject = "terraform_data.each".parse().unwrap();
        let seen = crate::state::history(&ctx, &workspace, subject, None, 9)
            .await
            .unwrap();
        assert_eq!((seen.unread, seen.points.len()), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn what_is_current_waits_or_is_frozen_keeps_its_bytes() {
    for_each_engine(|world: World| async move {
        let (workspace, ids) = three(&world).await;
        let ctx = world.ask();
        let Put::Kept(kept) = put(&ctx, &workspace, state("a", 1, 1, "x")).await.unwrap() else {
            panic!("not kept");
        };
        let waiting: VersionId = kept.version.id.parse().unwrap();
        for id in [&ids[2], &waiting] {
            let error = remove_content(&ctx, id.clone(), wish("x"))
                .await
                .unwrap_err();
            assert_eq!(*error.kind(), Kind::Conflict);
        }
        let silent = remove_content(&ctx, ids[0].clone(), wish(" ")).await;
        assert_eq!(*silent.unwrap_err().kind(), Kind::Invalid);
        let (writer, _) = world.member(Role::Writer).await;
        let denied = remove_content(&world.by(&writer), ids[0].clone(), wish("x")).await;
        assert_eq!(*denied.unwrap_err().kind(), Kind::Denied);
        let frozen = workspace::freeze::Wish {
            reason: "hold".to_owned(),
            who: "olga".to_owned(),
            since: "2027-01-15T08:00:00Z".to_owned(),
        };
        workspace::freeze::freeze(&ctx, &workspace, frozen)
            .await
            .unwrap();
        let held = remove_content(&ctx, ids[0].clone(), wish("x"))
            .await
            .unwrap_err();
        assert!(matches!(held.kind(), Kind::Locked(_)), "{held:?}");
    })
    .await;
}

#[tokio::test]
async fn bytes_that_only_sql_removed_are_missing_and_nobody_goes_back_to_removed_ones() {
    for_each_engine(|world: World| async move {
        let (workspace, ids) = three(&world).await;
        let ctx = world.ask();
        remove_content(&ctx, ids[0].clone(), wish("x"))
            .await
            .unwrap();
        let lock = statehouse_terraform::lock::LockInfo {
            id: ctx.request().to_string(),
            ..Default::default()
        };
        crate::state::lock::take(&ctx, &workspace, lock)
            .await
            .unwrap();
        let back = roll_back(&ctx, &workspace, ids[0].clone(), None).await;
        assert_eq!(*back.unwrap_err().kind(), Kind::Conflict);
        world
            .tamper(&format!("DELETE FROM blob WHERE version = '{}'", ids[1]))
            .await;
        let asked = get(&world.ask(), &workspace, Which::Version(ids[1].clone())).await;
        assert_eq!(*asked.unwrap_err().kind(), Kind::Tampered);
        let report = crate::ledger::verify_live(&ctx).await.unwrap();
        assert_eq!(report.differences.len(), 1, "{report:?}");
        assert!(report.differences[0].place.contains(ids[1].as_str()));
    })
    .await;
}
