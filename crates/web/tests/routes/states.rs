//! `/api/v2`: versions of a state, its lock, and the ledger and keys behind them.

use serde_json::{Value, json};

use crate::support::{ACME, Acme, request, state};

#[tokio::test]
async fn a_state_is_uploaded_listed_and_downloaded_by_version() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let at = acme.workspace("dns").await;
    let path = format!("{at}/state");
    let put = async |body: String, status| {
        acme.server
            .call(owner, "POST", &path, body)
            .await
            .is(status)
            .json()
    };
    let got = async |query: &str| {
        let path = format!("{path}{query}");
        acme.server.call(owner, "GET", &path, "").await
    };
    got("").await.is(204);
    let first = put(state("a", 1, 20), 201).await;
    put(state("a", 1, 20), 200).await;
    put(state("a", 2, 21), 201).await;
    let kept = put(state("a", 2, 20), 409).await;
    let meta = &kept["errors"][0]["meta"];
    assert_eq!(
        meta["unusual"],
        json!(["serial 2 is already there with other content"])
    );
    let waiting = acme.get(owner, &format!("{at}/kept-versions")).await;
    assert_eq!(waiting["data"][0]["id"], meta["version"]);

    let old = format!("?version={}", first["data"]["id"].as_str().unwrap());
    assert_eq!(got(&old).await.is(200).text(), state("a", 1, 20));
    assert_eq!(got("").await.is(200).text(), state("a", 2, 21));
    got("?version=sv-x").await.is(404);
}

#[tokio::test]
async fn a_lock_is_taken_shown_given_back_and_broken() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let at = acme.workspace("dns").await;
    let (lock, actions) = (format!("{at}/lock"), format!("{at}/actions"));
    assert_eq!(acme.get(owner, &lock).await["data"], Value::Null);
    // What terraform's own platform client sends.
    let asked = r#"{"data":{"type":"","attributes":{"reason":"Locked by Terraform"}}}"#;
    let taken = acme
        .server
        .call(owner, "POST", &format!("{actions}/lock"), asked)
        .await;
    let taken = taken.is(200).json();
    let id = taken["data"]["attributes"]["lock-id"].as_str().unwrap();
    let held = acme.get(owner, &lock).await;
    assert_eq!(
        (&held["data"]["id"], &held["data"]["attributes"]["who"]),
        (&json!(id), &json!("olga"))
    );
    assert_eq!(held["data"]["attributes"]["info"], "Locked by Terraform");

    let act = async |action: &str, attributes, status| {
        acme.post(owner, &format!("{actions}/{action}"), attributes, status)
            .await
    };
    let refused = act("lock", json!({ "id": "two" }), 409).await;
    assert_eq!(refused["errors"][0]["meta"]["lock"]["ID"], id);
    act("unlock", json!({ "id": id }), 200).await;
    act("unlock", json!({ "id": "never" }), 409).await;
    act("lock", json!({ "id": "two" }), 200).await;
    act("force-unlock", json!({ "reason": "stuck" }), 200).await;
    act("force-unlock", json!({}), 409).await;
    act("lock", json!({ "id": "x".repeat(300) }), 400).await;
}

#[tokio::test]
async fn the_ledger_is_exported_and_compared() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    acme.server
        .call(owner, "POST", "/state/acme/dns", state("a", 1, 1))
        .await
        .is(200);
    let bundle = acme
        .server
        .call(owner, "GET", &format!("{ACME}/ledger/export"), "")
        .await
        .is(200);
    assert_eq!(bundle.header("content-type"), "application/x-tar");
    assert_eq!(
        bundle.header("content-length"),
        bundle.body.len().to_string()
    );
    // A tar archive says so at this place.
    assert_eq!(&bundle.body[257..262], b"ustar");
    let compare = format!("{ACME}/ledger/actions/verify-live");
    let report = acme.post(owner, &compare, json!({}), 200).await;
    assert_eq!(report["data"]["attributes"]["count"], 0, "{report}");
    let spooled = fs_err::read_dir(acme.server.core.options().data.join("tmp"))
        .unwrap()
        .count();
    assert_eq!(spooled, 0, "nothing stays behind");
}

#[tokio::test]
async fn a_ledger_is_read_by_its_auditors_and_hashes_by_all_once_published() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let shown = acme.get(owner, ACME).await;
    let code = shown["data"]["attributes"]["code"].as_str().unwrap();
    let at = |what: &str| format!("/ledger/{code}/{what}");
    let anybody = async |what: &str| {
        acme.server
            .send(request("GET", &at(what), None, "".into()))
            .await
    };

    let note = acme
        .server
        .call(owner, "GET", &at("checkpoint"), "")
        .await
        .is(200);
    let size: usize = note.text().lines().nth(1).unwrap().parse().unwrap();
    let (hashes, entries) = (
        format!("tile/0/000.p/{size}"),
        format!("tile/entries/000.p/{size}"),
    );
    let tile = acme
        .server
        .call(owner, "GET", &at(&hashes), "")
        .await
        .is(200);
    assert_eq!(tile.body.len(), size * 32);
    acme.server
        .call(owner, "GET", &at(&entries), "")
        .await
        .is(200);
    for what in ["checkpoint", &hashes, &entries] {
        anybody(what).await.is(404);
    }
    let publish = format!("{ACME}/ledger/actions/publish");
    acme.post(owner, &publish, json!({ "published": true }), 204)
        .await;
    anybody("checkpoint").await.is(200);
    anybody(&hashes).await.is(200);
    anybody(&entries).await.is(404);
    anybody("tile/9/x").await.is(404);
    acme.post(owner, &publish, json!({ "published": false }), 204)
        .await;
    anybody("checkpoint").await.is(404);
}

#[tokio::test]
async fn keys_are_rotated_and_states_stay_readable() {
    let acme = Acme::new().await;
    let (operator, owner) = (&acme.operator, &acme.owner);
    acme.server
        .call(owner, "POST", "/state/acme/dns", state("a", 1, 1))
        .await
        .is(200);
    for (who, at) in [
        (owner, format!("{ACME}/keys")),
        (operator, "/api/v2/site/keys".to_owned()),
    ] {
        let opened = acme
            .post(who, &format!("{at}/actions/rotate"), json!({}), 201)
            .await;
        assert_eq!(opened["data"]["id"], "key-2");
        let progress = acme
            .post(who, &format!("{at}/actions/rewrap"), json!({}), 200)
            .await;
        assert!(
            progress["data"]["attributes"]["renewed"].as_u64().unwrap() > 0,
            "{progress}"
        );
        assert_eq!(
            acme.get(who, &at).await["data"].as_array().unwrap().len(),
            2
        );
    }
    let got = acme
        .server
        .call(owner, "GET", "/state/acme/dns", "")
        .await
        .is(200);
    assert_eq!(got.text(), state("a", 1, 1));
}

#[tokio::test]
async fn a_backup_is_one_archive_of_every_database() {
    let acme = Acme::new().await;
    let backup = acme
        .server
        .call(&acme.operator, "POST", "/api/v2/site/backups", "")
        .await
        .is(200);
    assert_eq!(
        backup.header("content-length"),
        backup.body.len().to_string()
    );
    let holds = |name: &[u8]| backup.body.windows(name.len()).any(|part| part == name);
    let code = acme.get(&acme.owner, ACME).await["data"]["attributes"]["code"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(holds(b"site.db") && holds(format!("houses/{code}.db").as_bytes()));
}

#[tokio::test]
async fn a_frozen_workspace_says_who_why_and_how_to_thaw_it() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let at = acme.workspace("dns").await;
    let why = json!({ "reason": "the audit" });
    let frozen = acme
        .post(owner, &format!("{at}/actions/freeze"), why.clone(), 200)
        .await;
    let told = &frozen["data"]["attributes"];
    assert_eq!(
        [&told["frozen"], &told["frozen-by"], &told["freeze-reason"]],
        [&json!(true), &json!("olga"), &json!("the audit")]
    );
    // The platform's clients and the `http` backend, which decodes the holder of a lock.
    let refused = acme
        .post(owner, &format!("{at}/actions/lock"), json!({}), 423)
        .await;
    let error = &refused["errors"][0];
    assert_eq!(error["code"], "frozen");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("olga: the audit"), "{detail}");
    for (method, body) in [
        ("LOCK", crate::support::lock("one", "OperationTypeApply")),
        ("POST", state("a", 1, 1)),
    ] {
        let answer = acme
            .server
            .call(owner, method, "/state/acme/dns", body)
            .await
            .is(423)
            .json();
        let info = answer["Info"].as_str().unwrap();
        assert!(info.contains("workspace thaw dns"), "{info}");
        assert_eq!(
            (&answer["Who"], &answer["Operation"]),
            (&json!("olga"), &json!("freeze"))
        );
        assert!(answer["Created"].as_str().unwrap().ends_with('Z'));
    }
    acme.post(owner, &format!("{at}/actions/thaw"), json!({}), 400)
        .await;
    acme.post(owner, &format!("{at}/actions/thaw"), why.clone(), 200)
        .await;
    acme.post(owner, &format!("{at}/actions/thaw"), why, 409)
        .await;
    acme.server
        .call(owner, "POST", "/state/acme/dns", state("a", 1, 1))
        .await
        .is(200);
}
