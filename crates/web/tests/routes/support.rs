//! A server in this process, and a client of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use statehouse_core::access::{self, Scope};
use statehouse_core::notification::{Deliver, Message, Sending};
use statehouse_core::seal::KeyDirectory;
use statehouse_core::token::{self, Wish};
use statehouse_core::{Core, Ctx, Options, user};
use statehouse_model::{Name, Role, UserId};
use statehouse_web::Pace;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::listen::{self, Limits};
use statehouse_web::tls::{self, Served};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::contract;
use crate::estimator;
use crate::judge::Bench;

/// Where the tests' clock starts: 1 August 2026.
const START_US: i64 = 1_785_580_272_000_000;

/// A server with a site of its own.
pub(crate) struct Server {
    pub(crate) core: Arc<Core>,
    pub(crate) address: SocketAddr,
    client: Arc<ClientConfig>,
    clock: Arc<AtomicI64>,
    place: TempDir,
}

/// A user of a server, and a token of theirs.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status, showing the body if it is another.
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl Server {
    pub(crate) async fn start() -> Self {
        // The tests' clock hardly moves, so that nothing of a budget ever comes back.
        Self::paced(Pace {
            per_second: 1,
            burst: 1_000_000,
        })
        .await
    }

    pub(crate) async fn paced(pace: Pace) -> Self {
        let place = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(START_US));
        let core = Core::open(options(place.path(), clock.clone()))
            .await
            .unwrap();
        let files = Files {
            certificate: place.path().join("ca.pem"),
            keys: place.path().join("ca.keys"),
        };
        let names = Names::of_this_machine(&[]);
        let authority = Arc::new(Authority::open(files, &names).unwrap());
        let roots = tls::roots(authority.certificate_pem().as_bytes(), "ca.pem").unwrap();
        let served = Served::open(authority.server(&names).unwrap(), names.required).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = tls::server_config(served).unwrap();
        let router = statehouse_web::router(core.clone(), pace);
        tokio::spawn(listen::serve(
            listener,
            config,
            router,
            Limits::default(),
            std::future::pending(),
        ));
        Self {
            core,
            address,
            client: tls::client_config(roots).unwrap(),
            clock,
            place,
        }
    }

    /// The names of sealed bodies that are too large for a row.
    pub(crate) fn bodies(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.place.path().join("data")];
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().to_string_lossy().into_owned();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if !name.contains('.') && name.contains('-') {
                    found.insert(name);
                }
            }
        }
        found
    }

    /// Moves the clock.
    pub(crate) fn later(&self, us: i64) {
        self.clock.fetch_add(us, Ordering::Relaxed);
    }

    /// A new user with a token.
    pub(crate) async fn person(&self, called: &str, operator: bool) -> Person {
        let made = user::create(&self.core.machine(), name(called), operator, None)
            .await
            .unwrap();
        let token = self.token(called, Wish::default()).await;
        Person {
            id: made.id.parse().unwrap(),
            token,
        }
    }

    /// A new token for a user.
    pub(crate) async fn token(&self, called: &str, wish: Wish) -> String {
        let (_, secret) = token::issue_for(&self.core.machine(), name(called), wish)
            .await
            .unwrap();
        secret.expose_secret().to_owned()
    }

    /// A new organization of `owner`, and the machine's operator in it.
    pub(crate) async fn organization(&self, called: &str, owner: &Person) -> Ctx {
        let core = &self.core;
        core.create_organization(&core.machine(), name(called), owner.id.clone())
            .await
            .unwrap();
        core.enter_as_machine(&name(called)).await.unwrap()
    }

    /// A user with a role over the whole of an organization.
    pub(crate) async fn member(&self, called: &str, organization: &Ctx, role: Role) -> Person {
        let person = self.person(called, false).await;
        self.give(organization, &person, role).await;
        person
    }

    pub(crate) async fn give(&self, organization: &Ctx, person: &Person, role: Role) {
        access::give(
            organization,
            person.id.clone(),
            role,
            Scope::Organization,
            None,
        )
        .await
        .unwrap();
    }

    /// A connection of a client that trusts the server and nobody else.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let to = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(self.client.clone())
            .connect(to, stream)
            .await
            .unwrap()
    }

    /// Sends a request over a connection of its own.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
    {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.connect().await))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            body,
        };
        contract::check(&method, &path, &answer);
        answer
    }

    /// Sends what terraform would: Basic authentication, a digest of the body.
    pub(crate) async fn call(
        &self,
        who: &Person,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send(request(method, path, Some(&who.token), body.into()))
            .await
    }

    /// Sends a JSON:API document with these attributes.
    pub(crate) async fn post(&self, who: &Person, path: &str, attributes: Value) -> Answer {
        self.call(who, "POST", path, document(&attributes)).await
    }
}

pub(crate) fn options(place: &Path, clock: Arc<AtomicI64>) -> Options {
    Options {
        data: place.join("data"),
        anchors: place.join("anchors"),
        postgres: None,
        roots: Arc::new(KeyDirectory::open(&place.join("keys")).unwrap()),
        // Every look is a microsecond later, so that an order can be told.
        clock: Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)),
        batch_jobs_max: 64,
        jobs_max: 10_000,
        places_max: 0,
        longest: statehouse_core::job::Longest::default(),
        deliver: Some(Arc::new(Post)),
        judge: Some(Arc::new(Bench)),
        estimator: Some(Arc::new(estimator::Bench)),
    }
}

/// Takes whatever is sent over TLS, and has sent nothing.
struct Post;

impl Deliver for Post {
    fn refuses(&self, url: &str) -> Option<String> {
        let secure = url.starts_with("https://");
        (!secure).then(|| "it does not begin with https://".to_owned())
    }

    fn address(&self) -> Option<&str> {
        None
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        let status = if message.url.ends_with("/broken") {
            500
        } else {
            200
        };
        Box::pin(async move { Ok(status) })
    }
}

pub(crate) fn document(attributes: &Value) -> String {
    json!({ "data": { "attributes": attributes } }).to_string()
}

pub(crate) fn basic(token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("anybody:{token}")))
}

/// The digest of a body, as `Content-MD5` spells it.
pub(crate) fn md5(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}

/// The digest of a body, as an announced version spells it.
pub(crate) fn hex_sha256(body: &str) -> String {
    hex::encode(sha2::Sha256::digest(body.as_bytes()))
}

pub(crate) fn hex_md5(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

pub(crate) fn request(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, basic(token));
    }
    if !body.is_empty() {
        request = request.header("content-md5", md5(&body));
    }
    request.body(Full::new(body)).unwrap()
}

/// A state with `resources` instances of a resource.
pub(crate) fn state(lineage: &str, serial: u64, resources: usize) -> String {
    let instance = |index| json!({ "schema_version": 0, "index_key": index, "attributes": { "id": format!("i-{index}") } });
    let instances: Vec<Value> = (0..resources).map(instance).collect();
    let resource = json!({
        "mode": "managed",
        "type": "terraform_data",
        "name": "it",
        "provider": "provider[\"terraform.io/builtin/terraform\"]",
        "instances": instances,
    });
    let resources = if resources == 0 {
        json!([])
    } else {
        json!([resource])
    };
    json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": serial,
        "lineage": lineage,
        "outputs": {},
        "resources": resources,
    })
    .to_string()
}

/// Lock information as terraform sends it.
pub(crate) fn lock(id: &str, operation: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"{operation}","Info":"","Who":"ada@workbench","Version":"1.11.4","Created":"2026-08-01T10:31:12.5Z","Path":""}}"#
    )
}

/// The address of the organization of [`Acme`].
pub(crate) const ACME: &str = "/api/v2/organizations/acme";

/// A server with an operator of the site, and an organization of its owner.
pub(crate) struct Acme {
    pub(crate) server: Server,
    pub(crate) operator: Person,
    pub(crate) owner: Person,
}

impl Acme {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let operator = server.person("otto", true).await;
        let owner = server.person("olga", false).await;
        server.organization("acme", &owner).await;
        Self {
            server,
            operator,
            owner,
        }
    }

    /// The document at `path`.
    pub(crate) async fn get(&self, who: &Person, path: &str) -> Value {
        self.server.call(who, "GET", path, "").await.is(200).json()
    }

    /// What a document with these attributes is answered; null for nothing.
    pub(crate) async fn post(
        &self,
        who: &Person,
        path: &str,
        attributes: Value,
        status: u16,
    ) -> Value {
        let answer = self.server.post(who, path, attributes).await.is(status);
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// A new workspace of the owner's, by its address.
    pub(crate) async fn workspace(&self, called: &str) -> String {
        let at = format!("{ACME}/workspaces");
        let made = self
            .post(&self.owner, &at, json!({ "name": called }), 201)
            .await;
        format!(
            "/api/v2/workspaces/{}",
            made["data"]["id"].as_str().unwrap()
        )
    }
}

/// A browser, as far as cookies and forms go.
pub(crate) struct Browser<'s> {
    server: &'s Server,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What it says of where its forms come from.
    pub(crate) site: Option<&'static str>,
    pub(crate) origin: Option<&'static str>,
}

impl<'s> Browser<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
            site: Some("same-origin"),
            origin: Some("https://localhost"),
        }
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Answer {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let headers = request.headers_mut();
        headers.insert("accept", "text/html,*/*;q=0.8".parse().unwrap());
        if !cookies.is_empty() {
            headers.insert("cookie", cookies.parse().unwrap());
        }
        let answer = self.server.send(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let rule = "Path=/; Max-Age=";
            assert!(
                line.contains(rule) && line.ends_with("Secure; HttpOnly; SameSite=Lax"),
                "{line}"
            );
            let (name, rest) = line.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{line}");
            let value = rest.split(';').next().unwrap();
            if rest.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(request("GET", path, None, Bytes::new())).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method("POST")
            .uri(path)
            .header(HOST, "localhost")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in [("sec-fetch-site", self.site), ("origin", self.origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let body = encoded(fields);
        self.send(request.body(Full::new(body.into())).unwrap())
            .await
    }

    /// Opens a page and sends its form to `action` with these fields and the page's hidden ones.
    pub(crate) async fn fill(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let shown = self.get(page).await.is(200);
        let hidden = hidden(shown.text(), action);
        let own = hidden.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = own.chain(fields.iter().copied()).collect();
        self.post(action, &all).await
    }

    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let fields = [("name", name), ("password", password)];
        self.fill("/sign-in", "/sign-in", &fields).await
    }
}

pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    let escaped = |text: &str| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        text.bytes()
            .map(|byte| {
                if plain(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect::<String>()
    };
    let pair = |(name, value): &(&str, &str)| format!("{}={}", escaped(name), escaped(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// The hidden fields of the form that goes to `action`.
pub(crate) fn hidden(html: &str, action: &str) -> Vec<(String, String)> {
    let (_, rest) = html
        .split_once(&format!("action=\"{action}\""))
        .unwrap_or_else(|| panic!("no form goes to {action}: {html}"));
    let form = rest.split("</form>").next().unwrap();
    let plain = |text: &str| {
        text.replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    let field = |part: &str| {
        let (name, rest) = part.split_once("\" value=\"").unwrap();
        (name.to_owned(), plain(rest.split('"').next().unwrap()))
    };
    form.split("<input type=\"hidden\" name=\"")
        .skip(1)
        .map(field)
        .collect()
}
