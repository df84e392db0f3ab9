//! What does not read, or cannot be looked at: the others are looked at all the same.

use super::*;
use crate::project::Project;
use crate::workspace::Search;

/// Workspaces with these words in their names, as a list of them tells.
async fn listed(world: &World, words: &str) -> Result<Vec<Option<u64>>> {
    let search = Search {
        name: Some(words.to_owned()),
        size: 10,
        ..Search::default()
    };
    let found = workspace::search(&world.ask(), search).await?;
    Ok(found.items.iter().map(|full| full.looks.hours).collect())
}

async fn how_often(bench: &Bench<'_>) -> Result<InForce> {
    schedule(&bench.world.ask(), Scope::Workspace(bench.id.clone())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_schedule_spoils_its_own_scope_alone() {
    for_each_engine(async |world| {
        let project = crate::project::create(&world.ask(), name("net")).await;
        let project = project.unwrap().id;
        let net = Scope::Project(project.parse().unwrap());
        set(&world.ask(), net, Some(24)).await.unwrap();
        let own = Bench::new(&world, "altered-own").await;
        let inside = Bench::new(&world, "altered-inside").await;
        let other = Bench::new(&world, "other").await;
        let moved = workspace::Change {
            project: Some(Project::Name(name("net"))),
            ..workspace::Change::default()
        };
        workspace::update(&world.ask(), &inside.workspace, moved)
            .await
            .unwrap();
        for bench in [&own, &other] {
            bench.every(Some(24)).await;
        }
        world.pass_minutes(16);
        let sql = format!(
            "UPDATE drift_schedule SET hours = 1 WHERE scope IN ('{}', '{project}')",
            own.id
        );
        world.tamper(&sql).await;

        assert_eq!(listed(&world, "other").await.unwrap(), [Some(24)]);
        how_often(&other).await.unwrap();
        assert_eq!(kind(listed(&world, "altered").await), Trouble::Tampered);
        for bench in [&own, &inside] {
            assert_eq!(kind(how_often(bench).await), Trouble::Tampered);
            let full = workspace::full(&world.ask(), &bench.workspace).await;
            assert_eq!(kind(full), Trouble::Tampered);
        }
        assert_eq!((started(&world).await, started(&world).await), (1, 0));
        assert_eq!(other.open().await.len(), 1);
        for bench in [&own, &inside] {
            assert!(bench.open().await.is_empty());
            // Whoever looks by hand asks no schedule.
            bench.look().await;
        }

        // What is altered for everybody counts for nobody.
        set(&world.ask(), Scope::Organization, Some(24))
            .await
            .unwrap();
        world
            .tamper("UPDATE drift_schedule SET hours = 1 WHERE scope = 'organization'")
            .await;
        act::cancel(&world.ask(), &other.open().await[0].id, None)
            .await
            .unwrap();
        world.pass_days(2);
        assert_eq!(started(&world).await, 0);
        assert_eq!(kind(how_often(&other).await), Trouble::Tampered);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspaces_whose_looks_fail_use_up_no_share_of_those_that_wait_after_them() {
    for_each_engine(async |world| {
        let mut fail = Vec::new();
        for number in 0..3 {
            let bench = Bench::new(&world, &format!("fails-{number}")).await;
            bench.every(Some(1)).await;
            fail.push(bench);
        }
        let last = Bench::new(&world, "last").await;
        world.pass_minutes(20);
        last.every(Some(1)).await;
        world.pass_minutes(16);
        let sql = format!(
            "UPDATE run_file SET size = size + 1 WHERE kind = 'options' AND run IN (
                SELECT id FROM run WHERE workspace <> '{}')",
            last.id
        );
        world.tamper(&sql).await;
        // Eight places: a quarter of them is for looks.
        assert_eq!(round(&world.house, 8).await.unwrap().started, 1);
        assert_eq!(last.open().await.len(), 1);
        for bench in &fail {
            assert!(bench.open().await.is_empty());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_look_that_does_not_read_keeps_no_other_workspace_waiting() {
    for_each_engine(async |world| {
        let altered = Bench::new(&world, "altered").await;
        altered.every(Some(24)).await;
        world.pass_minutes(16);
        assert_eq!(started(&world).await, 1);
        world
            .tamper("UPDATE run SET reason = 'none' WHERE kind = 'drift'")
            .await;
        let other = Bench::new(&world, "other").await;
        other.every(Some(24)).await;
        world.pass_minutes(16);
        assert_eq!(started(&world).await, 1);
        assert_eq!(other.open().await.len(), 1);
    })
    .await;
}
