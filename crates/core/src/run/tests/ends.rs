//! How runs are stopped: by people, by a freeze, with their workspace, with their lock.

use super::*;
use crate::workspace::freeze;

/// A run in each status in which it can rest, by what brings it there.
async fn run_in(bench: &Bench<'_>, status: Status) -> (RunId, Option<Line>) {
    match status {
        Status::Pending => (bench.start(Kind::PlanAndApply).await, None),
        Status::Fetching | Status::Planning => {
            let run = bench.start(Kind::PlanAndApply).await;
            let line = bench.line(&run).await;
            if status == Status::Planning {
                line.planning().await.unwrap();
            }
            (run, Some(line))
        }
        Status::Planned => {
            let run = bench.start(Kind::PlanAndApply).await;
            let line = bench.line(&run).await;
            bench.planned(&line).await;
            (run, None)
        }
        Status::AwaitingApproval => (bench.offered(Kind::PlanAndApply).await, None),
        Status::PlannedAndSaved => (bench.offered(Kind::SavedPlan).await, None),
        Status::Approved => {
            let run = bench.offered(Kind::PlanAndApply).await;
            act::confirm(&bench.world.ask(), &run, None).await.unwrap();
            (run, None)
        }
        Status::Verifying => {
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            (run, Some(line))
        }
        Status::Applying => {
            let (run, line) = bench.applying().await;
            (run, Some(line))
        }
        other => panic!("no run rests in {other:?}"),
    }
}

const RESTS: [Status; 9] = [
    Status::Pending,
    Status::Fetching,
    Status::Planning,
    Status::Planned,
    Status::AwaitingApproval,
    Status::PlannedAndSaved,
    Status::Approved,
    Status::Verifying,
    Status::Applying,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_canceled_wherever_it_is() {
    for_each_engine(async |world| {
        for status in RESTS {
            let text = status.as_str().replace('_', "-");
            let bench = Bench::new(&world, &text).await;
            let (run, line) = run_in(&bench, status).await;
            bench.is(&run, status).await;
            let early = act::force_cancel(&world.ask(), &run, None).await;
            assert_eq!(kind(early), Trouble::Conflict, "{text}");
            act::cancel(&world.ask(), &run, None).await.unwrap();
            if let Some(line) = line {
                bench.is(&run, status).await;
                line.done(Ended::Stopped).await.unwrap();
            }
            bench.is(&run, Status::Canceled).await;
            assert_eq!(bench.lock().await, None, "{text}");
        }
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_stop_is_stopped_by_force_and_an_apply_keeps_its_lock() {
    for_each_engine(async |world| {
        for (status, keeps) in [(Status::Planning, false), (Status::Applying, true)] {
            let bench = Bench::new(&world, status.as_str()).await;
            let (run, line) = run_in(&bench, status).await;
            act::cancel(&world.ask(), &run, None).await.unwrap();
            act::force_cancel(&world.ask(), &run, None).await.unwrap();
            bench.is(&run, Status::ForceCanceled).await;
            assert_eq!(bench.lock().await.is_some(), keeps);
            let late = line.unwrap().done(Ended::Applied).await;
            assert!(late.is_err());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_the_lock_from_a_run_ends_it_before_it_applies() {
    for_each_engine(async |world| {
        for status in RESTS {
            let text = status.as_str().replace('_', "-");
            let bench = Bench::new(&world, &text).await;
            let (run, line) = run_in(&bench, status).await;
            let forced = lock::force(&world.ask(), &bench.workspace, None, None).await;
            if matches!(status, Status::Pending | Status::PlannedAndSaved) {
                assert_eq!(kind(forced), Trouble::Conflict, "{text}");
                act::cancel(&world.ask(), &run, None).await.unwrap();
                continue;
            }
            forced.unwrap();
            bench.round().await;
            if status == Status::Applying {
                bench.is(&run, Status::Applying).await;
                let line = line.unwrap();
                let refused = line.put_state(state("a", 1, 1, "")).await;
                assert_eq!(kind(refused), Trouble::Conflict);
                line.done(Ended::Failed("apply".to_owned())).await.unwrap();
                bench.is(&run, Status::Errored).await;
                continue;
            }
            bench.is(&run, Status::Stale).await;
            assert_eq!(bench.see(&run).await.reason, "lock-broken");
            if let Some(line) = line {
                assert!(line.begin(found(&line)).await.is_err());
            }
            assert!(bench.claim().await.is_none(), "{text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_refuses_an_apply_with_words() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::SavedPlan).await;
        let wish = || freeze::Wish {
            reason: "the audit".to_owned(),
            who: "olga".to_owned(),
            since: "2027-01-15T08:00:00Z".to_owned(),
        };
        freeze::freeze(&world.ask(), &bench.workspace, wish())
            .await
            .unwrap();
        let refused = act::confirm(&world.ask(), &run, None).await.unwrap_err();
        let words = refused.to_string();
        assert!(
            words.contains("frozen") && words.contains("the audit"),
            "{words}"
        );
        bench.is(&run, Status::PlannedAndSaved).await;
        let refused = create(
            &world.ask(),
            &bench.workspace,
            bench.wish(Kind::PlanAndApply),
        )
        .await
        .unwrap_err();
        assert!(refused.to_string().contains("frozen"), "{refused}");
        let looks = bench.start(Kind::PlanOnly).await;
        bench.line(&looks).await;
        freeze::thaw(&world.ask(), &bench.workspace, "over".to_owned())
            .await
            .unwrap();
        act::confirm(&world.ask(), &run, None).await.unwrap();
        bench.is(&run, Status::Approved).await;
        let busy = freeze::freeze(&world.ask(), &bench.workspace, wish()).await;
        assert!(matches!(kind(busy), Trouble::Locked(_)), "an apply waits");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_end_with_their_workspace() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let saved = bench.offered(Kind::SavedPlan).await;
        let plans = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&plans).await;
        lock::take(&world.ask(), &bench.workspace, lock_info("mine"))
            .await
            .unwrap();
        let waits = bench.start(Kind::PlanAndApply).await;
        lock::force(&world.ask(), &bench.workspace, None, None)
            .await
            .unwrap();
        workspace::delete(&world.ask(), &bench.workspace, false)
            .await
            .unwrap();
        assert!(!bench.round().await, "nothing is open");
        assert!(line.beat().await.unwrap() == work::Order::StopNow);
        assert!(line.done(Ended::Stopped).await.is_err());
        for run in [&saved, &plans, &waits] {
            assert_eq!(kind(show(&world.ask(), run).await), Trouble::NotFound);
        }
        let Workspace::Id(id) = bench.workspace.clone() else {
            panic!("by its id");
        };
        workspace::undelete(&world.ask(), id, None).await.unwrap();
        for run in [&saved, &plans, &waits] {
            bench.is(run, Status::Canceled).await;
            assert_eq!(bench.see(run).await.reason, "workspace-deleted");
        }
        let (_, applies) = bench.applying().await;
        let busy = workspace::delete(&world.ask(), &bench.workspace, false).await;
        assert!(matches!(kind(busy), Trouble::Locked(_)));
        applies.done(Ended::Applied).await.unwrap();
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_decided_against_also_where_its_capsule_does_not_open() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let run = bench.offered(Kind::PlanAndApply).await;
        let edit = "UPDATE run_file SET size = size + 1 WHERE kind = 'capsule'";
        world.tamper(edit).await;
        let confirmed = act::confirm(&world.ask(), &run, None).await;
        assert_eq!(kind(confirmed), Trouble::Tampered);
        act::discard(&world.ask(), &run, None).await.unwrap();
        bench.is(&run, Status::Discarded).await;
        assert_eq!(bench.lock().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_applies_what_was_planned_long_ago() {
    for_each_engine(async |world| {
        for status in [
            Status::AwaitingApproval,
            Status::PlannedAndSaved,
            Status::Approved,
        ] {
            let bench = Bench::new(&world, &status.as_str().replace('_', "-")).await;
            let (run, _) = run_in(&bench, status).await;
            world.pass_days(8);
            bench.round().await;
            bench.is(&run, Status::Stale).await;
            assert_eq!(bench.see(&run).await.reason, "expired");
            assert_eq!(bench.lock().await, None);
        }
    })
    .await;
}
