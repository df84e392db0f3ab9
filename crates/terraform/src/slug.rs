//! A configuration on its way: the gzip-compressed tar archive that terraform calls a slug.
//!
//! Whoever uploads one is not trusted. [`walk`] reads it as a stream, in bounded memory, and hands folders and files on as they come;
//! [`inspect`] does the same and keeps nothing. Both take only what a configuration is made of (folders, plain files, and links that
//! stay inside), under one name each, and refuse the whole archive otherwise, with the entry and the reason. No link is told before
//! the end, when all of them were followed on paper; so whoever writes to a disk never writes through one.
//!
//! [`Contents::digest`] depends on what is in the files, on their paths and on whether they can be executed; not on order, times, owners,
//! compression or empty folders. Two archives with the same digest make the same configuration.
//!
//! Terraform's own working files (`.git/`, and `.terraform/` but for `.terraform/modules/`) are no part of a configuration: [`belongs`] says
//! so to whoever packs, and they are passed over where an archive has them, so that nobody can plant a provider.
//!
//! Deliberately absent: disks (the runner packs and unpacks), and repairing anything.

mod archive;
mod ignore;
mod meter;
mod path;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::io::{self, Read};

pub use archive::walk;
pub use ignore::Ignore;
pub use path::belongs;

/// What an archive may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// As it is sent. Modules in `.terraform/modules` are part of it, with whatever their authors keep beside the code.
    pub compressed_bytes_max: u64,
    /// With headers and padding: what passes through memory, and about what a disk must hold.
    pub unpacked_bytes_max: u64,
    /// Entries of any kind, extension headers included.
    pub entries_max: u64,
    /// All paths together, since they are kept in memory until the end.
    pub names_bytes_max: usize,
    /// One path, or the target of one link. Linux takes 4096.
    pub path_bytes_max: usize,
    /// Folders inside folders.
    pub depth_max: usize,
    /// Unpacked bytes for a compressed one, looked at after the first 16 MiB. Text reaches ten, a state with many copies fifty, zeros a thousand.
    pub ratio_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            compressed_bytes_max: 128 << 20,
            unpacked_bytes_max: 1 << 30,
            entries_max: 100_000,
            names_bytes_max: 16 << 20,
            path_bytes_max: 1024,
            depth_max: 64,
            ratio_max: 200,
        }
    }
}

/// What stands under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder, named in the archive or implied by what is in it.
    Folder,
    /// A plain file.
    File {
        /// Whether its owner may execute it; every other bit of its mode is dropped.
        executable: bool,
        /// How long it is.
        bytes: u64,
        /// SHA-256 of its content.
        digest: [u8; 32],
    },
    /// A symbolic link that leads to somewhere inside, or to nothing inside.
    Link {
        /// As it was told: relative to the folder of the link.
        target: String,
    },
}

/// What an archive holds, once all of it was read and nothing refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// SHA-256 over the sorted paths, what they are, and the digests of files.
    pub digest: [u8; 32],
    /// Everything by its path, `/` between folders.
    pub nodes: BTreeMap<String, Node>,
    /// Entries of `.git/` and `.terraform/` that were passed over.
    pub passed_over: u64,
}

impl Contents {
    /// How many plain files there are.
    pub fn files(&self) -> usize {
        let file = |node: &&Node| matches!(node, Node::File { .. });
        self.nodes.values().filter(file).count()
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        let bytes = |node: &Node| match node {
            Node::File { bytes, .. } => *bytes,
            Node::Folder | Node::Link { .. } => 0,
        };
        self.nodes.values().map(bytes).sum()
    }

    /// Links and their targets.
    pub fn links(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::Link { target } => Some((path.as_str(), target.as_str())),
            Node::Folder | Node::File { .. } => None,
        })
    }
}

/// Takes what [`walk`] finds, in an order in which it can be written: a folder before what is in it, and no links.
pub trait Receive {
    /// A folder that was not there before.
    fn folder(&mut self, path: &str) -> io::Result<()>;

    /// A file that was not there before. What is not read of its content is passed over.
    fn file(&mut self, path: &str, executable: bool, content: &mut dyn Read) -> io::Result<()>;
}

/// Why there are no contents.
#[derive(Debug, thiserror::Error)]
pub enum SlugError {
    /// The archive is not one that is taken.
    #[error("the configuration archive is refused: {0}")]
    Refused(#[from] Refused),
    /// It could not be read, or what is in it not written.
    #[error("the configuration archive could not be read or unpacked: {0}")]
    Io(#[from] io::Error),
}

/// What is wrong with an archive. Paths are shown escaped and shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are no gzip or no tar.
    #[error("it is not a tar archive compressed with gzip: {0}")]
    NotAnArchive(String),
    /// More bytes come than may be sent.
    #[error("it is larger than {0} bytes")]
    Compressed(u64),
    /// More bytes come out than may.
    #[error("it unpacks to more than {0} bytes")]
    Unpacked(u64),
    /// A bomb, or as good as one.
    #[error("it unpacks to more than {0} times its size")]
    Ratio(u64),
    /// Too many entries.
    #[error("it has more than {0} entries")]
    Entries(u64),
    /// Too many bytes of names.
    #[error("its paths together are longer than {0} bytes")]
    Names(usize),
    /// An archive inside the padding of another, which some readers see and others do not.
    #[error("something follows the end of the archive")]
    Trailing,
    /// One entry is not taken.
    #[error("{path}: {why}")]
    Entry {
        /// Which.
        path: String,
        /// Why not.
        why: Fault,
    },
}

/// What is wrong with one entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Hard links, devices, pipes and whatever else tar can say.
    #[error("{0} is not part of a configuration; send plain files, folders and symbolic links")]
    Kind(&'static str),
    /// From `/`.
    #[error("the path is absolute")]
    Absolute,
    /// With `..`.
    #[error("the path has a `..`")]
    Parent,
    /// Not UTF-8, or with bytes that no screen should see.
    #[error("the path is not plain UTF-8 text")]
    Unreadable,
    /// No name at all.
    #[error("the path is empty")]
    Nameless,
    /// Too long.
    #[error("the path is longer than {0} bytes")]
    Long(usize),
    /// Too deep.
    #[error("it lies deeper than {0} folders")]
    Deep(usize),
    /// The same path a second time.
    #[error("it is there twice")]
    Twice,
    /// Another path that is the same where case does not count.
    #[error("another path differs in upper and lower case only")]
    Case,
    /// Inside what is no folder.
    #[error("`{0}`, in which it lies, is not a folder")]
    Under(String),
    /// A link out of the root.
    #[error("the link leads out of the configuration, to `{0}`")]
    Escapes(String),
    /// A link without an end.
    #[error("the link leads in a circle, or through too many others")]
    Tangled,
    /// Extension headers that contradict each other or the header.
    #[error("its headers contradict each other: {0}")]
    Contradiction(&'static str),
    /// Extension headers that are too long or cannot be read.
    #[error("its extension header cannot be read")]
    Extension,
    /// The archive ends inside it.
    #[error("the archive ends inside it")]
    Short,
}

impl Refused {
    fn entry(path: &[u8], why: Fault) -> Refused {
        Refused::Entry {
            path: path::shown(path),
            why,
        }
    }
}

/// Reads an archive to its end and keeps nothing but what [`Contents`] says of it.
pub fn inspect(reader: impl Read, limits: &Limits) -> Result<Contents, SlugError> {
    struct Nothing;

    impl Receive for Nothing {
        fn folder(&mut self, _path: &str) -> io::Result<()> {
            Ok(())
        }

        fn file(&mut self, _path: &str, _executable: bool, _: &mut dyn Read) -> io::Result<()> {
            Ok(())
        }
    }

    walk(reader, limits, &mut Nothing)
}
