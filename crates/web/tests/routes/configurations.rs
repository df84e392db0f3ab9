//! Configurations: wished, sent once to a signed address, looked through before they are kept.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use statehouse_model::Role;
use tar::{Builder, EntryType, Header};

use crate::cloud::{detail, link};
use crate::planned::{Remote, archive, job_of, plain, put, wished};

const FIFTEEN_MINUTES_US: i64 = 15 * 60 * 1_000_000;

async fn shown(place: &Remote, made: &Value) -> Value {
    let id = made["data"]["id"].as_str().unwrap();
    let path = format!("/api/v2/configuration-versions/{id}");
    place.get(&path).await["data"]["attributes"].clone()
}

async fn wish(place: &Remote, attributes: Value) -> (Value, String) {
    let made = wished(place.server(), place.owner(), &place.workspace, attributes).await;
    let address = link(&made, "upload-url");
    (made, address)
}

#[tokio::test]
async fn a_configuration_is_wished_and_uploaded_once() {
    let place = Remote::new().await;
    let habits = json!({ "auto-queue-runs": false, "speculative": true, "provisional": false });
    let (made, address) = wish(&place, habits).await;
    let told = &made["data"]["attributes"];
    assert_eq!(
        (&told["status"], &told["speculative"], &told["size"]),
        (&json!("pending"), &json!(true), &json!(0))
    );
    let relation = &made["data"]["relationships"]["workspace"]["data"];
    assert_eq!(relation["id"], place.workspace.as_str());

    let first = put(place.server(), &address, plain()).await.is(200);
    assert!(first.body.is_empty());
    let told = shown(&place, &made).await;
    assert_eq!(told["status"], "uploaded");
    assert_eq!(told["size"], plain().len());
    assert_eq!(told["upload-url"], Value::Null);
    // A client that did not hear the answer sends the same again.
    put(place.server(), &address, plain()).await.is(200);
    let other = archive(&[("main.tf", b"# another\n")]);
    let refused = put(place.server(), &address, other).await.is(409);
    assert!(
        detail(&refused).contains("used already, for another archive"),
        "{}",
        refused.text()
    );
    assert_eq!(shown(&place, &made).await, told);
}

#[tokio::test]
async fn a_wish_that_cannot_be_met_is_refused_in_words() {
    let place = Remote::new().await;
    let path = format!(
        "/api/v2/workspaces/{}/configuration-versions",
        place.workspace
    );
    for (wrong, status, words) in [
        (
            json!({ "auto-queue-runs": true }),
            422,
            "then start a run of it",
        ),
        (json!({ "auto-queue-runs": "no" }), 400, "boolean"),
        (json!({ "speculative": "yes" }), 400, "boolean"),
        (json!({ "speculative": null }), 400, "boolean"),
        (json!({ "provisional": 1 }), 400, "boolean"),
    ] {
        let said = wrong.to_string();
        let refused = place.server().post(place.owner(), &path, wrong).await;
        assert_eq!(refused.status.as_u16(), status, "{said}");
        assert!(
            detail(&refused).contains(words),
            "{said}: {}",
            refused.text()
        );
    }
    // An id of another kind is nobody's.
    for id in [&*place.workspace, "cv-1", "cv-", "run-zzzzzz"] {
        let path = format!("/api/v2/configuration-versions/{id}");
        let asked = place.server().call(place.owner(), "GET", &path, "");
        asked.await.is(404);
    }
}

#[tokio::test]
async fn an_address_is_for_one_upload_by_whoever_may_and_ends() {
    let place = Remote::new().await;
    let (_, address) = wish(&place, json!({})).await;
    let (path, signature) = address.rsplit_once('/').unwrap();
    let other = if signature.starts_with('0') { '1' } else { '0' };
    let guessed = format!("{path}/{other}{}", &signature[1..]);
    put(place.server(), &guessed, plain()).await.is(404);
    // What it is for, it is for alone.
    for what in ["downloads", "logs"] {
        let elsewhere = address.replace("/uploads/", &format!("/{what}/"));
        let asked = crate::support::request("GET", &elsewhere, None, Bytes::new());
        place.server().send(asked).await.is(404);
    }
    // It is good for as long as its owner may plan.
    let ada = place.member("ada", Role::Planner).await;
    let made = wished(place.server(), &ada, &place.workspace, json!({})).await;
    let hers = link(&made, "upload-url");
    let grants = place.get("/api/v2/organizations/acme/grants").await;
    let grants = grants["data"].as_array().unwrap().iter();
    let mut grants = grants.filter(|grant| grant["attributes"]["user"] == ada.id.as_str());
    let grant = grants.next().unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v2/organizations/acme/grants/{grant}");
    let taken = place.server().call(place.owner(), "DELETE", &path, "");
    taken.await.is(204);
    put(place.server(), &hers, plain()).await.is(404);

    place.server().later(FIFTEEN_MINUTES_US);
    let late = put(place.server(), &address, plain()).await.is(403);
    assert!(late.text().contains("has ended"), "{}", late.text());
    assert!(
        late.text().contains("run the command again"),
        "{}",
        late.text()
    );
}

/// An archive of one entry that says of itself whatever a test wants.
fn entry(kind: EntryType, path: &str, target: &str, content: &[u8]) -> Bytes {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    builder.append(&header, content).unwrap();
    builder.into_inner().unwrap().finish().unwrap().into()
}

/// Archives that are not taken, each with words of the refusal.
fn bad_archives() -> Vec<(Bytes, &'static str)> {
    let cut = plain().slice(..plain().len() - 12);
    let zeros = vec![0; 40 << 20];
    vec![
        (Bytes::from_static(b"terraform {}"), "compressed with gzip"),
        (Bytes::from_static(b"PK\x03\x04"), "compressed with gzip"),
        (Bytes::new(), "compressed with gzip"),
        (cut, "the configuration archive"),
        (
            entry(EntryType::Regular, "../out.tf", "", b"x"),
            "the path has a `..`",
        ),
        (
            entry(EntryType::Regular, "/etc/cron.d/x", "", b"x"),
            "the path is absolute",
        ),
        (
            entry(EntryType::Symlink, "out", "/etc/passwd", b""),
            "leads out of the configuration",
        ),
        (
            entry(EntryType::Symlink, "out", "../../x", b""),
            "leads out of the configuration",
        ),
        (
            entry(EntryType::Link, "hard", "main.tf", b""),
            "not part of a configuration",
        ),
        (
            entry(EntryType::Char, "null", "", b""),
            "not part of a configuration",
        ),
        (
            entry(EntryType::Fifo, "pipe", "", b""),
            "not part of a configuration",
        ),
        (archive(&[("zeros", &zeros)]), "times its size"),
    ]
}

#[tokio::test]
async fn an_archive_that_leads_out_or_is_a_bomb_is_refused_and_nothing_is_stored() {
    let place = Remote::new().await;
    let (made, address) = wish(&place, json!({})).await;
    for (bytes, words) in bad_archives() {
        let refused = put(place.server(), &address, bytes).await.is(400);
        let text = detail(&refused);
        assert!(text.contains(words), "{words}: {text}");
        assert_eq!(text.matches("refused").count(), 1, "{text}");
        let told = shown(&place, &made).await;
        assert_eq!(
            (&told["status"], &told["size"]),
            (&json!("pending"), &json!(0))
        );
    }
    let wish = crate::planned::wish(
        &place.workspace,
        made["data"]["id"].as_str().unwrap(),
        &json!({}),
    );
    let early = place
        .server()
        .call(place.owner(), "POST", "/api/v2/runs", wish);
    let early = early.await.is(409);
    assert!(
        detail(&early).contains("has not come yet; upload it"),
        "{}",
        early.text()
    );
    // The address is not used up by what was refused.
    put(place.server(), &address, plain()).await.is(200);
    assert_eq!(shown(&place, &made).await["status"], "uploaded");
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut block = Sha256::digest(b"noise").to_vec();
    let mut all = Vec::with_capacity(length + block.len());
    while all.len() < length {
        all.extend_from_slice(&block);
        block = Sha256::digest(&block).to_vec();
    }
    all
}

#[tokio::test]
async fn an_archive_that_is_sent_twice_at_once_is_stored_whole() {
    let place = Remote::new().await;
    let bytes = archive(&[("noise", &noise(700 * 1024))]);
    for _ in 0..4 {
        let (made, address) = wish(&place, json!({})).await;
        let send = || put(place.server(), &address, bytes.clone());
        let (one, two, three) = tokio::join!(send(), send(), send());
        let statuses = [one, two, three].map(|answer| answer.status.as_u16());
        assert!(statuses.contains(&200), "{statuses:?}");
        let known = statuses.iter().all(|status| [200, 409].contains(status));
        assert!(known, "{statuses:?}");
        put(place.server(), &address, bytes.clone()).await.is(200);

        let id = made["data"]["id"].as_str().unwrap();
        let wish = crate::planned::wish(&place.workspace, id, &json!({ "plan-only": true }));
        let run = crate::planned::started(place.server(), place.owner(), wish).await;
        let line = job_of(place.server(), &run).await;
        assert_eq!(line.configuration().await.unwrap(), bytes);
    }
    let compare = "/api/v2/organizations/acme/ledger/actions/verify-live";
    let compared = place
        .acme
        .post(place.owner(), compare, json!({}), 200)
        .await;
    assert_eq!(compared["data"]["attributes"]["count"], 0, "{compared}");
}
