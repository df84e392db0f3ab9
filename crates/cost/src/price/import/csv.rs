//! Tables of comma-separated values, a record at a time.

use std::io::BufRead;

use super::ImportError;

/// A field longer than this belongs to no price list.
const FIELD_BYTES_MAX: usize = 1 << 16;
/// A record has at most this many fields.
const FIELDS_MAX: usize = 512;

/// Reads records.
pub struct Records<R> {
    file: String,
    reader: R,
    /// The line that the last record began on.
    pub line: usize,
    next_line: usize,
    bytes: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    /// Reads from here.
    pub fn new(file: &str, reader: R) -> Self {
        Self {
            file: file.to_owned(),
            reader,
            line: 0,
            next_line: 1,
            bytes: Vec::new(),
        }
    }

    /// The next record, if there is one. Fields are kept where they were: the same list is filled anew.
    pub fn next(&mut self, fields: &mut Vec<String>) -> Result<bool, ImportError> {
        loop {
            if !self.record(fields)? {
                return Ok(false);
            }
            // A line with nothing in it is no record.
            if fields.len() > 1 || fields.first().is_some_and(|first| !first.is_empty()) {
                return Ok(true);
            }
        }
    }

    fn record(&mut self, fields: &mut Vec<String>) -> Result<bool, ImportError> {
        fields.clear();
        self.line = self.next_line;
        self.bytes.clear();
        loop {
            let before = self.bytes.len();
            self.reader.read_until(b'\n', &mut self.bytes)?;
            if self.bytes.len() == before {
                if before == 0 {
                    return Ok(false);
                }
                let reason = "a quoted field does not end before the file does: is the file whole?";
                return Err(ImportError::line(&self.file, self.line, reason));
            }
            self.next_line += 1;
            if self.bytes.len() > FIELD_BYTES_MAX * 8 {
                let reason = format!("a record has more than {} bytes", FIELD_BYTES_MAX * 8);
                return Err(ImportError::line(&self.file, self.line, reason));
            }
            // A quote that is open at the end of a line goes on in the next.
            let is_open = |open, byte: &u8| open ^ (*byte == b'"');
            if !self.bytes.iter().fold(false, is_open) {
                break;
            }
        }
        self.split(fields)?;
        Ok(true)
    }

    fn split(&self, fields: &mut Vec<String>) -> Result<(), ImportError> {
        let refuse = |reason: &str| ImportError::line(&self.file, self.line, reason);
        let text = std::str::from_utf8(&self.bytes).map_err(|_| refuse("the line is no UTF-8"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        let mut field = String::new();
        let (mut quoted, mut after_quote) = (false, false);
        for c in text.chars() {
            match c {
                '"' if quoted => {
                    quoted = false;
                    after_quote = true;
                }
                '"' if after_quote => {
                    field.push('"');
                    quoted = true;
                    after_quote = false;
                }
                '"' if field.is_empty() => quoted = true,
                ',' if !quoted => {
                    fields.push(std::mem::take(&mut field));
                    after_quote = false;
                    if fields.len() > FIELDS_MAX {
                        return Err(refuse("the line has too many fields"));
                    }
                }
                c => field.push(c),
            }
            if field.len() > FIELD_BYTES_MAX {
                return Err(refuse("a field is too long"));
            }
        }
        fields.push(field);
        Ok(())
    }
}

/// Where the columns of a table are.
pub struct Header {
    file: String,
    names: Vec<String>,
}

impl Header {
    /// The columns of a header line.
    pub fn new(file: &str, names: &[String]) -> Self {
        let clean = |name: &String| name.trim().trim_start_matches('\u{feff}').to_owned();
        Self {
            file: file.to_owned(),
            names: names.iter().map(clean).collect(),
        }
    }

    /// Where a column is, which must be there.
    pub fn need(&self, name: &str, line: usize) -> Result<usize, ImportError> {
        self.find(name).ok_or_else(|| {
            let has = self.names.join(", ");
            ImportError::line(
                &self.file,
                line,
                format!("the column {name} is missing; there are {has}"),
            )
        })
    }

    /// Where a column is, if it is there.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.names
            .iter()
            .position(|one| one.eq_ignore_ascii_case(name))
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}
