//! A running server: opened, serving, drained, closed.
//!
//! What it promises: one process per data directory; listeners are bound before anything is announced; on SIGTERM or SIGINT no
//! connection is accepted any more, open requests have ten seconds, and the house is closed last, so that anchors are up to the
//! heads; nothing of its memory reaches a core dump.

pub(crate) mod first;
pub(crate) mod guard;
mod keys;
mod signals;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use statehouse_core::job::Longest;
use statehouse_core::policy::workers::ByWorkers;
use statehouse_core::{Clock, Core, Options};
use statehouse_policy::worker::Settings;
use statehouse_web::Pace;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::listen::{self, Limits, UnixSocket};
use statehouse_web::tls::{self, CertificateFiles, Served};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cmd::policy::WORKER;
use crate::config::{self, Config, RunLevel};
use crate::environment::Environment;
use crate::estimator::ByProcesses;
use crate::failure::{Failure, Result};
use crate::receivers::Sender;
use crate::runners::{Outside, Own, Plant};
use crate::trust;
use guard::DirectoryLock;
use signals::Signals;

/// After what pause receivers are told of runs again when that ended in a fault.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A server whose listeners are bound; nothing is answered before [`Server::serve`].
pub(crate) struct Server {
    core: Arc<Core>,
    signals: Signals,
    tls: Arc<ServerConfig>,
    served: Arc<Served>,
    ca_file: Option<PathBuf>,
    listener: TcpListener,
    health_socket: Option<UnixSocket>,
    health_listener: Option<TcpListener>,
    pace: Pace,
    plant: Plant<Own>,
    _lock: DirectoryLock,
}

/// The machine's clock: microseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the one clock that is handed to everything below"
)]
pub(crate) fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// How to open the house that a configuration describes.
pub(crate) async fn options(config: &Config, environment: &Environment) -> Result<Options> {
    let postgres = match config.database.address()? {
        None => None,
        Some(address) => {
            tracing::info!(
                database = config::without_password(&address),
                "states are kept in PostgreSQL"
            );
            let tls = trust::client(config.database.ca_file.as_deref(), environment)?;
            Some((
                address.expose_secret().to_owned(),
                Arc::unwrap_or_clone(tls),
            ))
        }
    };
    Ok(Options {
        data: config.data.dir.clone(),
        anchors: config.data.anchors.clone(),
        postgres,
        roots: keys::open(&config.keys).await?,
        clock: clock(),
        batch_jobs_max: config.door.batch_jobs_max,
        jobs_max: config.runs.jobs_max,
        places_max: usize::try_from(config.runs.places_per_organization_max).unwrap_or(usize::MAX),
        longest: Longest {
            plan_minutes: config.runs.plan_minutes_max,
            apply_minutes: config.runs.apply_minutes_max,
        },
        deliver: None,
        judge: None,
        estimator: None,
    })
}

impl Server {
    /// Opens everything that a configuration describes, and binds its listeners.
    pub(crate) async fn open(config: &Config, environment: &Environment) -> Result<Self> {
        guard::refuse_unsealed()?;
        guard::keep_memory_private();
        let signals = Signals::listen()?;
        let lock = DirectoryLock::take(&config.data.dir)?;
        let health_socket = health_socket(config)?;
        let health_listener = match config.health.address {
            Some(address) => Some(bind(address, "health.address").await?),
            None => None,
        };
        let listener = bind(
            SocketAddr::new(config.listen.address, config.listen.port),
            "listen.port",
        )
        .await?;
        let (served, ca_file) = certificate(config)?;
        let tls = tls::server_config(served.clone()).map_err(Failure::failed)?;
        let deliver = Sender::of(&config.notifications, environment)?;
        let outside = Outside::of(&config.runs, environment)?;
        let (program, strict) = (
            std::env::current_exe()?,
            config.runs.level == RunLevel::Strict,
        );
        let estimator = ByProcesses::new(program.clone(), strict);
        let judge = ByWorkers::new(Settings {
            strict,
            ..Settings::new(program, [WORKER])
        });
        let options = Options {
            deliver: Some(Arc::new(deliver)),
            judge: Some(Arc::new(judge)),
            estimator: Some(Arc::new(estimator)),
            ..options(config, environment).await?
        };
        let core = Core::open(options).await?;
        let own = Own::new(core.clone(), config.runs.sandbox()?);
        let forbidden = vec![
            config.data.dir.clone(),
            config.data.anchors.clone(),
            config.keys.dir.clone(),
        ];
        Ok(Self {
            core,
            signals,
            tls,
            served,
            ca_file,
            listener,
            health_socket,
            health_listener,
            plant: Plant::of(own, &config.runs, outside, forbidden, environment)?,
            pace: Pace {
                per_second: config.api.requests_per_second,
                burst: config.api.burst,
            },
            _lock: lock,
        })
    }

    /// The house that is served.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The certificate to trust, where the server has an authority of its own.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until a signal asks to stop, and closes the house.
    pub(crate) async fn serve(self) -> Result {
        let address = self.address()?;
        let Self {
            core,
            mut signals,
            tls,
            served,
            listener,
            pace,
            plant,
            ..
        } = self;
        let (stop, stopping) = watch::channel(false);
        let mut helpers = JoinSet::new();
        helpers.spawn(served.clone().watch(stopped(stopping.clone())));
        if let Some(socket) = self.health_socket {
            let health = statehouse_web::health_router(core.clone());
            let serving =
                listen::serve_unix(socket, health, Limits::default(), stopped(stopping.clone()));
            helpers.spawn(async {
                serving.await;
            });
        }
        if let Some(listener) = self.health_listener {
            let health = statehouse_web::health_router(core.clone());
            let serving = listen::serve_loopback(
                listener,
                health,
                Limits::default(),
                stopped(stopping.clone()),
            );
            helpers.spawn(async {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "health is not served");
                }
            });
        }
        helpers.spawn(plant.serve(stopping.clone()));
        helpers.spawn(tell_receivers(core.clone(), stopped(stopping.clone())));
        let router = statehouse_web::router(core.clone(), pace);
        let mut serving = tokio::spawn(listen::serve(
            listener,
            tls,
            router,
            Limits::default(),
            stopped(stopping),
        ));
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving");
        let early = tokio::select! {
            () = signals.until_stop(&served) => None,
            ended = &mut serving => Some(ended),
        };
        stop.send_replace(true);
        core.let_agents_go();
        let drained = match early {
            Some(ended) => ended,
            None => serving.await,
        };
        while helpers.join_next().await.is_some() {}
        let closed = core.close().await;
        let drained = drained
            .map_err(|error| Failure::failed(format!("the listener ended in a fault: {error}")))?;
        closed?;
        tracing::info!(cut_connections = drained.cut, "stopped");
        Ok(())
    }

    /// Closes the house without serving.
    pub(crate) async fn close(self) -> Result {
        Ok(self.core.close().await?)
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone means the end as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Tells receivers elsewhere of runs until it is to stop.
async fn tell_receivers(core: Arc<Core>, stopped: impl Future<Output = ()>) {
    let telling = move || {
        let core = core.clone();
        async move { core.tell_receivers().await }
    };
    begin_again(telling, TELL_AGAIN_AFTER, stopped).await;
}

/// Has receivers told until it is to stop. Where that ends in a fault, the log says so, and it is begun again after a pause.
async fn begin_again<F>(telling: impl Fn() -> F, pause: Duration, stopped: impl Future<Output = ()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut stopped = std::pin::pin!(stopped);
    let mut running = JoinSet::new();
    loop {
        running.spawn(telling());
        tokio::select! {
            ended = running.join_next() => {
                if let Some(Err(error)) = ended {
                    tracing::error!(%error, "telling receivers of runs ended in a fault, and is begun again");
                }
            }
            () = &mut stopped => break,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut stopped => break,
        }
    }
    running.shutdown().await;
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(format!("cannot listen on {address}: {error}"))
            .hint(format!("stop what listens there, or change {setting}"))
    })
}

/// The health socket. Its directory is made for us alone when it is not there.
fn health_socket(config: &Config) -> Result<Option<UnixSocket>> {
    if config.health.socket.is_empty() {
        return Ok(None);
    }
    let path = config.data.dir.join(&config.health.socket);
    // The name is first made in a directory of its own beside it, whose path is longer.
    if path.as_os_str().len() > guard::SOCKET_PATH_BYTES_MAX {
        tracing::warn!(path = %path.display(), "no health socket: systems take at most 107 bytes in the path of a socket; set health.socket");
        return Ok(None);
    }
    UnixSocket::bind(&path)
        .map(Some)
        .map_err(|error| Failure::failed(error).hint("the setting is health.socket"))
}

/// The certificate that is shown, and the authority's file when it is our own.
fn certificate(config: &Config) -> Result<(Arc<Served>, Option<PathBuf>)> {
    let mut configured = config.tls.names.clone();
    let address = config.listen.address;
    if !address.is_unspecified() && !address.is_loopback() {
        configured.push(ServerName::from(address));
    }
    if let (Some(chain), Some(key)) = (config.tls.chain.clone(), config.tls.key.clone()) {
        let served = Served::open(CertificateFiles { chain, key }, config.tls.names.clone());
        return Ok((served.map_err(Failure::failed)?, None));
    }
    let names = Names::of_this_machine(&configured);
    let certificate = config
        .tls
        .ca_file
        .clone()
        .unwrap_or_else(|| config.data.dir.join("ca.pem"));
    let files = Files {
        certificate: certificate.clone(),
        keys: config.keys.dir.clone(),
    };
    let authority = Authority::open(files, &names).map_err(Failure::failed)?;
    let source = Arc::new(authority)
        .server(&names)
        .map_err(Failure::failed)?;
    let served = Served::open(source, names.required).map_err(Failure::failed)?;
    Ok((served, Some(certificate)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn telling_receivers_begins_again_after_a_fault_and_ends_with_the_stop() {
        let (begun, stop) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(false));
        let count = begun.clone();
        let telling = move || {
            let before = count.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(before >= 2, "a fault in a test");
                std::future::pending::<()>().await;
            }
        };
        let until = stopped(stop.subscribe());
        let running = tokio::spawn(begin_again(telling, Duration::from_millis(1), until));
        while begun.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(
            begun.load(Ordering::Relaxed),
            3,
            "what goes on is not begun again"
        );
        stop.send_replace(true);
        running.await.unwrap();
    }
}
