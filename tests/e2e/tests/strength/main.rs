//! Proofs of strength: what an attacker, a broken disk or a power cut may do, done many times.
//!
//! Every test here is seeded and prints what it counted. `STATEHOUSE_TEST_SCALE` multiplies the
//! amounts; a failure names the edit or cycle that caused it and the seed to run it again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

mod canary;
mod crash;
mod kill;
mod power;
mod tamper;
