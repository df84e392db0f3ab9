//! Signing out.

use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::Response;
use maud::html;
use serde::Deserialize;
use statehouse_core::session;

use super::cookie;
use super::form::{Form, Looker, Sent};
use super::page::{self, Page};
use crate::problem::Problem;

/// What its form is for.
pub(crate) const PURPOSE: &str = "sign-out";

/// The form: nothing but the button.
#[derive(Deserialize)]
pub(crate) struct SignOut {}

impl Form for SignOut {
    const PURPOSE: &'static str = PURPOSE;
}

/// Whether one is signed out, and how one becomes it.
pub(crate) async fn show(Looker(visitor): Looker) -> Response {
    let frame = Page {
        title: "Sign out",
        visitor: visitor.as_ref(),
        ..Page::default()
    };
    let main = html! {
        section.card.narrow {
            @if let Some(visitor) = &visitor {
                h1 { "Sign out?" }
                p.soft { "You are signed in as " strong { (visitor.name().as_str()) } ". Tokens that you made stay as they are." }
                form method="post" action="/sign-out" {
                    (page::form_token(visitor, PURPOSE))
                    button.full type="submit" { "Sign out" }
                }
            } @else {
                h1 { "You are signed out" }
                p.soft { "Tokens that you made go on working until they end or you revoke them." }
                a.button.full href="/sign-in" { "Sign in again" }
            }
        }
    };
    frame.show(StatusCode::OK, &main)
}

/// Signs out.
pub(crate) async fn send(sent: Sent<SignOut>) -> Result<Response, Problem> {
    session::end(&sent.visitor).await?;
    let mut response = page::go("/sign-out");
    if let Some(line) = cookie::clear(cookie::SESSION) {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(response)
}
