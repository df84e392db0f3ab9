//! Why a run ended, for people: what the word of its reason means, and what helps. Pure.
//!
//! The words themselves are in rows, leaves and answers, and stay as they are. What a runner stopped at says its log.

use statehouse_capsule::Mismatch;

use crate::job;
use crate::run::machine::Status;

/// The reason of a run that policies have ended, or hold up.
pub const POLICIES: &str = "policies";

/// The reason of a run whose policies nobody could ask.
pub(crate) const UNJUDGED: &str = "unjudged";

/// Each word that the server itself gives a run: what it means, what helps.
const REASONS: &[(&str, &str, &str)] = &[
    (
        "agent-pool-altered",
        "the row of the pool that its runs happen with was altered in the database",
        "`statehouse verify --live` names what differs",
    ),
    (
        "expired",
        "nobody decided about its plan while that was good",
        "plan again",
    ),
    (
        "lock-broken",
        "the workspace's lock, which it held, was taken from it",
        "plan again",
    ),
    (
        "plan-unreadable",
        "what it found does not read",
        "its log says more",
    ),
    (
        POLICIES,
        "policies that must hold are against its plan",
        "change the configuration, and plan again",
    ),
    (
        "restored",
        "it was open in the copy of the database that was restored",
        "plan again",
    ),
    (
        "runner-lost",
        "whoever worked on it was lost, and what it applied may be half done; the lock stays for that",
        "look what is there, then give the lock up: `statehouse state unlock WORKSPACE --force --reason …`",
    ),
    (
        "state-changed",
        "the state was changed while it looked",
        "look again",
    ),
    (
        "tampered",
        "something that is stored of it is not what was written",
        "`statehouse verify --live` names what differs",
    ),
    (
        "unbound",
        "what its plan rests on could not be put together",
        "plan again; `statehouse verify --about RUN` says what was missing",
    ),
    (
        UNJUDGED,
        "policies could not be asked about its plan, however often that was tried; that says nothing of the plan",
        "plan again when there is less to do; the server's log says what was in the way",
    ),
    (
        "workspace-deleted",
        "its workspace was deleted",
        "start another where the workspace is brought back",
    ),
];

/// Each word of what happens to a run, for people: who did it stands before.
const DEEDS: &[(&str, &str)] = &[
    ("applied", "applied it"),
    (
        "approvals-counted",
        "counted the approvals that the apply begins with",
    ),
    ("approve", "approved it"),
    ("assess", "began to ask prices and policies"),
    (
        "assessed",
        "held it against the policies in force, if there are any",
    ),
    ("auto-apply", "had it applied without being asked again"),
    ("cancel", "asked it to stop"),
    (
        "changed-outside",
        "found that the state was changed elsewhere",
    ),
    ("comment", "said something about it"),
    ("confirm", "confirmed that it shall be applied"),
    ("connection-failed", "tried a way out that failed"),
    ("connection-opened", "went out to the network"),
    ("connection-refused", "was refused a way out"),
    ("create", "started it"),
    ("discard", "discarded it"),
    ("expire", "ended it: its time was over"),
    ("fail", "ended it: it does not go on"),
    ("failed", "failed"),
    ("fetched", "fetched what it needs"),
    ("find-altered", "found that something was altered"),
    ("force-cancel", "stopped it by force"),
    ("lock", "took the lock of the workspace for it"),
    ("lose-lock", "found that the lock was taken from it"),
    ("lose-runner", "lost the runner that had it"),
    ("override", "let it pass that policies are against"),
    ("planned", "planned it"),
    ("queue", "handed its apply to a runner"),
    ("refused", "found that something differs, and stopped"),
    ("reject", "rejected it"),
    (
        "restore",
        "ended it: an older copy of the database was restored",
    ),
    ("start", "handed its plan to a runner"),
    (
        "state-judged",
        "held the state that it left against the policies in force, if there are any; it counts as",
    ),
    ("stopped", "stopped, as it was asked to"),
    ("supersede", "put a newer run in its place"),
    (
        "verified",
        "compared everything with what was approved: it is the same",
    ),
    ("withdraw", "took the approval back"),
];

/// What somebody did when this happened, to be read after who it was; the word itself where nothing more is known of it.
pub fn deed(event: &str) -> &str {
    let known = DEEDS.iter().find(|(word, _)| *word == event);
    known.map_or(event, |(_, words)| words)
}

/// What the word of a reason means and what helps, of a run that ended so; nothing for what only a log tells.
pub fn explained(status: Status, reason: &str) -> Option<(&'static str, &'static str)> {
    let differs = Mismatch::explained(reason);
    // Policies that are others than before, and policies that are against it, have the same word.
    if status == Status::Stale && differs.is_some() {
        return differs;
    }
    if job::is_overdue(reason) {
        return Some((
            "a job of it took longer than one may take",
            "raise runs.plan_minutes_max (of an apply runs.apply_minutes_max) or split the configuration",
        ));
    }
    let of_server = REASONS.iter().find(|(word, ..)| *word == reason);
    of_server.map(|(_, what, next)| (*what, *next)).or(differs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_people_do_is_told_in_words() {
        for word in crate::run::machine::Act::WORDS {
            assert_ne!(deed(word), word);
        }
        assert!(DEEDS.is_sorted_by_key(|(word, _)| word));
        assert_eq!(deed("unheard-of"), "unheard-of");
        // These words stand also where no policy was asked, and where one forbids it hard.
        for word in ["assessed", "fail", "state-judged"] {
            assert!(!deed(word).contains("asked") && !deed(word).contains("could not"));
        }
    }

    #[test]
    fn what_differs_is_explained_by_the_table_of_what_may() {
        for word in Mismatch::WORDS {
            let differs = Mismatch::explained(word);
            assert_eq!(explained(Status::Stale, word), differs);
            let (what, next) = explained(Status::Errored, word).unwrap();
            assert!(!what.is_empty() && !next.is_empty(), "{word}");
        }
        let policies = [Status::Stale, Status::Errored].map(|status| explained(status, "policies"));
        assert_ne!(policies[0], policies[1]);
        assert_eq!(explained(Status::Errored, "init"), None);
        assert_eq!(explained(Status::Applied, ""), None);
    }
}
