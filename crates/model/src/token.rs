//! The text of an API token: `sth_<kind>_<house><secret>_<checksum>`.
//!
//! The prefix lets a scanner find a leaked token, the checksum lets it be
//! certain, and the house code says where the token is kept. What is stored
//! is a MAC; this type holds the text only between the wire and that MAC.

use secrecy::{ExposeSecret, SecretString};

use crate::HouseCode;

/// Base62, as in other vendors' tokens, so that a double click selects all.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The first characters find the stored row; they are not secret.
const HANDLE_LEN: usize = 10;
/// 62^32 is about 2^190, of which the handle gives 60 bits away.
const RANDOM_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A person's, kept in the site.
    User,
    /// A team's, kept in its house and good there alone.
    Team,
    /// An organization's own, likewise.
    Organization,
    /// That of a pool of agents, likewise.
    Agent,
}

impl TokenKind {
    const ALL: [Self; 4] = [Self::User, Self::Team, Self::Organization, Self::Agent];

    /// The word in the token's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Organization => "org",
            Self::Agent => "agent",
        }
    }
}

/// A token that has the right shape. It may still be unknown, expired or revoked.
pub struct Token {
    kind: TokenKind,
    house: HouseCode,
    text: SecretString,
    handle: String,
}

/// Why a text is no token; deliberately without the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Statehouse token: expected `sth_user_…`, `sth_team_…`, `sth_org_…` or `sth_agent_…` with a matching checksum"
)]
pub struct TokenError;

impl Token {
    /// A new token for a user from 32 random bytes.
    pub fn from_entropy(house: HouseCode, entropy: &[u8; RANDOM_LEN]) -> Self {
        Self::of_kind(TokenKind::User, house, entropy)
    }

    /// A new token of a kind for `house` from 32 random bytes.
    pub fn of_kind(kind: TokenKind, house: HouseCode, entropy: &[u8; RANDOM_LEN]) -> Self {
        let character = |byte: &u8| {
            ALPHABET
                .get(usize::from(*byte) % 62)
                .copied()
                .unwrap_or(b'0')
        };
        let random: String = entropy.iter().map(character).map(char::from).collect();
        let body = format!("sth_{}_{house}{random}", kind.as_str());
        let text = format!("{body}_{}", checksum(&body));
        let handle = random.chars().take(HANDLE_LEN).collect();
        Self {
            kind,
            house,
            text: text.into(),
            handle,
        }
    }

    /// Reads a token from a header. Constant in what it says of the failure.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (body, sum) = text.rsplit_once('_').ok_or(TokenError)?;
        let (kind, rest) = TokenKind::ALL
            .into_iter()
            .find_map(|kind| {
                let rest = body.strip_prefix("sth_")?.strip_prefix(kind.as_str())?;
                Some((kind, rest.strip_prefix('_')?))
            })
            .ok_or(TokenError)?;
        let (house, random) = rest
            .len()
            .checked_sub(RANDOM_LEN)
            .and_then(|at| rest.split_at_checked(at))
            .ok_or(TokenError)?;
        let house: HouseCode = house.parse().map_err(|_| TokenError)?;
        let plain = random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // People's tokens live in the site, all others in an organization's house.
        let placed = house.is_site() == (kind == TokenKind::User);
        if !plain || !placed || sum != checksum(body) {
            return Err(TokenError);
        }
        let handle = random.chars().take(HANDLE_LEN).collect();
        Ok(Self {
            kind,
            house,
            text: text.to_owned().into(),
            handle,
        })
    }

    /// Whose it is.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Its last four characters before the checksum: enough to tell two apart.
    pub fn last_four(&self) -> String {
        let (body, _) = self.expose().rsplit_once('_').unwrap_or_default();
        body.get(body.len().saturating_sub(4)..)
            .unwrap_or_default()
            .to_owned()
    }

    /// The house that keeps the token.
    pub fn house(&self) -> HouseCode {
        self.house
    }

    /// The public part by which the stored row is found.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// The whole text: to be shown once, or fed to a MAC.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

/// CRC-32 (ISO-HDLC) in base62: for scanners, not against forgers.
fn checksum(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let mut rest = !crc;
    let mut text = String::with_capacity(CHECKSUM_LEN);
    for _ in 0..CHECKSUM_LEN {
        let digit = usize::try_from(rest % 62).unwrap_or(0);
        text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'0')));
        rest /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )]

    use super::*;

    #[test]
    fn a_token_reads_back_and_a_typo_does_not() {
        let house = HouseCode::from_entropy(9);
        for (kind, house, start) in [
            (TokenKind::User, HouseCode::SITE, "sth_user_site"),
            (TokenKind::Team, house, "sth_team_"),
            (TokenKind::Organization, house, "sth_org_"),
            (TokenKind::Agent, house, "sth_agent_"),
        ] {
            let token = Token::of_kind(kind, house, &[7; 32]);
            let text = token.expose().to_owned();
            assert!(text.starts_with(start), "{start}");
            let back = Token::parse(&text).unwrap();
            assert_eq!((back.kind(), back.house()), (kind, house));
            assert_eq!(back.handle(), token.handle());
            assert_eq!(back.last_four(), "7777");
            for at in 0..text.len() {
                let mut typo = text.clone().into_bytes();
                typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
                assert!(
                    Token::parse(&String::from_utf8(typo).unwrap()).is_err(),
                    "{at}"
                );
            }
        }
    }

    #[test]
    fn a_token_of_a_kind_in_the_wrong_place_is_none() {
        let house = HouseCode::from_entropy(9);
        for (kind, house) in [
            (TokenKind::User, house),
            (TokenKind::Team, HouseCode::SITE),
            (TokenKind::Organization, HouseCode::SITE),
            (TokenKind::Agent, HouseCode::SITE),
        ] {
            let token = Token::of_kind(kind, house, &[7; 32]);
            assert!(Token::parse(token.expose()).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn short_and_foreign_texts_are_refused() {
        for text in [
            "",
            "sth_user_",
            "_",
            "ghp_abc_def",
            "sth_user_site_",
            "é_é_é",
        ] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_checksum_is_crc32() {
        // The check value of CRC-32/ISO-HDLC over "123456789" is 0xCBF43926.
        let mut rest: u32 = 0xCBF4_3926;
        let mut expected = String::new();
        for _ in 0..6 {
            expected.push(char::from(ALPHABET[(rest % 62) as usize]));
            rest /= 62;
        }
        assert_eq!(checksum("123456789"), expected);
    }
}
