//! Runs that happen with agents: whose jobs are whose, and what is left of them.

use std::time::Duration;

use secrecy::ExposeSecret;
use statehouse_control::spooled::Key;
use statehouse_model::{AgentPoolId, HouseTokenId, JobId};

use super::*;
use crate::agent;
use crate::execution::{Reverify, Word};
use crate::state::{Which, get};
use crate::token;

/// What an agent says that derived what the plan file says.
fn derived(line: &Line) -> OfRunner {
    OfRunner {
        found: found(line),
        derived: true,
    }
}

/// The job of a run that somebody has.
async fn job_of(world: &World, run: &RunId) -> JobId {
    let wanted = run.clone();
    let target = crate::door::Target::House;
    let task = task(&world.house);
    crate::door::read(&task, work::ReadJob, &target, move |rows| {
        Box::pin(async move {
            let open = job::sql::open_of(rows, &wanted).await?;
            Ok(open.expect("a job").id)
        })
    })
    .await
    .unwrap()
}

/// An agent of a pool, and its token.
pub(super) struct Agent {
    pool: AgentPoolId,
    ctx: Ctx,
    token: HouseTokenId,
}

impl Agent {
    /// Of a new pool.
    pub(super) async fn new(world: &World, text: &str) -> Self {
        let pool = agent::create(&world.ask(), name(text)).await.unwrap();
        Self::of(world, pool.id.parse().unwrap()).await
    }

    /// With a new token of a pool, as a request brings it.
    async fn of(world: &World, pool: AgentPoolId) -> Self {
        let wish = token::Wish::default();
        let made = token::house::create_of_pool(&world.ask(), pool.clone(), wish).await;
        let (view, secret) = made.unwrap();
        let caller = world.core.authenticate(secret.expose_secret(), None).await;
        let code = world.house.code();
        let ctx = world.core.enter_code(&caller.unwrap(), code).await;
        Self {
            pool,
            ctx: ctx.unwrap(),
            token: view.id.parse().unwrap(),
        }
    }

    /// Asks for a job, and does not wait.
    async fn asks(&self, world: &World) -> Result<Option<Line>> {
        self.asks_as(world, "far/0").await
    }

    /// The same, at a place of that name.
    async fn asks_as(&self, world: &World, holder: &str) -> Result<Option<Line>> {
        self.asks_in(world, holder, ("process", Some("no namespaces here")))
            .await
    }

    /// The same, with what it says of its sandbox.
    pub(super) async fn asks_in(
        &self,
        world: &World,
        holder: &str,
        (level, reason): (&str, Option<&str>),
    ) -> Result<Option<Line>> {
        let wish = agent::Wish {
            holder: holder.to_owned(),
            sandbox: level.to_owned(),
            sandbox_reason: reason.map(str::to_owned),
        };
        let next = world.core.next_job_of_pool(&self.ctx, wish, Duration::ZERO);
        next.await
    }

    async fn line(&self, world: &World) -> Line {
        self.asks(world).await.unwrap().expect("a job")
    }

    /// Lets the runs of a bench happen with the pool.
    pub(super) async fn serves(&self, bench: &Bench<'_>) {
        let mode = Word::Say(Mode::Agent(self.pool.clone()));
        bench
            .agree(execution::Wish {
                mode,
                ..execution::Wish::default()
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_pool_are_taken_by_its_agents_alone() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (agent, other) = (
            Agent::new(&world, "far").await,
            Agent::new(&world, "near").await,
        );
        agent.serves(&bench).await;
        let run = bench.start(Kind::PlanAndApply).await;
        bench.round().await;
        assert!(bench.claim().await.is_none(), "the server's own place");
        assert!(other.asks(&world).await.unwrap().is_none());
        let line = agent.line(&world).await;
        assert_eq!(line.run(), &run);
        assert!(
            agent.asks(&world).await.unwrap().is_none(),
            "there is one job"
        );
        bench.planned(&line).await;
        bench.round().await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        bench.round().await;
        assert!(bench.claim().await.is_none());
        assert!(other.asks(&world).await.unwrap().is_none());
        let line = agent.line(&world).await;
        let begun = line.begin(derived(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.put_state(state("a", 1, 1, "")).await.unwrap();
        line.done(Ended::Applied).await.unwrap();
        bench.is(&run, Status::Applied).await;
        let here = Bench::new(&world, "here").await;
        let run = here.start(Kind::PlanOnly).await;
        here.round().await;
        assert!(
            agent.asks(&world).await.unwrap().is_none(),
            "it is the server's"
        );
        here.line(&run).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_ask_of_an_agent_is_held_against_the_row_of_the_job() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (agent, other) = (
            Agent::new(&world, "far").await,
            Agent::new(&world, "near").await,
        );
        agent.serves(&bench).await;
        bench.start(Kind::PlanOnly).await;
        let id = agent.line(&world).await.id().clone();
        let ask = async |ctx: &Ctx, holder: &str| {
            let line = world.core.line_of_pool(ctx, id.clone(), holder).await;
            line.map(|line| line.run().clone())
        };
        ask(&agent.ctx, "far/0").await.unwrap();
        assert_eq!(kind(ask(&agent.ctx, "far/1").await), Trouble::Conflict);
        assert_eq!(kind(ask(&other.ctx, "far/0").await), Trouble::NotFound);
        let owner = world.ask();
        assert_eq!(kind(ask(&owner, "far/0").await), Trouble::NotFound);
        let seen = world.core.agents(&owner, agent.pool.clone()).await.unwrap();
        assert_eq!(
            (seen.len(), &*seen[0].name, seen[0].status),
            (1, "far", "busy")
        );
        world.pass_days(1);
        assert_eq!(kind(ask(&agent.ctx, "far/0").await), Trouble::Conflict);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_pool_that_ended_gets_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let agent = Agent::new(&world, "far").await;
        let beside = Agent::of(&world, agent.pool.clone()).await;
        agent.serves(&bench).await;
        bench.start(Kind::PlanOnly).await;
        let id = agent.line(&world).await.id().clone();
        token::house::revoke(&world.ask(), agent.token.clone())
            .await
            .unwrap();
        let asked = agent.asks(&world).await.map(drop);
        assert_eq!(kind(asked), Trouble::Unauthenticated);
        let line = world
            .core
            .line_of_pool(&agent.ctx, id.clone(), "far/0")
            .await;
        assert_eq!(kind(line.map(drop)), Trouble::Unauthenticated);
        // The other token of the pool still counts; this job is not its own.
        assert!(beside.asks(&world).await.unwrap().is_none());
        let line = world.core.line_of_pool(&beside.ctx, id, "far/0").await;
        assert_eq!(kind(line.map(drop)), Trouble::Conflict);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_pool_planned_is_applied_nowhere_else() {
    for_each_engine(async |world| {
        let check = async |text: &str, mode: Mode, other: Option<&Agent>| {
            let bench = Bench::new(&world, text).await;
            let agent = Agent::new(&world, text).await;
            agent.serves(&bench).await;
            let run = bench.start(Kind::PlanAndApply).await;
            bench.planned(&agent.line(&world).await).await;
            bench.round().await;
            let mode = Word::Say(mode);
            bench
                .agree(execution::Wish {
                    mode,
                    ..execution::Wish::default()
                })
                .await;
            act::confirm(&world.ask(), &run, None).await.unwrap();
            bench.round().await;
            // Nobody but who planned it is told anything of it.
            if let Some(other) = other {
                assert!(other.asks(&world).await.unwrap().is_none());
            }
            assert!(bench.claim().await.is_none());
            let line = agent.line(&world).await;
            assert_eq!(line.run(), &run);
            bench
                .refused(&run, &line, Status::Stale, "execution-mode")
                .await;
        };
        let other = Agent::new(&world, "other").await;
        check("to-the-server", Mode::Remote, None).await;
        check(
            "to-another-pool",
            Mode::Agent(other.pool.clone()),
            Some(&other),
        )
        .await;
        check("to-the-client", Mode::Local, None).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_agent_left_is_taken_of_its_own_pool_sealed_as_it_is() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (agent, other) = (
            Agent::new(&world, "far").await,
            Agent::new(&world, "near").await,
        );
        agent.serves(&bench).await;
        let run = bench.start(Kind::PlanAndApply).await;
        bench.planned(&agent.line(&world).await).await;
        bench.round().await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = agent.line(&world).await;
        line.begin(derived(&line)).await.unwrap();
        let key = Key::new(&line.work().await.unwrap().spool_key).unwrap();
        world.pass_days(1);
        bench.round().await;
        bench.is(&run, Status::Errored).await;
        assert_eq!(bench.lock().await.as_deref(), Some(run.as_str()));
        let spooled = state("a", 1, 1, "spooled");
        let sealed = key.seal(&spooled).unwrap();
        let foreign = agent::left(&other.ctx, run.clone()).await.map(drop);
        assert_eq!(kind(foreign), Trouble::NotFound);
        let by_hand = agent::left(&world.ask(), run.clone()).await.map(drop);
        assert_eq!(kind(by_hand), Trouble::NotFound);
        let left = agent::left(&agent.ctx, run.clone()).await.unwrap();
        let mut altered = sealed.clone();
        altered[20] ^= 1;
        assert_eq!(kind(left.take(&altered).await), Trouble::Invalid);
        left.take(&sealed).await.unwrap();
        let head = get(&world.ask(), &bench.workspace, Which::Current).await;
        assert_eq!(head.unwrap().unwrap().1, spooled);
        lock::force(&world.ask(), &bench.workspace, None, None)
            .await
            .unwrap();
        let late = key.seal(&state("a", 2, 1, "late")).unwrap();
        assert_eq!(kind(left.take(&late).await), Trouble::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_agents_keeps_nobody_else_waiting() {
    for_each_engine(async |world| {
        let agent = Agent::new(&world, "far").await;
        let far = Bench::new(&world, "far").await;
        agent.serves(&far).await;
        for _ in 0..=world.options.jobs_max {
            far.start(Kind::PlanOnly).await;
        }
        let here = Bench::new(&world, "here").await;
        let run = here.start(Kind::PlanOnly).await;
        here.round().await;
        assert_eq!(here.claim().await.unwrap().run(), &run);
        let mut given = 0;
        while agent.asks(&world).await.unwrap().is_some() {
            given += 1;
        }
        assert_eq!(given, world.options.jobs_max, "and has no more than others");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_relied_on_stays_and_one_that_goes_takes_its_tokens_along() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let agent = Agent::new(&world, "far").await;
        let again = agent::create(&world.ask(), name("far")).await;
        assert_eq!(kind(again), Trouble::Conflict);
        agent.serves(&bench).await;
        let ended = async || agent::delete(&world.ask(), agent.pool.clone()).await;
        assert_eq!(kind(ended().await), Trouble::Conflict);
        let unsay = execution::Wish {
            mode: Word::Unsay,
            ..execution::Wish::default()
        };
        bench.agree(unsay).await;
        ended().await.unwrap();
        let asked = agent.asks(&world).await.map(drop);
        assert_eq!(kind(asked), Trouble::Unauthenticated);
        let Workspace::Id(id) = &bench.workspace else {
            panic!("a bench knows its workspace by its id");
        };
        let wish = execution::Wish {
            mode: Word::Say(Mode::Agent(agent.pool.clone())),
            ..execution::Wish::default()
        };
        let set = execution::set(&world.ask(), Scope::Workspace(id.clone()), wish).await;
        assert_eq!(kind(set), Trouble::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_plan_says_is_derived_again_by_agents_and_where_any_scope_wants_it() {
    for_each_engine(async |world| {
        let again = async |scope: Scope, reverify| {
            let reverify = Word::Say(reverify);
            let wish = execution::Wish {
                reverify,
                ..execution::Wish::default()
            };
            execution::set(&world.ask(), scope, wish).await.unwrap()
        };
        let bench = Bench::new(&world, "web").await;
        let (_, line) = bench.confirmed(Kind::PlanAndApply).await;
        assert!(!line.work().await.unwrap().reverify, "it planned itself");
        // What an agent is called it says itself: none takes over what any of them said.
        let agent = Agent::new(&world, "far").await;
        for (name, lie, word) in [
            ("taken", None, "not-derived"),
            ("json", Some("plan-json"), "plan-json"),
            ("shown", Some("plan-shown"), "plan-shown"),
        ] {
            let bench = Bench::new(&world, name).await;
            agent.serves(&bench).await;
            let run = bench.start(Kind::PlanAndApply).await;
            bench.planned(&agent.line(&world).await).await;
            bench.round().await;
            act::confirm(&world.ask(), &run, None).await.unwrap();
            let line = agent.line(&world).await;
            assert!(line.work().await.unwrap().reverify);
            let mut said = derived(&line);
            match lie {
                None => said.derived = false,
                Some("plan-json") => said.found.plan_json = "0".repeat(64),
                Some(_) => said.found.plan_shown = "0".repeat(64),
            }
            let begun = line.begin(said).await.unwrap();
            assert!(matches!(begun, Begun::Refused { .. }), "{begun:?}");
            assert_eq!(bench.see(&run).await.reason, word);
        }
        again(Scope::Organization, Reverify::Always).await;
        let bench = Bench::new(&world, "here").await;
        let Workspace::Id(id) = bench.workspace.clone() else {
            panic!("a bench knows its workspace by its id");
        };
        let own = again(Scope::Workspace(id), Reverify::AnotherRunner).await;
        assert_eq!(own.reverify, Reverify::Always);
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        assert!(line.work().await.unwrap().reverify);
        // What was asked for when it was judged is asked for still.
        again(Scope::Organization, Reverify::AnotherRunner).await;
        assert!(line.work().await.unwrap().reverify);
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Refused { .. }), "{begun:?}");
        assert_eq!(bench.see(&run).await.reason, "not-derived");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_in_the_hands_of_the_token_that_took_it_and_no_other_of_its_pool() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let agent = Agent::new(&world, "far").await;
        let other = Agent::of(&world, agent.pool.clone()).await;
        agent.serves(&bench).await;
        let run = bench.start(Kind::PlanAndApply).await;
        bench.round().await;
        agent.line(&world).await;
        let job = job_of(&world, &run).await;
        let asked = agent::line(&other.ctx, job.clone(), "far/0").await;
        assert_eq!(kind(asked.map(drop)), Trouble::Conflict);
        agent::line(&agent.ctx, job, "far/0").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_was_altered_ends_its_own_runs_and_no_other() {
    for_each_engine(async |world| {
        let (here, far, near) = (
            Bench::new(&world, "web").await,
            Bench::new(&world, "dns").await,
            Bench::new(&world, "lan").await,
        );
        let (bad, good) = (
            Agent::new(&world, "far").await,
            Agent::new(&world, "near").await,
        );
        bad.serves(&far).await;
        good.serves(&near).await;
        // Planned before, and agreed on after.
        let planned = far.start(Kind::PlanAndApply).await;
        far.round().await;
        let line = bad.line(&world).await;
        far.planned(&line).await;
        far.round().await;
        let edit = format!(
            "UPDATE agent_pool SET name = 'elsewhere' WHERE id = '{}'",
            bad.pool
        );
        world.tamper(&edit).await;
        act::confirm(&world.ask(), &planned, None).await.unwrap();
        let altered = far.start(Kind::PlanOnly).await;
        let (own, other) = (
            here.start(Kind::PlanOnly).await,
            near.start(Kind::PlanOnly).await,
        );
        here.round().await;
        for run in [&planned, &altered] {
            far.is(run, Status::Errored).await;
            assert_eq!(far.see(run).await.reason, "agent-pool-altered");
        }
        assert_eq!(far.lock().await, None, "nothing was applied");
        assert!(bad.asks(&world).await.is_err(), "nobody is of that pool");
        assert_eq!(here.claim().await.unwrap().run(), &own);
        assert_eq!(good.line(&world).await.run(), &other);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert!(!report.is_proven(), "and it is found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_was_taken_away_or_has_no_id_any_more_stops_no_other_run() {
    for_each_engine(async |world| {
        let (here, far) = (
            Bench::new(&world, "web").await,
            Bench::new(&world, "dns").await,
        );
        let bad = Agent::new(&world, "far").await;
        bad.serves(&far).await;
        for edit in [
            "UPDATE agent_pool SET id = 'nothing'",
            "DELETE FROM agent_pool",
        ] {
            world.tamper(edit).await;
            let (own, altered) = (
                here.start(Kind::PlanOnly).await,
                far.start(Kind::PlanOnly).await,
            );
            here.round().await;
            far.is(&altered, Status::Errored).await;
            assert_eq!(far.see(&altered).await.reason, "agent-pool-altered");
            assert_eq!(here.claim().await.unwrap().run(), &own);
        }
    })
    .await;
}
