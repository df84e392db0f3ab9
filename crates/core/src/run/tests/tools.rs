//! Which tool plans and applies: what scopes say of it, and what is refused where that and the runner's word differ.

use super::*;
use crate::execution::sql::ExecutionTool;
use crate::execution::{Tool, Word};
use crate::ledger::verify_live;

fn says(tool: Word<Tool>) -> execution::Wish {
    execution::Wish {
        tool,
        ..execution::Wish::default()
    }
}

/// What a runner finds that has this tool.
fn found_with(line: &Line, tool: &str) -> Found {
    Found {
        tool: tool.to_owned(),
        ..found(line)
    }
}

async fn planned_with(bench: &Bench<'_>, line: &Line, tool: &str) -> Result<()> {
    bench.plans(line).await;
    let found = Box::new(found_with(line, tool));
    let changes = true;
    line.done(Ended::Planned { found, changes }).await
}

/// Checks that a runner that says to have this tool applies nothing, because of the tool alone.
async fn applies_nothing(bench: &Bench<'_>, (run, line): (&RunId, &Line), tool: &str) {
    let begun = line.begin(found_with(line, tool)).await.unwrap();
    let Begun::Refused { what, why } = begun else {
        panic!("it applies: {begun:?}");
    };
    assert_eq!(what, Status::Errored.as_str(), "{why:?}");
    bench.is(run, Status::Errored).await;
    assert_eq!(bench.see(run).await.reason, "tool-name", "{why:?}");
    let why = "found by a test".to_owned();
    line.done(Ended::Refused { what, why }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_uses_the_tool_that_the_narrowest_scope_names() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let run = bench.start(Kind::PlanOnly).await;
        let line = bench.line(&run).await;
        let is = async |tool: Tool| {
            assert_eq!(line.work().await.unwrap().tool, tool);
        };
        is(Tool::Terraform).await;
        let of_all = async |wish| {
            let said = execution::set(&world.ask(), Scope::Organization, wish).await;
            said.unwrap()
        };
        let all = of_all(says(Word::Say(Tool::Tofu))).await;
        assert_eq!(all.tool, Some(Tool::Tofu));
        assert_eq!(all.scope.as_deref(), Some("organization"));
        is(Tool::Tofu).await;
        bench.agree(says(Word::Say(Tool::Terraform))).await;
        is(Tool::Terraform).await;
        // What is said of other things leaves it as it is.
        bench.require(2).await;
        is(Tool::Terraform).await;
        bench.agree(says(Word::Unsay)).await;
        is(Tool::Tofu).await;
        let before = world.evidence().await.size();
        bench.agree(says(Word::Unsay)).await;
        assert_eq!(world.evidence().await.size(), before, "nothing was said");
        of_all(says(Word::Unsay)).await;
        is(Tool::Terraform).await;
        let report = verify_live(&world.ask()).await.unwrap();
        assert_eq!(report.count, 0, "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tool_planned_the_other_does_not_apply() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        // The runner has the tool that is wanted now, or says that it still has the one that planned.
        for tool in ["tofu", "terraform"] {
            let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
            bench.agree(says(Word::Say(Tool::Tofu))).await;
            applies_nothing(&bench, (&run, &line), tool).await;
            bench.agree(says(Word::Unsay)).await;
        }
        // Nor one that only the runner changed.
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        applies_nothing(&bench, (&run, &line), "tofu").await;
        // What tofu plans and applies is applied.
        bench.agree(says(Word::Say(Tool::Tofu))).await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = bench.line(&run).await;
        planned_with(&bench, &line, "tofu").await.unwrap();
        bench.round().await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        let begun = line.begin(found_with(&line, "tofu")).await.unwrap();
        let Begun::Verified(words) = begun else {
            panic!("{begun:?}");
        };
        let named = words.iter().any(|each| each.contains("the tool is tofu"));
        assert!(named, "{words:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_tool_planned_than_the_runs_use_is_bound_to_nothing() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.agree(says(Word::Say(Tool::Tofu))).await;
        let run = bench.start(Kind::PlanAndApply).await;
        let line = bench.line(&run).await;
        let refused = planned_with(&bench, &line, "terraform").await.unwrap_err();
        assert_eq!(*refused.kind(), Trouble::Invalid);
        let words = refused.message();
        assert!(words.contains("was made by `terraform`"), "{words}");
        bench.is(&run, Status::Planning).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_tool_that_nobody_can_have_named_no_run_begins() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        let other = Bench::new(&world, "other").await;
        let fresh = other.start(Kind::PlanOnly).await;
        let fresh = other.line(&fresh).await;
        // A row with its own MAC and leaf, as a server that knows another tool would write it.
        let target = crate::door::Target::House;
        crate::door::change(&world.ask(), execution::SetExecution, target, |tx| {
            Box::pin(async move {
                let row = ExecutionTool {
                    scope: "organization".to_owned(),
                    tool: Some("pulumi".to_owned()),
                    set_by: String::new(),
                    set_at: tx.now(),
                };
                tx.put(&row).await?;
                let entry = crate::door::Entry::new(&row.scope);
                Ok(crate::door::Outcome::Recorded((), entry))
            })
        })
        .await
        .unwrap();
        let shown = execution::show(&world.ask(), Scope::Organization).await;
        assert_eq!(shown.unwrap().tool, None);
        assert_eq!(kind(fresh.work().await.map(drop)), Trouble::Tampered);
        bench
            .refused(&run, &line, Status::StateTampered, "unreadable")
            .await;
        // Who says it anew has runs again.
        let said = says(Word::Say(Tool::Terraform));
        let set = execution::set(&world.ask(), Scope::Organization, said).await;
        assert_eq!(set.unwrap().tool, Some(Tool::Terraform));
        assert_eq!(fresh.work().await.unwrap().tool, Tool::Terraform);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_the_tool_that_was_altered_or_put_back_is_found() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.agree(says(Word::Say(Tool::Terraform))).await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        let keep = "CREATE TABLE kept AS SELECT * FROM execution_tool";
        world.tamper(keep).await;
        bench.agree(says(Word::Say(Tool::Tofu))).await;
        for edit in [
            "DELETE FROM execution_tool",
            "INSERT INTO execution_tool SELECT * FROM kept",
        ] {
            world.tamper(edit).await;
        }
        bench
            .refused(&run, &line, Status::StateTampered, "older-row")
            .await;
        world
            .tamper("UPDATE execution_tool SET tool = 'tofu'")
            .await;
        let shown = execution::show(&world.ask(), Scope::Organization).await;
        shown.unwrap();
        let Workspace::Id(id) = &bench.workspace else {
            panic!("a bench knows its workspace by its id");
        };
        let own = Scope::Workspace(id.clone());
        let shown = execution::show(&world.ask(), own).await.map(drop);
        assert_eq!(kind(shown), Trouble::Tampered);
        let report = verify_live(&world.ask()).await.unwrap();
        let named = report
            .differences
            .iter()
            .any(|each| each.place.contains("execution_tool"));
        assert!(named, "{report:?}");
    })
    .await;
}
