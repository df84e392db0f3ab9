//! Whole invocations of the binary: arguments and environment in, exit code and both streams out, against a real server that
//! `statehouse up` or `statehouse serve` started as a child process on a directory of its own.
//!
//! The environment of every child is empty but for what a test gives it, and nothing outside the test's directory is written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    missing_docs
)]

mod access;
mod ejecting;
mod life;
mod local;
mod moving;
mod notifying;
mod proof;
mod serving;
mod states;
mod support;
mod variables;
