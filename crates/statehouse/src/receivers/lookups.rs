//! Names of receivers are looked up, not too many at once.
//!
//! The resolver of the machine is asked on a thread that it keeps until it has an answer, however long ago whoever asked stopped
//! waiting. Names are written by others than the operator, and their servers may never answer: without a limit here all threads of
//! the process that may wait would wait for them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use statehouse_runner::egress::{Answer, Network};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Names that are looked up at once, over all houses.
pub(super) const LOOKUPS_MAX: usize = 32;

/// A network that is asked for so many names at once.
pub(super) struct Lookups {
    network: Arc<dyn Network>,
    places: Arc<Semaphore>,
}

impl Lookups {
    pub(super) fn over(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            places: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }
}

impl Network for Lookups {
    fn resolve<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let place = self.places.clone().acquire_owned().await;
            let place = place.map_err(io::Error::other)?;
            let (network, name) = (self.network.clone(), name.to_owned());
            let looking = tokio::spawn(async move {
                let found = network.resolve(&name).await;
                // Only now is its thread free, whether anybody still waits or not.
                drop(place);
                found
            });
            looking.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        self.network.connect(address)
    }
}
