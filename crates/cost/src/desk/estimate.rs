//! A plan, its usage and a book in; a table, JSON or Markdown out.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{DeskError, day};
use crate::estimate::{Estimate, Settings, estimate};
use crate::mapping::Mapping;
use crate::output::{Page, json, markdown, table};
use crate::plan::Plan;
use crate::price::book::Book;
use crate::price::overlay::Overlay;
use crate::price::shown_date;
use crate::usage::Usage;

/// A plan larger than this is refused: terraform itself writes none.
const PLAN_BYTES_MAX: u64 = 2 << 30;
/// So much is written at a time: a document may have hundreds of megabytes.
const PAGE_BYTES: usize = 1 << 16;

/// How an estimate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// What there will be, for eyes.
    Table,
    /// What changes, for eyes.
    Changes,
    /// Everything, on one line.
    Json,
    /// What changes, for a review.
    Markdown,
    /// Infracost's output, version 0.2, and nothing beyond it.
    Infracost,
}

/// What is estimated, and with what.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The plan, as `terraform show -json PLANFILE` gives it, or a state
    pub plan: PathBuf,
    /// A usage file; of several, the later lie over the earlier
    #[arg(long, value_name = "FILE")]
    pub usage: Vec<PathBuf>,
    /// A price book in the place of the one that comes with the program
    #[arg(long, value_name = "FILE")]
    pub book: Option<PathBuf>,
    /// The prices of the house, over those of the book
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// A directory whose mappings lie over those that come with the program
    #[arg(long, value_name = "DIR")]
    pub mapping: Option<PathBuf>,
    /// The day whose prices count, like 2026-08-21; today where none is given
    #[arg(long, value_name = "DATE")]
    pub date: Option<String>,
    /// Another plan: what changes from it to this one
    #[arg(long, value_name = "PLAN")]
    pub compare: Option<PathBuf>,
    /// Take every resource for one of this region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Azure's prices for development and test
    #[arg(long)]
    pub dev_test: bool,
    /// Where a region has no price, count that of others if they agree
    #[arg(long)]
    pub elsewhere: bool,
    /// How to write it; for eyes where nothing is said
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<Form>,
}

/// Which mapping is checked.
#[derive(Args, Clone, Debug)]
pub struct Checked {
    /// A directory whose mappings lie over those that come with the program
    #[arg(long, value_name = "DIR")]
    mapping: Option<PathBuf>,
    /// Name every type that has components
    #[arg(long)]
    list: bool,
}

/// The mapping of the program, with a directory of others over it.
///
/// # Errors
///
/// If a file of it cannot be read or is wrong.
pub fn mapping(directory: Option<&Path>) -> Result<Mapping, DeskError> {
    Ok(match directory {
        Some(directory) => Mapping::with_directory(directory)?,
        None => Mapping::embedded()?,
    })
}

/// Compiles every line of a mapping, and says how much it covers.
///
/// # Errors
///
/// If a file of it cannot be read, or a line is wrong.
pub fn check(asked: &Checked) -> Result<String, DeskError> {
    let mapping = mapping(asked.mapping.as_deref())?;
    mapping.check()?;
    let priced = mapping.priced();
    let counted = [
        ("AWS", "aws_"),
        ("Azure", "azurerm_"),
        ("Google", "google_"),
    ]
    .map(|(provider, prefix)| {
        let count = priced.iter().filter(|it| it.starts_with(prefix)).count();
        format!("{provider}: {count} types with components")
    });
    let mut lines = if asked.list { priced } else { Vec::new() };
    lines.extend(counted.iter().map(String::as_str));
    Ok(lines.join("\n") + "\n")
}

/// A book that is a file, or the one that comes with the program.
///
/// # Errors
///
/// If it cannot be read, or is none.
pub fn book(path: Option<&Path>) -> Result<Book, DeskError> {
    Ok(match path {
        Some(path) => Book::open(path)?,
        None => Book::starter()?,
    })
}

/// The text of a plan.
///
/// # Errors
///
/// If it cannot be read, or is too large.
pub fn plan_text(path: &Path) -> Result<Vec<u8>, DeskError> {
    let length = fs_err::metadata(path)?.len();
    if length > PLAN_BYTES_MAX {
        return Err(DeskError::Asked(format!(
            "{}: the plan has {length} bytes, at most {PLAN_BYTES_MAX} are read",
            path.display()
        )));
    }
    Ok(fs_err::read(path)?)
}

/// Estimates what is asked for.
///
/// # Errors
///
/// If a file of it cannot be read or is wrong.
pub fn estimated(asked: &Arguments, today: u32) -> Result<Estimate, DeskError> {
    let mut usage = Usage::default();
    for path in &asked.usage {
        usage.add_file(path)?;
    }
    let book = book(asked.book.as_deref())?;
    let overlay = asked.overlay.as_deref().map(Overlay::open).transpose()?;
    let mapping = mapping(asked.mapping.as_deref())?;
    let settings = Settings {
        book: &book,
        overlay: overlay.as_ref(),
        date: day(asked.date.as_deref(), today)?,
        dev_test: asked.dev_test,
        elsewhere: asked.elsewhere,
        region: asked.region.as_deref(),
    };
    let of = |path: &Path| -> Result<Estimate, DeskError> {
        let text = plan_text(path)?;
        let plan = Plan::read(&text).map_err(|error| DeskError::Plan {
            file: path.display().to_string(),
            error,
        })?;
        Ok(estimate(&plan, &usage, &mapping, &settings)?)
    };
    let result = of(&asked.plan)?;
    Ok(match &asked.compare {
        Some(other) => of(other)?.changed_to(result),
        None => result,
    })
}

/// Estimates what is asked for, and writes it.
///
/// # Errors
///
/// As [`estimated`], and if nobody takes what is written.
pub fn run(asked: &Arguments, today: u32, to: &mut dyn io::Write) -> Result<(), DeskError> {
    let result = estimated(asked, today)?;
    let name = asked.plan.display().to_string();
    let made_at = format!("{}T00:00:00Z", shown_date(today));
    let plain = if asked.compare.is_some() {
        Form::Changes
    } else {
        Form::Table
    };
    let mut to = io::BufWriter::with_capacity(PAGE_BYTES, to);
    let form = asked.format.unwrap_or(plain);
    match form {
        Form::Json => json::document(&result, &name, &made_at).write(&mut to)?,
        Form::Infracost => json::infracost(&result, &name, &made_at).write(&mut to)?,
        Form::Table | Form::Changes | Form::Markdown => {
            let mut page = Page::new(&mut to);
            let written = match form {
                Form::Markdown => markdown::write(&result, &mut page),
                Form::Changes => table::write_changes(&result, &mut page),
                _ => table::write(&result, &mut page),
            };
            page.close(written)?;
        }
    }
    Ok(to.flush()?)
}
