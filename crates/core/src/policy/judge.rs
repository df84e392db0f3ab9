//! Judging a plan: what every set in force says of it, after the plan and again before the apply.
//!
//! The rows say which sets are in force; their bundles, the stored JSON of the plan and what is known of run and workspace go to a [`Judge`], which
//! evaluates them in a process apart and answers in bounded time. What is long of it is never here as a whole: it is opened while that process reads it. What does not come to an answer is against the plan, as strictly as there is.
//!
//! Whether there is no answer because of the plan or its policies, or because nobody came to it, is told apart ([`Unsaid`]): what is ours is asked again,
//! and never kept as if it were a verdict; nothing passes by it either.
//!
//! What changes between plan and apply (the time, the approvals so far, which of both it is) is seen by policies and is no part of the digest of what
//! they were given: a capsule binds that digest, and the verdict must be the same both times.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use statehouse_capsule::{Assessment, Outcome as Bound, Verdict as BoundVerdict, policies_digest};
use statehouse_ledger::{Hash, hash_from_hex};
use statehouse_model::{Permission, RunId};
use statehouse_policy::input::{Approval, Context, Part};
use statehouse_policy::manifest::Entity;

use super::documents::{self, Documents};
use super::facts;
use super::force::{self, InForce};
use super::{Enforcement, Exception, PolicyView, read};
use super::{repository, transition};
use crate::access;
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::document::Document;
use crate::door::{self, Target, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::house::House;
use crate::object::Object;
use crate::record::Rows;
use crate::run::sql::Run;
use crate::run::{capsule, needed as needed_run};
use crate::unsaid::Unsaid;
use crate::workspace::Workspace;
use crate::workspace::sql::Workspace as WorkspaceRow;

actions! {
    /// Look up what a run is to be judged by.
    JudgeRun = "policy.judge" needs RunPlan;
}

/// How often it is asked what the policies of a run say, where nobody answers.
const ASKED_MAX: u32 = 3;

/// An answer on its way.
pub type Judging<'a, T> = Pin<Box<dyn Future<Output = std::result::Result<T, Unsaid>> + Send + 'a>>;

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
    /// After the apply: what it left.
    Applied,
    /// When a workspace is saved.
    Saved,
}

impl Stage {
    /// All of them.
    const ALL: [Self; 4] = [Self::Plan, Self::Apply, Self::Applied, Self::Saved];

    /// What is judged then. An entity that stands here has its document looked up in [`super::documents`].
    pub fn entities(self) -> &'static [Entity] {
        match self {
            Self::Plan | Self::Apply => {
                &[Entity::Workspace, Entity::Plan, Entity::State, Entity::Cost]
            }
            Self::Applied => &[Entity::State],
            Self::Saved => &[Entity::Workspace],
        }
    }

    /// Whether a set is asked that has nothing to say then: of a plan each is, so that a capsule binds all that are in force.
    fn is_of_all(self) -> bool {
        matches!(self, Self::Plan | Self::Apply)
    }

    /// Whether anything of this kind is ever judged: nobody shall rely on what is never asked.
    pub fn is_ever(entity: Entity) -> bool {
        let mut all = Self::ALL.into_iter();
        all.any(|stage| stage.entities().contains(&entity))
    }
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
    /// Of what: the plan as `terraform show -json` gives it, and what else the stage judges that is long.
    pub documents: BTreeMap<Part, Document>,
    /// Why nothing is known of its cost, where nothing is.
    pub no_cost: Option<String>,
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
    /// The outcome with this word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [
            Self::Passed,
            Self::Advised,
            Self::SoftFailed,
            Self::HardFailed,
        ];
        all.into_iter().find(|each| each.as_str() == word)
    }

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
    /// Whether the configuration brought it, and not the organization.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repository: bool,
    /// SHA-256 over everything that decides what it says, in hex.
    pub digest: String,
    /// The id of its bundle, or of the configuration that brought it.
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
    /// Who agreed, as they were told: what they say holds for these. Kept nowhere.
    #[serde(skip)]
    pub(crate) approvals: Vec<Approval>,
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

impl Question {
    /// Opens what was looked up, and asks about it.
    pub(super) async fn open(
        ctx: &Ctx,
        stage: Stage,
        sets: Vec<Set>,
        (documents, facts): (Documents, Context),
    ) -> Result<Self> {
        let opened = documents.open(ctx).await?;
        Ok(Self {
            stage,
            sets,
            facts: transition::known(stage, &opened, facts).await?,
            documents: opened.documents,
            no_cost: opened.no_cost,
            now: ctx.house().now(),
        })
    }
}

/// What was looked up for one question.
struct Gathered {
    sets: Vec<(InForce, (Object, Stored))>,
    documents: Documents,
    facts: Context,
}

impl InForce {
    /// As it judges, with its bundle opened.
    pub(super) async fn opened(
        &self,
        ctx: &Ctx,
        (object, stored): (Object, Stored),
    ) -> Result<Set> {
        Ok(Set {
            name: self.set.name.clone(),
            archive: object.open(ctx, stored).await?,
            enforcement: self.set.enforcement.parse()?,
            parameters: read(&self.set.parameters)?,
            exceptions: read(&self.set.exceptions)?,
        })
    }
}

/// What is said of a run, `None` where no set is in force; or why nobody came to say it, which says nothing of the run.
pub(crate) type OfRun = std::result::Result<Option<Verdicts>, String>;

/// What the sets in force say of a run. What nobody came to is asked again some times.
pub(crate) async fn judge(ctx: &Ctx, id: &RunId, stage: Stage) -> Result<OfRun> {
    let mut asked = 1;
    loop {
        // One at a time of each house: no house keeps the others waiting. Who is asked again takes a new turn, so that it keeps none of its own waiting.
        let turn = ctx.house().turn_to_judge().await;
        let said = Box::pin(ask(ctx, id, stage)).await?;
        drop(turn);
        match said {
            Err(why) if asked < ASKED_MAX => {
                tracing::warn!(run = %id, asked, why, "policies are not asked yet");
                asked += 1;
            }
            said => return Ok(said),
        }
    }
}

/// Asks once.
async fn ask(ctx: &Ctx, id: &RunId, stage: Stage) -> Result<OfRun> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    let gathered = door::read(ctx, JudgeRun, &target, move |rows| {
        Box::pin(async move { gather(rows, &house, (&wanted, stage)).await })
    })
    .await?;
    let Some(gathered) = gathered else {
        return Ok(Ok(None));
    };
    let (mut sets, mut asked, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for (in_force, body) in gathered.sets {
        let read = match in_force.repository {
            Some(_) => repository::opened(ctx, &in_force, body).await?,
            None => Ok(in_force.opened(ctx, body).await?),
        };
        match read {
            Ok(set) => {
                asked.push(set);
                sets.push(in_force);
            }
            // It is against the plan, and keeps none of the others from being asked.
            Err(Unsaid::Impossible(why)) => unread.extend(verdicts(&[in_force], Err(why))),
            Err(Unsaid::Unanswered(why)) => return Ok(Err(why)),
        }
    }
    let approvals = gathered.facts.approvals.clone();
    let of = (gathered.documents, gathered.facts);
    let said = match Question::open(ctx, stage, asked, of).await {
        Ok(question) if question.sets.is_empty() => Ok(Vec::new()),
        Ok(question) => match answered(ctx, question).await? {
            Err(Unsaid::Unanswered(why)) => return Ok(Err(why)),
            said => said.map_err(|unsaid| unsaid.why().to_owned()),
        },
        // What is asked about does not read.
        Err(error) if *error.kind() == Trouble::Invalid => Err(error.message().to_owned()),
        Err(error) => return Err(error),
    };
    let mut sets = verdicts(&sets, said);
    sets.extend(unread);
    sets.sort_by(|one, other| one.digest.cmp(&other.digest));
    Ok(Ok(Some(Verdicts {
        stage,
        sets,
        approvals,
    })))
}

/// Whether they were told of who agreed by now, whose words count: an approval may be taken back while they are asked.
pub(crate) async fn is_told_who_agreed(
    rows: &mut Rows,
    of: (&Run, &WorkspaceRow),
    verdicts: &Verdicts,
    now: i64,
) -> Result<bool> {
    Ok(facts::agreed(rows, of, now).await? == verdicts.approvals)
}

/// What each set says, or why nothing is said.
pub(super) async fn answered(
    ctx: &Ctx,
    question: Question,
) -> Result<std::result::Result<Vec<Said>, Unsaid>> {
    let (count, no_cost) = (question.sets.len(), question.no_cost.clone());
    let mut said = needed(ctx.house())?.assess(question).await;
    if let (Ok(said), Some(why)) = (&mut said, &no_cost) {
        for each in said.iter_mut() {
            without_cost(&mut each.results, why);
        }
    }
    Ok(said.and_then(|said| {
        let is_whole = said.len() == count;
        is_whole
            .then_some(said)
            .ok_or_else(|| "not every policy set was answered for".to_owned().into())
    }))
}

/// What was said of each set, as it is kept.
pub(super) fn verdicts(
    sets: &[InForce],
    said: std::result::Result<Vec<Said>, String>,
) -> Vec<Verdict> {
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
        bounded(&mut set.results, bytes_max);
    }
    sets
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
    let repository = by.repository.as_ref();
    Verdict {
        repository: repository.is_some(),
        set: by.set.id.to_string(),
        name: by.set.name.clone(),
        digest: hex::encode(by.digest()),
        bundle: repository.map_or_else(|| by.bundle.id.to_string(), |found| found.id.to_string()),
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

async fn gather(
    rows: &mut Rows,
    house: &House,
    (id, stage): (&RunId, Stage),
) -> Result<Option<Gathered>> {
    let run = needed_run(rows, id).await?;
    let workspace = capsule::workspace_of(rows, &run).await?;
    let mut in_force = force::of_run(rows, (&run, &workspace)).await?;
    if !stage.is_of_all() {
        let entities = stage.entities();
        in_force.retain(|each| entities.iter().any(|entity| each.judges(*entity)));
    }
    if in_force.is_empty() {
        return Ok(None);
    }
    let judged = |entity: &Entity| in_force.iter().any(|each| each.judges(*entity));
    let wanted: Vec<Entity> = stage.entities().iter().copied().filter(judged).collect();
    let mut sets = Vec::new();
    for each in in_force {
        let body = each.body(rows).await?;
        sets.push((each, body));
    }
    let wants = |entity| wanted.contains(&entity);
    let documents = documents::of_run(rows, house, (&run, stage), wants).await?;
    let missing = || Error::tampered(format!("the plan of {id} is missing"));
    Ok(Some(Gathered {
        sets,
        documents: documents.ok_or_else(missing)?,
        facts: facts::of_run(rows, house, (&run, &workspace)).await?,
    }))
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
