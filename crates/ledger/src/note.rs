//! C2SP signed notes: text with the signatures of named keys below it.
//!
//! [`SignedNote`] reads and writes the text form and keeps every signature line as it came, also those of keys and
//! algorithms it does not know (witnesses, ML-DSA), because the format says to ignore them. [`VerifierKey`] and [`Signer`]
//! are Ed25519 keys (signature type 0x01).
//!
//! Promises: what is accepted serializes to the same bytes; a key is known by name **and** id; a line of a known key that
//! does not verify is told apart from a missing one ([`Signature`]), since the first is damage and the second is another
//! signer. A [`Signer`] cannot be printed, and its secret is wiped when it is dropped.
//!
//! Absent on purpose: verifying any algorithm but Ed25519; generating keys, since randomness belongs to the caller.

use crate::sha256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;

/// The longest note that is read, in bytes: sixteen signatures of the largest kind, several times over.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;

/// The most signature lines that are read; the format demands at least 16.
pub const SIGNATURES_MAX: usize = 100;

/// Signature type of Ed25519 in C2SP signed-note.
const TYPE_ED25519: u8 = 0x01;

/// What is wrong with a note, a key or a name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The bytes are no signed note.
    #[error("not a signed note: {0}; see c2sp.org/signed-note for the form")]
    Note(&'static str),
    /// The text is no verifier key.
    #[error("`{0}` is not a verifier key; it looks like name+1a2b3c4d+base64")]
    Key(String),
    /// The name cannot be the name of a key.
    #[error("`{0}` cannot name a key; use a name without spaces and without +")]
    Name(String),
}

/// One signature line, verified or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Name of the key.
    pub name: String,
    /// Id of the key: with the name it says which key this is.
    pub id: [u8; 4],
    /// The signature, in the form of the key's algorithm.
    pub signature: Vec<u8>,
}

/// What a note says about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Every line of this key verifies, and there is one.
    Good,
    /// A line of this key does not verify: the text or the signature was altered.
    Bad,
    /// There is no line of this key.
    Absent,
}

/// A text and the signatures below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    lines: Vec<Line>,
}

impl SignedNote {
    /// A note without signatures yet; `text` must be what a note may contain.
    ///
    /// # Errors
    /// [`Error::Note`] when the text does not end in a newline or holds control characters.
    pub fn new(text: String) -> Result<Self, Error> {
        if !text.ends_with('\n') {
            return Err(Error::Note("its text does not end with a newline"));
        }
        refuse_controls(&text)?;
        Ok(Self {
            text,
            lines: Vec::new(),
        })
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`Error::Note`] with the rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(Error::Note("it is longer than 256 KiB"));
        }
        let note = str::from_utf8(bytes).map_err(|_| Error::Note("it is not UTF-8"))?;
        refuse_controls(note)?;
        let (text, below) = note
            .rsplit_once("\n\n")
            .ok_or(Error::Note("no empty line parts text and signatures"))?;
        let below = below
            .strip_suffix('\n')
            .ok_or(Error::Note("it does not end with a newline"))?;
        let lines = below
            .split('\n')
            .map(Line::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if lines.len() > SIGNATURES_MAX {
            return Err(Error::Note("it has more than 100 signatures"));
        }
        Ok(Self {
            text: format!("{text}\n"),
            lines,
        })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, known and unknown, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds the signature of `signer` below those that are there.
    pub fn sign(&mut self, signer: &Signer) {
        let signature = signer.key.sign(self.text.as_bytes());
        self.lines.push(Line {
            name: signer.public.name.clone(),
            id: signer.public.id,
            signature: signature.to_bytes().to_vec(),
        });
    }

    /// Adds a line that somebody else made, such as a witness.
    pub fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// What the note says about `key`.
    pub fn signature_of(&self, key: &VerifierKey) -> Signature {
        let mut found = Signature::Absent;
        for line in self
            .lines
            .iter()
            .filter(|line| line.id == key.id && line.name == key.name)
        {
            if !key.verifies(self.text.as_bytes(), &line.signature) {
                return Signature::Bad;
            }
            found = Signature::Good;
        }
        found
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, Error> {
        let (name, signature) = line
            .strip_prefix("— ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(Error::Note("a signature line is not `— name signature`"))?;
        check_name(name).map_err(|_| Error::Note("a signature line names no key"))?;
        let bytes = STANDARD
            .decode(signature)
            .map_err(|_| Error::Note("a signature is not base64"))?;
        let (id, signature) = bytes
            .split_first_chunk::<4>()
            .filter(|(_, signature)| !signature.is_empty())
            .ok_or(Error::Note("a signature is too short"))?;
        Ok(Self {
            name: name.to_owned(),
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.signature].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// The public half of an Ed25519 note key. Its text form is `name+hexid+base64(0x01 ‖ public key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`Error::Key`] when it is malformed, of another algorithm, a weak point, or its id is not the id of its key.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error::Key(text.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        check_name(name).ok()?;
        let id = crate::bytes_from_hex::<4>(id)?;
        let bytes = STANDARD.decode(key).ok()?;
        let (&kind, public) = bytes.split_first()?;
        let key = VerifyingKey::from_bytes(public.try_into().ok()?).ok()?;
        let known = kind == TYPE_ED25519 && !key.is_weak() && id == key_id(name, &key);
        known.then(|| Self {
            name: name.to_owned(),
            id,
            key,
        })
    }

    /// The key's name; for a log's own key, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id: four bytes of a hash over name and key.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[TYPE_ED25519], self.key.as_bytes().as_slice()].concat();
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.id),
            STANDARD.encode(bytes)
        )
    }
}

/// The secret half of an Ed25519 note key. Has no `Debug` and no `Clone`; wiped when dropped.
pub struct Signer {
    key: SigningKey,
    public: VerifierKey,
}

impl Signer {
    /// The key with this name and this 32-byte seed (RFC 8032 §5.1.5). The caller wipes the seed.
    ///
    /// # Errors
    /// [`Error::Name`] when the name cannot name a key.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, Error> {
        check_name(name)?;
        let key = SigningKey::from_bytes(seed);
        let public = VerifierKey {
            name: name.to_owned(),
            id: key_id(name, &key.verifying_key()),
            key: key.verifying_key(),
        };
        Ok(Self { key, public })
    }

    /// The public half, which anyone may know.
    pub fn verifier(&self) -> &VerifierKey {
        &self.public
    }
}

fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let [a, b, c, d, ..] =
        sha256(&[name.as_bytes(), &[b'\n', TYPE_ED25519], key.as_bytes()].concat());
    [a, b, c, d]
}

fn check_name(name: &str) -> Result<(), Error> {
    let fine = !name.is_empty()
        && name
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_ascii_control() && c != '+');
    fine.then_some(())
        .ok_or_else(|| Error::Name(name.to_owned()))
}

fn refuse_controls(text: &str) -> Result<(), Error> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(Error::Note("it holds a control character"));
    }
    Ok(())
}
