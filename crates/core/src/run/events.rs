//! What happened to a run, for people and programs to read, and what people said beside it.
//!
//! Their words are sealed beside the leaf of what they did, which commits to them; the leaf is held against the signed checkpoint of the ledger. Whoever may see the run may read them, as they were told when they
//! wrote them. Words that are not what was written are never left out unsaid. What the server says beside its own steps is not told here: it can hold
//! what only those see who may read plans and logs.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use statehouse_ledger::leaf::Leaf;
use statehouse_model::RunId;

use super::machine::Act;
use super::sql::{self, Beside, RunEvent};
use super::{ShowRun, needed};
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Kind as Trouble, Result};
use crate::house::House;
use crate::ledger;
use crate::ledger::committed::Committed;
use crate::record::Rows;
use crate::workspace::Workspace;

/// Something that happened to a run, for people and programs to read.
#[derive(Debug, Clone)]
pub struct EventView {
    /// From 1.
    pub number: u64,
    /// What, a word.
    pub event: String,
    /// What it was about, where the word does not say that; empty otherwise.
    pub about: String,
    /// The status after it.
    pub status: String,
    /// Who did it.
    pub actor: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// What they said beside it.
    pub said: Said,
}

/// What somebody said beside what they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// This.
    Words(String),
    /// Something that is not there any more as it was written.
    Altered,
}

impl Said {
    /// What is told in the place of words that were altered.
    pub const ALTERED: &'static str = "what was said beside it was altered or removed in the database, and cannot be read; `statehouse verify --live` names what differs";

    /// The words, where they read.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Words(words) => Some(words),
            Self::Nothing | Self::Altered => None,
        }
    }

    /// Whether they are not there any more as they were written.
    pub fn is_altered(&self) -> bool {
        *self == Self::Altered
    }
}

/// What happened to a run, the oldest first.
pub async fn events(ctx: &Ctx, id: &RunId) -> Result<Vec<EventView>> {
    let (wanted, house) = (id.clone(), ctx.house().clone());
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, ShowRun, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let found = sql::events(rows, &run.id).await?;
            let mut said = said(rows, &house, &run.id, &found).await?;
            let view = |event: RunEvent| EventView {
                said: said.remove(&event.number).unwrap_or(Said::Nothing),
                number: event.number,
                event: event.event,
                about: event.about,
                status: event.status,
                actor: event.actor,
                at: event.created_at,
            };
            Ok(found.into_iter().map(view).collect())
        })
    })
    .await
}

/// What was said beside each thing that a person did, by its number.
async fn said(
    rows: &mut Rows,
    house: &House,
    run: &RunId,
    events: &[RunEvent],
) -> Result<BTreeMap<u64, Said>> {
    let mut beside = sql::beside_acts(rows, run).await?;
    let acts = events.iter().filter(|event| Act::is_word(&event.event));
    let mut committed = match Committed::begin(rows, house).await {
        // Nothing in the ledger can be told from what somebody put there.
        Err(error) if *error.kind() == Trouble::Tampered => None,
        committed => Some(committed?),
    };
    let mut said = BTreeMap::new();
    for event in acts {
        let words = match (beside.remove(&event.number), &mut committed) {
            (Some(beside), Some(committed)) => read(rows, committed, event, &beside).await?,
            _ => Said::Altered,
        };
        said.insert(event.number, words);
    }
    Ok(said)
}

/// Opens the words beside an act. The leaf must be the one that the ledger's checkpoint commits to, and tell of this act: it commits to the words, or to
/// there being none.
async fn read(
    rows: &mut Rows,
    committed: &mut Committed,
    event: &RunEvent,
    beside: &Beside,
) -> Result<Said> {
    let Some(body) = &beside.body else {
        return Ok(Said::Altered);
    };
    let Ok(leaf) = Leaf::parse(body.as_bytes()) else {
        return Ok(Said::Altered);
    };
    let is_its = leaf.seq == beside.leaf
        && *leaf.object == *event.run.as_str()
        && leaf.facts.text("event") == Some(event.event.as_str());
    if !is_its || !committed.holds(rows, beside.leaf, body).await? {
        return Ok(Said::Altered);
    }
    Ok(match (leaf.facts.text("detail"), &beside.sealed) {
        (None, None) => Said::Nothing,
        (Some(commitment), Some(sealed)) => {
            opened(rows, leaf.seq, (commitment, sealed)).map_or(Said::Altered, Said::Words)
        }
        _ => Said::Altered,
    })
}

/// Sealed words, if they are those that their leaf commits to.
fn opened(rows: &Rows, leaf: u64, (commitment, sealed): (&str, &[u8])) -> Option<String> {
    let salted = ledger::sql::open_detail(rows, leaf, sealed).ok()?;
    if hex::encode(Sha256::digest(&salted)) != commitment {
        return None;
    }
    let words = salted.get(ledger::sql::SALT_LEN..)?.to_vec();
    String::from_utf8(words).ok()
}
