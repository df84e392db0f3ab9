//! Which house the places of this server work for.

use std::time::Duration;

use statehouse_model::{HouseCode, HouseId};

use super::*;
use crate::Core;

/// A house beside that of the world, with a workspace of which runs are started.
struct Beside {
    ctx: Ctx,
    workspace: Workspace,
    configuration: ConfigurationId,
}

impl Beside {
    async fn new(world: &World, called: &str) -> Self {
        let machine = world.core.machine();
        let made = world
            .core
            .create_organization(&machine, name(called), world.owner.clone())
            .await
            .unwrap();
        let house = world.core.house(made.code.parse().unwrap()).await.unwrap();
        let ctx = world.ask().enter(house.clone());
        let made = workspace::create(&ctx, name("web"), None).await.unwrap();
        let workspace = Workspace::Id(made.id.parse().unwrap());
        let scope = Scope::Workspace(made.id.parse().unwrap());
        let wish = execution::Wish {
            mode: execution::Word::Say(Mode::Remote),
            ..execution::Wish::default()
        };
        execution::set(&ctx, scope, wish).await.unwrap();
        let wished = configuration::wish(&ctx, &workspace, ConfigurationWish::default()).await;
        let wished = wished.unwrap();
        let (put, id) = (wished.put.unwrap(), wished.id.parse().unwrap());
        let granted = crate::url::open(&house, &put.id, &put.signature).await;
        configuration::upload(&ctx, &granted.unwrap(), &id, archive())
            .await
            .unwrap();
        Self {
            ctx,
            workspace,
            configuration: id,
        }
    }

    fn code(&self) -> HouseCode {
        self.ctx.house().code()
    }

    async fn start(&self) -> RunId {
        let wish = Wish {
            configuration: self.configuration.clone(),
            kind: Kind::PlanOnly,
            auto_apply: false,
            options: Options::default(),
        };
        create(&self.ctx, &self.workspace, wish).await.unwrap().id
    }
}

fn slot(number: usize) -> job::Holder {
    job::Holder::own(&format!("slot-{number}"), job::Sandbox::Strict)
}

/// Whose job a place gets; `None` where it gets none for a while.
async fn gets(core: &Core, number: usize) -> Option<(HouseCode, Line)> {
    let slot = slot(number);
    let next = tokio::time::timeout(Duration::from_secs(2), core.next_job(&slot));
    let line = next.await.ok()?;
    Some((HouseId::house(line.run()), line))
}

async fn whose(core: &Core, number: usize) -> HouseCode {
    gets(core, number).await.expect("a job").0
}

async fn ends(line: &Line) {
    line.done(Ended::Failed("init".to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn houses_have_their_turns() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let beside = Beside::new(&world, "globex").await;
        for _ in 0..2 {
            bench.start(Kind::PlanOnly).await;
            beside.start().await;
        }
        let mut served = Vec::new();
        for _ in 0..4 {
            served.push(whose(&world.core, 0).await);
        }
        assert_ne!(served[0], served[1]);
        assert_eq!(served[..2], served[2..]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_with_many_runs_keeps_a_single_run_of_another_waiting_for_one_job() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let many = world.house.code();
        for _ in 0..30 {
            bench.start(Kind::PlanOnly).await;
        }
        // Nobody else waits: it has all places.
        let mut lines = Vec::new();
        for number in 0..3 {
            let (code, line) = gets(&world.core, number).await.unwrap();
            assert_eq!(code, many);
            lines.push(line);
        }
        let single = Beside::new(&world, "globex").await;
        single.start().await;
        ends(&lines[1]).await;
        let (code, line) = gets(&world.core, 1).await.unwrap();
        assert_eq!(code, single.code(), "the first place that is free");
        ends(&line).await;
        assert_eq!(
            whose(&world.core, 1).await,
            many,
            "and back when it is done"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_house_with_the_fewest_places_is_next_whoever_was_served_last() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let many = world.house.code();
        let other = Beside::new(&world, "globex").await;
        for _ in 0..9 {
            bench.start(Kind::PlanOnly).await;
            other.start().await;
        }
        let mut places = Vec::new();
        for number in 0..4 {
            places.push(whose(&world.core, number).await);
        }
        let of = |places: &[HouseCode], code| places.iter().filter(|each| **each == code).count();
        assert_eq!((of(&places, many), of(&places, other.code())), (2, 2));
        // Whenever a place of one is free, that one has fewer, and gets it again.
        for _ in 0..3 {
            let at = places.iter().position(|code| *code == many).unwrap();
            places[at] = whose(&world.core, at).await;
            assert_eq!(places[at], many, "half of the places stay half");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_has_no_more_places_than_one_may_have() {
    for_each_engine(async |world| {
        let mut ashes = world.close().await;
        ashes.options.places_max = 2;
        let world = ashes.start(crate::testing::faults::Script::quiet()).await;
        let bench = Bench::new(&world, "web").await;
        for _ in 0..5 {
            bench.start(Kind::PlanOnly).await;
        }
        let core = &world.core;
        let [one, two, three, four] = [0, 1, 2, 3].map(|place| Box::pin(gets(core, place)));
        let asked = tokio::join!(one, two, three, four);
        let asked = [asked.0, asked.1, asked.2, asked.3];
        let taken: Vec<_> = asked.iter().flatten().collect();
        assert_eq!(taken.len(), 2, "also where all places look at once");
        let other = Beside::new(&world, "globex").await;
        other.start().await;
        let (code, _) = gets(core, 4).await.expect("another house has its own");
        assert_eq!(code, other.code());
        ends(&taken[0].1).await;
        assert!(
            gets(core, 5).await.is_none(),
            "that place did not come back yet"
        );
        let freed = asked.iter().position(Option::is_some).unwrap();
        assert_eq!(whose(core, freed).await, world.house.code());
    })
    .await;
}
