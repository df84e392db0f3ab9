//! `/api/v2`: what the nouns of the site and of an organization answer, and the documents around it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use statehouse_model::{Permission, Role};

use crate::support::{ACME, Acme, Person, name, request, state};

/// The names of a document's attributes.
fn attributes(document: &Value) -> BTreeSet<&str> {
    let attributes = document["data"]["attributes"].as_object().unwrap();
    attributes.keys().map(String::as_str).collect()
}

fn count(document: &Value) -> usize {
    document["data"].as_array().unwrap().len()
}

/// The bearer of the token that a document shows.
fn bearer(shown: &Value, like: &Person) -> Person {
    let token = shown["data"]["attributes"]["token"].as_str().unwrap();
    Person {
        token: token.to_owned(),
        ..like.clone()
    }
}

#[tokio::test]
async fn an_account_is_made_logs_in_and_ends() {
    let acme = Acme::new().await;
    let operator = &acme.operator;
    let new = json!({ "name": "ada", "password": "correct horse battery" });
    let made = acme.post(operator, "/api/v2/users", new, 201).await;
    assert_eq!(
        attributes(&made),
        [
            "avatar-url",
            "created-at",
            "disabled-at",
            "email",
            "is-service-account",
            "name",
            "operator",
            "two-factor",
            "username"
        ]
        .into()
    );

    // Whoever logs in has no token yet; one that is sent along says nothing.
    let nobody = Person {
        token: "none".to_owned(),
        ..operator.clone()
    };
    let login = async |password: &str, status| {
        let who = json!({ "username": "ada", "password": password, "label": "laptop" });
        acme.post(&nobody, "/api/v2/login", who, status).await
    };
    login("wrong horse battery", 401).await;
    let ada = bearer(&login("correct horse battery", 201).await, operator);
    let own = acme.get(&ada, "/api/v2/account/details").await;
    assert_eq!(own["data"]["id"], made["data"]["id"]);
    assert_eq!(own["data"]["attributes"]["username"], "ada");
    let tokens = acme.get(&ada, "/api/v2/tokens").await;
    assert_eq!(tokens["data"][0]["attributes"]["label"], "laptop");
    assert!(
        tokens["data"][0]["attributes"].get("token").is_none(),
        "{tokens}"
    );

    let set = json!({ "password": "another horse battery" });
    acme.post(operator, "/api/v2/users/ada/actions/set-password", set, 204)
        .await;
    login("correct horse battery", 401).await;
    let ended = acme
        .post(
            operator,
            "/api/v2/users/ada/actions/disable",
            json!({}),
            200,
        )
        .await;
    let at = ended["data"]["attributes"]["disabled-at"].as_str().unwrap();
    assert!(at.starts_with("2026-08-01T"), "{at}");
    acme.server
        .call(&ada, "GET", "/api/v2/account/details", "")
        .await
        .is(401);
    assert_eq!(count(&acme.get(operator, "/api/v2/users").await), 3);
}

#[tokio::test]
async fn a_token_lives_as_long_and_does_as_much_as_was_asked() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let scopes = json!(["state.read", "token.manage"]);
    let wish = json!({ "label": "ci", "scopes": scopes, "life-days": 1 });
    let made = acme.post(owner, "/api/v2/tokens", wish.clone(), 201).await;
    assert_eq!(made["data"]["attributes"]["scopes"], scopes);
    let ends = made["data"]["attributes"]["expires-at"].as_str().unwrap();
    assert!(ends.starts_with("2026-08-02T"), "{ends}");
    let narrow = bearer(&made, owner);
    acme.post(&narrow, "/api/v2/tokens", json!({ "label": "wider" }), 403)
        .await;
    acme.post(&acme.operator, "/api/v2/users/olga/tokens", wish, 201)
        .await;

    let wish = json!({ "scopes": ["state.wirte"] });
    let unknown = acme.post(owner, "/api/v2/tokens", wish, 400).await;
    assert!(
        unknown
            .to_string()
            .contains("`state.wirte` is not a permission"),
        "{unknown}"
    );
    let path = format!("/api/v2/tokens/{}", made["data"]["id"].as_str().unwrap());
    let revoked = acme
        .server
        .call(owner, "DELETE", &path, "")
        .await
        .is(200)
        .json();
    assert!(revoked["data"]["attributes"]["revoked-at"].is_string());
    acme.server
        .call(&narrow, "GET", "/api/v2/tokens", "")
        .await
        .is(401);
}

#[tokio::test]
async fn an_organization_is_made_by_an_operator_and_its_name_is_taken() {
    let acme = Acme::new().await;
    let (operator, at) = (&acme.operator, "/api/v2/organizations");
    let made = acme
        .post(operator, at, json!({ "name": "globex" }), 201)
        .await;
    assert_eq!(
        attributes(&made),
        [
            "code",
            "collaborator-auth-policy",
            "created-at",
            "default-execution-mode",
            "email",
            "external-id",
            "name",
            "permissions",
            "status"
        ]
        .into()
    );
    acme.post(operator, at, json!({ "name": "globex" }), 409)
        .await;
    acme.post(&acme.owner, at, json!({ "name": "initech" }), 403)
        .await;
    assert_eq!(count(&acme.get(operator, at).await), 2);
    assert_eq!(count(&acme.get(&acme.owner, at).await), 1);
    assert_eq!(
        acme.get(operator, "/api/v2/organizations/globex").await,
        made
    );
}

#[tokio::test]
async fn an_organization_has_projects_and_workspaces() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (projects, workspaces) = (format!("{ACME}/projects"), format!("{ACME}/workspaces"));
    let project = acme
        .post(owner, &projects, json!({ "name": "net" }), 201)
        .await;
    assert_eq!(count(&acme.get(owner, &projects).await), 2);
    let new = json!({ "name": "dns", "project": "net" });
    let made = acme.post(owner, &workspaces, new.clone(), 201).await;
    let relation = &made["data"]["relationships"]["project"]["data"];
    assert_eq!(relation["id"], project["data"]["id"]);
    acme.post(owner, &workspaces, new, 409).await;
    acme.post(
        owner,
        &workspaces,
        json!({ "name": "x", "project": "none" }),
        404,
    )
    .await;
    let id = made["data"]["id"].as_str().unwrap();
    assert_eq!(
        acme.get(owner, &format!("/api/v2/workspaces/{id}")).await,
        made
    );
    assert_eq!(acme.get(owner, &format!("{workspaces}/dns")).await, made);
}

#[tokio::test]
async fn a_grant_over_one_workspace_opens_it_until_it_is_taken() {
    let acme = Acme::new().await;
    let (owner, grants) = (&acme.owner, format!("{ACME}/grants"));
    let at = acme.workspace("dns").await;
    let ada = acme.server.person("ada", false).await;
    let give = |role: &str, scope: &str, until: &str| json!({ "user": ada.id.as_str(), "role": role, "scope": scope, "expires-at": until });
    let scope = at.rsplit('/').next().unwrap();
    let until = "2026-08-02T00:00:00Z";
    let given = acme
        .post(owner, &grants, give("reader", scope, until), 201)
        .await;
    assert_eq!(
        given["data"]["attributes"]["expires-at"],
        "2026-08-02T00:00:00.000000Z"
    );
    acme.get(&ada, &at).await;
    let path = format!("{grants}/{}", given["data"]["id"].as_str().unwrap());
    acme.server.call(owner, "DELETE", &path, "").await.is(204);
    acme.server.call(&ada, "GET", &at, "").await.is(404);
    assert_eq!(count(&acme.get(owner, &grants).await), 1);
    for wrong in [
        give("king", scope, until),
        give("reader", "all", until),
        give("reader", scope, "soon"),
    ] {
        acme.post(owner, &grants, wrong, 400).await;
    }
}

#[tokio::test]
async fn a_site_operator_gives_a_role_by_a_users_name() {
    let acme = Acme::new().await;
    let (operator, at) = (&acme.operator, "/api/v2/organizations");
    acme.post(operator, at, json!({ "name": "globex" }), 201)
        .await;
    let ada = acme.server.person("ada", false).await;
    let grants = "/api/v2/organizations/globex/grants";
    let given = acme
        .post(
            operator,
            grants,
            json!({ "user": "ada", "role": "writer" }),
            201,
        )
        .await;
    assert_eq!(given["data"]["attributes"]["user"], ada.id.as_str());
    let unknown = acme
        .post(
            operator,
            grants,
            json!({ "user": "adda", "role": "writer" }),
            400,
        )
        .await;
    assert!(
        unknown
            .to_string()
            .contains("there is no user named `adda`"),
        "{unknown}"
    );
}

#[tokio::test]
async fn lists_are_read_page_by_page_to_their_end() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let put = async |name: &str, serial| {
        let path = format!("/state/acme/{name}");
        acme.server
            .call(owner, "POST", &path, state("a", serial, 1))
            .await
            .is(200);
    };
    for name in ["a", "b", "c", "d", "e"] {
        put(name, 1).await;
    }
    for serial in 2..6 {
        put("a", serial).await;
    }
    let check = async |first: String, attribute: &str, expected: Value| {
        let (mut next, mut found) = (Some(first), Vec::new());
        while let Some(path) = next {
            let page = acme.get(owner, &path).await;
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
    let names = json!(["a", "b", "c", "d", "e"]);
    check(format!("{ACME}/workspaces?page[size]=2"), "name", names).await;
    let a = acme.get(owner, &format!("{ACME}/workspaces/a")).await;
    let id = a["data"]["id"].as_str().unwrap();
    let versions = format!("/api/v2/workspaces/{id}/state-versions?page%5Bsize%5D=2");
    check(versions, "serial", json!([5, 4, 3, 2, 1])).await;
}

#[tokio::test]
async fn the_permission_list_is_published_whole() {
    let acme = Acme::new().await;
    let asked = request("GET", "/api/v2/permissions", None, "".into());
    let listed = acme.server.send(asked).await.is(200).json();
    let listed = listed["data"].as_array().unwrap().iter();
    let listed: Vec<&str> = listed.map(|each| each["id"].as_str().unwrap()).collect();
    let all: Vec<&str> = Permission::ALL.iter().map(|each| each.as_str()).collect();
    assert_eq!(listed, all);
}

#[tokio::test]
async fn a_shredded_organization_is_not_found_by_anybody() {
    let acme = Acme::new().await;
    let (owner, path) = (&acme.owner, format!("{ACME}/actions/shred"));
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let member = acme.server.member("wim", &house, Role::Maintainer).await;
    acme.post(&member, &path, json!({ "reason": "no" }), 403)
        .await;
    acme.post(owner, &path, json!({ "reason": "" }), 400).await;
    let gone = acme
        .post(owner, &path, json!({ "reason": "contract ended" }), 200)
        .await;
    assert_eq!(gone["data"]["attributes"]["status"], "shredded");

    let seen = async |called: &str| {
        let path = format!("/api/v2/organizations/{called}");
        let answer = acme.server.call(owner, "GET", &path, "").await.is(404);
        answer
            .text()
            .replace(answer.header("x-request-id"), "")
            .replace(called, "")
    };
    assert_eq!(seen("acme").await, seen("unknown").await);
    let all = acme.get(&acme.operator, "/api/v2/organizations").await;
    assert_eq!(all["data"][0]["attributes"]["status"], "shredded");
}
