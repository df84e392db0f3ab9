//! The capsule of a run: made when its plan was judged, verified before it is applied.
//!
//! What a capsule binds is looked up anew each time: the plan from its sealed
//! file, the state from the workspace's head, the configuration from its row,
//! approvals and those who gave them from the rows of the same transaction. Only
//! what a runner alone can know (its tool, its providers, the lock file) is its
//! word, and it gives it twice: when it planned, and before it applies.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use statehouse_capsule::{
    Approval, Assessment, Backend, BaseState, Capsule, Consequence, Evidence, Facts, FoundApproval,
    Lock, Mismatch, Provider, Requirement, Sandbox, SignedCapsule, Terms, Tool, Variables,
    Verified, policies_digest, tally, verify,
};
use statehouse_ledger::note::VerifierKey;
use statehouse_ledger::{Hash, hash_from_hex};
use statehouse_model::{ActorId, HouseId, Permission, RunId, TeamId, UserId};

use super::Options;
use super::files::{self, Kind};
use super::older::Written;
use super::sql::{self, ApprovalRow, Run};
use crate::access;
use crate::configuration;
use crate::cost;
use crate::ctx::Ctx;
use crate::door::Target;
use crate::error::{Error, Kind as Trouble, Result};
use crate::execution::{self, Mode, Reverify};
use crate::house::House;
use crate::job::{self, Step};
use crate::key;
use crate::ledger;
use crate::policy::force;
use crate::policy::judge::{self, Verdicts};
use crate::record::Rows;
use crate::state::{self, sql::Version};
use crate::team;
use crate::variable::{self, Category, Given};
use crate::workspace::{self, Workspace, sql::Workspace as WorkspaceRow};

/// How long a capsule is good, in microseconds: a week of waiting for people.
pub const LIFE_US: i64 = 7 * 24 * 3600 * 1_000_000;

/// What a runner found and says: with what it planned, or would apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// SHA-256 of the plan file, in hex.
    pub plan: String,
    /// SHA-256 of the plan's JSON, in hex.
    pub plan_json: String,
    /// SHA-256 of the same for the screen, in hex.
    pub plan_shown: String,
    /// SHA-256 of the dependency lock file, in hex; `None` where there is none.
    pub lock_file: Option<String>,
    /// `terraform` or `tofu`.
    pub tool: String,
    /// The tool's version.
    pub tool_version: String,
    /// SHA-256 of its binary, in hex.
    pub tool_digest: String,
    /// Version and SHA-256 of each provider, by source address.
    pub providers: BTreeMap<String, (String, String)>,
    /// The level of the sandbox: `strict` or `process`.
    pub sandbox: String,
    /// The type of the backend that the configuration has for itself, and the
    /// SHA-256 of the state that is there.
    pub backend: Option<(String, Option<String>)>,
}

fn hash(text: &str, what: &str) -> Result<Hash> {
    hash_from_hex(text)
        .ok_or_else(|| Error::invalid(format!("the runner's {what} is no SHA-256 in hex")))
}

impl Found {
    /// Reads what was stored of it.
    pub(crate) fn read(stored: &[u8]) -> Result<Self> {
        serde_json::from_slice(stored)
            .map_err(|error| Error::internal(format!("what a runner found: {error}")))
    }

    /// The digest of the plan file.
    pub(crate) fn plan_digest(&self) -> Result<Hash> {
        hash(&self.plan, "digest of the plan")
    }

    /// What the runner says, in the words of the capsule.
    fn facts(&self, own: Own) -> Result<Facts> {
        let mut providers = BTreeMap::new();
        for (source, (version, digest)) in &self.providers {
            let provider = Provider {
                version: version.clone(),
                digest: hash(digest, "digest of a provider")?,
            };
            providers.insert(source.clone(), provider);
        }
        let optional = |text: &Option<String>, what| {
            let hash = text.as_deref().map(|text| hash(text, what));
            hash.transpose()
        };
        let backend = match &self.backend {
            None => Backend::Statehouse,
            Some((kind, state)) => Backend::External {
                kind: kind.clone(),
                state: optional(state, "digest of the state")?,
            },
        };
        let odd = |what: &str| Error::invalid(format!("the runner names an unknown {what}"));
        Ok(Facts {
            house: own.run.id.house(),
            workspace: own.run.workspace,
            run: own.run.id,
            plan: self.plan_digest()?,
            plan_json: hash(&self.plan_json, "digest of the plan's JSON")?,
            plan_shown: hash(&self.plan_shown, "digest of what is shown of the plan")?,
            base: own.base,
            configuration: own.configuration,
            lock_file: optional(&self.lock_file, "digest of the lock file")?,
            tool: Tool {
                name: self.tool.parse().map_err(|_| odd("tool"))?,
                version: self.tool_version.clone(),
                binary: hash(&self.tool_digest, "digest of the tool")?,
            },
            providers,
            variables: own.variables,
            sandbox: self
                .sandbox
                .parse::<Sandbox>()
                .map_err(|_| odd("level of sandbox"))?,
            backend,
        })
    }
}

/// What the server looks up for itself.
struct Own {
    run: Run,
    base: Option<BaseState>,
    configuration: Hash,
    variables: Variables,
}

fn odd(what: &str) -> Error {
    Error::tampered(format!("{what} has not the form that it was written in"))
}

/// A version of a workspace's state, as a capsule binds it.
async fn base(rows: &mut Rows, version: Option<Version>) -> Result<Option<BaseState>> {
    let Some(head) = version else {
        return Ok(None);
    };
    let (leaf, _) = state::sql::leaf_of(rows, &head.id).await?;
    Ok(Some(BaseState {
        head: head
            .serial
            .filter(|_| !head.opaque)
            .map(|serial| (head.lineage.clone(), serial)),
        content: Hash::try_from(head.commitment.as_slice()).map_err(|_| odd("a version"))?,
        version: head.id,
        leaf,
    }))
}

/// Commitments to the variables that a run is given, salted by the run.
fn commitments(salt: &str, given: &[Given]) -> Variables {
    let mut variables = Variables::default();
    for each in given {
        let of = match each.category {
            Category::Terraform => &mut variables.terraform,
            Category::Environment => &mut variables.environment,
        };
        // A literal is another value than the text that it is written in, and one that is to be hidden is shown otherwise.
        let form = match (each.hcl, each.sensitive) {
            (false, false) => "text",
            (false, true) => "hidden text",
            (true, false) => "hcl",
            (true, true) => "hidden hcl",
        };
        let words = [
            "statehouse variable",
            salt,
            each.category.as_str(),
            &each.name,
            form,
            &each.value,
        ];
        let value = statehouse_ledger::sha256(words.join("\0").as_bytes());
        of.insert(each.name.clone(), value);
    }
    variables
}

/// The version that a run was planned on. Who keeps a plan does not hold the
/// workspace, so the current one may be another already.
pub(crate) async fn planned_on(rows: &mut Rows, run: &Run) -> Result<Option<Version>> {
    let Some(id) = &run.base else { return Ok(None) };
    let found = state::sql::by_id(rows, id).await?;
    let gone = || {
        Error::tampered(format!(
            "version `{id}`, on which {} was planned, is missing",
            run.id
        ))
    };
    found.ok_or_else(gone).map(Some)
}

async fn own(rows: &mut Rows, house: &House, run: &Run, on: Option<Version>) -> Result<Own> {
    let options = options(rows, house, run).await?;
    let wanted = Workspace::Id(run.workspace.clone());
    let workspace = workspace::sql::needed(rows, &wanted).await?;
    let given = variable::given(rows, house, &workspace, &options.variables).await?;
    let configuration = configuration::needed(rows, &wanted, &run.configuration).await?;
    let digest = configuration.digest.as_slice();
    Ok(Own {
        base: base(rows, on).await?,
        configuration: Hash::try_from(digest).map_err(|_| odd("a configuration"))?,
        variables: commitments(&options.salt, &given),
        run: run.clone(),
    })
}

/// The signed capsule of a plan: what an apply will be held against.
pub(crate) async fn make(
    rows: &mut Rows,
    house: &House,
    run: &Run,
    (found, assessment): (&Found, Assessment),
    now: i64,
) -> Result<SignedCapsule> {
    let on = planned_on(rows, run).await?;
    let own = own(rows, house, run, on).await?;
    let workspace = workspace_of(rows, run).await?;
    let terms = Terms {
        requirement: requirement(rows, &workspace).await?,
        facts: found.facts(own)?,
        assessment,
        author: run.actor.clone(),
        created_at: now,
        expires_at: now.saturating_add(LIFE_US),
        nonce: crate::random(),
    };
    let broken = |error: statehouse_capsule::Error| {
        Error::invalid(format!("the plan cannot be bound: {error}"))
    };
    let capsule = Capsule::new(&terms).map_err(broken)?;
    let name = ledger::key_name(&house.base().site, house.code());
    let signer = ledger::signer(&name, &rows.keyring, rows.keyring.newest())?;
    SignedCapsule::sign(capsule, &[&signer]).map_err(broken)
}

/// A signed capsule, sealed as a file of its run, and its row.
pub(crate) async fn sealed(
    ctx: &Ctx,
    run: &RunId,
    signed: &SignedCapsule,
    now: i64,
) -> Result<(files::Prepared, sql::CapsuleRow)> {
    let row = sql::CapsuleRow {
        run: run.clone(),
        digest: signed.capsule().digest().to_vec(),
        status: OPEN.to_owned(),
        created_at: now,
        expires_at: signed.capsule().terms().expires_at,
    };
    let text = Bytes::from(signed.to_string());
    let file = files::prepare(ctx, run, Kind::Capsule, 0, text).await?;
    Ok((file, row))
}

/// The capsule that a run has, from its sealed file.
pub(crate) async fn read(rows: &mut Rows, house: &House, run: &Run) -> Result<SignedCapsule> {
    let bytes = open(rows, house, run, Kind::Capsule).await?;
    let parsed = SignedCapsule::parse(&bytes);
    parsed.map_err(|error| Error::tampered(format!("the capsule of {}: {error}", run.id)))
}

/// The options of a run.
pub(crate) async fn options(rows: &mut Rows, house: &House, run: &Run) -> Result<Options> {
    let stored = open(rows, house, run, Kind::Options).await?;
    serde_json::from_slice(&stored)
        .map_err(|error| Error::internal(format!("stored options of a run: {error}")))
}

/// Opens a small file of a run where it is.
pub(crate) async fn open(rows: &mut Rows, house: &House, run: &Run, kind: Kind) -> Result<Bytes> {
    let found = files::find(rows, &run.id, kind).await?;
    let (object, stored) = found.ok_or_else(|| {
        Error::tampered(format!("the {} of {} is missing", kind.as_str(), run.id))
    })?;
    let bytes = house
        .blobs()
        .load(&rows.keyring, &object.context(), &stored, object.size)?;
    Ok(Bytes::from_owner(zeroize::Zeroizing::new(bytes)))
}

pub(crate) async fn workspace_of(rows: &mut Rows, run: &Run) -> Result<WorkspaceRow> {
    let wanted = Workspace::Id(run.workspace.clone());
    workspace::sql::needed(rows, &wanted).await
}

/// How many must approve now, whether the author may be one of them, and whether who applies derives again what they approve. A place
/// of this server trusts what another of them derived. What agents are called they say themselves, so that none trusts another.
pub(crate) async fn requirement(rows: &mut Rows, workspace: &WorkspaceRow) -> Result<Requirement> {
    let execution = execution::of(rows, workspace).await?;
    let count = u32::try_from(execution.approvals).unwrap_or(u32::MAX);
    Ok(Requirement {
        author_counts: execution.author_approves,
        derive_again: execution.reverify == Reverify::Always || execution.mode.pool().is_some(),
        ..Requirement::of(count)
    })
}

/// Whether somebody is behind a run: whoever started it, and whoever uploaded what
/// it plans. Behind a team's token is everybody in the team; an organization's is
/// in nobody's hands that are known.
pub(crate) async fn stands_behind(rows: &mut Rows, run: &Run, who: &ActorId) -> Result<bool> {
    let workspace = Workspace::Id(run.workspace.clone());
    let planned = configuration::needed(rows, &workspace, &run.configuration).await?;
    for author in [run.actor.as_str(), &*planned.actor] {
        if author == who.as_str() {
            return Ok(true);
        }
        let (team, user) = (author.parse::<TeamId>(), who.as_str().parse::<UserId>());
        if let (Ok(team), Ok(user)) = (team, user)
            && team::is_in(rows, &team, &user).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every word about a run, whether who said it may still say it, and whether they
/// stood behind the run when they did, or do now.
pub(crate) async fn approvals(rows: &mut Rows, run: &Run, now: i64) -> Result<Vec<FoundApproval>> {
    let mut found = Vec::new();
    for row in sql::approvals(rows, &run.id).await? {
        found.push(looked_up(rows, run, row, now).await?);
    }
    Ok(found)
}

/// The same of one word.
pub(super) async fn looked_up(
    rows: &mut Rows,
    run: &Run,
    row: ApprovalRow,
    now: i64,
) -> Result<FoundApproval> {
    let target = Target::Workspace(Workspace::Id(run.workspace.clone()));
    let may = access::actor_holds(rows, &row.actor, Permission::RunApprove, &target, now);
    let may_approve_now = may.await?;
    let withdrawn = row.withdrawn_at.is_some();
    let is_authors = row.is_authors || stands_behind(rows, run, &row.actor).await?;
    Ok(FoundApproval {
        approval: approval(row)?,
        may_approve_now,
        withdrawn,
        is_authors,
    })
}

fn approval(row: ApprovalRow) -> Result<Approval> {
    Ok(Approval {
        capsule: Hash::try_from(row.capsule.as_slice()).map_err(|_| odd("an approval"))?,
        decision: row.decision.parse().map_err(|_| odd("an approval"))?,
        approver: row.actor,
        capacity: row.capacity.parse().map_err(|_| odd("an approval"))?,
        given_at: row.created_at,
        expires_at: row.expires_at,
    })
}

/// Whether the approvals that a run has now are enough, for what is asked now and
/// for what was asked when it was judged.
pub(crate) async fn suffices(rows: &mut Rows, house: &House, run: &Run) -> Result<bool> {
    let workspace = workspace_of(rows, run).await?;
    let (requirement, now) = (requirement(rows, &workspace).await?, house.now());
    let signed = match read(rows, house, run).await {
        // That it does not open is seen before the apply, which ends the run by it.
        Err(error) if *error.kind() == Trouble::Tampered && requirement.count == 0 => {
            return Ok(true);
        }
        read => read?,
    };
    let capsule = signed.capsule();
    if requirement.stricter(&capsule.terms().requirement).count == 0 {
        return Ok(true);
    }
    let approvals = approvals(rows, run, now).await?;
    let tally = tally(
        &requirement,
        (capsule.terms(), capsule.digest()),
        &approvals,
        now,
    );
    Ok(tally.is_sufficient)
}

/// Whether who applies a run must derive again what was approved: for what is asked now, or was when it was judged.
pub(crate) async fn is_derived_again(rows: &mut Rows, house: &House, run: &Run) -> Result<bool> {
    let workspace = workspace_of(rows, run).await?;
    let requirement = requirement(rows, &workspace).await?;
    match read(rows, house, run).await {
        Ok(signed) => {
            let bound = &signed.capsule().terms().requirement;
            Ok(requirement.stricter(bound).derive_again)
        }
        // It is named when the apply would begin.
        Err(error) if *error.kind() == Trouble::Tampered => Ok(requirement.derive_again),
        Err(error) => Err(error),
    }
}

/// What is enough before anybody has said anything: nothing is asked now, nor by
/// the capsule.
pub(crate) async fn needs_nobody(rows: &mut Rows, run: &Run, bound: &Requirement) -> Result<bool> {
    let workspace = workspace_of(rows, run).await?;
    let requirement = requirement(rows, &workspace).await?;
    Ok(requirement.stricter(bound).count == 0)
}

fn lock(run: &Run, workspace: &WorkspaceRow) -> Lock {
    match &workspace.lock_id {
        None => Lock::Free,
        Some(held) if held != run.id.as_str() => Lock::HeldBy(held.clone()),
        Some(_) if run.fence == Some(workspace.fence) => Lock::Held,
        Some(_) => Lock::Fenced {
            planned: run.fence.unwrap_or(0),
            now: workspace.fence,
        },
    }
}

/// What a runner says that would apply.
#[derive(Debug, Clone)]
pub struct OfRunner {
    /// What it found.
    pub found: Found,
    /// Whether it derived what the plan file says, and did not take that over.
    pub derived: bool,
}

impl From<Found> for OfRunner {
    /// It took over what was said of the plan file.
    fn from(found: Found) -> Self {
        Self {
            found,
            derived: false,
        }
    }
}

/// Why a run must not apply.
pub(crate) struct Refusal {
    pub(crate) consequence: Consequence,
    /// Words for what differs, each once.
    pub(crate) names: String,
    /// What differs, one sentence each.
    pub(crate) why: Vec<String>,
}

impl Refusal {
    /// Something that was stored does not read: its word, and why.
    pub(crate) fn unreadable(name: &str, why: String) -> Self {
        Self {
            consequence: Consequence::Tampered,
            names: name.to_owned(),
            why: vec![why],
        }
    }

    fn of(mismatches: &[Mismatch]) -> Self {
        let names: BTreeSet<&str> = mismatches.iter().map(Mismatch::word).collect();
        Self {
            consequence: Mismatch::gravest(mismatches).unwrap_or(Consequence::Other),
            names: names.into_iter().collect::<Vec<_>>().join(","),
            why: mismatches.iter().map(Mismatch::to_string).collect(),
        }
    }
}

/// Whether a run may apply now, by all that is found now. What does not read any
/// more is a finding too, and the gravest.
pub(crate) async fn verified(
    rows: &mut Rows,
    house: &House,
    run: &Run,
    (of_runner, verdicts): (&OfRunner, Option<&Verdicts>),
    (written, now): (Written, i64),
) -> Result<std::result::Result<Verified, Refusal>> {
    match look(rows, house, run, (of_runner, verdicts), (written, now)).await {
        Err(error) if *error.kind() == Trouble::Tampered => Ok(Err(Refusal::unreadable(
            "unreadable",
            error.message().to_owned(),
        ))),
        looked => looked,
    }
}

async fn look(
    rows: &mut Rows,
    house: &House,
    run: &Run,
    found: (&OfRunner, Option<&Verdicts>),
    (written, now): (Written, i64),
) -> Result<std::result::Result<Verified, Refusal>> {
    let verified = match judged(rows, house, run, found, now).await? {
        Ok(verified) => verified,
        Err(mismatches) => return Ok(Err(Refusal::of(&mismatches))),
    };
    // It was verified by what the rows say: are they the newest?
    let workspace = workspace_of(rows, run).await?;
    let put_back = written.put_back(rows, house.base(), (run, &workspace));
    let put_back = put_back.await?;
    Ok(if put_back.is_empty() {
        Ok(verified)
    } else {
        Err(Refusal::unreadable("older-row", put_back.join("\n")))
    })
}

async fn judged(
    rows: &mut Rows,
    house: &House,
    run: &Run,
    (of_runner, verdicts): (&OfRunner, Option<&Verdicts>),
    now: i64,
) -> Result<std::result::Result<Verified, Vec<Mismatch>>> {
    let signed = read(rows, house, run).await?;
    let row = sql::capsule(rows, &run.id).await?;
    let row = row.ok_or_else(|| Error::tampered(format!("{} has no capsule", run.id)))?;
    let workspace = workspace_of(rows, run).await?;
    let head = state::head_of(rows, &workspace).await?;
    let own = own(rows, house, run, head).await?;
    let requirement = requirement(rows, &workspace).await?;
    let approvals = approvals(rows, run, now).await?;
    let keys = keys(rows).await?;
    let mut found = of_runner.found.facts(own)?;
    let approved = &signed.capsule().terms().facts;
    stored_too(rows, run, approved, &mut found).await?;
    if found.tool.name == approved.tool.name {
        // It planned: the runs of the workspace must use it still.
        let execution = execution::of(rows, &workspace).await?;
        found.tool.name = execution.needed_tool(&workspace)?;
    }
    let assessment = assessed(rows, (run, &workspace), (&found.plan, verdicts), now).await?;
    Ok(verify(&Evidence {
        signed: &signed,
        keys: &keys,
        found: &found,
        assessment: &assessment,
        requirement: &requirement,
        approvals: &approvals,
        lock: &lock(run, &workspace),
        is_where_planned: happens_where_it_was_planned(rows, run, &workspace).await?,
        is_derived_again: of_runner.derived,
        nonce_is_consumed: row.status != OPEN,
        now,
    }))
}

/// What the policies in force say of a plan, as far as they were asked: where others are in force by now, that alone. And the estimate that was
/// shown: prices may be others by now, and what was approved is not.
async fn assessed(
    rows: &mut Rows,
    (run, workspace): (&Run, &WorkspaceRow),
    (plan, verdicts): (&Hash, Option<&Verdicts>),
    now: i64,
) -> Result<Assessment> {
    let in_force = force::digests(rows, (run, workspace)).await?;
    let estimate = cost::make::bound(rows, &run.id).await?;
    let Some(verdicts) = verdicts else {
        return Ok(Assessment {
            policies: policies_digest(&in_force),
            estimate,
            ..Assessment::default()
        });
    };
    let of = (run, workspace);
    let overridden = judge::overridden(rows, of, (plan, verdicts), now).await?;
    let assessment = verdicts.assessment(&overridden)?;
    Ok(Assessment {
        policies: policies_digest(&in_force),
        estimate,
        ..assessment
    })
}

/// Whether runs of the workspace happen with a runner, and where this one was planned
/// and is to be applied: what one pool planned, neither another nor the server applies.
async fn happens_where_it_was_planned(
    rows: &mut Rows,
    run: &Run,
    workspace: &WorkspaceRow,
) -> Result<bool> {
    let mode = execution::of(rows, workspace).await?.mode;
    for step in [Step::Plan, Step::Apply] {
        let job = job::sql::last_of(rows, &run.id, step.as_str()).await?;
        if job.is_none_or(|job| job.pool.as_ref() != mode.pool()) {
            return Ok(false);
        }
    }
    Ok(mode != Mode::Local)
}

/// The files of a plan must be there, as the runner says that they are.
pub(crate) async fn stored_as_found(rows: &mut Rows, run: &Run, found: &Found) -> Result<()> {
    for (kind, digest) in [
        (Kind::Plan, &found.plan),
        (Kind::PlanJson, &found.plan_json),
        (Kind::PlanShown, &found.plan_shown),
    ] {
        let stored = sql::file(rows, &run.id, kind.as_str()).await?;
        if stored.is_none_or(|stored| hex::encode(stored.digest) != *digest) {
            let words = format!("the stored {} is not what was planned", kind.as_str());
            return Err(Error::invalid(words).hint("store it, then report the plan"));
        }
    }
    Ok(())
}

/// What another tool planned than the workspace's runs use is bound to nothing.
pub(crate) async fn planned_by_its_tool(rows: &mut Rows, run: &Run, found: &Found) -> Result<()> {
    let workspace = workspace_of(rows, run).await?;
    let execution = execution::of(rows, &workspace).await?;
    let tool = execution.needed_tool(&workspace)?.as_str();
    if found.tool == tool {
        return Ok(());
    }
    let words = format!(
        "the plan was made by `{}`, and the runs of workspace `{}` use `{tool}`",
        found.tool, workspace.name
    );
    Err(Error::invalid(words).hint("plan again, with that one"))
}

/// Where the runner has what was approved, what is stored must be that as well.
async fn stored_too(rows: &mut Rows, run: &Run, approved: &Facts, found: &mut Facts) -> Result<()> {
    for (kind, approved, found) in [
        (Kind::Plan, approved.plan, &mut found.plan),
        (Kind::PlanJson, approved.plan_json, &mut found.plan_json),
        (Kind::PlanShown, approved.plan_shown, &mut found.plan_shown),
    ] {
        let row = sql::file(rows, &run.id, kind.as_str()).await?;
        let missing = || Error::tampered(format!("the {} of {} is missing", kind.as_str(), run.id));
        let digest = row.ok_or_else(missing)?.digest;
        let digest = Hash::try_from(digest.as_slice()).map_err(|_| odd("a plan"))?;
        if *found == approved {
            *found = digest;
        }
    }
    Ok(())
}

/// The keys that capsules of the house were ever signed with. One of an epoch
/// that is retired signs nothing new, and what it signed stays signed.
async fn keys(rows: &mut Rows) -> Result<Vec<VerifierKey>> {
    let epochs = key::sql::all(rows).await?;
    let read = |epoch: key::sql::Epoch| {
        let parsed = VerifierKey::parse(&epoch.vkey);
        parsed.map_err(|_| odd("the verifier key of an epoch"))
    };
    epochs.into_iter().map(read).collect()
}

/// A capsule that nobody used.
pub(crate) const OPEN: &str = "open";
/// One that was used.
pub(crate) const USED: &str = "used";
