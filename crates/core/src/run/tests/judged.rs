//! What policies say of a plan decides how it goes on, and holds until it is applied.

use statehouse_capsule::{Decision, Outcome as Bound};
use statehouse_model::{PolicySetId, Role};

use super::*;
use crate::policy::judge::Outcome;
use crate::policy::{self, Enforcement, overrule, publish};
use crate::reach;
use crate::run::waits::{Awaited, Deed, Naming};
use crate::testing::judge::{says, turns};

/// A set that reaches the whole organization, with this bundle.
pub(super) async fn set(world: &World, text: &str, bundle: Bytes) -> PolicySetId {
    let wish = policy::Wish {
        name: Some(text.to_owned()),
        reach: reach::Wish::global(true),
        ..policy::Wish::default()
    };
    let made = policy::create(&world.ask(), wish).await.unwrap();
    let id: PolicySetId = made.id.parse().unwrap();
    publish::publish(&world.ask(), &id, bundle).await.unwrap();
    id
}

async fn change(world: &World, id: &PolicySetId, wish: policy::Wish) {
    policy::update(&world.ask(), id, wish).await.unwrap();
}

/// The same set with its parameter `says`.
fn speaks(word: &str) -> policy::Wish {
    let parameters = [("says".to_owned(), serde_json::Value::from(word))];
    policy::Wish {
        parameters: Some(parameters.into_iter().collect()),
        ..policy::Wish::default()
    }
}

async fn overrule(world: &World, who: &UserId, run: &RunId) -> Result<()> {
    overrule::overrule(&world.by(who), run, "it is an emergency".to_owned(), None).await
}

/// What the capsule of a run binds of policies.
async fn bound(bench: &Bench<'_>, run: &RunId) -> Vec<Bound> {
    let (run, house) = (run.clone(), bench.world.house.clone());
    let target = Target::Workspace(bench.workspace.clone());
    let signed = door::read(
        &task(&bench.world.house),
        work::ReadJob,
        &target,
        move |rows| {
            Box::pin(async move {
                let run = needed(rows, &run).await?;
                capsule::read(rows, &house, &run).await
            })
        },
    )
    .await
    .unwrap();
    let assessment = &signed.capsule().terms().assessment;
    assessment
        .verdicts
        .iter()
        .map(|each| each.outcome)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_goes_on_as_the_strictest_of_its_policies_says() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("passed")).await;
        set(&world, "other", says("passed")).await;
        for (number, (word, status)) in [
            ("passed", Status::PlannedAndSaved),
            ("advised", Status::PlannedAndSaved),
            ("soft-failed", Status::PolicyFailed),
            ("hard-failed", Status::Errored),
            ("error", Status::Errored),
        ]
        .into_iter()
        .enumerate()
        {
            change(&world, &id, speaks(word)).await;
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let run = bench.offered(Kind::PlanAndApply).await;
            let status = match status {
                Status::PlannedAndSaved => Status::AwaitingApproval,
                status => status,
            };
            bench.is(&run, status).await;
            let told = overrule::verdicts(&world.ask(), &run)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(told.sets.len(), 2);
            let expected = match word {
                "error" => Outcome::HardFailed,
                word => serde_json::from_value(word.into()).unwrap(),
            };
            assert_eq!(told.outcome(), expected);
            if status == Status::PolicyFailed {
                assert_eq!(bench.see(&run).await.reason, "policies");
                act::discard(&world.ask(), &run, None).await.unwrap();
            } else if status == Status::Errored {
                let seen = bench.see(&run).await;
                assert_eq!(seen.reason, "policies");
                assert!(!seen.state.holds_lock());
            } else {
                assert_eq!(bound(&bench, &run).await.len(), 2);
                act::confirm(&world.ask(), &run, None).await.unwrap();
                let line = bench.line(&run).await;
                let begun = line.begin(found(&line)).await.unwrap();
                let said = |word: &String| word.contains("the policies in force say");
                let is_said = matches!(&begun, Begun::Verified(words) if words.iter().any(said));
                assert!(is_said, "{begun:?}");
                line.done(Ended::Applied).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_judges_where_it_reaches_and_nowhere_else() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("soft-failed")).await;
        let judges = async |text: &str| {
            let bench = Bench::new(&world, text).await;
            let run = bench.offered(Kind::PlanAndApply).await;
            let judged = bench.see(&run).await.state.status() == Status::PolicyFailed;
            act::discard(&world.ask(), &run, None).await.unwrap();
            judged
        };
        assert!(judges("everywhere").await);
        let nowhere = policy::Wish {
            reach: reach::Wish::global(false),
            ..policy::Wish::default()
        };
        change(&world, &id, nowhere).await;
        assert!(!judges("nowhere").await);
        let there = Bench::new(&world, "there").await;
        let there: statehouse_model::WorkspaceId = there.workspace.to_string().parse().unwrap();
        policy::attach(&world.ask(), &id, vec![reach::To::Workspace(there.clone())])
            .await
            .unwrap();
        assert!(!judges("beside").await);
        let tagged = policy::Wish {
            tags: Some(vec!["env=prod".to_owned()]),
            ..policy::Wish::default()
        };
        change(&world, &id, tagged).await;
        for (text, value, expected) in [("prod", "prod", true), ("test", "test", false)] {
            let bench = Bench::new(&world, text).await;
            let tag = workspace::WishedTag {
                key: "env".to_owned(),
                value: value.to_owned(),
            };
            workspace::add_tags(&world.ask(), &bench.workspace, vec![tag])
                .await
                .unwrap();
            let run = bench.offered(Kind::PlanAndApply).await;
            let judged = bench.see(&run).await.state.status() == Status::PolicyFailed;
            assert_eq!(judged, expected, "{text}");
        }
        let all_but = policy::Wish {
            reach: reach::Wish::global(true),
            excluded: Some(vec![there.clone()]),
            ..policy::Wish::default()
        };
        change(&world, &id, all_but).await;
        let shown = policy::of_workspace(&world.ask(), &Workspace::Id(there))
            .await
            .unwrap();
        assert!(shown.is_empty());
        assert!(judges("all").await);
        policy::remove(&world.ask(), &id).await.unwrap();
        assert!(!judges("gone").await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_let_pass_any_more_is_told_to_wait_for_another_run() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("soft-failed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        let of = async || {
            let shown = show_naming(&world.ask(), &run, Naming::People).await;
            shown.unwrap().waits.map(|waits| waits.of)
        };
        let told = of().await.unwrap();
        let [Awaited::Person(Deed::Override, _)] = told.as_slice() else {
            panic!("{told:?}");
        };
        change(&world, &id, speaks("advised")).await;
        assert_eq!(of().await, Some(vec![Awaited::Another]));
        let said = overrule(&world, &world.owner, &run).await;
        assert_eq!(kind(said), Trouble::Conflict);
        // Where what they said does not read nothing is told, as the act does nothing.
        change(&world, &id, speaks("soft-failed")).await;
        let run_of = run.as_str();
        let sql =
            format!("UPDATE run_file SET size = 1 WHERE run = '{run_of}' AND kind = 'verdicts'");
        world.tamper(&sql).await;
        assert_eq!(of().await, None);
        let said = overrule(&world, &world.owner, &run).await;
        assert_eq!(kind(said), Trouble::Tampered);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soft_mandatory_verdict_is_let_pass_by_who_may_and_with_a_reason() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("soft-failed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        let (writer, _) = world.member(Role::Writer).await;
        let (maintainer, _) = world.member(Role::Maintainer).await;
        assert_eq!(kind(overrule(&world, &writer, &run).await), Trouble::Denied);
        for reason in ["", "  ", &"long".repeat(2000)] {
            let said =
                overrule::overrule(&world.by(&maintainer), &run, reason.to_owned(), None).await;
            assert_eq!(kind(said), Trouble::Invalid);
        }
        // Nothing else lets it go on.
        assert_eq!(
            kind(act::confirm(&world.ask(), &run, None).await),
            Trouble::Conflict
        );
        bench.is(&run, Status::PolicyFailed).await;
        overrule(&world, &maintainer, &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        assert_eq!(bound(&bench, &run).await, [Bound::Overridden]);
        assert_eq!(
            kind(overrule(&world, &maintainer, &run).await),
            Trouble::Conflict
        );
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.done(Ended::Applied).await.unwrap();

        // What is forbidden hard nobody lets pass.
        change(&world, &id, speaks("hard-failed")).await;
        let run = bench.offered(Kind::PlanAndApply).await;
        assert_eq!(
            kind(overrule(&world, &maintainer, &run).await),
            Trouble::Conflict
        );
        bench.is(&run, Status::Errored).await;

        // Where others must agree, nobody lets their own pass.
        change(&world, &id, speaks("soft-failed")).await;
        bench.require(1).await;
        let run = bench.offered_by(&maintainer, Kind::PlanAndApply).await;
        assert_eq!(
            kind(overrule(&world, &maintainer, &run).await),
            Trouble::Denied
        );
        // The owner uploaded what it plans.
        let of_owner = overrule(&world, &world.owner, &run).await;
        assert_eq!(kind(of_owner), Trouble::Denied);
        let (other, _) = world.member(Role::Maintainer).await;
        overrule(&world, &other, &run).await.unwrap();
        act::confirm(&world.ask(), &run, None).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        let seen = bench.see(&run).await.state.capsule().unwrap();
        act::decide(&world.by(&other), &run, Decision::Approve, seen, None)
            .await
            .unwrap();
        bench.is(&run, Status::Approved).await;
    })
    .await;
}

/// What happens after a plan was agreed on that policies judged.
enum Meanwhile {
    /// Another bundle is in force.
    Published,
    /// A parameter is another.
    Parameters,
    /// The set is meant less strictly.
    Softened,
    /// Another set is in force, too.
    More,
    /// No set is in force any more.
    Removed,
    /// The set says something else than it said.
    Turned,
    /// Nobody answers for it any more.
    Silent,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_that_changed_since_it_was_judged_stop_an_apply_and_say_so() {
    for_each_engine(async |world| {
        for (number, (meanwhile, names)) in [
            (Meanwhile::Published, "policies"),
            (Meanwhile::Parameters, "policies"),
            (Meanwhile::Softened, "policies"),
            (Meanwhile::More, "policies"),
            (Meanwhile::Removed, "policies"),
            (Meanwhile::Turned, "verdict-failed,verdicts"),
            (Meanwhile::Silent, "verdict-failed,verdicts"),
        ]
        .into_iter()
        .enumerate()
        {
            let bundle = match meanwhile {
                Meanwhile::Turned => turns("passed", "hard-failed"),
                Meanwhile::Silent => turns("passed", "error"),
                _ => says("passed"),
            };
            let id = set(&world, &format!("set-{number}"), bundle).await;
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            match meanwhile {
                Meanwhile::Published => {
                    publish::publish(&world.ask(), &id, says("advised"))
                        .await
                        .unwrap();
                }
                Meanwhile::Parameters => change(&world, &id, speaks("passed")).await,
                Meanwhile::Softened => {
                    let wish = policy::Wish {
                        enforcement: Some(Enforcement::Advisory),
                        ..policy::Wish::default()
                    };
                    change(&world, &id, wish).await;
                }
                Meanwhile::More => {
                    let more = set(&world, "more", says("passed")).await;
                    bench.refused(&run, &line, Status::Stale, names).await;
                    policy::remove(&world.ask(), &more).await.unwrap();
                    policy::remove(&world.ask(), &id).await.unwrap();
                    continue;
                }
                Meanwhile::Removed => policy::remove(&world.ask(), &id).await.unwrap(),
                Meanwhile::Turned | Meanwhile::Silent => {}
            }
            // What is forbidden is no older plan: it says what to change.
            let status = match meanwhile {
                Meanwhile::Turned | Meanwhile::Silent => Status::Errored,
                _ => Status::Stale,
            };
            bench.refused(&run, &line, status, names).await;
            if !matches!(meanwhile, Meanwhile::Removed) {
                policy::remove(&world.ask(), &id).await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_override_ends_with_its_words_its_time_and_the_right_of_who_gave_it() {
    for_each_engine(async |world| {
        for (number, what) in ["words", "time", "right"].into_iter().enumerate() {
            let bundle = match what {
                "words" => turns("soft-failed", "hard-failed"),
                _ => says("soft-failed"),
            };
            let id = set(&world, &format!("set-{number}"), bundle).await;
            let bench = Bench::new(&world, &format!("web-{number}")).await;
            let run = bench.offered(Kind::PlanAndApply).await;
            let (who, grant) = world.member(Role::Maintainer).await;
            let reason = "it is an emergency".to_owned();
            overrule::overrule(&world.by(&who), &run, reason, Some(1))
                .await
                .unwrap();
            act::confirm(&world.ask(), &run, None).await.unwrap();
            match what {
                "time" => world.pass_minutes(61),
                "right" => {
                    let grant = grant.id.parse().unwrap();
                    crate::access::take(&world.ask(), grant).await.unwrap();
                }
                _ => {}
            }
            let line = bench.line(&run).await;
            bench
                .refused(&run, &line, Status::Errored, "verdict-failed,verdicts")
                .await;
            policy::remove(&world.ask(), &id).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_takes_their_workspace_out_of_what_it_is_judged_by() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("hard-failed")).await;
        let tagged = policy::Wish {
            reach: reach::Wish::global(false),
            tags: Some(vec!["env=prod".to_owned()]),
            ..policy::Wish::default()
        };
        change(&world, &id, tagged).await;
        let web = world.workspace("web").await;
        let tag = |value: &str| {
            vec![workspace::WishedTag {
                key: "env".to_owned(),
                value: value.to_owned(),
            }]
        };
        let (writer, _) = world.member(Role::Writer).await;
        let by_writer = world.by(&writer);
        // Whoever may tag puts it in.
        workspace::add_tags(&by_writer, &web, tag("prod"))
            .await
            .unwrap();
        let other = workspace::add_tags(&by_writer, &web, tag("dev")).await;
        assert_eq!(kind(other), Trouble::Denied);
        let gone = workspace::remove_tags(&by_writer, &web, vec!["env".to_owned()]).await;
        assert_eq!(kind(gone), Trouble::Denied);
        assert_eq!(
            policy::of_workspace(&by_writer, &web).await.unwrap().len(),
            1
        );
        // Nor by the other way to tag, with whatever else of it is changed.
        let otherwise = workspace::Change {
            tags: tag("dev"),
            ..workspace::Change::default()
        };
        let changed = workspace::update(&by_writer, &web, otherwise).await;
        assert_eq!(kind(changed), Trouble::Denied);
        assert_eq!(
            policy::of_workspace(&by_writer, &web).await.unwrap().len(),
            1
        );
        let (maintainer, _) = world.member(Role::Maintainer).await;
        workspace::remove_tags(&world.by(&maintainer), &web, vec!["env".to_owned()])
            .await
            .unwrap();
        assert!(
            policy::of_workspace(&by_writer, &web)
                .await
                .unwrap()
                .is_empty()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_policies_hold_up_is_over_when_nobody_looks_at_it_for_a_week() {
    for_each_engine(async |world| {
        set(&world, "one", says("soft-failed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        world.pass_days(6);
        bench.round().await;
        bench.is(&run, Status::PolicyFailed).await;
        world.pass_days(2);
        bench.round().await;
        bench.is(&run, Status::Stale).await;
        assert_eq!(bench.lock().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_could_ask_is_no_verdict_and_lets_nothing_pass() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("late")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.see(&run).await.reason, "unjudged");
        let said = overrule::verdicts(&world.ask(), &run).await;
        assert!(
            said.unwrap().is_none(),
            "nothing is kept as if it were said"
        );
        // Before the apply it is not applied, and the runner may ask again.
        change(&world, &id, speaks("passed")).await;
        let silent = turns("passed", "late");
        publish::publish(&world.ask(), &id, silent).await.unwrap();
        let none = policy::Wish {
            parameters: Some(serde_json::Map::new()),
            ..policy::Wish::default()
        };
        change(&world, &id, none).await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        let begun = line.begin(found(&line)).await;
        assert_eq!(kind(begun), Trouble::Unavailable);
        assert_ne!(bench.see(&run).await.state.status(), Status::Applying);
        // It asks again for a while, and then it holds its workspace no more.
        for _ in 0..31 {
            world.pass_seconds(60);
            line.beat().await.unwrap();
        }
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Refused { .. }), "{begun:?}");
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.see(&run).await.reason, "unjudged");
        assert_eq!(bench.lock().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_says_what_a_bundle_would_have_said_and_changes_nothing() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("passed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanAndApply).await;
        let ask = async |who: &UserId| {
            let other = says("hard-failed");
            let all = policy::replay::Stretch::default();
            policy::replay::replay(&world.by(who), &id, other, all).await
        };
        let page = ask(&world.owner).await.unwrap();
        assert_eq!(
            (page.plans.len(), page.passed_over, page.next),
            (1, 0, None)
        );
        let found = &page.plans[0];
        assert_eq!(found.run, run);
        assert_eq!(found.before, Some(Outcome::Passed));
        assert_eq!(found.after, Outcome::HardFailed);
        assert_eq!(found.hits, ["only"]);
        bench.is(&run, Status::AwaitingApproval).await;
        let (writer, _) = world.member(Role::Writer).await;
        assert_eq!(kind(ask(&writer).await), Trouble::Denied);
    })
    .await;
}

fn asks_for(hours: u64) -> policy::Wish {
    policy::Wish {
        replay_hours: Some(hours),
        ..policy::Wish::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_asks_for_replays_takes_no_other_bundle_into_force() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("passed")).await;
        let bench = Bench::new(&world, "web").await;
        // More plans than a page has.
        for _ in 0..21 {
            let run = bench.offered(Kind::PlanOnly).await;
            bench.is(&run, Status::PlannedAndFinished).await;
        }
        change(&world, &id, asks_for(24)).await;
        let other = || says("hard-failed");
        let publish = async || publish::publish(&world.ask(), &id, other()).await;
        let replay = async |since: i64, after: Option<RunId>, keep: bool| {
            let mut of = policy::replay::Stretch::default();
            (of.since, of.after, of.keep) = (since, after, keep);
            policy::replay::replay(&world.ask(), &id, other(), of).await
        };
        assert_eq!(kind(publish().await), Trouble::Conflict);
        // What is looked at only is not kept, and half of it is not enough.
        replay(0, None, false).await.unwrap();
        assert_eq!(kind(publish().await), Trouble::Conflict);
        let first = replay(0, None, true).await.unwrap();
        assert_eq!(kind(publish().await), Trouble::Conflict);
        assert_eq!(
            kind(replay(1, first.next.clone(), true).await),
            Trouble::Conflict
        );
        let last = replay(0, first.next.clone(), true).await.unwrap();
        assert_eq!(last.next, None);
        assert_eq!(kind(replay(0, first.next, true).await), Trouble::Conflict);
        // It is of that bundle, of the set as it was, and of a day.
        let third = publish::publish(&world.ask(), &id, says("advised")).await;
        assert_eq!(kind(third), Trouble::Conflict);
        let otherwise = async |after: Option<RunId>| {
            let mut of = policy::replay::Stretch::default();
            (of.after, of.keep) = (after, true);
            of.with.parameters = speaks("passed").parameters;
            let page = policy::replay::replay(&world.ask(), &id, other(), of).await;
            page.unwrap()
        };
        let first = otherwise(None).await;
        assert_eq!(otherwise(first.next).await.next, None);
        assert_eq!(kind(publish().await), Trouble::Conflict);
        let first = replay(0, None, true).await.unwrap();
        replay(0, first.next, true).await.unwrap();
        world.pass_days(2);
        assert_eq!(kind(publish().await), Trouble::Conflict);
        // One that does not go back far enough is none.
        let now = world.house.now();
        let page = replay(now - 3600 * 1_000_000, None, true).await.unwrap();
        assert_eq!((page.plans.len(), page.next), (0, None));
        assert_eq!(kind(publish().await), Trouble::Conflict);
        let first = replay(0, None, true).await.unwrap();
        replay(0, first.next, true).await.unwrap();
        let asked = world.ask();
        publish::publish(&asked, &id, other()).await.unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["replay-plans"], 21);
        assert_eq!(leaf["facts"]["replay-newly-blocked"], 21);
        assert_eq!(leaf["facts"]["replay-newly-allowed"], 0);
        // Who may not change the set takes nothing away.
        let (writer, _) = world.member(Role::Writer).await;
        let changed = policy::update(&world.by(&writer), &id, asks_for(0)).await;
        assert_eq!(kind(changed), Trouble::Denied);
        change(&world, &id, asks_for(0)).await;
        publish::publish(&world.ask(), &id, says("advised"))
            .await
            .unwrap();
    })
    .await;
}
