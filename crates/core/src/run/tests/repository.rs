//! What a configuration brings of policies is added to those of the organization, and takes none away.

use serde_json::json;

use super::judged::set;
use super::*;
use crate::policy::judge::Outcome;
use crate::policy::{self, overrule};
use crate::testing::judge::says;

const PLACE: &str = ".statehouse/policy/rules/one.rego";

/// A workspace whose configuration has this file, too.
async fn bench<'w>(world: &'w World, text: &str, (path, policy): (&str, &[u8])) -> Bench<'w> {
    let bench = Bench::new(world, text).await;
    let archive = archive_with(Some((path, policy)));
    Bench {
        configuration: uploaded_as(world, &bench.workspace, archive).await,
        ..bench
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_tightens_and_never_loosens() {
    for_each_engine(async |world| {
        for (number, (organization, repository, expected)) in [
            (None, "passed", Outcome::Passed),
            (None, "hard-failed", Outcome::HardFailed),
            (Some("passed"), "soft-failed", Outcome::SoftFailed),
            (Some("advised"), "passed", Outcome::Advised),
            (Some("soft-failed"), "passed", Outcome::SoftFailed),
            (Some("hard-failed"), "passed", Outcome::HardFailed),
        ]
        .into_iter()
        .enumerate()
        {
            let id = match organization {
                Some(word) => Some(set(&world, "one", says(word)).await),
                None => None,
            };
            let policy = says(repository);
            let bench = bench(&world, &format!("web-{number}"), (PLACE, &policy)).await;
            let run = bench.offered(Kind::PlanAndApply).await;
            let said = overrule::verdicts(&world.ask(), &run)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(said.outcome(), expected, "{organization:?} {repository}");
            let own: Vec<bool> = said.sets.iter().map(|set| set.repository).collect();
            assert_eq!(own.iter().filter(|own| **own).count(), 1);
            assert_eq!(said.sets.len(), 1 + usize::from(organization.is_some()));
            let of_repository = said.sets.iter().find(|set| set.repository).unwrap();
            assert_eq!(of_repository.name, "repository");
            assert_eq!(of_repository.bundle, bench.configuration.as_str());
            let status = match expected {
                Outcome::Passed | Outcome::Advised => Status::AwaitingApproval,
                Outcome::SoftFailed => Status::PolicyFailed,
                Outcome::HardFailed => Status::Errored,
            };
            bench.is(&run, status).await;
            if status == Status::AwaitingApproval {
                act::confirm(&world.ask(), &run, None).await.unwrap();
                let line = bench.line(&run).await;
                let begun = line.begin(found(&line)).await.unwrap();
                assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
                line.done(Ended::Applied).await.unwrap();
            } else if status == Status::PolicyFailed {
                act::discard(&world.ask(), &run, None).await.unwrap();
            }
            if let Some(id) = id {
                policy::remove(&world.ask(), &id).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_repository_brings_and_cannot_judge_is_against_its_plan_and_nobody_elses() {
    for_each_engine(async |world| {
        set(&world, "one", says("passed")).await;
        let bench = bench(&world, "web", (PLACE, b"{\"plan\"")).await;
        let run = bench.offered(Kind::PlanAndApply).await;
        bench.is(&run, Status::Errored).await;
        let said = overrule::verdicts(&world.ask(), &run)
            .await
            .unwrap()
            .unwrap();
        let outcome = |own: bool| {
            let set = said.sets.iter().find(|set| set.repository == own);
            set.unwrap().outcome
        };
        assert_eq!(
            (outcome(true), outcome(false)),
            (Outcome::HardFailed, Outcome::Passed)
        );
        // Another configuration of the same workspace has none.
        let beside = Bench {
            configuration: uploaded(&world, &bench.workspace).await,
            ..bench
        };
        let run = beside.offered(Kind::PlanAndApply).await;
        beside.is(&run, Status::AwaitingApproval).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_elsewhere_in_a_configuration_judge_nothing() {
    for_each_engine(async |world| {
        let forbids = json!({ "plan": "hard-failed" }).to_string();
        for (number, path) in [
            "policy/data.json",
            ".statehouse/policies/data.json",
            "modules/.statehouse/policy/data.json",
            ".statehouse/policy.json",
        ]
        .into_iter()
        .enumerate()
        {
            let bench = bench(&world, &format!("web-{number}"), (path, forbids.as_bytes())).await;
            let run = bench.offered(Kind::PlanAndApply).await;
            bench.is(&run, Status::AwaitingApproval).await;
            assert!(
                overrule::verdicts(&world.ask(), &run)
                    .await
                    .unwrap()
                    .is_none()
            );
        }
    })
    .await;
}
