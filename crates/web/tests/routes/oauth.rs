//! `terraform login`: what the CLI sends, what a person decides, and every wrong way.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pages::{ada, place};
use crate::support::{Answer, Browser, Person, Server, encoded, request};

const AT: &str = "/oauth/authorize";
/// As terraform 1.11.4 makes one.
const VERIFIER: &str = "5f0b3a52-8d1e-9c55-4e0a-3c8a6f1f1f0d.3405691582";
const BACK: &str = "http://localhost:10004/login";
const STATE: &str = "2f9a7c1e-0b1d-4ad0-9a53-5b6d3e0f7a11";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// The address that terraform opens, with some parameters as given; an empty value leaves one out.
fn address(with: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let usual = [
        ("client_id", "terraform-cli"),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("state", STATE),
    ];
    let given = |name: &str| with.iter().find(|(given, _)| *given == name);
    let fields = usual.map(|(name, value)| *given(name).unwrap_or(&(name, value)));
    let there: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    format!("{AT}?{}", encoded(&there))
}

/// What stands in the query of an address.
fn query<'a>(address: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Signs in, approves, and gives the code.
async fn approved(browser: &mut Browser<'_>, life: &str) -> String {
    let fields = [("life", life), ("decision", "approve")];
    let answer = browser.fill(&address(&[]), AT, &fields).await.is(303);
    let to = answer.header("location");
    assert!(to.starts_with(&format!("{BACK}?code=")), "{to}");
    assert_eq!(query(to, "state"), Some(STATE));
    query(to, "code").unwrap().to_owned()
}

/// What terraform sends for the token, with some fields as given; an empty value leaves one out.
async fn exchange(server: &Server, code: &str, with: &[(&str, &str)]) -> Answer {
    let usual = [
        ("client_id", "terraform-cli"),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("grant_type", "authorization_code"),
        ("redirect_uri", BACK),
    ];
    let given = |name: &str| with.iter().find(|(given, _)| *given == name);
    let fields = usual.map(|(name, value)| *given(name).unwrap_or(&(name, value)));
    let there: Vec<_> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let mut sent = request("POST", "/oauth/token", None, encoded(&there).into());
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    sent.headers_mut().insert("content-type", kind);
    server.send(sent).await
}

async fn check_refused(server: &Server, code: &str, with: &[(&str, &str)], error: &str) {
    let answer = exchange(server, code, with).await.is(400);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["error"], error, "{with:?}");
}

async fn account(server: &Server, granted: &Value) -> Answer {
    let bearer = Person {
        id: server
            .person(
                &format!("p{}", granted["access_token"].as_str().unwrap().len()),
                false,
            )
            .await
            .id,
        token: granted["access_token"].as_str().unwrap().to_owned(),
    };
    server.call(&bearer, "GET", "/api/v2/tokens", "").await
}

#[tokio::test]
async fn discovery_names_what_terraform_login_needs() {
    let server = Server::start().await;
    let answer = server
        .send(request(
            "GET",
            "/.well-known/terraform.json",
            None,
            bytes::Bytes::new(),
        ))
        .await
        .is(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let login = json!({
        "client": "terraform-cli",
        "grant_types": ["authz_code"],
        "authz": "/oauth/authorize",
        "token": "/oauth/token",
        "ports": [10000, 10010],
    });
    assert_eq!(answer.json()["login.v1"], login);
}

#[tokio::test]
async fn a_person_approves_and_terraform_gets_a_token_of_theirs() {
    let server = place().await;
    let mut browser = Browser::new(&server);
    let first = browser.get(&address(&[])).await.is(303);
    let to = first.header("location").to_owned();
    assert!(to.starts_with("/sign-in?to=%2Foauth%2Fauthorize"), "{to}");
    let fields = [("name", "ada"), ("password", crate::pages::PASSWORD)];
    let back = browser.fill(&to, "/sign-in", &fields).await.is(303);
    assert_eq!(back.header("location"), address(&[]));
    let page = browser.get(back.header("location")).await.is(200);
    for words in ["<strong>ada</strong>", "port 10004", "whatever you may do"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' http://localhost:10004;"),
        "{policy}"
    );

    let code = approved(&mut browser, "30").await;
    let answer = exchange(&server, &code, &[]).await.is(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let granted = answer.json();
    assert_eq!(granted["token_type"], "bearer");
    assert_eq!(granted["expires_in"], 30 * 24 * 3600);
    let tokens = account(&server, &granted).await.is(200).json();
    assert_eq!(
        tokens["data"][0]["attributes"]["label"],
        "terraform login, 2026-08-01"
    );
}

#[tokio::test]
async fn a_second_use_of_a_code_ends_the_token_of_the_first() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let code = approved(&mut browser, "90").await;
    let granted = exchange(&server, &code, &[]).await.is(200).json();
    check_refused(&server, &code, &[], "invalid_grant").await;
    account(&server, &granted).await.is(401);
}

#[tokio::test]
async fn a_code_is_good_for_a_minute_for_one_client_one_address_and_one_verifier() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let other = VERIFIER.replace('5', "6");
    for with in [
        [("code_verifier", &*other)],
        [("redirect_uri", "http://127.0.0.1:10004/login")],
        [("redirect_uri", "http://localhost:10005/login")],
    ] {
        let code = approved(&mut browser, "90").await;
        check_refused(&server, &code, &with, "invalid_grant").await;
        check_refused(&server, &code, &[], "invalid_grant").await;
    }
    // What is not even well-formed does not spend it.
    let code = approved(&mut browser, "90").await;
    for (with, error) in [
        ([("client_id", "other")], "invalid_client"),
        ([("client_id", "")], "invalid_client"),
        ([("grant_type", "password")], "unsupported_grant_type"),
        ([("grant_type", "")], "invalid_request"),
        ([("code", "")], "invalid_request"),
        ([("redirect_uri", "")], "invalid_request"),
        ([("code_verifier", "")], "invalid_request"),
        ([("code_verifier", "short")], "invalid_request"),
        ([("code", "nonsense")], "invalid_grant"),
    ] {
        check_refused(&server, &code, &with, error).await;
    }
    server.later(61_000_000);
    check_refused(&server, &code, &[], "invalid_grant").await;
    // The end of the session is the end of its codes.
    let code = approved(&mut browser, "90").await;
    browser.fill("/", "/sign-out", &[]).await.is(303);
    check_refused(&server, &code, &[], "invalid_grant").await;
}

#[tokio::test]
async fn denied_is_told_to_the_client_and_gives_nothing() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let fields = [("life", "90"), ("decision", "deny")];
    let answer = browser.fill(&address(&[]), AT, &fields).await.is(303);
    let to = answer.header("location");
    assert!(
        to.starts_with(&format!("{BACK}?error=access_denied&")),
        "{to}"
    );
    assert_eq!((query(to, "state"), query(to, "code")), (Some(STATE), None));
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_terraforms_own() {
    let server = place().await;
    let mut browser = ada(&server).await;
    for with in [
        [("client_id", "other")],
        [("client_id", "")],
        [("redirect_uri", "")],
        [("redirect_uri", "https://evil.example/login")],
        [("redirect_uri", "http://localhost:10011/login")],
        [("redirect_uri", "http://localhost:10004/login?x=y")],
    ] {
        let answer = browser.get(&address(&with)).await.is(400);
        assert_eq!(answer.header("location"), "");
        assert!(answer.header("content-type").starts_with("text/html"));
        assert!(answer.text().contains(answer.header("x-request-id")));
    }
    let twice = format!("{}&redirect_uri=x", address(&[]));
    browser.get(&twice).await.is(400);
    // The form that decides is held to the same.
    let fields = [
        ("life", "90"),
        ("decision", "approve"),
        ("redirect_uri", "https://evil.example/"),
    ];
    browser.fill(&address(&[]), AT, &fields).await.is(400);
    for (life, decision, status) in [
        ("365", "approve", 400),
        ("x", "approve", 400),
        ("90", "", 400),
    ] {
        let fields = [("life", life), ("decision", decision)];
        browser.fill(&address(&[]), AT, &fields).await.is(status);
    }
}

#[tokio::test]
async fn what_else_is_wrong_with_a_request_is_told_to_the_client() {
    let server = place().await;
    // Before anybody signs in, too.
    let mut browser = Browser::new(&server);
    for (with, error) in [
        ([("response_type", "token")], "unsupported_response_type"),
        ([("response_type", "")], "invalid_request"),
        ([("code_challenge_method", "plain")], "invalid_request"),
        ([("code_challenge_method", "")], "invalid_request"),
        ([("code_challenge", "")], "invalid_request"),
        ([("code_challenge", "short")], "invalid_request"),
    ] {
        let answer = browser.get(&address(&with)).await.is(303);
        let to = answer.header("location");
        assert!(to.starts_with(&format!("{BACK}?error={error}&")), "{to}");
        assert_eq!(query(to, "state"), Some(STATE), "{to}");
    }
    let answer = browser.get(&address(&[("state", "")])).await.is(303);
    assert_eq!(query(answer.header("location"), "state"), None);
}
