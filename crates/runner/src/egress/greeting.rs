//! The first message of a TLS client, read for the name that it asks for.
//!
//! rustls reads it, as it would for a server of ours that has yet to choose a certificate; nothing is answered. The bytes are kept, to be sent
//! on as they came.
//!
//! A name may also be said in secret (Encrypted Client Hello). What is seen then is the name of whoever holds the key, and the connection goes to
//! an address of the name that was allowed, like every other.

use rustls::server::Acceptor;

/// Hellos with two key shares take 2 KB; TLS has no longer one in one record.
pub(super) const BYTES_MAX: usize = 16 * 1024 + 5;

/// Sent to a client whose name is not the one it was connected for: a fatal alert, `unrecognized_name`.
pub(super) const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// A greeting that is being read.
#[derive(Default)]
pub(super) struct Greeting {
    acceptor: Acceptor,
}

/// Whom a whole greeting asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A name.
    Name(String),
    /// Nobody by name.
    Nobody,
}

/// The bytes are no greeting of TLS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotTls;

impl Greeting {
    /// Reads on; `Some` when the greeting is whole.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Option<Asked>, NotTls> {
        while !bytes.is_empty() {
            let read = self.acceptor.read_tls(&mut bytes).map_err(|_| NotTls)?;
            if read == 0 {
                return Err(NotTls);
            }
            if let Some(accepted) = self.acceptor.accept().map_err(|_| NotTls)? {
                let hello = accepted.client_hello();
                let name = hello.server_name().map(str::to_owned);
                return Ok(Some(name.map_or(Asked::Nobody, Asked::Name)));
            }
        }
        Ok(None)
    }
}
