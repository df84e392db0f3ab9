//! Somebody who is told of runs, over TLS, by a server that the operator lets do so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::tls::{self, Served};
use tempfile::tempdir;

use crate::support::Server;

const TOKEN: &str = "correct-horse-battery";
/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message as it came.
#[derive(Clone)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| {
            let (of, value) = line.split_once(": ")?;
            of.eq_ignore_ascii_case(name).then_some(value)
        });
        line.unwrap_or_else(|| panic!("{name} in {}", self.head))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A receiver on loopback, with an authority of its own.
struct Receiver {
    address: SocketAddr,
    ca: PathBuf,
    got: Arc<Mutex<Vec<Got>>>,
}

fn read(stream: &mut impl Read) -> Got {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(length, 0, "no whole request: {text}");
            continue;
        };
        let got = Got {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        if body.len() >= got.header("content-length").parse().unwrap() {
            return got;
        }
    }
}

impl Receiver {
    /// Answers 200, but for the first `failures` messages after the first.
    fn new(place: &Path, failures: usize) -> Self {
        let ca = place.join("receiver.pem");
        let names = Names::of_this_machine(&[]);
        let files = Files {
            certificate: ca.clone(),
            keys: place.join("receiver-keys"),
        };
        let authority = Authority::open(files, &names).unwrap();
        let source = Arc::new(authority).server(&names).unwrap();
        let served = Served::open(source, names.required).unwrap();
        let config = tls::server_config(served).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let heard = got.clone();
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(connection, stream.unwrap());
                let message = read(&mut stream);
                let count = {
                    let mut heard = heard.lock().unwrap();
                    heard.push(message);
                    heard.len()
                };
                let status = if (2..2 + failures).contains(&count) {
                    "500 No"
                } else {
                    "200 OK"
                };
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
                stream.flush().unwrap();
            }
        });
        Self { address, ca, got }
    }

    /// Waits for so many messages.
    fn until(&self, count: usize) -> Vec<Got> {
        let begun = Instant::now();
        loop {
            let got = self.got.lock().unwrap().clone();
            if got.len() >= count {
                return got;
            }
            assert!(begun.elapsed() < PATIENCE, "{} messages", got.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a message is signed with the token.
fn is_signed(got: &Got) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA512, TOKEN.as_bytes());
    let signature = hex::decode(got.header("x-tfe-notification-signature")).unwrap();
    hmac::verify(&key, got.body.as_bytes(), &signature).is_ok()
}

/// A server that may tell the receiver, with a workspace whose runs happen on it.
fn serving(place: &tempfile::TempDir, receiver: &Receiver) -> Server {
    let settings = [
        format!("notifications.allow=[\"https://{}\"]", receiver.address),
        format!("notifications.ca_file={}", receiver.ca.display()),
        "notifications.address=https://state.example.com".to_owned(),
        "runs.slots=0".to_owned(),
    ];
    let args: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", setting.as_str()])
        .collect();
    let server = Server::up_with(place, &args);
    server.run(&["workspace", "create", "network"]).done();
    let remote = [
        "execution",
        "set",
        "--workspace",
        "network",
        "--mode",
        "remote",
    ];
    server.run(&remote).done();
    server
}

/// A file with a token that nobody else may read.
fn token_in(folder: &std::path::Path) -> std::path::PathBuf {
    let token = folder.join("token");
    fs_err::write(&token, format!("{TOKEN}\n")).unwrap();
    let set = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs_err::set_permissions(&token, set).unwrap();
    token
}

#[test]
fn a_receiver_is_told_of_a_run_and_knows_who_sent_it() {
    let place = tempdir().unwrap();
    let receiver = Receiver::new(place.path(), 1);
    let server = serving(&place, &receiver);
    let token = token_in(place.path());
    let url = format!("https://{}/runs", receiver.address);
    let token = token.to_str().unwrap();
    let create = [
        "notification",
        "create",
        "network",
        "ops",
        "--url",
        &url,
        "--sign-with",
        token,
    ];
    let made = server.json(&[&create[..], &["--on", "run:created,run:errored"]].concat());
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        (&made["token"], &made["signed"]),
        (&Value::Null, &Value::Bool(true))
    );

    let project = place.path().join("project");
    fs_err::create_dir(&project).unwrap();
    fs_err::write(
        project.join("main.tf"),
        "resource \"terraform_data\" \"one\" {}\n",
    )
    .unwrap();
    let dir = project.to_str().unwrap();
    server
        .run(&["run", "start", "network", "--dir", dir, "--detach"])
        .done();

    // The one that tried it, the first try, which is refused, and the second, ten seconds later.
    let got = receiver.until(3);
    assert!(got.iter().all(is_signed));
    let tried = got[0].json();
    assert_eq!(tried["notifications"][0]["trigger"], "verification");
    let told = got[2].json();
    assert_eq!(told["notifications"][0]["trigger"], "run:created");
    assert_eq!(told["workspace_name"], "network");
    assert_eq!(told["notification_configuration_id"], id);
    let run = told["run_id"].as_str().unwrap();
    let link = format!("https://state.example.com/app/main/network/runs/{run}");
    assert_eq!(told["run_url"], link);
    let delivery = |got: &Got| got.header("x-statehouse-delivery").to_owned();
    assert_eq!(delivery(&got[1]), delivery(&got[2]));
    assert_ne!(delivery(&got[0]), delivery(&got[1]));
    // Both are signed with the rest: each try says which delivery it is of, and when it was sent.
    assert!(
        got.iter()
            .all(|each| each.json()["delivery_id"] == delivery(each))
    );
    let sent_at = |got: &Got| got.json()["sent_at"].as_str().unwrap().to_owned();
    assert!(sent_at(&got[0]) < sent_at(&got[1]) && sent_at(&got[1]) < sent_at(&got[2]));

    server.run(&["notification", "verify", id]).done();
    receiver.until(4);
    let shown = server.run(&["notification", "deliveries", id]).done();
    assert!(shown.text().contains("delivered"), "{shown:?}");
    let other = ["notification", "set", id, "--url", "https://127.0.0.1:1/"];
    let unsaid = ["say the token again", "--sign-with"];
    server.run(&other).ends(1, unsaid);
    let other = [&other[..], &["--sign-with", token]].concat();
    server.run(&other).ends(1, ["leads inside"]);
    let listed = server.run(&["notification", "list", "network"]).done();
    assert!(listed.text().contains(&url) && !listed.text().contains(TOKEN));
    server.run(&["notification", "delete", id]).done();
    server
        .run(&["notification", "show", id])
        .ends(3, ["error:"]);
    server.stop();
}
