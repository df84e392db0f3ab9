//! A disk of a few megabytes, that can be filled and made read-only.
//!
//! It is a file system in memory, mounted in a mount namespace of its own: nothing else on the machine sees it, and it is
//! gone with the process that keeps it, however the test ends. That takes root, or a system that lets users make
//! namespaces.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::child::Ran;

const HINT: &str = "a disk that fills up needs a mount namespace: run this as root, or allow users to make namespaces \
    (sysctl kernel.unprivileged_userns_clone=1), and have unshare and nsenter (util-linux)";

/// Keeps the mount until its standard input ends.
const KEEP: &str = "mount -t tmpfs -o size=$2,mode=0700 none \"$1\" && echo mounted && exec cat";

/// The disk.
pub(crate) struct SmallDisk {
    keeper: Child,
    path: PathBuf,
}

impl SmallDisk {
    /// A disk of `size` (as in `12m`) at `path`.
    pub(crate) fn mount(path: &Path, size: &str) -> Self {
        fs_err::create_dir(path).unwrap();
        let mut keep = Command::new("unshare");
        if !is_root() {
            keep.args(["--user", "--map-root-user"]);
        }
        keep.args(["--mount", "sh", "-c", KEEP, "sh"]).arg(path);
        keep.arg(size).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keep.spawn().expect(HINT);
        let mut line = String::new();
        let mut said = BufReader::new(keeper.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let disk = Self {
            keeper,
            path: path.to_owned(),
        };
        assert_eq!(line, "mounted\n", "{HINT}");
        disk
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The command that a program is started with to see the disk.
    pub(crate) fn within(&self) -> Vec<OsString> {
        let of_keeper = |kind: &str| format!("/proc/{}/ns/{kind}", self.keeper.id());
        let mut words = vec!["nsenter".to_owned()];
        if !is_root() {
            words.push(format!("--user={}", of_keeper("user")));
            words.push("--preserve-credentials".to_owned());
        }
        words.push(format!("--mount={}", of_keeper("mnt")));
        words.push("--".to_owned());
        words.into_iter().map(OsString::from).collect()
    }

    /// The same place for this process, which does not see the disk otherwise.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap())
    }

    fn ballast(&self) -> PathBuf {
        self.seen(&self.path.join("ballast"))
    }

    /// Takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = fs_err::File::create(self.ballast()).unwrap();
        for size in [65536, 4096] {
            let full = loop {
                if let Err(error) = ballast.write_all(&vec![0; size]) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        fs_err::remove_file(self.ballast()).unwrap();
    }

    fn run(&self, words: &[&str]) {
        let within = self.within();
        let mut command = Command::new(&within[0]);
        Ran::of(command.args(&within[1..]).args(words)).done();
    }

    /// Refuses writes, or takes them again. Nothing may have a file open for writing.
    pub(crate) fn read_only(&self, read_only: bool) {
        let how = if read_only { "ro" } else { "rw" };
        let options = format!("remount,bind,{how}");
        self.run(&["mount", "-o", &options, self.path.to_str().unwrap()]);
    }

    /// Refuses writes to one file.
    pub(crate) fn protect(&self, file: &Path) {
        let file = file.to_str().unwrap();
        self.run(&["mount", "--bind", file, file]);
        self.run(&["mount", "-o", "remount,bind,ro", file]);
    }

    /// Takes writes to it again. Nothing may have it open.
    pub(crate) fn release(&self, file: &Path) {
        self.run(&["umount", file.to_str().unwrap()]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}

fn is_root() -> bool {
    fs_err::metadata("/proc/self").unwrap().uid() == 0
}
