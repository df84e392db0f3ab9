//! Passwords: argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::error::{Error, Result};

/// Shortest password that is taken, in characters (NIST SP 800-63B).
pub const PASSWORD_LEN_MIN: usize = 12;
/// Longest, in bytes: hashing costs the same, reading does not.
const PASSWORD_LEN_MAX: usize = 1024;
/// 64 MiB and three passes: 150 to 300 ms on the machines this runs on.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// Hashes at once: four times 64 MiB is what a login storm may take.
const AT_ONCE: usize = 4;
/// Hashes that may wait for their turn; more are refused, not queued.
const WAITING_MAX: usize = 32;

static HASHES: Semaphore = Semaphore::const_new(AT_ONCE);
static WAITING: Semaphore = Semaphore::const_new(AT_ONCE + WAITING_MAX);

fn derive(password: &SecretString, salt: &[u8]) -> Result<[u8; OUTPUT]> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(OUTPUT))
        .map_err(|error| Error::internal(format!("argon2: {error}")))?;
    let mut output = [0; OUTPUT];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose_secret().as_bytes(), salt, &mut output)
        .map_err(|error| Error::internal(format!("argon2: {error}")))?;
    Ok(output)
}

async fn derive_aside(password: SecretString, salt: Vec<u8>) -> Result<[u8; OUTPUT]> {
    let _place = WAITING
        .try_acquire()
        .map_err(|_| Error::unavailable("too many logins at once").hint("try again in a moment"))?;
    let _turn = HASHES
        .acquire()
        .await
        .map_err(|_| Error::unavailable("the server is stopping"))?;
    let hashed = tokio::task::spawn_blocking(move || derive(&password, &salt)).await;
    hashed.map_err(|error| Error::internal(format!("argon2: {error}")))?
}

/// Hashes a new password into a PHC string.
pub(super) async fn hash(password: SecretString) -> Result<String> {
    let length = password.expose_secret().chars().count();
    if length < PASSWORD_LEN_MIN || password.expose_secret().len() > PASSWORD_LEN_MAX {
        return Err(Error::invalid(format!(
            "a password has at least {PASSWORD_LEN_MIN} characters, and this one has {length}"
        )));
    }
    let salt: [u8; SALT] = crate::random();
    let output = derive_aside(password, salt.to_vec()).await?;
    Ok(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1${}${}",
        hex::encode(salt),
        hex::encode(output)
    ))
}

/// Checks a password. Without a stored hash the same work is done for nothing.
pub(super) async fn matches(password: SecretString, stored: Option<&str>) -> Result<bool> {
    let prefix = format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$");
    let parts = stored
        .and_then(|stored| stored.strip_prefix(&prefix))
        .and_then(|rest| rest.split_once('$'));
    let decoded =
        parts.and_then(|(salt, output)| Some((hex::decode(salt).ok()?, hex::decode(output).ok()?)));
    let (salt, expected) = decoded.unwrap_or_else(|| (vec![0; SALT], Vec::new()));
    let output = derive_aside(password, salt).await?;
    Ok(output.as_slice().ct_eq(&expected).into())
}
