//! Bodies of requests: bounded in size, in time and in number.
//!
//! A body is read into one buffer of the announced length, so that a large state is in memory once. Too long, too slow and cut
//! off are told apart, and none of them leaves anything behind. `Content-MD5`, which terraform sends with everything, is
//! checked where it is there (RFC 1864: Base64 of the raw digest). MD5 guards against accidents of the line and against
//! nothing else; what a state is, its SHA-256 says.

use std::marker::PhantomData;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::problem::Problem;

/// Longest state. A quarter of this is a state that terraform takes minutes to plan.
pub const STATE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Longest JSON document: a list of every permission is 2 KiB.
pub const JSON_BYTES_MAX: usize = 1024 * 1024;

/// Longest form: a label, or a request of terraform's.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// From the head of a request to the end of its body: 256 MiB at 4 Mbit/s.
const BODY_MAX: Duration = Duration::from_mins(10);
/// Between two pieces of it.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// From here on a body is large: large ones share [`LARGE_MIB_MAX`] and are digested aside.
const LARGE_BYTES: usize = 1024 * 1024;
/// All large bodies that are in memory at once, in MiB: four of the longest.
const LARGE_MIB_MAX: usize = 1024;
/// How long a large body waits for room.
const ROOM_MAX: Duration = Duration::from_mins(1);

static ROOM: Semaphore = Semaphore::const_new(LARGE_MIB_MAX);

/// What a body may be.
pub(crate) trait Limit: Send + Sync {
    /// Its longest length.
    const BYTES_MAX: usize;
    /// What it is, in a refusal.
    const WHAT: &'static str;
}

/// A state.
pub(crate) struct State;
/// Lock information.
pub(crate) struct Lock;
/// A JSON document.
pub(crate) struct Json;
/// The fields of a page's form.
pub(crate) struct Form;
/// A bundle of policies.
pub(crate) struct Bundle;
/// Something that costs are estimated from.
pub(crate) struct CostInput;
/// What a runner elsewhere asks, with a state or a file beside it.
pub(crate) struct Ask;

impl Limit for State {
    const BYTES_MAX: usize = STATE_BYTES_MAX;
    const WHAT: &'static str = "the state";
}

impl Limit for Lock {
    const BYTES_MAX: usize = statehouse_core::terraform::lock::BYTES_MAX;
    const WHAT: &'static str = "the lock information";
}

impl Limit for Json {
    const BYTES_MAX: usize = JSON_BYTES_MAX;
    const WHAT: &'static str = "the document";
}

impl Limit for Bundle {
    const BYTES_MAX: usize = statehouse_core::policy::publish::ARCHIVE_BYTES_MAX;
    const WHAT: &'static str = "the bundle of policies";
}

impl Limit for CostInput {
    // What each kind may have, the core says; a price book has most.
    const BYTES_MAX: usize = statehouse_core::cost::BOOK_BYTES_MAX;
    const WHAT: &'static str = "the price book, overlay or usage file";
}

impl Limit for Ask {
    // The longest is 272 MiB.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it is far below what any machine addresses"
    )]
    const BYTES_MAX: usize = statehouse_control::ASK_BYTES_MAX as usize;
    const WHAT: &'static str = "the ask of a runner";
}

impl Limit for Form {
    const BYTES_MAX: usize = FORM_BYTES_MAX;
    const WHAT: &'static str = "the form";
}

/// The body of a request, read within the limits of `L` and checked against its `Content-MD5`. The last argument of a handler,
/// so that whatever refuses from the head alone does so first.
pub(crate) struct Whole<L> {
    pub(crate) bytes: Bytes,
    /// Given back when the handler is done.
    _room: Option<SemaphorePermit<'static>>,
    _limit: PhantomData<fn() -> L>,
}

impl<L: Limit, S: Send + Sync> FromRequest<S> for Whole<L> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let md5 = announced_md5(&head.headers)?;
        let whole = read::<L>(&head.headers, body).await?;
        check_md5(md5, &whole.bytes).await?;
        Ok(whole)
    }
}

async fn read<L: Limit>(headers: &HeaderMap, body: Body) -> Result<Whole<L>, Problem> {
    let too_large = || Problem::too_large(L::WHAT, L::BYTES_MAX);
    let announced = announced_length(headers)?.map(usize::try_from);
    let announced = announced.transpose().map_err(|_| too_large())?;
    if announced.is_some_and(|length| length > L::BYTES_MAX) {
        return Err(too_large());
    }
    let deadline = Instant::now() + BODY_MAX;
    let mut place = match announced {
        Some(length) if length > LARGE_BYTES => Some(room(length).await?),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
    let mut body = pin!(body);
    while !body.is_end_stream() {
        let pause = deadline.min(Instant::now() + PAUSE_MAX);
        let frame = timeout_at(pause, body.frame()).await;
        let frame = frame.map_err(|_| late(pause == deadline, bytes.len()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| Problem::cut())?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if data.len() > L::BYTES_MAX.saturating_sub(bytes.len()) {
            return Err(too_large());
        }
        if place.is_none() && bytes.len() + data.len() > LARGE_BYTES {
            // Its length was not announced, so it may become the longest.
            place = Some(room(L::BYTES_MAX).await?);
        }
        bytes.extend_from_slice(data);
    }
    Ok(Whole {
        bytes: bytes.into(),
        _room: place,
        _limit: PhantomData,
    })
}

/// Waits until a large body may come into memory.
async fn room(bytes: usize) -> Result<SemaphorePermit<'static>, Problem> {
    let mib = u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
    match timeout(ROOM_MAX, ROOM.acquire_many(mib)).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::busy()),
    }
}

fn late(all: bool, received: usize) -> Problem {
    let limit = if all { BODY_MAX } else { PAUSE_MAX };
    let what = if all {
        "the body took longer than"
    } else {
        "nothing more of the body came for"
    };
    Problem::too_slow(format!(
        "{what} {} s, after {received} bytes",
        limit.as_secs()
    ))
}

fn announced_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(CONTENT_LENGTH) else {
        return Ok(None);
    };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length
        .map(Some)
        .ok_or_else(|| Problem::invalid("Content-Length is not a number"))
}

fn announced_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Problem> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let digest = STANDARD
        .decode(value.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    let wrong = "Content-MD5 is not the Base64 of an MD5 digest (24 characters); send it right or leave it out";
    digest.map(Some).ok_or_else(|| Problem::invalid(wrong))
}

async fn check_md5(announced: Option<[u8; 16]>, bytes: &Bytes) -> Result<(), Problem> {
    let Some(announced) = announced else {
        return Ok(());
    };
    let digest = if bytes.len() > LARGE_BYTES {
        let bytes = bytes.clone();
        let digest = tokio::task::spawn_blocking(move || Md5::digest(&bytes)).await;
        digest.map_err(|_| Problem::cut())?
    } else {
        Md5::digest(bytes)
    };
    if digest.as_slice() == announced {
        return Ok(());
    }
    Err(Problem::invalid(
        "the body does not have the digest that Content-MD5 names: it was changed on its way; nothing was stored, send it again",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::http::HeaderValue;
    use axum::response::IntoResponse;
    use hyper::body::Frame;
    use tokio::time::{Sleep, sleep};

    use super::*;

    /// A sender that sends a byte after each pause, and then ends, fails or says nothing for ever.
    struct Sender {
        pauses: Vec<u64>,
        end: End,
        waits: Option<Pin<Box<Sleep>>>,
    }

    #[derive(Clone, Copy)]
    enum End {
        Ends,
        Fails,
        Hangs,
    }

    impl HttpBody for Sender {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            let Some(seconds) = self.pauses.first().copied() else {
                return match self.end {
                    End::Ends => Poll::Ready(None),
                    End::Fails => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
                    End::Hangs => Poll::Pending,
                };
            };
            let waits = self
                .waits
                .get_or_insert_with(|| Box::pin(sleep(Duration::from_secs(seconds))));
            if waits.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pauses.remove(0);
            self.waits = None;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    /// How a body that comes so is answered: its length, or the status of the refusal.
    async fn check(
        announced: Option<u64>,
        pauses: Vec<u64>,
        end: End,
        expected: Result<usize, u16>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(length) = announced {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let body = Body::new(Sender {
            pauses,
            end,
            waits: None,
        });
        let got = read::<Lock>(&headers, body)
            .await
            .map(|whole| whole.bytes.len());
        assert_eq!(
            got.map_err(|problem| problem.into_response().status().as_u16()),
            expected
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_keeps_its_pace_or_is_refused() {
        check(None, vec![0; 100], End::Ends, Ok(100)).await;
        check(Some(3), vec![29; 3], End::Ends, Ok(3)).await;
        check(Some(3), vec![0, 31, 0], End::Ends, Err(408)).await;
        check(Some(3), vec![0], End::Hangs, Err(408)).await;
        check(None, vec![], End::Hangs, Err(408)).await;
        // Each pause is short enough, all of them are not.
        check(None, vec![29; 21], End::Ends, Err(408)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_cut_off_or_too_long_is_refused() {
        check(Some(3), vec![0], End::Fails, Err(400)).await;
        check(
            Some(Lock::BYTES_MAX as u64 + 1),
            vec![],
            End::Hangs,
            Err(413),
        )
        .await;
        check(Some(u64::MAX), vec![], End::Hangs, Err(413)).await;
        check(
            None,
            vec![0; Lock::BYTES_MAX],
            End::Ends,
            Ok(Lock::BYTES_MAX),
        )
        .await;
        check(None, vec![0; Lock::BYTES_MAX + 1], End::Ends, Err(413)).await;
    }
}
