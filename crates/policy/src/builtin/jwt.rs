//! JSON Web Tokens: decoded, verified, signed.
//!
//! What is invalid is an answer (`false`), what cannot be judged is a failure, as in the reference implementation. Nested tokens are
//! followed. Encrypted ones are refused by name.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use base64::{alphabet, engine::DecodePaddingMode};
use regorus::Value;

use super::{
    Answer, Args, Builtin, Failure,
    jwk::{self, Named, Public},
};

pub(super) const ALL: [Builtin; 17] = [
    ("io.jwt.decode", 1, decode),
    ("io.jwt.decode_verify", 2, decode_verify),
    ("io.jwt.encode_sign", 3, encode_sign),
    ("io.jwt.encode_sign_raw", 3, encode_sign_raw),
    ("io.jwt.verify_rs256", 2, |args| verify(args, "RS256")),
    ("io.jwt.verify_rs384", 2, |args| verify(args, "RS384")),
    ("io.jwt.verify_rs512", 2, |args| verify(args, "RS512")),
    ("io.jwt.verify_ps256", 2, |args| verify(args, "PS256")),
    ("io.jwt.verify_ps384", 2, |args| verify(args, "PS384")),
    ("io.jwt.verify_ps512", 2, |args| verify(args, "PS512")),
    ("io.jwt.verify_es256", 2, |args| verify(args, "ES256")),
    ("io.jwt.verify_es384", 2, |args| verify(args, "ES384")),
    ("io.jwt.verify_es512", 2, |args| verify(args, "ES512")),
    ("io.jwt.verify_eddsa", 2, |args| verify(args, "EdDSA")),
    ("io.jwt.verify_hs256", 2, |args| {
        verify_secret(args, "HS256")
    }),
    ("io.jwt.verify_hs384", 2, |args| {
        verify_secret(args, "HS384")
    }),
    ("io.jwt.verify_hs512", 2, |args| {
        verify_secret(args, "HS512")
    }),
];

/// As lenient as the reference implementation is: with padding or without, whatever the last bits are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Tokens in tokens.
const NESTED_MAX: usize = 8;
/// Seconds in nanoseconds.
const SECOND_NS: f64 = 1e9;

/// A token in its parts: what is signed, and the three decoded.
struct Token {
    signed: String,
    header: Value,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn base64(args: &Args<'_>, what: &str, text: &str) -> Result<Vec<u8>, Failure> {
    let decoded = LENIENT.decode(text);
    decoded.or_else(|it| args.fail(format!("the token's {what} is no base64url: {it}")))
}

fn token(args: &Args<'_>, text: &str) -> Result<Token, Failure> {
    let parts: Vec<&str> = text.split('.').collect();
    let (header, payload, signature) = match parts.as_slice() {
        [header, payload, signature] => (*header, *payload, *signature),
        [_] => return args.fail("the token has no dot"),
        other => return args.fail(format!("a token has 3 parts, this has {}", other.len())),
    };
    let bytes = base64(args, "header", header)?;
    let text = std::str::from_utf8(&bytes).ok();
    let Some(decoded) = text
        .and_then(|it| Value::from_json_str(it).ok())
        .filter(|it| it.as_object().is_ok())
    else {
        return args.fail("the token's header is no object");
    };
    if decoded["enc"] != Value::Undefined {
        return args.fail("the token is encrypted (JWE), which is not offered");
    }
    Ok(Token {
        signed: format!("{header}.{payload}"),
        header: decoded,
        payload: base64(args, "payload", payload)?,
        signature: base64(args, "signature", signature)?,
    })
}

impl Token {
    /// The token in this one, where it says that there is one.
    fn nested(&self) -> Option<String> {
        let is_token = |name: &str| {
            self.header[name]
                .as_string()
                .is_ok_and(|it| it.eq_ignore_ascii_case("JWT"))
        };
        is_token("cty").then(|| {
            String::from_utf8_lossy(&self.payload)
                .trim_matches('"')
                .to_owned()
        })
    }

    fn payload(&self, args: &Args<'_>) -> Result<Value, Failure> {
        let text = std::str::from_utf8(&self.payload).ok();
        match text.and_then(|it| Value::from_json_str(it).ok()) {
            Some(payload) => Ok(payload),
            None => args.fail("the token's payload is no JSON"),
        }
    }

    fn algorithm(&self) -> Option<&str> {
        self.header["alg"].as_string().ok().map(AsRef::as_ref)
    }
}

fn decode(args: &Args<'_>) -> Answer {
    let mut read = token(args, args.text(0)?)?;
    for _ in 0..NESTED_MAX {
        let Some(inner) = read.nested() else { break };
        read = token(args, &inner)?;
    }
    let payload = read.payload(args)?;
    Ok(Value::from(vec![
        read.header,
        payload,
        Value::from(hex::encode(read.signature)),
    ]))
}

fn keys(args: &Args<'_>, text: &str) -> Result<Vec<Named>, Failure> {
    jwk::read(text).or_else(|it| args.fail(it))
}

fn verify(args: &Args<'_>, algorithm: &str) -> Answer {
    let keys = keys(args, args.text(1)?)?;
    let token = token(args, args.text(0)?)?;
    let id = token.header["kid"]
        .as_string()
        .ok()
        .map(ToString::to_string);
    let named: Vec<_> = keys
        .iter()
        .filter(|(it, _)| id.is_some() && *it == id)
        .collect();
    let tried = if named.is_empty() {
        keys.iter().collect()
    } else {
        named
    };
    Ok(Value::from(tried.into_iter().any(|(_, key)| {
        jwk::verifies(key, algorithm, token.signed.as_bytes(), &token.signature)
    })))
}

fn secret_algorithm(algorithm: &str) -> Option<hmac::Algorithm> {
    match algorithm {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn is_secret(algorithm: &str, secret: &[u8], token: &Token) -> bool {
    secret_algorithm(algorithm).is_some_and(|it| {
        hmac::verify(
            &hmac::Key::new(it, secret),
            token.signed.as_bytes(),
            &token.signature,
        )
        .is_ok()
    })
}

fn verify_secret(args: &Args<'_>, algorithm: &str) -> Answer {
    let token = token(args, args.text(0)?)?;
    Ok(Value::from(is_secret(
        algorithm,
        args.text(1)?.as_bytes(),
        &token,
    )))
}

/// What a token must satisfy.
struct Constraints<'a> {
    keys: Vec<Named>,
    secret: Option<&'a str>,
    algorithm: Option<&'a str>,
    issuer: Option<&'a str>,
    audience: Option<&'a str>,
    time_ns: f64,
}

fn constraints<'a>(args: &Args<'a>) -> Result<Constraints<'a>, Failure> {
    let given = args.object(1)?;
    let mut read = Constraints {
        keys: Vec::new(),
        secret: None,
        algorithm: None,
        issuer: None,
        audience: None,
        time_ns: f64::NAN,
    };
    for (key, value) in given {
        let key = key.as_string().map(AsRef::as_ref).unwrap_or_default();
        let text = || match value {
            Value::String(text) => Ok(text.as_ref()),
            _ => args.fail(format!("the constraint {key} is no string")),
        };
        match key {
            "cert" => read.keys = keys(args, text()?)?,
            "secret" => read.secret = Some(text()?),
            "alg" => read.algorithm = Some(text()?),
            "iss" => read.issuer = Some(text()?),
            "aud" => read.audience = Some(text()?),
            "time" => match number(value) {
                Some(time) => read.time_ns = time,
                None => return args.fail("the constraint time is no number"),
            },
            other => return args.fail(format!("{other} is no constraint")),
        }
    }
    if read.keys.is_empty() == read.secret.is_none() {
        return args.fail("exactly one of cert and secret is needed");
    }
    Ok(read)
}

fn decode_verify(args: &Args<'_>) -> Answer {
    let constraints = constraints(args)?;
    let invalid = Value::from(vec![
        Value::Bool(false),
        Value::new_object(),
        Value::new_object(),
    ]);
    let mut read = token(args, args.text(0)?)?;
    for _ in 0..NESTED_MAX {
        if !signed(&constraints, &read) {
            return Ok(invalid);
        }
        let Some(inner) = read.nested() else { break };
        read = token(args, &inner)?;
    }
    let payload = read.payload(args)?;
    if !stands(args, &constraints, &payload)? {
        return Ok(invalid);
    }
    Ok(Value::from(vec![Value::Bool(true), read.header, payload]))
}

fn signed(constraints: &Constraints<'_>, token: &Token) -> bool {
    let Some(algorithm) = token.algorithm() else {
        return false;
    };
    if constraints.algorithm.is_some_and(|it| it != algorithm)
        || token.header["crit"] != Value::Undefined
    {
        return false;
    }
    match constraints.secret {
        Some(secret) => is_secret(algorithm, secret.as_bytes(), token),
        None => constraints.keys.iter().any(|(_, key)| {
            jwk::verifies(key, algorithm, token.signed.as_bytes(), &token.signature)
        }),
    }
}

/// A number as near as a float is: an instant in nanoseconds has more digits.
fn number(value: &Value) -> Option<f64> {
    value.as_number().ok()?;
    value.to_string().parse().ok()
}

/// Whether issuer, audience and times are as they must be.
fn stands(
    args: &Args<'_>,
    constraints: &Constraints<'_>,
    payload: &Value,
) -> Result<bool, Failure> {
    let is = |value: &Value, wanted: &str| value.as_string().is_ok_and(|it| it.as_ref() == wanted);
    if constraints
        .issuer
        .is_some_and(|it| !is(&payload["iss"], it))
    {
        return Ok(false);
    }
    let audience = match (&payload["aud"], constraints.audience) {
        (Value::Undefined, None) => true,
        (Value::Array(all), Some(wanted)) => all.iter().any(|it| is(it, wanted)),
        (one, Some(wanted)) => is(one, wanted),
        (_, None) => false,
    };
    if !audience {
        return Ok(false);
    }
    for (name, late) in [("exp", true), ("nbf", false)] {
        let claim = &payload[name];
        if *claim == Value::Undefined {
            continue;
        }
        let Some(limit) = number(claim) else {
            return args.fail(format!("{name} value must be a number"));
        };
        let time = if constraints.time_ns.is_nan() {
            now(args)?
        } else {
            constraints.time_ns
        };
        let (time, limit) = (time.round(), (limit * SECOND_NS).round());
        if if late { time >= limit } else { time < limit } {
            return Ok(false);
        }
    }
    Ok(true)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a token's times are seconds; what is lost is below a microsecond"
)]
fn now(args: &Args<'_>) -> Result<f64, Failure> {
    Ok(args.context.now(args.name())? as f64)
}

fn encode_sign(args: &Args<'_>) -> Answer {
    for index in 0..3 {
        args.object(index)?;
    }
    sign(
        args,
        &args.any(0).to_string(),
        &args.any(1).to_string(),
        args.any(2),
    )
}

fn encode_sign_raw(args: &Args<'_>) -> Answer {
    let key = Value::from_json_str(args.text(2)?)
        .or_else(|it| args.fail(format!("the key is no JSON: {it}")))?;
    sign(args, args.text(0)?, args.text(1)?, &key)
}

fn sign(args: &Args<'_>, header: &str, payload: &str, key: &Value) -> Answer {
    let Ok(read) = Value::from_json_str(header) else {
        return args.fail("the header is no JSON");
    };
    let Some(algorithm) = read["alg"].as_string().ok().map(ToString::to_string) else {
        return args.fail("the header has no alg");
    };
    let is_token = read["typ"]
        .as_string()
        .map_or(read["typ"] == Value::Undefined, |it| it.as_ref() == "JWT");
    if is_token && Value::from_json_str(payload).is_err() {
        return args.fail("the type is JWT and the payload is no JSON");
    }
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = match (secret_algorithm(&algorithm), jwk::public(key)) {
        (Some(it), Some(Public::Secret(secret))) => {
            hmac::sign(&hmac::Key::new(it, &secret), signed.as_bytes())
                .as_ref()
                .to_vec()
        }
        (Some(_), _) => return args.fail("the key is no secret (kty oct)"),
        (None, _) => jwk::signature(key, &algorithm, signed.as_bytes())
            .or_else(|it| args.fail(format!("{it}: {algorithm}")))?,
    };
    Ok(Value::from(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature)
    )))
}
