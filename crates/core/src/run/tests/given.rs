//! Variables: given to the runs of their workspace alone, and bound by what is approved.

use statehouse_model::{VariableId, VariableSetId, WorkspaceId};

use super::*;
use crate::reach::{self, To};
use crate::variable::set;
use crate::variable::{self, Category};

fn secret(value: &str) -> variable::Wish {
    variable::Wish {
        name: Some("password".to_owned()),
        value: Some(value.to_owned()),
        sensitive: Some(true),
        ..variable::Wish::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_given_what_its_workspace_has_and_another_is_not() {
    for_each_engine(async |world| {
        let (bench, other) = (
            Bench::new(&world, "web").await,
            Bench::new(&world, "db").await,
        );
        let ctx = world.ask();
        let made = variable::create(&ctx, &bench.workspace, secret("correct-horse")).await;
        assert_eq!(made.unwrap().value, None);
        let wish = variable::Wish {
            name: Some("REGION".to_owned()),
            value: Some("eu-north-1".to_owned()),
            category: Some(Category::Environment),
            ..variable::Wish::default()
        };
        variable::create(&ctx, &bench.workspace, wish)
            .await
            .unwrap();
        let run = bench.start(Kind::PlanOnly).await;
        let given = bench.line(&run).await.work().await.unwrap().variables;
        let told: Vec<_> = given
            .iter()
            .map(|each| (each.name.as_str(), each.value.as_str(), each.sensitive))
            .collect();
        assert_eq!(
            told,
            [
                ("REGION", "eu-north-1", false),
                ("password", "correct-horse", true)
            ]
        );
        let run = other.start(Kind::PlanOnly).await;
        let given = other.line(&run).await.work().await.unwrap().variables;
        assert!(given.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_value_after_the_plan_is_not_what_was_approved() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let ctx = world.ask();
        let made = variable::create(&ctx, &bench.workspace, secret("correct-horse")).await;
        let id = made.unwrap().id.parse().unwrap();
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        variable::update(&ctx, &bench.workspace, &id, secret("battery-staple"))
            .await
            .unwrap();
        let begun = line.begin(found(&line)).await.unwrap();
        let Begun::Refused { why, .. } = begun else {
            panic!("it applies: {begun:?}");
        };
        assert!(
            why.iter().all(|words| !words.contains("battery")),
            "{why:?}"
        );
        assert!(bench.see(&run).await.reason.contains("variable"), "{why:?}");
        // The same value again is what was planned with.
        let (_, line) = bench.confirmed(Kind::PlanAndApply).await;
        variable::update(&ctx, &bench.workspace, &id, secret("battery-staple"))
            .await
            .unwrap();
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
    })
    .await;
}

/// A set with one variable.
async fn set_of(world: &World, wish: set::Wish, says: variable::Wish) -> VariableSetId {
    let made = set::create(&world.ask(), wish).await.unwrap();
    let id: VariableSetId = made.id.parse().unwrap();
    variable::create(&world.ask(), &id, says).await.unwrap();
    id
}

fn called(text: &str) -> set::Wish {
    set::Wish {
        name: Some(text.to_owned()),
        ..set::Wish::default()
    }
}

fn says(value: &str) -> variable::Wish {
    variable::Wish {
        name: Some("region".to_owned()),
        value: Some(value.to_owned()),
        ..variable::Wish::default()
    }
}

/// What a run is given as its region, which says one itself or does not.
async fn region(bench: &Bench<'_>, of_run: Option<&str>) -> Option<(String, bool)> {
    let mut wish = bench.wish(Kind::PlanOnly);
    if let Some(value) = of_run {
        let name = "region".to_owned();
        wish.options.variables.insert(name, value.to_owned());
    }
    let made = create(&bench.world.ask(), &bench.workspace, wish).await;
    let run = made.unwrap().id;
    let line = bench.line(&run).await;
    let given = line.work().await.unwrap().variables;
    act::cancel(&bench.world.ask(), &run, None).await.unwrap();
    line.done(Ended::Stopped).await.unwrap();
    let mut found = given.into_iter().filter(|each| each.name == "region");
    let first = found.next();
    assert!(found.next().is_none(), "a name is given once");
    first.map(|each| (each.value.to_string(), each.hcl))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_given_the_strongest_of_what_is_said_for_it() {
    for_each_engine(async |world| {
        let (bench, other) = (
            Bench::new(&world, "web").await,
            Bench::new(&world, "db").await,
        );
        let ctx = world.ask();
        let text = |text: &str| Some((text.to_owned(), false));
        let literal = |text: &str| Some((text.to_owned(), true));
        assert_eq!(region(&bench, None).await, None);
        let global = set::Wish {
            reach: reach::Wish::global(true),
            ..called("global")
        };
        let global = set_of(&world, global, says("global")).await;
        assert_eq!(region(&bench, None).await, text("global"));
        let id: WorkspaceId = bench.workspace.to_string().parse().unwrap();
        let narrow = set::Wish {
            reach: reach::Wish::workspaces([id]),
            ..called("narrow")
        };
        set_of(&world, narrow, says("narrow")).await;
        assert_eq!(region(&bench, None).await, text("narrow"));
        assert_eq!(region(&other, None).await, text("global"));
        variable::create(&ctx, &bench.workspace, says("own"))
            .await
            .unwrap();
        assert_eq!(region(&bench, None).await, text("own"));
        assert_eq!(region(&bench, Some("\"run\"")).await, literal("\"run\""));
        let priority = set::Wish {
            priority: Some(true),
            ..set::Wish::default()
        };
        set::update(&ctx, &global, priority).await.unwrap();
        assert_eq!(region(&bench, None).await, text("global"));
        // Nor can a run say otherwise.
        assert_eq!(region(&bench, Some("\"run\"")).await, text("global"));
        set::remove(&ctx, &global).await.unwrap();
        assert_eq!(region(&bench, Some("\"run\"")).await, literal("\"run\""));
        assert_eq!(region(&other, None).await, None);
    })
    .await;
}

/// What somebody does while a plan waits.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Value,
    Literal,
    Another,
    Removed,
    Detached,
    Attached,
    Overruled,
    Renamed,
}

/// A workspace with a set that is attached to it, and one that is not.
struct Sets {
    workspace: WorkspaceId,
    number: usize,
    there: VariableSetId,
    variable: VariableId,
    other: VariableSetId,
}

impl Sets {
    async fn new(bench: &Bench<'_>, number: usize) -> Self {
        let world = bench.world;
        let workspace: WorkspaceId = bench.workspace.to_string().parse().unwrap();
        let attached = set::Wish {
            reach: reach::Wish::workspaces([workspace.clone()]),
            ..called(&format!("a{number}"))
        };
        let there = set_of(world, attached, says("1")).await;
        let made = variable::list(&world.ask(), &there).await.unwrap();
        let elsewhere = variable::Wish {
            name: Some("zone".to_owned()),
            ..says("1")
        };
        Self {
            workspace,
            number,
            variable: made[0].id.parse().unwrap(),
            there,
            other: set_of(world, called(&format!("b{number}")), elsewhere).await,
        }
    }

    async fn set(&self, ctx: &Ctx, wish: variable::Wish) {
        variable::update(ctx, &self.there, &self.variable, wish)
            .await
            .unwrap();
    }

    async fn become_otherwise(&self, world: &World, what: Meanwhile) {
        let ctx = &world.ask();
        let place = vec![To::Workspace(self.workspace.clone())];
        match what {
            Meanwhile::Value => self.set(ctx, says("2")).await,
            Meanwhile::Literal => {
                let wish = variable::Wish {
                    hcl: Some(true),
                    ..says("1")
                };
                self.set(ctx, wish).await;
            }
            Meanwhile::Another => {
                let wish = variable::Wish {
                    name: Some("more".to_owned()),
                    ..says("1")
                };
                variable::create(ctx, &self.there, wish).await.unwrap();
            }
            Meanwhile::Removed => set::remove(ctx, &self.there).await.unwrap(),
            Meanwhile::Detached => set::detach(ctx, &self.there, place).await.unwrap(),
            Meanwhile::Attached => set::attach(ctx, &self.other, place).await.unwrap(),
            Meanwhile::Overruled => {
                let wish = set::Wish {
                    priority: Some(true),
                    reach: reach::Wish::workspaces([self.workspace.clone()]),
                    ..called(&format!("c{}", self.number))
                };
                set_of(world, wish, says("2")).await;
            }
            Meanwhile::Renamed => {
                let wish = called(&format!("d{}", self.number));
                set::update(ctx, &self.there, wish).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_set_after_the_plan_makes_it_stale() {
    for_each_engine(async |world| {
        let cases = [
            (Meanwhile::Value, "variable"),
            (Meanwhile::Literal, "variable"),
            (Meanwhile::Another, "variable-extra"),
            (Meanwhile::Removed, "variable-missing"),
            (Meanwhile::Detached, "variable-missing"),
            (Meanwhile::Attached, "variable-extra"),
            (Meanwhile::Overruled, "variable"),
            (Meanwhile::Renamed, ""),
        ];
        for (number, (what, names)) in cases.into_iter().enumerate() {
            println!("{what:?}");
            let bench = Bench::new(&world, &format!("w{number}")).await;
            let sets = Sets::new(&bench, number).await;
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            sets.become_otherwise(&world, what).await;
            if names.is_empty() {
                // What the run is given is as it was.
                let begun = line.begin(found(&line)).await.unwrap();
                assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
            } else {
                bench.refused(&run, &line, Status::Stale, names).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_stays_in_the_directory_that_it_was_started_in() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let lives_in = async |folder: &str| {
            let settings = workspace::Settings {
                working_directory: Some(folder.to_owned()),
                ..workspace::Settings::default()
            };
            let change = workspace::Change {
                settings,
                ..workspace::Change::default()
            };
            let changed = workspace::update(&world.ask(), &bench.workspace, change).await;
            changed.unwrap();
        };
        lives_in("live").await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        assert_eq!(line.work().await.unwrap().working_directory, "live");
        lives_in("elsewhere").await;
        assert_eq!(line.work().await.unwrap().working_directory, "live");
        // Whoever starts a run does not say where.
        let mut wish = bench.wish(Kind::PlanOnly);
        wish.options.working_directory = Some("of my own".to_owned());
        let other = create(&world.ask(), &bench.workspace, wish).await.unwrap();
        let line = bench.line(&other.id).await;
        assert_eq!(line.work().await.unwrap().working_directory, "elsewhere");
        drop(run);
    })
    .await;
}
