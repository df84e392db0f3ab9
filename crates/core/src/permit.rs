//! Who was allowed what, a moment ago: which workspace a name means to a token.
//!
//! A state is sealed to its workspace before the door, so the workspace must be
//! known there. Asking each time would cost as much as the write itself. What
//! is remembered here opens nothing: the door decides anew, on the rows as they
//! are then, and a name that means another workspace meanwhile is asked again.
//! It only spares whoever was allowed within a minute the question before the
//! work, and gives nobody else a reason to make the server work.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use statehouse_model::WorkspaceId;

use crate::ctx::Ctx;
use crate::workspace::Workspace;

/// How long a permit is worth something.
const AGE_MAX: Duration = Duration::from_mins(1);
/// Permits kept; beyond it all are forgotten.
const KEPT_MAX: usize = 4096;

/// A token's id, an action, and how the workspace was named.
type Question = (String, &'static str, Workspace);

/// The permits of a house.
#[derive(Default)]
pub(crate) struct Permits(Mutex<HashMap<Question, (WorkspaceId, Instant)>>);

impl Permits {
    /// The workspace, if the caller was allowed `action` on it a moment ago.
    pub(crate) fn find(
        &self,
        ctx: &Ctx,
        action: &'static str,
        workspace: &Workspace,
    ) -> Option<WorkspaceId> {
        let question = (ctx.actor().token()?.to_owned(), action, workspace.clone());
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, since) = kept.get(&question)?;
        (since.elapsed() < AGE_MAX).then(|| id.clone())
    }

    /// Remembers that the caller was allowed.
    pub(crate) fn keep(
        &self,
        ctx: &Ctx,
        action: &'static str,
        workspace: &Workspace,
        id: WorkspaceId,
    ) {
        let Some(token) = ctx.actor().token() else {
            return;
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let question = (token.to_owned(), action, workspace.clone());
        kept.insert(question, (id, Instant::now()));
    }

    /// Forgets a permit that turned out to be none any more.
    pub(crate) fn forget(&self, ctx: &Ctx, action: &'static str, workspace: &Workspace) {
        if let Some(token) = ctx.actor().token() {
            let question = (token.to_owned(), action, workspace.clone());
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.remove(&question);
        }
    }
}
