//! Going back to an older state.
//!
//! A rollback makes an old state the newest: [`restated`] gives it the next serial and changes nothing else. Nothing in the cloud
//! changes by it, and that is why it can hurt: terraform believes what the state says. [`Preview`] says beforehand, in plain facts, what
//! the next plan will make of the old state.
//!
//! What cannot be told from two states: what the configuration says now, and what is really there. Sentences say "terraform
//! will" only where that follows from the states.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::address::Mode;
use crate::content::{ContentError, Instance};
use crate::diff::{
    Became, Facts, Limits, NAME_BYTES_MAX, Room, Side, Totals, compare_instances, diff_outputs,
    header, pairs,
};
use crate::json::shortened;
use crate::state::{SERIAL_MAX, StateFile, read};

/// Most addresses in each list; the totals count all.
pub const ADDRESSES_MAX: usize = 500;

/// Most attributes named of one instance.
pub const ATTRIBUTES_EACH_MAX: usize = 50;

/// Addresses named in a sentence.
const NAMED_MAX: usize = 5;

/// What going back will mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Preview {
    /// The serial that the state goes back to.
    pub serial: u64,
    /// The current serial.
    pub current_serial: u64,
    /// The lineages, if they differ.
    pub lineage: Option<Became<String>>,
    /// The versions of the program that wrote the states, if they differ.
    pub terraform_version: Option<Became<String>>,
    /// Managed objects that the current state has and the old one has not: they stay where they are, and terraform forgets them.
    pub forgotten: Addresses,
    /// Managed objects that the old state has and the current one has not: they were destroyed or removed since.
    pub missing: Addresses,
    /// Managed objects whose recorded attributes or facts go back.
    pub reverted: Addresses,
    /// Managed objects that go back to an old address.
    pub moved: Addresses,
    /// Data sources that differ; the next plan reads them again.
    pub data_sources: u64,
    /// Outputs that differ.
    pub outputs: Addresses,
}

/// Objects that something happens to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Addresses {
    /// How many.
    pub total: u64,
    /// The first [`ADDRESSES_MAX`], in order.
    pub listed: Vec<Affected>,
}

/// An object that something happens to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Affected {
    /// Its address (or an output's name) in the current state, or in the old one where only that has it.
    pub address: String,
    /// The key of a deposed object.
    pub deposed: Option<String>,
    /// The address in the old state, if it is another.
    pub moves_to: Option<String>,
    /// What goes back beside the attributes.
    pub facts: Facts,
    /// Paths of attributes that go back, without their values: the difference of the states shows those.
    pub attributes: Vec<String>,
    /// Attributes that are not named.
    pub attributes_left_out: u64,
}

impl Affected {
    fn at(instance: &Instance<'_>) -> Affected {
        Affected {
            deposed: instance.deposed().map(|key| shortened(key, NAME_BYTES_MAX)),
            ..Affected::named(shortened(&instance.address(), NAME_BYTES_MAX))
        }
    }

    fn named(address: String) -> Affected {
        Affected {
            address,
            deposed: None,
            moves_to: None,
            facts: Facts::default(),
            attributes: Vec::new(),
            attributes_left_out: 0,
        }
    }
}

impl Addresses {
    fn push(&mut self, affected: impl FnOnce() -> Affected) {
        self.total += 1;
        if self.listed.len() < ADDRESSES_MAX {
            self.listed.push(affected());
        }
    }
}

impl Preview {
    /// Compares the current state with the one to go back to.
    pub fn of(current: Side<'_>, target: Side<'_>) -> Preview {
        let header = header(current.content, target.content);
        let mut preview = Preview {
            serial: target.content.summary().serial,
            current_serial: current.content.summary().serial,
            lineage: header.lineage,
            terraform_version: header.terraform_version,
            forgotten: Addresses::default(),
            missing: Addresses::default(),
            reverted: Addresses::default(),
            moved: Addresses::default(),
            data_sources: 0,
            outputs: outputs_of(current, target),
        };
        for pair in pairs(current, target) {
            let Some(instance) = pair.before.or(pair.after) else {
                continue;
            };
            if instance.mode() == Mode::Data {
                preview.data_sources += 1;
                continue;
            }
            match (pair.before, pair.after) {
                (Some(_), None) => preview.forgotten.push(|| Affected::at(instance)),
                (None, _) => preview.missing.push(|| Affected::at(instance)),
                (Some(now), Some(old)) => preview.take(current, target, now, old),
            }
        }
        preview
    }

    fn take<'s>(
        &mut self,
        current: Side<'s>,
        target: Side<'s>,
        now: &Instance<'s>,
        old: &Instance<'s>,
    ) {
        let room = Room {
            attributes: ATTRIBUTES_EACH_MAX,
            value_bytes: 0,
        };
        let attributes = compare_instances((current, now), (target, old), room);
        let facts = Facts::between(&now.aside(), &old.aside());
        let moved = now.place(old).is_ne();
        if !moved && attributes.is_empty() && facts.is_empty() {
            return;
        }
        let list = if moved {
            &mut self.moved
        } else {
            &mut self.reverted
        };
        list.push(|| Affected {
            moves_to: moved.then(|| shortened(&old.address(), NAME_BYTES_MAX)),
            facts,
            attributes: attributes
                .listed
                .into_iter()
                .map(|change| change.path)
                .collect(),
            attributes_left_out: attributes.left_out,
            ..Affected::at(now)
        });
    }

    /// Whether the next plan finds nothing but what it would find anyway.
    pub fn is_quiet(&self) -> bool {
        self.sentences().len() == 1
    }

    /// The preview in words, the gravest first. The first sentence is always there.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![format!(
            "The state goes back to what it was at serial {}, as a new version behind serial {}; nothing in the cloud is changed by that.",
            self.serial, self.current_serial
        )];
        if let Some(lineage) = &self.lineage {
            said.push(format!(
                "The old state belongs to another lineage ({}, now {}): it describes other objects, and terraform refuses it where it remembers the current one.",
                shortened(&lineage.after, 64), shortened(&lineage.before, 64)
            ));
        }
        let mut say = |addresses: &Addresses, words: &str| {
            if addresses.total > 0 {
                said.push(format!(
                    "{} {words}: {}.",
                    count(addresses.total),
                    Named(addresses)
                ));
            }
        };
        say(
            &self.forgotten,
            "in the current state will be forgotten: they stay in the cloud, nobody manages them any more, \
             and where the configuration still has them the next plan will want to create them again (import them, or remove them by hand)",
        );
        say(
            &self.missing,
            "in the old state are not in the current one, so they were destroyed or removed since: \
             the next plan will not find the destroyed ones, and will want to create them again where the configuration has them \
             and to destroy those that still exist where it has not",
        );
        say(
            &self.moved,
            "will go back to an old address: where the configuration has the new one, the next plan will want to move or to replace them",
        );
        say(
            &self.reverted,
            "will be recorded as they were then: the next plan will read what they really are and show the difference as drift",
        );
        if self.outputs.total > 0 {
            said.push(format!(
                "{} will say what they said then until the next apply, to everybody who reads them: {}.",
                if self.outputs.total == 1 { "1 output".to_owned() } else { format!("{} outputs", self.outputs.total) },
                Named(&self.outputs)
            ));
        }
        if self.data_sources > 0 {
            said.push(format!(
                "{} of data sources differ; the next plan reads them again.",
                count(self.data_sources)
            ));
        }
        if let Some(version) = &self.terraform_version {
            said.push(format!(
                "The old state was written by version {}, the current one by {}; an older program may have recorded attributes in an older form.",
                shortened(&version.after, 64), shortened(&version.before, 64)
            ));
        }
        said
    }
}

impl fmt::Display for Preview {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.sentences().join("\n"))
    }
}

fn count(total: u64) -> String {
    if total == 1 {
        "1 object".to_owned()
    } else {
        format!("{total} objects")
    }
}

/// The first addresses of a list, in a sentence.
struct Named<'a>(&'a Addresses);

impl fmt::Display for Named<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, affected) in self.0.listed.iter().take(NAMED_MAX).enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            out.write_str(&affected.address)?;
            if let Some(deposed) = &affected.deposed {
                write!(out, " (deposed object {deposed})")?;
            }
        }
        match self.0.total.saturating_sub(NAMED_MAX as u64) {
            0 => Ok(()),
            more => write!(out, " and {more} more"),
        }
    }
}

fn outputs_of(current: Side<'_>, target: Side<'_>) -> Addresses {
    let limits = Limits {
        entries: ADDRESSES_MAX,
        value_bytes: 0,
        ..Limits::default()
    };
    let (outputs, left_out) = diff_outputs(current, target, limits, &mut Totals::default());
    Addresses {
        total: outputs.len() as u64 + left_out,
        listed: outputs
            .into_iter()
            .map(|output| Affected::named(output.name))
            .collect(),
    }
}

/// Why a state cannot be given another serial.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RestateError {
    /// Not a readable state.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Above [`SERIAL_MAX`].
    #[error(
        "serial {serial} is above {SERIAL_MAX}, the highest that every reader agrees on; push a state of a new lineage instead"
    )]
    Serial {
        /// The serial asked for.
        serial: u64,
    },
    /// What was written does not read as what was meant.
    #[error(
        "the state cannot be given another serial without changing more of it; download it, change `serial` by hand, and push it"
    )]
    Unlike,
}

/// The text of the top level's `serial`.
#[derive(serde::Deserialize)]
struct Serial<'a> {
    #[serde(borrow)]
    serial: &'a RawValue,
}

/// The bytes of a state under another serial: only the digits of its serial are changed, and the result is read back.
///
/// # Errors
///
/// When the bytes are no readable state, or the serial is above [`SERIAL_MAX`]. A state that the client encrypted cannot be
/// restated: its serial is inside as well, where only the client can change it.
pub fn restated(bytes: &[u8], serial: u64) -> Result<Vec<u8>, RestateError> {
    if serial > SERIAL_MAX {
        return Err(RestateError::Serial { serial });
    }
    let StateFile::Plain(before) = read(bytes).map_err(ContentError::State)? else {
        return Err(ContentError::Opaque.into());
    };
    let text = std::str::from_utf8(bytes).map_err(|_| RestateError::Unlike)?;
    let found: Serial<'_> = serde_json::from_str(text).map_err(|_| RestateError::Unlike)?;
    let start = found.serial.get().as_ptr() as usize - text.as_ptr() as usize;
    let end = start + found.serial.get().len();
    let (Some(head), Some(tail)) = (bytes.get(..start), bytes.get(end..)) else {
        return Err(RestateError::Unlike);
    };
    let digits = serial.to_string();
    let result = [head, digits.as_bytes(), tail].concat();
    let mut expected = before;
    expected.serial = serial;
    expected.bytes = result.len() as u64;
    match read(&result) {
        Ok(StateFile::Plain(after)) if after == expected => Ok(result),
        _ => Err(RestateError::Unlike),
    }
}

#[cfg(test)]
mod tests;
