//! Makes a book out of rows.
//!
//! Texts, attribute sets, steps and origins are kept once; a row is forty bytes while the book grows. The same rows give the same bytes,
//! in whatever order they came, so that a digest names prices and not the way they were read.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use super::book::{Book, BookError, HEADER, MAGIC, Meta, ROW, SECTIONS, Source};
use super::{Row, lead, shown_date};

/// A book has at most this many rows.
const ROWS_MAX: usize = 20_000_000;
/// Prices above this are a mistake in the file.
const PRICE_MAX: u32 = 1_000_000_000;

/// A row cannot go into a book.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RowError {
    /// The price is below zero.
    #[error("the price {0} is negative: a discount is a row of an overlay with `multiply`")]
    Negative(Decimal),
    /// The price is above what anything costs.
    #[error("the price {0} is above {PRICE_MAX}: is the decimal point lost?")]
    Huge(Decimal),
    /// The currency is no code.
    #[error("the currency {0:?} is no code of three capitals, like USD")]
    Currency(String),
    /// A step begins after it ends.
    #[error("the step from {0} to {1} is empty")]
    Step(Decimal, Decimal),
    /// A text cannot be kept.
    #[error("{0:?} cannot be an attribute: it has `;` or no `=`")]
    Attribute(String),
    /// There are too many.
    #[error("a book holds at most {ROWS_MAX} rows")]
    Many,
    /// There are too many different ones.
    #[error("a book holds at most 65535 different {0}")]
    Different(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Packed {
    service: u32,
    lead: u32,
    region: u32,
    family: u32,
    unit: u32,
    set: u32,
    amount: u64,
    tier: u16,
    origin: u16,
    scale: u8,
}

type Tier = (Decimal, Option<Decimal>);
type Origin = (u32, u32, u32, u32, u8);

/// Collects rows for a book.
#[derive(Default)]
pub struct Builder {
    texts: HashMap<String, u32>,
    sets: HashMap<Box<[u32]>, u32>,
    tiers: HashMap<Tier, u16>,
    origins: HashMap<Origin, u16>,
    rows: Vec<Packed>,
    newest: u32,
    sources: Vec<Source>,
}

impl Builder {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Notes what the rows since the last note came from.
    pub fn source(&mut self, name: &str, sha256: &str) {
        let before: usize = self.sources.iter().map(|source| source.rows as usize).sum();
        let rows = u32::try_from(self.rows.len() - before).unwrap_or(u32::MAX);
        self.sources.push(Source {
            name: name.to_owned(),
            rows,
            sha256: sha256.to_owned(),
        });
    }

    /// Takes a row, or says why not.
    pub fn add(&mut self, row: &Row) -> Result<(), RowError> {
        check(row)?;
        if self.rows.len() >= ROWS_MAX {
            return Err(RowError::Many);
        }
        let price = row.price.normalize();
        let amount = u64::try_from(price.mantissa()).map_err(|_| RowError::Huge(row.price))?;
        let lead = lead(
            row.attributes
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let mut set: Vec<u32> = row
            .attributes
            .iter()
            .map(|(name, value)| self.text(&format!("{name}={value}")))
            .collect();
        set.sort_unstable();
        let set = number(&mut self.sets, set.into_boxed_slice());
        let tier = (
            row.tier_from.normalize(),
            row.tier_to.map(|to| to.normalize()),
        );
        let tier = short(&mut self.tiers, tier, "steps")?;
        let (source, currency) = (self.text(&row.source), self.text(&row.currency));
        let origin = (
            source,
            currency,
            row.effective_from,
            row.effective_to,
            row.quality as u8,
        );
        let origin = short(&mut self.origins, origin, "sources, dates and currencies")?;
        self.newest = self.newest.max(row.effective_from);
        let packed = Packed {
            service: self.text(&row.service),
            lead: self.text(&lead),
            region: self.text(&row.region.to_lowercase()),
            family: self.text(&row.family),
            unit: self.text(&row.unit),
            set,
            amount,
            tier,
            origin,
            scale: u8::try_from(price.scale()).unwrap_or(u8::MAX),
        };
        self.rows.push(packed);
        Ok(())
    }

    fn text(&mut self, text: &str) -> u32 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        number(&mut self.texts, text.to_owned())
    }

    /// The book, named and dated.
    pub fn finish(mut self, id: &str, created_at: &str) -> Result<Vec<u8>, BookError> {
        let meta = Meta {
            id: id.to_owned(),
            created_at: created_at.to_owned(),
            newest: shown_date(self.newest),
            rows: u32::try_from(self.rows.len()).unwrap_or(u32::MAX),
            sources: std::mem::take(&mut self.sources),
        };
        let mut texts: Vec<(String, u32)> = std::mem::take(&mut self.texts).into_iter().collect();
        texts.sort_unstable();
        let places = places(texts.iter().map(|(_, old)| *old));
        let renumber = |old: u32| places.get(old as usize).copied().unwrap_or_default();
        let sections: [Vec<u8>; SECTIONS] = [
            serde_json::to_vec(&meta).map_err(|error| BookError::Read(error.into()))?,
            ends(texts.iter().map(|(text, _)| text.len())),
            texts.iter().flat_map(|(text, _)| text.bytes()).collect(),
            Vec::new(),
            Vec::new(),
            self.order_tiers(),
            self.order_origins(&renumber),
            Vec::new(),
        ];
        drop(texts);
        Ok(write(self.rows_and_sets(sections, &renumber)))
    }

    /// Writes steps in order, and numbers those of the rows anew.
    fn order_tiers(&mut self) -> Vec<u8> {
        let mut ordered: Vec<(Tier, u16)> = std::mem::take(&mut self.tiers).into_iter().collect();
        ordered.sort_unstable();
        let places = short_places(ordered.iter().map(|(_, old)| *old));
        for row in &mut self.rows {
            row.tier = places
                .get(usize::from(row.tier))
                .copied()
                .unwrap_or_default();
        }
        let mut bytes = Vec::new();
        for ((from, to), _) in ordered {
            push_decimal(&mut bytes, from);
            push_decimal(&mut bytes, to.unwrap_or_default());
            bytes.push(u8::from(to.is_some()));
            bytes.extend_from_slice(&[0; 5]);
        }
        bytes
    }

    /// Writes origins in order, and numbers those of the rows anew.
    fn order_origins(&mut self, renumber: &impl Fn(u32) -> u32) -> Vec<u8> {
        let mut ordered: Vec<(Origin, u16)> = std::mem::take(&mut self.origins)
            .into_iter()
            .map(|((source, currency, from, to, quality), old)| {
                let origin = (renumber(source), renumber(currency), from, to, quality);
                (origin, old)
            })
            .collect();
        ordered.sort_unstable();
        let places = short_places(ordered.iter().map(|(_, old)| *old));
        for row in &mut self.rows {
            row.origin = places
                .get(usize::from(row.origin))
                .copied()
                .unwrap_or_default();
        }
        let mut bytes = Vec::new();
        for ((source, currency, from, to, quality), _) in ordered {
            for number in [source, currency, from, to] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&[quality, 0, 0, 0]);
        }
        bytes
    }

    /// Puts rows and attribute sets in order and writes them.
    fn rows_and_sets(
        mut self,
        mut sections: [Vec<u8>; SECTIONS],
        renumber: &impl Fn(u32) -> u32,
    ) -> [Vec<u8>; SECTIONS] {
        let mut sets: Vec<(Box<[u32]>, u32)> = std::mem::take(&mut self.sets).into_iter().collect();
        for (set, _) in &mut sets {
            for text in &mut *set {
                *text = renumber(*text);
            }
            set.sort_unstable();
        }
        sets.sort_unstable();
        let set_places = places(sets.iter().map(|(_, old)| *old));
        for row in &mut self.rows {
            for text in [
                &mut row.service,
                &mut row.lead,
                &mut row.region,
                &mut row.family,
                &mut row.unit,
            ] {
                *text = renumber(*text);
            }
            row.set = set_places
                .get(row.set as usize)
                .copied()
                .unwrap_or_default();
        }
        self.rows.sort_unstable();
        self.rows.dedup();
        let [_, _, _, set_ends, set_bytes, _, _, row_bytes] = &mut sections;
        *set_ends = ends(sets.iter().map(|(set, _)| set.len()));
        *set_bytes = sets
            .iter()
            .flat_map(|(set, _)| set.iter().flat_map(|text| text.to_le_bytes()))
            .collect();
        row_bytes.reserve(self.rows.len() * ROW);
        for row in &self.rows {
            for number in [
                row.service,
                row.lead,
                row.region,
                row.family,
                row.unit,
                row.set,
            ] {
                row_bytes.extend_from_slice(&number.to_le_bytes());
            }
            row_bytes.extend_from_slice(&row.amount.to_le_bytes());
            row_bytes.extend_from_slice(&[row.scale, 0]);
            row_bytes.extend_from_slice(&row.tier.to_le_bytes());
            row_bytes.extend_from_slice(&row.origin.to_le_bytes());
            row_bytes.extend_from_slice(&[0; 2]);
        }
        sections
    }

    /// The book, to be asked at once.
    pub fn book(self, id: &str, created_at: &str) -> Result<Book, BookError> {
        Book::from_bytes(id, self.finish(id, created_at)?.into(), false)
    }
}

fn check(row: &Row) -> Result<(), RowError> {
    if row.price.is_sign_negative() && !row.price.is_zero() {
        return Err(RowError::Negative(row.price));
    }
    if row.price > Decimal::from(PRICE_MAX) {
        return Err(RowError::Huge(row.price));
    }
    let code = row.currency.as_bytes();
    if code.len() != 3 || !code.iter().all(u8::is_ascii_uppercase) {
        return Err(RowError::Currency(row.currency.clone()));
    }
    if let Some(to) = row.tier_to
        && to <= row.tier_from
    {
        return Err(RowError::Step(row.tier_from, to));
    }
    let odd = |(name, value): &&(String, String)| {
        name.is_empty() || name.contains(['=', ';']) || value.contains(';')
    };
    match row.attributes.iter().find(odd) {
        Some((name, value)) => Err(RowError::Attribute(format!("{name}={value}"))),
        None => Ok(()),
    }
}

/// The number of a key, a new one where it has none.
fn number<K: std::hash::Hash + Eq>(all: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = u32::try_from(all.len()).unwrap_or(u32::MAX);
    *all.entry(key).or_insert(next)
}

fn short<K: std::hash::Hash + Eq>(
    all: &mut HashMap<K, u16>,
    key: K,
    what: &'static str,
) -> Result<u16, RowError> {
    let next = u16::try_from(all.len()).map_err(|_| RowError::Different(what))?;
    Ok(*all.entry(key).or_insert(next))
}

/// Where each old number stands now.
fn places(olds: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut pairs: Vec<(u32, u32)> = (0..).zip(olds).map(|(new, old)| (old, new)).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, new)| new).collect()
}

/// The same for small numbers.
fn short_places(olds: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut pairs: Vec<(u16, u16)> = (0..=u16::MAX)
        .zip(olds)
        .map(|(new, old)| (old, new))
        .collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, new)| new).collect()
}

fn ends(lengths: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut end = 0_usize;
    lengths
        .flat_map(|length| {
            end += length;
            u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes()
        })
        .collect()
}

fn push_decimal(bytes: &mut Vec<u8>, number: Decimal) {
    let number = number.normalize();
    let amount = u64::try_from(number.mantissa()).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&amount.to_le_bytes());
    bytes.push(u8::try_from(number.scale()).unwrap_or_default());
}

fn write(sections: [Vec<u8>; SECTIONS]) -> Vec<u8> {
    let mut places = Vec::new();
    let mut start = HEADER;
    for section in &sections {
        for number in [start, section.len()] {
            places.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        start += section.len();
    }
    let mut digest = Sha256::new();
    digest.update(&places);
    for section in &sections {
        digest.update(section);
    }
    let mut bytes = Vec::with_capacity(start);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&digest.finalize());
    bytes.extend_from_slice(&places);
    for section in sections {
        bytes.extend_from_slice(&section);
    }
    bytes
}
