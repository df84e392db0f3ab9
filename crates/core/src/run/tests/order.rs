//! Whose turn it is, and the whole way of a run.

use super::*;
use crate::Core;
use crate::fault::{Faults, Point};
use crate::testing::faults::Script;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_planned_agreed_on_and_applied_and_all_of_it_is_proven() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        bench.is(&run, Status::Pending).await;
        let line = bench.line(&run).await;
        bench.is(&run, Status::Fetching).await;
        assert_eq!(bench.lock().await.as_deref(), Some(run.as_str()));
        bench.plans(&line).await;
        bench.is(&run, Status::Planning).await;
        let (found_, changes) = (Box::new(found(&line)), true);
        line.done(Ended::Planned {
            found: found_,
            changes,
        })
        .await
        .unwrap();
        bench.is(&run, Status::Planned).await;
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        bench.round().await;
        assert!(bench.claim().await.is_none(), "nobody agreed yet");
        act::confirm(&world.ask(), &run, Some("yes".to_owned()))
            .await
            .unwrap();
        bench.is(&run, Status::Approved).await;
        let line = bench.line(&run).await;
        bench.is(&run, Status::Verifying).await;
        let work = line.work().await.unwrap();
        assert_eq!(work.planned, Some(found(&line)));
        assert_eq!(line.plan().await.unwrap(), planned_bytes(&line)[0]);
        line.log(0, Bytes::from_static(b"Applying\n"))
            .await
            .unwrap();
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.put_state(state("a", 1, 1, "")).await.unwrap();
        assert_eq!(
            line.state().await.unwrap().map(|found| found.bytes),
            Some(state("a", 1, 1, ""))
        );
        line.done(Ended::Applied).await.unwrap();
        bench.is(&run, Status::Applied).await;
        assert_eq!(bench.lock().await, None);
        world.evidence().await;
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
        let happened = events(&world.ask(), &run).await.unwrap();
        let words: Vec<_> = happened.into_iter().map(|event| event.event).collect();
        let expected =
            "create lock start fetched planned assess assessed confirm queue verified applied";
        assert_eq!(words.join(" "), expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_may_apply_waits_for_the_lock_and_one_that_plans_does_not() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        lock::take(&world.ask(), &bench.workspace, lock_info("mine"))
            .await
            .unwrap();
        let applies = bench.start(Kind::PlanAndApply).await;
        let keeps = bench.start(Kind::SavedPlan).await;
        let looks = bench.start(Kind::PlanOnly).await;
        bench.round().await;
        bench.is(&applies, Status::Pending).await;
        bench.is(&keeps, Status::Fetching).await;
        bench.is(&looks, Status::Fetching).await;
        lock::force(&world.ask(), &bench.workspace, None, None)
            .await
            .unwrap();
        bench.round().await;
        bench.is(&applies, Status::Fetching).await;
        assert_eq!(bench.lock().await.as_deref(), Some(applies.as_str()));
        let second = bench.start(Kind::Destroy).await;
        bench.round().await;
        bench.is(&second, Status::Pending).await;
        let refused = lock::take(&world.ask(), &bench.workspace, lock_info("mine")).await;
        let error = refused.unwrap_err();
        let Trouble::Locked(told) = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(
            (told.id.as_str(), told.operation.as_str()),
            (applies.as_str(), "run")
        );
        assert!(
            statehouse_model::instant::parse(&told.created).is_some(),
            "{told:?}"
        );
        let words = error.to_string();
        assert!(words.contains("statehouse run cancel"), "{words}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_workspace_never_keeps_the_others_waiting() {
    for_each_engine(async |world| {
        let busy = Bench::new(&world, "busy").await;
        lock::take(&world.ask(), &busy.workspace, lock_info("mine"))
            .await
            .unwrap();
        for _ in 0..210 {
            busy.start(Kind::PlanAndApply).await;
        }
        for _ in 0..12 {
            busy.start(Kind::PlanOnly).await;
        }
        let other = Bench::new(&world, "other").await;
        let run = other.start(Kind::PlanAndApply).await;
        assert!(busy.round().await);
        other.is(&run, Status::Fetching).await;
        let second = Bench::new(&world, "second").await;
        let next = second.start(Kind::PlanOnly).await;
        busy.round().await;
        second.is(&next, Status::Pending).await;
        let first = busy.claim().await.unwrap();
        first.done(Ended::Failed("init".to_owned())).await.unwrap();
        busy.round().await;
        second.is(&next, Status::Fetching).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_are_open_than_allowed() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let mut runs = Vec::new();
        for _ in 0..5 {
            runs.push(bench.start(Kind::PlanOnly).await);
        }
        let mut working = Vec::new();
        for _ in 0..3 {
            turn::round(&world.house, 2).await.unwrap();
            working.extend(bench.claim().await);
        }
        assert_eq!(working.len(), 2);
        bench.planned(&working[0]).await;
        turn::round(&world.house, 2).await.unwrap();
        bench.is(&runs[0], Status::PlannedAndFinished).await;
        assert_eq!(bench.claim().await.unwrap().run(), &runs[2]);
        assert!(bench.claim().await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_without_open_runs_is_only_read() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.applying().await;
        line.done(Ended::Applied).await.unwrap();
        bench.is(&run, Status::Applied).await;
        let gate = world.script.hold(Point::Begin);
        let began = std::time::Instant::now();
        for _ in 0..200 {
            assert!(!bench.round().await);
            assert!(bench.claim().await.is_none());
        }
        println!(
            "a look at a house without runs: {:?}",
            began.elapsed() / 200
        );
        drop(gate);
    })
    .await;
}

/// Takes jobs until there are none.
async fn takes_all(house: Arc<House>) -> Vec<String> {
    turn::round(&house, 10).await.unwrap();
    let mut taken = Vec::new();
    while let Some(line) = work::claim(&task(&house), &desk()).await.unwrap() {
        taken.push(line.run().to_string());
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_take_each_job_once() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        for _ in 0..10 {
            bench.start(Kind::PlanOnly).await;
        }
        let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()))
            .await
            .unwrap();
        let there = other.house(world.house.code()).await.unwrap();
        let houses = [world.house.clone(), there];
        let takes = (0..12).map(|index: usize| tokio::spawn(takes_all(houses[index % 2].clone())));
        let mut taken = Vec::new();
        for take in takes.collect::<Vec<_>>() {
            taken.extend(take.await.unwrap());
        }
        let runs: BTreeSet<_> = taken.iter().collect();
        assert_eq!((taken.len(), runs.len()), (10, 10));
        world.evidence().await;
    })
    .await;
}
