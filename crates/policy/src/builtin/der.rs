//! The little of DER and PEM that keys need: blocks of text, sequences of integers, and writing both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block of PEM: what its header says, and its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

/// The blocks of a text, and what follows the last of them.
pub(super) fn blocks(text: &str) -> Option<(Vec<Block>, &str)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (label, after) = after.split_once("-----")?;
        let (body, after) = after.split_once(&format!("-----END {label}-----"))?;
        let body: String = body
            .lines()
            .filter(|line| !line.contains(':'))
            .flat_map(str::chars)
            .filter(|it| !it.is_whitespace())
            .collect();
        blocks.push(Block {
            label: label.to_owned(),
            bytes: STANDARD.decode(body).ok()?,
        });
        rest = after;
    }
    Some((blocks, rest))
}

/// A value of DER: its tag, what is in it, and what follows.
pub(super) type Value<'a> = (u8, &'a [u8], &'a [u8]);

/// A value of DER at the beginning of bytes: its tag, what is in it, and what follows.
pub(super) fn value(bytes: &[u8]) -> Option<Value<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (
            length.iter().try_fold(0_usize, |sum, it| {
                sum.checked_mul(256)?.checked_add(usize::from(*it))
            })?,
            rest,
        )
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((*tag, inside, rest))
}

/// The values in a sequence.
pub(super) fn sequence(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (0x30, mut inside, _) = value(bytes)? else {
        return None;
    };
    let mut values = Vec::new();
    while !inside.is_empty() {
        let (tag, content, rest) = value(inside)?;
        values.push((tag, content));
        inside = rest;
    }
    Some(values)
}

/// A value of DER from its tag and what is in it.
pub(super) fn write(tag: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(inside.len()) {
        Ok(length) if length < 0x80 => bytes.push(length),
        _ => {
            let length: Vec<u8> = inside
                .len()
                .to_be_bytes()
                .into_iter()
                .skip_while(|it| *it == 0)
                .collect();
            bytes.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            bytes.extend(length);
        }
    }
    bytes.extend(inside);
    bytes
}

/// A number without a sign as an integer of DER.
pub(super) fn write_integer(number: &[u8]) -> Vec<u8> {
    let mut inside: Vec<u8> = number.iter().copied().skip_while(|it| *it == 0).collect();
    if inside.first().is_none_or(|it| *it >= 0x80) {
        inside.insert(0, 0);
    }
    write(0x02, &inside)
}
