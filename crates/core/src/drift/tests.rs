//! Looking for drift on both engines: by hand, on time, and not when it would
//! disturb or know nothing. The runner is one that runs nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod altered;
mod meanwhile;
mod removal;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use statehouse_ledger::sha256;
use statehouse_model::Role;
use tar::{Builder, Header};

use super::look::round;
use super::*;
use crate::Core;
use crate::access::RUNS;
use crate::configuration;
use crate::execution::Word;
use crate::fault::Faults;
use crate::job::{Holder, Sandbox};
use crate::policy;
use crate::run::capsule::Found;
use crate::run::machine::Status;
use crate::run::work::{self, Begun, Ended, Line};
use crate::run::{act, turn};
use crate::testing::faults::Script;
use crate::testing::judge::says;
use crate::testing::{World, for_each_engine, name, put, state};
use crate::workspace::freeze;

/// Two of three resources drifted.
const DRIFTED: &str = r#"{"format_version":"1.2","resource_drift":[
    {"address":"a.x","mode":"managed","change":{"actions":["update"],"before":{"x":1},"after":{"x":2}}},
    {"address":"a.y","mode":"managed","change":{"actions":["delete"]}},
    {"address":"a.z","mode":"managed","change":{"actions":["no-op"]}}]}"#;
const STILL: &str = r#"{"format_version":"1.2"}"#;

fn archive() -> Bytes {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = Builder::new(gzip);
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, "main.tf", &b""[..])
        .unwrap();
    archive.into_inner().unwrap().finish().unwrap().into()
}

/// A workspace whose runs happen here, in which nothing was applied.
pub(crate) struct Bench<'w> {
    world: &'w World,
    workspace: Workspace,
    id: WorkspaceId,
}

fn found(json: &str) -> Box<Found> {
    let digest = |text: &str| hex::encode(sha256(text.as_bytes()));
    Box::new(Found {
        plan: digest("plan"),
        plan_json: digest(json),
        plan_shown: digest("{}"),
        lock_file: None,
        tool: "terraform".to_owned(),
        tool_version: "1.11.4".to_owned(),
        tool_digest: digest("terraform"),
        providers: BTreeMap::new(),
        sandbox: "strict".to_owned(),
        backend: None,
    })
}

impl<'w> Bench<'w> {
    async fn bare(world: &'w World, text: &str) -> Self {
        let workspace = world.workspace(text).await;
        let Workspace::Id(id) = workspace.clone() else {
            panic!("by its id");
        };
        let wish = execution::Wish {
            mode: Word::Say(Mode::Remote),
            ..execution::Wish::default()
        };
        let scope = Scope::Workspace(id.clone());
        execution::set(&world.ask(), scope, wish).await.unwrap();
        Self {
            world,
            workspace,
            id,
        }
    }

    /// One with a state that a run applied.
    pub(crate) async fn new(world: &'w World, text: &str) -> Self {
        let bench = Self::bare(world, text).await;
        bench.applies(1).await;
        bench
    }

    async fn uploaded(&self, speculative: bool) -> ConfigurationId {
        let ctx = self.world.ask();
        let wish = configuration::Wish {
            speculative,
            provisional: false,
        };
        let wished = configuration::wish(&ctx, &self.workspace, wish)
            .await
            .unwrap();
        let (put, id) = (wished.put.unwrap(), wished.id.parse().unwrap());
        let granted = crate::url::open(&self.world.house, &put.id, &put.signature).await;
        configuration::upload(&ctx, &granted.unwrap(), &id, archive())
            .await
            .unwrap();
        id
    }

    fn wish(configuration: ConfigurationId, kind: Kind) -> Wish {
        let variable = ("region".to_owned(), "\"eu-north-1\"".to_owned());
        Wish {
            configuration,
            kind,
            auto_apply: true,
            options: Options {
                variables: BTreeMap::from([variable]),
                ..Options::default()
            },
        }
    }

    /// Applies a new configuration, whose state has this serial.
    async fn applies(&self, serial: u64) -> ConfigurationId {
        let configuration = self.uploaded(false).await;
        let wish = Self::wish(configuration.clone(), Kind::PlanAndApply);
        let run = run::create(&self.world.ask(), &self.workspace, wish).await;
        let run = run.unwrap().id;
        let line = self.line(&run).await;
        report(&line, STILL, true).await;
        let line = self.line(&run).await;
        let begun = line.begin(*found(STILL)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.put_state(state("a", serial, 3, "")).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        configuration
    }

    /// The job of a run, after rounds in which it is judged.
    async fn line(&self, run: &RunId) -> Line {
        for _ in 0..2 {
            turn::round(&self.world.house, 10).await.unwrap();
        }
        let line = claim(self.world).await.expect("a job");
        assert_eq!(line.run(), run);
        line
    }

    async fn look(&self) -> RunId {
        let started = start(&self.world.ask(), &self.workspace, String::new()).await;
        started.unwrap().id
    }

    /// Looks, and finds this.
    async fn finds(&self, json: &str) -> RunId {
        let run = self.look().await;
        let line = self.line(&run).await;
        report(&line, json, true).await;
        run
    }

    async fn shown(&self) -> DriftView {
        show(&self.world.ask(), &self.workspace).await.unwrap()
    }

    pub(crate) async fn every(&self, hours: Option<u64>) -> InForce {
        let scope = Scope::Workspace(self.id.clone());
        set(&self.world.ask(), scope, hours).await.unwrap()
    }

    /// The looks that its schedule started and that have not ended.
    pub(crate) async fn open(&self) -> Vec<RunView> {
        let runs = run::list(&self.world.ask(), &self.workspace, 1, 100).await;
        let mut items = runs.unwrap().items;
        items.retain(|run| run.actor == DRIFT && !run.state.status().is_final());
        items
    }
}

async fn claim(world: &World) -> Option<Line> {
    let task = Ctx::new(world.house.clone(), Actor::Task(RUNS), None, None);
    let desk = Holder::own("desk", Sandbox::Strict);
    work::claim(&task, &desk).await.unwrap()
}

/// Does the work of a runner that plans.
async fn report(line: &Line, json: &str, changes: bool) {
    line.planning().await.unwrap();
    for (name, text) in [("plan", "plan"), ("plan-json", json), ("plan-shown", "{}")] {
        line.file(name, Bytes::from(text.to_owned())).await.unwrap();
    }
    let found = found(json);
    line.done(Ended::Planned { found, changes }).await.unwrap();
}

/// Goes through the house once, and says how many looks were started.
async fn started(world: &World) -> usize {
    round(&world.house, 10).await.unwrap().started
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Trouble {
    result.unwrap_err().kind().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_replayed_over_no_look_for_drift() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.finds(DRIFTED).await;
        let wish = policy::Wish {
            name: Some("one".to_owned()),
            ..policy::Wish::default()
        };
        let set = policy::create(&world.ask(), wish).await.unwrap();
        let stretch = policy::replay::Stretch {
            over: policy::replay::Over::Everywhere,
            ..policy::replay::Stretch::default()
        };
        let (id, bundle) = (set.id.parse().unwrap(), says("passed"));
        let page = policy::replay::replay(&world.ask(), &id, bundle, stretch).await;
        let page = page.unwrap();
        let looked = (page.plans.len(), page.passed_over, page.unread.len());
        assert_eq!(looked, (1, 1, 0), "of an apply, and a look");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_finds_what_drifted_holds_no_lock_and_ends() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        assert_eq!(bench.shown().await.newest, None);
        let run = bench.look().await;
        let line = bench.line(&run).await;
        let shown = workspace::show(&world.ask(), &bench.workspace).await;
        assert_eq!(shown.unwrap().lock_id, None);
        let given = line.work().await.unwrap();
        assert!(given.options.refresh_only && given.structured && !given.holds_lock);
        let region = given.options.variables.get("region");
        assert_eq!(region.map(String::as_str), Some("\"eu-north-1\""));
        report(&line, DRIFTED, true).await;
        let seen = run::show(&world.ask(), &run).await.unwrap();
        assert_eq!(seen.state.status(), Status::PlannedAndFinished);
        assert_eq!((seen.changes, seen.state.capsule()), (Some(true), None));
        let found = bench.shown().await.newest.unwrap();
        assert_eq!(
            (&found.run, found.drifted, found.resources),
            (&run, Some(2), Some(3))
        );
        assert_eq!(of_run(&world.ask(), &run).await.unwrap(), found);
        assert!(
            !turn::round(&world.house, 10).await.unwrap(),
            "nothing is open"
        );

        // Outputs alone are no drift, whatever the exit code of the plan says.
        let still = bench.finds(STILL).await;
        let shown = bench.shown().await;
        assert_eq!(shown.newest, shown.known);
        let found = shown.newest.unwrap();
        assert_eq!((&found.run, found.drifted), (&still, Some(0)));
        let seen = run::show(&world.ask(), &still).await.unwrap();
        assert_eq!(seen.changes, Some(false));
        let all = list(&world.ask(), &bench.workspace, 1, 10).await.unwrap();
        let runs: Vec<_> = all.items.iter().map(|check| &check.run).collect();
        assert_eq!((runs, all.total), (vec![&still, &run], 2));
        let full = workspace::full(&world.ask(), &bench.workspace)
            .await
            .unwrap();
        assert_eq!(full.drift, Some(found));
        world.evidence().await;
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(report.is_proven(), "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_known_is_not_said_and_the_last_finding_stays() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let known = bench.finds(DRIFTED).await;
        let unknown = async |outcome: &str, reason: &str| {
            let shown = bench.shown().await;
            let newest = shown.newest.unwrap();
            let told = (newest.drifted, &*newest.outcome, &*newest.reason);
            assert_eq!(told, (None, outcome, reason));
            assert_eq!(shown.known.unwrap().run, known);
        };
        bench.finds("{}").await;
        unknown("errored", "plan-unreadable").await;

        let run = bench.look().await;
        let line = bench.line(&run).await;
        line.done(Ended::Failed("init".to_owned())).await.unwrap();
        unknown("errored", "init").await;

        let run = bench.look().await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        unknown("canceled", "").await;

        let run = bench.look().await;
        let line = bench.line(&run).await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        report(&line, DRIFTED, true).await;
        unknown("canceled", "").await;

        // The state that was compared is another by the end of the look.
        let run = bench.look().await;
        let line = bench.line(&run).await;
        put(&world.ask(), &bench.workspace, state("a", 2, 3, ""))
            .await
            .unwrap();
        report(&line, DRIFTED, true).await;
        unknown("stale", "state-changed").await;
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_applied_last_is_looked_at_and_without_that_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::bare(&world, "web").await;
        let refused = start(&world.ask(), &bench.workspace, String::new())
            .await
            .unwrap_err();
        assert_eq!(*refused.kind(), Trouble::Conflict);
        assert!(
            refused.to_string().contains("no run has applied anything"),
            "{refused}"
        );
        bench.applies(1).await;
        let newest = bench.applies(2).await;
        bench.uploaded(true).await;
        let pending = bench.uploaded(false).await;
        let wish = Bench::wish(pending, Kind::PlanOnly);
        let other = run::create(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        act::cancel(&world.ask(), &other.id, None).await.unwrap();
        let run = bench.look().await;
        let seen = run::show(&world.ask(), &run).await.unwrap();
        assert_eq!(seen.configuration, newest.to_string());

        // Never two at once, and whoever may only read starts none.
        let refused = start(&world.ask(), &bench.workspace, String::new())
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("looks for drift already"),
            "{refused}"
        );
        act::cancel(&world.ask(), &run, None).await.unwrap();
        let (reader, _) = world.member(Role::Reader).await;
        let refused = start(&world.by(&reader), &bench.workspace, String::new()).await;
        assert_eq!(kind(refused), Trouble::Denied);
        show(&world.by(&reader), &bench.workspace).await.unwrap();
        // Nor is anything else looked at by who names it.
        let wish = Bench::wish(bench.uploaded(false).await, Kind::Drift);
        let refused = run::create(&world.ask(), &bench.workspace, wish).await;
        assert_eq!(kind(refused), Trouble::Conflict);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_waits_while_somebody_applies() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let configuration = bench.uploaded(false).await;
        let wish = Bench::wish(configuration, Kind::PlanAndApply);
        let run = run::create(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap()
            .id;
        report(&bench.line(&run).await, STILL, true).await;
        let line = bench.line(&run).await;
        line.begin(*found(STILL)).await.unwrap();
        let look = bench.look().await;
        turn::round(&world.house, 10).await.unwrap();
        assert!(claim(&world).await.is_none());
        line.done(Ended::Applied).await.unwrap();
        bench.line(&look).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_narrowest_scope_says_how_often() {
    for_each_engine(async |world| {
        let project = crate::project::create(&world.ask(), name("net"))
            .await
            .unwrap();
        let project = Scope::Project(project.id.parse().unwrap());
        let bench = Bench::bare(&world, "web").await;
        let ctx = world.ask();
        let moved = workspace::Change {
            project: Some(crate::project::Project::Name(name("net"))),
            ..workspace::Change::default()
        };
        workspace::update(&ctx, &bench.workspace, moved)
            .await
            .unwrap();
        let hours = async || {
            let own = schedule(&ctx, Scope::Workspace(bench.id.clone()))
                .await
                .unwrap();
            (own.hours, own.scope.is_some())
        };
        assert_eq!(hours().await, (None, false));
        set(&ctx, Scope::Organization, Some(48)).await.unwrap();
        assert_eq!(hours().await, (Some(48), true));
        set(&ctx, project.clone(), Some(0)).await.unwrap();
        assert_eq!(hours().await, (None, true));
        bench.every(Some(1)).await;
        assert_eq!(hours().await, (Some(1), true));
        bench.every(None).await;
        assert_eq!(hours().await, (None, true));
        set(&ctx, project, None).await.unwrap();
        assert_eq!(hours().await, (Some(48), true));
        assert_eq!(
            kind(set(&ctx, Scope::Organization, Some(HOURS_MAX + 1)).await),
            Trouble::Invalid
        );

        // The workspace's own switch needs the same permission, and says a day.
        let switch = async |who: &Ctx, on: bool| {
            let change = workspace::Change {
                looks: Some(on),
                ..workspace::Change::default()
            };
            workspace::update(who, &bench.workspace, change).await
        };
        let (writer, _) = world.member(Role::Writer).await;
        assert_eq!(
            kind(switch(&world.by(&writer), false).await),
            Trouble::Denied
        );
        switch(&world.by(&writer), true)
            .await
            .expect("it is so already");
        switch(&ctx, false).await.unwrap();
        assert_eq!(hours().await, (None, true));
        switch(&ctx, true).await.unwrap();
        assert_eq!(hours().await, (Some(HOURS), true));
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_are_started_when_it_is_time_and_missed_ones_once() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        assert_eq!(started(&world).await, 0, "nobody said anything");
        let said = bench.every(Some(24)).await;
        world.pass_minutes(16);
        assert!(said.next_at.unwrap() <= world.house.now());
        assert_eq!(started(&world).await, 1);
        let open = bench.open().await;
        assert_eq!(open.len(), 1);
        assert_eq!(
            (&*open[0].actor, open[0].state.kind()),
            (DRIFT, Kind::Drift)
        );
        assert_eq!(started(&world).await, 0, "it looks already");
        report(&bench.line(&open[0].id).await, STILL, false).await;
        assert_eq!(bench.shown().await.newest.unwrap().drifted, Some(0));
        world.pass_minutes(23 * 60);
        assert_eq!(started(&world).await, 0, "the time is not over");
        world.pass_minutes(80);
        assert_eq!(started(&world).await, 1);
        report(&bench.line(&bench.open().await[0].id).await, STILL, false).await;

        // Ten were missed; the server that comes back starts one.
        world.pass_days(10);
        assert_eq!((started(&world).await, started(&world).await), (1, 0));
        report(&bench.line(&bench.open().await[0].id).await, STILL, false).await;
        assert_eq!(started(&world).await, 0);
        // A look by hand counts as well.
        world.pass_days(1);
        bench.finds(STILL).await;
        world.pass_minutes(60);
        assert_eq!(started(&world).await, 0);
        world.evidence().await;
        let happened = run::events(&world.ask(), &open[0].id).await;
        assert_eq!(happened.unwrap()[0].actor, DRIFT);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_far_ahead_starts_no_flood_and_is_not_waited_for() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.every(Some(24)).await;
        world.pass_days(4000);
        assert_eq!((started(&world).await, started(&world).await), (1, 0));
        report(&bench.line(&bench.open().await[0].id).await, STILL, false).await;
        world.pass_days(-4000);
        world.pass_minutes(60);
        // The time of a house never goes back while it is open: nothing is due there yet.
        assert_eq!((started(&world).await, started(&world).await), (0, 0));
        let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()))
            .await
            .unwrap();
        let there = other.house(world.house.code()).await.unwrap();
        let looked = async || round(&there, 10).await.unwrap().started;
        assert_eq!((looked().await, looked().await), (1, 0));
        let ctx = world.ask().enter(there.clone());
        act::cancel(&ctx, &bench.open().await[0].id, None)
            .await
            .unwrap();
        assert_eq!(looked().await, 0);
        world.pass_days(2);
        assert_eq!(looked().await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_look_is_started_that_would_disturb_or_find_nothing_out() {
    for_each_engine(async |world| {
        set(&world.ask(), Scope::Organization, Some(1))
            .await
            .unwrap();
        Bench::bare(&world, "nothing-applied").await;
        world.workspace("local").await;
        let bench = Bench::new(&world, "web").await;
        world.pass_minutes(16);

        let wish = freeze::Wish {
            reason: "the audit".to_owned(),
            who: "olga".to_owned(),
            since: "2027-01-15T08:00:00Z".to_owned(),
        };
        freeze::freeze(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        assert_eq!(started(&world).await, 0, "frozen");
        freeze::thaw(&world.ask(), &bench.workspace, "over".to_owned())
            .await
            .unwrap();

        let wish = Bench::wish(bench.uploaded(false).await, Kind::PlanOnly);
        let open = run::create(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        assert_eq!(started(&world).await, 0, "a run is open");
        act::cancel(&world.ask(), &open.id, None).await.unwrap();

        let scope = Scope::Workspace(bench.id.clone());
        let mode = async |mode| {
            let wish = execution::Wish {
                mode: Word::Say(mode),
                ..execution::Wish::default()
            };
            execution::set(&world.ask(), scope.clone(), wish)
                .await
                .unwrap();
        };
        mode(Mode::Local).await;
        assert_eq!(started(&world).await, 0, "its runs happen elsewhere");
        mode(Mode::Remote).await;

        let never = bench.every(Some(0)).await;
        assert_eq!((never.hours, never.next_at), (None, None));
        assert_eq!(started(&world).await, 0, "never");
        bench.every(None).await;
        assert_eq!(started(&world).await, 1);
        assert_eq!(bench.open().await.len(), 1);

        workspace::delete(&world.ask(), &bench.workspace, false)
            .await
            .unwrap();
        world.pass_days(1);
        assert_eq!(started(&world).await, 0, "gone");
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_people_go_before_looks_that_nobody_asked_for() {
    for_each_engine(async |world| {
        let mut benches = Vec::new();
        for number in 0..6 {
            benches.push(Bench::new(&world, &format!("web-{number}")).await);
        }
        set(&world.ask(), Scope::Organization, Some(1))
            .await
            .unwrap();
        world.pass_minutes(16);
        // Eight places: a quarter of them is for looks.
        let looked = async || round(&world.house, 8).await.unwrap();
        let first = looked().await;
        assert_eq!(first.started, 2);
        assert!(
            first.next.is_some_and(|next| next <= world.house.now()),
            "there are more"
        );
        assert_eq!(looked().await.started, 0);

        // One place: whoever comes later than the look is before it.
        let idle = async |bench: &&Bench<'_>| bench.open().await.is_empty();
        let mut person = None;
        for bench in &benches {
            if idle(&bench).await {
                person = Some(bench);
            }
        }
        let person = person.unwrap();
        let wish = Bench::wish(person.uploaded(false).await, Kind::PlanOnly);
        let run = run::create(&world.ask(), &person.workspace, wish)
            .await
            .unwrap()
            .id;
        turn::round(&world.house, 1).await.unwrap();
        let line = claim(&world).await.unwrap();
        assert_eq!(line.run(), &run);
        assert!(claim(&world).await.is_none());
        assert_eq!(
            round(&world.house, 1).await.unwrap().started,
            0,
            "no place is free"
        );
        line.done(Ended::Failed("init".to_owned())).await.unwrap();
        turn::round(&world.house, 1).await.unwrap();
        let looks = claim(&world).await.unwrap();
        assert_ne!(looks.run(), &run);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_start_one_look() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.every(Some(1)).await;
        world.pass_minutes(16);
        let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()))
            .await
            .unwrap();
        let there = other.house(world.house.code()).await.unwrap();
        let houses = [world.house.clone(), there];
        let rounds = (0..8).map(|index: usize| {
            let house = Arc::clone(&houses[index % 2]);
            tokio::spawn(async move { round(&house, 10).await })
        });
        let mut started = 0;
        for round in rounds.collect::<Vec<_>>() {
            started += round.await.unwrap().map_or(0, |done| done.started);
        }
        assert_eq!(started, 1);
        assert_eq!(bench.open().await.len(), 1);
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_wrote_starts_and_says_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.every(Some(24)).await;
        bench.finds(DRIFTED).await;
        world.tamper("UPDATE drift_check SET drifted = 0").await;
        assert_eq!(
            kind(show(&world.ask(), &bench.workspace).await),
            Trouble::Tampered
        );
        world.tamper("UPDATE drift_schedule SET hours = 1").await;
        world.pass_days(2);
        assert_eq!(started(&world).await, 0);
        let often = schedule(&world.ask(), Scope::Workspace(bench.id.clone())).await;
        assert_eq!(kind(often), Trouble::Tampered);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        for table in ["drift_check", "drift_schedule"] {
            let named = report
                .differences
                .iter()
                .any(|each| each.place.contains(table));
            assert!(named, "{table}: {report:?}");
        }
    })
    .await;
}
