//! How notifications leave this process: to whom, and over what.
//!
//! A receiver is an address that somebody wrote who is not the operator of this machine, so it is held at the length of an arm: its name is
//! resolved once, to public addresses only unless the operator's list says more, and what is connected to is the address that was
//! checked. TLS 1.3 with the name that was asked for; of the answer the status counts, and little of the rest is read. Deliberately absent: redirects, proxies
//! (the environment is not asked for any), cookies, connections that are kept, and retries, which are the core's.

mod lookups;
mod place;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::Builder;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use statehouse_core::notification::{Answer, Deliver, Message, Sending, Trouble};
use statehouse_runner::egress::{DialError, Host, Network, System, dial};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::Notifications;
use crate::environment::Environment;
use crate::failure::{Failure, Result};
use crate::trust;
use lookups::Lookups;
use place::{Allowed, Place};

/// For all of it: to resolve, to connect, to send and to be answered.
const TIME_MAX: Duration = Duration::from_secs(10);
/// What the head of an answer may have, and how much of the rest is read, so that the other side may finish what it says.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 4 * 1024;

/// The signature, under the platform's name for it.
const SIGNATURE: &str = "x-tfe-notification-signature";
/// The same for each try, by which a receiver knows what it had already.
const DELIVERY: &str = "x-statehouse-delivery";

/// Sends notifications.
pub(crate) struct Sender {
    allowed: Allowed,
    address: Option<String>,
    tls: TlsConnector,
    network: Lookups,
    time_max: Duration,
}

impl Sender {
    /// As the configuration says, through the network of this machine.
    pub(crate) fn of(settings: &Notifications, environment: &Environment) -> Result<Self> {
        let tls = trust::client(settings.ca_file.as_deref(), environment)?;
        Self::through(settings, &tls, Arc::new(System))
    }

    fn through(
        settings: &Notifications,
        tls: &ClientConfig,
        network: Arc<dyn Network>,
    ) -> Result<Self> {
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allowed: Allowed::parse(&settings.allow, settings.public)?,
            address: own_address(&settings.address)?,
            tls: TlsConnector::from(Arc::new(tls)),
            network: Lookups::over(network),
            time_max: TIME_MAX,
        })
    }

    async fn exchange(&self, message: &Message) -> Answer {
        let place = self.allowed.place(&message.url);
        let place = place.map_err(|_| Trouble::Refused)?;
        let network = self.network.of(message.house);
        let dialed = dial(
            &network,
            &place.host,
            place.port,
            place.reach,
            self.time_max,
        );
        let stream = match dialed.await {
            Ok(dialed) => dialed.stream,
            Err(error) => {
                tracing::debug!(delivery = message.delivery, %error, "a notification is not sent");
                return Err(trouble(&error));
            }
        };
        let request = request(&place, message).ok_or(Trouble::Refused)?;
        if !place.secure {
            return answered(stream, request).await;
        }
        let name = server_name(&place.host).ok_or(Trouble::Refused)?;
        match self.tls.connect(name, stream).await {
            Ok(stream) => answered(stream, request).await,
            Err(error) => {
                tracing::debug!(delivery = message.delivery, %error, "a notification is not sent");
                let of_tls = matches!(error.get_ref(), Some(inner) if inner.is::<rustls::Error>());
                Err(if of_tls {
                    Trouble::Untrusted
                } else {
                    Trouble::Lost
                })
            }
        }
    }
}

impl Deliver for Sender {
    fn refuses(&self, url: &str) -> Option<String> {
        self.allowed.place(url).err()
    }

    fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async move {
            let answer = timeout(self.time_max, self.exchange(message)).await;
            answer.unwrap_or(Err(Trouble::Slow))
        })
    }
}

/// `https://…` of this server, without what people could add to it.
fn own_address(text: &str) -> Result<Option<String>> {
    let text = text.trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    let plain = text.strip_prefix("https://").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.contains(['/', '?', '#', '@'])
            && !rest.contains(char::is_whitespace)
    });
    if plain {
        return Ok(Some(text.to_owned()));
    }
    Err(Failure::usage(format!(
        "notifications.address is {text:?}, and not of the form https://state.example.com:8443"
    )))
}

fn trouble(error: &DialError) -> Trouble {
    match error {
        DialError::Refused(_) => Trouble::Refused,
        DialError::Unresolved(..) | DialError::NoAddress(_) => Trouble::Unresolved,
        DialError::Unreachable(..) => Trouble::Unreachable,
    }
}

fn server_name(host: &Host) -> Option<ServerName<'static>> {
    match host {
        Host::Name(name) => ServerName::try_from(name.clone()).ok(),
        Host::Address(address) => Some(ServerName::from(*address)),
    }
}

fn request(place: &Place, message: &Message) -> Option<Request<Full<Bytes>>> {
    let mut head = Request::builder()
        .method("POST")
        .uri(place.path.as_str())
        .header(HOST, place.authority())
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("statehouse/", env!("CARGO_PKG_VERSION")),
        )
        .header(DELIVERY, message.delivery.as_str());
    if let Some(signature) = &message.signature {
        head = head.header(SIGNATURE, signature.as_str());
    }
    head.body(Full::new(message.body.clone())).ok()
}

/// The status of the answer over a connection, which ends with that.
async fn answered<S>(stream: S, request: Request<Full<Bytes>>) -> Answer
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| Trouble::Lost)?;
    let exchange = async move {
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|_| Trouble::Lost)?.into_parts();
        pass_over(body).await;
        Ok(head.status.as_u16())
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // The answer may have come with the end.
        _ = connection => exchange.await,
    }
}

/// Reads the beginning of a body, for nobody.
async fn pass_over(mut body: Incoming) {
    let mut left = BODY_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        left = left.saturating_sub(length.max(1));
        if left == 0 {
            return;
        }
    }
}
