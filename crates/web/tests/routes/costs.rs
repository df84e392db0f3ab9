//! What plans cost, over the API and on the page of a run.

use serde_json::json;
use statehouse_model::{CostEstimateId, Role, RunId};

use crate::planned::Remote;

const SETTINGS: &str = "/api/v2/organizations/acme/cost-settings/organization";

fn estimate_of(run: &str) -> String {
    let run: RunId = run.parse().unwrap();
    format!("/api/v2/cost-estimates/{}", CostEstimateId::from(&run))
}

#[tokio::test]
async fn a_run_relates_to_its_estimate_and_the_estimate_is_as_terraform_reads_it() {
    let remote = Remote::new().await;
    let run = remote.run(json!({})).await;
    let estimate = estimate_of(&run);
    let shown = remote.get(&format!("/api/v2/runs/{run}")).await;
    let related = &shown["data"]["relationships"]["cost-estimate"]["data"];
    assert!(estimate.ends_with(related["id"].as_str().unwrap()));
    let awaited = remote.get(&estimate).await;
    assert_eq!(awaited["data"]["attributes"]["status"], "pending");

    let (server, owner) = (remote.server(), remote.owner());
    remote.act(owner, &run, "cancel").await.is(202);
    let path = format!("{SETTINGS}/overlay?name=ours.csv");
    let set = server.call(owner, "PUT", &path, "USD 12").await;
    let set = set.is(200).json();
    assert_eq!(set["data"]["attributes"]["name"], "ours.csv");
    let run = remote.planned(json!({})).await;
    let estimate = estimate_of(&run);
    let told = remote.get(&estimate).await["data"]["attributes"].clone();
    for (name, value) in [
        ("status", json!("finished")),
        ("proposed-monthly-cost", json!("12.00")),
        ("delta-monthly-cost", json!("12.00")),
        ("resources-count", json!(3)),
        ("matched-resources-count", json!(2)),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    let path = format!("{estimate}/json-output?format=kept");
    let kept = server.call(owner, "GET", &path, "").await.is(200);
    assert_eq!(
        crate::support::hex_sha256(kept.text()),
        told["digest"].as_str().unwrap()
    );
    let document = remote.get(&format!("{estimate}/json-output")).await;
    assert_eq!(document["version"], "0.2");
    let path = format!("{estimate}/actions/recompute");
    let again = server.call(owner, "POST", &path, "{}").await;
    assert_eq!(again.is(200).json()["data"]["attributes"]["same"], true);

    // Whoever may not read its plan sees what it comes to, and not what it consists of.
    let reader = remote.member("reads", Role::Reader).await;
    server.call(&reader, "GET", &estimate, "").await.is(403);
    let history = "/api/v2/organizations/acme/cost-history";
    let past = server
        .call(&reader, "GET", history, "")
        .await
        .is(200)
        .json();
    let runs = past["data"]["attributes"]["runs"].as_array().unwrap();
    assert_eq!(runs.last().unwrap()["totals"]["USD"]["after"], "12");
    let writer = remote.member("writes", Role::Writer).await;
    let path = format!("{SETTINGS}/overlay");
    server.call(&writer, "PUT", &path, "USD 1").await.is(403);
    let wrong = server.call(owner, "PUT", &path, "bad").await.is(400);
    assert!(
        wrong.text().contains("overlay:1: this is bad"),
        "{}",
        wrong.text()
    );
}

#[tokio::test]
async fn what_is_not_estimated_relates_to_nothing() {
    let remote = Remote::new().await;
    let (server, owner) = (remote.server(), remote.owner());
    let off = json!({ "data": { "attributes": { "estimation": false } } }).to_string();
    server.call(owner, "PATCH", SETTINGS, off).await.is(200);
    let run = remote.planned(json!({})).await;
    let shown = remote.get(&format!("/api/v2/runs/{run}")).await;
    assert_eq!(
        shown["data"]["relationships"]["cost-estimate"]["data"],
        json!(null)
    );
    server
        .call(owner, "GET", &estimate_of(&run), "")
        .await
        .is(404);
}
