//! The logs of runs, as terraform follows them: by an address without a token, from where it has read to.

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::cloud::link;
use crate::support::{Answer, Server, request};

async fn read(server: &Server, address: &str, query: &str) -> Answer {
    let asked = request("GET", &format!("{address}{query}"), None, Bytes::new());
    server.send(asked).await
}

async fn address(place: &Remote, path: &str) -> (String, Value) {
    let shown = place.get(path).await;
    let status = shown["data"]["attributes"]["status"].clone();
    (link(&shown, "log-read-url"), status)
}

#[tokio::test]
async fn a_log_is_empty_then_grows_and_is_framed_when_it_ended() {
    let place = Remote::new().await;
    let server = place.server();
    let run = place.run(json!({})).await;
    let path = format!("/api/v2/plans/{}", planned::plan_of(&run));
    let (log, status) = address(&place, &path).await;
    assert_eq!(status, "pending");
    let is = async |query: &str, text: &str| {
        let got = read(server, &log, query).await.is(200);
        assert_eq!(got.text(), text, "{query}");
    };
    is("?limit=65536&offset=0", "").await;
    let line = job_of(server, &run).await;
    line.planning().await.unwrap();
    is("", "\u{2}").await;
    is("?limit=65536&offset=1", "").await;
    line.log(0, "hello\n".into()).await.unwrap();
    line.log(6, "wörld\n".into()).await.unwrap();
    is("?limit=65536&offset=1", "hello\nwörld\n").await;
    is("?limit=3&offset=0", "\u{2}he").await;
    is("?limit=6&offset=5", "o\nwör").await;
    is("?limit=65536&offset=14", "").await;
    // The address is the same for whoever looks again, until the log has ended.
    assert_eq!(address(&place, &path).await.0, log);

    planned::finish(&line, true).await;
    until(server, &place.ctx, &run, Status::AwaitingApproval).await;
    assert_eq!(address(&place, &path).await.1, "finished");
    is("?limit=65536&offset=0", "\u{2}hello\nwörld\n\u{3}").await;
    is("?limit=65536&offset=14", "\u{3}").await;
    for beyond in ["15", "16", "9223372036854775807", "18446744073709551615"] {
        is(&format!("?offset={beyond}"), "").await;
    }
    is("?limit=0", "").await;
    is("?limit=18446744073709551615", "\u{2}hello\nwörld\n\u{3}").await;
    for wrong in ["?offset=-1", "?offset=x", "?limit=1.5"] {
        read(server, &log, wrong).await.is(400);
    }
}

#[tokio::test]
async fn a_log_of_what_never_began_ends_at_once() {
    let place = Remote::new().await;
    let server = place.server();
    let run = place.planned(json!({})).await;
    let path = format!("/api/v2/applies/{}", planned::apply_of(&run));
    let (log, status) = address(&place, &path).await;
    assert_eq!(status, "pending");
    assert_eq!(read(server, &log, "").await.is(200).text(), "");
    place.act(place.owner(), &run, "discard").await.is(202);
    assert_eq!(address(&place, &path).await.1, "unreachable");
    // Whoever waited for it is told why it does not come, from each place on.
    let told = format!(
        "\u{2}\nNothing was applied: the run is discarded.\n`statehouse run events {run}` says who did what.\n\u{3}"
    );
    assert_eq!(read(server, &log, "").await.is(200).text(), told);
    let answer = read(server, &log, "?limit=9&offset=20").await.is(200);
    assert_eq!(Some(answer.text()), told.get(20..29));

    let waiting = place.run(json!({})).await;
    place.act(place.owner(), &waiting, "cancel").await.is(202);
    let path = format!("/api/v2/plans/{}", planned::plan_of(&waiting));
    let (log, status) = address(&place, &path).await;
    assert_eq!(status, "canceled");
    assert_eq!(read(server, &log, "").await.is(200).text(), "\u{2}\u{3}");
}

#[tokio::test]
async fn an_address_of_a_log_ends_with_its_time_and_with_its_token() {
    let place = Remote::new().await;
    let server = place.server();
    let run = place.run(json!({})).await;
    let path = format!("/api/v2/plans/{}", planned::plan_of(&run));
    let (log, _) = address(&place, &path).await;
    for what in ["uploads", "downloads"] {
        let elsewhere = log.replace("/logs/", &format!("/{what}/"));
        let method = if what == "uploads" { "PUT" } else { "GET" };
        let asked = request(method, &elsewhere, None, Bytes::new());
        server.send(asked).await.is(404);
    }
    let guessed = format!("{}{}", &log[..log.len() - 4], "0000");
    if guessed != log {
        read(server, &guessed, "").await.is(404);
    }
    let minute_us = 60 * 1_000_000;
    server.later(5 * 60 * minute_us);
    read(server, &log, "").await.is(200);
    server.later(60 * minute_us);
    let late = read(server, &log, "").await.is(403);
    assert!(
        late.text().contains("for logs for 6 hours"),
        "{}",
        late.text()
    );

    let tokens = place.get("/api/v2/tokens").await;
    let token = tokens["data"][0]["id"].as_str().unwrap();
    let (log, _) = address(&place, &path).await;
    read(server, &log, "").await.is(200);
    let revoked = format!("/api/v2/tokens/{token}");
    server
        .call(place.owner(), "DELETE", &revoked, "")
        .await
        .is(200);
    let status = read(server, &log, "").await.status.as_u16();
    assert!([401, 404].contains(&status), "{status}");
}
