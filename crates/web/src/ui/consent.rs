//! `/oauth`: terraform asks for a token, a person decides, terraform fetches it.
//!
//! What is asked is read by [`statehouse_core::oauth`], which also says whether a failure may be told to the client: until the
//! address to return to is known to be terraform's own, it is told to the person and nobody is sent anywhere.
//!
//! Chromium holds a redirect that follows a form against the page's `form-action`, so the page of a request allows the one
//! loopback address that this request will return to.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::header::PRAGMA;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use statehouse_core::Core;
use statehouse_core::oauth::{self, Asked, CLIENT, Change, Redirect, Refused, Request};
use statehouse_core::session::Visitor;

use super::form::{Fields, Form, Looker, Sent, read};
use super::page::{self, Page};
use super::{sign_in, today};
use crate::problem::Problem;
use crate::tfe::sent::Secret;

/// How long the token may live, in days; 90 is what any token lives.
const LIVES: [u32; 4] = [1, 7, 30, 90];
const LIFE: u32 = 90;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
const AT: &str = "/oauth/authorize";

/// The question to the person.
pub(crate) async fn show(
    RawQuery(query): RawQuery,
    Looker(visitor): Looker,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let request = match asked(query.as_bytes())? {
        Ok(request) => request,
        Err(answer) => return Ok(answer),
    };
    let Some(visitor) = visitor else {
        return Ok(sign_in::first(&format!("{AT}?{query}")));
    };
    Ok(question(&visitor, &request))
}

/// What is asked; or the answer, where it is the client that is told what is wrong with it.
fn asked(bytes: &[u8]) -> Result<Result<Request, Response>, Problem> {
    let asked: Asked = serde_urlencoded::from_bytes(bytes).map_err(|_| {
        Problem::invalid("a parameter of the request is there twice, or cannot be read")
    })?;
    match oauth::read(asked) {
        Ok(request) => Ok(Ok(request)),
        Err(Refused::Here(words)) => Err(Problem::invalid(words)),
        Err(Refused::There {
            redirect,
            state,
            error,
            words,
        }) => {
            let mut said = vec![("error", error), ("error_description", words)];
            said.extend(state.as_deref().map(|state| ("state", state)));
            Ok(Err(back(&redirect, &said)))
        }
    }
}

/// Sends the browser back to the client, which finds these in the address.
fn back(redirect: &Redirect, said: &[(&str, &str)]) -> Response {
    let query = serde_urlencoded::to_string(said).unwrap_or_default();
    page::go(&format!("{}?{query}", redirect.as_str()))
}

fn question(visitor: &Visitor, request: &Request) -> Response {
    let port = request.redirect.port();
    let main = html! {
        section.card.wide {
            h1 { "Give Terraform a token?" }
            p.soft { "Approve only if you just ran " code { "terraform login" } " yourself, on this computer." }
            dl.facts {
                div { dt { "You are" } dd { strong { (visitor.name().as_str()) } } }
                div { dt { "It asks" } dd { "Terraform or OpenTofu on this computer, listening on port " (port) } }
                div { dt { "It gets" } dd { "A token that may do whatever you may do. You can revoke it under API tokens at any time." } }
            }
            form method="post" action=(AT) {
                (page::form_token(visitor, Decision::PURPOSE))
                (carried(request))
                (page::lives(LIFE, &LIVES))
                div.actions {
                    button type="submit" name="decision" value="approve" { "Approve" }
                    button.plain type="submit" name="decision" value="deny" { "Deny" }
                }
            }
        }
        p.soft.small.wide { "Not " (visitor.name().as_str()) "? Sign out above, then run " code { "terraform login" } " again." }
    };
    let frame = Page {
        title: "Give Terraform a token?",
        visitor: Some(visitor),
        leads_to: Some(request.redirect.origin()),
        ..Page::default()
    };
    frame.show(StatusCode::OK, &main)
}

/// The request, to be read again when the decision comes.
fn carried(request: &Request) -> Markup {
    html! {
        (page::hidden("client_id", CLIENT))
        (page::hidden("redirect_uri", request.redirect.as_str()))
        (page::hidden("response_type", "code"))
        (page::hidden("state", &request.state))
        (page::hidden("code_challenge", request.challenge()))
        (page::hidden("code_challenge_method", "S256"))
    }
}

/// The person's answer, and again what was asked.
#[derive(Deserialize)]
pub(crate) struct Decision {
    decision: String,
    life: u32,
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
}

impl Form for Decision {
    const PURPOSE: &'static str = "oauth.decide";
}

/// The decision.
pub(crate) async fn decide(sent: Sent<Decision>) -> Result<Response, Problem> {
    let Sent { visitor, form } = sent;
    let asked = Asked {
        client_id: Some(form.client_id),
        redirect_uri: Some(form.redirect_uri),
        response_type: Some(form.response_type),
        state: Some(form.state),
        code_challenge: Some(form.code_challenge),
        code_challenge_method: Some(form.code_challenge_method),
    };
    // The form is a page's of ours, so it says what was asked; if it does not, nobody is sent anywhere.
    let request = oauth::read(asked).map_err(|_| Problem::foreign_form())?;
    let (redirect, state) = (request.redirect.clone(), request.state.clone());
    match &*form.decision {
        "approve" if LIVES.contains(&form.life) => {
            let life_us = i64::from(form.life) * DAY_US;
            let code = oauth::approve(&visitor, request, life_us).await?;
            let said = [("code", code.expose_secret()), ("state", &state)];
            Ok(back(&redirect, &said))
        }
        "deny" => {
            oauth::deny(&visitor).await?;
            let words = "the person who was asked did not approve";
            let said = [
                ("error", "access_denied"),
                ("error_description", words),
                ("state", &state),
            ];
            Ok(back(&redirect, &said))
        }
        _ => Err(Problem::invalid(
            "a decision is to approve or to deny, for 1, 7, 30 or 90 days",
        )),
    }
}

/// What a client sends; every part may be missing, and says so in the client's own words.
#[derive(Deserialize)]
struct Exchange {
    grant_type: Option<String>,
    code: Option<Secret>,
    redirect_uri: Option<String>,
    client_id: Option<String>,
    code_verifier: Option<Secret>,
}

/// Changes a code for a token: `POST /oauth/token`, for the client itself.
pub(crate) async fn token(
    State(core): State<Arc<Core>>,
    Fields(bytes): Fields,
) -> Result<Response, Problem> {
    let sent: Exchange = read(&bytes)?;
    let change = Change {
        grant_type: sent.grant_type,
        code: sent.code.map(|Secret(code)| code),
        redirect_uri: sent.redirect_uri,
        client_id: sent.client_id,
        code_verifier: sent.code_verifier.map(|Secret(verifier)| verifier),
    };
    let label = format!("terraform login, {}", today(&core.machine()));
    let (status, body) = match core.exchange(change, label).await? {
        Ok(granted) => {
            let token = granted.token.expose_secret();
            let expires_in = granted.life_us / 1_000_000;
            let body =
                json!({ "access_token": token, "token_type": "bearer", "expires_in": expires_in });
            (StatusCode::OK, body)
        }
        Err(refused) => {
            let body = json!({ "error": refused.error, "error_description": refused.words });
            (StatusCode::BAD_REQUEST, body)
        }
    };
    let no_cache = [(PRAGMA, HeaderValue::from_static("no-cache"))];
    Ok((status, no_cache, Json(body)).into_response())
}
