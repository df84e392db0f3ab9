//! A transaction's view of the records: read once, remembered until written.
//!
//! What a transaction has read it need not ask again, as long as nobody wrote
//! it: a snapshot does not change, and a writing transaction holds the head,
//! so that every writer is this one. What it will want to know can be asked
//! ahead, all at once. Every row is checked each time it is used.

use std::collections::HashMap;
use std::sync::Arc;

use statehouse_model::WorkspaceId;
use statehouse_seal::Keyring;

use super::{Record, Table, checked};
use crate::db::{Row, Transaction, Value};
use crate::error::Result;

/// A table and the values that a row, or an answer, is found by.
type Place = (&'static str, Vec<Value>);

/// A transaction together with the keys that its rows are checked with.
pub(crate) struct Rows {
    pub(crate) transaction: Transaction,
    pub(crate) keyring: Arc<Keyring>,
    known: Known,
}

/// What was read and not written since.
#[derive(Default)]
struct Known {
    /// Rows by their keys.
    rows: HashMap<Place, Row>,
    /// Answers by clause and values.
    answers: HashMap<(&'static str, Place), Vec<Row>>,
}

/// A question that a transaction will have: asked ahead, it costs no waiting.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    table: Table,
    clause: &'static str,
    values: Vec<Value>,
    /// Whether rows are remembered by their keys, or the answer as a whole.
    by_key: bool,
}

impl Ask {
    /// The rows for which `clause` holds, for [`Rows::by_key`].
    pub(crate) fn rows<R: Record>(clause: &'static str, values: Vec<Value>) -> Self {
        Self {
            table: Table::of::<R>(),
            clause,
            values,
            by_key: true,
        }
    }

    /// The answer that [`Rows::answer`] will want.
    pub(crate) fn answer<R: Record>(clause: &'static str, values: Vec<Value>) -> Self {
        Self {
            by_key: false,
            ..Self::rows::<R>(clause, values)
        }
    }

    /// The statement and its values.
    pub(crate) fn question(&self) -> (String, Vec<Value>) {
        let sql = format!("{} {}", self.table.select(), self.clause);
        (sql, self.values.clone())
    }
}

impl Rows {
    pub(crate) fn new(transaction: Transaction, keyring: Arc<Keyring>) -> Self {
        Self {
            transaction,
            keyring,
            known: Known::default(),
        }
    }

    /// Remembers the answer to a question that was asked ahead.
    pub(crate) fn remember(&mut self, ask: Ask, answer: Vec<Row>) {
        let table = ask.table;
        if !ask.by_key {
            let place = (table.name, ask.values);
            self.known.answers.insert((ask.clause, place), answer);
            return;
        }
        for row in answer {
            let key = row.values().iter().take(table.key_len).cloned().collect();
            self.known.rows.insert((table.name, key), row);
        }
    }

    /// Forgets what a write to the row with this key may have changed.
    pub(crate) fn wrote(&mut self, table: &'static str, key: &[Value]) {
        self.known.rows.remove(&(table, key.to_vec()));
        self.known
            .answers
            .retain(|(_, (answered, _)), _| *answered != table);
    }

    /// Forgets everything: writes were taken back.
    pub(crate) fn unlearn(&mut self) {
        self.known = Known::default();
    }

    /// Every record for which `clause` holds (`WHERE … ORDER BY …`).
    pub(crate) async fn find<R: Record>(
        &mut self,
        clause: &str,
        values: &[Value],
    ) -> Result<Vec<R>> {
        let sql = format!("{} {clause}", Table::of::<R>().select());
        let rows = self.transaction.query(&sql, values).await?;
        rows.into_iter()
            .map(|row| checked(row, &self.keyring))
            .collect()
    }

    /// The same, remembered: for what is asked several times.
    pub(crate) async fn answer<R: Record>(
        &mut self,
        clause: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<R>> {
        let question = (clause, (R::TABLE, values));
        let rows = if let Some(rows) = self.known.answers.get(&question) {
            rows.clone()
        } else {
            let sql = format!("{} {clause}", Table::of::<R>().select());
            let rows = self.transaction.query(&sql, &question.1.1).await?;
            self.known.answers.insert(question, rows.clone());
            rows
        };
        rows.into_iter()
            .map(|row| checked(row, &self.keyring))
            .collect()
    }

    /// The rows with the highest `sequence` of each of some workspaces, of a table that has both.
    pub(crate) async fn newest_of<R: Record>(
        &mut self,
        workspaces: &[WorkspaceId],
    ) -> Result<Vec<R>> {
        if workspaces.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=workspaces.len()).map(|at| format!("${at}")).collect();
        let values: Vec<Value> = workspaces.iter().map(|id| id.as_str().into()).collect();
        let (table, places) = (R::TABLE, places.join(", "));
        let clause = format!(
            "WHERE workspace IN ({places}) AND sequence = (
            SELECT max(sequence) FROM {table} n WHERE n.workspace = {table}.workspace)"
        );
        self.find(&clause, &values).await
    }

    /// The record with this key, remembered.
    pub(crate) async fn by_key<R: Record>(&mut self, key: Vec<Value>) -> Result<Option<R>> {
        let place = (R::TABLE, key);
        if let Some(row) = self.known.rows.get(&place) {
            return checked(row.clone(), &self.keyring).map(Some);
        }
        let table = Table::of::<R>();
        let sql = format!("{} WHERE {}", table.select(), table.by_key());
        let Some(row) = self.transaction.query(&sql, &place.1).await?.pop() else {
            return Ok(None);
        };
        self.known.rows.insert(place, row.clone());
        checked(row, &self.keyring).map(Some)
    }

    /// The one record for which `clause` holds.
    pub(crate) async fn one<R: Record>(
        &mut self,
        clause: &str,
        values: &[Value],
    ) -> Result<Option<R>> {
        Ok(self.find(clause, values).await?.pop())
    }
}
