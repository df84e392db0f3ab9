//! Which refusals were recorded lately: each is a leaf once a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::ctx::Ctx;
use crate::door::Target;

/// The same refusal of the same caller is one leaf per minute.
const REFUSAL_EVERY_US: i64 = 60_000_000;
/// Distinct refusals remembered; beyond it the oldest minute is forgotten.
const REFUSALS_MAX: usize = 4096;

/// Which refusals were recorded lately.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Refusal, i64>>);

/// Who was refused what, on which target.
type Refusal = (String, &'static str, String);

impl Refusals {
    /// Whether this refusal should be recorded now.
    pub(crate) fn due(&self, ctx: &Ctx, action: &'static str, target: &Target, now: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REFUSALS_MAX {
            seen.retain(|_, at| now.saturating_sub(*at) < REFUSAL_EVERY_US);
        }
        let full = seen.len() >= REFUSALS_MAX;
        let slot = seen.entry(refusal(ctx, action, target)).or_insert(i64::MIN);
        let due = !full && now.saturating_sub(*slot) >= REFUSAL_EVERY_US;
        if due {
            *slot = now;
        }
        due
    }

    /// The leaf of a refusal was not committed: the next one is due.
    pub(crate) fn forget(&self, ctx: &Ctx, action: &'static str, target: &Target) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&refusal(ctx, action, target));
    }
}

/// A refusal as its leaf tells it: names that somebody invents are one object.
fn refusal(ctx: &Ctx, action: &'static str, target: &Target) -> Refusal {
    (
        ctx.actor().id().to_owned(),
        action,
        crate::door::object_of(ctx, target),
    )
}
