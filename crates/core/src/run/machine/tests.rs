//! Every status times every event, written down: a change of any arrow shows as a change of `table.txt`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;
use crate::run::papers::{Desk, Made};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// The table as it was reviewed.
const TABLE: &str = include_str!("table.txt");
const TABLE_AT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/run/machine/table.txt");

static DESK: LazyLock<Desk> = LazyLock::new(Desk::new);

/// The capsule of the run in these tests.
const MADE: Made = Made {
    run: 0,
    workspace: 0,
    base: 0,
    policy: 0,
    overridden: false,
    at: 0,
    until: 9,
};

/// A way to make an event: some hold a token that can be made once only.
type Making = (&'static str, fn() -> Event);

static EVENTS: &[Making] = &[
    ("comment", || Event::Person(Act::Comment)),
    ("confirm (enough)", || {
        Event::Person(Act::Confirm { sufficient: true })
    }),
    ("confirm (not enough)", || {
        Event::Person(Act::Confirm { sufficient: false })
    }),
    ("auto-apply (enough)", || {
        Event::Person(Act::AutoApply { sufficient: true })
    }),
    ("auto-apply (not enough)", || {
        Event::Person(Act::AutoApply { sufficient: false })
    }),
    ("discard", || Event::Person(Act::Discard)),
    ("cancel", || Event::Person(Act::Cancel)),
    ("force-cancel", || Event::Person(Act::ForceCancel)),
    ("override (enough)", || overridden(true)),
    ("override (not enough)", || overridden(false)),
    ("approve (enough)", || {
        Event::Person(Act::Approve { sufficient: true })
    }),
    ("approve (not enough)", || {
        Event::Person(Act::Approve { sufficient: false })
    }),
    ("withdraw (still enough)", || {
        Event::Person(Act::Withdraw { sufficient: true })
    }),
    ("withdraw (too few)", || {
        Event::Person(Act::Withdraw { sufficient: false })
    }),
    ("reject", || Event::Person(Act::Reject)),
    ("lock", || Event::Server(Step::Lock)),
    ("lose-lock", || Event::Server(Step::LoseLock)),
    ("start", || Event::Server(Step::Start)),
    ("assess", || Event::Server(Step::Assess)),
    ("assessed (approved already)", || passed(true)),
    ("assessed (to be approved)", || passed(false)),
    ("assessed (forbidden)", || {
        Event::Server(Step::Assessed(Assessed::Failed))
    }),
    ("queue", || Event::Server(Step::Queue)),
    ("lose-runner", || Event::Server(Step::LoseRunner)),
    ("supersede", || Event::Server(Step::Supersede)),
    ("expire", || Event::Server(Step::Expire)),
    ("fail", || Event::Server(Step::Fail)),
    ("find-altered", || Event::Server(Step::FindAltered)),
    ("restore", || Event::Server(Step::Restore)),
    ("fetched", || report(Report::Fetched)),
    ("planned (changes)", || {
        report(Report::Planned { changes: true })
    }),
    ("planned (nothing)", || {
        report(Report::Planned { changes: false })
    }),
    ("verified", || report(Report::Verified(DESK.verified(MADE)))),
    ("verified (another capsule)", || {
        report(Report::Verified(DESK.verified(Made { run: 1, ..MADE })))
    }),
    ("refused (stale)", || {
        report(Report::Refused(Consequence::Stale))
    }),
    ("refused (other)", || {
        report(Report::Refused(Consequence::Other))
    }),
    ("refused (tampered)", || {
        report(Report::Refused(Consequence::Tampered))
    }),
    ("applied", || report(Report::Applied)),
    ("failed", || report(Report::Failed)),
    ("stopped", || report(Report::Stopped)),
    ("fetched (late)", || late(Report::Fetched)),
    ("verified (late)", || {
        late(Report::Verified(DESK.verified(MADE)))
    }),
    ("applied (late)", || late(Report::Applied)),
];

fn capsule() -> statehouse_ledger::Hash {
    DESK.digest(MADE)
}

fn passed(sufficient: bool) -> Event {
    Event::Server(Step::Assessed(Assessed::Passed {
        capsule: capsule(),
        sufficient,
        under_policies: false,
    }))
}

fn overridden(sufficient: bool) -> Event {
    let capsule = capsule();
    Event::Person(Act::Override {
        capsule,
        sufficient,
    })
}

fn report(report: Report) -> Event {
    Event::Runner { attempt: 4, report }
}

fn late(report: Report) -> Event {
    Event::Runner { attempt: 3, report }
}

/// A run in the middle of its life, at its fourth attempt, with all it needs and nobody's word yet.
fn run(status: Status) -> Stored {
    Stored {
        kind: Kind::PlanAndApply,
        status,
        auto_apply: false,
        attempt: 4,
        losses: 0,
        capsule: Some(capsule()),
        under_policies: false,
        approvals_suffice: false,
        confirmed: false,
        cancel_requested: false,
        holds_lock: true,
    }
}

/// What is different about the runs of a part of the table.
type Part = (&'static str, fn(&mut Stored));

static PARTS: &[Part] = &[
    ("a run that nobody said anything about", |_| {}),
    ("confirmed, not approved", |run| run.confirmed = true),
    ("approved, not confirmed", |run| {
        run.approvals_suffice = true;
    }),
    ("confirmed and approved", |run| {
        run.confirmed = true;
        run.approvals_suffice = true;
    }),
    ("applies by itself", |run| run.auto_apply = true),
    ("asked to stop", |run| run.cancel_requested = true),
    ("without the lock", |run| run.holds_lock = false),
    ("has lost as many runners as it may", |run| {
        run.losses = LOSSES_MAX;
    }),
    ("a plan to look at", |run| {
        run.kind = Kind::PlanOnly;
        run.holds_lock = false;
    }),
    ("a look for drift", |run| {
        run.kind = Kind::Drift;
        run.holds_lock = false;
    }),
    ("a plan to keep", |run| run.kind = Kind::SavedPlan),
    ("a plan to keep, without the lock", |run| {
        run.kind = Kind::SavedPlan;
        run.holds_lock = false;
    }),
];

/// What becomes of it: where it goes, what changes beside that, or why not.
fn outcome(before: &State, event: Event) -> String {
    match next(before, event) {
        Err(refused) => format!("{refused:?}"),
        Ok(after) => {
            let mut text = after.status().as_str().to_owned();
            let (old, new) = (before.stored(), after.stored());
            let mut note = |changed: bool, what: String| {
                if changed {
                    write!(text, ", {what}").unwrap();
                }
            };
            note(
                old.attempt != new.attempt,
                format!("attempt {}", new.attempt),
            );
            note(old.losses != new.losses, format!("lost {}", new.losses));
            note(
                old.auto_apply != new.auto_apply,
                "applies by itself".to_owned(),
            );
            note(old.confirmed != new.confirmed, "confirmed".to_owned());
            let enough = new.approvals_suffice;
            note(
                old.approvals_suffice != enough,
                format!("approved: {enough}"),
            );
            let stop = new.cancel_requested;
            note(old.cancel_requested != stop, format!("to stop: {stop}"));
            note(
                old.holds_lock != new.holds_lock,
                format!("lock: {}", new.holds_lock),
            );
            if new.status.is_final() && new.holds_lock {
                text.push_str(", keeps the lock");
            }
            text
        }
    }
}

/// One status of one part: each event that moves it, and the rest under the reason why it does not.
fn describe(table: &mut String, part: &Part, status: Status) {
    let mut stored = run(status);
    (part.1)(&mut stored);
    let before = State::recall(stored);
    let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    writeln!(table, "{}", status.as_str()).unwrap();
    for (name, make) in EVENTS {
        let outcome = outcome(&before, make());
        if next(&before, make()).is_ok() {
            writeln!(table, "    {name} → {outcome}").unwrap();
        } else {
            let (reason, _) = outcome.split_once([' ', '(']).unwrap_or((&outcome, ""));
            refused.entry(reason.to_owned()).or_default().push(name);
        }
    }
    for (reason, names) in refused {
        writeln!(table, "    {reason}: {}", names.join(", ")).unwrap();
    }
}

#[test]
fn no_arrow_changes_unseen() {
    let mut table = String::new();
    for part in PARTS {
        writeln!(table, "# {}\n", part.0).unwrap();
        for status in Status::ALL {
            // What has ended is the same in every part.
            if !status.is_final() || part.0 == PARTS[0].0 {
                describe(&mut table, part, status);
            }
        }
        table.push('\n');
    }
    #[allow(clippy::disallowed_methods)] // Only a person's wish to write the table anew.
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs_err::write(TABLE_AT, &table).unwrap();
        return;
    }
    let differs = table
        .lines()
        .zip(TABLE.lines())
        .position(|(new, old)| new != old);
    assert!(
        table == TABLE,
        "an arrow changed (line {differs:?} of {TABLE_AT}); if it is meant, review it: UPDATE_GOLDEN=1"
    );
}

#[test]
fn words_are_read_back_and_none_is_used_twice() {
    for status in Status::ALL {
        assert_eq!(Status::from_word(status.as_str()), Some(status));
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.as_str()), Some(kind));
    }
    assert_eq!(Status::from_word("done"), None);
}

#[test]
fn there_is_one_way_into_applying() {
    for (part, status) in PARTS
        .iter()
        .flat_map(|part| Status::ALL.map(|status| (part, status)))
    {
        let mut stored = run(status);
        (part.1)(&mut stored);
        let before = State::recall(stored);
        for (name, make) in EVENTS {
            let after = next(&before, make());
            let enters = after.is_ok_and(|after| after.status() == Status::Applying);
            let may =
                status == Status::Applying || (*name, status) == ("verified", Status::Verifying);
            assert!(!enters || may, "{}: {name} in {}", part.0, status.as_str());
        }
    }
}

#[test]
fn what_ended_stays_ended() {
    for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
        let before = State::recall(run(status));
        for (name, make) in EVENTS {
            match next(&before, make()) {
                Ok(after) => assert_eq!((after, *name), (before.clone(), "comment")),
                Err(refused) => assert_eq!(refused, Refused::Ended(status), "{name}"),
            }
        }
    }
}

#[test]
fn what_a_client_is_offered_is_taken() {
    let check = |offered: bool, before: &State, act: Act| {
        assert!(Act::WORDS.contains(&act.as_str()), "{}", act.as_str());
        let taken = next(before, Event::Person(act)).is_ok();
        assert!(taken || !offered, "{} in {before:?}", act.as_str());
    };
    for (part, status) in PARTS
        .iter()
        .flat_map(|part| Status::ALL.map(|status| (part, status)))
    {
        let mut stored = run(status);
        (part.1)(&mut stored);
        let before = State::recall(stored);
        let actions = before.actions();
        check(
            actions.is_confirmable && before.holds_lock(),
            &before,
            Act::Confirm { sufficient: true },
        );
        check(actions.is_discardable, &before, Act::Discard);
        check(actions.is_cancelable, &before, Act::Cancel);
        check(actions.is_force_cancelable, &before, Act::ForceCancel);
    }
}

#[test]
fn a_client_reads_a_word_that_it_knows() {
    let check = |status: Status, word: &str| {
        assert_eq!(State::recall(run(status)).platform_word(), word);
    };
    check(Status::Pending, "pending");
    check(Status::Fetching, "plan_queued");
    check(Status::Planning, "planning");
    check(Status::Planned, "planning");
    check(Status::Assessing, "post_plan_running");
    check(Status::PolicyFailed, "policy_override");
    check(Status::AwaitingApproval, "planned");
    check(Status::Approved, "confirmed");
    check(Status::Verifying, "apply_queued");
    check(Status::Applying, "applying");
    check(Status::Applied, "applied");
    check(Status::PlannedAndFinished, "planned_and_finished");
    check(Status::PlannedAndSaved, "planned_and_saved");
    check(Status::Errored, "errored");
    check(Status::Canceled, "canceled");
    check(Status::ForceCanceled, "force_canceled");
    check(Status::Discarded, "discarded");
    check(Status::Superseded, "discarded");
    check(Status::Stale, "errored");
    check(Status::StateTampered, "errored");
}

#[test]
fn a_run_that_applies_by_itself_never_rests_where_it_could_be_confirmed() {
    let run = State::new(Kind::PlanAndApply, true);
    let steps = [
        Event::Server(Step::Lock),
        Event::Server(Step::Start),
        Event::Runner {
            attempt: 1,
            report: Report::Fetched,
        },
        Event::Runner {
            attempt: 1,
            report: Report::Planned { changes: true },
        },
        Event::Server(Step::Assess),
        passed(false),
    ];
    let mut words = Vec::new();
    let run = steps.into_iter().fold(run, |run, event| {
        let run = next(&run, event).unwrap();
        assert!(!run.actions().is_confirmable);
        words.push(run.platform_word());
        run
    });
    assert_eq!(
        words[1..],
        [
            "plan_queued",
            "planning",
            "planning",
            "post_plan_running",
            "confirmed"
        ]
    );
    let run = next(&run, Event::Person(Act::Approve { sufficient: true })).unwrap();
    assert_eq!(
        (run.status(), run.platform_word()),
        (Status::Approved, "confirmed")
    );
    let run = next(&run, Event::Server(Step::Queue)).unwrap();
    let verified = Report::Verified(DESK.verified(MADE));
    let run = next(
        &run,
        Event::Runner {
            attempt: 2,
            report: verified,
        },
    )
    .unwrap();
    assert_eq!(
        (run.status(), run.platform_word()),
        (Status::Applying, "applying")
    );
    let run = next(
        &run,
        Event::Runner {
            attempt: 2,
            report: Report::Applied,
        },
    )
    .unwrap();
    assert_eq!((run.status(), run.leaves_lock()), (Status::Applied, false));
}
