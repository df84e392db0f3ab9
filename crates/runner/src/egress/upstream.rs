//! A proxy above ours: where a network lets nothing out but a proxy of its own, connections are asked of that.
//!
//! It is asked with `CONNECT` for a host that the list of the workspace has allowed before, and for nothing else. It resolves the name, so
//! nobody here sees the address that it leads to: who may not be led inside must be kept from that by the proxy itself. What this side can do it
//! does: a name of this machine or of a metadata service is never asked for ([`Upstream::route`]), and an address that means something else at every
//! machine (its own, its cable's) is reached without the proxy.
//!
//! The proxy is believed in nothing. Its answer is a status and an end, within limits; its words are shown to nobody, because whoever knows the
//! password could repeat it in them.
//!
//! Deliberately absent: TLS to the proxy itself, other ways to prove who one is than a user and a password, SOCKS, and files that configure proxies.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::address::{Kind, kind, names_metadata};
use super::host::{Host, HostError};
use super::rules::{EntryFault, Pattern, Refusal, host_and_port};

/// Longest address with user and password: as a header it is a third longer, and proxies take 8 KB of those at least.
const ADDRESS_BYTES_MAX: usize = 4096;
/// Hosts that are reached without it: as many as a list of ways out may have.
const EXCEPT_MAX: usize = 256;
/// Longest head of an answer. The usual one has a hundred bytes.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A proxy, as the operator names it.
#[derive(Debug)]
pub struct Upstream {
    host: Host,
    port: u16,
    /// What is said in `Proxy-Authorization`.
    authorization: Option<SecretString>,
    except: Vec<Pattern>,
}

/// Why a text names no proxy. Nothing of the text is shown: there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Another scheme, or none.
    #[error(
        "it must begin with http://, which is how the proxy itself is spoken to; what goes through it is TLS all the same"
    )]
    Scheme,
    /// Too long.
    #[error("it is longer than {ADDRESS_BYTES_MAX} bytes")]
    Long,
    /// No port.
    #[error("it needs a port from 1 to 65535, as in http://proxy.corp.example:3128")]
    Port,
    /// Something behind the port.
    #[error("it names a host and a port, and nothing behind them")]
    More,
    /// No host.
    #[error("its host is none: {0}")]
    Host(#[from] HostError),
    /// A user or a password that cannot be said.
    #[error(
        "its user and password must be of the form user:password@ in front of the host: no control characters, no colon in the user, and % written as %25"
    )]
    Credential,
    /// An exception that is none.
    #[error(
        "`{entry}` is no host that is reached without the proxy ({why}): name a host, an address, or *.example.com"
    )]
    Except {
        /// The text.
        entry: String,
        /// What is wrong with it.
        why: EntryFault,
    },
    /// Too many.
    #[error("at most {EXCEPT_MAX} hosts are reached without the proxy")]
    Many,
    /// What was said over a line is something else.
    #[error("what the starter said of it cannot be read")]
    Odd,
}

/// How a host is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// As if there were no proxy.
    Direct,
    /// Through it.
    Through,
}

/// What is said of a proxy over the line to a runner.
#[derive(Serialize, Deserialize)]
struct Said {
    address: String,
    except: Vec<String>,
}

/// The bytes that tell a runner of a proxy, for [`Upstream::told`]. There may be a password in them.
pub fn said(address: &str, except: &[String]) -> Vec<u8> {
    let said = Said {
        address: address.to_owned(),
        except: except.to_owned(),
    };
    // Texts are always JSON; what were none would be refused where it is read.
    serde_json::to_vec(&said).unwrap_or_default()
}

impl Upstream {
    /// Reads `http://[user:password@]host:port`, and the hosts that are reached without it.
    pub fn parse(address: &str, except: &[String]) -> Result<Upstream, UpstreamError> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(UpstreamError::Long);
        }
        let rest = address.trim().strip_prefix("http://");
        let rest = rest.ok_or(UpstreamError::Scheme)?;
        let (credential, place) = match rest.rsplit_once('@') {
            Some((credential, place)) => (Some(credential), place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = host_and_port(place).map_err(|fault| match fault {
            EntryFault::More => UpstreamError::More,
            _ => UpstreamError::Port,
        })?;
        let host = Host::parse(host)?;
        let port = port.ok_or(UpstreamError::Port)?;
        let authorization = credential.map(basic).transpose()?;
        if except.len() > EXCEPT_MAX {
            return Err(UpstreamError::Many);
        }
        let except = except.iter().map(|entry| exception(entry));
        Ok(Upstream {
            host,
            port,
            authorization,
            except: except.collect::<Result<_, _>>()?,
        })
    }

    /// Reads what [`said`] wrote.
    pub fn told(bytes: &[u8]) -> Result<Upstream, UpstreamError> {
        let said: Said = serde_json::from_slice(bytes).map_err(|_| UpstreamError::Odd)?;
        Upstream::parse(&said.address, &said.except)
    }

    /// Whether it has a password that others must not see.
    pub fn has_credential(&self) -> bool {
        self.authorization.is_some()
    }

    /// Whom to connect to, to ask it.
    pub(super) fn place(&self) -> (&Host, u16) {
        (&self.host, self.port)
    }

    /// How a host is reached that the list allows.
    ///
    /// # Errors
    ///
    /// A name that leads to the machine itself or to a metadata service: to those of the proxy's machine, if it were asked.
    pub fn route(&self, host: &Host) -> Result<Route, Refusal> {
        if self.except.iter().any(|pattern| pattern.matches(host)) {
            return Ok(Route::Direct);
        }
        match host {
            Host::Address(address) => Ok(match kind(*address) {
                Kind::Loopback | Kind::LinkLocal | Kind::Metadata => Route::Direct,
                Kind::Public | Kind::Private | Kind::Reserved => Route::Through,
            }),
            Host::Name(name) if host.is_loopback() || names_metadata(name) => {
                Err(Refusal::NotThrough(host.clone()))
            }
            Host::Name(_) => Ok(Route::Through),
        }
    }

    /// Asks for a tunnel over a connection to the proxy. What follows on it is the other end's.
    pub(super) async fn open(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        host: &Host,
        port: u16,
        time_max: Duration,
    ) -> Result<(), Unopened> {
        let asking = async {
            let head = self.head(host, port);
            let sent = stream.write_all(head.expose_secret().as_bytes()).await;
            sent.map_err(|_| Unopened::Cut)?;
            answered(stream).await
        };
        let answer = timeout(time_max, asking).await;
        answer.unwrap_or(Err(Unopened::Slow))
    }

    fn head(&self, host: &Host, port: u16) -> SecretString {
        let mut head = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str("Proxy-Authorization: ");
            head.push_str(authorization.expose_secret());
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into()
    }
}

impl fmt::Display for Upstream {
    /// Host and port, without what is secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

/// What HTTP says of a user and a password that are written as in an address.
fn basic(credential: &str) -> Result<SecretString, UpstreamError> {
    let (user, password) = credential
        .split_once(':')
        .ok_or(UpstreamError::Credential)?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_empty() || user.contains(&b':') {
        return Err(UpstreamError::Credential);
    }
    let both = [&user[..], b":", &password[..]].concat();
    Ok(format!("Basic {}", STANDARD.encode(both)).into())
}

/// The bytes of a text in which some are written as `%41`.
fn decoded(text: &str) -> Result<Vec<u8>, UpstreamError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            let both = digit().zip(digit());
            let (high, low) = both.ok_or(UpstreamError::Credential)?;
            u8::try_from(high * 16 + low).map_err(|_| UpstreamError::Credential)?
        } else {
            byte
        };
        if byte.is_ascii_control() {
            return Err(UpstreamError::Credential);
        }
        bytes.push(byte);
    }
    Ok(bytes)
}

/// A host that is reached without the proxy; `.name` is how others write `*.name`.
fn exception(entry: &str) -> Result<Pattern, UpstreamError> {
    let text = entry.trim();
    let text = match text.strip_prefix('.') {
        Some(name) => format!("*.{name}"),
        None => text.to_owned(),
    };
    Pattern::parse(&text).map_err(|why| UpstreamError::Except {
        entry: entry.to_owned(),
        why,
    })
}

/// Why a proxy opened no tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unopened {
    /// It said so.
    #[error("answered {0}: {words}", words = words(*.0))]
    Status(u16),
    /// Its answer is none.
    #[error("answered something that is not HTTP")]
    NotHttp,
    /// Its answer has no end.
    #[error("answered with a head of more than {HEAD_BYTES_MAX} bytes")]
    Long,
    /// Nobody said anything yet that could be answered.
    #[error("sent more than an answer before anything went through it")]
    More,
    /// It went away.
    #[error("closed the connection without an answer")]
    Cut,
    /// Nothing.
    #[error("did not answer in time")]
    Slow,
}

impl Unopened {
    /// Whether it said that it does not want to, rather than that it cannot.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Unopened::Status(400..500))
    }
}

/// What a status means here. The words beside it are the proxy's, and stay with us.
fn words(status: u16) -> &'static str {
    match status {
        403 => "it does not let this host through",
        407 => "it wants a user and a password, or others than those in runs.proxy",
        502..=504 => "it could not reach the host",
        400..500 => "it refuses",
        _ => "it opened no tunnel",
    }
}

/// Reads an answer up to its empty line. An answer that opens a tunnel has nothing behind that, because in TLS the client speaks first.
async fn answered(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), Unopened> {
    let mut head = Vec::new();
    let mut looked: usize = 0;
    let end = loop {
        let from = looked.saturating_sub(3);
        let fresh = head.get(from..).unwrap_or_default();
        let blank = fresh.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(at) = blank {
            break from + at + 4;
        }
        looked = head.len();
        if looked >= HEAD_BYTES_MAX {
            return Err(Unopened::Long);
        }
        let room = (HEAD_BYTES_MAX - looked) as u64;
        match (&mut *stream).take(room).read_buf(&mut head).await {
            Ok(0) | Err(_) => return Err(Unopened::Cut),
            Ok(_) => {}
        }
    };
    match status(&head) {
        Some(200..300) if head.len() == end => Ok(()),
        Some(200..300) => Err(Unopened::More),
        Some(status) => Err(Unopened::Status(status)),
        None => Err(Unopened::NotHttp),
    }
}

/// `HTTP/1.x 200`, and whatever follows after a blank.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (digits, rest) = rest.split_at_checked(3)?;
    let plain = digits.iter().all(u8::is_ascii_digit);
    let apart = rest.is_empty() || rest.starts_with(b" ");
    if !matches!(version, b"0 " | b"1 ") || !plain || !apart {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(address: &str) -> Result<Upstream, UpstreamError> {
        Upstream::parse(address, &[])
    }

    #[test]
    fn a_proxy_is_a_host_a_port_and_perhaps_a_user_with_a_password() {
        let said = |address: &str| {
            let upstream = parsed(address).unwrap();
            let host = Host::parse("a.example").unwrap();
            let head = upstream.head(&host, 443).expose_secret().to_owned();
            let (_, rest) = head.split_once("Host: a.example:443\r\n").unwrap();
            (upstream.to_string(), rest.to_owned())
        };
        let place = "proxy.corp.example:3128".to_owned();
        assert_eq!(
            said("http://Proxy.Corp.example:3128/"),
            (place.clone(), "\r\n".to_owned())
        );
        // RFC 7617 has this one.
        let aladdin = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert_eq!(
            said("http://Aladdin:open%20sesame@proxy.corp.example:3128"),
            (place.clone(), aladdin.to_owned())
        );
        // What would end the user or the address is written as it is in addresses, or as it is.
        for address in [
            "http://u:a%40b%3a%2fc@proxy.corp.example:3128",
            "http://u:a@b:/c@proxy.corp.example:3128",
        ] {
            let expected = STANDARD.encode("u:a@b:/c");
            assert!(said(address).1.contains(&expected), "{address}");
        }
        assert_eq!(said("http://[::1]:8080").0, "[::1]:8080");
    }

    #[test]
    fn what_names_no_proxy_is_refused_without_its_password() {
        let long = format!("http://u:hunter2{}@a.example:1", "x".repeat(5000));
        for (address, expected) in [
            ("https://u:hunter2@a.example:1", UpstreamError::Scheme),
            ("socks5://u:hunter2@a.example:1", UpstreamError::Scheme),
            ("a.example:1", UpstreamError::Scheme),
            ("http://u:hunter2@a.example", UpstreamError::Port),
            ("http://u:hunter2@a.example:0", UpstreamError::Port),
            ("http://u:hunter2@a.example:1/x", UpstreamError::More),
            ("http://u:hunter2@", UpstreamError::Host(HostError::Empty)),
            (
                "http://u:hunter2@127.1:1",
                UpstreamError::Host(HostError::Number),
            ),
            ("http://hunter2@a.example:1", UpstreamError::Credential),
            ("http://:hunter2@a.example:1", UpstreamError::Credential),
            (
                "http://u%3Av:hunter2@a.example:1",
                UpstreamError::Credential,
            ),
            (
                "http://u:hunter2%0d%0aX@a.example:1",
                UpstreamError::Credential,
            ),
            (
                "http://u:hunter2\r\nX: y@a.example:1",
                UpstreamError::Credential,
            ),
            ("http://u:hunter2%zz@a.example:1", UpstreamError::Credential),
            ("http://u:hunter2%4@a.example:1", UpstreamError::Credential),
            (&long, UpstreamError::Long),
        ] {
            let error = parsed(address).unwrap_err();
            assert_eq!(error, expected, "{address}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        let upstream = parsed("http://u:hunter2@a.example:1").unwrap();
        let shown = format!("{upstream} {upstream:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(&STANDARD.encode("u:hunter2")));
        assert!(upstream.has_credential());
    }

    #[test]
    fn what_is_said_over_the_line_is_read_as_it_was_meant() {
        let except = ["*.corp.example".to_owned()];
        let told = Upstream::told(&said("http://u:p@proxy:1", &except)).unwrap();
        assert_eq!(
            (told.to_string(), told.has_credential()),
            ("proxy:1".into(), true)
        );
        assert_eq!(told.except.len(), 1);
        assert_eq!(Upstream::told(b"{").unwrap_err(), UpstreamError::Odd);
    }

    #[test]
    fn exceptions_and_what_is_of_this_machine_go_without_the_proxy() {
        let except = [
            "vault.corp.example",
            "*.in.example",
            ".out.example",
            "10.0.0.9",
        ];
        let except = except.map(str::to_owned);
        let upstream = Upstream::parse("http://proxy:1", &except).unwrap();
        let route = |host: &str| upstream.route(&Host::parse(host).unwrap()).ok();
        for (host, expected) in [
            ("vault.corp.example", Some(Route::Direct)),
            ("a.in.example", Some(Route::Direct)),
            ("a.b.out.example", Some(Route::Direct)),
            ("10.0.0.9", Some(Route::Direct)),
            ("in.example", Some(Route::Through)),
            ("xvault.corp.example", Some(Route::Through)),
            ("10.0.0.8", Some(Route::Through)),
            ("93.184.216.34", Some(Route::Through)),
            ("127.0.0.1", Some(Route::Direct)),
            ("169.254.169.254", Some(Route::Direct)),
            ("fe80::1", Some(Route::Direct)),
            ("168.63.129.16", Some(Route::Direct)),
            ("localhost", None),
            ("a.localhost", None),
            ("metadata.google.internal", None),
            ("METADATA.google.internal.", None),
        ] {
            assert_eq!(route(host), expected, "{host}");
        }
        for entry in [
            "10.0.0.0/8",
            "*",
            "*.com",
            "https://a.example",
            "a.example:1",
            "",
        ] {
            let refused = Upstream::parse("http://proxy:1", &[entry.to_owned()]);
            assert!(
                matches!(refused, Err(UpstreamError::Except { .. })),
                "{entry}"
            );
        }
        let many = vec!["a.example".to_owned(); EXCEPT_MAX + 1];
        let refused = Upstream::parse("http://proxy:1", &many);
        assert_eq!(refused.unwrap_err(), UpstreamError::Many);
    }

    /// What becomes of an answer, however it is cut.
    async fn check(answer: &[u8], expected: Result<(), Unopened>) {
        for piece in [1, 7, answer.len().max(1)] {
            let (mut here, mut there) = tokio::io::duplex(64 * 1024);
            let sending = async {
                for piece in answer.chunks(piece) {
                    there.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(there);
            };
            let (found, ()) = tokio::join!(answered(&mut here), sending);
            let shown = String::from_utf8_lossy(answer);
            // Byte by byte, what is behind the end is the tunnel's.
            if expected != Err(Unopened::More) || piece == answer.len() {
                assert_eq!(found, expected, "{shown:?} in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn an_answer_is_a_status_and_an_end_or_it_is_refused() {
        for good in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200\r\nProxy-Agent: x\r\n\r\n",
            "HTTP/1.1 299 \r\n\r\n",
        ] {
            check(good.as_bytes(), Ok(())).await;
        }
        for (status, refused) in [
            (407, true),
            (403, true),
            (502, false),
            (302, false),
            (100, false),
        ] {
            let answer = format!("HTTP/1.1 {status} No hunter2\r\nX: hunter2\r\n\r\nhunter2");
            let unopened = Unopened::Status(status);
            assert!(!unopened.to_string().contains("hunter2"));
            assert_eq!(unopened.is_refusal(), refused, "{status}");
            check(answer.as_bytes(), Err(unopened)).await;
        }
        for odd in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2000\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 +20\r\n\r\n",
            "HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
        ] {
            check(odd.as_bytes(), Err(Unopened::NotHttp)).await;
        }
        check(b"HTTP/1.1 200 OK\r\n\r\n\x16\x03", Err(Unopened::More)).await;
        check(b"HTTP/1.1 200 OK\r\n", Err(Unopened::Cut)).await;
        check(b"", Err(Unopened::Cut)).await;
        let mut endless = b"HTTP/1.1 200 OK\r\n".to_vec();
        endless.resize(HEAD_BYTES_MAX + 1, b'x');
        check(&endless, Err(Unopened::Long)).await;
        // A head that just fits is read.
        let mut full = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        full.resize(HEAD_BYTES_MAX - 4, b'x');
        full.extend_from_slice(b"\r\n\r\n");
        check(&full, Ok(())).await;
    }
}
