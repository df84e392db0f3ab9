//! What an operator decides about sandboxes: how strict, where, as whom, and what no sandbox may ever show.

use std::io;
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::error::{Layer, Missing};

/// How much keeps a phase apart from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every layer, or nothing runs.
    Strict,
    /// A process of another user, with a clean environment and limits. It sees the machine as that user sees it.
    Process,
}

/// Users for runners, one for each slot. Taken when the starter is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    /// The user of slot 0; slot 1 is the next, and so on. Nobody else may use this range.
    pub uid_first: u32,
    /// The group of slot 0.
    pub gid_first: u32,
}

/// How our own binary is started in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The binary, on the machine.
    pub program: PathBuf,
    /// What makes it call [`super::inside::main`]: `["inside"]`.
    pub arguments: Vec<String>,
}

/// Everything that is the same for all phases of a runner. Sent by the starter to the runner, hence serializable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// How strict.
    pub level: Level,
    /// Where bubblewrap is, absolute.
    pub bubblewrap: PathBuf,
    /// How our own binary is started in a sandbox.
    pub inside: Inside,
    /// The directory of the seats' directories.
    pub seats: PathBuf,
    /// Users for the seats, if the starter is root.
    pub users: Option<Users>,
    /// The control group below which seats get theirs, relative to where control groups are mounted. Without it: `statehouse`
    /// for root, and for an ordinary user the group that it is in, which systemd delegates with `Delegate=yes`.
    pub cgroup: Option<PathBuf>,
    /// What all processes of a seat may have, the runner among them.
    pub memory_bytes_max: u64,
    /// How many processes and threads a seat may have, the runner's among them.
    pub processes_max: u64,
    /// Directories that no phase may reach: data, keys, anchors.
    pub forbidden: Vec<PathBuf>,
}

/// Refuses [`Level::Process`] where the runner is the server's own user: it could read whatever the server can.
///
/// # Errors
///
/// [`Missing`] names [`Layer::User`].
pub fn separate(level: Level, runner_uid: u32, server_uid: u32) -> Result<(), Missing> {
    if level == Level::Process && runner_uid == server_uid {
        return Err(Missing::new(
            Layer::User,
            format!("the level is `process`, and runner and server are both uid {runner_uid}"),
            "start the server as root with a range of users for runners, use agents of another user, or use the level `strict`",
        ));
    }
    Ok(())
}

/// Who has which users and groups of this machine, as its files say.
#[derive(Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
    subuid: String,
    subgid: String,
}

impl Accounts {
    /// Reads the files of this machine. What is not there names nobody.
    pub(crate) fn read() -> io::Result<Self> {
        let read = |path: &str| match fs::read(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        };
        Ok(Self {
            passwd: read("/etc/passwd")?,
            group: read("/etc/group")?,
            subuid: read("/etc/subuid")?,
            subgid: read("/etc/subgid")?,
        })
    }

    /// Refuses a user and a group that somebody has already, or may take for containers of its own.
    ///
    /// # Errors
    ///
    /// [`Missing`] names [`Layer::User`], whose it is, and the file that says so.
    pub(crate) fn leave(&self, uid: u32, gid: u32) -> Result<(), Missing> {
        let taken = [
            ("user", uid, "/etc/passwd", named(&self.passwd, 2, uid)),
            ("user", uid, "/etc/subuid", ranged(&self.subuid, uid)),
            ("group", gid, "/etc/group", named(&self.group, 2, gid)),
            ("group", gid, "/etc/passwd", named(&self.passwd, 3, gid)),
            ("group", gid, "/etc/subgid", ranged(&self.subgid, gid)),
        ];
        let mut taken = taken
            .into_iter()
            .filter_map(|(what, id, file, owner)| Some((what, id, file, owner?)));
        let Some((what, id, file, owner)) = taken.next() else {
            return Ok(());
        };
        Err(Missing::new(
            Layer::User,
            format!("{what} {id}, which a runner would be, is `{owner}`'s by {file}"),
            "set `runs.uid_first` and `runs.gid_first` to a range that nobody else uses",
        ))
    }
}

/// Who has an id, in lines of fields between colons.
fn named(text: &str, field: usize, id: u32) -> Option<&str> {
    text.lines().find_map(|line| {
        let found = line.split(':').nth(field)?.trim().parse::<u32>().ok()?;
        (found == id).then(|| line.split(':').next())?
    })
}

/// Who has a range that an id is in, in lines of a name, a first id and how many.
fn ranged(text: &str, id: u32) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':').map(str::trim);
        let name = fields.next()?;
        let first: u64 = fields.next()?.parse().ok()?;
        let count: u64 = fields.next()?.parse().ok()?;
        (first..first.saturating_add(count))
            .contains(&u64::from(id))
            .then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_level_is_refused_where_runner_and_server_share_a_user() {
        for (level, runner, server, allowed) in [
            (Level::Process, 1000, 1000, false),
            (Level::Process, 0, 0, false),
            (Level::Process, 64000, 0, true),
            (Level::Strict, 1000, 1000, true),
        ] {
            let answer = separate(level, runner, server);
            assert_eq!(answer.is_ok(), allowed, "{level:?} {runner} {server}");
            assert!(
                answer
                    .err()
                    .is_none_or(|missing| missing.layer == Layer::User)
            );
        }
    }

    #[test]
    fn a_user_or_group_that_somebody_has_is_refused_and_its_owner_named() {
        let accounts = Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\n+nis\nada:x:1000:1001::/home/ada:\n".to_owned(),
            group: "root:x:0:\nada:x:1001:ada\ngames:x:60:\n".to_owned(),
            subuid: "ada:100000:65536\n# none\n1001:231072:65536\nodd:x:y\n".to_owned(),
            subgid: "ada:165536:65536\nlast:4294967295:65536\n".to_owned(),
        };
        for (uid, gid, owner) in [
            (1_900_000_000, 1_900_000_000, None),
            (1000, 2000, Some("ada")),
            (99_999, 99_999, None),
            (100_000, 2000, Some("ada")),
            (165_535, 2000, Some("ada")),
            (165_536, 2000, None),
            (247_000, 2000, Some("1001")),
            (2000, 60, Some("games")),
            (2000, 1001, Some("ada")),
            (2000, 165_536, Some("ada")),
            (2000, u32::MAX, Some("last")),
        ] {
            let words = accounts.leave(uid, gid).err();
            let words = words.map(|missing| missing.to_string());
            let said = |owner: &str| words.as_ref().is_some_and(|words| words.contains(owner));
            let right = owner.map_or(words.is_none(), |owner| said(&format!("`{owner}`'s")));
            assert!(right, "{uid} {gid}: {words:?}");
        }
        let nobody = Accounts::default();
        assert!(nobody.leave(1, 1).is_ok());
    }
}
