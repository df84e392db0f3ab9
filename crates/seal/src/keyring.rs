//! The keyring of a house: the keys of all its live epochs. The newest seals; any opens.
//!
//! A keyring is cheap to clone and its clones share their keys, so that rotation can build the next
//! keyring beside the one in use and swap them. Nothing here decides when to rotate: the caller adds an
//! epoch, re-wraps every header at leisure, and retires the old epoch when no header names it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretBox};

use crate::canonical::{Associated, Context};
use crate::gcm::KEY_LENGTH;
use crate::header::Header;
use crate::object::ObjectKey;
use crate::segment::{self, Fault};
use crate::xaes::Xaes;
use crate::{EpochKeys, KeyName, SealError};

/// Bytes in a MAC: the epoch, big-endian, and HMAC-SHA-256.
pub const MAC_LENGTH: usize = 4 + 32;

/// A sealed object: a small header, which rotation rewrites, and a body, which nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// [`HEADER_LENGTH`](crate::HEADER_LENGTH) bytes; not part of the body's digest.
    pub header: Vec<u8>,
    /// Ciphertext: [`body_length`](crate::body_length) of the plaintext.
    pub body: Vec<u8>,
}

/// The keys of a house's live epochs.
#[derive(Clone)]
pub struct Keyring {
    site: String,
    house: KeyName,
    newest: Arc<Epoch>,
    epochs: BTreeMap<u32, Arc<Epoch>>,
}

/// One epoch's keys, expanded for use.
struct Epoch {
    keys: EpochKeys,
    data: Xaes,
    token: hmac::Key,
    row: hmac::Key,
}

impl Epoch {
    fn new(keys: EpochKeys) -> Result<Self, Unspecified> {
        Ok(Self {
            data: Xaes::new(keys.data.expose_secret())?,
            token: hmac::Key::new(hmac::HMAC_SHA256, keys.token.expose_secret()),
            row: hmac::Key::new(hmac::HMAC_SHA256, keys.row.expose_secret()),
            keys,
        })
    }
}

impl Keyring {
    /// A keyring of these epochs, given in any order; [`SealError::NoEpochs`] when there are none,
    /// [`SealError::EpochOrder`] when one is given twice.
    pub fn new(site: &str, house: &KeyName, mut epochs: Vec<EpochKeys>) -> Result<Self, SealError> {
        epochs.sort_by_key(EpochKeys::epoch);
        let mut epochs = epochs.into_iter();
        let first = epochs.next().ok_or_else(|| SealError::NoEpochs {
            house: house.clone(),
        })?;
        let first = Arc::new(Epoch::new(first).map_err(|_| SealError::Engine)?);
        let mut keyring = Self {
            site: site.to_owned(),
            house: house.clone(),
            epochs: BTreeMap::from([(first.keys.epoch, Arc::clone(&first))]),
            newest: first,
        };
        epochs.try_for_each(|keys| keyring.add(keys))?;
        Ok(keyring)
    }

    /// The epoch that seals.
    pub fn newest(&self) -> u32 {
        self.newest.keys.epoch
    }

    /// All live epochs, oldest first.
    pub fn epochs(&self) -> impl Iterator<Item = u32> {
        self.epochs.keys().copied()
    }

    /// The site whose name everything is bound to.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// The house whose keys these are.
    pub fn house(&self) -> &KeyName {
        &self.house
    }

    /// The ledger signing seed of a live epoch.
    pub fn signing_seed(&self, epoch: u32) -> Option<&SecretBox<[u8; KEY_LENGTH]>> {
        Some(self.epochs.get(&epoch)?.keys.signing_seed())
    }

    /// Adds a later epoch, which seals from now on; [`SealError::EpochOrder`] when it is not later.
    pub fn add(&mut self, keys: EpochKeys) -> Result<(), SealError> {
        let (epoch, newest) = (keys.epoch, self.newest());
        if epoch <= newest {
            let house = self.house.clone();
            return Err(SealError::EpochOrder {
                house,
                epoch,
                newest,
            });
        }
        self.newest = Arc::new(Epoch::new(keys).map_err(|_| SealError::Engine)?);
        self.epochs.insert(epoch, Arc::clone(&self.newest));
        Ok(())
    }

    /// Forgets an epoch: what is still sealed under it can no longer be opened with this keyring.
    pub fn retire(&mut self, epoch: u32) -> Result<(), SealError> {
        let house = self.house.clone();
        if epoch == self.newest() {
            return Err(SealError::EpochInUse { house, epoch });
        }
        match self.epochs.remove(&epoch) {
            Some(_) => Ok(()),
            None => Err(SealError::UnknownEpoch { house, epoch }),
        }
    }

    /// Seals a plaintext that is in memory.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8]) -> Result<Sealed, SealError> {
        let (key, header, mut associated) = self.fresh_key(context)?;
        let body = segment::seal(&key.body, &mut associated, plaintext)
            .map_err(|fault| at(fault, context))?;
        Ok(Sealed { header, body })
    }

    /// Opens what was sealed for exactly this context, or refuses.
    pub fn open(
        &self,
        context: &Context<'_>,
        header: &[u8],
        body: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let (key, mut associated) = self.key_in(context, &Header::parse(header)?)?;
        segment::open(&key.body, &mut associated, body).map_err(|fault| at(fault, context))
    }

    /// Seals from a source into a sink and returns the header. The body is the same as
    /// [`Keyring::seal`] makes, and memory stays at a few segments.
    pub fn seal_stream(
        &self,
        context: &Context<'_>,
        mut source: impl Read,
        mut sink: impl Write,
    ) -> Result<Vec<u8>, SealError> {
        let (key, header, mut associated) = self.fresh_key(context)?;
        segment::seal_stream(&key.body, &mut associated, &mut source, &mut sink)
            .map_err(|fault| at(fault, context))?;
        Ok(header)
    }

    /// Opens from a source into a sink and returns the bytes of plaintext written. On an error the
    /// sink holds an authentic beginning, never anything altered; the caller discards it.
    pub fn open_stream(
        &self,
        context: &Context<'_>,
        header: &[u8],
        mut source: impl Read,
        mut sink: impl Write,
    ) -> Result<u64, SealError> {
        let (key, mut associated) = self.key_in(context, &Header::parse(header)?)?;
        segment::open_stream(&key.body, &mut associated, &mut source, &mut sink)
            .map_err(|fault| at(fault, context))
    }

    /// The header under the newest epoch, for the same body; `None` when it is there already.
    pub fn rewrap(
        &self,
        context: &Context<'_>,
        header: &[u8],
    ) -> Result<Option<Vec<u8>>, SealError> {
        let header = Header::parse(header)?;
        let (key, mut associated) = self.key_in(context, &header)?;
        if header.epoch == self.newest() {
            return Ok(None);
        }
        self.header_of(&key, &mut associated).map(Some)
    }

    /// The epoch that a header names, unauthenticated: for finding what rotation has yet to do.
    pub fn header_epoch(header: &[u8]) -> Result<u32, SealError> {
        Header::parse(header).map(|header| header.epoch)
    }

    /// MAC of an evidential row's canonical columns, under the newest epoch.
    pub fn row_mac(&self, message: &[u8]) -> [u8; MAC_LENGTH] {
        mac(self.newest(), &self.newest.row, message)
    }

    /// Whether a row MAC holds under the live epoch that it names. Constant time in the MAC.
    pub fn row_mac_verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.verify(|epoch| &epoch.row, message, mac)
    }

    /// MAC of an API token, under the newest epoch.
    pub fn token_mac(&self, message: &[u8]) -> [u8; MAC_LENGTH] {
        mac(self.newest(), &self.newest.token, message)
    }

    /// Whether a token MAC holds under the live epoch that it names. Constant time in the MAC.
    pub fn token_mac_verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.verify(|epoch| &epoch.token, message, mac)
    }

    fn verify(&self, key: impl Fn(&Epoch) -> &hmac::Key, message: &[u8], mac: &[u8]) -> bool {
        let Some((epoch, tag)) = mac.split_first_chunk() else {
            return false;
        };
        self.epochs
            .get(&u32::from_be_bytes(*epoch))
            .is_some_and(|epoch| hmac::verify(key(epoch), message, tag).is_ok())
    }

    /// A new object key, its header, and the associated data of its context.
    fn fresh_key(
        &self,
        context: &Context<'_>,
    ) -> Result<(ObjectKey, Vec<u8>, Associated), SealError> {
        let key = ObjectKey::generate().map_err(|_| SealError::Engine)?;
        let mut associated = Associated::new(&self.site, &self.house, context);
        let header = self.header_of(&key, &mut associated)?;
        Ok((key, header, associated))
    }

    fn header_of(
        &self,
        key: &ObjectKey,
        associated: &mut Associated,
    ) -> Result<Vec<u8>, SealError> {
        let epoch = self.newest();
        key.wrap(&self.newest.data, associated.object_key(epoch), epoch)
            .map(|header| header.to_bytes())
            .map_err(|_| SealError::Engine)
    }

    /// The object key in a header, if the header is of this context.
    fn key_in(
        &self,
        context: &Context<'_>,
        header: &Header,
    ) -> Result<(ObjectKey, Associated), SealError> {
        let epoch = self
            .epochs
            .get(&header.epoch)
            .ok_or_else(|| SealError::UnknownEpoch {
                house: self.house.clone(),
                epoch: header.epoch,
            })?;
        let mut associated = Associated::new(&self.site, &self.house, context);
        let key = ObjectKey::unwrap(&epoch.data, associated.object_key(header.epoch), header)
            .map_err(|_| at(Fault::Refused, context))?;
        Ok((key, associated))
    }
}

fn mac(epoch: u32, key: &hmac::Key, message: &[u8]) -> [u8; MAC_LENGTH] {
    let tag = hmac::sign(key, message);
    let mut mac = [0; MAC_LENGTH];
    for (to, from) in mac
        .iter_mut()
        .zip(epoch.to_be_bytes().iter().chain(tag.as_ref()))
    {
        *to = *from;
    }
    mac
}

fn at(fault: Fault, context: &Context<'_>) -> SealError {
    match fault {
        Fault::Refused => SealError::Refused {
            kind: context.kind.to_owned(),
            object: context.object.to_owned(),
            version: context.version.to_owned(),
        },
        Fault::TooLarge => SealError::TooLarge,
        Fault::Engine => SealError::Engine,
        Fault::Read(error) => SealError::Read(error),
        Fault::Write(error) => SealError::Write(error),
    }
}
