//! Real clients against the real binary: terraform through the block that `statehouse up` prints, the AWS provider on a
//! stand-in for AWS, and a server to whose disk, keys and tokens bad things happen.
//!
//! Every test starts servers of its own in a folder of its own and ends with a proof: the exported ledger is verified
//! without the server, the database is compared with it, and no version is missing. Every wait has an end, and every
//! child ends with its test. A component that is missing fails its tests, with the way to get it.
//!
//! Deliberately absent: routes and refusals one by one (the tests of `web`), crashes and edited bytes by the hundred (the
//! test binary `strength`), and `tofu`, which no package of the systems that this runs on has: `runs::tofu` has a stand-in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    missing_docs
)]

mod aws;
mod cloud;
mod commands;
mod credentials;
mod disk;
mod engines;
mod faults;
mod hsm;
mod keys;
mod locks;
mod login;
mod lost;
mod moving;
mod runs;
mod schemathesis;
mod support;
mod tls;
mod unusual;
mod walk;
