//! For what and for whom a run waits, in sentences: the same on its page, in the API, and so on the command line.

use statehouse_core::run::RunView;
use statehouse_core::run::counted::Approvals;
use statehouse_core::run::machine::Status;
use statehouse_core::run::waits::{Awaited, Candidates, Deed, Place};
use statehouse_model::{ActorId, Permission};

use crate::people::People;

/// Everybody whom the sentences about a run name, and who started it.
pub(crate) fn actors(run: &RunView) -> Vec<&str> {
    let mut actors = vec![run.actor.as_str()];
    let approvals = run.approvals.iter();
    actors.extend(approvals.flat_map(|found| found.by.iter().map(ActorId::as_str)));
    for awaited in run.waits.iter().flat_map(|waits| &waits.of) {
        match awaited {
            Awaited::Lock(Some(holder)) => actors.push(holder.as_str()),
            Awaited::Person(_, candidates) => {
                actors.extend(candidates.people.iter().flatten().map(ActorId::as_str));
            }
            _ => {}
        }
    }
    actors
}

/// The sentence about something that a run waits for.
pub(crate) fn sentence(awaited: &Awaited, run: &RunView, people: &People) -> String {
    match awaited {
        Awaited::Run {
            id,
            sequence,
            status,
        } => of_run((id.as_str(), *sequence), *status),
        Awaited::Earlier(1) => {
            "One run of this workspace was started before it and has its turn first.".to_owned()
        }
        Awaited::Earlier(count) => format!(
            "{count} runs of this workspace were started before it and have their turn first."
        ),
        Awaited::Lock(holder) => {
            let who = holder.as_ref().map(|who| people.called(who.as_str()));
            let who = who.unwrap_or_else(|| "somebody".to_owned());
            format!("It waits for the lock of its workspace, which {who} holds.")
        }
        Awaited::Thaw => format!(
            "Its workspace is frozen: it has its turn when somebody thaws that, which needs `{}`, held by {}.",
            Permission::WorkspaceFreeze,
            Permission::WorkspaceFreeze.holders()
        ),
        Awaited::Runner(place) => of_runner(place),
        Awaited::Nobody => "A hard-mandatory policy is against it, which nobody overrides: discard it, change the configuration or the policy set, and start another run.".to_owned(),
        Awaited::Another => "Other policies are in force by now than judged it, so nobody can let it pass any more: discard it, and start another run.".to_owned(),
        Awaited::Person(deed, candidates) => of_people(*deed, candidates, run, people),
    }
}

fn of_run((id, sequence): (&str, u64), status: Status) -> String {
    let is = status.as_str().replace('_', " ");
    if status.is_final() {
        return format!(
            "Run {sequence} ({id}) ended as {is} and left the workspace locked: look what is there, then give the lock up with `statehouse state unlock`."
        );
    }
    format!("It waits for run {sequence} ({id}), which holds the workspace and is {is}.")
}

fn of_runner(place: &Place) -> String {
    match place {
        Place::Here => "It waits for a free runner of this server.".to_owned(),
        Place::Pool(None) => "It waits for a free agent of the pool in which its workspace runs; if that takes long, ask whether one works.".to_owned(),
        Place::Pool(Some(name)) => format!(
            "It waits for a free agent of the pool `{name}`; `statehouse agent-pool agents {name}` lists those that were heard of lately."
        ),
    }
}

fn of_people(deed: Deed, candidates: &Candidates, run: &RunView, people: &People) -> String {
    let needs = format!(
        "needs `{}` here, held by {}",
        deed.permission(),
        deed.permission().holders()
    );
    let what = match deed {
        Deed::Confirm => format!("Somebody must confirm that it shall be applied, which {needs}"),
        Deed::Override => {
            format!("Somebody must let it pass that policies are against, which {needs}")
        }
        Deed::Approve => {
            let found = run.approvals.as_ref();
            let counted = found.map_or(0, Approvals::counted);
            let needed = found.map_or(0, |found| found.needed);
            let (noun, verb) = match candidates.missing {
                1 => ("approval", "is"),
                _ => ("approvals", "are"),
            };
            format!(
                "{counted} of {needed} needed approvals are there; {} more {noun} {verb} missing. Approving {needs}",
                candidates.missing
            )
        }
    };
    let others = if candidates.others_only {
        "; who started the run or uploaded what it plans does not count"
    } else {
        ""
    };
    format!("{what}{others}{}", who(candidates, people))
}

/// Who may, by name where they are told.
fn who(candidates: &Candidates, people: &People) -> String {
    let Some(named) = &candidates.people else {
        return ".".to_owned();
    };
    let named: Vec<String> = named
        .iter()
        .map(|who| people.called(who.as_str()))
        .collect();
    match (named.as_slice(), candidates.more) {
        ([], false) => ". There is nobody now who may.".to_owned(),
        ([], true) => ".".to_owned(),
        (named, false) => format!(". Who may now: {}.", listed(named, "or")),
        (named, true) => format!(". Who may now: {}, and maybe others.", listed(named, "or")),
    }
}

/// Words as a list in a sentence.
fn listed(words: &[String], between: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {between} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_one() {
        let check = |words: &[&str], expected: &str| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(listed(&words, "or"), expected);
        };
        check(&[], "");
        check(&["owner"], "owner");
        check(
            &["owner", "maintainer", "writer"],
            "owner, maintainer or writer",
        );
    }

    #[test]
    fn a_run_that_ended_and_left_the_lock_is_not_waited_for_without_a_word() {
        let words = of_run(("run-1", 3), Status::Errored);
        assert!(words.contains("left the workspace locked"), "{words}");
        let words = of_run(("run-1", 3), Status::AwaitingApproval);
        assert_eq!(
            words,
            "It waits for run 3 (run-1), which holds the workspace and is awaiting approval."
        );
    }
}
