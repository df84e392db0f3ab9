//! People and machines inside an organization, as the platform's clients ask for them.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use statehouse_core::token::{Wish, house};
use statehouse_model::{HouseCode, Role, Token, TokenKind, UserId};

use crate::support::{ACME, Acme, Person, basic, name, request, state};

async fn send(acme: &Acme, who: &Person, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = acme.server.call(who, method, path, body).await;
    let document = if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    (answer.status.as_u16(), document)
}

fn bearer(document: &Value) -> Person {
    let token = document["data"]["attributes"]["token"].as_str().unwrap();
    Person {
        id: UserId::from_entropy(1),
        token: token.to_owned(),
    }
}

/// A team of the owner's, by its address.
async fn team(acme: &Acme, attributes: Value) -> String {
    let made = acme
        .post(&acme.owner, &format!("{ACME}/teams"), attributes, 201)
        .await;
    format!("/api/v2/teams/{}", made["data"]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_team_is_made_joined_shown_with_its_people_and_left() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let ada = acme.server.person("ada", false).await;
    let access =
        json!({ "manage-workspaces": true, "manage-modules": false, "manage-teams": null });
    let wish = json!({ "name": "net", "organization-access": access });
    let at = team(&acme, wish).await;
    let shown = acme.get(owner, &at).await;
    let attributes = &shown["data"]["attributes"];
    assert_eq!(attributes["visibility"], "secret");
    assert_eq!(attributes["organization-access"]["manage-workspaces"], true);
    assert_eq!(attributes["organization-access"]["manage-projects"], false);
    assert_eq!(attributes["permissions"]["can-destroy"], true);

    let people = json!({ "data": [{ "type": "users", "id": "ada" }] });
    let path = format!("{at}/relationships/users");
    assert_eq!(
        send(&acme, owner, "POST", &path, people.clone()).await.0,
        204
    );
    assert_eq!(
        send(&acme, owner, "POST", &path, people.clone()).await.0,
        204
    );
    let shown = acme
        .get(
            &ada,
            &format!("{at}?include=users,organization-memberships"),
        )
        .await;
    assert_eq!(shown["data"]["attributes"]["users-count"], 1);
    let included = shown["included"].as_array().unwrap();
    assert_eq!(included.len(), 2, "{included:?}");
    assert!(
        included
            .iter()
            .any(|each| each["attributes"]["username"] == "ada")
    );
    acme.server
        .call(&ada, "POST", "/state/acme/web", state("a", 1, 1))
        .await
        .is(200);
    assert_eq!(send(&acme, owner, "DELETE", &path, people).await.0, 204);
    acme.server
        .call(&ada, "GET", "/state/acme/web", "")
        .await
        .is(404);
    acme.server.call(&ada, "GET", &at, "").await.is(404);

    let stranger = json!({ "data": [{ "type": "users", "id": "nobody" }] });
    let (status, document) = send(&acme, owner, "POST", &path, stranger).await;
    assert_eq!(status, 400);
    assert!(document.to_string().contains("no user named `nobody`"));
    let wrong = json!({ "data": [{ "type": "teams", "id": "ada" }] });
    assert_eq!(send(&acme, owner, "POST", &path, wrong).await.0, 422);
    assert_eq!(send(&acme, owner, "DELETE", &at, Value::Null).await.0, 204);
    acme.server.call(owner, "GET", &at, "").await.is(404);
}

#[tokio::test]
async fn what_a_team_cannot_be_given_is_refused_by_name() {
    let acme = Acme::new().await;
    let teams = format!("{ACME}/teams");
    let check = async |attributes: Value, status, words: &str| {
        let answer = acme.post(&acme.owner, &teams, attributes, status).await;
        assert!(answer.to_string().contains(words), "{answer}");
    };
    let with = |access: Value| json!({ "name": "net", "organization-access": access });
    check(
        with(json!({ "manage-policies": true })),
        422,
        "manage-policies",
    )
    .await;
    check(
        with(json!({ "manage-projects": "yes" })),
        422,
        "manage-projects",
    )
    .await;
    check(
        json!({ "name": "net", "sso-team-id": "x" }),
        422,
        "sso-team-id",
    )
    .await;
    check(
        json!({ "name": "net", "visibility": "all" }),
        400,
        "visibility",
    )
    .await;
    check(json!({ "name": "owners" }), 409, "exists").await;
    check(
        json!({ "name": "n".repeat(10_000) }),
        400,
        "not a valid name",
    )
    .await;
    check(json!({ "name": "гвоздь" }), 400, "not a valid name").await;
    check(json!({}), 422, "needs a `name`").await;
    let unknown = format!("{teams}?include=workspaces");
    let answer = acme.server.call(&acme.owner, "GET", &unknown, "").await;
    assert!(answer.is(400).text().contains("cannot be included"));
    let page = format!("{teams}?page%5Bnumber%5D=1&page%5Bsize%5D=1");
    let listed = acme.get(&acme.owner, &page).await;
    assert_eq!(listed["data"][0]["attributes"]["name"], "owners");
    assert_eq!(listed["meta"]["pagination"]["total-count"], 1);
}

#[tokio::test]
async fn a_team_reaches_a_workspace_as_far_as_its_access_says() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let workspace = acme.workspace("web").await;
    let workspace = workspace.rsplit('/').next().unwrap();
    let at = team(
        &acme,
        json!({ "name": "net", "visibility": "organization" }),
    )
    .await;
    let id = at.rsplit('/').next().unwrap();
    let body = |access: &str| {
        json!({ "data": { "type": "team-workspaces", "attributes": { "access": access }, "relationships": {
            "team": { "data": { "type": "teams", "id": id } },
            "workspace": { "data": { "type": "workspaces", "id": workspace } },
        } } })
    };
    let all = "/api/v2/team-workspaces";
    let (status, custom) = send(&acme, owner, "POST", all, body("custom")).await;
    assert_eq!(status, 422);
    assert!(custom.to_string().contains("roles of your own"), "{custom}");
    assert_eq!(send(&acme, owner, "POST", all, body("king")).await.0, 422);
    let (status, made) = send(&acme, owner, "POST", all, body("plan")).await;
    assert_eq!(status, 201, "{made}");
    let one = format!("{all}/{}", made["data"]["id"].as_str().unwrap());
    assert_eq!(acme.get(owner, &one).await["data"], made["data"]);
    assert_eq!(send(&acme, owner, "POST", all, body("plan")).await.0, 409);
    let listed = format!("{all}?filter%5Bworkspace%5D%5Bid%5D={workspace}");
    assert_eq!(acme.get(owner, &listed).await["data"][0], made["data"]);
    acme.server.call(owner, "GET", all, "").await.is(422);
    let change = json!({ "data": { "attributes": { "access": "write" } } });
    let (_, changed) = send(&acme, owner, "PATCH", &one, change).await;
    assert_eq!(changed["data"]["attributes"]["access"], "write");
    assert_eq!(send(&acme, owner, "DELETE", &one, Value::Null).await.0, 204);
    acme.server.call(owner, "GET", &one, "").await.is(404);
}

#[tokio::test]
async fn somebody_is_brought_in_found_and_put_out() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let ada = acme.server.person("ada", false).await;
    let at = team(&acme, json!({ "name": "net" })).await;
    let members = format!("{ACME}/organization-memberships");
    let refer = json!([{ "type": "teams", "id": at.rsplit('/').next().unwrap() }]);
    let body = json!({ "data": { "type": "organization-memberships",
        "attributes": { "email": "ada" }, "relationships": { "teams": { "data": refer } } } });
    let (status, made) = send(&acme, owner, "POST", &members, body.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["data"]["attributes"]["status"], "active");
    assert_eq!(
        made["data"]["relationships"]["user"]["data"]["id"],
        ada.id.as_str()
    );
    assert_eq!(send(&acme, owner, "POST", &members, body).await.0, 409);
    let found = acme
        .get(owner, &format!("{members}?q=AD&include=user,teams"))
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["included"].as_array().unwrap().len(), 2);
    let invited = acme
        .get(owner, &format!("{members}?filter%5Bstatus%5D=invited"))
        .await;
    assert_eq!(invited["data"], json!([]));
    // Members see their organization, their own membership and nobody else's.
    let orgs = acme.get(&ada, "/api/v2/organizations").await;
    assert_eq!(orgs["data"][0]["id"], "acme");
    let own = format!(
        "/api/v2/organization-memberships/{}",
        made["data"]["id"].as_str().unwrap()
    );
    acme.get(&ada, &own).await;
    acme.server.call(&ada, "GET", &members, "").await.is(403);
    assert_eq!(send(&acme, owner, "DELETE", &own, Value::Null).await.0, 204);
    acme.server.call(&ada, "GET", &own, "").await.is(404);
    assert_eq!(
        acme.get(&ada, "/api/v2/organizations").await["data"],
        json!([])
    );
}

#[tokio::test]
async fn the_last_owner_who_can_log_in_is_not_disabled() {
    let acme = Acme::new().await;
    let (owner, operator) = (&acme.owner, &acme.operator);
    let disable = async |called: &str, status| {
        let path = format!("/api/v2/users/{called}/actions/disable");
        acme.post(operator, &path, json!({}), status).await
    };
    let refused = disable("olga", 409).await;
    assert!(
        refused
            .to_string()
            .contains("last owner of the organization `acme`")
    );
    let ada = acme.server.person("ada", false).await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    acme.server.give(&house, &ada, Role::Owner).await;
    disable("ada", 200).await;
    // The other owner cannot log in any more, so this one stays by every path.
    disable("olga", 409).await;
    let grants = acme.get(owner, &format!("{ACME}/grants")).await;
    let own = grants["data"].as_array().unwrap().iter();
    let own = own
        .clone()
        .find(|grant| grant["attributes"]["user"] == owner.id.as_str());
    let grant = format!("{ACME}/grants/{}", own.unwrap()["id"].as_str().unwrap());
    acme.server.call(owner, "DELETE", &grant, "").await.is(409);
    let owners = format!(
        "/api/v2/teams/team-{}owners1111111111",
        house.house().code()
    );
    let people = json!({ "data": [{ "type": "users", "id": "olga" }] });
    let path = format!("{owners}/relationships/users");
    assert_eq!(send(&acme, owner, "DELETE", &path, people).await.0, 409);
    let found = acme
        .get(owner, &format!("{ACME}/organization-memberships?q=olga"))
        .await;
    let id = found["data"][0]["id"].as_str().unwrap();
    let path = format!("/api/v2/organization-memberships/{id}");
    acme.server.call(owner, "DELETE", &path, "").await.is(409);
    acme.server.call(owner, "DELETE", &owners, "").await.is(409);
}

#[tokio::test]
async fn a_token_of_a_house_is_refused_elsewhere_in_the_same_words() {
    let acme = Acme::new().await;
    let at = team(&acme, json!({ "name": "ci" })).await;
    let path = format!("{at}/authentication-token");
    let made = acme.post(&acme.owner, &path, json!({}), 201).await;
    let ci = bearer(&made);
    assert!(ci.token.starts_with("sth_team_"), "{}", ci.token);
    assert_eq!(
        made["data"]["attributes"]["last-four"],
        ci.token.rsplit_once('_').unwrap().0[ci.token.len() - 11..]
    );
    let own = acme.get(&ci, "/api/v2/account/details").await;
    assert_eq!(own["data"]["attributes"]["is-service-account"], true);
    assert_eq!(own["data"]["attributes"]["username"], "api-team-ci");
    let orgs = acme.get(&ci, "/api/v2/organizations").await;
    assert_eq!(orgs["data"].as_array().unwrap().len(), 1);

    // In the site and in another organization there is nothing for it.
    let rival = acme.server.person("rival", false).await;
    acme.server.organization("rivals", &rival).await;
    for path in [
        "/api/v2/users",
        "/api/v2/tokens",
        "/api/v2/organizations/rivals",
        "/api/v2/organizations/none",
    ] {
        acme.server.call(&ci, "GET", path, "").await.is(404);
    }
    // Unknown, of an unknown house, replaced, revoked and expired: one sentence.
    let words = "the token is unknown, expired or revoked";
    let check = async |token: &str| {
        let mut asked = request("GET", ACME, None, "".into());
        let header = basic(token).parse().unwrap();
        asked.headers_mut().insert("authorization", header);
        let answer = acme.server.send(asked).await.is(401);
        assert!(answer.text().contains(words), "{}", answer.text());
    };
    let code: HouseCode = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap()
        .house()
        .code();
    for house in [code, HouseCode::from_entropy(77)] {
        for kind in [TokenKind::Team, TokenKind::Organization] {
            check(Token::of_kind(kind, house, &[9; 32]).expose()).await;
        }
    }
    let again = acme.post(&acme.owner, &path, json!({}), 201).await;
    check(&ci.token).await;
    acme.server
        .call(&acme.owner, "DELETE", &path, "")
        .await
        .is(204);
    check(&bearer(&again).token).await;
    acme.server
        .call(&acme.owner, "GET", &path, "")
        .await
        .is(404);
    let soon = json!({ "description": "soon", "expired-at": "2026-08-01T10:40:00Z" });
    let soon = acme
        .post(
            &acme.owner,
            &format!("{at}/authentication-tokens"),
            soon,
            201,
        )
        .await;
    acme.get(&bearer(&soon), ACME).await;
    acme.server.later(3_600_000_000);
    check(&bearer(&soon).token).await;
}

#[tokio::test]
async fn a_narrow_token_makes_no_wider_one_for_a_team() {
    let acme = Acme::new().await;
    let at = team(&acme, json!({ "name": "ci" })).await;
    let wish = Wish {
        scopes: vec!["team.manage".parse().unwrap(), "team.read".parse().unwrap()],
        ..Wish::default()
    };
    let narrow = Person {
        token: acme.server.token("olga", wish).await,
        ..acme.owner.clone()
    };
    let path = format!("{at}/authentication-tokens");
    let wide = json!({ "description": "wide" });
    acme.post(&narrow, &path, wide, 403).await;
    let same = json!({ "description": "same", "scopes": ["team.read"] });
    acme.post(&narrow, &path, same.clone(), 201).await;
    acme.post(&narrow, &path, same, 409).await;
}

#[tokio::test]
async fn a_grant_is_given_and_told_without_names_where_teams_may_not_be_seen() {
    let acme = Acme::new().await;
    let at = team(&acme, json!({ "name": "ci" })).await;
    let id = at.rsplit('/').next().unwrap();
    let scopes = ["grant.manage", "grant.read"];
    let wish = Wish {
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        ..Wish::default()
    };
    let narrow = Person {
        token: acme.server.token("olga", wish).await,
        ..acme.owner.clone()
    };
    let path = format!("{ACME}/grants");
    let grant = json!({ "team": id, "role": "reader" });
    let given = acme.post(&narrow, &path, grant, 201).await;
    assert_eq!(given["data"]["attributes"]["team"], id);
    for (who, expected) in [(&narrow, Value::Null), (&acme.owner, json!("ci"))] {
        let grants = acme.get(who, &path).await;
        let mut all = grants["data"].as_array().unwrap().iter();
        let of_team = all.find(|grant| grant["attributes"]["team"] == id).unwrap();
        assert_eq!(of_team["attributes"]["team-name"], expected);
    }
}

#[tokio::test]
async fn an_organization_has_a_token_that_manages_it_and_reads_no_state() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    acme.server
        .call(owner, "POST", "/state/acme/web", state("a", 1, 1))
        .await
        .is(200);
    let path = format!("{ACME}/authentication-token");
    let token = bearer(&acme.post(owner, &path, json!({}), 201).await);
    assert!(token.token.starts_with("sth_org_"), "{}", token.token);
    acme.server
        .call(&token, "GET", "/state/acme/web", "")
        .await
        .is(403);
    acme.post(
        &token,
        &format!("{ACME}/projects"),
        json!({ "name": "net" }),
        201,
    )
    .await;
    acme.post(
        &token,
        &format!("{ACME}/teams"),
        json!({ "name": "net" }),
        201,
    )
    .await;
    acme.post(&token, &path, json!({}), 403).await;
    acme.server.call(owner, "DELETE", &path, "").await.is(204);
    acme.server.call(&token, "GET", ACME, "").await.is(401);
}

#[tokio::test]
async fn an_organization_answers_with_its_name_as_id_and_ends_only_when_empty() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let shown = acme.get(owner, ACME).await;
    assert_eq!(shown["data"]["id"], "acme");
    assert_eq!(
        shown["data"]["attributes"]["permissions"]["can-create-team"],
        true
    );
    let set = json!({ "data": { "attributes": { "name": "acme", "email": "ops@example.com" } } });
    let (_, changed) = send(&acme, owner, "PATCH", ACME, set).await;
    assert_eq!(changed["data"]["attributes"]["email"], "ops@example.com");
    for wrong in [json!({ "name": "other" }), json!({ "saml-enabled": true })] {
        let wrong = json!({ "data": { "attributes": wrong } });
        assert_eq!(send(&acme, owner, "PATCH", ACME, wrong).await.0, 422);
    }
    acme.workspace("web").await;
    let kept = acme.server.call(owner, "DELETE", ACME, "").await.is(409);
    assert!(
        kept.text().contains("statehouse org shred acme"),
        "{}",
        kept.text()
    );
    let empty = json!({ "name": "empty" });
    acme.post(&acme.operator, "/api/v2/organizations", empty, 201)
        .await;
    let path = "/api/v2/organizations/empty";
    acme.server.call(owner, "DELETE", path, "").await.is(404);
    acme.server
        .call(&acme.operator, "DELETE", path, "")
        .await
        .is(204);
    acme.server
        .call(&acme.operator, "GET", path, "")
        .await
        .is(404);
}

#[tokio::test]
async fn an_account_takes_another_name_and_password_only_by_itself() {
    let acme = Acme::new().await;
    let new = json!({ "name": "ada", "password": "correct horse battery" });
    acme.post(&acme.operator, "/api/v2/users", new, 201).await;
    let login = async |called: &str, password: &str, status| {
        let who = json!({ "username": called, "password": password });
        acme.post(&acme.owner, "/api/v2/login", who, status).await
    };
    let ada = bearer(&login("ada", "correct horse battery", 201).await);
    let own = acme.get(&ada, "/api/v2/account/details").await;
    let id = own["data"]["id"].as_str().unwrap();
    assert_eq!(acme.get(&ada, &format!("/api/v2/users/{id}")).await, own);
    acme.server
        .call(&acme.owner, "GET", &format!("/api/v2/users/{id}"), "")
        .await
        .is(404);
    let patch = async |path: &str, attributes: Value| {
        let body = json!({ "data": { "attributes": attributes } });
        send(&acme, &ada, "PATCH", path, body).await.0
    };
    let update = "/api/v2/account/update";
    assert_eq!(patch(update, json!({ "username": "olga" })).await, 409);
    assert_eq!(
        patch(update, json!({ "email": "x@example.com" })).await,
        422
    );
    assert_eq!(
        patch(update, json!({ "username": "ada.l", "email": "ada.l" })).await,
        200
    );
    let password = |current: &str, again: &str| json!({ "current_password": current, "password": "another horse battery", "password_confirmation": again });
    let set = "/api/v2/account/password";
    let new = "another horse battery";
    assert_eq!(patch(set, password("wrong horse battery", new)).await, 403);
    assert_eq!(
        patch(set, password("correct horse battery", "other")).await,
        422
    );
    assert_eq!(
        patch(set, password("correct horse battery", new)).await,
        200
    );
    login("ada.l", "correct horse battery", 401).await;
    login("ada", new, 401).await;
    login("ada.l", new, 201).await;
}

#[tokio::test]
async fn an_account_has_tokens_that_nobody_else_sees() {
    let acme = Acme::new().await;
    let ada = acme.server.person("ada", false).await;
    let id = ada.id.as_str();
    let tokens = format!("/api/v2/users/{id}/authentication-tokens");
    let made = acme
        .post(&ada, &tokens, json!({ "description": "ci" }), 201)
        .await;
    let one = format!(
        "/api/v2/authentication-tokens/{}",
        made["data"]["id"].as_str().unwrap()
    );
    assert!(acme.get(&ada, &one).await["data"]["attributes"]["token"].is_null());
    acme.server.call(&acme.owner, "GET", &one, "").await.is(404);
    acme.server.call(&ada, "DELETE", &one, "").await.is(204);
    let foreign = acme.server.call(&acme.owner, "GET", &tokens, "").await;
    foreign.is(404);
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let secret = house::create(&house, None, Wish::default())
        .await
        .unwrap()
        .1;
    let machine = Person {
        token: secret.expose_secret().to_owned(),
        ..ada.clone()
    };
    acme.server.call(&machine, "GET", &tokens, "").await.is(404);
}
