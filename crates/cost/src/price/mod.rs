//! Prices: a book of facts, and how one of them is found.
//!
//! A row says what one product costs in one region: attributes, unit, price, the step of the quantity it counts for, since when, and how
//! sure it is. A book is a set of rows in one immutable file with a digest, so that an estimate can be recomputed years later. Over a
//! book lie the rows of a house ([`overlay`]). Absent on purpose: any network, and any sum over two currencies.

pub mod book;
pub mod build;
pub(crate) mod hidden;
pub mod import;
pub mod overlay;
pub mod tables;

use rust_decimal::Decimal;

/// How sure a price is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// From a price list.
    Listed,
    /// From what a known quantity was said to cost.
    Derived,
    /// From a price list whose dimension was found by comparing prices.
    Anchored,
    /// From another region, or from a region that was guessed.
    Estimated,
}

impl Quality {
    /// Its name in files and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Derived => "derived",
            Self::Anchored => "anchored",
            Self::Estimated => "estimated",
        }
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Listed, Self::Derived, Self::Anchored, Self::Estimated]
            .into_iter()
            .find(|quality| quality.name() == name)
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Listed,
            1 => Self::Derived,
            2 => Self::Anchored,
            _ => Self::Estimated,
        }
    }
}

/// A price, as files have it and as it goes into a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose catalogue it is from: `AmazonEC2`, or a resource type for prices by the text of a component.
    pub service: String,
    /// The family of products, or [`COMPONENT`].
    pub family: String,
    /// Where it counts; empty is everywhere.
    pub region: String,
    /// What the product is, sorted by name.
    pub attributes: Vec<(String, String)>,
    /// Of what the price is.
    pub unit: String,
    /// The price of one unit.
    pub price: Decimal,
    /// From which quantity on it counts.
    pub tier_from: Decimal,
    /// Up to which quantity it counts.
    pub tier_to: Option<Decimal>,
    /// The currency, by its ISO code.
    pub currency: String,
    /// Since when, as year, month and day in one number; 0 is always.
    pub effective_from: u32,
    /// Until when; 0 is always.
    pub effective_to: u32,
    /// How sure it is.
    pub quality: Quality,
    /// Where it is from.
    pub source: String,
}

/// The family of rows that are found by the text of a component, not by a catalogue.
pub const COMPONENT: &str = "component";
/// The attribute that holds this text.
pub(crate) const COMPONENT_NAME: &str = "component";
/// The attribute that holds the unit as the component shows it.
pub(crate) const COMPONENT_UNIT: &str = "unit";
/// The attribute that holds the sub-resource.
pub(crate) const PART: &str = "part";
/// The attribute that holds how it is bought.
pub(crate) const PURCHASE: &str = "purchase";
/// How it is bought where nothing is said.
pub(crate) const ON_DEMAND: &str = "on_demand";

/// Attributes by which rows are found, the most telling first.
const LEADS: [&str; 13] = [
    COMPONENT_NAME,
    "instance_type",
    "vm_size",
    "machine_type",
    "sku",
    "volume_type",
    "op",
    "class",
    "usagetype_eu_west_1",
    "operation",
    "meter",
    "description",
    "type",
];

/// The value by which a row or a question with these attributes is found.
pub(crate) fn lead<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    LEADS
        .iter()
        .find_map(|wanted| {
            attributes
                .clone()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.to_lowercase())
        })
        .unwrap_or_default()
}

/// A date as year, month and day in one number.
pub fn date(text: &str) -> Option<u32> {
    let digits: String = text.get(..10)?.split('-').collect();
    let number: u32 = digits.parse().ok()?;
    let (month, day) = (number / 100 % 100, number % 100);
    let fits = digits.len() == 8 && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then_some(number)
}

/// A date as people write it.
pub fn shown_date(number: u32) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        number / 10_000,
        number / 100 % 100,
        number % 100
    )
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// The service, or the resource type.
    pub service: &'q str,
    /// The family, if it matters.
    pub family: Option<&'q str>,
    /// The region.
    pub region: &'q str,
    /// What is known of the product.
    pub attributes: Vec<(&'q str, &'q str)>,
    /// The date the price is to count at, as one number.
    pub date: u32,
    /// Whether a price of another region counts, where all regions agree on one, marked as estimated.
    pub elsewhere: bool,
}

/// A price that was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Found {
    /// The price.
    pub price: Decimal,
    /// Its currency.
    pub currency: String,
    /// How sure it is.
    pub quality: Quality,
    /// Where it is from.
    pub source: String,
    /// Since when it counts; 0 is always.
    pub effective_from: u32,
    /// The place of the row in the book, by which it is found again.
    pub row: u32,
    /// Several prices fit the text, and attributes of the plan chose among them.
    pub chosen: bool,
}

/// What a question found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One price.
    Found(Found),
    /// None.
    Nothing,
    /// Several that differ, and nothing to tell them apart.
    Ambiguous(Vec<Decimal>),
}

#[cfg(test)]
mod tests;
