//! What terraform writes, read.
//!
//! This room turns the bytes that `terraform` and `tofu` put on the wire into types that the rest of the house can trust:
//! [`state`] reads a state file's own description of itself and says what is unusual about a new one, [`lock`] reads and
//! writes lock information. [`content`] reads what a state holds, with what is sensitive hidden; on it stand [`diff`] (two states
//! compared), [`search`] (what there is, to be found), [`history`] (what became of one resource over many states) and
//! [`rollback`] (what going back to a state will mean). Of what terraform is given, [`slug`] reads a configuration as it is sent, and
//! [`configuration`] what its files say of themselves; of what it gives, [`plan`], [`deed`] and [`changes`] what is to change, [`drift`] what changed outside, [`transition`] what becomes of a state, [`said`] its log. Everything here is pure: bytes in, values out.
//!
//! Deliberately absent: HTTP, SQL, async, and any change of the bytes, with one exception: a rollback restates an old state under
//! another serial ([`rollback::restated`]). A state is stored as it came; what is read here only describes it.

pub mod address;
pub mod changes;
pub mod configuration;
pub mod content;
pub mod deed;
pub mod diff;
pub mod drift;
pub mod history;
mod json;
pub mod literal;
pub mod lock;
pub mod lock_file;
pub mod plan;
pub mod plan_file;
pub mod rollback;
pub mod said;
#[cfg(test)]
mod samples;
pub mod search;
pub mod slug;
pub mod state;
pub mod transition;
pub mod unseen;
pub mod weak;
