//! Bytes, both ways, until both sides are done.
//!
//! Each direction ends by itself and is passed on as such, so that a program may say all it has and then listen.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

use super::Limits;
use super::tell::{Bytes, Told};
use crate::egress::carried::Carried;
use crate::egress::event::Way;

/// One read. Two of these for each of at most 256 connections are 16 MiB.
const BUFFER_BYTES: usize = 32 * 1024;

/// What went by so far, and when the last of it did.
struct Flow {
    started: Instant,
    up: AtomicU64,
    down: AtomicU64,
    last_ms: AtomicU64,
}

impl Flow {
    fn touch(&self) {
        let since = self.started.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.last_ms.store(since, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    fn bytes(&self) -> Bytes {
        Bytes {
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }
}

/// Tells that the connection is open, carries it, and tells how it ended.
pub(super) async fn carry(
    mut client: Carried,
    mut server: TcpStream,
    told: Told,
    mut is_over: watch::Receiver<bool>,
) {
    if !told.opened().await {
        return;
    }
    let flow = Flow {
        started: Instant::now(),
        up: AtomicU64::new(0),
        down: AtomicU64::new(0),
        last_ms: AtomicU64::new(0),
    };
    let ahead = std::mem::take(&mut client.ahead);
    let (from_client, to_client) = client.stream.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::join!(
            one_way(
                ahead.as_slice().chain(from_client),
                to_server,
                &flow,
                &flow.up
            ),
            one_way(from_server, to_client, &flow, &flow.down),
        )
    };
    let why = tokio::select! {
        _ = both => None,
        why = silence(&flow, &told.egress.limits, told.way) => Some(why),
        _ = is_over.wait_for(|over| *over) => Some("the run is over"),
    };
    told.closed(why, flow.bytes()).await;
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    flow: &Flow,
    count: &AtomicU64,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        flow.touch();
        let bytes = buffer.get(..read).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            return;
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        flow.touch();
    }
    let _ = to.shutdown().await;
}

/// Waits until nothing has gone by for too long, or a TLS server has not said a word.
async fn silence(flow: &Flow, limits: &Limits, way: Way) -> &'static str {
    loop {
        let idle = flow.last() + limits.idle_time_max;
        let first = flow.started + limits.first_byte_time_max;
        let mute = way == Way::Https && flow.bytes().down == 0;
        let end = if mute { idle.min(first) } else { idle };
        if Instant::now() >= end {
            return if mute {
                "the server did not answer in time"
            } else {
                "nothing was sent for too long"
            };
        }
        sleep_until(end).await;
    }
}
