//! An estimate: what it is made from, what it says, and the form that it is kept in.
//!
//! It is made by an [`Estimator`], somewhere else than in this process. What is kept of it is one JSON text, and its SHA-256 is what an approval is
//! about: the same plan, date and inputs, which it names by their digests, make the same text again. One that could not be made is one, too: it says why.
//!
//! Whether there is none because of the plan or because nobody came to it is told apart ([`Unsaid`]): what is ours is asked again, and never kept as if it
//! were what the plan comes to.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use statehouse_capsule::{Amount, Estimate as Bound};
use statehouse_ledger::{Hash, sha256};
use statehouse_model::HouseCode;

use crate::document::Document;
use crate::error::{Error, Result};
pub use crate::unsaid::Unsaid;

/// The form that is written now.
const FORM: u32 = 1;

/// An answer on its way.
pub type Estimating<'a, T> =
    Pin<Box<dyn Future<Output = std::result::Result<T, Unsaid>> + Send + 'a>>;

/// Who waits in turn: whatever one of these asks, it waits for itself, and for each of the others once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Of which organization.
    pub house: HouseCode,
    /// For what.
    pub purpose: Purpose,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The plan of a run, which goes on afterwards.
    Run,
    /// A plan that was estimated before.
    Replay,
    /// An input that somebody sent.
    Input,
}

/// A place to estimate in, given back when it is dropped.
pub type Place = Box<dyn Any + Send>;

/// What estimates, somewhere else than in this process.
pub trait Estimator: Send + Sync {
    /// What comes with it: a price book, and what resources consist of.
    fn own(&self) -> Own;

    /// Waits in turn for a place, for so long at most. Whatever is long is opened when there is one.
    fn place(&self, lane: Lane) -> Estimating<'_, Place>;

    /// Reads an input as it would be to estimate by it. Says in a line what it is, or everything that is wrong.
    fn check(&self, place: Place, input: Input) -> Estimating<'_, String>;

    /// What a plan costs.
    fn estimate(&self, place: Place, question: Question) -> Estimating<'_, Said>;
}

/// What comes with an estimator.
#[derive(Debug, Clone)]
pub struct Own {
    /// A price book.
    pub book: Input,
    /// What resources consist of.
    pub mapping: Input,
}

/// Something that estimates are made from.
#[derive(Debug, Clone)]
pub struct Input {
    /// What it is.
    pub kind: super::Kind,
    /// What it is called.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The JSON of the plan, as `terraform show -json` gives it.
    pub plan: Document,
    /// What it is called.
    pub name: String,
    /// Book, mapping, overlay, usage files; of these the later over the earlier.
    pub inputs: Vec<Input>,
    /// The day whose prices count: `2026-08-21`.
    pub date: String,
    /// Everything is taken to be in this region.
    pub region: Option<String>,
}

/// What an estimator says.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its name and version.
    pub engine: String,
    /// What people look at first.
    pub figures: Figures,
    /// The resources that change most.
    pub resources: Vec<Resource>,
    /// As policies read it, JSON.
    pub policy: String,
    /// All of it, in the form of Infracost's output version 0.2.
    pub document: String,
}

/// An amount on both sides, in a currency's unit as decimal text, and in millionths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Total {
    /// What there is costs a month.
    pub before: String,
    /// What there will be costs a month.
    pub after: String,
    /// The same with the lower end of every range of the usage.
    pub after_low: String,
    /// What it costs more.
    pub delta: String,
    /// In millionths, rounded.
    pub micro: Micro,
}

/// The same in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Micro {
    /// Before.
    pub before: i64,
    /// Afterwards.
    pub after: i64,
    /// The difference.
    pub delta: i64,
}

/// How many there are; what is not known is counted, and never taken for zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counts {
    /// Resources that there will be, or that were.
    pub resources: u64,
    /// Those whose cost is known whole, and those that are free.
    pub estimated: u64,
    /// Those that are free.
    pub free: u64,
    /// Those whose cost is not known at all.
    pub unsupported: u64,
    /// Components with a cost.
    pub priced: u64,
    /// Components of which nobody said how much is used.
    pub depends_on_usage: u64,
    /// Components that are known after apply.
    pub known_after_apply: u64,
    /// Components without a price in the book.
    pub price_not_found: u64,
}

/// What people look at first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Figures {
    /// By currency; never added.
    pub totals: BTreeMap<String, Total>,
    /// How many there are of what.
    pub counts: Counts,
    /// The book, by its name.
    pub book: String,
    /// When it was made.
    pub book_date: String,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Types whose cost is not known, and how many of each.
    pub unsupported: BTreeMap<String, u64>,
}

/// A resource, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resource {
    /// Its address.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the plan does to it.
    pub action: String,
    /// What it consists of.
    pub components: Vec<Component>,
}

/// A component, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Component {
    /// Its name, after those of the parts that it is in.
    pub name: String,
    /// The unit of its quantity.
    pub unit: String,
    /// What it was.
    pub before: Option<Side>,
    /// What it will be.
    pub after: Option<Side>,
    /// What it costs more, if both are known.
    pub delta: Option<String>,
    /// The currency of its prices.
    pub currency: Option<String>,
}

/// One side of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    /// How much a month.
    pub quantity: Option<String>,
    /// The price of one unit.
    pub price: Option<String>,
    /// What it costs a month.
    pub monthly: Option<String>,
    /// `priced`, `depends_on_usage`, `known_after_apply` or `price_not_found`.
    pub state: String,
    /// What is missing, or what was looked for; how sure the price is.
    pub why: String,
}

/// An input that an estimate was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Used {
    /// What it is.
    pub kind: super::Kind,
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
    /// What it is called.
    pub name: String,
}

/// An estimate, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    form: u32,
    /// SHA-256 of the JSON of the plan, in hex.
    pub plan: String,
    /// The day whose prices count.
    pub date: String,
    /// What it was made from.
    pub inputs: Vec<Used>,
    /// Where everything was taken to be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
    /// What made it.
    pub engine: String,
    /// Why there is none; nothing else but this and what it was to be made from is said then.
    pub why: Option<String>,
    /// Whether that says nothing of the plan: it was asked as often as may be, and not answered.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unanswered: bool,
    /// What people look at first.
    pub figures: Figures,
    /// The resources that change most.
    pub resources: Vec<Resource>,
    /// As policies read it.
    policy: Option<Box<RawValue>>,
    /// All of it, in the form of Infracost's output version 0.2.
    document: Option<Box<RawValue>>,
}

/// What was said goes in whole, or not at all: it is JSON that a process apart wrote.
fn raw(text: String) -> std::result::Result<Box<RawValue>, String> {
    RawValue::from_string(text).map_err(|error| format!("the estimate is no JSON: {error}"))
}

impl Estimate {
    /// What was said of a question, or why nothing was.
    pub(crate) fn of(question: &Question, said: std::result::Result<Said, Unsaid>) -> Self {
        let inputs = question.inputs.iter().map(|each| Used {
            kind: each.kind,
            digest: hex::encode(sha256(&each.bytes)),
            name: each.name.clone(),
        });
        let none = Self {
            form: FORM,
            plan: hex::encode(question.plan.digest()),
            date: question.date.clone(),
            inputs: inputs.collect(),
            region: question.region.clone(),
            engine: "none".to_owned(),
            why: None,
            unanswered: false,
            figures: Figures::default(),
            resources: Vec::new(),
            policy: None,
            document: None,
        };
        let made = said.and_then(|said| {
            Ok(Self {
                engine: said.engine,
                figures: said.figures,
                resources: said.resources,
                policy: Some(raw(said.policy).map_err(Unsaid::Impossible)?),
                document: Some(raw(said.document).map_err(Unsaid::Impossible)?),
                ..none.clone()
            })
        });
        made.unwrap_or_else(|unsaid| {
            let (why, unanswered) = match unsaid {
                Unsaid::Impossible(why) => (why, false),
                Unsaid::Unanswered(why) => (format!("nobody answered what it costs: {why}"), true),
            };
            Self {
                why: Some(why),
                unanswered,
                ..none
            }
        })
    }

    /// Why no amount can be judged, if none can.
    pub fn missing(&self) -> Option<String> {
        if let Some(why) = &self.why {
            return Some(why.clone());
        }
        let currencies: Vec<&str> = self.figures.totals.keys().map(String::as_str).collect();
        (currencies.len() > 1).then(|| {
            format!(
                "its prices are in {}, which are never added",
                currencies.join(" and ")
            )
        })
    }

    /// As policies read it; nothing where no amount can be judged.
    pub(crate) fn policy(&self) -> Option<Bytes> {
        let text = self.policy.as_ref().filter(|_| self.missing().is_none());
        text.map(|text| Bytes::copy_from_slice(text.get().as_bytes()))
    }

    /// All of it, in the form of Infracost's output version 0.2.
    pub fn document(&self) -> Option<&str> {
        self.document.as_deref().map(RawValue::get)
    }

    /// As it is kept.
    pub(crate) fn text(&self) -> Result<Bytes> {
        let text = serde_json::to_vec(self);
        let text = text.map_err(|error| Error::internal(format!("an estimate: {error}")))?;
        Ok(text.into())
    }

    /// Reads what was kept.
    pub(crate) fn read(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::tampered(format!("the estimate of a run: {error}")))
    }
}

/// In the words of a capsule.
pub(crate) fn bound(digest: Hash, totals: &BTreeMap<String, Micro>) -> Bound {
    let amounts = totals.iter().map(|(currency, micro)| Amount {
        currency: currency.clone(),
        monthly_micro: micro.after,
        delta_micro: micro.delta,
    });
    Bound {
        digest,
        amounts: amounts.collect(),
    }
}
