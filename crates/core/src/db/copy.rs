//! Copying a house's rows from one engine to another, or to a file.

use std::path::Path;

use super::{Committed, Database, DbError, Migration, Placement, Transaction, Trouble, Value};

/// Rows moved at a time.
const PAGE: i64 = 64;

impl Database {
    /// Writes a consistent copy into a new SQLite file, while others write.
    pub(crate) async fn copy_to(
        &self,
        path: &Path,
        migrations: &[Migration],
        now: i64,
    ) -> Result<(), DbError> {
        if let Self::Sqlite(database) = self {
            let copied = tokio::task::spawn_blocking(database.copier(path)).await;
            return copied.map_err(|error| DbError::new(Trouble::Other, error))?;
        }
        let to = Self::open(&Placement::File(path.to_owned()), migrations, now).await?;
        copy_rows(self, &to).await?;
        if let Self::Sqlite(to) = &to {
            to.settle()?;
        }
        Ok(())
    }
}

/// Copies every row of one snapshot into an empty database of the same schema.
pub(crate) async fn copy_rows(from: &Database, to: &Database) -> Result<(), DbError> {
    let mut source = from.begin_read().await?;
    let mut target = to.begin_write().await?;
    for (table, columns) in tables(&mut source).await? {
        if table != "schema_migration" {
            copy_table(&mut source, &mut target, &table, &columns).await?;
        }
    }
    source.rollback().await;
    match target.commit().await {
        Committed::Yes => Ok(()),
        Committed::No(error) | Committed::Unknown(error) => Err(error),
    }
}

async fn copy_table(
    source: &mut Transaction,
    target: &mut Transaction,
    table: &str,
    columns: &[String],
) -> Result<(), DbError> {
    let found = target
        .query(&format!("SELECT 1 FROM {table} LIMIT 1"), &[])
        .await?;
    if !found.is_empty() {
        return Err(DbError::new(
            Trouble::Other,
            format_args!("`{table}` of the target is not empty"),
        ));
    }
    let names = columns.join(", ");
    let places: Vec<String> = (1..=columns.len())
        .map(|number| format!("${number}"))
        .collect();
    let insert = format!(
        "INSERT INTO {table} ({names}) VALUES ({})",
        places.join(", ")
    );
    // Every table's first columns are its key, so this order is total.
    let order: Vec<String> = (1..=columns.len().min(2))
        .map(|number| number.to_string())
        .collect();
    let select = format!(
        "SELECT {names} FROM {table} ORDER BY {} LIMIT $1 OFFSET $2",
        order.join(", ")
    );
    let mut offset = 0;
    loop {
        let page = source
            .query(&select, &[Value::Int(PAGE), Value::Int(offset)])
            .await?;
        if page.is_empty() {
            return Ok(());
        }
        offset += PAGE;
        for row in page {
            target.execute(&insert, &row.0).await?;
        }
    }
}

/// The tables of a house and their columns, in order.
async fn tables(transaction: &mut Transaction) -> Result<Vec<(String, Vec<String>)>, DbError> {
    let sql = match transaction {
        Transaction::Sqlite(_) => {
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
            WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
        }
        Transaction::Postgres(_) => {
            "SELECT table_name::text, column_name::text FROM information_schema.columns
            WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        }
    };
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for row in transaction.query(sql, &[]).await? {
        let (table, column) = (row.text(0)?, row.text(1)?.to_owned());
        match tables.last_mut().filter(|(name, _)| name == table) {
            Some((_, columns)) => columns.push(column),
            None => tables.push((table.to_owned(), vec![column])),
        }
    }
    Ok(tables)
}
