//! What a capsule says, before it has its one spelling.

use crate::approval::Requirement;
use crate::assessment::Assessment;
use crate::capsule::VERSION;
use crate::facts::Facts;
use crate::form::{self, Error, Members, object, text};
use statehouse_ledger::Hash;
use statehouse_ledger::canonical::Item;
use statehouse_model::ActorId;

/// What a capsule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What must be found again before it is applied.
    pub facts: Facts,
    /// What policies and prices said.
    pub assessment: Assessment,
    /// Which approvals were needed when it was made: fewer are never enough.
    pub requirement: Requirement,
    /// Who asked for the plan.
    pub author: ActorId,
    /// When it was made, in microseconds since 1970.
    pub created_at: i64,
    /// From when on it is no longer good.
    pub expires_at: i64,
    /// Thirty-two random bytes of the caller's: a capsule is used once.
    pub nonce: Hash,
}

impl Terms {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut members = self.facts.members();
        members.extend(self.assessment.members());
        members.extend([
            ("author", text(self.author.as_str())),
            ("created_at", Item::Int(self.created_at)),
            ("expires_at", Item::Int(self.expires_at)),
            ("nonce", form::hash(&self.nonce)),
            ("requirement", self.requirement.item()),
            ("v", Item::Int(VERSION)),
        ]);
        object(members).to_bytes()
    }

    pub(crate) fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("", item)?;
        if members.integer("v")? != VERSION {
            return Err(form::wrong("v"));
        }
        let terms = Self {
            facts: Facts::read(&mut members)?,
            assessment: Assessment::read(&mut members)?,
            requirement: Requirement::read(members.item("requirement")?)?,
            author: members.read("author")?,
            created_at: members.integer("created_at")?,
            expires_at: members.integer("expires_at")?,
            nonce: members.hash("nonce")?,
        };
        members.end()?;
        if terms.expires_at <= terms.created_at {
            let why = "it ends after it begins";
            let field = "expires_at";
            return Err(Error::Contradiction { field, why });
        }
        Ok(terms)
    }
}
