//! The one function that says whether a capsule may be applied now.
//!
//! It compares everything and stops at nothing, so that whoever must decide sees all that differs at once. Each check
//! leaves either a mismatch or a sentence. [`Verified`] carries the sentences and can be made here alone.

use crate::evidence::Evidence;
use crate::findings::Findings;
use crate::mismatch::Mismatch;
use statehouse_ledger::Hash;
use statehouse_model::{ActorId, RunId, WorkspaceId};

/// The proof that a capsule may be applied now. Only [`verify`] makes one; it cannot be copied, stored or read back.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    capsule: Hash,
    nonce: Hash,
    run: RunId,
    workspace: WorkspaceId,
    at: i64,
    sentences: Vec<String>,
    needed: u32,
    approvers: Vec<ActorId>,
}

impl Verified {
    /// Digest of the capsule.
    pub fn capsule(&self) -> Hash {
        self.capsule
    }

    /// Its nonce, to be consumed before anything is started.
    pub fn nonce(&self) -> Hash {
        self.nonce
    }

    /// The run that may apply.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The workspace it may apply to.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// When it was verified, in microseconds since 1970.
    pub fn at(&self) -> i64 {
        self.at
    }

    /// What was checked, in words.
    pub fn sentences(&self) -> &[String] {
        &self.sentences
    }

    /// How many approvals were needed.
    pub fn needed(&self) -> u32 {
        self.needed
    }

    /// Who gave those that counted.
    pub fn approvers(&self) -> &[ActorId] {
        &self.approvers
    }
}

/// Says whether the capsule may be applied now.
///
/// # Errors
/// Every [`Mismatch`] there is.
pub fn verify(evidence: &Evidence<'_>) -> Result<Verified, Vec<Mismatch>> {
    let capsule = evidence.signed.capsule();
    let terms = capsule.terms();
    let mut findings = Findings::default();
    findings.signature(evidence);
    findings.time(evidence, capsule);
    findings.place(&terms.facts, evidence.found);
    findings.plan(&terms.facts, evidence.found);
    findings.base(terms.facts.base.as_ref(), evidence.found.base.as_ref());
    findings.tool(&terms.facts, evidence.found);
    findings.providers(&terms.facts.providers, &evidence.found.providers);
    findings.variables(&terms.facts, evidence.found);
    findings.surroundings(&terms.facts, evidence.found);
    findings.assessment(evidence, capsule);
    findings.derived(evidence, capsule);
    findings.approvals(evidence, capsule);
    findings.lock(evidence.lock);
    findings.whereabouts(evidence.is_where_planned);
    if !findings.mismatches.is_empty() {
        return Err(findings.mismatches);
    }
    Ok(Verified {
        capsule: capsule.digest(),
        nonce: terms.nonce,
        run: terms.facts.run.clone(),
        workspace: terms.facts.workspace.clone(),
        at: evidence.now,
        sentences: findings.sentences,
        needed: findings.needed,
        approvers: findings.approvers,
    })
}
