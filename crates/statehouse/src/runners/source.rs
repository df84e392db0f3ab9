//! Where jobs come from, and who answers for them: the core of this process, or a server elsewhere.

use std::future::Future;

use bytes::Bytes;
use statehouse_control::{Answer, Ask, Beside};
use statehouse_model::RunId;

/// A job that a place was given.
pub(crate) trait Job: Send + Sync {
    /// The run that it is of.
    fn run(&self) -> &RunId;

    /// Answers what its runner asks.
    fn answer(&self, ask: Ask, beside: Beside) -> impl Future<Output = Answer> + Send;

    /// Says that its runner is gone.
    fn lost(&self) -> impl Future<Output = ()> + Send;
}

/// Why a state that a runner left was not taken.
pub(crate) enum NotTaken {
    /// Nobody will take it: a person has to look.
    Refused(String),
    /// Whoever may take it cannot be asked now, or does not know who asks.
    Later(String),
}

/// Where jobs come from.
pub(crate) trait Source: Clone + Send + Sync + 'static {
    /// A job of this source.
    type Job: Job;

    /// Begins to look for jobs, for so many places.
    fn begin(&self, slots: u32) -> impl Future<Output = ()> + Send;

    /// Waits for a job for a place.
    fn next(&self, slot: u32) -> impl Future<Output = Self::Job> + Send;

    /// Says that a place takes no job any more.
    fn rests(&self, slot: u32) -> impl Future<Output = ()> + Send;

    /// Hands over a state that a runner left, sealed as it lies there.
    fn left(&self, run: &RunId, sealed: Bytes)
    -> impl Future<Output = Result<(), NotTaken>> + Send;
}
