//! A workspace: what state it has, who holds it, and its newest runs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use statehouse_core::Core;
use statehouse_core::run::{self, RunView};
use statehouse_core::workspace::{self, Workspace, WorkspaceView};
use statehouse_model::{Name, WorkspaceId};

use super::form::SignedIn;
use super::moment;
use super::page::Page;
use super::run::words;
use crate::auth::{self, At};
use crate::problem::Problem;

/// Runs that are listed.
const RUNS_MAX: usize = 20;

/// Where its page is; terraform shows it to people.
pub(super) fn path(organization: &str, workspace: &str) -> String {
    format!("/app/{organization}/{workspace}")
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
    let found = workspace::show(&ctx, &Workspace::Name(name)).await?;
    let id: WorkspaceId = auth::id(&found.id)?;
    let runs = run::list(&ctx, &Workspace::Id(id), 1, RUNS_MAX).await?;
    let title = format!("{}/{}", organization.as_str(), found.name);
    let main = html! {
        h1 { (title) }
        section.card { (facts(&found)) }
        section.card {
            h2 { "Runs" }
            @if runs.items.is_empty() {
                p.soft { "None yet. " code { "terraform plan" } " starts one where the workspace's runs happen here." }
            } @else {
                (listed(&path(organization.as_str(), &found.name), &runs.items))
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

fn facts(workspace: &WorkspaceView) -> Markup {
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
                        @if let Some(who) = &workspace.locked_by { " by " code { (who) } }
                        @if let Some(since) = workspace.locked_at { " since " (moment(since)) }
                    }
                    None => { "free" }
                }
            } }
            div { dt { "Made" } dd { (moment(workspace.created_at)) } }
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
