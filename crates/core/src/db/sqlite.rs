//! SQLite: one file, one writing connection, a few reading ones.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};

use super::{Committed, DbError, Migration, Row, Trouble, Value, dialect, migrate};

/// Idle reading connections kept per house; more are opened under load and
/// closed again, so that a thousand quiet houses hold few descriptors.
const READERS_KEPT: usize = 2;
/// Another process (a backup, `sqlite3` on the shell) may hold the file this
/// long before a statement gives up.
const BUSY: Duration = Duration::from_secs(5);
/// Virtual machine steps between two looks at the clock: about a millisecond.
const STEPS_PER_LOOK: i32 = 20_000;
/// Prepared statements kept per connection; all of a house's fit.
const STATEMENTS: usize = 128;

/// The pragmas that a connection must show when asked back. `synchronous` 2 is
/// `FULL`: a commit has been synced when it returns.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("foreign_keys", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    ("cell_size_check", "ON", "1"),
    ("mmap_size", "0", "0"),
];

/// A connection and the deadline that its progress handler watches.
struct Link {
    connection: Connection,
    deadline: Arc<Mutex<Option<Instant>>>,
    watched: Arc<AtomicBool>,
}

/// One house's file.
pub(crate) struct Database {
    path: PathBuf,
    writer: Arc<Mutex<Option<Link>>>,
    readers: Arc<Mutex<Vec<Link>>>,
}

fn failed(error: rusqlite::Error) -> DbError {
    DbError::new(dialect::sqlite_trouble(&error), error)
}

impl Link {
    fn open(path: &Path) -> Result<Self, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|error| {
            DbError::new(
                dialect::sqlite_trouble(&error),
                format_args!("{}: {error}", path.display()),
            )
        })?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Plans do not look at bound values, and so are made once.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(failed)?;
        for (name, wanted, shown) in SETTINGS {
            apply(&connection, path, name, wanted, shown)?;
        }
        let deadline = Arc::new(Mutex::new(None::<Instant>));
        let watched = Arc::new(AtomicBool::new(false));
        let (watch, watch_deadline) = (watched.clone(), deadline.clone());
        let overdue = move || {
            watch.load(Ordering::Relaxed)
                && watch_deadline
                    .lock()
                    .is_ok_and(|limit| limit.is_some_and(|at| Instant::now() > at))
        };
        connection
            .progress_handler(STEPS_PER_LOOK, Some(overdue))
            .map_err(failed)?;
        Ok(Self {
            connection,
            deadline,
            watched,
        })
    }
}

/// Sets a pragma and reads it back; a weaker answer is refused.
fn apply(
    connection: &Connection,
    path: &Path,
    name: &str,
    wanted: &str,
    shown: &str,
) -> Result<(), DbError> {
    // A pragma that returns no row (some do when set) is asked again below.
    connection
        .execute_batch(&format!("PRAGMA {name} = {wanted}"))
        .map_err(failed)?;
    let answer = connection.query_row(&format!("PRAGMA {name}"), [], |row| {
        Ok(match row.get_ref(0)? {
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        })
    });
    let answer = answer.map_err(failed)?;
    if answer == shown {
        return Ok(());
    }
    Err(DbError::new(
        Trouble::Other,
        format_args!(
            "{}: `PRAGMA {name}` is `{answer}` and must be `{shown}`; the file system may not support it",
            path.display()
        ),
    ))
}

impl Database {
    pub(crate) fn open(path: &Path) -> Result<Self, DbError> {
        let writer = Link::open(path)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Arc::new(Mutex::new(Some(writer))),
            readers: Arc::default(),
        })
    }

    /// What writes a copy of one snapshot into a new file, compacted: for a
    /// thread that may block.
    pub(super) fn copier(
        &self,
        path: &Path,
    ) -> impl FnOnce() -> Result<(), DbError> + Send + 'static {
        let (from, to) = (self.path.clone(), path.to_string_lossy().into_owned());
        move || {
            let link = Link::open(&from)?;
            link.connection
                .execute("VACUUM INTO ?1", [to])
                .map(drop)
                .map_err(failed)
        }
    }

    /// Moves everything from the write-ahead log into the file.
    pub(super) fn settle(&self) -> Result<(), DbError> {
        let link = Link::open(&self.path)?;
        link.connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .map_err(failed)
    }

    pub(crate) fn begin_write(&self) -> Result<Transaction, DbError> {
        let kept = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let link = match kept {
            Some(link) => link,
            None => Link::open(&self.path)?,
        };
        let home = self.writer.clone();
        Transaction::begin(link, "BEGIN IMMEDIATE", move |link| {
            *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        })
    }

    pub(crate) fn begin_read(&self) -> Result<Transaction, DbError> {
        let kept = self
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let link = match kept {
            Some(link) => link,
            None => Link::open(&self.path)?,
        };
        let home = self.readers.clone();
        Transaction::begin(link, "BEGIN", move |link| {
            let mut home = home.lock().unwrap_or_else(PoisonError::into_inner);
            if home.len() < READERS_KEPT {
                home.push(link);
            }
        })
    }
}

type Home = Box<dyn FnOnce(Link) + Send>;

/// A transaction on a connection that goes home when it ends.
pub(crate) struct Transaction {
    link: Option<Link>,
    home: Option<Home>,
}

impl Transaction {
    fn begin(
        link: Link,
        how: &str,
        home: impl FnOnce(Link) + Send + 'static,
    ) -> Result<Self, DbError> {
        let begun = link.connection.execute_batch(how).map_err(failed);
        let transaction = Self {
            link: Some(link),
            home: Some(Box::new(home)),
        };
        begun.map(|()| transaction)
    }

    /// The connection, while the transaction is open. Once the engine ended it,
    /// a further statement would be a transaction of its own.
    fn connection(&self) -> Result<&Connection, DbError> {
        let link = self
            .link
            .as_ref()
            .ok_or_else(|| DbError::new(Trouble::Lost, "the connection is closed"))?;
        if link.connection.is_autocommit() {
            return Err(DbError::new(
                Trouble::Lost,
                "the engine ended the transaction",
            ));
        }
        Ok(&link.connection)
    }

    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        let sql = dialect::sqlite_placeholders(sql);
        let mut statement = self.connection()?.prepare_cached(&sql).map_err(failed)?;
        let changed = statement
            .execute(rusqlite::params_from_iter(values))
            .map_err(failed)?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    pub(crate) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        let sql = dialect::sqlite_placeholders(sql);
        let mut statement = self.connection()?.prepare_cached(&sql).map_err(failed)?;
        let width = statement.column_count();
        let mut rows = statement
            .query(rusqlite::params_from_iter(values))
            .map_err(failed)?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let mut columns = Vec::with_capacity(width);
            for index in 0..width {
                columns.push(match row.get_ref(index).map_err(failed)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(value) => Value::Int(value),
                    ValueRef::Text(text) => Value::Text(text_of(text, index)?),
                    ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
                    ValueRef::Real(_) => return Err(DbError::shape(index, "a portable value")),
                });
            }
            answer.push(Row(columns));
        }
        Ok(answer)
    }

    pub(crate) fn run(&mut self, script: &str) -> Result<(), DbError> {
        self.connection()?.execute_batch(script).map_err(failed)
    }

    pub(crate) fn deadline(&mut self, limit: Option<Duration>) {
        if let Some(link) = &self.link {
            link.watched.store(limit.is_some(), Ordering::Relaxed);
            *link.deadline.lock().unwrap_or_else(PoisonError::into_inner) =
                limit.map(|limit| Instant::now() + limit);
        }
    }

    pub(crate) fn alive(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| !link.connection.is_autocommit())
    }

    pub(crate) fn commit(mut self) -> Committed {
        let result = self
            .connection()
            .and_then(|connection| connection.execute_batch("COMMIT").map_err(failed));
        match result {
            Ok(()) => Committed::Yes,
            // Still inside: nothing was committed, and the drop rolls back.
            Err(error) if self.alive() => Committed::No(error),
            // SQLite has rolled back by itself, or the outcome is for the
            // next connection to tell: this one is closed.
            Err(error) => {
                self.link = None;
                Committed::Unknown(error)
            }
        }
    }
}

/// Differences from a fresh schema, and what SQLite's own check finds.
pub(super) fn structure(
    transaction: &mut Transaction,
    migrations: &[Migration],
) -> Result<Vec<String>, DbError> {
    // Quoted, so that the type counts too: SQLite takes a schema of bytes as one of text.
    const SCHEMA: &str =
        "SELECT quote(type) || ' ' || quote(name) || ' on ' || quote(tbl_name) || ': ' || quote(sql)
        FROM sqlite_master WHERE name NOT IN ('sqlite_stat1', 'sqlite_stat4') ORDER BY 1";
    let fresh = Connection::open_in_memory().map_err(failed)?;
    fresh.execute_batch(migrate::TABLE).map_err(failed)?;
    for migration in migrations {
        fresh.execute_batch(migration.sql).map_err(failed)?;
    }
    let mut statement = fresh.prepare(SCHEMA).map_err(failed)?;
    let wanted = statement
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(failed)?;
    let mut wanted = wanted
        .collect::<Result<std::collections::BTreeSet<_>, _>>()
        .map_err(failed)?;
    let mut words = Vec::new();
    for row in transaction.query(SCHEMA, &[])? {
        if !wanted.remove(row.text(0)?) {
            words.push(format!("not made by any schema change: {}", row.text(0)?));
        }
    }
    words.extend(wanted.into_iter().map(|missing| format!("gone: {missing}")));
    for row in transaction.query("PRAGMA integrity_check(20)", &[])? {
        if row.text(0)? != "ok" {
            words.push(format!("SQLite's integrity check: {}", row.text(0)?));
        }
    }
    Ok(words)
}

fn text_of(text: &[u8], index: usize) -> Result<String, DbError> {
    String::from_utf8(text.to_vec()).map_err(|_| DbError::shape(index, "UTF-8 text"))
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(link) = self.link.take() else { return };
        link.watched.store(false, Ordering::Relaxed);
        let clean =
            link.connection.is_autocommit() || link.connection.execute_batch("ROLLBACK").is_ok();
        if let (true, Some(home)) = (clean, self.home.take()) {
            home(link);
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
