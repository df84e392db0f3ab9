//! JSON text, looked at where it stands.
//!
//! A [`Tape`] notes where each value of a text begins and where the next one after it does: eight bytes a value, whatever the
//! value is, so that a state of 50 MB is walked in little more memory than it has. Nothing is decoded before it is asked for.
//! Numbers stay text: a number of forty digits and `1e400` keep every digit.
//!
//! Two values are the same ([`same`]) when terraform would read the same: the order of keys, blanks and the spelling of texts
//! (`é` or `\u00e9`) and numbers (`1`, `1.0`, `10e-1`) do not count, the order of list elements does (a set is a list in a
//! state, in terraform's own order). Of a key that occurs twice in an object the last one counts, as it does to terraform.
//!
//! Deliberately absent: checking. A tape is made of text that `serde_json` has read over once and whose depth is bounded by
//! [`DEPTH_MAX`](crate::state::DEPTH_MAX); of any other text it is some tape, but never a panic.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};

/// Where a value begins, and the number of the next value that is not inside it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    start: u32,
    next: u32,
}

/// A text and the places of its values.
#[derive(Clone, Debug)]
pub(crate) struct Tape<'a> {
    text: Cow<'a, str>,
    slots: Vec<Slot>,
}

/// One value of a [`Tape`].
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    tape: &'t Tape<'t>,
    slot: u32,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Flag(bool),
    Number,
    Text,
    List,
    Object,
}

impl<'a> Tape<'a> {
    /// Notes the places in `text`, one JSON value of less than 4 GiB; a longer text gives the tape of `null`.
    pub(crate) fn read(text: impl Into<Cow<'a, str>>) -> Tape<'a> {
        let text = text.into();
        if u32::try_from(text.len()).is_err() {
            return Tape::read("null");
        }
        let slots = slots(text.as_bytes());
        Tape { text, slots }
    }

    /// Whether this is its text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        self.text == text
    }

    /// The whole.
    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            tape: self,
            slot: 0,
        }
    }

    /// The value with this number, as [`Node::slot`] gave it.
    pub(crate) fn node(&self, slot: u32) -> Node<'_> {
        Node { tape: self, slot }
    }

    /// The same with a text of its own.
    pub(crate) fn into_owned(self) -> Tape<'static> {
        Tape {
            text: Cow::Owned(self.text.into_owned()),
            slots: self.slots,
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the text is shorter than 4 GiB, and there are no more values than bytes"
)]
fn slots(text: &[u8]) -> Vec<Slot> {
    let mut slots: Vec<Slot> = Vec::with_capacity(text.len() / 24 + 1);
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let start = at as u32;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => continue,
            b'{' | b'[' => open.push(slots.len()),
            b'}' | b']' => {
                let count = slots.len() as u32;
                if let Some(slot) = open.pop().and_then(|index| slots.get_mut(index)) {
                    slot.next = count;
                }
                continue;
            }
            b'"' => at = string_end(text, at) + 1,
            _ => {
                at += text
                    .get(at..)
                    .and_then(|rest| rest.iter().position(|byte| ends_scalar(*byte)))
                    .unwrap_or(text.len().saturating_sub(at));
            }
        }
        let next = slots.len() as u32 + 1;
        slots.push(Slot { start, next });
    }
    slots
}

fn ends_scalar(byte: u8) -> bool {
    matches!(
        byte,
        b',' | b':' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'
    )
}

/// Where the text that begins at `at`, behind its quotation mark, has its closing one.
pub(crate) fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(rest) = text.get(at..)
        && let Some(found) = memchr2(b'"', b'\\', rest)
    {
        at += found;
        if rest.get(found) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    text.len()
}

impl<'t> Node<'t> {
    /// The number of the value in its tape.
    pub(crate) fn slot(self) -> u32 {
        self.slot
    }

    /// The number of the first value behind this one.
    pub(crate) fn next(self) -> u32 {
        self.tape
            .slots
            .get(self.slot as usize)
            .map_or(u32::MAX, |slot| slot.next)
    }

    fn rest(self) -> &'t str {
        let slot = self.tape.slots.get(self.slot as usize);
        slot.and_then(|slot| self.tape.text.get(slot.start as usize..))
            .unwrap_or_default()
    }

    /// What the value is.
    pub(crate) fn kind(self) -> Kind {
        match self.rest().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::Text,
            Some(b't') => Kind::Flag(true),
            Some(b'f') => Kind::Flag(false),
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// The text of a scalar as it is spelled, quotation marks included. Of a list or object only its bracket.
    pub(crate) fn raw(self) -> &'t str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let end = match bytes.first() {
            Some(b'"') => string_end(bytes, 1) + 1,
            Some(b'{' | b'[') => 1,
            _ => bytes
                .iter()
                .position(|byte| ends_scalar(*byte))
                .unwrap_or(bytes.len()),
        };
        rest.get(..end).unwrap_or(rest)
    }

    /// What a text means.
    pub(crate) fn text(self) -> Option<Cow<'t, str>> {
        let inner = self.raw().strip_prefix('"')?.strip_suffix('"')?;
        Some(unescape(inner))
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(self) -> Children<'t> {
        self.children(Kind::List)
    }

    /// Keys and values of an object as they stand; none of anything else.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Cow<'t, str>, Node<'t>)> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || {
            let key = children.next()?.text()?;
            Some((key, children.next()?))
        })
    }

    /// Keys and values of an object in the order of the keys, each key once.
    pub(crate) fn members(self) -> Vec<(Cow<'t, str>, Node<'t>)> {
        let mut members: Vec<_> = self.entries().collect();
        if !members.is_sorted_by(|(a, _), (b, _)| a < b) {
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            // The later of two equal keys counts, and the sort was stable.
            members.reverse();
            members.dedup_by(|(a, _), (b, _)| a == b);
            members.reverse();
        }
        members
    }

    /// Values of an object under a key with one of these spellings, quotation marks included.
    pub(crate) fn spelled(self, keys: &[&str]) -> impl Iterator<Item = Node<'t>> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || {
            loop {
                let (key, value) = (children.next()?.rest(), children.next()?);
                if keys.iter().any(|spelled| key.starts_with(spelled)) {
                    return Some(value);
                }
            }
        })
    }

    /// The value under `key` of an object.
    pub(crate) fn get(self, key: &str) -> Option<Node<'t>> {
        let found = self.entries().filter(|(name, _)| name == key).last();
        found.map(|(_, value)| value)
    }

    /// The value at `index` of a list.
    pub(crate) fn at(self, index: u64) -> Option<Node<'t>> {
        self.elements().nth(usize::try_from(index).ok()?)
    }

    fn children(self, kind: Kind) -> Children<'t> {
        let empty = self.kind() != kind;
        Children {
            tape: self.tape,
            slot: self.slot.saturating_add(1),
            end: if empty { 0 } else { self.next() },
        }
    }
}

/// The values directly inside a list or object; of an object keys and values in turn.
#[derive(Clone)]
pub(crate) struct Children<'t> {
    tape: &'t Tape<'t>,
    slot: u32,
    end: u32,
}

impl<'t> Iterator for Children<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        if self.slot >= self.end {
            return None;
        }
        let node = Node {
            tape: self.tape,
            slot: self.slot,
        };
        self.slot = node.next();
        Some(node)
    }
}

/// The meaning of a text between its quotation marks. Half a surrogate pair means U+FFFD, as it does to Go.
pub(crate) fn unescape(inner: &str) -> Cow<'_, str> {
    if memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut letters = escaped.chars();
        rest = match letters.next() {
            Some('u') => unescape_units(letters.as_str(), &mut out),
            Some(letter) => {
                out.push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    other => other,
                });
                letters.as_str()
            }
            None => "",
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Reads the digits behind `\u` and, of a pair, the second half; gives what follows.
fn unescape_units<'r>(rest: &'r str, out: &mut String) -> &'r str {
    let Some((high, after)) = unit(rest) else {
        out.push('\u{fffd}');
        return rest;
    };
    let low = after.strip_prefix("\\u").and_then(unit);
    if let Some((low, behind)) = low
        && let Some(Ok(letter)) = char::decode_utf16([high, low]).next()
        && u32::from(letter) > 0xffff
    {
        out.push(letter);
        return behind;
    }
    out.push(char::from_u32(u32::from(high)).unwrap_or('\u{fffd}'));
    after
}

fn unit(rest: &str) -> Option<(u16, &str)> {
    let (digits, after) = rest.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// Whether two values mean the same to terraform.
pub(crate) fn same(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (Kind::List, Kind::List) => {
            let (mut left, mut right) = (a.elements(), b.elements());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return true,
                    (Some(left), Some(right)) if same(left, right) => {}
                    _ => return false,
                }
            }
        }
        (Kind::Object, Kind::Object) => {
            let (left, right) = (a.members(), b.members());
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((a, left), (b, right))| a == b && same(*left, *right))
        }
        (Kind::Number, Kind::Number) => {
            a.raw() == b.raw() || number_meaning(a.raw()) == number_meaning(b.raw())
        }
        (Kind::Text, Kind::Text) => a.raw() == b.raw() || a.text() == b.text(),
        (left, right) => left == right,
    }
}

/// The one spelling of a number's value: `-12300` and `-1.23e4` are both `-123e2`. An exponent beyond 64 bits stays as it is.
pub(crate) fn number_meaning(raw: &str) -> Cow<'_, str> {
    let (sign, unsigned) = raw.strip_prefix('-').map_or(("", raw), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let digits = format!("{whole}{fraction}");
    let shortened = digits.trim_end_matches('0');
    let Some(exponent) = exponent.parse::<i64>().ok().and_then(|exponent| {
        let fraction = i64::try_from(fraction.len()).ok()?;
        let zeros = i64::try_from(digits.len() - shortened.len()).ok()?;
        exponent.checked_sub(fraction)?.checked_add(zeros)
    }) else {
        return Cow::Borrowed(raw);
    };
    let significant = shortened.trim_start_matches('0');
    if significant.is_empty() {
        return Cow::Borrowed("0");
    }
    Cow::Owned(format!("{sign}{significant}e{exponent}"))
}

/// Takes text up to a number of bytes and counts the rest.
#[derive(Debug)]
pub(crate) struct Short {
    text: String,
    bytes_max: usize,
    left_out: u64,
}

impl Short {
    /// Takes up to `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Short {
        Short {
            text: String::new(),
            bytes_max,
            left_out: 0,
        }
    }

    /// What was taken, and how many bytes were not.
    pub(crate) fn finish(self) -> (String, u64) {
        (self.text, self.left_out)
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &str) {
        let room = if self.left_out > 0 {
            0
        } else {
            self.bytes_max.saturating_sub(self.text.len())
        };
        let taken = piece.floor_char_boundary(room);
        self.text.push_str(piece.get(..taken).unwrap_or_default());
        self.left_out += (piece.len() - taken) as u64;
    }
}

/// `text`, or as much of it as `bytes_max` allows and then an ellipsis.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let kept = text.get(..text.floor_char_boundary(bytes_max));
    format!("{}…", kept.unwrap_or_default())
}

impl fmt::Debug for Node<'_> {
    /// The kind alone: values may be secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.kind())
    }
}

#[cfg(test)]
mod tests;
