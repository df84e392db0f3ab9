//! What bubblewrap is told. All that it keeps apart comes from these words, so they are made in one place, without any I/O, and a
//! test holds them to the letter.
//!
//! Secrets never pass here: the list of processes shows arguments to everybody.

use std::path::{Path, PathBuf};

use super::root::Entry;
use super::{EGRESS, ID_INSIDE, SELF, WORK};

/// A phase with every path resolved and allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The list of the root file system.
    pub root: Vec<Entry>,
    /// Small files: on the machine, and their name in `/etc`.
    pub small_files: Vec<(PathBuf, String)>,
    /// Our own binary, on the machine.
    pub program: PathBuf,
    /// What it is told inside.
    pub arguments: Vec<String>,
    /// The work directory.
    pub work: PathBuf,
    /// Whether it may be written to.
    pub work_writable: bool,
    /// Where in it to start.
    pub directory: PathBuf,
    /// Read only: on the machine, and inside.
    pub read: Vec<(PathBuf, PathBuf)>,
    /// To be written to, too.
    pub write: Vec<(PathBuf, PathBuf)>,
    /// The directory of the socket.
    pub egress: Option<PathBuf>,
    /// The size of the temporary directory.
    pub temporary_bytes: u64,
}

/// The words, in order: later ones lie over earlier ones.
pub fn bubblewrap(plan: &Plan) -> Vec<String> {
    let mut words = Words::default();
    words.say(&[
        "--unshare-user",
        "--unshare-all",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
    ]);
    words.say(&[
        "--clearenv",
        "--cap-drop",
        "ALL",
        "--hostname",
        "statehouse",
    ]);
    let id = ID_INSIDE.to_string();
    words.say(&["--uid", &id, "--gid", &id]);
    for entry in &plan.root {
        match entry {
            Entry::Shown(path) => words.bind("--ro-bind", path, path),
            Entry::Link { at, to } => words.bind("--symlink", to, at),
        }
    }
    for (source, name) in &plan.small_files {
        words.bind("--ro-bind", source, &Path::new("/etc").join(name));
    }
    words.say(&["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]);
    words.say(&[
        "--size",
        &plan.temporary_bytes.to_string(),
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
    ]);
    let work = if plan.work_writable {
        "--bind"
    } else {
        "--ro-bind"
    };
    words.bind(work, &plan.work, Path::new(WORK));
    for (source, target) in &plan.read {
        words.bind("--ro-bind", source, target);
    }
    for (source, target) in &plan.write {
        words.bind("--bind", source, target);
    }
    words.bind("--ro-bind", &plan.program, Path::new(SELF));
    if let Some(egress) = &plan.egress {
        words.bind("--ro-bind", egress, Path::new(EGRESS));
    }
    words.say(&[
        "--remount-ro",
        "/",
        "--chdir",
        &text(&Path::new(WORK).join(&plan.directory)),
        "--",
        SELF,
    ]);
    words.0.extend(plan.arguments.iter().cloned());
    words.0
}

/// Paths are text by now: see [`super::run`], which refuses others.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn say(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(ToString::to_string));
    }

    fn bind(&mut self, kind: &str, source: &Path, target: &Path) {
        self.0.extend([kind.to_owned(), text(source), text(target)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "\
--unshare-user --unshare-all --disable-userns --die-with-parent --new-session
--clearenv --cap-drop ALL --hostname statehouse
--uid 1000 --gid 1000
--ro-bind /usr /usr
--symlink usr/bin /bin
--ro-bind /seats/seat-0/phase-1/hosts /etc/hosts
--proc /proc --dev /dev --remount-ro /dev
--size 4096 --perms 1777 --tmpfs /tmp
--bind /seats/seat-0/work /workspace
--ro-bind /opt/terraform /tools
--bind /var/cache/plugins /cache
--ro-bind /usr/bin/statehouse /statehouse
--ro-bind /run/egress /egress
--remount-ro / --chdir /workspace/network -- /statehouse
inside outer";

    fn plan() -> Plan {
        Plan {
            root: vec![
                Entry::Shown("/usr".into()),
                Entry::Link {
                    at: "/bin".into(),
                    to: "usr/bin".into(),
                },
            ],
            small_files: vec![("/seats/seat-0/phase-1/hosts".into(), "hosts".into())],
            program: "/usr/bin/statehouse".into(),
            arguments: vec!["inside".into(), "outer".into()],
            work: "/seats/seat-0/work".into(),
            work_writable: true,
            directory: "network".into(),
            read: vec![("/opt/terraform".into(), "/tools".into())],
            write: vec![("/var/cache/plugins".into(), "/cache".into())],
            egress: Some("/run/egress".into()),
            temporary_bytes: 4096,
        }
    }

    #[test]
    fn the_words_are_these_and_no_others() {
        let words = bubblewrap(&plan());
        assert_eq!(words, GOLDEN.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn a_work_directory_that_is_not_to_be_written_to_is_shown_read_only() {
        let words = bubblewrap(&Plan {
            work_writable: false,
            egress: None,
            ..plan()
        })
        .join(" ");
        assert!(
            words.contains("--ro-bind /seats/seat-0/work /workspace"),
            "{words}"
        );
        assert!(!words.contains("egress"), "{words}");
    }
}
