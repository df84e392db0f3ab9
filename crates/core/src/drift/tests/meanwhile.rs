//! What others do while a look looks, or may do: then it knows nothing.

use super::*;
use crate::state::lock;
use crate::testing::lock_info;

impl Bench<'_> {
    /// Begins to apply something whose state is in a backend elsewhere.
    async fn begins_elsewhere(&self) -> Line {
        let wish = Self::wish(self.uploaded(false).await, Kind::PlanAndApply);
        let run = run::create(&self.world.ask(), &self.workspace, wish).await;
        let run = run.unwrap().id;
        report(&self.line(&run).await, STILL, true).await;
        let line = self.line(&run).await;
        let begun = line.begin(*found(STILL)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.copy(false, state("a", 1, 3, "")).await.unwrap();
        line
    }

    /// The same to its end.
    async fn applies_elsewhere(&self) {
        let line = self.begins_elsewhere().await;
        line.done(Ended::Applied).await.unwrap();
    }

    /// What the last look found out, or why nothing.
    async fn newest(&self, run: &RunId) -> (Option<u64>, String) {
        let newest = self.shown().await.newest.unwrap();
        assert_eq!(newest.run, *run);
        (newest.drifted, newest.reason)
    }
}

/// What a look ends with that something came between.
fn nothing() -> (Option<u64>, String) {
    (None, "state-changed".to_owned())
}

/// What one ends with that came to its end.
fn two() -> (Option<u64>, String) {
    (Some(2), String::new())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_begins_and_ends_during_a_look_leaves_nothing_known() {
    for_each_engine(async |world| {
        let bench = Bench::bare(&world, "web").await;
        bench.applies_elsewhere().await;
        let look = bench.finds(DRIFTED).await;
        assert_eq!(bench.newest(&look).await, two());

        let look = bench.look().await;
        let line = bench.line(&look).await;
        bench.applies_elsewhere().await;
        report(&line, DRIFTED, true).await;
        assert_eq!(bench.newest(&look).await, nothing());

        // That of another workspace is nothing to it.
        let other = Bench::bare(&world, "other").await;
        let look = bench.look().await;
        let line = bench.line(&look).await;
        other.applies_elsewhere().await;
        report(&line, DRIFTED, true).await;
        assert_eq!(bench.newest(&look).await, two());

        // Nor is one that was over when it had its turn, though it waited by then.
        let applies = bench.begins_elsewhere().await;
        let look = bench.look().await;
        turn::round(&world.house, 10).await.unwrap();
        assert!(claim(&world).await.is_none());
        applies.done(Ended::Applied).await.unwrap();
        report(&bench.line(&look).await, DRIFTED, true).await;
        assert_eq!(bench.newest(&look).await, two());
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_somebodys_lock_no_look_starts_by_itself_and_none_finds_anything_out() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.every(Some(1)).await;
        world.pass_minutes(16);
        lock::take(&world.ask(), &bench.workspace, lock_info("mine"))
            .await
            .unwrap();
        assert_eq!(started(&world).await, 0, "somebody holds it");
        let look = bench.finds(DRIFTED).await;
        assert_eq!(bench.newest(&look).await, nothing());

        let look = bench.look().await;
        let line = bench.line(&look).await;
        lock::force(&world.ask(), &bench.workspace, None, None)
            .await
            .unwrap();
        report(&line, DRIFTED, true).await;
        assert_eq!(bench.newest(&look).await, two());
        world.pass_minutes(80);
        assert_eq!(started(&world).await, 1);
        world.evidence().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_an_open_run_is_nobody_elses_and_one_that_a_run_left_is() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let wish = Bench::wish(bench.uploaded(false).await, Kind::PlanAndApply);
        let run = run::create(&world.ask(), &bench.workspace, wish).await;
        let run = run.unwrap().id;
        let plans = bench.line(&run).await;
        let look = bench.finds(DRIFTED).await;
        assert_eq!(bench.newest(&look).await, two());

        report(&plans, STILL, true).await;
        let applies = bench.line(&run).await;
        applies.begin(*found(STILL)).await.unwrap();
        world.pass_days(1);
        turn::round(&world.house, 10).await.unwrap();
        let seen = workspace::show(&world.ask(), &bench.workspace).await;
        assert_eq!(seen.unwrap().lock_id.as_deref(), Some(run.as_str()));
        bench.every(Some(1)).await;
        world.pass_minutes(16);
        assert_eq!(started(&world).await, 0, "it is half applied");
        let look = bench.finds(DRIFTED).await;
        assert_eq!(bench.newest(&look).await, nothing());
        lock::force(&world.ask(), &bench.workspace, None, None)
            .await
            .unwrap();
        let look = bench.finds(DRIFTED).await;
        assert_eq!(bench.newest(&look).await, two());
        world.evidence().await;
    })
    .await;
}
