//! `terraform login` with a person in front of a real browser, and the pages that it leads through.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::browser::{Browser, Scripts};
use crate::support::child::{Ran, Running, until};
use crate::support::components;
use crate::support::house::{House, Server};

const PASSWORD: &str = "correct horse battery";
const TOKENS: &str = "/app/settings/tokens";
const SESSION: &str = "__Host-statehouse";
/// Words that must stay words.
const NASTY: &str =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

/// `terraform login`, waiting for somebody to approve.
struct Login {
    running: Running,
    home: TempDir,
    host: String,
    /// The address that it wants to see opened.
    address: String,
}

impl Login {
    fn start(server: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs_err::create_dir(home.path().join(".terraform.d")).unwrap();
        let host = server.host();
        let mut command = Command::new(components::terraform());
        command.args(["login", &host]).current_dir(home.path());
        // Without a PATH there is no browser that it could open by itself.
        command.env_clear().env("HOME", home.path()).env("PATH", "");
        command.env("SSL_CERT_FILE", server.authority());
        command.env("CHECKPOINT_DISABLE", "1");
        let running = Running::fed(&mut command, "yes\n");
        let address = until(
            "terraform shows an address",
            Duration::from_secs(30),
            || {
                let out = running.out();
                let mut words = out.split_whitespace();
                let found = words.find(|word| word.contains("/oauth/authorize?"))?;
                Some(found.to_owned())
            },
        );
        Self {
            running,
            home,
            host,
            address,
        }
    }

    /// Waits for its end; the token that it stored.
    fn stored(self) -> String {
        let Self {
            running,
            home,
            host,
            ..
        } = self;
        running.end().ends(0, &["Success!"]);
        let file: PathBuf = home.path().join(".terraform.d/credentials.tfrc.json");
        let stored: Value = serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap();
        let token = &stored["credentials"][&host]["token"];
        token.as_str().unwrap().to_owned()
    }
}

fn place(home: &TempDir) -> Server {
    let server = House::up(home.path()).start();
    server.person("ada", PASSWORD);
    server
}

/// Who the server says that a token is.
fn whose(server: &Server, token: &str) -> Ran {
    Ran::of(&mut server.client_of(token, &["login", "--output", "json"]))
}

#[test]
fn a_person_signs_in_and_approves_and_terraform_stores_a_token_of_theirs() {
    let home = tempfile::tempdir().unwrap();
    let server = place(&home);
    let login = Login::start(&server);
    let browser = Browser::start(server.authority(), Scripts::On);
    browser.open(&login.address);
    browser.sign_in("ada", "wrong horse battery");
    browser.says(".fault", "The name or the password is wrong.");
    assert_eq!(browser.value("#name"), "ada");
    assert!(browser.cookie(SESSION).is_none());

    browser.fill("#password", PASSWORD);
    browser.click("main button[type=submit]");
    browser.says("h1", "Give Terraform a token?");
    let cookie = browser.cookie(SESSION).unwrap();
    assert_eq!(cookie["httpOnly"], true);
    assert_eq!(
        (&cookie["secure"], &cookie["sameSite"]),
        (&true.into(), &"Lax".into())
    );
    browser.click("button[value=approve]");
    // It came through the page's policy, and the browser was not told to keep to TLS on every port of this host.
    let back = browser.gets_to("/login?code=");
    assert!(back.starts_with("http://localhost:100"), "{back}");
    let token = login.stored();
    whose(&server, &token).ends(0, &["\"ada\""]);

    // Whoever reads the log learns neither the code, which stands in an address, nor the token.
    let (_, query) = back.split_once('?').unwrap();
    let code = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("code="))
        .unwrap();
    let log = server.log();
    assert!(
        !log.contains(code) && !log.contains(&token),
        "the log tells secrets"
    );
    server.run(&["verify", "--live"]).done();
    server.stop();
}

#[test]
fn a_person_denies_and_terraform_ends_without_a_token() {
    let home = tempfile::tempdir().unwrap();
    let server = place(&home);
    let login = Login::start(&server);
    let browser = Browser::start(server.authority(), Scripts::Off);
    browser.open(&login.address);
    browser.sign_in("ada", PASSWORD);
    browser.click("button[value=deny]");
    browser.gets_to("/login?error=access_denied");
    browser.open(&server.page(TOKENS));
    browser.says("main", "You have none.");
    // terraform 1.11.4 goes on waiting for somebody who approves.
    drop(login);
    server.stop();
}

#[test]
fn without_a_script_a_token_is_made_copied_by_hand_and_revoked() {
    let home = tempfile::tempdir().unwrap();
    let server = place(&home);
    let browser = Browser::start(server.authority(), Scripts::Off);
    browser.open(&server.page(TOKENS));
    browser.sign_in("ada", PASSWORD);
    browser.fill("#label", NASTY);
    browser.click("main button[type=submit]");
    let token = browser.value("#token");
    whose(&server, &token).ends(0, &["\"ada\""]);
    assert!(!browser.is_shown("button[data-copies]"));

    browser.open(&server.page(TOKENS));
    browser.says("td.name", NASTY);
    assert!(!browser.source().contains(&token));
    browser.click("button.danger");
    browser.says("main", "You have none.");
    assert!(whose(&server, &token).is_refused());
    browser.click("header button");
    browser.says("h1", "You are signed out");
    browser.open(&server.page(TOKENS));
    browser.says("h1", "Sign in");
    server.stop();
}

#[test]
fn with_the_script_a_button_copies_and_what_somebody_wrote_stays_text() {
    let home = tempfile::tempdir().unwrap();
    let server = place(&home);
    let browser = Browser::start(server.authority(), Scripts::On);
    browser.open(&server.page(&format!("{TOKENS}?source=terraform-login")));
    browser.sign_in("ada", PASSWORD);
    browser.says("h1", "A token for Terraform");
    assert!(browser.value("#label").starts_with("terraform login, 2"));
    browser.fill("#label", NASTY);
    browser.click("main button[type=submit]");
    browser.says("main", "Copy this into your terminal");
    browser.click("button[data-copies]");
    browser.says("button[data-copies]", "Copied");
    browser.open(&server.page(TOKENS));
    browser.says("td.name", NASTY);
    assert!(!browser.source().contains("<title>owned"));
    server.stop();
}

#[test]
fn a_page_elsewhere_cannot_act_for_whoever_is_signed_in() {
    let home = tempfile::tempdir().unwrap();
    let server = place(&home);
    let browser = Browser::start(server.authority(), Scripts::On);
    browser.open(&server.page("/sign-in"));
    browser.sign_in("ada", PASSWORD);
    browser.says("header", "ada");
    for (path, fields) in [
        (
            TOKENS,
            "<input name=label value=x><input name=life value=90><input name=form value=x>",
        ),
        ("/sign-out", "<input name=form value=x>"),
        (
            "/sign-in",
            "<input name=name value=ada><input name=password value=x><input name=form value=x>",
        ),
    ] {
        let page = format!(
            "data:text/html,<form method=post action='{}'>{fields}<button>Win</button></form>",
            server.page(path)
        );
        browser.open(&page);
        browser.click("button");
        browser.says("main", "nothing was changed");
    }
    browser.open(&server.page(TOKENS));
    browser.says("main", "You have none.");
    server.stop();
}
