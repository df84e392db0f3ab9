//! Approvals: who said yes or no to which capsule, and whether that is enough.
//!
//! An [`Approval`] names the digest of the capsule and the decision, so that it says nothing about any other plan. A
//! [`Requirement`] says how many are needed and of whom; [`tally`] counts, and gives a reason for each that does not count.
//! What was needed when the capsule was made stands in its terms; what is needed later can only add to it.

use crate::form::{self, Error, Members, object, text, words};
use crate::mismatch::{Differs, Mismatch};
use crate::terms::Terms;
use statehouse_ledger::canonical::{self, Item};
use statehouse_ledger::{Hash, sha256};
use statehouse_model::{ActorId, Role, TeamId};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The form of approvals described here.
const VERSION: i64 = 1;

/// Somebody's word about a capsule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Approval {
    /// Digest of the capsule.
    pub capsule: Hash,
    /// Yes or no.
    pub decision: Decision,
    /// Who said it.
    pub approver: ActorId,
    /// As what they said it.
    pub capacity: Capacity,
    /// When, in microseconds since 1970.
    pub given_at: i64,
    /// From when on it is no longer good.
    pub expires_at: i64,
}

words! {
    /// Yes or no.
    Decision {
        /// It may be applied.
        Approve = "approve",
        /// It must not be applied.
        Reject = "reject",
    }
}

/// As what somebody approves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capacity {
    /// As a holder of a role.
    Role(Role),
    /// As somebody in a team.
    Team(TeamId),
}

/// How many approvals are needed, and of whom; and whether what they approve is derived anew before it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// How many; none for nought.
    pub count: u32,
    /// Roles and teams of which any will do; empty where everybody who may approve will do.
    pub capacities: BTreeSet<Capacity>,
    /// Whether whoever asked for the plan may be one of them.
    pub author_counts: bool,
    /// Whether somebody who approves in two capacities counts twice.
    pub person_counts_twice: bool,
    /// Whether whoever applies derives what the plan file says again, and does not believe whoever planned.
    pub derive_again: bool,
}

/// An approval, and what is true of it now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FoundApproval {
    /// What was said.
    pub approval: Approval,
    /// Whether whoever said it may approve here now, in that capacity.
    pub may_approve_now: bool,
    /// Whether they took it back.
    pub withdrawn: bool,
    /// Whether they stand behind the plan, though it is not in their name: as one of those who hold the token that asked
    /// for it, or as whoever uploaded what was planned.
    pub is_authors: bool,
}

/// What the approvals come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many are needed, for what is asked and for what the capsule binds.
    pub needed: u32,
    /// Who gave those that count, in the order of `counted`.
    pub approvers: Vec<ActorId>,
    /// Those that count, as `approver as capacity`.
    pub counted: Vec<String>,
    /// Rejections that count; one is enough.
    pub rejected: Vec<Mismatch>,
    /// Why each of the others does not count.
    pub discounted: Vec<Mismatch>,
    /// Whether it is enough, and nobody said no.
    pub is_sufficient: bool,
}

impl Requirement {
    /// So many approvals of anybody who may approve, each another person, and not whoever asked for the plan.
    pub fn of(count: u32) -> Self {
        Self {
            count,
            capacities: BTreeSet::new(),
            author_counts: false,
            person_counts_twice: false,
            derive_again: false,
        }
    }

    /// What is enough for both: the stricter of each part.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let both: BTreeSet<_> = match (self.capacities.is_empty(), other.capacities.is_empty()) {
            (true, _) => other.capacities.clone(),
            (_, true) => self.capacities.clone(),
            _ => &self.capacities & &other.capacities,
        };
        // Where nobody is in a capacity that does for both, no number of people is enough.
        let nobody =
            both.is_empty() && !(self.capacities.is_empty() && other.capacities.is_empty());
        let count = self.count.max(other.count);
        Self {
            count: if nobody && count > 0 { u32::MAX } else { count },
            capacities: both,
            author_counts: self.author_counts && other.author_counts,
            person_counts_twice: self.person_counts_twice && other.person_counts_twice,
            derive_again: self.derive_again || other.derive_again,
        }
    }

    pub(crate) fn item(&self) -> Item<'static> {
        let capacities = self.capacities.iter();
        let capacities = capacities.map(|each| Item::Text(each.to_string().into()));
        object(vec![
            ("author_counts", Item::Bool(self.author_counts)),
            ("capacities", Item::List(capacities.collect())),
            ("count", Item::Int(i64::from(self.count))),
            ("derive_again", Item::Bool(self.derive_again)),
            ("person_counts_twice", Item::Bool(self.person_counts_twice)),
        ])
    }

    pub(crate) fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("requirement", item)?;
        let wrong = |name: &str| form::wrong(&format!("requirement.{name}"));
        let Item::List(listed) = members.item("capacities")? else {
            return Err(wrong("capacities"));
        };
        let mut capacities = BTreeSet::new();
        for item in &listed {
            let text = item.text().ok_or_else(|| wrong("capacities"))?;
            let capacity: Capacity = text.parse()?;
            // In their order, each once: there is one spelling.
            if capacities.last().is_some_and(|last| *last >= capacity) {
                return Err(wrong("capacities"));
            }
            capacities.insert(capacity);
        }
        let requirement = Self {
            count: u32::try_from(members.number("count")?).map_err(|_| wrong("count"))?,
            capacities,
            author_counts: members.flag("author_counts")?,
            derive_again: members.flag("derive_again")?,
            person_counts_twice: members.flag("person_counts_twice")?,
        };
        members.end()?;
        Ok(requirement)
    }
}

/// Counts the approvals of the capsule with these terms and this digest, as of `now`. What the capsule binds is
/// required as well.
pub fn tally(
    requirement: &Requirement,
    (terms, digest): (&Terms, Hash),
    approvals: &[FoundApproval],
    now: i64,
) -> Tally {
    let requirement = &requirement.stricter(&terms.requirement);
    let mut tally = Tally {
        needed: requirement.count,
        ..Tally::default()
    };
    let mut people = BTreeSet::new();
    for found in approvals {
        let approval = &found.approval;
        let rejects = approval.decision == Decision::Reject;
        let mut reason = unbound(found, (terms, digest), now);
        if reason.is_none() && !rejects {
            reason = discount(requirement, found, terms, now);
        }
        if let Some(reason) = reason {
            tally.discounted.push(reason);
            continue;
        }
        if rejects {
            tally.rejected.push(Mismatch::Rejected(Differs {
                expected: "no rejection".to_owned(),
                found: approval.to_string(),
            }));
            continue;
        }
        let capacity = requirement
            .person_counts_twice
            .then_some(&approval.capacity);
        if people.insert((&approval.approver, capacity)) {
            tally.counted.push(approval.to_string());
            tally.approvers.push(approval.approver.clone());
        } else {
            let expected = "another person".to_owned();
            let found = approval.to_string();
            let twice = Mismatch::ApprovalTwice(Differs { expected, found });
            tally.discounted.push(twice);
        }
    }
    let enough = u32::try_from(people.len()).unwrap_or(u32::MAX) >= requirement.count;
    tally.is_sufficient = enough && tally.rejected.is_empty();
    tally
}

/// Why a word about something does not bind this capsule now, whether it is yes or no.
fn unbound(found: &FoundApproval, (terms, digest): (&Terms, Hash), now: i64) -> Option<Mismatch> {
    let approval = &found.approval;
    if approval.capsule != digest {
        return Some(Mismatch::ApprovalCapsule(Differs {
            expected: hex::encode(digest),
            found: hex::encode(approval.capsule),
        }));
    }
    if found.withdrawn {
        return Some(Mismatch::ApprovalWithdrawn(Differs {
            expected: "an approval that stands".to_owned(),
            found: format!("withdrawn: {approval}"),
        }));
    }
    if !found.may_approve_now {
        return Some(Mismatch::ApprovalRight(Differs {
            expected: "somebody who may approve now".to_owned(),
            found: approval.to_string(),
        }));
    }
    (approval.given_at < terms.created_at || approval.given_at > now).then(|| {
        Mismatch::ApprovalTime(Differs {
            expected: format!("a time from {} to {now}", terms.created_at),
            found: approval.given_at.to_string(),
        })
    })
}

/// Why a yes does not count towards the requirement. A no does not expire and needs no capacity.
fn discount(
    requirement: &Requirement,
    found: &FoundApproval,
    terms: &Terms,
    now: i64,
) -> Option<Mismatch> {
    let approval = &found.approval;
    if now >= approval.expires_at {
        return Some(Mismatch::ApprovalExpired(Differs {
            expected: format!("an approval good at {now}"),
            found: format!("{approval}, good until {}", approval.expires_at),
        }));
    }
    let is_authors = found.is_authors || approval.approver == terms.author;
    if is_authors && !requirement.author_counts {
        return Some(Mismatch::ApprovalAuthor(Differs {
            expected: format!("somebody else than {}", terms.author),
            found: approval.to_string(),
        }));
    }
    let asked = &requirement.capacities;
    (!asked.is_empty() && !asked.contains(&approval.capacity)).then(|| {
        let asked: Vec<_> = asked.iter().map(Capacity::to_string).collect();
        Mismatch::ApprovalCapacity(Differs {
            expected: asked.join(" or "),
            found: approval.to_string(),
        })
    })
}

impl Approval {
    /// Its one spelling.
    pub fn to_bytes(&self) -> Vec<u8> {
        object(vec![
            ("approver", text(self.approver.as_str())),
            ("capacity", Item::Text(self.capacity.to_string().into())),
            ("capsule", form::hash(&self.capsule)),
            ("decision", text(self.decision.as_str())),
            ("expires_at", Item::Int(self.expires_at)),
            ("given_at", Item::Int(self.given_at)),
            ("v", Item::Int(VERSION)),
        ])
        .to_bytes()
    }

    /// Reads an approval; accepts exactly what [`Approval::to_bytes`] gives.
    ///
    /// # Errors
    /// [`Error`] with the rule or the field that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut members = Members::of("", canonical::parse(bytes)?)?;
        if members.integer("v")? != VERSION {
            return Err(form::wrong("v"));
        }
        let approval = Self {
            capsule: members.hash("capsule")?,
            decision: members.read("decision")?,
            approver: members.read("approver")?,
            capacity: members.read("capacity")?,
            given_at: members.integer("given_at")?,
            expires_at: members.integer("expires_at")?,
        };
        members.end()?;
        if approval.expires_at <= approval.given_at {
            let why = "it ends after it begins";
            let field = "expires_at";
            return Err(Error::Contradiction { field, why });
        }
        Ok(approval)
    }

    /// SHA-256 of its bytes: what leaves name, and what a key of the approver's signs.
    pub fn digest(&self) -> Hash {
        sha256(&self.to_bytes())
    }
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.approver, self.capacity)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "role:{}", role.as_str()),
            Self::Team(team) => write!(f, "team:{team}"),
        }
    }
}

impl FromStr for Capacity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let capacity = match text.split_once(':') {
            Some(("role", role)) => role.parse().ok().map(Self::Role),
            Some(("team", team)) => team.parse().ok().map(Self::Team),
            _ => None,
        };
        capacity.ok_or_else(|| form::wrong("capacity"))
    }
}
