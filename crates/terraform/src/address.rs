//! Addresses of resource instances and paths of attributes, spelled as terraform spells them.
//!
//! `module.a["x y"].data.aws_ami.it[0]`: module steps with their keys, `data.` for data sources, type, name, key. Keys are
//! numbers or quoted texts; quoting is that of `terraform state list` (measured with 1.11.4): `\n \r \t \" \\`, `$${` and
//! `%%{`, and `\uXXXX` or `\UXXXXXXXX` for what cannot be printed. Which letters can be printed depends on the Unicode version of
//! the reader; a letter younger than terraform's tables may be spelled otherwise there, and is parsed in both spellings.
//!
//! A path leads into an instance's attributes: `ingress[0].cidr_blocks`, `tags.Name`, `tags["a.b"]`. What does not look like an
//! identifier is quoted in brackets; both spellings are parsed.
//!
//! Errors say what is expected at which letter and quote nothing.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Longest address with path that is parsed, in bytes: addresses of several modules with long keys have a few hundred.
pub const SUBJECT_BYTES_MAX: usize = 4096;

/// Most steps of a path: an attribute lies no deeper than the state may nest.
const STEPS_MAX: usize = crate::state::DEPTH_MAX;

/// Whether terraform manages what an instance describes or only reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A data source.
    Data,
    /// A resource.
    Managed,
}

/// What tells the instances of one resource apart. Numbers come before texts, and both after none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// Neither `count` nor `for_each`.
    None,
    /// By `count`.
    Number(i64),
    /// By `for_each`.
    Text(Cow<'a, str>),
}

impl fmt::Display for Key<'_> {
    /// As in an address: nothing, `[0]` or `["a"]`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::None => Ok(()),
            Key::Number(number) => write!(out, "[{number}]"),
            Key::Text(text) => write!(out, "[{}]", Quoted(text)),
        }
    }
}

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Key::None => out.serialize_none(),
            Key::Number(number) => out.serialize_i64(*number),
            Key::Text(text) => out.serialize_str(text),
        }
    }
}

/// A text in quotation marks, as in a configuration.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        let mut letters = self.0.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\n' => out.write_str("\\n")?,
                '\r' => out.write_str("\\r")?,
                '\t' => out.write_str("\\t")?,
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                '$' | '%' if letters.peek() == Some(&'{') => {
                    out.write_char(letter)?;
                    out.write_char(letter)?;
                }
                letter if is_printable(letter) => out.write_char(letter)?,
                letter if u32::from(letter) < 0x1_0000 => {
                    write!(out, "\\u{:04x}", u32::from(letter))?;
                }
                letter => write!(out, "\\U{:08x}", u32::from(letter))?,
            }
        }
        out.write_char('"')
    }
}

/// Whether Go prints the letter: letters, marks, numbers, punctuation, symbols and the blank. The standard library asks the same
/// categories when it escapes a text for debugging, except at the start of the text, where marks would stand alone.
fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return !letter.is_ascii_control();
    }
    let mut bytes = [b'a'; 5];
    let width = letter
        .encode_utf8(bytes.get_mut(1..).unwrap_or_default())
        .len();
    let text = bytes
        .get(..=width)
        .and_then(|text| std::str::from_utf8(text).ok());
    text.is_some_and(|text| text.escape_debug().eq(text.chars()))
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Into an object or map.
    Key(String),
    /// Into a list, counted from 0.
    Index(u64),
}

/// Where a value lies in an instance's attributes. Never empty when parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

impl Path {
    /// The steps from the outside in.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => push_key(&mut text, key),
                Step::Index(index) => push_index(&mut text, *index),
            }
        }
        out.write_str(&text)
    }
}

/// Appends the spelling of a step into an object.
pub(crate) fn push_key(path: &mut String, key: &str) {
    let mut letters = key.chars();
    let plain = letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
    if !plain {
        let _ = write!(path, "[{}]", Quoted(key));
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Appends the spelling of a step into a list.
pub(crate) fn push_index(path: &mut String, index: u64) {
    let _ = write!(path, "[{index}]");
}

/// Whether one path is the other or leads into it.
pub(crate) fn overlaps(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    long.strip_prefix(short)
        .is_some_and(|rest| short.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A resource instance, and possibly one of its attributes, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    address: String,
    path: Option<Path>,
}

impl Subject {
    /// The address of the instance, in terraform's spelling.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The attribute, if one is named.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_ref()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.address)?;
        match &self.path {
            Some(path) => write!(out, ".{path}"),
            None => Ok(()),
        }
    }
}

/// Why a text names no resource or attribute. Letters count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is nothing.
    #[error(
        "no resource is named; write an address such as `aws_instance.web[0]` or `module.net.aws_vpc.main.tags.Name`"
    )]
    Empty,
    /// Longer than [`SUBJECT_BYTES_MAX`].
    #[error(
        "the address has {bytes} bytes, more than {SUBJECT_BYTES_MAX}; name one resource, as `terraform state list` prints it"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Something else stands where it must go on otherwise.
    #[error(
        "expected {expected} at letter {letter}; write an address as `terraform state list` prints it, then possibly `.` and an attribute"
    )]
    Expected {
        /// What must stand there.
        expected: &'static str,
        /// Where.
        letter: usize,
    },
    /// An ephemeral resource.
    #[error("ephemeral resources are never in a state; name a resource or a data source")]
    Ephemeral,
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Subject, SubjectError> {
        let mut reader = Reader::open(text)?;
        let mut address = String::new();
        let mut word = reader.word("`module`, `data` or a resource type")?;
        while word == "module" {
            reader.dot("`.` and the name of a module")?;
            let name = reader.word("the name of a module")?;
            let _ = write!(address, "module.{name}{}.", reader.key()?);
            reader.dot("`.` and a resource behind the module")?;
            word = reader.word("`module`, `data` or a resource type")?;
        }
        if word == "ephemeral" {
            return Err(SubjectError::Ephemeral);
        }
        if word == "data" {
            address.push_str("data.");
            reader.dot("`.` and the type of a data source")?;
            word = reader.word("the type of a data source")?;
        }
        reader.dot("`.` and the name of the resource")?;
        let name = reader.word("the name of the resource")?;
        let _ = write!(address, "{word}.{name}{}", reader.key()?);
        if reader.rest.is_empty() {
            return Ok(Subject {
                address,
                path: None,
            });
        }
        reader.dot("`.` and an attribute, or the end")?;
        let path = Some(reader.path()?);
        Ok(Subject { address, path })
    }
}

impl FromStr for Path {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Path, SubjectError> {
        Reader::open(text)?.path()
    }
}

/// What is still to be read of a text.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn open(text: &'a str) -> Result<Reader<'a>, SubjectError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SubjectError::Empty);
        }
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(SubjectError::TooLong { bytes: text.len() });
        }
        Ok(Reader { text, rest: text })
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, SubjectError> {
        let read = self.text.len() - self.rest.len();
        let letter = self.text.get(..read).map_or(0, |read| read.chars().count()) + 1;
        Err(SubjectError::Expected { expected, letter })
    }

    fn take(&mut self, mark: char) -> bool {
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn dot(&mut self, expected: &'static str) -> Result<(), SubjectError> {
        if self.take('.') {
            return Ok(());
        }
        self.expected(expected)
    }

    fn word(&mut self, expected: &'static str) -> Result<&'a str, SubjectError> {
        let ends = |letter: char| {
            letter.is_whitespace() || letter.is_control() || ".[]\"\\".contains(letter)
        };
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        match self.rest.split_at_checked(end) {
            Some((word, rest)) if !word.is_empty() => {
                self.rest = rest;
                Ok(word)
            }
            _ => self.expected(expected),
        }
    }

    /// The key of a module or resource, if there is one.
    fn key(&mut self) -> Result<Key<'static>, SubjectError> {
        if !self.take('[') {
            return Ok(Key::None);
        }
        let key = if self.rest.starts_with('"') {
            Key::Text(Cow::Owned(self.quoted()?))
        } else {
            Key::Number(self.number()?)
        };
        self.close()?;
        Ok(key)
    }

    fn number<N: FromStr>(&mut self) -> Result<N, SubjectError> {
        const EXPECTED: &str = "a number or a text in quotation marks (in a shell, put the whole address in single ones)";
        let end = self.rest.find(']').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        let plain = digits.strip_prefix('-').unwrap_or(digits);
        if !plain.is_empty()
            && plain.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(number) = digits.parse()
        {
            self.rest = rest;
            return Ok(number);
        }
        self.expected(EXPECTED)
    }

    fn close(&mut self) -> Result<(), SubjectError> {
        if self.take(']') {
            return Ok(());
        }
        self.expected("`]`")
    }

    /// A text in quotation marks, which the rest begins with.
    fn quoted(&mut self) -> Result<String, SubjectError> {
        self.take('"');
        let mut out = String::new();
        loop {
            let mut letters = self.rest.chars();
            let Some(letter) = letters.next() else {
                return self.expected("a closing quotation mark");
            };
            self.rest = letters.as_str();
            match letter {
                '"' => return Ok(out),
                '\\' => {
                    let escaped = self.escaped()?;
                    out.push(escaped);
                }
                '$' | '%' => {
                    let twice = self.rest.starts_with(letter)
                        && self.rest.get(1..).is_some_and(|rest| rest.starts_with('{'));
                    if twice {
                        self.take(letter);
                    }
                    out.push(letter);
                }
                letter => out.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, SubjectError> {
        const EXPECTED: &str = "one of n r t \" \\ uXXXX UXXXXXXXX behind `\\`";
        let mut letters = self.rest.chars();
        let (letter, digits) = match letters.next() {
            Some('n') => ('\n', 0),
            Some('r') => ('\r', 0),
            Some('t') => ('\t', 0),
            Some(same @ ('"' | '\\')) => (same, 0),
            Some('u') => ('u', 4),
            Some('U') => ('U', 8),
            _ => return self.expected(EXPECTED),
        };
        let rest = letters.as_str();
        let code = rest.split_at_checked(digits);
        let letter = match (digits, code) {
            (0, _) => Some(letter),
            (_, Some((code, _))) => u32::from_str_radix(code, 16).ok().and_then(char::from_u32),
            (_, None) => None,
        };
        match (letter, code) {
            (Some(letter), Some((_, rest))) => {
                self.rest = rest;
                Ok(letter)
            }
            _ => self.expected(EXPECTED),
        }
    }

    fn path(&mut self) -> Result<Path, SubjectError> {
        let mut steps = Vec::new();
        let mut behind_dot = true;
        while behind_dot || !self.rest.is_empty() {
            if steps.len() == STEPS_MAX {
                return self.expected("the end: no attribute lies deeper");
            }
            if self.take('[') {
                let step = if self.rest.starts_with('"') {
                    Step::Key(self.quoted()?)
                } else {
                    Step::Index(self.number()?)
                };
                self.close()?;
                steps.push(step);
            } else {
                if !behind_dot {
                    self.dot("`.`, `[` or the end")?;
                }
                steps.push(Step::Key(self.word("the name of an attribute")?.to_owned()));
            }
            behind_dot = false;
        }
        Ok(Path(steps))
    }
}

#[cfg(test)]
mod tests;
