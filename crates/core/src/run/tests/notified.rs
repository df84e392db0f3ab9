//! Who elsewhere is told what becomes of runs: in order, at least once, and never of what is not theirs.

use std::cell::Cell;
use std::sync::Arc;

use statehouse_model::NotificationId;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::*;
use crate::fault::Point;
use crate::ledger::verify_live;
use crate::notification::turn as telling;
use crate::notification::{self, NotificationView, Trigger, Trouble as NoAnswer, Wish as Wished};
use crate::testing::faults::Script;
use crate::testing::judge::of_states;
use crate::testing::post::Sent;
use crate::testing::until;

mod altered;

const HOOK: &str = "https://hooks.example.com/a";
const OTHER_HOOK: &str = "https://hooks.example.com/b";

fn token(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

async fn wished(
    bench: &Bench<'_>,
    url: &str,
    triggers: &[Trigger],
) -> crate::Result<NotificationView> {
    let wish = Wished {
        name: Some("ops".to_owned()),
        url: Some(url.to_owned()),
        token: Some(token("correct-horse")),
        triggers: Some(triggers.to_vec()),
        enabled: Some(true),
    };
    let (world, workspace) = (bench.world, &bench.workspace);
    let ctx = world.ask();
    world.core.create_notification(&ctx, workspace, wish).await
}

/// A configuration of these triggers, without the message that tried it.
async fn notified(bench: &Bench<'_>, url: &str, triggers: &[Trigger]) -> NotificationId {
    let (world, made) = (bench.world, wished(bench, url, triggers).await);
    let id = made.unwrap().id.parse().unwrap();
    assert_eq!(world.post.take().len(), 1, "it was tried");
    id
}

async fn change(world: &World, id: &NotificationId, wish: Wished) -> NotificationView {
    let changed = world.core.update_notification(&world.ask(), id, wish).await;
    changed.unwrap()
}

/// Tells everybody whatever is due now.
async fn tell(world: &World) -> Vec<Sent> {
    loop {
        let found = world.core.to_tell(&world.house).await.unwrap();
        if found.due.is_empty() {
            return world.post.take();
        }
        for id in found.due {
            let code = world.house.code();
            world.core.tell_one(code, &id).await.unwrap();
        }
    }
}

/// In how many seconds something is tried again.
async fn again_in(world: &World) -> i64 {
    let found = world.core.to_tell(&world.house).await.unwrap();
    assert!(found.due.is_empty());
    (found.next_at.unwrap() - world.house.now()) / 1_000_000
}

fn triggers(sent: &[Sent]) -> Vec<&str> {
    sent.iter().flat_map(Sent::triggers).collect()
}

async fn seen(world: &World, id: &NotificationId) -> NotificationView {
    notification::show(&world.ask(), id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_a_run_is_told_in_order_and_once() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &Trigger::ALL).await;
        let (run, line) = bench.applying().await;
        line.put_state(state("a", 1, 1, "new")).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        let sent = tell(&world).await;
        let expected = [
            "run:created",
            "run:planning",
            "run:needs_attention",
            "run:applying",
            "run:completed",
        ];
        assert_eq!(triggers(&sent), expected);
        for each in &sent {
            assert_eq!(each.url, HOOK);
            assert_eq!(each.signature.as_ref().unwrap().len(), 128);
            assert_eq!(each.body["run_id"], run.as_str());
            assert_eq!(each.body["workspace_name"], "web");
            assert_eq!(each.body["organization_name"], "acme");
            assert_eq!(each.body["run_created_by"], world.owner.as_str());
            let url = format!("https://state.example.com/app/acme/web/runs/{run}");
            assert_eq!(each.body["run_url"], url);
            assert_eq!(each.body["delivery_id"], each.delivery.as_str());
            assert!(each.body["sent_at"].is_string());
        }
        let ids: BTreeSet<&str> = sent.iter().map(|each| each.delivery.as_str()).collect();
        assert_eq!(ids.len(), sent.len());
        assert!(tell(&world).await.is_empty());
        let deliveries = seen(&world, &id).await.deliveries;
        assert_eq!(deliveries.len(), 6, "with the one that tried it");
        assert!(deliveries.iter().all(|each| each.outcome == "delivered"));
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_hears_of_its_own_workspace_and_from_when_it_was_made() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let other = Bench::new(&world, "dns").await;
        bench.start(Kind::PlanAndApply).await;
        let id = notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        other.start(Kind::PlanAndApply).await;
        bench.start(Kind::PlanOnly).await;
        assert!(tell(&world).await.is_empty());
        let own = bench.start(Kind::PlanAndApply).await;
        let sent = tell(&world).await;
        assert_eq!(triggers(&sent), ["run:created"]);
        assert_eq!(sent[0].body["run_id"], own.as_str());
        // What was not asked for when it happened is not told later.
        let wish = |triggers: &[Trigger]| Wished {
            triggers: Some(triggers.to_vec()),
            ..Wished::default()
        };
        change(&world, &id, wish(&[Trigger::Errored])).await;
        let own = bench.start(Kind::PlanAndApply).await;
        change(&world, &id, wish(&[Trigger::Created, Trigger::Errored])).await;
        assert!(tell(&world).await.is_empty());
        // What happens while it is disabled is not told later.
        let enabled = |enabled| Wished {
            enabled: Some(enabled),
            ..Wished::default()
        };
        change(&world, &id, enabled(false)).await;
        act::cancel(&world.ask(), &own, None).await.unwrap();
        assert!(tell(&world).await.is_empty());
        change(&world, &id, enabled(true)).await;
        world.post.take();
        assert!(tell(&world).await.is_empty());
        notification::remove(&world.ask(), &id).await.unwrap();
        bench.start(Kind::PlanAndApply).await;
        assert!(tell(&world).await.is_empty());
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_organization_is_told_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let made = world
            .core
            .create_organization(&world.core.machine(), name("rivals"), world.owner.clone())
            .await
            .unwrap();
        let rivals = world.core.house(made.code.parse().unwrap()).await.unwrap();
        let there = world.core.machine().enter(rivals.clone());
        let workspace = workspace::create(&there, name("web"), None).await.unwrap();
        let workspace = Workspace::Id(workspace.id.parse().unwrap());
        let wish = || Wished {
            name: Some("ops".to_owned()),
            url: Some(HOOK.to_owned()),
            triggers: Some(Trigger::ALL.to_vec()),
            enabled: Some(true),
            ..Wished::default()
        };
        let core = &world.core;
        core.create_notification(&there, &workspace, wish())
            .await
            .unwrap();
        world.post.take();
        bench.start(Kind::PlanAndApply).await;
        assert!(core.to_tell(&rivals).await.unwrap().is_empty());
        // A workspace of one organization cannot be named in the other.
        let foreign = core
            .create_notification(&there, &bench.workspace, wish())
            .await;
        assert_eq!(kind(foreign), Trouble::NotFound);
        assert!(world.post.take().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_take_it_is_told_again_later_and_in_order() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        let lost = Some(Err(NoAnswer::Slow));
        world
            .post
            .answers(HOOK, [Some(Ok(500)), lost, Some(Ok(302))]);
        let mut ids = BTreeSet::new();
        for pause in [10, 20, 40] {
            let sent = tell(&world).await;
            assert_eq!(triggers(&sent), ["run:created"]);
            ids.insert(sent[0].delivery.clone());
            let seconds = again_in(&world).await;
            assert!(
                (pause - 1..=pause + pause / 4).contains(&seconds),
                "{seconds}"
            );
            world.pass_seconds(seconds + 1);
        }
        let last = seen(&world, &id).await.deliveries[0].clone();
        assert_eq!(
            (last.outcome.as_str(), last.attempts, last.code),
            ("retrying", 3, Some(302))
        );
        let sent = tell(&world).await;
        assert_eq!(triggers(&sent), ["run:created", "run:errored"]);
        ids.insert(sent[0].delivery.clone());
        assert_eq!(ids.len(), 1, "each try has the same id");
        let deliveries = seen(&world, &id).await.deliveries;
        assert_eq!(
            (deliveries[1].outcome.as_str(), deliveries[1].attempts),
            ("delivered", 4)
        );
        assert!(world.core.to_tell(&world.house).await.unwrap().is_empty());
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_day_it_is_given_up_and_the_next_is_told() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        let mut tries = 0;
        world.post.answers(HOOK, vec![Some(Ok(503)); 100]);
        while !tell(&world).await.is_empty() {
            tries += 1;
            let found = world.core.to_tell(&world.house).await.unwrap();
            match found.next_at {
                Some(at) => world.pass_seconds((at - world.house.now()) / 1_000_000 + 1),
                None => break,
            }
        }
        assert!((12..=20).contains(&tries), "{tries} tries in a day");
        let last = seen(&world, &id).await.deliveries[0].clone();
        assert_eq!((last.outcome.as_str(), last.code), ("failed", Some(503)));
        act::cancel(&world.ask(), &run, None).await.unwrap();
        let sent = tell(&world).await;
        assert_eq!(triggers(&sent), ["run:errored"]);
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_on_its_way_at_a_stop_is_told_again_under_the_same_id() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        world.post.answers(HOOK, [None]);
        let (core, code) = (world.core.clone(), world.house.code());
        let sending = tokio::spawn(async move { core.tell_one(code, &id).await });
        until("it is on its way", || world.post.has_sent_to(HOOK)).await;
        sending.abort();
        sending.await.ok();
        let first = world.post.take();
        let world = world.stop().await.start(Script::quiet()).await;
        let again = tell(&world).await;
        assert_eq!(triggers(&again), ["run:created"]);
        assert_eq!(again[0].body["run_id"], run.as_str());
        assert_eq!(again[0].delivery, first[0].delivery);
        assert!(tell(&world).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_before_it_is_committed() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &[Trigger::Created]).await;
        let gate = world.script.hold(Point::Signed);
        let (ctx, workspace) = (world.ask(), bench.workspace.clone());
        let wish = bench.wish(Kind::PlanAndApply);
        let starting = tokio::spawn(async move { create(&ctx, &workspace, wish).await });
        let release = gate.reached().await;
        assert!(world.core.to_tell(&world.house).await.unwrap().is_empty());
        release.send(()).unwrap();
        starting.await.unwrap().unwrap();
        assert_eq!(triggers(&tell(&world).await), ["run:created"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_receiver_holds_up_nobody_else_and_a_stop_loses_nothing() {
    for_each_engine(async |world| {
        const SLOW: &str = "https://slow.example.com/";
        let bench = Bench::new(&world, "web").await;
        notified(&bench, SLOW, &[Trigger::Created]).await;
        notified(&bench, HOOK, &[Trigger::Created, Trigger::Errored]).await;
        let run = bench.start(Kind::PlanAndApply).await;
        // Nobody listened when it happened; the house is looked into when somebody does.
        world.post.answers(SLOW, [None]);
        let post = world.post.clone();
        let world = world.stop().await.start(Script::loud()).await;
        let core = Arc::clone(&world.core);
        let telling = tokio::spawn(async move { core.tell_receivers().await });
        let both = || post.has_sent_to(SLOW) && post.has_sent_to(HOOK);
        until("both are told", both).await;
        post.take();
        act::cancel(&world.ask(), &run, None).await.unwrap();
        until("the other is told on", || post.has_sent_to(HOOK)).await;
        assert!(!post.has_sent_to(SLOW));
        telling.abort();
        telling.await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_run_with_its_workspace_is_told() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &[Trigger::Errored]).await;
        bench.start(Kind::PlanAndApply).await;
        workspace::delete(&world.ask(), &bench.workspace, false)
            .await
            .unwrap();
        let sent = tell(&world).await;
        assert_eq!(triggers(&sent), ["run:errored"]);
        assert_eq!(sent[0].body["workspace_name"], "web");
        assert_eq!(sent[0].body["notifications"][0]["run_status"], "canceled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_that_nobody_asked_for_is_passed_over_in_one_change() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &[Trigger::Errored]).await;
        let mut run = bench.start(Kind::PlanAndApply).await;
        for number in 0..280 {
            // One run takes no more of them.
            if number % 20 == 19 {
                run = bench.start(Kind::PlanAndApply).await;
            }
            act::comment(&world.ask(), &run, format!("number {number}"))
                .await
                .unwrap();
        }
        let before = world.house.head().unwrap().size;
        assert!(tell(&world).await.is_empty());
        assert_eq!(world.house.head().unwrap().size, before + 1);
        act::cancel(&world.ask(), &run, None).await.unwrap();
        assert_eq!(triggers(&tell(&world).await), ["run:errored"]);
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organization_has_so_many_receivers_and_no_more() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        // Rows that nobody here wrote count, and are believed nothing.
        world
            .tamper(
                "INSERT INTO notification
                    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)
                    SELECT 'odd-' || CAST(n AS TEXT), 'nowhere', name, triggers, enabled,
                        'odd-' || CAST(n AS TEXT), size, body_digest, commitment,
                        created_at, updated_at, salt, leaf, mac
                    FROM notification, numbers",
            )
            .await;
        let full = wished(&bench, OTHER_HOOK, &[Trigger::Created]).await;
        let full = full.unwrap_err();
        assert_eq!(*full.kind(), Trouble::Conflict);
        assert!(full.message().contains("at most 1000"), "{full}");
        world.post.take();
        bench.start(Kind::PlanAndApply).await;
        let found = world.core.to_tell(&world.house).await.unwrap();
        assert_eq!((found.due, found.altered.len()), (vec![id], 999));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_signs_for_another_address_where_it_is_said_again() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        let url = |url: &str, token: Option<Zeroizing<String>>| Wished {
            url: Some(url.to_owned()),
            token,
            ..Wished::default()
        };
        let (core, ask) = (&world.core, world.ask());
        let stolen = core.update_notification(&ask, &id, url(OTHER_HOOK, None));
        let refused = stolen.await.unwrap_err();
        assert_eq!(*refused.kind(), Trouble::Invalid);
        assert!(
            refused.message().contains("say the token again"),
            "{refused}"
        );
        assert!(refused.next_step().unwrap().contains("--sign-with"));
        assert!(world.post.take().is_empty(), "nothing was sent there");
        assert!(change(&world, &id, url(HOOK, None)).await.signed);
        assert!(world.post.take().is_empty(), "it is the same address");
        let moved = change(&world, &id, url(OTHER_HOOK, Some(token("battery-staple")))).await;
        assert!(moved.signed);
        assert!(world.post.take()[0].signature.is_some());
        assert!(!change(&world, &id, url(HOOK, Some(token("")))).await.signed);
        assert!(world.post.take()[0].signature.is_none());
        assert!(!change(&world, &id, url(OTHER_HOOK, None)).await.signed);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_address_answered_does_not_count_for_another() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        bench.start(Kind::PlanAndApply).await;
        let looked = Arc::default();
        let letter = telling::letter(&world.house, &id, &looked).await.unwrap();
        let moves = Wished {
            url: Some(OTHER_HOOK.to_owned()),
            token: Some(token("")),
            ..Wished::default()
        };
        change(&world, &id, moves).await;
        world.post.take();
        telling::record(&world.house, &letter.unwrap(), Ok(200))
            .await
            .unwrap();
        let sent = tell(&world).await;
        assert_eq!(triggers(&sent), ["run:created"]);
        assert_eq!(sent[0].url, OTHER_HOOK);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_on_its_way_holds_no_house_open() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        bench.start(Kind::PlanAndApply).await;
        world.post.answers(HOOK, [None]);
        let (core, code) = (world.core.clone(), world.house.code());
        let sending = tokio::spawn(async move { core.tell_one(code, &id).await });
        until("it is on its way", || world.post.has_sent_to(HOOK)).await;
        // This world has it, and the list of those that are open.
        until("nobody else has it", || {
            Arc::strong_count(&world.house) == 2
        })
        .await;
        sending.abort();
        sending.await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_receivers_of_a_house_are_tried_at_once() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let id = notified(&bench, HOOK, &[Trigger::Created]).await;
        world.post.answers(HOOK, [None; 4]);
        let mut trying = JoinSet::new();
        for _ in 0..4 {
            let (core, ctx, id) = (world.core.clone(), world.ask(), id.clone());
            trying.spawn(async move { core.verify_notification(&ctx, &id).await.is_ok() });
        }
        let sent = Cell::new(0);
        until("four are on their way", || {
            sent.set(sent.get() + world.post.take().len());
            sent.get() == 4
        })
        .await;
        let fifth = world.core.verify_notification(&world.ask(), &id).await;
        let fifth = fifth.unwrap_err();
        assert_eq!(*fifth.kind(), Trouble::TooMany { after_s: 10 });
        assert!(fifth.message().contains("4 receivers"), "{fifth}");
        assert!(world.post.take().is_empty());
        // Whoever does not wait any more leaves their place.
        trying.shutdown().await;
        let again = world.core.verify_notification(&world.ask(), &id).await;
        again.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_policies_came_to_is_told_and_of_a_state_for_itself() {
    for_each_engine(async |world| {
        super::judged::set(&world, "rules", of_states("hard-failed")).await;
        let bench = Bench::new(&world, "web").await;
        notified(&bench, HOOK, &[Trigger::Completed, Trigger::StateAgainst]).await;
        let (_, line) = bench.applying().await;
        let left = state("lineage", 1, 2, "left");
        line.put_state(left).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        let told = tell(&world).await;
        let policies = &told[0].body["policies"];
        assert_eq!(policies["plan"]["outcome"], "passed");
        assert!(policies["state"].is_null());
        bench.round().await;
        let told = tell(&world).await;
        assert_eq!(told.len(), 1);
        let body = &told[0].body;
        assert_eq!(body["notifications"][0]["trigger"], "state:policies_failed");
        assert_eq!(body["notifications"][0]["run_status"], "applied");
        let said = &body["policies"]["state"];
        assert_eq!(said["outcome"], "hard-failed");
        assert_eq!(said["policy_sets"][0]["policy_set_name"], "rules");
        // What they tell of the state is not told.
        assert!(!body.to_string().contains("rules says"), "{body}");
    })
    .await;
}
