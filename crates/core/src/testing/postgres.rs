//! A private PostgreSQL cluster: on a Unix socket in a temporary folder, with a
//! login role that owns nothing and inherits nothing, gone with its value.
//!
//! Making a cluster takes seconds, so it is made once and kept beside the test
//! binary; every cluster is a copy. Syncs are off: what is tested here is what
//! the server does when connections and transactions end, not the disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fs_err as fs;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

const MISSING: &str = "PostgreSQL is missing, and nothing passes without it: `apt-get install postgresql-15`, \
    or name its programs' folder in STATEHOUSE_TEST_PG_BIN";
/// Who runs the server when the tests run as root, which PostgreSQL refuses.
const OWNER: &str = "postgres";
const LOGIN: &str =
    "CREATE ROLE keeper LOGIN NOINHERIT CREATEROLE; GRANT CREATE ON DATABASE postgres TO keeper;";

/// A running cluster, or one that was stopped to look at its files.
pub(crate) struct Cluster {
    bin: PathBuf,
    owner: Option<(u32, u32)>,
    server: Option<Child>,
    folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let bin = programs();
        let owner = owner();
        let folder = tempfile::Builder::new()
            .prefix("statehouse-pg-")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut cluster = Self {
            bin,
            owner,
            server: None,
            folder,
        };
        copy(&cluster.template(), &cluster.data());
        fs::create_dir(cluster.socket()).unwrap();
        if let Some((user, group)) = owner {
            chown(cluster.socket(), Some(user), Some(group)).unwrap();
        }
        cluster.run().await;
        cluster.admin().await.batch_execute(LOGIN).await.unwrap();
        cluster
    }

    /// Starts the server over the files that are there.
    pub(crate) async fn run(&mut self) {
        let socket = self.socket();
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(&socket);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "shared_buffers=16MB",
            "max_connections=60",
            "jit=off",
        ] {
            server.arg("-c").arg(setting);
        }
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.into_parts().0);
        self.server = Some(server.spawn().expect(MISSING));
        for _ in 0..500 {
            if connect(&socket).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        panic!("PostgreSQL does not start: {log}");
    }

    /// Stops the server at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-m", "immediate", "-s", "-w", "-D"])
            .arg(self.data());
        let stopped = stop
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            server.kill().ok();
        }
        server.wait().ok();
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "host={} user=keeper dbname=postgres",
            self.socket().display()
        )
    }

    /// A connection of the cluster's superuser.
    pub(crate) async fn admin(&self) -> Client {
        connect(&self.socket()).await.unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// The folder that every cluster is a copy of, made at first use. Two
    /// processes may make it at once; one of them is kept.
    fn template(&self) -> PathBuf {
        let beside = std::env::current_exe().unwrap();
        let version = self.bin.display().to_string().replace('/', "-");
        let template = beside
            .parent()
            .unwrap()
            .join(format!("postgresql{version}"));
        if template.exists() {
            return template;
        }
        let work = self.folder.path().join("initdb");
        fs::create_dir(&work).unwrap();
        if let Some((user, group)) = self.owner {
            chown(&work, Some(user), Some(group)).unwrap();
        }
        let mut initdb = self.command("initdb");
        initdb.args([
            "--no-sync",
            "--wal-segsize=1",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
            "-D",
        ]);
        let made = initdb
            .arg(&work)
            .stdin(Stdio::null())
            .output()
            .expect(MISSING);
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let staged = template.with_extension(self.folder.path().file_name().unwrap());
        copy(&work, &staged);
        if fs::rename(&staged, &template).is_err() {
            fs::remove_dir_all(&staged).unwrap();
        }
        fs::remove_dir_all(&work).unwrap();
        template
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends every connection of the server under test, and waits until they ended.
pub(crate) async fn kill_all(admin: &Client) {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'statehouse'";
    admin.execute(sql, &[]).await.unwrap();
}

/// The settings that a Unix socket does not need.
pub(crate) fn tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    builder
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// Copies a folder with everything that belongs to its files.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(
        status.success(),
        "copying {} to {}",
        from.display(),
        to.display()
    );
}

async fn connect(socket: &Path) -> Result<Client, tokio_postgres::Error> {
    let config = format!("host={} user=postgres dbname=postgres", socket.display());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn programs() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test runner says where its components are"
    )]
    let named = std::env::var_os("STATEHOUSE_TEST_PG_BIN");
    if let Some(named) = named {
        return named.into();
    }
    let installed = fs::read_dir("/usr/lib/postgresql").expect(MISSING);
    let bins = installed.map(|version| version.unwrap().path().join("bin"));
    bins.filter(|bin| bin.join("initdb").exists())
        .max()
        .expect(MISSING)
}

/// The unprivileged user, when the tests run as root.
fn owner() -> Option<(u32, u32)> {
    let own = fs::metadata("/proc/self").unwrap();
    if own.uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(OWNER))
        .expect(MISSING);
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}
