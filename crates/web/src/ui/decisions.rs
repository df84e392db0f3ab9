//! What can be done with a run by whoever looks at its page: a button for each, and beside it what happens next if it is pressed.

use maud::{Markup, html};
use statehouse_core::run::RunView;
use statehouse_core::run::counted::{Approvals, Own};
use statehouse_core::run::machine::Status;
use statehouse_core::session::Visitor;
use statehouse_model::Permission;

use super::form::Form;
use super::run::{Address, Decide};
use super::{costed, page};

/// A button, and what it does.
struct Choice {
    what: &'static str,
    label: &'static str,
    class: &'static str,
    next: String,
}

/// The form; nothing where nothing can be done.
pub(super) fn form(visitor: &Visitor, address: &Address, run: &RunView) -> Markup {
    let choices = choices(visitor, run);
    let capsule = run.state.capsule().map(hex::encode).unwrap_or_default();
    let applies = choices
        .iter()
        .any(|choice| matches!(choice.what, "confirm" | "approve" | "reject"));
    html! {
        @if !choices.is_empty() {
            form method="post" action=(format!("{}/decision", address.path())) {
                (page::form_token(visitor, Decide::PURPOSE))
                (page::hidden("capsule", &capsule))
                @if applies {
                    @if let Some(line) = costed::line(&run.cost) { p { "It will cost: " strong { (line) } } }
                }
                label for="comment" { "What you say (anybody who sees the run can read it)" }
                input id="comment" name="comment" maxlength="1000" autocomplete="off";
                div.choices {
                    @for choice in &choices {
                        button class=[Some(choice.class).filter(|class| !class.is_empty())] type="submit" name="what" value=(choice.what) aria-describedby=(format!("next-{}", choice.what)) { (choice.label) }
                        p.soft id=(format!("next-{}", choice.what)) { (choice.next) }
                    }
                }
            }
        }
    }
}

fn choices(visitor: &Visitor, run: &RunView) -> Vec<Choice> {
    let can = run.state.actions();
    let may = |permission| run.may.contains(&permission);
    let apply = may(Permission::RunApply);
    let stops = if run.state.kind().may_apply() {
        apply
    } else {
        may(Permission::RunPlan)
    };
    let waits = matches!(
        run.state.status(),
        Status::AwaitingApproval | Status::PlannedAndSaved
    );
    let judge = waits && run.state.capsule().is_some() && may(Permission::RunApprove);
    let own = own(visitor, run);
    let offered = [
        (can.is_confirmable && apply, confirm(run)),
        (judge && own == Approval::WouldCount, approve(run)),
        (judge && own == Approval::Given, withdraw(run)),
        (judge, reject()),
        (can.is_discardable && apply, discard(run)),
        (can.is_cancelable && stops, cancel(run)),
        (may(Permission::RunPlan), comment()),
    ];
    let offered = offered.into_iter().filter(|(is_offered, _)| *is_offered);
    offered.map(|(_, choice)| choice).collect()
}

/// What an approval of the visitor's is to a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Approval {
    /// It is there.
    Given,
    /// It would count, or the server says why not.
    WouldCount,
    /// It would not. A rejection counts all the same.
    WouldNot,
}

fn own(visitor: &Visitor, run: &RunView) -> Approval {
    let Some(found) = &run.approvals else {
        // Where nothing is known of what counts, the server says it.
        return Approval::WouldCount;
    };
    let me = visitor.site().actor().user();
    let is_own = |id: &str| me.is_some_and(|me| me.as_str() == id);
    match found.own {
        Own::Counts if found.by.iter().any(|by| is_own(by.as_str())) => Approval::Given,
        Own::Counts => Approval::WouldCount,
        Own::Expired => Approval::Given,
        _ => Approval::WouldNot,
    }
}

/// How many approvals are missing.
fn missing(run: &RunView) -> u32 {
    run.approvals.as_ref().map_or(0, Approvals::missing)
}

/// Approvals in words.
fn approvals(count: u32) -> String {
    match count {
        1 => "1 more approval is".to_owned(),
        count => format!("{count} more approvals are"),
    }
}

/// What an apply begins with.
const APPLIES: &str = "it is applied at once: a runner compares everything with what is shown here, then changes the infrastructure";

fn confirm(run: &RunView) -> Choice {
    let next = match missing(run) {
        0 => format!("Says that it shall be applied, and {APPLIES}."),
        count => format!(
            "Says that it shall be applied. Nothing is applied yet: {} needed first, and with the last of them {APPLIES}.",
            approvals(count)
        ),
    };
    Choice {
        what: "confirm",
        label: "Confirm and apply",
        class: "",
        next,
    }
}

fn approve(run: &RunView) -> Choice {
    let next = match (missing(run), run.state.is_confirmed()) {
        (0, _) => "Says that it may be applied. It has the approvals that it needs already; yours stands beside them.".to_owned(),
        (1, true) => format!("Says that it may be applied. It is confirmed already and yours is the last approval that is missing, so {APPLIES}."),
        (1, false) => "Says that it may be applied. That is the last approval that is missing; nothing is applied until somebody also confirms it.".to_owned(),
        (count, true) => format!("Says that it may be applied. It is confirmed already; after yours {} needed, and with the last of them it is applied.", approvals(count - 1)),
        (count, false) => format!("Says that it may be applied. Nothing is applied yet: after yours {} needed, and somebody must confirm it.", approvals(count - 1)),
    };
    Choice {
        what: "approve",
        label: "Approve",
        class: "",
        next,
    }
}

fn withdraw(run: &RunView) -> Choice {
    let still = if run.state.is_confirmed() {
        " The confirmation stays."
    } else {
        ""
    };
    Choice {
        what: "withdraw",
        label: "Withdraw my approval",
        class: "plain",
        next: format!(
            "You approved it. This takes that back; until it is applied, others can still approve it.{still}"
        ),
    }
}

fn reject() -> Choice {
    Choice {
        what: "reject",
        label: "Reject",
        class: "danger",
        next: "Says that it must not be applied, and ends the run: nothing is changed, the plan is given up, and the next run has its turn.".to_owned(),
    }
}

fn comment() -> Choice {
    Choice {
        what: "comment",
        label: "Only say it",
        class: "plain",
        next: "Adds what you wrote to what happened. Nothing else changes.".to_owned(),
    }
}

fn discard(run: &RunView) -> Choice {
    let next = match run.state.status() {
        Status::Pending => "Ends the run before it plans anything; the next one has its turn.",
        Status::PolicyFailed => {
            "Gives the plan up and ends the run, as policies are against it: nothing is changed, and the next run has its turn."
        }
        _ => {
            "Gives the plan up and ends the run: nothing is changed, and the next run has its turn."
        }
    };
    Choice {
        what: "discard",
        label: "Discard",
        class: "plain",
        next: next.to_owned(),
    }
}

fn cancel(run: &RunView) -> Choice {
    let next = match run.state.status() {
        Status::Applying => {
            "Asks the runner to stop in the middle of the apply: it ends what it has begun, and what was changed until then stays changed and is in the state."
        }
        status if status.has_runner() => {
            "Asks its runner to stop; the run ends when it has, and nothing is changed."
        }
        _ if run.state.is_confirmed() => {
            "Ends the run although it is confirmed: nothing is changed, and the next run has its turn."
        }
        _ => "Ends the run: nothing is changed, and the next run has its turn.",
    };
    Choice {
        what: "cancel",
        label: "Cancel",
        class: "danger",
        next: next.to_owned(),
    }
}
