//! A run: how far it is, what it changes, what it says, and what can be done with it.
//!
//! The page works without a script: its log is there as far as it was, and each decision is a form. Where the script may run, the
//! log goes on by itself ([`super::follow`]).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use statehouse_core::cost::{self, seen::Standing as Cost};
use statehouse_core::drift::{self, CheckView};
use statehouse_core::job::sandbox::SandboxView;
use statehouse_core::policy::overrule;
use statehouse_core::policy::seen::{self, Seen, Standing};
use statehouse_core::run::act::{self, Decision};
use statehouse_core::run::counted::Approvals;
use statehouse_core::run::explained::explained;
use statehouse_core::run::machine::{Kind, Status};
use statehouse_core::run::waits::Naming;
use statehouse_core::run::{self, EventView, RunView, logs, written};
use statehouse_core::session::Visitor;
use statehouse_core::workspace::{self, Workspace};
use statehouse_core::{Core, Ctx, Kind as Trouble};
use statehouse_model::{Name, Permission, RunId, WorkspaceId};
use statehouse_terraform::changes::{Changed, Changes};
use statehouse_terraform::drift as outside;
use statehouse_terraform::said::said;

use super::form::{Form, Sent, SignedIn};
use super::page::{self, Page};
use super::planned::{self, Planned};
use super::{costed, decisions, happened, judged, moment, workspace as place};
use crate::auth::{self, At};
use crate::people::{self, People};
use crate::problem::Problem;
use crate::waits;

/// The end of a log that is on the page from the beginning, in bytes.
const LOG_MAX: u64 = 256 * 1024;
/// Changes that are listed.
const CHANGES_MAX: usize = 500;
/// Lines of what is otherwise in the listed changes: more than anybody reads on a page, and a page of some hundred kilobytes.
const DETAILS_MAX: usize = 4000;
/// Before the page of a run that will go on by itself is loaded again, in milliseconds.
const AGAIN_MS: u32 = 1500;

/// Which run of which workspace.
#[derive(Clone, Deserialize)]
pub(crate) struct Address {
    pub(crate) organization: String,
    pub(crate) workspace: String,
    pub(crate) run: String,
}

impl Address {
    pub(super) fn path(&self) -> String {
        format!(
            "{}/runs/{}",
            place::path(&self.organization, &self.workspace),
            self.run
        )
    }
}

/// The run at an address, as far as the visitor may see it.
pub(crate) async fn at(
    core: &Core,
    visitor: &Visitor,
    address: &Address,
) -> Result<(Ctx, RunView), Problem> {
    at_naming(core, visitor, address, Naming::Nobody).await
}

/// The same, with the people named who may do what it waits for, or not.
async fn at_naming(
    core: &Core,
    visitor: &Visitor,
    address: &Address,
    naming: Naming,
) -> Result<(Ctx, RunView), Problem> {
    let organization: Name = auth::id(&address.organization)?;
    let run: RunId = auth::id(&address.run)?;
    let ctx = core.enter_as(visitor, &organization).await?;
    let found = run::show_naming(&ctx, &run, naming).await?;
    let id: WorkspaceId = auth::id(&found.workspace)?;
    let of = workspace::show(&ctx, &Workspace::Id(id)).await?;
    if of.name == address.workspace {
        return Ok((ctx, found));
    }
    Err(Problem::not_found())
}

/// The page.
pub(crate) async fn show(
    State(core): State<Arc<Core>>,
    SignedIn(visitor): SignedIn,
    At(address): At<Address>,
) -> Result<Response, Problem> {
    let (ctx, run) = at_naming(&core, &visitor, &address, Naming::People).await?;
    let may_read = run.may.contains(&Permission::RunRead);
    let (mut plan, mut apply, mut changes, mut gone) = (None, None, None, None);
    if may_read {
        plan = kept(Log::read(&ctx, &run, false).await, &mut gone)?;
        apply = kept(Log::read(&ctx, &run, true).await, &mut gone)?;
        let shown = planned::of_run(&ctx, &run.id).await;
        changes = kept(shown, &mut gone)?.flatten();
    }
    let seen = match run.policies {
        Standing::Said(_) if may_read => kept(seen::of_run(&ctx, &run.id).await, &mut gone)?,
        _ => None,
    };
    let costed = match run.cost {
        Cost::Made(_) if may_read => {
            kept(cost::seen::of_run(&ctx, &run.id).await, &mut gone)?.flatten()
        }
        _ => None,
    };
    let left = match &run.written {
        Some(_) if may_read => kept(written::verdicts(&ctx, &run.id).await, &mut gone)?.flatten(),
        _ => None,
    };
    let look = verdict(&ctx, &run).await?;
    let events = events_of(&ctx, &run).await?;
    let people = people_of(&core, &run, events.as_deref().unwrap_or_default()).await?;
    let title = format!("Run {} of {}", run.sequence, address.workspace);
    let main = html! {
        p.soft.small { a href=(place::path(&address.organization, &address.workspace)) { (address.organization) "/" (address.workspace) } }
        h1 { (title) }
        @if let Some(sandbox) = &run.sandbox { (exposed(sandbox)) }
        @if run.state.status() == Status::StateTampered { (altered(&address)) }
        section.card { (facts(&run, &people, events.as_deref())) (waits_for(&run, &people)) (decisions::form(&visitor, &address, &run)) }
        @if let Some(costed) = &costed { (costed::section(costed)) }
        @if let Some(seen) = &seen { (said_of(&visitor, &address, seen, &people)) }
        @if let Some((view, said)) = &left { (judged::of_state(view, said.as_ref())) }
        @if let Some(look) = &look { (drifted(look, changes.as_ref())) }
        @if let (Some(changes), false) = (&changes, run.state.kind() == Kind::Drift) { (changed(changes, &run.id)) }
        @if let Some(words) = &gone { p.note { (words) "." } }
        @if !may_read { p.note { "You may see that this run is here, and not what it says." } }
        @if let Some(log) = &plan { (log.section("Plan", &address, &run)) }
        @if let Some(log) = &apply { (log.section("Apply", &address, &run)) }
        (happened::section(events.as_deref(), &people))
        @if goes_on(&run) && following(&run).is_none() { div data-again=(AGAIN_MS) {} }
    };
    let frame = Page {
        title: &title,
        visitor: Some(&visitor),
        follows: goes_on(&run),
        ..Page::default()
    };
    Ok(frame.show(StatusCode::OK, &main))
}

/// What is still kept of it; of what a policy of retention removed, that it did.
fn kept<T>(
    read: statehouse_core::Result<T>,
    gone: &mut Option<String>,
) -> Result<Option<T>, Problem> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if *error.kind() == Trouble::Conflict => {
            *gone = Some(error.message().to_owned());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a run will be otherwise soon, without anybody's doing.
fn goes_on(run: &RunView) -> bool {
    let status = run.state.status();
    !status.is_final()
        && !matches!(
            status,
            Status::AwaitingApproval | Status::PlannedAndSaved | Status::PolicyFailed
        )
}

/// Which of its logs grows now: whether that of the apply.
fn following(run: &RunView) -> Option<bool> {
    match run.state.status() {
        Status::Fetching | Status::Planning => Some(false),
        Status::Verifying | Status::Applying => Some(true),
        _ => None,
    }
}

/// What happened to it; nothing where the rows of that were altered, for the run itself must still be seen.
async fn events_of(ctx: &Ctx, run: &RunView) -> Result<Option<Vec<EventView>>, Problem> {
    match run::events(ctx, &run.id).await {
        Ok(events) => Ok(Some(events)),
        Err(error) if *error.kind() == Trouble::Tampered => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names for the ids of everybody whom the page speaks of.
async fn people_of(core: &Core, run: &RunView, events: &[EventView]) -> Result<People, Problem> {
    let actors = waits::actors(run).into_iter();
    let accounts = people::accounts(actors.chain(happened::actors(events)));
    People::of(core, accounts).await
}

/// How many approvals it needs and has, whose, and why the visitor's does not count; nothing where it needs none.
fn agreed(people: &People, run: &RunView) -> Option<String> {
    let approvals = run.approvals.as_ref().filter(|found| found.needed > 0)?;
    let by = approvals.by.iter();
    let by: Vec<String> = by.map(|id| people.called(id.as_str())).collect();
    Some(tallied(approvals, &by))
}

fn tallied(approvals: &Approvals, by: &[String]) -> String {
    let (counted, needed) = (approvals.counted(), approvals.needed);
    let noun = if needed == 1 { "approval" } else { "approvals" };
    let who = if by.is_empty() {
        String::new()
    } else {
        format!(" ({})", by.join(", "))
    };
    let own = match approvals.own.why_not() {
        Some(why) => format!("; yours does not count: {why}"),
        None => String::new(),
    };
    format!("{counted} of {needed} {noun}{who}{own}")
}

fn facts(run: &RunView, people: &People, events: Option<&[EventView]>) -> Markup {
    let (agreed, confirmed) = (agreed(people, run), confirmed(run, people, events));
    let options = run.options.clone().unwrap_or_default();
    let capsule = run.state.capsule().map(hex::encode);
    html! {
        dl.facts {
            div { dt { "It is" } dd { strong { (words(run.state.status().as_str())) } @if !run.reason.is_empty() { ": " (words(&run.reason)) } @if let Some((what, next)) = explained(run.state.status(), &run.reason) { " (" (what) "); " (next) } } }
            div { dt { "It does" } dd { (words(run.state.kind().as_str())) @if run.state.stored().auto_apply { ", applied without being confirmed" } } }
            @if !options.message.is_empty() { div { dt { "Why" } dd { (options.message) } } }
            div { dt { "Started" } dd { (moment(run.created_at)) " by " (people.called(&run.actor)) } }
            div { dt { "Changed" } dd { (moment(run.changed_at)) } }
            @if let Some(line) = costed::line(&run.cost) { div { dt { "Costs" } dd { (line) } } }
            @if let Some(confirmed) = confirmed { div { dt { "Confirmed" } dd { (confirmed) } } }
            @if let Some(agreed) = agreed { div { dt { "Approvals" } dd { (agreed) } } }
            @if let Some(base) = &run.base { div { dt { "Planned on" } dd { code { (base) } } } }
            @if let Some(sandbox) = &run.sandbox { div { dt { "Sandbox" } dd { (sandbox.level) } } }
            @if let Some(capsule) = &capsule { div { dt { "Capsule" } dd { code { (capsule) } } } }
        }
    }
}

/// What it waits for, a sentence each.
fn waits_for(run: &RunView, people: &People) -> Markup {
    let waits = run.waits.iter().flat_map(|waits| &waits.of);
    let sentences: Vec<String> = waits
        .map(|awaited| waits::sentence(awaited, run, people))
        .collect();
    html! {
        @if !sentences.is_empty() {
            div.note {
                p { strong { "What it waits for" } }
                ul { @for sentence in &sentences { li { (marked(sentence)) } } }
            }
        }
    }
}

/// A sentence whose commands and permissions stand between backticks.
fn marked(sentence: &str) -> Markup {
    let parts = sentence.split('`').enumerate();
    html! {
        @for (index, part) in parts {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Who said that it shall be applied; nothing where that is nobody's to say any more.
fn confirmed(run: &RunView, people: &People, events: Option<&[EventView]>) -> Option<String> {
    let of = |word: &str| events?.iter().rev().find(|event| event.event == word);
    if let Some(event) = of("confirm").filter(|_| run.state.is_confirmed()) {
        let who = people.called(&event.actor);
        return Some(format!("by {who}, {}", moment(event.at)));
    }
    if run.state.is_confirmed() {
        return Some("yes, when it was started: it applies without being asked".to_owned());
    }
    let waits = run.state.actions().is_confirmable;
    waits.then(|| "not yet".to_owned())
}

/// That less kept it apart than there is, and why: a warning. With the strict level there is nothing to warn of.
fn exposed(sandbox: &SandboxView) -> Markup {
    html! {
        @if sandbox.is_weak() {
            div.fault role="alert" {
                @if sandbox.level == "process" {
                    p { strong { "Not in the strict sandbox." } " A runner took this run at the level " code { "process" } ", which keeps it from little of the machine and of the network." }
                    p { "Why: " (sandbox.reason.as_deref().unwrap_or("no reason is written down")) }
                } @else {
                    p { strong { "What kept this run apart is not known." } " What was written down of it was altered: " code { "statehouse verify --live" } " says where." }
                }
            }
        }
    }
}

/// A word of the machine's, for people.
pub(super) fn words(word: &str) -> String {
    word.replace(['_', '-'], " ")
}

/// What policies said of it, and the form of an override for who may give one.
fn said_of(visitor: &Visitor, address: &Address, seen: &Seen, people: &People) -> Markup {
    let action = format!("{}/decision", address.path());
    let form = judged::form(visitor, seen, (&action, Decide::PURPOSE));
    judged::section(seen, people, form.as_ref())
}

/// What a run found out that looked for drift and has ended.
async fn verdict(ctx: &Ctx, run: &RunView) -> Result<Option<CheckView>, Problem> {
    if run.state.kind() != Kind::Drift || !run.state.status().is_final() {
        return Ok(None);
    }
    Ok(Some(drift::of_run(ctx, &run.id).await?))
}

/// How many resources drifted, as the server read off the plan, or that nobody knows; and of those that drifted which, for whoever
/// may read that, as the JSON of the plan for the screen names them.
fn drifted(look: &CheckView, planned: Option<&Planned>) -> Markup {
    let count = look.drifted.unwrap_or(0);
    let named = match planned {
        Some(Planned::Read(plan)) if count > 0 => outside::drifted(plan),
        _ => Vec::new(),
    };
    let listed = named.iter().take(CHANGES_MAX);
    let over = count.saturating_sub(listed.len() as u64);
    html! {
        section.card {
            h2 { "What drifted" }
            @match look.drifted {
                None => {
                    p {
                        "Nobody knows: the look ended " (words(&look.outcome))
                        @if !look.reason.is_empty() { " (" (words(&look.reason)) ")" }
                        " and found nothing out."
                    }
                }
                Some(0) => { p { "Nothing: what is there is as it was applied." } }
                Some(count) => { p { (count) " of the managed resources" } }
            }
            @if !named.is_empty() {
                pre { code { @for each in listed { (format!("{:>3} {} is {}\n", each.deed.sign(), each.address, each.word())) } } }
            }
            @if over > 0 && planned.is_some() { p.soft { (over) " of them are not named here." } }
        }
    }
}

/// That something was altered, which froze the workspace, and how it goes on: an alert.
fn altered(address: &Address) -> Markup {
    let thaw = place::thaw(&address.organization, &address.workspace);
    html! {
        div.fault role="alert" {
            p { strong { "Something was altered." } " This run found it, ended, and froze its workspace." }
            p { "Look first: the log of the run and " code { "statehouse verify --live" } " name what differs. Then somebody who may (" code { "workspace.freeze" } ") thaws the workspace, if it is still frozen: " code { (thaw) } }
        }
    }
}

/// What the plan changes, as its JSON for the screen says: the lines that `statehouse run plan` prints.
fn changed(planned: &Planned, run: &RunId) -> Markup {
    let Planned::Read(plan) = planned else {
        return html! {
            section.card {
                h2 { "What it changes" }
                p { "More than a page shows: " code { (format!("statehouse run plan {run}")) } }
            }
        };
    };
    let changes = Changes::of(plan);
    html! {
        section.card {
            h2 { "What it changes" }
            p { (changes.counts) }
            (listed(&changes.resources, run))
            @if !changes.outputs.is_empty() {
                p { "Changes to outputs:" }
                (listed(&changes.outputs, run))
            }
        }
    }
}

/// Changes, each with what is otherwise in it, as far as there is room; and how much is not here.
fn listed(changes: &[Changed], run: &RunId) -> Markup {
    let mut room = DETAILS_MAX;
    let (mut lines, mut left_out) = (Vec::new(), 0);
    for change in changes.iter().take(CHANGES_MAX) {
        lines.push(format!("{:>3} {}", change.deed.sign(), change.title));
        let fit = change.details.len().min(room);
        room -= fit;
        left_out += change.details.len() - fit;
        lines.extend(change.details.iter().take(fit).cloned());
    }
    let over = changes.len().saturating_sub(CHANGES_MAX);
    html! {
        @if !lines.is_empty() {
            pre { code { @for line in &lines { (line) "\n" } } }
        }
        @if over > 0 { p.soft { "And " (over) " more." } }
        @if left_out > 0 { p.soft { (left_out) " lines of what is otherwise in these are left out here." } }
        @if over > 0 || left_out > 0 { p.soft { "All of it: " code { (format!("statehouse run plan {run}")) } } }
    }
}

/// A log, as far as it is there.
struct Log {
    applies: bool,
    lines: Vec<String>,
    /// Bytes before what is shown.
    before: u64,
    /// Where it goes on.
    end: u64,
}

impl Log {
    async fn read(ctx: &Ctx, run: &RunView, applies: bool) -> statehouse_core::Result<Self> {
        let limit = usize::try_from(LOG_MAX).unwrap_or(usize::MAX);
        let mut before = 0;
        let mut stretch = logs::read(ctx, &run.id, applies, before, limit).await?;
        if stretch.length > LOG_MAX {
            before = stretch.length - LOG_MAX;
            stretch = logs::read(ctx, &run.id, applies, before, limit).await?;
        }
        // A line whose end has not come is the next reader's.
        let whole = match stretch.bytes.iter().rposition(|byte| *byte == b'\n') {
            _ if following(run) != Some(applies) => stretch.bytes.len(),
            Some(last) => last + 1,
            None => 0,
        };
        let text = String::from_utf8_lossy(stretch.bytes.get(..whole).unwrap_or_default());
        Ok(Self {
            applies,
            lines: text.lines().map(said).collect(),
            before,
            end: before + whole as u64,
        })
    }

    fn section(&self, title: &str, address: &Address, run: &RunView) -> Markup {
        let follows = following(run) == Some(self.applies);
        let of = if self.applies { "apply" } else { "plan" };
        let from = format!("{}/log?of={of}&from={}", address.path(), self.end);
        html! {
            @if follows || !self.lines.is_empty() {
                section.card {
                    h2 id=(of) { (title) }
                    @if self.before > 0 { p.soft { (self.before) " bytes before this are left out here." } }
                    pre.log role="log" tabindex="0" aria-labelledby=(of) data-follows=[follows.then_some(from)] {
                        @for line in &self.lines { (line) "\n" }
                    }
                }
            }
        }
    }
}

/// What somebody decides.
#[derive(Deserialize)]
pub(crate) struct Decide {
    what: String,
    capsule: String,
    comment: String,
}

impl Form for Decide {
    const PURPOSE: &'static str = "run.decide";
}

/// The decision: of what was on the page, and nothing else.
pub(crate) async fn decide(
    State(core): State<Arc<Core>>,
    At(address): At<Address>,
    sent: Sent<Decide>,
) -> Result<Response, Problem> {
    let Sent { visitor, form } = sent;
    let (ctx, run) = at(&core, &visitor, &address).await?;
    let comment = Some(form.comment).filter(|comment| !comment.is_empty());
    let id = &run.id;
    let decision = match form.what.as_str() {
        "approve" => Some(Decision::Approve),
        "reject" => Some(Decision::Reject),
        _ => None,
    };
    match (form.what.as_str(), decision) {
        (_, Some(decision)) => {
            act::decide(&ctx, id, decision, seen(&form.capsule)?, comment).await?;
        }
        ("override", _) => {
            overrule::overrule(&ctx, id, comment.unwrap_or_default(), None).await?;
        }
        ("comment", _) => act::comment(&ctx, id, comment.unwrap_or_default()).await?,
        ("withdraw", _) => act::withdraw(&ctx, id, comment).await?,
        ("confirm", _) => act::confirm(&ctx, id, comment).await?,
        ("discard", _) => act::discard(&ctx, id, comment).await?,
        ("cancel", _) => act::cancel(&ctx, id, comment).await?,
        _ => {
            let words = "a run is confirmed, approved, rejected, overridden, discarded, cancelled or commented on, and an approval withdrawn";
            return Err(Problem::invalid(words));
        }
    }
    Ok(page::go(&address.path()))
}

fn seen(capsule: &str) -> Result<[u8; 32], Problem> {
    let mut digest = [0; 32];
    hex::decode_to_slice(capsule, &mut digest)
        .map_err(|_| Problem::invalid("the form names no capsule"))?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use statehouse_model::HouseCode;
    use statehouse_terraform::deed::Deed;

    use super::*;

    #[test]
    fn every_change_is_named_where_there_is_no_room_for_what_is_otherwise_in_it() {
        let change = |title: &str, details: usize| Changed {
            deed: Deed::Update,
            title: title.to_owned(),
            details: vec!["    a: 1 -> 2".to_owned(); details],
        };
        let run = RunId::from_entropy(HouseCode::SITE, 7);
        let all = [change("first", DETAILS_MAX + 3), change("second", 2)];
        let text = listed(&all, &run).into_string();
        for words in [
            "  ~ first\n",
            "  ~ second\n",
            "5 lines of what is otherwise",
            &format!("statehouse run plan {run}"),
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let over = vec![change("one", 0); CHANGES_MAX + 2];
        let text = listed(&over, &run).into_string();
        assert!(text.contains("And 2 more."), "{text}");
        let text = listed(&all[1..], &run).into_string();
        assert!(!text.contains("run plan"), "{text}");
    }
}
