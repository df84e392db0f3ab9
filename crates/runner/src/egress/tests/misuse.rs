//! What is not allowed, and what is sent to get around that.

use super::*;

async fn refused(run: &mut Run, place: &str) -> (String, String) {
    let (_, head) = run.tunnel(place).await;
    (head, run.refusal().await)
}

#[tokio::test]
async fn what_is_not_listed_is_refused_before_anything_is_asked() {
    let mut run = Run::new(&["https://a.example", "tcp://c.example:22"]);
    for place in [
        "b.example:443",
        "a.example:22",
        "c.example:22",
        "127.0.0.1:443",
        "[::1]:443",
        "169.254.169.254:443",
    ] {
        let (head, why) = refused(&mut run, place).await;
        let first = head.lines().next().unwrap();
        assert_eq!(first, format!("HTTP/1.1 403 Statehouse: {why}"), "{place}");
        assert!(
            why.ends_with("is not on the egress list of this workspace"),
            "{why}"
        );
    }
    assert!(run.world.asked().is_empty() && run.world.dialed().is_empty());
}

#[tokio::test]
async fn an_address_that_is_written_as_a_number_is_no_host() {
    let mut run = Run::new(&["https://a.example"]);
    for place in [
        "2130706433:443",
        "0x7f.1:443",
        "127.1:443",
        "[::ffff:127.0.0.1]:443",
        "a.example",
        "a.example:0",
        "a_b$:1",
    ] {
        let (head, why) = refused(&mut run, place).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{place}: {head}");
        assert!(why.starts_with("CONNECT names no host and port"), "{why}");
    }
    assert!(run.world.asked().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nobody_is_dialed() {
    let mut run = Run::new(&[
        "https://a.example",
        "https://p.example private",
        "tcp://t.example:1",
    ]);
    let inside = [
        ("127.0.0.1", "the machine itself"),
        ("10.0.0.1", "a private address"),
        ("100.64.0.1", "a private address"),
        ("169.254.169.254", "a metadata service"),
        ("fd00:ec2::254", "a metadata service"),
        ("168.63.129.16", "a metadata service"),
        ("::ffff:93.184.216.34", "a reserved address"),
        ("64:ff9b::5db8:d822", "a reserved address"),
        ("0.0.0.0", "a reserved address"),
        ("fe80::1", "a link-local address"),
    ];
    for (address, words) in inside {
        run.world.name("a.example", &[&[address]]);
        let (head, why) = refused(&mut run, "a.example:443").await;
        let expected =
            format!("a.example leads to {address}, {words}, which its entry does not allow");
        assert_eq!(why, expected);
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    }
    for address in [
        "127.0.0.1",
        "::1",
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
    ] {
        run.world.name("p.example", &[&[address]]);
        refused(&mut run, "p.example:443").await;
        run.world.name("t.example", &[&[address]]);
        let mut client = run.connect().await;
        client.write_all(b"TCP 0\n").await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        run.refusal().await;
    }
    assert!(run.world.dialed().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_changes_nothing() {
    let mut run = Run::new(&["https://a.example"]);
    run.world.name("a.example", &[&[PUBLIC], &["127.0.0.1"]]);
    run.world.route(PUBLIC, echo().await);
    let (_open, head) = run.tunnel("a.example:443").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(run.world.asked().len(), 1);
    let (_, why) = refused(&mut run, "a.example:443").await;
    assert!(why.contains("the machine itself"), "{why}");
    assert_eq!(run.world.dialed(), [format!("{PUBLIC}:443")]);
}

/// Sends bytes through a tunnel that was granted; what the server got, what came back, and what was told.
async fn sent(run: &mut Run, place: &str, bytes: &[u8]) -> (Vec<u8>, Vec<u8>, String) {
    let (address, mut connections) = accepting().await;
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, address);
    let (mut stream, head) = run.tunnel(place).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    stream.write_all(bytes).await.unwrap();
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back).await;
    let mut server = connections.recv().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    (got, back, run.refusal().await)
}

#[tokio::test]
async fn a_greeting_for_somebody_else_goes_to_nobody() {
    let mut run = Run::with(
        &["https://a.example", "https://93.184.216.34"],
        short_limits(),
    );
    let other = hello("evil.example");
    let (got, back, why) = sent(&mut run, "a.example:443", &other).await;
    assert_eq!((got.len(), back.as_slice()), (0, greeting::ALERT));
    assert_eq!(why, "the TLS greeting asks for evil.example");
    let (got, _, why) = sent(&mut run, "a.example:443", &hello(PUBLIC)).await;
    assert_eq!(
        (got.len(), why.as_str()),
        (0, "the TLS greeting asks for no name")
    );
    let (got, _, why) = sent(&mut run, "93.184.216.34:443", &other).await;
    assert_eq!(
        (got.len(), why.as_str()),
        (0, "the TLS greeting asks for evil.example")
    );
    let subdomain = hello("a.example.evil.example");
    let (got, _, _) = sent(&mut run, "a.example:443", &subdomain).await;
    assert_eq!(got.len(), 0);
}

#[tokio::test]
async fn what_is_not_tls_goes_to_nobody() {
    let mut run = Run::with(&["https://a.example"], short_limits());
    let mut huge = vec![22, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff];
    huge.resize(40_000, 0);
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0; 100],
        &huge,
    ] {
        let (got, _, why) = sent(&mut run, "a.example:443", bytes).await;
        assert_eq!(
            (got.len(), why.as_str()),
            (0, "what followed CONNECT was not TLS")
        );
    }
}

#[tokio::test]
async fn who_is_slow_is_not_waited_for() {
    let mut run = Run::with(&["https://a.example"], short_limits());
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let dribble = |mut stream: UnixStream, bytes: Vec<u8>| async move {
        for byte in bytes {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    let head = b"CONNECT a.example:443 HTTP/1.1\r\nX: yyyyyyyyyyyyyyyyyyyyyyy".to_vec();
    tokio::spawn(dribble(run.connect().await, head));
    assert_eq!(run.refusal().await, "the request was not there in time");
    let (stream, _) = run.tunnel("a.example:443").await;
    tokio::spawn(dribble(stream, hello("a.example")));
    assert_eq!(run.refusal().await, "the request was not there in time");
    // Somebody who connects and says nothing at all wanted nothing.
    drop(run.connect().await);
    let (head, _) = refused(&mut run, "b.example:443").await;
    assert!(head.starts_with("HTTP/1.1 403 "));
}

#[tokio::test]
async fn a_server_that_is_mute_or_a_line_that_is_idle_is_ended() {
    let mut run = Run::with(&["https://a.example", "tcp://t.example:1"], short_limits());
    let (address, mut connections) = accepting().await;
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.name("t.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, address);
    let (mut stream, _) = run.tunnel("a.example:443").await;
    stream.write_all(&hello("a.example")).await.unwrap();
    let _mute = connections.recv().await;
    assert_eq!(run.event().await.stage, Stage::Opened);
    assert_eq!(
        run.event().await.why.unwrap(),
        "the server did not answer in time"
    );
    let mut idle = run.connect().await;
    idle.write_all(b"TCP 0\nhello").await.unwrap();
    let _idle = connections.recv().await;
    assert_eq!(run.event().await.stage, Stage::Opened);
    let closed = run.event().await;
    assert_eq!(
        (closed.bytes_up, closed.why.unwrap().as_str()),
        (5, "nothing was sent for too long")
    );
}

#[tokio::test]
async fn http_in_clear_is_refused_in_words_that_keep_no_secret() {
    let mut run = Run::new(&["https://a.example"]);
    let mut stream = run.connect().await;
    let request =
        b"GET http://u:secret@a.example/x?token=secret HTTP/1.1\r\nHost: a.example\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Statehouse: plain HTTP does not leave the sandbox"));
    assert!(answer.ends_with("in a tcp:// entry\n"), "{answer}");
    let event = run.event().await;
    assert_eq!((event.allowed(), event.host.as_str()), (false, "a.example"));
    assert!(!answer.contains("secret"));
}

#[tokio::test]
async fn a_head_without_an_end_is_refused() {
    let mut run = Run::new(&["https://a.example"]);
    let mut stream = run.connect().await;
    let long = format!(
        "CONNECT a.example:443 HTTP/1.1\r\n{}",
        "X: y\r\n".repeat(5000)
    );
    let _ = stream.write_all(long.as_bytes()).await;
    assert!(head_of(&mut stream).await.starts_with("HTTP/1.1 431 "));
    assert!(run.refusal().await.contains("longer than"));
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_no_refusal() {
    let mut run = Run::new(&["https://a.example", "https://b.example"]);
    run.world.name("a.example", &[&[PUBLIC]]);
    for (place, words) in [
        ("a.example:443", "could not be reached"),
        ("b.example:443", "could not be resolved"),
    ] {
        let (_, head) = run.tunnel(place).await;
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
        let event = run.event().await;
        assert!(event.allowed() && event.stage == Stage::Failed, "{event:?}");
        assert!(event.why.unwrap().contains(words));
    }
}

#[tokio::test]
async fn what_cannot_be_told_does_not_leave() {
    let mut run = Run::new(&["tcp://t.example:1"]);
    run.world.name("t.example", &[&[PUBLIC]]);
    let (address, mut connections) = accepting().await;
    run.world.route(PUBLIC, address);
    run.events.close();
    let mut client = run.connect().await;
    client.write_all(b"TCP 0\nsecret").await.unwrap();
    let mut got = Vec::new();
    let mut server = connections.recv().await.unwrap();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_and_a_run_has_an_end_of_them() {
    let limits = Limits {
        connections_max: 2,
        connections_per_run_max: 4,
        ..Limits::default()
    };
    let mut run = Run::with(&["tcp://t.example:1"], limits);
    run.world.name("t.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = run.connect().await;
        client.write_all(b"TCP 0\nx").await.unwrap();
        open.push(client);
    }
    let mut third = open.pop().unwrap();
    for client in &mut open {
        client.read_exact(&mut [0]).await.unwrap();
    }
    let early = tokio::time::timeout(Duration::from_millis(200), third.read_u8()).await;
    assert!(early.is_err());
    open.clear();
    assert_eq!(third.read_u8().await.unwrap(), b'x');
    for _ in 0..5 {
        let mut client = run.connect().await;
        let _ = client.write_all(b"TCP 0\n").await;
    }
    drop(third);
    let mut refusals = 0;
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(500), run.events.recv()).await
    {
        refusals += usize::from(event.stage == Stage::Refused);
    }
    assert_eq!(refusals, 1);
}
