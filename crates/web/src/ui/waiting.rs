//! What waits for whoever is signed in: runs of all their organizations about which they may do something that brings them on.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use statehouse_core::Core;
use statehouse_core::run::RunView;
use statehouse_core::run::waits::{Deed, Mine};

use super::form::SignedIn;
use super::page::Page;
use super::run::words;
use super::{moment, workspace as place};
use crate::people::{self, People};
use crate::problem::Problem;
use crate::waits;

/// Where it is.
pub(super) const PATH: &str = "/app/waiting";

/// The page.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    SignedIn(visitor): SignedIn,
) -> Result<Response, Problem> {
    let found = core.waiting_for(&visitor).await?;
    let mine = found.iter().filter_map(|(_, mine)| mine.as_ref().ok());
    let runs = mine.flat_map(|mine| &mine.runs);
    let accounts = people::accounts(runs.flat_map(waits::actors));
    let people = People::of(&core, accounts).await?;
    let main = html! {
        h1 { "Waiting for you" }
        p.lead { "Runs that go on when you have said something, of all organizations that you belong to." }
        @if found.is_empty() {
            p { "Nothing waits for you now." }
        }
        @for (organization, mine) in &found {
            section.card {
                h2 { (organization) }
                @match mine {
                    Ok(mine) => (listed(organization, mine, &people)),
                    // Why not can be about what the visitor may not see.
                    Err(_) => p.fault role="alert" { "It could not be asked what waits for you here." },
                }
            }
        }
    };
    let frame = Page {
        title: "Waiting for you",
        visitor: Some(&visitor),
        ..Page::default()
    };
    Ok(frame.show(StatusCode::OK, &main))
}

fn listed(organization: &str, mine: &Mine, people: &People) -> Markup {
    html! {
        @if !mine.runs.is_empty() { (table(organization, &mine.runs, people)) }
        @if mine.more { p.note { "More runs wait here than were looked at: there may be others that wait for you." } }
        @if mine.unread > 0 { p.fault role="alert" { (mine.unread) " more do not read as they were written: " code { "statehouse verify --live" } " names what differs." } }
    }
}

fn table(organization: &str, runs: &[RunView], people: &People) -> Markup {
    html! {
        table.list {
            thead { tr { th scope="col" { "Run" } th scope="col" { "You may" } th scope="col" { "It does" } th scope="col" { "Started" } } }
            tbody {
                @for run in runs {
                    tr {
                        td { (link(organization, run)) }
                        td { (deeds(run)) }
                        td { (words(run.state.kind().as_str())) }
                        td { (moment(run.created_at)) " by " (people.called(&run.actor)) }
                    }
                }
            }
        }
    }
}

fn link(organization: &str, run: &RunView) -> Markup {
    let workspace = run.workspace_name.as_deref().unwrap_or(&run.workspace);
    let path = format!("{}/runs/{}", place::path(organization, workspace), run.id);
    html! { a href=(path) { (workspace) " " (run.sequence) } }
}

/// What the visitor may do about it.
fn deeds(run: &RunView) -> String {
    let mine = run.waits.iter().flat_map(|waits| &waits.mine);
    let named = mine.map(|deed| match deed {
        Deed::Approve => "approve it",
        Deed::Confirm => "confirm it",
        Deed::Override => "override the policies",
    });
    named.collect::<Vec<_>>().join(", ")
}
