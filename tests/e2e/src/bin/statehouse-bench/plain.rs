//! What the house is compared with: a database alone, one 64 KiB row per commit, one thread, no HTTP.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::Result;
use crate::load::{Load, Worker, drive};
use crate::state::{SIZE, States};

/// How many different states the rows cycle through; the database does not look into them.
const STATES: usize = 256;

/// A database alone.
pub(crate) trait Plain {
    /// Commits row after row for `seconds`.
    fn run(&mut self, seconds: f64) -> Result<Load>;
}

fn states() -> Vec<Vec<u8>> {
    let mut states = States::new(u64::from(u32::MAX), SIZE);
    (0..STATES).map(|_| states.next_state()).collect()
}

/// `SQLite`: WAL, `synchronous=FULL`, a new file for each run.
pub(crate) struct PlainSqlite {
    file: PathBuf,
    states: Vec<Vec<u8>>,
}

impl PlainSqlite {
    /// In the file `file`, which is made and removed by each run.
    pub(crate) fn new(file: PathBuf) -> Self {
        Self {
            file,
            states: states(),
        }
    }
}

impl Plain for PlainSqlite {
    fn run(&mut self, seconds: f64) -> Result<Load> {
        let connection = rusqlite::Connection::open(&self.file)?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        })?;
        connection.execute_batch("PRAGMA synchronous = FULL; CREATE TABLE state (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
        let mut worker = SqliteWorker {
            connection,
            states: &self.states,
            at: 0,
        };
        let load = drive(std::slice::from_mut(&mut worker), seconds, 0, || {
            crate::process::cpu_s(std::process::id())
        })?;
        drop(worker);
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.file.as_os_str().to_owned();
            name.push(suffix);
            let _ = fs_err::remove_file(PathBuf::from(name));
        }
        Ok(load)
    }
}

struct SqliteWorker<'a> {
    connection: rusqlite::Connection,
    states: &'a [Vec<u8>],
    at: usize,
}

impl Worker for SqliteWorker<'_> {
    fn prepare(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn once(&mut self) -> Result<bool> {
        self.at += 1;
        let Some(state) = self.states.get(self.at % self.states.len().max(1)) else {
            return Ok(false);
        };
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO state (body) VALUES (?1)")?;
        insert.execute([state])?;
        Ok(true)
    }
}

/// PostgreSQL as it comes, over one connection through its Unix socket; the table is made anew for each run.
pub(crate) struct PlainPostgres {
    runtime: Runtime,
    client: tokio_postgres::Client,
    states: Vec<Vec<u8>>,
}

impl PlainPostgres {
    /// On the server at `url`.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(url, tokio_postgres::NoTls))?;
        runtime.spawn(async move { drop(connection.await) });
        Ok(Self {
            runtime,
            client,
            states: states(),
        })
    }
}

impl Plain for PlainPostgres {
    fn run(&mut self, seconds: f64) -> Result<Load> {
        let Self {
            runtime,
            client,
            states,
        } = self;
        let fresh = "DROP TABLE IF EXISTS state; CREATE TABLE state (id BIGSERIAL PRIMARY KEY, body BYTEA NOT NULL)";
        runtime.block_on(client.batch_execute(fresh))?;
        let insert = runtime.block_on(client.prepare("INSERT INTO state (body) VALUES ($1)"))?;
        let mut worker = PostgresWorker {
            runtime,
            client,
            insert,
            states,
            at: 0,
        };
        drive(std::slice::from_mut(&mut worker), seconds, 0, || Ok(0.0))
    }
}

struct PostgresWorker<'a> {
    runtime: &'a Runtime,
    client: &'a tokio_postgres::Client,
    insert: tokio_postgres::Statement,
    states: &'a [Vec<u8>],
    at: usize,
}

impl Worker for PostgresWorker<'_> {
    fn prepare(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn once(&mut self) -> Result<bool> {
        self.at += 1;
        let Some(state) = self.states.get(self.at % self.states.len().max(1)) else {
            return Ok(false);
        };
        self.runtime
            .block_on(self.client.execute(&self.insert, &[state]))?;
        Ok(true)
    }
}
