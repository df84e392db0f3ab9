//! PostgreSQL: one schema and one role per house, one pool per server.
//!
//! The login role owns nothing and inherits nothing; every transaction first
//! becomes the house's role and sees the house's schema only. A connection is
//! verified (Unix socket, or TLS 1.3 with the server's name checked) or not
//! made at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::config::Host;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Committed, DbError, Row, Trouble, Value, dialect};

/// Connections per server: PostgreSQL's default allows 100 to everybody.
const CONNECTIONS_MAX: usize = 24;
/// A body has two seconds; the engine is told, too.
const STATEMENT_TIMEOUT: &str = "2s";

fn failed(error: tokio_postgres::Error) -> DbError {
    let words = error.as_db_error().map_or_else(
        || error.to_string(),
        |db| format!("{} ({})", db.message(), db.code().code()),
    );
    DbError::new(dialect::postgres_trouble(&error), words)
}

/// A connection and the statements prepared on it.
struct Link {
    client: Client,
    statements: HashMap<String, Statement>,
    _permit: OwnedSemaphorePermit,
}

/// A connection that nobody uses, and its prepared statements.
type Idle = (Client, HashMap<String, Statement>);

/// One PostgreSQL server: how to reach it, and its pool.
pub(crate) struct Server {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    idle: Mutex<Vec<Idle>>,
    permits: Arc<Semaphore>,
}

impl Server {
    /// Reads a `postgresql://` address. Without a Unix socket it must be TLS.
    pub(crate) fn new(url: &str, tls: rustls::ClientConfig) -> Result<Self, DbError> {
        let refuse = |words: String| DbError::new(Trouble::Other, words);
        let mut config: Config = url
            .parse()
            .map_err(|error| refuse(format!("database_url: {error}")))?;
        let local = !config.get_hosts().is_empty()
            && config
                .get_hosts()
                .iter()
                .all(|host| matches!(host, Host::Unix(_)));
        if !local {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
        }
        config.application_name("statehouse");
        Ok(Self {
            config,
            tls: (!local).then(|| MakeRustlsConnect::new(tls)),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        })
    }

    async fn lease(&self) -> Result<Link, DbError> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|_| DbError::new(Trouble::Lost, "the pool is closed"))?;
        let kept = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let (client, statements) = match kept.filter(|(client, _)| !client.is_closed()) {
            Some(kept) => kept,
            None => (self.connect().await?, HashMap::new()),
        };
        Ok(Link {
            client,
            statements,
            _permit: permit,
        })
    }

    async fn connect(&self) -> Result<Client, DbError> {
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(failed)?;
            tokio::spawn(async move { connection.await.ok() });
            return Ok(client);
        }
        let (client, connection) = self.config.connect(NoTls).await.map_err(failed)?;
        tokio::spawn(async move { connection.await.ok() });
        Ok(client)
    }

    fn give_back(&self, link: Link) {
        if !link.client.is_closed() {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((link.client, link.statements));
        }
    }

    /// Makes the schema and the role that owns it, if they are missing.
    async fn prepare(&self, schema: &str) -> Result<(), DbError> {
        let mut link = self.lease().await?;
        let role = link
            .client
            .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&schema])
            .await;
        let role = role.map_err(failed)?.is_some();
        let space = link
            .client
            .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])
            .await;
        let space = space.map_err(failed)?.is_some();
        if !role || !space {
            let make_role =
                format!("CREATE ROLE \"{schema}\" NOLOGIN; GRANT \"{schema}\" TO CURRENT_USER;");
            let make_space = format!("CREATE SCHEMA \"{schema}\" AUTHORIZATION \"{schema}\";");
            let script = [
                "BEGIN;",
                if role { "" } else { &make_role },
                if space { "" } else { &make_space },
                "COMMIT",
            ]
            .join(" ");
            let made = link.client.batch_execute(&script).await;
            if let Err(error) = made {
                link.client.batch_execute("ROLLBACK").await.ok();
                return Err(failed(error));
            }
        }
        link.statements.clear();
        self.give_back(link);
        Ok(())
    }
}

/// One house's schema.
pub(crate) struct Database {
    server: Arc<Server>,
    schema: String,
}

impl Database {
    pub(crate) async fn open(server: Arc<Server>, schema: &str) -> Result<Self, DbError> {
        server.prepare(schema).await?;
        Ok(Self {
            server,
            schema: schema.to_owned(),
        })
    }

    pub(crate) async fn begin_write(&self) -> Result<Transaction, DbError> {
        let how = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"
        );
        self.begin(&how).await
    }

    pub(crate) async fn begin_read(&self) -> Result<Transaction, DbError> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// The one place where a connection takes a house's identity.
    async fn begin(&self, how: &str) -> Result<Transaction, DbError> {
        let link = self.server.lease().await?;
        let schema = &self.schema;
        let pending = format!(
            "{how}; SET LOCAL ROLE \"{schema}\"; SET LOCAL search_path = \"{schema}\"; \
             SET LOCAL synchronous_commit = on"
        );
        Ok(Transaction {
            server: self.server.clone(),
            link: Some(link),
            pending,
            begun: false,
            later: Vec::new(),
        })
    }
}

/// A transaction on a leased connection. Dropped without an end, the
/// connection is closed, which rolls back.
///
/// What needs no answer (the beginning, savepoints) waits in `pending` and
/// travels with the next statement: requests of one connection are served in
/// order, and a failure of what went before fails what comes after, since the
/// login role alone sees no table.
pub(crate) struct Transaction {
    server: Arc<Server>,
    link: Option<Link>,
    pending: String,
    begun: bool,
    later: Vec<Later>,
}

/// A statement that must change exactly one row, and whose answer nobody
/// waits for until the end of its job.
struct Later {
    statement: Statement,
    values: Vec<Value>,
    table: &'static str,
}

/// Statements sent together: each is answered before the next is looked at.
const TOGETHER_MAX: usize = 16;

fn closed() -> DbError {
    DbError::new(Trouble::Lost, "the connection is closed")
}

impl Transaction {
    /// Puts a script in front of the next statement.
    pub(crate) fn defer(&mut self, script: &str) {
        if !self.pending.is_empty() {
            self.pending.push_str("; ");
        }
        self.pending.push_str(script);
    }

    /// What waits, on its way now.
    fn take_pending(&mut self) -> String {
        self.begun = true;
        std::mem::take(&mut self.pending)
    }

    /// The statement, prepared under the house's identity.
    async fn prepared(&mut self, sql: &str) -> Result<Statement, DbError> {
        if let Some(statement) = self.link.as_ref().and_then(|link| link.statements.get(sql)) {
            return Ok(statement.clone());
        }
        self.run("").await?;
        let link = self.link.as_mut().ok_or_else(closed)?;
        let statement = link.client.prepare(sql).await.map_err(failed)?;
        link.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Changes exactly one row, sent with whatever comes next.
    pub(crate) async fn execute_one(
        &mut self,
        sql: &str,
        values: Vec<Value>,
        table: &'static str,
    ) -> Result<(), DbError> {
        if self.later.len() >= TOGETHER_MAX {
            self.settle().await?;
        }
        let statement = self.prepared(sql).await?;
        self.later.push(Later {
            statement,
            values,
            table,
        });
        Ok(())
    }

    /// Sends what waits, and looks at every answer.
    pub(crate) async fn settle(&mut self) -> Result<(), DbError> {
        if self.later.is_empty() {
            return Ok(());
        }
        let before = self.take_pending();
        let later = std::mem::take(&mut self.later);
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        let begin = async {
            if before.is_empty() {
                Ok(())
            } else {
                client.batch_execute(&before).await
            }
        };
        // Polled in this order, and so sent in it.
        let sent = later
            .iter()
            .map(|one| client.execute_raw(&one.statement, &one.values));
        let (before, answers) = tokio::join!(begin, join_all(sent));
        before.map_err(failed)?;
        for (one, answer) in later.iter().zip(answers) {
            super::one_row(answer.map_err(failed)?, one.table)?;
        }
        Ok(())
    }

    /// Drops what waits: its job is rolled back.
    pub(crate) fn forget(&mut self) {
        self.later.clear();
    }

    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        self.settle().await?;
        let statement = self.prepared(sql).await?;
        let before = self.take_pending();
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        let execute = client.execute_raw(&statement, values);
        if before.is_empty() {
            return execute.await.map_err(failed);
        }
        let (before, changed) = tokio::join!(client.batch_execute(&before), execute);
        before.map_err(failed)?;
        changed.map_err(failed)
    }

    pub(crate) async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        self.settle().await?;
        let statement = self.prepared(sql).await?;
        let before = self.take_pending();
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let query = client.query(&statement, &parameters);
        let rows = if before.is_empty() {
            query.await
        } else {
            let (before, rows) = tokio::join!(client.batch_execute(&before), query);
            before.map_err(failed)?;
            rows
        };
        rows.map_err(failed)?.iter().map(read_row).collect()
    }

    pub(crate) async fn run(&mut self, script: &str) -> Result<(), DbError> {
        self.settle().await?;
        self.defer(script);
        let script = self.take_pending();
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        client.batch_execute(&script).await.map_err(failed)
    }

    pub(crate) fn alive(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| !link.client.is_closed())
    }

    pub(crate) async fn commit(mut self) -> Committed {
        if let Err(error) = self.settle().await {
            return Committed::No(error);
        }
        // A COMMIT in a failed transaction, or outside of any, is answered
        // without an error and commits nothing; a SAVEPOINT there is an error.
        self.defer("SAVEPOINT committing; COMMIT");
        let script = self.take_pending();
        let Some(link) = self.link.take() else {
            return Committed::No(closed());
        };
        match link.client.batch_execute(&script).await {
            Ok(()) => {
                self.server.give_back(link);
                Committed::Yes
            }
            // An error says that something broke, not on which side of the
            // commit: the head tells. The connection is closed.
            Err(error) => Committed::Unknown(failed(error)),
        }
    }

    /// Rolls back behind the caller: nobody waits for it, and the connection
    /// is free again when it is done.
    pub(crate) fn rollback(mut self) {
        let Some(link) = self.link.take() else {
            return;
        };
        if !self.begun {
            self.server.give_back(link);
            return;
        }
        let server = self.server.clone();
        tokio::spawn(async move {
            if link.client.batch_execute("ROLLBACK").await.is_ok() {
                server.give_back(link);
            }
        });
    }
}

fn read_row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    let mut columns = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::INT8 => row
                .try_get::<_, Option<i64>>(index)
                .map(|value| value.map(Value::Int)),
            Type::INT4 => row
                .try_get::<_, Option<i32>>(index)
                .map(|value| value.map(|value| Value::Int(value.into()))),
            Type::TEXT | Type::VARCHAR => row
                .try_get::<_, Option<String>>(index)
                .map(|value| value.map(Value::Text)),
            Type::BYTEA => row
                .try_get::<_, Option<Vec<u8>>>(index)
                .map(|value| value.map(Value::Bytes)),
            _ => return Err(DbError::shape(index, "a portable kind")),
        };
        columns.push(value.map_err(failed)?.unwrap_or(Value::Null));
    }
    Ok(Row(columns))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::VARCHAR | Type::BYTEA)
    }

    to_sql_checked!();
}
