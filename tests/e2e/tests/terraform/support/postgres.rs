//! A PostgreSQL cluster of one's own: on a Unix socket in a folder of its own, gone with its value.
//!
//! The server's account there is what the documentation asks for: it owns nothing, inherits nothing, and may make roles
//! and schemas.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::SimpleQueryMessage;

use super::child::{Ran, Running, until};
use super::components;

/// A cluster that does not answer by then is broken.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// Who runs it when the tests run as root, which PostgreSQL refuses.
const OWNER: &str = "postgres";
const ROLE: &str =
    "CREATE ROLE keeper LOGIN NOINHERIT CREATEROLE; GRANT CREATE ON DATABASE postgres TO keeper;";

/// A running cluster.
pub(crate) struct Cluster {
    server: Running,
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// On its socket alone, where everybody is whom they say.
    pub(crate) fn start() -> Self {
        Self::started("listen_addresses=", 5432)
    }

    /// Also on a port of loopback, where a password is asked for.
    pub(crate) fn start_open() -> (Self, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        (Self::started("listen_addresses=127.0.0.1", port), port)
    }

    fn started(listens: &str, port: u16) -> Self {
        let mut name = tempfile::Builder::new();
        let folder = name.prefix("statehouse-pg-").tempdir_in("/tmp").unwrap();
        let mode = std::fs::Permissions::from_mode(0o711);
        fs_err::set_permissions(folder.path(), mode).unwrap();
        let owner = owner();
        let home = folder.path().join("home");
        fs_err::create_dir(&home).unwrap();
        if let Some((user, group)) = owner {
            chown(&home, Some(user), Some(group)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(components::postgres_programs().join(name));
            command.current_dir(&home);
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command
        };
        let data = home.join("data");
        let mut initdb = program("initdb");
        initdb.args([
            "--no-sync",
            "--auth-local",
            "trust",
            "--auth-host",
            "scram-sha-256",
        ]);
        initdb.args(["-U", "postgres"]);
        initdb.args(["-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        Ran::of(&mut initdb).done();
        let mut postgres = program("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(&home);
        // What is tested is what the server says to it, not its disk.
        postgres
            .args(["-c", listens, "-c", "fsync=off", "-p"])
            .arg(port.to_string());
        let cluster = Self {
            server: Running::start(&mut postgres),
            folder,
            port,
        };
        until("PostgreSQL answers", ANSWER_MAX, || {
            execute(&cluster.address(), ROLE).ok()
        });
        cluster
    }

    /// The address for whoever may everything.
    fn address(&self) -> String {
        let home = self.folder.path().join("home");
        format!(
            "host={} port={} user=postgres dbname=postgres",
            home.display(),
            self.port
        )
    }

    pub(crate) fn executed(&self, sql: &str) {
        execute(&self.address(), sql).unwrap();
    }

    /// The first value of the one row that a statement answers.
    pub(crate) fn asked(&self, sql: &str) -> String {
        let rows = execute(&self.address(), sql).unwrap();
        let rows: Vec<&str> = rows
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        let [value] = *rows else {
            panic!("{sql}: {rows:?}")
        };
        value.to_owned()
    }

    /// Its address, for the server.
    pub(crate) fn url(&self) -> String {
        let home: PathBuf = self.folder.path().join("home");
        format!("postgresql:///postgres?host={}&user=keeper", home.display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What every child is ended with would wait for the server's connections to end by themselves.
        self.server.signal(Signal::INT);
    }
}

fn execute(address: &str, sql: &str) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await?;
        let connection = tokio::spawn(connection);
        let answered = client.simple_query(sql).await?;
        drop(client);
        connection.await.unwrap()?;
        Ok(answered)
    })
}

/// The unprivileged user, when the tests run as root.
fn owner() -> Option<(u32, u32)> {
    if fs_err::metadata(Path::new("/proc/self")).unwrap().uid() != 0 {
        return None;
    }
    let users = fs_err::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(OWNER));
    let line = line
        .expect("PostgreSQL's package makes the user `postgres`; `apt-get install postgresql-15`");
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}
