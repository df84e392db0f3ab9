//! The room that runs terraform: it prepares a place where a stranger's configuration can do no harm, runs the tool in it, and
//! tells what happened.
//!
//! [`drive`] does one job, plan or apply, and speaks to a server through [`control`]. [`sandbox`] is where each command runs; [`egress`] is the only
//! way out of it. [`redact`] takes secret values out of what terraform writes before it reaches a disk or a screen. [`slug`] packs and unpacks
//! configurations.
//!
//! It promises that nothing of the machine but what was named is reachable from a run, and that nothing of a run outlives it.
//! Absent on purpose: SQL, and any decision about who may run what.

pub mod drive;
pub mod egress;
pub mod redact;
pub mod sandbox;
pub mod slug;
pub mod way_out;

pub use statehouse_control as control;
