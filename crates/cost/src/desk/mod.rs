//! What commands do, in `statehouse` and in `statehouse-cost` alike: arguments in, a report out.
//!
//! Deliberately absent: printing, the clock and the environment, which are the program's; and the network.

pub mod estimate;
pub mod price;

use std::io;
use std::time::SystemTime;

use crate::mapping::MappingError;
use crate::plan::PlanError;
use crate::price::book::BookError;
use crate::price::build::RowError;
use crate::price::import::ImportError;
use crate::usage::UsageError;

/// A command could not do what was asked. Each says which file, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A plan cannot be estimated.
    #[error("{file}: {error}")]
    Plan {
        /// The plan.
        file: String,
        /// What it is not.
        error: PlanError,
    },
    /// A usage file is wrong.
    #[error("{0}")]
    Usage(#[from] UsageError),
    /// A book cannot be used.
    #[error("{0}")]
    Book(#[from] BookError),
    /// A price list or an overlay is wrong.
    #[error("{0}")]
    List(#[from] ImportError),
    /// A row cannot go into a book.
    #[error("{0}")]
    Row(#[from] RowError),
    /// A mapping is wrong.
    #[error("{0}")]
    Mapping(#[from] MappingError),
    /// The question is wrong, or has no answer.
    #[error("{0}")]
    Asked(String),
}

/// A day, as year, month and day in one number.
pub fn day_of(time: SystemTime) -> u32 {
    let seconds = time
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

/// A date as somebody wrote it, or the day that counts where nobody did.
fn day(written: Option<&str>, today: u32) -> Result<u32, DeskError> {
    let Some(text) = written else {
        return Ok(today);
    };
    crate::price::date(text)
        .ok_or_else(|| DeskError::Asked(format!("{text:?} is no date like 2026-08-21")))
}

#[cfg(test)]
mod tests;
