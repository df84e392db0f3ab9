//! What a client asks for (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8252 §7.3).
//!
//! A request is read in two steps, because until its client and the address to
//! go back to are known to be right, nothing may be sent there: what is wrong
//! with those is for the person to see. Everything else is told to the client.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::ticket;

/// The client that terraform and tofu are told to be.
pub const CLIENT: &str = "terraform-cli";
/// Where their listeners may be: the range that service discovery announces.
pub const PORTS: [u16; 2] = [10000, 10010];

/// Longest `state` that is carried along; terraform's has 36 characters.
const STATE_LEN_MAX: usize = 512;
/// The SHA-256 in Base64url (RFC 7636 §4.2).
const CHALLENGE_LEN: usize = 43;
/// RFC 7636 §4.1.
const VERIFIER_LEN: std::ops::RangeInclusive<usize> = 43..=128;

/// The parameters as they came, known or not.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct Asked {
    /// Who asks.
    pub client_id: Option<String>,
    /// Where the answer goes.
    pub redirect_uri: Option<String>,
    /// What is wanted: `code`.
    pub response_type: Option<String>,
    /// What the client wants to see again.
    pub state: Option<String>,
    /// The digest of its verifier.
    pub code_challenge: Option<String>,
    /// How it was made: `S256`.
    pub code_challenge_method: Option<String>,
}

/// An address on the person's own machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    text: String,
    port: u16,
}

impl Redirect {
    /// Exactly `http://localhost:PORT/login` or the same on 127.0.0.1.
    fn parse(text: &str) -> Option<Self> {
        let hosts = ["http://localhost:", "http://127.0.0.1:"];
        let rest = hosts.iter().find_map(|host| text.strip_prefix(host))?;
        let digits = rest.strip_suffix("/login")?;
        let port: u16 = digits.parse().ok()?;
        let [first, last] = PORTS;
        let fits = (first..=last).contains(&port) && port.to_string() == digits;
        fits.then(|| Self {
            text: text.to_owned(),
            port,
        })
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its origin, as a page's policy names it.
    pub fn origin(&self) -> &str {
        self.text.strip_suffix("/login").unwrap_or(&self.text)
    }

    /// The port that somebody listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A request that may be shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where the answer goes.
    pub redirect: Redirect,
    /// What the client wants to see again.
    pub state: String,
    pub(super) challenge: String,
}

impl Request {
    /// The digest of the client's verifier, as it was sent.
    pub fn challenge(&self) -> &str {
        &self.challenge
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Nobody may be sent anywhere: the person is told.
    Here(&'static str),
    /// The client is told, in the words of RFC 6749 §4.1.2.1.
    There {
        /// Where.
        redirect: Redirect,
        /// Its state, when it sent one.
        state: Option<String>,
        /// The code of the error.
        error: &'static str,
        /// The words beside it.
        words: &'static str,
    },
}

/// Reads a request.
pub fn read(asked: Asked) -> Result<Request, Refused> {
    if asked.client_id.as_deref() != Some(CLIENT) {
        let words = "the program that asks is not known here: only terraform and tofu may ask, as `terraform-cli`";
        return Err(Refused::Here(words));
    }
    let redirect = asked.redirect_uri.as_deref().and_then(Redirect::parse);
    let redirect = redirect.ok_or(Refused::Here(
        "the address to return to is not one of `terraform login` on your own computer",
    ))?;
    // RFC 6749 appendix A.5: a state is visible ASCII.
    let visible = |text: &String| {
        (1..=STATE_LEN_MAX).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
    };
    let state = asked.state.filter(visible);
    let wrong = |error, words| Refused::There {
        redirect: redirect.clone(),
        state: state.clone(),
        error,
        words,
    };
    let invalid = |words| wrong("invalid_request", words);
    match asked.response_type.as_deref() {
        Some("code") => {}
        None => return Err(invalid("response_type is missing")),
        Some(_) => {
            let error = "unsupported_response_type";
            return Err(wrong(error, "response_type must be code"));
        }
    }
    // Without a method RFC 7636 would mean `plain`, which shows the verifier to whoever sees the address.
    if asked.code_challenge_method.as_deref() != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    let challenge = asked.code_challenge.filter(|text| is_challenge(text));
    let challenge = challenge.ok_or_else(|| {
        invalid("code_challenge must be the SHA-256 of the verifier in Base64url, 43 characters")
    })?;
    let kept = state.clone();
    let state =
        kept.ok_or_else(|| invalid("state is missing, or is longer than 512 characters"))?;
    Ok(Request {
        redirect,
        state,
        challenge,
    })
}

fn is_challenge(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == CHALLENGE_LEN && text.bytes().all(letter)
}

/// Whether `verifier` is one (RFC 7636 §4.1).
pub(super) fn is_verifier(verifier: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    VERIFIER_LEN.contains(&verifier.len()) && verifier.bytes().all(unreserved)
}

/// Whether `challenge` was made from `verifier` (RFC 7636 §4.6).
pub(super) fn answers(verifier: &str, challenge: &str) -> bool {
    let digest = Sha256::digest(verifier.as_bytes());
    let made = URL_SAFE_NO_PAD.encode(digest);
    ticket::same(&made, challenge)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const BACK: &str = "http://localhost:10007/login";

    fn asked() -> Asked {
        let own = |text: &str| Some(text.to_owned());
        Asked {
            client_id: own(CLIENT),
            redirect_uri: own(BACK),
            response_type: own("code"),
            state: own("s"),
            code_challenge: own(CHALLENGE),
            code_challenge_method: own("S256"),
        }
    }

    #[test]
    fn what_terraform_asks_is_taken() {
        let request = read(asked()).unwrap();
        assert_eq!(request.redirect.port(), 10007);
        assert_eq!(request.redirect.origin(), "http://localhost:10007");
        assert_eq!((&*request.state, request.challenge()), ("s", CHALLENGE));
    }

    #[test]
    fn an_address_to_return_to_is_on_this_machine_and_in_the_range() {
        let check = |uri: &str, expected: bool| {
            let got = read(Asked {
                redirect_uri: Some(uri.to_owned()),
                ..asked()
            });
            assert_eq!(got.is_ok(), expected, "{uri}");
            assert!(expected || matches!(got, Err(Refused::Here(_))), "{uri}");
        };
        check(BACK, true);
        check("http://localhost:10000/login", true);
        check("http://127.0.0.1:10010/login", true);
        for uri in [
            "",
            "http://localhost:9999/login",
            "http://localhost:10011/login",
            "http://localhost:010007/login",
            "http://localhost:+10007/login",
            "http://localhost/login",
            "http://localhost:10007/login/",
            "http://localhost:10007/login?x=y",
            "http://localhost:10007/login#x",
            "http://localhost:10007/other",
            "http://LOCALHOST:10007/login",
            "https://localhost:10007/login",
            "http://localhost.example.org:10007/login",
            "http://evil@localhost:10007/login",
            "http://localhost:10007@evil.example/login",
            "http://localhost:10007\\@evil.example/login",
            "http://127.0.0.1.example.org:10007/login",
            "http://127.1:10007/login",
            "http://[::1]:10007/login",
            "javascript:alert(1)",
        ] {
            check(uri, false);
        }
    }

    #[test]
    fn an_unknown_client_is_told_nothing_and_the_person_is() {
        for client in [None, Some(""), Some("other"), Some("Terraform-CLI")] {
            let got = read(Asked {
                client_id: client.map(str::to_owned),
                ..asked()
            });
            assert!(matches!(got, Err(Refused::Here(_))), "{client:?}");
        }
    }

    #[test]
    fn what_else_is_wrong_is_told_to_the_client() {
        let check = |change: &dyn Fn(&mut Asked), expected: &str| {
            let mut wrong = asked();
            change(&mut wrong);
            let Err(Refused::There { error, state, .. }) = read(wrong.clone()) else {
                panic!("{wrong:?} is not told");
            };
            assert_eq!(error, expected, "{wrong:?}");
            assert_eq!(state, wrong.state.filter(|state| state == "s"));
        };
        check(&|asked| asked.response_type = None, "invalid_request");
        let token = |asked: &mut Asked| asked.response_type = Some("token".to_owned());
        check(&token, "unsupported_response_type");
        let invalid = "invalid_request";
        check(&|asked| asked.code_challenge_method = None, invalid);
        for method in ["plain", "s256", ""] {
            let set = |asked: &mut Asked| asked.code_challenge_method = Some(method.to_owned());
            check(&set, invalid);
        }
        check(&|asked| asked.code_challenge = None, invalid);
        for challenge in [
            VERIFIER[1..].to_owned(),
            format!("{CHALLENGE}="),
            "é".repeat(43),
        ] {
            let set = |asked: &mut Asked| asked.code_challenge = Some(challenge.clone());
            check(&set, invalid);
        }
        check(&|asked| asked.state = None, invalid);
        for state in [String::new(), "x".repeat(513), "a\nb".to_owned()] {
            let set = |asked: &mut Asked| asked.state = Some(state.clone());
            check(&set, invalid);
        }
    }

    #[test]
    fn the_vector_of_rfc_7636_holds() {
        assert!(answers(VERIFIER, CHALLENGE));
        assert!(!answers(&VERIFIER.to_lowercase(), CHALLENGE));
        assert!(!answers(CHALLENGE, CHALLENGE));
    }

    #[test]
    fn a_verifier_has_the_alphabet_and_length_of_rfc_7636() {
        let terraforms = "2c1f0e0c-3a42-9d4d-3f02-4d5d1d6e9f7a.1234567890";
        assert!(is_verifier(VERIFIER) && is_verifier(terraforms) && is_verifier(&"~".repeat(128)));
        for wrong in [
            "x".repeat(42),
            "x".repeat(129),
            "é".repeat(43),
            "+".repeat(43),
        ] {
            assert!(!is_verifier(&wrong), "{wrong}");
        }
    }
}
