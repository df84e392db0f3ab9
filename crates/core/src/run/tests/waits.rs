//! For what and for whom a run waits: told as it is decided, and to nobody more than they may see.

use statehouse_capsule::Decision;
use statehouse_model::Role;

use super::*;
use crate::run::waits::{Awaited, Deed, Naming, Place, Waits, waiting};
use crate::workspace::freeze;

async fn waits(ctx: &Ctx, run: &RunId) -> Waits {
    let naming = show_naming(ctx, run, Naming::People).await;
    naming.unwrap().waits.unwrap()
}

/// The ids of the runs that wait for the caller, with what they may do.
async fn mine(ctx: &Ctx) -> Vec<(RunId, Vec<Deed>)> {
    let found = waiting(ctx).await.unwrap().runs.into_iter();
    let of = |view: RunView| (view.id.clone(), view.waits.unwrap().mine);
    found.map(of).collect()
}

/// Who is named of those who may do something that a run waits for.
fn named(waits: &Waits, deed: Deed) -> Option<Vec<ActorId>> {
    let mut of = waits.of.iter();
    let candidates = of.find_map(|awaited| match awaited {
        Awaited::Person(of, candidates) if *of == deed => Some(candidates),
        _ => None,
    });
    candidates.unwrap().people.clone()
}

fn ids(people: &[&UserId]) -> Vec<ActorId> {
    let ids = people.iter().map(|who| who.as_str().parse().unwrap());
    let mut ids: Vec<ActorId> = ids.collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_waits_for_those_who_may_and_they_are_told_of_it() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let (author, _) = world.member(Role::Writer).await;
        let (other, _) = world.member(Role::Writer).await;
        let (reader, _) = world.member(Role::Reader).await;
        let (nobody, _) = world.member(Role::Member).await;
        let run = bench.offered_by(&author, Kind::PlanAndApply).await;
        let [by_author, by_other, by_reader] = [&author, &other, &reader].map(|who| world.by(who));

        // The owner uploaded what it plans.
        let told = waits(&world.ask(), &run).await;
        assert_eq!(named(&told, Deed::Approve), Some(ids(&[&other])));
        let everybody = ids(&[&author, &other, &world.owner]);
        assert_eq!(named(&told, Deed::Confirm), Some(everybody));
        assert_eq!(told.mine, [Deed::Confirm]);
        let told = waits(&by_other, &run).await;
        assert_eq!(
            named(&told, Deed::Approve),
            None,
            "who has which role is not theirs to see"
        );
        assert_eq!(told.mine, [Deed::Approve, Deed::Confirm]);
        assert_eq!(mine(&by_other).await, [(run.clone(), told.mine)]);
        assert_eq!(mine(&by_author).await, [(run.clone(), vec![Deed::Confirm])]);
        assert_eq!(mine(&by_reader).await, []);
        let leaves = leaves_of(&world).await;
        assert!(waiting(&world.by(&nobody)).await.unwrap().is_empty());
        assert_eq!(
            leaves_of(&world).await,
            leaves,
            "a list of all is no refusal"
        );
        let looked = show(&world.ask(), &run).await.unwrap().waits.unwrap();
        assert_eq!(
            named(&looked, Deed::Approve),
            None,
            "who looks each second is told no names"
        );

        act::confirm(&by_author, &run, None).await.unwrap();
        assert_eq!(
            mine(&by_author).await,
            [],
            "their own approval does not count"
        );
        assert_eq!(mine(&by_other).await, [(run.clone(), vec![Deed::Approve])]);
        let seen = bench.see(&run).await.state.capsule().unwrap();
        act::decide(&by_other, &run, Decision::Approve, seen, None)
            .await
            .unwrap();
        assert_eq!(mine(&by_other).await, []);
        let told = waits(&by_other, &run).await;
        assert_eq!(told.of, [Awaited::Runner(Place::Here)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_has_its_turn_later_says_what_comes_first() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let first = bench.start(Kind::PlanAndApply).await;
        let told = waits(&world.ask(), &first).await;
        assert_eq!(told.of, [Awaited::Runner(Place::Here)]);
        let line = bench.line(&first).await;
        let second = bench.start(Kind::PlanAndApply).await;
        let third = bench.start(Kind::Destroy).await;
        let holds = Awaited::Run {
            id: first.clone(),
            sequence: 1,
            status: Status::Fetching,
        };
        assert_eq!(waits(&world.ask(), &first).await.of, []);
        assert_eq!(
            waits(&world.ask(), &second).await.of,
            std::slice::from_ref(&holds)
        );
        let told = waits(&world.ask(), &third).await.of;
        assert_eq!(told, [holds, Awaited::Earlier(1)]);
        drop(line);

        let other = Bench::new(&world, "dns").await;
        let run = other.start(Kind::PlanAndApply).await;
        let wish = freeze::Wish {
            reason: "the quarter ends".to_owned(),
            who: "ada".to_owned(),
            since: "today".to_owned(),
        };
        let frozen = freeze::freeze(&world.ask(), &other.workspace, wish).await;
        frozen.unwrap();
        assert_eq!(waits(&world.ask(), &run).await.of, [Awaited::Thaw]);
    })
    .await;
}

/// How many leaves the house has.
async fn leaves_of(world: &World) -> usize {
    let ctx = world.ask();
    let mut rows = crate::door::look(ctx.house()).await.unwrap();
    let leaves = crate::ledger::sql::bodies(&mut rows.transaction, 0, u64::MAX >> 1);
    let count = leaves.await.unwrap().len();
    rows.transaction.rollback().await;
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_runs_of_one_workspace_hide_none_of_another_and_what_is_left_out_is_said() {
    for_each_engine(async |world| {
        let (busy, quiet) = (
            Bench::new(&world, "busy").await,
            Bench::new(&world, "quiet").await,
        );
        let mut kept = Vec::new();
        for _ in 0..5 {
            kept.push(busy.offered(Kind::SavedPlan).await);
        }
        let other = quiet.offered(Kind::SavedPlan).await;
        let found = waiting(&world.ask()).await.unwrap();
        let ids: Vec<RunId> = found.runs.iter().map(|run| run.id.clone()).collect();
        assert_eq!((ids.len(), found.more, found.unread), (4, true, 0));
        assert!(ids.contains(&other), "{ids:?}");

        let sql = "UPDATE run SET sequence = 77 WHERE id = '$'";
        world.tamper(&sql.replace('$', kept[0].as_str())).await;
        let found = waiting(&world.ask()).await.unwrap();
        assert_eq!(found.unread, 1);
        assert!(found.runs.iter().any(|run| run.id == other));
        assert!(found.runs.iter().all(|run| run.id != kept[0]));
    })
    .await;
}
