//! A policy bundle: the files of a policy set as they were published, under one digest.
//!
//! Promises: a bundle holds plain text files under clean relative paths, within [`Limits`], and nothing of it changes afterwards.
//! [`Bundle::digest`] depends on paths and contents alone, so the same files give the same digest from a directory, an archive or
//! memory. What is larger, deeper or more than the limits is refused by name before it is read to its end: an archive is read as a
//! stream by the reader that also reads configurations.
//!
//! Deliberately absent: reading Rego (see [`crate::engine`]), which only a worker does with what a stranger wrote, and files of other
//! kinds than [`KINDS`], which are passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;
use serde::de::{Deserializer, Error as _, IgnoredAny};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use statehouse_terraform::slug;

#[cfg(test)]
mod tests;

/// The endings of the files that a bundle keeps: policies, data, and manifests in their three forms.
pub const KINDS: [&str; 6] = ["rego", "json", "yaml", "yml", "toml", "hcl"];

/// Opens the digest, so that it is the digest of nothing else; a change of what is hashed changes it.
const FORMAT: &[u8] = b"statehouse policy bundle 1\n";

/// Lists and objects inside each other. The engine's reader gives up at 128.
const JSON_DEPTH_MAX: usize = 100;

/// What a bundle may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An archive as it is sent.
    pub compressed_bytes_max: u64,
    /// All files together, those that are passed over included. The largest public library has 3 MB of policies.
    pub bytes_max: u64,
    /// One policy. The engine's own limit is the same.
    pub policy_bytes_max: u64,
    /// One data document or manifest.
    pub data_bytes_max: u64,
    /// Files and folders. The largest public library has 2,736 files.
    pub entries_max: u64,
    /// One path.
    pub path_bytes_max: usize,
    /// Folders inside folders.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            compressed_bytes_max: 16 << 20,
            bytes_max: 64 << 20,
            policy_bytes_max: 1 << 20,
            data_bytes_max: 16 << 20,
            entries_max: 10_000,
            path_bytes_max: 512,
            depth_max: 24,
        }
    }
}

/// SHA-256, written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes and nothing else.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&text, &mut digest)
            .map_err(|_| D::Error::custom(format!("{text:?} is not a SHA-256 in hexadecimal")))?;
        Ok(Digest(digest))
    }
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The archive is not one that is taken; it names the entry where it is one.
    #[error("the policy bundle is refused: {0}")]
    Archive(slug::Refused),
    /// One file is not taken.
    #[error("the policy bundle is refused: {path}: {why}")]
    File {
        /// Which, escaped where it is not plain.
        path: String,
        /// Why, and what to do.
        why: String,
    },
    /// All of it is too much.
    #[error("the policy bundle is refused: {0}")]
    TooMuch(String),
    /// It could not be read; the error names the file.
    #[error("the policy bundle could not be read: {0}")]
    Io(#[from] io::Error),
}

/// The files of a policy set.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    files: BTreeMap<String, String>,
    digest: Digest,
}

impl fmt::Debug for Bundle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Bundle({}, {} files)",
            self.digest,
            self.files.len()
        )
    }
}

impl Bundle {
    /// A bundle of files that are in memory, each a path and its content.
    ///
    /// # Errors
    ///
    /// When a limit is passed, a path is not clean, or a text is not UTF-8 or not the JSON that its name says.
    pub fn from_files(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        limits: &Limits,
    ) -> Result<Bundle, BundleError> {
        let mut gathered = Gathered::new(limits);
        for (path, content) in files {
            gathered.add(&path, content)?;
        }
        gathered.finish()
    }

    /// A bundle of what is in a directory. Hidden files and folders are passed over.
    ///
    /// # Errors
    ///
    /// As [`Bundle::from_files`], and for a symbolic link, which could lead to whatever the server may read.
    pub fn read_directory(root: &Path, limits: &Limits) -> Result<Bundle, BundleError> {
        let mut gathered = Gathered::new(limits);
        let mut folders = vec![(root.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str() else {
                    return Err(refuse(
                        &name.to_string_lossy(),
                        "its name is not UTF-8; rename it",
                    ));
                };
                if name.starts_with('.') {
                    continue;
                }
                let path = format!("{prefix}{name}");
                let kind = entry.file_type()?;
                gathered.entry(&path)?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{path}/")));
                } else if kind.is_symlink() {
                    return Err(refuse(
                        &path,
                        "it is a symbolic link; put the file itself there",
                    ));
                } else if kind.is_file() {
                    let mut file = fs::File::open(entry.path())?;
                    gathered.read(&path, &mut file)?;
                }
            }
        }
        gathered.finish()
    }

    /// A bundle of a tar archive that is compressed with gzip, read as a stream.
    ///
    /// # Errors
    ///
    /// As [`Bundle::from_files`], and for whatever else an archive can be that is none or a bomb.
    pub fn read_archive(reader: impl Read, limits: &Limits) -> Result<Bundle, BundleError> {
        let within = slug::Limits {
            compressed_bytes_max: limits.compressed_bytes_max,
            unpacked_bytes_max: limits.bytes_max,
            entries_max: limits.entries_max,
            path_bytes_max: limits.path_bytes_max,
            depth_max: limits.depth_max,
            ..slug::Limits::default()
        };
        let mut receiver = Receiver {
            gathered: Gathered::new(limits),
            refused: None,
        };
        let walked = slug::walk(reader, &within, &mut receiver);
        if let Some(refused) = receiver.refused {
            return Err(refused);
        }
        let contents = walked.map_err(|error| match error {
            slug::SlugError::Refused(refused) => BundleError::Archive(refused),
            slug::SlugError::Io(error) => BundleError::Io(error),
        })?;
        if let Some((path, _)) = contents.links().next() {
            return Err(refuse(
                path,
                "it is a symbolic link; put the file itself there",
            ));
        }
        receiver.gathered.finish()
    }

    /// What identifies it: SHA-256 over the sorted paths and contents.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Every file by its path, sorted.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// One file.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// The policies, without those that only test others.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files()
            .filter(|(path, _)| kind(path) == Some("rego") && !path.ends_with("_test.rego"))
    }

    /// The data documents that belong to the policies themselves: `data.json`, `data.yaml` and `data.yml` of every folder. Each is
    /// found under `data` at the path of its folder.
    pub fn data(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            matches!(name, "data.json" | "data.yaml" | "data.yml")
        })
    }
}

/// Files as they come, counted.
struct Gathered<'a> {
    limits: &'a Limits,
    files: BTreeMap<String, String>,
    entries: u64,
    bytes: u64,
}

impl Gathered<'_> {
    fn new(limits: &Limits) -> Gathered<'_> {
        Gathered {
            limits,
            files: BTreeMap::new(),
            entries: 0,
            bytes: 0,
        }
    }

    /// Counts a file or folder, and looks at its path.
    fn entry(&mut self, path: &str) -> Result<(), BundleError> {
        self.entries += 1;
        let Limits {
            entries_max,
            path_bytes_max,
            depth_max,
            ..
        } = *self.limits;
        if self.entries > entries_max {
            let words = format!("it has more than {entries_max} files and folders");
            return Err(BundleError::TooMuch(words));
        }
        if path.len() > path_bytes_max {
            return Err(refuse(
                path,
                format!("its path is longer than {path_bytes_max} bytes"),
            ));
        }
        if path.split('/').count() > depth_max {
            return Err(refuse(
                path,
                format!("it lies deeper than {depth_max} folders"),
            ));
        }
        let unclean = |part: &str| matches!(part, "" | "." | "..");
        if path.split('/').any(unclean) || path.chars().any(|c| c.is_control() || c == '\\') {
            let why = "its path is not relative and plain; name it `folder/file.rego`";
            return Err(refuse(path, why));
        }
        Ok(())
    }

    fn add(&mut self, path: &str, content: Vec<u8>) -> Result<(), BundleError> {
        self.entry(path)?;
        self.read(path, &mut content.as_slice())
    }

    /// Takes a file whose path was looked at, if it is of a kind that a bundle keeps.
    fn read(&mut self, path: &str, content: &mut dyn Read) -> Result<(), BundleError> {
        let most = match kind(path) {
            None => return Ok(()),
            Some("rego") => self.limits.policy_bytes_max,
            Some(_) => self.limits.data_bytes_max,
        };
        let mut bytes = Vec::new();
        content
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)?;
        let length = bytes.len() as u64;
        if length > most {
            return Err(refuse(
                path,
                format!("it is larger than {most} bytes; split it"),
            ));
        }
        self.bytes += length;
        if self.bytes > self.limits.bytes_max {
            let words = format!(
                "its files together are larger than {} bytes",
                self.limits.bytes_max
            );
            return Err(BundleError::TooMuch(words));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| refuse(path, format!("it is not UTF-8 text: {error}")))?;
        if kind(path) == Some("json") {
            serde_json::from_str::<IgnoredAny>(&text).map_err(|error| {
                refuse(path, format!("it is not JSON that can be read: {error}"))
            })?;
            if depth(&text) > JSON_DEPTH_MAX {
                let why = format!("it is nested deeper than {JSON_DEPTH_MAX} levels; flatten it");
                return Err(refuse(path, why));
            }
        }
        if self.files.insert(path.to_owned(), text).is_some() {
            return Err(refuse(path, "it is there twice"));
        }
        Ok(())
    }

    fn finish(self) -> Result<Bundle, BundleError> {
        if !self.files.keys().any(|path| kind(path) == Some("rego"))
            && !self.files.contains_key(crate::manifest::FILE)
        {
            let words = "there is no policy in it; put at least one file that ends in `.rego`, or a `statehouse.toml` that names policies of the library";
            return Err(BundleError::TooMuch(words.to_owned()));
        }
        let mut hasher = Sha256::new();
        hasher.update(FORMAT);
        for (path, text) in &self.files {
            for part in [path, text] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Ok(Bundle {
            digest: Digest(hasher.finalize().into()),
            files: self.files,
        })
    }
}

/// Takes what the reader of archives finds.
struct Receiver<'a> {
    gathered: Gathered<'a>,
    /// The reader only knows errors of reading; the reason is kept here.
    refused: Option<BundleError>,
}

impl slug::Receive for Receiver<'_> {
    fn folder(&mut self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, path: &str, _executable: bool, content: &mut dyn Read) -> io::Result<()> {
        let taken = match self.gathered.entry(path) {
            Ok(()) if path.split('/').any(|part| part.starts_with('.')) => Ok(()),
            Ok(()) => self.gathered.read(path, content),
            Err(error) => Err(error),
        };
        match taken {
            Ok(()) => Ok(()),
            // The reader stopped for a reason of its own, which it keeps.
            Err(BundleError::Io(error)) => Err(error),
            Err(refused) => {
                self.refused = Some(refused);
                Err(io::Error::other("refused"))
            }
        }
    }
}

/// How many lists and objects of a JSON text lie inside each other at most.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
                    if byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The ending of a path, if a bundle keeps such files.
fn kind(path: &str) -> Option<&'static str> {
    let (stem, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let kind = KINDS.into_iter().find(|kind| *kind == ending);
    kind.filter(|_| !stem.is_empty())
}

fn refuse(path: &str, why: impl Into<String>) -> BundleError {
    let path = path
        .chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect();
    BundleError::File {
        path,
        why: why.into(),
    }
}
