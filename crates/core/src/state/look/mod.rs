//! Looking into states: what differs between two of them, what one resource
//! is, what became of it and by whom, and what going back would mean.
//!
//! The reading is [`statehouse_terraform`]'s; here is who may ask, that the
//! read is in the ledger before anything of it leaves, and how much is open at
//! once. What is sensitive is hidden, by the marks of the state and by those of
//! the JSON form that came with it; a form that cannot be read hides nothing,
//! so nothing is shown without it.
//!
//! Deliberately absent: a way to see a sensitive value here, and looking into
//! states that the client encrypted.

mod compare;
mod follow;
mod resource;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use statehouse_model::{VersionId, WorkspaceId};
use statehouse_terraform::content::{Content, ContentError, ShownState};
use statehouse_terraform::diff::Side;
use tokio::sync::{Semaphore, SemaphorePermit};
use zeroize::Zeroizing;

use super::json::{self, sql::VersionJson};
use super::sql::{self, Version};
use super::{context, stored};
use crate::blob::Stored;
use crate::error::{Error, Kind, Result};
use crate::house::House;
use crate::record::Rows;

pub use compare::{Against, Compared, Previewed, compare, compare_with, preview_back};
pub use follow::{BYTES_MAX, Blamed, Followed, Line, Made, Point, VERSIONS_MAX, blame, history};
pub use resource::{Brief, ResourceView, resource, resources};

/// States that are looked into at once, in MiB of them: two of the longest.
const LOOKED_MIB_MAX: u32 = 512;

static ROOM: Semaphore = Semaphore::const_new(LOOKED_MIB_MAX as usize);

/// A version and its bytes as they are stored.
pub(super) struct Sealed {
    pub(super) version: Version,
    stored: Stored,
    form: Option<(VersionJson, Stored)>,
}

impl Sealed {
    /// A version of a workspace.
    async fn of(rows: &mut Rows, workspace: &WorkspaceId, id: &VersionId) -> Result<Self> {
        let found = sql::by_id(rows, id).await?;
        let version = found.filter(|version| version.workspace == *workspace);
        let version = version.ok_or_else(|| Error::not_found("version"))?;
        Self::with(rows, version).await
    }

    pub(super) async fn with(rows: &mut Rows, version: Version) -> Result<Self> {
        let stored = stored(rows, &version).await?;
        let form = match json::sql::of_version(rows, &version.id).await? {
            Some(form) => {
                let stored = json::stored(rows, &form).await?;
                Some((form, stored))
            }
            None => None,
        };
        Ok(Self {
            version,
            stored,
            form,
        })
    }

    /// How many bytes it is when it is open.
    pub(super) fn bytes(&self) -> u64 {
        self.version.size + self.form.as_ref().map_or(0, |(form, _)| form.size)
    }

    /// Opens it; to be called on a thread that may block.
    pub(super) fn open(&self, house: &House) -> Result<Bare> {
        let keyring = house.keyring();
        let (blobs, version) = (house.blobs(), &self.version);
        let state = blobs.load(&keyring, &context(version), &self.stored, version.size)?;
        let form = match &self.form {
            Some((form, stored)) => {
                let bytes = blobs.load(&keyring, &json::context(form), stored, form.size)?;
                Some(Zeroizing::new(bytes))
            }
            None => None,
        };
        Ok(Bare {
            state: Zeroizing::new(state),
            form,
        })
    }
}

/// The bytes of a state and of its JSON form, wiped when they are dropped.
pub(super) struct Bare {
    state: Zeroizing<Vec<u8>>,
    form: Option<Zeroizing<Vec<u8>>>,
}

impl Bare {
    /// Looks into it.
    pub(super) fn look<T>(&self, see: impl FnOnce(Side<'_>) -> T) -> Result<T> {
        look(&self.state, self.form.as_deref().map(Vec::as_slice), see)
    }
}

/// Looks into a state with its JSON form.
fn look<T>(state: &[u8], form: Option<&[u8]>, see: impl FnOnce(Side<'_>) -> T) -> Result<T> {
    let content = Content::read(state).map_err(unreadable)?;
    let shown = form.map(ShownState::read).transpose().map_err(|error| {
        Error::new(
            Kind::Conflict,
            format!("what is sensitive in this state is not known: {error}"),
        )
        .hint("download the state itself, if you may see all of it")
    })?;
    Ok(see(Side {
        content: &content,
        shown: shown.as_ref(),
    }))
}

fn unreadable(error: ContentError) -> Error {
    let error = Error::new(
        Kind::Conflict,
        format!("this state cannot be looked into: {error}"),
    );
    error.hint("download it, and look into it with the client that wrote it")
}

/// Waits until this many bytes may be open beside what is open already.
pub(super) async fn room(bytes: u64) -> Result<SemaphorePermit<'static>> {
    let mib = u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
    let room = ROOM.acquire_many(mib.clamp(1, LOOKED_MIB_MAX)).await;
    room.map_err(|error| Error::internal(format!("room for a state: {error}")))
}

/// Runs `work` on a thread that may block.
pub(super) async fn aside<T: Send + 'static>(
    house: &Arc<House>,
    work: impl FnOnce(&House) -> Result<T> + Send + 'static,
) -> Result<T> {
    let house = house.clone();
    let done = tokio::task::spawn_blocking(move || work(&house)).await;
    done.map_err(|error| Error::internal(format!("looking into a state: {error}")))?
}
