//! Locks: who may write, who may release, who may break.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;

async fn lock_and_write(world: &World, ada: &UserId, bob: &UserId) {
    let desk = Desk::new(world, "locks").await;
    let first = state("a", 1, 1, "");
    desk.take(ada, "A", "OperationTypeApply", "fence 1", true)
        .await;
    desk.take(ada, "A", "OperationTypeApply", "fence 1", false)
        .await;
    desk.take(ada, "B", "OperationTypeApply", "locked", false)
        .await;
    desk.take(bob, "A", "OperationTypeApply", "locked", false)
        .await;
    let shown = lock::show(&world.ask(), &desk.workspace)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (shown.id.as_str(), shown.operation.as_str()),
        ("A", "OperationTypeApply")
    );
    desk.put(ada, None, &first, "locked").await;
    desk.put(ada, Some("B"), &first, "locked").await;
    desk.put(bob, Some("A"), &first, "locked").await;
    let version = desk.put(ada, Some("A"), &first, "stored").await.unwrap();
    assert_eq!(version.fence, 1);
    desk.put(bob, None, &first, "locked").await;
    desk.release(ada, "B", "locked", false).await;
    desk.release(bob, "A", "locked", false).await;
    desk.release(ada, "A", "fence 1", true).await;
    desk.release(ada, "A", "fence 1", false).await;
    desk.release(ada, "B", "refused", false).await;
    desk.release(bob, "A", "refused", false).await;
    assert_eq!(
        lock::show(&world.ask(), &desk.workspace).await.unwrap(),
        None
    );
    desk.put(ada, Some("A"), &first, "repeated").await;
    desk.put(ada, Some("A"), &state("a", 2, 1, ""), "refused")
        .await;
    desk.put(ada, None, &state("a", 2, 1, ""), "stored unlocked")
        .await;
    // A LOCK that was delayed on its way takes nothing that nobody would release.
    desk.take(ada, "A", "OperationTypeApply", "refused", false)
        .await;
    desk.take(bob, "C", "state-mv", "fence 2", true).await;
    desk.release(ada, "A", "fence 2", false).await;
}

async fn break_locks(world: &World, ada: &UserId) {
    let desk = Desk::new(world, "broken").await;
    let owner = &world.owner;
    desk.take(ada, "A", "OperationTypeApply", "fence 1", true)
        .await;
    let (denied, wrong, broken) = (world.by(ada), world.by(owner), world.by(owner));
    let force = async |ctx: &Ctx, id: &str| {
        lock::force(
            ctx,
            &desk.workspace,
            Some(id.to_owned()),
            Some("holder is gone".to_owned()),
        )
        .await
    };
    assert_eq!(kind_of(&force(&denied, "A").await.unwrap_err()), "denied");
    desk.left(&denied, Some("access.refused")).await;
    assert_eq!(kind_of(&force(&wrong, "B").await.unwrap_err()), "locked");
    desk.left(&wrong, None).await;
    force(&broken, "A").await.unwrap();
    let evidence = world.evidence().await;
    let leaf = evidence.one(broken.request());
    assert_eq!(
        (&leaf["action"], &leaf["facts"]["holder"]),
        (&"lock.break".into(), &ada.as_str().into())
    );
    assert!(
        leaf["facts"]["detail"].is_string() && !leaf.to_string().contains("gone"),
        "the reason is sealed"
    );
    assert_eq!(
        kind_of(&force(&world.by(owner), "A").await.unwrap_err()),
        "refused"
    );
    desk.put(ada, Some("A"), &state("a", 1, 1, ""), "refused")
        .await;
    desk.take(ada, "A", "OperationTypeApply", "refused", false)
        .await;
    desk.take(ada, "B", "OperationTypeApply", "fence 2", true)
        .await;
}

/// Ten ids at once: one holds the lock, and its answer says so.
async fn race(world: &World, ada: &UserId) {
    let desk = Desk::new(world, "race").await;
    let asks: Vec<Ctx> = (0..10).map(|_| world.by(ada)).collect();
    let jobs = asks.iter().enumerate().map(|(id, ctx)| {
        let (ctx, workspace) = (ctx.clone(), desk.workspace.clone());
        let info = LockInfo {
            id: id.to_string(),
            ..LockInfo::default()
        };
        Box::pin(async move { lock::take(&ctx, &workspace, info).await })
            as door::BoxFuture<'static, _>
    });
    let answers: Vec<Result<workspace::WorkspaceView>> = world.together(jobs.collect()).await;
    assert!(answers[0].is_ok() && answers[1..].iter().all(Result::is_err));
    let held = lock::show(&world.ask(), &desk.workspace)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(held.id, "0");
    desk.left(&asks[0], Some("lock.take")).await;
    desk.left(&asks[1], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_held_by_one_id_of_one_actor() {
    for_each_engine(async |world| {
        let (ada, _) = world.member(Role::Writer).await;
        let (bob, _) = world.member(Role::Writer).await;
        lock_and_write(&world, &ada, &bob).await;
        break_locks(&world, &ada).await;
        race(&world, &ada).await;
    })
    .await;
}
