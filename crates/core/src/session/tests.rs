//! Sessions on both engines. What time does to them, the routes' tests show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use secrecy::ExposeSecret;

use super::*;
use crate::testing::{World, for_each_engine, name};
use crate::token::{self, Wish};

const PASSWORD: &str = "correct horse battery";

/// An account that can sign in.
async fn person(world: &World, called: &str) {
    let machine = world.core.machine();
    user::create(&machine, name(called), false, Some(PASSWORD.into()))
        .await
        .unwrap();
}

async fn sign_in(world: &World, called: &str) -> String {
    let shown = world.core.sign_in(called, PASSWORD.into(), None).await;
    shown.unwrap().expose_secret().to_owned()
}

async fn visitor(world: &World, shown: &str) -> Option<Visitor> {
    world.core.visitor(shown, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_its_persons_until_it_ends() {
    for_each_engine(async |world| {
        person(&world, "ada").await;
        let wrong = world
            .core
            .sign_in("ada", "wrong horse battery".into(), None);
        assert_eq!(*wrong.await.unwrap_err().kind(), Kind::Unauthenticated);

        let (first, second) = (sign_in(&world, "ada").await, sign_in(&world, "ada").await);
        assert_ne!(first, second);
        let ada = visitor(&world, &first).await.unwrap();
        assert_eq!(*ada.name(), name("ada"));
        assert!(ada.is_form_token("x", &ada.form_token("x")));
        assert!(!ada.is_form_token("y", &ada.form_token("x")));
        let other = visitor(&world, &second).await.unwrap();
        assert!(!other.is_form_token("x", &ada.form_token("x")));
        // Another secret under a known id.
        let (id, _) = first.split_once('.').unwrap();
        let (_, secret) = second.split_once('.').unwrap();
        assert!(visitor(&world, &format!("{id}.{secret}")).await.is_none());

        let (made, _) = token::create(ada.site(), Wish::default()).await.unwrap();
        let own = token::list(ada.site()).await.unwrap();
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].id, made.id);

        end(&ada).await.unwrap();
        end(&ada).await.unwrap();
        assert!(visitor(&world, &first).await.is_none());
        assert!(visitor(&world, &second).await.is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_and_the_end_of_an_account_end_its_sessions() {
    for_each_engine(async |world| {
        person(&world, "ada").await;
        person(&world, "eve").await;
        let machine = world.core.machine();
        let bystander = sign_in(&world, "eve").await;
        let shown = sign_in(&world, "ada").await;
        user::set_password(&machine, name("ada"), PASSWORD.into())
            .await
            .unwrap();
        assert!(visitor(&world, &shown).await.is_none());

        let shown = sign_in(&world, "ada").await;
        let ctx = visitor(&world, &shown).await.unwrap().site().clone();
        still_valid(&ctx).await.unwrap();
        world
            .core
            .disable_user(&machine, name("ada"))
            .await
            .unwrap();
        assert!(visitor(&world, &shown).await.is_none());
        assert_eq!(
            *still_valid(&ctx).await.unwrap_err().kind(),
            Kind::Unauthenticated
        );
        assert!(visitor(&world, &bystander).await.is_some());
    })
    .await;
}

/// A request is let in by its head; its body may come minutes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_with_something_that_ended_meanwhile_does_nothing_in_the_site() {
    for_each_engine(async |world| {
        person(&world, "ada").await;
        let refused = async |ctx: &Ctx| {
            let made = token::create(ctx, Wish::default()).await;
            assert_eq!(*made.unwrap_err().kind(), Kind::Unauthenticated);
            let renamed = user::rename_self(ctx, name("eve")).await;
            assert_eq!(*renamed.unwrap_err().kind(), Kind::Unauthenticated);
        };
        let shown = sign_in(&world, "ada").await;
        let ada = visitor(&world, &shown).await.unwrap();
        let (kept, secret) = token::create(ada.site(), Wish::default()).await.unwrap();
        let caller = world.core.authenticate(secret.expose_secret(), None).await;
        let caller = caller.unwrap();
        token::create(caller.site(), Wish::default()).await.unwrap();
        token::revoke(ada.site(), kept.id.parse().unwrap())
            .await
            .unwrap();
        refused(caller.site()).await;
        end(&ada).await.unwrap();
        refused(ada.site()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_has_twenty_sessions_and_one_more_ends_the_oldest() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    person(&world, "ada").await;
    let mut shown = Vec::new();
    for _ in 0..=SESSIONS_MAX {
        shown.push(sign_in(&world, "ada").await);
    }
    assert!(visitor(&world, &shown[0]).await.is_none());
    for later in &shown[1..] {
        assert!(visitor(&world, later).await.is_some());
    }
}
