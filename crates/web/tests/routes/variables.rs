//! Variables of a workspace: made, changed, hidden, refused.

use serde_json::{Value, json};
use statehouse_model::Role;

use crate::support::Server;

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
