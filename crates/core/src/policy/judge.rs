//! Judging a plan: what every set in force says of it, after the plan and again before the apply.
//!
//! The rows say which sets are in force; their bundles, the stored JSON of the plan and what is known of run and workspace go to a [`Judge`], which
//! evaluates them in a process apart and answers in bounded time. What does not come to an answer is against the plan, as strictly as there is.
//!
//! What changes between plan and apply (the time, the approvals so far, which of both it is) is seen by policies and is no part of the digest of what
//! they were given: a capsule binds that digest, and the verdict must be the same both times.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use statehouse_capsule::{
    Assessment, Decision, FoundApproval, Outcome as Bound, Verdict as BoundVerdict, policies_digest,
};
use statehouse_ledger::{Hash, hash_from_hex};
use statehouse_model::{Permission, PolicySetId, RunId, instant};
use statehouse_policy::input::{self, Context, Person, Place};

use super::force::{self, InForce};
use super::{Enforcement, Exception, PolicyView, read};
use crate::access;
use crate::blob::Stored;
use crate::cost;
use crate::ctx::Ctx;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::execution;
use crate::house::House;
use crate::job;
use crate::object::Object;
use crate::project::{self, Project};
use crate::record::Rows;
use crate::run::files::{self, Kind};
use crate::run::machine::Kind as RunKind;
use crate::run::sql::{self as runs, Run};
use crate::run::{capsule, needed as needed_run};
use crate::workspace::sql::{self as workspaces, Workspace as WorkspaceRow};
use crate::workspace::{self, Workspace};

actions! {
    /// Look up what a run is to be judged by.
    JudgeRun = "policy.judge" needs RunPlan;
    /// Judge a stored plan again, by policies that its asker wrote. Recorded: what they say tells of the plan.
    ReplayPlan = "policy.replay-plan" needs StateRead;
}

/// An answer on its way.
pub type Judging<'a, T> = Pin<Box<dyn Future<Output = std::result::Result<T, String>> + Send + 'a>>;

/// What evaluates policies, somewhere else than in this process.
pub trait Judge: Send + Sync {
    /// Reads the archive of a bundle as it would be to judge by it, with these parameters. Says everything that is wrong, a line each.
    fn check<'a>(
        &'a self,
        archive: Bytes,
        parameters: &'a Map<String, Value>,
    ) -> Judging<'a, Checked>;

    /// What each set says, in the order in which they are given.
    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>>;
}

/// A bundle that can judge.
#[derive(Debug, Clone)]
pub struct Checked {
    /// SHA-256 over what is in it.
    pub digest: Hash,
    /// Its policies.
    pub policies: Vec<PolicyView>,
    /// What is to be kept of it: it stands for itself, whatever it takes from elsewhere.
    pub archive: Bytes,
}

/// When it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// After the plan.
    Plan,
    /// Before the apply.
    Apply,
}

/// A set, as it judges.
#[derive(Debug, Clone)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// The archive of its bundle.
    pub archive: Bytes,
    /// The strictest level that its policies have.
    pub enforcement: Enforcement,
    /// Values of its parameters.
    pub parameters: Map<String, Value>,
    /// What it does not hold against whom.
    pub exceptions: Vec<Exception>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// When.
    pub stage: Stage,
    /// By which sets.
    pub sets: Vec<Set>,
    /// Of which plan: the text that `terraform show -json` gives of it.
    pub plan: Bytes,
    /// What it costs, as policies read it; nothing where no amount is known.
    pub cost: Option<Bytes>,
    /// What else is known.
    pub facts: Context,
    /// When it is, in microseconds since 1970.
    pub now: i64,
}

/// What a set says, from where it was evaluated.
#[derive(Debug, Clone)]
pub struct Said {
    /// What it comes to.
    pub outcome: Outcome,
    /// SHA-256 of what it was given, except what changes between plan and apply.
    pub input: Hash,
    /// What evaluated it: its name and version.
    pub engine: String,
    /// What each of its policies says.
    pub results: Vec<PolicyResult>,
}

/// What a set comes to, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing against it.
    Passed,
    /// Something against it, which is advice.
    Advised,
    /// Something against it, which may be let pass.
    SoftFailed,
    /// It must not be applied.
    HardFailed,
}

impl Outcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Advised => "advised",
            Self::SoftFailed => "soft-failed",
            Self::HardFailed => "hard-failed",
        }
    }
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyResult {
    /// Its name.
    pub policy: String,
    /// What it is about.
    pub title: String,
    /// How strictly it is meant here.
    pub level: String,
    /// `passed`, `failed`, `excepted` or `errored`.
    pub outcome: String,
    /// What it has against the plan, or what went wrong.
    pub messages: Vec<Message>,
}

/// Something that a policy has against a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Message {
    /// In words.
    pub text: String,
    /// Of which resource.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
}

/// What a set said of a run, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The set's id.
    pub set: String,
    /// Its name.
    pub name: String,
    /// SHA-256 over everything that decides what it says, in hex.
    pub digest: String,
    /// The id of its bundle.
    pub bundle: String,
    /// SHA-256 over what is in that, in hex.
    pub bundle_digest: String,
    /// SHA-256 of what it was given, in hex.
    pub input: String,
    /// What evaluated it.
    pub engine: String,
    /// What it comes to.
    pub outcome: Outcome,
    /// What each of its policies says.
    pub results: Vec<PolicyResult>,
}

impl Verdict {
    /// What it has against the plan, as somebody would override it.
    pub(crate) fn words(&self) -> Result<Hash> {
        let text = serde_json::to_vec(&self.results);
        let text = text.map_err(|error| Error::internal(format!("a verdict: {error}")))?;
        Ok(statehouse_ledger::sha256(&text))
    }
}

/// What all sets in force said of a run, in order of their digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdicts {
    /// When they were asked.
    pub stage: Stage,
    /// What each said.
    pub sets: Vec<Verdict>,
}

impl Verdicts {
    /// What they come to together.
    pub fn outcome(&self) -> Outcome {
        let outcomes = self.sets.iter().map(|set| set.outcome);
        outcomes.max().unwrap_or(Outcome::Passed)
    }

    /// The sets by their digests.
    pub(crate) fn digests(&self) -> Result<Vec<Hash>> {
        self.sets.iter().map(|set| hash(&set.digest)).collect()
    }

    /// In the words of a capsule. Those of `overridden` may be let pass.
    pub(crate) fn assessment(&self, overridden: &[Hash]) -> Result<Assessment> {
        let mut verdicts = Vec::new();
        for set in &self.sets {
            let policy_set = hash(&set.digest)?;
            verdicts.push(BoundVerdict {
                policy_set,
                input: hash(&set.input)?,
                outcome: match set.outcome {
                    Outcome::Passed => Bound::Passed,
                    Outcome::Advised => Bound::Advised,
                    Outcome::SoftFailed if overridden.contains(&policy_set) => Bound::Overridden,
                    Outcome::SoftFailed | Outcome::HardFailed => Bound::Failed,
                },
            });
        }
        Ok(Assessment {
            policies: policies_digest(&self.digests()?),
            verdicts,
            estimate: None,
        })
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> Result<Bytes> {
        let text = serde_json::to_vec(self);
        let text = text.map_err(|error| Error::internal(format!("verdicts: {error}")))?;
        Ok(text.into())
    }

    /// Reads what was kept.
    pub(crate) fn read(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::tampered(format!("the verdicts on a run: {error}")))
    }
}

fn hash(text: &str) -> Result<Hash> {
    hash_from_hex(text).ok_or_else(|| Error::tampered("a verdict names no SHA-256"))
}

/// What judges here. Where nothing does, nothing passes.
pub(crate) fn needed(house: &House) -> Result<Arc<dyn Judge>> {
    let found = house.judge().cloned();
    found.ok_or_else(|| {
        Error::unavailable("this server has nothing that evaluates policies")
            .hint("ask another, or start it as `statehouse serve`")
    })
}

/// What was looked up for one question.
struct Gathered {
    sets: Vec<(InForce, (Object, Stored))>,
    plan: (Object, Stored),
    cost: Option<(Object, Stored)>,
    facts: Context,
}

impl InForce {
    /// As it judges, with its bundle opened.
    async fn opened(&self, ctx: &Ctx, (object, stored): (Object, Stored)) -> Result<Set> {
        Ok(Set {
            name: self.set.name.clone(),
            archive: object.open(ctx, stored).await?,
            enforcement: self.set.enforcement.parse()?,
            parameters: read(&self.set.parameters)?,
            exceptions: read(&self.set.exceptions)?,
        })
    }
}

/// What one set could be asked of a stored plan.
pub(crate) struct OfOne {
    /// The set with the bundle that is in force, if one is.
    pub(crate) in_force: Option<Set>,
    pub(crate) plan: Bytes,
    pub(crate) cost: Option<Bytes>,
    pub(crate) facts: Context,
    pub(crate) project: String,
    pub(crate) approvals: usize,
}

/// Looks up what a set is asked of a run's plan; `None` where it does not reach the run, or the plan is not kept.
pub(crate) async fn gathered_for(
    ctx: &Ctx,
    id: &RunId,
    set: &PolicySetId,
) -> Result<Option<OfOne>> {
    let (wanted, house, set) = (id.clone(), ctx.house().clone(), set.clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let looked = door::read(ctx, ReplayPlan, &target, move |rows| {
        Box::pin(async move {
            let run = needed_run(rows, &wanted).await?;
            let workspace = capsule::workspace_of(rows, &run).await?;
            let reaching = force::reaching(rows, &workspace).await?;
            let Some(set) = reaching.into_iter().find(|each| each.id == set) else {
                return Ok(None);
            };
            let plan = match files::find(rows, &run.id, Kind::PlanJson).await {
                Ok(Some(plan)) => plan,
                Ok(None) => return Ok(None),
                // Retention removed it.
                Err(error) if *error.kind() == Trouble::Conflict => return Ok(None),
                Err(error) => return Err(error),
            };
            let in_force = match force::bundle_of(rows, &set).await? {
                Some(bundle) => {
                    let object = Object::from(&bundle);
                    let stored = object.stored(rows).await?;
                    Some((InForce { set, bundle }, (object, stored)))
                }
                None => None,
            };
            let cost = cost::make::sealed(rows, &run.id).await?;
            let facts = facts(rows, &house, (&run, &workspace)).await?;
            let approvals = runs::approvals(rows, &run.id).await?.len();
            let project = workspace.project.to_string();
            Ok(Some((in_force, (plan, cost), facts, (project, approvals))))
        })
    })
    .await;
    let looked = match looked {
        // Its workspace was deleted.
        Err(error) if *error.kind() == Trouble::NotFound => None,
        looked => looked?,
    };
    let Some((in_force, ((object, stored), cost), facts, (project, approvals))) = looked else {
        return Ok(None);
    };
    let reads = ctx.house().reads();
    reads.record(ctx, ReplayPlan, &target, &object.id).await?;
    let in_force = match in_force {
        Some((set, body)) => Some(set.opened(ctx, body).await?),
        None => None,
    };
    Ok(Some(OfOne {
        in_force,
        plan: object.open(ctx, stored).await?,
        cost: cost::make::judged(ctx, cost).await?.ok(),
        facts,
        project,
        approvals,
    }))
}

/// What the sets in force say of a run; `None` where none is.
pub(crate) async fn judge(ctx: &Ctx, id: &RunId, stage: Stage) -> Result<Option<Verdicts>> {
    // One at a time of each house: no house keeps the others waiting, nor holds more than one plan in memory.
    let _turn = ctx.house().turn_to_judge().await;
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let gathered = door::read(ctx, JudgeRun, &target, move |rows| {
        Box::pin(async move { gather(rows, &house, &wanted).await })
    })
    .await?;
    let Some(gathered) = gathered else {
        return Ok(None);
    };
    let (object, stored) = gathered.plan;
    let plan = object.open(ctx, stored).await?;
    let (mut sets, mut asked) = (Vec::new(), Vec::new());
    for (in_force, body) in gathered.sets {
        asked.push(in_force.opened(ctx, body).await?);
        sets.push(in_force);
    }
    let cost = cost::make::judged(ctx, gathered.cost).await?;
    let question = Question {
        stage,
        sets: asked,
        plan,
        cost: cost.as_ref().ok().cloned(),
        facts: gathered.facts,
        now: ctx.house().now(),
    };
    let said = needed(ctx.house())?.assess(question).await;
    let said = said.and_then(|said| {
        let is_whole = said.len() == sets.len();
        is_whole
            .then_some(said)
            .ok_or_else(|| "not every policy set was answered for".to_owned())
    });
    let bytes_max = MESSAGE_BYTES_MAX / sets.len().max(1);
    let mut sets: Vec<Verdict> = match said {
        Ok(said) => sets
            .iter()
            .zip(said)
            .map(|(set, said)| verdict(set, said))
            .collect(),
        // Whoever does not answer is against it.
        Err(why) => sets
            .iter()
            .map(|set| verdict(set, unanswered(&why)))
            .collect(),
    };
    for set in &mut sets {
        if let Err(why) = &cost {
            without_cost(&mut set.results, why);
        }
        bounded(&mut set.results, bytes_max);
    }
    Ok(Some(Verdicts { stage, sets }))
}

/// What a policy answers that judges a cost where there is none: an error, which is against the plan at its level.
const NO_COST: &str = "there is no cost to judge";

/// Says why a policy had no cost to judge.
fn without_cost(results: &mut [PolicyResult], why: &str) {
    let messages = results.iter_mut().flat_map(|result| &mut result.messages);
    for message in messages.filter(|message| message.text == NO_COST) {
        message.text = format!("there is no complete estimate of its cost to judge: {why}");
    }
}

/// Bytes of messages that are kept of all sets of one run together, and messages of one policy: a file of a run holds them, and people read them.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
const MESSAGES_MAX: usize = 100;

/// As many messages as can be kept, and a word on how many are left out.
fn bounded(results: &mut [PolicyResult], mut bytes_max: usize) {
    for result in results {
        let all = result.messages.len();
        let fits = |message: &Message| {
            let address = message.address.as_ref().map_or(0, String::len);
            let left = bytes_max.checked_sub(message.text.len() + address);
            bytes_max = left.unwrap_or(0);
            left.is_some()
        };
        let kept = result
            .messages
            .drain(..)
            .take(MESSAGES_MAX)
            .take_while(fits);
        let mut kept: Vec<Message> = kept.collect();
        if kept.len() < all {
            kept.push(Message {
                text: format!("{} more are left out", all - kept.len()),
                address: None,
            });
        }
        result.messages = kept;
    }
}

fn verdict(by: &InForce, said: Said) -> Verdict {
    Verdict {
        set: by.set.id.to_string(),
        name: by.set.name.clone(),
        digest: hex::encode(by.digest()),
        bundle: by.bundle.id.to_string(),
        bundle_digest: hex::encode(&by.bundle.digest),
        input: hex::encode(said.input),
        engine: said.engine,
        outcome: said.outcome,
        results: said.results,
    }
}

/// What stands for a set that was not evaluated.
fn unanswered(why: &str) -> Said {
    let message = Message {
        text: format!("the policies were not evaluated: {why}"),
        address: None,
    };
    Said {
        outcome: Outcome::HardFailed,
        input: [0; 32],
        engine: "none".to_owned(),
        results: vec![PolicyResult {
            policy: "all".to_owned(),
            title: String::new(),
            level: Enforcement::HardMandatory.as_str().to_owned(),
            outcome: "errored".to_owned(),
            messages: vec![message],
        }],
    }
}

async fn gather(rows: &mut Rows, house: &House, id: &RunId) -> Result<Option<Gathered>> {
    let run = needed_run(rows, id).await?;
    let workspace = capsule::workspace_of(rows, &run).await?;
    let in_force = force::in_force(rows, &workspace).await?;
    if in_force.is_empty() {
        return Ok(None);
    }
    let mut sets = Vec::new();
    for each in in_force {
        let object = Object::from(&each.bundle);
        let stored = object.stored(rows).await?;
        sets.push((each, (object, stored)));
    }
    let plan = files::find(rows, &run.id, Kind::PlanJson).await?;
    let plan = plan.ok_or_else(|| Error::tampered(format!("the plan of {id} is missing")))?;
    let cost = cost::make::sealed(rows, &run.id).await?;
    let facts = facts(rows, house, (&run, &workspace)).await?;
    Ok(Some(Gathered {
        sets,
        plan,
        cost,
        facts,
    }))
}

/// What is known of a run and its workspace.
async fn facts(
    rows: &mut Rows,
    house: &House,
    (run, workspace): (&Run, &WorkspaceRow),
) -> Result<Context> {
    let options = capsule::options(rows, house, run).await?;
    let setting = workspaces::setting(rows, &workspace.id).await?;
    let setting = setting.unwrap_or_else(|| workspace::unset(workspace.id.clone()));
    let execution = execution::of(rows, workspace).await?;
    let project = Project::Id(workspace.project.clone());
    let project = project::sql::needed(rows, &project).await?;
    let job = job::sql::last_of(rows, &run.id, job::Step::Plan.as_str()).await?;
    let kind: RunKind = run.state()?.kind();
    Ok(Context {
        organization: Place {
            id: house.code().to_string(),
            name: String::new(),
        },
        project: Place {
            id: project.id.to_string(),
            name: project.name.to_string(),
        },
        workspace: input::Workspace {
            id: workspace.id.to_string(),
            name: workspace.name.to_string(),
            tags: force::tags_of(rows, workspace).await?.into_iter().collect(),
            execution_mode: execution.mode.as_str().to_owned(),
            auto_apply: setting.auto_apply,
            working_directory: setting.working_directory,
            tool: execution.needed_tool(workspace)?.as_str().to_owned(),
            terraform_version: setting.terraform_version,
            cost_estimation: cost::is_wanted(rows, workspace).await?,
            ..input::Workspace::default()
        },
        run: Some(input::Run {
            id: run.id.to_string(),
            created_at: instant::format(run.created_at).unwrap_or_default(),
            created_by: Person {
                user: run.actor.to_string(),
                ..Person::default()
            },
            message: options.message,
            is_destroy: options.destroy,
            refresh: !options.no_refresh,
            refresh_only: options.refresh_only,
            speculative: !kind.may_apply(),
            replace_addrs: options.replace,
            target_addrs: options.targets,
            drift_detection: kind == RunKind::Drift,
            ..input::Run::default()
        }),
        approvals: agreed(rows, (run, workspace), house.now()).await?,
        sandbox: input::Sandbox {
            level: job.and_then(|job| job.sandbox).unwrap_or_default(),
            ..input::Sandbox::default()
        },
        ..Context::default()
    })
}

/// Whose approvals of what a run would apply count, so far.
async fn agreed(
    rows: &mut Rows,
    (run, workspace): (&Run, &WorkspaceRow),
    now: i64,
) -> Result<Vec<input::Approval>> {
    let requirement = capsule::requirement(rows, workspace).await?;
    let all = capsule::approvals(rows, run, now).await?;
    let counts = |each: &&FoundApproval| {
        let of = &each.approval;
        let is_for_this = run.capsule.as_deref() == Some(of.capsule.as_slice());
        let is_good = of.decision == Decision::Approve && now < of.expires_at && !each.withdrawn;
        let may = each.may_approve_now && (requirement.author_counts || !each.is_authors);
        is_for_this && is_good && may
    };
    let agreed = all.iter().filter(counts).map(|each| input::Approval {
        user: each.approval.approver.to_string(),
        created_at: instant::format(each.approval.given_at).unwrap_or_default(),
        ..input::Approval::default()
    });
    Ok(agreed.collect())
}

/// The sets of a workspace whose verdict on a plan somebody overrode who may do so now.
pub(crate) async fn overridden(
    rows: &mut Rows,
    (run, workspace): (&Run, &WorkspaceRow),
    (plan, verdicts): (&Hash, &Verdicts),
    now: i64,
) -> Result<Vec<Hash>> {
    let said = super::sql::overrides(rows, &run.id).await?;
    let mut found = Vec::new();
    if said.is_empty() {
        return Ok(found);
    }
    let requirement = capsule::requirement(rows, workspace).await?;
    let wants_others = requirement.count > 0 && !requirement.author_counts;
    let target = Target::Workspace(Workspace::Id(workspace.id.clone()));
    for set in &verdicts.sets {
        let (digest, words) = (hash(&set.digest)?, set.words()?);
        for each in &said {
            let is_about = each.plan == plan && each.policy_set == digest && each.words == words;
            let is_good = each.withdrawn_at.is_none() && now < each.expires_at;
            let permission = Permission::PolicyOverride;
            if is_about
                && is_good
                && access::actor_holds(rows, &each.actor, permission, &target, now).await?
                && !(wants_others && capsule::stands_behind(rows, run, &each.actor).await?)
            {
                found.push(digest);
                break;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn as_many_messages_are_kept_as_can_be_and_the_others_are_counted() {
        let message = |letters: usize| Message {
            text: "x".repeat(letters),
            address: None,
        };
        let of = |count: usize, letters: usize| PolicyResult {
            policy: "one".to_owned(),
            title: String::new(),
            level: "advisory".to_owned(),
            outcome: "failed".to_owned(),
            messages: vec![message(letters); count],
        };
        let mut results = [of(3, 1), of(MESSAGES_MAX + 5, 1), of(3, 1000), of(1, 1)];
        bounded(&mut results, 2000);
        let last = |at: usize| results[at].messages.last().map(|each| each.text.as_str());
        assert_eq!(results[0].messages.len(), 3);
        assert_eq!(results[1].messages.len(), MESSAGES_MAX + 1);
        assert_eq!(last(1), Some("5 more are left out"));
        assert_eq!(
            results[2].messages.len(),
            2,
            "one fits, and one says of the others"
        );
        assert_eq!(last(2), Some("2 more are left out"));
        // Whatever comes after what did not fit: its outcome stays.
        assert_eq!(last(3), Some("1 more are left out"));
        assert_eq!(results[3].outcome, "failed");
    }
}
