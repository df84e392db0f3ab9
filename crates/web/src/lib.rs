//! HTTP in, bytes out: listeners, TLS and the routes behind them. No SQL and no decisions.

pub mod authority;
pub mod listen;
pub mod tls;
