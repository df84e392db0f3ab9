//! What policies and prices said about a plan.
//!
//! An [`Assessment`] names the policies that were in force, by one digest over all of them, and holds a verdict of each.
//! Where none were in force it says exactly that, which is not the same as having passed.

use crate::form::{self, Error, Members, object, text, words};
use statehouse_ledger::canonical::Item;
use statehouse_ledger::{Hash, sha256};

/// What policies and prices said about a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Digest over the policy sets in force, see [`policies_digest`]; `None` where there were none.
    pub policies: Option<Hash>,
    /// One of each policy set, in order of their digests.
    pub verdicts: Vec<Verdict>,
    /// What it will cost; `None` where nobody asked.
    pub estimate: Option<Estimate>,
}

/// What one policy set said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Digest of the policy set.
    pub policy_set: Hash,
    /// Digest of what it was given: plan, workspace, estimate.
    pub input: Hash,
    /// What it said.
    pub outcome: Outcome,
}

words! {
    /// What a policy set said.
    Outcome {
        /// Nothing against it.
        Passed = "passed",
        /// Something against it, which is advice.
        Advised = "advised",
        /// Something against it, which a person overrode.
        Overridden = "overridden",
        /// It must not be applied. An error of the policy and no decision count as this.
        Failed = "failed",
    }
}

/// What it will cost, as it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Digest of the whole estimate.
    pub digest: Hash,
    /// One of each currency, in order of their names: they are never added. None where no amount is known.
    pub amounts: Vec<Amount>,
}

/// An amount, in millionths of a currency's unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// The currency: `USD`, …
    pub currency: String,
    /// A month afterwards.
    pub monthly_micro: i64,
    /// The difference to a month before.
    pub delta_micro: i64,
}

/// The digest over the policy sets in force, given by their digests in any order; `None` where there are none.
pub fn policies_digest(sets: &[Hash]) -> Option<Hash> {
    let mut sets = sets.to_vec();
    sets.sort_unstable();
    sets.dedup();
    let known = b"statehouse policies\n".as_slice();
    (!sets.is_empty()).then(|| sha256(&[known, sets.concat().as_slice()].concat()))
}

impl Assessment {
    pub(crate) fn members(&self) -> Vec<(&'static str, Item<'_>)> {
        let verdicts = self.verdicts.iter().map(Verdict::item).collect();
        vec![
            (
                "estimate",
                self.estimate.as_ref().map_or(Item::Null, Estimate::item),
            ),
            (
                "policies",
                form::optional(self.policies.as_ref(), form::hash),
            ),
            ("verdicts", Item::List(verdicts)),
        ]
    }

    pub(crate) fn read(members: &mut Members<'_>) -> Result<Self, Error> {
        let Item::List(verdicts) = members.item("verdicts")? else {
            return Err(form::wrong("verdicts"));
        };
        let verdicts = verdicts.into_iter().map(Verdict::read);
        let assessment = Self {
            policies: members.optional_hash("policies")?,
            verdicts: verdicts.collect::<Result<_, _>>()?,
            estimate: Estimate::read(members.item("estimate")?)?,
        };
        assessment.check()?;
        Ok(assessment)
    }

    fn check(&self) -> Result<(), Error> {
        let field = "verdicts";
        let sets: Vec<_> = self.verdicts.iter().map(|each| each.policy_set).collect();
        if !sets.is_sorted_by(|a, b| a < b) {
            let why = "they stand in order of their policy sets, each once";
            return Err(Error::Contradiction { field, why });
        }
        if policies_digest(&sets) != self.policies {
            let why = "there is one of each policy set in force, and no other";
            return Err(Error::Contradiction { field, why });
        }
        Ok(())
    }
}

impl Verdict {
    fn item(&self) -> Item<'_> {
        object(vec![
            ("input", form::hash(&self.input)),
            ("outcome", text(self.outcome.as_str())),
            ("policy_set", form::hash(&self.policy_set)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("verdicts", item)?;
        let verdict = Self {
            policy_set: members.hash("policy_set")?,
            input: members.hash("input")?,
            outcome: members.read("outcome")?,
        };
        members.end()?;
        Ok(verdict)
    }
}

impl Estimate {
    fn item(&self) -> Item<'_> {
        let amounts = self.amounts.iter().map(Amount::item).collect();
        object(vec![
            ("amounts", Item::List(amounts)),
            ("digest", form::hash(&self.digest)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Option<Self>, Error> {
        if item == Item::Null {
            return Ok(None);
        }
        let mut members = Members::of("estimate", item)?;
        let Item::List(amounts) = members.item("amounts")? else {
            return Err(form::wrong("estimate.amounts"));
        };
        let amounts = amounts.into_iter().map(Amount::read);
        let estimate = Self {
            amounts: amounts.collect::<Result<_, _>>()?,
            digest: members.hash("digest")?,
        };
        members.end()?;
        estimate.check()?;
        Ok(Some(estimate))
    }

    fn check(&self) -> Result<(), Error> {
        let named = self.amounts.iter().map(|each| each.currency.as_str());
        if named.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        let why = "they stand in order of their currencies, each once";
        Err(Error::Contradiction {
            field: "estimate.amounts",
            why,
        })
    }
}

impl Amount {
    fn item(&self) -> Item<'_> {
        object(vec![
            ("currency", text(&self.currency)),
            ("delta_micro", Item::Int(self.delta_micro)),
            ("monthly_micro", Item::Int(self.monthly_micro)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("estimate.amounts", item)?;
        let amount = Self {
            currency: Some(members.text("currency")?)
                .filter(|currency| form::is_word(currency))
                .ok_or_else(|| form::wrong("estimate.amounts.currency"))?,
            monthly_micro: members.integer("monthly_micro")?,
            delta_micro: members.integer("delta_micro")?,
        };
        members.end()?;
        Ok(amount)
    }
}
