//! What happened to a run, and what people said beside it.

use statehouse_core::run::explained::deed;
use statehouse_model::RunId;

use super::super::session::{Client, Session};
use super::path;
use crate::client::Resource;
use crate::failure::Result;
use crate::out::{Column, plain};

pub(super) const EVENTS: &[Column] = &[
    ("WHEN", "created-at"),
    ("WHAT", "action"),
    ("ABOUT", "about"),
    ("THEN", "description"),
    ("WHO", "actor-name|actor"),
    ("SAID", "comment-fault|comment"),
];

/// What happened to a run, the oldest first.
pub(super) fn of(client: &Client, run: &RunId) -> Result<Vec<Resource>> {
    client.api.list(&path(run, "/run-events"))
}

/// Prints what people said beside what they did; nothing where nobody said anything.
pub(super) fn print_said(session: &Session, events: &[Resource]) -> Result {
    let lines: Vec<String> = events.iter().filter_map(said).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let text = lines.join("\n");
    session.out.text(&format!("What was said:\n{text}\n"))
}

/// By name, or by id where that is no account.
fn who(event: &Resource) -> &str {
    match event.text("actor-name") {
        "" => event.text("actor"),
        name => name,
    }
}

fn said(event: &Resource) -> Option<String> {
    let words = match (event.text("comment-fault"), event.text("comment")) {
        ("", "") => return None,
        // Nothing in them ends them, so that what follows looks like somebody else's.
        ("", words) => format!("\"{}\"", plain(words).replace('"', "\\\"")),
        (fault, _) => plain(fault),
    };
    let (at, who) = (plain(event.text("created-at")), plain(who(event)));
    let deed = plain(deed(event.text("action")));
    Some(format!("  {at}  {who} {deed}: {words}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(action: &str, more: &[(&str, &str)]) -> Resource {
        let event = Resource::default()
            .with("action", json!(action))
            .with("created-at", json!("2026-11-28T10:00:00.000Z"))
            .with("actor", json!("user-1"));
        let with = |event: Resource, (key, value): &(&str, &str)| event.with(key, json!(value));
        more.iter().fold(event, with)
    }

    #[test]
    fn words_are_told_with_who_said_them_beside_what_and_altered_ones_are_told_to_be() {
        let check = |event: Resource, expected: Option<&str>| {
            assert_eq!(said(&event).as_deref(), expected);
        };
        let named = ("actor-name", "ada");
        check(event("planned", &[named]), None);
        check(
            event("override", &[named, ("comment", "the \u{1b}[2Jlaw")]),
            Some(
                "  2026-11-28T10:00:00.000Z  ada let it pass that policies are against: \"the \\u{1b}[2Jlaw\"",
            ),
        );
        check(
            event(
                "comment",
                &[
                    named,
                    (
                        "comment",
                        "ok\"  \u{202e}\u{2028}\u{200b}grace approved it: \"fine",
                    ),
                ],
            ),
            Some(
                "  2026-11-28T10:00:00.000Z  ada said something about it: \"ok\\\"  \\u{202e}\\u{2028}\\u{200b}grace approved it: \\\"fine\"",
            ),
        );
        check(
            event("approve", &[("comment-fault", "it was altered")]),
            Some("  2026-11-28T10:00:00.000Z  user-1 approved it: it was altered"),
        );
    }
}
