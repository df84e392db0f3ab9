//! Schema changes: ordered files, forward only, each applied once.
//!
//! The digest of every applied file is kept: a file that changed after it was
//! applied stops the start, because two databases of one version would differ.

use sha2::{Digest, Sha256};

use super::{Database, DbError, Row, Trouble, Value};

/// One schema change. The file opens with a paragraph of why.
pub(crate) struct Migration {
    /// Its place in the order, from 1.
    pub(crate) number: i64,
    /// What it does, in a word or two.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) sql: &'static str,
}

pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// Applies what is missing, all of it or nothing.
pub(super) async fn run(
    database: &Database,
    migrations: &[Migration],
    now: i64,
) -> Result<(), DbError> {
    if up_to_date(database, migrations).await? {
        return Ok(());
    }
    let mut transaction = database.begin_write().await?;
    transaction.run(TABLE).await?;
    let applied = transaction
        .query(
            "SELECT number, digest, name FROM schema_migration ORDER BY number",
            &[],
        )
        .await?;
    for (index, migration) in migrations.iter().enumerate() {
        let digest = hex::encode(Sha256::digest(migration.sql));
        match applied.get(index) {
            Some(row) if is(row, migration, &digest)? => {}
            Some(_) => return Err(differs(migration)),
            None => {
                transaction.run(migration.sql).await?;
                let values = [
                    migration.number.into(),
                    migration.name.into(),
                    digest.into(),
                    Value::Int(now),
                ];
                let sql = "INSERT INTO schema_migration (number, name, digest, applied_at) VALUES ($1, $2, $3, $4)";
                transaction.execute(sql, &values).await?;
            }
        }
    }
    match transaction.commit().await {
        super::Committed::Yes => Ok(()),
        super::Committed::No(error) | super::Committed::Unknown(error) => Err(error),
    }
}

/// A cheap look first, so that opening a house takes no write lock.
async fn up_to_date(database: &Database, migrations: &[Migration]) -> Result<bool, DbError> {
    let mut transaction = database.begin_read().await?;
    let found = transaction
        .query(
            "SELECT number, digest, name FROM schema_migration ORDER BY number",
            &[],
        )
        .await;
    transaction.rollback().await;
    let Ok(applied) = found else { return Ok(false) };
    if applied.len() > migrations.len() {
        return Err(DbError::new(
            Trouble::Other,
            format_args!(
                "the database has {} schema changes and this binary knows {}: start a newer binary",
                applied.len(),
                migrations.len()
            ),
        ));
    }
    for (row, migration) in applied.iter().zip(migrations) {
        if !is(row, migration, &hex::encode(Sha256::digest(migration.sql)))? {
            return Err(differs(migration));
        }
    }
    Ok(applied.len() == migrations.len())
}

/// Whether a row says that this very change was applied.
fn is(row: &Row, migration: &Migration, digest: &str) -> Result<bool, DbError> {
    Ok(row.int(0)? == migration.number && row.text(1)? == digest && row.text(2)? == migration.name)
}

fn differs(migration: &Migration) -> DbError {
    let Migration { number, name, .. } = migration;
    DbError::new(
        Trouble::Other,
        format_args!(
            "schema change {number} ({name}) was applied in another form: this binary and this database do not belong together"
        ),
    )
}
