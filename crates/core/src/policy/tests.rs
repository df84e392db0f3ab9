//! Bundles that are announced and sent, and workspaces that are left out, on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use bytes::Bytes;
use statehouse_model::{PolicyBundleId, Role};

use super::*;
use crate::reach;
use crate::testing::judge::says;
use crate::testing::{World, for_each_engine};
use crate::url::{self, Granted, Signed};
use crate::workspace;

async fn made(world: &World, name: &str) -> PolicySetId {
    let wish = Wish {
        name: Some(name.to_owned()),
        reach: reach::Wish::global(true),
        ..Wish::default()
    };
    let made = create(&world.ask(), wish).await.unwrap();
    made.id.parse().unwrap()
}

/// What an address allows.
async fn granted(world: &World, signed: &Signed) -> Granted {
    let opened = url::open(&world.house, &signed.id, &signed.signature).await;
    opened.unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_is_published_once_and_by_who_may() {
    for_each_engine(async |world| {
        let set = made(&world, "one").await;
        let asked = world.ask();
        let announced = upload::announce(&asked, &set).await.unwrap();
        let id: PolicyBundleId = announced.id.parse().unwrap();
        let address = granted(&world, announced.put.as_ref().unwrap()).await;
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["action"], "policy-set.announce");
        assert_eq!(leaf["facts"]["bundle"], id.as_str());
        let pending = upload::show(&world.ask(), &id).await.unwrap();
        assert!(pending.bundle.is_none());

        let send =
            async |ctx: &Ctx, archive: Bytes| upload::upload(ctx, &address, &id, archive).await;
        let (reader, _) = world.member(Role::Reader).await;
        assert_eq!(
            kind(send(&world.by(&reader), says("passed")).await),
            Kind::Denied
        );
        assert_eq!(
            kind(send(&world.ask(), Bytes::from_static(b"no")).await),
            Kind::Invalid
        );
        let asked = world.ask();
        send(&asked, says("passed")).await.unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["action"], "policy-set.publish");
        assert_eq!(leaf["object"], set.as_str());
        send(&world.ask(), says("passed")).await.unwrap();
        assert_eq!(
            kind(send(&world.ask(), says("advised")).await),
            Kind::Conflict
        );
        let there = upload::show(&world.ask(), &id).await.unwrap();
        assert_eq!(there.bundle.unwrap().id, id.as_str());
        assert_eq!(publish::history(&world.ask(), &set).await.unwrap().len(), 1);

        // The same contents under another address are what is in force.
        let again = upload::announce(&world.ask(), &set).await.unwrap();
        let other: PolicyBundleId = again.id.parse().unwrap();
        let address = granted(&world, again.put.as_ref().unwrap()).await;
        upload::upload(&world.ask(), &address, &other, says("passed"))
            .await
            .unwrap();
        let led = upload::show(&world.ask(), &other).await.unwrap();
        assert_eq!(led.id, id.as_str());
        assert_eq!(publish::history(&world.ask(), &set).await.unwrap().len(), 1);

        // What nothing came for ends with its address.
        let late = upload::announce(&world.ask(), &set).await.unwrap();
        world.pass_minutes(16);
        let late: PolicyBundleId = late.id.parse().unwrap();
        assert_eq!(
            kind(upload::show(&world.ask(), &late).await),
            Kind::NotFound
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_left_out_and_no_more_by_who_may() {
    for_each_engine(async |world| {
        let set = made(&world, "one").await;
        publish::publish(&world.ask(), &set, says("passed"))
            .await
            .unwrap();
        let place = world.workspace("web").await;
        let shown = workspace::show(&world.ask(), &place).await.unwrap();
        let id: WorkspaceId = shown.id.parse().unwrap();
        let reaches = async || {
            let found = of_workspace(&world.ask(), &place).await.unwrap();
            !found.is_empty()
        };
        assert!(reaches().await);
        let (writer, _) = world.member(Role::Writer).await;
        let denied = exclude::exclude(&world.by(&writer), &set, vec![id.clone()]).await;
        assert_eq!(kind(denied), Kind::Denied);
        let asked = world.ask();
        exclude::exclude(&asked, &set, vec![id.clone()])
            .await
            .unwrap();
        let leaf = world.evidence().await.one(asked.request()).clone();
        assert_eq!(leaf["facts"]["scope-1"], id.as_str());
        assert_eq!(leaf["facts"]["excluded"], true);
        assert!(!reaches().await);
        exclude::include(&world.ask(), &set, vec![id.clone()])
            .await
            .unwrap();
        assert!(reaches().await);
        // Once more changes nothing, and leaves nothing.
        let asked = world.ask();
        exclude::include(&asked, &set, vec![id]).await.unwrap();
        assert!(world.evidence().await.of(asked.request()).is_empty());
    })
    .await;
}
