//! The two cookies of the pages.
//!
//! The prefix `__Host-` makes browsers refuse one that came without TLS, from another host or for a part of the site alone.
//! Scripts cannot read them, and other sites' forms do not bring them along.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use statehouse_core::session::LIFE_US;

/// Who is signed in.
pub(crate) const SESSION: &str = "__Host-statehouse";
/// A secret of a browser that nobody is signed in with, for the form to sign in.
pub(crate) const FIRST: &str = "__Host-statehouse-form";

/// The value of a cookie, if the browser sent it.
pub(crate) fn get<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    values.next()
}

/// Sets one, for as long as a session can last.
pub(crate) fn set(name: &str, value: &str) -> Option<HeaderValue> {
    header(name, value, LIFE_US / 1_000_000)
}

/// Takes one away.
pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    header(name, "", 0)
}

fn header(name: &str, value: &str, age_s: i64) -> Option<HeaderValue> {
    let text = format!("{name}={value}; Path=/; Max-Age={age_s}; Secure; HttpOnly; SameSite=Lax");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn check(lines: &[&'static str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        assert_eq!(get(&headers, SESSION), expected, "{lines:?}");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        check(&[], None);
        check(&["__Host-statehouse=a"], Some("a"));
        check(&["x=y; __Host-statehouse=a.b"], Some("a.b"));
        check(&["x=y", "__Host-statehouse=a"], Some("a"));
        check(&["__Host-statehouse-form=a"], None);
        check(&["statehouse=a; host-__Host-statehouse=b"], None);
        check(&["__Host-statehouse"], None);
    }
}
