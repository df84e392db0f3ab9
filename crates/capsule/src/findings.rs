//! The checks behind [`crate::verify`]: each compares one thing and leaves a mismatch, or a sentence that says what held.

use crate::approval::tally;
use crate::assessment::{Amount, Assessment, Outcome, Verdict};
use crate::capsule::Capsule;
use crate::evidence::{Evidence, Lock};
use crate::facts::{Backend, BaseState, Facts, Provider};
use crate::mismatch::{Differs, Mismatch};
use statehouse_ledger::Hash;
use statehouse_ledger::note::Signature;
use statehouse_model::ActorId;
use std::collections::BTreeMap;

/// What the checks found. The sentences mean something only where there is no mismatch.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) mismatches: Vec<Mismatch>,
    pub(crate) sentences: Vec<String>,
    /// How many approvals are needed.
    pub(crate) needed: u32,
    /// Who gave those that count.
    pub(crate) approvers: Vec<ActorId>,
}

impl Findings {
    fn differs(
        &mut self,
        mismatch: fn(Differs) -> Mismatch,
        expected: impl ToString,
        found: impl ToString,
    ) {
        self.mismatches.push(mismatch(Differs {
            expected: expected.to_string(),
            found: found.to_string(),
        }));
    }

    fn says(&mut self, sentence: String) {
        self.sentences.push(sentence);
    }

    fn same<T: PartialEq + ToString>(
        &mut self,
        mismatch: fn(Differs) -> Mismatch,
        expected: &T,
        found: &T,
    ) {
        if expected != found {
            self.differs(mismatch, expected.to_string(), found.to_string());
        }
    }

    fn same_hash(
        &mut self,
        mismatch: fn(Differs) -> Mismatch,
        expected: Option<&Hash>,
        found: Option<&Hash>,
    ) {
        if expected != found {
            self.differs(mismatch, digest(expected), digest(found));
        }
    }

    pub(crate) fn signature(&mut self, evidence: &Evidence<'_>) {
        let mut good = None;
        for key in evidence.keys {
            match evidence.signed.signature_of(key) {
                Signature::Good => good = Some(key),
                Signature::Absent => {}
                Signature::Bad => {
                    let expected = format!("a signature of {}", key.name());
                    return self.differs(Mismatch::Signature, expected, "one of another text");
                }
            }
        }
        let Some(key) = good else {
            let trusted: Vec<_> = evidence.keys.iter().map(ToString::to_string).collect();
            let signers: Vec<_> = evidence.signed.signers().collect();
            let found = format!("signatures under the names [{}]", signers.join(", "));
            return self.differs(Mismatch::Signer, trusted.join(" or "), found);
        };
        self.says(format!("the capsule is signed by {}", key.name()));
    }

    pub(crate) fn time(&mut self, evidence: &Evidence<'_>, capsule: &Capsule) {
        let (terms, now) = (capsule.terms(), evidence.now);
        if now < terms.created_at {
            let expected = format!("{} or later", terms.created_at);
            self.differs(Mismatch::NotYet, expected, now);
        }
        if now >= terms.expires_at {
            let expected = format!("earlier than {}", terms.expires_at);
            self.differs(Mismatch::Expired, expected, now);
        }
        if evidence.nonce_is_consumed {
            let found = format!("{}, consumed", hex::encode(terms.nonce));
            self.differs(Mismatch::Nonce, "a nonce never used", found);
        }
        self.says("the capsule is of use now, and was never used".to_owned());
    }

    pub(crate) fn place(&mut self, bound: &Facts, found: &Facts) {
        self.same(Mismatch::House, &bound.house, &found.house);
        self.same(Mismatch::Workspace, &bound.workspace, &found.workspace);
        self.same(Mismatch::Run, &bound.run, &found.run);
        self.says(format!("it is of {} in {}", bound.run, bound.workspace));
    }

    pub(crate) fn plan(&mut self, bound: &Facts, found: &Facts) {
        let pairs = [
            (Mismatch::Plan as fn(_) -> _, &bound.plan, &found.plan),
            (Mismatch::PlanJson, &bound.plan_json, &found.plan_json),
            (Mismatch::PlanShown, &bound.plan_shown, &found.plan_shown),
            (
                Mismatch::Configuration,
                &bound.configuration,
                &found.configuration,
            ),
        ];
        for (mismatch, bound, found) in pairs {
            self.same_hash(mismatch, Some(bound), Some(found));
        }
        let (expected, lock_file) = (bound.lock_file.as_ref(), found.lock_file.as_ref());
        self.same_hash(Mismatch::LockFile, expected, lock_file);
        let plan = digest(Some(&bound.plan));
        self.says(format!("the plan file is {plan} and says what was shown"));
        let configuration = digest(Some(&bound.configuration));
        self.says(format!("the configuration is {configuration}"));
        self.says(match expected {
            None => "there is no dependency lock file, and was none".to_owned(),
            Some(_) => format!("the dependency lock file is {}", digest(expected)),
        });
    }

    pub(crate) fn base(&mut self, bound: Option<&BaseState>, found: Option<&BaseState>) {
        match (bound, found) {
            (None, None) => self.says("there is no state yet, and was none".to_owned()),
            (None, Some(found)) => self.differs(Mismatch::StateAppeared, "no state", spell(found)),
            (Some(bound), None) => self.differs(Mismatch::StateVanished, spell(bound), "no state"),
            (Some(bound), Some(found)) if bound.version != found.version => {
                let moved = if found.leaf > bound.leaf {
                    Mismatch::StateMoved
                } else {
                    Mismatch::StateWentBack
                };
                self.differs(moved, spell(bound), spell(found));
            }
            (Some(bound), Some(found)) => self.version(bound, found),
        }
    }

    /// The version is the same: whatever differs in it was altered.
    fn version(&mut self, bound: &BaseState, found: &BaseState) {
        self.same(Mismatch::StateLeaf, &bound.leaf, &found.leaf);
        if bound.head != found.head {
            self.differs(Mismatch::StateHead, spell(bound), spell(found));
        }
        let (expected, content) = (Some(&bound.content), Some(&found.content));
        self.same_hash(Mismatch::StateContent, expected, content);
        self.says(format!("the newest state is {}", spell(bound)));
    }

    pub(crate) fn tool(&mut self, bound: &Facts, found: &Facts) {
        let (tool, other) = (&bound.tool, &found.tool);
        self.same(Mismatch::ToolName, &tool.name, &other.name);
        self.same(Mismatch::ToolVersion, &tool.version, &other.version);
        self.same_hash(
            Mismatch::ToolBinary,
            Some(&tool.binary),
            Some(&other.binary),
        );
        let binary = digest(Some(&tool.binary));
        self.says(format!(
            "the tool is {} {}, {binary}",
            tool.name, tool.version
        ));
    }

    pub(crate) fn providers(
        &mut self,
        bound: &BTreeMap<String, Provider>,
        found: &BTreeMap<String, Provider>,
    ) {
        for (address, provider) in bound {
            let Some(other) = found.get(address) else {
                self.differs(Mismatch::ProviderMissing, address, "none");
                continue;
            };
            if provider.version != other.version {
                let expected = format!("{address} {}", provider.version);
                let found = format!("{address} {}", other.version);
                self.differs(Mismatch::ProviderVersion, expected, found);
            }
            if provider.digest != other.digest {
                let expected = format!("{address} {}", digest(Some(&provider.digest)));
                let found = format!("{address} {}", digest(Some(&other.digest)));
                self.differs(Mismatch::ProviderDigest, expected, found);
            }
        }
        for address in found.keys().filter(|address| !bound.contains_key(*address)) {
            self.differs(Mismatch::ProviderExtra, "none", address);
        }
        self.says(match bound.len() {
            0 => "there are no providers, and were none".to_owned(),
            count => format!("the {count} providers are the same, byte for byte"),
        });
    }

    pub(crate) fn variables(&mut self, bound: &Facts, found: &Facts) {
        let pairs = [
            (
                "terraform",
                &bound.variables.terraform,
                &found.variables.terraform,
            ),
            (
                "environment",
                &bound.variables.environment,
                &found.variables.environment,
            ),
        ];
        for (category, bound, found) in pairs {
            self.category(category, bound, found);
        }
        self.says(match bound.variables.count() {
            0 => "there are no variables, and were none".to_owned(),
            count => format!("the {count} variables have the same values"),
        });
    }

    fn category(
        &mut self,
        category: &str,
        bound: &BTreeMap<String, Hash>,
        found: &BTreeMap<String, Hash>,
    ) {
        for (name, commitment) in bound {
            let named = format!("{category}/{name}");
            match found.get(name) {
                None => self.differs(Mismatch::VariableMissing, named, "none"),
                Some(other) if other != commitment => {
                    let expected = format!("{named} {}", digest(Some(commitment)));
                    let found = format!("{named} {}", digest(Some(other)));
                    self.differs(Mismatch::Variable, expected, found);
                }
                Some(_) => {}
            }
        }
        for name in found.keys().filter(|name| !bound.contains_key(*name)) {
            self.differs(
                Mismatch::VariableExtra,
                "none",
                format!("{category}/{name}"),
            );
        }
    }

    pub(crate) fn surroundings(&mut self, bound: &Facts, found: &Facts) {
        self.same(Mismatch::Sandbox, &bound.sandbox, &found.sandbox);
        self.says(format!("the sandbox is `{}`", bound.sandbox));
        let (backend, other) = (bound.backend.kind(), found.backend.kind());
        self.same(Mismatch::Backend, &backend, &other);
        if let (Backend::External { state, .. }, Backend::External { state: now, .. }) =
            (&bound.backend, &found.backend)
        {
            self.same_hash(Mismatch::BackendState, state.as_ref(), now.as_ref());
            let state = digest(state.as_ref());
            self.says(format!("the state in the backend `{backend}` is {state}"));
        }
    }

    pub(crate) fn assessment(&mut self, evidence: &Evidence<'_>, capsule: &Capsule) {
        let (bound, found) = (&capsule.terms().assessment, evidence.assessment);
        if bound.policies == found.policies {
            self.verdicts(bound, found);
        } else {
            let named = |policies: Option<&Hash>| match policies {
                None => "no policies".to_owned(),
                policies => digest(policies),
            };
            let expected = named(bound.policies.as_ref());
            let found = named(found.policies.as_ref());
            self.differs(Mismatch::Policies, expected, found);
        }
        if bound.estimate != found.estimate {
            self.differs(Mismatch::Estimate, cost(bound), cost(found));
        }
        self.says(cost(bound));
    }

    /// The policies are the same: what they say must be, too, and must not be no.
    fn verdicts(&mut self, bound: &Assessment, found: &Assessment) {
        if bound.verdicts != found.verdicts {
            self.differs(
                Mismatch::Verdicts,
                spell_verdicts(bound),
                spell_verdicts(found),
            );
        }
        for verdict in found
            .verdicts
            .iter()
            .filter(|each| each.outcome == Outcome::Failed)
        {
            let set = digest(Some(&verdict.policy_set));
            let found = format!("`{}` of policy set {set}", verdict.outcome);
            self.differs(Mismatch::VerdictFailed, "no policy against it", found);
        }
        self.says(match bound.policies {
            None => "no policies were in force".to_owned(),
            Some(_) => format!("the policies in force say {}", spell_verdicts(bound)),
        });
    }

    pub(crate) fn derived(&mut self, evidence: &Evidence<'_>, capsule: &Capsule) {
        let bound = &capsule.terms().requirement;
        let is_needed = evidence.requirement.stricter(bound).derive_again;
        if is_needed && !evidence.is_derived_again {
            return self.differs(Mismatch::NotDerived, "derived again", "taken over");
        }
        if evidence.is_derived_again {
            self.says("what the plan file says was derived from it again".to_owned());
        }
    }

    pub(crate) fn approvals(&mut self, evidence: &Evidence<'_>, capsule: &Capsule) {
        let of = (capsule.terms(), capsule.digest());
        let tally = tally(evidence.requirement, of, evidence.approvals, evidence.now);
        self.mismatches.extend(tally.rejected);
        let (needed, counted) = (tally.needed, tally.counted.len());
        self.needed = needed;
        self.approvers = tally.approvers;
        if usize::try_from(needed).is_ok_and(|needed| counted >= needed) {
            return self.says(match needed {
                0 => "no approval was required".to_owned(),
                _ => format!("approved by {} ({needed} needed)", tally.counted.join(", ")),
            });
        }
        self.differs(Mismatch::ApprovalsTooFew, needed, counted);
        self.mismatches.extend(tally.discounted);
    }

    pub(crate) fn whereabouts(&mut self, is_where_planned: bool) {
        if is_where_planned {
            return self.says("the workspace's runs happen where it was planned".to_owned());
        }
        self.differs(Mismatch::ExecutionMode, "where it was planned", "elsewhere");
    }

    pub(crate) fn lock(&mut self, lock: &Lock) {
        let expected = "the lock held by this run";
        match lock {
            Lock::Held => self.says("the run holds the workspace's lock".to_owned()),
            Lock::Free => self.differs(Mismatch::LockLost, expected, "no lock"),
            Lock::HeldBy(holder) => self.differs(Mismatch::LockOfAnother, expected, holder),
            Lock::Fenced { planned, now } => self.differs(Mismatch::Fence, planned, now),
        }
    }
}

fn digest(hash: Option<&Hash>) -> String {
    hash.map_or_else(
        || "none".to_owned(),
        |hash| format!("sha256:{}", hex::encode(hash)),
    )
}

fn spell(state: &BaseState) -> String {
    let BaseState {
        version,
        leaf,
        content,
        ..
    } = state;
    let content = digest(Some(content));
    match &state.head {
        None => format!("{version} (opaque, leaf {leaf}, {content})"),
        Some((lineage, serial)) => {
            format!("{version} (serial {serial} of lineage {lineage}, leaf {leaf}, {content})")
        }
    }
}

fn spell_verdicts(assessment: &Assessment) -> String {
    let verdict = |each: &Verdict| {
        let (set, input) = (hex::encode(each.policy_set), hex::encode(each.input));
        format!("{} by {set} on {input}", each.outcome)
    };
    let verdicts: Vec<_> = assessment.verdicts.iter().map(verdict).collect();
    verdicts.join(", ")
}

fn cost(assessment: &Assessment) -> String {
    let Some(estimate) = &assessment.estimate else {
        return "no estimate was made".to_owned();
    };
    let spelt = |each: &Amount| {
        let (monthly, delta) = (each.monthly_micro, each.delta_micro);
        format!(
            "{monthly} millionths of a {} a month ({delta:+})",
            each.currency
        )
    };
    let amounts: Vec<String> = estimate.amounts.iter().map(spelt).collect();
    let amounts = if amounts.is_empty() {
        "of no amount".to_owned()
    } else {
        amounts.join(" and ")
    };
    format!(
        "the estimate is {amounts}, {}",
        digest(Some(&estimate.digest))
    )
}
