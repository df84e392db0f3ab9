//! Replays of what policies say and of what plans cost: nothing that a run needs waits for them, and a set reaches nothing that its bundle was not replayed over.

use std::time::Duration;

use statehouse_model::{PolicySetId, WorkspaceId};

use super::judged::set;
use super::*;
use crate::cost::replay::Instead;
use crate::door::{self, Target};
use crate::error::Kind as Trouble;
use crate::policy::overrule::ShowVerdicts;
use crate::policy::replay::{Over, Settings, Stretch};
use crate::policy::sql::{self, PolicySet};
use crate::policy::{self, exclude, publish};
use crate::reach::{self, To};
use crate::testing::judge::says;
use crate::testing::{for_each_engine_estimating, let_go, until_held};

/// Longer than an apply takes that waits for nothing.
const SOON: Duration = Duration::from_secs(30);

/// Takes a run from its plan to its apply, for which policies are asked twice.
async fn applies(bench: &Bench<'_>) {
    let applied = async {
        let (_, line) = bench.confirmed(Kind::PlanAndApply).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.done(Ended::Applied).await.unwrap();
    };
    let applied = tokio::time::timeout(SOON, applied).await;
    applied.expect("a run waits for a replay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_waits_for_a_replay_of_policies() {
    for_each_engine(async |world| {
        let id = set(&world, "one", says("passed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let (asked, wanted) = (world.ask(), id.clone());
        let replayed = tokio::spawn(async move {
            let bundle = Bytes::from_static(br#"{"plan": "passed", "held": "plan"}"#);
            policy::replay::replay(&asked, &wanted, bundle, Stretch::default()).await
        });
        until_held().await;
        applies(&bench).await;
        assert!(!replayed.is_finished(), "the replay was over before");
        let_go();
        assert_eq!(replayed.await.unwrap().unwrap().plans.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_waits_for_a_replay_of_costs() {
    for_each_engine_estimating(async |world| {
        set(&world, "one", says("passed")).await;
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let asked = world.ask();
        let replayed = tokio::spawn(async move {
            let instead = Instead {
                overlay: Some(Bytes::from_static(b"held")),
                ..Instead::default()
            };
            let all = (0, None);
            crate::cost::replay::replay(&asked, Scope::Organization, instead, all).await
        });
        until_held().await;
        applies(&bench).await;
        assert!(!replayed.is_finished(), "the replay was over before");
        let_go();
        assert_eq!(replayed.await.unwrap().unwrap().plans.len(), 1);
    })
    .await;
}

/// A set that asks for replays and reaches nothing, and the bundle that it is to have.
struct Gated<'a> {
    world: &'a World,
    id: PolicySetId,
}

impl<'a> Gated<'a> {
    async fn new(world: &'a World) -> Self {
        Self::named(world, "one").await
    }

    async fn named(world: &'a World, name: &str) -> Self {
        let wish = policy::Wish {
            name: Some(name.to_owned()),
            replay_hours: Some(24),
            ..policy::Wish::default()
        };
        let made = policy::create(&world.ask(), wish).await.unwrap();
        let id = made.id.parse().unwrap();
        Self { world, id }
    }

    fn bundle() -> Bytes {
        says("hard-failed")
    }

    async fn replay(&self, over: Over) -> policy::replay::Page {
        self.replay_with(over, Settings::default()).await
    }

    async fn replay_since(&self, since: i64, over: Over) -> policy::replay::Page {
        let stretch = Stretch {
            since,
            over,
            ..Stretch::default()
        };
        self.replayed(stretch).await
    }

    async fn replay_with(&self, over: Over, with: Settings) -> policy::replay::Page {
        let stretch = Stretch {
            over,
            with,
            ..Stretch::default()
        };
        self.replayed(stretch).await
    }

    async fn replayed(&self, stretch: Stretch) -> policy::replay::Page {
        let stretch = Stretch {
            keep: true,
            ..stretch
        };
        let ctx = self.world.ask();
        let page = policy::replay::replay(&ctx, &self.id, Self::bundle(), stretch).await;
        page.unwrap()
    }

    async fn publish(&self) -> Result<()> {
        let published = publish::publish(&self.world.ask(), &self.id, Self::bundle()).await;
        published.map(drop)
    }

    async fn attach(&self, to: To) -> Result<()> {
        policy::attach(&self.world.ask(), &self.id, vec![to]).await
    }

    async fn change(&self, wish: policy::Wish) -> Result<()> {
        let changed = policy::update(&self.world.ask(), &self.id, wish).await;
        changed.map(drop)
    }

    /// Every way in which it could reach a workspace that it does not reach.
    async fn widened(&self, workspace: &WorkspaceId, left_out: &WorkspaceId) -> Vec<Result<()>> {
        let of = |reach: reach::Wish| policy::Wish {
            reach,
            ..policy::Wish::default()
        };
        let tags = policy::Wish {
            tags: Some(vec!["env=prod".to_owned()]),
            ..policy::Wish::default()
        };
        let asks_no_more = policy::Wish {
            replay_hours: Some(0),
            ..of(reach::Wish::global(true))
        };
        let none_left_out = policy::Wish {
            excluded: Some(Vec::new()),
            ..policy::Wish::default()
        };
        let ctx = self.world.ask();
        let included = exclude::include(&ctx, &self.id, vec![left_out.clone()]).await;
        vec![
            self.attach(To::Workspace(workspace.clone())).await,
            self.change(of(reach::Wish::global(true))).await,
            self.change(of(reach::Wish::workspaces([workspace.clone()])))
                .await,
            self.change(tags).await,
            self.change(asks_no_more).await,
            self.change(none_left_out).await,
            included,
        ]
    }
}

fn id_of(workspace: &Workspace) -> WorkspaceId {
    match workspace {
        Workspace::Id(id) => id.clone(),
        other => panic!("a bench knows its workspace by its id, not {other:?}"),
    }
}

async fn id_of_named(world: &World, text: &str) -> WorkspaceId {
    let made = world.workspace(text).await;
    let shown = crate::workspace::show(&world.ask(), &made).await.unwrap();
    shown.id.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_that_reaches_nothing_is_not_published_for_and_attached_afterwards() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let web = id_of(&bench.workspace);
        let idle = id_of_named(&world, "idle").await;
        let left_out = id_of_named(&world, "left-out").await;
        let gated = Gated::new(&world).await;

        // It reaches nothing, and so nothing was judged.
        let page = gated.replay(Over::Reached).await;
        assert_eq!((page.plans.len(), page.passed_over), (0, 1));
        let refused = gated.publish().await.unwrap_err();
        assert_eq!(*refused.kind(), Trouble::Conflict);
        assert!(
            refused.message().contains("reaches no workspace"),
            "{refused}"
        );
        // Without a bundle it may be attached; what was replayed before is of another reach.
        let excludes = policy::Wish {
            excluded: Some(vec![left_out.clone()]),
            ..policy::Wish::default()
        };
        gated.change(excludes).await.unwrap();
        gated.attach(To::Workspace(idle.clone())).await.unwrap();
        let refused = gated.publish().await.unwrap_err();
        assert!(refused.message().contains("other workspaces"), "{refused}");
        gated.replay(Over::Reached).await;
        gated.publish().await.unwrap();

        // With one it reaches no further before that was replayed.
        let seen = policy::show(&world.ask(), &gated.id).await.unwrap();
        for (number, widened) in gated.widened(&web, &left_out).await.into_iter().enumerate() {
            let refused = widened.expect_err(&format!("way {number}"));
            assert_eq!(
                *refused.kind(),
                Trouble::Conflict,
                "way {number}: {refused}"
            );
            assert!(
                refused.message().contains("reaches no further"),
                "way {number}: {refused}"
            );
        }
        let still = policy::show(&world.ask(), &gated.id).await.unwrap();
        assert_eq!(still.updated_at, seen.updated_at, "nothing was changed");
        assert_eq!(still.replay_hours, 24);

        let page = gated.replay(Over::Everywhere).await;
        assert_eq!((page.plans.len(), page.passed_over), (1, 0));
        assert_eq!(page.plans[0].before, None, "it did not reach that plan");
        world.pass_days(2);
        let late = gated.attach(To::Workspace(web.clone())).await;
        assert_eq!(kind(late), Trouble::Conflict, "that was two days ago");
        gated.replay(Over::Everywhere).await;
        let asked = world.ask();
        policy::attach(&asked, &gated.id, vec![To::Workspace(web.clone())])
            .await
            .unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["replay-plans"], 1);
        assert_eq!(leaf["facts"]["replay-newly-blocked"], 1);
        // What reaches less is asked nothing.
        world.pass_days(2);
        policy::detach(&world.ask(), &gated.id, vec![To::Workspace(web)])
            .await
            .unwrap();
    })
    .await;
}

/// Settings that decide what a set says, one each time.
fn settings() -> Vec<Settings> {
    let says = |word: &str| {
        let one = ("says".to_owned(), word.into());
        [one].into_iter().collect()
    };
    let exception = policy::Exception {
        policy: "only".to_owned(),
        address: "*".to_owned(),
        until: i64::MAX / 2,
        reason: "for a while".to_owned(),
    };
    let none = Settings::default;
    vec![
        Settings {
            parameters: Some(says("passed")),
            ..none()
        },
        Settings {
            exceptions: Some(vec![exception]),
            ..none()
        },
        Settings {
            enforcement: Some(policy::Enforcement::Advisory),
            ..none()
        },
        // Stricter is other, too: it can hold everything up.
        Settings {
            enforcement: Some(policy::Enforcement::HardMandatory),
            ..none()
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gated_set_judges_by_no_settings_that_were_not_replayed() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.offered(Kind::PlanOnly).await;
        let gated = Gated::new(&world).await;
        gated
            .attach(To::Workspace(id_of(&bench.workspace)))
            .await
            .unwrap();
        // Without a bundle it judges nothing, and may be told anything.
        let soft = policy::Wish {
            enforcement: Some(policy::Enforcement::SoftMandatory),
            ..policy::Wish::default()
        };
        gated.change(soft).await.unwrap();
        gated.replay(Over::Reached).await;
        gated.publish().await.unwrap();

        for (number, with) in settings().into_iter().enumerate() {
            let wish = || policy::Wish::from(&with);
            let seen = policy::show(&world.ask(), &gated.id).await.unwrap();
            let asks_no_more = policy::Wish {
                replay_hours: Some(0),
                ..wish()
            };
            for refused in [gated.change(wish()).await, gated.change(asks_no_more).await] {
                let refused = refused.expect_err(&format!("way {number}"));
                let said = refused.to_string();
                assert_eq!(*refused.kind(), Trouble::Conflict, "way {number}: {said}");
                assert!(said.contains("takes no other"), "way {number}: {said}");
            }
            let still = policy::show(&world.ask(), &gated.id).await.unwrap();
            assert_eq!(still.updated_at, seen.updated_at, "nothing was changed");
            assert_eq!(still.replay_hours, 24);
            // What was replayed with the settings that it has says nothing of others.
            gated.replay(Over::Reached).await;
            assert_eq!(kind(gated.change(wish()).await), Trouble::Conflict);
            let page = gated.replay_with(Over::Reached, with.clone()).await;
            assert_eq!(page.plans.len(), 1);
            let asked = world.ask();
            let changed = policy::update(&asked, &gated.id, wish()).await;
            changed.unwrap_or_else(|error| panic!("way {number}: {error}"));
            let leaf = world.evidence().await.one(asked.request()).clone();
            assert_eq!(leaf["facts"]["replay-plans"], 1, "way {number}");
        }
        // Its name and what it is for decide nothing.
        let described = policy::Wish {
            description: Some("for all".to_owned()),
            ..policy::Wish::default()
        };
        gated.change(described).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_judged_nothing_is_good_only_where_there_is_nothing_to_judge() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let web = To::Workspace(id_of(&bench.workspace));
        let gated = Gated::new(&world).await;
        gated.attach(web).await.unwrap();
        gated.replay(Over::Reached).await;
        // A plan was made after that.
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let refused = gated.publish().await.unwrap_err();
        assert!(refused.message().contains("judged none"), "{refused}");
        // It is older than the set asks for.
        world.pass_days(3);
        let late = world.house.now() - 48 * 3600 * 1_000_000;
        for over in [Over::Reached, Over::Everywhere] {
            let page = gated.replay_since(late, over).await;
            assert_eq!(
                (page.plans.len(), page.passed_over, page.unread.len()),
                (0, 0, 0)
            );
            let refused = gated.publish().await.unwrap_err();
            assert!(refused.message().contains("judged none"), "{refused}");
        }
        let page = gated.replay(Over::Reached).await;
        assert_eq!(page.plans.len(), 1);
        gated.publish().await.unwrap();

        // Where there is none, that is what is recorded.
        let other = Gated::named(&world, "two").await;
        let idle = id_of_named(&world, "idle").await;
        other.attach(To::Workspace(idle)).await.unwrap();
        let page = other.replay(Over::Reached).await;
        assert_eq!(
            (page.plans.len(), page.passed_over, page.unread.len()),
            (0, 1, 0)
        );
        let asked = world.ask();
        publish::publish(&asked, &other.id, Gated::bundle())
            .await
            .unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["replay"], "no plans to replay");
        assert_eq!(leaf["facts"]["replay-plans"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_made_everywhere_is_good_for_whatever_a_set_reaches() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.offered(Kind::PlanOnly).await;
        let gated = Gated::new(&world).await;
        gated.replay(Over::Everywhere).await;
        gated.publish().await.unwrap();
        let global = policy::Wish {
            reach: reach::Wish::global(true),
            ..policy::Wish::default()
        };
        gated.change(global).await.unwrap();
        // What else decides what it says ends it.
        let idle = id_of_named(&world, "idle").await;
        let nowhere = policy::Wish {
            reach: reach::Wish::global(false),
            enforcement: Some(policy::Enforcement::Advisory),
            ..policy::Wish::default()
        };
        gated.change(nowhere).await.unwrap();
        let attached = gated.attach(To::Workspace(idle)).await;
        assert_eq!(kind(attached), Trouble::Conflict);
    })
    .await;
}

/// A run whose plan no replay can read.
async fn planned_without_reading(bench: &Bench<'_>) -> RunId {
    let run = bench.start(Kind::PlanOnly).await;
    let line = bench.line(&run).await;
    line.planning().await.unwrap();
    let unread = Bytes::from_static(b"no plan");
    let [plan, _, shown] = planned_bytes(&line);
    let names = ["plan", "plan-json", "plan-shown"];
    for (name, bytes) in names.into_iter().zip([plan, unread.clone(), shown]) {
        line.file(name, bytes).await.unwrap();
    }
    let found = Found {
        plan_json: hex::encode(sha256(&unread)),
        ..found(&line)
    };
    let (found, changes) = (Box::new(found), true);
    line.done(Ended::Planned { found, changes }).await.unwrap();
    bench.round().await;
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_does_not_judge_what_it_goes_over_is_not_kept() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let unread = planned_without_reading(&bench).await;
        let gated = Gated::new(&world).await;
        gated
            .attach(To::Workspace(id_of(&bench.workspace)))
            .await
            .unwrap();
        let replay = async |keep| {
            let stretch = Stretch {
                keep,
                ..Stretch::default()
            };
            policy::replay::replay(&world.ask(), &gated.id, Gated::bundle(), stretch).await
        };
        // What it says is said, and what it does not say too.
        let page = replay(false).await.unwrap();
        assert_eq!((page.plans.len(), page.passed_over), (1, 0));
        assert_eq!(page.unread, std::slice::from_ref(&unread));
        let refused = replay(true).await.unwrap_err();
        assert_eq!(*refused.kind(), Trouble::Conflict);
        assert!(refused.message().contains(unread.as_str()), "{refused}");
        let refused = gated.publish().await.unwrap_err();
        assert!(refused.message().contains("was not replayed"), "{refused}");
    })
    .await;
}

/// Whether there is a plan in the reach that a set would have.
async fn is_any_plan(gated: &Gated<'_>, change: &dyn Fn(&mut PolicySet)) -> bool {
    let (ctx, wanted) = (gated.world.ask(), gated.id.clone());
    let read = door::read(&ctx, ShowVerdicts, &Target::House, move |rows| {
        Box::pin(async move { sql::needed_set(rows, &wanted).await })
    });
    let mut set = read.await.unwrap();
    change(&mut set);
    let read = door::read(&ctx, ShowVerdicts, &Target::House, move |rows| {
        let set = set.clone();
        Box::pin(async move { sql::is_any_plan(rows, Some(&set)).await })
    });
    read.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_there_is_a_plan_is_asked_of_whatever_a_set_reaches() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.offered(Kind::PlanOnly).await;
        bench.is(&run, Status::PlannedAndFinished).await;
        let web = id_of(&bench.workspace);
        let idle = id_of_named(&world, "idle").await;
        let shown = workspace::show(&world.ask(), &bench.workspace).await;
        let project = shown.unwrap().project;
        let gated = Gated::new(&world).await;
        let set = async |change: &dyn Fn(&mut PolicySet)| is_any_plan(&gated, change).await;
        assert!(!set(&|_| ()).await);
        assert!(set(&|set| set.global = true).await);
        assert!(set(&|set| set.scopes = project.clone()).await);
        assert!(set(&|set| set.scopes = format!("{idle} {web}")).await);
        assert!(!set(&|set| set.scopes = idle.to_string()).await);
        assert!(!set(&|set| (set.global, set.excluded) = (true, web.to_string())).await);
        assert!(!set(&|set| set.tags = "env=prod".to_owned()).await);
    })
    .await;
}
