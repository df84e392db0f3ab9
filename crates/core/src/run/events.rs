//! What happened to a run, for people and programs to read, and what people said beside it.
//!
//! Their words are sealed beside the leaf of what they did, which commits to them. Whoever may see the run may read them, as they were told when they
//! wrote them. Words that are not what was written are never left out unsaid. What the server says beside its own steps is not told here: it can hold
//! what only those see who may read plans and logs.

use sha2::{Digest, Sha256};
use statehouse_ledger::leaf::Leaf;
use statehouse_model::RunId;

use super::sql::{self, RunEvent};
use super::{ShowRun, needed};
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::Result;
use crate::ledger;
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
    let wanted = id.clone();
    let target = Target::Workspace(Workspace::OfRun(id.clone()));
    door::read(ctx, ShowRun, &target, move |rows| {
        Box::pin(async move {
            let run = needed(rows, &wanted).await?;
            let found = sql::events(rows, &run.id).await?;
            let beside = sql::beside_acts(rows, &run.id).await?;
            let said = |number| {
                let beside = beside.iter().find(|beside| beside.number == number);
                beside.map_or(Said::Nothing, |beside| read(rows, beside))
            };
            let view = |event: RunEvent| EventView {
                said: said(event.number),
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

/// Opens the words beside an act: they must be those that its leaf commits to, and there where it does.
fn read(rows: &Rows, beside: &sql::Beside) -> Said {
    let leaf = beside.body.as_deref().map(str::as_bytes).map(Leaf::parse);
    let Some(Ok(leaf)) = leaf else {
        return Said::Altered;
    };
    let sealed = match (leaf.facts.text("detail"), &beside.sealed) {
        (None, None) => return Said::Nothing,
        (Some(commitment), Some(sealed)) => Some((commitment, sealed)),
        _ => None,
    };
    let words = sealed.and_then(|(commitment, sealed)| {
        let salted = ledger::sql::open_detail(rows, leaf.seq, sealed).ok()?;
        let is_its = hex::encode(Sha256::digest(&salted)) == commitment;
        let words = salted.get(ledger::sql::SALT_LEN..)?.to_vec();
        String::from_utf8(words).ok().filter(|_| is_its)
    });
    words.map_or(Said::Altered, Said::Words)
}
