//! The houses that are open: opened at first use, each once, closed when idle.
//!
//! Opening one house (keys from an HSM, a schema change) never holds up
//! another: the map is locked only to find the cell of a house, and whoever
//! comes first fills it while the others of that house wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use statehouse_model::HouseCode;
use tokio::sync::OnceCell;

use crate::error::{Error, Result};
use crate::house::House;

/// Houses open at once; beyond it the one unused for longest is closed.
const OPEN_MAX: usize = 64;
/// A house that nobody used for this long is closed, in microseconds.
const IDLE_US: i64 = 10 * 60 * 1_000_000;

type Cell = Arc<OnceCell<Arc<House>>>;

/// The open houses of a process, the site not among them.
#[derive(Default)]
pub(crate) struct Houses(Mutex<HashMap<HouseCode, Cell>>);

impl Houses {
    /// The house of a code: the open one, or the one that `open` makes.
    pub(crate) async fn get<F>(
        &self,
        code: HouseCode,
        open: impl FnOnce() -> F,
    ) -> Result<Arc<House>>
    where
        F: Future<Output = Result<Arc<House>>>,
    {
        let (cell, closing) = self.cell(code)?;
        if let Some(closing) = closing {
            close(&closing).await;
        }
        let house = cell.get_or_try_init(open).await?.clone();
        house.touch();
        Ok(house)
    }

    /// The cell of a code, and a house that makes room for it.
    fn cell(&self, code: HouseCode) -> Result<(Cell, Option<Arc<House>>)> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cells.get(&code).cloned();
        if let Some(cell) = found.filter(|cell| cell.get().is_none_or(|house| house.alive())) {
            return Ok((cell, None));
        }
        cells.remove(&code);
        let mut closing = None;
        if cells.len() >= OPEN_MAX {
            let idle = cells.iter().filter_map(|(code, cell)| {
                let house = cell.get().filter(|house| Arc::strong_count(house) == 1)?;
                Some((house.used_at(), *code))
            });
            let oldest = idle.min().map(|(_, code)| code);
            closing = oldest
                .and_then(|code| cells.remove(&code))
                .and_then(|cell| cell.get().cloned());
            if closing.is_none() {
                let words = format!("{OPEN_MAX} organizations are in use at this moment");
                return Err(Error::unavailable(words).hint("try again in a moment"));
            }
        }
        let cell = Cell::default();
        cells.insert(code, cell.clone());
        Ok((cell, closing))
    }

    /// Takes a house out of the map, and brings its anchor up to its head.
    pub(crate) async fn close(&self, code: HouseCode) {
        let cell = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&code);
        if let Some(house) = cell.and_then(|cell| cell.get().cloned()) {
            close(&house).await;
        }
    }

    /// Closes a house that was opened to be looked at, where nobody else came to use it.
    pub(crate) async fn close_unused(&self, code: HouseCode) {
        let closing = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let house = cells.get(&code).and_then(|cell| cell.get());
            let is_unused = house.is_some_and(|house| Arc::strong_count(house) == 1);
            is_unused.then(|| cells.remove(&code)).flatten()
        };
        if let Some(house) = closing.and_then(|cell| cell.get().cloned()) {
            close(&house).await;
        }
    }

    /// Every open house.
    pub(crate) fn all(&self) -> Vec<Arc<House>> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .values()
            .filter_map(|cell| cell.get().cloned())
            .collect()
    }

    /// Closes the houses that nobody used for a while.
    pub(crate) async fn close_idle(&self, now: i64) {
        let closing: Vec<_> = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = |house: &&Arc<House>| {
                now.saturating_sub(house.used_at()) > IDLE_US && Arc::strong_count(house) == 1
            };
            let codes: Vec<_> = cells
                .iter()
                .filter(|(_, cell)| cell.get().as_ref().is_some_and(idle))
                .map(|(code, _)| *code)
                .collect();
            codes
                .into_iter()
                .filter_map(|code| cells.remove(&code)?.get().cloned())
                .collect()
        };
        for house in closing {
            close(&house).await;
        }
    }
}

/// Writes what is counted, and the anchor.
async fn close(house: &Arc<House>) {
    house.reads().flush(house, true).await;
    if let Err(error) = house.settle() {
        tracing::warn!(house = %house.code(), %error, "closing an organization");
    }
}
