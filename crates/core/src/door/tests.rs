//! The door on both engines: what was answered is what the ledger says.
//!
//! Ten changes land in one batch; something goes wrong with one of them, with
//! the transaction, with the connection, with the caller. After each case every
//! answer that records has exactly one leaf with its facts, every refusal none,
//! and the rows, the leaves and the signed head agree ([`World::evidence`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod broken;
mod processes;
mod sensitive;

use std::sync::Arc;

use statehouse_model::{ProjectId, Role};
use tokio::sync::Notify;

use super::{BoxFuture, Entry, Outcome, Target, Tx, actions, change};
use crate::access;
use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::fault::Point;
use crate::project::sql::Project;
use crate::testing::{Engine, World, for_each_engine, name, noise, put, state};

actions! {
    /// Makes a project, and then whatever the test wants.
    Probe = "test.probe" needs ProjectCreate;
}

/// What a body does after it has written.
type Then = Arc<dyn for<'t> Fn(&'t mut Tx<Probe>) -> BoxFuture<'t, Result<()>> + Send + Sync>;

fn then(
    body: impl for<'t> Fn(&'t mut Tx<Probe>) -> BoxFuture<'t, Result<()>> + Send + Sync + 'static,
) -> Then {
    Arc::new(body)
}

/// A change that writes a row, does something more, and is recorded.
fn job(ctx: &Ctx, more: Option<&Then>) -> BoxFuture<'static, Result<ProjectId>> {
    let (ctx, more, code) = (ctx.clone(), more.cloned(), ctx.house().code());
    Box::pin(async move {
        change(&ctx, Probe, Target::House, move |tx| {
            // Another row each time that the body runs: one that a void batch
            // left behind would be found.
            let project = Project {
                id: ProjectId::from_entropy(code, crate::entropy()),
                name: name(&noise(64)),
                created_at: 0,
            };
            let more = more.clone();
            Box::pin(async move {
                tx.put(&project).await?;
                if let Some(more) = more {
                    more(tx).await?;
                }
                let entry = Entry::new(&project.id);
                Ok(Outcome::Recorded(project.id, entry))
            })
        })
        .await
    })
}

/// What ten changes in one batch came to.
struct Ran {
    answers: Vec<Result<ProjectId>>,
    commits: usize,
}

impl Ran {
    /// Checks which of the ten failed, and how.
    fn check(&self, failed: &[(usize, Kind)]) {
        for (index, answer) in self.answers.iter().enumerate() {
            let expected = failed
                .iter()
                .find(|(at, _)| *at == index)
                .map(|(_, kind)| kind);
            assert_eq!(
                answer.as_ref().err().map(Error::kind),
                expected,
                "job {index}: {answer:?}"
            );
        }
    }
}

/// Runs ten changes in one batch, some of which do something special, and
/// compares the answers with the ledger.
async fn ten(world: &World, special: &[(usize, Then)]) -> Ran {
    let (since, commits) = (world.evidence().await.size(), world.script.commits());
    let asks: Vec<Ctx> = (0..10).map(|_| world.ask()).collect();
    let more = |index: usize| {
        special
            .iter()
            .find(|(at, _)| *at == index)
            .map(|(_, then)| then)
    };
    let jobs = asks
        .iter()
        .enumerate()
        .map(|(index, ctx)| job(ctx, more(index)))
        .collect();
    let answers = world.together(jobs).await;
    let commits = world.script.commits() - commits;
    equal(world, since, &asks, &answers).await;
    assert!(world.script.done(), "every fault was met");
    Ran { answers, commits }
}

/// Checks that the leaves since `since` are those of the answers.
async fn equal(world: &World, since: usize, asks: &[Ctx], answers: &[Result<ProjectId>]) {
    let evidence = world.evidence().await;
    let left = |answer: &Result<ProjectId>| answer.is_ok().then_some("test.probe");
    let expected: Vec<_> = asks
        .iter()
        .zip(answers)
        .map(|(ctx, answer)| (ctx.request(), left(answer)))
        .collect();
    evidence.equals(since, &expected);
    for (ctx, answer) in asks.iter().zip(answers) {
        if let Ok(id) = answer {
            let leaf = evidence.one(ctx.request());
            assert_eq!(leaf["object"], id.as_str());
            assert_eq!(leaf["rows"][0]["key"], id.as_str());
            assert_eq!(leaf["actor"]["id"], ctx.actor().id());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_ten_with_two_failures_is_one_commit() {
    for_each_engine(async |world| {
        let own = || {
            then(|_| Box::pin(async { Err(Error::new(Kind::Conflict, "thought better of it")) }))
        };
        let ran = ten(&world, &[(3, own()), (7, own())]).await;
        ran.check(&[(3, Kind::Conflict), (7, Kind::Conflict)]);
        assert_eq!(ran.commits, 1);
        let evidence = world.evidence().await;
        assert_eq!(
            world.house.head().unwrap(),
            evidence.head,
            "the head that was announced is the one stored"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_engine_refuses_one_job_costs_the_others_at_most_a_commit_of_their_own() {
    for_each_engine(async |world| {
        let engines = then(|tx| {
            let id = ProjectId::from_entropy(
                tx.keyring.house().as_str().parse().unwrap(),
                crate::entropy(),
            );
            Box::pin(async move {
                tx.put(&Project {
                    id,
                    name: name("default"),
                    created_at: 0,
                })
                .await
            })
        });
        let ran = ten(&world, &[(7, engines)]).await;
        ran.check(&[(7, Kind::Conflict)]);
        // PostgreSQL is asked once for the whole batch, and refuses it whole.
        let commits = match world.engine {
            Engine::Sqlite => 1,
            Engine::Postgres => 9,
        };
        assert_eq!(ran.commits, commits);
        world.evidence().await;
    })
    .await;
}

/// Larger than what is left on a disk that is nearly full.
const LARGE: usize = 1 << 20;

fn writes_much() -> Then {
    then(|tx| {
        Box::pin(async move {
            let values = [
                noise(16).into(),
                vec![0_u8].into(),
                crate::db::Value::Int(1),
                vec![7_u8; LARGE].into(),
            ];
            let sql = "INSERT INTO blob (version, header, epoch, body) VALUES ($1, $2, $3, $4)";
            tx.put_outside(sql, &values).await.map(drop)
        })
    })
}

/// Makes the disk full for what [`writes_much`] writes: once, or until
/// [`empty_the_disk`].
async fn fill_the_disk(world: &World, once: bool) {
    match world.engine {
        Engine::Sqlite if once => world.script.sql(|point| match point {
            Point::Body(5) => Some("PRAGMA max_page_count = 1".to_owned()),
            Point::Body(0) => Some("PRAGMA max_page_count = 1073741823".to_owned()),
            _ => None,
        }),
        Engine::Sqlite => {
            let file = rusqlite::Connection::open(world.house_file()).unwrap();
            let pages: i64 = file
                .query_row("PRAGMA page_count", [], |row| row.get(0))
                .unwrap();
            let limit = format!("PRAGMA max_page_count = {}", pages + 60);
            world
                .script
                .sql(move |point| matches!(point, Point::Body(_)).then(|| limit.clone()));
        }
        Engine::Postgres => {
            let times = if once { 1 } else { 1000 };
            let sql = format!(
                "CREATE SEQUENCE tries;
                CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                    IF nextval('tries') <= {times} THEN
                        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER full_disk BEFORE INSERT ON blob FOR EACH ROW EXECUTE FUNCTION full_disk();"
            );
            world.tamper(&sql).await;
        }
    }
}

async fn empty_the_disk(world: &World) {
    match world.engine {
        Engine::Sqlite => {
            let lift = "PRAGMA max_page_count = 1073741823".to_owned();
            world
                .script
                .sql(move |point| matches!(point, Point::Body(_)).then(|| lift.clone()));
        }
        Engine::Postgres => {
            world
                .tamper(
                    "DROP TRIGGER full_disk ON blob; DROP FUNCTION full_disk; DROP SEQUENCE tries",
                )
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_only_the_change_that_does_not_fit() {
    for_each_engine(async |world| {
        fill_the_disk(&world, true).await;
        ten(&world, &[(5, writes_much())]).await.check(&[]);
        empty_the_disk(&world).await;
        fill_the_disk(&world, false).await;
        let ran = ten(&world, &[(5, writes_much())]).await;
        ran.check(&[(5, Kind::Unavailable)]);
        let words = ran.answers[5].as_ref().unwrap_err().to_string();
        assert!(
            words.contains("full") || words.contains("No space left"),
            "{words}"
        );
        empty_the_disk(&world).await;
        ten(&world, &[(5, writes_much())]).await.check(&[]);
    })
    .await;
}

/// Says that it is inside, and waits to be let go.
fn waits(inside: &Arc<Notify>, go: &Arc<Notify>) -> Then {
    let (inside, go) = (inside.clone(), go.clone());
    then(move |_| {
        let (inside, go) = (inside.clone(), go.clone());
        Box::pin(async move {
            inside.notify_one();
            go.notified().await;
            Ok(())
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_stop_its_change() {
    for_each_engine(async |world| {
        let (inside, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let waits = waits(&inside, &go);
        let (since, commits) = (world.evidence().await.size(), world.script.commits());
        let asks: Vec<Ctx> = (0..10).map(|_| world.ask()).collect();
        let jobs = asks
            .iter()
            .enumerate()
            .map(|(index, ctx)| job(ctx, (index == 4).then_some(&waits)))
            .collect();
        let mut callers = world.queue(jobs).await;
        inside.notified().await;
        let gone = callers.remove(4);
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        go.notify_one();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        let expected: Vec<_> = asks
            .iter()
            .map(|ctx| (ctx.request(), Some("test.probe")))
            .collect();
        world.evidence().await.equals(since, &expected);
        assert_eq!(world.script.commits() - commits, 1);
    })
    .await;
}

/// Revokes a writer's grant and uploads a state of theirs in one batch.
async fn revoked_meanwhile(world: &World, workspace: &crate::workspace::Workspace) {
    let (writer, grant) = world.member(Role::Writer).await;
    put(&world.by(&writer), workspace, state("a", 1, 1, &noise(8)))
        .await
        .unwrap();
    let since = world.evidence().await.size();
    let (revoking, writing) = (world.ask(), world.by(&writer));
    let (revoke, write, workspace) = (revoking.clone(), writing.clone(), workspace.clone());
    let answers = world
        .together::<Result<()>>(vec![
            Box::pin(async move { access::take(&revoke, grant.id.parse().unwrap()).await }),
            Box::pin(async move {
                put(&write, &workspace, state("a", 2, 1, "late"))
                    .await
                    .map(drop)
            }),
        ])
        .await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(
        answers[1].as_ref().unwrap_err().kind(),
        &Kind::NotFound,
        "{answers:?}"
    );
    let evidence = world.evidence().await;
    evidence.equals(
        since,
        &[
            (revoking.request(), Some("grant.take")),
            (writing.request(), Some("access.refused")),
        ],
    );
    let refusal = evidence.one(writing.request());
    assert_eq!(refusal["facts"]["refused"], "state.write");
    assert_eq!(refusal["actor"]["id"], writer.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_revoked_before_the_body_refuses_it_and_leaves_a_trace() {
    for_each_engine(async |world| {
        let first = world.workspace("first").await;
        revoked_meanwhile(&world, &first).await;
        // The leaf of a refusal is not lost with a batch that is void.
        let second = world.workspace("second").await;
        let (writer, _) = world.member(Role::Reader).await;
        let ctx = world.by(&writer);
        let since = world.evidence().await.size();
        world.script.sql_once(Point::Commit, "ROLLBACK");
        let refused = access::take(
            &ctx,
            statehouse_model::GrantId::from_entropy(world.house.code(), 1),
        )
        .await;
        assert_eq!(refused.unwrap_err().kind(), &Kind::Denied);
        world
            .evidence()
            .await
            .equals(since, &[(ctx.request(), Some("access.refused"))]);
        revoked_meanwhile(&world, &second).await;
    })
    .await;
}
