//! What leaves tell, in sentences for people: who wished a run, what it was planned on, what policies said, who approved just what, what was applied and
//! what it left. Pure.
//!
//! A leaf holds ids, digests and words, and so do the sentences: names are in no ledger. What has no sentence stands in the list of leaves alone.

use statehouse_ledger::verify::Told;
use statehouse_model::instant;

/// The sentences of the story of a thing, each with the leaf that it is read off, and with what it is about where that is something else.
pub(super) fn of(id: &str, story: &[Told]) -> Vec<String> {
    let told = story.iter().filter_map(|told| {
        let words = sentence(told)?;
        let at = instant::format(told.at).unwrap_or_default();
        let at = at.split('.').next().unwrap_or_default().replace('T', " ");
        let about = match told.object.as_str() {
            same if same == id || words.contains(same) => String::new(),
            other => format!("{other}, "),
        };
        Some(format!("{at} UTC  {words} ({about}leaf {})", told.leaf))
    });
    told.collect()
}

fn fact<'t>(told: &'t Told, name: &str) -> Option<&'t str> {
    let found = told.facts.iter().find(|(of, _)| of == name);
    found.map(|(_, value)| value.as_str())
}

/// A word of the ledger, for people.
fn words(word: &str) -> String {
    word.replace(['_', '-'], " ")
}

/// Who did it.
fn who(told: &Told) -> String {
    let (kind, id) = &told.actor;
    match kind.as_str() {
        "user" => id.clone(),
        "run" => "Its runner".to_owned(),
        "task" => "The server".to_owned(),
        "operator" => "Whoever operates the machine".to_owned(),
        kind => format!("The token of {} {id}", words(kind)),
    }
}

fn sentence(told: &Told) -> Option<String> {
    match told.action.as_str() {
        "run.create" => created(told),
        "run.start" => started(told),
        "job.lease" => leased(told),
        "run.report" => reported(told),
        "cost.estimate" => Some("What it costs was estimated.".to_owned()),
        "run.assess" => assessed(told),
        "run.approve" => judged(told),
        "policy.override" => overridden(told),
        "run.confirm" | "run.discard" | "run.cancel" | "run.force-cancel" | "run.comment" => {
            said(told)
        }
        "run.queue" => of_event(told, "queue", "Its apply was handed to the runners."),
        "run.tend" | "run.restored" => tended(told),
        "run.apply" => began(told),
        "run.judge-state" => left_judged(told),
        "state.write" | "state.accept" => Some(wrote(told)),
        "state.discard" => Some(format!("{} gave an upload up that waited.", who(told))),
        "workspace.freeze" => Some(format!(
            "{} froze the workspace {}: nobody changes its state.",
            who(told),
            told.object
        )),
        "workspace.thaw" => Some(format!(
            "{} thawed the workspace {}.",
            who(told),
            told.object
        )),
        _ => None,
    }
}

fn of_event(told: &Told, event: &str, sentence: &str) -> Option<String> {
    (fact(told, "event") == Some(event)).then(|| sentence.to_owned())
}

/// That the words beside it are sealed: a ledger holds a commitment to them and nothing more.
fn reason(told: &Told) -> &'static str {
    match fact(told, "detail") {
        Some(_) => " What was said beside it is sealed; the leaf commits to it.",
        None => "",
    }
}

fn created(told: &Told) -> Option<String> {
    let kind = fact(told, "run-kind").unwrap_or_default();
    let by_itself = match fact(told, "auto-apply") {
        Some("true") => ", to be applied without being confirmed",
        _ => "",
    };
    Some(format!(
        "{} started the run {} ({}) of the configuration {} in the workspace {}{by_itself}.",
        who(told),
        told.object,
        words(kind),
        fact(told, "configuration")?,
        fact(told, "workspace")?
    ))
}

fn started(told: &Told) -> Option<String> {
    (fact(told, "event")? == "start").then(|| match fact(told, "base") {
        Some(base) => format!("It had its turn, and was planned on the state version {base}."),
        None => "It had its turn, and was planned where there was no state yet.".to_owned(),
    })
}

fn leased(told: &Told) -> Option<String> {
    let step = fact(told, "step")?;
    let whose = match fact(told, "pool") {
        Some(pool) => format!("an agent of the pool {pool}"),
        None => "a runner of the server".to_owned(),
    };
    let sandbox = fact(told, "sandbox").unwrap_or("unknown");
    let attempt = match fact(told, "attempt") {
        None | Some("1") => String::new(),
        Some(attempt) => format!(", attempt {attempt}"),
    };
    Some(format!(
        "Its {step} was taken by {whose}, in a sandbox of the level {sandbox}{attempt}."
    ))
}

fn reported(told: &Told) -> Option<String> {
    let status = words(fact(told, "status")?);
    Some(match fact(told, "event")? {
        "planned" => {
            let changes = match fact(told, "changes") {
                Some("true") => "It would change something",
                _ => "It would change nothing",
            };
            let plan = fact(told, "plan").unwrap_or("unknown");
            format!("It was planned. {changes}; the plan file has the digest {plan}.")
        }
        "applied" => "It was applied, and ended.".to_owned(),
        "failed" => format!("Terraform or OpenTofu failed, and the run ended {status}."),
        "stopped" => format!("It stopped, as it was asked to, and ended {status}."),
        "refused" => format!(
            "Its runner found something otherwise than was recorded, stopped, and the run ended {status}."
        ),
        _ => return None,
    })
}

fn assessed(told: &Told) -> Option<String> {
    let status = fact(told, "status")?;
    // What policies said is kept where they were asked, and only there.
    let were_asked = fact(told, "verdicts").is_some();
    let passed = if were_asked {
        "Policies were asked, and none that must hold is against it"
    } else {
        "No policy was in force for it"
    };
    Some(match (fact(told, "event")?, fact(told, "capsule"), status) {
        ("assessed", Some(capsule), _) => format!(
            "{passed}. What would be applied is bound by the capsule {capsule}."
        ),
        ("assessed", None, "policy_failed") => {
            "Policies were asked, and one that must hold is against it: it waited for somebody to let it pass, or to give it up.".to_owned()
        }
        ("assessed", None, "planned_and_finished") => {
            format!("{passed}; nothing more was wanted.")
        }
        ("assessed", None, status) => format!(
            "Policies were asked, and one that must hold is against it: the run ended {}.",
            words(status)
        ),
        ("fail", ..) if were_asked => format!(
            "Policies were asked, and one that nobody overrides is against it: the run ended {}.",
            words(status)
        ),
        ("fail" | "find-altered", ..) => {
            format!("Its plan could not be judged, and the run ended {}.", words(status))
        }
        _ => return None,
    })
}

fn judged(told: &Told) -> Option<String> {
    let (who, reason) = (who(told), reason(told));
    let capsule = fact(told, "capsule").unwrap_or("unknown");
    Some(match fact(told, "event")? {
        "approve" => format!("{who} approved what the capsule {capsule} binds.{reason}"),
        "reject" => {
            format!("{who} rejected what the capsule {capsule} binds, which ended the run.{reason}")
        }
        "withdraw" => format!("{who} took their approval back.{reason}"),
        _ => return None,
    })
}

fn overridden(told: &Told) -> Option<String> {
    Some(format!(
        "{} let it pass that policies are against. What would be applied is bound by the capsule {}.{}",
        who(told),
        fact(told, "capsule")?,
        reason(told)
    ))
}

fn said(told: &Told) -> Option<String> {
    let (who, reason) = (who(told), reason(told));
    let status = words(fact(told, "status").unwrap_or_default());
    Some(match fact(told, "event")? {
        "confirm" => format!("{who} confirmed that it shall be applied.{reason}"),
        "discard" => format!("{who} discarded it.{reason}"),
        "cancel" => format!("{who} asked it to stop; then it was {status}.{reason}"),
        "force-cancel" => format!("{who} stopped it by force.{reason}"),
        "comment" => format!("{who} said something about it.{reason}"),
        _ => return None,
    })
}

fn tended(told: &Told) -> Option<String> {
    let status = words(fact(told, "status")?);
    Some(match fact(told, "event")? {
        "lose-runner" => format!("Its runner was lost; then it was {status}."),
        "lose-lock" => {
            format!("The lock of its workspace was taken from it; then it was {status}.")
        }
        "expire" => "Nobody decided about it in time, and it ended.".to_owned(),
        "supersede" => "A newer run took its place.".to_owned(),
        "cancel" => {
            format!("It took longer than it may and was asked to stop; then it was {status}.")
        }
        "restore" => {
            "An older copy of the database was restored, and the run, which was open in it, ended."
                .to_owned()
        }
        _ => return None,
    })
}

fn began(told: &Told) -> Option<String> {
    Some(match fact(told, "event")? {
        "verified" => format!(
            "Everything was compared with the capsule {} and was the same: the apply began.",
            fact(told, "capsule")?
        ),
        "refused" => format!(
            "Something was otherwise than what was approved. Nothing was applied, and the run ended {}.",
            words(fact(told, "status")?)
        ),
        _ => return None,
    })
}

fn left_judged(told: &Told) -> Option<String> {
    let outcome = words(fact(told, "outcome")?);
    // What they said is a file; why they could not be asked stands beside the leaf.
    Some(match (fact(told, "file"), fact(told, "detail")) {
        (Some(_), _) => format!("Policies were asked of the state that it left: {outcome}."),
        (None, Some(_)) => format!(
            "Policies could not be asked of the state that it left, which counts as {outcome}.{}",
            reason(told)
        ),
        (None, None) => "No policy was in force any more for the state that it left.".to_owned(),
    })
}

fn wrote(told: &Told) -> String {
    let version = fact(told, "version").unwrap_or(&told.object);
    let numbered = ["sequence", "serial", "lineage"].map(|name| (name, fact(told, name)));
    let numbered = numbered
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name} {value}")));
    let numbered: Vec<String> = numbered.collect();
    let numbered = if numbered.is_empty() {
        String::new()
    } else {
        format!(" ({})", numbered.join(", "))
    };
    let verb = match (told.action.as_str(), fact(told, "status")) {
        ("state.accept", _) => "accepted",
        (_, None | Some("finished")) => "wrote",
        _ => "sent",
    };
    let aside = match fact(told, "status") {
        Some(status) if verb == "sent" => {
            format!(" It did not become the current one: {}.", words(status))
        }
        _ => String::new(),
    };
    format!(
        "{} {verb} the state version {version}{numbered}.{aside}",
        who(told)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(action: &str, actor: (&str, &str), facts: &[(&str, &str)]) -> Told {
        let text = |text: &str| text.to_owned();
        Told {
            leaf: 7,
            at: 1_764_325_800_000_000,
            action: text(action),
            actor: (text(actor.0), text(actor.1)),
            object: text("run-1"),
            facts: facts
                .iter()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
        }
    }

    #[test]
    fn what_a_run_came_to_is_told_in_sentences() {
        let (ada, task, runner) = (("user", "user-ada"), ("task", "runs"), ("run", "run-1"));
        let check = |action: &str, actor, facts: &[(&str, &str)], expected: &str| {
            assert_eq!(
                sentence(&told(action, actor, facts)).as_deref(),
                Some(expected)
            );
        };
        check(
            "run.create",
            ada,
            &[
                ("workspace", "ws-1"),
                ("configuration", "cv-1"),
                ("run-kind", "plan_and_apply"),
                ("auto-apply", "false"),
            ],
            "user-ada started the run run-1 (plan and apply) of the configuration cv-1 in the workspace ws-1.",
        );
        check(
            "run.start",
            task,
            &[("event", "start"), ("base", "sv-1")],
            "It had its turn, and was planned on the state version sv-1.",
        );
        check(
            "run.assess",
            task,
            &[
                ("event", "assessed"),
                ("status", "awaiting_approval"),
                ("capsule", "ab"),
                ("verdicts", "file-1"),
            ],
            "Policies were asked, and none that must hold is against it. What would be applied is bound by the capsule ab.",
        );
        check(
            "run.approve",
            ada,
            &[("event", "approve"), ("capsule", "ab"), ("detail", "cd")],
            "user-ada approved what the capsule ab binds. What was said beside it is sealed; the leaf commits to it.",
        );
        check(
            "run.apply",
            runner,
            &[("event", "verified"), ("capsule", "ab")],
            "Everything was compared with the capsule ab and was the same: the apply began.",
        );
        check(
            "run.report",
            runner,
            &[("event", "applied"), ("status", "applied")],
            "It was applied, and ended.",
        );
    }

    #[test]
    fn policies_are_told_to_have_been_asked_where_they_were_and_nowhere_else() {
        let check = |action: &str, facts: &[(&str, &str)], expected: &str| {
            assert_eq!(
                sentence(&told(action, ("task", "runs"), facts)).as_deref(),
                Some(expected)
            );
        };
        let (fail, errored) = (("event", "fail"), ("status", "errored"));
        check(
            "run.assess",
            &[
                ("event", "assessed"),
                ("status", "awaiting_approval"),
                ("capsule", "ab"),
            ],
            "No policy was in force for it. What would be applied is bound by the capsule ab.",
        );
        check(
            "run.assess",
            &[fail, errored, ("verdicts", "file-1")],
            "Policies were asked, and one that nobody overrides is against it: the run ended errored.",
        );
        check(
            "run.assess",
            &[fail, errored, ("detail", "cd")],
            "Its plan could not be judged, and the run ended errored.",
        );
        let judged = ("event", "state-judged");
        check(
            "run.judge-state",
            &[judged, ("outcome", "passed"), ("file", "file-1")],
            "Policies were asked of the state that it left: passed.",
        );
        check(
            "run.judge-state",
            &[judged, ("outcome", "passed")],
            "No policy was in force any more for the state that it left.",
        );
        check(
            "run.judge-state",
            &[judged, ("outcome", "hard-failed"), ("detail", "cd")],
            "Policies could not be asked of the state that it left, which counts as hard failed. What was said beside it is sealed; the leaf commits to it.",
        );
    }

    #[test]
    fn a_sentence_says_when_and_in_which_leaf_and_what_has_none_is_left_out() {
        let story = [
            told("run.confirm", ("user", "user-ada"), &[("event", "confirm")]),
            told("run.file", ("run", "run-1"), &[("kind", "plan")]),
        ];
        for (id, about) in [("run-1", ""), ("user-ada", "run-1, ")] {
            let said = format!(
                "2025-11-28 10:30:00 UTC  user-ada confirmed that it shall be applied. ({about}leaf 7)"
            );
            assert_eq!(of(id, &story), [said]);
        }
    }
}
