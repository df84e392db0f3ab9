//! A workspace: what state it has, who holds it, whether it is frozen, and its newest runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use statehouse_core::Core;
use statehouse_core::drift::{self, CheckView, DriftView};
use statehouse_core::run::written::WrittenView;
use statehouse_core::run::{self, RunView};
use statehouse_core::workspace::freeze::FreezeView;
use statehouse_core::workspace::{self, Workspace, WorkspaceView};
use statehouse_model::{Name, WorkspaceId};

use super::form::SignedIn;
use super::moment;
use super::page::Page;
use super::run::words;
use crate::auth::{self, At};
use crate::people::{self, People};
use crate::problem::Problem;

/// Runs that are listed.
const RUNS_MAX: usize = 20;

/// Where its page is; terraform shows it to people.
pub(super) fn path(organization: &str, workspace: &str) -> String {
    format!("/app/{organization}/{workspace}")
}

/// The command that lets its state be changed again.
pub(super) fn thaw(organization: &str, workspace: &str) -> String {
    format!("statehouse workspace thaw {organization}/{workspace} --reason …")
}

/// Which one.
#[derive(Deserialize)]
pub(crate) struct Address {
    organization: String,
    workspace: String,
}

/// The page.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    SignedIn(visitor): SignedIn,
    At(address): At<Address>,
) -> Result<Response, Problem> {
    let organization: Name = auth::id(&address.organization)?;
    let name: Name = auth::id(&address.workspace)?;
    let ctx = core.enter_as(&visitor, &organization).await?;
    let full = workspace::full(&ctx, &Workspace::Name(name)).await?;
    let found = &full.workspace;
    let id: WorkspaceId = auth::id(&found.id)?;
    let id = Workspace::Id(id);
    let runs = run::list(&ctx, &id, 1, RUNS_MAX).await?;
    let drift = drift::show(&ctx, &id).await?;
    let people = People::of(&core, people::accounts(found.locked_by.as_deref())).await?;
    let at = path(organization.as_str(), &found.name);
    let title = format!("{}/{}", organization.as_str(), found.name);
    let main = html! {
        h1 { (title) }
        @if let Some(freeze) = &full.frozen { (frozen(freeze, &thaw(organization.as_str(), &found.name))) }
        @if let Some(against) = full.written.as_ref().filter(|written| written.is_against()) { (forbidden(&at, against)) }
        section.card { (facts(found, &people)) }
        section.card { h2 { "Drift" } (drifted(&at, &drift)) }
        section.card {
            h2 { "Runs" }
            @if runs.items.is_empty() {
                p.soft { "None yet. " code { "terraform plan" } " starts one where the workspace's runs happen here." }
            } @else {
                (listed(&at, &runs.items))
            }
        }
    };
    let frame = Page {
        title: &title,
        visitor: Some(&visitor),
        ..Page::default()
    };
    Ok(frame.show(StatusCode::OK, &main))
}

/// That nobody may change its state: since when, by whom, why, and how it goes on. An alert.
fn frozen(freeze: &FreezeView, thaw: &str) -> Markup {
    html! {
        div.fault role="alert" {
            p { strong { "Frozen." } " Nobody changes its state, since " (moment(freeze.frozen_at)) ", by " code { (freeze.who) } "." }
            p { "Why: " (freeze.reason.as_deref().unwrap_or("no reason is written down")) }
            p { "Somebody who may (" code { "workspace.freeze" } ") thaws it: " code { (thaw) } }
        }
    }
}

/// That mandatory policies are against the state that its last apply left. An alert.
fn forbidden(path: &str, written: &WrittenView) -> Markup {
    html! {
        div.fault role="alert" {
            p { strong { "Policies are against the state that was applied last." } " "
                a href=(format!("{path}/runs/{}", written.run)) { "The run" } " says which, and why." }
        }
    }
}

fn facts(workspace: &WorkspaceView, people: &People) -> Markup {
    html! {
        dl.facts {
            div { dt { "State" } dd {
                @match &workspace.head {
                    Some(head) => { "version " (workspace.versions) ", " code { (head) } }
                    None => { "none yet" }
                }
            } }
            div { dt { "Lock" } dd {
                @match &workspace.lock_id {
                    Some(lock) => {
                        "held under " code { (lock) }
                        @if let Some(who) = &workspace.locked_by { " by " (people.called(who)) }
                        @if let Some(since) = workspace.locked_at { " since " (moment(since)) }
                    }
                    None => { "free" }
                }
            } }
            div { dt { "Made" } dd { (moment(workspace.created_at)) } }
        }
    }
}

/// What is known of its drift: what was found out last, whether somebody looked in vain since, and how often it is looked for.
fn drifted(path: &str, drift: &DriftView) -> Markup {
    let in_vain = drift
        .newest
        .as_ref()
        .filter(|newest| newest.drifted.is_none());
    let link = |check: &CheckView, words: &str| html! { a href=(format!("{path}/runs/{}", check.run)) { (words) } };
    html! {
        dl.facts {
            div { dt { "It is" } dd {
                @match &drift.known {
                    Some(known) => {
                        @match known.drifted.unwrap_or_default() {
                            0 => { strong { "as it was applied" } }
                            1 => { strong { "drifted: 1 resource is not as it was applied" } }
                            count => { strong { "drifted: " (count) " resources are not as they were applied" } }
                        }
                        ", as of " (moment(known.at)) " (" (link(known, "the run")) ")"
                    }
                    None => { "not known: nobody has found out yet" }
                }
            } }
            @if let Some(vain) = in_vain {
                div { dt { "The last look" } dd {
                    "found nothing out: it ended " (words(&vain.outcome))
                    @if !vain.reason.is_empty() { " (" (words(&vain.reason)) ")" }
                    ", " (moment(vain.at)) " (" (link(vain, "the run")) ")"
                } }
            }
            div { dt { "Looked for" } dd {
                @match drift.schedule.hours {
                    Some(1) => { "every hour" }
                    Some(hours) => { "every " (hours) " hours" }
                    None => { "when somebody asks: " code { "statehouse drift start" } }
                }
                @if let Some(next) = drift.schedule.next_at { ", next " (moment(next)) }
            } }
        }
    }
}

fn listed(path: &str, runs: &[RunView]) -> Markup {
    html! {
        table.list {
            thead { tr { th scope="col" { "Run" } th scope="col" { "It is" } th scope="col" { "It does" } th scope="col" { "Started" } } }
            tbody {
                @for run in runs {
                    tr {
                        td { a href=(format!("{path}/runs/{}", run.id)) { (run.sequence) } }
                        td { (words(run.state.status().as_str())) }
                        td { (words(run.state.kind().as_str())) }
                        td { (moment(run.created_at)) }
                    }
                }
            }
        }
    }
}
