//! terraform's `http` backend: one address for each state, `/state/{organization}/{workspace}`.
//!
//! What `terraform` and `tofu` send and accept here was measured, not guessed: 200 with the bytes or 204 without a state for
//! `GET`; 200 and nothing else for `LOCK` and `UNLOCK`; 423 with the holder's lock information for whoever comes second. A
//! workspace that does not exist yet is made by the first `LOCK` or `POST` of a caller who may make one, because the backend
//! has no other way to ask for it.
//!
//! Deliberately absent: `DELETE`, which no command sends; workspaces in terraform's own sense, which this backend has not.

pub(crate) mod lock;
pub(crate) mod state;

use statehouse_core::workspace::{self, Workspace};
use statehouse_core::{Ctx, Kind, Result};

use crate::auth::{self, Asker};
use crate::problem::Problem;

/// What an address names: the caller in the organization, and the workspace there.
async fn named(
    asker: &Asker,
    organization: &str,
    workspace: &str,
) -> Result<(Ctx, Workspace), Problem> {
    let ctx = asker.organization(organization).await?;
    Ok((ctx, Workspace::Name(auth::name(workspace)?)))
}

/// Whether a first attempt failed because the workspace is not there, and it is now. To a caller who may not make one it stays
/// "not found".
async fn made(ctx: &Ctx, workspace: &Workspace, failed: &statehouse_core::Error) -> Result<bool> {
    let Workspace::Name(name) = workspace else {
        return Ok(false);
    };
    if *failed.kind() != Kind::NotFound {
        return Ok(false);
    }
    workspace::ensure(ctx, name.clone()).await.map(|_| true)
}
