//! The routes, over real TLS, against a core on a disk.
//!
//! [`support`] starts a server as the binary does and speaks to it as any client would. What is claimed here is what clients
//! get: statuses, headers, bytes and words. What the core decides is its own tests' matter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod access;
mod agents;
mod api;
mod backend;
mod bad_input;
mod calls;
mod cloud;
mod configurations;
mod contract;
mod costs;
mod drift;
mod estimator;
mod executions;
mod health;
mod judge;
mod looks;
mod notifications;
mod oauth;
mod pages;
mod people;
mod planned;
mod platform;
mod policies;
mod refusals;
mod run_pages;
mod run_streams;
mod runs;
mod states;
mod support;
mod variables;
mod workspaces;
