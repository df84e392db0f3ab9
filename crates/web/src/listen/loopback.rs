//! Plain HTTP on a loopback address: for health and metrics where a Unix socket will not do.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Extensions;
use tokio::net::TcpListener;

use super::connection::{self, Http};
use super::{Drained, Limits, ListenError, accept};

/// Serves `router` without TLS until `shutdown`, as [`super::serve`] does, on an address of this machine alone.
///
/// # Errors
///
/// [`ListenError::NotLoopback`] when other machines can reach the listener's address.
pub async fn serve_loopback(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<Drained, ListenError> {
    let address = listener.local_addr()?;
    if !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::NotLoopback { address });
    }
    let http = Arc::new(Http::version_1(&limits));
    let of_limits = limits.clone();
    let connection = move |stream, peer, closing| {
        let (http, router, limits) = (Arc::clone(&http), router.clone(), of_limits.clone());
        let mut facts = Extensions::new();
        facts.insert(ConnectInfo(peer));
        async move {
            connection::drive::<tokio::net::TcpStream>(
                stream, &http, router, facts, &limits, closing,
            )
            .await
        }
    };
    Ok(accept(listener, &limits, shutdown, connection).await)
}
