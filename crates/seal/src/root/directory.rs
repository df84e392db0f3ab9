//! House secrets as files in a directory: the default, and as safe as that directory.
//!
//! One file per house, of four lines of text that an operator can recognise, copy and restore. The file
//! names its house, so that a file copied to another house's name is noticed, and carries a check value,
//! so that a damaged copy is. Whoever has both this directory and a backup can read everything:
//! it belongs on another disk than the data, and never into the same backup.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::{RootKeys, files, unwrap_with, wrap_with};
use crate::gcm::{KEY_LENGTH, random};
use crate::{KeyName, RootError};

const TITLE: &str =
    "statehouse house secret, version 1; keep it apart from the data and its backups";

/// A directory with one secret file per house.
pub struct KeyDirectory {
    path: PathBuf,
}

impl KeyDirectory {
    /// Opens a key directory, creating it (mode 0700) when it does not exist.
    /// [`RootError::Permissions`] when others may look into it.
    pub fn open(path: &Path) -> Result<Self, RootError> {
        files::open_directory(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// The secret file of a house.
    pub fn file(&self, house: &KeyName) -> PathBuf {
        self.path.join(file_name(house))
    }

    fn find(&self, house: &KeyName) -> Result<Option<Zeroizing<[u8; KEY_LENGTH]>>, RootError> {
        let path = self.file(house);
        files::read(&path)?
            .map(|content| {
                decode(house, &content).map_err(|why| RootError::Damaged {
                    place: path.display().to_string(),
                    why: format!("{why}; restore this file from your copy"),
                })
            })
            .transpose()
    }

    fn secret(&self, house: &KeyName) -> Result<Zeroizing<[u8; KEY_LENGTH]>, RootError> {
        self.find(house)?.ok_or_else(|| self.missing(house))
    }

    fn missing(&self, house: &KeyName) -> RootError {
        RootError::Missing {
            house: house.clone(),
            place: self.restore_needs(house),
        }
    }
}

impl RootKeys for KeyDirectory {
    fn create(&self, house: &KeyName) -> Result<(), RootError> {
        let secret = random().map_err(|_| RootError::Engine)?;
        if files::publish(&self.path, &file_name(house), &encode(house, &secret))? {
            return Ok(());
        }
        Err(RootError::Exists {
            house: house.clone(),
            place: self.restore_needs(house),
        })
    }

    fn present(&self, house: &KeyName) -> Result<bool, RootError> {
        Ok(self.find(house)?.is_some())
    }

    fn wrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, RootError> {
        wrap_with(&*self.secret(house)?, associated, plaintext)
    }

    fn unwrap(
        &self,
        house: &KeyName,
        associated: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, RootError> {
        unwrap_with(&*self.secret(house)?, associated, wrapped).ok_or_else(|| RootError::Refused {
            house: house.clone(),
            place: self.restore_needs(house),
        })
    }

    fn destroy(&self, house: &KeyName) -> Result<(), RootError> {
        if files::shred(&self.path, &file_name(house))? {
            return Ok(());
        }
        Err(self.missing(house))
    }

    fn can_destroy(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("key directory {}", self.path.display())
    }

    fn restore_needs(&self, house: &KeyName) -> String {
        format!("the file {}", self.file(house).display())
    }
}

fn file_name(house: &KeyName) -> String {
    format!("{house}.key")
}

fn encode(house: &KeyName, secret: &[u8; KEY_LENGTH]) -> Zeroizing<Vec<u8>> {
    let secret_hex = Zeroizing::new(hex::encode(secret));
    let check = check_value(house, secret);
    let text = Zeroizing::new(format!(
        "{TITLE}\nhouse {house}\nsecret {}\ncheck {check}\n",
        secret_hex.as_str()
    ));
    Zeroizing::new(text.as_bytes().to_vec())
}

fn decode(house: &KeyName, content: &[u8]) -> Result<Zeroizing<[u8; KEY_LENGTH]>, String> {
    let text = std::str::from_utf8(content).unwrap_or_default();
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err("it is not a house secret of version 1".to_owned());
    }
    let mut field = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .ok_or_else(|| format!("its line {name:?} is missing"))
    };
    let named = field("house")?;
    let (secret_hex, check) = (field("secret")?, field("check")?);
    if named != house.as_str() {
        return Err(format!(
            "it holds the secret of house {named}, not of {house}"
        ));
    }
    let mut secret = Zeroizing::new([0; KEY_LENGTH]);
    let decoded = hex::decode_to_slice(secret_hex, secret.as_mut_slice());
    if decoded.is_err() || check != check_value(house, &secret) {
        return Err("it is damaged: its check value does not match".to_owned());
    }
    Ok(secret)
}

/// Four bytes that notice damage. They tell nothing useful of a random 256-bit secret.
fn check_value(house: &KeyName, secret: &[u8; KEY_LENGTH]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"statehouse/house-secret/check/1");
    context.update(house.as_str().as_bytes());
    context.update(secret);
    let digest = context.finish();
    hex::encode(digest.as_ref().first_chunk::<4>().unwrap_or(&[0; 4]))
}
