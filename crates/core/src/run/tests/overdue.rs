//! Jobs that take longer than a job may: asked to stop in order, then at once, then given up.

use super::*;
use crate::run::work::Order;

const PLAN: &str = "took-longer-than-120-minutes";
const APPLY: &str = "took-longer-than-1440-minutes";

/// Minutes after which a job may not go on ending in order.
fn in_order() -> i64 {
    job::IN_ORDER_US / (60 * 1_000_000)
}

/// Its runner says every minute that it is there, for so long; what it is told last.
async fn beats(bench: &Bench<'_>, line: &Line, minutes: i64) -> Order {
    let mut told = line.beat().await.unwrap();
    for _ in 0..minutes {
        bench.world.pass_minutes(1);
        bench.round().await;
        told = line.beat().await.unwrap();
    }
    told
}

/// So long nobody looks at leases; then its runner is heard of again.
async fn after(bench: &Bench<'_>, line: &Line, minutes: i64) -> Order {
    bench.world.pass_minutes(minutes);
    line.beat().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_takes_too_long_is_asked_to_stop_and_says_so_at_its_end() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        // That it waited for a place counts for nothing.
        world.pass_minutes(500);
        let line = bench.line(&run).await;
        line.planning().await.unwrap();
        assert_eq!(line.work().await.unwrap().minutes_max, 120);
        assert_eq!(after(&bench, &line, 119).await, Order::GoOn);
        let told = beats(&bench, &line, 2).await;
        let Order::StopLate(why) = told else {
            panic!("it is told {told:?}");
        };
        assert!(
            why.contains("120 minutes; raise runs.plan_minutes_max"),
            "{why}"
        );
        bench.is(&run, Status::Planning).await;
        assert!(bench.see(&run).await.state.cancel_requested());
        let evidence = world.evidence().await;
        let leaf = evidence
            .leaves
            .iter()
            .rev()
            .find(|leaf| leaf["facts"]["event"] == "cancel");
        let leaf = leaf.expect("the ledger says who asked it to stop");
        assert!(leaf["actor"].to_string().contains(RUNS), "{leaf}");
        let since = evidence.size();
        let again = line.beat().await.unwrap();
        assert_eq!(
            again,
            Order::StopLate(why),
            "it is asked once and told each time"
        );
        assert_eq!(world.evidence().await.size(), since);
        line.done(Ended::Stopped).await.unwrap();
        bench.is(&run, Status::Canceled).await;
        let seen = bench.see(&run).await;
        assert_eq!(seen.reason, PLAN);
        let (_, next) =
            crate::run::explained::explained(seen.state.status(), &seen.reason).unwrap();
        assert!(next.contains("runs.plan_minutes_max"));
        assert_eq!(bench.lock().await, None);
        bench.round().await;
        assert!(bench.claim().await.is_none(), "nobody tries it again");
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_goes_on_beating_is_lost_and_not_tried_again() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = bench.line(&run).await;
        line.planning().await.unwrap();
        let told = after(&bench, &line, 120 + in_order() - 1).await;
        assert!(matches!(told, Order::StopLate(_)), "{told:?}");
        world.pass_seconds(75);
        assert_eq!(line.beat().await.unwrap(), Order::StopNow);
        bench.is(&run, Status::Planning).await;
        // No lease is renewed any more, however often it asks.
        assert_eq!(beats(&bench, &line, 2).await, Order::StopNow);
        bench.is(&run, Status::Canceled).await;
        assert_eq!(bench.see(&run).await.reason, PLAN);
        assert!(bench.claim().await.is_none(), "nobody tries it again");
        assert_eq!(line.beat().await.unwrap(), Order::StopNow);
        assert_eq!(kind(line.done(Ended::Stopped).await), Trouble::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_over_its_time_is_lost_by_asking_alone() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        assert_eq!(line.beat().await.unwrap(), Order::GoOn);
        world.pass_minutes(121);
        assert!(matches!(line.beat().await.unwrap(), Order::StopLate(_)));
        world.pass_minutes(in_order() + 5);
        // No round is made: all places of the server may be taken.
        assert_eq!(line.beat().await.unwrap(), Order::StopNow);
        bench.is(&run, Status::Canceled).await;
        assert_eq!(bench.see(&run).await.reason, PLAN);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_takes_too_long_and_never_ends_keeps_its_lock() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.applying().await;
        assert_eq!(
            after(&bench, &line, 121).await,
            Order::GoOn,
            "it is no plan"
        );
        let told = after(&bench, &line, 1440 - 120).await;
        let Order::StopLate(why) = told else {
            panic!("it is told {told:?}");
        };
        assert!(
            why.contains("1440 minutes; raise runs.apply_minutes_max"),
            "{why}"
        );
        assert_eq!(beats(&bench, &line, in_order() + 3).await, Order::StopNow);
        bench.is(&run, Status::Errored).await;
        let seen = bench.see(&run).await;
        assert_eq!(seen.reason, APPLY);
        let (_, next) =
            crate::run::explained::explained(seen.state.status(), &seen.reason).unwrap();
        assert!(next.contains("runs.apply_minutes_max"));
        assert_eq!(
            bench.lock().await.as_deref(),
            Some(run.as_str()),
            "it may be half applied"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_was_asked_to_stop_and_was_done_before_has_no_reason() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.applying().await;
        let told = after(&bench, &line, 1441).await;
        assert!(matches!(told, Order::StopLate(_)), "{told:?}");
        line.put_state(state("a", 1, 1, "")).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        bench.is(&run, Status::Applied).await;
        assert_eq!(bench.see(&run).await.reason, "");
        // What fails after it was asked to stop failed by that.
        let (run, line) = bench.applying().await;
        after(&bench, &line, 1441).await;
        line.done(Ended::Failed("apply".to_owned())).await.unwrap();
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.see(&run).await.reason, APPLY);
        assert_eq!(bench.lock().await, None, "it said how it ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_by_a_clock_of_its_own_ends_with_the_same_words() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        line.planning().await.unwrap();
        // The server was away: nobody asked it to stop.
        world.pass_minutes(121);
        line.done(Ended::Stopped).await.unwrap();
        bench.is(&run, Status::Canceled).await;
        assert_eq!(bench.see(&run).await.reason, PLAN);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_canceled_before_is_told_of_no_limit() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        after(&bench, &line, 100).await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        let told = beats(&bench, &line, 21).await;
        assert!(matches!(told, Order::StopLate(_)), "{told:?}");
        line.done(Ended::Stopped).await.unwrap();
        bench.is(&run, Status::Canceled).await;
        assert_eq!(bench.see(&run).await.reason, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_the_beginning_of_a_job_away_gains_no_time() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        bench.round().await;
        world.pass_minutes(60);
        let line = bench.claim().await.unwrap();
        after(&bench, &line, 61).await;
        let taken = world.house.now() - 1;
        let edit = format!("UPDATE job_term SET taken_at = {taken}");
        world.tamper(&edit).await;
        assert_eq!(
            line.beat().await.unwrap(),
            Order::StopNow,
            "it does not read"
        );
        world.tamper("DELETE FROM job_term").await;
        let told = line.beat().await.unwrap();
        assert!(matches!(told, Order::StopLate(_)), "{told:?}");
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(!report.is_proven(), "and it is found");
        assert!(bench.see(&run).await.state.cancel_requested());
    })
    .await;
}
