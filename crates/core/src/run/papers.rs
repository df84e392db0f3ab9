//! Real capsules and real evidence for tests, made from a handful of small numbers.
//!
//! A test that needs a `Verified` must let the capsule be verified: there is no other way, here neither.

use statehouse_capsule::{
    Approval, Assessment, Backend, BaseState, Capacity, Capsule, Consequence, Decision, Evidence,
    Facts, FoundApproval, Lock, Mismatch, Outcome, Provider, Requirement, Sandbox, SignedCapsule,
    Tally, Terms, Tool, ToolName, Variables, Verdict, Verified, policies_digest, tally, verify,
};
use statehouse_ledger::note::{Signer, VerifierKey};
use statehouse_ledger::{Hash, sha256};
use statehouse_model::{ActorId, HouseCode, Role, RunId, UserId, VersionId, WorkspaceId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// From which numbers a capsule is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Made {
    pub(super) run: u8,
    pub(super) workspace: u8,
    /// Version of the state that it was planned on.
    pub(super) base: u8,
    /// Policies that it was judged under.
    pub(super) policy: u8,
    pub(super) overridden: bool,
    pub(super) at: u8,
    pub(super) until: u8,
}

/// Something that somebody alters behind the server's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    Signature,
    Plan,
    PlanJson,
    PlanShown,
    StateContent,
    StateHead,
    StateLeaf,
    Configuration,
    LockFile,
    Tool,
    Provider,
    Variable,
    Sandbox,
    Backend,
    Estimate,
}

impl Thing {
    pub(super) const ALL: [Self; 15] = [
        Self::Signature,
        Self::Plan,
        Self::PlanJson,
        Self::PlanShown,
        Self::StateContent,
        Self::StateHead,
        Self::StateLeaf,
        Self::Configuration,
        Self::LockFile,
        Self::Tool,
        Self::Provider,
        Self::Variable,
        Self::Sandbox,
        Self::Backend,
        Self::Estimate,
    ];
}

impl Thing {
    /// What it means for a run that finds it altered before it plans.
    pub(super) fn consequence(self) -> Consequence {
        match self {
            Self::Tool | Self::Provider | Self::Sandbox => Consequence::Other,
            Self::PlanShown | Self::Variable | Self::Backend | Self::Estimate => Consequence::Stale,
            _ => Consequence::Tampered,
        }
    }
}

/// An approval, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Word {
    pub(super) by: u8,
    pub(super) decision: Decision,
    pub(super) at: u8,
    pub(super) until: u8,
    pub(super) may_now: bool,
    pub(super) withdrawn: bool,
}

/// What is laid before `verify`, owned.
pub(super) struct Dossier {
    pub(super) signed: Arc<SignedCapsule>,
    pub(super) found: Facts,
    pub(super) assessment: Assessment,
    pub(super) requirement: Requirement,
    pub(super) approvals: Vec<FoundApproval>,
    pub(super) lock: Lock,
    pub(super) is_where_planned: bool,
    pub(super) is_derived_again: bool,
    pub(super) nonce_is_consumed: bool,
    pub(super) now: i64,
    pub(super) keys: Vec<VerifierKey>,
}

impl Dossier {
    pub(super) fn verify(&self) -> Result<Verified, Vec<Mismatch>> {
        verify(&Evidence {
            signed: &self.signed,
            keys: &self.keys,
            found: &self.found,
            assessment: &self.assessment,
            requirement: &self.requirement,
            approvals: &self.approvals,
            lock: &self.lock,
            is_where_planned: self.is_where_planned,
            is_derived_again: self.is_derived_again,
            nonce_is_consumed: self.nonce_is_consumed,
            now: self.now,
        })
    }

    pub(super) fn tally(&self) -> Tally {
        let capsule = self.signed.capsule();
        let of = (capsule.terms(), capsule.digest());
        tally(&self.requirement, of, &self.approvals, self.now)
    }
}

/// Capsules by what they were made from, and whether they are forged.
type Drawer = HashMap<(Made, bool), Arc<SignedCapsule>>;

/// Makes capsules, each once.
pub(super) struct Desk {
    signer: Signer,
    forger: Signer,
    made: Mutex<Drawer>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            signer: Signer::from_seed("statehouse/example/house", &[1; 32]).unwrap(),
            forger: Signer::from_seed("statehouse/example/house", &[2; 32]).unwrap(),
            made: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn digest(&self, made: Made) -> Hash {
        self.signed(made, false).capsule().digest()
    }

    fn signed(&self, made: Made, forged: bool) -> Arc<SignedCapsule> {
        let mut known = self.made.lock().unwrap();
        let signed = known.entry((made, forged)).or_insert_with(|| {
            let capsule = Capsule::new(&terms(made)).unwrap();
            let signer = if forged { &self.forger } else { &self.signer };
            Arc::new(SignedCapsule::sign(capsule, &[signer]).unwrap())
        });
        Arc::clone(signed)
    }

    /// The capsule, and a world in which everything is as it says.
    pub(super) fn dossier(&self, made: Made, now: u8, words: &[Word]) -> Dossier {
        let signed = self.signed(made, false);
        let terms = signed.capsule().terms();
        let approvals = words
            .iter()
            .map(|word| said(*word, signed.capsule().digest()));
        Dossier {
            found: terms.facts.clone(),
            assessment: terms.assessment.clone(),
            requirement: Requirement::of(1),
            approvals: approvals.collect(),
            lock: Lock::Held,
            is_where_planned: true,
            is_derived_again: false,
            nonce_is_consumed: false,
            now: i64::from(now),
            keys: vec![self.signer.verifier().clone()],
            signed,
        }
    }

    /// Alters one thing.
    pub(super) fn alter(&self, dossier: &mut Dossier, made: Made, thing: Thing) {
        let found = &mut dossier.found;
        let base = found.base.as_mut();
        match thing {
            Thing::Signature => dossier.signed = self.signed(made, true),
            Thing::Plan => found.plan[0] ^= 1,
            Thing::PlanJson => found.plan_json[0] ^= 1,
            Thing::PlanShown => found.plan_shown[0] ^= 1,
            Thing::StateContent => base.unwrap().content[0] ^= 1,
            Thing::StateHead => base.unwrap().head = None,
            Thing::StateLeaf => base.unwrap().leaf += 1,
            Thing::Configuration => found.configuration[0] ^= 1,
            Thing::LockFile => found.lock_file = None,
            Thing::Tool => found.tool.binary[0] ^= 1,
            Thing::Provider => found.providers.clear(),
            Thing::Variable => found.variables = Variables::default(),
            Thing::Sandbox => found.sandbox = Sandbox::Process,
            Thing::Backend => found.backend = Backend::Statehouse,
            Thing::Estimate => dossier.assessment.estimate = None,
        }
    }

    /// What would be found if the state had this version and these policies were in force.
    pub(super) fn found(&self, made: Made) -> (Facts, Assessment) {
        let signed = self.signed(made, false);
        let terms = signed.capsule().terms();
        (terms.facts.clone(), terms.assessment.clone())
    }

    /// The token for a capsule against which nothing speaks.
    pub(super) fn verified(&self, made: Made) -> Verified {
        let mut dossier = self.dossier(made, made.at, &[]);
        dossier.requirement.count = 0;
        dossier.verify().unwrap()
    }
}

pub(super) fn user(number: u8) -> ActorId {
    let user = UserId::from_entropy(u128::from(number));
    user.as_str().parse().unwrap()
}

fn said(word: Word, capsule: Hash) -> FoundApproval {
    FoundApproval {
        approval: Approval {
            capsule,
            decision: word.decision,
            approver: user(word.by),
            capacity: Capacity::Role(Role::Maintainer),
            given_at: i64::from(word.at),
            expires_at: i64::from(word.until),
        },
        may_approve_now: word.may_now,
        withdrawn: word.withdrawn,
        is_authors: false,
    }
}

fn terms(made: Made) -> Terms {
    let house = HouseCode::from_entropy(7);
    let hash = |name: &str| sha256(format!("{name} of {}", made.run).as_bytes());
    let policy_set = sha256(&[made.policy]);
    let facts = Facts {
        house,
        workspace: WorkspaceId::from_entropy(house, u128::from(made.workspace)),
        run: RunId::from_entropy(house, u128::from(made.run)),
        plan: hash("plan"),
        plan_json: hash("plan json"),
        plan_shown: hash("plan shown"),
        base: Some(BaseState {
            head: Some(("lineage".to_owned(), u64::from(made.base))),
            content: sha256(&[made.workspace, made.base]),
            version: VersionId::from_entropy(house, u128::from(made.base)),
            leaf: u64::from(made.base) * 10,
        }),
        configuration: hash("configuration"),
        lock_file: Some(hash("lock file")),
        tool: Tool {
            name: ToolName::Terraform,
            version: "1.11.4".to_owned(),
            binary: sha256(b"terraform"),
        },
        providers: BTreeMap::from([(
            "registry.terraform.io/hashicorp/null".to_owned(),
            Provider {
                version: "3.2.4".to_owned(),
                digest: sha256(b"null"),
            },
        )]),
        variables: Variables {
            terraform: BTreeMap::from([("region".to_owned(), hash("region"))]),
            environment: BTreeMap::new(),
        },
        sandbox: Sandbox::Strict,
        backend: Backend::External {
            kind: "s3".to_owned(),
            state: None,
        },
    };
    let outcome = if made.overridden {
        Outcome::Overridden
    } else {
        Outcome::Passed
    };
    let verdict = Verdict {
        policy_set,
        input: hash("input"),
        outcome,
    };
    Terms {
        facts,
        assessment: Assessment {
            policies: policies_digest(&[policy_set]),
            verdicts: vec![verdict],
            estimate: Some(estimate(hash("estimate"))),
        },
        // Nobody was asked for then, so that what is asked for now decides.
        requirement: Requirement {
            author_counts: true,
            ..Requirement::of(0)
        },
        author: user(0),
        created_at: i64::from(made.at),
        expires_at: i64::from(made.until),
        nonce: hash("nonce"),
    }
}

fn estimate(digest: Hash) -> statehouse_capsule::Estimate {
    statehouse_capsule::Estimate {
        digest,
        amounts: vec![statehouse_capsule::Amount {
            currency: "USD".to_owned(),
            monthly_micro: 1,
            delta_micro: 0,
        }],
    }
}
