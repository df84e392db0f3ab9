//! Control groups: what a seat and each of its phases may use, and the list by which everything in them is ended.
//!
//! Both versions are taken. Version 2 has one directory for a group, version 1 one for each controller; what differs is in
//! [`Group::limit`], [`Group::strike`] and [`Group::events`], and nowhere else.
//!
//! Absent on purpose: processor shares and disk bandwidth. A run that is slow harms nobody's data.

mod find;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

pub use find::find;

/// Groups in groups: a seat, its phases, and what a program may have made below.
const DEPTH_MAX: u32 = 8;

/// Which of the two interfaces of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// A directory for each controller.
    One,
    /// One directory.
    Two,
}

/// A control group that limits memory and processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The kernel's interface.
    pub version: Version,
    /// Memory, then processes; the same directory twice is said once.
    pub directories: Vec<PathBuf>,
}

/// What a group refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Processes killed because memory was used up.
    pub killed_for_memory: u64,
    /// Times that a new process was refused.
    pub forks_refused: u64,
}

impl Group {
    /// The name of a group in this one, which may not be there.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self {
            version: self.version,
            directories: self
                .directories
                .iter()
                .map(|parent| parent.join(name))
                .collect(),
        }
    }

    /// Makes a group in this one.
    ///
    /// # Errors
    ///
    /// When a directory cannot be made or a limit cannot be set, with its path.
    pub fn make(&self, name: &str, memory_bytes: u64, processes: u64) -> io::Result<Self> {
        let group = self.below(name);
        for directory in &group.directories {
            match fs::create_dir(directory) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        group.limit(memory_bytes, processes)?;
        Ok(group)
    }

    fn limit(&self, memory_bytes: u64, processes: u64) -> io::Result<()> {
        let memory = memory_bytes.to_string();
        match self.version {
            Version::One => {
                self.write("memory.limit_in_bytes", &memory)?;
                self.write_if_there("memory.memsw.limit_in_bytes", &memory)?;
            }
            Version::Two => {
                self.write("memory.max", &memory)?;
                self.write_if_there("memory.swap.max", "0")?;
            }
        }
        self.write("pids.max", &processes.to_string())
    }

    /// Lets a version 2 group have limited groups in it. It may hold no processes itself.
    pub(crate) fn divide(&self) -> io::Result<()> {
        match self.version {
            Version::One => Ok(()),
            Version::Two => self.write("cgroup.subtree_control", "+memory +pids"),
        }
    }

    /// One process of the group that meets the limit of memory takes the others with it: half a terraform helps nobody.
    pub(crate) fn fall_together(&self) -> io::Result<()> {
        self.write_if_there("memory.oom.group", "1")
    }

    /// Gives the group to a user, who may make groups in it and move processes between them, and not change its limits.
    pub(crate) fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        for directory in &self.directories {
            fs::os::unix::fs::chown(directory, Some(uid), Some(gid))?;
            for file in [
                "cgroup.procs",
                "tasks",
                "cgroup.threads",
                "cgroup.subtree_control",
            ] {
                let file = directory.join(file);
                if file.exists() {
                    fs::os::unix::fs::chown(file, Some(uid), Some(gid))?;
                }
            }
        }
        Ok(())
    }

    /// The files by which a process enters the group.
    pub fn doors(&self) -> Vec<PathBuf> {
        self.directories
            .iter()
            .map(|directory| directory.join("cgroup.procs"))
            .collect()
    }

    /// Moves a process into the group.
    ///
    /// # Errors
    ///
    /// When the kernel refuses it, with the file.
    pub fn admit(&self, process: u32) -> io::Result<()> {
        self.doors()
            .into_iter()
            .try_for_each(|door| fs::write(door, process.to_string()))
    }

    /// Whether no process is in the group, nor in those below.
    ///
    /// # Errors
    ///
    /// When the list cannot be read.
    pub fn is_empty(&self) -> io::Result<bool> {
        for directory in &self.directories {
            if !processes(directory, DEPTH_MAX)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Kills every process in the group and in those below. Answers how many there still were; 0 means that the group is empty and,
    /// because nothing is left that could start anything, stays empty.
    ///
    /// # Errors
    ///
    /// When the list cannot be read.
    pub fn strike(&self) -> io::Result<usize> {
        for directory in &self.directories {
            let kill = directory.join("cgroup.kill");
            if kill.exists() {
                // Without permission, and on an older kernel, each process is killed by itself, below.
                let _ = fs::write(kill, "1");
            }
            // Without forks, killing one after the other comes to an end.
            let pids = directory.join("pids.max");
            if pids.exists() {
                let _ = fs::write(pids, "0");
            }
        }
        let mut found = 0;
        for directory in &self.directories {
            for process in processes(directory, DEPTH_MAX)? {
                found += 1;
                // It may have ended by itself.
                let _ = kill_process(process, Signal::KILL);
            }
        }
        Ok(found)
    }

    /// Removes the group and those in it; they must be empty.
    ///
    /// # Errors
    ///
    /// When one is not empty, with its path.
    pub fn remove(&self) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|directory| remove(directory, DEPTH_MAX))
    }

    /// What the group refused until now.
    pub fn events(&self) -> Events {
        let memory = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        Events {
            killed_for_memory: self.count(memory, "oom_kill"),
            forks_refused: self.count("pids.events", "max"),
        }
    }

    fn count(&self, file: &str, word: &str) -> u64 {
        let texts = self
            .directories
            .iter()
            .filter_map(|directory| fs::read_to_string(directory.join(file)).ok());
        texts.map(|text| counted(&text, word)).max().unwrap_or(0)
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        let place = self
            .directories
            .iter()
            .map(|directory| directory.join(file))
            .find(|place| place.exists());
        let place = place.ok_or_else(|| {
            io::Error::new(
                ErrorKind::NotFound,
                format!("no {file} in any of {:?}", self.directories),
            )
        })?;
        fs::write(place, value)
    }

    fn write_if_there(&self, file: &str, value: &str) -> io::Result<()> {
        if self
            .directories
            .iter()
            .any(|directory| directory.join(file).exists())
        {
            return self.write(file, value);
        }
        Ok(())
    }
}

fn counted(text: &str, word: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(name, _)| *name == word);
    found
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or(0)
}

fn processes(directory: &Path, depth: u32) -> io::Result<Vec<Pid>> {
    let text = match fs::read_to_string(directory.join("cgroup.procs")) {
        // Gone, or removed while it was open.
        Err(error)
            if error.kind() == ErrorKind::NotFound
                || error.raw_os_error() == Some(libc::ENODEV) =>
        {
            String::new()
        }
        read => read?,
    };
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    let mut found: Vec<Pid> = numbers.filter_map(Pid::from_raw).collect();
    if depth > 0 {
        for below in groups_in(directory) {
            found.extend(processes(&below, depth - 1)?);
        }
    }
    Ok(found)
}

fn remove(directory: &Path, depth: u32) -> io::Result<()> {
    if depth > 0 {
        for below in groups_in(directory) {
            remove(&below, depth - 1)?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn groups_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
