//! The certificate that is shown, and how it is replaced while connections are open.
//!
//! A [`Served`] always holds a certificate that passed every check when it was taken. A new one is read and checked first
//! (its key belongs to it, it is in its time, it covers the configured names) and then swapped in as a whole; if a check fails the
//! old one stays and the fault is kept for the health page. Open connections are not touched by a swap.
//!
//! Deliberately absent: choosing among several certificates by the name that the client asks for. A server has one address.

use std::fmt;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{ServerName, UnixTime};

use super::{Identity, IdentityError};

/// How often [`Served::watch`] asks whether there is a new certificate, in seconds. A renewal may wait so long twice, because a
/// change is taken only when it has stood still for one interval: chain and key are two files, written one after the other.
pub const POLL_S: u64 = 5;

/// Where certificates come from.
pub trait Source: Send + Sync + 'static {
    /// The certificate that should be shown from now on.
    ///
    /// # Errors
    ///
    /// When there is none that can be used.
    fn load(&self) -> Result<Identity, IdentityError>;

    /// Tells without much work whether [`Source::load`] might give another certificate than before: the stamp is then another.
    fn stamp(&self) -> Stamp;
}

/// What a [`Source`] looked like at one moment; only good for comparing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub Vec<u64>);

/// A chain and a key in PEM files of the operator's own.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// Its private key; may be the same file.
    pub key: PathBuf,
}

impl Source for CertificateFiles {
    fn load(&self) -> Result<Identity, IdentityError> {
        Identity::from_files(&self.chain, &self.key)
    }

    fn stamp(&self) -> Stamp {
        let of = |path: &Path| {
            let Ok(file) = fs_err::metadata(path) else {
                return [0; 4];
            };
            [
                file.ino(),
                file.size(),
                file.mtime().cast_unsigned(),
                file.mtime_nsec().cast_unsigned(),
            ]
        };
        Stamp([of(&self.chain), of(&self.key)].concat())
    }
}

/// How the certificate is doing, for the health page and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// When the certificate that is shown expires, in seconds since 1970.
    pub not_after_unix_s: u64,
    /// Why the last replacement was refused; `None` once one was taken.
    pub fault: Option<String>,
}

/// Shows a certificate to clients, and replaces it.
pub struct Served {
    source: Box<dyn Source>,
    names: Vec<ServerName<'static>>,
    current: RwLock<Current>,
}

struct Current {
    certified: Arc<CertifiedKey>,
    stamp: Stamp,
    health: Health,
}

impl fmt::Debug for Served {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Served")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Served {
    /// Loads the first certificate. It and all later ones must cover each of `names`: those by which clients reach the server.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not pass the checks; there is then nothing to fall back to.
    pub fn open(
        source: impl Source,
        names: Vec<ServerName<'static>>,
    ) -> Result<Arc<Served>, IdentityError> {
        let stamp = source.stamp();
        let identity = source.load()?;
        identity.check(&names, UnixTime::now())?;
        let health = Health {
            not_after_unix_s: identity.not_after_unix_s(),
            fault: None,
        };
        let current = RwLock::new(Current {
            certified: identity.certified(),
            stamp,
            health,
        });
        Ok(Arc::new(Served {
            source: Box::new(source),
            names,
            current,
        }))
    }

    /// Loads and checks again, and swaps if that succeeds: what a SIGHUP asks for. Says whether another certificate is shown now.
    ///
    /// # Errors
    ///
    /// When the new certificate is not taken; the old one is still shown, and [`Served::health`] repeats the error.
    pub fn reload(&self) -> Result<bool, IdentityError> {
        let stamp = self.source.stamp();
        let loaded = self.source.load().and_then(|identity| {
            identity.check(&self.names, UnixTime::now())?;
            Ok(identity)
        });
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.stamp = stamp;
        match loaded {
            Ok(identity) => {
                let certified = identity.certified();
                let another = certified.cert != current.certified.cert;
                current.certified = certified;
                current.health = Health {
                    not_after_unix_s: identity.not_after_unix_s(),
                    fault: None,
                };
                Ok(another)
            }
            Err(error) => {
                current.health.fault = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Asks every [`POLL_S`] seconds whether the source changed, and reloads when the change has come to rest. A refusal is logged
    /// once for each change, not once for each question.
    pub async fn watch(self: Arc<Self>, shutdown: impl Future<Output = ()>) {
        self.watch_every(Duration::from_secs(POLL_S), shutdown)
            .await;
    }

    pub(super) async fn watch_every(
        self: Arc<Self>,
        interval: Duration,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut shutdown = pin!(shutdown);
        let mut last = self.taken();
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(interval) => {}
            }
            let served = Arc::clone(&self);
            // The files may be on a disk that hangs.
            let asked = tokio::task::spawn_blocking(move || served.look(&last)).await;
            match asked {
                Ok(stamp) => last = stamp,
                Err(error) => {
                    tracing::error!(%error, "the watch over the certificate ended; send SIGHUP after a renewal");
                    return;
                }
            }
        }
    }

    /// One question of the watch: reloads if the source is not what was taken, and is what it was at the last question.
    fn look(&self, last: &Stamp) -> Stamp {
        let stamp = self.source.stamp();
        if stamp != self.taken() && stamp == *last {
            match self.reload() {
                Ok(true) => tracing::info!("another certificate is shown from now on"),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "the new certificate is not taken, the old one is still shown");
                }
            }
        }
        stamp
    }

    /// How the certificate is doing.
    pub fn health(&self) -> Health {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .health
            .clone()
    }

    fn taken(&self) -> Stamp {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .stamp
            .clone()
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.certified))
    }
}

#[cfg(test)]
mod tests;
