//! How a run looks to the platform's clients: their word for its status, and what they may do.
//!
//! Terraform takes only `pending` and `confirmed` as "not started" and reads the log in every other status; after the
//! plan's log it asks once whether the run can be confirmed. So a run stays `planning` for it until it is known what it
//! waits for, and a run that applies by itself never rests in a status that could be confirmed.

use super::{State, Status};

/// What a client may do with a run now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // So they stand on the wire.
pub struct Actions {
    /// It can be asked to stop.
    pub is_cancelable: bool,
    /// It can be applied by saying so.
    pub is_confirmable: bool,
    /// It can be decided against.
    pub is_discardable: bool,
    /// It can be stopped by force.
    pub is_force_cancelable: bool,
}

impl State {
    /// The platform's word for its status.
    pub fn platform_word(&self) -> &'static str {
        match self.status() {
            Status::Pending => "pending",
            Status::Fetching => "plan_queued",
            Status::Planning | Status::Planned | Status::Assessing => "planning",
            Status::PolicyFailed => "policy_soft_failed",
            Status::AwaitingApproval if self.is_confirmed() => "confirmed",
            Status::AwaitingApproval if self.stored().under_policies => "policy_checked",
            Status::AwaitingApproval => "planned",
            Status::Approved => "confirmed",
            Status::Verifying => "apply_queued",
            Status::Applying => "applying",
            Status::Applied => "applied",
            Status::PlannedAndFinished => "planned_and_finished",
            Status::PlannedAndSaved => "planned_and_saved",
            Status::Errored | Status::Stale | Status::StateTampered => "errored",
            // Who waits for the apply that they asked for must not take its end for a success.
            Status::Discarded | Status::Superseded if self.is_confirmed() => "canceled",
            Status::Canceled => "canceled",
            Status::ForceCanceled => "force_canceled",
            Status::Discarded | Status::Superseded => "discarded",
        }
    }

    /// What a client may do with it now.
    pub fn actions(&self) -> Actions {
        let status = self.status();
        let waits = matches!(status, Status::AwaitingApproval | Status::PlannedAndSaved);
        let rests = waits || status == Status::PolicyFailed;
        let stopping = status.has_runner() && self.cancel_requested();
        Actions {
            is_cancelable: !status.is_final() && !stopping && (!rests || self.is_confirmed()),
            is_confirmable: waits && !self.is_confirmed(),
            is_discardable: rests || status == Status::Pending,
            is_force_cancelable: stopping,
        }
    }
}
