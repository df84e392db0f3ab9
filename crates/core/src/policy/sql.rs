//! Every statement on `policy_set`, `policy_bundle`, `policy_override`, `policy_gate` and `policy_replay`, and the question whether there is a plan to replay.

use statehouse_model::{ActorId, OverrideId, PolicyBundleId, PolicySetId, RunId};

use crate::db::Value;
use crate::error::{Error, Result};
use crate::reach::Reach;
use crate::record::{Rows, record};

record! {
    /// A set of policies, and where it reaches.
    pub(crate) struct PolicySet in "policy_set" key 1 {
        id: PolicySetId,
        name: String,
        description: String,
        /// Whether it reaches every workspace.
        global: bool,
        /// The ids of the projects and workspaces that it reaches, separated by spaces.
        scopes: String,
        /// The tags of the workspaces that it reaches, a line each: `key`, or `key=value`.
        tags: String,
        /// The ids of the workspaces that it does not reach all the same, separated by spaces.
        excluded: String,
        /// The strictest level that its policies have; a word of [`super::Enforcement`].
        enforcement: String,
        /// Values of its parameters, JSON.
        parameters: String,
        /// What it does not hold against whom, and until when, JSON.
        exceptions: String,
        /// The bundle that is in force.
        bundle: Option<PolicyBundleId>,
        created_at: i64,
        updated_at: i64,
    }
}

record! {
    /// A bundle that was published for a set.
    pub(crate) struct PolicyBundle in "policy_bundle" key 1 {
        id: PolicyBundleId,
        policy_set: PolicySetId,
        /// Over what is in it, however it was packed.
        digest: Vec<u8>,
        /// What policies it has, JSON.
        policies: String,
        /// Bytes of the archive.
        size: u64,
        body_digest: Vec<u8>,
        commitment: Vec<u8>,
        actor: ActorId,
        created_at: i64,
    }
}

record! {
    /// Somebody's word that a plan may be applied although a policy is against it.
    pub(crate) struct PolicyOverride in "policy_override" key 1 {
        id: OverrideId,
        run: RunId,
        /// Of the plan file.
        plan: Vec<u8>,
        /// Of the policy set, as it was in force.
        policy_set: Vec<u8>,
        /// Of what it said against the plan.
        words: Vec<u8>,
        actor: ActorId,
        created_at: i64,
        expires_at: i64,
        withdrawn_at: Option<i64>,
    }
}

record! {
    /// That a set takes no bundle into force that was not replayed.
    pub(crate) struct PolicyGate in "policy_gate" key 1 {
        policy_set: PolicySetId,
        /// How many hours of past plans a replay must go over; 0 asks for none.
        hours: u64,
        set_by: String,
        set_at: i64,
    }
}

record! {
    /// What a bundle would have said of past plans, as far as they were gone through.
    pub(crate) struct PolicyReplay in "policy_replay" key 2 {
        policy_set: PolicySetId,
        /// Over what is in the bundle, in hex.
        bundle: String,
        /// Of the policy set with that bundle, as it was, and of the workspaces that it was made over.
        digest: Vec<u8>,
        /// The plans of runs that were made then or later.
        since: i64,
        /// The run that it has come to; nothing where it is finished.
        reached: Option<RunId>,
        plans: u64,
        passed_over: u64,
        newly_blocked: u64,
        newly_allowed: u64,
        actor: ActorId,
        started_at: i64,
        finished_at: Option<i64>,
    }
}

impl PolicySet {
    /// How far it reaches, tags and exclusions aside.
    pub(crate) fn reach(&self) -> Reach {
        Reach::of(self.global, &self.scopes)
    }

    /// Has it reach so far, and no further.
    pub(crate) fn set_reach(&mut self, reach: &Reach) {
        self.global = reach.global;
        self.scopes = reach.text();
    }
}

/// Every set, by name.
pub(crate) async fn sets(rows: &mut Rows) -> Result<Vec<PolicySet>> {
    rows.find("ORDER BY name", &[]).await
}

/// The set of that id, which must be there.
pub(crate) async fn needed_set(rows: &mut Rows, id: &PolicySetId) -> Result<PolicySet> {
    let found = rows.by_key(vec![id.as_str().into()]).await?;
    found.ok_or_else(|| Error::not_found("policy set"))
}

pub(crate) async fn bundle(rows: &mut Rows, id: &PolicyBundleId) -> Result<Option<PolicyBundle>> {
    rows.by_key(vec![id.as_str().into()]).await
}

/// The bundles of a set, the newest first.
pub(crate) async fn bundles_of(rows: &mut Rows, set: &PolicySetId) -> Result<Vec<PolicyBundle>> {
    let clause = "WHERE policy_set = $1 ORDER BY created_at DESC, id";
    rows.find(clause, &[set.as_str().into()]).await
}

/// The replay that is kept of a bundle, by its digest.
pub(crate) async fn replay(
    rows: &mut Rows,
    set: &PolicySetId,
    bundle: &[u8],
) -> Result<Option<PolicyReplay>> {
    replay_named(rows, set, &hex::encode(bundle)).await
}

/// The same, by the digest in hex.
pub(crate) async fn replay_named(
    rows: &mut Rows,
    set: &PolicySetId,
    bundle: &str,
) -> Result<Option<PolicyReplay>> {
    rows.by_key(vec![set.as_str().into(), bundle.into()]).await
}

/// Every word against the verdicts on a run, the oldest first.
pub(crate) async fn overrides(rows: &mut Rows, run: &RunId) -> Result<Vec<PolicyOverride>> {
    let clause = "WHERE run = $1 ORDER BY created_at, id";
    rows.find(clause, &[run.as_str().into()]).await
}

/// Whether a plan that policies judge is kept of a workspace that a set reaches; of any, where there is no set.
pub(crate) async fn is_any_plan(rows: &mut Rows, reached_by: Option<&PolicySet>) -> Result<bool> {
    let mut values = Vec::new();
    let reached = reached_by.map_or_else(String::new, |set| reached(set, &mut values));
    let sql = format!(
        "SELECT 1 FROM run r JOIN workspace w ON w.id = r.workspace
        WHERE r.kind <> 'drift' AND w.name <> w.id AND EXISTS (
            SELECT 1 FROM run_file f WHERE f.run = r.id AND f.kind = 'plan-json'
                AND NOT EXISTS (SELECT 1 FROM run_file_removal x WHERE x.file = f.id)) {reached} LIMIT 1"
    );
    let found = rows.transaction.query(&sql, &values).await?;
    Ok(!found.is_empty())
}

/// That a workspace `w` is reached by a set, as a condition more.
fn reached(set: &PolicySet, values: &mut Vec<Value>) -> String {
    let mut place = |text: &str| {
        values.push(text.into());
        format!("${}", values.len())
    };
    let mut all = Vec::new();
    if !set.global {
        let scopes = set.scopes.split_whitespace();
        let mut any: Vec<String> = scopes
            .map(|scope| format!("{} IN (w.project, w.id)", place(scope)))
            .collect();
        for tag in set.tags.lines() {
            let mut words = vec![format!("t.tag = {}", place(tag))];
            if let Some((key, value)) = tag.split_once('=') {
                let (key, value) = (place(key), place(value));
                words.push(format!("(t.tag = {key} AND t.value = {value})"));
            }
            let words = words.join(" OR ");
            any.push(format!(
                "EXISTS (SELECT 1 FROM workspace_tag t WHERE t.workspace = w.id AND ({words}))"
            ));
        }
        any.push("1 = 0".to_owned());
        all.push(format!("AND ({})", any.join(" OR ")));
    }
    let excluded = set.excluded.split_whitespace();
    all.extend(excluded.map(|id| format!("AND w.id <> {}", place(id))));
    all.join(" ")
}
