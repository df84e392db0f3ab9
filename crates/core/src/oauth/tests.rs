//! Codes on both engines. What a client and a browser see, the routes' tests show.

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
use crate::user;

/// As terraform makes one.
const VERIFIER: &str = "2c1f0e0c-3a42-9d4d-3f02-4d5d1d6e9f7a.1234567890";
const BACK: &str = "http://localhost:10003/login";
const PASSWORD: &str = "correct horse battery";

fn request() -> Request {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::{Digest, Sha256};
    let own = |text: &str| Some(text.to_owned());
    read(Asked {
        client_id: own(CLIENT),
        redirect_uri: own(BACK),
        response_type: own("code"),
        state: own("s"),
        code_challenge: Some(URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))),
        code_challenge_method: own("S256"),
    })
    .unwrap()
}

fn change(code: &SecretString) -> Change {
    Change {
        grant_type: Some("authorization_code".to_owned()),
        code: Some(code.clone()),
        redirect_uri: Some(BACK.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        code_verifier: Some(VERIFIER.into()),
    }
}

async fn visitor(world: &World) -> Visitor {
    let shown = world.core.sign_in("ada", PASSWORD.into(), None).await;
    let shown = shown.unwrap().expose_secret().to_owned();
    world.core.visitor(&shown, None).await.unwrap().unwrap()
}

async fn exchange(world: &World, change: Change) -> Result<String, &'static str> {
    let got = world.core.exchange(change, "laptop".to_owned()).await;
    let got = got.unwrap().map_err(|refused| refused.error)?;
    Ok(got.token.expose_secret().to_owned())
}

/// A wrong use of a code, and that a right one after it comes too late.
async fn check_spent(world: &World, ada: &Visitor, wrong: &dyn Fn(&mut Change)) {
    let code = approve(ada, request(), token::LIFE_DEFAULT_US)
        .await
        .unwrap();
    let mut badly = change(&code);
    wrong(&mut badly);
    assert_eq!(exchange(world, badly).await, Err("invalid_grant"));
    assert_eq!(exchange(world, change(&code)).await, Err("invalid_grant"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_changed_for_a_token_once_and_a_second_use_ends_it() {
    for_each_engine(async |world| {
        let machine = world.core.machine();
        user::create(&machine, name("ada"), false, Some(PASSWORD.into()))
            .await
            .unwrap();
        let ada = visitor(&world).await;
        let day_us = 24 * 3600 * 1_000_000;
        let code = approve(&ada, request(), day_us).await.unwrap();
        let token = exchange(&world, change(&code)).await.unwrap();
        let caller = world.core.authenticate(&token, None).await.unwrap();
        let shown = token::list(caller.site()).await.unwrap();
        assert_eq!((&*shown[0].label, shown.len()), ("laptop", 1));
        assert_eq!(shown[0].expires_at.unwrap() - shown[0].created_at, day_us);

        assert_eq!(exchange(&world, change(&code)).await, Err("invalid_grant"));
        let refused = world.core.authenticate(&token, None).await.err().unwrap();
        assert_eq!(*refused.kind(), Kind::Unauthenticated);
        assert_eq!(exchange(&world, change(&code)).await, Err("invalid_grant"));

        let other = "2c1f0e0c-3a42-9d4d-3f02-4d5d1d6e9f7a.1234567891";
        check_spent(&world, &ada, &|change| {
            change.code_verifier = Some(other.into());
        })
        .await;
        check_spent(&world, &ada, &|change| {
            change.redirect_uri = Some("http://127.0.0.1:10003/login".to_owned());
        })
        .await;

        let code = approve(&ada, request(), day_us).await.unwrap();
        session::end(&ada).await.unwrap();
        assert_eq!(exchange(&world, change(&code)).await, Err("invalid_grant"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_uses_at_once_leave_no_token() {
    let world = World::new(crate::testing::Engine::Sqlite).await;
    let machine = world.core.machine();
    user::create(&machine, name("ada"), false, Some(PASSWORD.into()))
        .await
        .unwrap();
    let ada = visitor(&world).await;
    let code = approve(&ada, request(), token::LIFE_DEFAULT_US)
        .await
        .unwrap();
    let (first, second) = tokio::join!(
        exchange(&world, change(&code)),
        exchange(&world, change(&code))
    );
    assert_ne!(first.is_ok(), second.is_ok());
    let live = token::list(ada.site()).await.unwrap();
    assert!(live.iter().all(|token| token.revoked_at.is_some()));
}
