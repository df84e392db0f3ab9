//! What differs between the engines. At ten functions, think again.

use super::Trouble;

/// What a SQLite failure means. Full disk, I/O errors and lack of memory end
/// the transaction (<https://www.sqlite.org/lang_transaction.html>, section 3).
pub(super) fn sqlite_trouble(error: &rusqlite::Error) -> Trouble {
    use rusqlite::ErrorCode;
    match error.sqlite_error() {
        Some(failure) => match failure.code {
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked => Trouble::Lost,
            ErrorCode::OperationInterrupted => Trouble::Slow,
            ErrorCode::ReadOnly | ErrorCode::CannotOpen => Trouble::ReadOnly,
            ErrorCode::ConstraintViolation => Trouble::Unique,
            _ => Trouble::Other,
        },
        None => Trouble::Other,
    }
}

/// What a PostgreSQL failure means, by SQLSTATE class
/// (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
pub(super) fn postgres_trouble(error: &tokio_postgres::Error) -> Trouble {
    let Some(state) = error.code() else {
        return Trouble::Lost;
    };
    match state.code() {
        "57014" => Trouble::Slow,
        "25006" => Trouble::ReadOnly,
        "23505" => Trouble::Unique,
        "40001" | "40P01" => Trouble::Lost,
        code if ["08", "53", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            Trouble::Lost
        }
        _ => Trouble::Other,
    }
}

/// SQLite numbers parameters `?1`; PostgreSQL `$1`.
pub(super) fn sqlite_placeholders(sql: &str) -> String {
    sql.replace('$', "?")
}

/// The row lock that makes several server processes on one PostgreSQL serial;
/// SQLite's `BEGIN IMMEDIATE` has already done it.
pub(crate) fn lock_row(transaction: &super::Transaction) -> &'static str {
    match transaction {
        super::Transaction::Sqlite(_) => "",
        super::Transaction::Postgres(_) => " FOR UPDATE",
    }
}
