//! What policies say of a run, on its page: each set with its policies, and the form of an override for who may give one.

use maud::{Markup, html};
use statehouse_core::policy::judge::{Outcome, PolicyResult, Verdict, Verdicts};
use statehouse_core::policy::seen::{OverrideView, Seen, Way};
use statehouse_core::run::written::WrittenView;
use statehouse_core::session::Visitor;

use super::run::words;
use super::{moment, page};
use crate::people::People;

/// Messages of one policy that are listed.
const MESSAGES_MAX: usize = 20;

/// The section; nothing where policies said nothing.
pub(super) fn section(seen: &Seen, people: &People, form: Option<&Markup>) -> Markup {
    let Some(verdicts) = &seen.verdicts else {
        return html! {};
    };
    html! {
        section.card {
            h2 { "What policies say" }
            @for set in &verdicts.sets { (of_set(set, &seen.overrides, people)) }
            @if let Way::Closed(why) = &seen.way { p.note { "You cannot let it pass: " (why) "." } }
            @if let Some(form) = form { (form) }
        }
    }
}

/// What they say of the state that it left.
pub(super) fn of_state(view: &WrittenView, verdicts: Option<&Verdicts>) -> Markup {
    html! {
        section.card {
            h2 { "What policies say of the state that it left" }
            @match view.outcome {
                None => { p.soft { "They are being asked." } }
                Some(outcome) => {
                    p { strong { (words(outcome.as_str())) } @if let Some(at) = view.judged_at { ", " (moment(at)) } }
                    @if !view.reason.is_empty() { p { "They could not be asked: " (view.reason) } }
                    @if view.is_against() { p.note { "What was applied is not undone by this: change the configuration, and apply again." } }
                }
            }
            @for set in verdicts.iter().flat_map(|said| &said.sets) { (of_set(set, &[], &People::default())) }
        }
    }
}

fn of_set(set: &Verdict, overrides: &[OverrideView], people: &People) -> Markup {
    let is_against = set.outcome != Outcome::Passed;
    let given = overrides
        .iter()
        .filter(|each| each.policy_set == set.digest);
    html! {
        details open[is_against] {
            summary {
                strong { (set.name) }
                @if set.repository { " (brought by the configuration)" }
                ": " (words(set.outcome.as_str()))
            }
            @for result in &set.results { (of_policy(result)) }
            @for each in given {
                p { "Let pass by " (people.called(&each.actor)) ", " (moment(each.created_at)) ", until " (moment(each.expires_at)) "." }
            }
            p.soft.small { @if set.repository { "Policies " } @else { "Bundle " } code { (set.bundle_digest) } ", evaluated by " (set.engine) "." }
        }
    }
}

fn of_policy(result: &PolicyResult) -> Markup {
    let more = result.messages.len().saturating_sub(MESSAGES_MAX);
    html! {
        p {
            code { (result.policy) } " (" (result.level) "): " strong { (words(&result.outcome)) }
            @if !result.title.is_empty() { " – " (result.title) }
        }
        @if !result.messages.is_empty() {
            ul {
                @for message in result.messages.iter().take(MESSAGES_MAX) {
                    li { @if let Some(address) = &message.address { code { (address) } ": " } (message.text) }
                }
                @if more > 0 { li.soft { "and " (more) " more" } }
            }
        }
    }
}

/// The form of an override, for who may give one. It goes where decisions go, made for the same `purpose`.
pub(super) fn form(
    visitor: &Visitor,
    seen: &Seen,
    (action, purpose): (&str, &'static str),
) -> Option<Markup> {
    let is_open = seen.way == Way::Open;
    is_open.then(|| {
        html! {
            form method="post" action=(action) {
                (page::form_token(visitor, purpose))
                (page::hidden("capsule", ""))
                label for="reason" { "Why it may be applied all the same (anybody who sees the run can read it)" }
                input id="reason" name="comment" required maxlength="1000" autocomplete="off";
                div.choices {
                    button.danger type="submit" name="what" value="override" aria-describedby="next-override" { "Override the policies" }
                    p.soft id="next-override" { "Lets this plan pass, and no other, for a week at most. It then goes on like one that no policy is against: to approvals and a confirmation, where those are needed. The policies stay as they are." }
                }
            }
        }
    })
}
