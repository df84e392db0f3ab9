//! House secrets as AES-256 keys in a PKCS#11 token, made there and never leaving it.
//!
//! The token does the wrapping itself: with `CKM_AES_GCM` where it has it, else with
//! `CKM_AES_KEY_WRAP` (RFC 3394). Key wrap knows no associated data, so there the wrapped text itself
//! contains it, and it is compared after unwrapping. Either way a key can do only the one thing.
//! Random GCM nonces are fine here: a house secret wraps a handful of epoch keys in its life.
//!
//! A token that goes away gives [`RootError::Unavailable`] and is looked for again at the next call; only
//! when it is there and has no such key is a key called missing. A refused PIN is never sent twice.
//! One process should have one provider per module, since `C_Finalize` is for the whole process.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::MechanismType;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use secrecy::SecretString;
use zeroize::{Zeroize, Zeroizing};

use self::link::Link;
use super::{RootKeys, WRAPPED_TOKEN_GCM, WRAPPED_TOKEN_KEY_WRAP};
use crate::gcm::{KEY_LENGTH, NONCE_LENGTH, TAG_LENGTH, random};
use crate::{KeyName, RootError};

mod link;
mod text;

/// How a token wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkcs11Mechanism {
    /// `CKM_AES_GCM`, with associated data.
    AesGcm,
    /// `CKM_AES_KEY_WRAP`, with the associated data inside the wrapped text.
    AesKeyWrap,
}

/// Where the token is and how to log in.
pub struct Pkcs11Settings {
    /// The module: a shared library that the token's maker provides. It is code, run in this process.
    pub module: PathBuf,
    /// Label of the token. One token serves one site.
    pub token: String,
    /// PIN of the token's user.
    pub pin: SecretString,
    /// How to wrap new keys; `None` takes AES-GCM when the token has it. A house keeps what it began with.
    pub mechanism: Option<Pkcs11Mechanism>,
}

/// A PKCS#11 token that holds one AES-256 key per house.
pub struct Pkcs11 {
    name: String,
    mechanism: Pkcs11Mechanism,
    link: Mutex<Link>,
}

/// Why one piece of work with the token failed.
enum Failure {
    Root(RootError),
    /// What the module answered; perhaps the token is gone.
    Token(Error),
    /// There is no such key; or perhaps no token.
    NoKey,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<RootError> for Failure {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}

impl Pkcs11 {
    /// Loads the module, finds the token and logs in. [`RootError::Unavailable`] when there is no such
    /// token now, [`RootError::PinRefused`] when it does not take the PIN.
    pub fn open(settings: Pkcs11Settings) -> Result<Self, RootError> {
        let name = format!(
            "PKCS#11 token {:?} of {}",
            settings.token,
            settings.module.display()
        );
        let wanted = settings.mechanism;
        let mut link = Link::new(&name, settings)?;
        let offered = link.mechanisms()?;
        let mechanism = [
            (Pkcs11Mechanism::AesGcm, MechanismType::AES_GCM),
            (Pkcs11Mechanism::AesKeyWrap, MechanismType::AES_KEY_WRAP),
        ]
        .into_iter()
        .find(|(mechanism, code)| wanted.is_none_or(|wanted| wanted == *mechanism) && offered.contains(code))
        .map(|(mechanism, _)| mechanism)
        .ok_or_else(|| RootError::Damaged {
            place: name.clone(),
            why: "it offers neither the wanted mechanism nor, if none was named, AES-GCM or AES key wrap".to_owned(),
        })?;
        Ok(Self {
            name,
            mechanism,
            link: Mutex::new(link),
        })
    }

    /// How this token wraps keys of houses created from now on.
    pub fn mechanism(&self) -> Pkcs11Mechanism {
        self.mechanism
    }

    /// Does some work in the session. When the failure may mean that the token went away, connects anew
    /// and tries once more, so that only an answer of a reachable token is believed.
    fn work<T>(
        &self,
        house: &KeyName,
        job: impl Fn(&Session) -> Result<T, Failure>,
    ) -> Result<T, RootError> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let first = link.session().map_err(Failure::Root).and_then(&job);
        let outcome = match first {
            Err(Failure::Token(error)) if is_answer(&error) => Err(Failure::Token(error)),
            Err(Failure::Token(_) | Failure::NoKey) => {
                link.disconnect();
                link.session().map_err(Failure::Root).and_then(&job)
            }
            other => other,
        };
        outcome.map_err(|failure| match failure {
            Failure::Root(error) => error,
            Failure::NoKey => RootError::Missing {
                house: house.clone(),
                place: self.restore_needs(house),
            },
            Failure::Token(error) if is_refusal(&error) => self.refused(house),
            Failure::Token(error) => {
                link.disconnect();
                unavailable(&self.name, &error)
            }
        })
    }

    fn refused(&self, house: &KeyName) -> RootError {
        RootError::Refused {
            house: house.clone(),
            place: self.restore_needs(house),
        }
    }

    /// The key of a house, checked to be one that cannot leave the token.
    fn find(&self, session: &Session, house: &KeyName) -> Result<ObjectHandle, Failure> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::Label(label(house)),
        ];
        let damaged = |why: &str| RootError::Damaged {
            place: self.restore_needs(house),
            why: why.to_owned(),
        };
        let key = match session.find_objects(&template)?.as_slice() {
            [] => return Err(Failure::NoKey),
            [key] => *key,
            _ => {
                return Err(damaged(
                    "the token holds more than one key of this label; remove the wrong one",
                )
                .into());
            }
        };
        let attributes =
            session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
        if attributes.contains(&Attribute::Sensitive(true))
            && attributes.contains(&Attribute::Extractable(false))
        {
            Ok(key)
        } else {
            Err(damaged(
                "the token would give this key away (it must be sensitive and not extractable)",
            )
            .into())
        }
    }
}

impl RootKeys for Pkcs11 {
    fn create(&self, house: &KeyName) -> Result<(), RootError> {
        if self.present(house)? {
            return Err(RootError::Exists {
                house: house.clone(),
                place: self.restore_needs(house),
            });
        }
        let gcm = self.mechanism == Pkcs11Mechanism::AesGcm;
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen((KEY_LENGTH as u64).into()),
            Attribute::Label(label(house)),
            Attribute::Id(house.as_str().as_bytes().to_vec()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(gcm),
            Attribute::Decrypt(gcm),
            Attribute::Wrap(!gcm),
            Attribute::Unwrap(!gcm),
        ];
        self.work(house, |session| {
            // Asked again because a connection that broke in the middle has this job run twice.
            if let Err(Failure::NoKey) = self.find(session, house) {
                session.generate_key(&Mechanism::AesKeyGen, &template)?;
            }
            self.find(session, house).map(drop)
        })
    }

    fn present(&self, house: &KeyName) -> Result<bool, RootError> {
        match self.work(house, |session| self.find(session, house)) {
            Ok(_) => Ok(true),
            Err(RootError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn wrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, RootError> {
        self.work(house, |session| {
            let key = self.find(session, house)?;
            match mechanism_of(session, key)? {
                Pkcs11Mechanism::AesGcm => wrap_gcm(session, key, associated, plaintext),
                Pkcs11Mechanism::AesKeyWrap => wrap_key(session, key, associated, plaintext),
            }
        })
    }

    fn unwrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RootError> {
        self.work(house, |session| {
            let key = self.find(session, house)?;
            let opened = match wrapped.split_first() {
                Some((&WRAPPED_TOKEN_GCM, sealed)) => unwrap_gcm(session, key, associated, sealed)?,
                Some((&WRAPPED_TOKEN_KEY_WRAP, sealed)) => {
                    unwrap_key(session, key, associated, sealed)?
                }
                _ => None,
            };
            opened.ok_or_else(|| self.refused(house).into())
        })
    }

    fn destroy(&self, house: &KeyName) -> Result<(), RootError> {
        self.work(house, |session| {
            let key = self.find(session, house)?;
            session.destroy_object(key)?;
            Ok(())
        })?;
        if self.present(house)? {
            return Err(RootError::CannotDestroy {
                provider: self.name.clone(),
                why: "it said yes and still has the key. Remove it with the token's own tools"
                    .to_owned(),
            });
        }
        Ok(())
    }

    fn can_destroy(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        self.name.clone()
    }

    fn restore_needs(&self, house: &KeyName) -> String {
        format!(
            "the key {:?} in {}",
            format!("statehouse {house}"),
            self.name
        )
    }
}

fn label(house: &KeyName) -> Vec<u8> {
    format!("statehouse {house}").into_bytes()
}

/// A key may do one thing, and that says how its house wraps.
fn mechanism_of(session: &Session, key: ObjectHandle) -> Result<Pkcs11Mechanism, Failure> {
    let wraps = session.get_attributes(key, &[AttributeType::Wrap])?;
    if wraps.contains(&Attribute::Wrap(true)) {
        Ok(Pkcs11Mechanism::AesKeyWrap)
    } else {
        Ok(Pkcs11Mechanism::AesGcm)
    }
}

fn wrap_gcm(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Failure> {
    let nonce = random::<NONCE_LENGTH>().map_err(|_| RootError::Engine)?;
    let mut parameter = *nonce;
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut parameter, associated, tag_bits())?);
    let sealed = session.encrypt(&mechanism, key, plaintext)?;
    Ok([&[WRAPPED_TOKEN_GCM], nonce.as_slice(), &sealed].concat())
}

fn unwrap_gcm(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let Some((nonce, sealed)) = sealed.split_first_chunk::<NONCE_LENGTH>() else {
        return Ok(None);
    };
    if sealed.len() < TAG_LENGTH {
        return Ok(None);
    }
    let mut nonce = *nonce;
    let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, associated, tag_bits())?);
    Ok(Some(Zeroizing::new(
        session.decrypt(&mechanism, key, sealed)?,
    )))
}

fn wrap_key(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Failure> {
    let text = text::join(associated, plaintext);
    let mut template = carrier();
    template.push(Attribute::Value(text.to_vec()));
    let carrier = session.create_object(&template);
    for attribute in &mut template {
        if let Attribute::Value(value) = attribute {
            value.zeroize();
        }
    }
    let carrier = carrier?;
    let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, key, carrier);
    session.destroy_object(carrier)?;
    Ok([&[WRAPPED_TOKEN_KEY_WRAP], wrapped?.as_slice()].concat())
}

fn unwrap_key(
    session: &Session,
    key: ObjectHandle,
    associated: &[u8],
    sealed: &[u8],
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let carrier = session.unwrap_key(&Mechanism::AesKeyWrap, key, sealed, &carrier())?;
    let value = session.get_attributes(carrier, &[AttributeType::Value]);
    session.destroy_object(carrier)?;
    let text = value?.into_iter().find_map(|attribute| match attribute {
        Attribute::Value(value) => Some(Zeroizing::new(value)),
        _ => None,
    });
    Ok(text.and_then(|text| text::split(associated, &text)))
}

/// A short-lived object of this session, as which a text passes through key wrap.
fn carrier() -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Token(false),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn tag_bits() -> cryptoki::types::Ulong {
    (TAG_LENGTH as u64 * 8).into()
}

/// Answers that only a reachable token gives about what it was asked.
fn is_answer(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::WrappedKeyInvalid
                | RvError::WrappedKeyLenRange,
            _
        )
    )
}

/// Answers that mean: these bytes do not open. Some tokens, SoftHSM among them, have only a general error
/// for it; in the session of a token that was just reached and found the key, it means the same.
fn is_refusal(error: &Error) -> bool {
    let general = matches!(
        error,
        Error::Pkcs11(
            RvError::GeneralError | RvError::FunctionFailed | RvError::KeyFunctionNotPermitted,
            Function::Decrypt | Function::DecryptInit | Function::UnwrapKey
        )
    );
    general || is_answer(error)
}

fn unavailable(name: &str, error: &Error) -> RootError {
    RootError::Unavailable {
        provider: name.to_owned(),
        why: link::words(error),
    }
}
