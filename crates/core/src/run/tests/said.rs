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
    // Words that were said beside something else of this run, with the leaf that commits to them.
    "UPDATE ledger_leaf SET (detail, body) = (SELECT detail, body FROM ledger_leaf WHERE seq IN (
        SELECT leaf FROM run_event WHERE run = '$' AND event = 'comment'))
        WHERE seq IN (SELECT leaf FROM run_event WHERE run = '$' AND event = 'discard')",
];

/// Where the words go, and the leaf is made to commit to none.
const TAKEN: &str = "UPDATE ledger_leaf SET detail = NULL, body = '$BODY' WHERE seq = $LEAF";
/// Where the hash of such a leaf is made to be that of its text.
const HASHED: &str = "UPDATE ledger_leaf SET hash = $HASH WHERE seq = $LEAF";
/// Where a leaf of the end of the ledger goes.
const REMOVED: &str =
    "DELETE FROM ledger_leaf WHERE seq IN (SELECT max(leaf) FROM run_event WHERE run = '$')";

/// A run about which something was said, which then was discarded with a word.
async fn said_of(bench: &Bench<'_>) -> RunId {
    let by = bench.world.ask();
    let run = bench.start(Kind::PlanAndApply).await;
    act::comment(&by, &run, "one".to_owned()).await.unwrap();
    let words = Some("two".to_owned());
    act::discard(&by, &run, words).await.unwrap();
    run
}

/// The newest leaf of the house, and its text without what it commits to beside it.
async fn bared(ctx: &Ctx) -> (u64, String) {
    let mut rows = crate::door::look(ctx.house()).await.unwrap();
    let leaves = crate::ledger::sql::bodies(&mut rows.transaction, 0, u64::MAX >> 1);
    let (leaf, body) = leaves.await.unwrap().pop().unwrap();
    rows.transaction.rollback().await;
    let start = body.find("\"detail\":\"").unwrap();
    let length = "\"detail\":\"\",".len() + 64;
    let bare = format!("{}{}", &body[..start], &body[start + length..]);
    let read = statehouse_ledger::leaf::Leaf::parse(bare.as_bytes()).unwrap();
    assert_eq!(read.facts.text("detail"), None);
    (leaf, bare)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_the_leaf_is_made_not_to_commit_to_are_told_to_be_altered() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let by = world.ask();
        let whole = [("comment", "one"), ("discard", "two")]
            .map(|(event, said)| (event.to_owned(), Said::Words(said.to_owned())));
        let untold = ["comment", "discard"].map(|event| (event.to_owned(), Said::Altered));
        let [first, second] = [said_of(&bench).await, said_of(&bench).await];
        let (leaf, bare) = bared(&by).await;
        let with = |sql: &str| {
            let hash = hex::encode(statehouse_ledger::tree::leaf_hash(bare.as_bytes()));
            let hash = if world.cluster.is_none() {
                format!("x'{hash}'")
            } else {
                format!("'\\x{hash}'")
            };
            let sql = sql.replace("$BODY", &bare.replace('\'', "''"));
            sql.replace("$LEAF", &leaf.to_string())
                .replace("$HASH", &hash)
        };
        assert_eq!(told(&by, &second).await, whole);
        world.tamper(&with(TAKEN)).await;
        assert_eq!(told(&by, &first).await, whole);
        let [said, _] = whole.clone();
        let [_, gone] = untold.clone();
        assert_eq!(told(&by, &second).await, [said, gone]);
        // Then nothing at the end of the ledger can be told from what somebody put there.
        world.tamper(&with(HASHED)).await;
        for run in [&first, &second] {
            assert_eq!(told(&by, run).await, untold);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_told_to_be_altered_where_a_leaf_is_gone() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = said_of(&bench).await;
        world.tamper(&REMOVED.replace('$', run.as_str())).await;
        let untold = ["comment", "discard"].map(|event| (event.to_owned(), Said::Altered));
        assert_eq!(told(&world.ask(), &run).await, untold);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_says_more_of_one_run_than_is_kept_and_it_still_can_be_ended() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let by = world.ask();
        let run = bench.start(Kind::PlanAndApply).await;
        for _ in 0..20 {
            act::comment(&by, &run, "again".to_owned()).await.unwrap();
        }
        let refused = act::comment(&by, &run, "again".to_owned()).await;
        assert_eq!(kind(refused), Trouble::Conflict);
        let words = Some("enough".to_owned());
        act::discard(&by, &run, words).await.unwrap();
        assert_eq!(told(&by, &run).await.len(), 21);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_were_altered_are_told_to_be() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let by = world.ask();
        let mut runs = Vec::new();
        for _ in EDITS {
            runs.push(said_of(&bench).await);
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
