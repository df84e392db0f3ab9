//! Bad input: every refusal has its status and says what, which and what next; and nothing changes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::Frame;
use serde_json::json;
use statehouse_core::token::Wish;
use statehouse_model::{Permission, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Person, Server, basic, document, lock, request, state};

const AT: &str = "/state/acme/network";

struct Place {
    server: Server,
    writer: Person,
}

/// An organization with a state in it.
async fn place() -> Place {
    let server = Server::start().await;
    let owner = server.person("olga", false).await;
    let house = server.organization("acme", &owner).await;
    let writer = server.member("wim", &house, Role::Writer).await;
    server
        .call(&writer, "POST", AT, state("a", 5, 3))
        .await
        .is(200);
    Place { server, writer }
}

impl Place {
    /// The answer has this status and these words, and the state is as it was.
    async fn check(&self, answer: Answer, status: u16, words: &str) -> Answer {
        let answer = answer.is(status);
        assert!(answer.text().contains(words), "{}", answer.text());
        assert!(
            answer.text().contains(answer.header("x-request-id")),
            "{}",
            answer.text()
        );
        let now = self.server.call(&self.writer, "GET", AT, "").await.is(200);
        assert_eq!(now.text(), state("a", 5, 3));
        answer
    }

    async fn upload(&self, query: &str, body: impl Into<Bytes>, status: u16, words: &str) {
        let answer = self
            .server
            .call(&self.writer, "POST", &format!("{AT}{query}"), body)
            .await;
        self.check(answer, status, words).await;
    }

    /// A request with this `Authorization`.
    async fn with(&self, credentials: Option<&str>, status: u16, words: &str) {
        let mut plain = request("POST", AT, None, state("a", 6, 3).into());
        if let Some(credentials) = credentials {
            plain
                .headers_mut()
                .insert("authorization", credentials.parse().unwrap());
        }
        let answer = self
            .check(self.server.send(plain).await, status, words)
            .await;
        assert_eq!(
            answer.header("www-authenticate").starts_with("Basic "),
            status == 401
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_state_is_refused() {
    let place = place().await;
    place
        .upload("", "{\"version\":4,", 400, "the body is not a state")
        .await;
    place.upload("", "[]", 400, "the body is not a state").await;
    place.upload("", "", 400, "the state is empty").await;
    place
        .upload("", "\u{1}", 400, "the body is not a state")
        .await;
    place
        .upload(
            "",
            state("a", 6, 3).replace("\"version\":4", "\"version\":3"),
            400,
            "version 3",
        )
        .await;
    place
        .upload("?ID=x&ID=y", state("a", 6, 3), 400, "duplicate field")
        .await;
}

#[tokio::test]
async fn a_wrong_or_malformed_md5_is_refused() {
    let place = place().await;
    let check = async |md5: &str, words: &str| {
        let mut upload = request(
            "POST",
            AT,
            Some(&place.writer.token),
            state("a", 6, 3).into(),
        );
        upload
            .headers_mut()
            .insert("content-md5", md5.parse().unwrap());
        place
            .check(place.server.send(upload).await, 400, words)
            .await;
    };
    check(
        "1B2M2Y8AsgTpgAmY7PhCfg==",
        "does not have the digest that Content-MD5 names",
    )
    .await;
    check(
        "d41d8cd98f00b204e9800998ecf8427e",
        "is not the Base64 of an MD5 digest",
    )
    .await;
    check("", "is not the Base64 of an MD5 digest").await;
    let mut locking = request(
        "LOCK",
        AT,
        Some(&place.writer.token),
        lock("one", "x").into(),
    );
    locking
        .headers_mut()
        .insert("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==".parse().unwrap());
    place
        .check(
            place.server.send(locking).await,
            400,
            "does not have the digest",
        )
        .await;
}

#[tokio::test]
async fn a_wrong_lock_id_is_refused() {
    let place = place().await;
    place
        .upload("?ID=one", state("a", 6, 3), 409, "is not locked")
        .await;
    let (server, writer) = (&place.server, &place.writer);
    server
        .call(writer, "LOCK", AT, lock("one", "OperationTypeApply"))
        .await
        .is(200);
    let refused = server
        .call(writer, "POST", &format!("{AT}?ID=two"), state("a", 6, 3))
        .await
        .is(423);
    assert_eq!(refused.text(), lock("one", "OperationTypeApply"));
    let unlocking = server.call(writer, "UNLOCK", AT, "{}").await;
    place.check(unlocking, 400, "names no ID").await;
}

#[tokio::test]
async fn credentials_that_are_missing_or_altered_are_refused() {
    let place = place().await;
    let check = async |credentials: Option<&str>, words: &str| {
        place.with(credentials, 401, words).await;
    };
    check(None, "this needs a token, and none was sent").await;
    check(Some("Negotiate x"), "the credentials cannot be read").await;
    check(Some(&basic("hunter2")), "not a Statehouse token").await;
    let token = &place.writer.token;
    let other = if &token[15..17] == "xx" { "yy" } else { "xx" };
    let altered = token.replacen(&token[15..17], other, 1);
    check(Some(&basic(&altered)), "not a Statehouse token").await;
}

#[tokio::test]
async fn a_token_that_is_foreign_expired_or_revoked_is_refused_in_the_same_words() {
    let place = place().await;
    let words = "the token is unknown, expired or revoked";
    let check = async |token: &str| place.with(Some(&basic(token)), 401, words).await;
    check(&self::place().await.writer.token).await;

    let life_us = Some(1_000_000);
    let brief = place
        .server
        .token(
            "wim",
            Wish {
                life_us,
                ..Wish::default()
            },
        )
        .await;
    place.server.later(1_000_000);
    check(&brief).await;

    let (server, writer) = (&place.server, &place.writer);
    let made = server
        .post(writer, "/api/v2/tokens", json!({}))
        .await
        .is(201)
        .json();
    let path = format!("/api/v2/tokens/{}", made["data"]["id"].as_str().unwrap());
    server.call(writer, "DELETE", &path, "").await.is(200);
    check(made["data"]["attributes"]["token"].as_str().unwrap()).await;
}

#[tokio::test]
async fn a_token_of_fewer_scopes_does_no_more_than_they_say() {
    let place = place().await;
    let wish = Wish {
        scopes: vec![Permission::StateRead, Permission::OrganizationRead],
        ..Wish::default()
    };
    let narrow = place.server.token("wim", wish).await;
    place
        .with(
            Some(&basic(&narrow)),
            403,
            "your token's scopes leave it out",
        )
        .await;
    place
        .with(
            Some(&format!("Bearer {narrow}")),
            403,
            "your token's scopes leave it out",
        )
        .await;
}

#[tokio::test]
async fn an_unknown_organization_and_a_name_that_is_none_are_refused() {
    let place = place().await;
    let check = async |path: &str, status, words: &str| {
        let answer = place
            .server
            .call(&place.writer, "LOCK", path, lock("one", "x"))
            .await;
        place.check(answer, status, words).await;
    };
    check(
        "/state/nowhere/network",
        404,
        "there is nothing at `/state/nowhere/network`, or you may not see it",
    )
    .await;
    check("/state/acme/-x", 400, "`-x` is not a valid name").await;
    check("/state/acme/a%2Fb", 400, "`a/b` is not a valid name").await;
    check("/state/acme/%FF", 404, "there is nothing at").await;
    check("/state/acme", 404, "there is nothing at").await;
    check("/state/acme/network/more", 404, "there is nothing at").await;
    check("/api/v2/workspaces/ws-short", 405, "it takes GET").await;
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_refused() {
    let place = place().await;
    let check = async |noun: &str, body: &str, status: u16, words: &str| {
        let path = format!("/api/v2/organizations/acme/{noun}");
        let answer = place
            .server
            .call(&place.writer, "POST", &path, body.to_owned())
            .await;
        assert_eq!(answer.header("content-type"), "application/vnd.api+json");
        let answer = place.check(answer, status, words).await;
        let error = &answer.json()["errors"][0];
        assert_eq!(error["status"], status.to_string());
        assert_eq!(error["meta"]["request-id"], answer.header("x-request-id"));
    };
    let named = |name: serde_json::Value| document(&json!({ "name": name, "nmae": "y" }));
    check("workspaces", "{", 400, "EOF while parsing").await;
    check("workspaces", "", 422, "a workspace needs a `name`").await;
    check("workspaces", &named(json!(7)), 400, "invalid type").await;
    let long = "x".repeat(10_000);
    for wrong in ["a b", "né", "имя", "名前", "a/b", "", &long] {
        check(
            "workspaces",
            &named(json!(wrong)),
            422,
            "is not a valid name",
        )
        .await;
    }
    // terraform sends what we do not know; of our own nouns nothing is guessed.
    let grant = document(&json!({ "user": "x", "role": "reader", "rloe": "y" }));
    check("grants", &grant, 400, "unknown field `rloe`").await;
}

/// Sends only the head of an upload of `length` bytes, and says what comes back.
async fn announce(server: &Server, token: Option<&str>, length: u64) -> String {
    let mut stream = server.connect().await;
    let credentials = token
        .map(|token| format!("Authorization: {}\r\n", basic(token)))
        .unwrap_or_default();
    let head = format!(
        "POST {AT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{credentials}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        while !answer.ends_with(b"\n") || !answer.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), read)
        .await
        .expect("the server waits for the body");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn three_hundred_megabytes_are_refused_before_they_are_sent() {
    let place = place().await;
    let answer = announce(&place.server, Some(&place.writer.token), 300 * 1024 * 1024).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(
        answer.contains("more than the 268435456 bytes that are taken"),
        "{answer}"
    );
}

#[tokio::test]
async fn nobody_is_refused_before_anything_is_sent() {
    let place = place().await;
    let answer = announce(&place.server, None, 1000).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

/// A body that comes in pieces, without an announced length.
struct Pieces(usize);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1000])))))
    }
}

#[tokio::test]
async fn a_body_without_length_is_cut_at_the_limit_of_its_address() {
    let place = place().await;
    let check = async |method: &str, path: &str, pieces, status, words: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        let request = request
            .header("authorization", basic(&place.writer.token))
            .body(Pieces(pieces))
            .unwrap();
        place
            .check(place.server.send(request).await, status, words)
            .await;
    };
    check(
        "LOCK",
        AT,
        17,
        413,
        "the lock information has more than the 16384 bytes",
    )
    .await;
    check("LOCK", AT, 16, 400, "the lock information cannot be read").await;
    check(
        "POST",
        "/api/v2/tokens",
        1049,
        413,
        "the document has more than the 1048576 bytes",
    )
    .await;
    check("POST", AT, 2000, 400, "the state is empty").await;
}

#[tokio::test]
async fn every_answer_carries_its_id_and_the_headers_that_protect() {
    let place = place().await;
    let mut ids = std::collections::BTreeSet::new();
    for (method, path, token, status) in [
        ("GET", AT, Some(&*place.writer.token), 200),
        ("GET", AT, None, 401),
        ("GET", "/nowhere", None, 404),
        ("PUT", AT, Some(&*place.writer.token), 405),
        ("HEAD", AT, Some(&*place.writer.token), 405),
    ] {
        let answer = place
            .server
            .send(request(method, path, token, Bytes::new()))
            .await;
        let answer = answer.is(status);
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(answer.header(header), value, "{method} {path}");
        }
        assert!(answer.header("x-request-id").starts_with("req-"));
        assert!(
            ids.insert(answer.header("x-request-id").to_owned()),
            "an id is used once"
        );
    }
}

#[tokio::test]
async fn browsers_keep_to_tls_except_on_localhost_where_terraform_login_listens() {
    let place = place().await;
    for (host, expected) in [
        ("state.example:8443", "max-age=63072000"),
        ("localhost.example", "max-age=63072000"),
        ("localhost:8443", ""),
        ("LOCALHOST", ""),
        ("state.localhost", ""),
    ] {
        let mut asked = request("GET", AT, Some(&place.writer.token), Bytes::new());
        asked.headers_mut().insert("host", host.parse().unwrap());
        let answer = place.server.send(asked).await.is(200);
        assert_eq!(
            answer.header("strict-transport-security"),
            expected,
            "{host}"
        );
    }
}
