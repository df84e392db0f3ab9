//! Variables of workspaces and of sets: made, changed, hidden, refused.

use serde_json::{Value, json};
use statehouse_model::Role;

use crate::support::{ACME, Acme, Server};

/// What a variable looks like, as far as it is told.
fn told(answer: &Value) -> (String, Value, bool) {
    let attributes = &answer["attributes"];
    (
        attributes["key"].as_str().unwrap().to_owned(),
        attributes["value"].clone(),
        attributes["sensitive"].as_bool().unwrap(),
    )
}

#[tokio::test]
async fn a_sensitive_value_is_written_and_shown_to_nobody() {
    let server = Server::start().await;
    let owner = server.person("owner", false).await;
    let acme = server.organization("acme", &owner).await;
    let reader = server.member("reader", &acme, Role::Reader).await;
    let workspaces = "/api/v2/organizations/acme/workspaces";
    let made = server
        .post(&owner, workspaces, json!({ "name": "network" }))
        .await;
    let id = made.is(201).json()["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v2/workspaces/{id}/vars");

    let secret = json!({ "key": "password", "value": "correct-horse-battery", "sensitive": true });
    let made = server.post(&owner, &path, secret).await.is(201).json()["data"].clone();
    assert_eq!(told(&made), ("password".to_owned(), Value::Null, true));
    let at = format!("{path}/{}", made["id"].as_str().unwrap());
    let plain = json!({ "key": "LEVEL", "value": "low", "category": "env" });
    server.post(&owner, &path, plain).await.is(201);

    let listed = server.call(&owner, "GET", &path, "").await;
    let listed = listed.is(200).json()["data"].as_array().unwrap().clone();
    let all: Vec<_> = listed.iter().map(told).collect();
    assert_eq!(all[0], ("LEVEL".to_owned(), json!("low"), false));
    assert_eq!(all[1], ("password".to_owned(), Value::Null, true));
    server.call(&reader, "GET", &path, "").await.is(403);

    // It stays sensitive, and another description does not show it.
    let change = async |attributes: Value, status: u16| {
        let body = json!({ "data": { "type": "vars", "attributes": attributes } });
        server
            .call(&owner, "PATCH", &at, body.to_string())
            .await
            .is(status)
            .json()
    };
    change(json!({ "sensitive": false }), 400).await;
    let changed = change(json!({ "description": "of the database" }), 200).await;
    assert_eq!(told(&changed["data"]).1, Value::Null);
    assert_ne!(
        changed["data"]["attributes"]["version-id"],
        made["attributes"]["version-id"]
    );
    server.call(&owner, "DELETE", &at, "").await.is(204);
    server.call(&owner, "GET", &at, "").await.is(404);
}

#[tokio::test]
async fn what_could_not_be_given_to_a_run_is_refused_with_words() {
    let server = Server::start().await;
    let owner = server.person("owner", false).await;
    server.organization("acme", &owner).await;
    let workspaces = "/api/v2/organizations/acme/workspaces";
    let made = server
        .post(&owner, workspaces, json!({ "name": "network" }))
        .await;
    let id = made.is(201).json()["data"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v2/workspaces/{id}/vars");
    let refused = async |attributes: Value, words: &str| {
        let answer = server.post(&owner, &path, attributes.clone()).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{attributes}");
        assert!(
            answer.text().contains(words),
            "{attributes}: {}",
            answer.text()
        );
    };
    refused(json!({ "value": "x" }), "name").await;
    refused(json!({ "key": "", "value": "x" }), "name").await;
    refused(json!({ "key": "a b", "value": "x" }), "name").await;
    refused(json!({ "key": "ключ", "value": "x" }), "name").await;
    refused(json!({ "key": "k".repeat(10_000), "value": "x" }), "name").await;
    refused(json!({ "key": "k", "value": "v".repeat(300_000) }), "bytes").await;
    refused(
        json!({ "key": "k", "value": "x", "category": "policy" }),
        "category",
    )
    .await;
    refused(
        json!({ "key": "k", "value": "file(\"/x\")", "hcl": true }),
        "literal",
    )
    .await;
    refused(
        json!({ "key": "k", "value": "abc", "sensitive": true }),
        "logs",
    )
    .await;
    for name in [
        "LD_PRELOAD",
        "PATH",
        "TF_CLI_CONFIG_FILE",
        "HTTPS_PROXY",
        "tf_data_dir",
        "TOFU_X_EXPERIMENTAL_RUNTIME",
    ] {
        refused(
            json!({ "key": name, "value": "x", "category": "env" }),
            "environment",
        )
        .await;
    }
    server
        .post(&owner, &path, json!({ "key": "k", "value": "x" }))
        .await
        .is(201);
    refused(json!({ "key": "k", "value": "y" }), "already").await;
    let env = json!({ "key": "k", "value": "y", "category": "env" });
    server.post(&owner, &path, env).await.is(201);
}

/// A set and its address.
async fn set_named(acme: &Acme, name: &str) -> (String, String) {
    let path = format!("{ACME}/varsets");
    let made = acme
        .post(&acme.owner, &path, json!({ "name": name }), 201)
        .await;
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    let at = format!("/api/v2/varsets/{id}");
    (id, at)
}

/// The ids that a resource relates to.
fn related(resource: &Value, name: &str) -> Vec<String> {
    let data = resource["relationships"][name]["data"].as_array().unwrap();
    let id = |each: &Value| each["id"].as_str().unwrap().to_owned();
    data.iter().map(id).collect()
}

#[tokio::test]
async fn a_set_is_made_and_changed_as_the_platforms_clients_do() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let workspace = acme.workspace("web").await;
    let workspace = workspace.rsplit('/').next().unwrap();
    let wish = json!({ "data": { "type": "varsets",
        "attributes": { "name": "Cloud, all of it", "description": "keys", "global": false, "priority": false },
        "relationships": { "parent": { "data": null } } } });
    let path = format!("{ACME}/varsets");
    let made = acme
        .server
        .call(owner, "POST", &path, wish.to_string())
        .await;
    let made = made.is(201).json()["data"].clone();
    let at = format!("/api/v2/varsets/{}", made["id"].as_str().unwrap());
    assert_eq!(made["relationships"]["organization"]["data"]["id"], "acme");
    let change = async |attributes: Value, workspaces: Value, status: u16| {
        let body = json!({ "data": { "type": "varsets", "attributes": attributes,
            "relationships": { "workspaces": { "data": workspaces } } } });
        let at = format!("{at}?include=workspaces");
        let answer = acme
            .server
            .call(owner, "PATCH", &at, body.to_string())
            .await;
        answer.is(status).json()["data"].clone()
    };
    // To these workspaces and no others, as `tfe_variable_set` says it.
    let web = json!([{ "type": "workspaces", "id": workspace }]);
    let changed = change(json!({ "global": false }), web.clone(), 200).await;
    assert_eq!(related(&changed, "workspaces"), [workspace]);
    assert_eq!(changed["attributes"]["workspace-count"], 1);
    let kept = change(json!({ "priority": true }), Value::Null, 200).await;
    assert_eq!(related(&kept, "workspaces"), [workspace]);
    assert_eq!(kept["attributes"]["priority"], true);
    change(json!({ "global": true }), web, 409).await;
    let cleared = change(json!({}), json!([]), 200).await;
    assert!(related(&cleared, "workspaces").is_empty());
    let everywhere = change(json!({ "global": true }), json!([]), 200).await;
    assert_eq!(everywhere["attributes"]["global"], true);
    let shown = acme
        .get(owner, &format!("{at}?include=workspaces,stacks"))
        .await;
    assert_eq!(shown["data"]["attributes"]["name"], "Cloud, all of it");
    let listed = acme.get(owner, &format!("{path}?q=ALL&include=vars")).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        acme.get(owner, &format!("{path}?q=none")).await["data"],
        json!([])
    );
    acme.server.call(owner, "DELETE", &at, "").await.is(204);
    acme.server.call(owner, "GET", &at, "").await.is(404);
}

#[tokio::test]
async fn a_set_is_attached_and_what_reaches_a_workspace_is_listed() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (projects, workspaces) = (format!("{ACME}/projects"), format!("{ACME}/workspaces"));
    let made = acme.post(owner, &projects, json!({ "name": "net" }), 201);
    let project = made.await["data"]["id"].as_str().unwrap().to_owned();
    let new = json!({ "name": "dns", "project": "net" });
    let made = acme.post(owner, &workspaces, new, 201).await;
    let workspace = made["data"]["id"].as_str().unwrap().to_owned();
    let ((_, a), (_, b)) = (set_named(&acme, "a").await, set_named(&acme, "b").await);
    // What is attached, or taken off, is of the kind that the address says.
    let send = async |method: &str, at: &str, (kind, id): (&str, &str), status: u16| {
        let refer = json!({ "data": [{ "type": kind, "id": id }] }).to_string();
        let answer = acme.server.call(owner, method, at, refer).await;
        answer.is(status);
    };
    let to_workspaces = format!("{a}/relationships/workspaces");
    let to_projects = format!("{b}/relationships/projects");
    let (web, net) = (("workspaces", &*workspace), ("projects", &*project));
    send("POST", &to_workspaces, web, 204).await;
    send("POST", &to_projects, net, 204).await;
    send("POST", &to_projects, web, 422).await;
    let reaching = async |path: &str| {
        let listed = acme.get(owner, path).await;
        let name = |set: &Value| set["attributes"]["name"].as_str().unwrap().to_owned();
        let listed = listed["data"].as_array().unwrap().iter();
        listed.map(name).collect::<Vec<_>>()
    };
    let of_workspace = format!("/api/v2/workspaces/{workspace}/varsets");
    let of_project = format!("/api/v2/projects/{project}/varsets");
    assert_eq!(reaching(&of_workspace).await, ["a", "b"]);
    assert_eq!(reaching(&of_project).await, ["b"]);
    let shown = acme.get(owner, &b).await;
    assert_eq!(related(&shown["data"], "projects"), [&*project]);
    send("DELETE", &to_workspaces, web, 204).await;
    send("DELETE", &to_workspaces, web, 204).await;
    send("DELETE", &to_projects, net, 204).await;
    assert!(reaching(&of_workspace).await.is_empty());
}

#[tokio::test]
async fn a_variable_of_a_set_is_one_below_it() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let ((a, at_a), (_, at_b)) = (set_named(&acme, "a").await, set_named(&acme, "b").await);
    let send = async |method: &str, path: &str, body: String, status: u16| {
        let answer = acme.server.call(owner, method, path, body).await;
        answer.is(status);
    };
    let secret = json!({ "key": "password", "value": "correct-horse-battery", "sensitive": true, "category": "env" });
    let vars = format!("{at_a}/relationships/vars");
    let made = acme.post(owner, &vars, secret, 201).await["data"].clone();
    assert_eq!(told(&made), ("password".to_owned(), Value::Null, true));
    assert_eq!(made["relationships"]["varset"]["data"]["id"], json!(a));
    let shown = acme.get(owner, &at_a).await;
    let id = made["id"].as_str().unwrap();
    assert_eq!(related(&shown["data"], "vars"), [id]);
    let link = made["links"]["self"].as_str().unwrap();
    assert_eq!(told(&acme.get(owner, link).await["data"]).0, "password");
    let change = json!({ "data": { "attributes": { "sensitive": false } } });
    send("PATCH", link, change.to_string(), 400).await;
    send("GET", &link.replace(&at_a, &at_b), String::new(), 404).await;
    send("DELETE", link, String::new(), 204).await;
    send("GET", link, String::new(), 404).await;
}

#[tokio::test]
async fn what_a_set_cannot_be_is_refused_with_words() {
    let acme = Acme::new().await;
    let project = acme
        .post(
            &acme.owner,
            &format!("{ACME}/projects"),
            json!({ "name": "net" }),
            201,
        )
        .await;
    let project = project["data"]["id"].as_str().unwrap().to_owned();
    let vars = json!([{ "type": "vars", "attributes": { "key": "k", "value": "v" } }]);
    for (attributes, relations, status, words) in [
        (json!({}), json!({}), 400, "needs a name"),
        (json!({ "name": "" }), json!({}), 400, "1 to 90 characters"),
        (json!({ "name": 7 }), json!({}), 400, "string"),
        (
            json!({ "name": "s", "stacks": ["x"] }),
            json!({}),
            422,
            "stacks",
        ),
        (
            json!({ "name": "s" }),
            json!({ "vars": { "data": vars } }),
            422,
            "an address of their own",
        ),
        (
            json!({ "name": "s" }),
            json!({ "parent": { "data": { "type": "projects", "id": project } } }),
            422,
            "`organizations` is meant",
        ),
        (
            json!({ "name": "s" }),
            json!({ "parent": { "data": { "type": "organizations", "id": "rivals" } } }),
            422,
            "another organization",
        ),
        (
            json!({ "name": "s", "global": true }),
            json!({ "projects": { "data": [{ "type": "projects", "id": project }] } }),
            409,
            "attached to none",
        ),
        (
            json!({ "name": "s" }),
            json!({ "workspaces": { "data": [{ "type": "workspaces", "id": "ws-none" }] } }),
            404,
            "",
        ),
    ] {
        let body = json!({ "data": { "attributes": attributes, "relationships": relations } });
        let path = format!("{ACME}/varsets");
        let answer = acme
            .server
            .call(&acme.owner, "POST", &path, body.to_string())
            .await;
        let answer = answer.is(status);
        assert!(answer.text().contains(words), "{body}: {}", answer.text());
    }
    assert_eq!(
        acme.get(&acme.owner, &format!("{ACME}/varsets")).await["data"],
        json!([])
    );
}
