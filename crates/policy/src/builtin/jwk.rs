//! Keys: from PEM, from JWK, and what they can do.

use std::collections::BTreeMap;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        self as sign, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding,
        RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regorus::Value;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};

use super::der;

/// A key that verifies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Public {
    /// `RSAPublicKey` in DER.
    Rsa(Vec<u8>),
    /// A point, with its curve's coordinate in bytes.
    Ec {
        point: Vec<u8>,
        width: usize,
    },
    Ed(Vec<u8>),
    Secret(Vec<u8>),
}

/// A key and its id.
pub(super) type Named = (Option<String>, Public);

/// A member of a JWK as bytes.
fn part(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(jwk[name].as_string().ok()?.trim_end_matches('='))
        .ok()
}

fn word<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk[name].as_string().ok().map(AsRef::as_ref)
}

fn width(curve: &str) -> Option<usize> {
    match curve {
        "P-256" => Some(32),
        "P-384" => Some(48),
        "P-521" => Some(66),
        _ => None,
    }
}

/// A coordinate in all of its bytes.
fn padded(bytes: Vec<u8>, width: usize) -> Vec<u8> {
    let missing = width.saturating_sub(bytes.len());
    std::iter::repeat_n(0, missing).chain(bytes).collect()
}

fn point(jwk: &Value, width: usize) -> Option<Vec<u8>> {
    let (x, y) = (
        padded(part(jwk, "x")?, width),
        padded(part(jwk, "y")?, width),
    );
    Some([4].into_iter().chain(x).chain(y).collect())
}

/// The key of a JWK.
pub(super) fn public(jwk: &Value) -> Option<Public> {
    match word(jwk, "kty")? {
        "RSA" => {
            let inside = [
                der::write_integer(&part(jwk, "n")?),
                der::write_integer(&part(jwk, "e")?),
            ]
            .concat();
            Some(Public::Rsa(der::write(0x30, &inside)))
        }
        "EC" => {
            let width = width(word(jwk, "crv")?)?;
            Some(Public::Ec {
                point: point(jwk, width)?,
                width,
            })
        }
        "OKP" => Some(Public::Ed(part(jwk, "x")?)),
        "oct" => Some(Public::Secret(part(jwk, "k")?)),
        _ => None,
    }
}

/// The key of a certificate or of a `SubjectPublicKeyInfo`.
pub(super) fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Option<Public> {
    let bytes = info.subject_public_key.data.to_vec();
    match info.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => Some(Public::Rsa(bytes)),
        "1.2.840.10045.2.1" => Some(Public::Ec {
            width: bytes.len() / 2,
            point: bytes,
        }),
        "1.3.101.112" => Some(Public::Ed(bytes)),
        _ => None,
    }
}

/// The keys that a text gives: a certificate or key in PEM, a JWK, or a set of them, each with its id. What is wrong is said.
pub(super) fn read(text: &str) -> Result<Vec<Named>, &'static str> {
    if text.contains("-----BEGIN ") {
        let (blocks, rest) = der::blocks(text).ok_or("failed to parse a PEM certificate")?;
        if !rest.trim().is_empty() {
            return Err("extra data after a PEM certificate block");
        }
        let key = match blocks.as_slice() {
            [block] if block.label == "CERTIFICATE" => {
                let (_, certificate) = X509Certificate::from_der(&block.bytes)
                    .map_err(|_| "failed to parse a PEM certificate")?;
                from_info(certificate.public_key())
            }
            [block] if block.label == "PUBLIC KEY" => {
                let (_, info) = SubjectPublicKeyInfo::from_der(&block.bytes)
                    .map_err(|_| "failed to parse a PEM key")?;
                from_info(&info)
            }
            _ => return Err("failed to extract a Key from the PEM certificate"),
        };
        return Ok(vec![(None, key.ok_or("the key is of no known kind")?)]);
    }
    let json = Value::from_json_str(text).map_err(|_| "failed to parse a JWK key (set)")?;
    let read = |key: &Value| Some((word(key, "kid").map(str::to_owned), public(key)?));
    match json["keys"].as_array() {
        // A set may hold keys of kinds that are not known here; they verify nothing.
        Ok(keys) => Ok(keys.iter().filter_map(read).collect()),
        Err(_) => read(&json)
            .map(|it| vec![it])
            .ok_or("failed to parse a JWK key (set)"),
    }
}

/// Whether a signature in the form of a JWT is this key's.
pub(super) fn verifies(key: &Public, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
    let with = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        UnparsedPublicKey::new(algorithm, key)
            .verify(message, signature)
            .is_ok()
    };
    match (key, algorithm) {
        (Public::Rsa(key), "RS256") => with(&sign::RSA_PKCS1_2048_8192_SHA256, key),
        (Public::Rsa(key), "RS384") => with(&sign::RSA_PKCS1_2048_8192_SHA384, key),
        (Public::Rsa(key), "RS512") => with(&sign::RSA_PKCS1_2048_8192_SHA512, key),
        (Public::Rsa(key), "PS256") => with(&sign::RSA_PSS_2048_8192_SHA256, key),
        (Public::Rsa(key), "PS384") => with(&sign::RSA_PSS_2048_8192_SHA384, key),
        (Public::Rsa(key), "PS512") => with(&sign::RSA_PSS_2048_8192_SHA512, key),
        (Public::Ec { point, width: 32 }, "ES256") => with(&sign::ECDSA_P256_SHA256_FIXED, point),
        (Public::Ec { point, width: 48 }, "ES384") => with(&sign::ECDSA_P384_SHA384_FIXED, point),
        (Public::Ec { point, width: 66 }, "ES512") => with(&sign::ECDSA_P521_SHA512_FIXED, point),
        (Public::Ed(key), "EdDSA") => with(&ED25519, key),
        _ => false,
    }
}

/// Signs as a JWT wants it, with a private JWK.
pub(super) fn signature(
    jwk: &Value,
    algorithm: &str,
    message: &[u8],
) -> Result<Vec<u8>, &'static str> {
    let random = SystemRandom::new();
    let rsa = |padding: &'static dyn RsaEncoding| -> Result<Vec<u8>, &'static str> {
        let pair = rsa_pair(jwk).ok_or("the key is no private RSA key")?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(padding, &random, message, &mut signature)
            .map_err(|_| "the key cannot sign")?;
        Ok(signature)
    };
    let ec = |algorithm: &'static EcdsaSigningAlgorithm,
              width: usize|
     -> Result<Vec<u8>, &'static str> {
        let secret = part(jwk, "d")
            .map(|it| padded(it, width))
            .ok_or("the key has no private part")?;
        let point = point(jwk, width).ok_or("the key has no point")?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &secret, &point)
            .map_err(|_| "the key is no EC key")?;
        Ok(pair
            .sign(&random, message)
            .map_err(|_| "the key cannot sign")?
            .as_ref()
            .to_vec())
    };
    match algorithm {
        "RS256" => rsa(&sign::RSA_PKCS1_SHA256),
        "RS384" => rsa(&sign::RSA_PKCS1_SHA384),
        "RS512" => rsa(&sign::RSA_PKCS1_SHA512),
        "PS256" => rsa(&sign::RSA_PSS_SHA256),
        "PS384" => rsa(&sign::RSA_PSS_SHA384),
        "PS512" => rsa(&sign::RSA_PSS_SHA512),
        "ES256" => ec(&sign::ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        "ES384" => ec(&sign::ECDSA_P384_SHA384_FIXED_SIGNING, 48),
        "ES512" => ec(&sign::ECDSA_P521_SHA512_FIXED_SIGNING, 66),
        "EdDSA" => {
            let seed = part(jwk, "d").ok_or("the key has no private part")?;
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
                .map_err(|_| "the key is no Ed25519 key")?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        _ => Err("unknown algorithm"),
    }
}

fn rsa_pair(jwk: &Value) -> Option<RsaKeyPair> {
    let mut inside = der::write_integer(&[0]);
    for name in RSA_PARTS {
        inside.extend(der::write_integer(&part(jwk, name)?));
    }
    RsaKeyPair::from_der(&der::write(0x30, &inside)).ok()
}

/// The parts of a private RSA key, in the order of PKCS #1.
const RSA_PARTS: [&str; 8] = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

/// A private RSA key in PKCS #1 as a JWK.
pub(super) fn from_pkcs1(bytes: &[u8]) -> Option<Value> {
    let values = der::sequence(bytes)?;
    let mut jwk = BTreeMap::from([(Value::from("kty"), Value::from("RSA"))]);
    for (name, (tag, number)) in RSA_PARTS.iter().zip(values.get(1..)?) {
        if *tag != 0x02 {
            return None;
        }
        let number: Vec<u8> = number.iter().copied().skip_while(|it| *it == 0).collect();
        jwk.insert(
            Value::from(*name),
            Value::from(URL_SAFE_NO_PAD.encode(number)),
        );
    }
    (jwk.len() == RSA_PARTS.len() + 1).then(|| Value::from(jwk))
}
