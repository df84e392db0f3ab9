//! The file of a price book: compact, indexed, immutable.
//!
//! A header with the places of eight sections and the digest of all of them; texts once each, sorted; attribute sets once each; rows of
//! forty bytes, sorted by service, leading attribute and region, so that a price is found by halving. The texts `name=value` of one
//! attribute lie together: a row's attribute is known by its number, and its letters are read once for many rows. Nothing else is read
//! before it is asked for. The book that comes with the binary lies in the binary's own mapped pages. One that is a file is read into memory: a map
//! of a file that another process may cut short can only be had with `unsafe`, which this workspace forbids.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Answer, COMPONENT, Found, ON_DEMAND, PART, PURCHASE, Quality, Question, Row, lead};

/// The first bytes of every book.
pub(crate) const MAGIC: &[u8; 8] = b"SHPRICE1";
/// Magic, digest, and place and length of eight sections.
pub(crate) const HEADER: usize = 8 + 32 + SECTIONS * 8;
pub(crate) const SECTIONS: usize = 8;
pub(crate) const ROW: usize = 40;
pub(crate) const TIER: usize = 24;
pub(crate) const ORIGIN: usize = 20;
/// A book larger than this is no book of ours.
const BYTES_MAX: u64 = 1 << 31;

/// The book that comes with the binary.
#[cfg(starter)]
static STARTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/starter.book"));
#[cfg(not(starter))]
static STARTER: &[u8] = &[];

/// A book cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// It cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is no book, or a damaged one.
    #[error("{name} is no price book: {reason}; build one with `statehouse price build`")]
    Damaged {
        /// The book.
        name: String,
        /// What does not fit.
        reason: String,
    },
}

/// What a book says of itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Meta {
    /// Its name.
    pub id: String,
    /// When it was made, as a date.
    pub created_at: String,
    /// The newest date of any of its prices.
    pub newest: String,
    /// How many rows it has.
    pub rows: u32,
    /// What it was made from.
    pub sources: Vec<Source>,
}

/// One file that a book was made from.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// How many rows came from it.
    pub rows: u32,
    /// The digest of it.
    pub sha256: String,
}

/// A price book.
pub struct Book {
    bytes: Cow<'static, [u8]>,
    meta: Meta,
    digest: String,
    sections: [(usize, usize); SECTIONS],
    names: Vec<Name>,
}

/// The name of an attribute, and the numbers of the texts that begin with it and `=`.
struct Name {
    text: Box<[u8]>,
    texts: Range<u32>,
}

/// An attribute of a question.
struct Wanted<'q> {
    texts: Range<u32>,
    value: &'q str,
    is_part: bool,
    /// Of what a component is called: rows of another text are of another component.
    is_text: bool,
    /// The text that was compared last, and whether it says the same: in rows beside each other it is mostly the same one.
    last: (u32, bool),
}

#[derive(Clone, Copy)]
pub(crate) enum Section {
    Meta,
    TextEnds,
    Texts,
    SetEnds,
    Sets,
    Tiers,
    Origins,
    Rows,
}

/// A row as it lies in the book.
#[derive(Clone, Copy)]
struct Packed<'b> {
    bytes: &'b [u8],
}

impl Packed<'_> {
    fn number(self, at: usize) -> u32 {
        u32_at(self.bytes, at)
    }
    fn service(self) -> u32 {
        self.number(0)
    }
    fn lead(self) -> u32 {
        self.number(4)
    }
    fn region(self) -> u32 {
        self.number(8)
    }
    fn family(self) -> u32 {
        self.number(12)
    }
    fn unit(self) -> u32 {
        self.number(16)
    }
    fn set(self) -> u32 {
        self.number(20)
    }
    fn price(self) -> Decimal {
        packed_decimal(self.bytes, 24)
    }
    fn tier(self) -> u32 {
        u32::from(u16_at(self.bytes, 34))
    }
    fn origin(self) -> u32 {
        u32::from(u16_at(self.bytes, 36))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    u16::from_le_bytes(two.unwrap_or_default())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

/// Eight bytes of amount, one of scale.
fn packed_decimal(bytes: &[u8], at: usize) -> Decimal {
    let eight = bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok());
    let amount = u64::from_le_bytes(eight.unwrap_or_default());
    let scale = bytes.get(at + 8).copied().unwrap_or_default();
    Decimal::try_from_i128_with_scale(i128::from(amount), u32::from(scale)).unwrap_or_default()
}

impl Book {
    /// The book that comes with the binary.
    pub fn starter() -> Result<Self, BookError> {
        Self::from_bytes("the starter book", Cow::Borrowed(STARTER), false)
    }

    /// The bytes of the book that comes with the binary.
    pub fn starter_bytes() -> &'static [u8] {
        STARTER
    }

    /// Takes bytes for a book, and checks them against their digest.
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<Self, BookError> {
        Self::from_bytes(name, Cow::Owned(bytes), true)
    }

    /// Reads a book from a file, and checks it against its digest.
    pub fn open(path: &Path) -> Result<Self, BookError> {
        let name = path.display().to_string();
        let length = fs_err::metadata(path)?.len();
        if length > BYTES_MAX {
            let reason = format!("it has {length} bytes, a book has at most {BYTES_MAX}");
            return Err(BookError::Damaged { name, reason });
        }
        Self::from_bytes(&name, Cow::Owned(fs_err::read(path)?), true)
    }

    /// Takes bytes for a book. Those that come with the binary are not hashed each time: a test does it.
    pub(crate) fn from_bytes(
        name: &str,
        bytes: Cow<'static, [u8]>,
        check: bool,
    ) -> Result<Self, BookError> {
        let damaged = |reason: &str| BookError::Damaged {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        if bytes.get(..8) != Some(MAGIC.as_slice()) {
            return Err(damaged("it does not begin as one"));
        }
        let digest = bytes.get(8..40).unwrap_or_default();
        if check {
            let now = Sha256::digest(bytes.get(40..).unwrap_or_default());
            if *now != *digest {
                return Err(damaged(
                    "its digest does not fit: it was changed or cut short",
                ));
            }
        }
        let digest = hex::encode(digest);
        let mut sections = [(0, 0); SECTIONS];
        for (at, section) in sections.iter_mut().enumerate() {
            let start = u32_at(&bytes, 40 + at * 8) as usize;
            let end = start.saturating_add(u32_at(&bytes, 44 + at * 8) as usize);
            if start < HEADER || end > bytes.len() {
                return Err(damaged("a section lies outside of it"));
            }
            *section = (start, end);
        }
        let mut book = Self {
            bytes,
            meta: Meta::default(),
            digest,
            sections,
            names: Vec::new(),
        };
        book.names = book.read_names();
        book.meta = serde_json::from_slice(book.section(Section::Meta))
            .map_err(|error| damaged(&format!("what it says of itself cannot be read: {error}")))?;
        Ok(book)
    }

    /// What it says of itself.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The digest of it, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether its digest fits.
    pub fn is_whole(&self) -> bool {
        let rest = self.bytes.get(40..).unwrap_or_default();
        hex::encode(Sha256::digest(rest)) == self.digest
    }

    fn section(&self, section: Section) -> &[u8] {
        let (start, end) = self
            .sections
            .get(section as usize)
            .copied()
            .unwrap_or_default();
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.section(Section::Rows).len() / ROW
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn packed(&self, at: usize) -> Packed<'_> {
        let bytes = self.section(Section::Rows);
        Packed {
            bytes: bytes.get(at * ROW..(at + 1) * ROW).unwrap_or_default(),
        }
    }

    /// A slice of one section that another one has the ends of.
    fn slice(&self, ends: Section, of: Section, at: u32, width: usize) -> &[u8] {
        let ends = self.section(ends);
        let at = at as usize;
        let end = u32_at(ends, at * 4) as usize * width;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| u32_at(ends, before * 4) as usize * width);
        self.section(of).get(start..end).unwrap_or_default()
    }

    fn text(&self, at: u32) -> &str {
        std::str::from_utf8(self.letters(at)).unwrap_or_default()
    }

    /// A text as it lies in the book: to be compared, it need not be known to be one.
    fn letters(&self, at: u32) -> &[u8] {
        self.slice(Section::TextEnds, Section::Texts, at, 1)
    }

    /// How many texts there are.
    fn texts(&self) -> u32 {
        u32::try_from(self.section(Section::TextEnds).len() / 4).unwrap_or(u32::MAX)
    }

    /// The names of attributes. Texts are sorted: those of one name lie together.
    fn read_names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        let (mut at, count) = (0, self.texts());
        while at < count {
            let letters = self.letters(at);
            let Some(end) = letters.iter().position(|byte| *byte == b'=') else {
                at += 1;
                continue;
            };
            let (name, whole) = (letters.get(..end), letters.get(..=end));
            let (name, whole) = (name.unwrap_or_default(), whole.unwrap_or_default());
            let first = at;
            at += 1;
            let mut high = count;
            while at < high {
                let middle = at + (high - at) / 2;
                if self.letters(middle).starts_with(whole) {
                    at = middle + 1;
                } else {
                    high = middle;
                }
            }
            names.push(Name {
                text: Box::from(name),
                texts: first..at,
            });
        }
        // `a-b=` stands before `a=`.
        names.sort_by(|one, other| one.text.cmp(&other.text));
        names
    }

    /// The texts of an attribute.
    fn named(&self, name: &str) -> Range<u32> {
        let found = self
            .names
            .binary_search_by(|one| (*one.text).cmp(name.as_bytes()));
        let found = found.ok().and_then(|at| self.names.get(at));
        found.map_or(0..0, |one| one.texts.clone())
    }

    /// The number of a text, if any row has it.
    fn find_text(&self, wanted: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.texts());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.letters(middle).cmp(wanted.as_bytes()) {
                Ordering::Equal => return Some(middle),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The texts `name=value` of an attribute set.
    fn attributes(&self, set: u32) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.slice(Section::SetEnds, Section::Sets, set, 4)
            .chunks_exact(4)
            .map(move |four| self.text(u32_at(four, 0)))
            .filter_map(|text| text.split_once('='))
    }

    /// A row, in full.
    pub fn row(&self, at: usize) -> Row {
        let packed = self.packed(at);
        let tier = self.section(Section::Tiers);
        let tier = tier
            .get(packed.tier() as usize * TIER..)
            .unwrap_or_default();
        let origin = self.origin(packed);
        let text = |at: u32| self.text(at).to_owned();
        let attributes = self.attributes(packed.set());
        Row {
            service: text(packed.service()),
            family: text(packed.family()),
            region: text(packed.region()),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            unit: text(packed.unit()),
            price: packed.price(),
            tier_from: packed_decimal(tier, 0),
            tier_to: (tier.get(18) == Some(&1)).then(|| packed_decimal(tier, 9)),
            currency: text(origin.currency),
            effective_from: origin.from,
            effective_to: origin.to,
            quality: origin.quality,
            source: text(origin.source),
        }
    }

    fn origin(&self, packed: Packed<'_>) -> Origin {
        let all = self.section(Section::Origins);
        let bytes = all
            .get(packed.origin() as usize * ORIGIN..)
            .unwrap_or_default();
        Origin {
            source: u32_at(bytes, 0),
            currency: u32_at(bytes, 4),
            from: u32_at(bytes, 8),
            to: u32_at(bytes, 12),
            quality: Quality::from_number(bytes.get(16).copied().unwrap_or(3)),
        }
    }

    /// The first row whose service, lead and region are not before these.
    fn first_not_before(&self, key: (u32, u32, u32)) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let row = self.packed(middle);
            if (row.service(), row.lead(), row.region()) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The rows of a service with a lead, in one region or in all.
    fn range(&self, service: u32, lead: u32, region: Option<u32>) -> Range<usize> {
        let start = self.first_not_before((service, lead, region.unwrap_or(0)));
        let is_in = |at: usize| {
            let row = self.packed(at);
            row.service() == service
                && row.lead() == lead
                && region.is_none_or(|region| row.region() == region)
        };
        // They lie together, and are mostly few.
        let (mut inside, mut step) = (start, 1);
        while inside < self.len() && is_in(inside) {
            inside += step;
            step *= 2;
        }
        let (mut low, mut high) = (
            inside.saturating_sub(step / 2).max(start),
            inside.min(self.len()),
        );
        while low < high {
            let middle = low + (high - low) / 2;
            if is_in(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        start..low
    }

    /// Looks for a price: in the region, then among those that count everywhere, then elsewhere if that may be.
    pub fn ask(&self, question: &Question<'_>) -> Answer {
        let lead = lead(question.attributes.iter().copied());
        let (Some(service), Some(lead)) = (self.find_text(question.service), self.find_text(&lead))
        else {
            return Answer::Nothing;
        };
        let mut wanted = self.wanted(question);
        for region in [question.region, "", "global"] {
            let Some(region) = self.find_text(region) else {
                continue;
            };
            let answer = self.choose(
                question,
                &mut wanted,
                self.range(service, lead, Some(region)),
            );
            if answer != Answer::Nothing {
                return answer;
            }
        }
        if !question.elsewhere {
            return Answer::Nothing;
        }
        match self.choose(question, &mut wanted, self.range(service, lead, None)) {
            Answer::Found(found) => Answer::Found(Found {
                quality: Quality::Estimated,
                ..found
            }),
            _ => Answer::Nothing,
        }
    }

    /// What a question asks for, in the numbers of the book.
    fn wanted<'q>(&self, question: &Question<'q>) -> Vec<Wanted<'q>> {
        let attributes = question.attributes.iter();
        let wanted = attributes.map(|(name, value)| Wanted {
            texts: self.named(name),
            value,
            is_part: *name == PART,
            is_text: *name == super::COMPONENT_UNIT || *name == super::COMPONENT_NAME,
            last: (u32::MAX, false),
        });
        wanted.collect()
    }

    /// The row that fits best: nothing of it contradicts, and most of it is confirmed.
    fn choose(
        &self,
        question: &Question<'_>,
        wanted: &mut [Wanted<'_>],
        range: Range<usize>,
    ) -> Answer {
        let mut best: Vec<usize> = Vec::new();
        let (mut best_score, mut several) = (0, false);
        let mut one_price = None;
        let family = question.family.map(|family| self.find_text(family));
        // A row that does not say how it is bought is for on-demand.
        let bought = question
            .attributes
            .iter()
            .find(|(name, _)| *name == PURCHASE);
        let is_on_demand = bought.is_none_or(|(_, wanted)| *wanted == ON_DEMAND);
        let purchases = self.named(PURCHASE);
        for at in range {
            let row = self.packed(at);
            if family.is_some_and(|family| family != Some(row.family())) {
                continue;
            }
            let fit = self.fit(wanted, row, is_on_demand, &purchases);
            if fit == Fit::Other {
                continue;
            }
            // Prices lie in the book without zeros behind them: the same ones are the same bytes.
            let price = row.bytes.get(24..33);
            several |= one_price.is_some_and(|known| known != price);
            one_price = Some(price);
            let Fit::Confirms(score) = fit else { continue };
            if score > best_score || best.is_empty() {
                best_score = score;
                best.clear();
            }
            if score == best_score {
                best.push(at);
            }
        }
        self.among(question, &best, several)
    }

    /// How well a row fits a question.
    fn fit(
        &self,
        wanted: &mut [Wanted<'_>],
        row: Packed<'_>,
        mut is_on_demand: bool,
        purchases: &Range<u32>,
    ) -> Fit {
        let (mut score, mut fits) = (0, true);
        let texts = self.slice(Section::SetEnds, Section::Sets, row.set(), 4);
        for text in texts.chunks_exact(4).map(|four| u32_at(four, 0)) {
            is_on_demand |= purchases.contains(&text);
            // A price that depends on what the question does not say is not the one that was asked for.
            let Some(asked) = wanted.iter_mut().find(|asked| asked.texts.contains(&text)) else {
                continue;
            };
            if asked.last.0 != text {
                asked.last = (text, self.says(text, asked.value));
            }
            if asked.last.1 {
                score += 1;
            } else if asked.is_text {
                return Fit::Other;
            } else if !asked.is_part {
                // Where no price of this part is known, one of another part with the same text counts.
                fits = false;
            }
        }
        if fits && is_on_demand {
            Fit::Confirms(score)
        } else {
            Fit::Contradicts
        }
    }

    /// Whether an attribute has a value, however it is written.
    fn says(&self, text: u32, value: &str) -> bool {
        let letters = self.letters(text);
        let Some(from) = letters.len().checked_sub(value.len()) else {
            return false;
        };
        let (name, said) = letters.split_at_checked(from).unwrap_or_default();
        let is_whole = name.iter().position(|byte| *byte == b'=') == from.checked_sub(1);
        is_whole && said.eq_ignore_ascii_case(value.as_bytes())
    }

    /// One of several rows that fit equally well: the lowest step, the newest date, the surest.
    fn among(&self, question: &Question<'_>, rows: &[usize], chosen: bool) -> Answer {
        let mut rows: Vec<Candidate> = rows
            .iter()
            .map(|at| self.candidate(*at))
            .filter(|row| {
                let begun = row.origin.from <= question.date || question.date == 0;
                begun && (row.origin.to == 0 || row.origin.to > question.date)
            })
            .collect();
        let Some(lowest) = rows.iter().map(|row| row.tier_from).min() else {
            return Answer::Nothing;
        };
        rows.retain(|row| row.tier_from == lowest);
        // What a catalogue says later replaces what it said; texts of components are of one time.
        let newest = rows.iter().map(|row| row.origin.from).max().unwrap_or(0);
        rows.retain(|row| row.is_component || row.origin.from == newest);
        rows.sort_by_key(|row| {
            let origin = &row.origin;
            (origin.quality, std::cmp::Reverse(origin.from), row.at)
        });
        let prices: BTreeSet<Decimal> = rows.iter().map(|row| row.price).collect();
        let Some(row) = rows.first() else {
            return Answer::Nothing;
        };
        if prices.len() > 1 {
            return Answer::Ambiguous(prices.into_iter().collect());
        }
        Answer::Found(Found {
            price: row.price,
            currency: self.text(row.origin.currency).to_owned(),
            quality: row.origin.quality,
            source: self.text(row.origin.source).to_owned(),
            effective_from: row.origin.from,
            row: u32::try_from(row.at).unwrap_or(u32::MAX),
            chosen,
        })
    }

    /// What tells rows apart that fit a question equally well.
    fn candidate(&self, at: usize) -> Candidate {
        let packed = self.packed(at);
        let tier = self.section(Section::Tiers);
        let tier = tier
            .get(packed.tier() as usize * TIER..)
            .unwrap_or_default();
        Candidate {
            at,
            price: packed.price(),
            tier_from: packed_decimal(tier, 0),
            is_component: self.letters(packed.family()) == COMPONENT.as_bytes(),
            origin: self.origin(packed),
        }
    }
}

/// How well a row fits a question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It is of another text.
    Other,
    /// It has the text, and an attribute that is not the one asked for.
    Contradicts,
    /// So many attributes are as they were asked for, and none is otherwise.
    Confirms(u32),
}

struct Candidate {
    at: usize,
    price: Decimal,
    tier_from: Decimal,
    is_component: bool,
    origin: Origin,
}

struct Origin {
    source: u32,
    currency: u32,
    from: u32,
    to: u32,
    quality: Quality,
}
