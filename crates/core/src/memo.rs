//! Answers that cannot have changed: kept while the ledger's head stands
//! still, and for a second at most.
//!
//! Every change is a leaf, so an answer that was read under a head is good
//! under the same head. The second bounds what time alone changes (grants and
//! tokens that expire) and how long a row edited behind the server's back is
//! not looked at. Where other processes write to the house, its head is read
//! from the database, by one for all who ask at the same time ([`Sight`]).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::Database;

/// How long an answer is good at most.
const AGE_MAX: Duration = Duration::from_secs(1);
/// Answers kept; beyond it all are forgotten.
const KEPT_MAX: usize = 4096;

/// The answers to one kind of question to one house.
pub(crate) struct Memo<K, V> {
    kept: Mutex<Kept<K, V>>,
    weight_max: usize,
}

struct Kept<K, V> {
    head: u64,
    since: Instant,
    answers: HashMap<K, V>,
    weight: usize,
}

/// The head that a question was asked under; `None` where it is not known.
#[derive(Clone, Copy)]
pub(crate) struct Asked(Option<u64>);

/// The size of a ledger as the database has it. A look serves everybody who
/// asked before it began.
#[derive(Default)]
pub(crate) struct Sight {
    /// How often was asked.
    asked: AtomicU64,
    last: tokio::sync::Mutex<Look>,
}

/// The last look.
#[derive(Default)]
struct Look {
    /// Whoever asked up to here is answered by it.
    serves: u64,
    size: u64,
}

impl Sight {
    /// The size at some moment after the call.
    pub(crate) async fn size(&self, database: &Database) -> crate::error::Result<u64> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.serves < ticket {
            let serves = self.asked.load(Ordering::SeqCst);
            let mut transaction = database.begin_read().await?;
            let size = crate::ledger::sql::size_seen(&mut transaction).await;
            transaction.rollback().await;
            *last = Look {
                serves,
                size: size?,
            };
        }
        Ok(last.size)
    }
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    /// A memo whose answers weigh at most `weight_max` bytes in all.
    pub(crate) fn new(weight_max: usize) -> Self {
        let kept = Kept {
            head: 0,
            since: Instant::now(),
            answers: HashMap::new(),
            weight: 0,
        };
        Self {
            kept: Mutex::new(kept),
            weight_max,
        }
    }

    /// The answer to `question` under the head that was `seen` a moment ago,
    /// or what to hand to [`Memo::keep`] with a fresh one.
    pub(crate) fn ask(&self, seen: Option<u64>, question: &K) -> Result<V, Asked> {
        let head = seen.ok_or(Asked(None))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.head != head || kept.since.elapsed() >= AGE_MAX {
            kept.clear(head);
        }
        kept.answers.get(question).cloned().ok_or(Asked(Some(head)))
    }

    /// Keeps an answer that was read after the question was asked.
    pub(crate) fn keep(&self, asked: Asked, question: K, answer: V, weight: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.0 != Some(kept.head)
            || kept.weight + weight > self.weight_max
            || kept.answers.len() >= KEPT_MAX
        {
            return;
        }
        kept.weight += weight;
        kept.answers.insert(question, answer);
    }

    /// Forgets what is too old to be given, so that it does not stay in memory.
    pub(crate) fn tend(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.since.elapsed() >= AGE_MAX {
            let head = kept.head;
            kept.clear(head);
        }
    }
}

impl<K, V> Kept<K, V> {
    fn clear(&mut self, head: u64) {
        self.head = head;
        self.since = Instant::now();
        self.answers.clear();
        self.weight = 0;
    }
}
