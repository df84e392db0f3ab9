//! `estimate`: a plan, its usage and a book in; a table, JSON or Markdown out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use statehouse_cost::estimate::{Estimate, Settings, estimate};
use statehouse_cost::mapping::Mapping;
use statehouse_cost::output::{json, markdown, table};
use statehouse_cost::plan::Plan;
use statehouse_cost::price::book::Book;
use statehouse_cost::price::overlay::Overlay;
use statehouse_cost::price::{date, shown_date};
use statehouse_cost::usage::Usage;

use super::{Failure, print};

/// A plan larger than this is refused: terraform itself writes none.
const PLAN_BYTES_MAX: u64 = 2 << 30;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Changes,
    Json,
    Markdown,
}

/// Estimates a plan or a state.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What `terraform show -json` printed
    plan: PathBuf,
    /// Usage files, the later over the earlier
    #[arg(long)]
    usage: Vec<PathBuf>,
    /// A price book instead of the one that comes with the binary
    #[arg(long)]
    book: Option<PathBuf>,
    /// The prices of the house
    #[arg(long)]
    overlay: Option<PathBuf>,
    /// A directory whose mappings lie over those that come with the binary
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// The day whose prices count, like 2026-08-21
    #[arg(long)]
    date: Option<String>,
    /// Another plan: what changes from it to this one
    #[arg(long)]
    compare: Option<PathBuf>,
    /// Take every resource for one of this region
    #[arg(long)]
    region: Option<String>,
    /// Azure's prices for development and test
    #[arg(long)]
    dev_test: bool,
    /// Where a region has no price, count that of others if they agree
    #[arg(long)]
    elsewhere: bool,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
}

/// Checks a mapping.
#[derive(Args)]
pub(crate) struct MappingArguments {
    /// A directory whose mappings lie over those that come with the binary
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// List the types
    #[arg(long)]
    list: bool,
}

fn mapping_of(directory: Option<&PathBuf>) -> Result<Mapping, Failure> {
    Ok(match directory {
        Some(directory) => Mapping::with_directory(directory)?,
        None => Mapping::embedded()?,
    })
}

pub(crate) fn mapping(arguments: &MappingArguments) -> Result<ExitCode, Failure> {
    let mapping = mapping_of(arguments.mapping.as_ref())?;
    mapping.check()?;
    let priced = mapping.priced();
    if arguments.list {
        print(&(priced.join("\n") + "\n"))?;
    }
    for (provider, prefix) in [
        ("AWS", "aws_"),
        ("Azure", "azurerm_"),
        ("Google", "google_"),
    ] {
        let count = priced
            .iter()
            .filter(|kind| kind.starts_with(prefix))
            .count();
        print(&format!("{provider}: {count} types with components\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock is read once, by the binary, where no date is given"
)]
pub(crate) fn today() -> u32 {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    civil(i64::try_from(seconds / 86_400).unwrap_or(0))
}

/// The date of a day since 1970, as one number.
fn civil(days: i64) -> u32 {
    // Years that begin in March have their odd day at the end.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    u32::try_from(year * 10_000 + month * 100 + day).unwrap_or(0)
}

pub(crate) fn read_plan(path: &Path) -> Result<Vec<u8>, Failure> {
    let length = fs_err::metadata(path)?.len();
    if length > PLAN_BYTES_MAX {
        return Err(format!(
            "{}: the plan has {length} bytes, at most {PLAN_BYTES_MAX} are read",
            path.display()
        )
        .into());
    }
    Ok(fs_err::read(path)?)
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut usage = Usage::default();
    for path in &arguments.usage {
        usage.add_file(path)?;
    }
    let book = match &arguments.book {
        Some(path) => Book::open(path)?,
        None => Book::starter()?,
    };
    let overlay = arguments
        .overlay
        .as_ref()
        .map(|path| Overlay::open(path))
        .transpose()?;
    let mapping = mapping_of(arguments.mapping.as_ref())?;
    let date = match &arguments.date {
        Some(text) => date(text).ok_or_else(|| format!("{text:?} is no date like 2026-08-21"))?,
        None => today(),
    };
    let settings = Settings {
        book: &book,
        overlay: overlay.as_ref(),
        date,
        dev_test: arguments.dev_test,
        elsewhere: arguments.elsewhere,
        region: arguments.region.as_deref(),
    };
    let of = |path: &PathBuf| -> Result<Estimate, Failure> {
        let bytes = read_plan(path)?;
        let plan = Plan::read(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(estimate(&plan, &usage, &mapping, &settings)?)
    };
    let mut result = of(&arguments.plan)?;
    if let Some(other) = &arguments.compare {
        result = of(other)?.changed_to(result);
    }
    let name = arguments.plan.display().to_string();
    let text = match arguments.format {
        Form::Table => table::write(&result),
        Form::Changes => table::write_changes(&result),
        Form::Markdown => markdown::write(&result),
        Form::Json => {
            let document = json::document(
                &result,
                &name,
                &format!("{}T00:00:00Z", shown_date(today())),
            );
            serde_json::to_string(&document)? + "\n"
        }
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, date) in [(0, 19_700_101), (11_016, 20_000_229), (20_685, 20_260_820)] {
            assert_eq!(civil(days), date);
        }
    }
}
