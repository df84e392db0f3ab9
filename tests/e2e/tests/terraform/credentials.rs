//! Tokens that are no longer good, or never were.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;
use statehouse_core::token::{self, Wish};
use statehouse_core::user;
use statehouse_e2e::site::Site;

use crate::support::child::Ran;
use crate::support::house::{House, Server};
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// A site that was made three days ago, with a token for its operator that lived for one.
async fn expired(house: &House) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the server that is started on this site takes the time from the machine"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let site = Site {
        data: house.folder(""),
        anchors: house.folder(".anchor"),
        keys: house.folder(".keys"),
        starts_at: i64::try_from(now.as_micros()).unwrap() - 3 * DAY_US,
    };
    let core = site.open().await;
    let machine = core.machine();
    let admin = "admin".parse().unwrap();
    user::create(&machine, admin, true, None).await.unwrap();
    let wish = Wish {
        label: "old".to_owned(),
        life_us: Some(DAY_US),
        ..Wish::default()
    };
    let made = token::issue_for(&machine, "admin".parse().unwrap(), wish).await;
    let (_, token) = made.unwrap();
    core.close().await.unwrap();
    token.expose_secret().to_owned()
}

/// A token of another site.
fn foreign(home: &Path) -> String {
    fs_err::create_dir(home).unwrap();
    let server = House::up(home).start();
    let token = server.token.clone();
    server.stop();
    token
}

/// A token that was ended.
fn revoked(server: &Server) -> String {
    let made = server.json(&["token", "create", "--label", "short"]);
    server
        .run(&["token", "revoke", made["id"].as_str().unwrap()])
        .done();
    made["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_that_is_not_good_gets_nothing_and_says_nothing_of_why() {
    let home = tempfile::tempdir().unwrap();
    let house = House::up(home.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let expired = runtime.block_on(expired(&house));
    drop(runtime);
    let server = house.start();
    let project = Project::ready(&server.block("tokens"), &resources(2));
    project.run(APPLY).done();
    let before = project.pull();

    // The last character belongs to the checksum.
    let (most, last) = server.token.split_at(server.token.len() - 1);
    let mistyped = format!("{most}{}", if last == "a" { "b" } else { "a" });
    let foreign = foreign(&home.path().join("other"));
    let one_sentence = "the token is unknown, expired or revoked";
    for (token, words) in [
        (&expired, one_sentence),
        (&foreign, one_sentence),
        (&revoked(&server), one_sentence),
        (&mistyped, "not a Statehouse token"),
    ] {
        let block = server.block("tokens").replace(&server.token, token);
        let theirs = Project::new(&block, &resources(3));
        theirs.run(&["init"]).ends(1, &["requires auth"]);
        let pull = Ran::of(&mut server.client_of(token, &["state", "pull", "tokens"]));
        assert!(pull.out.is_empty());
        pull.ends(3, &[words]);
    }
    assert_eq!(project.pull(), before);
    prove(&server, "tokens");
    server.stop();
}
