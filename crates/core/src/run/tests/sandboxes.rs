//! What kept a run apart is told with it: the level of its sandboxes, and why it is not the strict one.

use super::agents::Agent;
use super::*;
use crate::job::sandbox::SandboxView;
use crate::job::{Holder, Sandbox};
use crate::ledger::verify_live;

/// A reason as somebody writes one who wants to be obeyed, and as it is kept.
const WRITTEN: &str = "\u{1b}[31mold\r\nkernel \u{202e}<b>here</b>\0";
const KEPT: &str = "[31mold kernel <b>here</b>";

/// A place of the server's own at the level `process`.
fn exposed(reason: &str) -> Holder {
    Holder::own("desk", Sandbox::told("process", Some(reason)).unwrap())
}

fn view(level: &str, reason: Option<&str>) -> SandboxView {
    SandboxView {
        level: level.to_owned(),
        reason: reason.map(str::to_owned),
    }
}

/// The leaf of the newest lease.
async fn lease(world: &World) -> serde_json::Value {
    let leaves = world.evidence().await.leaves;
    let mut of_leases = leaves
        .into_iter()
        .filter(|leaf| leaf["action"] == "job.lease" && leaf["facts"]["sandbox"].is_string());
    of_leases.next_back().expect("a lease")
}

async fn takes(bench: &Bench<'_>, holder: &Holder) -> Line {
    bench.round().await;
    let taken = work::claim(&task(&bench.world.house), holder).await;
    taken.unwrap().expect("a job")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_process_is_written_down_with_its_reason_wherever_a_job_is_taken() {
    for_each_engine(async |world| {
        let (here, far) = (
            Bench::new(&world, "here").await,
            Bench::new(&world, "far").await,
        );
        let agent = Agent::new(&world, "far").await;
        agent.serves(&far).await;
        for (bench, is_here) in [(&here, true), (&far, false)] {
            let run = bench.start(Kind::PlanAndApply).await;
            assert_eq!(bench.see(&run).await.sandbox, None, "nobody took it");
            if is_here {
                takes(bench, &exposed(WRITTEN)).await;
            } else {
                let taken = agent.asks_in(&world, "far/0", ("process", Some(WRITTEN)));
                taken.await.unwrap().expect("a job");
            }
            assert_eq!(
                bench.see(&run).await.sandbox,
                Some(view("process", Some(KEPT)))
            );
            let leaf = lease(&world).await;
            assert_eq!(leaf["facts"]["run"], run.as_str());
            assert_eq!(leaf["facts"]["sandbox"], "process");
            assert!(
                leaf["facts"]["detail"].is_string(),
                "it commits to the reason"
            );
            assert!(!leaf.to_string().contains("kernel"), "{leaf}");
        }
        let report = verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_does_not_say_why_takes_no_job_and_a_lie_about_its_level_is_none() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let agent = Agent::new(&world, "far").await;
        agent.serves(&bench).await;
        let run = bench.start(Kind::PlanOnly).await;
        let long = "because ".repeat(10 * 1024 * 1024 / 8);
        for told in [
            ("process", None),
            ("process", Some("")),
            ("process", Some("\u{1b}[0m")),
            ("process", Some(&*long)),
            ("none", Some("no namespaces here")),
            ("Strict", None),
            ("", None),
        ] {
            let asked = agent.asks_in(&world, "far/0", told).await.map(drop);
            assert_eq!(kind(asked), Trouble::Invalid, "{}", told.0);
        }
        assert_eq!(bench.see(&run).await.sandbox, None);
        let strict = ("strict", Some("said for nothing"));
        let taken = agent.asks_in(&world, "far/0", strict).await.unwrap();
        assert_eq!(taken.expect("a job").run(), &run);
        assert_eq!(bench.see(&run).await.sandbox, Some(view("strict", None)));
        assert!(lease(&world).await["facts"]["detail"].is_null());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_jobs_of_a_run_the_weakest_is_told_and_the_newest_reason() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let lost = takes(&bench, &exposed("the first one")).await;
        lost.lost().await.unwrap();
        let lost = takes(&bench, &exposed("the second one")).await;
        lost.lost().await.unwrap();
        let line = takes(&bench, &desk()).await;
        assert_eq!(line.run(), &run);
        let told = Some(view("process", Some("the second one")));
        assert_eq!(bench.see(&run).await.sandbox, told);
        // What renews a lease says nothing of it.
        world.pass_seconds(60);
        line.beat().await.unwrap();
        bench.planned(&line).await;
        assert_eq!(bench.see(&run).await.sandbox, told);
        let page = list(&world.ask(), &bench.workspace, 1, 10).await.unwrap();
        assert_eq!(page.items[0].sandbox, None, "in lists it is not told");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_the_level_process_is_not_applied_in_the_strict_sandbox() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = takes(&bench, &exposed("no namespaces here")).await;
        bench.plans(&line).await;
        let in_process = |line: &Line| Found {
            sandbox: "process".to_owned(),
            ..found(line)
        };
        let planned = Ended::Planned {
            found: Box::new(in_process(&line)),
            changes: true,
        };
        line.done(planned).await.unwrap();
        bench.round().await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = takes(&bench, &desk()).await;
        bench.refused(&run, &line, Status::Errored, "sandbox").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_altered_of_a_level_is_not_taken_for_strict_and_is_found() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        takes(&bench, &exposed("no namespaces here")).await;
        let reported = async |place: &str| {
            let report = verify_live(&world.ask()).await.unwrap();
            let named = |each: &crate::ledger::Difference| each.place.contains(place);
            assert!(report.differences.iter().any(named), "{report:?}");
        };
        world.tamper("UPDATE job_reason SET taken_at = 1").await;
        assert_eq!(bench.see(&run).await.sandbox, Some(view("unknown", None)));
        reported("job_reason").await;
        world.tamper("DELETE FROM job_reason").await;
        assert_eq!(bench.see(&run).await.sandbox, Some(view("process", None)));
        reported("job_reason").await;
        world.tamper("UPDATE job SET sandbox = 'strict'").await;
        assert_eq!(bench.see(&run).await.sandbox, Some(view("unknown", None)));
        reported("job").await;
    })
    .await;
}
