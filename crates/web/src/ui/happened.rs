//! What happened to a run, on its page: who did what, when, and what they said beside it.

use maud::{Markup, html};
use statehouse_core::run::explained::deed;
use statehouse_core::run::{EventView, Said};
use statehouse_terraform::unseen::is_unseen;

use super::moment;
use super::run::words;
use crate::people::People;

/// Things that are listed: the newest of them.
const EVENTS_MAX: usize = 200;

/// The section; without the events it says that they were altered.
pub(super) fn section(events: Option<&[EventView]>, people: &People) -> Markup {
    html! {
        section.card {
            h2 { "What happened" }
            @match events {
                Some(events) => (listed(events, people)),
                None => p.fault role="alert" { "What was written down of it was altered in the database: " code { "statehouse verify --live" } " names what differs." }
            }
        }
    }
}

fn listed(events: &[EventView], people: &People) -> Markup {
    let over = events.len().saturating_sub(EVENTS_MAX);
    html! {
        @if over > 0 { p.soft { "The first " (over) " are left out here: " code { "statehouse run events" } } }
        table.list {
            thead { tr { th scope="col" { "When" } th scope="col" { "Who did what, and why" } th scope="col" { "Then it is" } } }
            tbody {
                @for event in events.iter().skip(over) {
                    tr {
                        td { (moment(event.at)) }
                        td {
                            (people.called(&event.actor)) " " (deed(&event.event))
                            @if !event.about.is_empty() { ": " (about(event, people)) }
                            (said(&event.said))
                        }
                        td { (words(&event.status)) }
                    }
                }
            }
        }
    }
}

/// What it was about; the ids of people in it are their names.
fn about(event: &EventView, people: &People) -> String {
    let each = event.about.split(", ");
    let named = each.map(|part| {
        let (before, id) = part.rsplit_once(' ').unwrap_or(("", part));
        match people.name(id) {
            Some(name) if before.is_empty() => name,
            Some(name) => format!("{before} {name}"),
            None => part.to_owned(),
        }
    });
    named.collect::<Vec<_>>().join(", ")
}

/// Every account that the section names.
pub(super) fn actors(events: &[EventView]) -> impl Iterator<Item = &str> {
    let about = events
        .iter()
        .flat_map(|event| event.about.split([' ', ',']));
    let actors = events.iter().map(|event| event.actor.as_str());
    actors.chain(about)
}

fn said(said: &Said) -> Markup {
    html! {
        @match said {
            Said::Nothing => {}
            Said::Words(words) => { br; q { bdi { (seen(words)) } } }
            Said::Altered => { br; strong.altered { (capital(Said::ALTERED)) "." } }
        }
    }
}

/// A stranger's words with every sign in them to be seen: none turns around or hides what stands beside it.
fn seen(words: &str) -> String {
    let shown = |sign: char| {
        if sign.is_control() || is_unseen(sign) {
            sign.escape_unicode().to_string()
        } else {
            sign.to_string()
        }
    };
    words.chars().map(shown).collect()
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
