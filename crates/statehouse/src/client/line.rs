//! A line to one server: a connection that is kept for the next request.
//!
//! It speaks HTTP/1.1 over TLS 1.3, or in clear where whoever makes it says so. A request goes over the kept connection where
//! that is still good, and over a new one otherwise; a request that was on its way when a connection was lost is not sent
//! again, because nobody knows whether it was heard.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::failure::{Exit, Failure, Result};

/// For the connection and the handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// For the request and the head of its answer: the server gives an upload ten minutes, and a renewal of keys may take as long.
pub(super) const ANSWER_MAX: Duration = Duration::from_mins(15);
/// A connection that lay idle for longer is not trusted: servers and what is between close them.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// For the last answer to be over. One that somebody is still reading is not waited for.
const READY_MAX: Duration = Duration::from_millis(20);

type Sender = SendRequest<Full<Bytes>>;

/// The way to one server.
pub(super) struct Line {
    secure: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
    port: u16,
    /// How failures name it.
    address: String,
    kept: Mutex<Option<(Sender, Instant)>>,
}

impl Line {
    /// Over TLS, trusting whom `tls` trusts.
    pub(super) fn secure(address: &str, host: &str, port: u16, tls: &ClientConfig) -> Result<Self> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Failure::usage(format!("{host} is no name of a server: {error}")))?;
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(tls));
        Ok(Self {
            secure: Some((connector, name)),
            ..Self::clear(address, host, port)
        })
    }

    /// In clear: for this machine and no other.
    pub(super) fn clear(address: &str, host: &str, port: u16) -> Self {
        Self {
            secure: None,
            host: host.to_owned(),
            port,
            address: address.to_owned(),
            kept: Mutex::new(None),
        }
    }

    /// Sends a request; its answer's body is still to be read.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>> {
        if let Some(mut sender) = self.idle().await {
            match self.try_over(&mut sender, request).await {
                Ok(response) => return Ok(self.keep(sender, response?)),
                // The connection ended before it took the request.
                Err(again) => request = again,
            }
        }
        let mut sender = self.connect().await?;
        match self.try_over(&mut sender, request).await {
            Ok(response) => Ok(self.keep(sender, response?)),
            Err(_) => Err(self.lost(&"it ended before the request was sent")),
        }
    }

    fn keep(&self, sender: Sender, response: Response<Incoming>) -> Response<Incoming> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((sender, Instant::now()));
        response
    }

    /// The kept connection, if it takes a request at once.
    async fn idle(&self) -> Option<Sender> {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (mut sender, since) = kept?;
        if since.elapsed() > IDLE_MAX {
            return None;
        }
        // The connection's own task sees first whether the other side has hung up.
        tokio::task::yield_now().await;
        let ready = timeout(READY_MAX, sender.ready()).await;
        matches!(ready, Ok(Ok(()))).then_some(sender)
    }

    /// The answer, or the request where the connection did not take it.
    async fn try_over(
        &self,
        sender: &mut Sender,
        request: Request<Full<Bytes>>,
    ) -> Result<Result<Response<Incoming>>, Request<Full<Bytes>>> {
        match timeout(ANSWER_MAX, sender.try_send_request(request)).await {
            Err(_) => Ok(Err(self.unreachable(&"no answer in fifteen minutes"))),
            Ok(Ok(response)) => Ok(Ok(response)),
            Ok(Err(mut error)) => match error.take_message() {
                Some(request) => Err(request),
                None => Ok(Err(self.lost(&error.into_error()))),
            },
        }
    }

    async fn connect(&self) -> Result<Sender> {
        let connecting = timeout(CONNECT_MAX, self.shake_hands());
        connecting
            .await
            .map_err(|_| self.unreachable(&"no answer in ten seconds"))?
    }

    async fn shake_hands(&self) -> Result<Sender> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| self.unreachable(&error))?;
        stream.set_nodelay(true)?;
        let Some((connector, name)) = &self.secure else {
            let (sender, connection) = handshake(TokioIo::new(stream))
                .await
                .map_err(|error| self.lost(&error))?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let stream = connector.connect(name.clone(), stream).await;
        let stream = stream.map_err(|error| self.untrusted(&error))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.lost(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn untrusted(&self, error: &std::io::Error) -> Failure {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(why)) => {
                Failure::failed(format!("the certificate of {} is not trusted: {why:?}", self.address))
                    .hint("give the authority's certificate with --ca; a server with one of its own keeps it as ca.pem")
            }
            Some(tls) => Failure::failed(format!("no TLS 1.3 with {}: {tls}", self.address)),
            None => self.unreachable(error),
        }
    }

    fn unreachable(&self, why: &dyn Display) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!("cannot reach {}: {why}", self.address),
        )
    }

    fn lost(&self, why: &dyn Display) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!("the connection to {} was lost: {why}", self.address),
        )
        .hint("what was asked may have been done or not; look before repeating it")
    }
}
