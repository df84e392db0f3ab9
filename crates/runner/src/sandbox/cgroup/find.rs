//! Where control groups are on this machine, and the group below which seats get theirs.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;

use super::super::error::{Layer, Missing};
use super::{Group, Version};

/// The parent of all seats when nothing else was said and we are root.
const NAME: &str = "statehouse";

/// Where a process moves itself to, if it is alone in the group that is to be divided.
const OWN: &str = "server";

const WHAT_NEXT: &str = "give the server a control group: `Delegate=yes` in its systemd unit, or the setting for the parent group, \
    and a kernel with the controllers memory and pids";

/// Where the controllers are mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    pub(super) memory: Option<PathBuf>,
    pub(super) pids: Option<PathBuf>,
    pub(super) unified: Option<PathBuf>,
}

/// Finds the group below which seats get theirs, and makes it if need be.
///
/// # Errors
///
/// [`Missing`] says which controller is not there, or which directory may not be written to.
pub fn find(parent: Option<&Path>, root: bool) -> Result<Group, Missing> {
    let mounts = parse_mounts(&fs::read_to_string("/proc/self/mountinfo").map_err(missing)?);
    let own = fs::read_to_string("/proc/self/cgroup").map_err(missing)?;
    let place = |mount: &Path, controller: &str| match parent {
        Some(parent) => mount.join(parent.strip_prefix("/").unwrap_or(parent)),
        None if root => mount.join(NAME),
        None => mount.join(own_group(&own, controller)),
    };
    let unified = mounts.unified.filter(|mount| controls_both(mount));
    let group = match (unified, mounts.memory, mounts.pids) {
        (Some(mount), _, _) => Group {
            version: Version::Two,
            directories: vec![place(&mount, "")],
        },
        (None, Some(memory), Some(pids)) => {
            let mut directories = vec![place(&memory, "memory"), place(&pids, "pids")];
            directories.dedup();
            Group {
                version: Version::One,
                directories,
            }
        }
        (_, memory, pids) => {
            let has = |found: bool| if found { "is" } else { "is not" };
            let (memory, pids) = (has(memory.is_some()), has(pids.is_some()));
            let why = format!("the controller memory {memory} there, the controller pids {pids}");
            return Err(Missing::new(Layer::ControlGroups, why, WHAT_NEXT));
        }
    };
    open(&group)?;
    Ok(group)
}

fn missing(error: std::io::Error) -> Missing {
    Missing::new(Layer::ControlGroups, error.to_string(), WHAT_NEXT)
}

/// Makes the parent, and lets it have limited groups in it.
fn open(group: &Group) -> Result<(), Missing> {
    for directory in &group.directories {
        fs::create_dir_all(directory).map_err(missing)?;
    }
    if group.version == Version::One {
        return probe(group);
    }
    for directory in &group.directories {
        let above: Vec<&Path> = directory.ancestors().skip(1).collect();
        for step in above
            .into_iter()
            .rev()
            .filter(|step| step.join("cgroup.controllers").exists())
        {
            // Those above were divided by whoever delegates; what is missing shows in the next line.
            let _ = fs::write(step.join("cgroup.subtree_control"), "+memory +pids");
        }
    }
    match group.divide() {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            leave(group).map_err(missing)?;
            group.divide().map_err(missing)?;
        }
        divided => divided.map_err(missing)?,
    }
    probe(group)
}

/// A group of version 2 with processes in it cannot be divided: this process goes into one of its own.
fn leave(group: &Group) -> std::io::Result<()> {
    for directory in &group.directories {
        let own = directory.join(OWN);
        fs::create_dir_all(&own)?;
        fs::write(own.join("cgroup.procs"), std::process::id().to_string())?;
    }
    Ok(())
}

/// Tries what will be done for each seat, in a group of its own: jobs that begin together look at the same time.
fn probe(group: &Group) -> Result<(), Missing> {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "probe-{}-{}",
        std::process::id(),
        PROBES.fetch_add(1, Ordering::Relaxed)
    );
    let made = group.make(&name, 1 << 30, 64).map_err(missing);
    let removed = group.below(&name).remove().map_err(missing);
    made.and(removed)
}

fn controls_both(mount: &Path) -> bool {
    let controllers = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
    ["memory", "pids"]
        .iter()
        .all(|wanted| controllers.split_whitespace().any(|found| found == *wanted))
}

/// `36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`
pub(super) fn parse_mounts(mountinfo: &str) -> Mounts {
    let mut mounts = Mounts::default();
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let Some(place) = before.split(' ').nth(4).map(PathBuf::from) else {
            continue;
        };
        let mut after = after.split(' ');
        let (kind, options) = (after.next(), after.nth(1).unwrap_or_default());
        match kind {
            Some("cgroup2") => mounts.unified = Some(place),
            Some("cgroup") if options.split(',').any(|option| option == "memory") => {
                // Both controllers may be mounted together.
                if options.split(',').any(|option| option == "pids") {
                    mounts.pids = Some(place.clone());
                }
                mounts.memory = Some(place);
            }
            Some("cgroup") if options.split(',').any(|option| option == "pids") => {
                mounts.pids = Some(place);
            }
            _ => {}
        }
    }
    mounts
}

/// The group of this process in a hierarchy, relative to its mount; of version 2 for an empty controller.
pub(super) fn own_group(own: &str, controller: &str) -> PathBuf {
    let path = own.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        controllers
            .split(',')
            .any(|found| found == controller)
            .then_some(path)
    });
    let path = Path::new(path.unwrap_or_default().trim_start_matches('/'));
    let left = controller.is_empty() && path.ends_with(OWN);
    if left {
        path.parent().unwrap_or(path)
    } else {
        path
    }
    .to_path_buf()
}
