//! Signing in: a name and a password become a session.
//!
//! Nobody is known yet, so the form carries a text made from a secret that only this browser has, in a cookie: another site can
//! neither read it nor sign somebody in as somebody else. The session is new each time; one that the browser still had ends.

use std::sync::Arc;

use axum::extract::{FromRequest, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::html;
use secrecy::ExposeSecret;
use serde::Deserialize;
use statehouse_core::session;
use statehouse_core::{Core, Error, Kind};

use super::form::{self, Fields, Looker};
use super::page::{self, Page};
use super::{cookie, form::read};
use crate::auth::{self, Asked};
use crate::problem::Problem;
use crate::tfe::sent::Secret;

/// Longest address to come back to; a request of terraform's has 400 characters.
const TO_LEN_MAX: usize = 4096;

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct To {
    to: Option<String>,
}

/// The form.
#[derive(Deserialize)]
struct SignIn {
    form: String,
    name: String,
    password: Secret,
    to: Option<String>,
}

/// Sends somebody to sign in first, and back to `to`.
pub(crate) fn first(to: &str) -> Response {
    let query = serde_urlencoded::to_string([("to", to)]).unwrap_or_default();
    page::go(&format!("/sign-in?{query}"))
}

/// Where a person may be sent after signing in: a page of ours. Anything else leads to the start.
fn safe(to: Option<&str>) -> &str {
    let ours = |to: &&str| {
        let known = *to == "/" || to.starts_with("/app/") || to.starts_with("/oauth/authorize?");
        // `/app/..//evil` and the like are resolved by browsers before they ask.
        known
            && to.len() <= TO_LEN_MAX
            && !to.contains("..")
            && !to.contains('\\')
            && to.bytes().all(|byte| byte.is_ascii_graphic())
    };
    to.filter(ours).unwrap_or("/")
}

/// The page.
pub(crate) async fn show(
    Looker(visitor): Looker,
    Asked(To { to }): Asked<To>,
    headers: HeaderMap,
) -> Response {
    let to = safe(to.as_deref());
    if visitor.is_some() {
        return page::go(to);
    }
    let asked = Filled {
        name: "",
        to,
        fault: None,
    };
    asked.show(StatusCode::OK, &headers)
}

/// Signs in.
pub(crate) async fn send(
    State(core): State<Arc<Core>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    form::same_origin(&parts)?;
    let (headers, source) = (parts.headers.clone(), auth::source(&parts));
    let Fields(bytes) = Fields::from_request(Request::from_parts(parts, body), &core).await?;
    let sent: SignIn = read(&bytes)?;
    let secret = cookie::get(&headers, cookie::FIRST).ok_or_else(Problem::foreign_form)?;
    if !session::is_first_form_token(secret, &sent.form) {
        return Err(Problem::foreign_form());
    }
    let to = safe(sent.to.as_deref());
    let shown = match core.sign_in(&sent.name, sent.password.0, source).await {
        Ok(shown) => shown,
        Err(error) => {
            let asked = Filled {
                name: &sent.name,
                to,
                fault: Some(&error),
            };
            return asked
                .refused(&headers)
                .map_or_else(|| Err(error.into()), Ok);
        }
    };
    if let Some(older) = cookie::get(&headers, cookie::SESSION)
        && let Some(visitor) = core.visitor(older, source).await?
    {
        session::end(&visitor).await?;
    }
    let mut response = page::go(to);
    let cookies = [
        cookie::set(cookie::SESSION, shown.expose_secret()),
        cookie::clear(cookie::FIRST),
    ];
    for line in cookies.into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(response)
}

/// The page as it is filled in.
struct Filled<'f> {
    name: &'f str,
    to: &'f str,
    fault: Option<&'f Error>,
}

impl Filled<'_> {
    /// The page again, when it was the name, the password or the patience that was wrong.
    fn refused(&self, headers: &HeaderMap) -> Option<Response> {
        match *self.fault?.kind() {
            Kind::Unauthenticated => Some(self.show(StatusCode::FORBIDDEN, headers)),
            Kind::TooMany { after_s } => {
                let mut response = self.show(StatusCode::TOO_MANY_REQUESTS, headers);
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from(after_s));
                Some(response)
            }
            _ => None,
        }
    }

    fn show(&self, status: StatusCode, headers: &HeaderMap) -> Response {
        let whole =
            |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kept = cookie::get(headers, cookie::FIRST).filter(whole);
        let secret = kept.map_or_else(session::first_secret, str::to_owned);
        let words = self.fault.map(said);
        let invalid = words.as_ref().map(|_| "true");
        let described = words.as_ref().map(|_| "fault");
        let main = html! {
            section.card.narrow {
                h1 { "Sign in" }
                @if self.to.starts_with("/oauth/authorize") {
                    p.note { "Terraform on your computer asks for a token. Sign in first; nothing is given to it before you approve." }
                }
                (page::fault("fault", words.as_deref()))
                form method="post" action="/sign-in" {
                    (page::hidden("form", &session::first_form_token(&secret)))
                    (page::hidden("to", self.to))
                    label for="name" { "Name" }
                    input id="name" name="name" value=(self.name) autocomplete="username" autocapitalize="none" spellcheck="false"
                        required autofocus[self.name.is_empty()] aria-invalid=[invalid] aria-describedby=[described];
                    label for="password" { "Password" }
                    input id="password" name="password" type="password" autocomplete="current-password" required
                        autofocus[!self.name.is_empty()] aria-invalid=[invalid] aria-describedby=[described];
                    button.full type="submit" { "Sign in" }
                }
            }
            p.soft.small.narrow { "No password? An operator of this server sets one: " code { "statehouse user password NAME" } }
        };
        let frame = Page {
            title: "Sign in",
            ..Page::default()
        };
        let mut response = frame.show(status, &main);
        if let Some(line) = cookie::set(cookie::FIRST, &secret) {
            response.headers_mut().append(SET_COOKIE, line);
        }
        response.into_response()
    }
}

/// A failure as a sentence of a page.
pub(super) fn said(error: &Error) -> String {
    match error.next_step() {
        Some(next) => page::sentence(&format!("{}: {next}", error.message())),
        None => page::sentence(error.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_sent_elsewhere() {
        let check = |to: &str, expected: &str| assert_eq!(safe(Some(to)), expected);
        for ours in [
            "/",
            "/app/settings/tokens?source=x",
            "/oauth/authorize?state=a%20b",
        ] {
            check(ours, ours);
        }
        for others in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/app/..//evil.example",
            "/app/\\..\\evil",
            "/app/a b",
            "/app/\r\nset-cookie:x",
            "/oauth/authorize",
            "/sign-out",
            "/état",
        ] {
            check(others, "/");
        }
    }
}
