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

impl Status {
    /// The platform's word for it, where nothing else of a run is asked.
    pub fn platform_word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fetching => "plan_queued",
            Self::Planning | Self::Planned => "planning",
            Self::Assessing => "post_plan_running",
            // Terraform asks for an override in this status and in one other, and only in this one it knows why a saved plan does not go on.
            Self::PolicyFailed => "policy_override",
            Self::AwaitingApproval => "planned",
            Self::Approved => "confirmed",
            Self::Verifying => "apply_queued",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::PlannedAndFinished => "planned_and_finished",
            Self::PlannedAndSaved => "planned_and_saved",
            Self::Errored | Self::Stale | Self::StateTampered => "errored",
            Self::Canceled => "canceled",
            Self::ForceCanceled => "force_canceled",
            Self::Discarded | Self::Superseded => "discarded",
        }
    }
}

impl State {
    /// The platform's word for its status.
    pub fn platform_word(&self) -> &'static str {
        match self.status() {
            Status::AwaitingApproval if self.is_confirmed() => "confirmed",
            Status::AwaitingApproval if self.stored().under_policies => "policy_checked",
            // Who waits for the apply that they asked for must not take its end for a success.
            Status::Discarded | Status::Superseded if self.is_confirmed() => "canceled",
            status => status.platform_word(),
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
