//! Books are built, listed, asked, compared, and filled from price lists of others.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{DeskError, day, estimate};
use crate::price::book::{Book, BookError, Source};
use crate::price::build::Builder;
use crate::price::import::{Kind, import};
use crate::price::tables::{Which, read};
use crate::price::{Answer, Question, Row, shown_date};

/// Differences shown to eyes at most.
const SHOWN_MAX: usize = 200;

/// Price books.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Say what a book holds
    List(List),
    /// Read price lists that were downloaded into a book
    Import(Import),
    /// Say how prices differ between two books
    Diff(Diff),
    /// Look for a price
    Lookup(Lookup),
    /// Build a book from a directory of extracted facts
    Build(Build),
}

/// Of which book what is listed.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// The book; the one that comes with the program where none is given
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// The rows of one service
    #[arg(long)]
    service: Option<String>,
    /// The rows of one region
    #[arg(long)]
    region: Option<String>,
}

/// What a price list is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListKind {
    /// An offer file of AWS, JSON or CSV
    AwsOffer,
    /// Pages of Azure's retail prices
    AzureRetail,
    /// A list of SKUs of Google
    GoogleSkus,
    /// Rows with the columns of a book
    Csv,
}

/// Which lists are read, and where to.
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// What the lists are
    #[arg(long, value_enum)]
    kind: ListKind,
    /// The lists
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the book is written; packed where the name ends in .gz
    #[arg(long, value_name = "FILE")]
    book: PathBuf,
    /// The name of the book
    #[arg(long, default_value = "import")]
    id: String,
    /// A book whose rows are kept as well
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

/// What is compared.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// The one book
    one: PathBuf,
    /// The other
    other: PathBuf,
}

/// What is looked for.
#[derive(Args, Clone, Debug)]
pub struct Lookup {
    /// `service=AmazonEC2;region=eu-west-1;instance_type=m5.large;os=Linux`
    query: String,
    /// The book; the one that comes with the program where none is given
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// The day whose price counts, like 2026-08-21; today where none is given
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
}

/// From what a book is built.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// The directory of facts
    facts: PathBuf,
    /// Where the book is written; packed where the name ends in .gz
    #[arg(long, value_name = "FILE")]
    book: PathBuf,
    /// The name of the book
    #[arg(long, default_value = "starter")]
    id: String,
    /// Only unit prices by the text of a component
    #[arg(long)]
    unit_prices_only: bool,
    /// The date of the book, like 2026-08-21; today where none is given
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
}

/// What a command about books found.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Report {
    /// A book was written.
    Written(Written),
    /// What a book is.
    Listed(Listed),
    /// Rows of a book.
    Rows(Vec<Shown>),
    /// One price.
    Found(Shown),
    /// What differs.
    Differs(Differs),
}

/// A book that was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// Where it is.
    pub book: String,
    /// How many rows it was given.
    pub rows: usize,
    /// What it takes, unpacked.
    pub bytes: usize,
    /// The digest that estimates name.
    pub digest: String,
}

/// What a book is.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// When it was made.
    pub created_at: String,
    /// Since when the newest of its prices counts.
    pub newest: String,
    /// How many rows it has.
    pub rows: u32,
    /// Its digest.
    pub digest: String,
    /// What it was made from.
    pub sources: Vec<Source>,
    /// How many rows each service has.
    pub services: BTreeMap<String, usize>,
}

/// A row, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Whose catalogue it is from.
    pub service: String,
    /// The family of products.
    pub family: String,
    /// Where it counts; empty is everywhere.
    pub region: String,
    /// What the product is.
    pub attributes: BTreeMap<String, String>,
    /// The price of one unit, with every digit.
    pub price: String,
    /// Its currency.
    pub currency: String,
    /// Of what it is the price.
    pub unit: String,
    /// From which quantity on it counts.
    pub tier_from: String,
    /// Up to which; nothing is for ever.
    pub tier_to: Option<String>,
    /// Since when it counts.
    pub effective_from: String,
    /// How sure it is.
    pub quality: &'static str,
    /// Where it is from.
    pub source: String,
}

/// How two books differ.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Differs {
    /// Prices that are otherwise.
    pub changed: Vec<Changed>,
    /// How many prices only the other has.
    pub new: usize,
    /// How many only the one has.
    pub gone: usize,
}

/// A price that is otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: Shown,
}

/// Does what is asked.
///
/// # Errors
///
/// If a file cannot be read or written, a list is wrong, or there is no such price.
pub fn run(verb: &Verb, today: u32) -> Result<Report, DeskError> {
    Ok(match verb {
        Verb::List(asked) => list(asked)?,
        Verb::Import(asked) => Report::Written(read_lists(asked, today)?),
        Verb::Diff(asked) => Report::Differs(diff(asked)?),
        Verb::Lookup(asked) => Report::Found(lookup(asked, today)?),
        Verb::Build(asked) => Report::Written(build(asked, today)?),
    })
}

/// Writes a book beside its place and moves it there: a book is whole or not there.
fn write(builder: Builder, id: &str, date: &str, path: &Path) -> Result<Written, DeskError> {
    let rows = builder.len();
    let bytes = builder.finish(id, date)?;
    let beside = path.with_extension("part");
    let file = fs_err::File::create(&beside)?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut packer = flate2::GzBuilder::new().write(file, flate2::Compression::best());
        packer.write_all(&bytes)?;
        packer.finish()?.sync_all()?;
    } else {
        let mut file = file;
        file.write_all(&bytes)?;
        file.sync_all()?;
    }
    fs_err::rename(&beside, path)?;
    Ok(Written {
        book: path.display().to_string(),
        rows,
        bytes: bytes.len(),
        digest: hex::encode(bytes.get(8..40).unwrap_or_default()),
    })
}

fn build(asked: &Build, today: u32) -> Result<Written, DeskError> {
    let mut builder = Builder::default();
    let which = if asked.unit_prices_only {
        Which::UnitPrices
    } else {
        Which::All
    };
    let date = shown_date(day(asked.date.as_deref(), today)?);
    read(&asked.facts, which, &mut builder)?;
    write(builder, &asked.id, &date, &asked.book)
}

fn read_lists(asked: &Import, today: u32) -> Result<Written, DeskError> {
    let kind = match asked.kind {
        ListKind::AwsOffer => Kind::AwsOffer,
        ListKind::AzureRetail => Kind::AzureRetail,
        ListKind::GoogleSkus => Kind::GoogleSkus,
        ListKind::Csv => Kind::Csv,
    };
    let mut builder = Builder::default();
    if let Some(path) = &asked.base {
        let base = Book::open(path)?;
        for at in 0..base.len() {
            builder.add(&base.row(at))?;
        }
        builder.source(&base.meta().id, base.digest());
    }
    for path in &asked.files {
        import(kind, path, &mut builder)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        builder.source(&name.unwrap_or_default(), "");
    }
    write(builder, &asked.id, &shown_date(today), &asked.book)
}

fn list(asked: &List) -> Result<Report, DeskError> {
    let book = estimate::book(asked.book.as_deref())?;
    let all = (0..book.len()).map(|at| book.row(at));
    if asked.service.is_some() || asked.region.is_some() {
        let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|it| it == has);
        let rows =
            all.filter(|row| is(&asked.service, &row.service) && is(&asked.region, &row.region));
        return Ok(Report::Rows(rows.map(Shown::of).collect()));
    }
    let mut services: BTreeMap<String, usize> = BTreeMap::new();
    for row in all {
        *services.entry(row.service).or_insert(0) += 1;
    }
    let meta = book.meta().clone();
    Ok(Report::Listed(Listed {
        id: meta.id,
        created_at: meta.created_at,
        newest: meta.newest,
        rows: meta.rows,
        digest: book.digest().to_owned(),
        sources: meta.sources,
        services,
    }))
}

fn lookup(asked: &Lookup, today: u32) -> Result<Shown, DeskError> {
    let refuse = |reason: String| DeskError::Asked(reason);
    let book = estimate::book(asked.book.as_deref())?;
    let mut attributes = Vec::new();
    let (mut service, mut region, mut family) = ("", "", None);
    for pair in asked.query.split(';').filter(|it| !it.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| refuse(format!("{pair:?} is no `name=value`")))?;
        match name.trim() {
            "service" => service = value.trim(),
            "region" => region = value.trim(),
            "family" => family = Some(value.trim()),
            name => attributes.push((name, value.trim())),
        }
    }
    if service.is_empty() {
        return Err(refuse(
            "say of which service: `service=AmazonEC2;…` (`price list` tells all)".to_owned(),
        ));
    }
    let region = region.to_lowercase();
    let question = Question {
        service,
        family,
        region: &region,
        attributes,
        date: day(asked.date.as_deref(), today)?,
        elsewhere: false,
    };
    match book.ask(&question) {
        Answer::Found(found) => Ok(Shown::of(book.row(found.row as usize))),
        Answer::Nothing => Err(refuse(format!(
            "the book {} has no price of {}",
            book.meta().id,
            asked.query
        ))),
        Answer::Ambiguous(prices) => {
            let shown: Vec<String> = prices.iter().map(|it| it.normalize().to_string()).collect();
            Err(refuse(format!(
                "{} prices fit, say more to tell them apart: {}",
                prices.len(),
                shown.join(", ")
            )))
        }
    }
}

fn diff(asked: &Diff) -> Result<Differs, BookError> {
    let (one, other) = (Book::open(&asked.one)?, Book::open(&asked.other)?);
    let index = |book: &Book| {
        let key = |row: &Row| {
            (
                row.service.clone(),
                row.family.clone(),
                row.region.clone(),
                row.attributes.clone(),
                row.tier_from,
                row.currency.clone(),
            )
        };
        let mut newest: BTreeMap<_, Row> = BTreeMap::new();
        for row in (0..book.len()).map(|at| book.row(at)) {
            let key = key(&row);
            let known = newest.get(&key);
            if known.is_none_or(|known| known.effective_from <= row.effective_from) {
                newest.insert(key, row);
            }
        }
        newest
    };
    let (one, mut other) = (index(&one), index(&other));
    let mut differs = Differs::default();
    for (key, row) in one {
        match other.remove(&key) {
            Some(now) if now.price == row.price => {}
            Some(now) => differs.changed.push(Changed {
                before: row.price.normalize().to_string(),
                after: Shown::of(now),
            }),
            None => differs.gone += 1,
        }
    }
    differs.new = other.len();
    Ok(differs)
}

impl Shown {
    fn of(row: Row) -> Self {
        Self {
            service: row.service,
            family: row.family,
            region: row.region,
            attributes: row.attributes.into_iter().collect(),
            price: row.price.normalize().to_string(),
            currency: row.currency,
            unit: row.unit,
            tier_from: row.tier_from.normalize().to_string(),
            tier_to: row.tier_to.map(|to| to.normalize().to_string()),
            effective_from: shown_date(row.effective_from),
            quality: row.quality.name(),
            source: row.source,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes: Vec<String> = self
            .attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        write!(
            f,
            "{} {} {} [{}] {} {} per {}",
            self.service,
            self.family,
            self.region,
            attributes.join(";"),
            self.price,
            self.currency,
            self.unit,
        )?;
        match &self.tier_to {
            Some(to) => write!(f, " from {} to {to}", self.tier_from)?,
            None if self.tier_from != "0" => write!(f, " from {}", self.tier_from)?,
            None => {}
        }
        write!(
            f,
            " ({}, {}, {})",
            self.effective_from, self.quality, self.source
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(it) => writeln!(
                f,
                "{}: {} rows, {} bytes, digest {}",
                it.book, it.rows, it.bytes, it.digest
            ),
            Self::Found(row) => writeln!(f, "{row}"),
            Self::Rows(rows) => rows.iter().try_for_each(|row| writeln!(f, "{row}")),
            Self::Listed(it) => {
                writeln!(
                    f,
                    "{} made on {}, newest price {}, {} rows, digest {}",
                    it.id, it.created_at, it.newest, it.rows, it.digest
                )?;
                for source in &it.sources {
                    writeln!(f, "  {:>8} {} {}", source.rows, source.name, source.sha256)?;
                }
                let mut services = it.services.iter();
                services.try_for_each(|(service, count)| writeln!(f, "{count:>8} {service}"))
            }
            Self::Differs(it) => {
                for changed in it.changed.iter().take(SHOWN_MAX) {
                    writeln!(
                        f,
                        "{} → {}: {}",
                        changed.before, changed.after.price, changed.after
                    )?;
                }
                writeln!(
                    f,
                    "{} prices changed, {} are new, {} are gone",
                    it.changed.len(),
                    it.new,
                    it.gone
                )
            }
        }
    }
}
