//! House secrets derived from one passphrase: Argon2id (RFC 9106) once at the start, HKDF per house.
//!
//! The directory holds one file of parameters, which is not secret: salt, costs, and a verifier that
//! tells a wrong passphrase apart at once instead of at the first house. The verifier gives a guesser
//! nothing that a wrapped key would not. Since nothing is stored per house, the secret of one house
//! cannot be destroyed: shredding is refused here.

use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use zeroize::Zeroizing;

use super::{RootKeys, files, unwrap_with, wrap_with};
use crate::gcm::{Derivation, KEY_LENGTH, random};
use crate::{KeyName, RootError};

/// Fewest characters in a new passphrase. Argon2id makes each guess cost a tenth of a second; eight
/// characters would still fall to a rented farm.
pub const PASSPHRASE_LENGTH_MIN: usize = 16;

/// Memory in KiB, passes and lanes: the second recommended option of RFC 9106, section 4.
const COSTS: Costs = Costs {
    memory_kib: 64 * 1024,
    passes: 3,
    lanes: 4,
};

/// Most that a parameter file may ask for, lest an altered one stop the machine.
const COSTS_MAX: Costs = Costs {
    memory_kib: 4 * 1024 * 1024,
    passes: 64,
    lanes: 64,
};

const FILE: &str = "passphrase.parameters";
const TITLE: &str = "statehouse passphrase parameters, version 1; not secret, and needed together with the passphrase";
const SALT_LENGTH: usize = 16;

/// One passphrase, from which the secret of every house is derived.
pub struct Passphrase {
    path: PathBuf,
    master: SecretBox<[u8; KEY_LENGTH]>,
}

#[derive(Clone, Copy)]
struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

struct Parameters {
    costs: Costs,
    salt: [u8; SALT_LENGTH],
    verifier: [u8; KEY_LENGTH],
}

impl Passphrase {
    /// Opens the directory with this passphrase; a directory without parameters gets fresh ones, and the
    /// passphrase becomes its passphrase. Takes about 0.2 s and 64 MiB.
    /// [`RootError::WrongPassphrase`] or [`RootError::WeakPassphrase`] when it will not do.
    pub fn open(directory: &Path, passphrase: &SecretString) -> Result<Self, RootError> {
        files::open_directory(directory)?;
        let path = directory.join(FILE);
        match files::read(&path)? {
            Some(content) => Self::verify(path, &content, passphrase),
            None => Self::begin(directory, path, passphrase),
        }
    }

    fn begin(
        directory: &Path,
        path: PathBuf,
        passphrase: &SecretString,
    ) -> Result<Self, RootError> {
        let length = passphrase.expose_secret().chars().count();
        if length < PASSPHRASE_LENGTH_MIN {
            let minimum = PASSPHRASE_LENGTH_MIN;
            return Err(RootError::WeakPassphrase { length, minimum });
        }
        let salt = *random().map_err(|_| RootError::Engine)?;
        let master = stretch(passphrase, &salt, COSTS)?;
        let verifier = verifier(&master)?;
        let parameters = Parameters {
            costs: COSTS,
            salt,
            verifier,
        };
        if files::publish(directory, FILE, parameters.encode().as_bytes())? {
            return Ok(Self { path, master });
        }
        // Another process was first: its parameters count.
        Self::open(directory, passphrase)
    }

    fn verify(path: PathBuf, content: &[u8], passphrase: &SecretString) -> Result<Self, RootError> {
        let Some(parameters) = Parameters::decode(content) else {
            return Err(RootError::Damaged {
                place: path.display().to_string(),
                why: "it is not a parameter file of version 1, or asks for too much; restore it from your copy".to_owned(),
            });
        };
        let master = stretch(passphrase, &parameters.salt, parameters.costs)?;
        if constant_time::verify_slices_are_equal(&verifier(&master)?, &parameters.verifier)
            .is_err()
        {
            return Err(RootError::WrongPassphrase { path });
        }
        Ok(Self { path, master })
    }

    fn secret(&self, house: &KeyName) -> Result<Zeroizing<[u8; KEY_LENGTH]>, RootError> {
        Derivation::from(self.master.expose_secret())
            .key(&[b"house secret ", house.as_str().as_bytes()])
            .map_err(|_| RootError::Engine)
    }
}

impl RootKeys for Passphrase {
    /// Always succeeds: there is nothing to store, and the derived secret is the same each time.
    fn create(&self, _house: &KeyName) -> Result<(), RootError> {
        Ok(())
    }

    fn present(&self, _house: &KeyName) -> Result<bool, RootError> {
        Ok(true)
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

    fn destroy(&self, _house: &KeyName) -> Result<(), RootError> {
        Err(RootError::CannotDestroy {
            provider: self.describe(),
            why: "it is derived from the passphrase of all houses. Shredding needs a key directory or a PKCS#11 token".to_owned(),
        })
    }

    fn can_destroy(&self) -> bool {
        false
    }

    fn describe(&self) -> String {
        format!("passphrase with the parameters in {}", self.path.display())
    }

    fn restore_needs(&self, _house: &KeyName) -> String {
        format!("the passphrase and the file {}", self.path.display())
    }
}

impl Parameters {
    fn encode(&self) -> String {
        let Costs {
            memory_kib,
            passes,
            lanes,
        } = self.costs;
        format!(
            "{TITLE}\nargon2id {memory_kib} {passes} {lanes}\nsalt {}\nverifier {}\n",
            hex::encode(self.salt),
            hex::encode(self.verifier)
        )
    }

    fn decode(content: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(content).ok()?.lines();
        lines.next().filter(|line| *line == TITLE)?;
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let mut costs = field("argon2id")?.split(' ').map(|cost| cost.parse().ok());
        let mut cost = |max: u32| costs.next()?.filter(|cost| *cost <= max);
        let costs = Costs {
            memory_kib: cost(COSTS_MAX.memory_kib)?,
            passes: cost(COSTS_MAX.passes)?,
            lanes: cost(COSTS_MAX.lanes)?,
        };
        let mut parameters = Self {
            costs,
            salt: [0; SALT_LENGTH],
            verifier: [0; KEY_LENGTH],
        };
        hex::decode_to_slice(field("salt")?, &mut parameters.salt).ok()?;
        hex::decode_to_slice(field("verifier")?, &mut parameters.verifier).ok()?;
        Some(parameters)
    }
}

/// The passphrase, made expensive to guess.
fn stretch(
    passphrase: &SecretString,
    salt: &[u8; SALT_LENGTH],
    costs: Costs,
) -> Result<SecretBox<[u8; KEY_LENGTH]>, RootError> {
    let mut master = SecretBox::new(Box::new([0; KEY_LENGTH]));
    Params::new(
        costs.memory_kib,
        costs.passes,
        costs.lanes,
        Some(KEY_LENGTH),
    )
    .and_then(|params| {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            passphrase.expose_secret().as_bytes(),
            salt,
            master.expose_secret_mut(),
        )
    })
    .map_err(|error| RootError::Damaged {
        place: "the Argon2id parameters".to_owned(),
        why: error.to_string(),
    })?;
    Ok(master)
}

fn verifier(master: &SecretBox<[u8; KEY_LENGTH]>) -> Result<[u8; KEY_LENGTH], RootError> {
    Derivation::from(master.expose_secret())
        .key(&[b"verifier"])
        .map(|key| *key)
        .map_err(|_| RootError::Engine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]
    use super::*;
    use argon2::{AssociatedData, ParamsBuilder};

    /// RFC 9106, section 5.3.
    #[test]
    fn the_published_argon2id_vector_holds() {
        let mut params = ParamsBuilder::new();
        params
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap());
        let secret = [3; 8];
        let argon = Argon2::new_with_secret(
            &secret,
            Algorithm::Argon2id,
            Version::V0x13,
            params.build().unwrap(),
        );
        let mut tag = [0; 32];
        argon
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(
            hex::encode(tag),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }

    #[test]
    fn a_parameter_file_that_asks_for_too_much_is_refused() {
        let check = |costs: &str, valid: bool| {
            let text = format!(
                "{TITLE}\nargon2id {costs}\nsalt {}\nverifier {}\n",
                "00".repeat(16),
                "00".repeat(32)
            );
            assert_eq!(
                Parameters::decode(text.as_bytes()).is_some(),
                valid,
                "{costs}"
            );
        };
        check("65536 3 4", true);
        check("4194304 64 64", true);
        check("4194305 3 4", false);
        check("65536 65 4", false);
        check("65536 3 65", false);
        check("65536 3", false);
        check("-1 3 4", false);
        check("", false);
    }
}
