//! A PostgreSQL cluster on a Unix socket. Recorded, it syncs as it comes: what is tested then is what a commit is worth.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::server::{Recording, shim};
use super::variable;

/// A cluster that does not answer after this long has failed; a recovery is part of it.
const START_MAX: Duration = Duration::from_mins(1);
const MISSING: &str = "PostgreSQL is missing: run ./dev test, or install postgresql-15 and name its programs' folder in STATEHOUSE_TEST_PG_BIN";
/// Who the server logs in as: somebody who owns nothing and inherits nothing.
const LOGIN: &str =
    "CREATE ROLE keeper LOGIN NOINHERIT CREATEROLE; GRANT CREATE ON DATABASE postgres TO keeper;";
/// Small, and with a checkpoint every now and then, so that a crash meets one.
const SETTINGS: [&str; 6] = [
    "listen_addresses=",
    "synchronous_commit=on",
    "shared_buffers=16MB",
    "max_wal_size=32MB",
    "checkpoint_timeout=30s",
    "jit=off",
];

/// A folder with a cluster's files in `data`, and its socket beside them.
pub(crate) struct Cluster {
    folder: PathBuf,
    owner: Option<(u32, u32)>,
    child: Option<Child>,
}

impl Cluster {
    /// Makes the files of a cluster below `folder`, on disk when this returns.
    pub(crate) fn create(folder: &Path) -> Self {
        fs_err::create_dir_all(folder.join("data")).unwrap();
        let cluster = Self::over(folder);
        let mut initdb = cluster.command("initdb");
        initdb
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "-D",
            ])
            .arg(folder.join("data"));
        let made = initdb.output().expect(MISSING);
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster
    }

    /// A cluster over files that are there; what a postmaster left behind is removed.
    pub(crate) fn over(folder: &Path) -> Self {
        let cluster = Self {
            folder: folder.to_owned(),
            owner: owner(),
            child: None,
        };
        fs_err::remove_file(folder.join("data/postmaster.pid")).ok();
        fs_err::create_dir_all(folder.join("socket")).unwrap();
        fs_err::set_permissions(folder.join("data"), PermissionsExt::from_mode(0o700)).unwrap();
        if let Some(owner) = cluster.owner {
            give(folder, owner);
        }
        cluster
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(mut self, recording: Option<&Recording>) -> Self {
        let log = self.folder.with_extension("postgres.log");
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(self.folder.join("socket"));
        // Where nobody looks at its syncs, the disk is spared them.
        let syncs = format!("fsync={}", if recording.is_some() { "on" } else { "off" });
        for setting in SETTINGS.into_iter().chain([syncs.as_str()]) {
            command.arg("-c").arg(setting);
        }
        if let Some(recording) = recording {
            // The cluster's user may not be able to read ours, and the journal is written by it.
            let copy = recording.journal.with_file_name("shim.so");
            fs_err::copy(shim(), &copy).unwrap();
            fs_err::set_permissions(&copy, PermissionsExt::from_mode(0o755)).unwrap();
            fs_err::write(&recording.journal, []).unwrap();
            if let Some((user, group)) = self.owner {
                chown(&recording.journal, Some(user), Some(group)).unwrap();
            }
            recording.of(&mut command, &copy);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs_err::File::create(&log).unwrap().into_file());
        self.child = Some(command.spawn().expect(MISSING));
        let begun = Instant::now();
        while let Err(error) = self.try_run("SELECT 1") {
            let said = || fs_err::read_to_string(&log).unwrap_or_default();
            assert!(
                begun.elapsed() < START_MAX,
                "PostgreSQL does not answer: {error}\n{}",
                said()
            );
            sleep(Duration::from_millis(20));
        }
        self
    }

    /// Makes the role that the server logs in as.
    pub(crate) fn with_login(self) -> Self {
        self.try_run(LOGIN).unwrap();
        self
    }

    /// The address of its database, for that role.
    pub(crate) fn url(&self) -> String {
        format!(
            "host={} user=keeper dbname=postgres",
            self.folder.join("socket").display()
        )
    }

    /// Stops it: all at once, as a crash does, or with everything written.
    pub(crate) fn stop(&mut self, mode: &str) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-s", "-w", "-m", mode, "-D"])
            .arg(self.folder.join("data"));
        if !stop.status().is_ok_and(|status| status.success()) {
            child.kill().ok();
        }
        child.wait().unwrap();
    }

    fn try_run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        let address = format!(
            "host={} user=postgres dbname=postgres",
            self.folder.join("socket").display()
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&address, tokio_postgres::NoTls).await?;
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await?;
            drop(client);
            connection.await.unwrap()
        })
    }

    fn command(&self, program: &str) -> Command {
        let programs = variable("STATEHOUSE_TEST_PG_BIN")
            .unwrap_or_else(|| "/usr/lib/postgresql/15/bin".to_owned());
        let mut command = Command::new(Path::new(&programs).join(program));
        command.env_clear().current_dir(&self.folder);
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop("immediate");
    }
}

/// Who runs PostgreSQL where it may not be us: it refuses to run as root.
fn owner() -> Option<(u32, u32)> {
    let root = rustix::process::geteuid().is_root();
    let user =
        root.then(|| variable("STATEHOUSE_TEST_PG_USER").unwrap_or_else(|| "postgres".to_owned()))?;
    let number = |which: &str| {
        let output = Command::new("id")
            .args([which, &user])
            .output()
            .expect("id");
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse()
            .expect(MISSING)
    };
    Some((number("-u"), number("-g")))
}

fn give(path: &Path, owner: (u32, u32)) {
    chown(path, Some(owner.0), Some(owner.1)).unwrap();
    if path.is_dir() {
        for entry in fs_err::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), owner);
        }
    }
}
