//! Workspaces that are saved: policies are asked of what a change would make of one, before it is made.
//!
//! Policies take time and are evaluated elsewhere, which no change may wait for. So a change is tried: when it has made of the rows what it would, the
//! facts and the sets in force are looked up there and then ([`Trial::require`]). Where they are not those that nothing was said against, the change is
//! taken back, policies are asked of exactly these, and it is tried again. What was judged is therefore what is written, under the policies of that moment.
//!
//! A mandatory policy that is against it refuses the change, soft ones too: nobody overrides what could as well be written otherwise. What does not come
//! to an answer is against it; where nobody came to ask, nothing is changed and that is said. Scopes around a workspace (what a project says of execution, say) are no change of the workspace; the next plan is judged by them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use statehouse_ledger::{Hash, sha256};
use statehouse_policy::input::Context;

use super::documents::Documents;
use super::facts;
use super::force::{self, InForce};
use super::judge::{self, Outcome, Question, Stage, Verdict};
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::Entry;
use crate::error::{Error, Kind, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::unsaid::Unsaid;
use crate::workspace::sql::Workspace;

/// How often policies are asked for one change, where workspace or policies are others each time.
const ASKED_MAX: usize = 3;
/// How long somebody who saves a workspace waits for an answer: longer than any client does.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Messages that a refusal has, and its longest text in bytes.
const MESSAGES_MAX: usize = 10;
const WORDS_BYTES_MAX: usize = 4096;

/// A change on trial: what was judged so far, and what is to be.
#[derive(Clone, Default)]
pub(crate) struct Trial(Arc<Mutex<Tried>>);

#[derive(Default)]
struct Tried {
    /// What nothing mandatory was said against, and what was said.
    passed: Option<(Hash, Outcome)>,
    /// What the change would have made.
    asked: Option<Asked>,
}

/// What is to be asked.
struct Asked {
    fingerprint: Hash,
    sets: Vec<(InForce, (Object, Stored))>,
    facts: Context,
    name: String,
}

impl Trial {
    fn tried(&self) -> MutexGuard<'_, Tried> {
        // Nothing is half done while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses, for now, to make of a workspace what was not judged. The rows are as the change would leave them.
    pub(crate) async fn require(
        &self,
        rows: &mut Rows,
        ctx: &Ctx,
        workspace: &Workspace,
    ) -> Result<()> {
        let mut in_force = force::in_force(rows, workspace).await?;
        let entities = Stage::Saved.entities();
        in_force.retain(|set| entities.iter().any(|entity| set.judges(*entity)));
        if in_force.is_empty() {
            return Ok(());
        }
        let facts = facts::of_workspace(rows, ctx.house(), workspace).await?;
        let fingerprint = fingerprint(&facts, &in_force)?;
        if self
            .tried()
            .passed
            .is_some_and(|(passed, _)| passed == fingerprint)
        {
            return Ok(());
        }
        let mut sets = Vec::new();
        for set in in_force {
            let body = set.body(rows).await?;
            sets.push((set, body));
        }
        self.tried().asked = Some(Asked {
            fingerprint,
            sets,
            facts,
            name: workspace.name.to_string(),
        });
        Err(Error::new(Kind::Conflict, "policies are to be asked first"))
    }

    /// Says beside a change what policies said of it.
    pub(crate) fn told(&self, entry: Entry) -> Entry {
        match &self.tried().passed {
            Some((_, outcome)) => entry.fact("policies", outcome.as_str()),
            None => entry,
        }
    }
}

/// Everything of a workspace that policies see, and the sets as they are in force. When it was made is no part: a new one is made when it is written.
fn fingerprint(facts: &Context, sets: &[InForce]) -> Result<Hash> {
    let mut facts = facts.clone();
    facts.workspace.created_at.clear();
    let text = serde_json::to_vec(&facts);
    let mut text = text.map_err(|error| Error::internal(format!("a workspace: {error}")))?;
    for set in sets {
        text.extend_from_slice(&set.digest());
    }
    Ok(sha256(&text))
}

/// Makes a change of a workspace as soon as no mandatory policy is against what it makes of it.
pub(crate) async fn judged<T, F>(ctx: &Ctx, change: impl Fn(Trial) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let trial = Trial::default();
    for _ in 0..=ASKED_MAX {
        let made = change(trial.clone()).await;
        let asked = trial.tried().asked.take();
        let (Err(_), Some(asked)) = (&made, asked) else {
            return made;
        };
        let fingerprint = asked.fingerprint;
        let outcome = Box::pin(ask(ctx, asked)).await?;
        trial.tried().passed = Some((fingerprint, outcome));
    }
    let words = "the workspace, or its policies, changed each time that they were asked";
    Err(Error::new(Kind::Conflict, words).hint("nothing was changed; try again"))
}

/// Asks, and refuses what a mandatory policy is against.
async fn ask(ctx: &Ctx, asked: Asked) -> Result<Outcome> {
    let Asked {
        sets, facts, name, ..
    } = asked;
    let said = tokio::time::timeout(WAIT_MAX, Box::pin(verdicts(ctx, sets, facts)));
    let Ok(said) = said.await else {
        let words = "policies were not asked in time whether this workspace may be so";
        return Err(Error::unavailable(words).hint("nothing was changed; try again"));
    };
    let said = said?;
    let outcome = said.iter().map(|set| set.outcome).max();
    let outcome = outcome.unwrap_or(Outcome::Passed);
    if outcome < Outcome::SoftFailed {
        return Ok(outcome);
    }
    let words = words(&name, &said);
    Err(Error::invalid(words).hint("nothing was changed; make of it what they ask for"))
}

async fn verdicts(
    ctx: &Ctx,
    sets: Vec<(InForce, (Object, Stored))>,
    facts: Context,
) -> Result<Vec<Verdict>> {
    // One at a time of each house, beside what it judges of plans: nobody who saves a workspace waits for those.
    let _turn = ctx.house().turn_to_save().await;
    let (mut asked, mut in_force) = (Vec::new(), Vec::new());
    for (set, body) in sets {
        asked.push(set.opened(ctx, body).await?);
        in_force.push(set);
    }
    let of = (Documents::default(), facts);
    let question = Question::open(ctx, Stage::Saved, asked, of).await?;
    let said = match judge::answered(ctx, question).await? {
        Err(Unsaid::Unanswered(why)) => {
            let words =
                format!("policies could not be asked whether this workspace may be so: {why}");
            return Err(Error::unavailable(words).hint("nothing was changed; try again"));
        }
        said => said.map_err(|unsaid| unsaid.why().to_owned()),
    };
    Ok(judge::verdicts(&in_force, said))
}

/// What is against it, in words.
fn words(name: &str, said: &[Verdict]) -> String {
    let against = said.iter().filter(|set| set.outcome >= Outcome::SoftFailed);
    let mut messages = Vec::new();
    for set in against {
        let failed = |word: &str| word != "passed" && word != "excepted";
        let failed = set.results.iter().filter(|each| failed(&each.outcome));
        for result in failed {
            let all = result.messages.iter().map(|message| message.text.as_str());
            let said = if result.messages.is_empty() {
                vec![result.title.as_str()]
            } else {
                all.collect()
            };
            let named = said
                .into_iter()
                .map(|text| format!("`{}` of `{}`: {text}", result.policy, set.name));
            messages.extend(named);
        }
    }
    let more = messages.len().saturating_sub(MESSAGES_MAX);
    messages.truncate(MESSAGES_MAX);
    let mut words = format!(
        "policies are against workspace `{name}` as it would be: {}",
        messages.join("; ")
    );
    words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
    if more > 0 {
        words.extend(["; and ", &more.to_string(), " more"]);
    }
    words
}
