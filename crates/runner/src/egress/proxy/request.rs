//! The first bytes of a connection: what it wants.

use crate::egress::carried::Carried;
use crate::egress::host::Host;
use crate::egress::rules::host_and_port;

/// A `CONNECT` with its headers is a few hundred bytes. What an HTTP client sends in clear may be long; it is refused either way.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How much of what somebody else wrote an event shows.
const SHOWN_CHARS_MAX: usize = 200;

/// What a connection wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The state backend.
    State,
    /// A `tcp` entry.
    Tcp(usize),
    /// A tunnel.
    Connect(Host, u16),
    /// HTTP in clear, for what.
    Plain(String),
}

/// Why what was sent is no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    /// Nothing was sent at all.
    #[error("nothing was asked")]
    Gone,
    /// Not in time.
    #[error("the request was not there in time")]
    Slow,
    /// Too long.
    #[error("the head of the request is longer than {HEAD_BYTES_MAX} bytes")]
    Long,
    /// Not HTTP.
    #[error("the request is not one to a proxy")]
    Malformed,
    /// A host or port that is none.
    #[error("CONNECT names no host and port that are taken: {0}")]
    Authority(String),
}

/// Reads a request off the connection; what follows it stays ahead.
pub(super) async fn read(client: &mut Carried) -> Result<Request, Unread> {
    let mut looked = 0;
    loop {
        if let Some((request, length)) = parse(&client.ahead, looked)? {
            client.ahead.drain(..length);
            return Ok(request);
        }
        looked = client.ahead.len();
        match client.look_on(HEAD_BYTES_MAX).await {
            Ok(0) | Err(_) if looked == 0 => return Err(Unread::Gone),
            Ok(0) if looked >= HEAD_BYTES_MAX => return Err(Unread::Long),
            Ok(0) | Err(_) => return Err(Unread::Malformed),
            Ok(_) => {}
        }
    }
}

/// The request and its length, once it is whole. Up to `looked` nothing new can be found.
fn parse(bytes: &[u8], looked: usize) -> Result<Option<(Request, usize)>, Unread> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let line = bytes.get(..end).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Unread::Malformed)?;
    if line == "STATE" {
        return Ok(Some((Request::State, end + 1)));
    }
    if let Some(number) = line.strip_prefix("TCP ") {
        let number = number.parse().map_err(|_| Unread::Malformed)?;
        return Ok(Some((Request::Tcp(number), end + 1)));
    }
    let request = http(line.strip_suffix('\r').ok_or(Unread::Malformed)?)?;
    let from = looked.saturating_sub(3);
    let tail = bytes.get(from..).unwrap_or_default();
    let blank = tail.windows(4).position(|four| four == b"\r\n\r\n");
    Ok(blank.map(|at| (request, from + at + 4)))
}

/// `METHOD TARGET HTTP/1.x`.
fn http(line: &str) -> Result<Request, Unread> {
    let mut words = line.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let version = words.next().unwrap_or_default();
    let method = method.filter(|method| method.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if !version.starts_with("HTTP/1.") || words.next().is_some() || target.is_empty() {
        return Err(Unread::Malformed);
    }
    if method.ok_or(Unread::Malformed)? != "CONNECT" {
        return Ok(Request::Plain(shown(origin(target))));
    }
    let authority =
        |why: &dyn std::fmt::Display| Unread::Authority(format!("{}: {why}", shown(target)));
    let (host, port) = host_and_port(target).map_err(|why| authority(&why))?;
    let host = Host::parse(host).map_err(|why| authority(&why))?;
    let port = port.ok_or_else(|| authority(&"there is no port"))?;
    Ok(Request::Connect(host, port))
}

/// Scheme, host and port of an address: its path is nobody's to know either.
fn origin(target: &str) -> &str {
    let host = target.find("://").map_or(0, |at| at + 3);
    let path = target.get(host..).and_then(|rest| rest.find('/'));
    path.and_then(|at| target.get(..host + at))
        .unwrap_or(target)
}

/// Somebody else's text, without the parts of an address that carry secrets, for an event and a line of HTTP.
fn shown(target: &str) -> String {
    let plain = target.split(['?', '#']).next().unwrap_or_default();
    let plain = plain.rsplit('@').next().unwrap_or_default();
    let escaped = plain.chars().flat_map(char::escape_default);
    escaped.take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<Request, Unread>) {
        let parsed = parse(head.as_bytes(), 0);
        assert_eq!(
            parsed.map(|found| found.map(|(request, _)| request)),
            expected.map(Some),
            "{head:?}"
        );
    }

    #[test]
    fn the_first_line_says_what_a_connection_wants() {
        let connect = |host: &str, port| Ok(Request::Connect(Host::parse(host).unwrap(), port));
        check("STATE\nGET / HTTP/1.1", Ok(Request::State));
        check("TCP 12\nbytes", Ok(Request::Tcp(12)));
        check(
            "CONNECT Example.com:443 HTTP/1.1\r\n\r\n",
            connect("example.com", 443),
        );
        check(
            "CONNECT [2606::1]:8443 HTTP/1.0\r\nHost: x\r\n\r\n",
            connect("2606::1", 8443),
        );
        let plain = "http://example.com".to_owned();
        check(
            "GET http://user:pass@example.com/a?token=b HTTP/1.1\r\n\r\n",
            Ok(Request::Plain("example.com".into())),
        );
        check(
            "GET http://example.com/a HTTP/1.1\r\n\r\n",
            Ok(Request::Plain(plain)),
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in [
            "TCP x\n",
            "TCP -1\n",
            "\u{16}\u{3}\u{1}\n",
            "CONNECT a:1\r\n\r\n",
            "hello\n",
        ] {
            check(head, Err(Unread::Malformed));
        }
        check("CONNECT a:1 HTTP/1.1 x\r\n\r\n", Err(Unread::Malformed));
        check("CONNECT a.b:1 HTTP/1.1\n\n", Err(Unread::Malformed));
    }

    #[test]
    fn a_number_that_may_be_an_address_is_no_host() {
        for host in [
            "2130706433",
            "0x7f.1",
            "127.1",
            "0x7f000001",
            "127.0.0.1.",
            "[::ffff:127.0.0.1]",
        ] {
            let head = format!("CONNECT {host}:443 HTTP/1.1\r\n\r\n");
            let parsed = parse(head.as_bytes(), 0);
            assert!(
                matches!(parsed, Err(Unread::Authority(_))),
                "{host}: {parsed:?}"
            );
        }
    }

    #[test]
    fn a_request_is_found_wherever_it_is_cut() {
        let head = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n";
        for looked in 0..head.len() {
            let whole = parse(head, looked).unwrap().unwrap();
            assert_eq!(whole.1, head.len());
            assert_eq!(parse(&head[..looked], 0).unwrap(), None);
        }
    }
}
