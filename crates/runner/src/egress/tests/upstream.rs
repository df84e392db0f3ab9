//! Below a proxy of the organization's own: what it is asked, what it is not asked, and what it may answer.

use super::*;

/// Where the proxy is: inside, which no entry of a list would allow.
const PROXY: &str = "http://build:hunter2@proxy.corp.example:3128";
const INSIDE: &str = "10.0.0.3";

/// Reads what one connection asks, answers it, and goes on as the other end, which gives back what it is sent.
async fn proxy(answer: &'static [u8]) -> (SocketAddr, mpsc::Receiver<String>) {
    let (address, mut connections) = accepting().await;
    let (told, asked) = mpsc::channel(100);
    tokio::spawn(async move {
        while let Some(mut stream) = connections.recv().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                told.send(String::from_utf8(head).unwrap()).await.unwrap();
                stream.write_all(answer).await.unwrap();
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (address, asked)
}

fn below(address: &str, except: &[&str], allow: &[&str]) -> Run {
    let except: Vec<String> = except.iter().map(|&host| host.to_owned()).collect();
    let upstream = Upstream::parse(address, &except).unwrap();
    Run::above(allow, short_limits(), Some(upstream))
}

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

#[tokio::test]
async fn an_allowed_host_is_asked_of_the_proxy_by_its_name_and_gets_every_byte() {
    for (address, authorization) in [
        (PROXY, "Proxy-Authorization: Basic YnVpbGQ6aHVudGVyMg==\r\n"),
        ("http://proxy.corp.example:3128", ""),
    ] {
        let mut run = below(address, &[], &["https://registry.example"]);
        let (there, mut asked) = proxy(ESTABLISHED).await;
        run.world.name("proxy.corp.example", &[&[INSIDE]]);
        run.world.route(INSIDE, there);
        let (mut stream, head) = run.tunnel("registry.example:443").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let hello = hello("registry.example");
        stream.write_all(&hello).await.unwrap();
        let mut back = vec![0; hello.len()];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, hello);
        let expected = format!(
            "CONNECT registry.example:443 HTTP/1.1\r\nHost: registry.example:443\r\n{authorization}\r\n"
        );
        assert_eq!(asked.recv().await.unwrap(), expected);
        // Nobody here asks for the name of the host.
        assert_eq!(run.world.asked(), ["proxy.corp.example"]);
        assert_eq!(run.world.dialed(), [format!("{INSIDE}:3128")]);
        let opened = run.event().await;
        assert_eq!(opened.stage, Stage::Opened);
        assert_eq!(opened.through.as_deref(), Some("proxy.corp.example:3128"));
        assert_eq!(opened.address.unwrap().to_string(), INSIDE);
        assert!(!format!("{opened:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn what_is_not_allowed_never_reaches_the_proxy() {
    let allow = [
        "https://a.example",
        "https://*.google.internal",
        "https://localhost",
    ];
    let mut run = below(PROXY, &[], &allow);
    for (place, why) in [
        ("b.example:443", "is not on the egress list"),
        ("a.example:8443", "is not on the egress list"),
        ("10.0.0.1:443", "is not on the egress list"),
        ("169.254.169.254:443", "is not on the egress list"),
        (
            "metadata.google.internal:443",
            "for which no proxy is asked",
        ),
        ("localhost:443", "for which no proxy is asked"),
    ] {
        let (_, head) = run.tunnel(place).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{place}: {head}");
        let event = run.event().await;
        assert_eq!(
            (event.stage, event.through),
            (Stage::Refused, None),
            "{place}"
        );
        assert!(event.why.unwrap().contains(why), "{place}");
    }
    assert!(run.world.asked().is_empty() && run.world.dialed().is_empty());
}

#[tokio::test]
async fn what_is_of_this_machine_and_what_is_excepted_goes_without_the_proxy() {
    let allow = [
        "https://vault.corp.example private",
        "https://www.corp.example",
        "https://169.254.169.254",
        "tcp://db.corp.example:5432",
    ];
    let mut run = below(PROXY, &["*.corp.example"], &allow);
    let echo = echo().await;
    run.world.name("vault.corp.example", &[&["10.0.0.9"]]);
    run.world.name("www.corp.example", &[&["10.0.0.9"]]);
    run.world.name("db.corp.example", &[&["10.0.0.9"]]);
    run.world.route("10.0.0.9", echo);
    run.world.route("169.254.169.254", echo);
    for (place, name) in [
        ("vault.corp.example:443", "vault.corp.example"),
        ("169.254.169.254:443", "169.254.169.254"),
    ] {
        let (mut stream, head) = run.tunnel(place).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        stream.write_all(&hello(name)).await.unwrap();
        let event = run.event().await;
        assert_eq!(
            (event.stage, event.through),
            (Stage::Opened, None),
            "{place}"
        );
        drop(stream);
        assert_eq!(run.event().await.stage, Stage::Closed);
    }
    // Without the proxy, addresses are looked at as ever.
    run.tunnel("www.corp.example:443").await;
    assert!(run.refusal().await.contains("a private address"));
    let mut client = run.connect().await;
    client.write_all(b"TCP 0\nx").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    assert_eq!(run.event().await.through, None);
    let dialed = ["10.0.0.9:443", "169.254.169.254:443", "10.0.0.9:5432"];
    assert_eq!(run.world.dialed(), dialed);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_answers_nonsense_is_told_in_our_words() {
    let endless: &'static [u8] = Box::leak(vec![b'x'; 20_000].into_boxed_slice());
    for (answer, stage, status, words) in [
        (
            &b"HTTP/1.1 407 build:hunter2 is wrong\r\nProxy-Authenticate: Basic realm=\"hunter2\"\r\n\r\n"[..],
            Stage::Refused,
            403,
            "answered 407: it wants a user and a password",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nhunter2",
            Stage::Refused,
            403,
            "answered 403: it does not let this host through",
        ),
        (
            b"HTTP/1.1 503 hunter2\r\n\r\n",
            Stage::Failed,
            502,
            "answered 503: it could not reach the host",
        ),
        (b"220 hunter2 ESMTP\r\n\r\n", Stage::Failed, 502, "is not HTTP"),
        (endless, Stage::Failed, 502, "more than 16384 bytes"),
        (b"", Stage::Failed, 502, "did not answer in time"),
        (
            b"HTTP/1.1 200 OK\r\n\r\nhunter2",
            Stage::Failed,
            502,
            "sent more than an answer",
        ),
    ] {
        let mut run = below(PROXY, &[], &["https://a.example"]);
        let (there, _asked) = proxy(answer).await;
        run.world.name("proxy.corp.example", &[&[INSIDE]]);
        run.world.route(INSIDE, there);
        let (_, head) = run.tunnel("a.example:443").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let event = run.event().await;
        assert_eq!((event.stage, event.host.as_str()), (stage, "a.example"));
        assert_eq!(event.through.as_deref(), Some("proxy.corp.example:3128"));
        let why = event.why.unwrap();
        let begin = "the proxy proxy.corp.example:3128 ";
        assert!(why.starts_with(begin) && why.contains(words), "{why}");
        assert!(!format!("{head}{why}").contains("hunter2"), "{head} {why}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_nobody_else_is_tried() {
    let mut run = below(PROXY, &[], &["https://a.example"]);
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let (_, head) = run.tunnel("a.example:443").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let why = run.refusal().await;
    assert!(
        why.starts_with("the proxy proxy.corp.example could not be resolved"),
        "{why}"
    );
    run.world.name("proxy.corp.example", &[&[INSIDE]]);
    run.tunnel("a.example:443").await;
    let why = run.refusal().await;
    assert!(
        why.starts_with("the proxy proxy.corp.example could not be reached"),
        "{why}"
    );
    assert_eq!(run.world.dialed(), [format!("{INSIDE}:3128")]);
}

#[tokio::test]
async fn a_greeting_for_somebody_else_does_not_go_through_the_proxy() {
    let mut run = below(PROXY, &[], &["https://a.example"]);
    let (there, mut asked) = proxy(ESTABLISHED).await;
    run.world.name("proxy.corp.example", &[&[INSIDE]]);
    run.world.route(INSIDE, there);
    let (mut stream, _) = run.tunnel("a.example:443").await;
    stream.write_all(&hello("evil.example")).await.unwrap();
    let mut back = Vec::new();
    let _ = stream.read_to_end(&mut back).await;
    assert_eq!(back, greeting::ALERT);
    assert_eq!(
        run.refusal().await,
        "the TLS greeting asks for evil.example"
    );
    assert!(
        asked
            .recv()
            .await
            .unwrap()
            .starts_with("CONNECT a.example:443 ")
    );
}
