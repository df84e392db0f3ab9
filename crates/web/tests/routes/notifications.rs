//! Notification configurations: made, tried, changed, and never told whole.

use serde_json::{Value, json};
use statehouse_model::Role;

use crate::support::{Person, Server};

/// A workspace of acme, and the path of its configurations.
async fn prepared() -> (Server, Person, String) {
    let server = Server::start().await;
    let owner = server.person("owner", false).await;
    server.organization("acme", &owner).await;
    let workspaces = "/api/v2/organizations/acme/workspaces";
    let made = server.post(&owner, workspaces, json!({ "name": "network" }));
    let id = made.await.is(201).json()["data"]["id"].clone();
    let path = format!(
        "/api/v2/workspaces/{}/notification-configurations",
        id.as_str().unwrap()
    );
    (server, owner, path)
}

fn wish(url: &str, enabled: bool) -> Value {
    json!({
        "destination-type": "generic",
        "name": "ops",
        "url": url,
        "token": "correct-horse-battery",
        "triggers": ["run:created", "run:errored"],
        "enabled": enabled,
        "email-addresses": [],
    })
}

#[tokio::test]
async fn a_configuration_is_tried_and_shown_without_its_token() {
    let (server, owner, path) = prepared().await;
    let made = server.post(&owner, &path, wish("https://hooks.example.com/a", true));
    let made = made.await.is(201);
    assert!(!made.text().contains("correct-horse-battery"));
    let made = made.json()["data"].clone();
    let told = &made["attributes"];
    assert_eq!(told["token"], Value::Null);
    assert_eq!(told["signed"], true);
    assert_eq!(told["destination-type"], "generic");
    assert_eq!(told["triggers"], json!(["run:created", "run:errored"]));
    let tried = &told["delivery-responses"][0];
    assert_eq!(
        (&tried["code"], &tried["successful"]),
        (&json!("200"), &json!("true"))
    );
    assert_eq!(tried["run-id"], Value::Null);

    let at = format!(
        "/api/v2/notification-configurations/{}",
        made["id"].as_str().unwrap()
    );
    let change = async |attributes: Value, status: u16| {
        let body =
            json!({ "data": { "type": "notification-configurations", "attributes": attributes } });
        let answer = server.call(&owner, "PATCH", &at, body.to_string()).await;
        answer.is(status).json()["data"]["attributes"].clone()
    };
    assert_eq!(
        change(json!({ "triggers": [] }), 200).await["triggers"],
        json!([])
    );
    // Whoever did not say what signs takes the signature nowhere else.
    let elsewhere = "https://hooks.example.com/b";
    let body = json!({ "data": { "attributes": { "url": elsewhere } } });
    let moved = server.call(&owner, "PATCH", &at, body.to_string()).await;
    let moved = moved.is(400);
    assert!(
        moved.text().contains("say the token again"),
        "{}",
        moved.text()
    );
    assert!(moved.text().contains("--sign-with"), "{}", moved.text());
    let both = json!({ "url": elsewhere, "token": "correct-horse-battery" });
    assert_eq!(change(both, 200).await["signed"], true);
    let back = json!({ "url": "https://hooks.example.com/a", "token": "" });
    assert_eq!(change(back, 200).await["signed"], false);
    // What is not taken is not stored.
    change(json!({ "url": "https://hooks.example.com/broken" }), 400).await;
    let shown = server.call(&owner, "GET", &at, "").await.is(200).json();
    assert_eq!(
        shown["data"]["attributes"]["url"],
        "https://hooks.example.com/a"
    );
    change(
        json!({ "url": "https://hooks.example.com/broken", "enabled": false }),
        200,
    )
    .await;

    let verify = format!("{at}/actions/verify");
    let failed = server.post(&owner, &verify, json!({})).await.is(400);
    assert!(failed.text().contains("status 500"), "{}", failed.text());
    let listed = server.call(&owner, "GET", &path, "").await.is(200).json();
    let last = &listed["data"][0]["attributes"]["delivery-responses"][0];
    assert_eq!(
        (&last["code"], &last["outcome"]),
        (&json!("500"), &json!("failed"))
    );
    change(json!({ "url": "https://hooks.example.com/b" }), 200).await;
    server.post(&owner, &verify, json!({})).await.is(200);
    server.call(&owner, "DELETE", &at, "").await.is(204);
    server.call(&owner, "GET", &at, "").await.is(404);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_words() {
    let (server, owner, path) = prepared().await;
    let refused = async |change: Value, words: &str| {
        let mut attributes = wish("https://hooks.example.com/a", false);
        for (name, value) in change.as_object().unwrap() {
            attributes[name] = value.clone();
        }
        let answer = server.post(&owner, &path, attributes).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{change}");
        assert!(answer.text().contains(words), "{change}: {}", answer.text());
    };
    refused(
        json!({ "destination-type": "slack" }),
        "the only destination type",
    )
    .await;
    refused(json!({ "destination-type": null }), "destination-type").await;
    refused(
        json!({ "triggers": ["run:finished"] }),
        "known are run:created",
    )
    .await;
    refused(json!({ "url": "http://hooks.example.com/a" }), "https://").await;
    refused(json!({ "url": "x".repeat(5000) }), "longer").await;
    refused(json!({ "url": null }), "url").await;
    refused(json!({ "name": "" }), "name").await;
    refused(json!({ "name": null }), "name").await;
    refused(json!({ "token": "t".repeat(5000) }), "token").await;
    refused(
        json!({ "email-addresses": ["a@example.com"] }),
        "cannot be set",
    )
    .await;
    refused(
        json!({ "url": "https://hooks.example.com/broken", "enabled": true }),
        "status 500",
    )
    .await;
    for _ in 0..20 {
        let made = server.post(&owner, &path, wish("https://hooks.example.com/a", false));
        made.await.is(201);
    }
    refused(json!({}), "at most 20").await;
}

#[tokio::test]
async fn only_those_who_may_see_where_notifications_are_sent() {
    let (server, owner, path) = prepared().await;
    let made = server.post(
        &owner,
        &path,
        wish("https://hooks.example.com/secret-path", true),
    );
    let id = made.await.is(201).json()["data"]["id"].clone();
    let at = format!(
        "/api/v2/notification-configurations/{}",
        id.as_str().unwrap()
    );
    let acme = server
        .core
        .enter_as_machine(&"acme".parse().unwrap())
        .await
        .unwrap();
    let reader = server.member("reader", &acme, Role::Reader).await;
    let writer = server.member("writer", &acme, Role::Writer).await;
    let rival = server.person("rival", false).await;
    server.organization("rivals", &rival).await;
    let maintainer = server.member("maintainer", &acme, Role::Maintainer).await;
    for who in [&reader, &writer] {
        for (method, path) in [("GET", &at), ("GET", &path), ("DELETE", &at)] {
            let refused = server.call(who, method, path, "").await.is(403);
            assert!(!refused.text().contains("secret-path"));
        }
    }
    server.call(&maintainer, "GET", &at, "").await.is(200);
    for method in ["GET", "DELETE"] {
        server.call(&rival, method, &at, "").await.is(404);
    }
    server
        .post(&rival, &path, wish("https://hooks.example.com/a", false))
        .await
        .is(404);
}
