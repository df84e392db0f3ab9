//! Beginning a transaction: the keys as they are now, and what is known to be
//! wanted, asked at once.
//!
//! Where other processes share the database, each question is a journey; those
//! that do not wait for each other's answers travel together. In a file of our
//! own a question costs less than remembering its answer, and none is asked.

use crate::db::Transaction;
use crate::error::Result;
use crate::house::Base;
use crate::key;
use crate::ledger::{self, Head};
use crate::record::{Ask, Rows};

/// The stored head, and what its row binds of the retained checkpoints.
pub(super) type Bound = Option<(Head, Vec<u8>)>;

/// Begins a reading transaction.
pub(super) async fn reading(base: &Base, transaction: Transaction, asks: Vec<Ask>) -> Result<Rows> {
    let (rows, _) = begin(base, transaction, false, false, asks).await?;
    Ok(rows)
}

/// Begins a writing transaction: the head is locked before anything is read.
/// In `doubt`, the keys in memory are compared with the stored ones in a file
/// of our own, too.
pub(super) async fn writing(
    base: &Base,
    transaction: Transaction,
    doubt: bool,
    asks: Vec<Ask>,
) -> Result<(Rows, Bound)> {
    begin(base, transaction, true, doubt, asks).await
}

async fn begin(
    base: &Base,
    mut transaction: Transaction,
    head: bool,
    doubt: bool,
    mut asks: Vec<Ask>,
) -> Result<(Rows, Bound)> {
    if !transaction.is_shared() {
        asks.clear();
    }
    let follow = doubt || transaction.is_shared();
    let mut questions = Vec::with_capacity(asks.len() + 2);
    if head {
        let sql = ledger::sql::head_for_writing(&transaction);
        questions.push((sql, Vec::new()));
    }
    if follow {
        questions.push((key::sql::LIVE.to_owned(), Vec::new()));
    }
    questions.extend(asks.iter().map(Ask::question));
    let mut answers = transaction.query_all(&questions).await?.into_iter();
    let mut bound = None;
    if head {
        let stored = answers.next().unwrap_or_default();
        bound = stored.first().map(ledger::sql::bound_row).transpose()?;
    }
    if follow {
        let live = answers.next().unwrap_or_default();
        key::take_up(base, &mut transaction, &live).await?;
    }
    let mut rows = Rows::new(transaction, base.keyring());
    for (ask, answer) in asks.into_iter().zip(answers) {
        rows.remember(ask, answer);
    }
    Ok((rows, bound))
}
