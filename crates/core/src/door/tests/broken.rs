//! Transactions and connections that break, and bodies that take too long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::*;
use crate::fault::Fault;
use crate::testing::postgres::kill_all;

/// Ends the transaction between two statements, the first time.
fn breaks_once() -> Then {
    let left = Mutex::new(Some("ROLLBACK"));
    then(move |tx| {
        let first = left.lock().unwrap().take().unwrap_or_default();
        Box::pin(async move {
            tx.transaction.run(first).await?;
            let sql = "DELETE FROM blob WHERE version = 'none'";
            Ok(tx.transaction.run(sql).await?)
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_breaks_loses_and_doubles_nothing() {
    for_each_engine(async |world| {
        // At the begin.
        world.script.fail(Point::Begin, Fault::Lost, 1);
        ten(&world, &[]).await.check(&[]);
        // In a body, before it and between its statements.
        world.script.sql_once(Point::Body(4), "ROLLBACK");
        ten(&world, &[]).await.check(&[]);
        ten(&world, &[(4, breaks_once())]).await.check(&[]);
        // At the commit: it never arrived, or only its answer was lost.
        world.script.sql_once(Point::Commit, "ROLLBACK");
        ten(&world, &[]).await.check(&[]);
        world.script.sql_once(Point::Commit, "COMMIT");
        let ran = ten(&world, &[]).await;
        ran.check(&[]);
        assert_eq!(ran.commits, 1, "what was committed is not done again");
        // For good: everybody is told, nothing is there, the house goes on.
        world.script.fail(Point::Begin, Fault::Lost, 1 + 10 * 3);
        let ran = ten(&world, &[]).await;
        ran.check(
            &(0..10)
                .map(|index| (index, Kind::Unavailable))
                .collect::<Vec<_>>(),
        );
        ten(&world, &[]).await.check(&[]);
    })
    .await;
}

/// Ends the connection at a point, from outside.
fn kill_at(world: &World, admin: &Arc<Client>, point: Point) {
    let admin = admin.clone();
    world.script.once(point, move || async move {
        kill_all(&admin).await;
        Fault::None
    });
}

/// Makes the next commit wait for a standby that is not there, ends the
/// connection while it waits, and says whether it did: the transaction is
/// committed and nobody was told.
fn kill_after_commit(world: &World, admin: &Arc<Client>) -> tokio::task::JoinHandle<bool> {
    let (armed, is_armed) = tokio::sync::oneshot::channel();
    let there = admin.clone();
    world.script.once(Point::Signed, move || async move {
        there
            .batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            .await
            .unwrap();
        there
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        armed.send(()).unwrap();
        Fault::None
    });
    let admin = admin.clone();
    tokio::spawn(async move {
        is_armed.await.unwrap();
        let mut killed = false;
        let sql =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        for _ in 0..500 {
            killed = !admin.query(sql, &[]).await.unwrap().is_empty();
            if killed {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        admin
            .batch_execute("ALTER SYSTEM RESET synchronous_standby_names")
            .await
            .unwrap();
        admin
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .unwrap();
        killed
    })
}

/// Kills the server process that holds the writing transaction: PostgreSQL
/// ends every connection and recovers, which takes a moment.
fn crash_at(world: &World, admin: &Arc<Client>, point: Point) {
    let admin = admin.clone();
    world.script.once(point, move || async move {
        let sql = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'";
        let pid: i32 = admin.query_one(sql, &[]).await.unwrap().get(0);
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status();
        assert!(killed.unwrap().success());
        Fault::None
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_killed_by_postgresql_loses_and_doubles_nothing() {
    let world = World::new(Engine::Postgres).await;
    let admin = Arc::new(world.cluster.as_ref().unwrap().admin().await);
    kill_at(&world, &admin, Point::Begin);
    ten(&world, &[]).await.check(&[]);

    let left = Arc::new(Mutex::new(Some(admin.clone())));
    let killed = then(move |tx| {
        let admin = left.lock().unwrap().take();
        Box::pin(async move {
            if let Some(admin) = admin {
                kill_all(&admin).await;
            }
            tx.transaction
                .run("DELETE FROM blob WHERE version = 'none'")
                .await?;
            Ok(())
        })
    });
    ten(&world, &[(4, killed)]).await.check(&[]);

    // Before COMMIT arrives, and after it was done.
    kill_at(&world, &admin, Point::Signed);
    ten(&world, &[]).await.check(&[]);
    let killing = kill_after_commit(&world, &admin);
    let ran = ten(&world, &[]).await;
    assert!(
        killing.await.unwrap(),
        "the connection was ended while the commit was not answered"
    );
    ran.check(&[]);
    assert_eq!(ran.commits, 1, "what was committed is not done again");

    // The whole server goes down at the commit and comes back.
    crash_at(&world, &admin, Point::Signed);
    ten(&world, &[]).await.check(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_cannot_be_found_out_is_answered_so() {
    let mut world = World::new(Engine::Postgres).await;
    let since = world.evidence().await.size();
    let gate = world.script.hold(Point::Signed);
    let ask = world.ask();
    let caller = tokio::spawn(job(&ask, None));
    let release = gate.reached().await;
    // The server stays away for longer than the writer asks for the head.
    world.cluster.as_mut().unwrap().stop();
    release.send(()).unwrap();
    let error = caller.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
    assert!(
        error
            .to_string()
            .contains("whether the change was made is not known"),
        "{error}"
    );
    world.cluster.as_mut().unwrap().run().await;
    world
        .evidence()
        .await
        .equals(since, &[(ask.request(), None)]);
    ten(&world, &[]).await.check(&[]);
}

/// Ten changes of which the seventh does not end by itself.
async fn check_slow(world: &World, slow: Then) {
    let begun = Instant::now();
    let ran = ten(world, &[(6, slow)]).await;
    ran.check(&[(6, Kind::Unavailable)]);
    let took = begun.elapsed();
    assert!(
        took > Duration::from_millis(1900) && took < Duration::from_secs(5),
        "{took:?}"
    );
    ten(world, &[]).await.check(&[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_takes_too_long_is_given_up_alone() {
    for_each_engine(async |world| {
        check_slow(&world, then(|_| Box::pin(async { std::future::pending().await }))).await;
        let (reads, writes) = match world.engine {
            Engine::Sqlite => (
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                    INSERT INTO blob (version, header, epoch) SELECT 'none', x'00', count(*) FROM n",
            ),
            Engine::Postgres => (
                "SELECT 1 FROM pg_sleep(30)",
                "INSERT INTO blob (version, header, epoch) SELECT 'none', '\\x00'::bytea, 1 FROM pg_sleep(30)",
            ),
        };
        check_slow(&world, then(move |tx| Box::pin(async move { Ok(tx.transaction.query(reads, &[]).await.map(drop)?) }))).await;
        check_slow(&world, then(move |tx| Box::pin(async move { tx.put_outside(writes, &[]).await.map(drop) }))).await;
    })
    .await;
}
