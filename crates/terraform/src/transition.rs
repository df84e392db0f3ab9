//! What becomes of a state: what it loses and what it gains, by a plan that is not applied yet, or by two states.
//!
//! Only managed resources count, and a resource that is replaced is neither lost nor gained: its address stays. What vanished outside and is made anew is
//! the same; what vanished outside and is not, is lost. Of a plan, each resource is read for itself, however many there are: whoever wrote the JSON is not
//! trusted, and an entry that says something unknown makes nobody know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::address::Mode;
use crate::content::Content;
use crate::drift::{Unread, has_drifted};

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

impl Foreseen {
    /// Reads it off the JSON of a plan.
    ///
    /// # Errors
    /// [`Unread`]: then nobody knows.
    pub fn read(plan: &[u8]) -> Result<Self, Unread> {
        let Plan { changes, drift, .. } = serde_json::from_slice(plan)?;
        let (changes, drift) = (
            changes.unwrap_or_default().done()?,
            drift.unwrap_or_default().done()?,
        );
        let vanished: BTreeSet<&str> = drift
            .iter()
            .filter(|each| each.actions == ["delete"])
            .map(|each| each.address.as_str())
            .collect();
        let mut transition = Transition::default();
        let mut made = BTreeSet::new();
        for each in &changes {
            match Fate::of(each)? {
                Fate::Made => {
                    made.insert(each.address.as_str());
                    if !vanished.contains(each.address.as_str()) {
                        transition.added.push(each.moved());
                    }
                }
                Fate::Lost => transition.dropped.push(each.moved()),
                Fate::Stays => {}
            }
        }
        let lost =
            |each: &&Resource| each.actions == ["delete"] && !made.contains(each.address.as_str());
        let gone = drift.iter().filter(lost).map(Resource::moved);
        transition.dropped.extend(gone);
        for list in [&mut transition.dropped, &mut transition.added] {
            list.sort_by(|one, other| one.address.cmp(&other.address));
            list.dedup_by(|one, other| one.address == other.address);
        }
        Ok(Self {
            transition,
            outside: drift.iter().map(Resource::moved).collect(),
        })
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
    fn of(resource: &Resource) -> Result<Self, Unread> {
        let actions: Vec<&str> = resource.actions.iter().map(String::as_str).collect();
        Ok(match actions.as_slice() {
            _ if resource.is_deposed => Self::Stays,
            ["create"] => Self::Made,
            ["no-op" | "update"] if resource.is_imported => Self::Made,
            ["delete" | "forget"] => Self::Lost,
            ["no-op" | "update" | "read"]
            | ["delete" | "forget", "create"]
            | ["create", "delete" | "forget"] => Self::Stays,
            _ => return Err(Unread::Resource),
        })
    }
}

/// As much of a plan as is needed.
#[derive(Deserialize)]
struct Plan {
    #[serde(rename = "format_version")]
    _form: String,
    #[serde(rename = "resource_changes")]
    changes: Option<List<false>>,
    #[serde(rename = "resource_drift")]
    drift: Option<List<true>>,
}

/// A managed resource of a plan, as far as it is told.
struct Resource {
    address: String,
    kind: String,
    actions: Vec<String>,
    is_deposed: bool,
    is_imported: bool,
}

impl Resource {
    fn moved(&self) -> Moved {
        Moved {
            address: self.address.clone(),
            kind: self.kind.clone(),
            actions: self.actions.clone(),
        }
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

/// The managed resources of a list; of what drifted only what did.
#[derive(Default)]
struct List<const DRIFT: bool> {
    resources: Vec<Resource>,
    entries: usize,
    bytes: usize,
    /// Why it is none: then the entries that follow are not looked at.
    unread: Option<Unread>,
}

impl<const DRIFT: bool> List<DRIFT> {
    fn done(self) -> Result<Vec<Resource>, Unread> {
        self.unread.map_or(Ok(self.resources), Err)
    }

    /// Takes one more entry into account.
    fn add(&mut self, text: &str) -> Result<(), Unread> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(Unread::TooMuch);
        }
        if DRIFT {
            self.bytes = self.bytes.saturating_add(text.len());
            if text.len() > DRIFT_BYTES_MAX || self.bytes > DRIFTS_BYTES_MAX {
                return Err(Unread::TooMuch);
            }
            let entry: Value = serde_json::from_str(text)?;
            if !has_drifted(&entry).ok_or(Unread::Resource)? {
                return Ok(());
            }
        }
        let spelled: Spelled = serde_json::from_str(text)?;
        if spelled.mode != MANAGED {
            return Ok(());
        }
        if self.resources.len() >= TOLD_MAX {
            return Err(Unread::TooMuch);
        }
        self.resources.push(Resource {
            address: spelled.address,
            kind: spelled.kind,
            actions: spelled.change.actions,
            is_deposed: spelled.deposed.is_some(),
            is_imported: spelled.change.importing.is_some(),
        });
        Ok(())
    }
}

impl<'de, const DRIFT: bool> Deserialize<'de> for List<DRIFT> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Self::default())
    }
}

impl<'de, const DRIFT: bool> Visitor<'de> for List<DRIFT> {
    type Value = Self;

    fn expecting(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str("a list of resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(entry) = entries.next_element::<&RawValue>()? {
            if let Err(unread) = self.add(entry.get()) {
                self.unread = Some(unread);
                break;
            }
        }
        // A reader of JSON goes on where the list ends.
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
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
