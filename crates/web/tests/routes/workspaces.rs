//! Workspaces, their tags and their projects, as terraform's platform clients make, find, change and delete them.

use serde_json::{Value, json};

use crate::cloud::{Desk, detail};
use crate::support::{ACME, Acme, document};

/// Three workspaces, one with a plain tag and in a project of its own, one with a value: the first, and the project's id.
async fn tagged(acme: &Acme) -> (Value, String) {
    let (owner, path) = (&acme.owner, format!("{ACME}/workspaces"));
    let project = acme
        .post(
            owner,
            &format!("{ACME}/projects"),
            json!({ "name": "net" }),
            201,
        )
        .await;
    let project = project["data"]["id"].as_str().unwrap();
    let make = async |called: &str, relations: Value| {
        let body = json!({ "data": { "type": "workspaces", "attributes": { "name": called, "source-name": "x" },
            "relationships": relations } });
        let made = acme
            .server
            .call(owner, "POST", &path, body.to_string())
            .await;
        made.is(201).json()
    };
    let flat = json!({ "tags": { "data": [{ "type": "tags", "attributes": { "name": "app" } }] },
        "project": { "data": { "type": "projects", "id": project } } });
    let one = make("net-one", flat).await;
    assert_eq!(one["data"]["attributes"]["tag-names"], json!(["app"]));
    assert_eq!(one["data"]["attributes"]["execution-mode"], "local");
    assert_eq!(
        one["data"]["attributes"]["permissions"]["can-force-delete"],
        true
    );
    assert_eq!(
        one["data"]["relationships"]["project"]["data"]["id"],
        project
    );
    assert_eq!(
        one["data"]["relationships"]["current-run"]["data"],
        Value::Null
    );
    let bound = json!({ "tag-bindings": { "data": [{ "type": "tag-bindings", "attributes": { "key": "env", "value": "prod" } }] } });
    make("net_two", bound).await;
    acme.workspace("dns").await;
    (one, project.to_owned())
}

#[tokio::test]
async fn a_workspace_is_found_by_its_tags_name_and_project() {
    let acme = Acme::new().await;
    let (owner, path) = (&acme.owner, format!("{ACME}/workspaces"));
    let (_, project) = tagged(&acme).await;
    let names = async |query: &str| {
        let found = acme.get(owner, &format!("{path}?{query}")).await;
        let names = found["data"].as_array().unwrap().iter();
        let names: Vec<String> = names
            .map(|each| each["attributes"]["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            found["meta"]["pagination"]["total-count"],
            names.len(),
            "{query}"
        );
        names.join(" ")
    };
    for (query, expected) in [
        ("search[tags]=app", "net-one"),
        ("search[tags]=app,env", ""),
        ("search[exclude-tags]=app", "dns net_two"),
        (
            "filter[tagged][0][key]=env&filter[tagged][0][value]=prod&TagBindings=",
            "net_two",
        ),
        (
            "filter[tagged][0][key]=env&filter[tagged][0][value]=test",
            "",
        ),
        ("filter[tagged][0][key]=env", "net_two"),
        ("search[name]=NET", "net-one net_two"),
        ("search[name]=t_t", "net_two"),
        ("search[name]=%25", ""),
        ("search[wildcard-name]=net*", "net-one net_two"),
        (&format!("filter[project][id]={project}"), "net-one"),
        (
            "sort=-name&include=current_run,project",
            "net_two net-one dns",
        ),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }
    let second = acme
        .get(owner, &format!("{path}?page[number]=2&page[size]=2"))
        .await;
    assert_eq!(second["data"][0]["attributes"]["name"], "net_two");
    let told = &second["meta"]["pagination"];
    assert_eq!(
        (&told["prev-page"], &told["next-page"], &told["total-pages"]),
        (&json!(1), &Value::Null, &json!(2))
    );
}

#[tokio::test]
async fn a_workspace_is_made_and_changed() {
    let acme = Acme::new().await;
    let (owner, path) = (&acme.owner, format!("{ACME}/workspaces"));
    let (one, _) = tagged(&acme).await;
    let at = format!("/api/v2/workspaces/{}", one["data"]["id"].as_str().unwrap());
    let change = async |path: &str, attributes: Value, status: u16| {
        acme.server
            .call(owner, "PATCH", path, document(&attributes))
            .await
            .is(status)
            .json()
    };
    let changed = change(
        &at,
        json!({ "terraform-version": "1.11.4", "description": "x" }),
        200,
    )
    .await;
    assert_eq!(changed["data"]["attributes"]["terraform-version"], "1.11.4");
    change(&at, json!({ "execution-mode": "agent" }), 422).await;
    change(&at, json!({ "name": "dns" }), 409).await;
    change(&format!("{path}/net-one"), json!({ "name": "first" }), 200).await;
    acme.server
        .call(owner, "GET", &format!("{path}/net-one"), "")
        .await
        .is(404);
    let renamed = acme.get(owner, &format!("{path}/first")).await;
    assert_eq!(renamed["data"]["attributes"]["description"], "x");
    let tags = acme.get(owner, &format!("{ACME}/tags")).await;
    assert_eq!(
        tags["data"][0]["attributes"],
        json!({ "name": "app", "instance-count": 1 })
    );
}

#[tokio::test]
async fn tags_are_given_and_taken_in_both_forms() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let send = async |method: &str, what: &str, data: Value, status: u16| {
        let path = format!("{}/{what}", desk.at);
        let body = json!({ "data": data }).to_string();
        acme.server
            .call(&desk.who, method, &path, body)
            .await
            .is(status)
    };
    let flat = |name: &str| json!([{ "type": "tags", "attributes": { "name": name } }]);
    let bound = |key: &str, value: &str| json!([{ "type": "tag-bindings", "attributes": { "key": key, "value": value } }]);
    send("POST", "relationships/tags", flat("app"), 204).await;
    send("PATCH", "tag-bindings", bound("env", "prod"), 200).await;
    let changed = send("PATCH", "tag-bindings", bound("env", "test"), 200)
        .await
        .json();
    assert_eq!(changed["data"][1]["attributes"]["value"], "test");
    let both = desk.get("effective-tag-bindings").await.is(200).json();
    assert_eq!(both["data"].as_array().unwrap().len(), 2);
    for wrong in ["", "a,b", " a", "<b>", &"x".repeat(129)] {
        send("POST", "relationships/tags", flat(wrong), 400).await;
    }
    send("DELETE", "relationships/tags", flat("app"), 204).await;
    let left = desk.get("relationships/tags").await.is(200).json();
    assert_eq!(left["data"][0]["attributes"]["name"], "env");
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
    desk.proven().await;
}

#[tokio::test]
async fn a_deleted_workspace_is_gone_its_name_is_free_and_it_comes_back() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let named = format!("{ACME}/workspaces/dns");
    let safe = format!("{named}/actions/safe-delete");
    let owner = &acme.owner;
    desk.act("lock").await.is(200);
    let refused = acme.server.post(owner, &safe, json!({})).await.is(409);
    assert!(detail(&refused).contains("locked"), "{}", detail(&refused));
    desk.put("a", 1, 3).await.1.is(200);
    desk.act("unlock").await.is(200);
    let refused = acme.server.post(owner, &safe, json!({})).await.is(409);
    assert!(!detail(&refused).contains("locked"), "{}", detail(&refused));
    acme.server.call(owner, "DELETE", &named, "").await.is(204);

    acme.server.call(owner, "GET", &named, "").await.is(404);
    desk.get("current-state-version").await.is(404);
    acme.server
        .call(owner, "GET", "/state/acme/dns", "")
        .await
        .is(404);
    let again = acme.workspace("dns").await;
    assert_ne!(again, desk.at);
    let gone = acme.get(owner, &format!("{ACME}/deleted-workspaces")).await;
    assert_eq!(gone["data"][0]["attributes"]["name"], "dns");
    let back = format!("{}/actions/undelete", desk.at);
    acme.post(owner, &back, json!({}), 409).await;
    let back = acme
        .post(owner, &back, json!({ "name": "dns-old" }), 200)
        .await;
    assert_eq!(back["data"]["attributes"]["resource-count"], 3);
    desk.get("current-state-version").await.is(200);
    let id = desk.at.rsplit('/').next().unwrap();
    acme.post(
        owner,
        &format!("{ACME}/workspaces"),
        json!({ "name": id }),
        400,
    )
    .await;
    desk.proven().await;
}

#[tokio::test]
async fn a_project_is_renamed_and_removed_when_it_is_empty() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let projects = format!("{ACME}/projects");
    let made = acme
        .post(owner, &projects, json!({ "name": "net" }), 201)
        .await;
    let at = format!("/api/v2/projects/{}", made["data"]["id"].as_str().unwrap());
    let found = acme
        .get(owner, &format!("{projects}?filter[names]=net,none"))
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let rename = document(&json!({ "name": "network" }));
    acme.server.call(owner, "PATCH", &at, rename).await.is(200);
    let new = json!({ "name": "dns", "project": "network" });
    acme.post(owner, &format!("{ACME}/workspaces"), new, 201)
        .await;
    acme.server.call(owner, "DELETE", &at, "").await.is(409);
    acme.server
        .call(owner, "DELETE", &format!("{ACME}/workspaces/dns"), "")
        .await
        .is(204);
    acme.server.call(owner, "DELETE", &at, "").await.is(204);
    let gone = acme.get(owner, &format!("{ACME}/deleted-workspaces")).await;
    let back = format!(
        "/api/v2/workspaces/{}/actions/undelete",
        gone["data"][0]["id"].as_str().unwrap()
    );
    acme.post(owner, &back, json!({}), 200).await;
}
