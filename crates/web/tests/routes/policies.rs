//! Policy sets, and what they say of runs: as the platform's clients make them, and as terraform and people are told.

use serde_json::{Value, json};
use statehouse_core::run::machine::Status;
use statehouse_model::{PolicyEvaluationId, Role, RunId, TaskStageId};

use crate::judge::says;
use crate::planned::{Remote, applied, job_of, plan, put, until};
use crate::run_pages::browser;
use crate::support::{ACME, Acme, Answer, Person, Server};

/// A policy set with these attributes and relations, by its address.
async fn made(server: &Server, who: &Person, attributes: Value, relations: Value) -> String {
    let path = format!("{ACME}/policy-sets");
    let body = json!({ "data": { "type": "policy-sets", "attributes": attributes, "relationships": relations } });
    let made = server.call(who, "POST", &path, body.to_string()).await;
    let made = made.is(201).json();
    format!(
        "/api/v2/policy-sets/{}",
        made["data"]["id"].as_str().unwrap()
    )
}

/// Announces a version of a set; its document.
async fn announced(server: &Server, who: &Person, set: &str) -> Value {
    let path = format!("{set}/versions");
    server.call(who, "POST", &path, "").await.is(201).json()
}

fn upload_of(version: &Value) -> String {
    let link = version["data"]["links"]["upload"].as_str().unwrap();
    link.replace("https://localhost", "")
}

/// Publishes a bundle that says this of every plan; the id of its version.
pub(crate) async fn published(server: &Server, who: &Person, set: &str, outcome: &str) -> String {
    let version = announced(server, who, set).await;
    put(server, &upload_of(&version), says(outcome))
        .await
        .is(200);
    version["data"]["id"].as_str().unwrap().to_owned()
}

/// A set that reaches everything and says this of every plan, by its address.
pub(crate) async fn judging(server: &Server, who: &Person, name: &str, outcome: &str) -> String {
    let set = made(
        server,
        who,
        json!({ "name": name, "global": true }),
        json!({}),
    )
    .await;
    published(server, who, &set, outcome).await;
    set
}

/// Brings a run to where policies hold it up.
pub(crate) async fn held_up(server: &Server, ctx: &statehouse_core::Ctx, run: &str) {
    plan(&job_of(server, run).await, true).await;
    until(server, ctx, run, Status::PolicyFailed).await;
}

fn related(resource: &Value, name: &str) -> Vec<String> {
    let data = resource["relationships"][name]["data"].as_array().unwrap();
    let id = |each: &Value| each["id"].as_str().unwrap().to_owned();
    data.iter().map(id).collect()
}

#[tokio::test]
async fn a_policy_set_is_made_and_changed_as_the_platforms_clients_do() {
    let acme = Acme::new().await;
    let (server, owner) = (&acme.server, &acme.owner);
    let workspace = acme.workspace("web").await;
    let workspace = workspace.rsplit('/').next().unwrap();
    let web = json!([{ "type": "workspaces", "id": workspace }]);
    let attributes = json!({ "name": "Baseline of all", "kind": "opa", "overridable": true, "agent-enabled": true });
    let relations = json!({ "workspaces": { "data": web }, "policies": { "data": [] } });
    let at = made(server, owner, attributes, relations).await;
    let shown = acme
        .get(owner, &format!("{at}?include=current_version,workspaces"))
        .await;
    let told = &shown["data"]["attributes"];
    assert_eq!(told["overridable"], true);
    assert_eq!(told["enforcement"], "soft-mandatory");
    assert_eq!(
        (&told["kind"], &told["versioned"]),
        (&json!("opa"), &json!(true))
    );
    assert_eq!(told["policy-count"], 0);
    assert_eq!(related(&shown["data"], "workspaces"), [workspace]);

    let change = async |attributes: Value, status: u16| {
        let body = json!({ "data": { "type": "policy-sets", "attributes": attributes } });
        let answer = server.call(owner, "PATCH", &at, body.to_string()).await;
        answer.is(status).json()
    };
    let exception = json!({ "policy": "only", "address": "*", "until": "2027-01-31T00:00:00.000000Z", "reason": "moving" });
    let wish = json!({ "tags": ["env=prod"], "enforcement": "advisory", "parameters": { "regions": ["eu"] }, "exceptions": [exception] });
    let changed = change(wish, 200).await["data"]["attributes"].clone();
    assert_eq!(changed["enforcement"], "advisory");
    assert_eq!(changed["tags"], json!(["env=prod"]));
    assert_eq!(changed["parameters"], json!({ "regions": ["eu"] }));
    assert_eq!(changed["exceptions"], json!([exception]));
    assert_eq!(changed["name"], "Baseline of all");
    let strict = change(json!({ "overridable": false }), 200).await;
    assert_eq!(
        strict["data"]["attributes"]["enforcement"],
        "hard-mandatory"
    );
    for wrong in [
        json!({ "kind": "sentinel" }),
        json!({ "enforcement": "mandatory" }),
        json!({ "policies-path": "/sub" }),
        json!({ "exceptions": [{ "policy": "only", "address": "*", "until": "tomorrow", "reason": "x" }] }),
    ] {
        change(wrong, 422).await;
    }

    let list = format!("{ACME}/policy-sets");
    for (query, count) in [
        ("?q=BASE", 1),
        ("?search%5Bname%5D=line", 1),
        ("?filter%5Bkind%5D=sentinel", 0),
        ("?q=none", 0),
    ] {
        let listed = acme.get(owner, &format!("{list}{query}")).await;
        assert_eq!(listed["data"].as_array().unwrap().len(), count, "{query}");
    }
    server.call(owner, "DELETE", &at, "").await.is(204);
    server.call(owner, "GET", &at, "").await.is(404);
}

#[tokio::test]
async fn a_policy_set_reaches_what_it_is_attached_to_but_what_it_leaves_out() {
    let acme = Acme::new().await;
    let (server, owner) = (&acme.server, &acme.owner);
    let workspace = acme.workspace("web").await;
    let of_workspace = format!("{workspace}/policy-sets");
    let id = workspace.rsplit('/').next().unwrap();
    let at = made(server, owner, json!({ "name": "set" }), json!({})).await;
    let send = async |method: &str, relation: &str, status: u16| {
        let refer = json!({ "data": [{ "type": "workspaces", "id": id }] }).to_string();
        let path = format!("{at}/relationships/{relation}");
        let answer: Answer = server.call(owner, method, &path, refer).await;
        answer.is(status);
    };
    let reaches = async || {
        let listed = acme.get(owner, &of_workspace).await;
        !listed["data"].as_array().unwrap().is_empty()
    };
    assert!(!reaches().await);
    send("POST", "workspaces", 204).await;
    assert!(reaches().await);
    send("POST", "workspace-exclusions", 204).await;
    assert!(!reaches().await);
    let shown = acme.get(owner, &at).await;
    assert_eq!(related(&shown["data"], "workspace-exclusions"), [id]);
    send("DELETE", "workspace-exclusions", 204).await;
    assert!(reaches().await);
    send("DELETE", "workspaces", 204).await;
    assert!(!reaches().await);
    send("POST", "projects", 422).await;
}

#[tokio::test]
async fn a_bundle_is_announced_and_sent_and_then_in_force() {
    let acme = Acme::new().await;
    let (server, owner) = (&acme.server, &acme.owner);
    let set = made(server, owner, json!({ "name": "set" }), json!({})).await;
    let version = announced(server, owner, &set).await;
    let id = version["data"]["id"].as_str().unwrap().to_owned();
    let at = format!("/api/v2/policy-set-versions/{id}");
    assert_eq!(version["data"]["attributes"]["status"], "pending");
    let shown = acme.get(owner, &at).await;
    assert_eq!(shown["data"]["attributes"]["status"], "pending");
    // Somebody else is not told where the archive goes.
    let other = server.token("olga", statehouse_core::token::Wish::default());
    let other = Person {
        token: other.await,
        ..owner.clone()
    };
    let seen = acme.get(&other, &at).await;
    assert_eq!(seen["data"]["attributes"]["upload-url"], Value::Null);
    server
        .call(owner, "GET", &format!("{at}/download"), "")
        .await
        .is(404);

    // What would not judge is refused with the reasons, and the address is still good.
    let upload = upload_of(&shown);
    let refused = put(server, &upload, says("maybe")).await.is(400);
    assert!(
        refused.text().contains("says.rego:1:1"),
        "{}",
        refused.text()
    );
    for _ in 0..2 {
        put(server, &upload, says("passed")).await.is(200);
    }
    put(server, &upload, says("advised")).await.is(409);
    let ready = acme.get(owner, &at).await["data"].clone();
    assert_eq!(ready["attributes"]["status"], "ready");
    assert_eq!(ready["attributes"]["policies"][0]["name"], "only");
    let archive = server
        .call(owner, "GET", &format!("{at}/download"), "")
        .await
        .is(200);
    assert_eq!(archive.body, says("passed"));
    let shown = acme.get(owner, &set).await["data"].clone();
    assert_eq!(shown["attributes"]["policy-count"], 1);
    assert_eq!(
        shown["attributes"]["bundle-digest"],
        ready["attributes"]["digest"]
    );
    assert_eq!(
        shown["relationships"]["current-version"]["data"]["id"],
        json!(id)
    );

    // The same contents again are no other version.
    let again = published(server, owner, &set, "passed").await;
    let led = acme
        .get(owner, &format!("/api/v2/policy-set-versions/{again}"))
        .await;
    assert_eq!(led["data"]["id"], json!(id));
    let other = published(server, owner, &set, "advised").await;
    let history = acme.get(owner, &format!("{set}/versions")).await;
    assert_eq!(
        related(&json!({ "relationships": { "all": history } }), "all"),
        [other, id]
    );
    // Whoever may only look publishes nothing.
    let reader = server
        .member("rhea", &ctx(server).await, Role::Reader)
        .await;
    let path = format!("{set}/versions");
    server.call(&reader, "POST", &path, "").await.is(403);
}

async fn ctx(server: &Server) -> statehouse_core::Ctx {
    let name = crate::support::name("acme");
    server.core.enter_as_machine(&name).await.unwrap()
}

/// A run, its stage and its evaluation, by their addresses.
fn addresses(run: &str) -> (String, String, String) {
    let id: RunId = run.parse().unwrap();
    (
        format!("/api/v2/runs/{run}"),
        format!("/api/v2/task-stages/{}", TaskStageId::from(&id)),
        format!(
            "/api/v2/policy-evaluations/{}",
            PolicyEvaluationId::from(&id)
        ),
    )
}

#[tokio::test]
async fn what_policies_say_is_a_stage_of_the_run() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    judging(server, owner, "soft", "soft-failed").await;
    judging(server, owner, "good", "passed").await;
    let run = remote.run(json!({})).await;
    let (at, stage, evaluation) = addresses(&run);
    // Terraform asks before there is a plan, and never again.
    let asked = remote.get(&format!("{at}?include=task_stages")).await;
    assert_eq!(asked["included"][0]["attributes"]["stage"], "post_plan");
    assert_eq!(asked["included"][0]["attributes"]["status"], "pending");
    assert_eq!(asked["data"]["attributes"]["policies"], "awaited");

    held_up(server, &remote.ctx, &run).await;
    let told = remote.told(&run).await;
    assert_eq!(
        (&told["status"], &told["policies"]),
        (&json!("policy_override"), &json!("soft-failed"))
    );
    assert_eq!(told["permissions"]["can-override-policy-check"], true);
    let query = "?include=task_results%2Cpolicy_evaluations";
    let shown = remote.get(&format!("{stage}{query}")).await;
    assert_eq!(shown["data"]["attributes"]["status"], "awaiting_override");
    assert_eq!(shown["included"][0]["attributes"]["status"], "failed");
    let count = &shown["included"][0]["attributes"]["result-count"];
    assert_eq!(
        (&count["passed"], &count["mandatory-failed"]),
        (&json!(1), &json!(1))
    );
    let listed = remote
        .get(&format!("{evaluation}/policy-set-outcomes"))
        .await;
    let outcomes = listed["data"].as_array().unwrap();
    assert_eq!(outcomes.len(), 2);
    let soft = outcomes
        .iter()
        .find(|each| each["attributes"]["policy-set-name"] == "soft")
        .unwrap();
    let said = &soft["attributes"]["outcomes"][0];
    assert_eq!(said["status"], "failed");
    assert_eq!(said["description"], "terraform_data.it: soft is against it");
    let one = format!(
        "/api/v2/policy-set-outcomes/{}",
        soft["id"].as_str().unwrap()
    );
    assert_eq!(remote.get(&one).await["data"], *soft);
    let all = remote.get(&format!("{stage}/policy-evaluations")).await;
    assert_eq!(all["data"][0]["attributes"]["policy-kind"], "opa");
    let stages = remote.get(&format!("{at}/task-stages")).await;
    assert_eq!(stages["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stage_waits_for_who_may_override_and_has_failed_for_others() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    let writer = remote.member("wim", Role::Writer).await;
    judging(server, owner, "soft", "soft-failed").await;
    let run = remote.run(json!({})).await;
    let (_, stage, evaluation) = addresses(&run);
    held_up(server, &remote.ctx, &run).await;
    let shown = remote.get(&stage).await;
    assert_eq!(shown["data"]["attributes"]["status"], "awaiting_override");
    // Others are told why they may not.
    let seen = remote.acme.get(&writer, &stage).await["data"]["attributes"].clone();
    assert_eq!(seen["status"], "failed");
    assert!(
        seen["own-reason"]
            .as_str()
            .unwrap()
            .contains("policy.override"),
        "{seen}"
    );
    let act = format!("{stage}/actions/override");
    server.call(&writer, "POST", &act, "{}").await.is(403);
    // Terraform sends no reason.
    let done = server.call(owner, "POST", &act, "{}").await.is(200).json();
    assert_eq!(done["data"]["attributes"]["status"], "passed");
    let told = remote.told(&run).await;
    assert_eq!(told["status"], "policy_checked");
    assert_eq!(told["actions"]["is-confirmable"], true);
    let listed = remote
        .get(&format!("{evaluation}/policy-set-outcomes"))
        .await;
    let given = listed["data"].as_array().unwrap().iter();
    let given: usize = given
        .map(|each| each["attributes"]["overrides"].as_array().unwrap().len())
        .sum();
    assert_eq!(given, 1);
    server.call(owner, "POST", &act, "{}").await.is(409);
}

#[tokio::test]
async fn what_is_forbidden_hard_has_failed_for_everybody() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    judging(server, owner, "hard", "hard-failed").await;
    let run = remote.run(json!({ "auto-apply": true })).await;
    plan(&job_of(server, &run).await, true).await;
    until(server, &remote.ctx, &run, Status::Errored).await;
    let (_, stage, _) = addresses(&run);
    // Terraform shows no plan of a run that has failed when it looks first after the plan.
    let of = async || {
        let told = remote.told(&run).await;
        [told["status"].clone(), told["stage"].clone()]
    };
    assert_eq!(of().await, ["post_plan_running", "errored"]);
    server.later(4_000_000);
    assert_eq!(of().await, ["errored", "errored"]);
    let shown = remote.get(&stage).await["data"]["attributes"].clone();
    assert_eq!(shown["status"], "failed");
    assert_eq!(shown["actions"]["is-overridable"], false);
    let act = format!("{stage}/actions/override");
    server.call(owner, "POST", &act, "{}").await.is(409);
}

#[tokio::test]
async fn the_stage_of_a_run_that_ended_before_policies_were_asked_is_still_there() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    judging(server, owner, "soft", "soft-failed").await;
    let run = remote.run(json!({})).await;
    let (at, stage, _) = addresses(&run);
    assert_eq!(
        remote.get(&stage).await["data"]["attributes"]["status"],
        "pending"
    );
    let act = format!("{at}/actions/cancel");
    server.call(owner, "POST", &act, "").await.is(202);
    until(server, &remote.ctx, &run, Status::Canceled).await;
    let shown = remote.get(&stage).await["data"]["attributes"].clone();
    assert_eq!(shown["status"], "unreachable");
}

#[tokio::test]
async fn a_run_that_no_policy_set_reaches_has_no_stage() {
    let remote = Remote::new().await;
    let run = remote.planned(json!({})).await;
    let (at, stage, _) = addresses(&run);
    let shown = remote.get(&format!("{at}?include=task_stages")).await;
    assert!(related(&shown["data"], "task-stages").is_empty());
    assert_eq!(shown["data"]["attributes"]["policies"], Value::Null);
    assert_eq!(
        remote.get(&format!("{at}/task-stages")).await["data"],
        json!([])
    );
    let (server, owner) = (remote.server(), remote.owner());
    server.call(owner, "GET", &stage, "").await.is(404);
}

#[tokio::test]
async fn a_person_reads_the_verdict_on_the_page_and_overrides_it_with_a_reason() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    judging(server, owner, "<b>soft</b>", "soft-failed").await;
    let run = remote.run(json!({})).await;
    held_up(server, &remote.ctx, &run).await;
    let page = format!("/app/acme/dns/runs/{run}");
    let action = format!("{page}/decision");
    let mut bob = browser(&remote, "bob", Some(Role::Writer)).await;
    let shown = bob.get(&page).await.is(200);
    assert!(
        !shown.text().contains("value=\"override\""),
        "{}",
        shown.text()
    );
    assert!(
        shown.text().contains("You cannot let it pass"),
        "{}",
        shown.text()
    );
    let mut ada = browser(&remote, "ada", Some(Role::Maintainer)).await;
    let shown = ada.get(&page).await.is(200);
    for words in [
        "What policies say",
        "&lt;b&gt;soft&lt;/b&gt;",
        "terraform_data.it",
        "value=\"override\"",
        "value=\"discard\"",
    ] {
        assert!(shown.text().contains(words), "{words}: {}", shown.text());
    }
    assert!(!shown.text().contains("data-again"), "nothing goes on here");
    let without = [("what", "override"), ("comment", "")];
    ada.fill(&page, &action, &without).await.is(400);
    let with = [("what", "override"), ("comment", "an emergency")];
    ada.fill(&page, &action, &with).await.is(303);
    assert_eq!(remote.told(&run).await["stage"], "awaiting_approval");
    let shown = ada.get(&page).await.is(200);
    assert!(shown.text().contains("Let pass by"), "{}", shown.text());
}

#[tokio::test]
async fn what_policies_say_of_the_state_that_an_apply_left_is_shown() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    let global = json!({ "name": "states", "global": true });
    let set = made(server, owner, global, json!({})).await;
    let version = announced(server, owner, &set).await;
    let bundle = json!({ "says": "advised", "entity": "state" }).to_string();
    put(server, &upload_of(&version), bundle.into())
        .await
        .is(200);
    let run = remote.run(json!({})).await;
    let at = format!("/api/v2/runs/{run}");
    let verdicts = format!("{at}/state-verdicts");
    assert_eq!(remote.get(&verdicts).await["data"], Value::Null);
    applied(server, &remote.ctx, &run).await;
    let core = server.core.clone();
    let rounds = tokio::spawn(async move { core.take_turns().await });
    let said = loop {
        let said = remote.get(&verdicts).await["data"].clone();
        if said["attributes"]["outcome"] != "awaited" {
            break said;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    rounds.abort();
    assert_eq!(said["id"], run);
    assert_eq!(said["attributes"]["outcome"], "advised");
    assert_eq!(said["attributes"]["reason"], "");
    let sets = &said["attributes"]["policy-sets"];
    assert_eq!(sets[0]["policy-set-name"], "states");
    assert_eq!(sets[0]["repository"], false);
    let told = remote.told(&run).await;
    assert_eq!(told["state-policies"], "advised");
    let of = remote.get(&at).await;
    let workspace = &of["data"]["relationships"]["workspace"]["data"]["id"];
    let workspace = format!("/api/v2/workspaces/{}", workspace.as_str().unwrap());
    let shown = remote.get(&workspace).await["data"]["attributes"].clone();
    assert_eq!(shown["state-policies"], "advised");
    assert_eq!(shown["state-policies-run"], run);
    let mut ada = browser(&remote, "ada", Some(Role::Maintainer)).await;
    let page = ada.get(&format!("/app/acme/dns/runs/{run}")).await.is(200);
    let words = "What policies say of the state that it left";
    assert!(page.text().contains(words), "{}", page.text());
}
