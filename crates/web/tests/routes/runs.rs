//! Runs, as clients start, follow, confirm and stop them; what a runner would do is told to the server without running anything.

mod acts;
mod logs;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use statehouse_core::run::machine::Status;
use statehouse_model::Role;

use crate::cloud::detail;
use crate::planned::{self, Remote, job_of, plan, until, uploaded, wished};
use crate::support::{ACME, document};

/// Terraform crashes where one of these is missing.
fn has_relations(run: &Value) {
    for (name, kind) in [
        ("plan", "plans"),
        ("apply", "applies"),
        ("workspace", "workspaces"),
        ("configuration-version", "configuration-versions"),
    ] {
        let related = &run["relationships"][name]["data"];
        assert_eq!(related["type"], kind, "{run}");
        assert!(related["id"].is_string(), "{run}");
    }
    assert!(run["attributes"]["has-changes"].is_boolean(), "{run}");
    assert!(run["attributes"]["status"].is_string(), "{run}");
}

#[tokio::test]
async fn a_run_of_a_workspace_whose_runs_happen_elsewhere_is_refused_with_the_way_out() {
    let place = Remote::new().await;
    let path = "/api/v2/organizations/acme/executions";
    let local = json!({ "scope": place.workspace, "mode": "local" });
    place.acme.post(place.owner(), path, local, 201).await;
    for attributes in [json!({}), json!({ "plan-only": true })] {
        let refused = place.ask(place.owner(), attributes).await.is(409);
        let told = detail(&refused);
        // terraform shows the detail, and nothing else.
        assert!(told.contains("workspace `dns`"), "{told}");
        assert!(told.contains("its execution mode is `local`"), "{told}");
        assert!(
            told.contains("`statehouse execution set --workspace NAME --mode remote`"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_run_relates_to_a_workspace_and_to_a_configuration_of_it() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let other = place.acme.workspace("other").await;
    let other = other.rsplit('/').next().unwrap();
    planned::remote(server, owner, other).await;
    let foreign = uploaded(server, owner, other).await;
    let pending = wished(server, owner, &place.workspace, json!({})).await;
    let pending = pending["data"]["id"].as_str().unwrap();
    let (workspace, configuration) = (&*place.workspace, &*place.configuration);
    for (workspace, configuration, status, words) in [
        (workspace, pending, 409, "upload it, then start the run"),
        (workspace, &*foreign, 404, ""),
        (workspace, workspace, 404, ""),
        (configuration, configuration, 404, ""),
        (workspace, "", 404, ""),
        ("ws-1", configuration, 404, ""),
    ] {
        let wish = planned::wish(workspace, configuration, &json!({}));
        let answer = server.call(owner, "POST", "/api/v2/runs", wish).await;
        let found = (answer.status.as_u16(), answer.text().contains(words));
        assert_eq!(found, (status, true), "{}", answer.text());
    }
    let of = |kind: &str, id: &str| json!({ "data": { "type": kind, "id": id } });
    for (relations, words) in [
        (json!({}), "a run relates to its `workspace`"),
        (
            json!({ "workspace": of("workspaces", workspace) }),
            "a run relates to its `configuration-version`",
        ),
        (
            json!({ "workspace": of("teams", workspace) }),
            "`workspaces` is meant",
        ),
        (
            json!({ "workspace": { "data": [of("workspaces", workspace)] } }),
            "refers to one thing",
        ),
        (
            json!({ "workspace": { "data": { "id": 7 } } }),
            "refers to one thing",
        ),
    ] {
        let body = json!({ "data": { "relationships": relations } }).to_string();
        let refused = server.call(owner, "POST", "/api/v2/runs", body).await;
        let refused = refused.is(422);
        assert!(detail(&refused).contains(words), "{}", refused.text());
    }
}

#[tokio::test]
async fn what_is_wished_of_a_run_is_told() {
    let place = Remote::new().await;
    let wish = json!({
        "message": "شبكة 🏠 <b>\nline",
        "auto-apply": true,
        "is-destroy": true,
        "refresh": false,
        "target-addrs": ["module.a[\"شبكة\"].x.y", "terraform_data.it"],
        "replace-addrs": ["terraform_data.it[0]"],
        "variables": [{ "key": "name", "value": "\"zed\"" }, { "key": "list", "value": "[1, {a = true}]" }],
        "allow-config-generation": false,
        "allow-empty-apply": false,
    });
    let made = place.ask(place.owner(), wish.clone()).await.is(201).json();
    has_relations(&made["data"]);
    let run = made["data"]["id"].as_str().unwrap();
    let told = place.told(run).await;
    assert_eq!(told, made["data"]["attributes"]);
    for name in [
        "message",
        "auto-apply",
        "is-destroy",
        "refresh",
        "target-addrs",
        "replace-addrs",
    ] {
        assert_eq!(told[name], wish[name], "{name}");
    }
    for (name, value) in [
        ("status", json!("pending")),
        ("stage", json!("pending")),
        ("purpose", json!("destroy")),
        ("plan-only", json!(false)),
        ("refresh-only", json!(false)),
        ("has-changes", json!(false)),
        ("sequence", json!(1)),
        ("capsule", Value::Null),
        ("source", json!("tfe-api")),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    let author = &made["data"]["relationships"]["created-by"]["data"]["id"];
    assert_eq!(author, place.owner().id.as_str());
    // Values of variables are secrets of a run as far as anybody knows.
    assert!(!made.to_string().contains("zed"), "{made}");
}

#[tokio::test]
async fn a_run_is_for_what_its_options_and_its_configuration_say() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let made = wished(
        server,
        owner,
        &place.workspace,
        json!({ "speculative": true }),
    )
    .await;
    let address = crate::cloud::link(&made, "upload-url");
    planned::put(server, &address, planned::plain())
        .await
        .is(200);
    let speculative = made["data"]["id"].as_str().unwrap();
    for (configuration, attributes, purpose) in [
        (&*place.configuration, json!({}), "plan_and_apply"),
        (
            &place.configuration,
            json!({ "plan-only": true }),
            "plan_only",
        ),
        (
            &place.configuration,
            json!({ "save-plan": true, "is-destroy": true }),
            "saved_plan",
        ),
        (
            &place.configuration,
            json!({ "is-destroy": true }),
            "destroy",
        ),
        (
            &place.configuration,
            json!({ "refresh-only": true }),
            "refresh_only",
        ),
        // Whatever is wished, a speculative configuration is only planned.
        (speculative, json!({}), "plan_only"),
        (
            speculative,
            json!({ "auto-apply": true, "is-destroy": true }),
            "plan_only",
        ),
        (speculative, json!({ "save-plan": true }), "plan_only"),
    ] {
        let wish = planned::wish(&place.workspace, configuration, &attributes);
        let run = planned::started(server, owner, wish).await;
        let told = place.told(&run).await;
        assert_eq!(told["purpose"], purpose, "{attributes}");
        assert_eq!(told["plan-only"], purpose == "plan_only", "{attributes}");
    }
    // Unless it says otherwise, a run is applied as its workspace says.
    let at = format!("/api/v2/workspaces/{}", place.workspace);
    let always = document(&json!({ "auto-apply": true }));
    server.call(owner, "PATCH", &at, always).await.is(200);
    for (attributes, applied) in [(json!({}), true), (json!({ "auto-apply": false }), false)] {
        let run = place.run(attributes).await;
        assert_eq!(place.told(&run).await["auto-apply"], applied);
    }
}

/// Wishes of a wrong form, each with the status and words of its refusal.
fn misshapen() -> Vec<(Value, u16, &'static str)> {
    vec![
        (json!({ "auto-apply": "yes" }), 400, "boolean"),
        (json!({ "plan-only": 1 }), 400, "boolean"),
        (json!({ "message": 7 }), 400, "string"),
        (json!({ "message": "a\u{0}b" }), 400, "U+0000"),
        (json!({ "target-addrs": "a.b" }), 400, "sequence"),
        (json!({ "target-addrs": [7] }), 400, "string"),
        (json!({ "variables": { "a": "1" } }), 400, "sequence"),
        (
            json!({ "variables": [{ "key": "a" }] }),
            400,
            "missing field `value`",
        ),
        (
            json!({ "variables": [{ "key": "a", "value": 1 }] }),
            400,
            "string",
        ),
    ]
}

/// Wishes that can be read and not be met.
fn impossible() -> Vec<(Value, u16, &'static str)> {
    let long = "x".repeat(10_000);
    let many = vec!["a.b"; 1001];
    vec![
        (json!({ "message": long }), 400, "longer than 4096 bytes"),
        (
            json!({ "target-addrs": [""] }),
            400,
            "no address of a resource",
        ),
        (
            json!({ "target-addrs": ["-destroy"] }),
            400,
            "no address of a resource",
        ),
        (
            json!({ "replace-addrs": [format!("-{long}")] }),
            400,
            "-xxx",
        ),
        (
            json!({ "target-addrs": many }),
            400,
            "at most 1000 addresses",
        ),
        (
            json!({ "variables": [{ "key": "", "value": "1" }] }),
            400,
            "no name",
        ),
        (
            json!({ "variables": [{ "key": "a", "value": "zed" }] }),
            400,
            "a text stands in quotes",
        ),
        (
            json!({ "variables": [{ "key": "a", "value": "file(\"/etc/passwd\")" }] }),
            400,
            "`a` is no literal",
        ),
        (
            json!({ "variables": [{ "key": "a", "value": "\"${b}\"" }] }),
            400,
            "`a` is no literal",
        ),
        (
            json!({ "variables": [{ "key": "a", "value": "1\nb = 2" }] }),
            400,
            "`a` is no literal",
        ),
        (
            json!({ "is-destroy": true, "refresh-only": true }),
            400,
            "not both",
        ),
        (
            json!({ "allow-config-generation": true }),
            422,
            "-generate-config-out",
        ),
    ]
}

#[tokio::test]
async fn what_cannot_be_wished_of_a_run_is_refused_and_nothing_is_started() {
    let place = Remote::new().await;
    for (wrong, status, words) in misshapen().into_iter().chain(impossible()) {
        let said: String = wrong.to_string().chars().take(200).collect();
        let refused = place.ask(place.owner(), wrong).await;
        let found = (refused.status.as_u16(), detail(&refused).contains(words));
        assert_eq!(found, (status, true), "{said}: {}", refused.text());
        assert!(detail(&refused).chars().count() < 1500, "{said}");
    }
    let path = format!("/api/v2/workspaces/{}/runs", place.workspace);
    assert_eq!(place.get(&path).await["data"], json!([]));
}

#[tokio::test]
async fn a_run_is_told_with_what_is_beside_it_and_by_no_other_id() {
    let place = Remote::new().await;
    let (server, owner) = (place.server(), place.owner());
    let run = place.run(json!({})).await;
    let (plan, apply) = (planned::plan_of(&run), planned::apply_of(&run));
    let wanted = format!("/api/v2/runs/{run}?include=workspace,plan,apply,configuration_version");
    let shown = place.get(&wanted).await;
    has_relations(&shown["data"]);
    let beside = shown["included"].as_array().unwrap().iter();
    let beside: Vec<_> = beside.map(|each| each["id"].as_str().unwrap()).collect();
    assert_eq!(
        beside,
        [&*apply, &place.configuration, &plan, &place.workspace]
    );
    // What clients ask by habit is passed over; what nobody knows is refused, and what is known is named.
    place
        .get(&format!(
            "/api/v2/runs/{run}?include=task_stages,created_by"
        ))
        .await;
    let unknown = format!("/api/v2/runs/{run}?include=cats");
    let refused = server.call(owner, "GET", &unknown, "").await.is(400);
    assert!(
        detail(&refused).contains("known: workspace, plan, apply, configuration-version"),
        "{}",
        refused.text()
    );
    let ids = [&*run, &plan, &apply, &place.workspace, &place.configuration];
    for (at, own) in [
        ("runs", &run),
        ("plans", &plan),
        ("applies", &apply),
        ("configuration-versions", &place.configuration),
    ] {
        for id in ids {
            let status = if id == own { 200 } else { 404 };
            let path = format!("/api/v2/{at}/{id}");
            server.call(owner, "GET", &path, "").await.is(status);
        }
    }
    for (path, what) in [
        (format!("/api/v2/plans/{plan}"), "plans"),
        (format!("/api/v2/applies/{apply}"), "applies"),
    ] {
        let shown = place.get(&path).await;
        assert_eq!(shown["data"]["type"], what);
        assert_eq!(shown["data"]["attributes"]["status"], "pending");
        assert!(shown["data"]["attributes"]["log-read-url"].is_string());
    }
    for json in ["json-output", "json-output-redacted"] {
        let path = format!("/api/v2/plans/{plan}/{json}");
        server.call(owner, "GET", &path, "").await.is(404);
    }
}

#[tokio::test]
async fn runs_that_wait_and_work_are_told_in_their_order() {
    let place = Remote::new().await;
    let queue = format!("{ACME}/runs/queue");
    let capacity = async || {
        let told = place.get(&format!("{ACME}/capacity")).await;
        let told = &told["data"]["attributes"];
        (told["pending"].as_u64(), told["running"].as_u64())
    };
    assert_eq!(place.get(&queue).await["data"], json!([]));
    assert_eq!(capacity().await, (Some(0), Some(0)));
    let first = place.run(json!({})).await;
    let second = place.run(json!({})).await;
    let third = place.run(json!({ "plan-only": true })).await;
    assert_eq!(capacity().await, (Some(3), Some(0)));
    for (number, run) in [&first, &second, &third].into_iter().enumerate() {
        let path = format!("{queue}?page[size]=1&page[number]={}", number + 1);
        let page = place.get(&path).await;
        let told = &page["data"][0];
        has_relations(told);
        assert_eq!(told["id"], run.as_str());
        assert_eq!(told["attributes"]["position-in-queue"], number);
        assert_eq!(page["meta"]["pagination"]["total-count"], 3);
    }
    // The second waits for the workspace, the third for nobody.
    job_of(place.server(), &third).await;
    assert_eq!(capacity().await, (Some(1), Some(2)));
    assert_eq!(place.told(&second).await["status"], "pending");
    place.act(place.owner(), &second, "discard").await.is(202);
    assert_eq!(capacity().await, (Some(0), Some(2)));

    let list = format!("/api/v2/workspaces/{}/runs?page[size]=2", place.workspace);
    let page = place.get(&list).await;
    let ids = page["data"].as_array().unwrap().iter();
    let ids: Vec<_> = ids.map(|each| each["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&third, &second]);
    assert_eq!(page["meta"]["pagination"]["total-count"], 3);
    page["data"]
        .as_array()
        .unwrap()
        .iter()
        .for_each(has_relations);
    let next = page["links"]["next"].as_str().unwrap();
    assert_eq!(place.get(next).await["data"][0]["id"], first.as_str());
}

#[tokio::test]
async fn what_happened_to_a_run_is_told_and_never_missing() {
    let place = Remote::new().await;
    let run = place.run(json!({})).await;
    let events = async || {
        let told = place.get(&format!("/api/v2/runs/{run}/run-events")).await;
        let told = told["data"].as_array().unwrap().clone();
        let ids: std::collections::BTreeSet<_> =
            told.iter().map(|each| each["id"].to_string()).collect();
        assert_eq!(ids.len(), told.len());
        let of = |each: &Value, name: &str| each["attributes"][name].as_str().unwrap().to_owned();
        let words = told
            .iter()
            .map(|each| (of(each, "action"), of(each, "description")));
        words.collect::<Vec<_>>()
    };
    let known = [("create".to_owned(), "pending".to_owned())];
    assert_eq!(events().await, known);
    planned::planned(place.server(), &place.ctx, &run).await;
    let seen = events().await;
    let after: Vec<_> = seen.iter().map(|(_, after)| &**after).collect();
    let way = [
        "pending",
        "fetching",
        "planning",
        "planned",
        "assessing",
        "awaiting_approval",
    ];
    let mut rest = after.iter();
    assert!(
        way.iter().all(|status| rest.any(|seen| seen == status)),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_plan_without_changes_ends_there_and_one_with_changes_can_be_confirmed() {
    let place = Remote::new().await;
    let nothing = place.run(json!({})).await;
    plan(&job_of(place.server(), &nothing).await, false).await;
    let told = place.told(&nothing).await;
    assert_eq!(
        (&told["status"], &told["has-changes"]),
        (&json!("planned_and_finished"), &json!(false))
    );
    assert_eq!(told["actions"]["is-confirmable"], false);

    let something = place.planned(json!({})).await;
    let told = place.told(&something).await;
    assert_eq!(
        (&told["status"], &told["has-changes"]),
        (&json!("planned"), &json!(true))
    );
    assert_eq!(
        (
            &told["actions"]["is-confirmable"],
            &told["actions"]["is-discardable"]
        ),
        (&json!(true), &json!(true))
    );
    let plan = planned::plan_of(&something);
    for (json, text) in [
        ("json-output", planned::PLAN_JSON),
        ("json-output-redacted", planned::PLAN_SHOWN),
    ] {
        let path = format!("/api/v2/plans/{plan}/{json}");
        let got = place
            .server()
            .call(place.owner(), "GET", &path, "")
            .await
            .is(200);
        assert_eq!(got.text(), text);
        assert_eq!(got.header("content-type"), "application/json");
    }
    let at = format!("/api/v2/workspaces/{}", place.workspace);
    let workspace = place.get(&at).await;
    let current = &workspace["data"]["relationships"]["current-run"]["data"]["id"];
    assert_eq!(current, something.as_str());
    assert_eq!(workspace["data"]["attributes"]["locked"], true);
    place
        .act(place.owner(), &something, "discard")
        .await
        .is(202);
    let freed = place.get(&at).await;
    assert_eq!(freed["data"]["attributes"]["locked"], false);

    // One that applies by itself never rests where it could be confirmed.
    let auto = place.run(json!({ "auto-apply": true })).await;
    self::plan(&job_of(place.server(), &auto).await, true).await;
    until(place.server(), &place.ctx, &auto, Status::Verifying).await;
    let told = place.told(&auto).await;
    assert_eq!(told["status"], "apply_queued");
    assert_eq!(told["actions"]["is-confirmable"], false);
}

#[tokio::test]
async fn who_may_plan_starts_and_stops_no_run_that_applies() {
    let place = Remote::new().await;
    let planner = place.member("pia", Role::Planner).await;
    for wish in [
        json!({}),
        json!({ "auto-apply": true }),
        json!({ "save-plan": true }),
        json!({ "is-destroy": true }),
        json!({ "refresh-only": true }),
    ] {
        let refused = place.ask(&planner, wish).await.is(403);
        assert!(detail(&refused).contains("run.apply"), "{}", refused.text());
    }
    let made = place.ask(&planner, json!({ "plan-only": true, "is-destroy": true }));
    let made = made.await.is(201).json();
    let own = made["data"]["id"].as_str().unwrap();
    let may = &made["data"]["attributes"]["permissions"];
    assert_eq!(
        (&may["can-apply"], &may["can-cancel"], &may["can-discard"]),
        (&json!(false), &json!(true), &json!(false))
    );
    place.act(&planner, own, "cancel").await.is(202);
    assert_eq!(place.told(own).await["status"], "canceled");

    let theirs = place.run(json!({})).await;
    for action in ["apply", "discard", "cancel", "force-cancel"] {
        place.act(&planner, &theirs, action).await.is(403);
    }
    assert_eq!(place.told(&theirs).await["status"], "pending");
    let writer = place.member("wim", Role::Writer).await;
    place.act(&writer, &theirs, "cancel").await.is(202);
    assert_eq!(place.told(&theirs).await["status"], "canceled");
}

#[tokio::test]
async fn a_run_that_is_refused_leaves_nothing_on_the_disk() {
    let place = Remote::new().await;
    let planner = place.member("pia", Role::Planner).await;
    // So many and so different that they need a file of their own.
    let address = |number: usize| {
        let parts = (0..14).map(|part| hex::encode(Sha256::digest(format!("{number} {part}"))));
        parts.collect::<Vec<_>>().concat()
    };
    let many: Vec<String> = (0..1000).map(address).collect();
    let before = place.server().bodies();
    let wish = json!({ "target-addrs": many });
    place.ask(&planner, wish.clone()).await.is(403);
    assert_eq!(place.server().bodies(), before);
    let taken = json!({ "target-addrs": many, "plan-only": true });
    let made = place.ask(&planner, taken).await.is(201).json();
    assert_eq!(place.server().bodies().len(), before.len() + 1);
    let run = made["data"]["id"].as_str().unwrap();
    assert_eq!(place.told(run).await["target-addrs"], json!(many));
}

#[tokio::test]
async fn a_reader_sees_how_far_a_run_is_and_neither_log_nor_plan() {
    let place = Remote::new().await;
    let reader = place.member("rita", Role::Reader).await;
    let run = place.planned(json!({ "message": "why" })).await;
    let told = planned::told(place.server(), &reader, &run).await;
    assert_eq!(
        (&told["status"], &told["message"]),
        (&json!("planned"), &json!("why"))
    );
    let may = told["permissions"].as_object().unwrap();
    assert!(may.values().all(|each| each == false), "{may:?}");
    let (plan, apply) = (planned::plan_of(&run), planned::apply_of(&run));
    for path in [
        format!("/api/v2/plans/{plan}"),
        format!("/api/v2/applies/{apply}"),
    ] {
        let shown = place.acme.get(&reader, &path).await;
        assert_eq!(shown["data"]["attributes"]["log-read-url"], Value::Null);
        assert!(shown["data"]["attributes"]["status"].is_string());
    }
    let with_plan = format!("/api/v2/runs/{run}?include=plan,apply,workspace");
    let shown = place.acme.get(&reader, &with_plan).await;
    assert!(!shown.to_string().contains("/logs/"), "{shown}");
    for path in [
        format!("/api/v2/plans/{plan}/json-output"),
        format!("/api/v2/plans/{plan}/json-output-redacted"),
        format!("/api/v2/configuration-versions/{}", place.configuration),
    ] {
        place.server().call(&reader, "GET", &path, "").await.is(403);
    }
    place
        .ask(&reader, json!({ "plan-only": true }))
        .await
        .is(403);
}
