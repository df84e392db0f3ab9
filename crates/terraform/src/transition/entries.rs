//! The entries of a plan's lists, one after the other, as the plan's text comes: it is never here as a whole, and of an entry no more is than is told.
//!
//! Of what is JSON exactly those entries are found that any reader finds. What is none is found out here where it does not come to an end; else by
//! whoever reads all of it.

use std::mem;

use memchr::memchr2;
use serde::de::Error as _;

use crate::drift::Unread;

/// Longest name that is looked at, as it is spelled: any letter of it may be an escape of six. A longer one is none of those that are known.
const NAME_BYTES_MAX: usize = 128;
/// Where the members of a change are: in an entry, in a list, in the plan.
const DEEPEST: usize = 4;
/// What is told of an entry that is not told whole, and of its change.
const OF_ENTRY: [&str; 5] = ["address", "mode", "type", "deposed", CHANGE];
const OF_CHANGE: [&str; 2] = ["actions", "importing"];
const CHANGE: &str = "change";

/// A list of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// What is to be done: of an entry what it is about and what happens to it.
    Changes,
    /// What changed outside, whole.
    Drift,
}

impl Of {
    /// Longest entry, in bytes of what is told of it.
    fn bytes_max(self) -> usize {
        match self {
            // Names and words: the longest that terraform makes have some thousands.
            Self::Changes => 1024 * 1024,
            Self::Drift => super::DRIFT_BYTES_MAX,
        }
    }
}

/// A member of the plan that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Form,
    List(Of),
}

/// Hears an entry.
pub(super) type Hear<'a> = &'a mut dyn FnMut(Of, &[u8]) -> Result<(), Unread>;

/// What a plan's text has come to.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of where a sign stands"
)]
#[derive(Default)]
pub(super) struct Entries {
    /// How many lists and objects are open.
    depth: usize,
    /// Whether those at the first depths are objects, and a name comes next.
    objects: [bool; DEEPEST + 1],
    name_is_next: [bool; DEEPEST + 1],
    /// Within a text: whether it is a name, and whether the letter before said that the next one is itself.
    text: Option<bool>,
    escaped: bool,
    /// The last name, as it is spelled.
    name: Vec<u8>,
    /// The member of the plan whose value comes next, and those that came.
    next: Option<Member>,
    came: Vec<Member>,
    list: Option<Of>,
    /// The entry, as far as it came, where one did.
    entry: Option<Vec<u8>>,
    is_change: bool,
    /// Whether the value of the last name is left out, and how deep one that is stands.
    leaves_out: bool,
    left_out: Option<usize>,
    over: bool,
}

fn odd(why: &str) -> Unread {
    Unread::Odd(serde_json::Error::custom(why))
}

impl Entries {
    /// Takes the next piece of the text, and gives each entry that comes to its end in it to `hear`.
    pub(super) fn take(&mut self, mut bytes: &[u8], hear: Hear<'_>) -> Result<(), Unread> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.text.is_some() && !self.escaped {
                // What of it says nothing of its end is passed over at once.
                let plain = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
                if plain > 0 {
                    let (plain, rest) = bytes.split_at(plain);
                    self.in_text(plain)?;
                    bytes = rest;
                    continue;
                }
            }
            if self.text.is_some() {
                self.in_text(std::slice::from_ref(first))?;
                self.after_letter(*first)?;
            } else {
                self.outside_text(*first, hear)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Says whether all of it came.
    pub(super) fn done(&self) -> Result<(), Unread> {
        if !self.over {
            return Err(odd("it does not come to its end"));
        }
        if self.came.contains(&Member::Form) {
            Ok(())
        } else {
            Err(odd("it does not say its `format_version`"))
        }
    }

    /// Keeps what belongs to an entry.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        let (Some(entry), Some(list), None) = (&mut self.entry, self.list, self.left_out) else {
            return Ok(());
        };
        if entry.len() + bytes.len() > list.bytes_max() {
            return Err(Unread::TooMuch);
        }
        entry.extend_from_slice(bytes);
        Ok(())
    }

    fn in_text(&mut self, bytes: &[u8]) -> Result<(), Unread> {
        if self.text == Some(true) {
            let room = NAME_BYTES_MAX.saturating_sub(self.name.len());
            let taken = bytes.get(..room).unwrap_or(bytes);
            self.name.extend_from_slice(taken);
        }
        self.keep(bytes)
    }

    /// After a letter of a text that may end it.
    fn after_letter(&mut self, letter: u8) -> Result<(), Unread> {
        if mem::take(&mut self.escaped) {
            return Ok(());
        }
        match letter {
            b'\\' => self.escaped = true,
            b'"' if self.text.take() == Some(true) => return self.named(),
            _ => {}
        }
        Ok(())
    }

    /// Whether the name that was read is this one.
    fn is_named(&self, name: &str) -> Result<bool, Unread> {
        // The last sign of one that was cut is no quote.
        let Some(plain) = self.name.strip_suffix(b"\"") else {
            return Ok(false);
        };
        if !plain.contains(&b'\\') {
            return Ok(plain == name.as_bytes());
        }
        let spelled = [b"\"", self.name.as_slice()].concat();
        let read: String = serde_json::from_slice(&spelled)?;
        Ok(read == name)
    }

    fn is_one_of(&self, names: &[&str]) -> Result<bool, Unread> {
        for name in names {
            if self.is_named(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The member of the plan whose name was read, where it is one that is looked at.
    fn member(&mut self) -> Result<Option<Member>, Unread> {
        for (name, member) in [
            ("format_version", Member::Form),
            ("resource_changes", Member::List(Of::Changes)),
            ("resource_drift", Member::List(Of::Drift)),
        ] {
            if !self.is_named(name)? {
                continue;
            }
            if self.came.contains(&member) {
                return Err(odd(&format!("it says `{name}` twice")));
            }
            self.came.push(member);
            return Ok(Some(member));
        }
        Ok(None)
    }

    /// A name was read to its end.
    fn named(&mut self) -> Result<(), Unread> {
        match (self.depth, self.list, &self.entry) {
            (1, ..) => self.next = self.member()?,
            (3, Some(Of::Changes), Some(_)) if self.left_out.is_none() => {
                self.is_change = self.is_named(CHANGE)?;
                self.leaves_out = !self.is_one_of(&OF_ENTRY)?;
            }
            (4, Some(Of::Changes), Some(_)) if self.left_out.is_none() && self.is_change => {
                self.leaves_out = !self.is_one_of(&OF_CHANGE)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn outside_text(&mut self, sign: u8, hear: Hear<'_>) -> Result<(), Unread> {
        if sign.is_ascii_whitespace() {
            return Ok(());
        }
        if self.over || (self.depth == 0 && sign != b'{') {
            return Err(odd("it is no object"));
        }
        match sign {
            b',' | b':' => self.between(sign),
            b'}' | b']' => self.close(sign, hear),
            _ => {
                self.begins(sign)?;
                self.keep(&[sign])?;
                if sign == b'"' {
                    self.text = Some(self.takes_name());
                    self.name.clear();
                } else if matches!(sign, b'{' | b'[') {
                    self.open(sign == b'{');
                }
                Ok(())
            }
        }
    }

    fn takes_name(&self) -> bool {
        self.name_is_next.get(self.depth).is_some_and(|next| *next)
    }

    /// A value begins, or a name, or a value goes on.
    fn begins(&mut self, sign: u8) -> Result<(), Unread> {
        if self.depth == 1
            && !self.takes_name()
            && let Some(member) = self.next.take()
        {
            match (member, sign) {
                (Member::Form, b'"') | (Member::List(_), b'n') => {}
                (Member::List(list), b'[') => self.list = Some(list),
                _ => {
                    return Err(odd(
                        "its lists of resources are none, or its form is no text",
                    ));
                }
            }
        } else if self.depth == 2 && self.list.is_some() && self.entry.is_none() {
            if sign != b'{' {
                return Err(Unread::Resource);
            }
            self.entry = Some(Vec::new());
        }
        Ok(())
    }

    fn open(&mut self, is_object: bool) {
        self.depth += 1;
        for of in [&mut self.objects, &mut self.name_is_next] {
            if let Some(place) = of.get_mut(self.depth) {
                *place = is_object;
            }
        }
    }

    /// A comma or a colon.
    fn between(&mut self, sign: u8) -> Result<(), Unread> {
        if sign == b',' && self.left_out == Some(self.depth) {
            self.left_out = None;
        }
        let is_object = self.objects.get(self.depth).is_some_and(|is| *is);
        if let Some(next) = self.name_is_next.get_mut(self.depth) {
            *next = is_object && sign == b',';
        }
        self.keep(&[sign])?;
        if sign == b':' && mem::take(&mut self.leaves_out) {
            self.keep(b"null")?;
            self.left_out = Some(self.depth);
        }
        Ok(())
    }

    fn close(&mut self, sign: u8, hear: Hear<'_>) -> Result<(), Unread> {
        if self.left_out == Some(self.depth) {
            self.left_out = None;
        }
        self.keep(&[sign])?;
        self.depth -= 1;
        match self.depth {
            0 => self.over = true,
            1 => self.list = None,
            2 => {
                if let (Some(list), Some(mut entry)) = (self.list, self.entry.take()) {
                    hear(list, &entry)?;
                    entry.clear();
                }
            }
            _ => {}
        }
        Ok(())
    }
}
