//! What the plans of a workspace, a project or an organization came to, over time.

use statehouse_model::RunId;

use super::seen::Short;
use super::{ShowCost, sql};
use crate::access::Scope;
use crate::ctx::Ctx;
use crate::door;
use crate::error::Result;

/// Runs of one page.
const PAGE: i64 = 200;

/// A run, and what it came to.
#[derive(Debug, Clone)]
pub struct Point {
    /// The run.
    pub run: RunId,
    /// Its workspace.
    pub workspace: String,
    /// The project that it was in.
    pub project: String,
    /// What it came to.
    pub cost: Short,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct Page {
    /// The oldest first.
    pub points: Vec<Point>,
    /// The run that the next page begins after; `None` where this is the last.
    pub next: Option<RunId>,
}

/// What plans came to that were made since a time, and after that of a run that a page ended with.
pub async fn history(
    ctx: &Ctx,
    scope: Scope,
    (since, after): (i64, Option<RunId>),
) -> Result<Page> {
    let target = scope.target();
    door::read(ctx, ShowCost, &target, move |rows| {
        Box::pin(async move {
            let of = match &scope {
                Scope::Organization => sql::Of::All,
                Scope::Project(id) => sql::Of::Project(id.clone()),
                Scope::Workspace(id) => sql::Of::Workspace(id.clone()),
            };
            let found = sql::estimates(rows, &of, (since, after.as_ref()), PAGE).await?;
            let is_full = i64::try_from(found.len()).is_ok_and(|count| count == PAGE);
            let next = found.last().filter(|_| is_full).map(|row| row.run.clone());
            let points = found.iter().map(|row| {
                Ok(Point {
                    run: row.run.clone(),
                    workspace: row.workspace.to_string(),
                    project: row.project.to_string(),
                    cost: Short::of(row)?,
                })
            });
            let points = points.collect::<Result<_>>()?;
            Ok(Page { points, next })
        })
    })
    .await
}
