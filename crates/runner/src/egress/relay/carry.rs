//! Bytes between a connection inside and the socket, with two threads.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::STACK_BYTES;

/// One read.
const BUFFER_BYTES: usize = 64 * 1024;

/// For how long, and how much, is still read from a program whose bytes nobody wants. Closing with bytes unread resets the connection, and
/// a reset takes the answer with it that says why.
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_BYTES: u64 = 4 << 20;

/// Carries one connection to its end.
pub(super) fn carry(client: TcpStream, socket: &Path, line: &[u8]) -> io::Result<()> {
    let mut server = UnixStream::connect(socket)?;
    server.write_all(line)?;
    client.set_nodelay(true)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let thread = thread::Builder::new().name("relay".into());
    let up = thread.stack_size(STACK_BYTES).spawn(move || {
        let wanted = pump(&from_client, &to_server);
        let _ = to_server.shutdown(Shutdown::Write);
        if !wanted && from_client.set_read_timeout(Some(DRAIN_TIME)).is_ok() {
            let _ = io::copy(&mut (&from_client).take(DRAIN_BYTES), &mut io::sink());
        }
    })?;
    let wanted = pump(&server, &client);
    let _ = client.shutdown(Shutdown::Write);
    if !wanted {
        let _ = server.shutdown(Shutdown::Both);
    }
    let _ = up.join();
    Ok(())
}

/// Copies until there is no more; false if it is the other side that takes no more.
fn pump<'a, From, To>(from: &'a From, to: &'a To) -> bool
where
    &'a From: Read,
    &'a To: Write,
{
    let (mut reading, mut writing) = (from, to);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = match reading.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return true,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if writing.write_all(bytes).is_err() {
            return false;
        }
    }
}
