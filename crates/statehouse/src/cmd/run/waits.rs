//! For what and for whom a run waits: the sentences that the server says, and the list of what waits for the caller.

use serde_json::Value;

use super::super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Exit, Result};
use crate::out::{Column, plain};

const WAITING: &[Column] = &[
    ("ORGANIZATION", "organization"),
    ("WORKSPACE", "workspace-name"),
    ("NUMBER", "sequence"),
    ("YOU MAY", "waits-for-me"),
    ("STAGE", "stage"),
    ("STARTED BY", "created-by-name|created-by"),
    ("CREATED", "created-at"),
    ("ID", "id"),
];

/// Looks after which it is told what a run waits for: what it waits for in passing is nobody's trouble.
const LOOKS: u32 = 4;

/// What a run that is followed waits for.
#[derive(Default)]
pub(super) struct Waiting {
    last: Option<Value>,
    looks: u32,
}

impl Waiting {
    /// Whether it has waited for the same so long that it is told now; once, and again when it is something else.
    pub(super) fn is_to_be_told(&mut self, run: &Resource) -> bool {
        let waits = run.get("waits-for");
        if waits != self.last.as_ref() {
            self.last = waits.cloned();
            self.looks = 0;
        }
        self.looks = self.looks.saturating_add(1);
        self.looks == LOOKS
    }
}

/// The sentences about what a run waits for.
fn sentences(run: &Resource) -> Vec<String> {
    let waits = run.get("waits-for").and_then(Value::as_array);
    let words = waits
        .into_iter()
        .flatten()
        .filter_map(|each| each["words"].as_str());
    words.map(str::to_owned).collect()
}

/// A run for eyes: what it waits for in words.
pub(super) fn told(run: Resource) -> Resource {
    if run.get("waits-for").is_none() {
        return run;
    }
    let words = sentences(&run).join(" ");
    run.with("waits-for", Value::from(words))
}

/// Says what a run waits for, a line each.
pub(super) fn say(session: &Session, run: &Resource) {
    for sentence in sentences(run) {
        session.out.say(&format!("  {}", plain(&sentence)));
    }
}

/// The runs of all the caller's organizations that wait for something that they may do.
pub(super) fn list(client: &Client, session: &Session, limit: usize) -> Result {
    let (mut found, mut untold) = (Vec::new(), Vec::new());
    for organization in client.api.list("/api/v2/organizations")? {
        let name = organization.text("name");
        let path = format!("/api/v2/organizations/{name}/runs/waiting");
        let (waiting, told) = match client.api.first_told(&path, limit) {
            // Who operates a site belongs to few of its organizations, and a token may not be for all of them.
            Err(failure) if failure.exit == Exit::Refused => {
                untold.push(format!("{name} was not asked: {}", failure.message));
                continue;
            }
            waiting => waiting?,
        };
        untold.extend(left_out(name, &told));
        let waiting = waiting.into_iter();
        found.extend(waiting.map(|run| run.with("organization", Value::from(name))));
    }
    found.truncate(limit);
    session.out.list(WAITING, &found)?;
    for words in untold {
        session.out.say(&plain(&words));
    }
    Ok(())
}

/// What the list of an organization leaves out, a sentence each.
fn left_out(name: &str, told: &Value) -> Vec<String> {
    let mut words = Vec::new();
    if told["more"] == true {
        words.push(format!(
            "{name}: more runs wait than were looked at; there may be others that wait for you"
        ));
    }
    if let Some(unread) = told["unread"].as_u64().filter(|count| *count > 0) {
        words.push(format!(
            "{name}: {unread} more do not read as they were written; `statehouse verify --live` names what differs"
        ));
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_waited_for_in_passing_is_not_told_and_the_rest_once() {
        let mut waiting = Waiting::default();
        let mut told = |what: &str| {
            let run = Resource::default().with("waits-for", json!([{ "words": what }]));
            waiting.is_to_be_told(&run)
        };
        let runner: Vec<bool> = (1..LOOKS).map(|_| told("a runner")).collect();
        let lock: Vec<bool> = (0..=LOOKS).map(|_| told("the lock")).collect();
        assert!(!runner.contains(&true));
        assert_eq!(lock.iter().filter(|told| **told).count(), 1);
        assert!(!told("a runner"));
    }

    #[test]
    fn what_a_list_leaves_out_is_said() {
        let whole = left_out("acme", &json!({ "more": false, "unread": 0 }));
        assert!(whole.is_empty());
        let cut = left_out("acme", &json!({ "more": true, "unread": 2 }));
        assert_eq!(cut.len(), 2);
        assert!(cut[0].contains("more runs wait") && cut[1].contains("2 more do not read"));
    }

    #[test]
    fn what_a_run_waits_for_is_told_in_the_words_of_the_server() {
        let waits = json!([{ "what": "lock", "words": "It waits." }, { "what": "thaw", "words": "It is frozen." }]);
        let run = Resource::default().with("waits-for", waits);
        assert_eq!(told(run).text("waits-for"), "It waits. It is frozen.");
        assert_eq!(told(Resource::default()), Resource::default());
    }
}
