//! From a host to a connection, through nothing but addresses that were checked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::kind;
use super::host::Host;
use super::network::Network;
use super::rules::{Reach, Refusal};

/// How many addresses of a name are tried: two of each family.
const ADDRESSES_MAX: usize = 4;

/// A connection, and where it went.
#[derive(Debug)]
pub struct Dialed {
    /// The connection.
    pub stream: TcpStream,
    /// The address that it was made to.
    pub address: IpAddr,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Every address of the name is out of reach.
    #[error("{0}")]
    Refused(Refusal),
    /// Nobody knows the name, or says so in time.
    #[error("{0} could not be resolved: {1}")]
    Unresolved(Host, String),
    /// The name is nobody's.
    #[error("{0} has no address")]
    NoAddress(Host),
    /// Nobody answers there.
    #[error("{0} could not be reached: {1}")]
    Unreachable(Host, String),
}

/// Resolves once, keeps what is within reach, and connects to the first of that which answers. The name is not asked again, so a second
/// answer has nothing to change. Resolving takes `time_max` at most, and so does each connection.
pub async fn dial(
    network: &dyn Network,
    host: &Host,
    port: u16,
    reach: Reach,
    time_max: Duration,
) -> Result<Dialed, DialError> {
    let addresses = addresses(network, host, time_max).await?;
    let Some(first) = addresses.first().copied() else {
        return Err(DialError::NoAddress(host.clone()));
    };
    let within = addresses
        .into_iter()
        .filter(|address| reach.allows(*address));
    let mut last = None;
    for address in within.take(ADDRESSES_MAX) {
        let connecting = network.connect(SocketAddr::new(address, port));
        let words = match timeout(time_max, connecting).await {
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
        Some(words) => DialError::Unreachable(host.clone(), words),
        None => DialError::Refused(Refusal::Address {
            host: host.clone(),
            address: first,
            kind: kind(first),
        }),
    })
}

async fn addresses(
    network: &dyn Network,
    host: &Host,
    time_max: Duration,
) -> Result<Vec<IpAddr>, DialError> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let resolved = timeout(time_max, network.resolve(name)).await;
    let failed = |words: String| DialError::Unresolved(host.clone(), words);
    match resolved {
        Ok(resolved) => resolved.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("no answer in time".to_owned())),
    }
}
