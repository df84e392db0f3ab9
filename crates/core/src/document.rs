//! Long texts on their way to a process that reads them: a plan of hundreds of megabytes is never held here as a whole.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use statehouse_confined::Pour;
use statehouse_ledger::{Hash, sha256};
use zeroize::Zeroizing;

use crate::blob::Stored;
use crate::error::{Error, Result};
use crate::house::House;
use crate::object::Object;

/// A text: held, where it is short; else it lies sealed, was read once to see that it is what was stored, and is opened piece by
/// piece while it is handed on.
#[derive(Clone)]
pub struct Document(Source);

#[derive(Clone)]
enum Source {
    Held(Bytes),
    Sealed(Arc<Sealed>),
}

struct Sealed {
    house: Arc<House>,
    object: Object,
    stored: Stored,
    digest: Hash,
}

impl Sealed {
    fn pour(&self, sink: &mut dyn Write) -> Result<Hash> {
        let Object { size, .. } = self.object;
        let (keyring, blobs) = (self.house.keyring(), self.house.blobs());
        let context = self.object.context();
        let (_, digest) = blobs.pour(&keyring, &context, &self.stored, size, sink)?;
        Ok(digest)
    }
}

impl Document {
    /// A sealed one, of which every byte is read and checked. Blocks.
    pub(crate) fn sealed(house: Arc<House>, object: Object, stored: Stored) -> Result<Self> {
        let mut sealed = Sealed {
            house,
            object,
            stored,
            digest: Hash::default(),
        };
        sealed.digest = sealed.pour(&mut std::io::sink())?;
        Ok(Self(Source::Sealed(Arc::new(sealed))))
    }

    /// Its SHA-256.
    pub(crate) fn digest(&self) -> Hash {
        match &self.0 {
            Source::Held(bytes) => sha256(bytes),
            Source::Sealed(sealed) => sealed.digest,
        }
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Source::Held(bytes) => bytes.len() as u64,
            Source::Sealed(sealed) => sealed.object.size,
        }
    }

    /// Writes it into a sink, piece by piece. Blocks.
    ///
    /// # Errors
    ///
    /// Where the sink takes no more, or it is no longer what it was. What was written then is to be discarded.
    pub fn pour(&self, sink: &mut dyn Write) -> std::io::Result<()> {
        match &self.0 {
            Source::Held(bytes) => sink.write_all(bytes),
            Source::Sealed(_) => self.read_by(sink).map_err(std::io::Error::other),
        }
    }

    /// Has it read by a sink that takes whatever comes. Blocks.
    pub(crate) fn read_by(&self, sink: &mut dyn Write) -> Result<()> {
        match &self.0 {
            Source::Held(bytes) => sink
                .write_all(bytes)
                .map_err(|error| Error::internal(format!("reading a document: {error}"))),
            Source::Sealed(sealed) => sealed.pour(sink).map(drop),
        }
    }

    /// All of it, for who cannot read it otherwise. Blocks.
    pub(crate) fn whole(&self) -> Result<Bytes> {
        if let Source::Held(bytes) = &self.0 {
            return Ok(bytes.clone());
        }
        let room = usize::try_from(self.bytes()).unwrap_or(usize::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        self.read_by(&mut *bytes)?;
        Ok(Bytes::from_owner(bytes))
    }
}

impl Pour for Document {
    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn pour(&self, sink: &mut dyn Write) -> std::io::Result<()> {
        Self::pour(self, sink)
    }
}

impl From<Bytes> for Document {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Held(bytes))
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a document of {} bytes", self.bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::blob::WHOLE_MAX;
    use crate::error::Kind;
    use crate::testing::{World, for_each_engine};

    fn object(id: &str, size: usize) -> Object {
        Object {
            kind: "run-file",
            owner: "run-1".to_owned(),
            id: id.to_owned(),
            name: "plan-json".to_owned(),
            part: None,
            size: size as u64,
            body_digest: Vec::new(),
            commitment: Vec::new(),
        }
    }

    /// Text that compresses well, or not at all.
    fn text(length: usize, noise: bool) -> Bytes {
        let mut number = 1_u64;
        let mut byte = || {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            number.to_be_bytes().first().copied().filter(|_| noise)
        };
        (0..length).map(|_| byte().unwrap_or(b'a')).collect()
    }

    async fn sealed(world: &World, id: &str, bytes: &Bytes) -> (Object, Stored, Hash) {
        let object = object(id, bytes.len());
        let sealed = object.clone().seal(&world.ask(), bytes.clone()).await;
        let (stored, digest) = sealed.unwrap();
        (object, stored, digest)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_document_is_handed_on_as_it_was_stored() {
        for_each_engine(async |world| {
            for (number, (length, noise)) in [
                (0, false),
                (1, false),
                (WHOLE_MAX, true),
                (WHOLE_MAX + 1, false),
                (WHOLE_MAX + 1, true),
            ]
            .into_iter()
            .enumerate()
            {
                let bytes = text(length, noise);
                let (object, stored, digest) =
                    sealed(&world, &format!("rf-{number}"), &bytes).await;
                let document = object.document(&world.ask(), stored).await.unwrap();
                let mut poured = Vec::new();
                document.pour(&mut poured).unwrap();
                assert!(poured == bytes, "{length} bytes");
                assert!(document.whole().unwrap() == bytes, "{length} bytes");
                let is = (document.digest(), document.bytes());
                assert_eq!(is, (digest, length as u64));
            }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_altered_is_no_document() {
        for_each_engine(async |world| {
            let (ask, bytes) = (world.ask(), text(WHOLE_MAX + 1, true));
            let (object, mut stored, _) = sealed(&world, "rf-1", &bytes).await;
            stored.commitment = [0; 32];
            let found = object.document(&ask, stored).await;
            assert_eq!(*found.unwrap_err().kind(), Kind::Tampered);

            let (object, stored, _) = sealed(&world, "rf-2", &bytes).await;
            let file = world.house.blobs().file("rf-2");
            let document = object.document(&ask, stored).await.unwrap();
            let mut body = fs_err::read(&file).unwrap();
            *body.last_mut().unwrap() ^= 1;
            fs_err::write(&file, body).unwrap();
            assert!(document.pour(&mut std::io::sink()).is_err());
            let read = document.whole().unwrap_err();
            assert_eq!(*read.kind(), Kind::Tampered);
        })
        .await;
    }
}
