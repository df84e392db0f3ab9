//! The log of a step, on its way from the tool to the server.
//!
//! Whatever the tool says passes a redactor before anything else sees it, is
//! collected for a moment and sent in pieces. Each stream has a redactor of its
//! own: what comes between two halves of a value hides neither. A log has an
//! end: what comes after its longest length is counted, not kept, and the log
//! says so.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::control::{Ask, Control, ControlError, LOG_BYTES_MAX};
use crate::redact::Redactor;

/// How long lines are collected: a fifth of a second is not noticed by who watches.
const COLLECTED: Duration = Duration::from_millis(200);
/// A piece that is sent before that.
const PIECE: usize = 256 * 1024;
/// How much of a log is what was said, in bytes: its end has room for what was left out.
const SAID_MAX: u64 = if cfg!(test) {
    1024
} else {
    LOG_BYTES_MAX - 1024
};
/// Chunks on their way: a tool that writes faster than the server takes waits.
const CHUNKS: usize = 64;

/// The marks that are put around a log for its readers. They cannot come from a tool, and are gone before a value is looked for, which they
/// could be in the middle of.
const MARKS: [u8; 2] = [2, 3];

/// Who says something in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The standard output of the tool.
    Output,
    /// Its standard error.
    Errors,
    /// The runner.
    Own,
}

/// Why a log could not be written: the server no longer takes it.
pub(crate) type Failed = ControlError;

/// The end of a log that can be written to.
#[derive(Clone)]
pub(crate) struct Log {
    chunks: mpsc::Sender<Chunk>,
    redactor: Arc<Redactor>,
}

/// What goes through a log.
enum Chunk {
    Bytes(Source, Bytes),
    /// Send what there is, and say when it was taken.
    Flush(oneshot::Sender<()>),
}

/// The task that sends it.
pub(crate) struct Sending {
    task: JoinHandle<Result<(), Failed>>,
}

/// Begins a log. `secrets` never get into it.
pub(crate) fn begin(
    control: Arc<dyn Control>,
    secrets: &[String],
) -> Result<(Log, Sending), ControlError> {
    let (chunks, received) = mpsc::channel(CHUNKS);
    let unmarked = |secret: &String| secret.replace(MARKS.map(char::from), "");
    let secrets: Vec<String> = secrets.iter().map(unmarked).collect();
    let redactor = Redactor::new(secrets.iter().map(String::as_str))
        .map_err(|error| ControlError::Odd(error.to_string()))?;
    let task = tokio::spawn(Pieces::new(control, &redactor).send_all(received));
    let redactor = Arc::new(redactor);
    Ok((Log { chunks, redactor }, Sending { task }))
}

impl Log {
    /// Writes bytes of the tool.
    pub(crate) async fn bytes(&self, source: Source, bytes: Bytes) {
        // A log that is not taken any more is told at its end.
        self.chunks.send(Chunk::Bytes(source, bytes)).await.ok();
    }

    /// Words that go elsewhere than into the log, without what never gets into it.
    pub(crate) fn without_secrets(&self, words: &str) -> String {
        let mut redactor = self.redactor.another();
        let mut clean = redactor.push(words.as_bytes());
        clean.extend_from_slice(&redactor.finish());
        String::from_utf8_lossy(&clean).into_owned()
    }

    /// Waits until the server has what was written.
    pub(crate) async fn flush(&self) {
        let (taken, is_taken) = oneshot::channel();
        self.chunks.send(Chunk::Flush(taken)).await.ok();
        is_taken.await.ok();
    }

    /// Writes a line of the runner's own.
    pub(crate) async fn line(&self, text: &str) {
        self.bytes(Source::Own, format!("{text}\n").into()).await;
    }
}

impl Sending {
    /// Waits until everything was taken. Every [`Log`] must be dropped before.
    pub(crate) async fn end(self) -> Result<(), Failed> {
        self.task
            .await
            .unwrap_or_else(|error| Err(ControlError::Odd(error.to_string())))
    }
}

struct Pieces {
    control: Arc<dyn Control>,
    /// One for each source.
    redactors: Vec<(Source, Redactor)>,
    collected: BytesMut,
    /// Where the next piece begins.
    at: u64,
    passed_over: u64,
    /// Who waits until all of it was taken.
    flushing: Option<oneshot::Sender<()>>,
}

impl Pieces {
    fn new(control: Arc<dyn Control>, redactor: &Redactor) -> Self {
        let all = [Source::Output, Source::Errors, Source::Own];
        Self {
            control,
            redactors: all.map(|source| (source, redactor.another())).into(),
            collected: BytesMut::new(),
            at: 0,
            passed_over: 0,
            flushing: None,
        }
    }

    async fn send_all(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), Failed> {
        let mut open = true;
        while open {
            let chunk = tokio::time::timeout(COLLECTED, chunks.recv()).await;
            match chunk {
                Ok(Some(chunk)) => {
                    self.take(chunk);
                    if self.collected.len() < PIECE && self.flushing.is_none() {
                        self.collect(&mut chunks).await;
                    }
                }
                Ok(None) => open = false,
                Err(_) => {}
            }
            self.send().await?;
            if let Some(flushing) = self.flushing.take() {
                flushing.send(()).ok();
            }
        }
        for (_, redactor) in std::mem::take(&mut self.redactors) {
            let rest = redactor.finish();
            self.keep(&rest);
        }
        if self.passed_over > 0 {
            let words = format!(
                "\nThe log ends here: {} bytes after the first {SAID_MAX} were not kept.\n",
                self.passed_over
            );
            self.collected.extend_from_slice(words.as_bytes());
        }
        self.send().await
    }

    /// Collects for a moment what comes right after.
    async fn collect(&mut self, chunks: &mut mpsc::Receiver<Chunk>) {
        let end = tokio::time::Instant::now() + COLLECTED;
        while self.collected.len() < PIECE && self.flushing.is_none() {
            match tokio::time::timeout_at(end, chunks.recv()).await {
                Ok(Some(chunk)) => self.take(chunk),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn take(&mut self, chunk: Chunk) {
        let (source, bytes) = match chunk {
            Chunk::Bytes(source, bytes) => (source, bytes),
            Chunk::Flush(taken) => {
                self.flushing = Some(taken);
                return;
            }
        };
        let plain: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !MARKS.contains(byte))
            .collect();
        let mut redactors = self.redactors.iter_mut();
        if let Some((_, redactor)) = redactors.find(|(of, _)| *of == source) {
            let clean = redactor.push(&plain);
            self.keep(&clean);
        }
    }

    /// Takes clean bytes in.
    fn keep(&mut self, clean: &[u8]) {
        let there = self.at + self.collected.len() as u64;
        let room = usize::try_from(SAID_MAX.saturating_sub(there)).unwrap_or(usize::MAX);
        let (kept, over) = clean.split_at(room.min(clean.len()));
        self.passed_over += over.len() as u64;
        self.collected.extend_from_slice(kept);
    }

    async fn send(&mut self) -> Result<(), Failed> {
        if self.collected.is_empty() {
            return Ok(());
        }
        let piece = self.collected.split().freeze();
        let (from, length) = (self.at, piece.len() as u64);
        self.control.ask(Ask::Log { from }, piece).await?;
        self.at += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::pin::Pin;
    use std::sync::Mutex;

    use super::*;
    use crate::control::{Answer, Told};

    #[derive(Default)]
    struct Server(Mutex<Vec<u8>>);

    impl Control for Server {
        fn ask(
            &self,
            _: Ask,
            bytes: Bytes,
        ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>> {
            self.0.lock().unwrap().extend_from_slice(&bytes);
            Box::pin(async { Ok(Told::Well.into()) })
        }
    }

    async fn check(said: &[(Source, &str)], expected: &str) {
        let server = Arc::new(Server::default());
        let secrets = ["hunter2hunter2".to_owned(), "pass\u{2}word9183".to_owned()];
        let (log, sending) = begin(server.clone(), &secrets).unwrap();
        for (source, words) in said {
            log.bytes(*source, words.as_bytes().to_vec().into()).await;
        }
        drop(log);
        sending.end().await.unwrap();
        let logged = String::from_utf8(server.0.lock().unwrap().clone()).unwrap();
        assert_eq!(logged, expected, "{said:?}");
    }

    #[tokio::test]
    async fn nothing_between_two_halves_of_a_value_hides_them() {
        let value = "(sensitive)";
        let halves = [
            (Source::Output, "a hunter2"),
            (Source::Errors, "warning\n"),
            (Source::Own, "of the runner\n"),
            (Source::Output, "hunter2 b\n"),
        ];
        let expected = format!("a warning\nof the runner\n{value} b\n");
        check(&halves, &expected).await;
        let marked = [(Source::Errors, "a hunt\u{2}er2hun\u{3}ter2 b\n")];
        check(&marked, &format!("a {value} b\n")).await;
        let marked = [(Source::Output, "password9183 pass\u{2}word9183\n")];
        check(&marked, &format!("{value} {value}\n")).await;
    }

    #[tokio::test]
    async fn a_log_that_is_too_long_ends_with_how_much_was_left_out() {
        let long = "x".repeat(usize::try_from(SAID_MAX).unwrap() - 2);
        let expected = format!(
            "{long}ab\nThe log ends here: 3 bytes after the first {SAID_MAX} were not kept.\n"
        );
        check(
            &[(Source::Output, &long), (Source::Errors, "abcde")],
            &expected,
        )
        .await;
    }
}
