//! Several server processes over one database: one ledger, no fork.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::Core;
use crate::fault::Faults;
use crate::house::House;
use crate::testing::faults::Script;
use statehouse_model::{Actor, TokenId};

/// A request of the owner's at another process.
fn at(world: &World, house: &Arc<House>) -> Ctx {
    let actor = Actor::User {
        user: world.owner.clone(),
        token: TokenId::from_entropy(crate::entropy()),
    };
    Ctx::new(house.clone(), actor, None, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_over_one_database_grow_one_ledger() {
    for_each_engine(async |world| {
        let other = Core::open_with(world.options.clone(), Faults::new(Script::quiet()))
            .await
            .unwrap();
        let there = other.house(world.house.code()).await.unwrap();
        assert_eq!(there.read_only(), None);
        let since = world.evidence().await.size();
        let mut asks = Vec::new();
        let mut answers = Vec::new();
        // Alternately, far enough that rows of hashes fill up on both sides.
        for turn in 0..300 {
            let ask = if turn % 2 == 0 {
                world.ask()
            } else {
                at(&world, &there)
            };
            answers.push(job(&ask, None).await);
            asks.push(ask);
        }
        // And at once, so that batches of both meet.
        let both = (0..60).map(|turn| {
            if turn % 2 == 0 {
                world.ask()
            } else {
                at(&world, &there)
            }
        });
        let running: Vec<_> = both
            .map(|ask| (tokio::spawn(job(&ask, None)), ask))
            .collect();
        for (answer, ask) in running {
            answers.push(answer.await.unwrap());
            asks.push(ask);
        }
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        equal(&world, since, &asks, &answers).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_this_house_did_not_sign_is_never_signed_over() {
    for_each_engine(async |world| {
        job(&world.ask(), None).await.unwrap();
        let head = world.evidence().await.head;
        // Somebody with the database appends a leaf and moves the head.
        let leaf = format!("{{\"action\":\"forged\",\"seq\":{}}}", head.size);
        let hash = statehouse_ledger::tree::leaf_hash(leaf.as_bytes());
        let mut frontier = statehouse_ledger::tree::Frontier::new();
        for stored in &world.evidence().await.leaves {
            frontier.push(statehouse_ledger::tree::leaf_hash(
                stored.to_string().as_bytes(),
            ));
        }
        assert_eq!(
            frontier.root(),
            head.root,
            "the forger computes roots as the ledger does"
        );
        frontier.push(hash);
        let bytes = |bytes: &[u8]| match world.engine {
            Engine::Sqlite => format!("x'{}'", hex::encode(bytes)),
            Engine::Postgres => format!("'\\x{}'::bytea", hex::encode(bytes)),
        };
        let forge = format!(
            "INSERT INTO ledger_leaf (seq, hash, body) VALUES ({}, {}, '{leaf}');
            UPDATE ledger_head SET size = {}, root = {}",
            head.size,
            bytes(&hash),
            head.size + 1,
            bytes(&frontier.root()),
        );
        world.tamper(&forge).await;
        let refused = job(&world.ask(), None).await.unwrap_err();
        assert_eq!(refused.kind(), &Kind::Unavailable);
        assert!(refused.to_string().contains("does not extend"), "{refused}");
        let undo = format!(
            "DELETE FROM ledger_leaf WHERE seq = {}; UPDATE ledger_head SET size = {}, root = {}",
            head.size,
            head.size,
            bytes(&head.root),
        );
        world.tamper(&undo).await;
        job(&world.ask(), None).await.unwrap();
        world.evidence().await;
    })
    .await;
}
