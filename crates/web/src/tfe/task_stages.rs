//! What policies say of a run, as terraform shows it: a stage of the run after its plan, with one evaluation, of as many policy sets as judged.
//!
//! Terraform asks for the stages of a run before there is a plan, shows the one after the plan when the log of the plan has ended, and stops where it
//! failed. Where it waits for an override, terraform asks its user for the word, whoever that is: so a stage waits for who may say it, and has failed
//! for everybody else. Of a policy it prints the description and nothing else, and prints no mark unless it passed or failed: so there the messages
//! stand, and what could not be evaluated has failed. The same stands beside it in a form for programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use statehouse_core::Ctx;
use statehouse_core::policy::judge::{Outcome, PolicyResult, Verdict, Verdicts};
use statehouse_core::policy::overrule;
use statehouse_core::policy::seen::{self, OverrideView, Seen, Standing, Way};
use statehouse_core::run::machine::Status;
use statehouse_core::run::{self, RunView};
use statehouse_model::{
    HouseId, Permission, PolicyEvaluationId, PolicyOutcomeId, RunId, TaskStageId,
};

use super::document::{Document, to, to_many, to_one};
use super::instant::{self, Instant};
use super::policy_sets;
use super::query::{Query, Sizes};
use super::runs::{may_read, of_run, refused};
use super::sent::Plain;
use crate::auth::{self, Asker, At};
use crate::people::{self, People};
use crate::problem::Problem;

pub(super) const KIND: &str = "task-stages";
const EVALUATIONS: &str = "policy-evaluations";
const OUTCOMES: &str = "policy-set-outcomes";

/// What may be beside a stage.
pub(crate) const INCLUDES: &[&str] = &[EVALUATIONS];
/// What clients ask to be beside it, and is never there.
pub(crate) const PASSED: &[&str] = &["run", "task-results", "run.workspace"];
/// As many outcomes as there can be policy sets: terraform reads one page.
const PAGE: Sizes = Sizes::whole(100);
/// Messages of one policy in its description.
const MESSAGES_MAX: usize = 20;
/// Goes before each further message where terraform prints them.
const BELOW: &str = "\n     | ";
/// The reason of an override that came without one: terraform sends none.
const TYPED: &str = "override was typed in terraform";

/// What is told of a stage.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// Always `post_plan`.
    stage: &'static str,
    /// `pending`, `running`, `passed`, `failed`, `canceled` or `unreachable`; `awaiting_override` for who may override, for whom else it has failed.
    status: &'static str,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
    actions: Actions,
    permissions: May,
    /// Why the caller cannot let it pass, in words; null where they can, or where it needs nobody.
    own_reason: Option<String>,
}

/// What can be done with it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Actions {
    is_overridable: bool,
}

/// What the caller may do.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct May {
    can_override_policy: bool,
    /// Always false.
    can_override_tasks: bool,
    can_override: bool,
}

/// What is told of an evaluation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Evaluated {
    /// `pending`, `running`, `passed`, `failed`, `overridden` or `unreachable`.
    status: &'static str,
    /// Always `opa`.
    policy_kind: &'static str,
    result_count: Count,
    created_at: Option<Instant>,
    updated_at: Option<Instant>,
}

/// How many policies said what.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Count {
    advisory_failed: usize,
    mandatory_failed: usize,
    passed: usize,
    errored: usize,
}

/// What is told of what a policy set said.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SetTold {
    policy_set_name: String,
    /// Whether the configuration brought it, and not the organization.
    repository: bool,
    /// Always empty: what a set is for may have changed since.
    policy_set_description: &'static str,
    /// What it comes to: `passed`, `advised`, `soft-failed` or `hard-failed`.
    outcome: &'static str,
    /// What each of its policies said.
    outcomes: Vec<PolicyTold>,
    /// Whether it may be let pass.
    overridable: bool,
    /// Always empty: it stands with the policy.
    error: &'static str,
    #[serde(rename = "result_count")]
    result_count: Count,
    /// SHA-256 over everything that decides what it says, in hex.
    digest: String,
    /// SHA-256 over its bundle.
    bundle_digest: String,
    /// SHA-256 of what it was given.
    input: String,
    /// What evaluated it.
    engine: String,
    /// Who let it pass.
    overrides: Vec<Overridden>,
}

/// What is told of what a policy said. Its first words are the platform's.
#[derive(Serialize, JsonSchema)]
struct PolicyTold {
    enforcement_level: String,
    /// Always empty.
    query: &'static str,
    /// `passed` or `failed`.
    status: &'static str,
    policy_name: String,
    /// Its messages in one text, or what it is about where it passed.
    description: String,
    title: String,
    /// `passed`, `failed`, `excepted` or `errored`.
    outcome: String,
    messages: Vec<Message>,
}

/// Something that a policy has against a plan.
#[derive(Serialize, JsonSchema)]
struct Message {
    text: String,
    /// Of which resource.
    address: Option<String>,
}

/// Somebody's word that a plan may pass.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Overridden {
    actor: String,
    /// What they are called.
    actor_name: Option<String>,
    created_at: Option<Instant>,
    expires_at: Option<Instant>,
    withdrawn_at: Option<Instant>,
}

impl Overridden {
    fn of(view: &OverrideView, people: &People) -> Self {
        Self {
            actor_name: people.name(&view.actor),
            actor: view.actor.clone(),
            created_at: instant::at(view.created_at),
            expires_at: instant::at(view.expires_at),
            withdrawn_at: view.withdrawn_at.and_then(instant::at),
        }
    }
}

impl Count {
    fn of<'a>(results: impl Iterator<Item = &'a PolicyResult>) -> Self {
        let mut count = Self {
            advisory_failed: 0,
            mandatory_failed: 0,
            passed: 0,
            errored: 0,
        };
        for result in results {
            let kind = match result.outcome.as_str() {
                "passed" => &mut count.passed,
                "errored" => &mut count.errored,
                _ if level_of(result) == ADVISORY => &mut count.advisory_failed,
                _ => &mut count.mandatory_failed,
            };
            *kind += 1;
        }
        count
    }
}

const ADVISORY: &str = "advisory";

/// How strictly a result counts: an exception makes advice of it.
fn level_of(result: &PolicyResult) -> &str {
    if result.outcome == "excepted" {
        return ADVISORY;
    }
    &result.level
}

/// Words for a terminal: a policy commands none.
fn plain(text: &str) -> String {
    let plain = |each: char| if each.is_control() { ' ' } else { each };
    text.chars().map(plain).collect()
}

/// What a policy said, in one text.
fn description(result: &PolicyResult) -> String {
    let mut lines: Vec<String> = Vec::new();
    for message in result.messages.iter().take(MESSAGES_MAX) {
        lines.push(match &message.address {
            Some(address) => format!("{}: {}", plain(address), plain(&message.text)),
            None => plain(&message.text),
        });
    }
    let more = result.messages.len().saturating_sub(MESSAGES_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if lines.is_empty() {
        return plain(&result.title);
    }
    lines.join(BELOW)
}

impl From<&PolicyResult> for PolicyTold {
    fn from(result: &PolicyResult) -> Self {
        let is_good = result.outcome == "passed";
        let messages = result.messages.iter().map(|message| Message {
            text: message.text.clone(),
            address: message.address.clone(),
        });
        Self {
            enforcement_level: level_of(result).to_owned(),
            query: "",
            status: if is_good { "passed" } else { "failed" },
            policy_name: result.policy.clone(),
            description: description(result),
            title: result.title.clone(),
            outcome: result.outcome.clone(),
            messages: messages.collect(),
        }
    }
}

impl SetTold {
    /// What a set said, and who let it pass.
    pub(super) fn of(set: &Verdict, overrides: &[&OverrideView], people: &People) -> Self {
        let overrides = overrides.iter().copied();
        Self {
            policy_set_name: set.name.clone(),
            repository: set.repository,
            policy_set_description: "",
            outcome: set.outcome.as_str(),
            outcomes: set.results.iter().map(PolicyTold::from).collect(),
            overridable: set.outcome == Outcome::SoftFailed,
            error: "",
            result_count: Count::of(set.results.iter()),
            digest: set.digest.clone(),
            bundle_digest: set.bundle_digest.clone(),
            input: set.input.clone(),
            engine: set.engine.clone(),
            overrides: overrides.map(|view| Overridden::of(view, people)).collect(),
        }
    }
}

/// A run, and what policies said of it.
struct Looked {
    run: RunView,
    seen: Seen,
    /// Names of those who let it pass.
    people: People,
}

/// Whether policies have anything to do with a run that the caller may look into.
pub(super) fn is_judged(run: &RunView) -> bool {
    run.policies != Standing::Untold && may_read(run)
}

impl Looked {
    async fn at(asker: &Asker, ctx: &Ctx, id: &RunId) -> Result<Self, Problem> {
        let run = run::show(ctx, id).await?;
        Self::of(asker, ctx, run).await
    }

    async fn of(asker: &Asker, ctx: &Ctx, run: RunView) -> Result<Self, Problem> {
        let seen = seen::of_run(ctx, &run.id).await?;
        let actors = seen.overrides.iter().map(|each| each.actor.as_str());
        let people = People::of(asker.core(), people::accounts(actors)).await?;
        Ok(Self { run, seen, people })
    }

    /// The same, where there is anything to see. Whoever was told of the stage while a run planned asks for it also when the run ended
    /// before policies were asked; terraform takes it for an error of its own if it is not there.
    async fn needed<I: HouseId>(asker: &Asker, id: &I, run: RunId) -> Result<Self, Problem> {
        let found = Self::at(asker, &asker.house_of(id).await?, &run).await?;
        let state = &found.run.state;
        let ended_before = state.status().is_final() && state.capsule().is_none();
        if found.run.policies == Standing::Untold && !ended_before {
            return Err(Problem::not_found());
        }
        Ok(found)
    }

    fn outcome(&self) -> Option<Outcome> {
        self.seen.verdicts.as_ref().map(Verdicts::outcome)
    }

    /// How far the stage is, for whoever asks.
    fn status(&self) -> &'static str {
        let state = &self.run.state;
        match (state.status(), self.outcome()) {
            (Status::Pending | Status::Fetching | Status::Planning | Status::Planned, _) => {
                "pending"
            }
            (Status::Assessing, _) => "running",
            (Status::PolicyFailed, _) if self.seen.way == Way::Open => "awaiting_override",
            (Status::PolicyFailed, _) => "failed",
            (_, None) => "unreachable",
            (_, Some(Outcome::Passed | Outcome::Advised)) => "passed",
            (_, Some(_)) if state.stored().under_policies => "passed",
            (Status::Errored, Some(_)) => "failed",
            (_, Some(_)) => "canceled",
        }
    }

    fn stage(&self) -> Value {
        let way = &self.seen.way;
        let is_overridable = self.run.state.status() == Status::PolicyFailed
            && self.outcome() == Some(Outcome::SoftFailed);
        let may = self.run.may.contains(&Permission::PolicyOverride);
        let attributes = Told {
            stage: "post_plan",
            status: self.status(),
            created_at: instant::at(self.run.created_at),
            updated_at: instant::at(self.run.changed_at),
            actions: Actions { is_overridable },
            permissions: May {
                can_override_policy: may,
                can_override_tasks: false,
                can_override: may,
            },
            own_reason: match way {
                Way::Closed(why) => Some(why.clone()),
                Way::Free | Way::Open => None,
            },
        };
        let id = TaskStageId::from(&self.run.id);
        let evaluation = PolicyEvaluationId::from(&self.run.id);
        json!({
            "type": KIND,
            "id": id.as_str(),
            "attributes": attributes,
            "relationships": {
                "run": to_one("runs", self.run.id.as_str()),
                "task-results": to_many("task-results", []),
                "policy-evaluations": to_one_of_many(EVALUATIONS, evaluation.as_str()),
            },
            "links": { "self": format!("/api/v2/task-stages/{id}") },
        })
    }

    fn evaluation(&self) -> Value {
        let state = &self.run.state;
        let status = match (self.status(), self.outcome()) {
            (word @ ("pending" | "running"), _) => word,
            (_, None) => "unreachable",
            (_, Some(Outcome::Passed | Outcome::Advised)) => "passed",
            (_, Some(_)) if state.stored().under_policies => "overridden",
            (_, Some(_)) => "failed",
        };
        let sets = self.seen.verdicts.iter().flat_map(|told| &told.sets);
        let attributes = Evaluated {
            status,
            policy_kind: policy_sets::OPA,
            result_count: Count::of(sets.flat_map(|set| &set.results)),
            created_at: instant::at(self.run.created_at),
            updated_at: instant::at(self.run.changed_at),
        };
        let id = PolicyEvaluationId::from(&self.run.id);
        let stage = TaskStageId::from(&self.run.id);
        json!({
            "type": EVALUATIONS,
            "id": id.as_str(),
            "attributes": attributes,
            "relationships": { "policy-attachable": to_one(KIND, stage.as_str()) },
            "links": { "self": format!("/api/v2/policy-evaluations/{id}") },
        })
    }

    fn outcomes(&self) -> Vec<Value> {
        let sets = self.seen.verdicts.iter().flat_map(|told| &told.sets);
        sets.filter_map(|set| self.of_set(set)).collect()
    }

    fn of_set(&self, set: &Verdict) -> Option<Value> {
        let id = PolicyOutcomeId::of(&self.run.id, &set.set.parse().ok()?);
        let overrides = self.seen.overrides.iter();
        let overrides = overrides.filter(|each| each.policy_set == set.digest);
        let overrides: Vec<&OverrideView> = overrides.collect();
        let attributes = SetTold::of(set, &overrides, &self.people);
        let evaluation = PolicyEvaluationId::from(&self.run.id);
        Some(json!({
            "type": OUTCOMES,
            "id": id.as_str(),
            "attributes": attributes,
            "relationships": {
                "policy-evaluation": to_one(EVALUATIONS, evaluation.as_str()),
                "policy-set": to(policy_sets::KIND, (!set.repository).then_some(set.set.as_str())),
            },
            "links": { "self": format!("/api/v2/policy-set-outcomes/{id}") },
        }))
    }
}

/// A relation to several things, of which there is one.
fn to_one_of_many(kind: &str, id: &str) -> Value {
    to_many(kind, [id])
}

/// The stage of a run that policies have anything to do with.
pub(super) async fn of(asker: &Asker, ctx: &Ctx, run: &RunView) -> Result<Value, Problem> {
    let found = Looked::of(asker, ctx, run.clone()).await?;
    Ok(found.stage())
}

/// The stages of a run: one where policies have anything to do with it, else none.
pub(crate) async fn list(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let (ctx, run) = of_run(&asker, &id).await?;
    let found = Looked::at(&asker, &ctx, &run).await?;
    let is_judged = found.run.policies != Standing::Untold;
    let stages = is_judged.then(|| found.stage()).into_iter().collect();
    let path = format!("/api/v2/runs/{id}/task-stages");
    let (page, pages) = query.page(&path, stages, PAGE)?;
    Ok(Document::page(page, &pages))
}

/// One stage.
pub(crate) async fn show(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let id: TaskStageId = auth::id(&id)?;
    let found = Looked::needed(&asker, &id, RunId::from(&id)).await?;
    let mut beside = Vec::new();
    if query.includes(EVALUATIONS) {
        beside.push(found.evaluation());
    }
    Ok(Document::one(found.stage()).including(beside))
}

/// The evaluations of a stage, of which there is one.
pub(crate) async fn evaluations(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let id: TaskStageId = auth::id(&id)?;
    let found = Looked::needed(&asker, &id, RunId::from(&id)).await?;
    let path = format!("/api/v2/task-stages/{id}/policy-evaluations");
    let (page, pages) = query.page(&path, vec![found.evaluation()], PAGE)?;
    Ok(Document::page(page, &pages))
}

/// What each policy set said in an evaluation.
pub(crate) async fn outcomes(
    asker: Asker,
    At(id): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let id: PolicyEvaluationId = auth::id(&id)?;
    let found = Looked::needed(&asker, &id, RunId::from(&id)).await?;
    let path = format!("/api/v2/policy-evaluations/{id}/policy-set-outcomes");
    let (page, pages) = query.page(&path, found.outcomes(), PAGE)?;
    Ok(Document::page(page, &pages))
}

/// What one policy set said.
pub(crate) async fn outcome(asker: Asker, At(id): At<String>) -> Result<Document, Problem> {
    let id: PolicyOutcomeId = auth::id(&id)?;
    let run = id.run().ok_or_else(Problem::not_found)?;
    let found = Looked::needed(&asker, &id, run).await?;
    let mut outcomes = found.outcomes().into_iter();
    let this = outcomes.find(|each| each["id"] == id.as_str());
    this.map(Document::one).ok_or_else(Problem::not_found)
}

/// Why a plan may pass, and for how long that is said.
#[derive(Default, Deserialize, JsonSchema)]
pub(crate) struct Overriding {
    /// The reason.
    comment: Option<String>,
    /// For how many hours the word is good; a week unless said, and at most.
    hours: Option<u32>,
}

/// Lets a plan pass that soft-mandatory policies are against.
pub(crate) async fn overrule(
    asker: Asker,
    At(id): At<String>,
    said: Plain<Overriding>,
) -> Result<Document, Problem> {
    let id: TaskStageId = auth::id(&id)?;
    let (ctx, run) = (asker.house_of(&id).await?, RunId::from(&id));
    let Overriding { comment, hours } = said.0;
    let reason = comment.filter(|comment| !comment.is_empty());
    let reason = reason.unwrap_or_else(|| TYPED.to_owned());
    let done = overrule::overrule(&ctx, &run, reason, hours).await;
    done.map_err(refused)?;
    Ok(Document::one(Looked::at(&asker, &ctx, &run).await?.stage()))
}

#[cfg(test)]
mod tests {
    use statehouse_core::policy::judge;

    use super::*;

    fn said(outcome: &str, level: &str, messages: &[(&str, Option<&str>)]) -> PolicyResult {
        let messages = messages.iter().map(|(text, address)| judge::Message {
            text: (*text).to_owned(),
            address: address.map(str::to_owned),
        });
        PolicyResult {
            policy: "no-public-buckets".to_owned(),
            title: "Buckets are private".to_owned(),
            level: level.to_owned(),
            outcome: outcome.to_owned(),
            messages: messages.collect(),
        }
    }

    #[test]
    fn terraform_is_told_every_message_in_a_few_lines_that_command_no_terminal() {
        let check = |result: &PolicyResult, words: &str| assert_eq!(description(result), words);
        check(&said("passed", "advisory", &[]), "Buckets are private");
        let two = [
            ("is \u{1b}[31mpublic\n", Some("aws_s3_bucket.a[0]")),
            ("and so on", None),
        ];
        check(
            &said("failed", "advisory", &two),
            "aws_s3_bucket.a[0]: is  [31mpublic \n     | and so on",
        );
        let many = [("again", None); MESSAGES_MAX + 3];
        let told = description(&said("failed", "advisory", &many));
        assert!(told.ends_with("| and 3 more"), "{told}");
        assert_eq!(told.lines().count(), MESSAGES_MAX + 1);
    }

    #[test]
    fn what_is_excepted_is_advice_and_what_is_not_evaluated_has_failed() {
        let all = [
            said("passed", "hard-mandatory", &[]),
            said("failed", "advisory", &[]),
            said("excepted", "hard-mandatory", &[]),
            said("failed", "soft-mandatory", &[]),
            said("errored", "hard-mandatory", &[]),
        ];
        let count = Count::of(all.iter());
        let counted = (
            count.passed,
            count.advisory_failed,
            count.mandatory_failed,
            count.errored,
        );
        assert_eq!(counted, (1, 2, 1, 1));
        let told: Vec<_> = all
            .iter()
            .map(PolicyTold::from)
            .map(|told| (told.status, told.enforcement_level))
            .collect();
        let expected = [
            ("passed", "hard-mandatory"),
            ("failed", "advisory"),
            ("failed", "advisory"),
            ("failed", "soft-mandatory"),
            ("failed", "hard-mandatory"),
        ];
        assert_eq!(
            told,
            expected.map(|(status, level)| (status, level.to_owned()))
        );
    }
}
