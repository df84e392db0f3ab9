//! A log as it grows, by server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! An event is some whole lines; its id is where the log goes on, from which a browser asks again when the line broke. The last one,
//! `over`, says that the step has ended.
//!
//! A person follows so many at once and no more ([`statehouse_core::session::OF_SESSION_MAX`]). Whether they may still see it is asked
//! before each event: who signed out, or whose role was taken away, is told nothing more within seconds.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use statehouse_core::Core;
use statehouse_core::run::logs;
use statehouse_core::session::{Stream, Visitor};
use statehouse_terraform::said::said;
use tokio::time::{Instant, timeout};

use super::form::SignedIn;
use super::run::{Address, at};
use crate::auth::{Asked, At};
use crate::problem::Problem;
use crate::tfe::plans;

/// Bytes of a log that are read at once.
const PIECE: usize = 64 * 1024;
/// How long nothing is said.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// How long one answer goes on; a browser asks again by itself, and is known anew.
const LIFE: Duration = Duration::from_mins(5);

/// Which log, and from where.
#[derive(Deserialize)]
pub(crate) struct From {
    of: Option<String>,
    from: Option<u64>,
}

/// Follows a log.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    SignedIn(visitor): SignedIn,
    At(address): At<Address>,
    Asked(asked): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (ctx, run) = at(&core, &visitor, &address).await?;
    let last = headers.get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok()?.parse().ok());
    let applies = asked.of.as_deref() == Some("apply");
    // Who may not read it is told so now, and not in the middle.
    logs::read(&ctx, &run.id, applies, 0, 0).await?;
    let follower = Follower {
        _stream: core.begin_stream(&visitor)?,
        growth: logs::Growth::of(&ctx, &run.id),
        core,
        visitor,
        address,
        applies,
        from: last.or(asked.from).unwrap_or(0),
        end: Instant::now() + LIFE,
        over: false,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), follower))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Follower {
    _stream: Stream,
    core: Arc<Core>,
    visitor: Visitor,
    address: Address,
    applies: bool,
    from: u64,
    growth: logs::Growth,
    end: Instant,
    over: bool,
}

impl Follower {
    /// What is said next; nothing at the end. What cannot be read any more ends it: the browser asks again, and is told why.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over || Instant::now() >= self.end {
            return None;
        }
        // Who signed out in the meantime follows no more. The status first, as everywhere.
        let (ctx, found) = at(&self.core, &self.visitor, &self.address).await.ok()?;
        let is_over = plans::is_over_of(&found, self.applies);
        let stretch = logs::read(&ctx, &found.id, self.applies, self.from, PIECE).await;
        let stretch = stretch.ok()?;
        let last = stretch.bytes.iter().rposition(|byte| *byte == b'\n');
        let is_rest = is_over && self.from + stretch.bytes.len() as u64 == stretch.length;
        let whole = match last {
            _ if is_rest || stretch.bytes.len() >= PIECE => stretch.bytes.len(),
            Some(last) => last + 1,
            None => 0,
        };
        self.from += whole as u64;
        let mut event = String::new();
        let text = String::from_utf8_lossy(stretch.bytes.get(..whole).unwrap_or_default());
        for line in text.lines() {
            // One line of a log may be words of several.
            for words in said(line).lines() {
                event.push_str("data: ");
                event.push_str(words);
                event.push('\n');
            }
        }
        if !event.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(event, "id: {}\n\n", self.from);
        }
        if is_rest {
            self.over = true;
            event.push_str("event: over\ndata: \n\n");
        }
        if event.is_empty() {
            timeout(QUIET_MAX, self.growth.next()).await.ok();
            // A comment, by which a line that broke is noticed.
            event.push_str(":\n\n");
        }
        Some(event.into())
    }
}
