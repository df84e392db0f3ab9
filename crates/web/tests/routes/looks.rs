//! What is in states, over `/api/v2`: differences, resources, their history, and what going back means.

use serde_json::{Value, json};

use crate::support::{Acme, Person};

/// A state with one resource, whose `pin` is marked as sensitive.
fn state(serial: u64, size: u64, pin: &str) -> String {
    let mark = json!([[{ "type": "get_attr", "value": "pin" }]]);
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "a", "outputs": {},
        "resources": [{
            "mode": "managed", "type": "aws_x", "name": "a", "module": "module.net[\"x y\"]",
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{
                "schema_version": 0, "sensitive_attributes": mark,
                "attributes": { "id": "i", "size": size, "pin": pin, "tags": { "a.b": "t" } },
            }],
        }],
    })
    .to_string()
}

/// As it stands in an address.
const ADDRESS: &str = "module.net%5B%22x%20y%22%5D.aws_x.a";

async fn put(acme: &Acme, at: &str, who: &Person, body: String) -> String {
    let path = format!("{at}/state");
    let stored = acme.server.call(who, "POST", &path, body).await;
    let stored = stored.is(201).json();
    stored["data"]["id"].as_str().unwrap().to_owned()
}

async fn two(acme: &Acme) -> (String, Vec<String>) {
    let at = acme.workspace("net").await;
    let mut ids = Vec::new();
    for (serial, size, pin) in [(1, 1, "one-s3cret"), (2, 2, "two-s3cret")] {
        ids.push(put(acme, &at, &acme.owner, state(serial, size, pin)).await);
    }
    (at, ids)
}

#[tokio::test]
async fn a_difference_is_told_between_versions_and_with_a_file() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (_, ids) = two(&acme).await;
    let at = |id: &str| format!("/api/v2/state-versions/{id}/diff");
    let check = |found: &Value| {
        let told = &found["data"]["attributes"];
        let changes = told["resources"][0]["attributes"].as_array().unwrap();
        let paths: Vec<&str> = changes
            .iter()
            .map(|change| change["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, ["pin", "size"]);
        assert_eq!(changes[0]["after"]["text"], "(sensitive)");
        assert_eq!(changes[1]["after"]["text"], "2");
        assert_eq!(told["totals"]["changed"], 1);
        assert!(!found.to_string().contains("s3cret"), "{found}");
    };
    let previous = acme.get(owner, &at(&ids[1])).await;
    check(&previous);
    assert_eq!(previous["data"]["id"], format!("{}..{}", ids[0], ids[1]));
    check(
        &acme
            .get(owner, &format!("{}?against={}", at(&ids[1]), ids[0]))
            .await,
    );
    let file = acme
        .server
        .call(owner, "POST", &at(&ids[0]), state(2, 2, "f-s3cret"))
        .await;
    let file = file.is(200).json();
    check(&file);
    assert_eq!(file["data"]["attributes"]["after"], Value::Null);
    for (path, status) in [
        (at(&ids[0]), 409),
        (format!("{}?against=sv-x", at(&ids[1])), 404),
    ] {
        acme.server.call(owner, "GET", &path, "").await.is(status);
    }
    acme.server
        .call(owner, "POST", &at(&ids[0]), "{")
        .await
        .is(409);
}

#[tokio::test]
async fn a_resource_is_shown_followed_and_blamed() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (at, ids) = two(&acme).await;
    let get = async |what: &str| acme.get(owner, &format!("{at}/resources{what}")).await;
    let listed = get("").await;
    let first = &listed["data"][0]["attributes"];
    assert_eq!(first["address"], r#"module.net["x y"].aws_x.a"#);
    assert_eq!(first["provider"], "registry.terraform.io/hashicorp/aws");

    let shown = get(&format!("/show?address={ADDRESS}")).await;
    let shown = &shown["data"]["attributes"]["attributes"];
    assert_eq!(shown[1]["path"], "pin");
    assert_eq!(shown[1]["value"]["kind"], "sensitive");
    let old = get(&format!(
        "/show?address={ADDRESS}&attribute=size&version={}",
        ids[0]
    ))
    .await;
    let old = &old["data"]["attributes"]["attributes"];
    assert_eq!(
        old,
        &json!([{ "path": "size", "value": { "kind": "number", "text": "1" } }])
    );

    let told = get(&format!("/history?address={ADDRESS}")).await;
    let points = &told["data"]["attributes"]["points"];
    let events = [&points[0]["event"], &points[1]["event"]];
    assert_eq!(events, ["changed", "appeared"]);
    let made = &points[0]["version"];
    assert_eq!(made["version"], ids[1].as_str());
    assert_eq!(
        (&made["actor-name"], &made["serial"]),
        (&json!("olga"), &json!(2))
    );
    assert!(made["token"].as_str().unwrap().starts_with("at-"), "{made}");
    let cut = get(&format!("/history?address={ADDRESS}&limit=1")).await;
    assert_eq!(cut["data"]["attributes"]["next-before"], 2);

    let blamed = get(&format!(
        "/blame?address={ADDRESS}&attribute=tags%5B%22a.b%22%5D"
    ))
    .await;
    let lines = &blamed["data"]["attributes"]["lines"];
    assert_eq!(lines[0]["version"]["version"], ids[0].as_str());
    assert_eq!(lines.as_array().unwrap().len(), 1);
    for (what, status) in [
        ("show?address=aws_x.b", 404),
        ("show?address=", 400),
        ("blame?address=..", 400),
        ("history?address=ephemeral.x.y", 400),
    ] {
        let path = format!("{at}/resources/{what}");
        acme.server.call(owner, "GET", &path, "").await.is(status);
    }
    let all = [listed, told, blamed].map(|each| each.to_string()).concat();
    assert!(!all.contains("s3cret"));
}

#[tokio::test]
async fn going_back_is_told_beforehand() {
    let acme = Acme::new().await;
    let (_, ids) = two(&acme).await;
    let path = format!("/api/v2/state-versions/{}/rollback-preview", ids[0]);
    let told = acme.get(&acme.owner, &path).await;
    let told = &told["data"]["attributes"];
    assert_eq!(told["current"]["id"], ids[1].as_str());
    assert_eq!(told["reverted"]["total"], 1);
    assert!(told["sentences"][0].as_str().unwrap().contains("serial 1"));
}

#[tokio::test]
async fn removed_content_is_told_and_not_sent() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (at, ids) = two(&acme).await;
    let path = |id: &str| format!("/api/v2/state-versions/{id}/actions/remove-content");
    let why = json!({ "reason": "a leaked key" });
    acme.post(owner, &path(&ids[1]), why.clone(), 409).await;
    acme.post(owner, &path(&ids[0]), json!({}), 400).await;
    acme.post(owner, &path(&ids[0]), why, 200).await;
    let listed = acme.get(owner, &format!("{at}/state-versions")).await;
    let removed = |index: usize| &listed["data"][index]["attributes"]["content-removed"];
    assert_eq!(
        (removed(0), &removed(1)["who"]),
        (&Value::Null, &json!("olga"))
    );
    for what in [
        format!("{at}/state?version={}", ids[0]),
        format!("/api/v2/state-versions/{}/download", ids[0]),
        format!("/api/v2/state-versions/{}/outputs", ids[0]),
        format!("/api/v2/state-versions/{}/diff", ids[1]),
        format!("/api/v2/state-versions/{}/rollback-preview", ids[0]),
    ] {
        let answer = acme.server.call(owner, "GET", &what, "").await.is(409);
        assert!(
            answer.text().contains("by olga: a leaked key"),
            "{what}: {}",
            answer.text()
        );
    }
}

/// Where resources are found.
const FOUND: &str = "/api/v2/organizations/acme/resources";

/// Two workspaces with a resource each: the first one's address, and its versions.
async fn found_in_two(acme: &Acme) -> (String, Vec<String>) {
    let other = acme.workspace("other").await;
    let bytes = state(1, 1, "s3cret").replace("aws_x", "aws_y");
    put(acme, &other, &acme.owner, bytes).await;
    two(acme).await
}

#[tokio::test]
async fn resources_are_found_in_all_workspaces_and_the_list_says_what_it_left_out() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let (at, ids) = found_in_two(&acme).await;
    let dark = acme.workspace("dark").await;
    let opaque =
        r#"{"serial":1,"lineage":"l","meta":{},"encrypted_data":"AA==","encryption_version":"v0"}"#;
    put(&acme, &dark, owner, opaque.to_owned()).await;

    let all = acme.get(owner, FOUND).await;
    assert_eq!(all["meta"]["pagination"]["total-count"], 2);
    assert_eq!(all["meta"]["searched-states"], 2);
    assert_eq!(all["meta"]["unsearched"][0]["name"], "dark");
    assert!(!all.to_string().contains("s3cret"), "{all}");
    let first = &all["data"][0];
    let workspace = at.rsplit('/').next().unwrap();
    assert_eq!(
        first["id"],
        format!("{workspace}/module.net[\"x y\"].aws_x.a")
    );
    assert_eq!(first["attributes"]["workspace-name"], "net");
    assert_eq!(
        first["attributes"]["tags"][0],
        json!({ "key": "a.b", "value": "t" })
    );
    assert_eq!(
        first["relationships"]["state-version"]["data"]["id"],
        ids[1].as_str()
    );
}

#[tokio::test]
async fn what_is_found_is_narrowed_and_paged() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    found_in_two(&acme).await;
    for (query, expected) in [
        ("q=AWS_Y", 1),
        ("q=a.b%3Dt&filter[type]=aws_x", 1),
        ("filter[module]=module.net&page[size]=1", 2),
        ("filter[module]=root", 0),
        ("filter[tag]=a.b&filter[tag]=a.b%3Dt", 2),
        ("filter[provider]=hashicorp/aws&filter[workspace]=other", 1),
        (
            "filter[project]=default&filter[mode]=managed&filter[id]=i",
            2,
        ),
        ("filter[mode]=data", 0),
        ("filter[depends-on]=aws_vpc.main", 0),
    ] {
        let found = acme.get(owner, &format!("{FOUND}?{query}")).await;
        assert_eq!(
            found["meta"]["pagination"]["total-count"], expected,
            "{query}"
        );
    }
    let page = acme
        .get(owner, &format!("{FOUND}?page[size]=1&q=aws"))
        .await;
    let next = page["links"]["next"].as_str().unwrap();
    let next = acme.get(owner, next).await;
    assert_eq!(next["data"][0]["attributes"]["workspace-name"], "other");
    for (query, status) in [
        ("filter[kind]=aws_x", 400),
        ("filter[mode]=other", 400),
        ("page[number]=10001&page[size]=1", 400),
        ("filter[project]=nowhere", 404),
    ] {
        let answer = acme
            .server
            .call(owner, "GET", &format!("{FOUND}?{query}"), "")
            .await;
        answer.is(status);
    }
}
