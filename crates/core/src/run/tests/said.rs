//! What people say beside what they do with a run: kept sealed, told to whoever sees the run, and never silently gone.

use statehouse_capsule::Decision;
use statehouse_model::Role;

use super::*;
use crate::run::Said;

/// What was said of a run, with the word of what happened.
async fn told(ctx: &Ctx, run: &RunId) -> Vec<(String, Said)> {
    let events = events(ctx, run).await.unwrap().into_iter();
    let said = events.filter(|event| event.said != Said::Nothing);
    said.map(|event| (event.event, event.said)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_beside_an_act_is_told_to_whoever_sees_the_run() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let (author, _) = world.member(Role::Writer).await;
        let (other, _) = world.member(Role::Writer).await;
        let (reader, _) = world.member(Role::Reader).await;
        let run = bench.offered_by(&author, Kind::PlanAndApply).await;
        let words = |text: &str| Some(text.to_owned());
        let by = world.by(&author);
        act::confirm(&by, &run, words("as <b>agreed</b>"))
            .await
            .unwrap();
        act::comment(&by, &run, "look at the zone".to_owned())
            .await
            .unwrap();
        let seen = bench.see(&run).await.state.capsule().unwrap();
        let by = world.by(&other);
        act::decide(&by, &run, Decision::Approve, seen, None)
            .await
            .unwrap();
        act::withdraw(&by, &run, words("wait")).await.unwrap();
        act::decide(&by, &run, Decision::Reject, seen, words("no"))
            .await
            .unwrap();
        let expected = [
            ("confirm", "as <b>agreed</b>"),
            ("comment", "look at the zone"),
            ("withdraw", "wait"),
            ("reject", "no"),
        ];
        let expected =
            expected.map(|(event, said)| (event.to_owned(), Said::Words(said.to_owned())));
        assert_eq!(told(&world.by(&reader), &run).await, expected);
        assert_eq!(told(&world.ask(), &run).await, expected);
    })
    .await;
}

/// Where somebody with the database changes the words beside what happened last to the run `$`.
const EDITS: [&str; 4] = [
    "UPDATE ledger_leaf SET detail = NULL WHERE seq IN (SELECT max(leaf) FROM run_event WHERE run = '$')",
    "UPDATE ledger_leaf SET detail = (SELECT detail FROM ledger_leaf WHERE seq IN (
        SELECT leaf FROM run_event WHERE run = '$' AND event = 'comment'))
        WHERE seq IN (SELECT leaf FROM run_event WHERE run = '$' AND event = 'discard')",
    "UPDATE ledger_leaf SET body = 'x' WHERE seq IN (SELECT max(leaf) FROM run_event WHERE run = '$')",
    "DELETE FROM ledger_leaf WHERE seq IN (SELECT max(leaf) FROM run_event WHERE run = '$')",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_were_altered_are_told_to_be() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let by = world.ask();
        let mut runs = Vec::new();
        for _ in EDITS {
            let run = bench.start(Kind::PlanAndApply).await;
            act::comment(&by, &run, "one".to_owned()).await.unwrap();
            act::discard(&by, &run, Some("two".to_owned()))
                .await
                .unwrap();
            runs.push(run);
        }
        for (edit, run) in EDITS.iter().zip(&runs) {
            world.tamper(&edit.replace('$', run.as_str())).await;
        }
        for (edit, run) in EDITS.iter().zip(&runs) {
            let expected = [
                ("comment".to_owned(), Said::Words("one".to_owned())),
                ("discard".to_owned(), Said::Altered),
            ];
            assert_eq!(told(&by, run).await, expected, "{edit}");
        }
    })
    .await;
}
