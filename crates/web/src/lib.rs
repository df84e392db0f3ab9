//! HTTP in, bytes out: listeners, TLS and the routes behind them. No SQL and no decisions.
//!
//! [`router`] serves every address of [`ROUTES`], [`health_router`] what only the machine itself may ask. A request is
//! translated into one operation of `statehouse-core` and its result into bytes; whether the caller may do it, and what is
//! recorded of it, is settled there. Every answer leaves through one layer that names the request, sets the headers that
//! every answer has, writes the log line and puts a failure into the words of whoever asked.
//!
//! Deliberately absent: a cache, and every way to reach stored data that does not begin with a token or, for pages alone, with a
//! session.

pub mod authority;
pub mod listen;
pub mod tls;

mod agent;
mod answer;
mod auth;
mod backend;
mod body;
mod discovery;
mod health;
mod ledger;
mod once;
pub mod openapi;
mod people;
mod problem;
mod reply;
mod routes;
mod tfe;
mod throttle;
mod ui;
mod unread;
mod waits;

pub use body::{JSON_BYTES_MAX, STATE_BYTES_MAX};
pub use health::health_router;
pub use routes::{Gives, Operation, ROUTES, Route, router};
pub use throttle::Pace;
