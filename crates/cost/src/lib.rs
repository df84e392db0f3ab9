//! What a plan will cost, without asking anyone.
//!
//! A plan, what is used, and a price book go in; an estimate comes out, per component, before and after, that can be recomputed from the
//! digests it names. Resources are data ([`mapping`]), prices are facts in a book ([`price`]). Absent on purpose: SQL, HTTP, clocks, and
//! every opinion about the amount: budgets and approvals are the policy's.

pub mod desk;
pub mod estimate;
mod evaluate;
mod functions;
mod later;
pub mod mapping;
pub mod output;
pub mod plan;
pub mod price;
pub mod usage;
pub mod value;
mod walk;
mod world;
