//! What of all that was altered in the database, by SQL: it is told to nobody as if it were not, and a state that was altered is told.

use super::*;

/// Receivers whose rows were altered.
fn altered(found: &telling::Found) -> Vec<&str> {
    found.altered.iter().map(|(id, _)| id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_was_moved_by_sql_is_not_believed_and_is_named() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        let other = notified(&bench, OTHER_HOOK, &[Trigger::Created]).await;
        bench.start(Kind::PlanAndApply).await;
        world
            .tamper(&format!(
                "UPDATE notification_cursor SET after_leaf = 1000000 WHERE notification = '{id}'"
            ))
            .await;
        let found = world.core.to_tell(&world.house).await.unwrap();
        assert_eq!(found.due, [other]);
        assert_eq!(altered(&found), [id.to_string()]);
        let report = verify_live(&world.ask()).await.unwrap();
        assert!(!report.is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_was_altered_is_named_and_keeps_nobody_else_from_being_told() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let disabled = notified(&bench, HOOK, &[Trigger::Created]).await;
        let renamed = notified(&bench, HOOK, &[Trigger::Created]).await;
        let other = notified(&bench, OTHER_HOOK, &[Trigger::Created]).await;
        bench.start(Kind::PlanAndApply).await;
        let disable = |enabled| {
            format!("UPDATE notification SET enabled = {enabled} WHERE id = '{disabled}'")
        };
        world.tamper(&disable(0)).await;
        let rename = |to: &str, from: &str| {
            format!("UPDATE notification SET id = '{to}' WHERE id = '{from}'")
        };
        world.tamper(&rename("zzz", renamed.as_str())).await;
        let found = world.core.to_tell(&world.house).await.unwrap();
        assert_eq!(found.due, std::slice::from_ref(&other));
        assert_eq!(altered(&found), [disabled.as_str(), "zzz"]);
        assert_eq!(tell(&world).await.len(), 1);
        // Who put it back kept nothing from anybody.
        world.tamper(&disable(1)).await;
        world.tamper(&rename(renamed.as_str(), "zzz")).await;
        assert_eq!(tell(&world).await.len(), 2);
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_was_altered_is_told_to_nobody_and_leaves_a_trace() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        let alter = |by: &str| {
            format!("UPDATE run_event SET created_at = created_at {by} WHERE run = '{run}'")
        };
        world.tamper(&alter("+ 1")).await;
        assert!(tell(&world).await.is_empty());
        world.tamper(&alter("- 1")).await;
        assert!(tell(&world).await.is_empty(), "it is over");
        let deliveries = seen(&world, &id).await.deliveries;
        let kept = &deliveries[0];
        assert_eq!(kept.run.as_deref(), Some(run.as_str()));
        assert_eq!(
            (kept.outcome.as_str(), kept.trouble.as_deref()),
            ("failed", Some("unreadable"))
        );
        assert_eq!((kept.code, kept.attempts), (None, 0));
        let evidence = world.evidence().await;
        let leaf = evidence.leaves.iter().find(|leaf| {
            let facts = &leaf["facts"];
            facts["trouble"] == "unreadable" && facts["run"] == run.as_str()
        });
        assert_eq!(leaf.unwrap()["facts"]["event"], 1);
        act::cancel(&world.ask(), &run, None).await.unwrap();
        assert_eq!(triggers(&tell(&world).await), ["run:errored"]);
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_tried_before_it_was_altered_is_kept_as_one_delivery() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        world.post.answers(HOOK, [Some(Ok(500))]);
        assert_eq!(tell(&world).await.len(), 1);
        world.pass_seconds(again_in(&world).await + 1);
        world
            .tamper(&format!(
                "UPDATE run_event SET actor = 'nobody' WHERE run = '{run}'"
            ))
            .await;
        assert!(tell(&world).await.is_empty());
        let deliveries = seen(&world, &id).await.deliveries;
        assert_eq!(deliveries.len(), 2, "with the one that tried it");
        let kept = &deliveries[0];
        assert_eq!(
            (kept.outcome.as_str(), kept.trouble.as_deref()),
            ("failed", Some("unreadable"))
        );
        assert_eq!((kept.code, kept.attempts), (None, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_beyond_the_end_of_the_ledger_moves_nobodys_place() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        world
            .tamper(&format!(
                "CREATE TABLE beyond AS SELECT * FROM run_event WHERE run = '{run}' AND number = 1;
                UPDATE beyond SET number = 1000, leaf = 1000000;
                INSERT INTO run_event SELECT * FROM beyond;
                DROP TABLE beyond"
            ))
            .await;
        assert_eq!(triggers(&tell(&world).await), ["run:created"]);
        assert!(world.core.to_tell(&world.house).await.unwrap().is_empty());
        world
            .tamper("DELETE FROM run_event WHERE number = 1000")
            .await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        assert_eq!(triggers(&tell(&world).await), ["run:errored"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_a_read_finds_altered_is_told_once_for_each_time() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let other = Bench::new(&world, "dns").await;
        let (web, ask) = (&bench.workspace, world.ask());
        let id = notified(&bench, HOOK, &[Trigger::Created, Trigger::Tampered]).await;
        notified(&other, OTHER_HOOK, &Trigger::ALL).await;
        notified(&bench, OTHER_HOOK, &[Trigger::Errored]).await;
        bench.start(Kind::PlanOnly).await;
        for serial in [1, 2] {
            let bytes = state("a", serial, 1, "");
            crate::testing::put(&ask, web, bytes).await.unwrap();
            if serial == 1 {
                world
                    .tamper("CREATE TABLE older AS SELECT * FROM workspace")
                    .await;
            }
        }
        assert!(tell(&world).await.is_empty());
        world
            .tamper("DELETE FROM workspace; INSERT INTO workspace SELECT * FROM older")
            .await;
        let mut ids = BTreeSet::new();
        for _ in 0..2 {
            let read = crate::state::get(&ask, web, crate::state::Which::Current).await;
            assert_eq!(*read.unwrap_err().kind(), crate::error::Kind::Tampered);
            let told = tell(&world).await;
            assert_eq!(triggers(&told), ["state:tampered"]);
            let body = &told[0].body;
            assert_eq!(body["workspace_name"], "web");
            for of_a_run in ["run_id", "run_url", "run_message", "policies"] {
                assert!(body[of_a_run].is_null(), "{body}");
            }
            assert!(body["notifications"][0]["run_status"].is_null());
            assert!(body["notifications"][0]["run_updated_at"].is_string());
            ids.insert(told[0].delivery.clone());
            assert!(tell(&world).await.is_empty());
            // Nobody says another reason over it.
            let wish = crate::workspace::freeze::Wish {
                reason: "mine".to_owned(),
                who: "ada".to_owned(),
                since: "now".to_owned(),
            };
            let again = crate::workspace::freeze::freeze(&ask, web, wish).await;
            assert_eq!(*again.unwrap_err().kind(), crate::error::Kind::Conflict);
            // Thawed, it is found again.
            let why = "looked at".to_owned();
            crate::workspace::freeze::thaw(&ask, web, why)
                .await
                .unwrap();
        }
        assert_eq!(ids.len(), 2);
        let deliveries = seen(&world, &id).await.deliveries;
        assert!(deliveries.iter().all(|each| each.outcome == "delivered"));
        assert_eq!(
            deliveries.iter().filter(|each| each.run.is_none()).count(),
            3
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_that_a_person_made_is_told_to_nobody() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &Trigger::ALL).await;
        let wish = crate::workspace::freeze::Wish {
            reason: "a holiday".to_owned(),
            who: "ada".to_owned(),
            since: "now".to_owned(),
        };
        crate::workspace::freeze::freeze(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        assert!(tell(&world).await.is_empty());
    })
    .await;
}
