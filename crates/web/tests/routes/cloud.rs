//! What terraform's `cloud` block and its `remote` backend send, and what they accept, one exchange at a time.

use bytes::Bytes;
use serde_json::{Value, json};
use statehouse_core::token::Wish;
use statehouse_model::Role;

use crate::support::{ACME, Acme, Answer, Person, document, hex_md5, lock, name, request, state};

const FIVE_MINUTES_US: i64 = 5 * 60 * 1_000_000;

/// An address in an answer, without the server's own name.
pub(crate) fn link(document: &Value, name: &str) -> String {
    let link = document["data"]["attributes"][name].as_str();
    let link = link.unwrap_or_else(|| panic!("no {name}: {document}"));
    link.strip_prefix("https://localhost").unwrap().to_owned()
}

pub(crate) fn detail(answer: &Answer) -> String {
    let detail = answer.json()["errors"][0]["detail"].clone();
    detail.as_str().unwrap().to_owned()
}

/// A workspace, and somebody who works in it.
pub(crate) struct Desk<'a> {
    pub(crate) acme: &'a Acme,
    pub(crate) who: Person,
    /// `/api/v2/workspaces/ws-…`.
    pub(crate) at: String,
}

impl<'a> Desk<'a> {
    pub(crate) async fn new(acme: &'a Acme, called: &str) -> Self {
        Self {
            acme,
            who: acme.owner.clone(),
            at: acme.workspace(called).await,
        }
    }

    pub(crate) fn of(&self, who: Person) -> Desk<'a> {
        Desk {
            acme: self.acme,
            who,
            at: self.at.clone(),
        }
    }

    pub(crate) async fn act(&self, action: &str) -> Answer {
        let path = format!("{}/actions/{action}", self.at);
        let asked = r#"{"data":{"type":"","attributes":{"reason":"Locked by Terraform"}}}"#;
        self.acme.server.call(&self.who, "POST", &path, asked).await
    }

    pub(crate) async fn announce(&self, bytes: &str, serial: u64, lineage: &str) -> Answer {
        let wish = json!({ "serial": serial, "lineage": lineage, "md5": hex_md5(bytes), "force": false,
            "json-state-outputs": "e30=", "unknown": 1 });
        let path = format!("{}/state-versions", self.at);
        self.acme.server.post(&self.who, &path, wish).await
    }

    /// Sends bytes to a signed address, without a token, as terraform does.
    pub(crate) async fn send(&self, to: &str, bytes: impl Into<Bytes>) -> Answer {
        let put = request("PUT", to, None, bytes.into());
        self.acme.server.send(put).await
    }

    /// Announces a state and sends it; the id of the version and the answer to the bytes.
    pub(crate) async fn put(
        &self,
        lineage: &str,
        serial: u64,
        resources: usize,
    ) -> (String, Answer) {
        let bytes = state(lineage, serial, resources);
        let made = self.announce(&bytes, serial, lineage).await.is(201).json();
        let answer = self
            .send(&link(&made, "hosted-state-upload-url"), bytes)
            .await;
        (made["data"]["id"].as_str().unwrap().to_owned(), answer)
    }

    pub(crate) async fn get(&self, what: &str) -> Answer {
        let path = format!("{}/{what}", self.at);
        self.acme.server.call(&self.who, "GET", &path, "").await
    }

    pub(crate) async fn version(&self, id: &str) -> Value {
        let path = format!("/api/v2/state-versions/{id}");
        self.acme.get(&self.who, &path).await
    }

    /// The database is what its ledger says.
    pub(crate) async fn proven(&self) {
        let compare = format!("{ACME}/ledger/actions/verify-live");
        let report = self
            .acme
            .post(&self.acme.owner, &compare, json!({}), 200)
            .await;
        assert_eq!(report["data"]["attributes"]["count"], 0, "{report}");
    }
}

#[tokio::test]
async fn a_client_finds_the_server_and_what_it_may_expect() {
    let acme = Acme::new().await;
    let anybody = async |path: &str| {
        let asked = request("GET", path, None, "".into());
        acme.server.send(asked).await
    };
    let found = anybody("/.well-known/terraform.json").await.is(200);
    assert_eq!(found.header("content-type"), "application/json");
    for service in ["state.v2", "tfe.v2", "tfe.v2.1", "tfe.v2.2"] {
        assert_eq!(found.json()[service], "/api/v2/");
    }
    for (path, status) in [
        ("/api/v2/ping", 204),
        ("/api/v2/nowhere", 404),
        ("/api/v2/tokens", 401),
    ] {
        let answer = anybody(path).await.is(status);
        assert_eq!(answer.header("tfp-api-version"), "2.6");
        assert_eq!(answer.header("tfp-appname"), "Statehouse");
        assert_eq!(answer.header("x-tfe-version"), "v202502-1");
    }
    assert_eq!(anybody("/ledger/x").await.header("tfp-api-version"), "");
    let may = acme
        .get(&acme.owner, &format!("{ACME}/entitlement-set"))
        .await;
    assert_eq!(may["data"]["type"], "entitlement-sets");
    assert_eq!(may["data"]["attributes"]["operations"], true);
    assert_eq!(may["data"]["attributes"]["state-storage"], true);
    let organization = acme.get(&acme.owner, ACME).await;
    assert_eq!(organization["data"]["id"], "acme");
}

#[tokio::test]
async fn both_protocols_and_two_clients_of_one_person_keep_each_other_out() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let wim = desk.of(acme.server.member("wim", &house, Role::Writer).await);
    let http = "/state/acme/dns";
    desk.act("unlock").await.is(409);
    desk.act("force-unlock").await.is(409);
    let locked = desk.act("lock").await.is(200).json();
    assert_eq!(locked["data"]["attributes"]["locked"], true);
    desk.act("lock").await.is(409);
    let refused = wim.act("unlock").await.is(409);
    assert!(
        detail(&refused).contains("is locked by User olga"),
        "{}",
        detail(&refused)
    );
    let holder = acme
        .server
        .call(&wim.who, "LOCK", http, lock("x", "OperationTypePlan"))
        .await
        .is(423)
        .json();
    assert_eq!(
        (&holder["Operation"], &holder["Path"]),
        (&json!("cloud"), &json!("acme/dns"))
    );
    let refused = wim.announce(&state("a", 1, 1), 1, "a").await.is(409);
    let words = detail(&refused);
    assert!(
        words.contains("`terraform force-unlock acme/dns`"),
        "{words}"
    );
    wim.act("force-unlock").await.is(403);
    for _ in 0..2 {
        desk.act("unlock").await.is(200);
    }

    acme.server
        .call(&desk.who, "LOCK", http, lock("x", "OperationTypeApply"))
        .await
        .is(200);
    // The same person, and still another client.
    desk.act("lock").await.is(409);
    desk.act("unlock").await.is(409);
    desk.announce(&state("a", 1, 1), 1, "a").await.is(409);
    let freed = desk.act("force-unlock").await.is(200).json();
    assert_eq!(freed["data"]["attributes"]["locked"], false);
    desk.proven().await;
}

#[tokio::test]
async fn a_state_is_announced_sent_read_and_listed() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let none = desk.get("current-state-version").await.is(404);
    assert_eq!(none.header("x-terraform-snapshot-interval"), "60");
    desk.act("lock").await.is(200);
    let bytes = state("a", 1, 3);
    let made = desk.announce(&bytes, 1, "a").await.is(201);
    assert_eq!(made.header("x-terraform-snapshot-interval"), "60");
    let made = made.json();
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["data"]["attributes"]["status"], "pending");
    assert_eq!(desk.get("state-versions").await.json()["data"], json!([]));
    let (to, json_to) = (
        link(&made, "hosted-state-upload-url"),
        link(&made, "hosted-json-state-upload-url"),
    );
    assert_eq!(
        link(&desk.version(&id).await, "hosted-state-upload-url"),
        to
    );

    let form = r#"{"format_version":"1.0","values":{}}"#;
    desk.send(&json_to, "[1]").await.is(400);
    for _ in 0..2 {
        desk.send(&json_to, form).await.is(200);
        desk.send(&to, bytes.clone()).await.is(200);
    }
    desk.send(&json_to, r#"{"format_version":"1.1"}"#)
        .await
        .is(409);
    let shown = desk.version(&id).await;
    assert_eq!(shown["data"]["attributes"]["status"], "finalized");
    let download = async |name: &str| {
        let asked = request("GET", &link(&shown, name), None, "".into());
        acme.server.send(asked).await.is(200).text().to_owned()
    };
    assert_eq!(download("hosted-state-download-url").await, bytes);
    assert_eq!(download("hosted-json-state-download-url").await, form);
    let current = desk.get("current-state-version").await.is(200).json();
    assert_eq!(current["data"]["id"], id.as_str());
    assert_eq!(
        link(&current, "hosted-state-download-url"),
        link(&shown, "hosted-state-download-url")
    );
    let authenticated = format!("/api/v2/state-versions/{id}/download");
    assert_eq!(
        acme.server
            .call(&desk.who, "GET", &authenticated, "")
            .await
            .is(200)
            .text(),
        bytes
    );
    desk.act("unlock").await.is(200);
    let named =
        "/api/v2/state-versions?filter[organization][name]=acme&filter[workspace][name]=dns";
    let listed = acme.get(&desk.who, named).await;
    assert_eq!(listed["meta"]["pagination"]["total-count"], 1);
    assert_eq!(listed["data"][0]["attributes"]["marks"], json!([]));
    let change = document(&json!({ "snapshot-interval-s": 0 }));
    acme.server
        .call(&desk.who, "PATCH", ACME, change)
        .await
        .is(200);
    assert_eq!(
        desk.get("current-state-version")
            .await
            .header("x-terraform-snapshot-interval"),
        ""
    );
    desk.proven().await;
}

#[tokio::test]
async fn bytes_other_than_announced_are_refused_and_nothing_is_there() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    desk.act("lock").await.is(200);
    let bytes = state("a", 1, 3);
    for (announced, serial, lineage, words) in [
        (state("a", 1, 4), 1, "a", "another MD5"),
        (bytes.clone(), 2, "a", "another serial"),
        (bytes.clone(), 1, "b", "another lineage"),
        ("no state".to_owned(), 1, "a", "another MD5"),
    ] {
        let made = desk
            .announce(&announced, serial, lineage)
            .await
            .is(201)
            .json();
        let answer = desk
            .send(&link(&made, "hosted-state-upload-url"), bytes.clone())
            .await;
        let told = detail(&answer.is(400));
        assert!(told.contains(words), "{told}");
        assert!(told.contains("`terraform force-unlock acme/dns`"), "{told}");
        let id = made["data"]["id"].as_str().unwrap();
        assert_eq!(
            desk.version(id).await["data"]["attributes"]["status"],
            "pending"
        );
    }
    let cut = &bytes[..bytes.len() / 2];
    let made = desk.announce(&bytes, 1, "a").await.is(201).json();
    let to = link(&made, "hosted-state-upload-url");
    desk.send(&to, cut.to_owned()).await.is(400);
    desk.get("current-state-version").await.is(404);
    // The whole of it still comes in.
    desk.send(&to, bytes).await.is(200);
    let told = detail(&desk.send(&to, state("a", 1, 4)).await.is(409));
    assert!(told.contains("used already, for other bytes"), "{told}");
    for wrong in [
        json!({}),
        json!({ "serial": 1, "md5": "xyz" }),
        json!({ "md5": hex_md5("x") }),
    ] {
        let path = format!("{}/state-versions", desk.at);
        acme.server.post(&desk.who, &path, wrong).await.is(422);
    }
    desk.proven().await;
}

#[tokio::test]
async fn a_state_sent_twice_at_once_is_one_version_and_both_are_told_so() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    desk.act("lock").await.is(200);
    for serial in 1..=4 {
        let bytes = state("a", serial, 3);
        let made = desk.announce(&bytes, serial, "a").await.is(201).json();
        let to = link(&made, "hosted-state-upload-url");
        let (one, two) = tokio::join!(desk.send(&to, bytes.clone()), desk.send(&to, bytes.clone()));
        one.is(200);
        two.is(200);
        let listed = desk.get("state-versions").await.json();
        let listed = listed["data"].as_array().unwrap();
        assert_eq!(listed.len() as u64, serial);
    }
    desk.proven().await;
}

#[tokio::test]
async fn a_large_state_sent_twice_at_once_is_one_version() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    desk.act("lock").await.is(200);
    let bytes = state("a", 1, 20_000);
    let made = desk.announce(&bytes, 1, "a").await.is(201).json();
    let to = link(&made, "hosted-state-upload-url");
    let (one, two) = tokio::join!(desk.send(&to, bytes.clone()), desk.send(&to, bytes.clone()));
    let statuses = [one.status.as_u16(), two.status.as_u16()];
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 409].contains(status)),
        "{statuses:?}"
    );
    desk.send(&to, bytes.clone()).await.is(200);
    let got = desk.get("state").await.is(200);
    assert!(got.text() == bytes);
    assert_eq!(
        desk.get("state-versions").await.json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    desk.proven().await;
}

#[tokio::test]
async fn an_address_is_good_for_minutes_and_by_its_own_signature() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    desk.put("a", 1, 3).await.1.is(200);
    let bytes = state("a", 2, 3);
    let announced = async |desk: &Desk<'_>| {
        let made = desk.announce(&bytes, 2, "a").await.is(201).json();
        link(&made, "hosted-state-upload-url")
    };
    let download = link(
        &desk.get("current-state-version").await.json(),
        "hosted-state-download-url",
    );
    let fetch = async |path: &str, status: u16| {
        let asked = request("GET", path, None, "".into());
        let answer = acme.server.send(asked).await.is(status);
        let signature = path.rsplit('/').next().unwrap();
        assert!(
            status == 200 || !answer.text().contains(signature),
            "{}",
            answer.text()
        );
    };
    let late = announced(&desk).await;
    fetch(&download, 200).await;
    fetch(&late, 405).await;
    acme.server.later(FIVE_MINUTES_US);
    fetch(&download, 403).await;
    acme.server.later(2 * FIVE_MINUTES_US);
    let told = detail(&desk.send(&late, bytes.clone()).await.is(403));
    assert!(told.contains("has ended"), "{told}");

    // The signature is needed, and it is of this address.
    let (good, other) = (announced(&desk).await, announced(&desk).await);
    let (path, _) = good.rsplit_once('/').unwrap();
    let (_, signature) = other.rsplit_once('/').unwrap();
    for wrong in [
        format!("{path}/{signature}"),
        format!("{path}/00"),
        format!("{path}/é"),
    ] {
        desk.send(&wrong.replace('é', "%C3%A9"), bytes.clone())
            .await
            .is(404);
    }
    desk.send(&good, bytes).await.is(200);
    desk.proven().await;
}

#[tokio::test]
async fn an_address_ends_with_its_token_and_its_user() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let ada = acme.server.member("ada", &house, Role::Writer).await;
    let ada = desk.of(ada);
    let bytes = state("a", 2, 3);
    let announced = async |desk: &Desk<'_>| {
        let made = desk.announce(&bytes, 2, "a").await.is(201).json();
        link(&made, "hosted-state-upload-url")
    };
    let of_token = {
        let token = acme.server.token("ada", Wish::default()).await;
        let who = Person {
            token,
            ..ada.who.clone()
        };
        let other = desk.of(who);
        let to = announced(&other).await;
        let tokens = acme.get(&other.who, "/api/v2/tokens").await;
        let newest = tokens["data"].as_array().unwrap().last().unwrap()["id"].clone();
        let path = format!("/api/v2/tokens/{}", newest.as_str().unwrap());
        acme.server
            .call(&ada.who, "DELETE", &path, "")
            .await
            .is(200);
        to
    };
    desk.send(&of_token, bytes.clone()).await.is(401);
    let of_user = announced(&ada).await;
    let core = &acme.server.core;
    core.disable_user(&core.machine(), name("ada"))
        .await
        .unwrap();
    desk.send(&of_user, bytes.clone()).await.is(401);
    desk.get("current-state-version").await.is(404);
    desk.proven().await;
}

#[tokio::test]
async fn what_the_lock_lets_pass_is_marked_and_the_rest_waits() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let wim = desk.of(acme.server.member("wim", &house, Role::Writer).await);
    let marks = async |id: &str| desk.version(id).await["data"]["attributes"]["marks"].clone();
    let (first, answer) = wim.put("a", 5, 120).await;
    answer.is(200);
    assert_eq!(marks(&first).await, json!(["unlocked"]));
    let told = detail(&wim.put("a", 6, 3).await.1.is(409));
    assert!(told.contains("resources fall from 120 to 3"), "{told}");
    assert!(told.contains("statehouse state accept"), "{told}");

    wim.act("lock").await.is(200);
    let (fewer, answer) = wim.put("a", 7, 3).await;
    answer.is(200);
    assert_eq!(marks(&fewer).await, json!(["resources-dropped"]));
    let (kept, answer) = wim.put("b", 1, 3).await;
    let told = detail(&answer.is(409));
    assert!(told.contains("the lineage changes from a to b"), "{told}");
    assert_eq!(
        desk.version(&kept).await["data"]["attributes"]["status"],
        "quarantined"
    );
    // An upload that was kept is answered the same when it is repeated.
    wim.put("b", 1, 3).await.1.is(409);
    wim.act("unlock").await.is(200);

    desk.act("lock").await.is(200);
    let (forced, answer) = desk.put("b", 1, 3).await;
    answer.is(200);
    assert_eq!(marks(&forced).await, json!(["lineage-changed"]));
    // What is the current state already is no new version.
    let (same, answer) = desk.put("b", 1, 3).await;
    answer.is(200);
    assert_eq!(
        desk.version(&same).await["data"]["attributes"]["status"],
        "finalized"
    );
    assert_eq!(
        desk.get("current-state-version").await.json()["data"]["id"],
        forced.as_str()
    );
    desk.act("unlock").await.is(200);
    desk.proven().await;
}

#[tokio::test]
async fn a_state_within_the_document_is_stored_at_once() {
    use base64::Engine;
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let bytes = state("a", 1, 3);
    let inline = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let wish = json!({ "serial": 1, "lineage": "a", "md5": hex_md5(&bytes), "state": inline });
    let path = format!("{}/state-versions", desk.at);
    let made = acme.post(&desk.who, &path, wish, 201).await;
    assert_eq!(made["data"]["attributes"]["status"], "finalized");
    assert_eq!(desk.get("state").await.is(200).text(), bytes);
}

#[tokio::test]
async fn outputs_are_told_and_a_sensitive_value_is_asked_for_by_itself() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let what = "current-state-version-outputs";
    assert_eq!(desk.get(what).await.is(200).json()["data"], json!([]));
    let outputs = r#""outputs":{"greeting":{"value":"hello","type":"string"},
        "hosts":{"value":["a","b"],"type":["tuple",["string","string"]]},
        "password":{"value":"hunter2","type":"string","sensitive":true}}"#;
    let bytes = state("a", 1, 1).replace(r#""outputs":{}"#, outputs);
    let made = desk.announce(&bytes, 1, "a").await.is(201).json();
    desk.send(&link(&made, "hosted-state-upload-url"), bytes)
        .await
        .is(200);
    let listed = desk.get(what).await.is(200).json();
    let all = listed["data"].as_array().unwrap();
    let attribute = |at: usize, name: &str| all[at]["attributes"][name].clone();
    assert_eq!(attribute(0, "value"), "hello");
    assert_eq!(
        (attribute(1, "type"), attribute(1, "detailed-type")),
        (json!("array"), json!(["tuple", ["string", "string"]]))
    );
    assert_eq!(
        (attribute(2, "sensitive"), attribute(2, "value")),
        (json!(true), Value::Null)
    );
    let secret = format!(
        "/api/v2/state-version-outputs/{}",
        all[2]["id"].as_str().unwrap()
    );
    assert_eq!(
        acme.get(&desk.who, &secret).await["data"]["attributes"]["value"],
        "hunter2"
    );
    let scopes = ["output.read", "workspace.read", "organization.read"];
    let wish = Wish {
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        ..Wish::default()
    };
    let narrow = Person {
        token: acme.server.token("olga", wish).await,
        ..desk.who.clone()
    };
    let narrow = desk.of(narrow);
    narrow.get(what).await.is(200);
    let plain = format!(
        "/api/v2/state-version-outputs/{}",
        all[0]["id"].as_str().unwrap()
    );
    acme.get(&narrow.who, &plain).await;
    acme.server
        .call(&narrow.who, "GET", &secret, "")
        .await
        .is(403);
    let shown = narrow.get("current-state-version").await.is(200).json();
    assert_eq!(
        shown["data"]["attributes"]["hosted-state-download-url"],
        Value::Null
    );
    desk.proven().await;
}

#[tokio::test]
async fn going_back_is_a_new_version_under_the_lock() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    let (first, _) = desk.put("a", 1, 3).await;
    desk.put("a", 4, 5).await.1.is(200);
    let back = json!({ "data": { "type": "state-versions", "attributes": { "reason": "broken" }, "relationships": {
        "rollback-state-version": { "data": { "type": "state-versions", "id": first } } } } });
    let path = format!("{}/state-versions", desk.at);
    let go = async |status: u16| {
        let answer = acme
            .server
            .call(&desk.who, "PATCH", &path, back.to_string())
            .await;
        answer.is(status).json()
    };
    go(409).await;
    desk.act("lock").await.is(200);
    let made = go(200).await;
    assert_eq!(made["data"]["attributes"]["serial"], 5);
    assert_eq!(made["data"]["attributes"]["marks"], json!(["rolled-back"]));
    assert_eq!(desk.get("state").await.is(200).text(), state("a", 5, 3));
    acme.server.post(&desk.who, &path, json!({})).await.is(422);
    acme.server
        .call(&desk.who, "PATCH", &path, "")
        .await
        .is(422);
    desk.act("unlock").await.is(200);
    desk.proven().await;
}

#[tokio::test]
async fn keys_are_renewed_over_everything_that_the_protocol_stores() {
    let acme = Acme::new().await;
    let desk = Desk::new(&acme, "dns").await;
    desk.act("lock").await.is(200);
    let bytes = state("a", 1, 3);
    let made = desk.announce(&bytes, 1, "a").await.is(201).json();
    let form = r#"{"format_version":"1.0"}"#;
    desk.send(&link(&made, "hosted-json-state-upload-url"), form)
        .await
        .is(200);
    desk.send(&link(&made, "hosted-state-upload-url"), bytes)
        .await
        .is(200);
    let keys = format!("{ACME}/keys/actions");
    acme.post(&desk.who, &format!("{keys}/rotate"), json!({}), 201)
        .await;
    let done = acme
        .post(&desk.who, &format!("{keys}/rewrap"), json!({}), 200)
        .await;
    assert_eq!(done["data"]["attributes"]["retired"], json!([1]), "{done}");
    let path = format!(
        "/api/v2/state-versions/{}/json-download",
        made["data"]["id"].as_str().unwrap()
    );
    assert_eq!(
        acme.server
            .call(&desk.who, "GET", &path, "")
            .await
            .is(200)
            .text(),
        form
    );
    desk.proven().await;
}
