//! Runners that are lost, and runners that come back.

use super::*;
use crate::run::work::Order;
use crate::state::{Which, get};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_whose_runner_is_lost_is_tried_three_times() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        for _ in 0..3 {
            let line = bench.line(&run).await;
            line.planning().await.unwrap();
            world.pass_days(1);
        }
        bench.round().await;
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.see(&run).await.reason, "runner-lost");
        assert_eq!(bench.lock().await, None, "nothing was changed");
        assert!(bench.claim().await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_renewed_is_not_over() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        world.pass_minutes(100);
        assert_eq!(line.beat().await.unwrap(), Order::GoOn);
        // Somebody who looked before the lease was renewed.
        let task = task(&world.house);
        turn::lose_runner(&task, &run, turn::Lost::Lapsed)
            .await
            .unwrap();
        bench.round().await;
        bench.is(&run, Status::Fetching).await;
        let since = world.evidence().await.size();
        line.beat().await.unwrap();
        assert_eq!(world.evidence().await.size(), since, "a fresh lease stays");
        act::cancel(&world.ask(), &run, None).await.unwrap();
        assert_eq!(line.beat().await.unwrap(), Order::Stop);
        line.done(Ended::Stopped).await.unwrap();
        bench.is(&run, Status::Canceled).await;
        assert_eq!(line.beat().await.unwrap(), Order::StopNow);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_apply_keeps_the_lock_and_its_state_is_taken_of_that_run_alone() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (_, early) = bench.applying().await;
        early.put_state(state("a", 1, 1, "")).await.unwrap();
        early.done(Ended::Applied).await.unwrap();
        let (run, line) = bench.applying().await;
        world.pass_days(1);
        bench.round().await;
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.lock().await.as_deref(), Some(run.as_str()));
        let other = bench.start(Kind::PlanAndApply).await;
        bench.round().await;
        bench.is(&other, Status::Pending).await;
        let refused = early.put_state(state("a", 2, 1, "early")).await;
        assert_eq!(kind(refused), Trouble::NotFound);
        let refused = put(&world.ask(), &bench.workspace, state("a", 2, 1, "mine")).await;
        assert!(matches!(kind(refused), Trouble::Locked(_)));
        let spooled = state("a", 2, 1, "spooled");
        let refused = line.put_state(spooled.clone()).await;
        assert_eq!(kind(refused), Trouble::Conflict, "it was given up");
        let left = work::Left::of(&task(&world.house), run.clone()).await;
        let left = left.unwrap();
        left.put_state(spooled.clone()).await.unwrap();
        left.put_state(spooled.clone()).await.unwrap();
        let head = get(&world.ask(), &bench.workspace, Which::Current).await;
        assert_eq!(head.unwrap().unwrap().1, spooled);
        assert_eq!(bench.lock().await.as_deref(), Some(run.as_str()));
        let forced = lock::force(&world.ask(), &bench.workspace, None, None).await;
        forced.unwrap();
        let late = left.put_state(state("a", 3, 1, "late")).await;
        assert_eq!(kind(late), Trouble::NotFound, "a person has looked");
        bench.round().await;
        bench.is(&other, Status::Fetching).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_late_changes_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let late = bench.line(&run).await;
        late.planning().await.unwrap();
        world.pass_days(1);
        let line = bench.line(&run).await;
        let before = world.evidence().await.size();
        let bytes = || Bytes::from_static(b"late");
        let (found_, changes) = (Box::new(found(&late)), true);
        for refused in [
            late.log(0, bytes()).await,
            late.file("plan", bytes()).await,
            late.planning().await,
            late.done(Ended::Planned {
                found: found_,
                changes,
            })
            .await,
            late.done(Ended::Failed("init".to_owned())).await,
            late.done(Ended::Stopped).await,
            late.begin(found(&late)).await.map(drop),
            late.work().await.map(drop),
            late.configuration().await.map(drop),
            late.plan().await.map(drop),
            late.state().await.map(drop),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(*error.kind(), Trouble::Conflict, "{error}");
        }
        late.lost().await.unwrap();
        assert_eq!(late.beat().await.unwrap(), Order::StopNow);
        assert_eq!(world.evidence().await.size(), before);
        bench.planned(&line).await;
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_writes_no_state_and_after_the_end_a_run_may_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = bench.line(&run).await;
        let refused = async || {
            let put = line.put_state(state("a", 1, 1, "")).await;
            assert_eq!(kind(put), Trouble::NotFound);
        };
        refused().await;
        let evidence = world.evidence().await;
        let leaf = evidence.leaves.last().unwrap();
        assert_eq!(leaf["action"], "access.refused");
        assert_eq!(leaf["facts"]["refused"], "state.write");
        assert!(leaf["actor"].to_string().contains(run.as_str()), "{leaf}");
        line.planning().await.unwrap();
        refused().await;
        line.done(Ended::Failed("plan".to_owned())).await.unwrap();
        bench.is(&run, Status::Errored).await;
        refused().await;
        assert_eq!(kind(line.work().await.map(drop)), Trouble::NotFound);
        assert_eq!(kind(line.state().await), Trouble::NotFound);
        let log = line.log(0, Bytes::from_static(b"x")).await;
        assert_eq!(kind(log), Trouble::NotFound);
        let shown = workspace::show(&world.ask(), &bench.workspace).await;
        assert_eq!(shown.unwrap().versions, 0);
    })
    .await;
}
