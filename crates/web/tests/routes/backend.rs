//! terraform's `http` backend, as `terraform` and `tofu` use it.

use serde_json::json;
use statehouse_model::Role;

use crate::support::{Person, Server, lock, state};

const AT: &str = "/state/acme/network";

/// A server with an organization, its owner and one writer.
async fn acme() -> (Server, Person, Person) {
    let server = Server::start().await;
    let owner = server.person("olga", false).await;
    let house = server.organization("acme", &owner).await;
    let writer = server.member("wim", &house, Role::Writer).await;
    (server, owner, writer)
}

/// The marks of the newest version.
async fn marks(server: &Server, who: &Person) -> serde_json::Value {
    let found = server
        .call(
            who,
            "GET",
            "/api/v2/organizations/acme/workspaces/network",
            "",
        )
        .await
        .is(200)
        .json();
    let path = format!(
        "/api/v2/workspaces/{}/state-versions",
        found["data"]["id"].as_str().unwrap()
    );
    server.call(who, "GET", &path, "").await.is(200).json()["data"][0]["attributes"]["marks"]
        .clone()
}

#[tokio::test]
async fn a_first_apply_finds_nothing_locks_writes_and_unlocks() {
    let (server, _, writer) = acme().await;
    let held = lock("one", "OperationTypeApply");
    let bytes = state("a", 1, 3);
    server.call(&writer, "GET", AT, "").await.is(404);
    server.call(&writer, "LOCK", AT, held.clone()).await.is(200);
    let empty = server.call(&writer, "GET", AT, "").await.is(204);
    assert!(empty.body.is_empty());
    server
        .call(&writer, "POST", &format!("{AT}?ID=one"), bytes.clone())
        .await
        .is(200);
    server.call(&writer, "UNLOCK", AT, held).await.is(200);
    let got = server.call(&writer, "GET", AT, "").await.is(200);
    assert_eq!(got.text(), bytes);
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("cache-control"), "no-store");
    assert!(got.header("statehouse-version").starts_with("sv-"));
}

#[tokio::test]
async fn what_a_client_repeats_is_answered_alike() {
    let (server, _, writer) = acme().await;
    let held = lock("one", "OperationTypeApply");
    for _ in 0..2 {
        server.call(&writer, "LOCK", AT, held.clone()).await.is(200);
    }
    let mut versions = Vec::new();
    for _ in 0..2 {
        let put = server
            .call(&writer, "POST", &format!("{AT}?ID=one"), state("a", 1, 3))
            .await
            .is(200);
        versions.push(put.header("statehouse-version").to_owned());
    }
    assert_eq!(versions[0], versions[1]);
    for _ in 0..2 {
        server
            .call(&writer, "UNLOCK", AT, held.clone())
            .await
            .is(200);
    }
}

#[tokio::test]
async fn whoever_comes_second_gets_the_holders_lock_information_to_the_byte() {
    let (server, owner, writer) = acme().await;
    let held = lock("one", "OperationTypePlan");
    server.call(&writer, "LOCK", AT, held.clone()).await.is(200);
    for (who, method, path, body) in [
        (
            &owner,
            "LOCK",
            AT.to_owned(),
            lock("two", "OperationTypeApply"),
        ),
        (&owner, "LOCK", AT.to_owned(), held.clone()),
        (
            &writer,
            "LOCK",
            AT.to_owned(),
            lock("two", "OperationTypeApply"),
        ),
        (&writer, "POST", AT.to_owned(), state("a", 1, 3)),
        (&writer, "POST", format!("{AT}?ID=two"), state("a", 1, 3)),
        (
            &writer,
            "UNLOCK",
            AT.to_owned(),
            lock("two", "OperationTypeApply"),
        ),
    ] {
        let refused = server.call(who, method, &path, body).await.is(423);
        assert_eq!(
            (refused.text(), refused.header("content-type")),
            (&*held, "application/json"),
            "{method} {path}"
        );
    }
    server.call(&writer, "GET", AT, "").await.is(204);
}

#[tokio::test]
async fn a_post_without_id_passes_while_nobody_holds_the_lock_and_is_marked() {
    let (server, _, writer) = acme().await;
    server
        .call(&writer, "POST", AT, state("a", 1, 3))
        .await
        .is(200);
    assert_eq!(marks(&server, &writer).await, json!(["unlocked"]));
    let stale = server
        .call(&writer, "POST", &format!("{AT}?ID=gone"), state("a", 2, 3))
        .await
        .is(409);
    assert!(stale.text().contains("is not locked"), "{}", stale.text());
    assert_eq!(
        server.call(&writer, "GET", AT, "").await.text(),
        state("a", 1, 3)
    );
}

#[tokio::test]
async fn force_unlock_is_an_empty_body_of_terraform_or_a_lone_id_of_tofu() {
    let (server, owner, writer) = acme().await;
    let lone = |id: &str| json!({ "ID": id }).to_string();
    let apply = |id: &str| lock(id, "OperationTypeApply");
    for (id, who, body, status) in [
        // terraform: whatever lock there is, by whoever may break locks.
        ("1", &writer, String::new(), 403),
        ("2", &owner, String::new(), 200),
        // tofu: the lock that it names, and no other.
        ("3", &owner, lone("2"), 423),
        ("4", &writer, lone("4"), 200),
        ("5", &owner, lone("5"), 200),
        // Somebody else's lock by its whole information is not a force.
        ("6", &owner, apply("6"), 423),
    ] {
        server.call(&writer, "LOCK", AT, apply(id)).await.is(200);
        server.call(who, "UNLOCK", AT, body).await.is(status);
        let again = if status == 200 { 200 } else { 423 };
        server
            .call(&owner, "LOCK", AT, apply(&format!("{id}-owner")))
            .await
            .is(again);
        server.call(&owner, "UNLOCK", AT, "").await.is(200);
    }
    server.call(&owner, "UNLOCK", AT, "").await.is(409);
}

#[tokio::test]
async fn a_late_repetition_does_not_take_a_released_lock_again() {
    let (server, owner, writer) = acme().await;
    for (method, status) in [
        ("LOCK", 200),
        ("UNLOCK", 200),
        ("LOCK", 409),
        ("UNLOCK", 200),
    ] {
        server
            .call(&writer, method, AT, lock("one", "OperationTypeApply"))
            .await
            .is(status);
    }
    server
        .call(&owner, "LOCK", AT, lock("two", "OperationTypeApply"))
        .await
        .is(200);
}

/// Uploads `new` after a state of serial 5 with 120 resources. It must be kept, and say `unusual` and how to go on.
async fn check_kept(new: &str, unusual: &str) -> (Server, Person, String) {
    let (server, owner, writer) = acme().await;
    server
        .call(&writer, "POST", AT, state("a", 5, 120))
        .await
        .is(200);
    server
        .call(&writer, "LOCK", AT, lock("one", "OperationTypeApply"))
        .await
        .is(200);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let kept = server
            .call(&writer, "POST", &format!("{AT}?ID=one"), new.to_owned())
            .await
            .is(409);
        let text = kept.text();
        assert!(text.contains(unusual), "{text}");
        let id = text
            .split_whitespace()
            .find(|word| word.starts_with("sv-"))
            .unwrap();
        for command in ["accept", "discard"] {
            assert!(
                text.contains(&format!("`statehouse state {command} {id} --reason …`")),
                "{text}"
            );
        }
        ids.push(id.to_owned());
    }
    assert_eq!(ids[0], ids[1], "a repeated upload is kept once");
    assert_eq!(
        server.call(&writer, "GET", AT, "").await.text(),
        state("a", 5, 120)
    );
    server
        .call(&writer, "UNLOCK", AT, lock("one", "OperationTypeApply"))
        .await
        .is(200);
    let decide = format!("/api/v2/state-versions/{}/actions/accept", ids[0]);
    server
        .post(&writer, &decide, json!({ "reason": "mine" }))
        .await
        .is(403);
    (server, owner, ids.swap_remove(0))
}

#[tokio::test]
async fn a_kept_conflict_becomes_the_state_when_somebody_accepts_it() {
    let new = state("a", 5, 119);
    let (server, owner, id) =
        check_kept(&new, "serial 5 is already there with other content").await;
    let path = format!("/api/v2/state-versions/{id}/actions/accept");
    server
        .post(&owner, &path, json!({ "reason": " " }))
        .await
        .is(400);
    let accepted = server
        .post(&owner, &path, json!({ "reason": "reviewed" }))
        .await
        .is(200)
        .json();
    assert_eq!(accepted["data"]["attributes"]["status"], "finalized");
    assert_eq!(server.call(&owner, "GET", AT, "").await.is(200).text(), new);
}

#[tokio::test]
async fn a_stale_serial_is_kept_and_can_be_discarded() {
    let (server, owner, id) =
        check_kept(&state("a", 4, 120), "the serial goes back from 5 to 4").await;
    let path = format!("/api/v2/state-versions/{id}/actions/discard");
    let discarded = server
        .post(&owner, &path, json!({ "reason": "old" }))
        .await
        .is(200)
        .json();
    assert_eq!(discarded["data"]["attributes"]["status"], "discarded");
    assert_eq!(
        server.call(&owner, "GET", AT, "").await.is(200).text(),
        state("a", 5, 120)
    );
}

#[tokio::test]
async fn a_state_that_loses_its_resources_waits_in_quarantine() {
    check_kept(&state("a", 6, 3), "resources fall from 120 to 3").await;
}

#[tokio::test]
async fn a_state_of_another_lineage_waits_in_quarantine() {
    check_kept(&state("b", 6, 120), "the lineage changes from a to b").await;
}

#[tokio::test]
async fn a_state_that_tofu_encrypted_comes_back_to_the_byte() {
    let (server, _, writer) = acme().await;
    let bytes = r#"{ "serial":1,"lineage":"a","meta":{"key_provider.pbkdf2.k":"e30="}, "encrypted_data":"9vXq","encryption_version":"v0"}"#;
    server.call(&writer, "POST", AT, bytes).await.is(200);
    assert_eq!(
        server.call(&writer, "GET", AT, "").await.is(200).text(),
        bytes
    );
}

#[tokio::test]
async fn a_state_larger_than_every_buffer_comes_back_to_the_byte() {
    let (server, _, writer) = acme().await;
    let bytes = state("a", 1, 40_000);
    assert!(bytes.len() > 2 * 1024 * 1024);
    server
        .call(&writer, "POST", AT, bytes.clone())
        .await
        .is(200);
    assert!(server.call(&writer, "GET", AT, "").await.is(200).text() == bytes);
}

#[tokio::test]
async fn nothing_is_deleted() {
    let (server, owner, _) = acme().await;
    let refused = server.call(&owner, "DELETE", AT, "").await.is(405);
    assert_eq!(refused.header("allow"), "GET, POST, LOCK, UNLOCK");
    assert!(
        refused.text().starts_with("nothing is deleted here"),
        "{}",
        refused.text()
    );
}
