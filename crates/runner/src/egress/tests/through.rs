//! What is allowed goes through, whole.

use super::*;

#[tokio::test]
async fn an_allowed_host_gets_every_byte_and_is_told_twice() {
    let mut run = Run::new(&["https://registry.example"]);
    run.world.name("registry.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let (mut stream, head) = run.tunnel("Registry.Example:443").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let hello = hello("registry.example");
    stream.write_all(&hello).await.unwrap();
    let mut back = vec![0; hello.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(back, hello);
    let opened = run.event().await;
    assert_eq!(
        (opened.stage, opened.host.as_str(), opened.port),
        (Stage::Opened, "registry.example", 443)
    );
    assert_eq!(opened.address.unwrap().to_string(), PUBLIC);
    stream.write_all(b"more").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"more");
    let closed = run.event().await;
    let bytes = hello.len() as u64 + 4;
    assert_eq!(
        (closed.stage, closed.bytes_up, closed.bytes_down),
        (Stage::Closed, bytes, bytes)
    );
    assert_eq!(
        (closed.number, closed.why, closed.started_at),
        (opened.number, None, 1_700_000_000_000_000)
    );
    assert_eq!(run.world.dialed(), [format!("{PUBLIC}:443")]);
}

#[tokio::test]
async fn a_greeting_may_come_with_the_request_or_byte_by_byte() {
    let mut run = Run::new(&["https://a.example"]);
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let hello = hello("a.example");
    let mut early = run.connect().await;
    let head = b"CONNECT a.example:443 HTTP/1.1\r\n\r\n".to_vec();
    early
        .write_all(&[head, hello.clone()].concat())
        .await
        .unwrap();
    assert!(head_of(&mut early).await.contains("200"));
    let mut back = vec![0; hello.len()];
    early.read_exact(&mut back).await.unwrap();
    assert_eq!(back, hello);
    let (mut slow, _) = run.tunnel("a.example:443").await;
    for byte in &hello {
        slow.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    slow.read_exact(&mut back).await.unwrap();
    assert_eq!(back, hello);
    assert_eq!(run.event().await.stage, Stage::Opened);
}

#[tokio::test]
async fn an_answer_of_several_addresses_is_tried_where_it_is_public() {
    let run = Run::new(&["https://a.example"]);
    run.world.name(
        "a.example",
        &[&["10.0.0.1", "127.0.0.1", "1.1.1.1", PUBLIC]],
    );
    run.world.route(PUBLIC, echo().await);
    let (_, head) = run.tunnel("a.example:443").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(
        run.world.dialed(),
        ["1.1.1.1:443".to_owned(), format!("{PUBLIC}:443")]
    );
}

#[tokio::test]
async fn an_address_is_reached_by_an_entry_that_names_it() {
    let mut run = Run::new(&[
        "https://169.254.169.254",
        "https://vault.corp.example:8200 private",
    ]);
    run.world.name("vault.corp.example", &[&["10.1.2.3"]]);
    let echo = echo().await;
    run.world.route("169.254.169.254", echo);
    run.world.route("10.1.2.3", echo);
    for (place, name) in [
        ("169.254.169.254:443", "169.254.169.254"),
        ("vault.corp.example:8200", "vault.corp.example"),
    ] {
        let (mut stream, head) = run.tunnel(place).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let hello = hello(name);
        stream.write_all(&hello).await.unwrap();
        stream.read_exact(&mut vec![0; hello.len()]).await.unwrap();
        assert_eq!(run.event().await.stage, Stage::Opened);
        drop(stream);
        assert_eq!(run.event().await.stage, Stage::Closed);
    }
}

#[tokio::test]
async fn a_side_that_is_done_may_go_on_listening() {
    let run = Run::new(&["tcp://db.internal:5432"]);
    run.world.name("db.internal", &[&["10.0.0.9"]]);
    let (address, mut connections) = accepting().await;
    run.world.route("10.0.0.9", address);
    let mut client = run.connect().await;
    client.write_all(b"TCP 0\nask").await.unwrap();
    client.shutdown().await.unwrap();
    let mut server = connections.recv().await.unwrap();
    let mut asked = Vec::new();
    server.read_to_end(&mut asked).await.unwrap();
    assert_eq!(asked, b"ask");
    let answer = noise(1 << 20);
    server.write_all(&answer).await.unwrap();
    drop(server);
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert!(got == answer, "{} of {} bytes", got.len(), answer.len());
    assert_eq!(run.world.dialed(), ["10.0.0.9:5432"]);
}

#[tokio::test]
async fn a_server_that_is_done_still_gets_what_is_sent() {
    let run = Run::new(&["tcp://db.internal:5432"]);
    run.world.name("db.internal", &[&["10.0.0.9"]]);
    let (address, mut connections) = accepting().await;
    run.world.route("10.0.0.9", address);
    let mut client = run.connect().await;
    client.write_all(b"TCP 0\n").await.unwrap();
    let mut server = connections.recv().await.unwrap();
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"bye");
    client.write_all(b"and still").await.unwrap();
    client.shutdown().await.unwrap();
    let mut late = Vec::new();
    server.read_to_end(&mut late).await.unwrap();
    assert_eq!(late, b"and still");
}

#[tokio::test]
async fn what_asks_for_the_state_gets_to_the_state_with_every_byte() {
    let mut run = Run::new(&[]);
    let mut client = run.connect().await;
    client
        .write_all(b"STATE\nGET /state HTTP/1.1\r\n")
        .await
        .unwrap();
    let mut served = run.state.recv().await.unwrap();
    client.write_all(b"Host: x\r\n\r\n").await.unwrap();
    let expected = b"GET /state HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut got = vec![0; expected.len()];
    served.read_exact(&mut got).await.unwrap();
    assert_eq!(got, expected);
    served.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
    served.shutdown().await.unwrap();
    let mut back = Vec::new();
    client.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"HTTP/1.1 200 OK\r\n");
    assert!(run.events.try_recv().is_err());
}

#[tokio::test]
async fn when_the_run_is_over_everything_ends_and_is_told() {
    let mut run = Run::new(&["tcp://db.internal:5432"]);
    run.world.name("db.internal", &[&["10.0.0.9"]]);
    run.world.route("10.0.0.9", echo().await);
    let mut client = run.connect().await;
    client.write_all(b"TCP 0\nx").await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
    run.over().await;
    assert_eq!(run.event().await.stage, Stage::Opened);
    let closed = run.event().await;
    assert_eq!(
        (closed.stage, closed.bytes_up, closed.bytes_down),
        (Stage::Closed, 1, 1)
    );
    assert_eq!(closed.why.as_deref(), Some("the run is over"));
    assert!(run.events.recv().await.is_none());
}
