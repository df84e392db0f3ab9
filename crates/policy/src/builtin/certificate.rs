//! Certificates, requests and keys, in the form in which the reference implementation gives them.
//!
//! Of the many members of a certificate there, those are here that say who, for what and how long; signatures and extensions as bytes
//! are left out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regorus::Value;
use x509_parser::prelude::{
    ASN1Time, FromDer as _, GeneralName, ParsedExtension, X509Certificate,
    X509CertificationRequest, X509Name,
};

use super::{Answer, Args, Builtin, Failure, der, jwk};

pub(super) const ALL: [Builtin; 7] = [
    ("crypto.x509.parse_certificates", 1, parse_certificates),
    (
        "crypto.x509.parse_and_verify_certificates",
        1,
        parse_and_verify,
    ),
    (
        "crypto.x509.parse_and_verify_certificates_with_options",
        2,
        parse_and_verify,
    ),
    ("crypto.x509.parse_certificate_request", 1, parse_request),
    ("crypto.x509.parse_keypair", 2, parse_keypair),
    (
        "crypto.x509.parse_rsa_private_key",
        1,
        parse_rsa_private_key,
    ),
    ("crypto.parse_private_keys", 1, parse_private_keys),
];

/// Certificates in one text.
const CERTIFICATES_MAX: usize = 64;

/// The blocks of a text: PEM, PEM in base64, or DER in base64.
fn blocks(args: &Args<'_>, text: &str, label: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let pem = |text: &str| -> Result<Vec<Vec<u8>>, Failure> {
        let Some((blocks, _)) = der::blocks(text) else {
            return args.fail("a block of PEM is damaged");
        };
        if blocks.is_empty() {
            return args.fail(format!("there is no {label}"));
        }
        if let Some(other) = blocks.iter().find(|it| it.label != label) {
            return args.fail(format!("a {} stands where a {label} should", other.label));
        }
        Ok(blocks.into_iter().map(|it| it.bytes).collect())
    };
    if text.contains("-----BEGIN") {
        return pem(text);
    }
    let bytes = STANDARD
        .decode(text)
        .or_else(|it| args.fail(format!("illegal base64: {it}")))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => pem(text),
        _ => Ok(vec![bytes]),
    }
}

/// A certificate, and its bytes.
type Read<'a> = (X509Certificate<'a>, &'a [u8]);

/// The certificates in bytes: DER may hold several, one after the other.
fn certificates<'a>(args: &Args<'_>, blocks: &'a [Vec<u8>]) -> Result<Vec<Read<'a>>, Failure> {
    let mut certificates = Vec::new();
    for block in blocks {
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (after, certificate) = X509Certificate::from_der(rest)
                .or_else(|it| args.fail(format!("a certificate is malformed: {it}")))?;
            let raw = rest.get(..rest.len() - after.len()).unwrap_or_default();
            certificates.push((certificate, raw));
            if certificates.len() > CERTIFICATES_MAX {
                return args.fail(format!(
                    "there are more than {CERTIFICATES_MAX} certificates"
                ));
            }
            rest = after;
        }
    }
    Ok(certificates)
}

fn parse_certificates(args: &Args<'_>) -> Answer {
    let blocks = blocks(args, args.text(0)?, "CERTIFICATE")?;
    let certificates = certificates(args, &blocks)?;
    Ok(Value::from(
        certificates
            .iter()
            .map(|(it, raw)| shown(it, raw))
            .collect::<Vec<_>>(),
    ))
}

/// The first is the root, the last the leaf; the answer begins with the leaf. An invalid chain is an answer.
fn parse_and_verify(args: &Args<'_>) -> Answer {
    let blocks = blocks(args, args.text(0)?, "CERTIFICATE")?;
    let certificates = certificates(args, &blocks)?;
    let now_ns = options(args)?;
    let seconds = i64::try_from(now_ns / 1_000_000_000).unwrap_or(i64::MAX);
    let Ok(now) = ASN1Time::from_timestamp(seconds) else {
        return args.fail("the time is out of range");
    };
    let mut valid = certificates.len() > 1
        && certificates
            .iter()
            .all(|(it, _)| it.validity().is_valid_at(now));
    for pair in certificates.windows(2) {
        let [(issuer, _), (subject, _)] = pair else {
            continue;
        };
        let is_authority = issuer
            .basic_constraints()
            .ok()
            .flatten()
            .is_some_and(|it| it.value.ca);
        let names = issuer.subject().as_raw() == subject.issuer().as_raw();
        valid = valid
            && is_authority
            && names
            && subject.verify_signature(Some(issuer.public_key())).is_ok();
    }
    let shown = if valid {
        certificates
            .iter()
            .rev()
            .map(|(it, raw)| shown(it, raw))
            .collect()
    } else {
        Vec::new()
    };
    Ok(Value::from(vec![Value::Bool(valid), Value::from(shown)]))
}

/// The instant to verify at.
fn options(args: &Args<'_>) -> Result<u64, Failure> {
    let Ok(options) = args.any(1).as_object() else {
        return args.context.now(args.name());
    };
    for key in options.keys() {
        if !matches!(
            key.as_string().map(AsRef::as_ref),
            Ok("CurrentTime" | "DNSName" | "KeyUsages" | "MaxConstraintComparisons")
        ) {
            return args.fail(format!("{key} is no option"));
        }
        if *key != Value::from("CurrentTime") {
            return args.fail(format!("the option {key} is not offered"));
        }
    }
    match options.get(&Value::from("CurrentTime")).map(Value::as_u64) {
        Some(Ok(time)) => Ok(time),
        Some(Err(_)) => args.fail("CurrentTime is no number"),
        None => args.context.now(args.name()),
    }
}

fn parse_request(args: &Args<'_>) -> Answer {
    let blocks = blocks(args, args.text(0)?, "CERTIFICATE REQUEST")?;
    let Some(bytes) = blocks.first() else {
        return args.fail("there is no request");
    };
    let (_, request) = X509CertificationRequest::from_der(bytes)
        .or_else(|it| args.fail(format!("the request is malformed: {it}")))?;
    let info = &request.certification_request_info;
    let names = request
        .requested_extensions()
        .into_iter()
        .flatten()
        .find_map(|it| match it {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
    let mut shown = alternative_names(names.into_iter().flatten());
    shown.insert(Value::from("Subject"), name(&info.subject));
    shown.insert(
        Value::from("Version"),
        Value::from(u64::from(info.version.0)),
    );
    shown.insert(Value::from("Raw"), Value::from(STANDARD.encode(bytes)));
    Ok(Value::from(shown))
}

fn parse_keypair(args: &Args<'_>) -> Answer {
    let certificate_blocks = blocks(args, args.text(0)?, "CERTIFICATE")?;
    let certificates = certificates(args, &certificate_blocks)?;
    let key = private_keys(args, args.text(1)?)?;
    let Some(key) = key.into_iter().next() else {
        return args.fail("there is no private key");
    };
    let raw = certificates
        .iter()
        .map(|(_, raw)| Value::from(STANDARD.encode(raw)));
    Ok(Value::from(BTreeMap::from([
        (
            Value::from("Certificate"),
            Value::from(raw.collect::<Vec<_>>()),
        ),
        (Value::from("PrivateKey"), key),
        (Value::from("OCSPStaple"), Value::Null),
        (Value::from("SignedCertificateTimestamps"), Value::Null),
        (Value::from("SupportedSignatureAlgorithms"), Value::Null),
        (Value::from("Leaf"), Value::Null),
    ])))
}

/// RSA keys in PKCS #1 and PKCS #8, from PEM or PEM in base64.
fn private_keys(args: &Args<'_>, text: &str) -> Result<Vec<Value>, Failure> {
    let decoded;
    let text = if text.contains("-----BEGIN") {
        text
    } else {
        let bytes = STANDARD
            .decode(text)
            .or_else(|it| args.fail(format!("illegal base64: {it}")))?;
        decoded = String::from_utf8_lossy(&bytes).into_owned();
        &decoded
    };
    let Some((blocks, _)) = der::blocks(text) else {
        return args.fail("a block of PEM is damaged");
    };
    let mut keys = Vec::new();
    for block in blocks.iter().filter(|it| it.label.ends_with("PRIVATE KEY")) {
        let inner = match block.label.as_str() {
            "RSA PRIVATE KEY" => Some(block.bytes.clone()),
            "PRIVATE KEY" => der::sequence(&block.bytes)
                .and_then(|it| it.get(2).map(|(_, inside)| inside.to_vec())),
            _ => None,
        };
        let Some(key) = inner.and_then(|it| jwk::from_pkcs1(&it)) else {
            return args.fail(format!(
                "a {} is no RSA key; only those are offered",
                block.label
            ));
        };
        keys.push(key);
    }
    Ok(keys)
}

fn parse_rsa_private_key(args: &Args<'_>) -> Answer {
    match private_keys(args, args.text(0)?)?.into_iter().next() {
        Some(key) => Ok(key),
        None => args.fail("there is no private key"),
    }
}

fn parse_private_keys(args: &Args<'_>) -> Answer {
    let text = args.text(0)?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    if STANDARD
        .decode(text)
        .is_ok_and(|it| !String::from_utf8_lossy(&it).contains("-----BEGIN"))
    {
        return Ok(Value::new_array());
    }
    Ok(Value::from(private_keys(args, text)?))
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    let texts: Vec<Value> = texts.map(Value::from).collect();
    if texts.is_empty() {
        Value::Null
    } else {
        Value::from(texts)
    }
}

fn name(name: &X509Name<'_>) -> Value {
    let one = |text: Option<&str>| Value::from(text.unwrap_or_default());
    let read = |it: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        it.as_str().map(str::to_owned).unwrap_or_default()
    };
    let many = |values: Vec<String>| texts(values.iter().map(String::as_str));
    let first = |values: Vec<String>| one(values.first().map(String::as_str));
    Value::from(BTreeMap::from([
        (
            Value::from("CommonName"),
            first(name.iter_common_name().map(read).collect()),
        ),
        (
            Value::from("Country"),
            many(name.iter_country().map(read).collect()),
        ),
        (
            Value::from("Organization"),
            many(name.iter_organization().map(read).collect()),
        ),
        (
            Value::from("OrganizationalUnit"),
            many(name.iter_organizational_unit().map(read).collect()),
        ),
        (
            Value::from("Locality"),
            many(name.iter_locality().map(read).collect()),
        ),
        (
            Value::from("Province"),
            many(name.iter_state_or_province().map(read).collect()),
        ),
    ]))
}

fn alternative_names<'a>(
    names: impl Iterator<Item = &'a GeneralName<'a>>,
) -> BTreeMap<Value, Value> {
    let (mut dns, mut mail, mut uri, mut ip) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match name {
            GeneralName::DNSName(it) => dns.push((*it).to_owned()),
            GeneralName::RFC822Name(it) => mail.push((*it).to_owned()),
            GeneralName::URI(it) => uri.push((*it).to_owned()),
            GeneralName::IPAddress(it) => ip.extend(address(it)),
            _ => {}
        }
    }
    let list = |it: &[String]| texts(it.iter().map(String::as_str));
    BTreeMap::from([
        (Value::from("DNSNames"), list(&dns)),
        (Value::from("EmailAddresses"), list(&mail)),
        (Value::from("URIStrings"), list(&uri)),
        (Value::from("IPAddresses"), list(&ip)),
    ])
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|it| std::net::IpAddr::from(it).to_string());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|it| std::net::IpAddr::from(it).to_string()))
        .ok()
}

fn shown(certificate: &X509Certificate<'_>, raw: &[u8]) -> Value {
    let names = certificate.subject_alternative_name().ok().flatten();
    let mut shown = alternative_names(names.iter().flat_map(|it| it.value.general_names.iter()));
    let serial = Value::from_json_str(&certificate.serial.to_string()).unwrap_or(Value::Null);
    let authority = certificate.basic_constraints().ok().flatten();
    let instant = |time: ASN1Time| Value::from(rfc3339(time.timestamp()));
    let members = [
        ("Subject", name(certificate.subject())),
        ("Issuer", name(certificate.issuer())),
        ("SerialNumber", serial),
        (
            "Version",
            Value::from(u64::from(certificate.version().0) + 1),
        ),
        ("NotBefore", instant(certificate.validity().not_before)),
        ("NotAfter", instant(certificate.validity().not_after)),
        ("BasicConstraintsValid", Value::from(authority.is_some())),
        ("IsCA", Value::from(authority.is_some_and(|it| it.value.ca))),
        ("Raw", Value::from(STANDARD.encode(raw))),
    ];
    shown.extend(members.map(|(key, value)| (Value::from(key), value)));
    Value::from(shown)
}

/// Seconds since 1970 as text, by the civil calendar.
fn rfc3339(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}
