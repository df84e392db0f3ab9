//! Edits of columns and rows, by somebody with `sqlite3` and an older copy.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, params_from_iter};
use statehouse_e2e::random::Random;
use statehouse_e2e::site::Site;

use super::bytes::Edit;
use super::corpus::Corpus;

/// A column that can be edited.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) declared: String,
}

/// A table as the attacker sees it: now, and in the older copy.
pub(super) struct Table {
    /// The database, relative to the data directory.
    pub(super) database: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) now: Vec<(i64, Vec<Value>)>,
    older: Vec<(i64, Vec<Value>)>,
}

/// A statement with its values.
type Statement = (String, Vec<Value>);

/// What can be done to the tables of a corpus.
pub(super) struct Plan {
    pub(super) tables: Vec<Table>,
    /// Every column of every table: each is changed before one is changed twice.
    columns: Vec<(usize, usize)>,
}

/// Attempts at an edit that the schema's own constraints refuse.
const ATTEMPTS: usize = 200;

impl Plan {
    pub(super) fn of(corpus: &Corpus) -> Self {
        let mut tables = Vec::new();
        for database in corpus.databases() {
            let now = Connection::open(corpus.now.data.join(&database)).unwrap();
            let older = Connection::open(corpus.older.data.join(&database)).unwrap();
            for name in names(&now) {
                let columns = columns(&now, &name);
                let (now, older) = (rows(&now, &name), rows(&older, &name));
                tables.push(Table {
                    database: database.clone(),
                    name,
                    columns,
                    now,
                    older,
                });
            }
        }
        let columns = tables.iter().enumerate();
        let columns = columns
            .flat_map(|(table, each)| (0..each.columns.len()).map(move |column| (table, column)));
        // What the server compares with itself at each start is a case of its own; a short ledger has
        // no rows of hashes yet.
        let editable = |table: &Table| table.name != "schema_migration" && !table.now.is_empty();
        let columns = columns
            .filter(|(table, _)| editable(&tables[*table]))
            .collect();
        Self { tables, columns }
    }

    /// Makes the `number`-th edit in a copy.
    pub(super) fn edit(&self, number: usize, random: &mut Random, site: &Site) -> Edit {
        for _ in 0..ATTEMPTS {
            let chosen = if number.is_multiple_of(2) {
                let (table, column) = self.columns[(number / 2) % self.columns.len()];
                Some(self.changed(table, column, random))
            } else {
                let table = random.below(self.tables.len());
                self.other(number / 2, table, random)
            };
            let Some((kind, table, statements)) = chosen else {
                continue;
            };
            if run(&site.data.join(&table.database), &statements) {
                let what = format!("{} in {}: {statements:?}", table.name, table.database);
                return Edit {
                    kind,
                    what: what.chars().take(600).collect(),
                };
            }
        }
        panic!("edit {number}: no edit of this kind fits the corpus");
    }

    fn changed(
        &self,
        table: usize,
        column: usize,
        random: &mut Random,
    ) -> (&'static str, &Table, Vec<Statement>) {
        let table = &self.tables[table];
        ("column changed", table, vec![table.change(column, random)])
    }

    fn other(
        &self,
        turn: usize,
        table: usize,
        random: &mut Random,
    ) -> Option<(&'static str, &Table, Vec<Statement>)> {
        let table = &self.tables[table];
        if table.name == "schema_migration" || table.now.is_empty() {
            return None;
        }
        let (kind, statements) = match turn % 7 {
            0 => ("row inserted", table.insert(random)?),
            1 => ("row deleted", vec![table.delete(random.pick(&table.now).0)]),
            2 => ("value swapped within a house", table.swap(random)?),
            3 => ("row swapped within a house", table.swap_rows(random)?),
            4 => (
                "row taken from another house",
                table.take(self.twin(table, random)?, random)?,
            ),
            5 => ("row replayed from the older copy", table.replay(random)?),
            _ => ("table replayed from the older copy", table.replay_all()?),
        };
        Some((kind, table, statements))
    }

    /// The same table in another database.
    fn twin(&self, table: &Table, random: &mut Random) -> Option<&Table> {
        let twin = |other: &&Table| other.name == table.name && other.database != table.database;
        let twins: Vec<&Table> = self.tables.iter().filter(twin).collect();
        (!twins.is_empty()).then(|| *random.pick(&twins))
    }
}

impl Table {
    /// Sets one column of a random row to something else.
    pub(super) fn change(&self, column: usize, random: &mut Random) -> Statement {
        let (rowid, row) = random.pick(&self.now);
        let borrowed = &random.pick(&self.now).1[column];
        let value = if *borrowed != row[column] && random.below(2) == 0 {
            borrowed.clone()
        } else {
            altered(&row[column], &self.columns[column].declared, random)
        };
        self.update(*rowid, column, value)
    }

    fn update(&self, rowid: i64, column: usize, value: Value) -> Statement {
        let sql = format!(
            "UPDATE {} SET {} = ?1 WHERE rowid = ?2",
            self.name, self.columns[column].name
        );
        (sql, vec![value, Value::Integer(rowid)])
    }

    fn delete(&self, rowid: i64) -> Statement {
        (
            format!("DELETE FROM {} WHERE rowid = ?1", self.name),
            vec![Value::Integer(rowid)],
        )
    }

    fn put(&self, row: &[Value]) -> Statement {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let places: Vec<String> = (1..=row.len()).map(|number| format!("?{number}")).collect();
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            self.name,
            names.join(", "),
            places.join(", ")
        );
        (sql, row.to_vec())
    }

    /// A row like another, under keys of its own.
    fn insert(&self, random: &mut Random) -> Option<Vec<Statement>> {
        let mut row = random.pick(&self.now).1.clone();
        let unique = [
            "id", "name", "code", "handle", "one", "seq", "idx", "size", "epoch", "account",
            "house", "version", "sequence",
        ];
        for (column, value) in self.columns.iter().zip(&mut row) {
            if unique.contains(&column.name.as_str()) && *value != Value::Null {
                *value = altered(value, &column.declared, random);
            }
        }
        self.now
            .iter()
            .all(|(_, other)| *other != row)
            .then(|| vec![self.put(&row)])
    }

    /// Exchanges a column between two rows.
    fn swap(&self, random: &mut Random) -> Option<Vec<Statement>> {
        let column = random.below(self.columns.len());
        let ((one, first), (other, second)) = (random.pick(&self.now), random.pick(&self.now));
        (first[column] != second[column]).then(|| {
            vec![
                self.update(*one, column, second[column].clone()),
                self.update(*other, column, first[column].clone()),
            ]
        })
    }

    /// Exchanges everything but the key between two rows.
    fn swap_rows(&self, random: &mut Random) -> Option<Vec<Statement>> {
        let ((one, first), (other, second)) = (random.pick(&self.now), random.pick(&self.now));
        // Two rows of one run, whose keys begin alike, would each become the other.
        if first[0] == second[0] || first[1..] == second[1..] {
            return None;
        }
        let row = |key: &Value, rest: &[Value]| [std::slice::from_ref(key), &rest[1..]].concat();
        Some(vec![
            self.delete(*one),
            self.delete(*other),
            self.put(&row(&first[0], second)),
            self.put(&row(&second[0], first)),
        ])
    }

    /// Takes a row of another house in, beside or in place of one's own.
    fn take(&self, from: &Self, random: &mut Random) -> Option<Vec<Statement>> {
        if from.now.is_empty() {
            return None;
        }
        let taken = &random.pick(&from.now).1;
        let (rowid, own) = random.pick(&self.now);
        if self.now.iter().any(|(_, row)| row == taken) {
            return None;
        }
        match random.below(3) {
            0 => Some(vec![self.put(taken)]),
            1 => Some(vec![self.delete(*rowid), self.put(taken)]),
            _ => {
                let row = [&own[..1], &taken[1..]].concat();
                (row != *own).then(|| vec![self.delete(*rowid), self.put(&row)])
            }
        }
    }

    /// Puts a row back as it was, or one back that was removed.
    fn replay(&self, random: &mut Random) -> Option<Vec<Statement>> {
        let differs =
            |(_, older): &&(i64, Vec<Value>)| self.now.iter().all(|(_, row)| row != older);
        let differing: Vec<&(i64, Vec<Value>)> = self.older.iter().filter(differs).collect();
        if differing.is_empty() {
            return None;
        }
        let (rowid, row) = *random.pick(&differing);
        Some(vec![self.delete(*rowid), self.put(row)])
    }

    /// Puts the whole table back as it was.
    fn replay_all(&self) -> Option<Vec<Statement>> {
        let rows =
            |all: &[(i64, Vec<Value>)]| all.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>();
        (rows(&self.older) != rows(&self.now)).then(|| {
            let clear = (format!("DELETE FROM {}", self.name), Vec::new());
            std::iter::once(clear)
                .chain(self.older.iter().map(|(_, row)| self.put(row)))
                .collect()
        })
    }
}

/// Another value of the same kind.
fn altered(value: &Value, declared: &str, random: &mut Random) -> Value {
    match value {
        Value::Integer(number) => {
            Value::Integer(number + 1 + i64::from(random.next().to_le_bytes()[0]))
        }
        Value::Text(text) if !text.is_empty() && text.is_ascii() => {
            let mut bytes = text.clone().into_bytes();
            let at = random.below(bytes.len());
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            Value::Text(String::from_utf8(bytes).unwrap())
        }
        Value::Text(_) => Value::Text(random.word(8)),
        Value::Blob(bytes) if !bytes.is_empty() => {
            let mut bytes = bytes.clone();
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
            Value::Blob(bytes)
        }
        Value::Null | Value::Blob(_) | Value::Real(_) => match declared {
            "BIGINT" => Value::Integer(1),
            "TEXT" => Value::Text(random.word(8)),
            _ => Value::Blob(random.bytes(64)),
        },
    }
}

/// Runs an edit as one transaction; false when a constraint of the schema refused it.
fn run(database: &Path, statements: &[Statement]) -> bool {
    let mut connection = Connection::open(database).unwrap();
    // What a table says of its own values binds only those who leave the check on.
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON")
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for (sql, values) in statements {
        match transaction.execute(sql, params_from_iter(values)) {
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return false;
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }
    transaction.commit().unwrap();
    true
}

/// Runs one statement in a copy.
pub(super) fn execute(site: &Site, database: &str, statement: &Statement) -> bool {
    run(&site.data.join(database), std::slice::from_ref(statement))
}

fn names(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn columns(connection: &Connection, table: &str) -> Vec<Column> {
    let sql = format!("SELECT name, type FROM pragma_table_info('{table}') ORDER BY cid");
    let mut statement = connection.prepare(&sql).unwrap();
    let column = |row: &rusqlite::Row<'_>| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get(1)?,
        })
    };
    statement
        .query_map([], column)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn rows(connection: &Connection, table: &str) -> Vec<(i64, Vec<Value>)> {
    let width = columns(connection, table).len();
    let mut statement = connection
        .prepare(&format!("SELECT rowid, * FROM {table} ORDER BY rowid"))
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let values = (1..=width)
            .map(|column| row.get(column))
            .collect::<Result<Vec<Value>, _>>()?;
        Ok((row.get(0)?, values))
    };
    statement
        .query_map([], row)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
