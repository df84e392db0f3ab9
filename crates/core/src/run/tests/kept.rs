//! Runs and what becomes of the house around them: new keys, a backup, the end.

use super::*;
use crate::Core;
use crate::fault::Faults;
use crate::ledger::verify_live;
use crate::testing::faults::Script;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_between_plan_and_apply_stop_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        let rotate = async || {
            crate::key::rotate(&world.ask()).await.unwrap();
            let progress = crate::key::rewrap(&world.ask()).await.unwrap();
            assert!(progress.kept.is_empty(), "{progress:?}");
            progress.retired
        };
        assert_eq!(rotate().await, [1]);
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        let spool = line.work().await.unwrap().spool_key;
        assert_eq!(rotate().await, [2]);
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        let left = work::Left::of(&world.ask(), run.clone()).await.unwrap();
        assert_eq!(left.spool_key(), spool, "what was kept still opens");
        line.put_state(state("a", 1, 1, "")).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        let report = verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_verification_opens_what_runs_left_and_names_what_was_altered() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let before = verify_live(&world.ask()).await.unwrap();
        bench.offered(Kind::PlanOnly).await;
        let after = verify_live(&world.ask()).await.unwrap();
        // Options, two pieces of a log, three files of the plan, what was found, a capsule.
        assert_eq!(after.objects - before.objects, 8);
        assert!(after.is_proven(), "{after:?}");
        let edits = [
            ("UPDATE run SET reason = 'x'", "run "),
            ("UPDATE run_event SET event = 'x' WHERE number = 2", "run_event"),
            ("UPDATE job SET holder = 'x'", "job"),
            ("UPDATE job_term SET taken_at = 1", "job_term"),
            ("UPDATE run_file SET part = 7 WHERE kind = 'found'", "run_file"),
            ("UPDATE capsule SET status = 'x'", "capsule"),
            ("UPDATE configuration SET size = 1", "configuration"),
            ("UPDATE execution SET approvals = 1", "execution"),
            ("DELETE FROM run_file WHERE kind = 'options'", "run_file"),
            ("UPDATE blob SET body = header WHERE version IN (SELECT id FROM run_file WHERE kind = 'plan-log')", "object "),
        ];
        for (edit, place) in edits {
            world.tamper(edit).await;
            let report = verify_live(&world.ask()).await.unwrap();
            let named = report.differences.iter().any(|each| each.place.contains(place));
            assert!(named, "{edit}: {report:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_a_restart() {
    for_each_engine(async |world| {
        let (offered, planning) = {
            let bench = Bench::new(&world, "web").await;
            let other = Bench::new(&world, "other").await;
            let offered = bench.offered(Kind::PlanAndApply).await;
            let planning = other.start(Kind::PlanAndApply).await;
            other.line(&planning).await;
            (offered, planning)
        };
        let world = world.stop().await.start(Script::quiet()).await;
        act::confirm(&world.ask(), &offered, None).await.unwrap();
        world.pass_days(1);
        let mut taken = BTreeSet::new();
        for _ in 0..2 {
            taken.insert(world.core.next_job(&desk()).await.run().clone());
        }
        assert_eq!(taken, BTreeSet::from([offered, planning]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_without_keys_keeps_no_other_waiting() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        world
            .options
            .roots
            .destroy(&crate::house::key_name(world.house.code()).unwrap())
            .unwrap();
        drop(line);
        world.core.look_for_runs().await.unwrap();
        let wait = std::time::Duration::from_millis(300);
        let holder = desk();
        let next = tokio::time::timeout(wait, world.core.next_job(&holder));
        assert!(next.await.is_err(), "there is no job");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_brings_runs_back() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let bench = Bench::new(&world, "web").await;
    let run = bench.offered(Kind::PlanAndApply).await;
    let path = world.folder.path().join("backup");
    crate::backup::create(&world.core, &world.core.machine(), &path)
        .await
        .unwrap();
    let options = crate::Options {
        data: world.folder.path().join("restored"),
        anchors: world.folder.path().join("restored-anchors"),
        ..world.options.clone()
    };
    crate::backup::restore(&path, &options).await.unwrap();
    let core = Core::open_with(options, Faults::new(Script::quiet()))
        .await
        .unwrap();
    let house = core.house(world.house.code()).await.unwrap();
    let ctx = world.ask().enter(house.clone());
    let seen = show(&ctx, &run).await.unwrap();
    assert_eq!(seen.state.status(), Status::AwaitingApproval);
    act::confirm(&ctx, &run, None).await.unwrap();
    turn::round(&house, 10).await.unwrap();
    let line = work::claim(&task(&house), &desk()).await.unwrap().unwrap();
    let begun = line.begin(found(&line)).await.unwrap();
    assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
    assert!(verify_live(&ctx).await.unwrap().is_proven());
}

/// Starts a world again, with the server of its database.
async fn started(mut ashes: crate::testing::Ashes) -> World {
    if let Some(cluster) = &mut ashes.cluster {
        cluster.run().await;
    }
    ashes.start(Script::quiet()).await
}

/// Stops a world, and the server of its database.
async fn stopped(world: World) -> crate::testing::Ashes {
    let mut ashes = world.close().await;
    if let Some(cluster) = &mut ashes.cluster {
        cluster.stop();
    }
    ashes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_open_when_the_copy_was_made_ends_when_the_restore_is_accepted() {
    for_each_engine(async |world| {
        let mut runs = Vec::new();
        for (number, status) in Status::ALL.into_iter().enumerate() {
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let run = match status {
                Status::Planning => {
                    let run = Box::pin(bench.start(Kind::PlanAndApply)).await;
                    bench.line(&run).await.planning().await.unwrap();
                    run
                }
                Status::AwaitingApproval => Box::pin(bench.offered(Kind::PlanAndApply)).await,
                Status::PlannedAndSaved => Box::pin(bench.offered(Kind::SavedPlan)).await,
                Status::Verifying => Box::pin(bench.confirmed(Kind::PlanAndApply)).await.0,
                Status::Applying => Box::pin(bench.applying()).await.0,
                _ => continue,
            };
            bench.is(&run, status).await;
            runs.push((status, run, bench.workspace.clone()));
        }
        let last = runs.last().unwrap().2.clone();
        let pending = {
            let bench = Bench::new(&world, "queue").await;
            bench.start(Kind::PlanAndApply).await
        };
        runs.push((Status::Pending, pending, last));
        let ashes = Box::pin(stopped(world)).await;
        let copy = ashes.copy();
        let world = Box::pin(started(ashes)).await;
        let _ = world.workspace("later").await;
        let ashes = Box::pin(stopped(world)).await;
        ashes.put_back(&copy);
        let world = Box::pin(started(ashes)).await;
        assert!(world.house.read_only().is_some());
        let ctx = world.core.enter_as_machine(&name("acme")).await.unwrap();
        crate::ledger::accept_restore(&ctx, "the disk died".to_owned())
            .await
            .unwrap();
        for (status, run, workspace) in &runs {
            let seen = show(&world.ask(), run).await.unwrap();
            let (ended, lock) = match status {
                Status::Applying => (Status::Errored, Some(run.to_string())),
                _ => (Status::Stale, None),
            };
            assert_eq!(seen.state.status(), ended, "{status:?}");
            assert_eq!(seen.reason, "restored");
            if *status != Status::Pending {
                let shown = workspace::show(&world.ask(), workspace).await.unwrap();
                assert_eq!(shown.lock_id, lock, "{status:?}");
            }
        }
        let open = Box::pin(turn::round(&world.house, 10)).await.unwrap();
        assert!(!open, "none is open");
        let claimed = work::claim(&task(&world.house), &desk()).await.unwrap();
        assert!(claimed.is_none());
        let report = verify_live(&ctx).await.unwrap();
        assert_eq!(report.count, 0, "{report:?}");
    })
    .await;
}
