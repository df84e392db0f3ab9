//! The one binary: the server, its operation, and the client.
//!
//! This crate only wires: arguments and configuration in, calls to the other crates, words and exit codes out. It is the only
//! place that reads the environment ([`environment`]) and the only one that prints ([`out`]).
//!
//! Deliberately absent: any rule about states, access or history. Those are in `core`, where every client meets them.

mod client;
mod cmd;
mod config;
mod environment;
mod estimator;
mod failure;
mod files;
mod logs;
mod out;
mod receivers;
mod runners;
mod server;
mod trust;

/// Requests on different threads do not wait for each other to allocate, and the memory of a large state goes back at once.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    cmd::main()
}
