//! Logs that are followed: how many at once, and until when.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use statehouse_core::access::{self, Scope};
use statehouse_core::run::work::Line;
use statehouse_core::session::{OF_PERSON_MAX, OF_SESSION_MAX};
use statehouse_core::user;
use statehouse_model::{GrantId, Role, UserId};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::pages::PASSWORD;
use crate::planned::{Remote, job_of};
use crate::support::{Browser, name};

/// How long a stream may go on after whoever follows may not any more.
const SECONDS_FEW: Duration = Duration::from_secs(8);

/// A run that plans, and the address of its log.
async fn planning(remote: &Remote) -> (Line, String) {
    let run = remote.run(json!({})).await;
    let line = job_of(remote.server(), &run).await;
    line.planning().await.unwrap();
    line.log(0, Bytes::from_static(b"one\n")).await.unwrap();
    (line, format!("/app/acme/dns/runs/{run}/log?of=plan"))
}

/// A stream that is open.
struct Followed {
    response: Response<Incoming>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Followed {
    async fn open(remote: &Remote, browser: &Browser<'_>, path: &str) -> Self {
        let stream = TokioIo::new(remote.server().connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let cookies = browser.cookies.iter();
        let cookies = cookies.map(|(name, value)| format!("{name}={value}"));
        let request = Request::builder()
            .uri(path)
            .header("host", "localhost")
            .header("accept", "text/event-stream")
            .header("cookie", cookies.collect::<Vec<_>>().join("; "))
            .body(Empty::<Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        Self {
            response,
            connection,
        }
    }

    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Waits until this was said.
    async fn says(&mut self, words: &str) {
        let mut said = String::new();
        let heard = async {
            while !said.contains(words) {
                let frame = self.response.body_mut().frame().await;
                let frame = frame.expect("it goes on").unwrap();
                said.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
            }
        };
        let heard = timeout(SECONDS_FEW, heard).await;
        assert!(heard.is_ok(), "{words:?} was not said: {said:?}");
    }

    /// What is said until it ends, which it does within seconds.
    async fn ends(self) -> String {
        let rest = timeout(SECONDS_FEW, self.response.into_body().collect()).await;
        let rest = rest.expect("it ends").unwrap().to_bytes();
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Whoever follows goes away.
    fn close(self) {
        self.connection.abort();
    }
}

async fn person(remote: &Remote, called: &str) -> UserId {
    let machine = remote.server().core.machine();
    let made = user::create(&machine, name(called), false, Some(PASSWORD.into())).await;
    made.unwrap().id.parse().unwrap()
}

async fn planner(remote: &Remote, user: &UserId) -> GrantId {
    let given = access::give(
        &remote.ctx,
        user.clone(),
        Role::Planner,
        Scope::Organization,
        None,
    );
    given.await.unwrap().id.parse().unwrap()
}

async fn signed_in<'s>(remote: &'s Remote, called: &str) -> Browser<'s> {
    let mut browser = Browser::new(remote.server());
    browser.sign_in(called, PASSWORD).await.is(303);
    browser
}

#[tokio::test]
async fn who_signs_out_follows_a_log_no_longer() {
    let remote = Remote::new().await;
    let (line, log) = planning(&remote).await;
    let ada = person(&remote, "ada").await;
    planner(&remote, &ada).await;
    let mut browser = signed_in(&remote, "ada").await;
    let other = signed_in(&remote, "ada").await;
    let mut followed = Followed::open(&remote, &browser, &log).await;
    let mut stays = Followed::open(&remote, &other, &log).await;
    followed.says("data: one").await;
    stays.says("data: one").await;
    browser.fill("/", "/sign-out", &[]).await.is(303);
    let two = Bytes::from_static(b"two\n");
    line.log(4, two).await.unwrap();
    let rest = followed.ends().await;
    assert!(!rest.contains("two"), "{rest}");
    // It is that session's end, and nobody else's.
    stays.says("data: two").await;
    stays.close();
}

#[tokio::test]
async fn who_loses_the_role_follows_a_log_no_longer() {
    let remote = Remote::new().await;
    let (line, log) = planning(&remote).await;
    let ada = person(&remote, "ada").await;
    let grant = planner(&remote, &ada).await;
    let browser = signed_in(&remote, "ada").await;
    let mut followed = Followed::open(&remote, &browser, &log).await;
    followed.says("data: one").await;
    access::take(&remote.ctx, grant).await.unwrap();
    let two = Bytes::from_static(b"two\n");
    line.log(4, two).await.unwrap();
    let rest = followed.ends().await;
    assert!(!rest.contains("two"), "{rest}");
    let again = Followed::open(&remote, &browser, &log).await;
    assert_eq!(again.status(), 404);
}

#[tokio::test]
async fn who_is_disabled_follows_a_log_no_longer() {
    let remote = Remote::new().await;
    let (line, log) = planning(&remote).await;
    let ada = person(&remote, "ada").await;
    planner(&remote, &ada).await;
    let browser = signed_in(&remote, "ada").await;
    let mut followed = Followed::open(&remote, &browser, &log).await;
    followed.says("data: one").await;
    let machine = remote.server().core.machine();
    let disabled = remote
        .server()
        .core
        .disable_user(&machine, name("ada"))
        .await;
    disabled.unwrap();
    let two = Bytes::from_static(b"two\n");
    line.log(4, two).await.unwrap();
    let rest = followed.ends().await;
    assert!(!rest.contains("two"), "{rest}");
}

#[tokio::test]
async fn a_session_follows_so_many_logs_at_once_and_no_more() {
    let remote = Remote::new().await;
    let (_line, log) = planning(&remote).await;
    for called in ["ada", "bob"] {
        let user = person(&remote, called).await;
        planner(&remote, &user).await;
    }
    let mut browser = signed_in(&remote, "ada").await;
    let mut open = Vec::new();
    for _ in 0..OF_SESSION_MAX {
        let mut followed = Followed::open(&remote, &browser, &log).await;
        assert_eq!(followed.status(), 200);
        followed.says("data: one").await;
        open.push(followed);
    }
    let refused = browser.get(&log).await.is(429);
    let words = format!("This session follows {OF_SESSION_MAX} logs at once");
    assert!(refused.text().contains(&words), "{}", refused.text());
    assert!(!refused.header("retry-after").is_empty());
    // A page is no stream, and another person has their own.
    browser.get("/app/acme/dns").await.is(200);
    let bob = signed_in(&remote, "bob").await;
    let followed = Followed::open(&remote, &bob, &log).await;
    assert_eq!(followed.status(), 200);
    // One that is closed makes room.
    open.pop().unwrap().close();
    let mut again = 429;
    for _ in 0..50 {
        let followed = Followed::open(&remote, &browser, &log).await;
        again = followed.status();
        if again == 200 {
            open.push(followed);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(again, 200);
}

#[tokio::test]
async fn a_person_follows_so_many_logs_in_all_sessions_together() {
    let remote = Remote::new().await;
    let (_line, log) = planning(&remote).await;
    let ada = person(&remote, "ada").await;
    planner(&remote, &ada).await;
    let mut open = Vec::new();
    for _ in 0..OF_PERSON_MAX / OF_SESSION_MAX {
        let browser = signed_in(&remote, "ada").await;
        for _ in 0..OF_SESSION_MAX {
            let followed = Followed::open(&remote, &browser, &log).await;
            assert_eq!(followed.status(), 200);
            open.push(followed);
        }
    }
    let mut browser = signed_in(&remote, "ada").await;
    let refused = browser.get(&log).await.is(429);
    let words = format!("This account follows {OF_PERSON_MAX} logs at once");
    assert!(refused.text().contains(&words), "{}", refused.text());
}
