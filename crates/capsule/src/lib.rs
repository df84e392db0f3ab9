//! The capsule: what was planned and judged, bound by digests, so that what is approved is what is applied.
//!
//! A [`Capsule`] holds the [`Terms`] of one apply in the one spelling they may have; a [`SignedCapsule`] is that text with
//! the house's signature; an [`Approval`] names the digest of a capsule and a decision about it. [`verify`] is the one
//! function that says whether a capsule may be applied now: the server calls it before it issues one, the runner before
//! it starts anything, and an offline verifier when all is over. It returns a [`Verified`], which nothing else can make,
//! or every [`Mismatch`] there is, each by its name.
//!
//! Promises: pure, so that the same evidence gives the same answer everywhere; a parser accepts exactly one spelling; a
//! signature of a capsule is no signature of a checkpoint, though the same key makes both; nothing that is merely close
//! to what was approved verifies.
//!
//! Absent on purpose: I/O, clocks, randomness, async. Time and nonce are arguments. Secrets are absent too: values of
//! variables enter as salted commitments. Names of variables and providers do stand in a capsule, so it is stored
//! sealed, and leaves hold its digest alone.

mod approval;
mod assessment;
mod capsule;
mod evidence;
mod facts;
mod findings;
mod form;
mod mismatch;
mod signed;
mod terms;
mod verify;

pub use approval::{Approval, Capacity, Decision, FoundApproval, Requirement, Tally, tally};
pub use assessment::{Amount, Assessment, Estimate, Outcome, Verdict, policies_digest};
pub use capsule::{CAPSULE_BYTES_MAX, Capsule, VERSION};
pub use evidence::{Evidence, Lock};
pub use facts::{Backend, BaseState, Facts, Provider, Sandbox, Tool, ToolName, Variables};
pub use form::Error;
pub use mismatch::{Consequence, Differs, Mismatch};
pub use signed::SignedCapsule;
pub use terms::Terms;
pub use verify::{Verified, verify};
