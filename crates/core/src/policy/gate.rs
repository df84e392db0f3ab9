//! What a set asks for before another bundle of it is in force, before it has other parameters, exceptions or another strictness, and before it reaches
//! further: a replay over stored plans, with exactly that bundle, those settings and the set as it is.
//!
//! A replay that is kept goes on page by page, each where the last one ended, and counts what is newly blocked and newly allowed. It is good for a day from
//! when it was finished, and ends with any change of the set that decides what it says or whom: other parameters would have said other things, and plans
//! that it did not reach were not judged. One that was made everywhere is good for whatever the set reaches.
//!
//! So nobody publishes for a set that reaches nothing, and attaches it afterwards: what is attached asks for the same replay of the bundle in force. A
//! replay over no workspace says nothing: what reaches none takes a bundle into force after one that was made everywhere. Nor does one that judged no plan,
//! unless there is none: then the leaf says so. Nor is one kept that passed over a plan that it was to judge.
//!
//! Absent on purpose: a workspace that comes to a set by itself, by a tag or a move. That is a change of its own people, who would be held up by a question
//! about a set that they may not even see.

use std::sync::Arc;

use statehouse_ledger::{Hash, sha256};
use statehouse_model::{ActorId, PolicySetId, RunId};

use super::force;
use super::judge::Outcome as Said;
use super::replay::{Page, Stretch};
use super::sql::{self, PolicyGate, PolicyReplay, PolicySet};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;

actions! {
    /// Keep what a page of a replay found.
    KeepReplay = "policy-set.keep-replay" needs PolicyWrite;
}

/// Hours that a replay can be asked to go back: a year of plans is judged in hours.
pub(super) const HOURS_MAX: u64 = 24 * 366;
/// How long a finished replay is good, in microseconds: plans go on being made.
const GOOD_US: i64 = 24 * HOUR_US;
const HOUR_US: i64 = 3600 * 1_000_000;

/// How far back a replay must go before a bundle of the set is in force, in hours; 0 where none is asked for.
pub(super) async fn hours(rows: &mut Rows, set: &PolicySetId) -> Result<u64> {
    let gate: Option<PolicyGate> = rows.by_key(vec![set.as_str().into()]).await?;
    Ok(gate.map_or(0, |gate| gate.hours))
}

/// Asks for replays that go so far back, or for none with 0; says whether that is otherwise than before.
pub(super) async fn ask_for<A: Action>(
    tx: &mut Tx<A>,
    ctx: &Ctx,
    (set, wished): (&PolicySetId, Option<u64>),
) -> Result<bool> {
    let before = hours(tx, set).await?;
    let Some(hours) = wished.filter(|hours| *hours != before) else {
        return Ok(false);
    };
    let (set_by, set_at) = (ctx.actor().id().to_owned(), tx.now());
    tx.put(&PolicyGate {
        policy_set: set.clone(),
        hours,
        set_by,
        set_at,
    })
    .await?;
    Ok(true)
}

/// Goes with its set.
pub(super) async fn remove<A: Action>(tx: &mut Tx<A>, set: &PolicySetId) -> Result<()> {
    let key = || vec![set.as_str().into()];
    let there: Option<PolicyGate> = tx.by_key(key()).await?;
    if there.is_some() {
        tx.remove::<PolicyGate>(&key()).await?;
    }
    Ok(())
}

/// Over which plans a replay is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    /// Those of workspaces that the set reaches.
    #[default]
    Reached,
    /// Those of all workspaces, as if the set reached them: what it would say wherever it is attached.
    Everywhere,
}

/// What a replay was made with: all that decides what the set says with a bundle, and over which plans.
fn made_with(set: &PolicySet, bundle: &[u8], over: Over) -> Hash {
    let digest = hex::encode(force::digest_of(set, bundle));
    let reach = match over {
        Over::Everywhere => vec!["everywhere"],
        Over::Reached if set.global => vec!["global", &set.excluded],
        // Tags come last: they are what people write.
        Over::Reached => vec!["attached", &set.scopes, &set.excluded, &set.tags],
    };
    let words = ["statehouse policy replay", &digest]
        .into_iter()
        .chain(reach);
    sha256(words.collect::<Vec<_>>().join("\0").as_bytes())
}

/// Refuses a bundle that was not replayed as its set asks for. What was found goes into the leaf.
pub(super) async fn require<A: Action>(
    tx: &mut Tx<A>,
    of: (&PolicySet, &[u8]),
    entry: Entry,
) -> Result<Entry> {
    let hours = hours(tx, &of.0.id).await?;
    let refuse = |why: String| {
        Error::new(Kind::Conflict, format!("the policy set `{}` takes no bundle into force {why}", of.0.name))
            .hint("`statehouse policy replay SET DIR --record --since …` with this very directory, then publish it; nothing was published")
    };
    required(tx, of, hours, entry, &refuse).await
}

/// What of a set's settings decides what it says, and is otherwise than before: what it is called, and how a replay is told.
fn resettled(old: &PolicySet, new: &PolicySet) -> Vec<(&'static str, &'static str)> {
    let all = [
        (
            ("enforcement", "--enforcement LEVEL"),
            old.enforcement == new.enforcement,
        ),
        (
            ("parameters", "--parameters FILE"),
            old.parameters == new.parameters,
        ),
        (
            ("exceptions", "--exceptions FILE"),
            old.exceptions == new.exceptions,
        ),
    ];
    let changed = all.into_iter().filter(|(_, is_same)| !is_same);
    changed.map(|(each, _)| each).collect()
}

/// Whether nothing is said that a set reaches.
fn reaches_nothing(set: &PolicySet) -> bool {
    !set.global && set.scopes.is_empty() && set.tags.is_empty()
}

/// Refuses to have a set reach further, or judge by other settings, whose bundle in force was not replayed as the set asks for: with those settings, over
/// what it would reach. `hours` is what was asked for before the change, or is asked for by it, whichever is more.
pub(super) async fn require_change<A: Action>(
    tx: &mut Tx<A>,
    (old, new): (&PolicySet, &PolicySet),
    hours: u64,
    entry: Entry,
) -> Result<Entry> {
    let (widens, changed) = (force::widens(old, new), resettled(old, new));
    // What reaches nothing judges nothing, and is asked about when it is to.
    let is_resettled = !changed.is_empty() && !reaches_nothing(new);
    if hours == 0 || !(widens || is_resettled) {
        return Ok(entry);
    }
    // Without one it judges nothing, and whatever is published is asked about then.
    let Some(bundle) = force::bundle_of(tx, old).await? else {
        return Ok(entry);
    };
    let (words, flags): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
    let refuse = |why: String| {
        let what = if is_resettled {
            format!("takes no other {} into force", words.join(" and "))
        } else {
            "reaches no further".to_owned()
        };
        let everywhere = if widens { "--everywhere " } else { "" };
        let flags = flags.iter().map(|flag| format!(" {flag}"));
        Error::new(
            Kind::Conflict,
            format!("the policy set `{}` {what} with a bundle {why}", new.name),
        )
        .hint(format!(
            "`statehouse policy replay SET DIR --record {everywhere}--since …{}` with the directory that is in force, then change it; nothing was changed",
            flags.collect::<String>()
        ))
    };
    required(tx, (new, &bundle.digest), hours, entry, &refuse).await
}

/// Refuses a set with a bundle of which no replay is kept that is as it is asked for.
async fn required<A: Action>(
    tx: &mut Tx<A>,
    (set, bundle): (&PolicySet, &[u8]),
    hours: u64,
    entry: Entry,
    refuse: &(dyn Fn(String) -> Error + Sync),
) -> Result<Entry> {
    if hours == 0 {
        return Ok(entry);
    }
    let found = sql::replay(tx, &set.id, bundle).await?;
    let Some(replay) = found else {
        let why = format!("that was not replayed over the plans of {hours} hours before");
        return Err(refuse(why));
    };
    let now = tx.now();
    let Some(finished) = replay.finished_at else {
        return Err(refuse("whose replay is not finished".to_owned()));
    };
    let is_everywhere = replay.digest == made_with(set, bundle, Over::Everywhere);
    if !is_everywhere && replay.digest != made_with(set, bundle, Over::Reached) {
        let why = "whose replay was made with other settings of the set, or over other workspaces, than it would have";
        return Err(refuse(why.to_owned()));
    }
    if !is_everywhere && !force::reaches_any(tx, set).await? {
        let why = "whose replay judged nothing, because the set reaches no workspace yet: replay it with `--everywhere`";
        return Err(refuse(why.to_owned()));
    }
    if finished.saturating_add(GOOD_US) < now {
        return Err(refuse(
            "whose replay was finished more than a day ago".to_owned(),
        ));
    }
    let back = i64::try_from(hours)
        .unwrap_or(i64::MAX)
        .saturating_mul(HOUR_US);
    if replay.since > replay.started_at.saturating_sub(back) {
        let why = format!("whose replay goes back less than {hours} hours");
        return Err(refuse(why));
    }
    let entry = replay.told(entry);
    if replay.plans > 0 {
        return Ok(entry);
    }
    if sql::is_any_plan(tx, (!is_everywhere).then_some(set)).await? {
        let why = "whose replay judged none of the plans that there are: they are older than it goes back, or were made since";
        return Err(refuse(why.to_owned()));
    }
    Ok(entry.fact("replay", "no plans to replay"))
}

impl PolicyReplay {
    /// What it found, in a leaf.
    fn told(&self, entry: Entry) -> Entry {
        entry
            .fact("replay-plans", self.plans)
            .fact("replay-passed-over", self.passed_over)
            .fact("replay-newly-blocked", self.newly_blocked)
            .fact("replay-newly-allowed", self.newly_allowed)
    }
}

/// Whether a run would be held up by this.
fn blocks(said: Said) -> bool {
    said >= Said::SoftFailed
}

/// Keeps what a page found: the first one begins anew, each further one goes on where the last one ended.
pub(super) async fn keep(
    ctx: &Ctx,
    (set, bundle): (&PolicySet, &Hash),
    Stretch {
        since, after, over, ..
    }: Stretch,
    page: &Page,
) -> Result<()> {
    if let Some(run) = page.unread.first() {
        let words = format!(
            "the plan of `{run}` is not kept any more, or does not read ({} of this page): a replay that does not judge what it goes over is not kept",
            page.unread.len()
        );
        return Err(Error::new(Kind::Conflict, words).hint(
            "replay without `--record` to see what the others say; what is recorded begins after that run, and the set has to ask for no more hours than that",
        ));
    }
    let count = |counts: &dyn Fn(bool, bool) -> bool| {
        let plans = page.plans.iter();
        let counted = plans.filter(|plan| {
            let before = plan.before.is_some_and(blocks);
            counts(before, blocks(plan.after))
        });
        counted.count() as u64
    };
    let found = PolicyReplay {
        policy_set: set.id.clone(),
        bundle: hex::encode(bundle),
        digest: made_with(set, bundle, over).to_vec(),
        since,
        reached: page.next.clone(),
        plans: page.plans.len() as u64,
        passed_over: page.passed_over as u64,
        newly_blocked: count(&|before, after| !before && after),
        newly_allowed: count(&|before, after| before && !after),
        actor: ActorId::from(ctx.actor()),
        started_at: ctx.house().now(),
        finished_at: None,
    };
    let given = Arc::new((found, after, over));
    door::change(ctx, KeepReplay, Target::House, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (page, after, over) = &*given;
            let set = sql::needed_set(tx, &page.policy_set).await?;
            let now = tx.now();
            let mut all = match after {
                None => page.clone(),
                Some(after) => {
                    let there = sql::replay_named(tx, &page.policy_set, &page.bundle).await?;
                    going_on(there, page, after)?
                }
            };
            all.finished_at = page.reached.is_none().then_some(now);
            tx.put(&all).await?;
            let entry = Entry::new(&set.id)
                .fact("digest", all.bundle.as_str())
                .fact("everywhere", *over == Over::Everywhere)
                .fact("finished", all.finished_at.is_some());
            Ok(Outcome::Recorded((), all.told(entry)))
        })
    })
    .await
}

/// What was found until now, with a page more.
fn going_on(
    there: Option<PolicyReplay>,
    page: &PolicyReplay,
    after: &RunId,
) -> Result<PolicyReplay> {
    let follows = |there: &PolicyReplay| {
        there.reached.as_ref() == Some(after)
            && there.since == page.since
            && there.digest == page.digest
            && there.finished_at.is_none()
    };
    let there = there.filter(follows).ok_or_else(|| {
        let words = "this page does not go on where the replay that is kept has come to, or the set changed since it began";
        Error::new(Kind::Conflict, words).hint("replay from the first page on")
    })?;
    Ok(PolicyReplay {
        reached: page.reached.clone(),
        plans: there.plans + page.plans,
        passed_over: there.passed_over + page.passed_over,
        newly_blocked: there.newly_blocked + page.newly_blocked,
        newly_allowed: there.newly_allowed + page.newly_allowed,
        actor: page.actor.clone(),
        ..there
    })
}
