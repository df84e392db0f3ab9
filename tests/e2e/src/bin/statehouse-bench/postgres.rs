//! A PostgreSQL cluster of our own: made by `initdb` as a user who may, reachable through a Unix socket and nothing else.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process;
use crate::server::stop;
use crate::tools::Tools;

/// How long a new cluster may take until it answers.
const START_MAX: Duration = Duration::from_mins(1);

/// A running cluster, with its settings as they come (`fsync` and `synchronous_commit` are on).
pub(crate) struct Cluster {
    child: Child,
    folder: TempDir,
}

impl Cluster {
    /// Makes and starts one below `parent`, whose syncs may be slowed down.
    pub(crate) fn start(tools: &Tools, parent: &Path, sync_delay_ms: Option<u32>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("postgres-")
            .tempdir_in(parent)?;
        let user = tools.postgres_user().map(ids).transpose()?;
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        }
        let programs = tools.postgres()?;
        let data = folder.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb
            .args([
                "--auth=trust",
                "--username=statehouse",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data);
        let made = under(&mut initdb, user, folder.path()).output()?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let mut postgres = Command::new(programs.join("postgres"));
        postgres
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-k"])
            .arg(folder.path());
        postgres.stdin(Stdio::null()).stdout(Stdio::null());
        postgres.stderr(fs_err::File::create(folder.path().join("log"))?.into_file());
        if let Some(delay_ms) = sync_delay_ms {
            // The cluster's user may not be able to read ours.
            let shim = folder.path().join("shim.so");
            fs_err::copy(tools.shim()?, &shim)?;
            Tools::slow_down(&mut postgres, delay_ms, &shim);
        }
        let child = under(&mut postgres, user, folder.path()).spawn()?;
        let mut cluster = Self { child, folder };
        cluster.await_answer()?;
        cluster.run("postgres", "CREATE DATABASE house")?;
        Ok(cluster)
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgresql:///{database}?host={}&user=statehouse",
            self.folder.path().display()
        )
    }

    /// Runs a statement.
    pub(crate) fn run(&self, database: &str, sql: &str) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&self.url(database), tokio_postgres::NoTls).await?;
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await?;
            drop(client);
            connection.await??;
            Ok(())
        })
    }

    /// Processor time of the cluster and its connections that are open, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        process::cpu_s_of_family(self.child.id())
    }

    fn await_answer(&mut self) -> Result<()> {
        let began = Instant::now();
        while let Err(error) = self.run("postgres", "SELECT 1") {
            if self.child.try_wait()?.is_some() || began.elapsed() > START_MAX {
                let log =
                    fs_err::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(
                    format!("the PostgreSQL cluster does not answer: {error}\n{log}").into(),
                );
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Runs as that user, in a folder that it may enter.
fn under<'a>(command: &'a mut Command, user: Option<(u32, u32)>, folder: &Path) -> &'a mut Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir(folder)
}

/// The numbers of a user and of its group.
fn ids(user: &str) -> Result<(u32, u32)> {
    let number = |which: &str| -> Result<u32> {
        let output = Command::new("id").args([which, user]).output()?;
        let text = String::from_utf8(output.stdout)?;
        text.trim()
            .parse()
            .map_err(|_| format!("there is no user `{user}` to run PostgreSQL as").into())
    };
    Ok((number("-u")?, number("-g")?))
}

/// Lets users other than ours pass through a folder, without seeing what is in it.
pub(crate) fn let_pass(folder: &Path) -> Result<()> {
    Ok(fs_err::set_permissions(
        folder,
        PermissionsExt::from_mode(0o711),
    )?)
}
