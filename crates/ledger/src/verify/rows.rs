//! Exported rows and sealed bodies, held against what the leaves say of them.

use super::entries::{BUNDLE_BYTES_MAX, Part, Standing, row_name};
use super::error_kind;
use super::report::{Kind, Report};
use crate::bundle::{Bundle, rows_name};
use crate::leaf::{Leaf, Op};
use crate::row::Exported;
use crate::tile::{self, Tile};
use crate::{Hash, hash_from_hex};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, BufRead as _, BufReader, Read, Seek};

/// The longest line of an exported row, in bytes: more than any row of evidence has.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes read at a time from rows and bodies.
const READ_BYTES: usize = 256 * 1024;

/// The bundle and what its leaves, already believed, add up to.
#[derive(Debug)]
pub(super) struct Evidence<'a, R> {
    pub bundle: &'a Bundle<R>,
    pub size: u64,
    pub part: &'a Part,
}

impl<R: Read + Seek> Evidence<'_, R> {
    /// Checks every exported row against the leaves, and the leaves' rows against the export; `stated` is the manifest's
    /// number of rows.
    pub(super) fn check_rows(&self, stated: Option<u64>, report: &mut Report) {
        let Some(stated) = stated else {
            report.note("rows were not exported, so nothing was proven about the database");
            return;
        };
        let before = report.total();
        let mut seen = HashSet::new();
        for number in 0..self.bundle.names_under("rows/").count() as u64 {
            let name = rows_name(number);
            if let Err((kind, words)) = self.each_line(&name, |place, line| {
                self.check_line(&mut seen, place, line, report);
            }) {
                report.found(kind, name, words);
                return;
            }
        }
        let rows = self.part.rows.iter();
        let live: BTreeMap<&String, &Standing> =
            rows.filter(|(_, row)| row.op == Op::Put).collect();
        for (name, standing) in live {
            if !seen.contains(name) {
                let words = format!("leaf {} wrote it, and it is missing", standing.leaf);
                report.found(
                    Kind::Altered,
                    format!("row {}", name.replace('\0', " ")),
                    words,
                );
            }
        }
        let count = seen.len() as u64;
        if count != stated {
            let words = format!("the manifest speaks of {stated} rows, and there are {count}");
            let kind = if count < stated {
                Kind::Truncated
            } else {
                Kind::Unreadable
            };
            report.found(kind, "rows", words);
        }
        if report.total() == before {
            report.prove(format!(
                "{count} exported rows are what the leaves last wrote; none is missing, extra, altered or older"
            ));
        }
    }

    /// Calls `each` with every line of a part of the rows.
    fn each_line(
        &self,
        name: &str,
        mut each: impl FnMut(&str, &[u8]),
    ) -> Result<(), (Kind, String)> {
        let stream = self
            .bundle
            .stream(name)
            .map_err(|error| (error_kind(&error), error.to_string()))?;
        let mut reader = BufReader::with_capacity(READ_BYTES, stream);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            (&mut reader)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .map_err(|error| (Kind::Unreadable, error.to_string()))?;
            match line.split_last() {
                Some((b'\n', row)) => each(&format!("{name} line {number}"), row),
                Some(_) => {
                    return Err((
                        Kind::Unreadable,
                        format!("line {number} has no end, or is too long"),
                    ));
                }
                None => break,
            }
        }
        Ok(())
    }

    fn check_line(
        &self,
        seen: &mut HashSet<String>,
        place: &str,
        line: &[u8],
        report: &mut Report,
    ) {
        let row = match Exported::parse(line) {
            Ok(row) => row,
            Err(error) => return report.found(Kind::Unreadable, place, error),
        };
        let place = format!("{place}, {} {}", row.table, row.key);
        let name = row_name(&row.table, &row.key);
        if let Some(words) = self.fault_of(&row, self.part.rows.get(&name)) {
            report.found(Kind::Altered, &place, words);
        }
        if !seen.insert(name) {
            report.found(Kind::Altered, &place, "it is there twice");
        }
    }

    /// What is wrong with an exported row, given what the leaves say of it.
    fn fault_of(&self, row: &Exported, standing: Option<&Standing>) -> Option<String> {
        let Some(standing) = standing else {
            return Some("it is extra: no leaf wrote it".into());
        };
        let digest = row.digest();
        let last = standing.leaf;
        let same = standing.op == Op::Put && standing.digest == digest;
        if same && row.leaf == last {
            None
        } else if same {
            Some(format!(
                "it says leaf {} wrote it, and leaf {last} did",
                row.leaf
            ))
        } else if row.leaf < last && self.is_written_by(row, &digest) {
            let earlier = row.leaf;
            Some(format!(
                "it is older: as leaf {earlier} left it, but leaf {last} changed it since"
            ))
        } else if standing.op == Op::Put {
            Some(format!("it is not what leaf {last} wrote"))
        } else {
            Some(format!("it is extra: leaf {last} deleted it"))
        }
    }

    /// Whether the leaf the row names really wrote this digest.
    fn is_written_by(&self, row: &Exported, digest: &Hash) -> bool {
        let width = u64::from(tile::WIDTH);
        let number = usize::try_from(row.leaf / width).unwrap_or(usize::MAX);
        let Some(tile) = Tile::row(tile::Kind::Entries, self.size).nth(number) else {
            return false;
        };
        let bytes = self
            .bundle
            .read(&tile.to_string(), BUNDLE_BYTES_MAX)
            .unwrap_or_default();
        let entries = tile::parse_entries(&bytes).unwrap_or_default();
        let place = usize::try_from(row.leaf % width).unwrap_or(usize::MAX);
        let leaf = entries.get(place).and_then(|entry| Leaf::parse(entry).ok());
        leaf.is_some_and(|leaf| {
            leaf.rows.iter().any(|change| {
                (change.op, &*change.table, &*change.key) == (Op::Put, &*row.table, &*row.key)
                    && change.digest == *digest
            })
        })
    }

    /// Checks that every sealed body is what its name says, and that a leaf knows it.
    pub(super) fn check_blobs(&self, report: &mut Report) {
        let before = report.total();
        let mut count = 0u64;
        for name in self.bundle.names_under("blobs/") {
            count += 1;
            let Some(named) = name.strip_prefix("blobs/").and_then(hash_from_hex) else {
                report.found(Kind::Unreadable, name, "it is not named by a digest");
                continue;
            };
            match self.digest_of(name) {
                Err(error) => report.found(Kind::Unreadable, name, error),
                Ok(digest) if digest != named => {
                    report.found(Kind::Altered, name, "its bytes have another digest");
                }
                Ok(_) if !self.part.bodies.contains(&named) => {
                    report.found(Kind::Altered, name, "no leaf knows it");
                }
                Ok(_) => {}
            }
        }
        if count > 0 && report.total() == before {
            report.prove(format!("{count} sealed bodies are what the leaves say"));
        }
    }

    fn digest_of(&self, name: &str) -> io::Result<Hash> {
        let mut body = self.bundle.stream(name).map_err(io::Error::other)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match body.read(&mut buffer)? {
                0 => return Ok(hash.finalize().into()),
                length => hash.update(buffer.get(..length).unwrap_or_default()),
            }
        }
    }
}
