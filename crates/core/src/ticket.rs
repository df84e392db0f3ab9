//! Tickets: an id by which a row is found, and 256 secret bits.
//!
//! What a browser shows to stay signed in and what a client of OAuth changes
//! for a token have this form: `<id>.<secret>`. The id may stand in a ledger;
//! the whole text is stored as a MAC and shown once.

use std::fmt::Display;
use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use statehouse_seal::Keyring;
use subtle::ConstantTimeEq;

/// Bytes of the secret.
const SECRET_LEN: usize = 32;
/// Longest text that is looked at: an id has 21 characters, a secret 43.
const TEXT_LEN_MAX: usize = 128;

/// A ticket that has the right shape. Whether it is good, its row says.
pub(crate) struct Ticket<I> {
    id: I,
    text: SecretString,
}

impl<I: Display + FromStr> Ticket<I> {
    /// A new one.
    pub(crate) fn new(id: I) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(crate::random::<SECRET_LEN>());
        let text = SecretString::from(format!("{id}.{secret}"));
        Self { id, text }
    }

    /// Reads one that somebody shows.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text
            .split_once('.')
            .filter(|_| text.len() <= TEXT_LEN_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(secret).ok()?;
        let id = id.parse().ok().filter(|_| bytes.len() == SECRET_LEN)?;
        let text = SecretString::from(text.to_owned());
        Some(Self { id, text })
    }

    /// By what its row is found.
    pub(crate) fn id(&self) -> &I {
        &self.id
    }

    /// The whole text, to be shown once.
    pub(crate) fn text(&self) -> &SecretString {
        &self.text
    }

    /// What is stored of it.
    pub(crate) fn mac(&self, keyring: &Keyring) -> Vec<u8> {
        keyring
            .token_mac(self.text.expose_secret().as_bytes())
            .to_vec()
    }

    /// Whether `stored` is its MAC. The work is done without a row too.
    pub(crate) fn is(&self, keyring: &Keyring, stored: Option<&[u8]>) -> bool {
        keyring.token_mac_verify(
            self.text.expose_secret().as_bytes(),
            stored.unwrap_or(&[0; 36]),
        )
    }

    /// A text that only the holder of the ticket gets, for one purpose: what
    /// forms carry to show that they come from a page of ours.
    pub(crate) fn derived(&self, purpose: &str) -> String {
        derive(self.text.expose_secret(), purpose)
    }
}

/// HMAC-SHA-256 of a purpose under a secret, in hexadecimal.
pub(crate) fn derive(secret: &str, purpose: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, purpose.as_bytes()))
}

/// Whether two texts are the same, in a time that does not tell where not.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use statehouse_model::{CodeId, SessionId};

    use super::*;

    #[test]
    fn a_ticket_reads_back_and_another_text_does_not() {
        let ticket = Ticket::new(SessionId::from_entropy(7));
        let text = ticket.text().expose_secret().to_owned();
        let back = Ticket::<SessionId>::parse(&text).unwrap();
        assert_eq!(back.id(), ticket.id());
        assert_eq!(back.derived("a"), ticket.derived("a"));
        assert_ne!(back.derived("a"), ticket.derived("b"));
        assert!(Ticket::<CodeId>::parse(&text).is_none());
        for wrong in [
            "",
            ".",
            "ses-",
            text.trim_end_matches(|letter| letter != '.'),
            &text[..text.len() - 4],
            &format!("{text}AAAA"),
            &format!("{text}{}", "A".repeat(200)),
        ] {
            assert!(Ticket::<SessionId>::parse(wrong).is_none(), "{wrong}");
        }
    }
}
