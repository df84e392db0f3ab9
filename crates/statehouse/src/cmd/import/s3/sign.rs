//! AWS Signature Version 4 for requests without a body.
//!
//! Pure: the instant comes from outside. The payload is always the empty one, because an import only reads.

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use secrecy::{ExposeSecret, SecretString};

use crate::cmd::import::source::sha256;

/// Who asks.
pub(super) struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub(super) id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub(super) secret: SecretString,
    /// `AWS_SESSION_TOKEN`, for credentials that end.
    pub(super) session: Option<SecretString>,
}

/// A request to sign.
pub(super) struct Request<'a> {
    /// Host, and port where it is not the usual one.
    pub(super) authority: &'a str,
    /// The path, escaped.
    pub(super) path: &'a str,
    /// The query, escaped, its pairs ordered by name.
    pub(super) query: &'a str,
    /// The region.
    pub(super) region: &'a str,
    /// Now, in seconds since 1970.
    pub(super) now_s: i64,
}

/// The headers that make a GET an authenticated one.
pub(super) fn headers(
    credentials: &Credentials,
    request: &Request<'_>,
) -> Vec<(&'static str, SecretString)> {
    let payload = hex::encode(sha256(b""));
    let (day, instant) = instant(request.now_s);
    let mut signed = vec![
        ("host", request.authority.to_owned()),
        ("x-amz-content-sha256", payload.clone()),
        ("x-amz-date", instant.clone()),
    ];
    if let Some(session) = &credentials.session {
        signed.push(("x-amz-security-token", session.expose_secret().to_owned()));
    }
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: Vec<String> = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let lines = lines.concat();
    let Request {
        path,
        query,
        region,
        ..
    } = request;
    let canonical = format!("GET\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let digest = hex::encode(sha256(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{instant}\n{scope}\n{digest}");
    let secret = format!("AWS4{}", credentials.secret.expose_secret());
    let mut key = mac(secret.as_bytes(), &day);
    for part in [*region, "s3", "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    let signature = hex::encode(mac(key.as_ref(), &text));
    let id = &credentials.id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let mut headers: Vec<(&'static str, SecretString)> = signed
        .into_iter()
        .filter(|(name, _)| *name != "host")
        .map(|(name, value)| (name, value.into()))
        .collect();
    headers.push(("authorization", authorization.into()));
    headers
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
}

/// `YYYYMMDD` and `YYYYMMDDTHHMMSSZ`, in the Gregorian calendar.
fn instant(now_s: i64) -> (String, String) {
    let (days, second) = (now_s.div_euclid(86_400), now_s.rem_euclid(86_400));
    // Years are counted from March, so that the day that comes and goes is their last.
    let since = days + 719_468;
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let date = format!("{year:04}{month:02}{day:02}");
    let (hours, minutes) = (second / 3_600, second / 60 % 60);
    let whole = format!("{date}T{hours:02}{minutes:02}{:02}Z", second % 60);
    (date, whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    #[test]
    fn an_instant_is_written_as_the_signature_wants_it() {
        let check = |now_s, expected: &str| assert_eq!(instant(now_s).1, expected);
        check(0, "19700101T000000Z");
        check(951_782_399, "20000228T235959Z");
        check(951_782_400, "20000229T000000Z");
        check(1_369_353_600, "20130524T000000Z");
        check(1_735_689_599, "20241231T235959Z");
        check(4_102_444_800, "21000101T000000Z");
        check(4_107_542_400, "21000301T000000Z");
    }

    /// The example of a listing in the documentation of the signature.
    #[test]
    fn the_signature_is_the_documented_one() {
        let credentials = Credentials {
            id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session: None,
        };
        let request = Request {
            authority: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: "max-keys=2&prefix=J",
            region: "us-east-1",
            now_s: 1_369_353_600,
        };
        let headers = headers(&credentials, &request);
        let (name, value) = headers.last().unwrap();
        assert_eq!(*name, "authorization");
        assert!(
            value.expose_secret().ends_with(
                "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
            ),
            "{}",
            value.expose_secret()
        );
    }
}
