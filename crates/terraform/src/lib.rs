//! What terraform writes, read.
//!
//! This room turns the bytes that `terraform` and `tofu` put on the wire into types that the rest of the house can trust:
//! [`state`] reads a state file's own description of itself and says what is unusual about a new one, [`lock`] reads and
//! writes lock information. Everything here is pure: bytes in, values out.
//!
//! Deliberately absent: HTTP, SQL, async, and any change of the bytes. A state is stored as it came; what is read here only
//! describes it.

pub mod lock;
pub mod state;
