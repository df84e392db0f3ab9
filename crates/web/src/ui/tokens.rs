//! One's own API tokens: to see them, to make one, to end one.
//!
//! A token is shown in the answer to the form that made it, and never again. Terraform opens this page with
//! `?source=terraform-login` where it cannot ask by itself; then the page is about that one token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use statehouse_core::session::Visitor;
use statehouse_core::token::{self, TokenView, Wish};
use statehouse_core::{Core, Kind};

use super::form::{Form, Sent, SignedIn};
use super::page::{self, Page};
use super::{day, sign_in, today};
use crate::auth::{self, Asked, At};
use crate::problem::Problem;

const AT: &str = "/app/settings/tokens";
/// What terraform says of itself when it opens the page.
const TERRAFORM: &str = "terraform-login";
/// How long a token may live, in days.
const LIVES: [u32; 5] = [1, 7, 30, 90, 365];
const LIFE: u32 = 90;
const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// Ended tokens that are shown, the last ones.
const OVER_MAX: usize = 20;

/// Who sent the person here.
#[derive(Deserialize)]
pub(crate) struct Source {
    source: Option<String>,
}

/// A new token.
#[derive(Deserialize)]
pub(crate) struct Make {
    label: String,
    life: u32,
    source: Option<String>,
}

impl Form for Make {
    const PURPOSE: &'static str = "token.make";
}

/// The end of one.
#[derive(Deserialize)]
pub(crate) struct Revoke {}

impl Form for Revoke {
    const PURPOSE: &'static str = "token.revoke";
}

/// The page.
pub(crate) async fn show(
    SignedIn(visitor): SignedIn,
    Asked(Source { source }): Asked<Source>,
) -> Result<Response, Problem> {
    let terraform = source.as_deref() == Some(TERRAFORM);
    let about = About::new(&visitor, terraform).await?;
    Ok(about.show(StatusCode::OK))
}

/// Makes a token and shows it.
pub(crate) async fn make(sent: Sent<Make>) -> Result<Response, Problem> {
    let Sent { visitor, form } = sent;
    let terraform = form.source.as_deref() == Some(TERRAFORM);
    if !LIVES.contains(&form.life) {
        return Err(Problem::invalid(
            "a token lives for 1, 7, 30, 90 or 365 days",
        ));
    }
    let wish = Wish {
        label: form.label.clone(),
        life_us: Some(i64::from(form.life) * DAY_US),
        ..Wish::default()
    };
    let made = token::create(visitor.site(), wish).await;
    let mut about = About::new(&visitor, terraform).await?;
    match made {
        Ok(made) => {
            about.made = Some(made);
            Ok(about.show(StatusCode::CREATED))
        }
        Err(error) if matches!(error.kind(), Kind::Invalid | Kind::Conflict) => {
            about.fault = Some(sign_in::said(&error));
            about.label = form.label;
            Ok(about.show(StatusCode::BAD_REQUEST))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends a token.
pub(crate) async fn revoke(
    State(_): State<Arc<Core>>,
    At(id): At<String>,
    sent: Sent<Revoke>,
) -> Result<Response, Problem> {
    token::revoke(sent.visitor.site(), auth::id(&id)?).await?;
    Ok(page::go(AT))
}

/// What the page is made of.
struct About<'a> {
    visitor: &'a Visitor,
    /// Whether terraform waits for a token.
    terraform: bool,
    tokens: Vec<TokenView>,
    made: Option<(TokenView, SecretString)>,
    label: String,
    fault: Option<String>,
}

impl<'a> About<'a> {
    async fn new(visitor: &'a Visitor, terraform: bool) -> Result<Self, Problem> {
        let mut tokens = token::list(visitor.site()).await?;
        tokens.reverse();
        let label = if terraform {
            login_label(visitor)
        } else {
            String::new()
        };
        Ok(Self {
            visitor,
            terraform,
            tokens,
            made: None,
            label,
            fault: None,
        })
    }

    fn show(&self, status: StatusCode) -> Response {
        let title = if self.terraform {
            "A token for Terraform"
        } else {
            "API tokens"
        };
        let main = html! {
            h1 { (title) }
            @if self.terraform && self.made.is_none() {
                p.lead { "Terraform waits for a token in your terminal. Make one here, then copy it there." }
            } @else if !self.terraform {
                p.lead { "A token lets a program do what you may do, until it ends or you revoke it." }
            }
            @if let Some((view, secret)) = &self.made {
                (self.shown(view, secret))
            } @else {
                (self.form())
            }
            @if !self.terraform { (self.list()) }
        };
        let frame = Page {
            title,
            visitor: Some(self.visitor),
            copies: self.made.is_some(),
            ..Page::default()
        };
        frame.show(status, &main)
    }

    fn form(&self) -> Markup {
        let invalid = self.fault.as_ref().map(|_| "true");
        let described = self.fault.as_ref().map(|_| "fault");
        html! {
            section.card {
                h2 { "Make a token" }
                (page::fault("fault", self.fault.as_deref()))
                form.row method="post" action=(AT) {
                    (page::form_token(self.visitor, Make::PURPOSE))
                    @if self.terraform { (page::hidden("source", TERRAFORM)) }
                    div {
                        label for="label" { "What is it for?" }
                        input id="label" name="label" value=(self.label) required maxlength="256" autocomplete="off"
                            aria-invalid=[invalid] aria-describedby=[described];
                    }
                    div { (page::lives(LIFE, &LIVES)) }
                    button type="submit" { "Make it" }
                }
            }
        }
    }

    fn shown(&self, view: &TokenView, secret: &SecretString) -> Markup {
        html! {
            section.card {
                h2 { "Your new token" }
                p {
                    @if self.terraform {
                        "Copy this into your terminal, where Terraform waits for it. It is not shown again."
                    } @else {
                        "Copy it now. It is not shown again."
                    }
                }
                label for="token" { (view.label) }
                div.copy {
                    input id="token" readonly value=(secret.expose_secret()) autocomplete="off" spellcheck="false"
                        aria-describedby="ends";
                    button type="button" data-copies="token" hidden { "Copy" }
                }
                p.soft.small id="ends" { @if let Some(at) = view.expires_at { "It ends on " (day(at)) "." } }
                @if !self.terraform { p { a href=(AT) { "Done" } } }
            }
        }
    }

    fn list(&self) -> Markup {
        let now = self.visitor.site().house().now();
        let live = |token: &&TokenView| {
            token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > now)
        };
        let (live, over): (Vec<_>, Vec<_>) = self.tokens.iter().partition(live);
        html! {
            section.card {
                h2 { "Your tokens" }
                @if live.is_empty() {
                    p.soft { "You have none." }
                } @else {
                    table.list {
                        thead { tr {
                            th scope="col" { "For" } th scope="col" { "Contains" } th scope="col" { "Made" }
                            th scope="col" { "Ends" } td {}
                        } }
                        tbody { @for token in live { (self.row(token, true)) } }
                    }
                }
                @if !over.is_empty() {
                    details {
                        summary { "Tokens that ended" }
                        table.list.over {
                            thead { tr {
                                th scope="col" { "For" } th scope="col" { "Contains" } th scope="col" { "Made" }
                                th scope="col" { "Ended" }
                            } }
                            tbody { @for token in over.into_iter().take(OVER_MAX) { (self.row(token, false)) } }
                        }
                    }
                }
            }
        }
    }

    fn row(&self, token: &TokenView, live: bool) -> Markup {
        let ends = token.revoked_at.or(token.expires_at);
        let label = if token.label.is_empty() {
            "without a name"
        } else {
            &token.label
        };
        html! {
            tr {
                td.name { (label) }
                td data-label="Contains" { code { (mark(token)) } }
                td.date data-label="Made" { (day(token.created_at)) }
                td.date data-label=(if live { "Ends" } else { "Ended" }) { (ends.map(day).unwrap_or_default()) }
                @if live {
                    td.do {
                        form method="post" action={ (AT) "/" (token.id) "/actions/revoke" } {
                            (page::form_token(self.visitor, Revoke::PURPOSE))
                            button.danger type="submit" aria-label={ "Revoke " (label) } { "Revoke" }
                        }
                    }
                }
            }
        }
    }
}

/// As much of a token as tells it from others and helps nobody: the end of the part by which it is found.
fn mark(token: &TokenView) -> String {
    let at = token.handle.len().saturating_sub(4);
    format!("…{}…", token.handle.get(at..).unwrap_or_default())
}

/// What a token is called that terraform asked for.
fn login_label(visitor: &Visitor) -> String {
    format!("terraform login, {}", today(visitor.site()))
}
