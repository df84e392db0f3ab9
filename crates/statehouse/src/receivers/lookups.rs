//! Names of receivers are looked up, not too many at once.
//!
//! The resolver of the machine is asked on a thread that it keeps until it has an answer, however long ago whoever asked stopped
//! waiting. Names are written by others than the operator, and their servers may never answer: without a limit here all threads of
//! the process that may wait would wait for them, and without one for each organization those of one would keep all others waiting.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use statehouse_model::HouseCode;
use statehouse_runner::egress::{Answer, Network};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Names that are looked up at once, over all houses.
pub(super) const LOOKUPS_MAX: usize = 32;
/// And of one house: as many as it has messages under way.
pub(super) const OF_HOUSE_MAX: usize = 4;

/// A network that is asked for so many names at once.
pub(super) struct Lookups {
    network: Arc<dyn Network>,
    places: Arc<Semaphore>,
    of_houses: Mutex<HashMap<HouseCode, Arc<Semaphore>>>,
}

impl Lookups {
    pub(super) fn over(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            places: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            of_houses: Mutex::default(),
        }
    }

    /// The same, as a house has it.
    pub(super) fn of(&self, house: HouseCode) -> OfHouse {
        let mut of_houses = self
            .of_houses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Whoever looks something up, or waits to, has a hand on it.
        of_houses.retain(|_, places| Arc::strong_count(places) > 1);
        let own = of_houses
            .entry(house)
            .or_insert_with(|| Arc::new(Semaphore::new(OF_HOUSE_MAX)));
        OfHouse {
            network: self.network.clone(),
            places: self.places.clone(),
            own: own.clone(),
        }
    }

    /// Houses that are known at the moment.
    #[cfg(test)]
    pub(super) fn houses(&self) -> usize {
        let of_houses = self.of_houses.lock();
        of_houses.unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The network of one house: its own places first, then those of all.
pub(super) struct OfHouse {
    network: Arc<dyn Network>,
    places: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

impl Network for OfHouse {
    fn resolve<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let own = self.own.clone().acquire_owned().await;
            let own = own.map_err(io::Error::other)?;
            let place = self.places.clone().acquire_owned().await;
            let place = place.map_err(io::Error::other)?;
            let (network, name) = (self.network.clone(), name.to_owned());
            let looking = tokio::spawn(async move {
                let found = network.resolve(&name).await;
                // Only now is its thread free, whether anybody still waits or not.
                drop((place, own));
                found
            });
            looking.await.map_err(io::Error::other)?
        })
    }

    fn connect(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        self.network.connect(address)
    }
}
