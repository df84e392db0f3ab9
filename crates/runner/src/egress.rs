//! The only way out of a sandbox.
//!
//! A sandbox has a network of its own, with nothing in it but loopback. Inside, [`relay`] listens there and carries bytes to one Unix socket.
//! Outside, in the runner, [`proxy`] sits behind that socket: it reads who wants to go where, asks [`rules`], resolves names itself, connects to
//! exactly the address that it checked, and tells of every connection, allowed or refused, as an [`Event`].
//!
//! What is not on the list of the workspace does not leave. Names lead to public addresses only, unless an entry says that they may be
//! private; a host that asks for one name and then greets with another is refused before a byte of it goes out.
//!
//! Where nothing but a proxy of the organization's own gets out, connections are asked of that ([`upstream`]), once the list said yes.
//!
//! Deliberately absent: looking into TLS. Somebody who controls what answers behind an allowed name can be told anything; the list says
//! whom a run may talk to, not about what. UDP, and so DNS from inside, does not exist.

pub mod address;
mod carried;
mod dial;
mod event;
mod greeting;
mod host;
mod network;
pub mod proxy;
pub mod relay;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod upstream;

pub use carried::Carried;
pub use dial::{DialError, Dialed, dial};
pub use event::{Event, Stage, Way};
pub use host::{Host, HostError};
pub use network::{Answer, Network, System};
pub use proxy::{Egress, Limits, serve};
pub use rules::{AllowList, Entry, EntryError, Reach, Refusal};
pub use upstream::{Upstream, UpstreamError};
