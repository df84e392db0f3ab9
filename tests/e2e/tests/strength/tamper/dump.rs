//! A logical dump: every row of every table of a site, and the schema.

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use statehouse_e2e::site::{Site, files};

/// Table by table, each row as text; `None` for a database that cannot be read to the end.
pub(super) type Dump = Vec<Option<Vec<String>>>;

/// The first difference between what the databases of two sites hold; `None` when there is none.
pub(super) fn difference(before: &Dump, after: &Dump) -> Option<String> {
    for (before, after) in before.iter().zip(after) {
        let (Some(before), Some(after)) = (before, after) else {
            return Some("a database cannot be read to its end".to_owned());
        };
        let gone = before.iter().find(|row| !after.contains(row));
        let new = after.iter().find(|row| !before.contains(row));
        if gone.is_some() || new.is_some() || before.len() != after.len() {
            let cut =
                |row: Option<&String>| row.map(|row| row.chars().take(400).collect::<String>());
            return Some(format!("{:?} became {:?}", cut(gone), cut(new)));
        }
    }
    None
}

/// Dumps a copy, so that nothing of the site itself moves.
pub(super) fn of(site: &Site) -> Dump {
    let folder = tempfile::tempdir().unwrap();
    let copy = site.copy_to(folder.path());
    let databases = files(&copy.data)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "db"));
    databases.map(|path| rows(&path).ok()).collect()
}

fn rows(path: &std::path::Path) -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut dump = texts(
        &connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name",
    )?;
    let tables = texts(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
    )?;
    for table in tables.iter().map(|text| text.trim_matches(['[', ']', '"'])) {
        let columns = columns(&connection, table)?;
        // The index is not asked: what counts is what the table itself holds.
        let sql = format!(
            "SELECT {} FROM {table} NOT INDEXED ORDER BY {}",
            columns.join(", "),
            columns.join(", ")
        );
        dump.extend(
            texts(&connection, &sql)?
                .into_iter()
                .map(|row| format!("{table} {row}")),
        );
    }
    Ok(dump)
}

/// The columns of a table; when a schema change was applied is told, and no evidence.
fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT name FROM pragma_table_info('{table}')
        WHERE '{table}.' || name <> 'schema_migration.applied_at' ORDER BY cid"
    );
    let mut statement = connection.prepare(&sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..width)
            .map(|column| row.get::<_, Value>(column))
            .collect::<Result<Vec<_>, _>>()?;
        found.push(if let [Value::Text(only)] = cells.as_slice() {
            only.clone()
        } else {
            format!("{cells:?}")
        });
    }
    Ok(found)
}
