//! The search for canaries in bytes at rest.
//!
//! A canary is looked for as it is, in base64 at each of the three offsets (both alphabets), in
//! hexadecimal of both cases and in UTF-16 of both orders; in every byte of every file, inside each
//! zstd or gzip frame that decompresses, in each member of an archive, and in each value of a SQLite
//! database, whose pages would otherwise cut a long value into pieces.
//!
//! Deliberately absent: a list of what may be skipped. Whoever searches names the folders.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Cursor, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use statehouse_ledger::archive;

/// Magic number of a zstd frame (RFC 8878, section 3.1.1).
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
/// Beginning of a gzip member with the only method there is (RFC 1952, section 2.3).
const GZIP: &[u8] = &[0x1F, 0x8B, 0x08];
/// Beginning of a SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Where ustar names itself.
const USTAR_AT: usize = 257;
/// A frame is read up to here: more than the largest state of any test.
const FRAME_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Frames inside frames inside frames are enough.
const DEPTH_MAX: usize = 3;
/// Bytes of a pattern that the table is keyed by; every pattern is longer.
const KEY: usize = 8;

/// What is searched for, and what was found so far.
pub struct Search {
    canaries: Vec<String>,
    patterns: Vec<Pattern>,
    by_key: HashMap<[u8; KEY], Vec<usize>>,
    /// One bit for each possible beginning of three bytes: most positions end here.
    begins: Vec<u64>,
    found: BTreeMap<usize, BTreeSet<String>>,
    files: usize,
    bytes: u64,
}

struct Pattern {
    canary: usize,
    form: &'static str,
    bytes: Vec<u8>,
}

impl Search {
    /// A search for these canaries, each of at least 16 letters and digits.
    pub fn new(canaries: &[String]) -> Self {
        let mut search = Self {
            canaries: canaries.to_vec(),
            patterns: Vec::new(),
            by_key: HashMap::new(),
            begins: vec![0; 1 << 18],
            found: BTreeMap::new(),
            files: 0,
            bytes: 0,
        };
        for (canary, text) in canaries.iter().enumerate() {
            assert!(
                text.len() >= 16,
                "a canary of {} bytes is too short",
                text.len()
            );
            for (form, bytes) in forms(text) {
                search.add(Pattern {
                    canary,
                    form,
                    bytes,
                });
            }
        }
        search
    }

    fn add(&mut self, pattern: Pattern) {
        let key = *pattern
            .bytes
            .first_chunk::<KEY>()
            .expect("a pattern longer than its key");
        let (word, bit) = begin(&key);
        self.begins[word] |= bit;
        self.by_key
            .entry(key)
            .or_default()
            .push(self.patterns.len());
        self.patterns.push(pattern);
    }

    /// Searches every file below a folder.
    pub fn folder(&mut self, folder: &Path) {
        for file in super::site::files(folder) {
            self.file(&file, &file.display().to_string());
        }
    }

    /// Searches a file, which is called `place` in what is found.
    pub fn file(&mut self, path: &Path, place: &str) {
        let bytes = fs_err::read(path).unwrap();
        self.files += 1;
        self.bytes += bytes.len() as u64;
        self.bytes(&bytes, place, 0);
        if bytes.starts_with(SQLITE) {
            self.database(path, place);
        } else if bytes
            .get(USTAR_AT..)
            .is_some_and(|rest| rest.starts_with(b"ustar"))
        {
            self.members(&bytes, place);
        }
    }

    /// Searches bytes, and what is compressed in them.
    pub fn bytes(&mut self, bytes: &[u8], place: &str, depth: usize) {
        for (at, window) in bytes.windows(KEY).enumerate() {
            let (word, bit) = begin(window);
            if self.begins[word] & bit != 0 {
                self.compare(bytes, at, place);
            }
            if depth < DEPTH_MAX && (window.starts_with(ZSTD) || window.starts_with(GZIP)) {
                let text = decompressed(&bytes[at..]);
                if !text.is_empty() {
                    self.bytes(&text, &format!("{place} › frame at {at}"), depth + 1);
                }
            }
        }
    }

    fn compare(&mut self, bytes: &[u8], at: usize, place: &str) {
        let rest = &bytes[at..];
        let candidates = rest
            .first_chunk::<KEY>()
            .and_then(|key| self.by_key.get(key));
        for index in candidates.into_iter().flatten() {
            let pattern = &self.patterns[*index];
            if rest.starts_with(&pattern.bytes) {
                let words = format!("{place}, {}", pattern.form);
                self.found.entry(pattern.canary).or_default().insert(words);
            }
        }
    }

    /// Each value of a database as SQLite reads it, log included, from a copy.
    fn database(&mut self, path: &Path, place: &str) {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        fs_err::copy(path, &copy).unwrap();
        let log = path.with_extension("db-wal");
        if log.exists() {
            fs_err::copy(&log, copy.with_extension("db-wal")).unwrap();
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let connection = Connection::open_with_flags(&copy, flags).unwrap();
        let tables = "SELECT name FROM sqlite_master WHERE type = 'table'";
        let mut statement = connection.prepare(tables).unwrap();
        let tables: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for table in tables {
            self.table(&connection, &table, place);
        }
    }

    fn table(&mut self, connection: &Connection, table: &str, place: &str) {
        let select = format!("SELECT * FROM {table}");
        let mut statement = connection.prepare(&select).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                let place = format!("{place} › {table} column {column}");
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column).unwrap()
                {
                    self.bytes(bytes, &place, 0);
                }
            }
        }
    }

    fn members(&mut self, bytes: &[u8], place: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("member.db");
        for (name, extent) in archive::index(&mut Cursor::new(bytes)).expect("an archive") {
            let (at, size) = (
                usize::try_from(extent.at).unwrap(),
                usize::try_from(extent.size).unwrap(),
            );
            fs_err::write(&file, &bytes[at..at + size]).unwrap();
            self.file(&file, &format!("{place} › {name}"));
        }
    }

    /// What was found: each canary with the places and forms it was found in.
    pub fn found(&self) -> BTreeMap<&str, &BTreeSet<String>> {
        self.found
            .iter()
            .map(|(canary, places)| (self.canaries[*canary].as_str(), places))
            .collect()
    }

    /// The canaries that were not found.
    pub fn missing(&self) -> Vec<&str> {
        let all = self.canaries.iter().enumerate();
        all.filter(|(index, _)| !self.found.contains_key(index))
            .map(|(_, canary)| canary.as_str())
            .collect()
    }

    /// Files looked into, members of archives included, and their bytes.
    pub fn extent(&self) -> (usize, u64) {
        (self.files, self.bytes)
    }
}

fn begin(bytes: &[u8]) -> (usize, u64) {
    let place = usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    (place >> 6, 1 << (place & 63))
}

/// Every form in which a text is searched for.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let mut forms = vec![
        ("as it is", bytes.to_vec()),
        ("hex", hex::encode(bytes).into_bytes()),
        ("HEX", hex::encode_upper(bytes).into_bytes()),
        ("UTF-16LE", wide(u16::to_le_bytes)),
        ("UTF-16BE", wide(u16::to_be_bytes)),
    ];
    for (offset, name) in [
        (0, "base64 at offset 0"),
        (1, "base64 at offset 1"),
        (2, "base64 at offset 2"),
    ] {
        let standard = inner_base64(&STANDARD_NO_PAD, bytes, offset);
        let url = inner_base64(&URL_SAFE_NO_PAD, bytes, offset);
        if url != standard {
            forms.push((name, url));
        }
        forms.push((name, standard));
    }
    forms
}

/// The digits that depend on `bytes` alone when `offset` other bytes stand before them.
fn inner_base64(engine: &impl Engine, bytes: &[u8], offset: usize) -> Vec<u8> {
    let text = engine.encode([&[0; 2][..offset], bytes].concat());
    let first = (offset * 8).div_ceil(6);
    let last = (offset + bytes.len()) * 8 / 6;
    text.as_bytes()[first..last].to_vec()
}

/// What the frame at the beginning of `bytes` holds, as far as it can be read.
fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // A frame that breaks off has given what it had: that is searched, the error is not.
    if bytes.starts_with(ZSTD) {
        if let Ok(decoder) = zstd::stream::read::Decoder::with_buffer(bytes) {
            decoder
                .single_frame()
                .take(FRAME_BYTES_MAX)
                .read_to_end(&mut text)
                .ok();
        }
    } else {
        flate2::bufread::GzDecoder::new(bytes)
            .take(FRAME_BYTES_MAX)
            .read_to_end(&mut text)
            .ok();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(missing_docs)]

    use std::io::Write;

    use super::*;

    const CANARY: &str = "Zq7LkPw2Xc9VbNm4RtYs8HdG";

    fn check(what: &str, bytes: &[u8]) {
        let mut search = Search::new(&[CANARY.to_owned()]);
        search.bytes(bytes, "here", 0);
        assert_eq!(search.missing(), Vec::<&str>::new(), "{what}");
    }

    #[test]
    fn a_canary_is_found_in_every_form() {
        check("as it is", format!("<<{CANARY}>>").as_bytes());
        check("hex", hex::encode(format!("a{CANARY}b")).as_bytes());
        check("HEX", hex::encode_upper(format!("a{CANARY}b")).as_bytes());
        for before in ["", "?", "??", "???", "????"] {
            let text = format!("{before}{CANARY}??");
            check(before, STANDARD_NO_PAD.encode(&text).as_bytes());
            check(before, URL_SAFE_NO_PAD.encode(&text).as_bytes());
        }
        let wide =
            |order: fn(u16) -> [u8; 2]| CANARY.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        check("UTF-16LE", &wide(u16::to_le_bytes));
        check("UTF-16BE", &wide(u16::to_be_bytes));
    }

    #[test]
    fn a_canary_is_found_in_a_frame_even_one_that_breaks_off() {
        let text = format!("{CANARY}{}", "filler ".repeat(100));
        let frame = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
        check("zstd", &[b"before".as_slice(), &frame, b"after"].concat());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(text.as_bytes()).unwrap();
        let frame = gzip.finish().unwrap();
        check("gzip", &[b"before".as_slice(), &frame, b"after"].concat());
        check("gzip cut short", &frame[..frame.len() - 8]);
        check("zstd in gzip", &{
            let inner = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(&inner).unwrap();
            gzip.finish().unwrap()
        });
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut search = Search::new(&[CANARY.to_owned()]);
        search.bytes(CANARY.to_lowercase().as_bytes(), "here", 0);
        search.bytes(&CANARY.as_bytes()[1..], "here", 0);
        assert_eq!((search.found().len(), search.missing()), (0, vec![CANARY]));
    }
}
