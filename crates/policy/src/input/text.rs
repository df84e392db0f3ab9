//! A large document, as the text that it came in.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use statehouse_confined::Pour;

use crate::bundle::Digest;

/// A document: a text that is here, or one that whoever keeps it opens piece by piece. Cheap to clone.
#[derive(Clone)]
pub struct Text {
    source: Arc<dyn Pour>,
    digest: Digest,
}

impl Text {
    /// One that is kept elsewhere, and its SHA-256. Whatever is poured must be what has that digest, or an error.
    pub fn kept(source: Arc<dyn Pour>, digest: Digest) -> Text {
        Text { source, digest }
    }

    /// Its SHA-256.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// All of it at once, for who evaluates in this process.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is no text.
    pub(crate) fn whole(&self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.pour(&mut bytes)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    }
}

impl Pour for Text {
    fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    fn pour(&self, sink: &mut dyn Write) -> io::Result<()> {
        self.source.pour(sink)
    }
}

/// A text that is here.
struct Held(String);

impl Pour for Held {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn pour(&self, sink: &mut dyn Write) -> io::Result<()> {
        sink.write_all(self.0.as_bytes())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        let digest = Digest::of(text.as_bytes());
        Text::kept(Arc::new(Held(text)), digest)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::from(text.to_owned())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text of {} bytes", self.bytes())
    }
}
