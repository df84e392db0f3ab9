//! What is asked of a state whose workspace somebody put back to an older row, genuine as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_ledger::follow::Follower;

use super::*;
use crate::error::Kind;
use crate::testing::{Ashes, Script, lock_info};

const KEEP: &str = "CREATE TABLE older AS SELECT * FROM workspace";
const PUT_BACK: &str = "DELETE FROM workspace; INSERT INTO workspace SELECT * FROM older";

/// Two versions, and the row of the workspace as it was after the first one.
async fn two(world: &World) -> Workspace {
    let web = world.workspace("web").await;
    let none = get(&world.ask(), &web, Which::Current).await.unwrap();
    assert!(none.is_none(), "and what the ledger says agrees");
    store(world, &web, 1).await;
    world.tamper(KEEP).await;
    store(world, &web, 2).await;
    let found = get(&world.ask(), &web, Which::Current).await.unwrap();
    assert_eq!(found.unwrap().0.serial, Some(2));
    web
}

async fn store(world: &World, workspace: &Workspace, serial: u64) {
    let bytes = state("a", serial, 1, "");
    crate::testing::put(&world.ask(), workspace, bytes)
        .await
        .unwrap();
}

fn check_altered(error: &Error) {
    assert_eq!(*error.kind(), Kind::Tampered, "{error}");
    let words = error.message();
    assert!(
        words.contains("expected `") && words.contains("which leaf"),
        "{words}"
    );
}

/// Whether the workspace is frozen, which it is not any more then.
async fn is_frozen(world: &World, workspace: &Workspace) -> bool {
    let thawed = workspace::freeze::thaw(&world.ask(), workspace, "seen".to_owned()).await;
    thawed.is_ok()
}

async fn check_all(world: &World, web: &Workspace) {
    let ask = world.ask();
    for answer in [
        get(&ask, web, Which::Current).await.map(drop),
        current(&ask, web).await.map(drop),
        outputs(&ask, web, Which::Current).await.map(drop),
        resources(&ask, web, Which::Current).await.map(drop),
    ] {
        check_altered(&answer.unwrap_err());
    }
    assert!(is_frozen(world, web).await);
    // Thawed, it is found again.
    check_altered(&get(&ask, web, Which::Current).await.unwrap_err());
    assert!(is_frozen(world, web).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_row_is_given_to_nobody_and_freezes_the_workspace() {
    for_each_engine(async |world| {
        let web = two(&world).await;
        world.tamper(PUT_BACK).await;
        // What was opened a moment ago is kept under the head of the ledger.
        world.workspace("another").await;
        check_all(&world, &web).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_row_is_found_after_a_start_too() {
    for_each_engine(async |world| {
        let web = two(&world).await;
        let ashes = world.close().await;
        let world = ashes.start(Script::quiet()).await;
        world.tamper(PUT_BACK).await;
        check_all(&world, &web).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_work_is_not_frozen() {
    for_each_engine(async |world| {
        let web = two(&world).await;
        let (other, _) = world.member(Role::Owner).await;
        world.tamper("DROP TABLE older").await;
        lock::take(&world.by(&other), &web, lock_info("theirs"))
            .await
            .unwrap();
        world.tamper(KEEP).await;
        let upload = Upload {
            bytes: state("a", 3, 1, ""),
            lock_id: Some("theirs".to_owned()),
        };
        put(&world.by(&other), &web, upload).await.unwrap();
        world.tamper(PUT_BACK).await;
        let found = get(&world.ask(), &web, Which::Current).await;
        check_altered(&found.unwrap_err());
        lock::release(&world.by(&other), &web, "theirs".to_owned())
            .await
            .unwrap();
        assert!(!is_frozen(&world, &web).await);
    })
    .await;
}

/// Rows and ledger put back together while the server runs: what it knows is not given up for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_put_back_while_the_server_runs_is_given_to_nobody() {
    for_each_engine(async |world| {
        let web = world.workspace("web").await;
        store(&world, &web, 1).await;
        let found = get(&world.ask(), &web, Which::Current).await.unwrap();
        assert_eq!(found.unwrap().0.serial, Some(1));
        world.tamper(KEEP).await;
        world
            .tamper("CREATE TABLE older_head AS SELECT * FROM ledger_head")
            .await;
        store(&world, &web, 2).await;
        world.tamper(PUT_BACK).await;
        world
            .tamper(
                "DELETE FROM ledger_head; INSERT INTO ledger_head SELECT * FROM older_head;
                 DELETE FROM ledger_leaf WHERE seq >= (SELECT size FROM ledger_head)",
            )
            .await;
        for _ in 0..3 {
            get(&world.ask(), &web, Which::Current).await.unwrap_err();
            current(&world.ask(), &web).await.unwrap_err();
        }
    })
    .await;
}

/// What was followed is written down beside the anchor, and goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_followed_is_remembered_and_what_does_not_read_is_read_anew() {
    for_each_engine(async |world| {
        let web = two(&world).await;
        let memory = |ashes: &Ashes| ashes.anchor().with_extension("followed");
        let mut ashes = world.close().await;
        let known = Follower::parse(&fs_err::read(memory(&ashes)).unwrap()).unwrap();
        assert!(known.size() > 0);
        for spoiled in [None, Some("nothing that reads"), Some("")] {
            if let Some(text) = spoiled {
                fs_err::write(memory(&ashes), text).unwrap();
            }
            let world = ashes.start(Script::quiet()).await;
            let found = get(&world.ask(), &web, Which::Current).await.unwrap();
            assert_eq!(found.unwrap().0.serial, Some(2));
            ashes = world.close().await;
        }
        let world = ashes.start(Script::quiet()).await;
        world.tamper(PUT_BACK).await;
        check_all(&world, &web).await;
    })
    .await;
}
