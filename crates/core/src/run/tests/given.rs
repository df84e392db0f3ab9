//! Variables: given to the runs of their workspace alone, and bound by what is approved.

use super::*;
use crate::variable::{self, Category};

fn secret(value: &str) -> variable::Wish {
    variable::Wish {
        name: Some("password".to_owned()),
        value: Some(value.to_owned()),
        sensitive: Some(true),
        ..variable::Wish::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_given_what_its_workspace_has_and_another_is_not() {
    for_each_engine(async |world| {
        let (bench, other) = (
            Bench::new(&world, "web").await,
            Bench::new(&world, "db").await,
        );
        let ctx = world.ask();
        let made = variable::create(&ctx, &bench.workspace, secret("correct-horse")).await;
        assert_eq!(made.unwrap().value, None);
        let wish = variable::Wish {
            name: Some("REGION".to_owned()),
            value: Some("eu-north-1".to_owned()),
            category: Some(Category::Environment),
            ..variable::Wish::default()
        };
        variable::create(&ctx, &bench.workspace, wish)
            .await
            .unwrap();
        let run = bench.start(Kind::PlanOnly).await;
        let given = bench.line(&run).await.work().await.unwrap().variables;
        let told: Vec<_> = given
            .iter()
            .map(|each| (each.name.as_str(), each.value.as_str(), each.sensitive))
            .collect();
        assert_eq!(
            told,
            [
                ("REGION", "eu-north-1", false),
                ("password", "correct-horse", true)
            ]
        );
        let run = other.start(Kind::PlanOnly).await;
        let given = other.line(&run).await.work().await.unwrap().variables;
        assert!(given.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_value_after_the_plan_is_not_what_was_approved() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let ctx = world.ask();
        let made = variable::create(&ctx, &bench.workspace, secret("correct-horse")).await;
        let id = made.unwrap().id.parse().unwrap();
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        variable::update(&ctx, &bench.workspace, &id, secret("battery-staple"))
            .await
            .unwrap();
        let begun = line.begin(found(&line)).await.unwrap();
        let Begun::Refused { why, .. } = begun else {
            panic!("it applies: {begun:?}");
        };
        assert!(
            why.iter().all(|words| !words.contains("battery")),
            "{why:?}"
        );
        assert!(bench.see(&run).await.reason.contains("variable"), "{why:?}");
        // The same value again is what was planned with.
        let (_, line) = bench.confirmed(Kind::PlanAndApply).await;
        variable::update(&ctx, &bench.workspace, &id, secret("battery-staple"))
            .await
            .unwrap();
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
    })
    .await;
}
