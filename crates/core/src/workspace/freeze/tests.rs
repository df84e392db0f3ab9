//! What a freeze stops, what it does not, and who may declare one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_model::Role;

use super::*;
use crate::state::{Put, accept, discard, roll_back};
use crate::testing::{World, for_each_engine, put, state};
use crate::workspace::{delete, full};

fn wish(reason: &str) -> Wish {
    Wish {
        reason: reason.to_owned(),
        who: "olga".to_owned(),
        since: "2027-01-15T08:00:00Z".to_owned(),
    }
}

fn lock(id: &str) -> LockInfo {
    LockInfo {
        id: id.to_owned(),
        operation: "OperationTypeApply".to_owned(),
        ..LockInfo::default()
    }
}

/// Checks that a freeze refused, and says who, why, and how to thaw.
fn refused<T: std::fmt::Debug>(got: Result<T>) {
    let error = got.unwrap_err();
    let Kind::Locked(told) = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(
        (told.who.as_str(), told.operation.as_str()),
        ("olga", OPERATION)
    );
    let words = error.to_string();
    for part in ["frozen", "olga", "the audit", "workspace thaw"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(told.info.contains("the audit") && told.info.contains("workspace thaw"));
}

#[tokio::test]
async fn a_frozen_state_is_read_and_by_nobody_changed_until_it_is_thawed() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("net").await;
        let ctx = world.ask();
        let Put::Stored(first) = put(&ctx, &workspace, state("a", 1, 4, "1")).await.unwrap() else {
            panic!("not stored");
        };
        let Put::Stored(_) = put(&ctx, &workspace, state("a", 2, 4, "2")).await.unwrap() else {
            panic!("not stored");
        };
        let Put::Kept(kept) = put(&ctx, &workspace, state("a", 1, 4, "3")).await.unwrap() else {
            panic!("not kept");
        };
        freeze(&ctx, &workspace, wish("the audit")).await.unwrap();
        let shown = full(&ctx, &workspace).await.unwrap();
        assert_eq!(shown.frozen.unwrap().reason.as_deref(), Some("the audit"));
        let kept: statehouse_model::VersionId = kept.version.id.parse().unwrap();
        let first: statehouse_model::VersionId = first.id.parse().unwrap();
        let why = || "because".to_owned();
        refused(put(&ctx, &workspace, state("a", 3, 4, "4")).await);
        refused(crate::state::lock::take(&ctx, &workspace, lock("one")).await);
        refused(accept(&ctx, &workspace, kept.clone(), why()).await);
        refused(roll_back(&ctx, &workspace, first, None).await);
        refused(delete(&ctx, &workspace, false).await);
        let wished = crate::state::Wish {
            serial: 3,
            lineage: "a".to_owned(),
            md5: [0; 16],
        };
        refused(crate::state::announce(&ctx, &workspace, wished).await);
        discard(&ctx, &workspace, kept, why()).await.unwrap();
        let found = crate::state::get(&ctx, &workspace, crate::state::Which::Current).await;
        assert_eq!(found.unwrap().unwrap().0.serial, Some(2));

        thaw(&ctx, &workspace, why()).await.unwrap();
        let again = thaw(&ctx, &workspace, why()).await.unwrap_err();
        assert_eq!(*again.kind(), Kind::Conflict);
        let stored = put(&ctx, &workspace, state("a", 3, 4, "4")).await.unwrap();
        assert!(matches!(stored, Put::Stored(_)), "{stored:?}");
        assert!(full(&ctx, &workspace).await.unwrap().frozen.is_none());
    })
    .await;
}

#[tokio::test]
async fn freezing_needs_its_permission_a_reason_and_nobody_at_work() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("net").await;
        let (writer, _) = world.member(Role::Writer).await;
        let denied = freeze(&world.by(&writer), &workspace, wish("no")).await;
        assert_eq!(*denied.unwrap_err().kind(), Kind::Denied);
        let ctx = world.ask();
        let silent = freeze(&ctx, &workspace, wish(" ")).await;
        assert_eq!(*silent.unwrap_err().kind(), Kind::Invalid);
        crate::state::lock::take(&ctx, &workspace, lock("one"))
            .await
            .unwrap();
        let busy = freeze(&ctx, &workspace, wish("now")).await.unwrap_err();
        let Kind::Locked(holder) = busy.kind() else {
            panic!("{busy:?}");
        };
        assert_eq!(holder.id, "one");
        crate::state::lock::release(&ctx, &workspace, "one".to_owned())
            .await
            .unwrap();
        let ctx = world.ask();
        freeze(&ctx, &workspace, wish("now")).await.unwrap();
        let evidence = world.evidence().await;
        let leaf = evidence.one(ctx.request());
        assert_eq!(leaf["action"], "workspace.freeze");
        assert!(!leaf["facts"].to_string().contains("now"), "{leaf}");
        let denied = thaw(&world.by(&writer), &workspace, "x".to_owned()).await;
        assert_eq!(*denied.unwrap_err().kind(), Kind::Denied);
    })
    .await;
}

#[tokio::test]
async fn a_freeze_that_sql_removed_is_found() {
    for_each_engine(|world: World| async move {
        let workspace = world.workspace("net").await;
        let ctx = world.ask();
        freeze(&ctx, &workspace, wish("the audit")).await.unwrap();
        world
            .tamper("UPDATE workspace_freeze SET who = 'none'")
            .await;
        let altered = put(&ctx, &workspace, state("a", 1, 1, "1")).await;
        assert_eq!(*altered.unwrap_err().kind(), Kind::Tampered);
        world.tamper("DELETE FROM workspace_freeze").await;
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(
            report
                .differences
                .iter()
                .any(|found| found.place.contains("workspace_freeze")),
            "{report:?}"
        );
    })
    .await;
}
