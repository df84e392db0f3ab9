//! Words and bytes over a stream: a length, the words as JSON, a length, the bytes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use super::{Answer, Ask, Control, ControlError, Told, WORDS_MAX, Words};

/// A way to a server over a stream: a length, the words as JSON, a length, the bytes.
pub struct Line<S> {
    stream: Mutex<S>,
    /// What broke once cannot be continued: nobody knows where an answer begins.
    broken: AtomicBool,
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Line")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line<S> {
    /// The line over a stream.
    pub fn new(stream: S) -> Self {
        Self {
            stream: Mutex::new(stream),
            broken: AtomicBool::new(false),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Control for Line<S> {
    fn ask(
        &self,
        ask: Ask,
        bytes: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ControlError>> + Send + '_>> {
        Box::pin(async move {
            if bytes.len() as u64 > ask.bytes_max() {
                return Err(ControlError::Refused {
                    what: "length".to_owned(),
                    why: too_many(bytes.len() as u64, ask.bytes_max()),
                    again: false,
                });
            }
            let mut stream = self.stream.lock().await;
            let exchange = async {
                send(&mut *stream, &ask, &bytes).await?;
                let answer: Option<(Told, Bytes)> = receive(&mut *stream).await?;
                answer.ok_or_else(closed)
            };
            let (told, bytes) = exchange
                .await
                .inspect_err(|_| self.broken.store(true, Ordering::Relaxed))?;
            if let Told::Refused { what, why, again } = told {
                return Err(ControlError::Refused { what, why, again });
            }
            Ok(Answer { told, bytes })
        })
    }

    fn is_over(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

fn closed() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "it closed the line")
}

fn odd(error: impl fmt::Display) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string())
}

fn too_many(bytes: u64, bytes_max: u64) -> String {
    format!("{bytes} bytes are too many where {bytes_max} may be")
}

/// Sends words and bytes.
pub async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    words: &T,
    bytes: &[u8],
) -> std::io::Result<()> {
    let words = serde_json::to_vec(words).map_err(odd)?;
    let length = u32::try_from(words.len()).map_err(odd)?;
    stream.write_u32(length).await?;
    stream.write_all(&words).await?;
    stream.write_u64(bytes.len() as u64).await?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Words and bytes in one piece, as [`send`] sends them.
pub async fn framed<T: Serialize>(words: &T, bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut whole = Vec::with_capacity(bytes.len() + 1024);
    send(&mut whole, words, bytes).await?;
    Ok(whole.into())
}

/// Words and bytes of one piece, and nothing after them.
pub async fn unframed<T: serde::de::DeserializeOwned + Words>(
    whole: &[u8],
) -> std::io::Result<(T, Bytes)> {
    let mut rest = whole;
    let found = receive(&mut rest).await?.ok_or_else(closed)?;
    if rest.is_empty() {
        Ok(found)
    } else {
        Err(odd(format!("{} bytes too many", rest.len())))
    }
}

/// Receives words and bytes; `None` where the other side ended in order.
pub async fn receive<T: serde::de::DeserializeOwned + Words>(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<(T, Bytes)>> {
    match receive_words(stream).await? {
        Some((words, length)) => Ok(Some((words, exactly(stream, length).await?))),
        None => Ok(None),
    }
}

/// Receives words, and how many bytes come beside them.
pub async fn receive_words<T: serde::de::DeserializeOwned + Words>(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<(T, u64)>> {
    let length = match stream.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > WORDS_MAX {
        return Err(odd(format!("{length} bytes of words are too many")));
    }
    let words = exactly(stream, u64::from(length)).await?;
    let words: T = serde_json::from_slice(&words).map_err(odd)?;
    let length = stream.read_u64().await?;
    if length > words.bytes_max() {
        return Err(odd(too_many(length, words.bytes_max())));
    }
    Ok(Some((words, length)))
}

/// So many bytes. Memory is taken as they come, not as they are announced.
async fn exactly(stream: &mut (impl AsyncRead + Unpin), length: u64) -> std::io::Result<Bytes> {
    let mut bytes = Vec::new();
    let read = stream.take(length).read_to_end(&mut bytes).await?;
    if read as u64 == length {
        Ok(bytes.into())
    } else {
        Err(closed())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Ended, FILE_MAX, PIECE_MAX, STATE_MAX};

    #[tokio::test]
    async fn words_and_bytes_come_as_they_were_sent() {
        let (mut here, mut there) = tokio::io::duplex(64);
        let sent = Bytes::from(vec![7_u8; 100_000]);
        let ask = Ask::Log { from: 3 };
        let (one, other) = tokio::join!(send(&mut here, &ask, &sent), receive::<Ask>(&mut there));
        one.unwrap();
        assert_eq!(other.unwrap().unwrap(), (ask, sent));
    }

    #[tokio::test]
    async fn what_is_too_long_or_cut_short_is_refused() {
        let check = async |bytes: &[u8], empty: bool| {
            let mut stream = bytes;
            match receive::<Ask>(&mut stream).await {
                Ok(None) => assert!(empty),
                Ok(Some(_)) => panic!("it was taken"),
                Err(_) => assert!(!empty),
            }
        };
        check(b"", true).await;
        check(&u32::MAX.to_be_bytes(), false).await;
        check(&[0, 0, 0, 9, b'{'], false).await;
        let mut whole = Vec::new();
        let ask = Ask::Log { from: 0 };
        send(&mut whole, &ask, b"abc").await.unwrap();
        check(&whole[..whole.len() - 1], false).await;
        let mut long = whole.clone();
        let at = long.len() - 11;
        long[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
        check(&long, false).await;
    }

    #[tokio::test]
    async fn one_piece_holds_one_ask_and_nothing_else() {
        let ask = Ask::Log { from: 3 };
        let whole = framed(&ask, b"abc").await.unwrap();
        let (words, bytes) = unframed::<Ask>(&whole).await.unwrap();
        assert_eq!((words, &*bytes), (ask, &b"abc"[..]));
        let more = [&*whole, b"x"].concat();
        assert!(unframed::<Ask>(&more).await.is_err());
        assert!(unframed::<Ask>(&whole[..whole.len() - 1]).await.is_err());
        assert!(unframed::<Ask>(b"").await.is_err());
    }

    #[tokio::test]
    async fn no_more_bytes_are_read_than_what_is_asked_may_have() {
        let done = Ask::Done {
            how: Ended::Applied,
        };
        for ask in [Ask::Beat, Ask::Work, done] {
            let mut sent = Vec::new();
            send(&mut sent, &ask, b"a").await.unwrap();
            assert!(receive::<Ask>(&mut sent.as_slice()).await.is_err());
        }
        let check = async |ask: Ask, bytes: u64, allowed: bool| {
            let mut sent = Vec::new();
            send(&mut sent, &ask, b"").await.unwrap();
            let at = sent.len() - 8;
            sent[at..].copy_from_slice(&bytes.to_be_bytes());
            let error = receive::<Ask>(&mut sent.as_slice()).await.unwrap_err();
            // What is allowed is read, and found to be cut short.
            let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            assert_eq!(cut, allowed, "{ask:?} {bytes} {error}");
        };
        check(Ask::Log { from: 0 }, PIECE_MAX, true).await;
        check(Ask::Log { from: 0 }, PIECE_MAX + 1, false).await;
        check(Ask::PutState, FILE_MAX, true).await;
        check(Ask::PutState, STATE_MAX + 1, false).await;
        let name = "plan".to_owned();
        check(Ask::File { name }, FILE_MAX + 1, false).await;
    }
}
