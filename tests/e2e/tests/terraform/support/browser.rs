//! A real browser, driven by the `WebDriver` protocol (<https://www.w3.org/TR/webdriver2/>).
//!
//! Chromium runs without a window, with a home of its own in which the server's authority is the only thing it was told to
//! trust, so that what it refuses a person would be refused too. The protocol is a few JSON documents over HTTP/1.1; what is
//! here of it is what the tests ask. The browser ends with its test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::child::{Ran, Running, until};
use super::components;

/// A browser that does not start or answer by then never will; a cold start on a busy machine takes ten seconds.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// What a page must show by then. Loading it is waited for by the driver already.
const SHOWN_MAX: Duration = Duration::from_secs(20);
/// How the standard spells the key that an element's id stands under.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// A browser with one window.
pub(crate) struct Browser {
    port: u16,
    session: String,
    // After the drop of the above: the driver, then what it writes to.
    _driver: Running,
    home: TempDir,
}

impl Browser {
    /// Starts one that trusts the authority in this file.
    pub(crate) fn start(authority: &Path, scripts: Scripts) -> Self {
        let [chromium, driver, certutil] = components::chromium();
        let home = tempfile::tempdir().unwrap();
        trust(&certutil, home.path(), authority);
        let mut command = Command::new(driver);
        command.args(["--port=0", "--log-level=SEVERE"]);
        command.current_dir(home.path()).env_clear();
        command
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin");
        command.env("TMPDIR", home.path());
        let driver = Running::start(&mut command);
        let port = until("the driver is ready", ANSWER_MAX, || {
            let out = driver.out();
            let (_, rest) = out.split_once("started successfully on port ")?;
            let (port, _) = rest.split_once('.')?;
            port.parse().ok()
        });
        let mut browser = Self {
            port,
            session: String::new(),
            _driver: driver,
            home,
        };
        let options = browser.options(&chromium, scripts);
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let made = browser.call("POST", "/session", Some(&wanted));
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    fn options(&self, chromium: &Path, scripts: Scripts) -> Value {
        let profile = self.home.path().join("profile");
        let mut args: Vec<String> = [
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--disable-dev-shm-usage",
            "--window-size=1100,900",
        ]
        .map(str::to_owned)
        .into();
        args.push(format!("--user-data-dir={}", profile.display()));
        // Chromium's own sandbox does not start for root.
        if rustix::process::geteuid().is_root() {
            args.push("--no-sandbox".to_owned());
        }
        // 1 allows, 2 blocks.
        let javascript = if scripts == Scripts::On { 1 } else { 2 };
        json!({
            "binary": chromium,
            "args": args,
            "prefs": { "profile.default_content_setting_values.javascript": javascript },
        })
    }

    /// One command of the protocol; its value, or the error it names.
    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = exchange(self.port, method, path, &body);
        let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => Err(format!("{method} {path}: {error}: {}", value["message"])),
            None => Ok(value),
        }
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_call(method, path, body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn ask(&self, method: &str, what: &str, body: Option<&Value>) -> Value {
        self.call(method, &format!("/session/{}/{what}", self.session), body)
    }

    pub(crate) fn open(&self, address: &str) {
        self.ask("POST", "url", Some(&json!({ "url": address })));
    }

    fn address(&self) -> String {
        self.ask("GET", "url", None).as_str().unwrap().to_owned()
    }

    /// Waits until the address has these words, through the change from one page to the next.
    pub(crate) fn gets_to(&self, words: &str) -> String {
        until(&format!("the browser gets to {words:?}"), SHOWN_MAX, || {
            Some(self.address()).filter(|address| address.contains(words))
        })
    }

    pub(crate) fn source(&self) -> String {
        self.ask("GET", "source", None).as_str().unwrap().to_owned()
    }

    /// The first element that the selector finds, as part of a path.
    fn element(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let path = format!("/session/{}/element", self.session);
        let found = until(selector, SHOWN_MAX, || {
            self.try_call("POST", &path, Some(&wanted)).ok()
        });
        format!("element/{}", found[ELEMENT].as_str().unwrap())
    }

    /// Types into a field, in place of what is there.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let at = self.element(selector);
        self.ask("POST", &format!("{at}/clear"), Some(&json!({})));
        let typed = json!({ "text": text });
        self.ask("POST", &format!("{at}/value"), Some(&typed));
    }

    pub(crate) fn click(&self, selector: &str) {
        let at = self.element(selector);
        self.ask("POST", &format!("{at}/click"), Some(&json!({})));
    }

    /// What stands in a field.
    pub(crate) fn value(&self, selector: &str) -> String {
        let at = self.element(selector);
        let value = self.ask("GET", &format!("{at}/property/value"), None);
        value.as_str().unwrap().to_owned()
    }

    pub(crate) fn is_shown(&self, selector: &str) -> bool {
        let at = self.element(selector);
        self.ask("GET", &format!("{at}/displayed"), None) == true
    }

    /// Waits until an element says this, through the change from one page to the next.
    pub(crate) fn says(&self, selector: &str, words: &str) {
        until(&format!("{selector} says {words:?}"), SHOWN_MAX, || {
            let path = format!("/session/{}/{}/text", self.session, self.element(selector));
            match self.try_call("GET", &path, None) {
                Ok(text) => text.as_str().unwrap().contains(words).then_some(()),
                // The page that held the element has given way to the next.
                Err(error) if error.contains("stale element reference") => None,
                Err(error) => panic!("{error}"),
            }
        });
    }

    /// A cookie, as the browser keeps it.
    pub(crate) fn cookie(&self, name: &str) -> Option<Value> {
        let all = self.ask("GET", "cookie", None);
        let mut all = all.as_array().unwrap().iter();
        all.find(|cookie| cookie["name"] == name).cloned()
    }

    /// Signs in on the page that is shown.
    pub(crate) fn sign_in(&self, name: &str, password: &str) {
        self.fill("#name", name);
        self.fill("#password", password);
        self.click("main button[type=submit]");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.session.is_empty() {
            self.tell();
        }
        if self.session.is_empty() {
            return;
        }
        // The driver ends its browser when the session ends, and leaves it behind when it is killed.
        self.try_call("DELETE", &format!("/session/{}", self.session), None)
            .ok();
    }
}

impl Browser {
    /// What a person would see of a failure.
    fn tell(&self) {
        let ask = |what: &str| {
            let path = format!("/session/{}/{what}", self.session);
            self.try_call("GET", &path, None)
        };
        eprintln!("the browser was at {:?}", ask("url"));
        let picture = ask("screenshot").ok();
        let picture = picture.and_then(|picture| STANDARD.decode(picture.as_str()?).ok());
        let kept = tempfile::Builder::new()
            .prefix("page-")
            .suffix(".png")
            .tempfile();
        if let (Some(picture), Ok(kept)) = (picture, kept)
            && let Ok((mut file, path)) = kept.keep()
            && file.write_all(&picture).is_ok()
        {
            eprintln!("and looked like {}", path.display());
        }
    }
}

/// One request and its answer. The driver keeps connections open, so the answer ends where it says.
fn exchange(port: u16, method: &str, path: &str, body: &str) -> io::Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    serde_json::from_slice(&body).map_err(io::Error::other)
}

/// Makes an authority trusted by the browser of this home.
fn trust(certutil: &Path, home: &Path, authority: &Path) {
    let store = home.join(".pki/nssdb");
    fs_err::create_dir_all(&store).unwrap();
    let store = format!("sql:{}", store.display());
    let run =
        |args: &[&str]| Ran::of(Command::new(certutil).args(["-d", &store]).args(args)).done();
    run(&["-N", "--empty-password"]);
    let file = authority.to_str().unwrap();
    run(&["-A", "-n", "statehouse", "-t", "C,,", "-i", file]);
}
