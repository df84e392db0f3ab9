//! What becomes of a state: what it loses and what it gains, by a plan that is not applied yet, or by two states.
//!
//! Only managed resources count, and a resource that is replaced is neither lost nor gained: its address stays. What vanished outside and is made anew is
//! the same; what vanished outside and is not, is lost. A plan is read as its text comes ([`Reader`]), and each resource for itself, however many there are:
//! whoever wrote the JSON is not trusted, and an entry that says something unknown makes nobody know.

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::address::Mode;
use crate::content::Content;
use crate::drift::{Unread, has_drifted};
use entries::{Entries, Of};

/// The mode of resources that terraform keeps.
const MANAGED: &str = "managed";
/// Resources of a plan that are read: ten times as many as a large workspace has.
const ENTRIES_MAX: usize = 1_000_000;
/// Resources that are told of: what is read of them is handed on whole.
const TOLD_MAX: usize = 250_000;
/// Longest entry that may have drifted, and all of them together, in bytes: read, one may take thirty times as much memory.
const DRIFT_BYTES_MAX: usize = 8 * 1024 * 1024;
const DRIFTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A resource, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its address.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// What happens, in terraform's words.
    pub actions: Vec<String>,
}

/// What becomes of a state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transition {
    /// What it does not have any more, by address.
    pub dropped: Vec<Moved>,
    /// What it did not have before, by address.
    pub added: Vec<Moved>,
}

/// What a plan says of the state that it was made against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// What is to become of it.
    pub transition: Transition,
    /// What changed without terraform, by address.
    pub outside: Vec<Moved>,
}

/// A plan that is read as its text comes.
#[derive(Default)]
pub struct Reader {
    entries: Entries,
    changes: Changes,
    drift: Drift,
    /// Why nobody knows: then what follows is not looked at.
    unread: Option<Unread>,
}

impl Write for Reader {
    /// Takes all of it, whatever it is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unread.is_none() {
            let (changes, drift) = (&mut self.changes, &mut self.drift);
            let mut hear = |list, entry: &[u8]| match list {
                Of::Changes => changes.add(entry),
                Of::Drift => drift.add(entry),
            };
            self.unread = self.entries.take(bytes, &mut hear).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Reader {
    /// What the plan says, when all of it came.
    ///
    /// # Errors
    /// [`Unread`]: then nobody knows.
    pub fn done(self) -> Result<Foreseen, Unread> {
        if let Some(unread) = self.unread {
            return Err(unread);
        }
        self.entries.done()?;
        let (mut changes, drift) = (self.changes, self.drift.resources);
        let is_gone = |each: &&Moved| each.actions == ["delete"];
        let gone = drift.iter().filter(is_gone);
        let vanished: BTreeSet<&str> = gone.clone().map(|each| each.address.as_str()).collect();
        let made: BTreeSet<&str> = changes
            .made
            .iter()
            .map(|each| each.address.as_str())
            .collect();
        let lost = gone.filter(|each| !made.contains(each.address.as_str()));
        changes.lost.extend(lost.cloned());
        changes
            .made
            .retain(|each| !vanished.contains(each.address.as_str()));
        let mut transition = Transition {
            dropped: changes.lost,
            added: changes.made,
        };
        for list in [&mut transition.dropped, &mut transition.added] {
            list.sort_by(|one, other| one.address.cmp(&other.address));
            list.dedup_by(|one, other| one.address == other.address);
        }
        Ok(Foreseen {
            transition,
            outside: drift,
        })
    }
}

impl Foreseen {
    /// Reads it off the JSON of a plan.
    ///
    /// # Errors
    /// [`Unread`]: then nobody knows.
    pub fn read(plan: &[u8]) -> Result<Self, Unread> {
        let mut reader = Reader::default();
        // It takes whatever it is given.
        let _ = reader.write_all(plan);
        reader.done()
    }
}

impl Transition {
    /// From one state to the next; from none where there was none.
    pub fn between(before: Option<&Content<'_>>, after: &Content<'_>) -> Self {
        let (had, has) = (before.map(managed).unwrap_or_default(), managed(after));
        let beside =
            |some: &BTreeMap<String, &str>, others: &BTreeMap<String, &str>, word: &str| {
                let only = some
                    .iter()
                    .filter(|(address, _)| !others.contains_key(*address));
                let moved = only.map(|(address, kind)| Moved {
                    address: address.clone(),
                    kind: (*kind).to_owned(),
                    actions: vec![word.to_owned()],
                });
                moved.collect()
            };
        Self {
            dropped: beside(&had, &has, "delete"),
            added: beside(&has, &had, "create"),
        }
    }
}

/// The managed resources of a state and their types, by address.
fn managed<'c>(content: &'c Content<'_>) -> BTreeMap<String, &'c str> {
    let all = content.instances().iter();
    let managed = all.filter(|each| each.mode() == Mode::Managed && each.deposed().is_none());
    managed.map(|each| (each.address(), each.kind())).collect()
}

/// What becomes of the address of a resource.
enum Fate {
    Made,
    Lost,
    Stays,
}

impl Fate {
    fn of(resource: &Spelled) -> Result<Self, Unread> {
        let actions: Vec<&str> = resource.change.actions.iter().map(String::as_str).collect();
        Ok(match actions.as_slice() {
            _ if resource.deposed.is_some() => Self::Stays,
            ["create"] => Self::Made,
            ["no-op" | "update"] if resource.change.importing.is_some() => Self::Made,
            ["delete" | "forget"] => Self::Lost,
            ["no-op" | "update" | "read"]
            | ["delete" | "forget", "create"]
            | ["create", "delete" | "forget"] => Self::Stays,
            _ => return Err(Unread::Resource),
        })
    }
}

/// A resource as a plan spells it.
#[derive(Deserialize)]
struct Spelled {
    address: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    deposed: Option<String>,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    actions: Vec<String>,
    importing: Option<IgnoredAny>,
}

impl From<Spelled> for Moved {
    fn from(spelled: Spelled) -> Self {
        Self {
            address: spelled.address,
            kind: spelled.kind,
            actions: spelled.change.actions,
        }
    }
}

/// The managed resources that are to be made, and those that are to be lost.
#[derive(Default)]
struct Changes {
    entries: usize,
    made: Vec<Moved>,
    lost: Vec<Moved>,
}

impl Changes {
    /// Takes one more entry into account.
    fn add(&mut self, entry: &[u8]) -> Result<(), Unread> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX || self.made.len() + self.lost.len() > TOLD_MAX {
            return Err(Unread::TooMuch);
        }
        let spelled: Spelled = serde_json::from_slice(entry)?;
        if spelled.mode != MANAGED {
            return Ok(());
        }
        match Fate::of(&spelled)? {
            Fate::Made => self.made.push(spelled.into()),
            Fate::Lost => self.lost.push(spelled.into()),
            Fate::Stays => {}
        }
        Ok(())
    }
}

/// The managed resources that changed without terraform.
#[derive(Default)]
struct Drift {
    entries: usize,
    bytes: usize,
    resources: Vec<Moved>,
}

impl Drift {
    /// Takes one more entry into account.
    fn add(&mut self, entry: &[u8]) -> Result<(), Unread> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.len());
        let is_much = self.entries > ENTRIES_MAX || self.bytes > DRIFTS_BYTES_MAX;
        if is_much || self.resources.len() > TOLD_MAX {
            return Err(Unread::TooMuch);
        }
        let value: Value = serde_json::from_slice(entry)?;
        if !has_drifted(&value).ok_or(Unread::Resource)? {
            return Ok(());
        }
        let spelled: Spelled = serde_json::from_slice(entry)?;
        if spelled.mode == MANAGED {
            self.resources.push(spelled.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    fn entry(address: &str, actions: &[&str]) -> Value {
        json!({
            "address": address, "mode": "managed", "type": "aws_vpc", "name": "it",
            "change": { "actions": actions, "before": { "x": 1 }, "after": null },
        })
    }

    fn read(changes: &[Value], drift: &[Value]) -> Result<Foreseen, Unread> {
        let plan = json!({
            "format_version": "1.2", "resource_changes": changes, "resource_drift": drift,
        });
        Foreseen::read(plan.to_string().as_bytes())
    }

    fn addresses(moved: &[Moved]) -> Vec<&str> {
        moved.iter().map(|each| each.address.as_str()).collect()
    }

    #[test]
    fn a_plan_says_what_a_state_loses_and_gains() {
        let mut deposed = entry("a.deposed", &["delete"]);
        deposed["deposed"] = json!("0a1b2c3d");
        let mut imported = entry("a.imported", &["no-op"]);
        imported["change"]["importing"] = json!({ "id": "i-1" });
        let mut looked_up = entry("data.a.read", &["read"]);
        looked_up["mode"] = json!("data");
        let found = read(
            &[
                entry("a.new", &["create"]),
                entry("a.gone", &["delete"]),
                entry("a.forgotten", &["forget"]),
                entry("a.replaced", &["delete", "create"]),
                entry("a.turned", &["create", "delete"]),
                entry("a.same", &["no-op"]),
                entry("a.other", &["update"]),
                deposed,
                imported,
                looked_up,
            ],
            &[],
        )
        .unwrap();
        assert_eq!(
            addresses(&found.transition.dropped),
            ["a.forgotten", "a.gone"]
        );
        assert_eq!(addresses(&found.transition.added), ["a.imported", "a.new"]);
        assert_eq!(found.transition.dropped[0].kind, "aws_vpc");
        assert_eq!(found.transition.dropped[0].actions, ["forget"]);
        assert!(found.outside.is_empty());
    }

    #[test]
    fn what_vanished_outside_is_lost_unless_it_is_made_anew() {
        let found = read(
            &[entry("a.back", &["create"])],
            &[
                entry("a.back", &["delete"]),
                entry("a.lost", &["delete"]),
                entry("a.other", &["update"]),
                entry("a.moved", &["no-op"]),
            ],
        )
        .unwrap();
        assert_eq!(
            addresses(&found.outside),
            ["a.back", "a.lost", "a.other"],
            "what only moved did not change"
        );
        assert_eq!(addresses(&found.transition.dropped), ["a.lost"]);
        assert!(found.transition.added.is_empty());
    }

    #[test]
    fn a_plan_that_says_something_unknown_says_nothing() {
        for odd in [
            entry("a.x", &[]),
            entry("a.x", &["vanish"]),
            entry("a.x", &["delete", "delete"]),
            json!({ "address": "a.x", "mode": "managed" }),
            json!(null),
        ] {
            assert!(read(std::slice::from_ref(&odd), &[]).is_err(), "{odd}");
        }
        assert!(read(&[], &[json!({ "mode": "managed" })]).is_err());
        assert!(
            read(
                &[json!({ "address": "a.x", "mode": "managed" }), json!(1)],
                &[]
            )
            .is_err()
        );
        for text in [
            "",
            "{}",
            "[]",
            r#"{"format_version":"1.2","resource_changes":{}}"#,
        ] {
            assert!(Foreseen::read(text.as_bytes()).is_err(), "{text}");
        }
        let none = Foreseen::read(br#"{"format_version":"1.2"}"#).unwrap();
        assert_eq!(none, Foreseen::default());
    }

    /// What is read off a text that comes in pieces of a length.
    fn in_pieces(text: &str, length: usize) -> Result<Foreseen, Unread> {
        let mut reader = Reader::default();
        for piece in text.as_bytes().chunks(length) {
            reader.write_all(piece).unwrap();
        }
        reader.done()
    }

    #[test]
    fn however_a_plan_comes_and_is_spelled_it_says_the_same() {
        let odd = r#"{ "before" : {"mode":"no","change":{"actions":["x"]}, "a\\": "}]\"" }, "x":[[],{"type":1}]}"#;
        let text = format!(
            r#" {{"other": [{{"address": 1}}, {odd}], "format\u005fversion" : "1.2", "x": {{"resource_changes": [1]}},
            "resource_ch\u0061nges":[{{ "extra": {odd}, "address":"a.\u0062[\"k\\\"]" , "mode" :"managed","type":"t",
                "change": {{"before":{odd},"acti\u006fns":["create"],"after":[{odd}],"after_unknown":true }}, "deposed":null, "last": "," }},
                {{"change":{{"actions":["delete"],"x":null,"importing":null}},"mode":"managed","type":"t","address":"b","index":{odd}}},
                {{"change":{{"importing":{{"id":{odd}}},"actions":["no-op"]}},"mode":"managed","type":"t","address":"c"}}
            ],
            "resource_drift": [{{"address":"d","mode":"managed","type":"t","change":{{"actions":["update"],"before":{odd},"after":2}}}}],
            "{long}": 3, "errored": false }} "#,
            long = "y".repeat(1000),
        );
        // What a reader of all of it finds is what the test is about.
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(whole["resource_changes"].as_array().map(Vec::len), Some(3));
        let found = Foreseen::read(text.as_bytes()).unwrap();
        assert_eq!(addresses(&found.transition.added), ["a.b[\"k\\\"]", "c"]);
        assert_eq!(addresses(&found.transition.dropped), ["b"]);
        assert_eq!(addresses(&found.outside), ["d"]);
        for length in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(in_pieces(&text, length).unwrap(), found, "{length}");
        }
        // Cut anywhere before its end, it says nothing.
        let end = text.trim_end().len();
        for length in 0..end {
            assert!(in_pieces(&text[..length], 50).is_err(), "{length}");
        }
    }

    #[test]
    fn what_is_said_twice_or_is_no_list_is_said_by_nobody() {
        let form = r#""format_version":"1.2""#;
        for rest in [
            r#""resource_changes":[],"resource_changes":[]"#,
            r#""resource_changes":[],"resource\u005fchanges":[]"#,
            r#""format_version":"1.2""#,
            r#""resource_changes":[[]]"#,
            r#""resource_changes":["x"]"#,
            r#""resource_drift":true"#,
            r#""resource_drift":"[]""#,
            r#""resource_changes":[{}]"#,
        ] {
            let text = format!("{{{form},{rest}}}");
            let found = Foreseen::read(text.as_bytes());
            assert!(found.is_err(), "{text}");
            let text = format!("{{{form},\"y\":[],{rest}");
            assert!(Foreseen::read(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "{}{}",
            "{\"format_version\":\"1\"} {",
            "}",
            "]",
            "\"x\"",
            "1",
        ] {
            assert!(Foreseen::read(text.as_bytes()).is_err(), "{text}");
        }
        let none = format!("{{{form},\"resource_changes\":null,\"resource_drift\":[]}}");
        assert_eq!(
            Foreseen::read(none.as_bytes()).unwrap(),
            Foreseen::default()
        );
    }

    #[test]
    fn what_a_change_holds_is_not_kept_and_what_drifted_may_not_be_longer_than_reason() {
        let mut long = entry("a.long", &["create"]);
        long["change"]["after"] = json!("x".repeat(3 * DRIFT_BYTES_MAX));
        assert!(read(std::slice::from_ref(&long), &[]).is_ok());
        long["change"]["actions"] = json!(["update"]);
        let drifted = read(&[], std::slice::from_ref(&long));
        assert!(matches!(drifted, Err(Unread::TooMuch)));
        let named = entry(&"x".repeat(2 * 1024 * 1024), &["create"]);
        assert!(matches!(read(&[named], &[]), Err(Unread::TooMuch)));
    }

    fn state(names: &[&str]) -> String {
        let resource = |name: &&str| {
            json!({
                "mode": "managed", "type": "aws_vpc", "name": name,
                "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
                "instances": [{ "schema_version": 0, "attributes": {} }],
            })
        };
        let resources: Vec<Value> = names.iter().map(resource).collect();
        json!({
            "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "l",
            "outputs": {}, "resources": resources,
        })
        .to_string()
    }

    #[test]
    fn two_states_say_the_same() {
        let (before, after) = (state(&["kept", "gone"]), state(&["kept", "new"]));
        let before = Content::read(before.as_bytes()).unwrap();
        let after = Content::read(after.as_bytes()).unwrap();
        let found = Transition::between(Some(&before), &after);
        assert_eq!(addresses(&found.dropped), ["aws_vpc.gone"]);
        assert_eq!(addresses(&found.added), ["aws_vpc.new"]);
        let first = Transition::between(None, &after);
        assert_eq!(addresses(&first.added), ["aws_vpc.kept", "aws_vpc.new"]);
        assert!(first.dropped.is_empty());
    }
}
