//! What the end-to-end tests and the benchmark share: a site in a folder of its own, a seeded
//! generator, states shaped like real ones, canaries and the search for them.
//!
//! Everything random comes from [`random::Random`] and a seed that the caller names, so that a
//! failure can be run again. Deliberately absent: assertions about the product; those stand in the
//! tests. Support of tests may panic: a broken premise is a failed test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc
)]

pub mod canaries;
pub mod cloud;
pub mod random;
pub mod scan;
pub mod site;
pub mod states;
pub mod visit;

/// By how much the amounts of the proofs of strength are multiplied: `STATEHOUSE_TEST_SCALE`, or 1.
#[allow(
    clippy::disallowed_methods,
    reason = "a test has no binary that could read its settings for it"
)]
pub fn scale() -> usize {
    match std::env::var("STATEHOUSE_TEST_SCALE") {
        Ok(text) => text
            .parse()
            .expect("STATEHOUSE_TEST_SCALE must be a whole number"),
        Err(_) => 1,
    }
}
