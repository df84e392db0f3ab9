//! What is not as it was, before it is applied: each named, none applied.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_pushed_in_between_makes_a_kept_plan_stale() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        put(&world.ask(), &bench.workspace, state("a", 1, 1, ""))
            .await
            .unwrap();
        let run = bench.offered(Kind::SavedPlan).await;
        put(&world.ask(), &bench.workspace, state("a", 2, 1, ""))
            .await
            .unwrap();
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        bench
            .refused(&run, &line, Status::Stale, "state-moved")
            .await;
        // The same while it was planned.
        let run = bench.start(Kind::SavedPlan).await;
        let line = bench.line(&run).await;
        put(&world.ask(), &bench.workspace, state("a", 3, 1, ""))
            .await
            .unwrap();
        assert_eq!(
            line.state().await.unwrap().map(|found| found.bytes),
            Some(state("a", 2, 1, ""))
        );
        bench.planned(&line).await;
        bench.round().await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        bench
            .refused(&run, &line, Status::Stale, "state-moved")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_state_in_place_of_the_newest_is_tampering() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        for serial in 1..3 {
            put(&world.ask(), &bench.workspace, state("a", serial, 1, ""))
                .await
                .unwrap();
            if serial == 1 {
                world
                    .tamper("CREATE TABLE older AS SELECT * FROM workspace")
                    .await;
            }
        }
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        world
            .tamper("DELETE FROM workspace; INSERT INTO workspace SELECT * FROM older")
            .await;
        let begun = line.begin(found(&line)).await.unwrap();
        let Begun::Refused { what, why } = begun else {
            panic!("{begun:?}");
        };
        assert_eq!(what, "state_tampered", "{why:?}");
        let reason = bench.see(&run).await.reason;
        assert_eq!(reason, "lock-lost,state-went-back");
    })
    .await;
}

/// Where somebody with the database changes something of the run `$`, and
/// whether the run can still be ended for it.
const EDITS: [(&str, bool); 21] = [
    (
        "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = 'plan'",
        true,
    ),
    (
        "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = 'plan-json'",
        true,
    ),
    (
        "UPDATE run_file SET created_at = 1 WHERE run = '$' AND kind = 'plan-shown'",
        true,
    ),
    (
        "UPDATE run_file SET kind = 'plan' WHERE run = '$' AND kind = 'plan-log' AND part > 0",
        true,
    ),
    (
        "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = 'found'",
        true,
    ),
    (
        "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = 'capsule'",
        true,
    ),
    (
        "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = 'options'",
        true,
    ),
    (
        "DELETE FROM run_file WHERE run = '$' AND kind = 'plan'",
        true,
    ),
    (
        "DELETE FROM run_file WHERE run = '$' AND kind = 'capsule'",
        true,
    ),
    (
        "DELETE FROM run_file WHERE run = '$' AND kind = 'options'",
        true,
    ),
    (
        "UPDATE blob SET body = header WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'plan')",
        true,
    ),
    (
        "UPDATE blob SET body = header WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'plan-json')",
        true,
    ),
    (
        "UPDATE blob SET body = header WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'plan-shown')",
        true,
    ),
    (
        "UPDATE blob SET body = header WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'capsule')",
        true,
    ),
    (
        "UPDATE blob SET body = header WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'options')",
        true,
    ),
    (
        "DELETE FROM blob WHERE version = (SELECT id FROM run_file WHERE run = '$' AND kind = 'plan-json')",
        true,
    ),
    (
        "UPDATE capsule SET expires_at = expires_at + 1 WHERE run = '$'",
        true,
    ),
    ("DELETE FROM capsule WHERE run = '$'", true),
    (
        "UPDATE configuration SET size = 1 WHERE id = (SELECT configuration FROM run WHERE id = '$')",
        true,
    ),
    ("UPDATE run SET confirmed = 0 WHERE id = '$'", false),
    (
        "UPDATE job SET attempt = attempt + 1 WHERE run = '$' AND status = 'leased'",
        false,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_altered_is_never_applied() {
    for_each_engine(async |world| {
        for (number, (edit, ends)) in EDITS.iter().enumerate() {
            println!("{edit}");
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            world.tamper(&edit.replace('$', run.as_str())).await;
            let begun = line.begin(found(&line)).await;
            if !ends {
                assert_eq!(kind(begun), Trouble::Tampered);
                continue;
            }
            let Begun::Refused { what, why } = begun.unwrap() else {
                panic!("it applies");
            };
            assert_eq!(what, "state_tampered", "{why:?}");
            assert_eq!(bench.lock().await, None);
        }
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.count >= EDITS.len() as u64, "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_was_altered_before_it_was_judged_is_never_offered() {
    for_each_engine(async |world| {
        for table in ["found", "options"] {
            let bench = Bench::new(&world, table).await;
            let run = bench.start(Kind::PlanAndApply).await;
            let line = bench.line(&run).await;
            bench.planned(&line).await;
            let edit = "UPDATE run_file SET size = size + 1 WHERE run = '$' AND kind = '#'";
            let edit = edit.replace('$', run.as_str()).replace('#', table);
            world.tamper(&edit).await;
            bench.round().await;
            let seen = list(&world.ask(), &bench.workspace, 1, 10).await.unwrap();
            let seen = &seen.items[0];
            assert_eq!(seen.state.status(), Status::StateTampered);
            assert_eq!(seen.reason, "tampered");
            assert_eq!(bench.lock().await, None);
            let wish = bench.wish(Kind::PlanAndApply);
            let frozen = create(&world.ask(), &bench.workspace, wish).await;
            assert!(frozen.unwrap_err().to_string().contains("frozen"));
        }
    })
    .await;
}

/// Something that a runner finds otherwise.
type Alter = fn(&mut Found);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_runner_finds_must_be_what_was_planned_with() {
    for_each_engine(async |world| {
        let alter: [(&str, Status, Alter); 5] = [
            ("plan", Status::StateTampered, |found| {
                found.plan = hex::encode(sha256(b"another"));
            }),
            ("plan-json", Status::StateTampered, |found| {
                found.plan_json = hex::encode(sha256(b"another"));
            }),
            ("lock-file", Status::StateTampered, |found| {
                found.lock_file = Some(hex::encode(sha256(b"another")));
            }),
            ("tool-binary", Status::Errored, |found| {
                found.tool_digest = hex::encode(sha256(b"another"));
            }),
            ("sandbox", Status::Errored, |found| {
                found.sandbox = "process".to_owned();
            }),
        ];
        for (names, status, alter) in alter {
            let bench = Bench::new(&world, names).await;
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            let mut other = found(&line);
            alter(&mut other);
            let begun = line.begin(other).await.unwrap();
            assert!(matches!(begun, Begun::Refused { .. }), "{begun:?}");
            bench.is(&run, status).await;
            assert_eq!(bench.see(&run).await.reason, names);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capsule_is_used_once() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.applying().await;
        let again = line.begin(found(&line)).await;
        assert_eq!(kind(again), Trouble::Conflict);
        bench.is(&run, Status::Applying).await;
        line.done(Ended::Applied).await.unwrap();
        let over = line.begin(found(&line)).await;
        assert_eq!(kind(over), Trouble::NotFound);
        // Neither when somebody with the database opens it again.
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        let edit = format!("UPDATE capsule SET status = 'used' WHERE run = '{run}'");
        world.tamper(&edit).await;
        bench
            .refused(&run, &line, Status::StateTampered, "unreadable")
            .await;
    })
    .await;
}
