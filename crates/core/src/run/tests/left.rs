//! The state that an apply left is judged when it cannot be undone any more.

use serde_json::{Value, json};

use super::judged::set;
use super::*;
use crate::policy::judge::{Outcome, Verdicts};
use crate::policy::{self, overrule};
use crate::testing::judge::of_states;

/// What a set that tells what it was given was given.
fn given(verdicts: &Verdicts) -> Value {
    serde_json::from_str(&verdicts.sets[0].results[0].messages[0].text).unwrap()
}

/// A run that is applied, and leaves a state with so many resources.
async fn applied(bench: &Bench<'_>, serial: u64, resources: usize) -> RunId {
    let (run, line) = bench.applying().await;
    let state = state("lineage", serial, resources, "left");
    line.put_state(state).await.unwrap();
    line.done(Ended::Applied).await.unwrap();
    bench.round().await;
    bench.is(&run, Status::Applied).await;
    run
}

async fn of_workspace(bench: &Bench<'_>) -> Option<written::WrittenView> {
    let full = workspace::full(&bench.world.ask(), &bench.workspace).await;
    full.unwrap().written
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_policies_say_of_a_state_is_told_after_the_apply_and_stays_on_the_workspace() {
    for_each_engine(async |world| {
        let id = set(&world, "one", of_states("hard-failed")).await;
        for (number, (outcome, expected)) in [
            ("passed", Outcome::Passed),
            ("advised", Outcome::Advised),
            ("soft-failed", Outcome::SoftFailed),
            ("hard-failed", Outcome::HardFailed),
            // Whoever does not answer is against it.
            ("error", Outcome::HardFailed),
        ]
        .into_iter()
        .enumerate()
        {
            policy::publish::publish(&world.ask(), &id, of_states(outcome))
                .await
                .unwrap();
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            assert!(of_workspace(&bench).await.is_none());
            let run = applied(&bench, 1, 2).await;
            let seen = bench.see(&run).await.written.unwrap();
            assert_eq!(seen.outcome, Some(expected));
            let said = written::verdicts(&world.ask(), &run).await.unwrap();
            let (_, verdicts) = said.unwrap();
            assert_eq!(verdicts.unwrap().outcome(), expected);
            let on_workspace = of_workspace(&bench).await.unwrap();
            assert_eq!(on_workspace.run, run.as_str());
            let is_against = expected >= Outcome::SoftFailed;
            assert_eq!(on_workspace.is_against(), is_against);
            let happened = events(&world.ask(), &run).await.unwrap();
            let last = happened.last().unwrap();
            assert_eq!(
                (&*last.event, &*last.about),
                ("state-judged", expected.as_str())
            );
            assert_eq!(last.status, "applied");
        }
        // What was said of the plan before is another thing.
        policy::publish::publish(&world.ask(), &id, of_states("hard-failed"))
            .await
            .unwrap();
        let bench = Bench::new(&world, "both").await;
        let run = applied(&bench, 1, 2).await;
        let of_plan = overrule::verdicts(&world.ask(), &run).await.unwrap();
        assert_eq!(of_plan.unwrap().outcome(), Outcome::Passed);
        // A later state that they have nothing against takes it from the workspace.
        policy::publish::publish(&world.ask(), &id, of_states("passed"))
            .await
            .unwrap();
        applied(&bench, 2, 1).await;
        assert!(!of_workspace(&bench).await.unwrap().is_against());
        assert!(bench.see(&run).await.written.unwrap().is_against());
        // Where none judges states, none is asked.
        policy::remove(&world.ask(), &id).await.unwrap();
        let run = applied(&bench, 3, 1).await;
        assert!(bench.see(&run).await.written.is_none());
    })
    .await;
}

async fn until_judged(bench: &Bench<'_>, run: &RunId) -> written::WrittenView {
    loop {
        let seen = bench.see(run).await.written.unwrap();
        if seen.outcome.is_some() {
            return seen;
        }
        bench.round().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_nobody_ever_comes_to_judge_counts_as_against_it() {
    for_each_engine(async |world| {
        set(&world, "one", of_states("late")).await;
        let bench = Bench::new(&world, "web").await;
        let run = applied(&bench, 1, 2).await;
        let seen = tokio::time::timeout(
            std::time::Duration::from_secs(30),
            until_judged(&bench, &run),
        )
        .await;
        let seen = seen.expect("it is asked without end");
        assert_eq!(seen.outcome, Some(Outcome::HardFailed));
        assert!(
            seen.reason.contains("there was no place"),
            "{}",
            seen.reason
        );
        assert!(of_workspace(&bench).await.unwrap().is_against());
        let said = written::verdicts(&world.ask(), &run).await.unwrap();
        assert!(
            said.unwrap().1.is_none(),
            "nothing is kept as if it were said"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_of_states_are_told_what_becomes_of_it() {
    for_each_engine(async |world| {
        let tells = json!({ "plan": "advised", "entities": ["state"], "tells": true });
        set(&world, "one", Bytes::from(tells.to_string())).await;
        let bench = Bench::new(&world, "web").await;
        let run = applied(&bench, 1, 3).await;
        let of_plan = overrule::verdicts(&world.ask(), &run)
            .await
            .unwrap()
            .unwrap();
        let told = given(&of_plan);
        // It was asked again before the apply; the first time nothing was there.
        assert_eq!(told["organization"]["name"], "acme");
        let empty: Value =
            serde_json::from_str(told["documents"]["state"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&empty["lineage"], &empty["resources"]),
            (&json!(""), &json!([]))
        );
        assert_eq!(told["transition"]["resources_before"], 0);
        let (_, left) = written::verdicts(&world.ask(), &run)
            .await
            .unwrap()
            .unwrap();
        let told = given(&left.unwrap());
        assert_eq!(told["stage"], "applied");
        assert_eq!(told["transition"]["resources_after"], 3);
        assert_eq!(told["transition"]["lineage_before"], "");

        let run = applied(&bench, 2, 1).await;
        let of_plan = overrule::verdicts(&world.ask(), &run)
            .await
            .unwrap()
            .unwrap();
        let told = given(&of_plan);
        let first = state("lineage", 1, 3, "left");
        assert_eq!(
            told["documents"]["state"].as_str().unwrap().as_bytes(),
            &first[..]
        );
        assert_eq!(told["transition"]["resources_before"], 3);
        assert_eq!(told["transition"]["serial_before"], 1);
        let (_, left) = written::verdicts(&world.ask(), &run)
            .await
            .unwrap()
            .unwrap();
        let told = given(&left.unwrap());
        let second = state("lineage", 2, 1, "left");
        assert_eq!(
            told["documents"]["state"].as_str().unwrap().as_bytes(),
            &second[..]
        );
        assert_eq!(
            told["documents"]["state_before"]
                .as_str()
                .unwrap()
                .as_bytes(),
            &first[..]
        );
        let transition = &told["transition"];
        assert_eq!(
            (
                &transition["resources_before"],
                &transition["resources_after"]
            ),
            (&json!(3), &json!(1))
        );
        assert_eq!(
            (&transition["serial_before"], &transition["serial_after"]),
            (&json!(1), &json!(2))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_came_late_is_judged_again_and_a_stop_forgets_none() {
    for_each_engine(async |world| {
        set(&world, "one", of_states("hard-failed")).await;
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.applying().await;
        line.lost().await.unwrap();
        bench.round().await;
        bench.is(&run, Status::Errored).await;
        assert!(bench.see(&run).await.written.unwrap().is_against());
        let before = events(&world.ask(), &run).await.unwrap();
        let left = work::Left::of(&task(&world.house), run.clone())
            .await
            .unwrap();
        left.put_state(state("lineage", 1, 2, "late"))
            .await
            .unwrap();
        // Nobody asked yet: the row waits, whoever goes through it next.
        assert_eq!(bench.see(&run).await.written.unwrap().outcome, None);
        bench.round().await;
        assert!(bench.see(&run).await.written.unwrap().is_against());
        let after = events(&world.ask(), &run).await.unwrap();
        let judged = |all: &[EventView]| {
            all.iter()
                .filter(|each| each.event == "state-judged")
                .count()
        };
        assert_eq!((judged(&before), judged(&after)), (1, 2));
        assert!(!bench.round().await, "nothing is left to do");
    })
    .await;
}
