//! What is asked of a state whose row somebody deleted by SQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::error::Kind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_current_version_that_is_gone_is_never_taken_for_no_state() {
    for_each_engine(async |world| {
        let web = world.workspace("web").await;
        let upload = |serial| Upload {
            bytes: state("a", serial, 1, ""),
            lock_id: None,
        };
        put(&world.ask(), &web, upload(1)).await.unwrap();
        world.tamper("DELETE FROM version").await;
        let ask = world.ask();
        let answers = [
            get(&ask, &web, Which::Current).await.map(drop),
            current(&ask, &web).await.map(drop),
            outputs(&ask, &web, Which::Current).await.map(drop),
            resources(&ask, &web, Which::Current).await.map(drop),
            put(&ask, &web, upload(2)).await.map(drop),
            workspace::delete(&ask, &web, true).await.map(drop),
        ];
        for answer in answers {
            assert_eq!(*answer.unwrap_err().kind(), Kind::Tampered);
        }
        let report = crate::ledger::verify_live(&ask).await.unwrap();
        assert!(!report.differences.is_empty());
    })
    .await;
}
