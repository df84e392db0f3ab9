//! `price`: books are built, listed, asked, compared, and filled from price lists of others.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use statehouse_cost::price::book::Book;
use statehouse_cost::price::build::Builder;
use statehouse_cost::price::import::{Kind, import};
use statehouse_cost::price::tables::{Which, read};
use statehouse_cost::price::{Answer, Question, Row, date, shown_date};

use super::estimate::today;
use super::{Failure, print};

/// Differences shown at most.
const SHOWN_MAX: usize = 200;

/// Price books.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Builds a book from a directory of extracted facts
    Build(Build),
    /// Says what a book holds
    List(List),
    /// Looks for a price
    Lookup(Lookup),
    /// Says how prices differ between two books
    Diff(Diff),
    /// Reads price lists that were downloaded into a book
    Import(Import),
}

/// Builds a book.
#[derive(Args)]
pub(crate) struct Build {
    /// The directory of facts
    facts: PathBuf,
    /// Where the book is written; packed where the name ends in .gz
    #[arg(long)]
    book: PathBuf,
    /// The name of the book
    #[arg(long, default_value = "starter")]
    id: String,
    /// Only unit prices by the text of a component
    #[arg(long)]
    unit_prices_only: bool,
    /// The date of the book; today where none is given
    #[arg(long)]
    date: Option<String>,
}

/// Says what a book holds.
#[derive(Args)]
pub(crate) struct List {
    /// The book; the one that comes with the binary where none is given
    #[arg(long)]
    book: Option<PathBuf>,
    /// The rows of one service
    #[arg(long)]
    service: Option<String>,
    /// The rows of one region
    #[arg(long)]
    region: Option<String>,
}

/// Looks for a price.
#[derive(Args)]
pub(crate) struct Lookup {
    /// `service=AmazonEC2;region=eu-west-1;instance_type=m5.large;os=Linux`
    query: String,
    /// The book; the one that comes with the binary where none is given
    #[arg(long)]
    book: Option<PathBuf>,
    /// The day whose price counts
    #[arg(long)]
    date: Option<String>,
}

/// Says how prices differ.
#[derive(Args)]
pub(crate) struct Diff {
    /// The one book
    one: PathBuf,
    /// The other
    other: PathBuf,
}

/// Reads price lists into a book.
#[derive(Args)]
pub(crate) struct Import {
    /// What they are: aws-offer, azure-retail, google-skus or csv
    #[arg(long)]
    kind: String,
    /// The lists
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the book is written
    #[arg(long)]
    book: PathBuf,
    /// The name of the book
    #[arg(long, default_value = "import")]
    id: String,
    /// A book whose rows are kept as well
    #[arg(long)]
    base: Option<PathBuf>,
}

pub(crate) fn run(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Build(arguments) => build(arguments),
        Command::List(arguments) => list(arguments),
        Command::Lookup(arguments) => lookup(arguments),
        Command::Diff(arguments) => diff(arguments),
        Command::Import(arguments) => read_lists(arguments),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn opened(path: Option<&PathBuf>) -> Result<Book, Failure> {
    Ok(match path {
        Some(path) => Book::open(path)?,
        None => Book::starter()?,
    })
}

/// Writes a book beside its place and moves it there: a book is whole or not there.
fn write(builder: Builder, id: &str, date: &str, path: &Path) -> Result<(), Failure> {
    let rows = builder.len();
    let bytes = builder.finish(id, date)?;
    let length = bytes.len();
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
    print(&format!(
        "{}: {rows} rows, {length} bytes\n",
        path.display()
    ))
}

fn build(arguments: &Build) -> Result<(), Failure> {
    let mut builder = Builder::default();
    let which = if arguments.unit_prices_only {
        Which::UnitPrices
    } else {
        Which::All
    };
    read(&arguments.facts, which, &mut builder)?;
    let date = arguments
        .date
        .clone()
        .unwrap_or_else(|| shown_date(today()));
    write(builder, &arguments.id, &date, &arguments.book)
}

fn read_lists(arguments: &Import) -> Result<(), Failure> {
    let kind = Kind::from_name(&arguments.kind).ok_or_else(|| {
        format!(
            "{} is no kind of list: aws-offer, azure-retail, google-skus, csv",
            arguments.kind
        )
    })?;
    let mut builder = Builder::default();
    if let Some(path) = &arguments.base {
        let base = Book::open(path)?;
        for at in 0..base.len() {
            builder.add(&base.row(at))?;
        }
        builder.source(&base.meta().id, base.digest());
    }
    for path in &arguments.files {
        import(kind, path, &mut builder)?;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        builder.source(&name.unwrap_or_default(), "");
    }
    write(
        builder,
        &arguments.id,
        &shown_date(today()),
        &arguments.book,
    )
}

fn list(arguments: &List) -> Result<(), Failure> {
    let book = opened(arguments.book.as_ref())?;
    if arguments.service.is_some() || arguments.region.is_some() {
        return rows(&book, arguments);
    }
    let meta = book.meta();
    print(&format!(
        "{} made on {}, newest price {}, {} rows, digest {}\n",
        meta.id,
        meta.created_at,
        meta.newest,
        meta.rows,
        book.digest()
    ))?;
    for source in &meta.sources {
        print(&format!(
            "  {:>8} {} {}\n",
            source.rows, source.name, source.sha256
        ))?;
    }
    let mut services: BTreeMap<String, usize> = BTreeMap::new();
    for at in 0..book.len() {
        *services.entry(book.row(at).service).or_insert(0) += 1;
    }
    for (service, count) in services {
        print(&format!("{count:>8} {service}\n"))?;
    }
    Ok(())
}

fn rows(book: &Book, arguments: &List) -> Result<(), Failure> {
    for at in 0..book.len() {
        let row = book.row(at);
        let is =
            |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        if is(&arguments.service, &row.service) && is(&arguments.region, &row.region) {
            print(&(shown(&row) + "\n"))?;
        }
    }
    Ok(())
}

fn shown(row: &Row) -> String {
    let attributes: Vec<String> = row
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "{} {} {} [{}] {} {} per {} ({}, {}, {})",
        row.service,
        row.family,
        row.region,
        attributes.join(";"),
        row.price.normalize(),
        row.currency,
        row.unit,
        shown_date(row.effective_from),
        row.quality.name(),
        row.source
    )
}

fn lookup(arguments: &Lookup) -> Result<(), Failure> {
    let book = opened(arguments.book.as_ref())?;
    let date = match &arguments.date {
        Some(text) => date(text).ok_or_else(|| format!("{text:?} is no date like 2026-08-21"))?,
        None => today(),
    };
    let mut attributes = Vec::new();
    let (mut service, mut region, mut family) = ("", "", None);
    for pair in arguments.query.split(';') {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("{pair:?} is no `name=value`"))?;
        match name.trim() {
            "service" => service = value.trim(),
            "region" => region = value.trim(),
            "family" => family = Some(value.trim()),
            name => attributes.push((name, value.trim())),
        }
    }
    let region = region.to_lowercase();
    let question = Question {
        service,
        family,
        region: &region,
        attributes,
        date,
        elsewhere: false,
    };
    let text = match book.ask(&question) {
        Answer::Found(found) => shown(&book.row(found.row as usize)),
        Answer::Nothing => return Err("the book has no such price".into()),
        Answer::Ambiguous(prices) => {
            let prices: Vec<String> = prices
                .iter()
                .map(|price| price.normalize().to_string())
                .collect();
            return Err(format!(
                "{} prices fit, say more to tell them apart: {}",
                prices.len(),
                prices.join(", ")
            )
            .into());
        }
    };
    print(&(text + "\n"))
}

fn diff(arguments: &Diff) -> Result<(), Failure> {
    let (one, other) = (Book::open(&arguments.one)?, Book::open(&arguments.other)?);
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
            if newest
                .get(&key)
                .is_none_or(|known| known.effective_from <= row.effective_from)
            {
                newest.insert(key, row);
            }
        }
        newest
    };
    let (one, other) = (index(&one), index(&other));
    let (mut changed, mut gone) = (0_usize, 0_usize);
    for (key, row) in &one {
        match other.get(key) {
            Some(now) if now.price == row.price => {}
            Some(now) => {
                changed += 1;
                if changed <= SHOWN_MAX {
                    print(&format!(
                        "{} → {}: {}\n",
                        row.price.normalize(),
                        now.price.normalize(),
                        shown(now)
                    ))?;
                }
            }
            None => gone += 1,
        }
    }
    let new = other.keys().filter(|key| !one.contains_key(*key)).count();
    print(&format!(
        "{changed} prices changed, {new} are new, {gone} are gone\n"
    ))
}
