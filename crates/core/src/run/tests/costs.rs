//! What a plan costs: estimated once, shown, bound, and made again from what it names.

use statehouse_model::Role;

use super::*;
use crate::cost::replay::Instead;
use crate::cost::seen::Standing;
use crate::cost::{self, Kind as Input, history, replay};
use crate::error::Kind as Trouble;
use crate::testing::for_each_engine_estimating;

async fn set(
    ctx: Ctx,
    scope: Scope,
    named: (Input, String),
    bytes: Bytes,
) -> Result<cost::InputView> {
    cost::set(&ctx, scope, named, bytes).await
}

async fn say(world: &World, scope: Scope, kind: Input, text: &str) {
    let named = (kind, format!("{}.txt", kind.as_str()));
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    set(world.ask(), scope, named, bytes).await.unwrap();
}

/// What a plan costs from now on.
async fn costs(world: &World, text: &str) {
    say(world, Scope::Organization, Input::Overlay, text).await;
}

async fn estimate(world: &World, run: &RunId) -> cost::seen::Seen {
    cost::seen::of_run(&world.ask(), run)
        .await
        .unwrap()
        .unwrap()
}

/// Whole units by currency, as a run shows them.
async fn shown(bench: &Bench<'_>, run: &RunId) -> Vec<(String, i64)> {
    let Standing::Made(short) = bench.see(run).await.cost else {
        panic!("there is no estimate");
    };
    let totals = short.totals.into_iter();
    totals
        .map(|(currency, micro)| (currency, micro.after / 1_000_000))
        .collect()
}

fn scope_of(bench: &Bench<'_>) -> Scope {
    let Workspace::Id(id) = &bench.workspace else {
        panic!("a bench knows its workspace by its id");
    };
    Scope::Workspace(id.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_is_shown_bound_and_holds_until_the_apply() {
    for_each_engine_estimating(async |world| {
        costs(&world, "EUR 3\nUSD 7").await;
        let bench = Bench::new(&world, "web").await;
        let started = bench.start(Kind::PlanAndApply).await;
        assert_eq!(bench.see(&started).await.cost, Standing::Awaited);
        let line = bench.line(&started).await;
        bench.planned(&line).await;
        bench.round().await;
        let both = vec![("EUR".to_owned(), 3), ("USD".to_owned(), 7)];
        assert_eq!(shown(&bench, &started).await, both);
        let seen = estimate(&world, &started).await;
        assert_eq!(hex::encode(sha256(&seen.text)), seen.short.digest);
        // Two currencies are never added: there is nothing to judge.
        assert!(!seen.short.complete);
        assert!(seen.estimate.missing().unwrap().contains("EUR and USD"));

        // Prices are others by now; what was approved is not.
        costs(&world, "USD 900").await;
        act::confirm(&world.ask(), &started, None).await.unwrap();
        let line = bench.line(&started).await;
        let begun = line.begin(found(&line)).await.unwrap();
        let Begun::Verified(words) = begun else {
            panic!("it does not apply: {begun:?}");
        };
        let of = "the estimate is 3000000 millionths of a EUR a month (+3000000) and 7000000 millionths of a USD";
        assert!(words.iter().any(|each| each.contains(of)), "{words:?}");
        line.done(Ended::Applied).await.unwrap();
        assert_eq!(shown(&bench, &started).await, both);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_prices_change_the_next_estimate_and_both_are_made_again() {
    for_each_engine_estimating(async |world| {
        let bench = Bench::new(&world, "web").await;
        let first = bench.offered(Kind::PlanAndApply).await;
        assert_eq!(shown(&bench, &first).await, [("USD".to_owned(), 1)]);
        act::discard(&world.ask(), &first, None).await.unwrap();
        costs(&world, "USD 5").await;
        say(&world, Scope::Organization, Input::Usage, "wide").await;
        say(&world, scope_of(&bench), Input::Usage, "near").await;
        world.pass_days(3);
        let second = bench.offered(Kind::PlanAndApply).await;
        assert_eq!(shown(&bench, &second).await, [("USD".to_owned(), 5)]);
        let used = estimate(&world, &second).await.estimate.inputs;
        let kinds: Vec<&str> = used.iter().map(|each| each.kind.as_str()).collect();
        assert_eq!(kinds, ["book", "mapping", "overlay", "usage", "usage"]);
        assert_eq!(
            used[3].digest,
            hex::encode(sha256(b"wide")),
            "the nearer lies over it"
        );

        world.pass_days(30);
        for run in [&first, &second] {
            let again = replay::again(&world.ask(), run).await.unwrap();
            assert_eq!((again.why, &again.made), (None, &again.kept), "{run}");
            assert_eq!(again.kept, estimate(&world, run).await.short.digest);
        }
        let scope = scope_of(&bench);
        let past = history::history(&world.ask(), scope.clone(), (0, None))
            .await
            .unwrap();
        let runs: Vec<&RunId> = past.points.iter().map(|each| &each.run).collect();
        assert_eq!(runs, [&first, &second]);
        let later = past.points[1].cost.created_at;
        let later = history::history(&world.ask(), Scope::Organization, (later, None)).await;
        assert_eq!(later.unwrap().points.len(), 1);

        let instead = Instead {
            overlay: Some(Bytes::from_static(b"USD 20")),
            region: Some("eu-west-1".to_owned()),
            ..Instead::default()
        };
        let asked = world.ask();
        let page = replay::replay(&asked, scope, instead, (0, None))
            .await
            .unwrap();
        let amounts = page.plans.iter().map(|each| {
            (
                each.before.totals["USD"].after,
                each.after.totals["USD"].micro.after,
            )
        });
        let expected = [(1_000_000, 40_000_000), (5_000_000, 40_000_000)];
        assert_eq!(amounts.collect::<Vec<_>>(), expected);
        let leaves = world.evidence().await.of(asked.request()).len();
        assert_eq!(leaves, 2, "that two plans were read is in the ledger");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_cannot_be_estimated_goes_on_and_says_why() {
    for_each_engine_estimating(async |world| {
        costs(&world, "die").await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        bench.is(&run, Status::AwaitingApproval).await;
        let seen = estimate(&world, &run).await;
        assert!(!seen.short.complete && seen.short.totals.is_empty());
        let why = seen.estimate.missing().unwrap();
        assert!(why.contains("signal 11"), "{why}");
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        let begun = line.begin(found(&line)).await.unwrap();
        let said = |word: &String| word.contains("the estimate is of no amount");
        assert!(matches!(&begun, Begun::Verified(words) if words.iter().any(said)));
        line.done(Ended::Applied).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_came_to_is_asked_again_and_never_kept_as_what_a_plan_costs() {
    for_each_engine_estimating(async |world| {
        costs(&world, "late once").await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        assert_eq!(shown(&bench, &run).await, [("USD".to_owned(), 4)]);
        // Where nobody ever comes to it, the run goes on and says just that.
        costs(&world, "late").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        bench.is(&run, Status::AwaitingApproval).await;
        let seen = estimate(&world, &run).await;
        assert!(seen.estimate.unanswered && !seen.short.complete);
        assert!(seen.short.totals.is_empty());
        let why = seen.estimate.missing().unwrap();
        assert!(why.contains("nobody answered"), "{why}");
        let again = replay::again(&world.ask(), &run).await;
        assert_eq!(kind(again), Trouble::Unavailable);
        // What a plan itself does is not that.
        act::discard(&world.ask(), &run, None).await.unwrap();
        costs(&world, "die").await;
        let run = bench.offered(Kind::PlanOnly).await;
        assert!(!estimate(&world, &run).await.estimate.unanswered);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimating_is_switched_off_where_the_nearest_scope_says_so() {
    for_each_engine_estimating(async |world| {
        let bench = Bench::new(&world, "web").await;
        let made = async |bench: &Bench<'_>| {
            let run = bench.offered(Kind::PlanAndApply).await;
            let cost = bench.see(&run).await.cost;
            act::discard(&world.ask(), &run, None).await.unwrap();
            matches!(cost, Standing::Made(_))
        };
        let switch = async |scope: Scope, on: Option<bool>| {
            cost::switch(&world.ask(), scope, on).await.unwrap();
        };
        switch(Scope::Organization, Some(false)).await;
        assert!(!made(&bench).await);
        switch(scope_of(&bench), Some(true)).await;
        assert!(made(&bench).await);
        switch(scope_of(&bench), None).await;
        assert!(!made(&bench).await);
        switch(Scope::Organization, None).await;
        assert!(made(&bench).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_what_plans_are_estimated_says_who_may() {
    for_each_engine_estimating(async |world| {
        let named = |kind: Input| (kind, "one.csv".to_owned());
        let (writer, _) = world.member(Role::Writer).await;
        let text = Bytes::from_static(b"USD 2");
        let scope = Scope::Organization;
        let refused = set(
            world.by(&writer),
            scope.clone(),
            named(Input::Overlay),
            text.clone(),
        );
        assert_eq!(kind(refused.await), Trouble::Denied);
        let off = cost::switch(&world.by(&writer), scope.clone(), Some(false)).await;
        assert_eq!(kind(off), Trouble::Denied);
        let wrong = set(
            world.ask(),
            scope.clone(),
            named(Input::Overlay),
            "bad".into(),
        );
        let wrong = wrong.await.unwrap_err();
        assert_eq!(*wrong.kind(), Trouble::Invalid);
        assert!(
            wrong.message().starts_with("one.csv:1:"),
            "{}",
            wrong.message()
        );
        let bench = Bench::new(&world, "web").await;
        let near = set(
            world.ask(),
            scope_of(&bench),
            named(Input::Overlay),
            text.clone(),
        );
        assert_eq!(
            kind(near.await),
            Trouble::Invalid,
            "prices are the organization's"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_word_that_plans_are_estimated_by_is_kept() {
    for_each_engine_estimating(async |world| {
        let named = |kind: Input| (kind, "one.csv".to_owned());
        let text = Bytes::from_static(b"USD 2");
        let scope = Scope::Organization;
        let bench = Bench::new(&world, "web").await;
        let asked = world.ask();
        let first = cost::set(&asked, scope.clone(), named(Input::Overlay), text.clone());
        let first = first.await.unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["action"], "cost.set");
        assert_eq!(leaf["facts"]["digest"], first.digest);
        assert_eq!(leaf["facts"]["number"], 1);
        // The same again changes nothing; the same content later is the same input.
        let asked = world.ask();
        cost::set(&asked, scope.clone(), named(Input::Overlay), text.clone())
            .await
            .unwrap();
        assert!(world.evidence().await.of(asked.request()).is_empty());
        costs(&world, "USD 3").await;
        cost::unset(&world.ask(), scope.clone(), Input::Overlay)
            .await
            .unwrap();
        let back = set(
            world.ask(),
            scope.clone(),
            named(Input::Overlay),
            text.clone(),
        );
        assert_eq!(back.await.unwrap().id, first.id);
        let all = cost::versions(&world.ask(), scope.clone(), Input::Overlay)
            .await
            .unwrap();
        let all: Vec<_> = all
            .iter()
            .map(|each| (each.number, each.input.is_some()))
            .collect();
        assert_eq!(all, [(4, true), (3, false), (2, true), (1, true)]);
        let of = async |digest: Option<String>| {
            let asked = world.ask();
            let found = cost::content(&asked, scope.clone(), Input::Overlay, digest).await;
            found.unwrap()
        };
        assert_eq!(of(None).await, text);
        assert_eq!(
            of(Some(hex::encode(sha256(b"USD 3")))).await,
            Bytes::from_static(b"USD 3")
        );
        let shown = cost::show(&world.ask(), scope_of(&bench)).await.unwrap();
        assert!(shown.estimation && shown.inputs.len() == 1);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{:?}", report.differences);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_that_was_altered_is_never_applied() {
    for_each_engine_estimating(async |world| {
        for (number, sql) in [
            "DELETE FROM cost_estimate",
            "UPDATE cost_estimate SET totals = '{}'",
            "DELETE FROM run_file WHERE kind = 'estimate'",
        ]
        .into_iter()
        .enumerate()
        {
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            world.tamper(sql).await;
            let begun = line.begin(found(&line)).await.unwrap();
            assert!(matches!(begun, Begun::Refused { .. }), "{sql}: {begun:?}");
            bench.is(&run, Status::StateTampered).await;
        }
    })
    .await;
}
