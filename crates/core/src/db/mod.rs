//! The only place that knows two database engines exist.
//!
//! SQL is written once, in the shared subset of SQLite and PostgreSQL, with
//! `$1` placeholders and four kinds of value: integer, text, bytes, null.
//! A [`Transaction`] owns its connection: SQLite's calls run in place (the
//! engine is a library), PostgreSQL's are awaited; the callers cannot tell.
//! What differs between the engines is a named function in [`dialect`].
//!
//! Deliberately absent: an ORM, a query builder, a migration framework,
//! floating point, booleans, and any knowledge of what the tables mean.

mod copy;
pub(crate) mod dialect;
mod migrate;
pub(crate) mod postgres;
mod sqlite;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where one house's rows live.
#[derive(Clone)]
pub(crate) enum Placement {
    /// One SQLite file.
    File(PathBuf),
    /// One schema and one role on a PostgreSQL server.
    Schema {
        /// The server and its pool, shared by all houses on it.
        server: Arc<postgres::Server>,
        /// The name of both the schema and the role.
        schema: String,
    },
}

/// A value on its way into or out of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// SQL `NULL`.
    Null,
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`.
    Text(String),
    /// `BYTEA`.
    Bytes(Vec<u8>),
}

/// A row of an answer; columns by position, as the statement lists them.
#[derive(Debug, Clone)]
pub(crate) struct Row(Vec<Value>);

impl Row {
    /// Every column.
    pub(crate) fn values(&self) -> &[Value] {
        &self.0
    }

    /// Takes the column at `index` out of the row.
    pub(crate) fn take(&mut self, index: usize) -> Result<Value, DbError> {
        let slot = self.0.get_mut(index);
        slot.map(|slot| std::mem::replace(slot, Value::Null))
            .ok_or_else(|| DbError::shape(index, "a column"))
    }

    pub(crate) fn int(&self, index: usize) -> Result<i64, DbError> {
        match self.0.get(index) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(DbError::shape(index, "an integer")),
        }
    }

    pub(crate) fn text(&self, index: usize) -> Result<&str, DbError> {
        match self.0.get(index) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(DbError::shape(index, "a text")),
        }
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<&[u8], DbError> {
        match self.0.get(index) {
            Some(Value::Bytes(value)) => Ok(value),
            _ => Err(DbError::shape(index, "bytes")),
        }
    }
}

impl From<Vec<Value>> for Row {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

/// What a database failure means for the transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The engine ended the transaction (disk full, I/O, memory, serialization,
    /// lost connection): nothing of it holds, and it may be tried again.
    Lost,
    /// The statement ran longer than a body may.
    Slow,
    /// The database does not take writes.
    ReadOnly,
    /// A uniqueness rule was broken; the transaction goes on.
    Unique,
    /// A statement was wrong or the data has an unexpected shape.
    Other,
}

/// A failure of the database, classified.
#[derive(Debug)]
pub(crate) struct DbError {
    trouble: Trouble,
    words: String,
}

impl DbError {
    pub(crate) fn new(trouble: Trouble, words: impl fmt::Display) -> Self {
        Self {
            trouble,
            words: words.to_string(),
        }
    }

    fn shape(index: usize, expected: &str) -> Self {
        Self::new(
            Trouble::Other,
            format_args!("column {index} does not hold {expected}"),
        )
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.trouble
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}

impl std::error::Error for DbError {}

/// A trigger or rule that swallows a write must not be answered with success.
fn one_row(changed: u64, table: &str) -> Result<(), DbError> {
    if changed == 1 {
        return Ok(());
    }
    Err(DbError::new(
        Trouble::Other,
        format_args!("a write to `{table}` changed {changed} rows instead of one"),
    ))
}

/// How a commit ended.
pub(crate) enum Committed {
    /// On disk.
    Yes,
    /// Certainly not; the transaction is gone.
    No(DbError),
    /// The connection broke while the engine was committing.
    Unknown(DbError),
}

/// One house's database: connections for its writer and its readers.
pub(crate) enum Database {
    Sqlite(sqlite::Database),
    Postgres(postgres::Database),
}

impl Database {
    /// Opens the database, brings its schema up to date, and refuses settings
    /// that would weaken durability.
    pub(crate) async fn open(
        placement: &Placement,
        migrations: &[migrate::Migration],
        now: i64,
    ) -> Result<Self, DbError> {
        let database = match placement {
            Placement::File(path) => Self::Sqlite(sqlite::Database::open(path)?),
            Placement::Schema { server, schema } => {
                Self::Postgres(postgres::Database::open(server.clone(), schema).await?)
            }
        };
        migrate::run(&database, migrations, now).await?;
        Ok(database)
    }

    /// Opens a database that is there, as it is.
    pub(crate) async fn open_as_it_is(placement: &Placement) -> Result<Option<Self>, DbError> {
        Ok(match placement {
            Placement::File(path) if !path.exists() => None,
            Placement::File(path) => Some(Self::Sqlite(sqlite::Database::open(path)?)),
            Placement::Schema { server, schema } => Some(Self::Postgres(
                postgres::Database::open(server.clone(), schema).await?,
            )),
        })
    }

    /// Whether other processes may write to the same database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// The writing transaction. There is one writer per house and process; on
    /// PostgreSQL other processes wait at the head row, which the door locks.
    pub(crate) async fn begin_write(&self) -> Result<Transaction, DbError> {
        match self {
            Self::Sqlite(database) => database.begin_write().map(Transaction::Sqlite),
            Self::Postgres(database) => database.begin_write().await.map(Transaction::Postgres),
        }
    }

    /// A reading transaction over one snapshot.
    pub(crate) async fn begin_read(&self) -> Result<Transaction, DbError> {
        match self {
            Self::Sqlite(database) => database.begin_read().map(Transaction::Sqlite),
            Self::Postgres(database) => database.begin_read().await.map(Transaction::Postgres),
        }
    }
}

/// A transaction, and the connection it runs on. Dropping it rolls back.
pub(crate) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

impl Transaction {
    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        match self {
            Self::Sqlite(transaction) => transaction.execute(sql, values),
            Self::Postgres(transaction) => transaction.execute(sql, values).await,
        }
    }

    /// Runs a statement that must change exactly one row of `table`. Where
    /// other processes share the database it may travel with what comes next,
    /// which then tells, or [`Transaction::settle`] at the latest.
    pub(crate) async fn execute_one(
        &mut self,
        sql: &str,
        values: Vec<Value>,
        table: &'static str,
    ) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => one_row(transaction.execute(sql, &values)?, table),
            Self::Postgres(transaction) => transaction.execute_one(sql, values, table).await,
        }
    }

    /// Waits for the answers to everything that was run so far.
    pub(crate) async fn settle(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(transaction) => transaction.settle().await,
        }
    }

    /// Begins a job: what it writes can be taken back without the others'.
    pub(crate) fn begin_job(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => transaction.run("SAVEPOINT job"),
            Self::Postgres(transaction) => {
                transaction.begin_job();
                Ok(())
            }
        }
    }

    /// Keeps what the job wrote. Where it travels with what comes next, its
    /// failure shows there, and voids the batch.
    pub(crate) fn end_job(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => transaction.run("RELEASE SAVEPOINT job"),
            Self::Postgres(transaction) => {
                transaction.end_job();
                Ok(())
            }
        }
    }

    /// Takes back what the job wrote.
    pub(crate) fn abandon_job(&mut self) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => {
                transaction.run("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job")
            }
            Self::Postgres(transaction) => {
                transaction.abandon_job();
                Ok(())
            }
        }
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(transaction) => transaction.query(sql, values),
            Self::Postgres(transaction) => transaction.query(sql, values).await,
        }
    }

    /// Asks several questions at once, none of which waits for the answer to
    /// another; answered in order.
    pub(crate) async fn query_all(
        &mut self,
        questions: &[(String, Vec<Value>)],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        match self {
            Self::Sqlite(transaction) => questions
                .iter()
                .map(|(sql, values)| transaction.query(sql, values))
                .collect(),
            Self::Postgres(transaction) => transaction.query_all(questions).await,
        }
    }

    /// Runs several statements without parameters.
    pub(crate) async fn run(&mut self, script: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(transaction) => transaction.run(script),
            Self::Postgres(transaction) => transaction.run(script).await,
        }
    }

    /// Gives the statements from here on at most this long.
    pub(crate) fn deadline(&mut self, limit: Option<std::time::Duration>) {
        if let Self::Sqlite(transaction) = self {
            transaction.deadline(limit);
        }
    }

    /// Whether other processes may write to the same database.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Whether the engine still holds the transaction open.
    pub(crate) fn alive(&self) -> bool {
        match self {
            Self::Sqlite(transaction) => transaction.alive(),
            Self::Postgres(transaction) => transaction.alive(),
        }
    }

    /// Commits. The caller must treat [`Committed::Unknown`] as unanswered.
    pub(crate) async fn commit(self) -> Committed {
        match self {
            Self::Sqlite(transaction) => transaction.commit(),
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Rolls back and gives the connection back.
    #[allow(
        clippy::unused_async,
        reason = "an end of a transaction, like a commit"
    )]
    pub(crate) async fn rollback(self) {
        match self {
            Self::Sqlite(transaction) => drop(transaction),
            Self::Postgres(transaction) => transaction.rollback(),
        }
    }
}

pub(crate) use copy::copy_rows;
pub(crate) use migrate::Migration;

/// How the schema differs from what `migrations` make: tables, indexes and
/// triggers, and on SQLite the engine's own check of its pages. On PostgreSQL
/// whatever could change what a statement does is looked for.
pub(crate) async fn structure(
    transaction: &mut Transaction,
    migrations: &[Migration],
) -> Result<Vec<String>, DbError> {
    match transaction {
        Transaction::Sqlite(transaction) => sqlite::structure(transaction, migrations),
        Transaction::Postgres(transaction) => {
            let sql = "SELECT 'trigger ' || tgname::text FROM pg_trigger
                JOIN pg_class ON pg_class.oid = tgrelid
                JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE nspname = current_schema() AND NOT tgisinternal
                UNION ALL SELECT 'rule ' || rulename::text FROM pg_rules WHERE schemaname = current_schema()
                UNION ALL SELECT 'row policy ' || policyname::text FROM pg_policies WHERE schemaname = current_schema()
                UNION ALL SELECT 'relation ' || relname::text FROM pg_class
                JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE nspname = current_schema() AND relkind NOT IN ('r', 'i', 't')
                UNION ALL SELECT 'function ' || proname::text FROM pg_proc
                JOIN pg_namespace ON pg_namespace.oid = pronamespace
                WHERE nspname = current_schema()";
            let found = transaction.query(sql, &[]).await?;
            found
                .iter()
                .map(|row| Ok(format!("not made by any schema change: {}", row.text(0)?)))
                .collect()
        }
    }
}

macro_rules! value_from {
    ($($source:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$source> for Value {
            fn from($name: $source) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    i64 => |value| Self::Int(value);
    u32 => |value| Self::Int(i64::from(value));
    &str => |value| Self::Text(value.to_owned());
    String => |value| Self::Text(value);
    Vec<u8> => |value| Self::Bytes(value);
    &[u8] => |value| Self::Bytes(value.to_vec());
    // Counters stay far below 2^63; one that does not is a defect, and a
    // saturated value fails the row's MAC rather than wrapping silently.
    u64 => |value| Self::Int(i64::try_from(value).unwrap_or(i64::MAX));
}
