//! The start: what this is, who you are, and where things are.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::form::{self, Looker};
use super::page::Page;
use super::waiting;

/// The page.
pub(crate) async fn show(Looker(visitor): Looker, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let host = form::authority(&parts);
    let frame = Page {
        title: "Start",
        visitor: visitor.as_ref(),
        ..Page::default()
    };
    let main = html! {
        h1 { "The house for your Terraform and OpenTofu state" }
        p.lead {
            "Every version is kept, sealed and locked while it is worked on, and what happened to it can be proven, \
             also without this server."
        }
        @if let Some(visitor) = &visitor {
            p { "You are signed in as " strong { (visitor.name().as_str()) } "." }
            p { a href=(waiting::PATH) { "What waits for you" } ": runs that you may confirm, approve or let pass." }
        } @else {
            p { a.button href="/sign-in" { "Sign in" } }
        }
        div.ways { (terraform(&host)) (tokens()) (command_line()) }
    };
    frame.show(StatusCode::OK, &main)
}

fn terraform(host: &str) -> Markup {
    html! {
        section.card {
            h2 { "From Terraform" }
            p.soft { "Log in once on a computer. A page opens here and asks whether you approve." }
            pre { code { "terraform login " (host) } }
        }
    }
}

fn tokens() -> Markup {
    html! {
        section.card {
            h2 { "From a pipeline" }
            p.soft { "Make a token, give it to the pipeline as a secret, and revoke it when it is not needed any more." }
            p { a href="/app/settings/tokens" { "Your API tokens" } }
        }
    }
}

fn command_line() -> Markup {
    html! {
        section.card {
            h2 { "From a shell" }
            p.soft { "The program " code { "statehouse" } " shows states, locks and roles, and verifies the ledger." }
            pre { code { "statehouse login --user NAME" } }
        }
    }
}
