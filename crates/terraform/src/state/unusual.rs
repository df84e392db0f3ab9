//! What is unusual about a new state, next to the one it is to follow.
//!
//! Pure comparison of two summaries. What to do about it (keep the upload apart, ask a person, let a holder of a permission
//! pass) is decided elsewhere, and so is the share of resources that may vanish unasked.

use std::fmt;

use super::Summary;

/// One thing about a new state that a person should look at. Its `Display` is a clause: "resources fall from 120 to 3".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusual {
    /// It belongs to another series of states.
    Lineage {
        /// Lineage of the current state.
        old: String,
        /// Lineage of the new one.
        new: String,
    },
    /// It is older than the current one.
    Serial {
        /// Serial of the current state.
        old: u64,
        /// Serial of the new one, lower.
        new: u64,
    },
    /// The current state has this serial and other bytes.
    SameSerialOtherBytes {
        /// The serial of both.
        serial: u64,
    },
    /// More resource instances vanish than may vanish unasked.
    Dropped {
        /// Instances in the current state.
        before: u64,
        /// Instances in the new one.
        after: u64,
    },
}

impl fmt::Display for Unusual {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusual::Lineage { old, new } => write!(out, "the lineage changes from {old} to {new}"),
            Unusual::Serial { old, new } => write!(out, "the serial goes back from {old} to {new}"),
            Unusual::SameSerialOtherBytes { serial } => {
                write!(out, "serial {serial} is already there with other content")
            }
            Unusual::Dropped { before, after } => {
                write!(out, "resources fall from {before} to {after}")
            }
        }
    }
}

/// Says what is unusual about `new`, which is to follow `old` and **has other bytes**: the same bytes again are a repeated
/// request, which the caller answers before it asks here.
///
/// `dropped_permille_max` is the share of resource instances that may vanish without a question, in thousandths of those in
/// `old`: 1000 lets everything vanish, 0 nothing. A change of lineage is usual when `old` has no resources, because then
/// nothing can be lost by it; serials are compared only within a lineage, since they count nothing outside it.
pub fn unusual(old: &Summary, new: &Summary, dropped_permille_max: u16) -> Vec<Unusual> {
    let mut found = Vec::new();
    if old.lineage != new.lineage {
        if old.resources > 0 {
            found.push(Unusual::Lineage {
                old: old.lineage.clone(),
                new: new.lineage.clone(),
            });
        }
    } else if new.serial < old.serial {
        found.push(Unusual::Serial {
            old: old.serial,
            new: new.serial,
        });
    } else if new.serial == old.serial {
        found.push(Unusual::SameSerialOtherBytes { serial: new.serial });
    }
    let dropped = u128::from(old.resources.saturating_sub(new.resources));
    if dropped * 1000 > u128::from(old.resources) * u128::from(dropped_permille_max) {
        found.push(Unusual::Dropped {
            before: old.resources,
            after: new.resources,
        });
    }
    found
}
