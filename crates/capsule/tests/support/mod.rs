//! A house in which everything is as it should be, so that a test can spoil one thing.
#![allow(dead_code, unreachable_pub)]

use statehouse_capsule::*;
use statehouse_ledger::note::Signer;
use statehouse_ledger::{Hash, sha256};
use statehouse_model::*;
use std::collections::BTreeMap;

/// When capsules of these tests are made, and how long they are good.
pub const MADE: i64 = 1_785_580_272_123_456;
pub const HOUR: i64 = 3_600_000_000;

/// Where a thing comes from: what is taken from another place is valid there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Here,
    Earlier,
    AnotherWorkspace,
    AnotherHouse,
}

/// All that [`verify`] is given, owned.
pub struct World {
    pub terms: Terms,
    pub signers: Vec<Signer>,
    pub trusted: Vec<Signer>,
    pub found: Facts,
    pub assessment: Assessment,
    pub requirement: Requirement,
    pub approvals: Vec<FoundApproval>,
    pub lock: Lock,
    pub is_where_planned: bool,
    pub is_derived_again: bool,
    pub nonce_is_consumed: bool,
    pub now: i64,
}

impl World {
    /// An apply that nothing speaks against.
    pub fn fine() -> Self {
        let terms = terms(From::Here);
        let mut world = Self {
            signers: vec![signer(From::Here)],
            trusted: vec![signer(From::Here)],
            found: terms.facts.clone(),
            assessment: terms.assessment.clone(),
            requirement: Requirement::of(1),
            approvals: Vec::new(),
            lock: Lock::Held,
            is_where_planned: true,
            is_derived_again: false,
            nonce_is_consumed: false,
            now: MADE + HOUR / 2,
            terms,
        };
        world.approvals = vec![world.approval(user(2))];
        world
    }

    /// An apply under no policies, without state, lock file, providers, variables, estimate and approvals.
    pub fn bare() -> Self {
        let mut world = Self::fine();
        let facts = &mut world.terms.facts;
        facts.base = None;
        facts.lock_file = None;
        facts.providers.clear();
        facts.variables = Variables::default();
        facts.backend = Backend::Statehouse;
        world.terms.assessment = Assessment::default();
        world.assessment = Assessment::default();
        world.found = world.terms.facts.clone();
        world.requirement = Requirement::of(0);
        world.approvals.clear();
        world
    }

    /// An approval of the capsule as it is now.
    pub fn approval(&self, approver: ActorId) -> FoundApproval {
        let approval = Approval {
            capsule: Capsule::new(&self.terms).unwrap().digest(),
            decision: Decision::Approve,
            approver,
            capacity: Capacity::Role(Role::Maintainer),
            given_at: MADE + 1,
            expires_at: MADE + HOUR,
        };
        FoundApproval {
            approval,
            may_approve_now: true,
            withdrawn: false,
            is_authors: false,
        }
    }

    pub fn signed(&self) -> SignedCapsule {
        let capsule = Capsule::new(&self.terms).unwrap();
        SignedCapsule::sign(capsule, &self.signers.iter().collect::<Vec<_>>()).unwrap()
    }

    pub fn verify(&self) -> Result<Verified, Vec<Mismatch>> {
        self.verify_signed(&self.signed())
    }

    pub fn verify_signed(&self, signed: &SignedCapsule) -> Result<Verified, Vec<Mismatch>> {
        let keys: Vec<_> = self
            .trusted
            .iter()
            .map(|key| key.verifier().clone())
            .collect();
        verify(&Evidence {
            signed,
            keys: &keys,
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

    /// The words of what differs; none when it verifies.
    pub fn words(&self) -> Vec<&'static str> {
        words(&self.verify())
    }
}

pub fn words(outcome: &Result<Verified, Vec<Mismatch>>) -> Vec<&'static str> {
    match outcome {
        Ok(_) => Vec::new(),
        Err(mismatches) => mismatches.iter().map(Mismatch::word).collect(),
    }
}

pub fn house(from: From) -> HouseCode {
    HouseCode::from_entropy(if from == From::AnotherHouse { 8 } else { 7 })
}

pub fn user(number: u128) -> ActorId {
    UserId::from_entropy(number).as_str().parse().unwrap()
}

pub fn signer(from: From) -> Signer {
    let name = format!("statehouse/example/{}", house(from));
    Signer::from_seed(&name, &hash(from, "key")).unwrap()
}

pub fn hash(from: From, name: &str) -> Hash {
    sha256(format!("{name} {from:?}").as_bytes())
}

/// Terms in which every value differs from those of every other place.
pub fn terms(from: From) -> Terms {
    let number = from as u32;
    let hash = |name| hash(from, name);
    let verdict = |policy_set: Hash| Verdict {
        policy_set,
        input: hash("input"),
        outcome: Outcome::Passed,
    };
    let mut sets = [hash("set one"), hash("set two")];
    sets.sort_unstable();
    let (created_at, expires_at) = (MADE - i64::from(number), MADE + HOUR - i64::from(number));
    Terms {
        facts: facts(from),
        assessment: Assessment {
            policies: policies_digest(&sets),
            verdicts: sets.map(verdict).to_vec(),
            estimate: Some(Estimate {
                digest: hash("estimate"),
                amounts: vec![Amount {
                    currency: "USD".to_owned(),
                    monthly_micro: 12_500_000 + i64::from(number),
                    delta_micro: -500_000,
                }],
            }),
        },
        // Nobody was asked for then, so that what is asked for now decides.
        requirement: Requirement {
            author_counts: true,
            person_counts_twice: true,
            ..Requirement::of(number)
        },
        author: user(u128::from(number) + 1),
        created_at,
        expires_at,
        nonce: hash("nonce"),
    }
}

fn facts(from: From) -> Facts {
    let number = from as u8;
    let hash = |name| hash(from, name);
    let house = house(from);
    let workspace = u128::from(from == From::AnotherWorkspace);
    let provider = |name| Provider {
        version: format!("6.{number}.0"),
        digest: hash(name),
    };
    // What is elsewhere was written later than here; what is earlier, earlier.
    let leaf = if from == From::Earlier {
        31
    } else {
        41 + u64::from(number)
    };
    Facts {
        house,
        workspace: WorkspaceId::from_entropy(house, workspace),
        run: RunId::from_entropy(house, u128::from(number)),
        plan: hash("plan"),
        plan_json: hash("plan json"),
        plan_shown: hash("plan shown"),
        base: Some(BaseState {
            head: Some((format!("lineage-{number}"), 9 + leaf)),
            content: hash("state"),
            version: VersionId::from_entropy(house, u128::from(number)),
            leaf,
        }),
        configuration: hash("configuration"),
        lock_file: Some(hash("lock file")),
        tool: Tool {
            name: if from == From::Here {
                ToolName::Terraform
            } else {
                ToolName::Tofu
            },
            version: format!("1.11.{number}"),
            binary: hash("binary"),
        },
        providers: BTreeMap::from([
            (
                "registry.terraform.io/hashicorp/aws".to_owned(),
                provider("aws"),
            ),
            (
                "registry.terraform.io/hashicorp/null".to_owned(),
                provider("null"),
            ),
        ]),
        variables: Variables {
            terraform: BTreeMap::from([("region".to_owned(), hash("region"))]),
            environment: BTreeMap::from([("AWS_PROFILE".to_owned(), hash("profile"))]),
        },
        sandbox: if from == From::Here {
            Sandbox::Strict
        } else {
            Sandbox::Process
        },
        backend: Backend::External {
            kind: if from == From::Here { "s3" } else { "pg" }.to_owned(),
            state: Some(hash("backend")),
        },
    }
}
