//! What looks leave behind, after a policy of retention says that it goes.

use super::*;
use crate::access::RETENTION;
use crate::retention;
use crate::run::logs;

/// A policy of thirty days over everything.
async fn keep_a_month(world: &World) {
    let wish = retention::Wish {
        days: Some(30),
        versions: 2,
    };
    let set = retention::set(&world.ask(), Scope::Organization, wish).await;
    set.unwrap();
}

async fn retained(world: &World) -> u64 {
    retention::apply(&world.house).await.unwrap()
}

/// Whether the plan and the log of a run can still be read.
async fn is_kept(world: &World, run: &RunId) -> bool {
    let plan = logs::plan_json(&world.ask(), run, false).await;
    let log = logs::read(&world.ask(), run, false, 0, 100).await;
    match (plan, log) {
        // Of a plan that did not read there is no JSON to be asked for.
        (Ok(_), Ok(log)) => {
            assert_eq!(log.bytes, "looks\n");
            true
        }
        (Err(plan), Err(log)) => {
            for error in [plan, log] {
                assert_eq!(*error.kind(), Trouble::Conflict, "{error}");
                assert!(
                    error.message().contains("removed by retention on"),
                    "{error}"
                );
            }
            false
        }
        other => panic!("half of it is there: {other:?}"),
    }
}

impl Bench<'_> {
    /// Looks, says so in its log, and finds this.
    async fn says_and_finds(&self, json: &str) -> RunId {
        let run = self.look().await;
        let line = self.line(&run).await;
        let said = Bytes::from_static(b"looks\n");
        line.log(0, said).await.unwrap();
        report(&line, json, true).await;
        run
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_looks_lose_their_bytes_and_what_they_found_stays_proven() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let old = [
            bench.says_and_finds(DRIFTED).await,
            bench.says_and_finds(STILL).await,
        ];
        let known = bench.says_and_finds(DRIFTED).await;
        let newest = bench.says_and_finds("{}").await;
        assert_eq!(bench.shown().await.known.unwrap().run, known);
        world.pass_days(40);
        assert_eq!(retained(&world).await, 0, "nobody said that anything goes");
        keep_a_month(&world).await;
        assert!(retained(&world).await >= 8);
        assert_eq!(retained(&world).await, 0);
        for run in &old {
            assert!(!is_kept(&world, run).await);
            // What it was, how it was asked for and what it found out is still there.
            let seen = run::show(&world.ask(), run).await.unwrap();
            assert_eq!(seen.state.status(), Status::PlannedAndFinished);
            assert!(of_run(&world.ask(), run).await.unwrap().drifted.is_some());
        }
        assert!(
            is_kept(&world, &known).await,
            "the newest that found something out"
        );
        assert!(is_kept(&world, &newest).await, "the newest of all");
        let evidence = world.evidence().await;
        let leaf = evidence
            .leaves
            .iter()
            .rev()
            .find(|leaf| leaf["action"] == "state.retain");
        let leaf = leaf.expect("the ledger says who removed it");
        assert!(leaf["actor"].to_string().contains(RETENTION), "{leaf}");
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_other_runs_and_of_young_looks_nothing_is_removed() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        keep_a_month(&world).await;
        let wish = Bench::wish(bench.uploaded(false).await, Kind::PlanOnly);
        let plan = run::create(&world.ask(), &bench.workspace, wish).await;
        let plan = plan.unwrap().id;
        let line = bench.line(&plan).await;
        line.log(0, Bytes::from_static(b"looks\n")).await.unwrap();
        report(&line, STILL, true).await;
        let old = bench.says_and_finds(STILL).await;
        world.pass_days(31);
        let young = [
            bench.says_and_finds(STILL).await,
            bench.says_and_finds(STILL).await,
        ];
        assert!(retained(&world).await > 0);
        assert!(!is_kept(&world, &old).await);
        assert!(is_kept(&world, &plan).await);
        for run in &young {
            assert!(is_kept(&world, run).await);
        }
        // Of a frozen workspace nothing goes.
        let wish = freeze::Wish {
            reason: "hold".to_owned(),
            who: "olga".to_owned(),
            since: "2027-01-15T08:00:00Z".to_owned(),
        };
        freeze::freeze(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        world.pass_days(31);
        assert_eq!(retained(&world).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_called_a_look_by_sql_keeps_everything() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let wish = Bench::wish(bench.uploaded(false).await, Kind::PlanOnly);
        let plan = run::create(&world.ask(), &bench.workspace, wish).await;
        let plan = plan.unwrap().id;
        report(&bench.line(&plan).await, STILL, true).await;
        let looks = [bench.finds(STILL).await, bench.finds(STILL).await];
        keep_a_month(&world).await;
        world.pass_days(40);
        // The older look's row is moved to the plan: neither is removed.
        let edit = format!(
            "UPDATE drift_check SET run = '{plan}' WHERE run = '{}';
            UPDATE run SET kind = 'drift' WHERE id = '{plan}'",
            looks[0]
        );
        world.tamper(&edit).await;
        assert_eq!(retained(&world).await, 0);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(!report.is_proven(), "the rows do not read");
        let mut found = report.differences.iter();
        assert!(
            found.all(|each| !format!("{each:?}").contains("unreadable")),
            "and all bytes do: {report:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_missing_without_a_removal_and_removals_without_one_are_found() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let old = bench.says_and_finds(STILL).await;
        bench.finds(STILL).await;
        keep_a_month(&world).await;
        world.pass_days(40);
        assert!(retained(&world).await > 0);
        let edit = format!("DELETE FROM run_file_removal WHERE run = '{old}'");
        world.tamper(&edit).await;
        let read = logs::plan_json(&world.ask(), &old, false).await;
        assert_eq!(kind(read), Trouble::Tampered);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        let what = |word: &str| {
            let found = report.differences.iter();
            found
                .filter(|each| format!("{each:?}").contains(word))
                .count()
        };
        assert!(what("missing") > 0 && what("unreadable") > 0, "{report:?}");
    })
    .await;
}
