//! Pages and sessions: what a browser gets, and what it may not do.

use serde_json::json;
use statehouse_core::user;

use crate::support::{Acme, Browser, Person, Server, encoded, hidden, name};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const TOKENS: &str = "/app/settings/tokens";
const SESSION: &str = "__Host-statehouse";
const FIRST: &str = "__Host-statehouse-form";
const MINUTE_US: i64 = 60_000_000;

/// A server, and `ada`, who has a password.
pub(crate) async fn place() -> Server {
    let server = Server::start().await;
    let machine = server.core.machine();
    user::create(&machine, name("ada"), false, Some(PASSWORD.into()))
        .await
        .unwrap();
    server
}

pub(crate) async fn ada(server: &Server) -> Browser<'_> {
    let mut browser = Browser::new(server);
    browser.sign_in("ada", PASSWORD).await.is(303);
    browser
}

/// Whether the browser is signed in.
async fn is_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.get(TOKENS).await;
    if answer.status == 303 {
        assert!(
            answer
                .header("location")
                .starts_with("/sign-in?to=%2Fapp%2Fsettings%2Ftokens")
        );
    }
    answer.status == 200
}

#[tokio::test]
async fn somebody_signs_in_sees_themselves_and_signs_out() {
    let server = place().await;
    let mut browser = Browser::new(&server);
    let start = browser.get("/").await.is(200);
    assert!(
        start.text().contains("href=\"/sign-in\""),
        "{}",
        start.text()
    );
    assert!(!is_in(&mut browser).await);
    let page = format!("/sign-in?{}", encoded(&[("to", TOKENS)]));
    let fields = [("name", "ada"), ("password", PASSWORD)];
    let answer = browser.fill(&page, "/sign-in", &fields).await.is(303);
    assert_eq!(answer.header("location"), TOKENS);
    assert!(is_in(&mut browser).await);
    let start = browser.get("/").await.is(200);
    assert!(
        start.text().contains("<strong>ada</strong>"),
        "{}",
        start.text()
    );
    assert_eq!(
        browser.get("/sign-in").await.is(303).header("location"),
        "/"
    );

    let stolen = browser.cookies[SESSION].clone();
    browser.fill("/", "/sign-out", &[]).await.is(303);
    assert!(!is_in(&mut browser).await);
    assert!(
        browser
            .get("/sign-out")
            .await
            .text()
            .contains("You are signed out")
    );
    browser.cookies.insert(SESSION.to_owned(), stolen);
    assert!(
        !is_in(&mut browser).await,
        "the session ended, not only its cookie"
    );
}

#[tokio::test]
async fn a_wrong_password_says_nothing_of_the_name() {
    let server = place().await;
    let mut browser = Browser::new(&server);
    let mut said = Vec::new();
    for who in ["ada", "nobody"] {
        let answer = browser.sign_in(who, "wrong horse battery").await.is(403);
        let text = answer
            .text()
            .replace(&format!("value=\"{who}\""), "value=\"WHO\"");
        assert!(
            text.contains("The name or the password is wrong."),
            "{text}"
        );
        assert!(text.contains("aria-describedby=\"fault\""), "{text}");
        assert!(!text.contains("wrong horse"), "{text}");
        said.push(text);
    }
    assert_eq!(said[0], said[1]);
    assert!(!browser.cookies.contains_key(SESSION));
}

#[tokio::test]
async fn a_name_that_is_tried_too_often_waits_here_and_at_the_api() {
    let server = place().await;
    let mut browser = Browser::new(&server);
    for _ in 0..10 {
        browser.sign_in("ada", "wrong horse battery").await.is(403);
    }
    let answer = browser.sign_in("ada", PASSWORD).await.is(429);
    assert_eq!(answer.header("retry-after"), "899");
    assert!(
        answer.text().contains("wait 15 minutes"),
        "{}",
        answer.text()
    );
    let who = json!({ "username": "ada", "password": PASSWORD });
    let nobody = Person {
        id: server.person("ned", false).await.id,
        token: "none".to_owned(),
    };
    let answer = server.post(&nobody, "/api/v2/login", who).await.is(429);
    assert_eq!(answer.header("retry-after"), "899");
    server.later(15 * MINUTE_US);
    browser.sign_in("ada", PASSWORD).await.is(303);
}

#[tokio::test]
async fn a_session_rests_for_an_hour_and_lives_for_twelve() {
    let server = place().await;
    let mut idle = ada(&server).await;
    server.later(49 * MINUTE_US);
    assert!(is_in(&mut idle).await);
    server.later(61 * MINUTE_US);
    assert!(!is_in(&mut idle).await);

    let mut busy = ada(&server).await;
    for _ in 0..23 {
        server.later(31 * MINUTE_US);
        assert!(is_in(&mut busy).await);
    }
    server.later(8 * MINUTE_US);
    assert!(!is_in(&mut busy).await, "twelve hours are over");
}

#[tokio::test]
async fn a_session_that_was_planted_becomes_nobodys() {
    let server = place().await;
    let machine = server.core.machine();
    user::create(&machine, name("eve"), false, Some(PASSWORD.into()))
        .await
        .unwrap();
    let mut eve = Browser::new(&server);
    eve.sign_in("eve", PASSWORD).await.is(303);
    let planted = eve.cookies[SESSION].clone();

    let mut victim = Browser::new(&server);
    // Signed in as eve without knowing it, ada signs in: another session, and eve's is over.
    let shown = victim.get("/sign-in").await.is(200);
    let fields = hidden(shown.text(), "/sign-in");
    victim.cookies.insert(SESSION.to_owned(), planted.clone());
    let own = fields.iter().map(|(name, value)| (&**name, &**value));
    let all: Vec<_> = own
        .chain([("name", "ada"), ("password", PASSWORD)])
        .collect();
    victim.post("/sign-in", &all).await.is(303);
    assert_ne!(victim.cookies[SESSION], planted);
    assert!(!is_in(&mut eve).await);
    // And one that never was a session is not made one.
    let mut made_up = Browser::new(&server);
    let invented = format!("ses-1111111111111111.{}", "A".repeat(43));
    made_up.cookies.insert(SESSION.to_owned(), invented.clone());
    assert!(!is_in(&mut made_up).await);
    made_up.sign_in("ada", PASSWORD).await.is(303);
    assert_ne!(made_up.cookies[SESSION], invented);
}

#[tokio::test]
async fn a_form_is_taken_from_its_own_page_alone() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let page = browser.get(TOKENS).await.is(200).text().to_owned();
    let own = hidden(&page, TOKENS)[0].1.clone();
    let sign_out = hidden(&page, "/sign-out")[0].1.clone();
    let fields = |form: &str| {
        [
            ("form".to_owned(), form.to_owned()),
            ("label".to_owned(), "x".to_owned()),
            ("life".to_owned(), "1".to_owned()),
        ]
    };
    let check = async |browser: &mut Browser<'_>, form: &str, status: u16| {
        let fields = fields(form);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let answer = browser.post(TOKENS, &fields).await.is(status);
        if status == 403 {
            assert!(
                answer.text().contains("nothing was changed"),
                "{}",
                answer.text()
            );
        }
    };
    check(&mut browser, &own, 201).await;
    check(&mut browser, "", 403).await;
    check(&mut browser, &sign_out, 403).await;
    check(&mut browser, &own[1..], 403).await;
    let mut other = ada(&server).await;
    check(&mut other, &own, 403).await;
    let twice = [
        ("form", &*own),
        ("form", "x"),
        ("label", "x"),
        ("life", "1"),
    ];
    browser.post(TOKENS, &twice).await.is(403);
    // The right text from the wrong place.
    for (site, origin) in [
        (Some("cross-site"), Some("https://evil.example")),
        (Some("same-site"), Some("https://localhost")),
        (None, Some("https://localhost:444")),
        (None, Some("null")),
        (None, None),
    ] {
        (browser.site, browser.origin) = (site, origin);
        check(&mut browser, &own, 403).await;
    }
    (browser.site, browser.origin) = (None, Some("https://localhost"));
    check(&mut browser, &own, 201).await;
    // Without the session it says that, and nothing happens.
    browser.cookies.clear();
    check(&mut browser, &own, 403).await;
    // Signing in is a form too.
    let mut nobody = Browser::new(&server);
    let shown = nobody.get("/sign-in").await.is(200);
    let form = hidden(shown.text(), "/sign-in")[0].1.clone();
    nobody.cookies.insert(FIRST.to_owned(), "0".repeat(64));
    let fields = [("form", &*form), ("name", "ada"), ("password", PASSWORD)];
    nobody.post("/sign-in", &fields).await.is(403);
    nobody.cookies.clear();
    nobody.post("/sign-in", &fields).await.is(403);
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_revoked_on_its_page() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let nasty = "<script>alert('x')</script>\"&";
    let made = browser
        .fill(TOKENS, TOKENS, &[("label", nasty), ("life", "7")])
        .await
        .is(201);
    assert!(!made.text().contains("<script>alert"), "{}", made.text());
    let (_, rest) = made.text().split_once("value=\"sth_user_").unwrap();
    let token = format!("sth_user_{}", rest.split('"').next().unwrap());
    let bearer = Person {
        id: server.person("ned", false).await.id,
        token: token.clone(),
    };
    let account = server
        .call(&bearer, "GET", "/api/v2/account/details", "")
        .await
        .is(200);
    assert_eq!(account.json()["data"]["attributes"]["name"], "ada");

    let page = browser.get(TOKENS).await.is(200);
    let text = page.text();
    assert!(
        !text.contains(&token) && !text.contains("<script>alert"),
        "{text}"
    );
    assert!(
        text.contains("&lt;script&gt;alert('x')&lt;/script&gt;&quot;&amp;"),
        "{text}"
    );
    assert!(text.contains("2026-08-08"), "it ends in a week: {text}");
    let (_, rest) = text
        .split_once("action=\"/app/settings/tokens/at-")
        .unwrap();
    let action = format!("{TOKENS}/at-{}", rest.split('"').next().unwrap());
    browser.fill(TOKENS, &action, &[]).await.is(303);
    server
        .call(&bearer, "GET", "/api/v2/account/details", "")
        .await
        .is(401);
    assert!(browser.get(TOKENS).await.text().contains("You have none."));

    // Somebody else's is not found.
    let (theirs, _) = statehouse_core::token::issue_for(
        &server.core.machine(),
        name("ned"),
        statehouse_core::token::Wish::default(),
    )
    .await
    .unwrap();
    let form = hidden(text, &action)[0].1.clone();
    let action = format!("{TOKENS}/{}/actions/revoke", theirs.id);
    let answer = browser.post(&action, &[("form", &*form)]).await.is(404);
    assert!(
        answer.text().contains("<h1>Not found</h1>"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_wrong_wish_for_a_token_is_said_beside_its_field() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let long = "é".repeat(200);
    let answer = browser
        .fill(TOKENS, TOKENS, &[("label", &long), ("life", "7")])
        .await
        .is(400);
    let text = answer.text();
    assert!(
        text.contains("<p class=\"fault\" id=\"fault\" role=\"alert\">"),
        "{text}"
    );
    assert!(
        text.contains("aria-invalid=\"true\" aria-describedby=\"fault\""),
        "{text}"
    );
    for life in ["0", "2", "-1", "4000000000", "x"] {
        let fields = [("label", "x"), ("life", life)];
        browser.fill(TOKENS, TOKENS, &fields).await.is(400);
    }
}

#[tokio::test]
async fn what_terraform_opens_without_login_is_a_short_page() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let at = format!("{TOKENS}?source=terraform-login");
    let page = browser.get(&at).await.is(200);
    assert!(
        page.text()
            .contains("value=\"terraform login, 2026-08-01\""),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("Your tokens"));
    let made = browser
        .fill(&at, TOKENS, &[("label", "x"), ("life", "90")])
        .await
        .is(201);
    assert!(
        made.text().contains("Copy this into your terminal"),
        "{}",
        made.text()
    );
}

#[tokio::test]
async fn a_cookie_opens_no_state_and_no_api_and_a_token_no_page() {
    let acme = Acme::new().await;
    let server = &acme.server;
    user::set_password(&server.core.machine(), name("olga"), PASSWORD.into())
        .await
        .unwrap();
    let mut browser = Browser::new(server);
    browser.sign_in("olga", PASSWORD).await.is(303);
    for path in [
        "/state/acme/network",
        "/api/v2/account/details",
        "/api/v2/tokens",
        "/api/v2/organizations/acme",
    ] {
        browser.get(path).await.is(401);
    }
    server.call(&acme.owner, "GET", TOKENS, "").await.is(303);
}

#[tokio::test]
async fn another_password_and_the_end_of_an_account_sign_out() {
    let server = place().await;
    let operator = server.person("otto", true).await;
    let mut browser = ada(&server).await;
    let set = json!({ "password": PASSWORD });
    let at = "/api/v2/users/ada/actions/set-password";
    server.post(&operator, at, set).await.is(204);
    assert!(!is_in(&mut browser).await);
    let mut browser = ada(&server).await;
    let at = "/api/v2/users/ada/actions/disable";
    server.post(&operator, at, json!({})).await.is(200);
    assert!(!is_in(&mut browser).await);
    browser.sign_in("ada", PASSWORD).await.is(403);
}

#[tokio::test]
async fn a_failure_is_a_page_for_a_browser_and_never_for_a_program() {
    let server = place().await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/nowhere").await.is(404);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        page.text().contains("<h1>Not found</h1>"),
        "{}",
        page.text()
    );
    assert!(page.text().contains(page.header("x-request-id")));
    let page = browser
        .get("/app/settings/tokens/x/actions/revoke")
        .await
        .is(405);
    assert!(page.header("content-type").starts_with("text/html"));
    for (path, status, kind) in [
        ("/api/v2/nowhere", 404, "application/vnd.api+json"),
        ("/state/acme/network", 401, "text/plain"),
        ("/ledger/zzzzzz/checkpoint", 404, "text/plain"),
        ("/oauth/token", 405, "application/json"),
    ] {
        let answer = browser.get(path).await.is(status);
        assert!(answer.header("content-type").starts_with(kind), "{path}");
    }
    let nobody = crate::support::request("GET", "/nowhere", None, bytes::Bytes::new());
    let answer = server.send(nobody).await.is(404);
    assert!(answer.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn pages_allow_nothing_inline_and_assets_stay_under_their_digest() {
    let server = place().await;
    let mut browser = ada(&server).await;
    let page = browser.get(TOKENS).await.is(200);
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
    let made = browser
        .fill(TOKENS, TOKENS, &[("label", "x"), ("life", "1")])
        .await
        .is(201);
    assert!(
        made.header("content-security-policy")
            .contains("; script-src 'self'; ")
    );
    for text in [page.text(), made.text()] {
        assert!(!text.contains("style=") && !text.contains("onclick") && !text.contains("<style"));
    }
    let mut assets = 0;
    for part in made.text().split("\"/assets/").skip(1) {
        let name = part.split('"').next().unwrap();
        let asset = browser.get(&format!("/assets/{name}")).await.is(200);
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assets += 1;
    }
    assert!(assets >= 3, "{assets}");
    browser
        .get("/assets/style-0000000000000000.css")
        .await
        .is(404);
}
