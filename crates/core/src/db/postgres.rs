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
            job: None,
            broken: false,
        })
    }
}

/// A transaction on a leased connection. Dropped without an end, the
/// connection is closed, which rolls back.
///
/// What needs no answer (the beginning, savepoints) waits in `pending` and
/// travels with the next statement: requests of one connection are served in
/// order, and a failure of what went before fails what comes after, since the
/// login role alone sees no table. What must change exactly one row waits in
/// `later`, across jobs, until something has to be answered. A job needs a
/// savepoint only once a write of its own was sent before it ended.
pub(crate) struct Transaction {
    server: Arc<Server>,
    link: Option<Link>,
    pending: String,
    begun: bool,
    later: Vec<Later>,
    job: Option<Job>,
    /// A statement failed, and there is no savepoint to go back to.
    broken: bool,
}

/// A statement that must change exactly one row, and whose answer nobody
/// waits for yet.
struct Later {
    statement: Statement,
    values: Vec<Value>,
    table: &'static str,
}

/// The job that runs at the moment.
struct Job {
    /// Where its own statements begin in `later`.
    from: usize,
    /// Whether there is a savepoint to go back to.
    saved: bool,
}

/// Statements sent together. Each answer is looked at before more are sent, so
/// that what waits at either end stays small.
const TOGETHER_MAX: usize = 64;

fn closed() -> DbError {
    DbError::new(Trouble::Lost, "the connection is closed")
}

impl Transaction {
    fn defer(&mut self, script: &str) {
        if !self.pending.is_empty() {
            self.pending.push_str("; ");
        }
        self.pending.push_str(script);
    }

    pub(crate) fn begin_job(&mut self) {
        self.job = Some(Job {
            from: self.later.len(),
            saved: false,
        });
    }

    pub(crate) fn end_job(&mut self) {
        if self.job.take().is_some_and(|job| job.saved) {
            self.defer("RELEASE SAVEPOINT job");
        }
    }

    pub(crate) fn abandon_job(&mut self) {
        let Some(job) = self.job.take() else { return };
        self.later.truncate(job.from);
        if job.saved {
            self.defer("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job");
        }
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
        self.send(Vec::new(), &[]).await?;
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
            self.settle_earlier().await?;
        }
        let statement = self.prepared(sql).await?;
        self.later.push(Later {
            statement,
            values,
            table,
        });
        Ok(())
    }

    /// Sends `pending`, then `later`, then `questions`, all at once, and looks
    /// at every answer.
    async fn send(
        &mut self,
        later: Vec<Later>,
        questions: &[(Statement, &[Value])],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let answers = self.exchange(later, questions).await;
        self.note(answers)
    }

    /// After a failure the engine takes nothing more up to a savepoint.
    fn note<T>(&mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        let saved = self.job.as_ref().is_some_and(|job| job.saved);
        self.broken |= answer.is_err() && !saved;
        answer
    }

    async fn exchange(
        &mut self,
        later: Vec<Later>,
        questions: &[(Statement, &[Value])],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        let before = self.take_pending();
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        let begin = async {
            if before.is_empty() {
                Ok(())
            } else {
                client.batch_execute(&before).await
            }
        };
        let writes = later
            .iter()
            .map(|one| client.execute_raw(&one.statement, &one.values));
        let reads = questions.iter().map(|(statement, values)| async move {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
            client.query(statement, &values).await
        });
        // Polled in this order, and so sent in it.
        let (begun, wrote, read) = tokio::join!(begin, join_all(writes), join_all(reads));
        begun.map_err(failed)?;
        for (one, changed) in later.iter().zip(wrote) {
            super::one_row(changed.map_err(failed)?, one.table)?;
        }
        read.into_iter()
            .map(|rows| rows.map_err(failed)?.iter().map(read_row).collect())
            .collect()
    }

    /// What the running job wrote and nobody sent yet.
    fn own(&mut self) -> Vec<Later> {
        let from = self.job.as_ref().map_or(0, |job| job.from);
        let own = self.later.split_off(from.min(self.later.len()));
        if let Some(job) = &mut self.job {
            job.from = 0;
        }
        own
    }

    /// Makes sure that what the running job sends can be taken back.
    fn save(&mut self) {
        if let Some(job) = self.job.as_mut().filter(|job| !job.saved) {
            job.saved = true;
            self.defer("SAVEPOINT job");
        }
    }

    /// Sends what earlier jobs wrote; the running one's goes on waiting.
    async fn settle_earlier(&mut self) -> Result<(), DbError> {
        let own = self.own();
        let earlier = std::mem::replace(&mut self.later, own);
        if earlier.is_empty() {
            self.settle().await
        } else {
            self.send_earlier(earlier).await
        }
    }

    /// A failure here is not the running job's: it voids the batch.
    async fn send_earlier(&mut self, earlier: Vec<Later>) -> Result<(), DbError> {
        let sent = self.send(earlier, &[]).await;
        sent.map(drop)
            .map_err(|error| DbError::new(Trouble::Lost, error))
    }

    /// Sends what waits, and looks at every answer.
    pub(crate) async fn settle(&mut self) -> Result<(), DbError> {
        let own = self.own();
        let earlier = std::mem::take(&mut self.later);
        if !earlier.is_empty() {
            self.send_earlier(earlier).await?;
        }
        if !own.is_empty() {
            self.save();
            self.send(own, &[]).await?;
        }
        Ok(())
    }

    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, DbError> {
        self.settle().await?;
        self.save();
        let statement = self.prepared(sql).await?;
        let before = self.take_pending();
        let client = &self.link.as_ref().ok_or_else(closed)?.client;
        let begin = client.batch_execute(&before);
        let (begun, changed) = tokio::join!(begin, client.execute_raw(&statement, values));
        let changed = begun.and(changed).map_err(failed);
        self.note(changed)
    }

    pub(crate) async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DbError> {
        self.settle().await?;
        let statement = self.prepared(sql).await?;
        let mut answers = self.send(Vec::new(), &[(statement, values)]).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Several questions that do not wait for each other's answers.
    pub(crate) async fn query_all(
        &mut self,
        questions: &[(String, Vec<Value>)],
    ) -> Result<Vec<Vec<Row>>, DbError> {
        self.settle().await?;
        let mut prepared = Vec::with_capacity(questions.len());
        for (sql, values) in questions {
            prepared.push((self.prepared(sql).await?, values.as_slice()));
        }
        self.send(Vec::new(), &prepared).await
    }

    pub(crate) async fn run(&mut self, script: &str) -> Result<(), DbError> {
        self.settle().await?;
        self.save();
        self.defer(script);
        self.send(Vec::new(), &[]).await.map(drop)
    }

    pub(crate) fn alive(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| !self.broken && !link.client.is_closed())
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
