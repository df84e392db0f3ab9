//! Sensitive reads: no leaf, no bytes; repeats are counted, none is left out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use bytes::Bytes;
use statehouse_model::TokenId;

use super::*;
use crate::fault::Fault;
use crate::state::{Which, get};
use crate::workspace::Workspace;

/// A reader with one token, who asks in requests of their own.
struct Reader<'w> {
    world: &'w World,
    token: TokenId,
}

impl Reader<'_> {
    fn ask(&self) -> Ctx {
        self.world.by_token(&self.world.owner, &self.token)
    }

    async fn read(&self, workspace: &Workspace) -> Result<Bytes> {
        get(&self.ask(), workspace, Which::Current)
            .await
            .map(|found| found.unwrap().1)
    }
}

/// The `state.read` leaves: the repeats that each one counts.
async fn reads(world: &World) -> Vec<Option<u64>> {
    let evidence = world.evidence().await;
    let reads = evidence
        .leaves
        .iter()
        .filter(|leaf| leaf["action"] == "state.read");
    reads
        .map(|leaf| leaf["facts"]["repeats"].as_u64())
        .collect()
}

async fn first_waits_and_repeats_count(world: &World, workspace: &Workspace, bytes: &Bytes) {
    let reader = Reader {
        world,
        token: TokenId::from_entropy(crate::entropy()),
    };
    let before = reads(world).await.len();
    // Two first reads at once: neither is answered before the leaf is stored.
    let gate = world.script.hold(Point::Begin);
    let ask = |ctx: Ctx, workspace: Workspace| {
        tokio::spawn(async move { get(&ctx, &workspace, Which::Current).await })
    };
    let (one, other) = (
        ask(reader.ask(), workspace.clone()),
        ask(reader.ask(), workspace.clone()),
    );
    let release = gate.reached().await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(
        !one.is_finished() && !other.is_finished(),
        "no bytes before the leaf"
    );
    assert_eq!(reads(world).await.len(), before);
    release.send(()).unwrap();
    for answer in [one, other] {
        assert_eq!(answer.await.unwrap().unwrap().unwrap().1, bytes.as_ref());
    }
    assert_eq!(reads(world).await.len(), before + 1);
    for _ in 0..5 {
        assert_eq!(&reader.read(workspace).await.unwrap(), bytes);
    }
    assert_eq!(
        reads(world).await.len(),
        before + 1,
        "repeats within the window write nothing"
    );
    world.house.reads().flush(&world.house, true).await;
    assert_eq!(
        reads(world).await[before..],
        [None, Some(6)],
        "the other first one and five more"
    );
    let evidence = world.evidence().await;
    assert_eq!(
        evidence.leaves.last().unwrap()["facts"]["reader"],
        reader.token.as_str()
    );
    // Another token is another reader, and so is the same one afterwards.
    let stranger = Reader {
        world,
        token: TokenId::from_entropy(crate::entropy()),
    };
    stranger.read(workspace).await.unwrap();
    reader.read(workspace).await.unwrap();
    assert_eq!(reads(world).await[before..], [None, Some(6), None, None]);
}

async fn no_leaf_no_bytes(world: &World, workspace: &Workspace, bytes: &Bytes) {
    let reader = Reader {
        world,
        token: TokenId::from_entropy(crate::entropy()),
    };
    let before = reads(world).await.len();
    world.script.fail(Point::Begin, Fault::Lost, 4);
    let refused = reader.read(workspace).await.unwrap_err();
    assert_eq!(refused.kind(), &Kind::Unavailable);
    assert_eq!(reads(world).await.len(), before);
    assert_eq!(
        &reader.read(workspace).await.unwrap(),
        bytes,
        "the next one is a first read again"
    );
    assert_eq!(reads(world).await.len(), before + 1);
    // A writer that stopped answers nobody.
    let stranger = Reader {
        world,
        token: TokenId::from_entropy(crate::entropy()),
    };
    world.script.fail(Point::Signed, Fault::Stop, 1);
    assert_eq!(
        stranger.read(workspace).await.unwrap_err().kind(),
        &Kind::Unavailable
    );
    assert_eq!(
        stranger.read(workspace).await.unwrap_err().kind(),
        &Kind::Unavailable
    );
    assert_eq!(reads(world).await.len(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensitive_read_is_in_the_ledger_before_its_bytes_leave() {
    for_each_engine(async |world| {
        let workspace = world.workspace("web").await;
        let bytes = state("a", 1, 3, "secret");
        put(&world.ask(), &workspace, bytes.clone()).await.unwrap();
        first_waits_and_repeats_count(&world, &workspace, &bytes).await;
        no_leaf_no_bytes(&world, &workspace, &bytes).await;
    })
    .await;
}
