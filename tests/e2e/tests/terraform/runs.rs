//! Runs that happen with the server: terraform plans and applies remotely through the `cloud` block, in a strict sandbox, and what
//! is applied is what was planned and agreed on.
//!
//! Every test starts one server and lets its scenarios share it, one workspace each. Deliberately absent: what a hostile
//! configuration tries (the tests of `runner`), and the order of the requests that a remote run makes.

mod agents;
mod agreed;
mod altered;
mod aws;
mod cached;
mod commands;
mod costs;
mod drift;
mod elsewhere;
mod exposed;
mod failing;
mod interrupted;
mod judged;
mod mutations;
mod proxied;
mod tofu;
mod turns;
mod yesterday;
