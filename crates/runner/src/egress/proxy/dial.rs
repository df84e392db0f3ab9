//! From a host to a connection, through nothing but addresses that were checked.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Egress;
use super::tell::Fault;
use crate::egress::address::kind;
use crate::egress::host::Host;
use crate::egress::rules::{Reach, Refusal};

/// How many addresses of a name are tried: two of each family.
const ADDRESSES_MAX: usize = 4;

/// A connection, and where it went.
pub(super) struct Dialed {
    pub(super) stream: TcpStream,
    pub(super) address: IpAddr,
}

/// Resolves once, keeps what is within reach, and connects to the first of that which answers. The name is not asked again, so a second
/// answer has nothing to change.
pub(super) async fn dial(
    egress: &Egress,
    host: &Host,
    port: u16,
    reach: Reach,
) -> Result<Dialed, Fault> {
    let addresses = addresses(egress, host).await?;
    let Some(first) = addresses.first().copied() else {
        return Err(Fault::NoAddress(host.clone()));
    };
    let within = addresses
        .into_iter()
        .filter(|address| reach.allows(*address));
    let mut last = None;
    for address in within.take(ADDRESSES_MAX) {
        let connecting = egress.network.connect(SocketAddr::new(address, port));
        let words = match timeout(egress.limits.dial_time_max, connecting).await {
            Ok(Ok(stream)) => {
                // Small messages go at once; without it they only go later.
                let _ = stream.set_nodelay(true);
                return Ok(Dialed { stream, address });
            }
            Ok(Err(error)) => format!("{address}: {error}"),
            Err(_) => format!("{address}: no answer in time"),
        };
        last = Some(words);
    }
    Err(match last {
        Some(words) => Fault::Unreachable(host.clone(), words),
        None => Fault::Refusal(Refusal::Address {
            host: host.clone(),
            address: first,
            kind: kind(first),
        }),
    })
}

async fn addresses(egress: &Egress, host: &Host) -> Result<Vec<IpAddr>, Fault> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let resolving = egress.network.resolve(name);
    let resolved = timeout(egress.limits.dial_time_max, resolving).await;
    let failed = |words: String| Fault::Unresolved(host.clone(), words);
    match resolved {
        Ok(resolved) => resolved.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("no answer in time".to_owned())),
    }
}
