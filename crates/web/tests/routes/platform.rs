//! `/api/v2`: what each noun answers, and the documents around it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use statehouse_model::{Permission, Role};

use crate::support::{Person, Server, document, state};

const ACME: &str = "/api/v2/organizations/acme";

/// A server with an operator, and an organization of its owner.
async fn acme() -> (Server, Person, Person) {
    let server = Server::start().await;
    let operator = server.person("otto", true).await;
    let owner = server.person("olga", false).await;
    server.organization("acme", &owner).await;
    (server, operator, owner)
}

/// The names of a document's attributes.
fn attributes(resource: &Value) -> BTreeSet<&str> {
    resource["attributes"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

async fn get(server: &Server, who: &Person, path: &str) -> Value {
    server.call(who, "GET", path, "").await.is(200).json()
}

#[tokio::test]
async fn an_account_is_made_logs_in_and_ends() {
    let (server, operator, _) = acme().await;
    let new = json!({ "name": "ada", "password": "correct horse battery" });
    let made = server
        .post(&operator, "/api/v2/users", new)
        .await
        .is(201)
        .json();
    assert_eq!(
        attributes(&made["data"]),
        ["created-at", "disabled-at", "name", "operator"].into()
    );
    let login =
        |password: &str| json!({ "username": "ada", "password": password, "label": "laptop" });
    // Whoever logs in has no token yet; one that is sent along says nothing.
    let nobody = Person {
        token: "none".to_owned(),
        ..operator.clone()
    };
    server
        .post(&nobody, "/api/v2/login", login("wrong horse battery"))
        .await
        .is(401);
    let logged = server
        .post(&nobody, "/api/v2/login", login("correct horse battery"))
        .await
        .is(201)
        .json();
    let token = logged["data"]["attributes"]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let ada = Person {
        token,
        ..operator.clone()
    };
    assert_eq!(
        get(&server, &ada, "/api/v2/account/details").await["data"],
        made["data"]
    );
    let tokens = get(&server, &ada, "/api/v2/tokens").await;
    assert_eq!(tokens["data"][0]["attributes"]["label"], "laptop");
    assert!(
        tokens["data"][0]["attributes"].get("token").is_none(),
        "{tokens}"
    );

    let set = json!({ "password": "another horse battery" });
    server
        .post(&operator, "/api/v2/users/ada/actions/set-password", set)
        .await
        .is(204);
    server
        .post(&nobody, "/api/v2/login", login("correct horse battery"))
        .await
        .is(401);
    let ended = server
        .post(&operator, "/api/v2/users/ada/actions/disable", json!({}))
        .await
        .is(200)
        .json();
    assert!(
        ended["data"]["attributes"]["disabled-at"]
            .as_str()
            .unwrap()
            .starts_with("2026-08-01T")
    );
    server
        .call(&ada, "GET", "/api/v2/account/details", "")
        .await
        .is(401);
    assert_eq!(
        get(&server, &operator, "/api/v2/users").await["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_token_lives_as_long_and_does_as_much_as_was_asked() {
    let (server, operator, owner) = acme().await;
    let wish = json!({ "label": "ci", "scopes": ["state.read", "token.manage"], "life-days": 1 });
    let made = server
        .post(&owner, "/api/v2/tokens", wish.clone())
        .await
        .is(201)
        .json();
    let expected = json!(["state.read", "token.manage"]);
    assert_eq!(made["data"]["attributes"]["scopes"], expected);
    assert!(
        made["data"]["attributes"]["expires-at"]
            .as_str()
            .unwrap()
            .starts_with("2026-08-02T")
    );
    let narrow = Person {
        token: made["data"]["attributes"]["token"]
            .as_str()
            .unwrap()
            .to_owned(),
        ..owner.clone()
    };
    server
        .post(&narrow, "/api/v2/tokens", json!({ "label": "wider" }))
        .await
        .is(403);
    server
        .post(&operator, "/api/v2/users/olga/tokens", wish)
        .await
        .is(201);
    let unknown = server
        .post(
            &owner,
            "/api/v2/tokens",
            json!({ "scopes": ["state.wirte"] }),
        )
        .await
        .is(400);
    assert!(
        unknown.text().contains("`state.wirte` is not a permission"),
        "{}",
        unknown.text()
    );
    let path = format!("/api/v2/tokens/{}", made["data"]["id"].as_str().unwrap());
    let revoked = server
        .call(&owner, "DELETE", &path, "")
        .await
        .is(200)
        .json();
    assert!(revoked["data"]["attributes"]["revoked-at"].is_string());
    server
        .call(&narrow, "GET", "/api/v2/tokens", "")
        .await
        .is(401);
}

#[tokio::test]
async fn an_organization_has_projects_workspaces_and_grants() {
    let (server, operator, owner) = acme().await;
    let made = server
        .post(
            &operator,
            "/api/v2/organizations",
            json!({ "name": "globex" }),
        )
        .await
        .is(201)
        .json();
    assert_eq!(
        attributes(&made["data"]),
        ["code", "created-at", "name", "status"].into()
    );
    server
        .post(
            &operator,
            "/api/v2/organizations",
            json!({ "name": "globex" }),
        )
        .await
        .is(409);
    assert_eq!(
        get(&server, &operator, "/api/v2/organizations").await["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        get(&server, &operator, "/api/v2/organizations/globex").await["data"],
        made["data"]
    );

    let project = server
        .post(
            &owner,
            &format!("{ACME}/projects"),
            json!({ "name": "net" }),
        )
        .await
        .is(201)
        .json();
    let projects = get(&server, &owner, &format!("{ACME}/projects")).await;
    assert_eq!(projects["data"].as_array().unwrap().len(), 2);
    let new = json!({ "name": "dns", "project": "net" });
    let made = server
        .post(&owner, &format!("{ACME}/workspaces"), new)
        .await
        .is(201)
        .json();
    assert_eq!(made["data"]["attributes"]["project"], project["data"]["id"]);
    let id = made["data"]["id"].as_str().unwrap();
    assert_eq!(
        get(&server, &owner, &format!("/api/v2/workspaces/{id}")).await,
        made
    );
    assert_eq!(
        get(&server, &owner, &format!("{ACME}/workspaces/dns")).await,
        made
    );

    let grants = format!("{ACME}/grants");
    let ada = server.person("ada", false).await;
    let give = json!({ "user": ada.id.as_str(), "role": "reader", "scope": id, "expires-at": "2026-08-02T00:00:00Z" });
    let given = server.post(&owner, &grants, give).await.is(201).json();
    assert_eq!(
        given["data"]["attributes"]["expires-at"],
        "2026-08-02T00:00:00.000000Z"
    );
    get(&server, &ada, &format!("/api/v2/workspaces/{id}")).await;
    let path = format!("{grants}/{}", given["data"]["id"].as_str().unwrap());
    server.call(&owner, "DELETE", &path, "").await.is(204);
    server
        .call(&ada, "GET", &format!("/api/v2/workspaces/{id}"), "")
        .await
        .is(404);
    assert_eq!(
        get(&server, &owner, &grants).await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for wrong in [
        json!({ "user": ada.id.as_str(), "role": "king" }),
        json!({ "user": ada.id.as_str(), "role": "reader", "scope": "everything" }),
        json!({ "user": ada.id.as_str(), "role": "reader", "expires-at": "soon" }),
    ] {
        server.post(&owner, &grants, wrong).await.is(400);
    }
}

#[tokio::test]
async fn a_site_operator_gives_a_role_by_a_users_name() {
    let (server, operator, _) = acme().await;
    server
        .post(
            &operator,
            "/api/v2/organizations",
            json!({ "name": "globex" }),
        )
        .await
        .is(201);
    let ada = server.person("ada", false).await;
    let grants = "/api/v2/organizations/globex/grants";
    let given = server
        .post(
            &operator,
            grants,
            json!({ "user": "ada", "role": "writer" }),
        )
        .await
        .is(201)
        .json();
    assert_eq!(given["data"]["attributes"]["user"], ada.id.as_str());
    let unknown = server
        .post(
            &operator,
            grants,
            json!({ "user": "adda", "role": "writer" }),
        )
        .await
        .is(400);
    assert!(
        unknown.text().contains("there is no user named `adda`"),
        "{}",
        unknown.text()
    );
}

#[tokio::test]
async fn lists_are_read_page_by_page_to_their_end() {
    let (server, _, owner) = acme().await;
    for name in ["a", "b", "c", "d", "e"] {
        server
            .call(
                &owner,
                "POST",
                &format!("/state/acme/{name}"),
                state("a", 1, 1),
            )
            .await
            .is(200);
    }
    for serial in 2..6 {
        server
            .call(&owner, "POST", "/state/acme/a", state("a", serial, 1))
            .await
            .is(200);
    }
    let check = async |first: String, attribute: &str, expected: Value| {
        let (mut next, mut found) = (Some(first), Vec::new());
        while let Some(path) = next {
            let page = get(&server, &owner, &path).await;
            let items = page["data"].as_array().unwrap();
            assert!(items.len() <= 2);
            found.extend(
                items
                    .iter()
                    .map(|item| item["attributes"][attribute].clone()),
            );
            next = page["links"]["next"].as_str().map(str::to_owned);
        }
        assert_eq!(Value::from(found), expected);
    };
    check(
        format!("{ACME}/workspaces?page[size]=2"),
        "name",
        json!(["a", "b", "c", "d", "e"]),
    )
    .await;
    let a = get(&server, &owner, &format!("{ACME}/workspaces/a")).await;
    let versions = format!(
        "/api/v2/workspaces/{}/state-versions?page%5Bsize%5D=2",
        a["data"]["id"].as_str().unwrap()
    );
    check(versions, "serial", json!([5, 4, 3, 2, 1])).await;
}

#[tokio::test]
async fn a_state_is_uploaded_listed_and_downloaded_by_version() {
    let (server, _, owner) = acme().await;
    let made = server
        .post(
            &owner,
            &format!("{ACME}/workspaces"),
            json!({ "name": "dns" }),
        )
        .await
        .is(201)
        .json();
    let at = format!(
        "/api/v2/workspaces/{}",
        made["data"]["id"].as_str().unwrap()
    );
    server
        .call(&owner, "GET", &format!("{at}/state"), "")
        .await
        .is(204);
    let first = server
        .call(&owner, "POST", &format!("{at}/state"), state("a", 1, 20))
        .await
        .is(201)
        .json();
    server
        .call(&owner, "POST", &format!("{at}/state"), state("a", 1, 20))
        .await
        .is(200);
    server
        .call(&owner, "POST", &format!("{at}/state"), state("a", 2, 21))
        .await
        .is(201);
    let kept = server
        .call(&owner, "POST", &format!("{at}/state"), state("a", 2, 20))
        .await
        .is(409)
        .json();
    let meta = &kept["errors"][0]["meta"];
    assert_eq!(
        meta["unusual"],
        json!(["serial 2 is already there with other content"])
    );
    let waiting = get(&server, &owner, &format!("{at}/kept-versions")).await;
    assert_eq!(waiting["data"][0]["id"], meta["version"]);
    let old = format!(
        "{at}/state?version={}",
        first["data"]["id"].as_str().unwrap()
    );
    assert_eq!(
        server.call(&owner, "GET", &old, "").await.is(200).text(),
        state("a", 1, 20)
    );
    let current = server
        .call(&owner, "GET", &format!("{at}/state"), "")
        .await
        .is(200);
    assert_eq!(current.text(), state("a", 2, 21));
    server
        .call(&owner, "GET", &format!("{at}/state?version=sv-x"), "")
        .await
        .is(404);
}

#[tokio::test]
async fn a_lock_is_taken_shown_given_back_and_broken() {
    let (server, _, owner) = acme().await;
    let made = server
        .post(
            &owner,
            &format!("{ACME}/workspaces"),
            json!({ "name": "dns" }),
        )
        .await
        .is(201)
        .json();
    let at = format!(
        "/api/v2/workspaces/{}",
        made["data"]["id"].as_str().unwrap()
    );
    let (lock, actions) = (format!("{at}/lock"), format!("{at}/actions"));
    assert_eq!(get(&server, &owner, &lock).await["data"], Value::Null);
    // What terraform's own platform client sends.
    let asked = r#"{"data":{"type":"","attributes":{"reason":"Locked by Terraform"}}}"#;
    let taken = server
        .call(&owner, "POST", &format!("{actions}/lock"), asked)
        .await
        .is(200)
        .json();
    let id = taken["data"]["attributes"]["lock-id"].as_str().unwrap();
    let held = get(&server, &owner, &lock).await;
    assert_eq!(
        (&held["data"]["id"], &held["data"]["attributes"]["who"]),
        (&json!(id), &json!("olga"))
    );
    assert_eq!(held["data"]["attributes"]["info"], "Locked by Terraform");
    let refused = server
        .post(&owner, &format!("{actions}/lock"), json!({ "id": "two" }))
        .await
        .is(423)
        .json();
    assert_eq!(refused["errors"][0]["meta"]["lock"]["ID"], id);
    server
        .post(&owner, &format!("{actions}/unlock"), json!({ "id": id }))
        .await
        .is(200);
    server
        .post(&owner, &format!("{actions}/lock"), json!({ "id": "two" }))
        .await
        .is(200);
    server
        .post(&owner, &format!("{actions}/force-unlock"), json!({}))
        .await
        .is(400);
    server
        .post(
            &owner,
            &format!("{actions}/force-unlock"),
            json!({ "reason": "stuck" }),
        )
        .await
        .is(200);
    server
        .post(
            &owner,
            &format!("{actions}/lock"),
            json!({ "id": "x".repeat(300) }),
        )
        .await
        .is(400);
}

#[tokio::test]
async fn the_permission_list_is_published_whole() {
    let (server, ..) = acme().await;
    let answer = server
        .send(crate::support::request(
            "GET",
            "/api/v2/permissions",
            None,
            "".into(),
        ))
        .await
        .is(200);
    let listed = answer.json();
    let listed: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| each["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        listed,
        Permission::ALL
            .iter()
            .map(|each| each.as_str())
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_ledger_is_exported_compared_and_published() {
    let (server, operator, owner) = acme().await;
    server
        .call(&owner, "POST", "/state/acme/dns", state("a", 1, 1))
        .await
        .is(200);
    let bundle = server
        .call(&owner, "GET", &format!("{ACME}/ledger/export"), "")
        .await
        .is(200);
    assert_eq!(bundle.header("content-type"), "application/x-tar");
    assert_eq!(
        bundle.header("content-length"),
        bundle.body.len().to_string()
    );
    assert!(bundle.body.len() > 1024);
    let report = server
        .post(
            &owner,
            &format!("{ACME}/ledger/actions/verify-live"),
            json!({}),
        )
        .await
        .is(200)
        .json();
    assert_eq!(report["data"]["attributes"]["count"], 0, "{report}");
    server
        .call(&operator, "GET", "/api/v2/site/ledger/export", "")
        .await
        .is(200);

    let code = get(&server, &owner, ACME).await["data"]["attributes"]["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let at = |what: &str| format!("/ledger/{code}/{what}");
    let anybody = async |what: &str| {
        server
            .send(crate::support::request("GET", &at(what), None, "".into()))
            .await
    };
    let note = server
        .call(&owner, "GET", &at("checkpoint"), "")
        .await
        .is(200);
    let size: u64 = note.text().lines().nth(1).unwrap().parse().unwrap();
    let (hashes, entries) = (
        format!("tile/0/000.p/{size}"),
        format!("tile/entries/000.p/{size}"),
    );
    assert_eq!(
        server
            .call(&owner, "GET", &at(&hashes), "")
            .await
            .is(200)
            .body
            .len() as u64,
        size * 32
    );
    server.call(&owner, "GET", &at(&entries), "").await.is(200);
    for what in ["checkpoint", &hashes, &entries] {
        anybody(what).await.is(404);
    }
    server
        .post(
            &owner,
            &format!("{ACME}/ledger/actions/publish"),
            json!({ "published": true }),
        )
        .await
        .is(204);
    anybody("checkpoint").await.is(200);
    anybody(&hashes).await.is(200);
    anybody(&entries).await.is(404);
    anybody("tile/9/x").await.is(404);
}

#[tokio::test]
async fn keys_are_rotated_and_a_backup_is_one_archive() {
    let (server, operator, owner) = acme().await;
    server
        .call(&owner, "POST", "/state/acme/dns", state("a", 1, 1))
        .await
        .is(200);
    for (who, at) in [
        (&owner, format!("{ACME}/keys")),
        (&operator, "/api/v2/site/keys".to_owned()),
    ] {
        let opened = server
            .post(who, &format!("{at}/actions/rotate"), json!({}))
            .await
            .is(201)
            .json();
        assert_eq!(opened["data"]["id"], "key-2");
        let progress = server
            .post(who, &format!("{at}/actions/rewrap"), json!({}))
            .await
            .is(200)
            .json();
        assert!(
            progress["data"]["attributes"]["renewed"].as_u64().unwrap() > 0,
            "{progress}"
        );
        assert_eq!(
            get(&server, who, &at).await["data"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    }
    assert_eq!(
        server
            .call(&owner, "GET", "/state/acme/dns", "")
            .await
            .is(200)
            .text(),
        state("a", 1, 1)
    );
    let backup = server
        .call(
            &operator,
            "POST",
            "/api/v2/site/backups",
            document(&json!({})),
        )
        .await
        .is(200);
    assert_eq!(
        backup.header("content-length"),
        backup.body.len().to_string()
    );
    assert!(backup.body.windows(7).any(|name| name == b"site.db"));
}

#[tokio::test]
async fn a_shredded_organization_is_not_found_by_anybody() {
    let (server, operator, owner) = acme().await;
    let member = server
        .member(
            "wim",
            &server
                .core
                .enter_as_machine(&"acme".parse().unwrap())
                .await
                .unwrap(),
            Role::Maintainer,
        )
        .await;
    let path = format!("{ACME}/actions/shred");
    server
        .post(&member, &path, json!({ "reason": "no" }))
        .await
        .is(403);
    server
        .post(&owner, &path, json!({ "reason": "" }))
        .await
        .is(400);
    let gone = server
        .post(&owner, &path, json!({ "reason": "contract ended" }))
        .await
        .is(200)
        .json();
    assert_eq!(gone["data"]["attributes"]["status"], "shredded");
    let unknown = server
        .call(&owner, "GET", "/api/v2/organizations/other", "")
        .await
        .is(404);
    let shredded = server.call(&owner, "GET", ACME, "").await.is(404);
    let same = |answer: &crate::support::Answer| answer.json()["errors"][0]["title"].clone();
    assert_eq!(same(&unknown), same(&shredded));
    let all = get(&server, &operator, "/api/v2/organizations").await;
    assert_eq!(all["data"][0]["attributes"]["status"], "shredded");
}
