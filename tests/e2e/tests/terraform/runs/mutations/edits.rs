//! Which things are spoiled and how: every column of every row that an apply depends on, and every sealed body.

use std::fmt;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::scene::{Lane, Scene, Told};

/// How something is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flip,
    Drop,
    Duplicate,
    /// What it was for the run before.
    Older,
    AnotherWorkspaces,
    AnotherHouses,
}

const KINDS: [Kind; 6] = [
    Kind::Flip,
    Kind::Drop,
    Kind::Duplicate,
    Kind::Older,
    Kind::AnotherWorkspaces,
    Kind::AnotherHouses,
];

/// A row of a lane, and how it is found from the ids of its workspace (`?1`) and its run (`?2`).
struct Rows {
    name: &'static str,
    table: &'static str,
    found: &'static str,
}

/// Columns that bind nothing, with the reason.
const OUTSIDE: [(&str, &str); 2] = [
    // Sealed for whoever asks who holds the lock; an apply goes by its id.
    ("workspace", "lock_info"),
    // An index over the header.
    ("blob", "epoch"),
];

macro_rules! rows {
    ($($name:literal in $table:literal by $found:literal,)*) => {
        &[$(Rows { name: $name, table: $table, found: $found },)*]
    };
}

const ROWS: &[Rows] = rows![
    "run" in "run" by "id = ?2",
    "capsule" in "capsule" by "run = ?2",
    "approval" in "approval" by "run = ?2",
    "requirement" in "execution" by "scope = ?1",
    "workspace" in "workspace" by "id = ?1",
    "planning job" in "job" by "run = ?2 AND step = 'plan'",
    "configuration" in "configuration" by "id = (SELECT configuration FROM run WHERE id = ?2)",
    "base state" in "version" by "id = (SELECT base FROM run WHERE id = ?2)",
    "terraform variable" in "variable" by "owner = ?1 AND category = 'terraform'",
    "environment variable" in "variable" by "owner = ?1 AND category = 'env'",
    "options" in "run_file" by "run = ?2 AND kind = 'options'",
    "plan file" in "run_file" by "run = ?2 AND kind = 'plan'",
    "plan JSON" in "run_file" by "run = ?2 AND kind = 'plan-json'",
    "shown plan" in "run_file" by "run = ?2 AND kind = 'plan-shown'",
    "what was found" in "run_file" by "run = ?2 AND kind = 'found'",
    "text of the capsule" in "run_file" by "run = ?2 AND kind = 'capsule'",
    "body of the configuration" in "blob" by "version = (SELECT configuration FROM run WHERE id = ?2)",
    "body of the base state" in "blob" by "version = (SELECT base FROM run WHERE id = ?2)",
    "body of the variable" in "blob" by "version = (SELECT value FROM variable WHERE owner = ?1 AND category = 'terraform')",
    "body of the options" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'options')",
    "body of the plan file" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'plan')",
    "body of the plan JSON" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'plan-json')",
    "body of the shown plan" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'plan-shown')",
    "body of what was found" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'found')",
    "body of the capsule" in "blob" by "version = (SELECT id FROM run_file WHERE run = ?2 AND kind = 'capsule')",
];

/// Something to spoil in a lane.
pub(crate) struct Edit {
    rows: &'static Rows,
    column: String,
    kind: Kind,
}

impl fmt::Display for Edit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{} {:?}", self.rows.name, self.column, self.kind)
    }
}

/// Every edit that changes something.
pub(crate) fn all(scene: &Scene) -> Vec<Edit> {
    let mut database = Connection::open(scene.database()).unwrap();
    let mut edits = Vec::new();
    for rows in ROWS {
        let before = edits.len();
        for column in columns(&database, rows.table) {
            if OUTSIDE.contains(&(rows.table, column.as_str())) {
                continue;
            }
            for kind in KINDS {
                let column = column.clone();
                let edit = Edit { rows, column, kind };
                let transaction = database.transaction().unwrap();
                if edit.changes(scene, 0, &transaction) {
                    edits.push(edit);
                }
            }
        }
        assert!(
            edits.len() > before,
            "nothing of the {} is spoiled",
            rows.name
        );
    }
    edits
}

fn columns(database: &Connection, table: &str) -> Vec<String> {
    let mut statement = database
        .prepare("SELECT name FROM pragma_table_info(?1)")
        .unwrap();
    let names = statement.query_map([table], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

impl Edit {
    /// What it is of.
    pub(crate) fn of(&self) -> &'static str {
        self.rows.name
    }

    /// Whether it changes how many versions there seem to be.
    pub(crate) fn is_of_versions(&self) -> bool {
        self.rows.table == "version"
    }

    /// Spoils it in a lane of the copy. Where what it would put there is there already, as a place of two that both runs were at, it is flipped.
    pub(crate) fn make(&self, scene: &Scene, number: usize) {
        let mut database = Connection::open(scene.database()).unwrap();
        let transaction = database.transaction().unwrap();
        let flip = Self {
            kind: Kind::Flip,
            column: self.column.clone(),
            rows: self.rows,
        };
        assert!(
            self.changes(scene, number, &transaction) || flip.changes(scene, number, &transaction),
            "{self} is nothing in lane {number}"
        );
        transaction.commit().unwrap();
    }

    /// Spoils it, and says whether that was possible and changed anything.
    fn changes(&self, scene: &Scene, number: usize, database: &Transaction<'_>) -> bool {
        let lane = &scene.lanes[number];
        let (row, own) = self.value(database, lane, &lane.run).unwrap();
        for value in self.spoiled(scene, number, database, &own) {
            if value == own {
                continue;
            }
            let sql = format!(
                "UPDATE {} SET {} = ?1 WHERE rowid = ?2",
                self.rows.table, self.column
            );
            // What the database itself refuses nobody could write.
            if database.execute(&sql, (value, row)).is_ok() {
                return true;
            }
        }
        false
    }

    /// Where the value is in a database, and what it is for a run of a lane.
    fn value(&self, database: &Connection, lane: &Lane, run: &str) -> Option<(i64, Value)> {
        let Rows { table, found, .. } = self.rows;
        let sql = format!(
            "SELECT rowid, {} FROM {table} WHERE {found} AND ?1 <> ?2 ORDER BY rowid LIMIT 1",
            self.column
        );
        let found = database.query_row(&sql, [lane.workspace.as_str(), run], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        found.optional().unwrap()
    }

    /// What to put in the place of a value; the first that the database takes.
    fn spoiled(
        &self,
        scene: &Scene,
        number: usize,
        database: &Connection,
        own: &Value,
    ) -> Vec<Value> {
        let lane = &scene.lanes[number];
        let elsewhere = |database: &Connection, lane: &Lane, run: &str| -> Vec<Value> {
            let found = self.value(database, lane, run);
            found.map(|(_, value)| value).into_iter().collect()
        };
        match self.kind {
            Kind::Flip => vec![flipped(own)],
            Kind::Drop => vec![Value::Null, emptied(own)],
            Kind::Duplicate => vec![doubled(own)],
            Kind::Older => elsewhere(database, lane, &lane.earlier),
            Kind::AnotherWorkspaces => {
                let others = scene.lanes.iter().cycle().skip(number + 1);
                let others = others.take(scene.lanes.len() - 1);
                others
                    .flat_map(|other| elsewhere(database, other, &other.run))
                    .collect()
            }
            Kind::AnotherHouses => {
                let (path, lane): &(_, Lane) = &scene.foreign;
                let path: &Path = path;
                elsewhere(&Connection::open(path).unwrap(), lane, &lane.run)
            }
        }
    }

    /// Whether it was told of in words that fit.
    pub(crate) fn is_named(&self, told: &Told) -> bool {
        // An approval that is not this run's any more is none.
        let is_gone = self.rows.name == "approval" && told.waits();
        told.is_refused() || is_gone
    }
}

fn flipped(value: &Value) -> Value {
    match value {
        Value::Null => Value::Integer(1),
        Value::Integer(number) => Value::Integer(number ^ 1),
        Value::Real(number) => Value::Real(-number),
        Value::Text(text) if text.is_empty() => Value::Text("x".to_owned()),
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            let middle = bytes.len() / 2;
            bytes[middle] = if bytes[middle] == b'a' { b'b' } else { b'a' };
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        Value::Blob(bytes) => {
            let mut bytes = bytes.clone();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
            }
            Value::Blob(bytes)
        }
    }
}

fn emptied(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Integer(_) => Value::Integer(0),
        Value::Real(_) => Value::Real(0.0),
        Value::Text(_) => Value::Text(String::new()),
        Value::Blob(_) => Value::Blob(Vec::new()),
    }
}

fn doubled(value: &Value) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(number.saturating_mul(2)),
        Value::Text(text) => Value::Text(text.repeat(2)),
        Value::Blob(bytes) => Value::Blob(bytes.repeat(2)),
        other => other.clone(),
    }
}
