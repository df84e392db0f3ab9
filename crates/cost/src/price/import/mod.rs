//! Price lists of others, read into rows.
//!
//! Files that a user downloaded; nothing here asks the network. All are read as a stream: a list of gigabytes takes the memory of the
//! rows that are kept. A mistake is said with the file and the line.

pub mod aws_csv;
pub mod aws_json;
pub mod azure;
pub mod csv;
pub mod generic;
pub mod google;
pub(crate) mod stream;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::Row;
use super::build::{Builder, RowError};

/// A list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read at all.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// A place in it does not fit.
    #[error("{file}:{line}: {reason}")]
    Line {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// What does not fit, and what is expected.
        reason: String,
    },
    /// It is no JSON of the expected form.
    #[error("{file}: {reason}")]
    Form {
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
}

impl ImportError {
    pub(crate) fn line(file: &str, line: usize, reason: impl ToString) -> Self {
        Self::Line {
            file: file.to_owned(),
            line,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn form(file: &str, reason: impl ToString) -> Self {
        Self::Form {
            file: file.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An AWS offer file, as JSON or CSV.
    AwsOffer,
    /// Pages of the Azure retail price list.
    AzureRetail,
    /// A Google SKU list.
    GoogleSkus,
    /// Rows with the columns of a book.
    Csv,
}

impl Kind {
    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "aws-offer" => Some(Self::AwsOffer),
            "azure-retail" => Some(Self::AzureRetail),
            "google-skus" => Some(Self::GoogleSkus),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Where rows of an import go.
pub(crate) trait Sink {
    fn take(&mut self, row: &Row) -> Result<(), RowError>;
}

impl Sink for Builder {
    fn take(&mut self, row: &Row) -> Result<(), RowError> {
        self.add(row)
    }
}

impl Sink for Vec<Row> {
    fn take(&mut self, row: &Row) -> Result<(), RowError> {
        self.push(row.clone());
        Ok(())
    }
}

/// Opens a file, unpacked where its name ends in `.gz`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, ImportError> {
    let file = fs_err::File::open(path)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    Ok(Box::new(BufReader::with_capacity(1 << 18, reader)))
}

/// Reads a file of a kind into a book.
pub fn import(kind: Kind, path: &Path, builder: &mut Builder) -> Result<(), ImportError> {
    let name = path.display().to_string();
    let source = path
        .file_name()
        .map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
    let mut reader = open(path)?;
    match kind {
        Kind::AwsOffer => {
            // JSON begins with a brace; the table does not.
            let first = reader
                .fill_buf()?
                .iter()
                .copied()
                .find(|byte| !byte.is_ascii_whitespace());
            if first == Some(b'{') {
                aws_json::read(&name, &source, reader, builder)
            } else {
                aws_csv::read(&name, &source, reader, builder)
            }
        }
        Kind::AzureRetail => azure::read(&name, &source, reader, builder),
        Kind::GoogleSkus => google::read(&name, &source, reader, builder),
        Kind::Csv => generic::read(&name, &source, reader, builder),
    }
}

#[cfg(test)]
mod tests;
