//! What runners send: once, whole and in order, however often they send it.

use statehouse_control as control;

use super::*;

async fn log_of(bench: &Bench<'_>, run: &RunId) -> String {
    let read = logs::read(&bench.world.ask(), run, false, 0, 1000).await;
    String::from_utf8(read.unwrap().bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_piece_is_answered_alike_and_another_is_refused() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let text = Bytes::from_static;
        line.log(0, text(b"one\n")).await.unwrap();
        line.log(4, text(b"two\n")).await.unwrap();
        let since = world.evidence().await.size();
        line.log(0, text(b"one\n")).await.unwrap();
        line.log(4, text(b"two\n")).await.unwrap();
        line.log(8, Bytes::new()).await.unwrap();
        line.log(8, Bytes::new()).await.unwrap();
        assert_eq!(kind(line.log(4, text(b"TWO\n")).await), Trouble::Conflict);
        assert_eq!(kind(line.log(2, text(b"e\n")).await), Trouble::Conflict);
        assert_eq!(kind(line.log(9, text(b"gap\n")).await), Trouble::Invalid);
        assert_eq!(world.evidence().await.size(), since);
        assert_eq!(log_of(&bench, &run).await, "one\ntwo\n");
        for name in ["plan", "plan-json", "plan-shown"] {
            line.file(name, text(b"bytes")).await.unwrap();
            line.file(name, text(b"bytes")).await.unwrap();
            assert_eq!(
                kind(line.file(name, text(b"other")).await),
                Trouble::Conflict
            );
        }
        assert_eq!(kind(line.file("found", text(b"x")).await), Trouble::Invalid);
        assert_eq!(world.evidence().await.size(), since + 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_another_try_follows_that_of_the_lost_one() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        line.log(0, Bytes::from_static(b"first\n")).await.unwrap();
        world.pass_days(1);
        let line = bench.line(&run).await;
        line.log(0, Bytes::from_static(b"second\n")).await.unwrap();
        line.log(0, Bytes::from_static(b"second\n")).await.unwrap();
        line.log(7, Bytes::from_static(b"third\n")).await.unwrap();
        assert_eq!(log_of(&bench, &run).await, "first\nsecond\nthird\n");
        let rest = logs::read(&world.ask(), &run, false, 8, 7).await.unwrap();
        assert_eq!((&rest.bytes[..], rest.length), (&b"cond\nth"[..], 19));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_plan_is_kept_once_however_often_it_is_sent() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let folder = world
            .options
            .data
            .join("blobs")
            .join(world.house.code().as_str());
        let count = || fs_err::read_dir(&folder).unwrap().count();
        let large = Bytes::from(crate::testing::noise(900_000));
        for _ in 0..3 {
            line.file("plan-json", large.clone()).await.unwrap();
        }
        assert_eq!(count(), 1);
        let other = Bytes::from(crate::testing::noise(900_000));
        assert_eq!(kind(line.file("plan-json", other).await), Trouble::Conflict);
        assert_eq!(count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_sealed_as_it_comes_and_stored_only_whole() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let large = Bytes::from(crate::testing::noise(6_000_000));
        let (feed, beside) = control::beside(7_000_000);
        let mut cut = &*large;
        let (fed, stored) = tokio::join!(feed.from(&mut cut), line.file("plan", beside));
        assert!(fed.is_err());
        assert_eq!(kind(stored), Trouble::Unavailable);
        let (feed, beside) = control::beside(6_000_000);
        let mut whole = &*large;
        let (fed, stored) = tokio::join!(feed.from(&mut whole), line.file("plan", beside));
        fed.unwrap();
        stored.unwrap();
        assert_eq!(line.plan().await.unwrap(), large);
        // The same again in one piece is the same.
        line.file("plan", large).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_taken_only_with_the_files_that_it_names() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = bench.line(&run).await;
        bench.plans(&line).await;
        let wrong = Found {
            plan: hex::encode(sha256(b"another")),
            ..found(&line)
        };
        let (wrong, changes) = (Box::new(wrong), true);
        let refused = line.done(Ended::Planned {
            found: wrong,
            changes,
        });
        assert_eq!(kind(refused.await), Trouble::Invalid);
        bench.is(&run, Status::Planning).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_applies_stores_no_plan() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        for name in ["plan", "plan-json", "plan-shown"] {
            let stored = line.file(name, Bytes::from_static(b"another")).await;
            assert_eq!(kind(stored), Trouble::Invalid, "{name}");
        }
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        bench.is(&run, Status::Applying).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_run_connected_to_is_told_and_moves_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let to = |to: &str, became, why: Option<&str>| control::Connection {
            to: to.to_owned(),
            became,
            why: why.map(str::to_owned),
            through: None,
        };
        let many = vec![to("https://a:443", control::Became::Opened, None); 65];
        assert_eq!(kind(line.connected(many).await), Trouble::Invalid);
        let before = bench.see(&run).await.state;
        let odd = format!("not\n{}", "x".repeat(1000));
        line.connected(vec![
            to("https://a:443", control::Became::Opened, None),
            control::Connection {
                through: Some("proxy.corp:3128".to_owned()),
                ..to("https://c:443", control::Became::Failed, Some("no answer"))
            },
            to("tcp://b:1", control::Became::Refused, Some(&odd)),
        ])
        .await
        .unwrap();
        assert_eq!(bench.see(&run).await.state, before);
        let events = events(&world.ask(), &run).await.unwrap();
        let [.., first, through, second] = &*events else {
            panic!("{events:?}");
        };
        assert_eq!(
            (&*first.event, &*first.about),
            ("connection-opened", "https://a:443")
        );
        assert_eq!(
            (&*through.event, &*through.about),
            (
                "connection-failed",
                "https://c:443 through proxy.corp:3128: no answer"
            )
        );
        assert_eq!(second.event, "connection-refused");
        assert!(second.about.starts_with("tcp://b:1: not xxx") && second.about.len() == 600);
        world.pass_days(1);
        let late = vec![to("https://a:443", control::Became::Opened, None)];
        bench.line(&run).await;
        assert_eq!(kind(line.connected(late).await), Trouble::Conflict);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_cannot_fill_the_ledger_with_connections() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let one = control::Connection {
            to: "https://a:443".to_owned(),
            became: control::Became::Refused,
            why: None,
            through: None,
        };
        let mut told = 0;
        let refused = loop {
            match line.connected(vec![one.clone(); 64]).await {
                Ok(()) => told += 64,
                Err(error) => break error,
            }
            assert!(told < 6_000, "nothing stops it");
        };
        assert_eq!(*refused.kind(), Trouble::Conflict);
        assert!(told > 4_000, "{told}");
        // The run itself goes on.
        bench.planned(&line).await;
    })
    .await;
}
