//! The starter's end of a line: what a runner asks, handed on to whoever answers for its job. What runners remember of a ledger,
//! schemas that they asked for before, tools, packages of providers, and how they get out are answered here: that is kept where they work.
//!
//! A runner asks every second. One that is silent for longer than its lease, or was told to stop at once and goes on, is left: its line
//! ends, and then it is ended.

use std::io;
use std::time::Duration;

use statehouse_control::{self as control, Answer, Ask, Beside, IN_ORDER_MAX, Told};
use statehouse_core::job;
use statehouse_model::HouseId;
use statehouse_runner::sandbox::Seat;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Kept;
use super::source::Job;

/// How long a runner may be silent: a job is another's when its lease is over.
const SILENT_MAX: Duration = Duration::from_micros(job::LEASE_US.unsigned_abs());
/// How long a runner that was told to stop at once may take for its last words.
const LAST_WORDS_MAX: Duration = Duration::from_secs(15);

/// How long a runner may work that was given so many minutes, with all that it may take to end: one that never asks whether to go on is
/// not told when to stop.
fn job_max(minutes: u64) -> Option<Duration> {
    let longest = Duration::from_secs(minutes.checked_mul(60).filter(|seconds| *seconds > 0)?);
    longest.checked_add(IN_ORDER_MAX + SILENT_MAX + LAST_WORDS_MAX)
}

/// For how long a runner is listened to.
struct Patience {
    silent: Duration,
    last_words: Duration,
    /// When it ends, whatever is said.
    end: Option<Instant>,
}

impl Patience {
    fn new(silent: Duration, last_words: Duration) -> Self {
        Self {
            silent,
            last_words,
            end: None,
        }
    }

    /// A runner was told this.
    fn told(&mut self, told: &Told) {
        let left = match told {
            Told::StopNow => Some(self.last_words),
            // Where nobody asks it to stop, and where it does not ask.
            Told::Work { work } => job_max(work.minutes_max),
            _ => None,
        };
        if let Some(end) = left.and_then(|left| Instant::now().checked_add(left)) {
            self.end = Some(self.end.map_or(end, |before| before.min(end)));
        }
    }

    /// Waits for one exchange with a runner.
    async fn wait<T>(&self, exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let now = Instant::now();
        let silent = now + self.silent;
        let until = self.end.map_or(silent, |end| end.min(silent));
        let over = || {
            let words = match self.end {
                Some(_) => "it was told to stop at once, or its time is over, and it goes on",
                None => "it is silent for longer than its lease",
            };
            io::Error::new(io::ErrorKind::TimedOut, words)
        };
        // Who always has something ready to say would be heard for ever.
        if until <= now {
            return Err(over());
        }
        timeout_at(until, exchange)
            .await
            .unwrap_or_else(|_| Err(over()))
    }

    /// The next ask, and how many bytes come beside it.
    async fn heard(&self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Ask, u64)>> {
        self.wait(control::receive_words(stream)).await
    }

    async fn answered(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        answer: &Answer,
    ) -> io::Result<()> {
        self.told(&answer.told);
        self.wait(control::send(stream, &answer.told, &answer.bytes))
            .await
    }
}

/// Answers a runner until it is done. Says whether it was: a line that just ends is a runner that was lost.
pub(super) async fn serve(
    stream: &mut UnixStream,
    job: &impl Job,
    (kept, seat): (&Kept, &Seat),
    stopping: watch::Receiver<bool>,
) -> bool {
    let mut patience = Patience::new(SILENT_MAX, LAST_WORDS_MAX);
    loop {
        let (ask, length) = match patience.heard(stream).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(run = %job.run(), %error, "the line to a runner broke");
                return false;
            }
        };
        let done = matches!(ask, Ask::Done { .. });
        // Who stops wishes its runners to stop, too.
        let stops = matches!(ask, Ask::Beat) && *stopping.borrow();
        let (feed, beside) = control::beside(length);
        let (fed, answer) = tokio::join!(
            patience.wait(feed.from(stream)),
            answered(job, (kept, seat), ask, beside)
        );
        if let Err(error) = fed {
            tracing::warn!(run = %job.run(), %error, "the line to a runner broke");
            return false;
        }
        let answer = match answer {
            answer if stops && answer.told != Told::StopNow => Told::stop().into(),
            answer => answer,
        };
        let over = done && !matches!(answer.told, Told::Refused { .. });
        if let Err(error) = patience.answered(stream, &answer).await {
            tracing::warn!(run = %job.run(), %error, "a runner could not be answered");
            return over;
        }
        if over {
            return true;
        }
    }
}

async fn answered(
    job: &impl Job,
    (kept, seat): (&Kept, &Seat),
    ask: Ask,
    beside: Beside,
) -> Answer {
    let house = || job.run().house().to_string();
    let not_here = |why: String| Answer::refused("stock", why, false);
    // A runner that cannot remember starts nothing.
    let forgotten = |why: String| Answer::refused("memory", why, false);
    match ask {
        Ask::Recall => kept
            .memory
            .recall(&house())
            .map_or_else(forgotten, Answer::given),
        Ask::Remember { known } => match beside.whole().await {
            Ok(bytes) => match kept.memory.remember(&house(), known, &bytes) {
                Ok(()) => Told::Well.into(),
                Err(why) => forgotten(why),
            },
            Err(error) => forgotten(error.to_string()),
        },
        Ask::Schemas { key } => Answer::given(kept.schemas.find(&house(), &key)),
        Ask::KeepSchemas { key } => {
            if let Ok(bytes) = beside.whole().await {
                kept.schemas.keep(&house(), &key, &bytes);
            }
            Told::Well.into()
        }
        Ask::Tool { name, version } => {
            let asker = match &kept.asker {
                Ok(asker) => *asker,
                Err(why) => return not_here(why.clone()),
            };
            let found = kept.stock(move |stock| stock.tool(&name, &version, asker));
            found
                .await
                .map_or_else(not_here, |(path, tool)| Told::Tool { path, tool }.into())
        }
        Ask::Package { path } => {
            let digest = kept.digest(&house(), path).await;
            digest.map_or_else(not_here, |digest| Told::Digest { digest }.into())
        }
        Ask::Cached { hashes } => kept
            .cached(&house(), &hashes)
            .await
            .map_or_else(not_here, Answer::from),
        Ask::Cache { path } => {
            kept.cache(house(), seat, path).await;
            Told::Well.into()
        }
        Ask::Authorities => kept.outside.authorities(),
        Ask::Proxy => kept.outside.proxy(),
        ask => job.answer(ask, beside).await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_silent_line_is_left_when_the_lease_is_over() {
        let (mut here, mut there) = tokio::io::duplex(1024);
        let patience = Patience::new(SHORT, LONG);
        let begun = Instant::now();
        let error = patience.heard(&mut here).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= SHORT);
        control::send(&mut there, &Ask::Beat, b"").await.unwrap();
        let heard = patience.heard(&mut here).await.unwrap();
        assert_eq!(heard.unwrap().0, Ask::Beat);
        // Nor is one waited for that does not listen.
        let long = Answer {
            told: Told::Bytes,
            bytes: vec![0; 1 << 20].into(),
        };
        let mut patience = patience;
        assert!(patience.answered(&mut here, &long).await.is_err());
    }

    #[test]
    fn who_never_asks_is_left_when_its_time_is_over() {
        let left = |minutes: u64, last: Option<Told>| {
            let work = serde_json::json!({ "answer": "work", "work": {
                "run": "run-1", "workspace": "web", "workspace-id": "ws-1", "holds-lock": false, "step": "plan",
                "options": {}, "tool": "terraform", "tool-version": "", "working-directory": "", "structured": false, "variables": [],
                "configuration": "", "planned": null, "reverify": false, "spool-key": "", "minutes-max": minutes,
            }});
            let mut patience = Patience::new(LONG, SHORT);
            patience.told(&serde_json::from_value(work).unwrap());
            if let Some(last) = last {
                patience.told(&last);
            }
            let left = patience.end?.saturating_duration_since(Instant::now());
            Some((left + Duration::from_millis(500)).as_secs())
        };
        let more = IN_ORDER_MAX + SILENT_MAX + LAST_WORDS_MAX;
        let ends = (Duration::from_mins(2) + more).as_secs();
        assert_eq!(left(2, None), Some(ends));
        assert_eq!(
            left(2, Some(Told::GoOn)),
            Some(ends),
            "asking gains nothing"
        );
        assert_eq!(
            left(2, Some(Told::StopNow)),
            Some(0),
            "the first end counts"
        );
        assert_eq!(left(0, None), None, "a server that says nothing of it");
        assert_eq!(left(u64::MAX, None), None);
    }

    #[tokio::test]
    async fn who_goes_on_after_it_was_told_to_stop_at_once_is_left() {
        let (mut here, mut there) = tokio::io::duplex(1 << 20);
        let mut patience = Patience::new(LONG, SHORT);
        let begun = Instant::now();
        // It always has something to say.
        for _ in 0..1000 {
            control::send(&mut there, &Ask::Beat, b"").await.unwrap();
        }
        let mut heard = 0;
        while patience.heard(&mut here).await.is_ok() {
            heard += 1;
            let answer = Told::StopNow.into();
            if patience.answered(&mut here, &answer).await.is_err() {
                break;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
        assert!(heard > 0 && begun.elapsed() >= SHORT);
        assert!(heard < 1000, "the first time counts, not the last");
    }
}
