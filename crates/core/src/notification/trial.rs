//! How many receivers of an organization are tried at once.
//!
//! Whoever may say where notifications go may have any address tried, as often as they ask;
//! each try waits for somebody who need not answer. So only a few of one house wait at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use statehouse_model::HouseCode;

use super::Deliver;
use crate::error::{Error, Kind, Result};

/// Receivers of one house that are tried at once.
const AT_ONCE_MAX: usize = 4;
/// After how many seconds one of them is over: none is waited for longer.
const AGAIN_AFTER_S: u32 = 10;

/// How many receivers of each house are being tried.
#[derive(Default)]
pub(crate) struct Trials(Mutex<HashMap<HouseCode, usize>>);

/// A receiver that is being tried; it is over when this is dropped.
pub(super) struct Trial<'a> {
    of: &'a Trials,
    code: HouseCode,
}

impl Trials {
    /// Begins one, where not too many of the house are waited for.
    pub(super) fn begin(&self, code: HouseCode) -> Result<Trial<'_>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(code).or_default();
        if *count >= AT_ONCE_MAX {
            let words = format!(
                "{AT_ONCE_MAX} receivers of this organization are being tried at this moment; this one was not"
            );
            let busy = Kind::TooMany {
                after_s: AGAIN_AFTER_S,
            };
            return Err(
                Error::new(busy, words).hint("nothing was changed; try again in ten seconds")
            );
        }
        *count += 1;
        Ok(Trial { of: self, code })
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let mut running = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.code) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.code);
            }
        }
    }
}

/// What tries a receiver: who sends, and how many are being tried.
#[derive(Clone, Copy)]
pub(crate) struct Trier<'a> {
    pub(crate) deliver: &'a dyn Deliver,
    pub(crate) trials: &'a Trials,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_so_many_of_one_house_are_tried_at_once() {
        let trials = Trials::default();
        let [one, other] = [1, 2].map(HouseCode::from_entropy);
        let mut running: Vec<Trial<'_>> = (0..AT_ONCE_MAX)
            .map(|_| trials.begin(one).unwrap())
            .collect();
        let refused = trials.begin(one).err().unwrap();
        let kind = Kind::TooMany {
            after_s: AGAIN_AFTER_S,
        };
        assert_eq!(*refused.kind(), kind);
        assert!(refused.message().contains("4 receivers"), "{refused}");
        assert!(refused.next_step().is_some());
        drop(trials.begin(other).unwrap());
        running.pop();
        running.push(trials.begin(one).unwrap());
        assert!(trials.begin(one).is_err());
        running.clear();
        assert!(trials.0.lock().unwrap().is_empty());
    }
}
