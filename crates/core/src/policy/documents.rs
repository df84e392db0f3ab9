//! The large documents that policies read of a run: which there are, and where each comes from.
//!
//! What a stage judges is said by [`Stage::entities`](super::judge::Stage::entities); the document of an entity is looked up here, in [`of_run`], and opened
//! outside of the door. The plan is always there; a document that may be long or cost time, where a set in force judges its entity. One that cannot be
//! looked into (a state that its client encrypted) is left out: a policy that judges it fails then, because there is nothing to judge.

use std::collections::BTreeMap;

use bytes::Bytes;
use statehouse_policy::input::Part;
use statehouse_policy::manifest::Entity;

use super::judge::Stage;
use super::transition::Before;
use crate::blob::Stored;
use crate::cost::make as cost;
use crate::ctx::Ctx;
use crate::document::Document;
use crate::error::Result;
use crate::house::House;
use crate::object::Object;
use crate::record::Rows;
use crate::run::capsule::{self, Found};
use crate::run::files::{self, Kind};
use crate::run::sql::Run;
use crate::state::{self, sql::Version};

/// What stands for the state of a workspace that has none yet.
pub(super) const EMPTY: &str = r#"{"version":4,"terraform_version":"","serial":0,"lineage":"","outputs":{},"resources":[],"check_results":null}"#;

/// Documents that were looked up, and not opened yet.
#[derive(Default)]
pub(crate) struct Documents {
    kept: BTreeMap<Part, Kept>,
    /// What the state said of itself that was planned on, as far as it is known without opening it.
    before: Option<Before>,
    /// The estimate of the plan, where there is one.
    estimate: Option<cost::Sealed>,
}

/// Where a document is.
enum Kept {
    /// A file of a run, or a version of a state.
    Sealed(Box<(Object, Stored)>),
    /// Here.
    Text(&'static str),
}

/// Documents that can be read.
pub(super) struct Opened {
    pub(super) documents: BTreeMap<Part, Document>,
    pub(super) before: Option<Before>,
    /// Why nothing is known of its cost, where nothing is.
    pub(super) no_cost: Option<String>,
}

impl Documents {
    /// The file of a run, where there is one.
    async fn file(&mut self, rows: &mut Rows, run: &Run, (part, kind): (Part, Kind)) -> Result<()> {
        if let Some((object, stored)) = files::find(rows, &run.id, kind).await? {
            self.kept
                .insert(part, Kept::Sealed(Box::new((object, stored))));
        }
        Ok(())
    }

    /// A version of a state, unless its client encrypted it; where there is none, an empty one.
    async fn state(&mut self, rows: &mut Rows, part: Part, of: Option<Version>) -> Result<()> {
        match of {
            None => {
                self.kept.insert(part, Kept::Text(EMPTY));
            }
            Some(version) if version.opaque => {}
            Some(version) => {
                let stored = state::stored(rows, &version).await?;
                self.kept.insert(
                    part,
                    Kept::Sealed(Box::new((Object::from(&version), stored))),
                );
            }
        }
        Ok(())
    }

    /// The ids of what they are kept as.
    pub(super) fn ids(&self) -> Vec<String> {
        let id = |kept: &Kept| match kept {
            Kept::Sealed(sealed) => Some(sealed.0.id.clone()),
            Kept::Text(_) => None,
        };
        let estimate = self.estimate.iter().map(|(object, _)| object.id.clone());
        self.kept.values().filter_map(id).chain(estimate).collect()
    }

    /// Opens all of them: what is long is read and checked, and opened when it is handed on.
    pub(super) async fn open(self, ctx: &Ctx) -> Result<Opened> {
        let mut documents = BTreeMap::new();
        for (part, kept) in self.kept {
            let document = match kept {
                Kept::Sealed(sealed) => {
                    let (object, stored) = *sealed;
                    object.document(ctx, stored).await?
                }
                Kept::Text(text) => Bytes::from_static(text.as_bytes()).into(),
            };
            documents.insert(part, document);
        }
        let no_cost = match cost::judged(ctx, self.estimate).await? {
            Ok(cost) => {
                documents.insert(Part::Cost, cost.into());
                None
            }
            Err(why) => Some(why),
        };
        Ok(Opened {
            documents,
            before: self.before,
            no_cost,
        })
    }
}

/// What policies read of a run's plan and of what belongs to it at a stage; `None` where it has no plan. What of the rest is `wanted`, the sets say.
pub(super) async fn of_run(
    rows: &mut Rows,
    house: &House,
    (run, stage): (&Run, Stage),
    wanted: impl Fn(Entity) -> bool,
) -> Result<Option<Documents>> {
    let mut found = Documents::default();
    found.file(rows, run, (Part::Plan, Kind::PlanJson)).await?;
    if found.kept.is_empty() {
        return Ok(None);
    }
    if stage.entities().contains(&Entity::Cost) {
        found.estimate = cost::sealed(rows, &run.id).await?;
    }
    of_states(
        rows,
        house,
        (run, stage),
        (&mut found, wanted(Entity::State)),
    )
    .await?;
    Ok(Some(found))
}

/// The state that a run was planned on, and after the apply the one that it left. Where a backend elsewhere keeps them, the copies.
async fn of_states(
    rows: &mut Rows,
    house: &House,
    (run, stage): (&Run, Stage),
    (found, wanted): (&mut Documents, bool),
) -> Result<()> {
    let is_over = stage == Stage::Applied;
    let first = if is_over {
        Part::StateBefore
    } else {
        Part::State
    };
    let of_runner = Found::read(&capsule::open(rows, house, run, Kind::Found).await?)?;
    if let Some((_, state)) = of_runner.backend {
        if !wanted {
            return Ok(());
        }
        match state {
            None => found.state(rows, first, None).await?,
            Some(_) => found.file(rows, run, (first, Kind::StateBefore)).await?,
        }
        if is_over {
            found
                .file(rows, run, (Part::State, Kind::StateAfter))
                .await?;
        }
        return Ok(());
    }
    let base = capsule::planned_on(rows, run).await?;
    found.before = Before::of(base.as_ref());
    if !wanted {
        return Ok(());
    }
    if is_over {
        let left = state::sql::written_by(rows, &run.workspace, run.id.as_str()).await?;
        // One that wrote none left what there was.
        let left = left.or_else(|| base.clone());
        found.state(rows, Part::State, left).await?;
    }
    found.state(rows, first, base).await
}
