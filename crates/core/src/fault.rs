//! Places where tests break things, so that the handling of broken things is
//! the same code that runs in production.
//!
//! In a running server [`Faults`] holds nothing and every call is a branch on
//! `None`.

use std::sync::Arc;

use crate::door::BoxFuture;

/// A place in the life of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before the transaction begins.
    Begin,
    /// Before the body of the job with this index.
    Body(usize),
    /// After the checkpoint was signed and stored, before the commit.
    Signed,
    /// At the commit.
    Commit,
    /// After the commit, before anybody hears of it.
    Committed,
    /// After the anchor was written, before the site log hears of it.
    Anchored,
}

/// What happens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection is lost.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only tests lose connections on purpose")
    )]
    Lost,
    /// The process stops.
    Stop,
}

/// What a test wants to happen.
pub(crate) trait Inject: Send + Sync {
    /// The fault at a point; may wait.
    fn at(&self, point: Point) -> BoxFuture<'_, Fault>;

    /// SQL to run on the writing connection at a point, errors ignored.
    fn script(&self, _: Point) -> Option<String> {
        None
    }
}

/// The faults of one house.
#[derive(Clone, Default)]
pub(crate) struct Faults(Option<Arc<dyn Inject>>);

impl Faults {
    #[cfg(test)]
    pub(crate) fn new(inject: Arc<dyn Inject>) -> Self {
        Self(Some(inject))
    }

    pub(crate) async fn at(&self, point: Point) -> Fault {
        match &self.0 {
            Some(inject) => inject.at(point).await,
            None => Fault::None,
        }
    }

    pub(crate) fn script(&self, point: Point) -> Option<String> {
        self.0.as_ref().and_then(|inject| inject.script(point))
    }
}
